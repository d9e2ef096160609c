/* AUTH on both sides: what a session offers, whom it lets in, what its trace hides; a relay that
 * logs in; and DSN parameters from one to the other. */
#include "certificate.h"
#include "talk.h"
#include "upstream.h"

#include <glib/gstdio.h>
#include <string.h>

#define READY                                                                                      \
  "220 mx.test ESMTP|250-mx.test|250-PIPELINING|250-SIZE 52428800|250-ENHANCEDSTATUSCODES|"        \
  "250-8BITMIME|250-SMTPUTF8|250-CHUNKING|250-HELP|250 AUTH PLAIN LOGIN|"

static const WeirSettings plaintext
    = { .size = sizeof plaintext, .hostname = "mx.test", .auth_in_plaintext = TRUE };

/* jim may come in with "secret"; bob's password can not be found out. */
static gboolean
on_auth (WeirSession *session, const char *user, const char *password, gpointer data)
{
  if (data != NULL)
    g_string_append_printf (data, "%s:%s ", user, password);
  if (strcmp (user, "bob") == 0)
    weir_session_reply (session, 454, "4.7.0", "Ask later");
  return strcmp (user, "jim") == 0 && strcmp (password, "secret") == 0;
}

static const WeirHooks hooks = { .size = sizeof hooks, .auth = on_auth };

static void
check (const gchar *said, const gchar *heard, const gchar *asked)
{
  g_autoptr (GString) told = g_string_new (NULL);
  g_autofree gchar *all_said = g_strconcat ("EHLO c|", said, NULL);
  g_autofree gchar *all_heard = g_strconcat (READY, heard, NULL);

  talk_check (&plaintext, &hooks, told, all_said, all_heard);
  g_assert_cmpstr (told->str, ==, asked);
}

#define IN "235 2.7.0 Authentication succeeded|"
#define OUT "535 5.7.8 Authentication credentials invalid|"
#define BAD "501 5.5.2 Cannot decode the response|"

/* AGppbQBzZWNyZXQ= is \0jim\0secret, AGppbQB3cm9uZw== \0jim\0wrong, amlt jim, c2VjcmV0 secret. */
static void
test_session (void)
{
  check ("AUTH PLAIN AGppbQBzZWNyZXQ=|AUTH PLAIN AGppbQBzZWNyZXQ=|",
         IN "503 5.5.1 Already authenticated|", "jim:secret ");
  check ("auth plain|AGppbQBzZWNyZXQ=|", "334 |" IN, "jim:secret ");
  check ("AUTH LOGIN|amlt|c2VjcmV0|", "334 VXNlcm5hbWU6|334 UGFzc3dvcmQ6|" IN, "jim:secret ");
  check ("AUTH LOGIN amlt|c2VjcmV0|", "334 UGFzc3dvcmQ6|" IN, "jim:secret ");
  check ("AUTH PLAIN AGppbQB3cm9uZw==|", OUT, "jim:wrong ");
  check ("AUTH LOGIN|amlt|*|",
         "334 VXNlcm5hbWU6|334 UGFzc3dvcmQ6|501 5.7.0 Authentication cancelled|", "");
  /* what one exchange has said is not there in the next */
  check (
      "AUTH LOGIN amlt|*|AUTH LOGIN|amlt|c2VjcmV0|",
      "334 UGFzc3dvcmQ6|501 5.7.0 Authentication cancelled|334 VXNlcm5hbWU6|334 UGFzc3dvcmQ6|" IN,
      "jim:secret ");
  /* \0bob\0x; x\0jim\0secret: to act for somebody else; jim\0jim\0secret */
  check ("AUTH PLAIN AGJvYgB4|", "454 4.7.0 Ask later|", "bob:x ");
  check ("AUTH PLAIN eABqaW0Ac2VjcmV0|", "535 5.7.8 Not authorized to act for that user|", "");
  check ("AUTH PLAIN amltAGppbQBzZWNyZXQ=|", IN, "jim:secret ");
  check ("AUTH GSSAPI|", "504 5.5.4 Unrecognized authentication mechanism|", "");
}

