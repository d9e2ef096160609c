/* What the conversation scripts cannot say about BDAT: the bound on small chunks, what the host may
 * ask while chunks come, the search for QUIT behind them, and random messages in random chunks. */
#include "smtp/server.h"

#include <string.h>

#include "base/buffer.h"

static const SmtpServerLimits limits
    = { .recipients = 10, .line_length = 512, .bad_commands = 3, .require_helo = TRUE };
static const SmtpCapabilities offered
    = { SMTP_CAP_8BITMIME | SMTP_CAP_CHUNKING | SMTP_CAP_BINARYMIME, 0 };

static void
feed (SmtpServer *server, const gchar *text)
{
  g_autofree guint8 *copy = g_memdup2 (text, strlen (text));

  smtp_server_feed (server, copy, strlen (text));
  smtp_server_settle (server);
}

/* Answers everything; the content is appended to `content` unless it is NULL. */
static void
answer_all (SmtpServer *server, GByteArray *content)
{
  const SmtpServerEvent *event;

  while ((event = smtp_server_next (server)) != NULL)
    {
      g_autoptr (BaseReply) reply = smtp_server_default_reply (event, "host");
      if (event->type == SMTP_SERVER_EHLO)
        smtp_server_answer_ehlo (server, "host", offered, NULL);
      else if (event->type == SMTP_SERVER_CHUNK && content != NULL)
        {
          g_byte_array_append (content, event->bytes, (guint) event->length);
          for (guint i = 0; i < content->len && !event->dots; i++)
            g_assert_true (content->data[i] != '.' || (i > 0 && content->data[i - 1] != '\n'));
        }
      else if (event->type != SMTP_SERVER_CHUNK)
        smtp_server_answer (server, reply);
    }
}

static SmtpServer *
server_with_recipient (void)
{
  SmtpServer *server = smtp_server_new (&limits);

  feed (server, "EHLO x\r\nMAIL FROM:<a@x> BODY=BINARYMIME\r\nRCPT TO:<b@x>\r\n");
  answer_all (server, NULL);
  base_output_clear (smtp_server_output (server));
  return server;
}

static gboolean
said (SmtpServer *server, const gchar *text)
{
  struct iovec part;

  if (base_output_iovec (smtp_server_output (server), &part, 1) == 0)
    return FALSE;
  g_autofree gchar *all = g_strndup (part.iov_base, part.iov_len);
  return strstr (all, text) != NULL;
}

static void
test_tiny_chunks (void)
{
  g_autoptr (SmtpServer) server = server_with_recipient ();

  for (guint i = 0; i < SMTP_SERVER_MAX_TINY_CHUNKS; i++)
    feed (server, "BDAT 1\r\nx");
  answer_all (server, NULL);
  g_assert_false (smtp_server_is_closing (server));
  feed (server, "BDAT 0 LAST\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n");
  for (guint i = 0; i < SMTP_SERVER_MAX_TINY_CHUNKS; i++)
    feed (server, "BDAT 0\r\n");
  answer_all (server, NULL);
  g_assert_false (smtp_server_is_closing (server));
  feed (server, "BDAT 1023\r\n");
  answer_all (server, NULL);
  g_assert_true (said (server, "421 Too many small chunks\r\n"));
  g_assert_true (smtp_server_is_closing (server));
}

static void
test_chunks_of_full_size (void)
{
  g_autoptr (SmtpServer) server = server_with_recipient ();
  g_autofree gchar *octets = g_strnfill (SMTP_SERVER_TINY_CHUNK, 'x');

  for (guint i = 0; i < SMTP_SERVER_MAX_TINY_CHUNKS + 5; i++)
    {
      feed (server, "BDAT 1024\r\n");
      answer_all (server, NULL);
      feed (server, octets);
      answer_all (server, NULL);
    }
  g_assert_false (smtp_server_is_closing (server));
}

