/* Whole conversations of the client machine, each run at once, octet by octet and in random pieces:
 * what it writes, what it tells, in which order. */
#include "client-driver.h"

#include "smtp/client-private.h"

#include <string.h>

#define GREETED "S: 220 mx.example.net ESMTP\nC: EHLO gw.example.org\n"
#define PLAIN GREETED "S: 250 mx.example.net\nE: READY EHLO 250 mx.example.net\n"
#define PIPED                                                                                      \
  GREETED "S: 250-mx.example.net\nS: 250 PIPELINING\n"                                             \
          "E: READY EHLO 250 mx.example.net / PIPELINING\n"
#define OFFERS_TLS GREETED "S: 250-mx.example.net\nS: 250-SIZE 1000\nS: 250 STARTTLS\n"

static void
test_one_at_a_time (void)
{
  client_driver_check (PLAIN "H: mail a@example.org\n"
                             "C: MAIL FROM:<a@example.org>\n"
                             "H: rcpt b@example.net\n"
                             "H: rcpt c@example.net\n"
                             "H: data\n"
                             "S: 250 2.1.0 Ok\n"
                             "E: REPLY MAIL 1 250 2.1.0 Ok\n"
                             "C: RCPT TO:<b@example.net>\n"
                             "S: 550-5.1.1 no\n"
                             "S: 550 5.1.1 such user\n"
                             "E: REPLY RCPT 2 550 5.1.1 no / such user\n"
                             "C: RCPT TO:<c@example.net>\n"
                             "S: 250\n"
                             "E: REPLY RCPT 3 250\n"
                             "C: DATA\n"
                             "S: 354 go ahead\n"
                             "E: REPLY DATA 4 354 go ahead\n"
                             "H: body Subject: x\\r\\n\n"
                             "C: Subject: x\n"
                             "C: \n"
                             "H: body .dot\n"
                             "C: ..dot\n"
                             "H: end\n"
                             "C: .\n"
                             "H: quit\n"
                             "S: 250 2.0.0 queued as 1\n"
                             "E: REPLY end of data 5 250 2.0.0 queued as 1\n"
                             "C: QUIT\n"
                             "S: 221 2.0.0 Bye\n"
                             "E: REPLY QUIT 221 2.0.0 Bye\n"
                             "H: eof\n",
                       SMTP_CLIENT_TLS_OFF);
}

static void
test_pipelined (void)
{
  client_driver_check (PIPED "H: mail <>\n"
                             "C: MAIL FROM:<>\n"
                             "H: rcpt b@example.net\n"
                             "C: RCPT TO:<b@example.net>\n"
                             "H: data\n"
                             "C: DATA\n"
                             "H: rset\n"
                             "S: 250 one\n"
                             "S: 451-4.7.1 two\n"
                             "S: 451 4.7.1 later\n"
                             "S: 554 5.5.1 three\n"
                             "E: REPLY MAIL 1 250 one\n"
                             "E: REPLY RCPT 2 451 4.7.1 two / later\n"
                             "E: REPLY DATA 3 554 5.5.1 three\n"
                             "C: RSET\n"
                             "S: 250 four\n"
                             "E: REPLY RSET 4 250 four\n",
                       SMTP_CLIENT_TLS_OFF);
}

/* RFC 2920 section 3.1: what follows the final dot may go with it; NOOP ends a group. */
static void
test_groups (void)
{
  client_driver_check (PIPED "H: mail a@example.org\n"
                             "C: MAIL FROM:<a@example.org>\n"
                             "H: data\n"
                             "C: DATA\n"
                             "H: noop\n"
                             "H: rset\n"
                             "S: 250 ok\n"
                             "S: 354 go\n"
                             "E: REPLY MAIL 1 250 ok\n"
                             "E: REPLY DATA 2 354 go\n"
                             "H: end\n"
                             "C: .\n"
                             "C: NOOP\n"
                             "S: 554 5.5.1 no recipients\n"
                             "E: REPLY end of data 5 554 5.5.1 no recipients\n"
                             "S: 250 ok\n"
                             "E: REPLY NOOP 3 250 ok\n"
                             "C: RSET\n"
                             "S: 250 ok\n"
                             "E: REPLY RSET 4 250 ok\n",
                       SMTP_CLIENT_TLS_OFF);
}