/* Nothing that is no base64, has a NUL too few or too many, or no UTF-8 reaches the hook. */
static void
test_malformed (void)
{
  static const gchar *const responses[]
      = { "=",        "AGppbQ==", "AGppbQBzZWNyZXQ", "AGppbQBzZWNyZXQ=====",
          "AGp=bQBz", "amlt",     "AGppbQBzAGM=",    "AP8AcGFzcw==",
          "!!!!" };

  for (guint i = 0; i < G_N_ELEMENTS (responses); i++)
    {
      g_autofree gchar *said = g_strdup_printf ("AUTH PLAIN|%s|", responses[i]);

      g_test_message ("%s", responses[i]);
      check (said, "334 |" BAD, "");
    }
  check ("AUTH PLAIN AABzZWNyZXQ=|", OUT, ""); /* nobody's name */
  check ("AUTH LOGIN =|c2VjcmV0|", "334 UGFzc3dvcmQ6|" OUT, "");
}

/* The fifth failure is the last. */
static void
test_too_often (void)
{
  check ("AUTH PLAIN AGppbQB3cm9uZw==|AUTH PLAIN AGppbQB3cm9uZw==|AUTH PLAIN AGppbQB3cm9uZw==|"
         "AUTH PLAIN AGppbQB3cm9uZw==|AUTH PLAIN AGppbQBzZWNyZXQ=|",
         OUT OUT OUT OUT IN, "jim:wrong jim:wrong jim:wrong jim:wrong jim:secret ");
  check ("AUTH PLAIN AGppbQB3cm9uZw==|AUTH PLAIN AGppbQB3cm9uZw==|AUTH PLAIN AGppbQB3cm9uZw==|"
         "AUTH PLAIN AGppbQB3cm9uZw==|AUTH PLAIN AGppbQB3cm9uZw==|NOOP|",
         OUT OUT OUT OUT OUT, "jim:wrong jim:wrong jim:wrong jim:wrong jim:wrong ");
}

/* Without the hook, or in plaintext where that is not wanted, there is no AUTH; and who has to
 * authenticate does so before MAIL. */
static void
test_offered (void)
{
  static const WeirSettings safe = { .size = sizeof safe, .hostname = "mx.test" };
  static const WeirSettings required = {
    .size = sizeof required, .hostname = "mx.test", .auth_in_plaintext = TRUE, .require_auth = TRUE
  };

  talk_check (&safe, &hooks, NULL, "HELO c|AUTH PLAIN AGppbQBzZWNyZXQ=|",
              "220 mx.test ESMTP|250 mx.test|502 AUTH is not offered|");
  talk_check (&plaintext, NULL, NULL, "HELO c|AUTH PLAIN AGppbQBzZWNyZXQ=|",
              "220 mx.test ESMTP|250 mx.test|502 AUTH is not offered|");
  talk_check (&required, &hooks, NULL,
              "EHLO c|MAIL FROM:<a@b>|AUTH PLAIN AGppbQBzZWNyZXQ=|MAIL FROM:<a@b>|QUIT|",
              READY "530 5.7.0 Authentication required|" IN
                    "250 2.1.0 Sender <a@b> ok|221 2.0.0 Bye|");
}

static void
keep_line (gboolean sent, const char *line, gpointer data)
{
  g_string_append_printf (data, "%s%s|", sent ? "S:" : "C:", line);
}

static void
test_trace (void)
{
  g_autoptr (GString) lines = g_string_new (NULL);
  g_autoptr (Talk) talk = talk_new (&plaintext,
                                    "EHLO c\r\nAUTH PLAIN AGppbQB3cm9uZw==\r\n"
                                    "AUTH LOGIN\r\namlt\r\nc2VjcmV0\r\nNOOP\r\n",
                                    -1);

  weir_session_set_hooks (talk->session, &hooks, NULL);
  weir_session_set_trace (talk->session, keep_line, lines);
  talk_run (talk);
  g_assert_nonnull (strstr (lines->str, "C:AUTH PLAIN *|"));
  g_assert_nonnull (strstr (lines->str, "C:AUTH LOGIN|"));
  g_assert_null (strstr (lines->str, "AGppbQB3"));
  g_assert_null (strstr (lines->str, "amlt"));
  g_assert_null (strstr (lines->str, "c2VjcmV0"));
}

/* ---- The relay ---- */

static const WeirFate *
relay_as (const WeirRelaySettings *settings, const gchar *url, WeirRelayResult **result)
{
  g_autoptr (WeirRelay) relay = weir_relay_new (settings);
  g_autoptr (WeirMail) mail = NULL;
  g_autoptr (GError) error = NULL;
  const gchar *of_sender[] = { "RET=HDRS", "ENVID=one", NULL };
  const gchar *of_recipient[] = { "NOTIFY=NEVER", NULL };

  mail = weir_mail_new ("a@b.test", of_sender, NULL);
  weir_mail_add_recipient (mail, "c@d.test", of_recipient, NULL);
  weir_mail_append (mail, "x\r\n", 3, NULL);
  *result = weir_relay_to_url (relay, mail, url, &error);
  g_assert_no_error (error);
  return weir_relay_result_fate (*result, 0);
}

