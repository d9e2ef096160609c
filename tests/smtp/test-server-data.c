/* The data of a message against a naive model that splits the whole stream at its true CR LFs
 * first: what is content, where the end is, which fault comes first. Every short mix of CR, LF,
 * NUL, dot and a letter, whole and one octet at a time, and long random ones. */
#include "smtp/server.h"

#include <string.h>

#include "base/buffer.h"

typedef struct
{
  GByteArray *content;
  SmtpFault fault;
  guint64 size;
  gsize end; /* octets of the stream up to and with the end of the data; 0: no end */
} Outcome;

static void
outcome_clear (Outcome *outcome)
{
  g_byte_array_unref (outcome->content);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Outcome, outcome_clear)

static const SmtpServerLimits lax = { .recipients = 10, .line_length = 1000, .bad_commands = 1000 };

/* --- the model --- */

static void
model_fault (Outcome *outcome, SmtpFault fault)
{
  if (outcome->fault == SMTP_FAULT_NONE)
    outcome->fault = fault;
}

static void
model_octets (Outcome *outcome, const SmtpServerLimits *limits, const gchar *octets, gsize length)
{
  outcome->size += length;
  if (outcome->fault != SMTP_FAULT_NONE)
    return;
  if (limits->message_size > 0 && outcome->content->len + length > limits->message_size)
    model_fault (outcome, SMTP_FAULT_TOO_BIG);
  else
    g_byte_array_append (outcome->content, (const guint8 *) octets, (guint) length);
}

static void
model_line (Outcome *outcome, const SmtpServerLimits *limits, const gchar *line, gsize length)
{
  gsize column = 0;

  for (gsize i = length > 0 && line[0] == '.'; i < length; i++)
    {
      gboolean bare = line[i] == '\r' || line[i] == '\n';
      if (bare && limits->newlines == SMTP_NEWLINES_REFUSE)
        model_fault (outcome, line[i] == '\r' ? SMTP_FAULT_BARE_CR : SMTP_FAULT_BARE_LF);
      if (!bare && limits->text_line_length > 0 && column >= limits->text_line_length)
        model_fault (outcome, SMTP_FAULT_LINE_LENGTH);
      column = bare ? 0 : column + 1;
      if (bare && limits->newlines == SMTP_NEWLINES_NORMALIZE)
        model_octets (outcome, limits, "\r\n", 2);
      else
        model_octets (outcome, limits, line + i, 1);
    }
  model_octets (outcome, limits, "\r\n", 2);
}

static Outcome
model (const SmtpServerLimits *limits, const gchar *stream, gsize length)
{
  Outcome outcome = { g_byte_array_new (), SMTP_FAULT_NONE, 0, 0 };
  const gchar *line = stream;
  const gchar *end;

  while ((end = memmem (line, length - (gsize) (line - stream), "\r\n", 2)) != NULL)
    {
      if (end == line + 1 && *line == '.')
        {
          outcome.end = (gsize) (end + 2 - stream);
          return outcome;
        }
      model_line (&outcome, limits, line, (gsize) (end - line));
      line = end + 2;
    }
  return outcome;
}

/* --- the machine --- */

static void
check_chunk (const SmtpServerEvent *event, SmtpNewlines newlines)
{
  for (gsize i = 0; i < event->length; i++)
    {
      gboolean lf = i + 1 < event->length && event->bytes[i + 1] == '\n';
      if (event->bytes[i] == '\r')
        g_assert_true (lf);
      if (event->bytes[i] == '\n')
        g_assert_true (i > 0 && event->bytes[i - 1] == '\r');
    }
  g_assert_cmpuint (event->length, >, 0);
}

static SmtpServer *
server_in_data (const SmtpServerLimits *limits)
{
  gchar start[] = "HELO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n";
  SmtpServer *server = smtp_server_new (limits);
  const SmtpServerEvent *event;

  smtp_server_feed (server, (guint8 *) start, strlen (start));
  while ((event = smtp_server_next (server)) != NULL)
    {
      g_autoptr (BaseReply) reply = smtp_server_default_reply (event, "host");
      smtp_server_answer (server, reply);
    }
  smtp_server_settle (server);
  g_assert_true (smtp_server_in_data (server));
  return server;
}

/* Whoever writes the content does not look for dots once it is told that there are none. */
static void
check_dots (const GByteArray *content, guint from, gboolean told)
{
  for (guint i = from; i < content->len && !told; i++)
    g_assert_true (content->data[i] != '.' || (i > 0 && content->data[i - 1] != '\n'));
}