static guint
count_lines (SmtpClient *client)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint lines = 0;

  client_driver_take_output (client, bytes);
  for (guint i = 0; i < bytes->len; i++)
    lines += bytes->data[i] == '\n';
  return lines;
}

static guint
feed_text (SmtpClient *client, const gchar *text)
{
  guint events = 0;

  smtp_client_feed (client, (const guint8 *) text, strlen (text));
  while (smtp_client_next (client) != NULL)
    events++;
  smtp_client_settle (client);
  return events;
}

static void
test_window (void)
{
  g_autoptr (SmtpClient) client = smtp_client_new ("gw", SMTP_CLIENT_TLS_OFF);
  g_autoptr (BasePath) path = base_path_new ("b@example.net", NULL);

  feed_text (client, "220 x\r\n");
  feed_text (client, "250-x\r\n250 PIPELINING\r\n");
  g_assert_true (smtp_client_is_ready (client));
  g_assert_cmpuint (count_lines (client), ==, 1);
  for (guint i = 0; i < SMTP_CLIENT_MAX_OPEN + 1; i++)
    smtp_client_rcpt (client, path, i);
  g_assert_cmpuint (count_lines (client), ==, SMTP_CLIENT_MAX_OPEN);
  g_assert_cmpuint (feed_text (client, "250 ok\r\n"), ==, 1);
  g_assert_cmpuint (count_lines (client), ==, 1);
}

static void
test_parameters (void)
{
  client_driver_check (
      GREETED "S: 250-mx\nS: 250-SIZE 1000\nS: 250-8bitmime\nS: 250 DSN\n"
              "E: READY EHLO 250 mx / SIZE 1000 / 8bitmime / DSN\n"
              "H: mail a@example.org SIZE=10 BODY=8BITMIME RET=HDRS ENVID=q AUTH=<> SMTPUTF8 "
              "BODY=BINARYMIME X-ODD=1\n"
              "C: MAIL FROM:<a@example.org> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=q\n"
              "S: 250 ok\n"
              "E: REPLY MAIL 1 250 ok\n"
              "H: rcpt b@example.net NOTIFY=NEVER ORCPT=rfc822;b@example.net\n"
              "C: RCPT TO:<b@example.net> NOTIFY=NEVER ORCPT=rfc822;b@example.net\n",
      SMTP_CLIENT_TLS_OFF);
  client_driver_check (PLAIN "H: mail a@example.org SIZE=10 BODY=7BIT RET=HDRS\n"
                             "C: MAIL FROM:<a@example.org>\n",
                       SMTP_CLIENT_TLS_OFF);
}

static void
test_injection (void)
{
  client_driver_check (PLAIN "H: mail a@example.org>\rRSET\n"
                             "E: FAILED nothing ours 451 4.3.0 MAIL with control characters in it\n"
                             "H: rset\n",
                       SMTP_CLIENT_TLS_OFF);
}

static void
test_helo (void)
{
  client_driver_check (GREETED "S: 502 5.5.1 what\n"
                               "C: HELO gw.example.org\n"
                               "S: 250 hello\n"
                               "E: READY HELO 250 hello\n"
                               "H: mail a@example.org SIZE=5\n"
                               "C: MAIL FROM:<a@example.org>\n",
                       SMTP_CLIENT_TLS_OPPORTUNISTIC);
}

