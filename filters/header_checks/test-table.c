/* The filter "header_checks": its tables, without a message. Each lookup and each error is one row.
 */
#include <string.h>

#include "table.h"
#include "test-header_checks.h"

typedef struct
{
  PatternKind kind;
  const char *table;
  const char *subject;
  const char *expected; /* "ACTION:line:text"; NULL: no rule fits */
} Lookup;

static const Lookup lookups[] = {
  /* case, dot and newline: pcre_table(5), regexp_table(5) */
  { PATTERN_PCRE, "/^subject: x/ WARN a", "Subject: X", "WARN:1:a" },
  { PATTERN_PCRE, "/^subject: x/i WARN a", "Subject: X", NULL },
  { PATTERN_PCRE, "/a.b/ INFO", "a\nb", "INFO:1:" },
  { PATTERN_PCRE, "/a.b/s INFO", "a\nb", NULL },
  { PATTERN_PCRE, "/^b/ INFO", "a\nb", NULL },
  { PATTERN_PCRE, "/^b/m INFO", "a\nb", "INFO:1:" },
  { PATTERN_PCRE, "/a b #x/x INFO", "ab", "INFO:1:" },
  { PATTERN_PCRE, "/b/A INFO", "ab", NULL },
  { PATTERN_PCRE, "/b$/ INFO", "ab\n", "INFO:1:" },
  { PATTERN_PCRE, "/b$/E INFO", "ab\n", NULL },
  { PATTERN_PCRE, "/(a+)/U INFO $1", "aaa", "INFO:1:a" },
  { PATTERN_PCRE, "/(a+)/X INFO $1", "aaa", "INFO:1:aaa" },
  { PATTERN_PCRE, "/(*UTF)^.$/ INFO", "\xc3\xa4", "INFO:1:" },
  { PATTERN_PCRE, "/(*UTF)x/ INFO", "\xff\xffx", "INFO:1:" },
  { PATTERN_PCRE, "/x/ INFO", "\xff\xffx", "INFO:1:" },
  { PATTERN_REGEXP, "/^subject: x/ WARN a", "Subject: X", "WARN:1:a" },
  { PATTERN_REGEXP, "/^subject: x/i WARN a", "Subject: X", NULL },
  { PATTERN_REGEXP, "/a.b/ INFO", "a\nb", "INFO:1:" },
  { PATTERN_REGEXP, "/a.b/m INFO", "a\nb", NULL },
  { PATTERN_REGEXP, "/^b/m INFO", "a\nb", "INFO:1:" },
  { PATTERN_REGEXP, "/a+/x INFO", "a+", "INFO:1:" },
  { PATTERN_REGEXP, "/a+/x INFO", "aa", NULL },
  { PATTERN_REGEXP, "/a/!/b/ INFO one", "ab", NULL },
  { PATTERN_REGEXP, "/a/!/b/ INFO one", "ac", "INFO:1:one" },
  { PATTERN_REGEXP, "/A/i!/b/ INFO one", "Ac", "INFO:1:one" },
  /* delimiters and escapes */
  { PATTERN_PCRE, "|a/b| INFO", "a/b", "INFO:1:" },
  { PATTERN_PCRE, "/a\\/b/ INFO", "a/b", "INFO:1:" },
  /* negation */
  { PATTERN_PCRE, "!/a/ INFO no", "b", "INFO:1:no" },
  { PATTERN_PCRE, "!/a/ INFO no", "a", NULL },
  { PATTERN_PCRE, "!!/a/ INFO no", "a", "INFO:1:no" },
  { PATTERN_PCRE, "! /a/ INFO no", "b", "INFO:1:no" },
  /* the first rule that fits */
  { PATTERN_PCRE, "/a/ DUNNO\n/a/ REJECT", "a", "DUNNO:1:" },
  { PATTERN_PCRE, "/b/ DUNNO\n/a/ reject no", "a", "REJECT:2:no" },
  { PATTERN_PCRE, "/a/ ok", "a", "DUNNO:1:" },
  { PATTERN_PCRE, "/^$/ REJECT", "", NULL },
  /* comments, blank lines, continuation */
  { PATTERN_PCRE, "# one\n\n   # two\n/a/\n# three\n\n  WARN\n\ttext\n", "a", "WARN:4:text" },
  { PATTERN_PCRE, "/a/ WARN one  two  \r\n", "a", "WARN:1:one  two" },
  /* IF */
  { PATTERN_PCRE, "if /a/\n/b/ WARN\nendif\n/c/ INFO", "abc", "WARN:2:" },
  { PATTERN_PCRE, "if /a/\n/b/ WARN\nendif\n/c/ INFO", "bc", "INFO:4:" },
  { PATTERN_PCRE, "IF !/a/\n/b/ WARN\nENDIF /a/\n/c/ INFO", "bc", "WARN:2:" },
  { PATTERN_PCRE, "if /a/\nif /x/\n/b/ WARN\nendif\n/c/ HOLD\nendif\n", "abc", "HOLD:5:" },
  { PATTERN_REGEXP, "if/a/\nif !/x/\n/b/ WARN\nendif # of that\n/c/ HOLD\nendif", "abc",
    "WARN:3:" },
  /* $number */
  { PATTERN_PCRE, "/(a)(b)/ WARN $2$1 ${2} $(1)x $$1", "ab", "WARN:1:ba b ax $1" },
  { PATTERN_PCRE, "/(a)|(b)/ WARN [$1$2]", "b", "WARN:1:[b]" },
  { PATTERN_REGEXP, "/(a)|(b)/ WARN [$1$2]", "b", "WARN:1:[b]" },
  { PATTERN_PCRE, "/(?<n>a)/ WARN $1", "xa", "WARN:1:a" },
  { PATTERN_PCRE, "/^Subject: (.*)/ REPLACE X-Old: $1", "Subject: a\n b",
    "REPLACE:1:X-Old: a\n b" },
};