/* Pulls what can be pulled; TRUE at END. */
static gboolean
pull (SmtpServer *server, const SmtpServerLimits *limits, Outcome *outcome)
{
  const SmtpServerEvent *event;

  while ((event = smtp_server_next (server)) != NULL)
    {
      if (event->type == SMTP_SERVER_END)
        {
          outcome->fault = event->fault;
          outcome->size = event->size;
          return TRUE;
        }
      g_assert_cmpint (event->type, ==, SMTP_SERVER_CHUNK);
      check_chunk (event, limits->newlines);
      g_byte_array_append (outcome->content, event->bytes, (guint) event->length);
      check_dots (outcome->content, outcome->content->len - (guint) event->length, event->dots);
    }
  return FALSE;
}

static void
check_after_end (SmtpServer *server, SmtpFault fault)
{
  gboolean bare = fault == SMTP_FAULT_BARE_CR || fault == SMTP_FAULT_BARE_LF;

  g_assert_false (smtp_server_in_data (server));
  smtp_server_answer (server, BASE_REPLY (250, 2, 0, 0, "Ok"));
  g_assert_cmpint (smtp_server_is_closing (server), ==, bare);
  g_assert_false (smtp_server_in_transaction (server));
}

/* `step` octets at a time; 0: pieces of random length. */
static Outcome
run (const SmtpServerLimits *limits, const gchar *stream, gsize length, gsize step)
{
  g_autoptr (SmtpServer) server = server_in_data (limits);
  Outcome outcome = { g_byte_array_new (), SMTP_FAULT_NONE, 0, 0 };
  gboolean over = FALSE;

  for (gsize at = 0; at < length && !over;)
    {
      gsize part = step > 0 ? step : (gsize) g_test_rand_int_range (1, 200);
      part = MIN (part, length - at);
      g_autofree guint8 *piece = g_memdup2 (stream + at, part);
      smtp_server_feed (server, piece, part);
      at += part;
      over = pull (server, limits, &outcome);
      if (over)
        {
          outcome.end = at - smtp_server_backlog (server);
          check_after_end (server, outcome.fault);
        }
      smtp_server_settle (server);
    }
  return outcome;
}

static void
compare (const SmtpServerLimits *limits, const gchar *stream, gsize length, gsize step)
{
  g_auto (Outcome) wanted = model (limits, stream, length);
  g_auto (Outcome) got = run (limits, stream, length, step);
  gboolean same
      = wanted.end == got.end && wanted.fault == got.fault && wanted.size == got.size
        && wanted.content->len == got.content->len
        && (wanted.content->len == 0
            || memcmp (wanted.content->data, got.content->data, wanted.content->len) == 0);

  if (same)
    return;
  g_autofree gchar *copy = g_strndup (stream, length);
  g_autofree gchar *shown = g_strescape (copy, NULL);
  g_test_message (
      "policy %d step %zu stream %s: end %zu/%zu fault %d/%d size %zu/%zu content %u/%u",
      (int) limits->newlines, step, shown, wanted.end, got.end, (int) wanted.fault, (int) got.fault,
      (gsize) wanted.size, (gsize) got.size, wanted.content->len, got.content->len);
  g_test_fail ();
}

static void
compare_all (const SmtpServerLimits *base, const gchar *stream, gsize length)
{
  for (guint policy = 0; policy < 2; policy++)
    {
      SmtpServerLimits limits = *base;
      limits.newlines = policy == 0 ? SMTP_NEWLINES_REFUSE : SMTP_NEWLINES_NORMALIZE;
      compare (&limits, stream, length, length);
      compare (&limits, stream, length, 1);
    }
}

/* Every string of this length over the letters, and behind each a true end and a second envelope.
 */
static void
every_mix (const gchar *letters, guint count, gsize length)
{
  static const gchar behind[] = "\r\n.\r\nMAIL FROM:<second@x>\r\n";
  gchar stream[64];
  guint strings = 1;

  for (gsize i = 0; i < length; i++)
    strings *= count;
  memcpy (stream + length, behind, sizeof behind - 1);
  for (guint n = 0; n < strings && !g_test_failed (); n++)
    {
      guint rest = n;
      for (gsize i = 0; i < length; i++, rest /= count)
        stream[i] = letters[rest % count];
      compare_all (&lax, stream, length + sizeof behind - 1);
    }
}

static void
test_every_mix (void)
{
  for (gsize length = 0; length <= 5; length++)
    every_mix ("\r\n.\0x", 5, length);
}

static void
test_every_longer_mix (void)
{
  every_mix ("\r\n.\0x", 5, 6);
  every_mix ("\r\n.x", 4, 7);
  if (g_test_slow ())
    every_mix ("\r\n.\0x", 5, 7);
}

