/* Tests of the event records: every format, and values that try to break out of theirs. */
#include "base/log.h"

#include <string.h>
#include <unistd.h>

#include "base/json.h"

typedef void (*Fill) (BaseRecord *record, gconstpointer data);

static void
keep_line (const gchar *line, gsize length, gpointer data)
{
  g_string_append_len (data, line, (gssize) length);
}

/* The line that `fill` makes, from the level on. */
static gchar *
format (BaseLogFormat how, BaseLogLevel level, const gchar *event, Fill fill, gconstpointer data)
{
  g_autoptr (GString) line = g_string_new (NULL);
  g_autofree gchar *origin = g_strdup_printf ("\"program\":\"test\",\"pid\":%d,", (gint) getpid ());
  BaseRecord record;

  base_log_set_sink (keep_line, line);
  base_log_setup ("test", how, BASE_LOG_INFO);
  base_record_begin (&record, level, event);
  fill (&record, data);
  base_record_emit (&record);
  base_log_set_sink (NULL, NULL);
  if (how == BASE_LOG_TEXT)
    g_string_erase (line, 0, strstr (line->str, "] ") + 2 - line->str);
  if (how != BASE_LOG_JSON)
    return g_strdup (line->str);
  g_assert_true (g_str_has_prefix (line->str, "{\"time\":\""));
  g_string_erase (line, 1, strstr (line->str, "\"level\"") - line->str - 1);
  g_assert_cmpuint (g_string_replace (line, origin, "", 1), ==, 1);
  return g_strdup (line->str);
}

static void
fill_value (BaseRecord *record, gconstpointer value)
{
  base_record_string (record, "v", value);
}

static void
assert_value (const gchar *value, const gchar *text, const gchar *json)
{
  g_autofree gchar *as_text = format (BASE_LOG_TEXT, BASE_LOG_INFO, "e", fill_value, value);
  g_autofree gchar *as_json = format (BASE_LOG_JSON, BASE_LOG_INFO, "e", fill_value, value);
  g_autofree gchar *wanted_text = g_strdup_printf ("info e: v=%s\n", text);
  g_autofree gchar *wanted_json
      = g_strdup_printf ("{\"level\":\"info\",\"event\":\"e\",\"v\":%s}\n", json);

  g_assert_cmpstr (as_text, ==, wanted_text);
  g_assert_cmpstr (as_json, ==, wanted_json);
}

static void
fill_all (BaseRecord *record, gconstpointer data)
{
  BaseBuffer *open;

  base_record_string (record, "from", "<a@b>");
  base_record_string (record, "none", NULL);
  base_record_printf (record, "relay", "%s:%d", "mx", 25);
  base_record_strings (record, "client", "a", "[", "b", "]", NULL);
  open = base_record_open (record, "list");
  base_buffer_append_string (open, "x ");
  base_buffer_append_string (open, "y");
  base_record_close (record);
  base_record_int (record, "size", -12);
  base_record_delay (record, "delay", 1234567);
  base_record_delay (record, "zero", -5);
}

static void
test_formats (void)
{
  g_autofree gchar *text = format (BASE_LOG_TEXT, BASE_LOG_WARNING, "message", fill_all, NULL);
  g_autofree gchar *json = format (BASE_LOG_JSON, BASE_LOG_WARNING, "message", fill_all, NULL);
  g_autofree gchar *journal
      = format (BASE_LOG_JOURNAL, BASE_LOG_WARNING, "message", fill_all, NULL);

  g_assert_cmpstr (text, ==,
                   "warning message: from=<a@b> relay=mx:25 client=a[b] list=\"x y\" size=-12 "
                   "delay=1.234 zero=0.000\n");
  g_assert_cmpstr (json, ==,
                   "{\"level\":\"warning\",\"event\":\"message\",\"from\":\"<a@b>\",\"relay\":\"mx:"
                   "25\",\"client\":\"a[b]\",\"list\":\"x y\",\"size\":-12,\"delay\":1.234,"
                   "\"zero\":0.000}\n");
  g_assert_cmpstr (journal, ==,
                   "<4>message: from=<a@b> relay=mx:25 client=a[b] list=\"x y\" size=-12 "
                   "delay=1.234 zero=0.000\n");
}

