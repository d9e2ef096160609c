/* Holds what scripts are offered against filter.h: every function, verdict and hook that stands
 * there is to be had in Lua, or is named here with the reason why it makes no sense in a script. */
#include <string.h>

#include "test-lua.h"

#define MESSAGE "From: a@b\nContent-Type: text/plain\n\nbody\n"

/* What is not `weir.NAME` for weir_NAME(). */
static const struct
{
  const char *function;
  const char *lua; /* an expression that is not nil in some hook; NULL: makes no sense, because … */
  const char *why;
} rows[] = {
  { "weir_config", "weir.arguments", NULL },
  { "weir_entity", "weir.parts ()[1]", NULL },
  { "weir_entity_count", "#weir.parts ()", NULL },
  { "weir_entity_field", "weir.parts ()[1].type", NULL },
  { "weir_entity_object", "weir.parts ()[1]", NULL },
  { "weir_fail", "error", NULL },
  { "weir_message_bytes", "weir.message_read", NULL },
  { "weir_message_mime", "weir.parts", NULL },
  { "weir_part_content", "weir.parts ()[1].content", NULL },
  { "weir_part_insert", "weir.parts ()[1].insert", NULL },
  { "weir_part_remove", "weir.parts ()[1].remove", NULL },
  { "weir_part_replace", "weir.parts ()[1].replace", NULL },
  { "weir_recipient", "weir.recipients[1]", NULL },
  { "weir_recipient_count", "#weir.recipients", NULL },
  { "weir_load_command", "commands", NULL },
  { "weir_load_error", "error", NULL },
  { "weir_load_hooks", "header", NULL },
  { "weir_load_name", NULL, "weir.filter_name has it, in hooks" },
  { "weir_message_descriptor", NULL, "there is no other program to give it to" },
  { "weir_message_passed", NULL, "message_read() copies into memory that is limited" },
  { "weir_reply_add_line", NULL, "a text of several lines does it" },
  { "weir_set_state_descriptor", NULL, "there are no connections in a script" },
  { "weir_state_descriptor", NULL, "there are no connections in a script" },
};

/* Calls `func` with what the pattern's first group finds in filter.h; comments are not looked at.
 */
