/* Tests of host names, of the patterns that claim domains, and of globs. */
#include "base/address.h"

#include <string.h>

static void
test_valid (void)
{
  static const gchar *good[]
      = { "example.org", "some_host", "[192.0.2.1]", "[IPv6:::1]",       "a:b",
          "x/y",         "-",         "..",          "\xc3\xbc.example", "192.0.2.1" };
  static const gchar *bad[] = { "",   "a b", "a\tb", "<a>",  "a>b",  "a(b)",  "a@b",
                                "[a", "a]",  "[]",   "a\\b", "\xff", "a\x7f", "a\r\nb" };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (base_domain_is_valid (good[i], strlen (good[i])));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (base_domain_is_valid (bad[i], strlen (bad[i])));
  g_assert_false (base_domain_is_valid ("a\0b", 3));
  g_assert_false (base_domain_is_valid ("[a\0b]", 5));
}

static void
test_limits (void)
{
  g_autofree gchar *name = g_strnfill (BASE_ADDRESS_MAX_DOMAIN + 1, 'n');

  g_assert_true (base_domain_is_valid (name, BASE_ADDRESS_MAX_DOMAIN));
  g_assert_false (base_domain_is_valid (name, BASE_ADDRESS_MAX_DOMAIN + 1));
}

static void
test_strict (void)
{
  static const gchar *good[] = { "example.org", "example.org.", "some_host", "[192.0.2.1]", "a-b" };
  static const gchar *bad[] = { "a:b", "x/y", "..", ".a", "a..b", "a..", ".", "" };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (base_domain_is_strict (good[i], strlen (good[i])));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (base_domain_is_strict (bad[i], strlen (bad[i])));
}

static void
test_match (void)
{
  g_assert_cmpuint (base_domain_match ("example.org", "EXAMPLE.org"), >, 0);
  g_assert_cmpuint (base_domain_match ("example.org", "example.org."), >, 0);
  g_assert_cmpuint (base_domain_match ("example.org", "a.example.org"), ==, 0);
  g_assert_cmpuint (base_domain_match ("example.org", "badexample.org"), ==, 0);
  g_assert_cmpuint (base_domain_match (".example.org", "example.org"), ==, 0);
  g_assert_cmpuint (base_domain_match (".example.org", ".example.org"), ==, 0);
  g_assert_cmpuint (base_domain_match (".example.org", "a.b.example.org"), >, 0);
  g_assert_cmpuint (base_domain_match (".example.org", "badexample.org"), ==, 0);
  g_assert_cmpuint (base_domain_match (".", "org"), ==, 0);
  g_assert_cmpuint (base_domain_match ("", "org"), ==, 0);
  g_assert_cmpuint (base_domain_match ("", ""), ==, 0);
  g_assert_cmpuint (base_domain_match ("*", "org"), >, 0);
  g_assert_cmpuint (base_domain_match ("*", NULL), >, 0);
  g_assert_cmpuint (base_domain_match ("org", NULL), ==, 0);
}

static void
test_most_specific (void)
{
  static const gchar *rising[]
      = { "*", ".org", ".example.org", ".a.example.org", "b.a.example.org" };
  guint before = 0;

  for (guint i = 0; i < G_N_ELEMENTS (rising); i++)
    {
      guint match = base_domain_match (rising[i], "b.a.example.org");
      g_assert_cmpuint (match, >, before);
      before = match;
    }
  g_assert_cmpuint (base_domain_match ("a.b", "a.b"), >, base_domain_match (".b", "a.b"));
}

static void
test_glob (void)
{
  static const struct
  {
    const gchar *pattern;
    const gchar *text;
    gboolean match;
  } cases[] = {
    { "", "", TRUE },
    { "", "a", FALSE },
    { "*", "", TRUE },
    { "*", "abc", TRUE },
    { "a*c", "ABBBC", TRUE },
    { "a*c", "abcd", FALSE },
    { "?", "", FALSE },
    { "?", "\xc3\xbc", TRUE },
    { "??", "\xc3\xbc", FALSE },
    { "a?c", "abc", TRUE },
    { "*@b.c", "x@y@b.c", TRUE },
    { "x-internal-*", "X-Internal-A", TRUE },
    { "*a*b", "xaxxb", TRUE },
    { "*a*b", "xbxxa", FALSE },
    { "**?", "a", TRUE },
    { "a", "", FALSE },
    { "ab", "a", FALSE },
    { "*ab", "aab", TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("%s %s", cases[i].pattern, cases[i].text);
      g_assert_cmpint (base_glob_match (cases[i].pattern, cases[i].text), ==, cases[i].match);
    }
}

/* The pattern that takes a backtracking matcher longer than the universe has. */
static void
test_glob_bomb (void)
{
  g_autofree gchar *text = g_strnfill (2000, 'a');
  g_autoptr (GString) pattern = g_string_new (NULL);

  for (guint i = 0; i < 200; i++)
    g_string_append (pattern, "a*");
  g_string_append (pattern, "b");
  g_assert_false (base_glob_match (pattern->str, text));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/domain/valid", test_valid);
  g_test_add_func ("/base/domain/limits", test_limits);
  g_test_add_func ("/base/domain/strict", test_strict);
  g_test_add_func ("/base/domain/match", test_match);
  g_test_add_func ("/base/domain/most-specific", test_most_specific);
  g_test_add_func ("/base/domain/glob", test_glob);
  g_test_add_func ("/base/domain/glob-bomb", test_glob_bomb);
  return g_test_run ();
}
