/* TLS towards an upstream is resumed at the second connection, never for another name, and with a
 * server that has forgotten it by a full handshake. */
#include "support.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls.h"

static SSL_CTX *
server_context (const TestPair *pair, gint protocol)
{
  SSL_CTX *context = SSL_CTX_new (TLS_server_method ());

  SSL_CTX_use_certificate (context, pair->x509);
  SSL_CTX_use_PrivateKey (context, pair->pkey);
  SSL_CTX_set_max_proto_version (context, protocol);
  return context;
}

/* One connection. Returns whether it was resumed. */
static gboolean
connect_once (SSL_CTX *server, SSL_CTX *client, const ConfigRoute *route, const gchar *host)
{
  NetStream stream = NET_STREAM_INIT;
  guint8 bytes[NET_STREAM_RECORD];
  gint fds[2], accepted = 0, status = -EAGAIN;

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), ==, 0);
  net_stream_init (&stream, fds[0]);
  SSL *peer = SSL_new (server);
  SSL_set_fd (peer, fds[1]);
  g_assert_true (net_tls_start_client (&stream, client, route, host, NULL));
  for (guint i = 0; i < 20 && (accepted != 1 || status != 0); i++)
    {
      if (status != 0)
        status = net_stream_handshake (&stream, NULL);
      if (accepted != 1)
        accepted = SSL_accept (peer);
    }
  g_assert_cmpint (accepted, ==, 1);
  g_assert_cmpint (status, ==, 0);
  g_assert_cmpint (SSL_write (peer, "x", 1), ==, 1);
  g_assert_cmpint (net_stream_read (&stream, bytes, sizeof bytes), ==, 1);
  gboolean resumed = SSL_session_reused (stream.ssl);
  g_assert_cmpint (resumed, ==, SSL_session_reused (peer));
  net_stream_close (&stream);
  SSL_set_quiet_shutdown (peer, 1);
  SSL_shutdown (peer); /* else the server takes the session for a broken one */
  SSL_free (peer);
  close (fds[1]);
  return resumed;
}

static void
test_resumed (gconstpointer protocol)
{
  ConfigRoute route = { .name = (gchar *) "r", .tls = CONFIG_UPSTREAM_TLS_REQUIRED };
  g_autoptr (TestPair) pair = test_pair_new ("mx.example.org", NULL, 30);
  SSL_CTX *server = server_context (pair, GPOINTER_TO_INT (protocol));
  SSL_CTX *restarted = server_context (pair, GPOINTER_TO_INT (protocol));
  SSL_CTX *client = net_tls_client_context_new (&route, NULL, NULL);
  SSL_CTX *other = net_tls_client_context_new (&route, NULL, NULL);

  g_assert_false (connect_once (server, client, &route, "mx.example.org"));
  g_assert_true (connect_once (server, client, &route, "mx.example.org"));
  g_assert_false (connect_once (server, other, &route, "mx.example.org")); /* another host's */
  if (GPOINTER_TO_INT (protocol) == TLS1_3_VERSION) /* older ones send no second ticket */
    g_assert_true (connect_once (server, client, &route, "mx.example.org"));
  g_assert_false (connect_once (server, client, &route, "mx2.example.org"));
  g_assert_true (connect_once (server, client, &route, "mx2.example.org"));
  g_assert_false (connect_once (restarted, client, &route, "mx2.example.org"));
  g_assert_true (connect_once (restarted, client, &route, "mx2.example.org"));
  SSL_CTX_free (server);
  SSL_CTX_free (restarted);
  SSL_CTX_free (client);
  SSL_CTX_free (other);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/net/resume/1.2", GINT_TO_POINTER (TLS1_2_VERSION), test_resumed);
  g_test_add_data_func ("/net/resume/1.3", GINT_TO_POINTER (TLS1_3_VERSION), test_resumed);
  return g_test_run ();
}
