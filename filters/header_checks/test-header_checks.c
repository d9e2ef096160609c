/* The filter "header_checks" on whole messages: every action in header, part and body; what stays
 * as it was; tables that can not be read; patterns that take too long. */
#include <string.h>

#include <glib/gstdio.h>

#include "pages.h"
#include "test-header_checks.h"

static char *folder;

char *
write_table (const char *text)
{
  static guint number;
  g_autofree char *name = g_strdup_printf ("table-%u", number++);
  char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
  return path;
}

static char *
filter_text (const char *options, const char *path)
{
  g_auto (GStrv) pieces = g_strsplit (options, "%s", -1);
  g_autofree char *filled = g_strjoinv (path, pieces);

  return g_strdup_printf ("filter \"f\" { module = \"header_checks\"\n%s\n}", filled);
}

WeirTest *
make_filter (const char *options, const char *path)
{
  g_autofree char *filter = filter_text (options, path);

  return weir_test_new ("\"f\"", filter);
}

static WeirTestResult *
run (const char *options, const char *table, const char *message)
{
  g_autofree char *path = write_table (table);
  g_autofree char *wire = weir_test_crlf (message);
  g_autoptr (WeirTest) harness = make_filter (options, path);

  return weir_test_run (harness, wire, strlen (wire));
}

#define HEADER "header-checks = [\"pcre:%s\"]\n"
#define BODY "body-checks = [\"pcre:%s\"]\n"

static void
check (const char *options, const char *table, const char *message, const char *expected)
{
  g_autoptr (WeirTestResult) result = run (options, table, message);
  g_autofree char *wanted = weir_test_crlf (expected);

  g_assert_cmpstr (result->reply, ==, NULL);
  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  weir_test_assert_message (result, wanted, strlen (wanted));
}

static void
check_verdict (const char *options, const char *table, const char *message, WeirTestVerdict verdict,
               const char *reply)
{
  g_autoptr (WeirTestResult) result = run (options, table, message);

  g_assert_cmpint (result->verdict, ==, verdict);
  g_assert_cmpstr (result->reply, ==, reply);
}

#define MESSAGE "From: a@b\nSubject: old\n text\nTo: c@d\nsubject: two\n\nbody one\nbody two\n"

static void
test_fields (void)
{
  check (HEADER, "/^Subject:/ IGNORE", MESSAGE, "From: a@b\nTo: c@d\n\nbody one\nbody two\n");
  check (HEADER, "/^Subject:/ STRIP because", MESSAGE,
         "From: a@b\nTo: c@d\n\nbody one\nbody two\n");
  check (HEADER, "/^Subject: (\\w+)/ PREPEND X-Was: $1", MESSAGE,
         "From: a@b\nX-Was: old\nSubject: old\n text\nTo: c@d\nX-Was: two\nsubject: two\n\n"
         "body one\nbody two\n");
  check (HEADER, "/^Subject: (\\w+)/ REPLACE Subject: [$1]", MESSAGE,
         "From: a@b\nSubject: [old]\nTo: c@d\nsubject: [two]\n\nbody one\nbody two\n");
  check (HEADER, "/^Subject: (.*)/ REPLACE X-Old: $1", MESSAGE,
         "From: a@b\nX-Old: old\n text\nTo: c@d\nX-Old: two\n\nbody one\nbody two\n");
  check (HEADER, "/^body/ REJECT\n/^Subject/ WARN x\n/^To/ INFO\n/^From/ DUNNO", MESSAGE, MESSAGE);
  check (HEADER "mime-header-checks = []\nnested-header-checks = []\n", "/^Subject/ IGNORE",
         MESSAGE, "From: a@b\nTo: c@d\n\nbody one\nbody two\n");
  /* what became no field is left as it was */
  check (HEADER, "/^Subject: (.*)/ REPLACE $1", MESSAGE, MESSAGE);
}

static void
test_lines (void)
{
  check (BODY, "/one/ IGNORE", MESSAGE,
         "From: a@b\nSubject: old\n text\nTo: c@d\nsubject: two\n\nbody two\n");
  check (BODY, "/^body (.*)/ REPLACE BODY $1!", "A: b\n\nbody one\n\nbody two",
         "A: b\n\nBODY one!\n\nBODY two!");
  check (BODY, "/one/ PREPEND zero", "A: b\n\nbody one\n", "A: b\n\nzero\nbody one\n");
  check (BODY, "/./ IGNORE", "A: b\n\nbody one\n\n", "A: b\n\n\n");
  check (BODY, "/A/ IGNORE\n/^ $/ IGNORE", "A: b\n\n \nx\n", "A: b\n\nx\n");
}