/* A mail of lines, some dotted; now and then, or never, a newline is broken. */
static GString *
random_mail (gboolean broken)
{
  GString *mail = g_string_new (NULL);
  gint lines = g_test_rand_int_range (0, 30);

  for (gint i = 0; i < lines; i++)
    {
      gint width = g_test_rand_int_range (0, 160);
      if (g_test_rand_int_range (0, 4) == 0)
        g_string_append (mail, g_test_rand_bit () ? "." : "..");
      for (gint j = 0; j < width; j++)
        g_string_append_c (mail, "abc .\0\xc3\xa4"[g_test_rand_int_range (0, 8)]);
      gint kind = broken ? g_test_rand_int_range (0, 60) : 9;
      g_string_append (mail, kind == 0 ? "\n" : kind == 1 ? "\r" : kind == 2 ? "\r\r\n" : "\r\n");
    }
  return g_string_append (mail, "\r\n.\r\nRSET\r\n");
}

static void
test_random_mails (void)
{
  for (guint i = 0; i < 600; i++)
    {
      g_autoptr (GString) mail = random_mail (i % 2 == 0);
      SmtpServerLimits limits = lax;
      limits.text_line_length = i % 3 == 0 ? (guint) g_test_rand_int_range (1, 170) : 0;
      limits.message_size = i % 5 == 0 ? (guint64) g_test_rand_int_range (1, 4000) : 0;
      compare_all (&limits, mail->str, mail->len);
      for (guint policy = 0; policy < 2; policy++)
        {
          limits.newlines = policy == 0 ? SMTP_NEWLINES_REFUSE : SMTP_NEWLINES_NORMALIZE;
          compare (&limits, mail->str, mail->len, 0);
        }
    }
}

/* --- limits, one past each --- */

static SmtpFault
fault_of (const SmtpServerLimits *limits, const gchar *stream)
{
  g_auto (Outcome) whole = run (limits, stream, strlen (stream), strlen (stream));
  g_auto (Outcome) cut = run (limits, stream, strlen (stream), 1);

  g_assert_cmpint (whole.fault, ==, cut.fault);
  g_assert_cmpuint (whole.end, ==, strlen (stream));
  return whole.fault;
}

static void
test_message_size (void)
{
  SmtpServerLimits limits = lax;

  limits.message_size = 6;
  g_assert_cmpint (fault_of (&limits, "abcd\r\n.\r\n"), ==, SMTP_FAULT_NONE);
  g_assert_cmpint (fault_of (&limits, "..bcd\r\n.\r\n"), ==, SMTP_FAULT_NONE);
  g_assert_cmpint (fault_of (&limits, "abcde\r\n.\r\n"), ==, SMTP_FAULT_TOO_BIG);
  limits.message_size = 0;
  g_assert_cmpint (fault_of (&limits, "abcde\r\n.\r\n"), ==, SMTP_FAULT_NONE);
}

static void
test_line_length (void)
{
  SmtpServerLimits limits = lax;

  limits.text_line_length = 4;
  g_assert_cmpint (fault_of (&limits, "abcd\r\n.\r\n"), ==, SMTP_FAULT_NONE);
  g_assert_cmpint (fault_of (&limits, "..bcd\r\n.\r\n"), ==, SMTP_FAULT_NONE);
  g_assert_cmpint (fault_of (&limits, "abcde\r\n.\r\n"), ==, SMTP_FAULT_LINE_LENGTH);
}

/* A whole window of content is one chunk, however many dots are taken out of it. */
static void
test_large_chunks (void)
{
  g_autoptr (SmtpServer) server = server_in_data (&lax);
  g_autoptr (GString) mail = g_string_new ("x");

  while (mail->len < 100000)
    g_string_append (mail, "..a line\r\n");
  gsize fed = mail->len;
  smtp_server_feed (server, (guint8 *) mail->str, fed);
  const SmtpServerEvent *event = smtp_server_next (server);
  g_assert_cmpint (event->type, ==, SMTP_SERVER_CHUNK);
  g_assert_cmpuint (event->length, >, fed * 8 / 10);
  g_assert_null (smtp_server_next (server));
  g_assert_cmpuint (smtp_server_backlog (server), ==, 0);
  smtp_server_settle (server);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/smtp/server-data/every-mix", test_every_mix);
  g_test_add_func ("/smtp/server-data/every-longer-mix", test_every_longer_mix);
  g_test_add_func ("/smtp/server-data/random-mails", test_random_mails);
  g_test_add_func ("/smtp/server-data/message-size", test_message_size);
  g_test_add_func ("/smtp/server-data/line-length", test_line_length);
  g_test_add_func ("/smtp/server-data/large-chunks", test_large_chunks);
  return g_test_run ();
}
