/* Blocking streams over non-blocking sockets: connect and wait by poll(2), octets by recv and send
 * or through TLS. */
#include "blocking/stream.h"
#include "base/network.h"
#include "blocking/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct _BlockingStream
{
  int fd;
  const gchar *peer;         /* "server" or "client", for errors */
  SSL *tls;                  /* NULL: plaintext */
  gboolean read_wants_write; /* TLS cannot read before it has written */
  gboolean write_wants_read;
};

GQuark
weir_error_quark (void)
{
  return g_quark_from_static_string ("weir-error-quark");
}

void
blocking_stream_free (BlockingStream *stream)
{
  if (stream == NULL)
    return;
  if (stream->tls != NULL && SSL_is_init_finished (stream->tls))
    SSL_shutdown (stream->tls);
  SSL_free (stream->tls);
  close (stream->fd);
  g_free (stream);
}

static gboolean
wait_for (int fd, const gchar *peer, short events, gint64 deadline, GError **error)
{
  struct pollfd watched = { .fd = fd, .events = events };
  int ready;

  do
    {
      gint64 left = (deadline - g_get_monotonic_time () + 999) / 1000;

      ready = poll (&watched, 1, (int) CLAMP (left, 0, G_MAXINT));
    }
  while (ready < 0 && errno == EINTR);
  if (ready > 0)
    return TRUE;
  if (ready == 0)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_TIMEOUT, "the %s took too long", peer);
  else
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_CLOSED, "poll: %s", g_strerror (errno));
  return FALSE;
}

/* FALSE: `*error` says why. */
static gboolean
finish_connect (int fd, const struct addrinfo *address, gint64 deadline, GError **error)
{
  int failure = 0;
  socklen_t size = sizeof failure;

  if (connect (fd, address->ai_addr, address->ai_addrlen) < 0)
    {
      if (errno != EINPROGRESS)
        failure = errno;
      else if (!wait_for (fd, "server", POLLOUT, deadline, error))
        return FALSE;
      else if (getsockopt (fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0)
        failure = errno;
    }
  if (failure == 0)
    return TRUE;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_CONNECT, "%s", g_strerror (failure));
  return FALSE;
}

static BlockingStream *
stream_new (int fd, const gchar *peer)
{
  BlockingStream *stream = g_new0 (BlockingStream, 1);
  int one = 1;

  /* Fails on a UNIX socket, which delays nothing anyway. */
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  stream->fd = fd;
  stream->peer = peer;
  return stream;
}

BlockingStream *
blocking_stream_new (int fd)
{
  fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
  return stream_new (fd, "client");
}

int
blocking_stream_descriptor (const BlockingStream *stream)
{
  return stream->fd;
}

static BlockingStream *
connect_one (const struct addrinfo *address, guint timeout, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + (gint64) timeout * 1000;
  int fd = socket (address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                   address->ai_protocol);

  if (fd < 0)
    {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_CONNECT, "%s", g_strerror (errno));
      return NULL;
    }
  if (!finish_connect (fd, address, deadline, error))
    {
      close (fd);
      return NULL;
    }
  return stream_new (fd, "server");
}

static BlockingStream *
connect_socket (const gchar *path, guint timeout, GError **error)
{
  BaseEndpoint endpoint;
  struct addrinfo address = { .ai_family = AF_UNIX, .ai_socktype = SOCK_STREAM };
  BlockingStream *stream = NULL;

  if (base_endpoint_parse (path, &endpoint, NULL))
    {
      address.ai_addr = &endpoint.address.any;
      address.ai_addrlen = endpoint.length;
      stream = connect_one (&address, timeout, error);
    }
  else
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_CONNECT, "the path is too long");
  if (stream == NULL)
    g_prefix_error (error, "%s: ", path);
  return stream;
}

BlockingStream *
blocking_stream_connect (const gchar *host, guint port, guint timeout, GError **error)
{
  struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
  struct addrinfo *addresses = NULL;
  BlockingStream *stream = NULL;
  gchar service[16];
  int failure;

  if (*host == '/')
    return connect_socket (host, timeout, error);
  g_snprintf (service, sizeof service, "%u", port);
  failure = getaddrinfo (host, service, &hints, &addresses);
  if (failure != 0)
    {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_CONNECT, "%s: %s", host, gai_strerror (failure));
      return NULL;
    }
  for (struct addrinfo *address = addresses; address != NULL && stream == NULL;
       address = address->ai_next)
    {
      g_clear_error (error);
      stream = connect_one (address, timeout, error);
    }
  freeaddrinfo (addresses);
  if (stream == NULL)
    g_prefix_error (error, "%s:%u: ", host, port);
  return stream;
}

