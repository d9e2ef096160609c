/* The relay: what each recipient hears, whichever way a server or a name server fails. */
#include <mailweir/smtp.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#include "certificate.h"
#include "fake-server.h"
#include "upstream.h"

/* Recipients separated by spaces. */
static WeirMail *
make_mail (const gchar *recipients, const gchar *content)
{
  g_autoptr (GError) error = NULL;
  WeirMail *mail = weir_mail_new ("a@b.test", NULL, &error);
  g_auto (GStrv) each = g_strsplit (recipients, " ", -1);

  for (guint i = 0; each[i] != NULL; i++)
    weir_mail_add_recipient (mail, each[i], NULL, &error);
  weir_mail_append (mail, content, strlen (content), &error);
  g_assert_no_error (error);
  return mail;
}

static WeirRelayResult *
relay_to (const gchar *url, WeirMail *mail, GError **error)
{
  WeirRelaySettings settings = { .size = sizeof settings, .timeout = 10000 };
  g_autoptr (WeirRelay) relay = weir_relay_new (&settings);

  return weir_relay_to_url (relay, mail, url, error);
}

static void
check_fate (const WeirRelayResult *result, guint index, WeirOutcome outcome, const gchar *reply)
{
  const WeirFate *fate = weir_relay_result_fate (result, index);
  g_autofree gchar *said = g_strdup_printf ("%u %s %s", fate->code, fate->enhanced, fate->text);

  g_assert_cmpint (fate->outcome, ==, outcome);
  if (!g_str_has_prefix (said, reply))
    g_assert_cmpstr (said, ==, reply);
}

static void
test_fates (void)
{
  g_autoptr (Upstream) upstream = upstream_start (NULL);
  g_autofree gchar *url = g_strdup_printf ("smtp://127.0.0.1:%s", upstream->port->str);
  g_autoptr (WeirMail) mail
      = make_mail ("good@x.test bad@x.test later@x.test", "S: x\r\n\r\n.dot\r\n\xe4\r\n");
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirRelayResult) result = relay_to (url, mail, &error);
  WeirMail *taken;
  gsize length = 0;

  g_assert_no_error (error);
  g_assert_null (weir_relay_result_error (result));
  g_assert_cmpuint (weir_relay_result_count (result), ==, 3);
  check_fate (result, 0, WEIR_OUTCOME_DELIVERED, "250 2.0.0 Ok");
  check_fate (result, 1, WEIR_OUTCOME_REFUSED, "550 5.1.1 No such\nuser");
  check_fate (result, 2, WEIR_OUTCOME_DEFERRED, "450 4.2.1 Mailbox busy");
  g_assert_cmpstr (weir_relay_result_worst (result)->recipient, ==, "bad@x.test");
  g_assert_cmpstr (weir_relay_result_fate (result, 2)->host, ==, url + strlen ("smtp://"));
  upstream_stop (upstream);
  g_assert_cmpuint (upstream->mails->len, ==, 1);
  taken = upstream->mails->pdata[0];
  g_assert_cmpstr (weir_mail_sender (taken), ==, "a@b.test");
  g_assert_cmpstr (weir_mail_sender_parameters (taken)[0], ==, "SIZE=17");
  g_assert_cmpstr (weir_mail_sender_parameters (taken)[1], ==, "BODY=8BITMIME");
  g_assert_cmpuint (weir_mail_recipient_count (taken), ==, 1);
  g_assert_cmpmem (weir_mail_bytes (taken, &length, NULL), length, "S: x\r\n\r\n.dot\r\n\xe4\r\n",
                   17);
}

/* The message is refused: so is everybody who was accepted. */
static void
test_refused (void)
{
  g_autoptr (Upstream) upstream = upstream_start (NULL);
  g_autofree gchar *url = g_strdup_printf ("smtp://127.0.0.1:%s", upstream->port->str);
  g_autoptr (WeirMail) mail = make_mail ("one@x.test later@x.test two@x.test", "x\r\n");
  g_autoptr (WeirRelayResult) result = NULL;

  upstream->answer = "552 Too heavy";
  result = relay_to (url, mail, NULL);
  check_fate (result, 0, WEIR_OUTCOME_REFUSED, "552  Too heavy");
  check_fate (result, 1, WEIR_OUTCOME_DEFERRED, "450 4.2.1 ");
  check_fate (result, 2, WEIR_OUTCOME_REFUSED, "552  Too heavy");
}

