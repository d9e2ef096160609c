/* BDAT, LMTP, AUTH, XCLIENT and XFORWARD of the client machine: written conversations, and what
 * they cannot say. */
#include "client-driver.h"

#include <string.h>

#define GREETED "S: 220 x\nC: EHLO gw.example.org\nS: 250-x\n"
#define READY(ehlo) "E: READY EHLO 250 x / " ehlo "\n"

static void
check (const gchar *script)
{
  client_driver_check (script, SMTP_CLIENT_TLS_OFF);
}

static void
test_chunks (void)
{
  check (GREETED "S: 250-PIPELINING\nS: 250 CHUNKING\n" READY (
      "PIPELINING / CHUNKING") "H: rcpt b@x\nC: RCPT TO:<b@x>\n"
                               "H: bdat .a\\r\\n.\\c\nC: BDAT 5\nC: .a\nC> .\n"
                               "H: last \\c\nC: BDAT 0 LAST\n"
                               "H: rset\n"
                               "S: 250 2.1.5 Ok\nS: 250 2.0.0 5 octets\nS: 250 2.0.0 Queued\n"
                               "E: REPLY RCPT 1 250 2.1.5 Ok\nE: REPLY BDAT 2 250 2.0.0 5 octets\n"
                               "E: REPLY end of data 3 250 2.0.0 Queued\nC: RSET\n");
}

static void
test_chunks_one_by_one (void)
{
  check (GREETED "S: 250 CHUNKING\n" READY (
      "CHUNKING") "H: bdat a\\c\nC: BDAT 1\nC> a\n"
                  "H: bdat b\\c\nE: not now\n"
                  "S: 250 Ok\nE: REPLY BDAT 1 250 Ok\n"
                  "H: last b\\c\nC: BDAT 1 LAST\nC> b\n"
                  "S: 552 5.2.2 Full\nE: REPLY end of data 2 552 5.2.2 Full\n"
                  "H: rset\nC: RSET\nH: bdat c\\c\nE: not now\n");
}

static void
test_early_reply_is_a_fault (void)
{
  check (GREETED
         "S: 250 CHUNKING\n" READY ("CHUNKING") "S: 250 early\nE: FAILED nothing ours 451 4.3.0 a "
                                                "reply without a command: 250 early\n"
                                                "H: bdat a\\c\n");
}

/* The server says yes while the last chunk still stands in our output. */
static void
test_early_acceptance (void)
{
  static const gchar *const texts[] = { "220 x\r\n", "250-x\r\n250 CHUNKING\r\n" };

  for (guint accepted = 0; accepted < 2; accepted++)
    {
      g_autoptr (SmtpClient) client = smtp_client_new ("gw", SMTP_CLIENT_TLS_OFF);
      g_autoptr (GByteArray) bytes = g_byte_array_new ();
      const gchar *reply = accepted ? "250 Ok\r\n" : "552 No\r\n";
      for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
        {
          smtp_client_feed (client, (const guint8 *) texts[i], strlen (texts[i]));
          smtp_client_next (client);
          smtp_client_settle (client);
        }
      client_driver_take_output (client, bytes);
      g_assert_true (smtp_client_bdat (client, (const guint8 *) "abc", 3, TRUE, 1));
      smtp_client_feed (client, (const guint8 *) reply, strlen (reply));
      const SmtpClientEvent *event = smtp_client_next (client);
      g_assert_cmpint (event->type, ==, accepted ? SMTP_CLIENT_FAILED : SMTP_CLIENT_REPLY);
      g_assert_cmpint (event->command, ==, SMTP_CLIENT_COMMAND_END);
    }
}

