/* The benchmark's sockets: plain or under TLS, never blocking. Failures are the three negative
 * answers that load.h names. */
#include "load.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

static gssize
tls_status (LoadStream *stream, int result)
{
  int error = SSL_get_error (stream->ssl, result);

  ERR_clear_error ();
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
    return -1;
  return error == SSL_ERROR_ZERO_RETURN ? 0 : -2;
}

static gssize
plain_status (gssize moved)
{
  if (moved >= 0)
    return moved;
  return errno == EAGAIN || errno == EINTR ? -1 : -2;
}

gssize
load_stream_read (LoadStream *stream, gpointer bytes, gsize length)
{
  int got;

  if (stream->ssl == NULL)
    return plain_status (recv (stream->fd, bytes, length, MSG_DONTWAIT));
  got = SSL_read (stream->ssl, bytes, (int) length);
  return got > 0 ? got : tls_status (stream, got);
}

gssize
load_stream_write (LoadStream *stream, gconstpointer bytes, gsize length)
{
  int sent;

  if (stream->ssl == NULL)
    return plain_status (send (stream->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL));
  sent = SSL_write (stream->ssl, bytes, (int) MIN (length, 1 << 20));
  return sent > 0 ? sent : tls_status (stream, sent);
}

int
load_stream_handshake (LoadStream *stream)
{
  int result = SSL_do_handshake (stream->ssl);

  if (result == 1)
    return 1;
  return tls_status (stream, result) == -1 ? -1 : -2;
}

void
load_stream_close (LoadStream *stream)
{
  if (stream->ssl != NULL)
    {
      SSL_shutdown (stream->ssl);
      SSL_free (stream->ssl);
      ERR_clear_error ();
    }
  stream->ssl = NULL;
  if (stream->fd >= 0)
    close (stream->fd);
  stream->fd = -1;
}
