/* The server: what it listens at, what accept hands back, who serves a connection, and how it ends.
 */
#include <mailweir/smtp.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certificate.h"

static WeirServer *
start (const WeirSettings *settings)
{
  g_autoptr (GError) error = NULL;
  WeirServer *server = weir_server_new ("127.0.0.1", "0", settings, &error);

  g_assert_no_error (error);
  return server;
}

static int
connect_to (const WeirServer *server)
{
  struct sockaddr_in address = { .sin_family = AF_INET };
  struct timeval bound = { .tv_sec = 20 };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  address.sin_port = htons ((guint16) weir_server_port (server));
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  g_assert_cmpint (connect (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  return fd;
}

static void
say (int fd, const gchar *text)
{
  g_assert_cmpint (send (fd, text, strlen (text), MSG_NOSIGNAL), ==, (gssize) strlen (text));
}

/* All until the other side ends. */
static gchar *
hear_all (int fd)
{
  GString *heard = g_string_new (NULL);
  gchar piece[512];
  gssize done;

  while ((done = recv (fd, piece, sizeof piece, 0)) > 0)
    g_string_append_len (heard, piece, done);
  close (fd);
  return g_string_free (heard, FALSE);
}

/* The caller knows who is there before a word is said, and may leave it at that. */
static void
test_before_greeting (void)
{
  g_autoptr (WeirServer) server = start (NULL);
  g_autoptr (GError) error = NULL;
  int fd = connect_to (server);
  struct sockaddr_in own;
  socklen_t length = sizeof own;
  WeirSession *session = weir_server_accept (server, &error);
  gchar octet;
  g_autofree gchar *heard = NULL;

  g_assert_no_error (error);
  getsockname (fd, (struct sockaddr *) &own, &length);
  g_assert_cmpstr (weir_session_peer_address (session), ==, "127.0.0.1");
  g_assert_cmpuint (weir_session_peer_port (session), ==, ntohs (own.sin_port));
  g_assert_cmpint (weir_session_descriptor (session), >=, 0);
  g_assert_null (weir_session_tls (session));
  g_assert_cmpint (recv (fd, &octet, 1, MSG_DONTWAIT), ==, -1);
  g_assert_cmpint (errno, ==, EAGAIN);
  weir_session_free (session);
  heard = hear_all (fd);
  g_assert_cmpstr (heard, ==, "");
}

static const gchar script[]
    = "HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n";

static gpointer
serve (gpointer data)
{
  WeirSession *session = data;

  while (weir_session_process (session, NULL))
    weir_session_reply (session, 250, NULL, "Served");
  weir_session_free (session);
  return NULL;
}

static void
serve_in_fork (WeirSession *session)
{
  pid_t child = fork ();

  if (child == 0)
    {
      serve (session);
      _exit (0);
    }
  weir_session_free (session);
  g_assert_cmpint (waitpid (child, NULL, 0), ==, child);
}

/* In line, in a thread, in a fork; by one server, one after the other. */
static void
test_served (void)
{
  g_autoptr (WeirServer) server = start (NULL);

  for (guint i = 0; i < 3; i++)
    {
      int fd = connect_to (server);
      WeirSession *session = weir_server_accept (server, NULL);
      g_autofree gchar *heard = NULL;

      say (fd, script);
      if (i == 0)
        serve (session);
      else if (i == 1)
        g_thread_join (g_thread_new ("client", serve, session));
      else
        serve_in_fork (session);
      heard = hear_all (fd);
      g_assert_true (g_str_has_prefix (heard, "220 "));
      g_assert_true (g_str_has_suffix (heard, "\r\n250 Served\r\n221 Bye\r\n"));
    }
}

static gpointer
accept_one (gpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (weir_server_accept (data, &error));
  g_assert_error (error, WEIR_ERROR, WEIR_ERROR_STOPPED);
  return NULL;
}

static void
test_stop (void)
{
  g_autoptr (WeirServer) server = start (NULL);
  GThread *threads[2];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("accept", accept_one, server);
  weir_server_stop (server);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  accept_one (server);
}

/* What cannot be had comes back as an error; a port is free again at once. */
static void
test_bind (void)
{
  g_autoptr (WeirServer) server = start (NULL);
  g_autofree gchar *port = g_strdup_printf ("%u", weir_server_port (server));
  g_autoptr (GError) error = NULL;
  int one = 0;
  socklen_t length = sizeof one;
  int fd = connect_to (server);
  WeirSession *session = weir_server_accept (server, NULL);

  g_assert_null (weir_server_new ("127.0.0.1", port, NULL, &error));
  g_assert_error (error, WEIR_ERROR, WEIR_ERROR_BIND);
  g_assert_nonnull (strstr (error->message, port));
  g_clear_error (&error);
  g_assert_null (weir_server_new ("127.0.0.1", "no-such-service", NULL, &error));
  g_assert_error (error, WEIR_ERROR, WEIR_ERROR_BIND);
  g_clear_error (&error);
  g_assert_null (weir_server_new ("192.0.2.1", "0", NULL, &error));
  g_assert_error (error, WEIR_ERROR, WEIR_ERROR_BIND);
  g_clear_error (&error);
  /* Closed by the server's side first, the old connection stays behind for a while. */
  g_assert_cmpint (
      getsockopt (weir_session_descriptor (session), SOL_SOCKET, SO_REUSEADDR, &one, &length), ==,
      0);
  g_assert_cmpint (one, !=, 0);
  weir_session_free (session);
  g_clear_pointer (&server, weir_server_free);
  close (fd);
  server = weir_server_new ("127.0.0.1", port, NULL, &error);
  g_assert_no_error (error);
}

/* This host's name and port 25, if they can be had; else the error names them. */
static void
test_defaults (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (WeirServer) server = weir_server_new (NULL, NULL, NULL, &error);
  g_autofree gchar *expected = g_strdup_printf ("%s:25: ", g_get_host_name ());

  if (server != NULL)
    g_assert_cmpuint (weir_server_port (server), ==, 25);
  else
    g_assert_true (g_str_has_prefix (error->message, expected));
}

static void
test_certificates (void)
{
  WeirSettings settings = { .size = sizeof settings, .implicit_tls = TRUE };
  g_autofree gchar *first = certificate_file ();
  g_autofree gchar *second = certificate_file ();
  g_autoptr (GError) error = NULL;

  g_assert_null (weir_server_new ("127.0.0.1", "0", &settings, &error));
  g_assert_error (error, WEIR_ERROR, WEIR_ERROR_TLS);
  g_clear_error (&error);
  settings.certificate = "/nonexistent.pem";
  g_assert_null (weir_server_new ("127.0.0.1", "0", &settings, &error));
  g_assert_error (error, WEIR_ERROR, WEIR_ERROR_TLS);
  g_assert_nonnull (strstr (error->message, "/nonexistent.pem"));
  g_clear_error (&error);
  settings.certificate = first;
  settings.key = second;
  g_assert_null (weir_server_new ("127.0.0.1", "0", &settings, &error));
  g_assert_error (error, WEIR_ERROR, WEIR_ERROR_TLS);
  g_unlink (first);
  g_unlink (second);
}

/* A client that speaks plaintext where TLS is due ends its own session, not the server. */
static void
test_no_handshake (void)
{
  g_autofree gchar *pem = certificate_file ();
  WeirSettings settings = { .size = sizeof settings, .certificate = pem, .implicit_tls = TRUE };
  g_autoptr (WeirServer) server = start (&settings);
  g_autoptr (GError) error = NULL;
  int fd = connect_to (server);
  g_autoptr (WeirSession) session = weir_server_accept (server, NULL);

  say (fd, "EHLO plaintext.example\r\n");
  g_assert_false (weir_session_process (session, &error));
  g_assert_error (error, WEIR_ERROR, WEIR_ERROR_TLS);
  close (fd);
  g_unlink (pem);
}

static gpointer
give_back (gpointer data)
{
  int *taken = data;

  g_usleep (50000);
  for (guint i = 0; i < 64 && taken[i] >= 0; i++)
    close (taken[i]);
  return NULL;
}

/* Without descriptors the server waits until there are some. */
static void
test_scarce (void)
{
  g_autoptr (WeirServer) server = start (NULL);
  int fd = connect_to (server);
  struct rlimit old;
  struct rlimit low;
  int taken[64];
  guint count = 0;
  GThread *thread;
  g_autoptr (WeirSession) session = NULL;

  getrlimit (RLIMIT_NOFILE, &old);
  low = (struct rlimit){ (rlim_t) fd + 32, old.rlim_max };
  setrlimit (RLIMIT_NOFILE, &low);
  while (count < 63 && (taken[count] = dup (fd)) >= 0)
    count++;
  taken[count] = -1;
  thread = g_thread_new ("give back", give_back, taken);
  session = weir_server_accept (server, NULL);
  g_assert_nonnull (session);
  g_thread_join (thread);
  setrlimit (RLIMIT_NOFILE, &old);
  close (fd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/server/before-greeting", test_before_greeting);
  g_test_add_func ("/server/served", test_served);
  g_test_add_func ("/server/stop", test_stop);
  g_test_add_func ("/server/bind", test_bind);
  g_test_add_func ("/server/defaults", test_defaults);
  g_test_add_func ("/server/certificates", test_certificates);
  g_test_add_func ("/server/no-handshake", test_no_handshake);
  g_test_add_func ("/server/scarce", test_scarce);
  return g_test_run ();
}
