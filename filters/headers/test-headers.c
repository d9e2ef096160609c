/* The filter "headers": its rules on addresses and fields as text, then on whole messages. */
#include <string.h>

#include <mailweir/test.h>

#include "pages.h"
#include "rewrite.h"

#define FILTER(options) "filter \"f\" { module = \"headers\"\n" options "\n}"

/* ---- Rules ---- */

static void
check_rule (const char *rule, const char *address, const char *expected)
{
  const char *const rules[] = { rule, NULL };
  g_autofree char *fresh = rewrite_address (rules, address, strlen (address));

  g_assert_null (rewrite_check (rule));
  g_assert_cmpstr (fresh, ==, expected);
}

static void
test_rules (void)
{
  check_rule ("*@old.example => *@new.example", "Ann.Other@OLD.example", "Ann.Other@new.example");
  check_rule ("*@old.example=>*@new.example", "a@very.old.example", NULL);
  check_rule ("*@*.old.example => *@*.new.example", "a@x.y.old.example", "a@x.y.new.example");
  check_rule ("sales-*@a.example => *@sales.example", "Sales-eu@a.example", "eu@sales.example");
  check_rule ("sales-*@a.example => *@sales.example", "sales-@a.example", NULL);
  check_rule ("a@b => c@d", "a@b", "c@d");
  check_rule ("a@b => A@b", "a@b", "A@b");
  check_rule ("*@b => *@b", "a@b", NULL);
  check_rule ("*@b => *@c", "\"a@x b\"@b", "\"a@x b\"@c");
  check_rule ("*@b => x-*@c", "\"a b\"@b", NULL);
  check_rule ("*@b => *@c", "", NULL);
  check_rule ("*@b => *@c", "postmaster", NULL);
  check_rule ("*@* => all@example.org", "x@y", "all@example.org");
}