static char *
show (const TableHit *hit)
{
  return hit->action == NULL
             ? NULL
             : g_strdup_printf ("%s:%u:%s", action_name (hit->action->kind), hit->line, hit->text);
}

void
test_table (void)
{
  PatternMatcher *matcher = pattern_matcher_new (100000);

  for (guint i = 0; i < G_N_ELEMENTS (lookups); i++)
    {
      const Lookup *row = &lookups[i];
      g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
      Table *table = table_new ("t", row->table, strlen (row->table), row->kind, FALSE, problems);

      g_assert_cmpuint (problems->len, ==, 0);
      TableHit hit = table_find (table, matcher, row->subject, strlen (row->subject));
      g_autofree char *shown = show (&hit);
      if (g_strcmp0 (shown, row->expected) != 0)
        g_error ("%s | %s: %s", row->table, row->subject, shown);
      g_assert_cmpint (hit.result, ==, row->expected != NULL ? PATTERN_YES : PATTERN_NO);
      g_free (hit.text);
      table_free (table);
    }
  pattern_matcher_free (matcher);
}

/* ---- Errors ---- */

static const struct
{
  PatternKind kind;
  const char *table;
  const char *expected;
} errors[] = {
  { PATTERN_PCRE, "/a(/ WARN", "t:1:4: bad pattern: missing closing parenthesis" },
  { PATTERN_PCRE, "\n# x\n/a\n  (/ WARN", "t:4:4: bad pattern" },
  { PATTERN_REGEXP, "/a(/ WARN", "t:1:2: bad pattern" },
  { PATTERN_PCRE, "/a/", "t:1:4: there is no action" },
  { PATTERN_PCRE, "/a/ WRAN x", "t:1:5: \"WRAN\" is no action" },
  { PATTERN_PCRE, "/a/ FILTER smtp:[127.0.0.1]", "t:1:5: FILTER can not be done: there is no" },
  { PATTERN_PCRE, "/a/ delay", "t:1:5: DELAY can not be done" },
  { PATTERN_PCRE, "/a WARN", "t:1:1: the pattern has no end" },
  { PATTERN_PCRE, "/a\\/ WARN", "t:1:1: the pattern has no end" },
  { PATTERN_PCRE, "/a/q WARN", "t:1:4: no flag" },
  { PATTERN_REGEXP, "/a/s WARN", "t:1:4: no flag: there are i, m, x" },
  { PATTERN_PCRE, "/a/!/b/ WARN", "t:1:4: no flag" },
  { PATTERN_PCRE, "abc WARN", "t:1:1: a pattern stands between slashes" },
  { PATTERN_PCRE, "!", "t:1:2: there is no pattern" },
  { PATTERN_PCRE, "  /a/ WARN", "t:1:1: the first line begins with a space" },
  { PATTERN_PCRE, "if /a/\n  /b/ WARN\nendif", "t:2:3: nothing may stand behind" },
  { PATTERN_PCRE, "/x/ WARN\nif /a/\n/b/ WARN", "t:2:1: IF without ENDIF" },
  { PATTERN_PCRE, "/x/ WARN\nendif", "t:2:1: ENDIF without IF" },
  { PATTERN_PCRE, "/a/ WARN $1", "t:1:5: $number is higher" },
  { PATTERN_PCRE, "!/(a)/ WARN $1", "t:1:8: $number has no meaning" },
  { PATTERN_PCRE, "/(a)/ WARN a$name", "t:1:13: \"$name\" is no number" },
  { PATTERN_PCRE, "/(a)/ WARN $0", "t:1:12: \"$0\" is no number" },
  { PATTERN_PCRE, "/(a)/ WARN 5$", "t:1:13: \"$\" is no number" },
  { PATTERN_PCRE, "/(a)/ WARN ${1", "t:1:12: the name in" },
  { PATTERN_PCRE, "/a/ PREPEND", "t:1:12: PREPEND needs a text" },
  { PATTERN_PCRE, "/a/ PREPEND no field", "t:1:13: \"no field\" is no header field" },
  { PATTERN_PCRE, "/a/ REPLACE : x", "t:1:13: \": x\" is no header field" },
  { PATTERN_PCRE, "/a/ REDIRECT postmaster", "t:1:14: \"postmaster\" is no address" },
  { PATTERN_PCRE, "/a/ BCC", "t:1:8: \"\" is no address" },
  { PATTERN_PCRE, "/a/ REJECT 2.1.0 x", "t:1:12: a refusal's status" },
};

