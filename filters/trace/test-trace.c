/* The filter "trace": any verdict at any hook, and what its options refuse. */
#include <string.h>

#include <mailweir/test.h>

static const char message[] = "From: a@b\r\nTo: c@d\r\n\r\nsecret\r\n";

static WeirTestResult *
run (const char *options)
{
  g_autofree char *filter = g_strdup_printf ("filter \"f\" { module = \"trace\"\n%s\n}", options);
  g_autoptr (WeirTest) harness = weir_test_new ("\"f\"", filter);

  return weir_test_run (harness, message, strlen (message));
}

static void
check (const char *options, WeirTestVerdict verdict, const char *reply)
{
  g_autoptr (WeirTestResult) result = run (options);

  g_assert_cmpint (result->verdict, ==, verdict);
  g_assert_cmpstr (result->reply, ==, reply);
  weir_test_assert_message (result, message, strlen (message));
}

static void
test_verdicts (void)
{
  check ("", WEIR_TEST_PASS, NULL);
  check ("reply-at = \"header\"", WEIR_TEST_REFUSED, "550 5.7.1 traced");
  check ("reply-at = \"end_of_headers\" reply = \"451 wait\"", WEIR_TEST_REFUSED, "451 wait");
  check ("reply-at = \"body\" reply = \"554 5.6.0 no\" verdict = \"close\"", WEIR_TEST_REFUSED,
         "554 5.6.0 no");
  check ("reply-at = \"end_of_message\" verdict = \"discard\"", WEIR_TEST_DISCARDED, NULL);
  check ("reply-at = \"end_of_message\" verdict = \"quarantine\" reply = \"odd\"",
         WEIR_TEST_QUARANTINED, "odd");
  check ("reply-at = \"rcpt\"", WEIR_TEST_PASS, NULL);
  check ("reply-at = \"header\" verdict = \"skip\"", WEIR_TEST_PASS, NULL);
}

static void
test_load_errors (void)
{
  static const char *const bad[] = { "hooks = [\"mail\", \"rcpx\"]",
                                     "reply-at = \"nowhere\"",
                                     "reply = \"no code\"",
                                     "reply = \"199 x\"",
                                     "reply = \"600 x\"",
                                     "reply = \"5500 x\"",
                                     "verdict = \"explode\"",
                                     "reply = \"\"" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *filter
          = g_strdup_printf ("filter \"f\" { module = \"trace\"\n%s\n}", bad[i]);
      g_autofree char *errors = weir_test_load_errors ("\"f\"", filter);

      g_assert_nonnull (errors);
      g_assert_nonnull (strstr (errors, "test.conf:6:"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/trace/verdicts", test_verdicts);
  g_test_add_func ("/trace/load-errors", test_load_errors);
  return g_test_run ();
}