static void
test_escapes (void)
{
  assert_value ("plain", "plain", "\"plain\"");
  assert_value ("", "\"\"", "\"\"");
  assert_value ("two words", "\"two words\"", "\"two words\"");
  assert_value ("a\"b\\c", "\"a\\\"b\\\\c\"", "\"a\\\"b\\\\c\"");
  assert_value ("a\r\n\tb", "\"a\\r\\n\\tb\"", "\"a\\r\\n\\tb\"");
  assert_value ("\x1b[2J", "\"\\u001b[2J\"", "\"\\u001b[2J\"");
  assert_value ("\xc3\xbc", "\"\xc3\xbc\"", "\"\xc3\xbc\"");
  assert_value ("a\xff\xc3", "\"a\\xff\\xc3\"", "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
  /* RIGHT-TO-LEFT OVERRIDE turns the rest of a line around on a terminal. */
  assert_value ("a\xe2\x80\xae", "\"a\\u202e\"", "\"a\xe2\x80\xae\"");
}

static void
test_json_nul (void)
{
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;

  base_json_append_string (&out, "a\0b\xff", 4);
  g_assert_cmpmem (base_buffer_bytes (&out), base_buffer_length (&out), "\"a\\u0000b\xef\xbf\xbd\"",
                   13);
}

static void
test_limit (void)
{
  g_autofree gchar *longest = g_strnfill (BASE_LOG_MAX_VALUE, 'v');
  g_autofree gchar *longer = g_strconcat (longest, "v", NULL);
  g_autofree gchar *cut = g_strconcat (longest, "...", NULL);
  g_autofree gchar *json_longest = g_strdup_printf ("\"%s\"", longest);
  g_autofree gchar *json_cut = g_strdup_printf ("\"%s\"", cut);

  assert_value (longest, longest, json_longest);
  assert_value (longer, cut, json_cut);
  /* A character across the limit goes as a whole. */
  memcpy (longer + BASE_LOG_MAX_VALUE - 1, "\xc3\xbc", 2);
  longest[BASE_LOG_MAX_VALUE - 1] = '\0';
  g_autofree gchar *whole = g_strconcat (longest, "...", NULL);
  g_autofree gchar *json_whole = g_strdup_printf ("\"%s\"", whole);
  assert_value (longer, whole, json_whole);
}

/* A value with a NUL in it, as an open field may get one. */
static void
fill_nul (BaseRecord *record, gconstpointer data)
{
  base_buffer_append (base_record_open (record, "v"), "a\0b", 3);
  base_record_close (record);
}

static void
test_open_nul (void)
{
  g_autofree gchar *text = format (BASE_LOG_TEXT, BASE_LOG_INFO, "e", fill_nul, NULL);
  g_autofree gchar *json = format (BASE_LOG_JSON, BASE_LOG_INFO, "e", fill_nul, NULL);

  g_assert_cmpstr (text, ==, "info e: v=\"a\\x00b\"\n");
  g_assert_cmpstr (json, ==, "{\"level\":\"info\",\"event\":\"e\",\"v\":\"a\\u0000b\"}\n");
}

static void
test_emit (void)
{
  g_autoptr (GString) lines = g_string_new (NULL);
  g_autofree gchar *pattern = NULL;
  BaseRecord neither;

  base_log_set_sink (keep_line, lines);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_NOTICE);
  g_assert_false (base_log_wants (BASE_LOG_INFO));
  base_log (BASE_LOG_INFO, "not %s", "wanted");
  base_record_begin (&neither, BASE_LOG_DEBUG, "neither");
  base_record_emit (&neither);
  g_assert_cmpstr (lines->str, ==, "");
  base_log (BASE_LOG_NOTICE, "hello %s", "there");
  pattern = g_strdup_printf ("^2\\d{3}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z test\\[%d\\] "
                             "notice hello there\\n$",
                             (gint) getpid ());
  g_assert_true (g_regex_match_simple (pattern, lines->str, G_REGEX_DOLLAR_ENDONLY, 0));
  g_string_truncate (lines, 0);
  base_log (BASE_LOG_ERROR, "quote \" and\nforged \\");
  g_assert_true (g_str_has_suffix (lines->str, "] error quote \" and\\nforged \\\\\n"));
  g_string_truncate (lines, 0);
  base_log_setup ("test", BASE_LOG_JSON, BASE_LOG_NOTICE);
  base_log (BASE_LOG_ERROR, "x");
  g_assert_true (
      g_regex_match_simple ("^\\{\"time\":\"[^\"]+Z\",\"level\":\"error\",\"program\":\"test\","
                            "\"pid\":\\d+,\"event\":\"notice\",\"text\":\"x\"\\}\\n$",
                            lines->str, G_REGEX_DOLLAR_ENDONLY, 0));
  base_log_set_sink (NULL, NULL);
}

static void
test_standard_error (void)
{
  if (g_test_subprocess ())
    {
      base_log_setup ("test", BASE_LOG_JOURNAL, BASE_LOG_INFO);
      base_log (BASE_LOG_INFO, "to standard error");
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*<6>to standard error\n*");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/log/formats", test_formats);
  g_test_add_func ("/base/log/escapes", test_escapes);
  g_test_add_func ("/base/log/json-nul", test_json_nul);
  g_test_add_func ("/base/log/open-nul", test_open_nul);
  g_test_add_func ("/base/log/limit", test_limit);
  g_test_add_func ("/base/log/emit", test_emit);
  g_test_add_func ("/base/log/standard-error", test_standard_error);
  return g_test_run ();
}
