/* The brace grammar: what it yields, where each thing stands, every error of grammar with its exact
 * place, and every limit one past. */
#include "support.h"

#include <string.h>

typedef struct
{
  const gchar *name, *text, *errors;
} Case;

static const Case grammar_cases[] = {
  { "empty", "", "" },
  { "comment", "# nothing\n", "" },
  { "bom", "\xef\xbb\xbfhops = x1\n", "" },
  { "crlf", "hops = 5\r\ndrain = 3m\r\n", "" },
  { "one-line", "tls { certificate = \"a\" key = \"b\" }", "" },
  { "trailing-comma", "a = [\"x\",]", "" },
  { "no-name", "= 3\n", "c:1:1: expected the name of an option or a block, found \"=\"\n" },
  { "bad-name", "a = 1\n  9x = 3\n",
    "c:2:3: expected the name of an option or a block, found \"9x\"\n" },
  { "string-as-name", "\"hops\" = 3\n",
    "c:1:1: expected the name of an option or a block, found \"hops\"\n" },
  { "no-equals", "hops 5\nx = 1\n", "c:1:6: expected \"=\" behind \"hops\", found \"5\"\n" },
  { "no-value", "bind =\ntls = \"x\"\n", "c:2:1: expected a value, found \"tls\"\n" },
  { "no-value-end", "bind =", "c:1:7: expected a value, found the end of the file\n" },
  { "value-mark", "bind = ]\n", "c:1:8: expected a value, found \"]\"\n" },
  { "name-alone", "bind\n]", "c:2:1: expected \"=\" or a block's title or \"{\", found \"]\"\n" },
  { "unclosed-string", "a = \"xyz\nb = 2\n", "c:1:5: string \"xyz\" is not closed on its line\n" },
  { "escape", "a = \"x\\qy\"\n",
    "c:1:7: unknown escape in a string: known are \\\", \\\\, \\n and \\t\n" },
  { "control-in-string", "a = \"x\x01y\"\n", "c:1:7: control character 0x01 in a string\n" },
  { "control", "a = 1 \x02\n", "c:1:7: control character 0x02\n" },
  { "del", "a = 1\n\x7f", "c:2:1: control character 0x7f\n" },
  { "not-utf8", "a = 1\nb = \"\xc3\xa9\xff\"\n",
    "c:2:7: octet 0xff is not UTF-8 text; the rest is not read\n"
    "c:2:5: string \"é\" is not closed on its line\n" },
  { "list-comma", "a = [\"x\" \"y\"]\n",
    "c:1:10: expected \",\" or \"]\" in the list, found \"y\"\n" },
  { "list-open", "a = [\"x\"\nb = 1\n",
    "c:2:1: expected \",\" or \"]\" in the list, found \"b\"\n" },
  { "list-in-list", "a = [[\"x\"]]\n",
    "c:1:6: expected a value or \"]\" in the list, found \"[\"\n" },
  { "list-end", "a = [",
    "c:1:6: expected a value or \"]\" in the list, found the end of the file\n" },
  { "bare-title", "listener mx {\n}\n", "c:1:10: expected a title in quotes, found \"mx\"\n" },
  { "empty-title", "listener \"\" {}", "c:1:10: empty title\n" },
  { "title-break", "listener \"a\\nb\" {}", "c:1:10: control character in title \"a\\u000ab\"\n" },
  { "no-brace", "listener \"a\"\nx = 1\n",
    "c:2:1: expected \"{\" behind the title, found \"x\"\n" },
  { "unclosed-block", "x = 1\nlistener \"a\" {\n  y = 2\n",
    "c:2:14: this \"{\" is never closed\n" },
  { "lone-brace", "x = 1\n}\ny = 2 }\n",
    "c:2:1: this \"}\" closes nothing\nc:3:7: this \"}\" closes nothing\n" },
  { "columns", "# ä\nü = 1\n\"ä\" \xf0\x9f\x98\x80 =\n",
    "c:2:1: expected the name of an option or a block, found \"ü\"\n"
    "c:3:1: expected the name of an option or a block, found \"ä\"\n" },
  { "column-behind-wide", "a = \"ä\xf0\x9f\x98\x80\" ]\n",
    "c:1:10: expected the name of an option or a block, found \"]\"\n" },
  { "long-word",
    "] "
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
    "c:1:1: expected the name of an option or a block, found \"]\"\n" },
  { "include-missing", "x = 1\ninclude \"no/such/file\"\n",
    "c:2:9: cannot read \"no/such/file\": No such file or directory\n" },
  { "include-single-quotes", "include 'x'\ny = ]\n",
    "c:1:9: expected a file's name in double quotes behind \"include\", found \"'x'\"\n"
    "c:2:5: expected a value, found \"]\"\n" },
  { "include-bare", "include x\n",
    "c:1:9: expected a file's name in double quotes behind \"include\", found \"x\"\n" },
  { "include-nothing", "include\nx = 1\n",
    "c:2:1: expected a file's name in double quotes behind \"include\", found \"x\"\n" },
  { "single-quotes", "x = 'a b'\ny = [ 'a', \"b\" ]\n",
    "c:1:5: expected a string in double quotes, found \"'a\"\n"
    "c:2:7: expected a string in double quotes, found \"'a'\"\n" },
  { "include-self", "include \"c\"\n", "c:1:9: cannot read \"c\": it includes itself\n" },
};

