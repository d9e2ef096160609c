/* What the conversation scripts cannot say about the server machine: who owns what until when, how
 * far it reads ahead, its backlog, its default replies, and that an idle session is small. */
#include "smtp/server.h"

#include <malloc.h>
#include <string.h>

static const SmtpServerLimits limits
    = { .recipients = 1000, .line_length = 512, .bad_commands = 10, .require_helo = TRUE };

static void
feed (SmtpServer *server, const gchar *text)
{
  gsize length = strlen (text);
  g_autofree guint8 *copy = g_memdup2 (text, length);

  smtp_server_feed (server, copy, length);
  smtp_server_settle (
      server); /* the copy may go: all that follows is read from what the machine kept */
}

static void
answer_usual (SmtpServer *server, const SmtpServerEvent *event)
{
  g_autoptr (BaseReply) reply = smtp_server_default_reply (event, "host");

  if (event->type == SMTP_SERVER_EHLO)
    smtp_server_answer_ehlo (server, "host", (SmtpCapabilities){ 0, 0 }, NULL);
  else
    smtp_server_answer (server, reply);
}

static void
answer_all (SmtpServer *server)
{
  const SmtpServerEvent *event;

  while ((event = smtp_server_next (server)) != NULL)
    if (event->type != SMTP_SERVER_CHUNK)
      answer_usual (server, event);
}

static SmtpServer *
server_after (const gchar *text)
{
  SmtpServer *server = smtp_server_new (&limits);

  answer_all (server);
  feed (server, text);
  answer_all (server);
  base_output_clear (smtp_server_output (server));
  return server;
}

static void
test_look_ahead (void)
{
  g_autoptr (SmtpServer) server = server_after ("EHLO x\r\nMAIL FROM:<a@x>\r\n");
  g_autoptr (GString) batch = g_string_new (NULL);
  guint pulled = 0;

  for (guint i = 0; i < SMTP_SERVER_MAX_PENDING + 5; i++)
    g_string_append_printf (batch, "RCPT TO:<r%u@x>\r\n", i);
  g_string_append (batch, "DATA\r\n");
  feed (server, batch->str);
  while (smtp_server_next (server) != NULL)
    pulled++;
  g_assert_cmpuint (pulled, ==, SMTP_SERVER_MAX_PENDING);
  g_assert_true (smtp_server_awaits_answer (server));
  smtp_server_answer (server, BASE_REPLY (250, 2, 1, 5, "Ok"));
  const SmtpServerEvent *event = smtp_server_next (server);
  g_assert_cmpint (event->type, ==, SMTP_SERVER_RCPT);
  g_assert_cmpstr (event->path->address, ==, "r100@x");
  g_assert_null (smtp_server_next (server));
  for (guint i = 0; i < SMTP_SERVER_MAX_PENDING; i++)
    smtp_server_answer (server, BASE_REPLY (550, 5, 1, 1, "No"));
  g_assert_false (smtp_server_awaits_answer (server));
  g_assert_cmpint (smtp_server_next (server)->type, ==, SMTP_SERVER_RCPT);
}

static void
test_own_replies_bound (void)
{
  g_autoptr (SmtpServer) server = NULL;
  SmtpServerLimits many = limits;
  guint pulled = 0;

  many.bad_commands = 100000;
  server = smtp_server_new (&many);
  answer_all (server);
  feed (server, "EHLO x\r\nMAIL FROM:<a@x>\r\n");
  answer_all (server);
  feed (server, "RCPT TO:<a@x>\r\n");
  g_assert_nonnull (smtp_server_next (server));
  for (guint i = 0; i < 3 * SMTP_SERVER_MAX_PENDING; i++)
    feed (server, "RCPT x\r\n");
  while (smtp_server_next (server) != NULL)
    pulled++;
  g_assert_cmpuint (pulled, ==, 0);
  /* Our own replies fill the same queue, so that it is bounded too. */
  g_assert_cmpuint (smtp_server_backlog (server), >=, 2 * SMTP_SERVER_MAX_PENDING * 8);
}