static void
test_lmtp (void)
{
  check ("H: lmtp\nS: 220 x\nC: LHLO gw.example.org\nS: 250-x\nS: 250 PIPELINING\n" READY (
      "PIPELINING") "H: mail a@x\nC: MAIL FROM:<a@x>\n"
                    "H: rcpt b@x\nC: RCPT TO:<b@x>\nH: rcpt c@x\nC: RCPT TO:<c@x>\n"
                    "H: rcpt d@x\nC: RCPT TO:<d@x>\n"
                    "S: 250 Ok\nS: 250 Ok b\nS: 550 No c\nS: 250 Ok d\n"
                    "E: REPLY MAIL 1 250 Ok\nE: REPLY RCPT 2 250 Ok b\nE: REPLY RCPT 3 550 No c\n"
                    "E: REPLY RCPT 4 250 Ok d\n"
                    "H: data\nC: DATA\nS: 354 go\nE: REPLY DATA 5 354 go\nH: end\nC: .\n"
                    "S: 250 b has it\nS: 452 4.2.2 d is full\n"
                    "E: REPLY end of data 2 250 b has it\n"
                    "E: REPLY end of data 4 452 4.2.2 d is full\n"
                    "H: mail a@x\nC: MAIL FROM:<a@x>\nH: rcpt e@x\nC: RCPT TO:<e@x>\n"
                    "S: 250 Ok\nS: 250 Ok e\nE: REPLY MAIL 7 250 Ok\nE: REPLY RCPT 8 250 Ok e\n"
                    "H: data\nC: DATA\nS: 354 go\nE: REPLY DATA 9 354 go\nH: end\nC: .\n"
                    "S: 250 e has it\nE: REPLY end of data 8 250 e has it\n"
                    "S: 250 one too many\n"
                    "E: FAILED nothing ours 451 4.3.0 a reply without a command: 250 one too "
                    "many\n");
}

static void
test_lmtp_refused (void)
{
  check ("H: lmtp\nS: 220 x\nC: LHLO gw.example.org\nS: 500 what?\nE: FAILED EHLO theirs 500 "
         "what?\n");
}

static void
test_lmtp_chunks (void)
{
  check (
      "H: lmtp\nS: 220 x\nC: LHLO gw.example.org\nS: 250-x\nS: 250-PIPELINING\n"
      "S: 250 CHUNKING\n" READY (
          "PIPELINING / CHUNKING") "H: mail a@x\nC: MAIL FROM:<a@x>\nH: rcpt b@x\nC: RCPT "
                                   "TO:<b@x>\n"
                                   "H: rcpt c@x\nC: RCPT TO:<c@x>\nH: bdat a\\c\nC: BDAT 1\nC> a\n"
                                   "H: last b\\c\nE: not now\n"
                                   "S: 250 Ok\nS: 250 Ok b\nS: 250 Ok c\nE: REPLY MAIL 1 250 Ok\n"
                                   "E: REPLY RCPT 2 250 Ok b\nE: REPLY RCPT 3 250 Ok c\n"
                                   "H: last b\\c\nC: BDAT 1 LAST\nC> b\nH: mail d@x\n"
                                   "S: 250 one\nE: REPLY BDAT 4 250 one\nS: 250 b\nE: REPLY end of "
                                   "data 2 250 b\n"
                                   "S: 450 c\nE: REPLY end of data 3 450 c\nC: MAIL FROM:<d@x>\n");
}

static void
test_auth (void)
{
  check (GREETED "S: 250 AUTH PLAIN X-STEPS\n" READY (
      "AUTH PLAIN X-STEPS") "H: auth PLAIN AGEAYg==\nC: AUTH PLAIN AGEAYg==\nH: noop\n"
                            "S: 535 5.7.8 No\nE: REPLY AUTH 1 535 5.7.8 No\nC: NOOP\n"
                            "S: 250 Ok\nE: REPLY NOOP 2 250 Ok\n"
                            "H: auth X-STEPS\nC: AUTH X-STEPS\nS: 334 abc=\nE: CHALLENGE AUTH 3 "
                            "334 abc=\n"
                            "H: noop\nH: respond eHl6\nC: eHl6\nS: 334 \nE: CHALLENGE AUTH 3 334\n"
                            "H: respond\nC: *\nS: 501 5.7.0 Cancelled\nE: REPLY AUTH 3 501 5.7.0 "
                            "Cancelled\nC: NOOP\n"
                            "S: 250 Ok\nE: REPLY NOOP 4 250 Ok\n"
                            "H: auth PLAIN =\nC: AUTH PLAIN =\nS: 235 2.7.0 Yes\nE: REPLY AUTH 5 "
                            "235 2.7.0 Yes\n");
}