static Upstream *
start (const WeirSettings *settings, gchar **url)
{
  Upstream *upstream = upstream_start_with (settings, &hooks);

  *url = g_strdup_printf ("smtp://localhost:%s", upstream->port->str);
  return upstream;
}

static void
test_relay (void)
{
  g_autofree gchar *pem = certificate_file ();
  g_autoptr (GString) lines = g_string_new (NULL);
  WeirSettings server = { .size = sizeof server, .certificate = pem, .require_auth = TRUE };
  WeirRelaySettings settings = { .size = sizeof settings,
                                 .timeout = 10000,
                                 .user = "jim",
                                 .password = "secret",
                                 .trace = keep_line,
                                 .trace_data = lines };
  g_autofree gchar *url = NULL;
  g_autoptr (Upstream) upstream = NULL;
  g_autoptr (WeirRelayResult) in = NULL, wrong = NULL, nobody = NULL;
  const WeirFate *fate;

  server.dsn = TRUE;
  upstream = start (&server, &url);
  fate = relay_as (&settings, url, &in);
  g_assert_cmpint (fate->outcome, ==, WEIR_OUTCOME_DELIVERED);
  g_assert_null (strstr (lines->str, "AGppbQ"));
  settings.password = "wrong";
  fate = relay_as (&settings, url, &wrong);
  g_assert_cmpint (fate->outcome, ==, WEIR_OUTCOME_DEFERRED);
  g_assert_nonnull (strstr (fate->text, "535 5.7.8"));
  g_assert_error (weir_relay_result_error (wrong), WEIR_ERROR, WEIR_ERROR_AUTH);
  settings.user = NULL;
  fate = relay_as (&settings, url, &nobody);
  g_assert_cmpuint (fate->code, ==, 530);
  upstream_stop (upstream);
  g_assert_cmpuint (upstream->mails->len, ==, 1);
  g_assert_true (
      g_strv_contains (weir_mail_sender_parameters (upstream->mails->pdata[0]), "RET=HDRS"));
  g_assert_cmpstr (weir_mail_recipient_parameters (upstream->mails->pdata[0], 0)[0], ==,
                   "NOTIFY=NEVER");
  g_unlink (pem);
}

/* No password without TLS, unless that is said; none to who does not ask for it. */
static void
test_relay_in_plaintext (void)
{
  WeirRelaySettings settings
      = { .size = sizeof settings, .timeout = 10000, .user = "jim", .password = "secret" };
  g_autofree gchar *url = NULL, *other = NULL;
  g_autoptr (Upstream) upstream = start (&plaintext, &url);
  g_autoptr (Upstream) without = upstream_start (NULL);
  g_autoptr (WeirRelayResult) safe = NULL, open = NULL, unknown = NULL;
  const WeirFate *fate = relay_as (&settings, url, &safe);

  g_assert_nonnull (upstream);
  g_assert_cmpint (fate->outcome, ==, WEIR_OUTCOME_DEFERRED);
  g_assert_nonnull (strstr (fate->text, "no password is sent without TLS"));
  settings.auth_in_plaintext = TRUE;
  fate = relay_as (&settings, url, &open);
  g_assert_cmpint (fate->outcome, ==, WEIR_OUTCOME_DELIVERED);
  other = g_strdup_printf ("smtp://localhost:%s", without->port->str);
  fate = relay_as (&settings, other, &unknown);
  g_assert_cmpint (fate->outcome, ==, WEIR_OUTCOME_DEFERRED);
  g_assert_nonnull (strstr (fate->text, "no AUTH that we know"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/auth/session", test_session);
  g_test_add_func ("/auth/malformed", test_malformed);
  g_test_add_func ("/auth/too-often", test_too_often);
  g_test_add_func ("/auth/offered", test_offered);
  g_test_add_func ("/auth/trace", test_trace);
  g_test_add_func ("/auth/relay", test_relay);
  g_test_add_func ("/auth/relay-in-plaintext", test_relay_in_plaintext);
  return g_test_run ();
}
