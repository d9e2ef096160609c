/* The fake server of the blocking tests; see the header. */
#include "fake-server.h"

#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "certificate.h"

typedef struct
{
  FakeServer *server;
  int fd;
  SSL *tls;
  gboolean open;
} Connection;

static void
make_tls (FakeServer *server)
{
  EVP_PKEY *key;
  X509 *certificate = certificate_make (&key);
  SSL_CTX *context = SSL_CTX_new (TLS_server_method ());
  int fd = g_file_open_tmp ("mailweir-test-XXXXXX.pem", &server->ca_file, NULL);
  FILE *file = fdopen (fd, "w");

  PEM_write_X509 (file, certificate);
  fclose (file);
  SSL_CTX_use_certificate (context, certificate);
  SSL_CTX_use_PrivateKey (context, key);
  X509_free (certificate);
  EVP_PKEY_free (key);
  server->tls = context;
}

static void
say (Connection *connection, const gchar *text)
{
  if (connection->tls != NULL)
    SSL_write (connection->tls, text, (int) strlen (text));
  else
    send (connection->fd, text, strlen (text), MSG_NOSIGNAL);
}

/* One octet a call is slow and simple. FALSE: the client has gone. */
static gboolean
hear (Connection *connection, guint8 *octet)
{
  gssize done = connection->tls != NULL ? SSL_read (connection->tls, octet, 1)
                                        : recv (connection->fd, octet, 1, 0);

  if (done != 1)
    return FALSE;
  g_byte_array_append (connection->server->heard, octet, 1);
  return TRUE;
}

static gboolean
hear_line (Connection *connection, GString *line)
{
  guint8 octet;

  g_string_truncate (line, 0);
  while (hear (connection, &octet))
    {
      g_string_append_c (line, (gchar) octet);
      if (octet == '\n')
        return TRUE;
    }
  return FALSE;
}

static void
switch_to_tls (Connection *connection)
{
  connection->tls = SSL_new (connection->server->tls);
  SSL_set_fd (connection->tls, connection->fd);
  connection->open = SSL_accept (connection->tls) == 1;
}

static void
take_data (Connection *connection, GString *line)
{
  guint8 octet;

  say (connection, "354 go\r\n");
  if (connection->server->flags & FAKE_SERVER_REFUSE_IN_DATA)
    {
      hear (connection, &octet);
      say (connection, "552 5.3.4 too big\r\n");
      connection->open = FALSE;
      return;
    }
  while (hear_line (connection, line) && !g_str_equal (line->str, ".\r\n"))
    ;
  if (connection->server->flags & FAKE_SERVER_CLOSE_AT_DOT)
    connection->open = FALSE;
  else
    say (connection, "250 2.0.0 taken\r\n");
}

static void
greet (Connection *connection)
{
  FakeServerFlags flags = connection->server->flags;

  say (connection, "250-fake\r\n");
  if (flags & FAKE_SERVER_8BITMIME)
    say (connection, "250-8BITMIME\r\n");
  if ((flags & FAKE_SERVER_STARTTLS) && connection->tls == NULL)
    say (connection, "250-STARTTLS\r\n");
  say (connection, "250 PIPELINING\r\n");
}

static void
answer (Connection *connection, GString *line)
{
  if (g_str_has_prefix (line->str, "EHLO"))
    greet (connection);
  else if (g_str_has_prefix (line->str, "STARTTLS"))
    {
      say (connection, "220 go\r\n");
      switch_to_tls (connection);
    }
  else if (g_str_has_prefix (line->str, "DATA"))
    take_data (connection, line);
  else if (g_str_has_prefix (line->str, "QUIT"))
    {
      say (connection, "221 bye\r\n");
      connection->open = FALSE;
    }
  else if (strstr (line->str, "<bad@") != NULL)
    say (connection, "550-5.1.1 bad\r\n550 5.1.1 address\r\n");
  else
    say (connection, "250 2.1.0 fine\r\n");
}

static void
close_connection (Connection *connection)
{
  guint8 rest[4096];

  /* What the client still sends is read first: a reset would take our last words away from it. */
  shutdown (connection->fd, SHUT_WR);
  while (recv (connection->fd, rest, sizeof rest, 0) > 0)
    ;
  SSL_free (connection->tls);
  close (connection->fd);
}

static gpointer
serve (gpointer data)
{
  FakeServer *server = data;
  g_autoptr (GString) line = g_string_new (NULL);
  struct pollfd watched = { .fd = server->listener, .events = POLLIN };
  struct timeval bound = { .tv_sec = 20 };
  Connection connection = { .server = server, .open = TRUE };

  if (poll (&watched, 1, 20000) != 1)
    return NULL;
  connection.fd = accept (server->listener, NULL, NULL);
  setsockopt (connection.fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  if (server->flags & FAKE_SERVER_IMPLICIT)
    switch_to_tls (&connection);
  if (server->flags & FAKE_SERVER_REFUSE_GREETING)
    say (&connection, "554 5.7.1 go away\r\n");
  else if ((server->flags & FAKE_SERVER_SILENT) == 0 && connection.open)
    say (&connection, "220 fake\r\n");
  while (connection.open && hear_line (&connection, line))
    answer (&connection, line);
  close_connection (&connection);
  return NULL;
}

FakeServer *
fake_server_start (FakeServerFlags flags)
{
  FakeServer *server = g_new0 (FakeServer, 1);
  struct sockaddr_in address = { .sin_family = AF_INET };
  socklen_t length = sizeof address;

  server->flags = flags;
  server->heard = g_byte_array_new ();
  if (flags & (FAKE_SERVER_STARTTLS | FAKE_SERVER_IMPLICIT))
    make_tls (server);
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  server->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (server->listener, (struct sockaddr *) &address, length), ==, 0);
  g_assert_cmpint (listen (server->listener, 1), ==, 0);
  getsockname (server->listener, (struct sockaddr *) &address, &length);
  server->port = ntohs (address.sin_port);
  server->thread = g_thread_new ("server", serve, server);
  return server;
}

void
fake_server_stop (FakeServer *server)
{
  if (server->thread != NULL)
    g_thread_join (g_steal_pointer (&server->thread));
}

void
fake_server_free (FakeServer *server)
{
  fake_server_stop (server);
  close (server->listener);
  SSL_CTX_free (server->tls);
  if (server->ca_file != NULL)
    unlink (server->ca_file);
  g_free (server->ca_file);
  g_byte_array_unref (server->heard);
  g_free (server);
}
