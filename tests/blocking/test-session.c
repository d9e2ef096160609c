/* A session without hooks: what Net::SMTP::Server::Client does, and what it does not. */
#include "talk.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const WeirSettings named = { .size = sizeof named, .hostname = "mx.test" };

#define GREETING "220 mx.test ESMTP|"
#define READY GREETING "250 mx.test|"
#define MAIL "MAIL FROM:<a@b.test>|RCPT TO:<c@d.test>|DATA|"
#define TAKEN                                                                                      \
  "250 Sender <a@b.test> ok|250 Recipient <c@d.test> ok|354 End data with <CR><LF>.<CR><LF>|"

/* Every command of the original, in any case, with and without a space behind the colon. */
static void
test_commands (void)
{
  talk_check (&named, NULL, NULL,
              "hElO client.test|nOOp|vrfy a|Expn a|Mail From: <a@b.test>|rcpt tO:<c@d.test>|"
              "RCPT TO: <e@f.test>|rset|quit|",
              READY "250 Ok|252 Cannot VRFY the address, but will take mail for it and try|"
                    "502 EXPN is not implemented|250 Sender <a@b.test> ok|"
                    "250 Recipient <c@d.test> ok|250 Recipient <e@f.test> ok|250 Ok|221 Bye|");
}

static void
test_help_and_ehlo (void)
{
  g_autoptr (Talk) talk = talk_new (&named, "HELP\r\nEHLO x\r\nQUIT\r\n", -1);
  const gchar *heard;

  g_assert_cmpuint (talk_run (talk), ==, 0);
  heard = talk_heard (talk);
  g_assert_nonnull (strstr (heard, "\r\n214 Commands: HELO EHLO MAIL RCPT DATA"));
  g_assert_nonnull (strstr (heard, "\r\n250-mx.test\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"));
  g_assert_nonnull (strstr (heard, "\r\n250 HELP\r\n221 2.0.0 Bye\r\n"));
  g_assert_null (strstr (heard, "250-STARTTLS"));
}

static void
test_mistakes (void)
{
  talk_check (&named, NULL, NULL, "|WHAT ever|MAIL a@b.test|MAIL FROM:|HELO|DATA|",
              GREETING "500 Unrecognized command: \"\"|500 Unrecognized command: \"WHAT ever\"|"
                       "501 Syntax: MAIL FROM:<address> [parameters]|"
                       "501 Syntax: MAIL FROM:<address> [parameters]|501 Syntax: HELO hostname|"
                       "503 Need MAIL command|");
  talk_check (&named, NULL, NULL, "HELO c|RCPT TO:<c@d>|MAIL FROM:<a@b>|DATA|MAIL FROM:<a@b>|QUIT|",
              READY "503 Need MAIL command|250 Sender <a@b> ok|503 Need RCPT command|"
                    "503 Nested MAIL command|221 Bye|");
}

/* Ends of the transaction: HELO, EHLO and RSET. */
static void
test_cleared (void)
{
  static const gchar *const clearing[] = { "RSET", "HELO x", "EHLO x" };

  for (guint i = 0; i < G_N_ELEMENTS (clearing); i++)
    {
      g_autofree gchar *script
          = g_strdup_printf ("HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n%s\r\n", clearing[i]);
      g_autoptr (Talk) talk = talk_new (&named, script, -1);
      WeirStep step;

      do
        step = weir_session_step (talk->session, NULL);
      while (step != WEIR_STEP_RCPT);
      g_assert_cmpuint (weir_mail_recipient_count (weir_session_mail (talk->session)), ==, 1);
      weir_session_step (talk->session, NULL);
      g_assert_null (weir_session_mail (talk->session));
    }
}