/* Behind a refused chunk, others are forgiven, but not without end. */
static void
test_refused_chunks (void)
{
  g_autoptr (SmtpServer) server = server_with_recipient ();

  feed (server, "BDAT 1\r\nx");
  g_assert_cmpint (smtp_server_next (server)->type, ==, SMTP_SERVER_BDAT);
  smtp_server_answer (server, BASE_REPLY (552, 5, 2, 2, "No"));
  for (guint i = 0; i < SMTP_SERVER_MAX_TINY_CHUNKS - 1; i++)
    feed (server, "BDAT 1\r\nx");
  answer_all (server, NULL);
  g_assert_false (smtp_server_is_closing (server));
  for (guint i = 0; i < limits.bad_commands; i++)
    feed (server, "BDAT 1\r\nx");
  answer_all (server, NULL);
  g_assert_false (smtp_server_is_closing (server));
  feed (server, "BDAT 1\r\nx");
  answer_all (server, NULL);
  g_assert_true (smtp_server_is_closing (server));
}

static void
check_state (SmtpServer *server, gboolean transaction, gboolean data)
{
  g_assert_cmpint (smtp_server_in_transaction (server), ==, transaction);
  g_assert_cmpint (smtp_server_in_data (server), ==, data);
}

static void
test_states (void)
{
  g_autoptr (SmtpServer) server = server_with_recipient ();

  feed (server, "BDAT 3\r\n");
  g_assert_cmpint (smtp_server_next (server)->type, ==, SMTP_SERVER_BDAT);
  check_state (server, TRUE, FALSE);
  g_assert_null (smtp_server_next (server));
  smtp_server_answer (server, BASE_REPLY (354, 0, 0, 0, "any code will do"));
  check_state (server, TRUE, TRUE);
  g_assert_cmpuint (smtp_server_output (server)->length, ==, 0);
  feed (server, "abcBDAT 0 LAST\r\n");
  g_assert_cmpint (smtp_server_next (server)->type, ==, SMTP_SERVER_CHUNK);
  check_state (server, TRUE, TRUE);
  g_assert_cmpint (smtp_server_next (server)->type, ==, SMTP_SERVER_END);
  check_state (server, TRUE, FALSE);
  smtp_server_answer (server, BASE_REPLY (250, 2, 0, 0, "Ok"));
  check_state (server, FALSE, FALSE);
  feed (server, "BDAT 3\r\na"); /* refused, and dropped outside of a transaction */
  g_assert_null (smtp_server_next (server));
  check_state (server, FALSE, FALSE);
}

static void
test_refused_state (void)
{
  g_autoptr (SmtpServer) server = server_with_recipient ();

  feed (server, "BDAT 3\r\n");
  g_assert_nonnull (smtp_server_next (server));
  smtp_server_answer (server, BASE_REPLY (451, 4, 3, 0, "No"));
  check_state (server, TRUE, FALSE);
  g_assert_cmpuint (smtp_server_output (server)->length, ==, 0);
  feed (server, "abc");
  g_assert_null (smtp_server_next (server));
  g_assert_true (said (server, "451 No\r\n"));
  check_state (server, TRUE, FALSE);
  feed (server, "RSET\r\n");
  answer_all (server, NULL);
  check_state (server, FALSE, FALSE);
}

/* Freed in the middle of a chunk that is dropped: its reply is owned. */
static void
test_freed_within (void)
{
  g_autoptr (SmtpServer) server = server_with_recipient ();

  feed (server, "BDAT 3\r\n");
  g_assert_nonnull (smtp_server_next (server));
  smtp_server_answer (server, BASE_REPLY (451, 4, 3, 0, "No"));
  smtp_server_answer_close (server, BASE_REPLY (421, 4, 4, 2, "Too slow"));
  g_assert_null (smtp_server_next (server));
}

