/* The blocking client against a server that behaves, and one that does not: TLS policies, the
 * certificate's name, time-outs, answers at the wrong moment. */
#include "fake-server.h"

#include <signal.h>
#include <string.h>

#include "blocking/client.h"
#include "blocking/tls.h"

/* Lives until the test ends. */
static SSL_CTX *
context_for (const FakeServer *server, BlockingTlsPolicy tls)
{
  g_autoptr (GError) error = NULL;
  SSL_CTX *context = blocking_tls_client_context_new (tls == BLOCKING_TLS_POLICY_VERIFIED,
                                                      server->ca_file, NULL, NULL, &error);

  g_assert_no_error (error);
  g_test_queue_destroy ((GDestroyNotify) SSL_CTX_free, context);
  return context;
}

static BlockingOptions
options_for (const FakeServer *server, BlockingTlsPolicy tls)
{
  return (BlockingOptions){ .host = "127.0.0.1",
                            .port = server->port,
                            .implicit_tls = (server->flags & FAKE_SERVER_IMPLICIT) != 0,
                            .tls = tls,
                            .context = context_for (server, tls),
                            .hello = "client.example",
                            .timeout = 10000 };
}

static BlockingResult *
send_text (BlockingClient *client, const gchar *text, gsize length, GError **error)
{
  g_autoptr (BasePath) sender = base_path_new ("a@example.org", NULL);
  g_autoptr (BasePath) recipient = base_path_new ("b@example.net", NULL);
  const BasePath *recipients[] = { recipient };
  g_autoptr (BlockingResult) result = blocking_result_new ();

  if (!blocking_client_send (client, sender, recipients, 1, (const guint8 *) text, length, result,
                             error))
    return NULL;
  return g_steal_pointer (&result);
}

/* Sends one message and says good-bye. */
static void
deliver (FakeServer *server, const BlockingOptions *options)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BlockingClient) client = blocking_client_connect (options, NULL, &error);
  g_autoptr (BlockingResult) result = NULL;
  const gchar *expected = "DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\n";

  g_assert_no_error (error);
  result = send_text (client, "Subject: x\r\n\r\n.dot", 18, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (result->message->code, ==, 250);
  g_assert_cmpstr (result->message->text, ==, "taken");
  g_assert_cmpuint (result->recipients->len, ==, 1);
  g_assert_true (blocking_client_quit (client, &error));
  g_clear_pointer (&client, blocking_client_free);
  fake_server_stop (server);
  g_assert_nonnull (memmem (server->heard->data, server->heard->len, expected, strlen (expected)));
}

static void
test_plain (void)
{
  g_autoptr (FakeServer) server = fake_server_start (0);
  BlockingOptions options = options_for (server, BLOCKING_TLS_POLICY_OPPORTUNISTIC);

  deliver (server, &options);
}

static void
test_tls (void)
{
  static const FakeServerFlags flags[] = { FAKE_SERVER_STARTTLS, FAKE_SERVER_IMPLICIT };
  static const gchar *const hosts[] = { "127.0.0.1", "localhost" };

  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (FakeServer) server = fake_server_start (flags[i / 2]);
      BlockingOptions options = options_for (server, BLOCKING_TLS_POLICY_VERIFIED);

      options.host = hosts[i % 2];
      deliver (server, &options);
    }
}

static void
fail_to_connect (FakeServer *server, const BlockingOptions *options, WeirError code,
                 const gchar *words)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BlockingClient) client = blocking_client_connect (options, NULL, &error);

  g_assert_null (client);
  g_assert_error (error, WEIR_ERROR, (gint) code);
  g_assert_nonnull (strstr (error->message, words));
  fake_server_stop (server);
}

static void
test_certificate (void)
{
  g_autoptr (FakeServer) server = fake_server_start (FAKE_SERVER_STARTTLS);
  g_autoptr (FakeServer) other = fake_server_start (FAKE_SERVER_STARTTLS);
  BlockingOptions options = options_for (server, BLOCKING_TLS_POLICY_VERIFIED);

  /* An authority that we do not know: that of another server. */
  options.context = context_for (other, BLOCKING_TLS_POLICY_VERIFIED);
  fail_to_connect (server, &options, WEIR_ERROR_TLS, "certificate");
  /* A name that leads to the server, and is not in its certificate. */
  options = options_for (other, BLOCKING_TLS_POLICY_VERIFIED);
  options.host = "127.1";
  fail_to_connect (other, &options, WEIR_ERROR_TLS, "ostname mismatch");
}