static void
check_mail (WeirMail *mail, const gchar *sender, const gchar *recipients, const gchar *content,
            gsize length)
{
  g_autoptr (GString) all = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  const guint8 *bytes;
  gsize size = 0;
  gchar piece[64];
  int fd;

  g_assert_cmpstr (weir_mail_sender (mail), ==, sender);
  for (guint i = 0; i < weir_mail_recipient_count (mail); i++)
    g_string_append_printf (all, "%s ", weir_mail_recipient (mail, i));
  g_assert_cmpstr (all->str, ==, recipients);
  bytes = weir_mail_bytes (mail, &size, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (bytes, size, content, length);
  g_assert_cmpuint (weir_mail_size (mail), ==, length);
  fd = weir_mail_open (mail, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (piece, read (fd, piece, sizeof piece), content, MIN (length, sizeof piece));
  g_assert_cmpint (write (fd, "x", 1), ==, -1);
  close (fd);
}

/* Sender, recipients, parameters and message; dots unstuffed, octets over 127 kept, NUL too. */
static void
test_mail (void)
{
  const gchar script[] = "EHLO c\r\nMAIL FROM:<a@b.test> SIZE=10 body=8bitmime\r\n"
                         "RCPT TO:<c@d.test>\r\nRCPT TO:<e@f.test>\r\nDATA\r\n"
                         "S: x\r\n\r\n..dot\r\n\xe4\xff\0\r\n.\r\nNOOP\r\n";
  const gchar content[] = "S: x\r\n\r\n.dot\r\n\xe4\xff\0\r\n";
  g_autoptr (Talk) talk = talk_new (NULL, script, sizeof script - 1);
  g_autoptr (WeirMail) kept = NULL;

  g_assert_true (weir_session_process (talk->session, NULL));
  g_assert_cmpstr (weir_session_helo (talk->session), ==, "c");
  kept = weir_mail_ref (weir_session_mail (talk->session));
  g_assert_cmpstr (weir_mail_sender_parameters (kept)[1], ==, "BODY=8bitmime");
  g_assert_null (weir_mail_recipient_parameters (kept, 1)[0]);
  check_mail (kept, "a@b.test", "c@d.test e@f.test ", content, sizeof content - 1);
  g_assert_cmpuint (talk_run (talk), ==, 0);
  g_assert_nonnull (strstr (talk_heard (talk), "354 End data with <CR><LF>.<CR><LF>\r\n"
                                               "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n"));
  check_mail (kept, "a@b.test", "c@d.test e@f.test ", content, sizeof content - 1);
}

/* Nothing of one message is in the next, and the null sender may write. */
static void
test_several (void)
{
  g_autofree gchar *script
      = talk_lines ("HELO c|" MAIL "one|.|MAIL FROM:<>|RCPT TO:<x@y.test>|RSET|MAIL FROM:<>|"
                    "RCPT TO:<e@f.test>|DATA|two|.|QUIT|");
  g_autoptr (Talk) talk = talk_new (&named, script, -1);

  g_assert_true (weir_session_process (talk->session, NULL));
  check_mail (weir_session_mail (talk->session), "a@b.test", "c@d.test ", "one\r\n", 5);
  g_assert_true (weir_session_process (talk->session, NULL));
  check_mail (weir_session_mail (talk->session), "", "e@f.test ", "two\r\n", 5);
  g_assert_cmpuint (talk_run (talk), ==, 0);
  g_assert_null (weir_session_mail (talk->session));
  g_assert_true (g_str_has_suffix (talk_heard (talk), "\r\n250 Ok\r\n221 Bye\r\n"));
}

/* RFC 3030: octets as they are, dots too; given up by RSET; no line end at the end. */
static void
test_chunks (void)
{
  const gchar script[] = "EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 3\r\nold"
                         "RSET\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 5\r\na\r\n.\r"
                         "BDAT 3 LAST\r\n\nyzNOOP\r\n";
  g_autoptr (Talk) talk = talk_new (NULL, script, -1);

  g_assert_true (weir_session_process (talk->session, NULL));
  check_mail (weir_session_mail (talk->session), "a@b.test", "c@d.test ", "a\r\n.\r\nyz", 8);
  g_assert_cmpuint (talk_run (talk), ==, 0);
  g_assert_true (g_str_has_suffix (talk_heard (talk), "\r\n250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n"));
}

/* A message is there before it is answered; the client that hangs up without QUIT loses nothing. */
static void
test_answers (void)
{
  g_autofree gchar *script = talk_lines ("HELO c|" MAIL "one|.|");
  g_autofree gchar *usual = talk_lines (READY TAKEN "250 Ok|");
  g_autofree gchar *other = talk_lines (READY TAKEN "250-Kept|250 for ever|");
  g_autofree gchar *none = talk_lines (READY TAKEN);
  g_autoptr (Talk) first = talk_new (&named, script, -1);
  g_autoptr (Talk) second = talk_new (&named, script, -1);
  g_autoptr (Talk) third = talk_new (&named, script, -1);

  g_assert_cmpuint (talk_run (first), ==, 1);
  g_assert_cmpstr (talk_heard (first), ==, usual);
  g_assert_true (weir_session_process (second->session, NULL));
  weir_session_reply (second->session, 250, "2.6.0", "Kept");
  weir_session_add_line (second->session, "for ever");
  g_assert_cmpuint (talk_run (second), ==, 0);
  g_assert_cmpstr (talk_heard (second), ==, other);
  /* Whoever gives up without an answer has not accepted. */
  g_assert_true (weir_session_process (third->session, NULL));
  g_clear_pointer (&third->session, weir_session_free);
  g_assert_true (g_str_has_prefix (none, talk_heard (third)));
}

static void
check_failure (const gchar *lines, const gchar *words)
{
  g_autofree gchar *script = talk_lines (lines);
  g_autoptr (Talk) talk = talk_new (&named, script, -1);
  g_autoptr (GError) error = NULL;

  g_assert_false (weir_session_process (talk->session, &error));
  g_assert_error (error, WEIR_ERROR, WEIR_ERROR_CLOSED);
  g_assert_nonnull (strstr (error->message, words));
  g_clear_error (&error);
  g_assert_cmpint (weir_session_step (talk->session, &error), ==, WEIR_STEP_CLOSED);
  g_assert_no_error (error);
}

static void
test_vanished (void)
{
  check_failure ("HELO c|" MAIL "half", "in the message");
  check_failure ("HELO c|" MAIL "almost|.", "in the message");
  check_failure ("HELO c|MAIL FROM:<a@b>|", "in a transaction");
}

static void
test_steps (void)
{
  static const WeirStep expected[] = { WEIR_STEP_CONNECT, WEIR_STEP_EHLO,    WEIR_STEP_MAIL,
                                       WEIR_STEP_RCPT,    WEIR_STEP_DATA,    WEIR_STEP_CONTENT,
                                       WEIR_STEP_MESSAGE, WEIR_STEP_UNKNOWN, WEIR_STEP_QUIT,
                                       WEIR_STEP_CLOSED };
  g_autofree gchar *script = talk_lines ("EHLO c|" MAIL "one|.|XYZ|QUIT|");
  g_autoptr (Talk) talk = talk_new (&named, script, -1);

  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpint (weir_session_step (talk->session, NULL), ==, expected[i]);
}

typedef struct
{
  int fd;
  const gchar *text;
} Trickle;

static gpointer
trickle (gpointer data)
{
  const Trickle *trickled = data;

  for (const gchar *at = trickled->text; *at != '\0'; at++)
    g_assert_cmpint (send (trickled->fd, at, 1, MSG_NOSIGNAL), ==, 1);
  shutdown (trickled->fd, SHUT_WR);
  return NULL;
}

/* The end of the data in as many pieces as it has octets, and a command right behind it. */
static void
test_split (void)
{
  g_autofree gchar *script = talk_lines ("HELO c|" MAIL "|..|.a|.|NOOP|QUIT|");
  g_autoptr (Talk) talk = talk_open (&named);
  Trickle trickled = { talk->client, script };
  g_autoptr (GError) error = NULL;
  GThread *thread = g_thread_new ("trickle", trickle, &trickled);

  g_assert_true (weir_session_process (talk->session, &error));
  g_assert_no_error (error);
  check_mail (weir_session_mail (talk->session), "a@b.test", "c@d.test ", "\r\n.\r\na\r\n", 8);
  g_assert_cmpuint (talk_run (talk), ==, 0);
  g_thread_join (thread);
  g_assert_true (g_str_has_suffix (talk_heard (talk), "250 Ok\r\n250 Ok\r\n221 Bye\r\n"));
}

/* One past each limit; what is at it passes. */
static void
test_limits (void)
{
  WeirSettings settings = named;

  settings.recipients = 1;
  settings.message_size = 5;
  settings.text_line_length = 4;
  settings.line_length = 30;
  settings.bad_commands = 3;
  talk_check (&settings, NULL, NULL,
              "HELO c|" MAIL "123|.|" MAIL "1234|.|MAIL FROM:<a@b.test>|RCPT TO:<c@d.test>|"
              "RCPT TO:<e@f.test>|DATA|12345|.|NOOP 12345678901234567890123|"
              "NOOP 123456789012345678901234|X|Y|Z|NOOP|",
              READY TAKEN
              "250 Ok|" TAKEN "552 Message size exceeds fixed limit|250 Sender <a@b.test> ok|"
              "250 Recipient <c@d.test> ok|452 Too many recipients|"
              "354 End data with <CR><LF>.<CR><LF>|500 Line too long in the message|250 Ok|"
              "500 Line too long|500 Unrecognized command: \"X\"|"
              "500 Unrecognized command: \"Y\"|421 Too many errors|");
}

static void
test_newlines (void)
{
  WeirSettings settings = named;

  talk_check (&settings, NULL, NULL, "HELO c|" MAIL "a\nb|.|NOOP|",
              READY TAKEN "550 Bare <LF> in the message|");
  settings.normalize_newlines = TRUE;
  talk_check (&settings, NULL, NULL, "HELO c|" MAIL "a\nb|.|NOOP|", READY TAKEN "250 Ok|250 Ok|");
}

static void
test_require (void)
{
  WeirSettings settings = named;

  settings.require_helo = TRUE;
  talk_check (&settings, NULL, NULL, "MAIL FROM:<a@b>|", GREETING "503 Send HELO or EHLO first|");
}

static void
test_timeout (void)
{
  WeirSettings settings = named;
  g_autoptr (GError) error = NULL;
  static const gchar *const scripts[] = { "", "HELO c|NO", "HELO c|" MAIL "half" };

  settings.command_timeout = 20;
  settings.data_timeout = 20;
  for (guint i = 0; i < G_N_ELEMENTS (scripts) + 1; i++)
    {
      g_autofree gchar *script = talk_lines (scripts[i % G_N_ELEMENTS (scripts)]);
      g_autoptr (Talk) talk = NULL;

      if (i == G_N_ELEMENTS (scripts))
        {
          settings.command_timeout = 0;
          settings.session_timeout = 20;
        }
      talk = talk_open (&settings);
      talk_say (talk, script);
      g_assert_false (weir_session_process (talk->session, &error));
      g_assert_error (error, WEIR_ERROR, WEIR_ERROR_TIMEOUT);
      g_clear_error (&error);
      g_assert_true (g_str_has_suffix (talk_heard (talk), "421 Timeout, closing\r\n"));
    }
}

/* Memory, memfd and a file without a name; a folder that is not there defers. */
static void
test_spool (void)
{
  g_autofree gchar *body = g_strnfill (100000, 'x');
  g_autofree gchar *content = g_strconcat (body, "\r\n", NULL);
  g_autofree gchar *start = talk_lines ("HELO c|" MAIL);
  g_autofree gchar *script = g_strconcat (start, content, ".\r\n", NULL);
  g_autofree gchar *folder = g_dir_make_tmp ("mailweir-test-XXXXXX", NULL);
  WeirSettings settings = named;

  settings.spool_directory = folder;
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (Talk) talk = NULL;

      settings.memory = i == 0 ? 0 : 1000;
      talk = talk_new (&settings, script, -1);
      g_assert_true (weir_session_process (talk->session, NULL));
      check_mail (weir_session_mail (talk->session), "a@b.test", "c@d.test ", content,
                  strlen (content));
    }
  g_assert_cmpint (rmdir (folder), ==, 0);
  {
    g_autoptr (Talk) talk = talk_new (&settings, script, -1);

    g_assert_cmpuint (talk_run (talk), ==, 0);
    g_assert_true (g_str_has_suffix (talk_heard (talk), "452 Insufficient system storage\r\n"));
  }
}

static void
test_close (void)
{
  g_autoptr (Talk) talk = talk_new (&named, "HELO c\r\nNOOP\r\n", -1);
  g_autofree gchar *expected = talk_lines (READY "421 Closing the connection|");

  weir_session_step (talk->session, NULL);
  weir_session_step (talk->session, NULL);
  weir_session_close (talk->session);
  g_assert_cmpint (weir_session_step (talk->session, NULL), ==, WEIR_STEP_CLOSED);
  g_assert_cmpstr (talk_heard (talk), ==, expected);
}

static void
note (gboolean sent, const char *line, gpointer data)
{
  g_string_append_printf (data, "%s%s|", sent ? "S: " : "C: ", line);
}

static void
test_trace (void)
{
  g_autoptr (Talk) talk = talk_open (&named);
  g_autoptr (GString) told = g_string_new (NULL);

  weir_session_set_trace (talk->session, note, told);
  weir_session_step (talk->session, NULL);
  talk_say (talk, "NO\aOP\r\n");
  shutdown (talk->client, SHUT_WR);
  talk_run (talk);
  g_assert_true (g_str_has_prefix (told->str, "S: 220 mx.test ESMTP|C: NO?OP|S: 500 "));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/session/commands", test_commands);
  g_test_add_func ("/session/help-and-ehlo", test_help_and_ehlo);
  g_test_add_func ("/session/mistakes", test_mistakes);
  g_test_add_func ("/session/cleared", test_cleared);
  g_test_add_func ("/session/mail", test_mail);
  g_test_add_func ("/session/several", test_several);
  g_test_add_func ("/session/chunks", test_chunks);
  g_test_add_func ("/session/answers", test_answers);
  g_test_add_func ("/session/vanished", test_vanished);
  g_test_add_func ("/session/steps", test_steps);
  g_test_add_func ("/session/split", test_split);
  g_test_add_func ("/session/limits", test_limits);
  g_test_add_func ("/session/newlines", test_newlines);
  g_test_add_func ("/session/require", test_require);
  g_test_add_func ("/session/timeout", test_timeout);
  g_test_add_func ("/session/spool", test_spool);
  g_test_add_func ("/session/close", test_close);
  g_test_add_func ("/session/trace", test_trace);
  return g_test_run ();
}
