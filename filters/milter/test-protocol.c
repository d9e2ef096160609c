/* The milter filter's protocol without a connection: packets, answers, replies, terms, macros. Each
 * limit, and one past it. */
#include "answer.h"
#include "terms.h"

#include <string.h>

static const char *const none[] = { NULL };

/* ---- Packets ---- */

static void
test_packets (void)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  const char *const strings[] = { "one", "", "three", NULL };
  Packet packet;
  const char *text = NULL;
  g_autoptr (GError) error = NULL;

  packet_add (out, 'A', NULL, 0);
  g_assert_true (packet_add_strings (out, 'M', strings));
  g_assert_cmpmem (out->data, out->len, "\0\0\0\1A\0\0\0\14Mone\0\0three", 21);
  g_assert_cmpint (packet_take (out->data, out->len, &packet, &error), ==, 5);
  g_assert_cmpint (packet.command, ==, 'A');
  for (gsize length = 0; length < 16; length++)
    g_assert_cmpint (packet_take (out->data + 5, length, &packet, &error), ==, 0);
  g_assert_cmpint (packet_take (out->data + 5, 16, &packet, &error), ==, 16);
  for (guint i = 0; strings[i] != NULL; i++)
    {
      g_assert_true (packet_read_string (&packet, &text));
      g_assert_cmpstr (text, ==, strings[i]);
    }
  g_assert_false (packet_read_string (&packet, &text));
  g_assert_no_error (error);
}

static void
test_packet_limits (void)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autofree char *longest = g_strnfill (PACKET_MAX_DATA - 1, 'x');
  const char *const fits[] = { longest, NULL };
  const char *const over[] = { longest, "", NULL };
  const guint8 empty[] = { 0, 0, 0, 0 }, largest[] = { 0, 0x10, 0, 0 }, huge[] = { 0, 0x10, 0, 1 };
  Packet packet;
  g_autoptr (GError) error = NULL;

  g_assert_true (packet_add_strings (out, 'L', fits));
  g_assert_false (packet_add_strings (out, 'L', over));
  g_assert_cmpuint (out->len, ==, PACKET_MAX_DATA + 5);
  g_assert_cmpint (packet_take (largest, sizeof largest, &packet, &error), ==, 0);
  g_assert_cmpint (packet_take (empty, sizeof empty, &packet, &error), ==, -1);
  g_clear_error (&error);
  g_assert_cmpint (packet_take (huge, sizeof huge, &packet, &error), ==, -1);
  g_assert_nonnull (strstr (error->message, "1048577 octets"));
}

/* ---- Answers ---- */

static gboolean
read_bytes (const char *bytes, gsize length, Answer *answer, char **problem)
{
  const Packet packet = { *bytes, (const guint8 *) bytes + 1, length - 1 };
  g_autoptr (GError) error = NULL;
  gboolean fine = answer_read (&packet, answer, &error);

  g_assert_true (fine == (error == NULL));
  *problem = error == NULL ? NULL : g_strdup (error->message);
  return fine;
}