#define PARTS                                                                                      \
  "Content-Type: multipart/mixed; boundary=b\nSubject: s\n\n--b\nContent-Type: text/html;\n"       \
  " name=x\nX-P: 1\n\ntext\n--b\nContent-Type: message/rfc822\n\nSubject: n\n\ninner\n--b--\n"

static void
test_parts (void)
{
  check (HEADER, "/^Content-Type: text.html;(\\s*name.*)/ REPLACE Content-Type: text/plain;$1",
         PARTS,
         "Content-Type: multipart/mixed; boundary=b\nSubject: s\n\n--b\nContent-Type: text/plain;\n"
         " name=x\nX-P: 1\n\ntext\n--b\nContent-Type: message/rfc822\n\nSubject: n\n\ninner\n"
         "--b--\n");
  check (HEADER "mime-header-checks = []\n", "/^(X-P|Subject: n)/ IGNORE", PARTS,
         "Content-Type: multipart/mixed; boundary=b\nSubject: s\n\n--b\nContent-Type: text/html;\n"
         " name=x\nX-P: 1\n\ntext\n--b\nContent-Type: message/rfc822\n\n\ninner\n--b--\n");
  check (HEADER "nested-header-checks = []\n", "/^(X-P|Subject: n)/ IGNORE", PARTS,
         "Content-Type: multipart/mixed; boundary=b\nSubject: s\n\n--b\nContent-Type: text/html;\n"
         " name=x\n\ntext\n--b\nContent-Type: message/rfc822\n\nSubject: n\n\ninner\n--b--\n");
  check ("body-checks = [\"regexp:%s\"]", "/^(X-P|Subject: n|inner)/ REPLACE outer", PARTS,
         "Content-Type: multipart/mixed; boundary=b\nSubject: s\n\n--b\nContent-Type: text/html;\n"
         " name=x\nX-P: 1\n\ntext\n--b\nContent-Type: message/rfc822\n\nSubject: n\n\nouter\n"
         "--b--\n");
}

static void
test_refusals (void)
{
  check_verdict (HEADER, "/^Subject/ REJECT", MESSAGE, WEIR_TEST_REFUSED,
                 "550 5.7.1 message content rejected");
  check_verdict (HEADER, "/^Subject: (\\w+)/ reject no $1 here", MESSAGE, WEIR_TEST_REFUSED,
                 "550 5.7.1 no old here");
  check_verdict (HEADER, "/^Subject/ REJECT 5.6.0 spam", MESSAGE, WEIR_TEST_REFUSED,
                 "550 5.6.0 spam");
  check_verdict (HEADER, "/^Subject/ REJECT 4.7.1 later", MESSAGE, WEIR_TEST_REFUSED,
                 "451 4.7.1 later");
  check_verdict (HEADER, "/^Subject/ REJECT 5 reasons", MESSAGE, WEIR_TEST_REFUSED,
                 "550 5.7.1 5 reasons");
  check_verdict (BODY, "/two/ REJECT", MESSAGE, WEIR_TEST_REFUSED,
                 "550 5.7.1 message content rejected");
  check_verdict (HEADER, "/^Subject/ DISCARD", MESSAGE, WEIR_TEST_DISCARDED, NULL);
  check_verdict (HEADER, "/^Subject/ HOLD look at this", MESSAGE, WEIR_TEST_QUARANTINED,
                 "look at this");
  /* what comes later: HOLD goes on, REJECT, DISCARD and PASS end it */
  check_verdict (HEADER, "/^From/ HOLD\n/^To/ REJECT", MESSAGE, WEIR_TEST_REFUSED,
                 "550 5.7.1 message content rejected");
  check_verdict (HEADER, "/^From/ DISCARD\n/^To/ REJECT", MESSAGE, WEIR_TEST_DISCARDED, NULL);
  check_verdict (HEADER, "/^From/ PASS\n/^To/ REJECT", MESSAGE, WEIR_TEST_PASS, NULL);
  check_verdict (HEADER, "/^From/ HOLD\n/^Subject/ PASS\n/^To/ REJECT", MESSAGE,
                 WEIR_TEST_QUARANTINED, "a header or body check");
}

static void
check_recipients (const char *table, const char *before, const char *after)
{
  g_auto (GStrv) recipients = g_strsplit (before, " ", -1);
  g_autofree char *path = write_table (table);
  g_autoptr (WeirTest) harness = make_filter (HEADER, path);
  g_autoptr (WeirTestResult) result = weir_test_run_envelope (
      harness, "From: x@y\r\nTo: z\r\n\r\n", 20, "a@b", (const char *const *) recipients);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_cmpstr (result->recipients, ==, after);
}