static void
test_grammar (gconstpointer data)
{
  const Case *row = data;
  g_autofree gchar *errors = grammar_errors_of (row->text);

  g_assert_cmpstr (errors, ==, row->errors);
}

static ConfigBlock *
parse (const gchar *text)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  ConfigBlock *root;

  config_sources_add (sources, "c", text);
  root = config_tree_parse (sources, "c", errors);
  g_assert_cmpstr (config_errors_nth (errors, 0), ==, NULL);
  return root;
}

static void
assert_value (const ConfigBlock *block, guint index, const gchar *name, ConfigValueKind kind,
              const gchar *text)
{
  const ConfigSetting *setting;

  g_assert_cmpuint (index, <, block->settings->len);
  setting = g_ptr_array_index (block->settings, index);
  g_assert_cmpstr (setting->name, ==, name);
  g_assert_cmpint (setting->value->kind, ==, kind);
  g_assert_cmpstr (setting->value->text, ==, text);
}

static void
test_values (void)
{
  g_autoptr (ConfigBlock) root
      = parse ("a = \"x\\\"\\\\\\n\\t#y\" b = 25M c = -3 d = true # e = 1\n"
               "f = [] g = [1, \"two\", three]\n h = \"\"");
  const ConfigSetting *list;
  const ConfigValue *item;

  g_assert_cmpuint (root->settings->len, ==, 7);
  assert_value (root, 0, "a", CONFIG_VALUE_STRING, "x\"\\\n\t#y");
  assert_value (root, 1, "b", CONFIG_VALUE_NUMBER, "25M");
  assert_value (root, 2, "c", CONFIG_VALUE_NUMBER, "-3");
  assert_value (root, 3, "d", CONFIG_VALUE_WORD, "true");
  assert_value (root, 4, "f", CONFIG_VALUE_LIST, NULL);
  assert_value (root, 5, "g", CONFIG_VALUE_LIST, NULL);
  assert_value (root, 6, "h", CONFIG_VALUE_STRING, "");
  list = g_ptr_array_index (root->settings, 5);
  g_assert_cmpuint (list->value->items->len, ==, 3);
  item = g_ptr_array_index (list->value->items, 1);
  g_assert_cmpint (item->kind, ==, CONFIG_VALUE_STRING);
  g_assert_cmpstr (item->text, ==, "two");
  g_assert_cmpuint (item->place.line, ==, 2);
  g_assert_cmpuint (item->place.column, ==, 16);
}