/* Not reached, refused at the door, hung up, lost behind the final dot. */
static void
test_failures (void)
{
  static const struct
  {
    FakeServerFlags flags;
    WeirOutcome outcome;
    const gchar *reply;
    gboolean in_doubt;
  } rows[] = {
    { FAKE_SERVER_REFUSE_GREETING, WEIR_OUTCOME_REFUSED, "554 5.7.1 go away", FALSE },
    { FAKE_SERVER_CLOSE_AT_DOT, WEIR_OUTCOME_DEFERRED, "451 4.4.2 ", TRUE },
    { FAKE_SERVER_REFUSE_IN_DATA, WEIR_OUTCOME_REFUSED, "552 5.3.4 too big", FALSE },
  };
  g_autofree gchar *large = g_strnfill (20000000, 'x');

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (FakeServer) server = fake_server_start (rows[i].flags);
      g_autofree gchar *url = g_strdup_printf ("smtp://127.0.0.1:%u", server->port);
      g_autoptr (WeirMail) mail = make_mail ("one@x.test bad@x.test", i == 2 ? large : "x\r\n");
      g_autoptr (WeirRelayResult) result = relay_to (url, mail, NULL);

      check_fate (result, 0, rows[i].outcome, rows[i].reply);
      g_assert_cmpint (weir_relay_result_fate (result, 0)->in_doubt, ==, rows[i].in_doubt);
      if (i > 0)
        check_fate (result, 1, WEIR_OUTCOME_REFUSED, "550 5.1.1 bad\naddress");
      g_assert_nonnull (weir_relay_result_error (result));
    }
}

static void
test_not_reached (void)
{
  g_autoptr (WeirMail) mail = make_mail ("one@x.test", "x\r\n");
  g_autoptr (WeirRelayResult) result = relay_to ("smtp://127.0.0.1:1", mail, NULL);

  check_fate (result, 0, WEIR_OUTCOME_DEFERRED, "451 4.4.1 ");
  g_assert_error (weir_relay_result_error (result), WEIR_ERROR, WEIR_ERROR_CONNECT);
}

/* What makes trying pointless. */
static void
test_errors (void)
{
  static const gchar *const urls[] = { "http://x", "x.test", "smtp://x:99999", "mx:x.test" };
  static const gchar *const contents[] = { "a\nb\r\n", "a\r\r\n", "a\r", "\n" };
  g_autoptr (WeirMail) mail = make_mail ("one@x.test", "x\r\n");
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirMail) empty = weir_mail_new ("", NULL, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (urls); i++)
    {
      g_assert_null (relay_to (urls[i], mail, &error));
      g_assert_error (error, WEIR_ERROR, WEIR_ERROR_URL);
      g_clear_error (&error);
    }
  for (guint i = 0; i < G_N_ELEMENTS (contents); i++)
    {
      g_autoptr (WeirMail) bad = make_mail ("one@x.test", contents[i]);

      g_assert_null (relay_to ("smtp://127.0.0.1:1", bad, &error));
      g_assert_error (error, WEIR_ERROR, WEIR_ERROR_CONTENT);
      g_clear_error (&error);
    }
  g_assert_null (relay_to ("mx:", empty, &error));
  g_assert_error (error, WEIR_ERROR, WEIR_ERROR_INCOMPLETE);
  g_clear_error (&error);
  g_assert_null (relay_to ("mx:", NULL, &error));
  g_assert_error (error, WEIR_ERROR, WEIR_ERROR_INCOMPLETE);
}