static void
test_recipients (void)
{
  check_recipients ("/^From/ BCC copy@x\n/^To/ BCC copy@x", "b@c", "b@c copy@x");
  check_recipients ("/^From/ BCC B@c\n/^To/ BCC other@x", "b@c d@e", "b@c d@e other@x");
  check_recipients ("/^From/ REDIRECT one@x\n/^To/ REDIRECT two@x", "b@c d@e B@c", "two@x");
  check_recipients ("/^From/ REDIRECT b@c\n/^To/ BCC two@x", "d@e b@c f@g", "b@c");
  check_recipients ("/^From: (.*)/ REDIRECT $1", "d@e", "x@y");
}

/* A target that the message made, and is no address, must not be passed over. */
static void
test_bad_target (void)
{
  g_autoptr (WeirTestResult) result = run (HEADER, "/^From: (.*)/ REDIRECT <$1>", MESSAGE);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_FAILED);
}

static void
test_size_limit (void)
{
  const char *table = "/a/ IGNORE\n/b/ REPLACE c";

  /* lines count with one octet for their break; a line that begins within is looked at whole */
  check (BODY "body-checks-size-limit = 5", table, "A: x\n\nxx\nbbbbb\nb\n", "A: x\n\nxx\nc\nb\n");
  check (BODY "body-checks-size-limit = 5", table, "A: x\n\nxxxx\nb\n", "A: x\n\nxxxx\nb\n");
  check (BODY "body-checks-size-limit = 6", table, "A: x\n\nxxxx\nb\n", "A: x\n\nxxxx\nc\n");
}

static void
test_long_lines (void)
{
  g_autofree char *x = g_strnfill (2048, 'x');
  g_autofree char *message = g_strdup_printf ("A: b\n\n%sy\nz\n", x);
  g_autofree char *first = g_strdup ("A: b\n\ny\nz\n");
  g_autofree char *second = g_strdup_printf ("A: b\n\n%s\nz\n", x);

  check (BODY, "/x/ IGNORE", message, first);
  check (BODY, "/y/ IGNORE", message, second);
  check (BODY, "/xy/ REJECT", message, message);
}

static void
test_too_deep (void)
{
  g_autoptr (GString) text = g_string_new ("Content-Type: multipart/mixed");

  for (guint i = 0; i < 102; i++)
    g_string_append_printf (text, "; boundary=b%u", i);
  g_string_append (text, "\n\nx\n");
  check_verdict (HEADER, "/nothing/ WARN", text->str, WEIR_TEST_REFUSED,
                 "550 5.6.0 MIME nesting exceeds the safety limit");
}

static void
test_several_tables (void)
{
  g_autofree char *one = write_table ("/^Subject/ DUNNO\n/^To/ REPLACE To: one\n");
  g_autofree char *two = write_table ("/^Subject/ REJECT\n/^(To|From)/ REPLACE $1: two\n");
  g_autofree char *options = g_strdup_printf ("header-checks = [\"pcre:%s, regexp:%s\"]", one, two);
  g_autoptr (WeirTest) harness = make_filter (options, "");
  const char *wanted = "From: two\r\nSubject: s\r\nTo: one\r\n\r\n";
  const char *message = "From: f\r\nSubject: s\r\nTo: t\r\n\r\n";
  g_autoptr (WeirTestResult) result = weir_test_run (harness, message, strlen (message));

  weir_test_assert_message (result, wanted, strlen (wanted));
  g_assert_nonnull (strstr (result->notes, "header-checks=REPLACE "));
}

/* Matching that is over the limit is a failure, which on-failure answers. */
static void
test_bomb (void)
{
  g_autoptr (WeirTestResult) result
      = run (HEADER "match-limit = 1000", "/^X: (a+)+$/ REJECT",
             "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\n\n");

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_FAILED);
}

/* Only a chain that looks at the body keeps the message. */
static void
test_streaming (void)
{
  g_autofree char *path = write_table ("/x/ REJECT");
  g_autoptr (WeirTest) streams
      = make_filter (HEADER "mime-header-checks = []\nnested-header-checks = []", path);
  g_autoptr (WeirTest) stores = make_filter (HEADER, path);

  g_assert_false (weir_test_needs_body (streams));
  g_assert_true (weir_test_needs_body (stores));
}

static void
test_hostile (void)
{
  static const char *const messages[] = {
    "",
    "\n",
    ":\n",
    "no header",
    "A: b",
    "A: b\n\n\n\n",
    " A: b\n\n",
    "A: \xff\xfe\n\n\xff\n",
    "Content-Type: multipart/mixed; boundary=\n\n--\nX: 1\n",
    "Content-Type: multipart/mixed; boundary=\"\"\n\n--\nX: 1\n",
    "Content-Type: multipart/mixed; boundary=\"\\\n\n--\nX: 1\n",
    "Content-Type: ((((((\n\n--\n",
    "Content-Type: \"\n\n",
    "Content-Type:\n\n",
    "Content-Type: (\\",
    "Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nContent-Type: message/rfc822",
  };
  g_autofree char *path = write_table ("/never there/ REJECT\n!/./ REJECT\n");
  g_autoptr (WeirTest) harness = make_filter (HEADER BODY, path);

  for (guint i = 0; i < G_N_ELEMENTS (messages); i++)
    {
      g_autofree char *wire = weir_test_crlf (messages[i]);
      g_autoptr (WeirTestResult) result = weir_test_run (harness, wire, strlen (wire));

      g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
      weir_test_assert_message (result, wire, strlen (wire));
    }
}