static void
test_auth_faults (void)
{
  check (GREETED "S: 250 AUTH X\n" READY ("AUTH X") "H: auth X\nC: AUTH X\nS: 250 Ok\n"
                                                    "E: FAILED AUTH 1 ours 451 4.3.0 an unexpected "
                                                    "reply to AUTH: 250 Ok\n");
  check (GREETED "S: 250 AUTH X\n" READY (
      "AUTH X") "H: auth X\nC: AUTH X\nS: 334 a\nE: CHALLENGE AUTH 1 334 a\nS: 235 Ok\n"
                "E: FAILED AUTH 1 ours 451 4.3.0 an unexpected reply to AUTH: 235 Ok\n");
  check (GREETED "S: 250 AUTH X\n" READY (
      "AUTH X") "H: auth X\nC: AUTH X\nS: 334 a\nE: CHALLENGE AUTH 1 334 a\nS: 421 4.4.2 Slow\n"
                "E: REPLY AUTH 1 421 4.4.2 Slow\nE: FAILED nothing theirs 421 4.4.2 Slow\n");
  check (GREETED "S: 250 AUTH X\n" READY (
      "AUTH X") "H: auth X a\x01\nE: FAILED nothing ours 451 4.3.0 AUTH with a text that can "
                "not be sent\n");
}

static void
test_auth_limit (void)
{
  for (guint over = 0; over < 2; over++)
    {
      g_autofree gchar *initial = g_strnfill (SMTP_CLIENT_MAX_AUTH_LINE - 9 + over, 'a');
      g_autofree gchar *record
          = g_strconcat (GREETED "S: 250 AUTH X\n" READY ("AUTH X") "H: auth X ", initial, "\n",
                         over ? "E: FAILED nothing ours 451 4.3.0 AUTH with a text that can not be "
                                "sent\n"
                              : "C: AUTH X ",
                         over ? "" : initial, over ? "" : "\n", NULL);
      check (record);
    }
}

/* RFC 4954 section 4: as long as a line of AUTH, in both directions. */
static void
test_challenge_limit (void)
{
  for (guint over = 0; over < 2; over++)
    {
      g_autofree gchar *text = g_strnfill (SMTP_CLIENT_MAX_AUTH_LINE - 6 + over, 'a');
      g_autofree gchar *told
          = g_strconcat ("E: CHALLENGE AUTH 1 334 ", text, "\nH: respond b\nC: b\n", NULL);
      g_autofree gchar *fault = g_strdup_printf (
          "E: FAILED AUTH 1 ours 451 4.3.0 a reply line too long: \"334 %.76s…\"\n", text);
      g_autofree gchar *record
          = g_strconcat (GREETED "S: 250 AUTH X\n" READY ("AUTH X") "H: auth X\nC: AUTH X\nS: 334 ",
                         text, "\n", over ? fault : told, NULL);
      check (record);
    }
}

static void
test_login (void)
{
  check (GREETED "S: 250 AUTH LOGIN PLAIN\n" READY (
      "AUTH LOGIN PLAIN") "H: login anna secret\nC: AUTH PLAIN AGFubmEAc2VjcmV0\n"
                          "S: 235 2.7.0 Yes\nE: REPLY AUTH 1 235 2.7.0 Yes\n");
  check (GREETED "S: 250 AUTH=LOGIN\n" READY (
      "AUTH=LOGIN") "H: login anna secret\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YW5uYQ==\n"
                    "S: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 535 5.7.8 No\n"
                    "E: REPLY AUTH 1 535 5.7.8 No\n"
                    "H: login anna secret\nC: AUTH LOGIN\nS: 334 a\nC: YW5uYQ==\n"
                    "S: 334 b\nC: c2VjcmV0\nS: 334 c\nC: *\nS: 501 No\nE: REPLY AUTH 2 501 No\n");
  check (GREETED "S: 250 AUTH PLAIN\n" READY (
      "AUTH PLAIN") "H: login anna secret\nC: AUTH PLAIN AGFubmEAc2VjcmV0\nS: 334 more?\nC: *\n"
                    "S: 501 No\nE: REPLY AUTH 1 501 No\n");
  check (GREETED "S: 250 AUTH GSSAPI\n" READY ("AUTH GSSAPI") "H: login anna secret\n"
                                                              "E: no mechanism\n");
}