/* Encryption without authentication, and none at all, where the policy says so. */
static void
test_unverified (void)
{
  g_autoptr (FakeServer) server = fake_server_start (FAKE_SERVER_STARTTLS);
  g_autoptr (FakeServer) plain = fake_server_start (FAKE_SERVER_STARTTLS);
  BlockingOptions options = options_for (server, BLOCKING_TLS_POLICY_REQUIRED);

  deliver (server, &options);
  g_assert_nonnull (memmem (server->heard->data, server->heard->len, "STARTTLS", 8));
  options = options_for (plain, BLOCKING_TLS_POLICY_OFF);
  deliver (plain, &options);
  g_assert_null (memmem (plain->heard->data, plain->heard->len, "STARTTLS", 8));
}

static void
test_tls_required (void)
{
  g_autoptr (FakeServer) server = fake_server_start (0);
  BlockingOptions options = options_for (server, BLOCKING_TLS_POLICY_REQUIRED);

  fail_to_connect (server, &options, WEIR_ERROR_DEFERRED, "4.7.4");
}

static void
test_refused_greeting (void)
{
  g_autoptr (FakeServer) server = fake_server_start (FAKE_SERVER_REFUSE_GREETING);
  BlockingOptions options = options_for (server, BLOCKING_TLS_POLICY_OFF);

  fail_to_connect (server, &options, WEIR_ERROR_REFUSED, "554 5.7.1 go away");
}

static void
test_silent (void)
{
  g_autoptr (FakeServer) server = fake_server_start (FAKE_SERVER_SILENT);
  BlockingOptions options = options_for (server, BLOCKING_TLS_POLICY_OFF);

  options.timeout = 100;
  fail_to_connect (server, &options, WEIR_ERROR_TIMEOUT, "too long");
}

static void
fail_to_send (FakeServerFlags flags, gsize length, const gchar *words)
{
  g_autoptr (FakeServer) server = fake_server_start (flags);
  BlockingOptions options = options_for (server, BLOCKING_TLS_POLICY_OPPORTUNISTIC);
  g_autoptr (GError) error = NULL;
  g_autoptr (BlockingClient) client = blocking_client_connect (&options, NULL, &error);
  g_autofree gchar *text = g_strnfill (length, 'x');
  g_autoptr (BlockingResult) result = NULL;

  g_assert_no_error (error);
  result = send_text (client, text, length, &error);
  g_assert_null (result);
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, words));
  g_clear_pointer (&client, blocking_client_free);
}

static void
test_lost_answer (void)
{
  fail_to_send (FAKE_SERVER_CLOSE_AT_DOT, 10, "may have been accepted");
  fail_to_send (FAKE_SERVER_CLOSE_AT_DOT | FAKE_SERVER_STARTTLS, 10, "may have been accepted");
}

static void
test_refused_in_data (void)
{
  fail_to_send (FAKE_SERVER_REFUSE_IN_DATA, 20000000, "552 5.3.4 too big");
}