static guint
each_of (const char *pattern, void (*func) (const char *name, gpointer data), gpointer data)
{
  g_autofree char *header = NULL;
  g_autoptr (GRegex) comments = g_regex_new ("/\\*.*?\\*/", G_REGEX_DOTALL, 0, NULL);
  g_autoptr (GRegex) regex = g_regex_new (pattern, 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  g_autofree char *code = NULL;
  guint count = 0;

  g_assert_true (
      g_file_get_contents (FILTER_SOURCE "/../../include/mailweir/filter.h", &header, NULL, NULL));
  code = g_regex_replace_literal (comments, header, -1, 0, " ", 0, NULL);
  for (g_regex_match (regex, code, 0, &match); g_match_info_matches (match); count++)
    {
      g_autofree char *name = g_match_info_fetch (match, 1);

      func (name, data);
      g_match_info_next (match, NULL);
    }
  return count;
}

/* ---- Functions ---- */

typedef struct
{
  GString *script;
  gboolean known[G_N_ELEMENTS (rows)];
} Functions;

static void
add_function (const char *name, gpointer data)
{
  Functions *functions = data;
  g_autofree char *own = g_strdup_printf ("weir.%s", name + strlen ("weir_"));
  const char *expression = own;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (g_str_equal (rows[i].function, name))
      {
        g_assert_true ((rows[i].lua == NULL) != (rows[i].why == NULL));
        g_assert_false (functions->known[i]);
        functions->known[i] = TRUE;
        expression = rows[i].lua;
      }
  if (expression != NULL)
    g_string_append_printf (functions->script, "try ('%s', function () return %s end)\n", name,
                            expression);
}

/* Asked in four hooks: some questions have no answer but in one of them. What has none in any is
 * in the note. */
static void
test_functions (void)
{
  Functions functions = { .script = g_string_new ("local missing = {}\n"
                                                  "local function try (name, ask)\n"
                                                  "  local fine, answer = pcall (ask)\n"
                                                  "  if fine and answer ~= nil then missing[name]"
                                                  " = false\n"
                                                  "  elseif missing[name] == nil then"
                                                  " missing[name] = true end\n"
                                                  "end\n"
                                                  "local function try_all ()\n") };
  g_autoptr (WeirTest) test = NULL;
  g_autoptr (WeirTestResult) command = NULL;
  g_autoptr (WeirTestResult) over = NULL;
  g_autoptr (WeirTestResult) result = NULL;
  const guint count = each_of ("WEIR_API [^;(]*?(weir_[a-z_]+)\\s*\\(", add_function, &functions);

  g_assert_cmpuint (count, >, 60);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (!functions.known[i])
      g_error ("filter.h has no %s", rows[i].function);
  g_string_append (functions.script, "end\n"
                                     "function header () try_all () end\n"
                                     "commands = { XTRY = try_all }\n"
                                     "function message_over () try_all () end\n"
                                     "function end_of_message ()\n"
                                     "  try_all ()\n"
                                     "  local names = {}\n"
                                     "  for name, is in pairs (missing) do\n"
                                     "    if is then names[#names + 1] = name end end\n"
                                     "  weir.set_note ('missing', table.concat (names, ' '))\n"
                                     "end\n");
  test = lua_harness (functions.script->str, "");
  weir_test_set_user (test, "ada", "PLAIN");
  weir_test_set_tls (test, "TLSv1.3", "X");
  command = weir_test_run_hook (test, "command", "XTRY", 0);
  over = weir_test_run_hook (test, "message_over", "Ok", 250);
  result = weir_test_run (test, MESSAGE, strlen (MESSAGE));
  g_assert_cmpstr (result->reply, ==, NULL);
  g_assert_cmpstr (result->notes, ==, "missing=\n");
  g_string_free (functions.script, TRUE);
}

/* ---- Verdicts ---- */

static void
check_verdict (const char *name, gpointer data)
{
  g_autofree char *lower = g_ascii_strdown (name, -1);
  g_autofree char *script
      = g_strdup_printf ("function end_of_message ()\n"
                         "  weir.set_note ('has', tostring (weir.%s ~= nil))\nend\n",
                         lower);
  g_autoptr (WeirTestResult) result = lua_run (script, MESSAGE);

  g_test_message ("%s", name);
  g_assert_cmpstr (result->notes, ==, "has=true\n");
}

static void
test_verdicts (void)
{
  g_assert_cmpuint (each_of ("WEIR_([A-Z]+)\\b(?=[^;]*\\} WeirVerdict;)", check_verdict, NULL), ==,
                    6);
}

/* ---- Hooks ---- */

static void
check_hook (const char *name, gpointer data)
{
  static const char *const of_message[]
      = { "header", "end_of_headers", "body", "end_of_message", NULL };
  const char *before = g_str_equal (name, "message_over") ? "mail" : "connect";
  g_autofree char *script = g_strdup_printf ("function %s () end\n"
                                             "function %s () weir.set_note ('hook', '%s') end\n",
                                             before, name, name);
  g_autofree char *called = g_strdup_printf ("hook=%s\n", name);
  g_autoptr (WeirTest) test = NULL;
  g_autoptr (WeirTestResult) result = NULL;

  if (g_str_equal (name, "load") || g_str_equal (name, "start") || g_str_equal (name, "stop")
      || g_str_equal (name, "run"))
    return; /* the script's top level runs there; `run` is of commands */
  g_test_message ("%s", name);
  test = lua_harness (script, "");
  if (!g_str_equal (name, before))
    weir_test_result_free (weir_test_run_hook (test, before, NULL, 0));
  result = g_strv_contains (of_message, name) ? weir_test_run (test, MESSAGE, strlen (MESSAGE))
                                              : weir_test_run_hook (test, name, NULL, 0);
  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_true (g_str_has_suffix (result->notes, called));
}

static void
test_hooks (void)
{
  g_assert_cmpuint (each_of ("\\(\\*([a-z_]+)\\) \\(", check_hook, NULL), >, 20);
}

void
lua_add_api_tests (void)
{
  g_test_add_func ("/lua/api/functions", test_functions);
  g_test_add_func ("/lua/api/verdicts", test_verdicts);
  g_test_add_func ("/lua/api/hooks", test_hooks);
}