static void
test_bad_rules (void)
{
  static const char *const bad[]
      = { "",           "a@b",         "a => b@c",       "a@b => c",          "a@b => *@c",
          "a@b => c@*", "**@b => *@c", "*@*.*.b => *@c", "*@b => *@c d",      "*@b => *@c\nd",
          "@b => a@c",  "a@ => b@c",   "*@b => <*@c>",   "a@b => c@d\r\nX: y" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_nonnull (rewrite_check (bad[i]));
}

static void
check_field (const char *raw, const char *expected)
{
  static const char *const rules[] = { "*@old => *@new", NULL };
  g_autofree char *fresh = rewrite_field (rules, raw);

  g_assert_cmpstr (fresh, ==, expected);
}

static void
test_fields (void)
{
  check_field (" a@old", " a@new");
  check_field (" a@old, b@other,\r\n\tc@old", " a@new, b@other,\r\n\tc@new");
  check_field (" \"x@old, y\" <a@old> (me@old (nested) \\) z@old)",
               " \"x@old, y\" <a@new> (me@old (nested) \\) z@old)");
  check_field (" john@old <j@other>", NULL);
  check_field (" john@old <j@old>", " john@old <j@new>");
  check_field (" Friends: a@old, B <b@old>;, c@old", " Friends: a@new, B <b@new>;, c@new");
  check_field (" <@relay,@old:a@old>", " <@relay,@old:a@new>");
  check_field (" \"a \\\" b\"@old", " \"a \\\" b\"@new");
  check_field (" =?utf-8?q?a@old?= <x@other>", NULL);
  check_field (" a@old b@old", NULL); /* two in one place: nobody knows */
  check_field (" a@[192.0.2.1], b@old", " a@[192.0.2.1], b@new");
  check_field (" undisclosed-recipients:;", NULL);
  check_field (" \"never closed a@old", NULL);
  check_field (" (never closed a@old", NULL);
  check_field (" <never@old", " <never@new");
  check_field ("", NULL);
  check_field (" @old, a@, @@, <>, <@>, <a@old>", " @old, a@, @@, <>, <@>, <a@new>");
}

static void
test_field_is_linear (void)
{
  static const char *const rules[] = { "*@old => *@new", NULL };
  static const char bombs[] = "(<\"[:,;@a\\";

  for (const char *c = bombs; *c != '\0'; c++)
    {
      g_autofree char *raw = g_strnfill (1000000, *c);
      g_autofree char *fresh = rewrite_field (rules, raw);

      g_assert_null (fresh);
    }
}

/* ---- Messages ---- */

static void
check (const char *options, const char *message, const char *expected)
{
  g_autofree char *filter = g_strdup_printf ("filter \"f\" { module = \"headers\"\n%s\n}", options);
  g_autofree char *wire = weir_test_crlf (message);
  g_autofree char *wanted = weir_test_crlf (expected);
  g_autoptr (WeirTest) harness = weir_test_new ("\"f\"", filter);
  g_autoptr (WeirTestResult) result = weir_test_run (harness, wire, strlen (wire));

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_cmpstr (g_bytes_get_data (result->message, NULL), !=, NULL);
  weir_test_assert_message (result, wanted, strlen (wanted));
}

static void
test_add (void)
{
  check ("add = [\"X-A: 1\", \"X-B:2\"]", "From: a@b\nTo: c@d\n\n",
         "From: a@b\nTo: c@d\nX-A: 1\nX-B: 2\n\n");
  check ("prepend = [\"X-A: 1\", \"X-B: 2\"]", "From: a@b\n\n", "X-A: 1\nX-B: 2\nFrom: a@b\n\n");
}

static void
test_remove (void)
{
  check ("remove = [\"x-internal-*\", \"Bcc\"]",
         "X-Internal-A: 1\n 2\nFrom: a@b\nBCC: x\nX-Internal: keep\nx-INTERNAL-b:3\n\n",
         "From: a@b\nX-Internal: keep\n\n");
}

static void
test_replace (void)
{
  check ("replace = [\"X-A: new\"]", "X-B: 0\nX-A: 1\nX-C: 0\nx-a: 2\n\n",
         "X-B: 0\nX-A: new\nX-C: 0\n\n");
  check ("replace = [\"X-A: new\"]", "X-B: 0\n\n", "X-B: 0\nX-A: new\n\n");
  check ("replace = [\"X-A: same\"]", "X-A:   same\n\n", "X-A:   same\n\n");
  check ("replace = [\"X-A: new\"]\nremove = [\"X-*\"]", "X-A: 1\nX-B: 0\n\n", "X-A: new\n\n");
}

static void
test_rewrite_headers (void)
{
  check ("rewrite-headers = [\"*@old.example => *@new.example\"]",
         "From: \"A, old\"\n <a@old.example> (c)\nSubject: a@old.example\nTo: b@x, c@old.example\n"
         "CC:d@other\n\n",
         "From: \"A, old\"\n <a@new.example> (c)\nSubject: a@old.example\nTo: b@x, c@new.example\n"
         "CC:d@other\n\n");
}

static void
test_nothing_to_do (void)
{
  check ("remove = [\"X-*\"]", "From: a@b\nOdd :  x \n\ty\n\n", "From: a@b\nOdd :  x \n\ty\n\n");
}

static void
test_envelope (void)
{
  static const char *const recipients[] = { "a@old", "b@other", "A@OLD.", "c@old", "c@new", NULL };
  const char *message = "From: a@old\r\n\r\n";
  g_autoptr (WeirTest) harness
      = weir_test_new ("\"f\"", FILTER ("rewrite-sender = [\"*@old => *+x@new\"]\n"
                                        "rewrite-recipients = [\"*@old => *@new\"]"));
  g_autoptr (WeirTestResult) result
      = weir_test_run_envelope (harness, message, strlen (message), "s@old", recipients);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_cmpstr (result->sender, ==, "s+x@new");
  g_assert_cmpstr (result->recipients, ==, "b@other A@OLD. c@new a@new");
  weir_test_assert_message (result, message, strlen (message));
}

static void
check_recipients (const char *rules, const char *before, const char *after)
{
  g_auto (GStrv) recipients = g_strsplit (before, " ", -1);
  g_autofree char *filter = g_strdup_printf (FILTER ("rewrite-recipients = [%s]"), rules);
  g_autoptr (WeirTest) harness = weir_test_new ("\"f\"", filter);
  g_autoptr (WeirTestResult) result = weir_test_run_envelope (harness, "A: b\r\n\r\n", 8, "a@b",
                                                              (const char *const *) recipients);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_cmpstr (result->recipients, ==, after);
}

static void
test_recipients (void)
{
  check_recipients ("\"*@old => *@new\"", "a@old", "a@new");
  check_recipients ("\"*@old => *@new\"", "a@old a@old A@old", "a@new A@new");
  check_recipients ("\"*@old => all@new\"", "a@old b@old", "all@new");
  check_recipients ("\"a@x => b@x\", \"b@x => a@x\"", "a@x b@x", "b@x a@x");
  check_recipients ("\"a@x => b@x\", \"b@x => a@x\"", "a@x b@x c@x", "c@x b@x a@x");
  check_recipients ("\"a@x => A@x\"", "a@x", "a@x");
}

static void
test_null_sender (void)
{
  static const char *const recipients[] = { "b@other", NULL };
  const char *message = "From: a@old\r\n\r\n";
  g_autoptr (WeirTest) harness
      = weir_test_new ("\"f\"", FILTER ("rewrite-sender = [\"*@* => x@new\"]"));
  g_autoptr (WeirTestResult) result
      = weir_test_run_envelope (harness, message, strlen (message), "", recipients);

  g_assert_cmpstr (result->sender, ==, "");
  g_assert_cmpstr (result->recipients, ==, "b@other");
}

static void
test_load_errors (void)
{
  static const char *const bad[][2] = {
    { "add = [\"X-A: 1\", \"no colon\"]", "test.conf:6:" },
    { "add = [\"X A: 1\"]", "add: \"X A: 1\"" },
    { "add = [\": 1\"]", "name" },
    { "prepend = [\"X-\u00e4: 1\"]", "name" },
    { "add = [\"X-A: \u00e4\"]", "encoded-word" },
    { "add = [\"X-A: b\\nX-B: c\"]", "control" },
    { "remove = [\"\"]", "no field name" },
    { "remove = [\"a b\"]", "no field name" },
    { "replace = [\"X-A\"]", "replace" },
    { "rewrite-sender = [\"a@b\"]", "rewrite-sender" },
    { "rewrite-recipients = [\"a@b => *@c\"]", "rewrite-recipients" },
    { "rewrite-headers = [\"**@b => *@c\"]", "rewrite-headers" },
    { "remov = [\"x\"]", "remove" },
  };

  pages_expect_load_errors ("headers", bad, G_N_ELEMENTS (bad));
}

static void
test_longest_value (void)
{
  g_autofree char *value = g_strnfill (998 - strlen ("X-A: "), 'x');
  g_autofree char *fits = g_strdup_printf (FILTER ("add = [\"X-A: %s\"]"), value);
  g_autofree char *over = g_strdup_printf (FILTER ("add = [\"X-AB: %s\"]"), value);
  g_autofree char *none = weir_test_load_errors ("\"f\"", fits);
  g_autofree char *one = weir_test_load_errors ("\"f\"", over);

  g_assert_null (none);
  g_assert_nonnull (strstr (one, "998"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/headers/rules", test_rules);
  g_test_add_func ("/headers/bad-rules", test_bad_rules);
  g_test_add_func ("/headers/fields", test_fields);
  g_test_add_func ("/headers/field-is-linear", test_field_is_linear);
  g_test_add_func ("/headers/add", test_add);
  g_test_add_func ("/headers/remove", test_remove);
  g_test_add_func ("/headers/replace", test_replace);
  g_test_add_func ("/headers/rewrite-headers", test_rewrite_headers);
  g_test_add_func ("/headers/nothing-to-do", test_nothing_to_do);
  g_test_add_func ("/headers/envelope", test_envelope);
  g_test_add_func ("/headers/recipients", test_recipients);
  g_test_add_func ("/headers/null-sender", test_null_sender);
  g_test_add_func ("/headers/load-errors", test_load_errors);
  g_test_add_func ("/headers/longest-value", test_longest_value);
  return g_test_run ();
}
