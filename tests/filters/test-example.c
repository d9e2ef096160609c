/* The example of docs/writing-filters.md: the same text that is compiled here, and what it does. */
#include <string.h>

#include <mailweir/test.h>

static void
test_text (void)
{
  g_autofree char *page = NULL;
  g_autofree char *source = NULL;
  g_autofree char *block = NULL;

  g_assert_true (g_file_get_contents (EXAMPLE_DOCS, &page, NULL, NULL));
  g_assert_true (g_file_get_contents (EXAMPLE_SOURCE, &source, NULL, NULL));
  block = g_strconcat ("```c\n", source, "```\n", NULL);
  g_assert_nonnull (strstr (page, block));
}

static void
test_run (void)
{
  g_autoptr (WeirTest) harness
      = weir_test_new ("\"f\"", "filter \"f\" { module = \"" EXAMPLE_MODULE "\" }");
  const char *noisy = "From: a@b\r\nX-NOISE: yes\r\n\r\n";
  const char *quiet = "From: a@b\r\nTo: c@d\r\n\r\n";
  g_autoptr (WeirTestResult) refused = weir_test_run (harness, noisy, strlen (noisy));
  g_autoptr (WeirTestResult) passed = weir_test_run (harness, quiet, strlen (quiet));

  g_assert_cmpstr (refused->reply, ==, "550 5.7.1 No noise, please");
  g_assert_cmpint (passed->verdict, ==, WEIR_TEST_PASS);
  g_assert_cmpstr (passed->notes, ==, "fields=2\n");
  weir_test_assert_message (passed, quiet, strlen (quiet));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/example/text", test_text);
  g_test_add_func ("/example/run", test_run);
  return g_test_run ();
}
