/* The test of no-noise.c: its first argument is the module. */
#include <mailweir/test.h>

#include <string.h>

static const char *module;

static void
test_noisy (void)
{
  g_autoptr (WeirTest) test = weir_test_load (module, NULL, NULL);
  const char *message = "From: a@example.org\r\nX-NOISE: yes\r\n\r\nHello\r\n";
  g_autoptr (WeirTestResult) result = weir_test_run (test, message, strlen (message));

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_REFUSED);
  g_assert_cmpstr (result->reply, ==, "550 5.7.1 No noise, please");
}

static void
test_quiet (void)
{
  g_autoptr (WeirTest) test = weir_test_load (module, NULL, NULL);
  const char *message = "From: a@example.org\r\nTo: b@example.net\r\n\r\nHello\r\n";
  g_autoptr (WeirTestResult) result = weir_test_run_session (test, message, strlen (message));

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_cmpstr (result->notes, ==, "fields=2\n");
  weir_test_assert_message (result, message, strlen (message));
  g_assert_false (weir_test_needs_body (test));
}

static void
test_options (void)
{
  g_autofree char *errors = NULL;

  g_assert_null (weir_test_load (module, "loud = true", &errors));
  g_assert_nonnull (strstr (errors, "unknown option \"loud\""));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  module = argv[1];
  g_test_add_func ("/no-noise/noisy", test_noisy);
  g_test_add_func ("/no-noise/quiet", test_quiet);
  g_test_add_func ("/no-noise/options", test_options);
  return g_test_run ();
}