static void
test_backlog_quit (void)
{
  static const struct
  {
    const gchar *input;
    gboolean quit;
  } rows[] = {
    { "NOOP\r\nBDAT 6 LAST\r\nQUIT\r\n", FALSE },
    { "NOOP\r\nBDAT 6 LAST\r\nQUIT\r\nQUIT\r\n", TRUE },
    { "NOOP\r\nBDAT 7\r\n\r\nQUIT\nQUIT\r\n", TRUE },
    { "NOOP\r\nBDAT 5\r\nQUIT\r\n", FALSE },
    { "NOOP\r\nbdat\t0\r\nQUIT\r\n", TRUE },
    { "NOOP\r\nBDAT\r\nQUIT\r\n", TRUE },
    { "NOOP\r\nBDAT x\r\nQUIT\r\n", FALSE },
    { "NOOP\r\nBDAT 0x\r\nQUIT\r\n", FALSE },
    { "NOOP\r\nBDAT 6\nQUIT\r\nQUIT\r\n", FALSE },
    { "NOOP\r\nNOOP\nQUIT\r\n", FALSE },
    { "NOOP\r\nNOOP\r \r\nQUIT\r\n", FALSE },
    { "NOOP\r\nBDATS 0\r\nQUIT\r\n", TRUE },
    { "NOOP\r\nBDAT 0                                                               \r\nQUIT\r\n",
      FALSE },
    { "NOOP\r\nDATA \r\nQUIT\r\n", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    for (guint cut = 1; cut <= strlen (rows[i].input); cut++)
      {
        g_autoptr (SmtpServer) server = server_with_recipient ();
        g_autofree gchar *head = g_strndup (rows[i].input, cut);
        g_autofree gchar *tail = g_strdup (rows[i].input + cut);
        feed (server, head);
        smtp_server_next (server); /* NOOP, if it is there, waits for its answer */
        smtp_server_settle (server);
        smtp_server_feed (server, (guint8 *) tail, strlen (tail));
        g_assert_cmpint (smtp_server_backlog_has_quit (server), ==, rows[i].quit);
        smtp_server_settle (server);
      }
}

static void
test_quit_behind_open_chunk (void)
{
  g_autoptr (SmtpServer) server = server_with_recipient ();

  feed (server, "BDAT 12 LAST\r\nQUIT\r\n");
  g_assert_cmpint (smtp_server_next (server)->type, ==, SMTP_SERVER_BDAT);
  g_assert_false (smtp_server_backlog_has_quit (server));
  smtp_server_answer (server, BASE_REPLY (250, 2, 0, 0, "Ok"));
  g_assert_cmpint (smtp_server_next (server)->type, ==, SMTP_SERVER_CHUNK);
  feed (server, "QUIT\r\n");
  g_assert_false (smtp_server_backlog_has_quit (server));
  g_assert_cmpint (smtp_server_next (server)->type, ==, SMTP_SERVER_CHUNK);
  feed (server, "QUIT\r\n");
  g_assert_true (smtp_server_backlog_has_quit (server));
}

/* Random octets, cut into chunks and those into reads, arrive as they were. */
static void
test_random (void)
{
  for (guint round = 0; round < 200; round++)
    {
      g_autoptr (SmtpServer) server = server_with_recipient ();
      g_autoptr (GByteArray) sent = g_byte_array_new ();
      g_autoptr (GByteArray) wire = g_byte_array_new ();
      g_autoptr (GByteArray) content = g_byte_array_new ();
      guint chunks = (guint) g_test_rand_int_range (1, 8);

      for (guint i = 0; i < chunks; i++)
        {
          guint8 octets[64];
          guint length = (guint) g_test_rand_int_range (0, sizeof octets);
          for (guint j = 0; j < length; j++)
            octets[j] = (guint8) "\r\n.\0ab\xff"[g_test_rand_int_range (0, 7)];
          g_autofree gchar *line
              = g_strdup_printf ("BDAT %u%s\r\n", length, i + 1 == chunks ? " LAST" : "");
          g_byte_array_append (wire, (guint8 *) line, (guint) strlen (line));
          g_byte_array_append (wire, octets, length);
          g_byte_array_append (sent, octets, length);
        }
      for (guint at = 0; at < wire->len;)
        {
          guint part = (guint) g_test_rand_int_range (1, 40);
          part = MIN (part, wire->len - at);
          smtp_server_feed (server, wire->data + at, part);
          answer_all (server, content);
          smtp_server_settle (server);
          at += part;
        }
      g_assert_cmpmem (content->data, content->len, sent->data, sent->len);
      check_state (server, FALSE, FALSE);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/smtp/chunks/tiny", test_tiny_chunks);
  g_test_add_func ("/smtp/chunks/full-size", test_chunks_of_full_size);
  g_test_add_func ("/smtp/chunks/refused", test_refused_chunks);
  g_test_add_func ("/smtp/chunks/states", test_states);
  g_test_add_func ("/smtp/chunks/refused-state", test_refused_state);
  g_test_add_func ("/smtp/chunks/freed-within", test_freed_within);
  g_test_add_func ("/smtp/chunks/backlog-quit", test_backlog_quit);
  g_test_add_func ("/smtp/chunks/quit-behind-open-chunk", test_quit_behind_open_chunk);
  g_test_add_func ("/smtp/chunks/random", test_random);
  return g_test_run ();
}