static void
test_transaction (void)
{
  g_autoptr (SmtpServer) server = server_after ("EHLO x\r\n");

  g_assert_false (smtp_server_in_transaction (server));
  feed (server, "MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n");
  answer_all (server);
  g_assert_true (smtp_server_in_transaction (server));
  feed (server, "DATA\r\nabc\r\n");
  g_assert_false (smtp_server_in_data (server));
  answer_all (server);
  g_assert_true (smtp_server_in_data (server));
  feed (server, ".\r\n");
  g_assert_cmpint (smtp_server_next (server)->type, ==, SMTP_SERVER_END);
  g_assert_false (smtp_server_in_data (server));
  g_assert_true (smtp_server_in_transaction (server));
  smtp_server_answer (server, BASE_REPLY (250, 2, 0, 0, "Ok"));
  g_assert_false (smtp_server_in_transaction (server));
}

static void
test_answer_close_at_any_time (void)
{
  g_autoptr (SmtpServer) server = server_after ("EHLO x\r\nMAIL FROM:<a@x>\r\n");

  feed (server, "RCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\n");
  g_assert_nonnull (smtp_server_next (server));
  g_assert_nonnull (smtp_server_next (server));
  smtp_server_answer_close (server, BASE_REPLY (421, 4, 3, 2, "Bye"));
  g_assert_true (smtp_server_is_closing (server));
  g_assert_false (smtp_server_awaits_answer (server));
  smtp_server_answer (server, BASE_REPLY (250, 2, 0, 0, "too late, and ignored"));
  feed (server, "NOOP\r\n");
  g_assert_null (smtp_server_next (server));
  g_assert_cmpuint (smtp_server_output (server)->length, ==, strlen ("421 Bye\r\n"));
}

static void
test_no_octet_twice_in_window (void)
{
  g_autoptr (SmtpServer) server = server_after ("EHLO x\r\n");
  gchar window[] = "NOOP one\r\nNOOP two\r\nNO";

  smtp_server_feed (server, (guint8 *) window, strlen (window));
  const SmtpServerEvent *event = smtp_server_next (server);
  g_assert_cmpstr (event->argument, ==, "one");
  g_assert_true (event->argument > window && event->argument < window + sizeof window);
  g_assert_cmpuint (smtp_server_backlog (server), ==, strlen ("NOOP two\r\nNO"));
  g_assert_null (smtp_server_next (server));
  answer_usual (server, &(SmtpServerEvent){ .type = SMTP_SERVER_NOOP });
  smtp_server_settle (server);
  g_assert_cmpuint (smtp_server_backlog (server), ==, strlen ("NOOP two\r\nNO"));
  memset (window, 'x', sizeof window);
  event = smtp_server_next (server);
  g_assert_cmpstr (event->argument, ==, "two");
}