static void
test_blocks (void)
{
  g_autoptr (ConfigBlock) root
      = parse ("listener \"mx\" {\n  a = 1\n  inner { b = 2 }\n  c = 3\n}\nd = 4\n");
  const ConfigBlock *block, *inner;

  g_assert_cmpuint (root->blocks->len, ==, 1);
  g_assert_cmpuint (root->settings->len, ==, 1);
  block = g_ptr_array_index (root->blocks, 0);
  g_assert_cmpstr (block->type, ==, "listener");
  g_assert_cmpstr (block->title, ==, "mx");
  g_assert_cmpuint (block->settings->len, ==, 2);
  g_assert_cmpuint (block->blocks->len, ==, 1);
  inner = g_ptr_array_index (block->blocks, 0);
  g_assert_cmpstr (inner->title, ==, NULL);
  g_assert_cmpuint (inner->place.line, ==, 3);
  g_assert_cmpuint (inner->place.column, ==, 3);
}

/* Relative to the including file, inside a block as well, and places name the included file. */
static void
test_include (void)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (ConfigBlock) root = NULL;
  const ConfigBlock *block;
  const ConfigSetting *setting;

  config_sources_add (sources, "etc/main", "listener \"a\" {\n include \"more/x\"\n}\n");
  config_sources_add (sources, "etc/more/x", "\n  y = 1\ninclude \"/abs/z\"\n");
  config_sources_add (sources, "/abs/z", "z = 2\n=\n");
  root = config_tree_parse (sources, "etc/main", errors);
  g_assert_cmpuint (config_errors_count (errors), ==, 1);
  g_assert_cmpstr (config_errors_nth (errors, 0), ==,
                   "/abs/z:2:1: expected the name of an option or a block, found \"=\"");
  block = g_ptr_array_index (root->blocks, 0);
  g_assert_true (block->damaged);
  g_assert_cmpuint (block->settings->len, ==, 2);
  setting = g_ptr_array_index (block->settings, 0);
  g_assert_cmpstr (setting->place.file, ==, "etc/more/x");
  g_assert_cmpuint (setting->place.line, ==, 2);
}

/* ---- Limits, one past each ---- */

static gchar *
repeated (const gchar *head, const gchar *unit, guint count, const gchar *tail)
{
  GString *text = g_string_new (head);

  for (guint i = 0; i < count; i++)
    g_string_append (text, unit);
  g_string_append (text, tail);
  return g_string_free (text, FALSE);
}

static void
assert_limit (const gchar *fits, const gchar *too_much, const gchar *error)
{
  g_autofree gchar *none = grammar_errors_of (fits);
  g_autofree gchar *one = grammar_errors_of (too_much);

  g_assert_cmpstr (none, ==, "");
  g_assert_cmpstr (one, ==, error);
}

static void
test_limit_nesting (void)
{
  g_autofree gchar *open = repeated ("", "b {", CONFIG_MAX_NESTING, "");
  g_autofree gchar *fits = repeated (open, "}", CONFIG_MAX_NESTING, "");
  g_autofree gchar *open_more = repeated ("", "b {", CONFIG_MAX_NESTING + 1, "");
  g_autofree gchar *too_much = repeated (open_more, "}", CONFIG_MAX_NESTING + 1, "");

  assert_limit (fits, too_much, "c:1:25: blocks are nested more than 8 deep\n");
}

static void
test_limit_values (void)
{
  g_autofree gchar *fits = repeated ("a = [", "1,", CONFIG_MAX_VALUES, "]");
  g_autofree gchar *too_much = repeated ("a = [", "1,", CONFIG_MAX_VALUES + 1, "]");

  assert_limit (fits, too_much, "c:1:20006: more than 10000 values in one list\n");
}

static void
test_limit_title (void)
{
  g_autofree gchar *fits = repeated ("b \"", "t", CONFIG_MAX_TITLE, "\" {}");
  g_autofree gchar *too_much = repeated ("b \"", "t", CONFIG_MAX_TITLE + 1, "\" {}");

  assert_limit (fits, too_much, "c:1:3: title of more than 255 octets\n");
}

static void
test_limit_file (void)
{
  g_autofree gchar *fits = repeated ("#", "x", CONFIG_MAX_FILE - 1, "");
  g_autofree gchar *too_much = repeated ("#", "x", CONFIG_MAX_FILE, "");

  assert_limit (fits, too_much, "c:1:1: cannot read \"c\": longer than 1048576 octets\n");
}

