/* The reply reader at its limits: each input that is just allowed, the same one past it, and every
 * malformed line; all of them whole, octet by octet and in random pieces. */
#include "smtp/client-reply.h"

#include <string.h>

/* Reads all that is there: "code[ e.e.e]|text;" for each reply, "!fault" at the end. */
static gchar *
read_all (const gchar *bytes, gsize length, guint split, gboolean is_auth)
{
  SmtpReplyReader reader = { .is_auth = is_auth };
  GString *record = g_string_new (NULL);
  SmtpReplyStatus status = SMTP_REPLY_MORE;
  GRand *random = g_rand_new_with_seed (split);

  for (gsize at = 0; at < length && status != SMTP_REPLY_FAULT;)
    {
      gsize piece = split == 0 ? length : 1;

      if (split > 1)
        piece = g_rand_int_range (random, 1, 3000);
      piece = MIN (piece, length - at);
      g_autofree guint8 *copy = g_memdup2 (bytes + at, piece);
      g_autofree gchar *fault = NULL;

      smtp_reply_reader_feed (&reader, copy, piece);
      do
        {
          const BaseReply *reply = NULL;

          status = smtp_reply_reader_next (&reader, &reply, &fault);
          if (status != SMTP_REPLY_COMPLETE)
            continue;
          g_assert_true (is_auth || base_reply_is_valid (reply));
          g_string_append_printf (record, "%u %u.%u.%u|%s;", reply->code, reply->enhanced[0],
                                  reply->enhanced[1], reply->enhanced[2],
                                  reply->text != NULL ? reply->text : "");
        }
      while (status == SMTP_REPLY_COMPLETE);
      smtp_reply_reader_settle (&reader);
      g_assert_cmpuint (base_buffer_length (&reader.kept), <=, length);
      if (status == SMTP_REPLY_FAULT)
        g_string_append_printf (record, "!%s", fault);
      at += piece;
    }
  smtp_reply_reader_clear (&reader);
  g_rand_free (random);
  return g_string_free (record, FALSE);
}

static gchar *
read_every_way (const gchar *bytes, gsize length, gboolean is_auth)
{
  gchar *whole = read_all (bytes, length, 0, is_auth);

  for (guint split = 1; split < 6; split++)
    {
      g_autofree gchar *again = read_all (bytes, length, split, is_auth);
      g_assert_cmpstr (again, ==, whole);
    }
  return whole;
}

static void
check (const gchar *bytes, const gchar *expected)
{
  g_autofree gchar *record = read_every_way (bytes, strlen (bytes), FALSE);

  g_assert_cmpstr (record, ==, expected);
}

static void
test_forms (void)
{
  check ("250\r\n", "250 0.0.0|;");
  check ("250 \r\n", "250 0.0.0|;");
  check ("250 ok\r\n", "250 0.0.0|ok;");
  check ("250-a\r\n250-\r\n250 b\r\n", "250 0.0.0|a\n\nb;");
  check ("250-\r\n250-\r\n250\r\n", "250 0.0.0|\n\n;");
  check ("250-a\n250 b\n", "250 0.0.0|a\nb;");
  check ("200 a\r\n599 b\r\n", "200 0.0.0|a;599 0.0.0|b;");
  check ("250 a\r", "");
  check ("250-a\r\n", "");
}

static void
test_enhanced (void)
{
  check ("250 2.1.0 ok\r\n", "250 2.1.0|ok;");
  check ("250 2.1.0\r\n", "250 2.1.0|;");
  check ("550-5.7.1 a\r\n550-5.7.1\r\n550 5.7.1 b\r\n", "550 5.7.1|a\n\nb;");
  check ("550-5.7.1 a\r\n550 b\r\n", "550 5.7.1|a\nb;");
  check ("550-a\r\n550 5.7.1 b\r\n", "550 0.0.0|a\n5.7.1 b;");
  check ("550-5.7.1 a\r\n550 5.7.2 b\r\n", "550 5.7.1|a\n5.7.2 b;");
  check ("550 4.7.1 a\r\n", "550 0.0.0|4.7.1 a;");
  check ("354 2.0.0 go\r\n", "354 0.0.0|2.0.0 go;");
  check ("550 5.7.1.1 a\r\n", "550 0.0.0|5.7.1.1 a;");
  check ("550-5.7.1 a\r\n550 5.7.1 a\r\n250 ok\r\n", "550 5.7.1|a\na;250 0.0.0|ok;");
}

static void
test_octets (void)
{
  check ("250 a\x01\x7f\x1b\tb\xe4\r\n", "250 0.0.0|a???\tb\xe4;");
  check ("250 a\rb\r\n", "250 0.0.0|a?b;");
  check ("250 a\r\r\n", "250 0.0.0|a?;");
  g_autofree gchar *record = read_every_way ("250 a\0b\r\n", 9, FALSE);
  g_assert_cmpstr (record, ==, "250 0.0.0|a?b;");
}