static void
test_load_errors (void)
{
  static const char *const bad[][2] = {
    { "", "neither header-checks nor body-checks" },
    { "header-checks = [\"hash:/etc/x\"]", "test.conf:6:17: filter \"f\": \"hash:/etc/x\" is no" },
    { "header-checks = [\"pcre:x\"]", "needs its whole path" },
    { "body-checks = [\"pcre:/nowhere/x\"]", "/nowhere/x" },
    { "body-checks = [\"pcre:/\"]", "directory" },
    { "header-checks = [\"$header_checks\"]", "is no table" },
    { "header-checks = [\"pcre:%s\"]", ":2:5: FILTER can not be done" },
    { "header-checks = [\"pcre:%s\"]", ":3:4: there is no action" },
    { "header-checks = [\"pcre:/nowhere/x\", \"pcre:%s\"]", ":3:4: there is no action" },
    { "header-checks = [\"regexp:%s\"]\nmatch-limit = 10", "match-limit" },
  };
  g_autofree char *path = write_table ("/x/ WARN\n/x/ FILTER smtp:x\n/x/\n");

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *filter = filter_text (bad[i][0], path);
      g_autofree char *errors = weir_test_load_errors ("\"f\"", filter);

      g_assert_nonnull (errors);
      if (strstr (errors, bad[i][1]) == NULL)
        g_error ("%s: %s", bad[i][0], errors);
      /* what stands for the header in other options is not told again */
      g_assert_null (strstr (strstr (errors, bad[i][1]) + 1, bad[i][1]));
    }
}

/* The configuration that the page shows, with tables of the test's own. */
static void
test_page (void)
{
  g_autofree char *page = pages_config (FILTER_SOURCE "/README.md");
  g_autofree char *table = write_table ("/^X:/ REJECT\n");
  g_autoptr (GString) config = g_string_new (page);

  g_string_replace (config, "/etc/postfix/header_checks", table, 0);
  g_string_replace (config, "/etc/postfix/body_checks", table, 0);
  g_autoptr (WeirTest) harness = weir_test_new ("\"rules\"", config->str);
  g_autoptr (WeirTestResult) result = weir_test_run (harness, "A: b\r\n\r\nX: c\r\n", 14);
  g_assert_cmpint (result->verdict, ==, WEIR_TEST_REFUSED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("header-checks-XXXXXX", NULL);
  g_test_add_func ("/header_checks/table", test_table);
  g_test_add_func ("/header_checks/table-errors", test_table_errors);
  g_test_add_func ("/header_checks/table-errors/all", test_table_all_errors);
  g_test_add_func ("/header_checks/table-limits", test_table_limits);
  g_test_add_func ("/header_checks/backtracking", test_backtracking);
  g_test_add_func ("/header_checks/walk", test_walk);
  g_test_add_func ("/header_checks/walk-lines", test_walk_lines);
  g_test_add_func ("/header_checks/walk-limits", test_walk_limits);
  g_test_add_func ("/header_checks/find-body", test_find_body);
  g_test_add_func ("/header_checks/fields", test_fields);
  g_test_add_func ("/header_checks/lines", test_lines);
  g_test_add_func ("/header_checks/parts", test_parts);
  g_test_add_func ("/header_checks/refusals", test_refusals);
  g_test_add_func ("/header_checks/recipients", test_recipients);
  g_test_add_func ("/header_checks/bad-target", test_bad_target);
  g_test_add_func ("/header_checks/size-limit", test_size_limit);
  g_test_add_func ("/header_checks/long-lines", test_long_lines);
  g_test_add_func ("/header_checks/too-deep", test_too_deep);
  g_test_add_func ("/header_checks/several-tables", test_several_tables);
  g_test_add_func ("/header_checks/bomb", test_bomb);
  g_test_add_func ("/header_checks/streaming", test_streaming);
  g_test_add_func ("/header_checks/hostile", test_hostile);
  g_test_add_func ("/header_checks/page", test_page);
  g_test_add_func ("/header_checks/load-errors", test_load_errors);
  int result = g_test_run ();
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  for (const char *name; (name = g_dir_read_name (dir)) != NULL;)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_unlink (path);
    }
  g_rmdir (folder);
  g_free (folder);
  return result;
}