static void
test_answers (void)
{
  static const struct
  {
    const char *bytes;
    gsize length;
    AnswerKind kind;
    guint32 index;
    const char *name, *text;
  } good[] = {
    { "c", 1, ANSWER_CONTINUE, 0, NULL, NULL },
    { "a", 1, ANSWER_ACCEPT, 0, NULL, NULL },
    { "r", 1, ANSWER_REJECT, 0, NULL, NULL },
    { "t", 1, ANSWER_TEMPFAIL, 0, NULL, NULL },
    { "d", 1, ANSWER_DISCARD, 0, NULL, NULL },
    { "s", 1, ANSWER_SKIP, 0, NULL, NULL },
    { "p", 1, ANSWER_PROGRESS, 0, NULL, NULL },
    { "f", 1, ANSWER_FAILURE, 0, NULL, NULL },
    { "4", 1, ANSWER_SHUTDOWN, 0, NULL, NULL },
    { "y550 no\0", 8, ANSWER_REPLY, 0, NULL, "550 no" },
    { "hX\0y\0", 5, ANSWER_ADD_HEADER, 0, "X", "y" },
    { "i\0\0\1\2X\0y\0", 9, ANSWER_INSERT_HEADER, 258, "X", "y" },
    { "m\0\0\0\1X\0\0", 8, ANSWER_CHANGE_HEADER, 1, "X", "" },
    { "+<a@b>\0", 7, ANSWER_ADD_RECIPIENT, 0, "<a@b>", NULL },
    { "2<a@b>\0", 7, ANSWER_ADD_RECIPIENT, 0, "<a@b>", NULL },
    { "2<a@b>\0NOTIFY=NEVER\0", 20, ANSWER_ADD_RECIPIENT, 0, "<a@b>", "NOTIFY=NEVER" },
    { "-<a@b>\0", 7, ANSWER_DELETE_RECIPIENT, 0, "<a@b>", NULL },
    { "e<a@b>\0", 7, ANSWER_CHANGE_SENDER, 0, "<a@b>", NULL },
    { "qwhy\0", 5, ANSWER_QUARANTINE, 0, NULL, "why" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      Answer answer;
      g_autofree char *problem = NULL;

      g_assert_true (read_bytes (good[i].bytes, good[i].length, &answer, &problem));
      g_assert_cmpint (answer.kind, ==, good[i].kind);
      g_assert_cmpuint (answer.index, ==, good[i].index);
      g_assert_cmpstr (answer.name, ==, good[i].name);
      g_assert_cmpstr (answer.text, ==, good[i].text);
    }
}

static void
test_answers_refused (void)
{
  static const struct
  {
    const char *bytes;
    gsize length;
    const char *problem;
  } bad[] = {
    { "z", 1, "an unknown answer (0x7a)" },
    { "\xff", 1, "an unknown answer (0xff)" },
    { "O\0\0\0\6", 5, "an unknown answer (0x4f)" },
    { "cx", 2, "\"c\" whose 1 octets" },
    { "y550 no", 7, "\"y\" whose 6 octets" },
    { "y", 1, "\"y\" whose 0 octets" },
    { "hX\0y", 4, "\"h\" whose" },
    { "hX\0", 3, "\"h\" whose" },
    { "hX\0y\0z", 6, "\"h\" whose" },
    { "i\0\0\1", 4, "\"i\" whose" },
    { "i\0\0\0\1X\0", 7, "\"i\" whose" },
    { "m\0\0\0\1X", 6, "\"m\" whose" },
    { "+a", 2, "\"+\" whose" },
    { "+a\0b\0", 5, "\"+\" whose" },
    { "2a\0b", 4, "\"2\" whose" },
    { "e", 1, "\"e\" whose" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      Answer answer;
      g_autofree char *problem = NULL;

      g_assert_false (read_bytes (bad[i].bytes, bad[i].length, &answer, &problem));
      g_assert_nonnull (strstr (problem, bad[i].problem));
    }
}

/* ---- Replies ---- */

static void
test_replies (void)
{
  static const struct
  {
    const char *wire;
    guint code;
    const char *enhanced, *text;
  } good[] = {
    { "550 5.7.1 no", 550, "5.7.1", "no" },
    { "550 no", 550, NULL, "no" },
    { "550", 550, NULL, "" },
    { "451 4.7.1", 451, "4.7.1", "" },
    { "550 4.7.1 of another class", 550, NULL, "4.7.1 of another class" },
    { "550 5.7.1000 too long", 550, NULL, "5.7.1000 too long" },
    { "550 5.7 short", 550, NULL, "5.7 short" },
    { "554-5.7.9 one\r\n554-5.7.9 100%% sure\r\n554 5.7.9 three\r\n", 554, "5.7.9",
      "one\n100% sure\nthree" },
    { "421-a\n421 b", 421, NULL, "a\nb" },
    { "550 5.1.1 a % sign", 550, "5.1.1", "a % sign" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      AnswerReply reply;
      g_autoptr (GError) error = NULL;

      g_assert_true (answer_read_reply (good[i].wire, &reply, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (reply.code, ==, good[i].code);
      g_assert_cmpstr (reply.enhanced, ==, good[i].enhanced);
      g_assert_cmpstr (reply.text, ==, good[i].text);
      answer_reply_clear (&reply);
    }
}

static void
test_replies_refused (void)
{
  static const char *const bad[] = {
    "",        "25",    "250 2.0.0 ok", "354 go on", "600 no",         "+50 no",
    "5500 no", "550no", "550-only",     "550-a\r\n", "550-a\r\n551 b", "550 a\r\n550 b x\r\n5"
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      AnswerReply reply;
      g_autoptr (GError) error = NULL;

      if (answer_read_reply (bad[i], &reply, &error))
        g_error ("\"%s\" is taken", bad[i]);
      g_assert_nonnull (error);
    }
}

static void
test_reply_limits (void)
{
  g_autofree char *word = g_strnfill (1000, 'x');
  g_autofree char *long_line = g_strdup_printf ("550 %s", word);
  g_autoptr (GString) lines = g_string_new (NULL);
  g_autoptr (GString) more = g_string_new ("550-a\r\n");
  AnswerReply reply;
  g_autoptr (GError) error = NULL;

  for (guint i = 1; i < ANSWER_MAX_LINES; i++)
    g_string_append (lines, "550-a\r\n");
  g_string_append (lines, "550 a\r\n");
  g_string_append (more, lines->str);
  g_assert_true (answer_read_reply (lines->str, &reply, &error));
  answer_reply_clear (&reply);
  g_assert_false (answer_read_reply (more->str, &reply, &error));
  g_clear_error (&error);
  g_assert_true (answer_read_reply (long_line, &reply, &error));
  g_assert_cmpuint (strlen (reply.text), ==, 480);
  answer_reply_clear (&reply);
}

/* ---- Terms ---- */

static gboolean
read_terms (GByteArray *bytes, Terms *terms, char **problem)
{
  const Packet packet = { (char) bytes->data[0], bytes->data + 1, bytes->len - 1 };
  g_autoptr (GError) error = NULL;
  gboolean fine = terms_read (&packet, none, terms, &error);

  *problem = error == NULL ? NULL : g_strdup (error->message);
  return fine;
}

static GByteArray *
terms_of (guint32 version, guint32 actions, guint32 steps)
{
  GByteArray *bytes = g_byte_array_new ();

  g_byte_array_append (bytes, (const guint8 *) "O", 1);
  packet_append_u32 (bytes, version);
  packet_append_u32 (bytes, actions);
  packet_append_u32 (bytes, steps);
  return bytes;
}

static void
test_offer (void)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();

  terms_offer (out);
  g_assert_cmpmem (out->data, out->len, "\0\0\0\15O\0\0\0\6\0\0\1\xff\x30\x1f\xff\xff", 17);
}

static void
test_terms (void)
{
  static const struct
  {
    guint32 version, actions, steps, got;
    gsize size;
  } good[] = {
    { 6, 0x1ff, 0x1fffff, 0x1fffff, 65535 },
    { 6, 0, 0, 0, 65535 },
    { 4, 0, 0, 0, 65535 },
    { 3, 0x3f, 0, TERMS_NO_DATA, 65535 },
    { 2, 0x3f, 0x7f, 0x7f | TERMS_NO_DATA | TERMS_NO_UNKNOWN, 65535 },
    { 6, 0, TERMS_DATA_256K, TERMS_DATA_256K, 262143 },
    { 6, 0, TERMS_DATA_1M, TERMS_DATA_1M, 1048575 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GByteArray) bytes = terms_of (good[i].version, good[i].actions, good[i].steps);
      g_autofree char *problem = NULL;
      Terms terms;

      g_assert_true (read_terms (bytes, &terms, &problem));
      g_assert_cmpuint (terms.steps, ==, good[i].got);
      g_assert_cmpuint (terms_data_size (&terms), ==, good[i].size);
    }
}

static void
test_terms_refused (void)
{
  static const struct
  {
    guint32 version, actions, steps;
    const char *problem;
  } bad[] = {
    { 7, 0, 0, "version 7 " },         { 1, 0, 0, "version 1 " },
    { 0xffffffff, 0, 0, "version 4" }, { 6, 0x200, 0, "actions that there are not (0x200)" },
    { 6, 0, 0x200000, "(0x200000)" },  { 6, 0, 0x80000000, "(0x80000000)" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GByteArray) bytes = terms_of (bad[i].version, bad[i].actions, bad[i].steps);
      g_autofree char *problem = NULL;
      Terms terms;

      g_assert_false (read_terms (bytes, &terms, &problem));
      g_assert_nonnull (strstr (problem, bad[i].problem));
    }
}

/* Cut anywhere it is refused, but for the ends of its pieces. */
static void
test_terms_cut (void)
{
  g_autoptr (GByteArray) whole = terms_of (6, 0, 0);

  packet_append_u32 (whole, MACROS_CONNECT);
  g_byte_array_append (whole, (const guint8 *) "i j", 4);
  packet_append_u32 (whole, MACROS_STAGES);
  g_byte_array_append (whole, (const guint8 *) "", 1);
  for (guint length = 1; length <= 26; length++)
    {
      g_autoptr (GByteArray) cut = g_byte_array_new ();
      g_autofree char *problem = NULL;
      Terms terms;

      g_byte_array_append (cut, whole->data, length);
      g_assert_true (read_terms (cut, &terms, &problem) == (length == 13 || length == 21));
    }
}

/* ---- Macros ---- */

static void
expect_macros (guint64 mask, const char *const *extras, const char *expected, gsize length)
{
  const char *values[MACRO_COUNT] = { [MACRO_HOSTNAME] = "mx",
                                      [MACRO_ID] = "ID",
                                      [MACRO_MAIL_ADDRESS] = "",
                                      [MACRO_DAEMON_NAME] = "in" };
  g_autoptr (GByteArray) out = g_byte_array_new ();

  macros_add (out, 'C', mask, values, extras);
  if (length == 0)
    g_assert_cmpuint (out->len, ==, 0);
  else
    g_assert_cmpmem (out->data + 4, out->len - 4, expected, length);
}

#define BYTES(text) text, sizeof text

static void
test_macros (void)
{
  const char *const extras[] = { "{daemon_name}=ORIGINATING", "{x}=1", NULL };

  expect_macros (macros_default (MACROS_CONNECT, none), none, BYTES ("DCj\0mx\0{daemon_name}\0in"));
  expect_macros (macros_default (MACROS_CONNECT, extras), extras,
                 BYTES ("DCj\0mx\0{daemon_name}\0ORIGINATING\0{x}\0"
                        "1"));
  expect_macros (macros_default (MACROS_MAIL, none), none, BYTES ("DCi\0ID\0{mail_addr}\0"));
  expect_macros (macros_default (MACROS_HELO, none), none, NULL, 0);
  expect_macros (macros_parse ("i,{nothing}  {x}\tj", extras), extras,
                 BYTES ("DCj\0mx\0i\0ID\0{x}\0"
                        "1"));
  expect_macros (macros_parse ("", extras), extras, NULL, 0);
  expect_macros (macros_parse ("{i} x", extras), extras, NULL, 0);
}

static void
test_macro_limits (void)
{
  g_autofree char *value = g_strnfill (MACROS_MAX_VALUE, 'v');
  g_autofree char *longest = g_strconcat ("{x}=", value, NULL);
  g_autofree char *over = g_strconcat ("{x}=", value, "v", NULL);
  const char *const good[] = { "{x}=y", "{daemon_name}=A B", "j=mx", "_=x", longest };
  const char *const bad[]
      = { "", "=", "x", "{x}", "{x}=", "xy=z", "{}=x", "{x=y", "{x y}=z", "{x}=a\nb", "1=x", over };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (macros_check_extra (good[i]));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    if (macros_check_extra (bad[i]))
      g_error ("\"%s\" is taken", bad[i]);
}

/* A value is cut where it would not fit. */
static void
test_macro_cut (void)
{
  g_autofree char *value = g_strnfill (MACROS_MAX_VALUE + 1, 'v');
  const char *values[MACRO_COUNT] = { [MACRO_HELO] = value };
  g_autoptr (GByteArray) out = g_byte_array_new ();

  macros_add (out, 'M', macros_parse ("s", none), values, none);
  g_assert_cmpuint (out->len, ==, 6 + 2 + MACROS_MAX_VALUE + 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/milter/packets", test_packets);
  g_test_add_func ("/milter/packet-limits", test_packet_limits);
  g_test_add_func ("/milter/answers", test_answers);
  g_test_add_func ("/milter/answers-refused", test_answers_refused);
  g_test_add_func ("/milter/replies", test_replies);
  g_test_add_func ("/milter/replies-refused", test_replies_refused);
  g_test_add_func ("/milter/reply-limits", test_reply_limits);
  g_test_add_func ("/milter/offer", test_offer);
  g_test_add_func ("/milter/terms", test_terms);
  g_test_add_func ("/milter/terms-refused", test_terms_refused);
  g_test_add_func ("/milter/terms-cut", test_terms_cut);
  g_test_add_func ("/milter/macros", test_macros);
  g_test_add_func ("/milter/macro-limits", test_macro_limits);
  g_test_add_func ("/milter/macro-cut", test_macro_cut);
  return g_test_run ();
}