static void
test_addresses (void)
{
  static const gchar *const bad[] = { "a b@c", "a@b> SIZE=1", "a@b\r\nRSET", "@" };
  const gchar *parameters[] = { "NOTIFY=NEVER RSET", NULL };
  const gchar *broken[] = { "A=\r\n", NULL };
  g_autoptr (WeirMail) mail = weir_mail_new ("", NULL, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_assert_null (weir_mail_new (bad[i], NULL, NULL));
      g_assert_false (weir_mail_add_recipient (mail, bad[i], NULL, NULL));
    }
  g_assert_false (weir_mail_add_recipient (mail, "", NULL, NULL));
  g_assert_false (weir_mail_add_recipient (mail, "a@b", parameters, NULL));
  g_assert_false (weir_mail_add_recipient (mail, "a@b", broken, NULL));
  g_assert_true (weir_mail_add_recipient (mail, "postmaster", NULL, NULL));
  g_assert_cmpuint (weir_mail_recipient_count (mail), ==, 1);
}

/* STARTTLS and TLS from the first octet, the certificate checked; and a client that must use it. */
static void
test_tls (void)
{
  g_autofree gchar *pem = certificate_file ();
  WeirRelaySettings verified
      = { .size = sizeof verified, .tls = WEIR_TLS_VERIFIED, .authorities = pem, .timeout = 10000 };
  g_autoptr (WeirRelay) relay = weir_relay_new (&verified);
  g_autoptr (WeirMail) mail = make_mail ("one@x.test", "x\r\n");

  for (guint i = 0; i < 3; i++)
    {
      WeirSettings settings
          = { .size = sizeof settings, .certificate = pem, .implicit_tls = i == 1 };
      g_autoptr (Upstream) upstream = NULL;
      g_autofree gchar *url = NULL;
      g_autoptr (WeirRelayResult) result = NULL;

      settings.require_tls = i == 2;
      upstream = upstream_start (&settings);
      url = g_strdup_printf ("%s://localhost:%s", i == 1 ? "smtps" : "smtp", upstream->port->str);
      result = i < 2 ? weir_relay_to_url (relay, mail, url, NULL) : NULL;
      if (i == 2)
        {
          WeirRelaySettings plain = { .size = sizeof plain, .tls = WEIR_TLS_OFF };
          g_autoptr (WeirRelay) other = weir_relay_new (&plain);

          result = weir_relay_to_url (other, mail, url, NULL);
          check_fate (result, 0, WEIR_OUTCOME_REFUSED, "530 5.7.0 ");
          continue;
        }
      check_fate (result, 0, WEIR_OUTCOME_DELIVERED, "250 ");
      upstream_stop (upstream);
      g_assert_cmpstr (upstream->tls->str, ==, "yes");
    }
  g_unlink (pem);
}

/* ---- By mail host ---- */

typedef struct
{
  GString *asked;
  const gchar *hosts; /* separated by spaces; NULL: an error */
} Names;

static gboolean
resolve (const char *domain, GPtrArray *hosts, gpointer data, GError **error)
{
  Names *names = data;
  g_auto (GStrv) each = NULL;

  g_string_append_printf (names->asked, "%s ", domain);
  if (names->hosts == NULL)
    {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_CONNECT, "no name server");
      return FALSE;
    }
  each = g_strsplit (names->hosts, " ", -1);
  for (guint i = 0; each[i] != NULL && *each[i] != '\0'; i++)
    g_ptr_array_add (hosts, g_strdup (each[i]));
  return TRUE;
}

static WeirRelayResult *
relay_by_mx (Upstream *upstream, const gchar *hosts, const gchar *recipients, GString *asked)
{
  WeirRelaySettings settings = { .size = sizeof settings, .timeout = 10000 };
  g_autoptr (WeirRelay) relay = NULL;
  g_autoptr (WeirMail) mail = make_mail (recipients, "x\r\n");
  g_autoptr (GError) error = NULL;
  Names names = { asked, hosts };
  WeirRelayResult *result;

  settings.port = (guint) g_ascii_strtoull (upstream->port->str, NULL, 10);
  relay = weir_relay_new (&settings);
  weir_relay_set_resolver (relay, resolve, &names);
  result = weir_relay_to_url (relay, mail, "mx:", &error);
  g_assert_no_error (error);
  return result;
}

