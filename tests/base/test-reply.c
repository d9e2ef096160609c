/* Tests of SMTP replies: how they are written, judged and taken apart. */
#include "base/reply.h"

#include <string.h>

static gchar *
written (const BaseReply *reply, gboolean enhanced)
{
  g_auto (BaseOutput) output = BASE_OUTPUT_INIT;

  base_reply_write (reply, enhanced, &output);
  return g_strndup ((const gchar *) base_buffer_bytes (&output.owned), output.length);
}

static void
assert_written (const BaseReply *reply, gboolean enhanced, const gchar *expected)
{
  g_autofree gchar *text = written (reply, enhanced);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_write (void)
{
  assert_written (BASE_REPLY (250, 2, 0, 0, "Ok"), TRUE, "250 2.0.0 Ok\r\n");
  assert_written (BASE_REPLY (250, 2, 0, 0, "Ok"), FALSE, "250 Ok\r\n");
  assert_written (BASE_REPLY (354, 0, 0, 0, "Go"), TRUE, "354 Go\r\n");
  assert_written (BASE_REPLY (354, 3, 0, 0, "Go"), TRUE, "354 Go\r\n");
  assert_written (BASE_REPLY (250, 0, 0, 0, NULL), TRUE, "250 \r\n");
  assert_written (BASE_REPLY (550, 5, 7, 1, "a\nb\nc"), TRUE,
                  "550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1 c\r\n");
  assert_written (BASE_REPLY (550, 5, 7, 1, "a\n\nc"), FALSE, "550-a\r\n550-\r\n550 c\r\n");
}

/* No text can start a line of its own: a reply is what an attacker would like to forge. */
static void
test_write_strips (void)
{
  assert_written (BASE_REPLY (250, 0, 0, 0, "a\r250 b\x7f\x1b[0m\tc"), FALSE,
                  "250 a 250 b  [0m\tc\r\n");
  assert_written (BASE_REPLY (250, 0, 0, 0, "a\r\nb"), FALSE, "250-a \r\n250 b\r\n");
  assert_written (BASE_REPLY (250, 0, 0, 0, "gr\xc3\xbc\xc3\x9f"), FALSE,
                  "250 gr\xc3\xbc\xc3\x9f\r\n");
}

static void
test_make (void)
{
  g_autoptr (BaseReply) reply = base_reply_printf (451, 4, 3, 0, "%s %d", "try", 7);
  base_reply_add_line (reply, "later");
  g_autoptr (BaseReply) copy = base_reply_copy (reply);
  g_autofree gchar *text = base_reply_to_string (copy);

  g_assert_cmpstr (text, ==, "451 4.3.0 try 7 / later");
  g_autoptr (BaseReply) empty = base_reply_new (250, 0, 0, 0, NULL);
  g_autofree gchar *bare = base_reply_to_string (empty);
  g_assert_cmpstr (bare, ==, "250");
  base_reply_add_line (empty, "first");
  g_assert_cmpstr (empty->text, ==, "first");
  g_assert_true (base_reply_is_positive (empty));
  g_assert_false (base_reply_is_positive (copy));
  g_assert_true (base_reply_is_positive (BASE_REPLY (354, 0, 0, 0, "")));
}

static void
test_valid_codes (void)
{
  g_assert_true (base_reply_is_valid (BASE_REPLY (200, 0, 0, 0, NULL)));
  g_assert_true (base_reply_is_valid (BASE_REPLY (599, 5, 999, 999, "x")));
  g_assert_false (base_reply_is_valid (BASE_REPLY (199, 0, 0, 0, "x")));
  g_assert_false (base_reply_is_valid (BASE_REPLY (600, 0, 0, 0, "x")));
  g_assert_false (base_reply_is_valid (BASE_REPLY (550, 4, 0, 0, "x")));
  g_assert_false (base_reply_is_valid (BASE_REPLY (354, 3, 0, 0, "x")));
  g_assert_false (base_reply_is_valid (BASE_REPLY (550, 5, 1000, 0, "x")));
  g_assert_false (base_reply_is_valid (BASE_REPLY (550, 5, 0, 1000, "x")));
}

static void
test_valid_text (void)
{
  g_autofree gchar *line = g_strnfill (BASE_REPLY_MAX_LINE, 'x');
  g_autofree gchar *longer = g_strnfill (BASE_REPLY_MAX_LINE + 1, 'x');
  g_autofree gchar *breaks = g_strnfill (BASE_REPLY_MAX_LINES - 1, '\n');
  g_autofree gchar *more_breaks = g_strnfill (BASE_REPLY_MAX_LINES, '\n');

  g_assert_true (base_reply_is_valid (BASE_REPLY (250, 0, 0, 0, line)));
  g_assert_false (base_reply_is_valid (BASE_REPLY (250, 0, 0, 0, longer)));
  g_assert_true (base_reply_is_valid (BASE_REPLY (250, 0, 0, 0, breaks)));
  g_assert_false (base_reply_is_valid (BASE_REPLY (250, 0, 0, 0, more_breaks)));
  g_assert_true (base_reply_is_valid (BASE_REPLY (250, 0, 0, 0, "a\tb\nc")));
  g_assert_false (base_reply_is_valid (BASE_REPLY (250, 0, 0, 0, "a\rb")));
  g_assert_false (base_reply_is_valid (BASE_REPLY (250, 0, 0, 0, "a\x7f")));
  g_assert_false (base_reply_is_valid (BASE_REPLY (250, 0, 0, 0, "\x1b[2J")));
}

static void
test_parse_enhanced (void)
{
  static const struct
  {
    const gchar *text;
    gsize used;
    guint16 enhanced[3];
  } cases[] = {
    { "5.7.1 text", 6, { 5, 7, 1 } },
    { "2.0.0", 5, { 2, 0, 0 } },
    { "4.123.999 x", 10, { 4, 123, 999 } },
    { "5.7.1  two", 6, { 5, 7, 1 } },
    { "5.7.1\ttab", 0, { 0 } },
    { "3.0.0 x", 0, { 0 } },
    { "5.7 x", 0, { 0 } },
    { "5.7.1x", 0, { 0 } },
    { "5.7.1234 x", 0, { 0 } },
    { "5..1 x", 0, { 0 } },
    { "5.07.1 x", 0, { 0 } },
    { "55.7.1 x", 0, { 0 } },
    { "", 0, { 0 } },
    { "5", 0, { 0 } },
    { "5.7.", 0, { 0 } },
    { "Ok", 0, { 0 } },
    { "5.7.1.2 x", 0, { 0 } },
    { "-5.7.1", 0, { 0 } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      guint16 enhanced[3] = { 9, 9, 9 };
      /* An exact copy, so that a read past its end is seen. */
      g_autofree gchar *text = g_memdup2 (cases[i].text, strlen (cases[i].text));
      g_test_message ("%s", cases[i].text);
      gsize used = base_reply_parse_enhanced (text, strlen (cases[i].text), enhanced);
      g_assert_cmpuint (used, ==, cases[i].used);
      g_assert_cmpmem (enhanced, sizeof enhanced, cases[i].enhanced, sizeof enhanced);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/reply/write", test_write);
  g_test_add_func ("/base/reply/write-strips", test_write_strips);
  g_test_add_func ("/base/reply/make", test_make);
  g_test_add_func ("/base/reply/valid-codes", test_valid_codes);
  g_test_add_func ("/base/reply/valid-text", test_valid_text);
  g_test_add_func ("/base/reply/parse-enhanced", test_parse_enhanced);
  return g_test_run ();
}