static void
test_malformed (void)
{
  check ("\r\n", "!malformed reply: \"\"");
  check ("25\r\n", "!malformed reply: \"25\"");
  check ("2x0 ok\r\n", "!malformed reply: \"2x0 ok\"");
  check ("hello\r\n", "!malformed reply: \"hello\"");
  check (" 250 ok\r\n", "!malformed reply: \" 250 ok\"");
  check ("250_ok\r\n", "!malformed reply: \"250_ok\"");
  check ("2500 ok\r\n", "!malformed reply: \"2500 ok\"");
  check ("199 ok\r\n", "!malformed reply: \"199 ok\"");
  check ("600 ok\r\n", "!malformed reply: \"600 ok\"");
  check ("250 a\r\nx\x01y\r\n", "250 0.0.0|a;!malformed reply: \"x?y\"");
  check ("250-a\r\n251 b\r\n", "!the code changed within a reply: \"251 b\"");
  check ("250-a\r\n550-b\r\n", "!the code changed within a reply: \"550-b\"");
  check ("250-a\r\n\r\n", "!malformed reply: \"\"");
}

/* A line of `length` octets without its line end, and one more. */
static void
test_line_length (void)
{
  g_autofree gchar *most = g_strnfill (BASE_REPLY_MAX_LINE - 4, 'x');
  g_autofree gchar *good = g_strdup_printf ("250 %s\r\n", most);
  g_autofree gchar *good_lf = g_strdup_printf ("250 %s\n", most);
  g_autofree gchar *bad = g_strdup_printf ("250 %sy\r\n", most);
  g_autofree gchar *endless = g_strdup_printf ("250 %syy", most);
  g_autofree gchar *expected = g_strdup_printf ("250 0.0.0|%s;", most);
  g_autofree gchar *fault = g_strdup_printf ("!a reply line too long: \"250 %.76s…\"", most);

  check (good, expected);
  check (good_lf, expected);
  check (bad, fault);
  check (endless, fault);
}

/* A challenge alone may be longer, and only while AUTH is open. */
static void
test_challenge_length (void)
{
  g_autofree gchar *most = g_strnfill (SMTP_REPLY_MAX_CHALLENGE - 4, 'x');
  g_autofree gchar *good = g_strdup_printf ("334 %s\r\n", most);
  g_autofree gchar *bad = g_strdup_printf ("334 %sy\r\n", most);
  g_autofree gchar *endless = g_strdup_printf ("334 %syy", most);
  g_autofree gchar *other = g_strdup_printf ("235 %s\r\n", most);
  g_autofree gchar *expected = g_strdup_printf ("334 0.0.0|%s;", most);
  const struct
  {
    const gchar *bytes;
    gboolean is_auth;
  } too_long[] = { { bad, TRUE }, { endless, TRUE }, { other, TRUE }, { good, FALSE } };
  g_autofree gchar *record = read_every_way (good, strlen (good), TRUE);

  g_assert_cmpstr (record, ==, expected);
  for (guint i = 0; i < G_N_ELEMENTS (too_long); i++)
    {
      const gchar *bytes = too_long[i].bytes;
      g_autofree gchar *fault = read_every_way (bytes, strlen (bytes), too_long[i].is_auth);

      g_assert_true (g_str_has_prefix (fault, "!a reply line too long: "));
    }
}

static gchar *
make_lines (guint count, gsize filler)
{
  GString *reply = g_string_new (NULL);
  g_autofree gchar *text = g_strnfill (filler, 'x');

  for (guint i = 1; i <= count; i++)
    g_string_append_printf (reply, "250%c%s\r\n", i < count ? '-' : ' ', text);
  return g_string_free (reply, FALSE);
}

static void
test_lines (void)
{
  g_autofree gchar *most = make_lines (BASE_REPLY_MAX_LINES, 1);
  g_autofree gchar *more = make_lines (BASE_REPLY_MAX_LINES + 1, 1);
  g_autofree gchar *record = read_every_way (most, strlen (most), FALSE);

  g_assert_true (g_str_has_prefix (record, "250 0.0.0|x\nx\n"));
  check (more, "!a reply of too many lines: \"250 x\"");
}

static void
test_size (void)
{
  /* 64 lines of 1024 octets with their line ends. */
  g_autofree gchar *most = make_lines (64, 1018);
  g_autofree gchar *record = NULL;
  g_autofree gchar *longer = NULL;

  g_assert_cmpuint (strlen (most), ==, SMTP_REPLY_MAX_OCTETS);
  record = read_every_way (most, strlen (most), FALSE);
  g_assert_true (g_str_has_suffix (record, "x;"));
  g_clear_pointer (&record, g_free);
  /* One octet more, in the first line. */
  longer = g_strdup_printf ("250-y%s", most + 4);
  record = read_every_way (longer, strlen (longer), FALSE);
  g_assert_true (g_str_has_prefix (record, "!a reply of too many octets: "));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client-reply/forms", test_forms);
  g_test_add_func ("/client-reply/enhanced", test_enhanced);
  g_test_add_func ("/client-reply/octets", test_octets);
  g_test_add_func ("/client-reply/malformed", test_malformed);
  g_test_add_func ("/client-reply/line-length", test_line_length);
  g_test_add_func ("/client-reply/challenge-length", test_challenge_length);
  g_test_add_func ("/client-reply/lines", test_lines);
  g_test_add_func ("/client-reply/size", test_size);
  return g_test_run ();
}