static void
test_identity (void)
{
  check (
      GREETED
      "S: 250-PIPELINING\nS: 250-XCLIENT NAME ADDR HELO\nS: 250 XFORWARD NAME addr\n" READY (
          "PIPELINING / XCLIENT NAME ADDR HELO / XFORWARD NAME addr") "H: xforward ADDR=192.0.2.1 "
                                                                      "PORT=25 NAME=a+b=c HELO=x "
                                                                      "NONAME\n"
                                                                      "C: XFORWARD ADDR=192.0.2.1 "
                                                                      "NAME=a+2Bb+3Dc\nS: 250 "
                                                                      "Ok\nE: REPLY XFORWARD 1 250 "
                                                                      "Ok\n"
                                                                      "H: xforward PORT=25\nE: 0 "
                                                                      "replies to come\n"
                                                                      "H: xclient NAME=a\tb "
                                                                      "ADDR=IPV6:2001:db8::1 HELO= "
                                                                      "PORT=1\n"
                                                                      "C: XCLIENT "
                                                                      "NAME=[UNAVAILABLE] "
                                                                      "ADDR=IPV6:2001:db8::1 "
                                                                      "HELO=[UNAVAILABLE]\n"
                                                                      "H: noop\n"
                                                                      "S: 220 x again\nE: REPLY "
                                                                      "XCLIENT 3 220 x again\nC: "
                                                                      "EHLO gw.example.org\n"
                                                                      "S: 250 x\nE: READY EHLO 250 "
                                                                      "x\nC: NOOP\n"
                                                                      "S: 250 Ok\nE: REPLY NOOP 4 "
                                                                      "250 Ok\n"
                                                                      "H: xclient NAME=a\nE: 0 "
                                                                      "replies to come\n");
  check (GREETED "S: 250 XCLIENT NAME\n" READY (
      "XCLIENT NAME") "H: xclient NAME=a\nC: XCLIENT NAME=a\nS: 550 5.7.0 No\n"
                      "E: REPLY XCLIENT 1 550 5.7.0 No\nH: noop\nC: NOOP\n");
}

/* Two lines of at most 512 octets; a value over the limit is not told. */
static void
test_long_attributes (void)
{
  g_autofree gchar *longest = g_strnfill (SMTP_CLIENT_MAX_ATTRIBUTE, 'a');
  g_autofree gchar *script = g_strconcat (
      GREETED
      "S: 250 XFORWARD NAME HELO IDENT\n" READY ("XFORWARD NAME HELO IDENT") "H: xforward NAME=",
      longest, " HELO=", longest, " IDENT=", longest,
      "a\nE: 2 replies to come\nC: XFORWARD NAME=", longest,
      "\nS: 250 one\nE: REPLY XFORWARD 1 250 one\nC: XFORWARD HELO=", longest,
      " IDENT=[UNAVAILABLE]\nS: 250 two\nE: REPLY XFORWARD 1 250 two\n", NULL);

  check (script);
}

static void
test_words (void)
{
  static const gchar *const texts[]
      = { "220 x\r\n", "250-x\r\n250-auth PLAIN\tLOGIN\r\n250-AUTH=LOGIN\r\n250-XCLIENTS A\r\n"
                       "250 XFORWARD NAME  ADDR \r\n" };
  g_autoptr (SmtpClient) client = smtp_client_new ("gw", SMTP_CLIENT_TLS_OFF);

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      smtp_client_feed (client, (const guint8 *) texts[i], strlen (texts[i]));
      smtp_client_next (client);
      smtp_client_settle (client);
    }
  g_assert_cmpstr (smtp_client_auth_mechanisms (client), ==, "PLAIN LOGIN LOGIN");
  g_assert_cmpstr (smtp_client_xclient_names (client), ==, NULL);
  g_assert_cmpstr (smtp_client_xforward_names (client), ==, "NAME  ADDR");
}