/* A chain of files, each of which includes the next one. */
static gchar *
errors_of_chain (guint included)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (ConfigBlock) root = NULL;

  for (guint i = 0; i <= included; i++)
    {
      g_autofree gchar *name = g_strdup_printf ("f%u", i);
      g_autofree gchar *text
          = i < included ? g_strdup_printf ("include \"f%u\"", i + 1) : g_strdup ("x = 1");

      config_sources_add (sources, name, text);
    }
  root = config_tree_parse (sources, "f0", errors);
  return config_errors_to_string (errors);
}

static void
test_limit_include (void)
{
  g_autofree gchar *fits = errors_of_chain (CONFIG_MAX_INCLUDE);
  g_autofree gchar *too_much = errors_of_chain (CONFIG_MAX_INCLUDE + 1);

  g_assert_cmpstr (fits, ==, "");
  g_assert_cmpstr (too_much, ==,
                   "f10:1:9: cannot read \"f11\": files include each other more than 10 deep\n");
}

static void
test_limit_files (void)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autofree gchar *text = repeated ("", "include \"e\"\n", CONFIG_MAX_FILES, "");
  g_autoptr (ConfigBlock) root = NULL;

  config_sources_add (sources, "e", "");
  config_sources_add (sources, "c", text);
  root = config_tree_parse (sources, "c", errors);
  g_assert_cmpuint (config_errors_count (errors), ==, 1);
  g_assert_cmpstr (config_errors_nth (errors, 0), ==,
                   "c:100:9: cannot read \"e\": more than 100 files");
}

static void
test_limit_text (void)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autofree gchar *big = repeated ("#", "x", CONFIG_MAX_FILE - 1, "");
  g_autoptr (ConfigBlock) root = NULL;

  config_sources_add (sources, "big", big);
  config_sources_add (sources, "c",
                      "include \"big\"\ninclude \"big\"\ninclude \"big\"\n"
                      "include \"big\"\n");
  root = config_tree_parse (sources, "c", errors);
  g_assert_cmpuint (config_errors_count (errors), ==, 1);
  g_assert_cmpstr (config_errors_nth (errors, 0), ==,
                   "c:4:9: cannot read \"big\": all files together are longer than 4194304 octets");
}

static void
test_limit_errors (void)
{
  g_autofree gchar *garbage = repeated ("", "]\n", CONFIG_MAX_ERRORS + 3, "");
  g_autofree gchar *errors = grammar_errors_of (garbage);
  g_auto (GStrv) lines = g_strsplit (errors, "\n", -1);

  g_assert_cmpuint (g_strv_length (lines), ==, CONFIG_MAX_ERRORS + 2);
  g_assert_cmpstr (lines[CONFIG_MAX_ERRORS], ==, "and 3 more errors");
}

/* A word of a megabyte does not become an error of a megabyte. */
static void
test_long_error (void)
{
  g_autofree gchar *text = repeated ("x", "y", 10000, " ]");
  g_autofree gchar *errors = grammar_errors_of (text);

  g_assert_cmpuint (strlen (errors), <, 1000);
  g_assert_true (g_str_has_suffix (errors, "\n"));
}

gint
main (gint argc, gchar **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (grammar_cases); i++)
    {
      g_autofree gchar *path = g_strdup_printf ("/config/grammar/%s", grammar_cases[i].name);

      g_test_add_data_func (path, &grammar_cases[i], test_grammar);
    }
  g_test_add_func ("/config/tree/values", test_values);
  g_test_add_func ("/config/tree/blocks", test_blocks);
  g_test_add_func ("/config/tree/include", test_include);
  g_test_add_func ("/config/limit/nesting", test_limit_nesting);
  g_test_add_func ("/config/limit/values", test_limit_values);
  g_test_add_func ("/config/limit/title", test_limit_title);
  g_test_add_func ("/config/limit/file", test_limit_file);
  g_test_add_func ("/config/limit/include", test_limit_include);
  g_test_add_func ("/config/limit/files", test_limit_files);
  g_test_add_func ("/config/limit/text", test_limit_text);
  g_test_add_func ("/config/limit/errors", test_limit_errors);
  g_test_add_func ("/config/limit/long-error", test_long_error);
  return g_test_run ();
}