gboolean
blocking_stream_wait (BlockingStream *stream, gboolean writing, gint64 deadline, GError **error)
{
  short events = POLLIN;

  if ((writing && !stream->write_wants_read) || stream->read_wants_write)
    events |= POLLOUT;
  return wait_for (stream->fd, stream->peer, events, deadline, error);
}

static gboolean
handshake (BlockingStream *stream, gint64 deadline, GError **error)
{
  BlockingTlsStep step;

  while ((step = blocking_tls_handshake (stream->tls, error)) != BLOCKING_TLS_DONE)
    {
      if (step == BLOCKING_TLS_FAILED)
        return FALSE;
      if (!wait_for (stream->fd, stream->peer, step == BLOCKING_TLS_WANTS_WRITE ? POLLOUT : POLLIN,
                     deadline, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
blocking_stream_start_tls (BlockingStream *stream, const gchar *host, SSL_CTX *context,
                           gint64 deadline, GError **error)
{
  g_return_val_if_fail (stream->tls == NULL, FALSE);
  stream->tls = blocking_tls_new (stream->fd, host, context);
  return handshake (stream, deadline, error);
}

gboolean
blocking_stream_accept_tls (BlockingStream *stream, SSL_CTX *context, gint64 deadline,
                            GError **error)
{
  g_return_val_if_fail (stream->tls == NULL, FALSE);
  stream->tls = blocking_tls_new_server (stream->fd, context);
  return handshake (stream, deadline, error);
}

gchar *
blocking_stream_tls_name (const BlockingStream *stream)
{
  if (stream->tls == NULL)
    return NULL;
  return g_strdup_printf ("%s %s", SSL_get_version (stream->tls),
                          SSL_get_cipher_name (stream->tls));
}

static BlockingIo
socket_result (gssize result, gsize *done, GError **error)
{
  if (result > 0)
    {
      *done = result;
      return BLOCKING_IO_DONE;
    }
  if (result == 0)
    return BLOCKING_IO_EOF;
  if (errno == EAGAIN || errno == EINTR)
    return BLOCKING_IO_AGAIN;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_CLOSED, "%s", g_strerror (errno));
  return BLOCKING_IO_ERROR;
}

static BlockingIo
tls_result (BlockingStream *stream, int result, gboolean *wants_other, int other, GError **error)
{
  int why = SSL_get_error (stream->tls, result);

  *wants_other = why == other;
  if (result > 0)
    return BLOCKING_IO_DONE;
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
    return BLOCKING_IO_AGAIN;
  if (why == SSL_ERROR_ZERO_RETURN)
    return BLOCKING_IO_EOF;
  blocking_tls_set_error (stream->tls, error);
  return BLOCKING_IO_ERROR;
}

BlockingIo
blocking_stream_read (BlockingStream *stream, guint8 *bytes, gsize size, gsize *done,
                      GError **error)
{
  if (stream->tls == NULL)
    return socket_result (recv (stream->fd, bytes, size, 0), done, error);
  blocking_tls_clear_errors ();
  return tls_result (stream, SSL_read_ex (stream->tls, bytes, size, done),
                     &stream->read_wants_write, SSL_ERROR_WANT_WRITE, error);
}

BlockingIo
blocking_stream_write (BlockingStream *stream, const guint8 *bytes, gsize length, gsize *done,
                       GError **error)
{
  if (stream->tls == NULL)
    return socket_result (send (stream->fd, bytes, length, MSG_NOSIGNAL), done, error);
  blocking_tls_clear_errors ();
  return tls_result (stream, SSL_write_ex (stream->tls, bytes, length, done),
                     &stream->write_wants_read, SSL_ERROR_WANT_READ, error);
}

void
blocking_stream_finish (BlockingStream *stream, gint64 deadline)
{
  guint8 rest[4096];
  gssize done;

  if (stream->tls != NULL && SSL_is_init_finished (stream->tls))
    SSL_shutdown (stream->tls);
  shutdown (stream->fd, SHUT_WR);
  do
    done = recv (stream->fd, rest, sizeof rest, 0);
  while (g_get_monotonic_time () < deadline
         && (done > 0
             || (done < 0 && (errno == EAGAIN || errno == EINTR)
                 && wait_for (stream->fd, stream->peer, POLLIN, deadline, NULL))));
}