static void
test_8bit (void)
{
  g_autoptr (FakeServer) server = fake_server_start (0);
  BlockingOptions options = options_for (server, BLOCKING_TLS_POLICY_OFF);
  const gchar *parameters[] = { "BODY=8BITMIME", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (BlockingClient) client = blocking_client_connect (&options, NULL, &error);
  g_autoptr (BasePath) sender = base_path_new ("a@example.org", parameters);
  const BasePath *recipients[] = { sender };
  g_autoptr (BlockingResult) result = blocking_result_new ();

  g_assert_true (blocking_client_send (client, sender, recipients, 1, (const guint8 *) "\xe4", 1,
                                       result, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (result->mail->code, ==, 554);
  g_assert_cmpuint (result->mail->enhanced[1], ==, 6);
  g_clear_pointer (&client, blocking_client_free);
}

/* One bad recipient does not fail the others; a message without a good one leaves the connection
 * fit for the next. */
static void
test_recipients (void)
{
  g_autoptr (FakeServer) server = fake_server_start (0);
  BlockingOptions options = options_for (server, BLOCKING_TLS_POLICY_OFF);
  g_autoptr (GError) error = NULL;
  g_autoptr (BlockingClient) client = blocking_client_connect (&options, NULL, &error);
  g_autoptr (BasePath) bad = base_path_new ("bad@example.org", NULL);
  g_autoptr (BasePath) good = base_path_new ("good@example.org", NULL);
  const BasePath *recipients[] = { bad, good };
  const guint8 *text = (const guint8 *) "x\r\n";

  for (guint count = 2; count > 0; count--)
    {
      g_autoptr (BlockingResult) result = blocking_result_new ();
      const BaseReply *first;

      blocking_client_send (client, good, recipients, count, text, 3, result, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (result->recipients->len, ==, count);
      first = result->recipients->pdata[0];
      g_assert_cmpuint (first->code, ==, 550);
      g_assert_cmpstr (first->text, ==, "bad\naddress");
      g_assert_cmpint (result->message != NULL, ==, count == 2);
    }
  g_assert_true (blocking_client_quit (client, &error));
  g_clear_pointer (&client, blocking_client_free);
}

static void
test_no_server (void)
{
  g_autoptr (FakeServer) server = fake_server_start (0);
  BlockingOptions options = options_for (server, BLOCKING_TLS_POLICY_OFF);
  g_autoptr (GError) error = NULL;

  deliver (server, &options);
  options.port = 1;
  g_assert_null (blocking_client_connect (&options, NULL, &error));
  g_assert_error (error, WEIR_ERROR, WEIR_ERROR_CONNECT);
}

static void
test_url (void)
{
  static const struct
  {
    const gchar *url;
    const gchar *host; /* NULL: an error */
    guint port;
    gboolean tls;
  } rows[] = {
    { "smtp://127.0.0.1:2525", "127.0.0.1", 2525, FALSE },
    { "smtp://mx.example.org", "mx.example.org", 25, FALSE },
    { "smtps://mx.example.org/", "mx.example.org", 465, TRUE },
    { "smtps://[::1]:2465", "::1", 2465, TRUE },
    { "lmtp://mx.example.org", "mx.example.org", 24, FALSE },
    { "lmtp:/run/lmtp", "/run/lmtp", 0, FALSE },
    { "lmtp:run/lmtp", NULL, 0, FALSE },
    { "http://mx.example.org", NULL, 0, FALSE },
    { "smtp://mx.example.org:70000", NULL, 0, FALSE },
    { "smtp://", NULL, 0, FALSE },
    { "mx.example.org:25", NULL, 0, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *host = NULL;
      guint port = 0;
      gboolean tls = FALSE;
      g_autoptr (GError) error = NULL;
      gboolean good = blocking_url_parse (rows[i].url, &host, &port, &tls, &error);

      g_assert_cmpint (good, ==, rows[i].host != NULL);
      g_assert_true (good || g_error_matches (error, WEIR_ERROR, WEIR_ERROR_URL));
      if (!good)
        continue;
      g_assert_cmpstr (host, ==, rows[i].host);
      g_assert_cmpuint (port, ==, rows[i].port);
      g_assert_cmpint (tls, ==, rows[i].tls);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* The fake server's OpenSSL writes to sockets that the client closed; the client itself raises
   * none. */
  signal (SIGPIPE, SIG_IGN);
  g_test_add_func ("/blocking/url", test_url);
  g_test_add_func ("/blocking/plain", test_plain);
  g_test_add_func ("/blocking/tls", test_tls);
  g_test_add_func ("/blocking/certificate", test_certificate);
  g_test_add_func ("/blocking/unverified", test_unverified);
  g_test_add_func ("/blocking/tls-required", test_tls_required);
  g_test_add_func ("/blocking/refused-greeting", test_refused_greeting);
  g_test_add_func ("/blocking/silent", test_silent);
  g_test_add_func ("/blocking/lost-answer", test_lost_answer);
  g_test_add_func ("/blocking/refused-in-data", test_refused_in_data);
  g_test_add_func ("/blocking/8bit", test_8bit);
  g_test_add_func ("/blocking/recipients", test_recipients);
  g_test_add_func ("/blocking/no-server", test_no_server);
  return g_test_run ();
}