static void
test_refused_handshake (void)
{
  client_driver_check ("S: 554-5.7.1 go\nS: 554 5.7.1 away\n"
                       "E: FAILED greeting theirs 554 5.7.1 go / away\n"
                       "S: 220 never mind\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check ("S: 421 4.3.2 busy\nE: FAILED greeting theirs 421 4.3.2 busy\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check (GREETED "S: 450 4.3.2 not now\nE: FAILED EHLO theirs 450 4.3.2 not now\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check (GREETED "S: 500 what\nC: HELO gw.example.org\n"
                               "S: 550 no\nE: FAILED HELO theirs 550 no\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check ("S: 354 x\nE: FAILED greeting ours 451 4.3.0 an unexpected reply to "
                       "greeting: 354 x\n",
                       SMTP_CLIENT_TLS_OFF);
}

static void
test_starttls (void)
{
  static const SmtpClientTls policies[]
      = { SMTP_CLIENT_TLS_OPPORTUNISTIC, SMTP_CLIENT_TLS_REQUIRED };

  for (guint i = 0; i < G_N_ELEMENTS (policies); i++)
    client_driver_check (OFFERS_TLS "C: STARTTLS\n"
                                    "S: 220 2.0.0 go\n"
                                    "E: START_TLS STARTTLS\n"
                                    "H: tls\n"
                                    "C: EHLO gw.example.org\n"
                                    "S: 250-mx\nS: 250 STARTTLS\n"
                                    "E: READY EHLO 250 mx / STARTTLS\n"
                                    "H: mail a@example.org SIZE=10\n"
                                    "C: MAIL FROM:<a@example.org>\n",
                         policies[i]);
}

/* What TLS was required for is had: behind it, HELO will do. */
static void
test_starttls_helo (void)
{
  client_driver_check (OFFERS_TLS "C: STARTTLS\n"
                                  "S: 220 go\n"
                                  "E: START_TLS STARTTLS\n"
                                  "H: tls\n"
                                  "C: EHLO gw.example.org\n"
                                  "S: 502 what\n"
                                  "C: HELO gw.example.org\n"
                                  "S: 250 mx\n"
                                  "E: READY HELO 250 mx\n",
                       SMTP_CLIENT_TLS_REQUIRED);
}

static void
test_starttls_refused (void)
{
  client_driver_check (OFFERS_TLS "C: STARTTLS\n"
                                  "S: 454 4.7.0 not now\n"
                                  "E: READY STARTTLS 454 4.7.0 not now\n"
                                  "H: mail a@example.org SIZE=10\n"
                                  "C: MAIL FROM:<a@example.org> SIZE=10\n",
                       SMTP_CLIENT_TLS_OPPORTUNISTIC);
  client_driver_check (OFFERS_TLS "C: STARTTLS\n"
                                  "S: 454 4.7.0 not now\n"
                                  "E: FAILED STARTTLS ours 451 4.7.4 TLS is required, and the "
                                  "server refuses STARTTLS: 454 4.7.0 not now\n",
                       SMTP_CLIENT_TLS_REQUIRED);
  client_driver_check (OFFERS_TLS "C: STARTTLS\n"
                                  "S: 250 what\n"
                                  "E: FAILED STARTTLS ours 451 4.3.0 an unexpected reply to "
                                  "STARTTLS: 250 what\n",
                       SMTP_CLIENT_TLS_OPPORTUNISTIC);
  client_driver_check (OFFERS_TLS "C: STARTTLS\n"
                                  "S: 421 4.3.2 closing\n"
                                  "E: FAILED STARTTLS theirs 421 4.3.2 closing\n",
                       SMTP_CLIENT_TLS_OPPORTUNISTIC);
}

static void
test_starttls_not_offered (void)
{
  client_driver_check (GREETED "S: 250 mx\nE: FAILED EHLO ours 451 4.7.4 TLS is required, and the "
                               "server does not offer STARTTLS\n",
                       SMTP_CLIENT_TLS_REQUIRED);
  client_driver_check (GREETED "S: 500 what\nC: HELO gw.example.org\n"
                               "S: 250 mx\nE: FAILED HELO ours 451 4.7.4 TLS is required, and the "
                               "server does not know EHLO\n",
                       SMTP_CLIENT_TLS_REQUIRED);
  client_driver_check (PLAIN, SMTP_CLIENT_TLS_OPPORTUNISTIC);
  client_driver_check (OFFERS_TLS "E: READY EHLO 250 mx.example.net / SIZE 1000 / STARTTLS\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check (OFFERS_TLS "E: READY EHLO 250 mx.example.net / SIZE 1000 / STARTTLS\n",
                       SMTP_CLIENT_TLS_IMPLICIT);
}

/* CVE-2021-38371: octets behind the 220 to STARTTLS were written by somebody else than the TLS
 * peer. */
static void
test_starttls_injected (void)
{
  const gchar *fault
      = "E: FAILED STARTTLS ours 451 4.7.0 plaintext behind the answer to STARTTLS\n";
  g_autofree gchar *together = NULL;
  g_autofree gchar *apart = NULL;

  together = client_driver_run (OFFERS_TLS "S: 220 go\nS: 2\\c\n", SMTP_CLIENT_TLS_REQUIRED, 0);
  g_assert_null (strstr (together, "START_TLS"));
  apart = client_driver_run (OFFERS_TLS "C: STARTTLS\nS: 220 go\nS: 2\\c\n",
                             SMTP_CLIENT_TLS_REQUIRED, 1);
  g_assert_true (g_str_has_suffix (apart, fault));
  client_driver_check (OFFERS_TLS "C: STARTTLS\nS: 220 go\nE: START_TLS STARTTLS\nH: eof\n"
                                  "E: FAILED STARTTLS ours 451 4.4.2 the server closed the "
                                  "connection, open: STARTTLS\n",
                       SMTP_CLIENT_TLS_REQUIRED);
}

static void
test_421 (void)
{
  client_driver_check (PIPED "H: mail a@example.org\nC: MAIL FROM:<a@example.org>\n"
                             "H: rcpt b@example.net\nC: RCPT TO:<b@example.net>\n"
                             "S: 421-4.3.2 closing\nS: 421 4.3.2 now\n"
                             "E: REPLY MAIL 1 421 4.3.2 closing / now\n"
                             "E: FAILED RCPT 2 theirs 421 4.3.2 closing / now\n"
                             "H: eof\n"
                             "H: rset\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check (PLAIN "S: 421 4.4.2 idle\nE: FAILED nothing theirs 421 4.4.2 idle\n",
                       SMTP_CLIENT_TLS_OFF);
}

#define IN_DATA                                                                                    \
  PIPED "H: mail a@example.org\nC: MAIL FROM:<a@example.org>\n"                                    \
        "H: data\nC: DATA\nS: 250 ok\nS: 354 go\n"                                                 \
        "E: REPLY MAIL 1 250 ok\nE: REPLY DATA 2 354 go\n"                                         \
        "H: body x\nC: x\n"

static void
test_answer_in_data (void)
{
  client_driver_check (IN_DATA "S: 250 2.0.0 queued\n"
                               "E: FAILED DATA ours 451 4.3.0 an answer before the end of the "
                               "data: 250 2.0.0 queued\n"
                               "H: body y\nH: end\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check (IN_DATA "S: 552 5.3.4 too big\nE: FAILED DATA theirs 552 5.3.4 too big\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check (IN_DATA "S: 421 4.3.0 bye\nE: FAILED DATA theirs 421 4.3.0 bye\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check (IN_DATA "H: eof\nE: FAILED DATA ours 451 4.4.2 the server closed the "
                               "connection, open: DATA\n",
                       SMTP_CLIENT_TLS_OFF);
}

/* Octets that are there when the dot is given cannot answer it: the dot stays back. */
static void
test_answer_before_dot (void)
{
  client_driver_check (IN_DATA "S: 25\\c\n"
                               "H: end\n"
                               "S: 0 ok\n"
                               "E: FAILED DATA ours 451 4.3.0 an answer before the end of the "
                               "data: 250 ok\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check (PLAIN "S: 250-\n"
                             "H: mail a@example.org\n"
                             "S: 250 ok\n"
                             "E: FAILED nothing ours 451 4.3.0 a reply without a command: 250  / "
                             "ok\n",
                       SMTP_CLIENT_TLS_OFF);
}

static void
test_wrong_codes (void)
{
  client_driver_check (PIPED "H: data\nC: DATA\nS: 250 sure\n"
                             "E: FAILED DATA 1 ours 451 4.3.0 an unexpected reply to DATA: 250 "
                             "sure\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check (PIPED "H: mail a@example.org\nC: MAIL FROM:<a@example.org>\nS: 354 go\n"
                             "E: FAILED MAIL 1 ours 451 4.3.0 an unexpected reply to MAIL: 354 "
                             "go\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check (IN_DATA "H: end\nC: .\nS: 354 go on\n"
                               "E: FAILED end of data 3 ours 451 4.3.0 an unexpected reply to end "
                               "of data: 354 go on\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check (PIPED "S: 250 unasked\nE: FAILED nothing ours 451 4.3.0 a reply without a "
                             "command: 250 unasked\n",
                       SMTP_CLIENT_TLS_OFF);
}

static void
test_eof (void)
{
  client_driver_check ("H: eof\nE: FAILED greeting ours 451 4.4.2 the server closed the "
                       "connection, open: greeting\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check (PLAIN "H: eof\nH: noop\n"
                             "E: FAILED NOOP 1 ours 451 4.4.2 the server closed the connection, "
                             "open: NOOP\n"
                             "C: NOOP\n",
                       SMTP_CLIENT_TLS_OFF);
}

static void
test_eof_after_ready (void)
{
  client_driver_check (PLAIN
                       "H: quit\nC: QUIT\nH: eof\n"
                       "E: FAILED QUIT ours 451 4.4.2 the server closed the connection, open: "
                       "QUIT\n",
                       SMTP_CLIENT_TLS_OFF);
  client_driver_check (PLAIN "H: rset\nC: RSET\nH: rset\nS: 250 o\\c\nH: eof\n"
                             "E: FAILED RSET 1 ours 451 4.4.2 the server closed the connection, "
                             "open: RSET\n",
                       SMTP_CLIENT_TLS_OFF);
}

static void
test_idle (void)
{
  g_autoptr (SmtpClient) client = smtp_client_new ("gw.example.org", SMTP_CLIENT_TLS_OFF);

  g_assert_false (smtp_client_is_idle (client));
  feed_text (client, "220 x\r\n");
  feed_text (client, "250-x\r\n250 PIPELINING\r\n");
  count_lines (client);
  g_assert_true (smtp_client_is_idle (client));
  smtp_client_rset (client, 1);
  g_assert_false (smtp_client_is_idle (client));
  count_lines (client);
  feed_text (client, "250 ok\r\n");
  g_assert_true (smtp_client_is_idle (client));
  /* What an idle machine owns: itself, its name, and a bounded room for the next commands. */
  g_assert_cmpuint (sizeof *client + strlen (client->hello), <, 450);
  g_assert_cmpuint (client->open.size, <=, BASE_BUFFER_KEPT);
  g_assert_cmpuint (client->waiting.size, <=, BASE_BUFFER_KEPT);
  g_assert_cmpuint (client->lines.size, <=, BASE_BUFFER_KEPT);
  g_assert_cmpuint (client->output.owned.size, <=, BASE_BUFFER_KEPT);
  g_assert_cmpuint (client->reader.text.size, <=, BASE_BUFFER_KEPT);
  g_assert_null (client->reader.kept.data);
  feed_text (client, "2");
  g_assert_false (smtp_client_is_idle (client));
}

static void
test_reply_bytes (void)
{
  client_driver_check (PLAIN "H: noop\nC: NOOP\n"
                             "S: 250-2.0.0 \xc3\xa4\\xff\\x80 a\\tb\n"
                             "S: 250-2.0.0\n"
                             "S: 250-2.1.0 other\n"
                             "S: 250 4.0.0 wrong class\n"
                             "E: REPLY NOOP 1 250 2.0.0 \xc3\xa4\xff\x80 a\tb /  / 2.1.0 other / "
                             "4.0.0 wrong class\n",
                       SMTP_CLIENT_TLS_OFF);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client/one-at-a-time", test_one_at_a_time);
  g_test_add_func ("/client/pipelined", test_pipelined);
  g_test_add_func ("/client/groups", test_groups);
  g_test_add_func ("/client/window", test_window);
  g_test_add_func ("/client/parameters", test_parameters);
  g_test_add_func ("/client/injection", test_injection);
  g_test_add_func ("/client/helo", test_helo);
  g_test_add_func ("/client/refused-handshake", test_refused_handshake);
  g_test_add_func ("/client/starttls", test_starttls);
  g_test_add_func ("/client/starttls-helo", test_starttls_helo);
  g_test_add_func ("/client/starttls-refused", test_starttls_refused);
  g_test_add_func ("/client/starttls-not-offered", test_starttls_not_offered);
  g_test_add_func ("/client/starttls-injected", test_starttls_injected);
  g_test_add_func ("/client/421", test_421);
  g_test_add_func ("/client/answer-in-data", test_answer_in_data);
  g_test_add_func ("/client/answer-before-dot", test_answer_before_dot);
  g_test_add_func ("/client/wrong-codes", test_wrong_codes);
  g_test_add_func ("/client/eof", test_eof);
  g_test_add_func ("/client/eof-after-ready", test_eof_after_ready);
  g_test_add_func ("/client/idle", test_idle);
  g_test_add_func ("/client/reply-bytes", test_reply_bytes);
  return g_test_run ();
}