static void
test_backlog_quit (void)
{
  static const struct
  {
    const gchar *input;
    gboolean quit;
  } rows[] = {
    { "NOOP\r\nQUIT\r\n", TRUE },
    { "NOOP\r\nquit\r\nfoo", TRUE },
    { "NOOP\r\n", FALSE },
    { "NOOP\r\nQUIT\r", FALSE },
    { "NOOP\r\nQUIT\n", FALSE },
    { "NOOP\r\nQUITS\r\n", FALSE },
    { "NOOP\r\nNOQUIT\r\n", FALSE },
    { "NOOP\r\nDATA\r\nQUIT\r\n", FALSE },
    { "NOOP\r\nSTARTTLS\r\nQUIT\r\n", FALSE },
    { "NOOP\r\nRSET 12345678\r\nQUIT\r\n", TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    for (guint cut = 0; cut <= strlen (rows[i].input); cut++)
      {
        g_autoptr (SmtpServer) server = server_after ("EHLO x\r\n");
        g_autofree gchar *head = g_strndup (rows[i].input, cut);
        g_autofree gchar *tail = g_strdup (rows[i].input + cut);
        if (cut > 0)
          feed (server, head);
        smtp_server_next (server); /* NOOP, if it is there, waits for its answer */
        smtp_server_settle (server);
        smtp_server_feed (server, (guint8 *) tail, strlen (tail));
        g_assert_cmpint (smtp_server_backlog_has_quit (server), ==, rows[i].quit);
        smtp_server_settle (server);
        g_assert_cmpint (smtp_server_backlog_has_quit (server), ==, rows[i].quit);
      }
}

static void
test_quit_in_data_is_content (void)
{
  g_autoptr (SmtpServer) server
      = server_after ("EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");

  feed (server, "QUIT\r\n");
  g_assert_false (smtp_server_backlog_has_quit (server));
  feed (server, ".\r\nQUIT\r\n");
  g_assert_cmpint (smtp_server_next (server)->type, ==, SMTP_SERVER_CHUNK);
  g_assert_cmpint (smtp_server_next (server)->type, ==, SMTP_SERVER_END);
  g_assert_true (smtp_server_backlog_has_quit (server));
}

/* What stands behind AUTH may be its response. */
static void
test_quit_behind_auth (void)
{
  g_autoptr (SmtpServer) server = server_after ("");

  feed (server, "EHLO x\r\n");
  g_assert_nonnull (smtp_server_next (server));
  smtp_server_offer_auth (server, "PLAIN");
  smtp_server_answer_ehlo (server, "host", (SmtpCapabilities){ SMTP_CAP_AUTH, 0 }, NULL);
  feed (server, "AUTH PLAIN\r\nQUIT\r\n");
  g_assert_cmpint (smtp_server_next (server)->type, ==, SMTP_SERVER_AUTH);
  g_assert_false (smtp_server_backlog_has_quit (server));
  g_assert_true (smtp_server_is_own_verb ("xclient"));
  g_assert_false (smtp_server_is_own_verb ("XSTATUS"));
}

static void
test_ehlo_lines (void)
{
  g_autoptr (SmtpServer) server = server_after ("");
  SmtpCapabilities offered = { SMTP_CAP_SIZE | SMTP_CAP_STARTTLS, 99 };
  struct iovec vector[8];

  feed (server, "EHLO x\r\n");
  g_assert_nonnull (smtp_server_next (server));
  smtp_server_answer_ehlo (server, "host greets x", offered, "XFOO\nXBAR 1");
  g_assert_cmpuint (base_output_iovec (smtp_server_output (server), vector, 8), ==, 1);
  g_autofree gchar *text = g_strndup (vector[0].iov_base, vector[0].iov_len);
  g_assert_cmpstr (
      text, ==, "250-host greets x\r\n250-SIZE 99\r\n250-STARTTLS\r\n250-XFOO\r\n250 XBAR 1\r\n");
}

/* facts: every event of the originals has a default reply, each one that can be sent. */
static void
test_default_replies (void)
{
  static const guint codes[]
      = { 220, 250, 250, 250, 250, 354, 0, 250, 250, 250, 252, 502, 214, 221, 220, 500 };
  g_autoptr (BasePath) path = base_path_new ("a@x", NULL);

  for (guint type = SMTP_SERVER_CONNECT; type <= SMTP_SERVER_UNKNOWN; type++)
    {
      SmtpServerEvent event = { .type = type, .argument = "", .path = path };
      g_autoptr (BaseReply) reply = smtp_server_default_reply (&event, "host");
      g_assert_cmpuint (reply == NULL ? 0 : reply->code, ==, codes[type]);
      g_assert_true (reply == NULL || base_reply_is_valid (reply));
      if (type == SMTP_SERVER_MAIL || type == SMTP_SERVER_RCPT)
        g_assert_nonnull (strstr (reply->text, "<a@x>"));
      if (type == SMTP_SERVER_EHLO)
        g_assert_nonnull (strstr (reply->text, "\nHELP"));
    }
}

static void
test_idle_is_small (void)
{
  g_autoptr (SmtpServer) server = server_after ("EHLO x\r\n");

  /* Measured as what one more idle session asks of malloc: the machine itself, and nothing beside
   * it. */
  g_assert_cmpuint (malloc_usable_size (server), <=, 328);
  base_output_trim (smtp_server_output (server));
  g_assert_null (smtp_server_output (server)->owned.data);
  g_assert_cmpuint (smtp_server_backlog (server), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/smtp/server/look-ahead", test_look_ahead);
  g_test_add_func ("/smtp/server/own-replies-bound", test_own_replies_bound);
  g_test_add_func ("/smtp/server/transaction", test_transaction);
  g_test_add_func ("/smtp/server/answer-close-at-any-time", test_answer_close_at_any_time);
  g_test_add_func ("/smtp/server/in-the-window", test_no_octet_twice_in_window);
  g_test_add_func ("/smtp/server/backlog-quit", test_backlog_quit);
  g_test_add_func ("/smtp/server/quit-in-data", test_quit_in_data_is_content);
  g_test_add_func ("/smtp/server/quit-behind-auth", test_quit_behind_auth);
  g_test_add_func ("/smtp/server/ehlo-lines", test_ehlo_lines);
  g_test_add_func ("/smtp/server/default-replies", test_default_replies);
  g_test_add_func ("/smtp/server/idle-is-small", test_idle_is_small);
  return g_test_run ();
}