void
test_table_errors (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (errors); i++)
    {
      g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
      Table *table = table_new ("t", errors[i].table, strlen (errors[i].table), errors[i].kind,
                                FALSE, problems);

      g_assert_null (table);
      g_assert_cmpuint (problems->len, ==, 1);
      if (!g_str_has_prefix (problems->pdata[0], errors[i].expected))
        g_error ("%s: %s", errors[i].table, (char *) problems->pdata[0]);
    }
}

/* All of a table's errors, and none that only follows from another one. */
static void
check_all_errors (const char *text, gsize length, const char *expected)
{
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *all = NULL;

  g_assert_null (table_new ("t", text, length, PATTERN_PCRE, FALSE, problems));
  g_ptr_array_add (problems, NULL);
  all = g_strjoinv ("\n", (char **) problems->pdata);
  g_assert_cmpstr (all, ==, expected);
}

void
test_table_all_errors (void)
{
  static const char many[] = "/a/ WARN\n/a/ WRAN x\nif /b(/\n/c/ DELAY\nendif\nif !\n/d/\nendif\n"
                             "/e/\0 WARN\n more\n/f/q WARN\n";
  g_autofree char *endless = g_strnfill (4 * TABLE_MAX_PROBLEMS, '\n');
  g_autoptr (GString) expected = g_string_new (NULL);

  check_all_errors (
      many, sizeof many - 1,
      "t:2:5: \"WRAN\" is no action\n"
      "t:3:7: bad pattern: missing closing parenthesis\n"
      "t:4:5: DELAY can not be done: there is no queue here in which a message could wait\n"
      "t:6:5: there is no pattern\nt:7:4: there is no action\n"
      "t:9:1: there is a NUL in the line\n"
      "t:11:4: no flag: there are i, m, s, x, A, E, U, X");
  for (guint i = 0; i < 4 * TABLE_MAX_PROBLEMS; i += 4)
    memcpy (endless + i, "/a/\n", 4);
  for (guint i = 1; i <= TABLE_MAX_PROBLEMS; i++)
    g_string_append_printf (expected, "%st:%u:4: there is no action", i > 1 ? "\n" : "", i);
  check_all_errors (endless, strlen (endless), expected->str);
  g_autofree char *more = g_strconcat (endless, "/a/\nif /a/\n", NULL);
  g_string_append (expected, "\nt: 2 more errors");
  check_all_errors (more, strlen (more), expected->str);
}

/* ---- Limits ---- */

static gboolean
reads (const char *text, gsize length)
{
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  Table *table = table_new ("t", text, length, PATTERN_PCRE, TRUE, problems);

  table_free (table);
  return table != NULL;
}

static char *
nested (guint depth)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < depth; i++)
    g_string_append (text, "if /a/\n");
  for (guint i = 0; i < depth; i++)
    g_string_append (text, "endif\n");
  return g_string_free (text, FALSE);
}

void
test_table_limits (void)
{
  g_autofree char *longest = g_strnfill (PATTERN_MAX_LENGTH, 'a');
  g_autofree char *fits = g_strdup_printf ("/%s/ WARN", longest);
  g_autofree char *over = g_strdup_printf ("/%sa/ WARN", longest);
  g_autofree char *deep = nested (TABLE_MAX_DEPTH);
  g_autofree char *deeper = nested (TABLE_MAX_DEPTH + 1);

  g_assert_true (reads (fits, strlen (fits)));
  g_assert_false (reads (over, strlen (over)));
  g_assert_true (reads (deep, strlen (deep)));
  g_assert_false (reads (deeper, strlen (deeper)));
  g_assert_false (reads ("/a\0b/ WARN", 10));
  g_assert_true (reads ("", 0));
  g_assert_true (reads ("/a/ PREPEND not a field", 23));
}

/* A pattern that takes exponential time ends at the limit, and says so; one within it does not. */
void
test_backtracking (void)
{
  const char *text = "/^(a+)+$/ REJECT";
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  PatternMatcher *matcher = pattern_matcher_new (100000);
  Table *table = table_new ("t", text, strlen (text), PATTERN_PCRE, FALSE, problems);
  g_autofree char *many = g_strnfill (40, 'a');
  g_autofree char *bomb = g_strconcat (many, "!", NULL);
  TableHit hit = table_find (table, matcher, bomb, strlen (bomb));

  g_assert_cmpint (hit.result, ==, PATTERN_FAILED);
  g_assert_cmpuint (hit.line, ==, 1);
  g_assert_null (hit.text);
  hit = table_find (table, matcher, many, strlen (many));
  g_assert_cmpint (hit.result, ==, PATTERN_YES);
  g_free (hit.text);
  table_free (table);
  pattern_matcher_free (matcher);
}