static void
check_mx (const gchar *hosts, const gchar *recipient, WeirOutcome outcome, const gchar *reply,
          gint sessions)
{
  g_autoptr (Upstream) upstream = upstream_start (NULL);
  g_autoptr (GString) asked = g_string_new (NULL);
  g_autoptr (WeirRelayResult) result = relay_by_mx (upstream, hosts, recipient, asked);

  check_fate (result, 0, outcome, reply);
  upstream_stop (upstream);
  g_assert_cmpint (upstream->sessions, ==, sessions);
}

static void
test_mx (void)
{
  /* In order; the next one when one cannot be reached, or defers; not when one has answered. */
  check_mx ("127.0.0.1", "a@x.test", WEIR_OUTCOME_DELIVERED, "250 ", 1);
  check_mx ("127.0.0.1:1 127.0.0.1", "a@x.test", WEIR_OUTCOME_DELIVERED, "250 ", 1);
  check_mx ("127.0.0.1 127.0.0.1", "a@x.test", WEIR_OUTCOME_DELIVERED, "250 ", 1);
  check_mx ("127.0.0.1 127.0.0.1", "later@x.test", WEIR_OUTCOME_DEFERRED, "450 ", 2);
  check_mx ("127.0.0.1 127.0.0.1", "bad@x.test", WEIR_OUTCOME_REFUSED, "550 ", 1);
  check_mx ("127.0.0.1:1", "a@x.test", WEIR_OUTCOME_DEFERRED, "451 4.4.1 ", 0);
  /* No MX record: the domain's own address. */
  check_mx ("", "a@localhost", WEIR_OUTCOME_DELIVERED, "250 ", 1);
  check_mx ("", "a@[127.0.0.1]", WEIR_OUTCOME_DELIVERED, "250 ", 1);
  /* No mail at all, no name server, no usable host. */
  check_mx (".", "a@x.test", WEIR_OUTCOME_REFUSED, "556 5.1.10 ", 0);
  check_mx (NULL, "a@x.test", WEIR_OUTCOME_DEFERRED, "451 4.4.3 no name server", 0);
  check_mx ("host:99999", "a@x.test", WEIR_OUTCOME_DEFERRED, "451 4.4.4 ", 0);
}

/* One transaction a domain, with all its recipients; one that refuses at its door is passed over.
 */
static void
test_domains (void)
{
  g_autoptr (Upstream) upstream = upstream_start (NULL);
  g_autoptr (FakeServer) closed = fake_server_start (FAKE_SERVER_REFUSE_GREETING);
  g_autoptr (GString) asked = g_string_new (NULL);
  g_autofree gchar *hosts = g_strdup_printf ("127.0.0.1:%u 127.0.0.1", closed->port);
  g_autoptr (WeirRelayResult) first
      = relay_by_mx (upstream, "127.0.0.1", "a@X.test b@y.test bad@x.test", asked);
  g_autoptr (WeirRelayResult) second = relay_by_mx (upstream, hosts, "c@z.test", asked);

  check_fate (first, 0, WEIR_OUTCOME_DELIVERED, "250 ");
  check_fate (first, 1, WEIR_OUTCOME_DELIVERED, "250 ");
  check_fate (first, 2, WEIR_OUTCOME_REFUSED, "550 ");
  check_fate (second, 0, WEIR_OUTCOME_DELIVERED, "250 ");
  g_assert_cmpstr (asked->str, ==, "x.test y.test z.test ");
  upstream_stop (upstream);
  g_assert_cmpuint (upstream->mails->len, ==, 3);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* The fake server's OpenSSL writes to sockets that the client closed. */
  signal (SIGPIPE, SIG_IGN);
  g_test_add_func ("/relay/fates", test_fates);
  g_test_add_func ("/relay/refused", test_refused);
  g_test_add_func ("/relay/failures", test_failures);
  g_test_add_func ("/relay/not-reached", test_not_reached);
  g_test_add_func ("/relay/errors", test_errors);
  g_test_add_func ("/relay/addresses", test_addresses);
  g_test_add_func ("/relay/tls", test_tls);
  g_test_add_func ("/relay/mx", test_mx);
  g_test_add_func ("/relay/domains", test_domains);
  return g_test_run ();
}