static SmtpClient *
client_after (const gchar *const *texts, guint count)
{
  SmtpClient *client = smtp_client_new ("gw", SMTP_CLIENT_TLS_OFF);

  for (guint i = 0; i < count; i++)
    {
      smtp_client_feed (client, (const guint8 *) texts[i], strlen (texts[i]));
      smtp_client_next (client);
      smtp_client_settle (client);
      if (i == 1)
        smtp_client_xclient (client, (const gchar *const[]){ "NAME=x", NULL }, 1);
    }
  return client;
}

/* Between the new greeting and READY nothing may be given. */
static void
test_not_ready_behind_xclient (void)
{
  static const gchar *const texts[]
      = { "220 x\r\n", "250-x\r\n250 XCLIENT NAME\r\n", "220 x\r\n", "250 x\r\n" };

  for (guint count = 2; count <= 4; count++)
    {
      g_autoptr (SmtpClient) client = client_after (texts, count);
      g_assert_cmpint (smtp_client_is_ready (client), ==, count != 3);
    }
}

/* What came before our response can not be its answer: the response stays back. */
static void
test_response_behind_unread (void)
{
  static const gchar *const texts[] = { "220 x\r\n", "250-x\r\n250 AUTH X\r\n" };
  g_autoptr (SmtpClient) client = client_after (texts, 2);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  smtp_client_auth (client, "X", NULL, 1);
  client_driver_take_output (client, bytes);
  smtp_client_feed (client, (const guint8 *) "334 a\r\n235", 10);
  g_assert_cmpint (smtp_client_next (client)->type, ==, SMTP_CLIENT_CHALLENGE);
  smtp_client_auth_response (client, "b");
  g_assert_cmpuint (smtp_client_output (client)->length, ==, 0);
  smtp_client_settle (client);
}

/* RFC 4954 section 4: nothing may be pipelined behind AUTH. */
static void
test_nothing_behind_auth (void)
{
  check (GREETED "S: 250-PIPELINING\nS: 250 AUTH X\n" READY (
      "PIPELINING / AUTH X") "H: auth X\nC: AUTH X\nH: rset\nS: 235 Yes\n"
                             "E: REPLY AUTH 1 235 Yes\nC: RSET\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/smtp/client-extensions/chunks", test_chunks);
  g_test_add_func ("/smtp/client-extensions/chunks-one-by-one", test_chunks_one_by_one);
  g_test_add_func ("/smtp/client-extensions/early-reply", test_early_reply_is_a_fault);
  g_test_add_func ("/smtp/client-extensions/early-acceptance", test_early_acceptance);
  g_test_add_func ("/smtp/client-extensions/lmtp", test_lmtp);
  g_test_add_func ("/smtp/client-extensions/lmtp-refused", test_lmtp_refused);
  g_test_add_func ("/smtp/client-extensions/lmtp-chunks", test_lmtp_chunks);
  g_test_add_func ("/smtp/client-extensions/auth", test_auth);
  g_test_add_func ("/smtp/client-extensions/auth-faults", test_auth_faults);
  g_test_add_func ("/smtp/client-extensions/auth-limit", test_auth_limit);
  g_test_add_func ("/smtp/client-extensions/challenge-limit", test_challenge_limit);
  g_test_add_func ("/smtp/client-extensions/login", test_login);
  g_test_add_func ("/smtp/client-extensions/identity", test_identity);
  g_test_add_func ("/smtp/client-extensions/long-attributes", test_long_attributes);
  g_test_add_func ("/smtp/client-extensions/words", test_words);
  g_test_add_func ("/smtp/client-extensions/not-ready", test_not_ready_behind_xclient);
  g_test_add_func ("/smtp/client-extensions/unread", test_response_behind_unread);
  g_test_add_func ("/smtp/client-extensions/behind-auth", test_nothing_behind_auth);
  return g_test_run ();
}
