/* A socket with or without TLS. Every failure is an errno with its sign turned; the texts of TLS
 * failures leave by GError from the handshake, the only place where somebody can act on them. */
#include "net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls.h"

#define CLOSE_NOTIFY 96 /* octets on the wire at most, a MAC and a block of CBC with it */
#define VECTORS 64      /* pieces in one sendmsg */
#define RECORDS_AT_ONCE                                                                            \
  32 /* TLS records in one flush, so that one fast peer does not hold the loop */

void
net_stream_no_delay (gint fd)
{
  gint one = 1;

  /* Refused by UNIX sockets, which have no Nagle to switch off. */
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void
net_stream_init (NetStream *stream, gint fd)
{
  stream->fd = fd;
  stream->ssl = NULL;
  stream->wants_write = FALSE;
  stream->failed = FALSE;
}

static gboolean
start (NetStream *stream, SSL_CTX *context)
{
  stream->ssl = SSL_new (context);
  return stream->ssl != NULL && SSL_set_fd (stream->ssl, stream->fd) == 1;
}

gboolean
net_stream_start_server (NetStream *stream, SSL_CTX *context)
{
  if (!start (stream, context))
    return FALSE;
  SSL_set_accept_state (stream->ssl);
  return TRUE;
}

gboolean
net_stream_start_client (NetStream *stream, SSL_CTX *context, const gchar *server_name)
{
  if (!start (stream, context))
    return FALSE;
  if (server_name != NULL && SSL_set_tlsext_host_name (stream->ssl, server_name) != 1)
    return FALSE;
  SSL_set_connect_state (stream->ssl);
  return TRUE;
}

/* What an SSL_* call came to, as a negative errno. */
static gint
ssl_status (NetStream *stream, gint result)
{
  gint saved = errno;

  switch (SSL_get_error (stream->ssl, result))
    {
    case SSL_ERROR_WANT_READ:
      return -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
      stream->wants_write = TRUE;
      return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    case SSL_ERROR_SYSCALL:
      stream->failed = TRUE;
      ERR_clear_error ();
      return saved == 0 ? -ECONNRESET : -saved;
    default:
      stream->failed = TRUE;
      return -EPROTO;
    }
}

gint
net_stream_handshake (NetStream *stream, GError **error)
{
  gint result, status;

  ERR_clear_error ();
  stream->wants_write = FALSE;
  errno = 0;
  result = SSL_do_handshake (stream->ssl);
  if (result == 1)
    return 0;
  status = ssl_status (stream, result);
  if (status == -EAGAIN)
    return status;
  stream->failed = TRUE;
  net_tls_set_error (error, stream->ssl, status);
  ERR_clear_error ();
  return status == 0 ? -ECONNRESET : status;
}

gboolean
net_stream_is_untouched (const NetStream *stream)
{
  return stream->ssl != NULL && BIO_number_read (SSL_get_rbio (stream->ssl)) == 0;
}

static gssize
read_tls (NetStream *stream, guint8 *bytes, gsize length)
{
  gsize filled = 0;
  gint result, status;

  stream->wants_write = FALSE;
  while (length - filled >= NET_STREAM_RECORD)
    {
      ERR_clear_error ();
      errno = 0;
      result = SSL_read (stream->ssl, bytes + filled, (int) (length - filled));
      if (result <= 0)
        {
          status = ssl_status (stream, result);
          ERR_clear_error ();
          /* An end or a fault shows again at the next read: first what came before it. */
          return filled > 0 ? (gssize) filled : status;
        }
      filled += (gsize) result;
      if (result < NET_STREAM_RECORD && SSL_pending (stream->ssl) == 0)
        break;
    }
  return (gssize) filled;
}

gssize
net_stream_read (NetStream *stream, guint8 *bytes, gsize length)
{
  gssize got;

  if (stream->ssl != NULL)
    return read_tls (stream, bytes, length);
  do
    got = recv (stream->fd, bytes, length, MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  return got < 0 ? -errno : got;
}

/* A reply or a command is one piece, of which send() need not copy a header and a list. */
static gssize
send_pieces (gint fd, struct iovec *vector, guint pieces, int flags)
{
  struct msghdr message = { .msg_iov = vector, .msg_iovlen = pieces };

  return pieces == 1 ? send (fd, vector[0].iov_base, vector[0].iov_len, flags)
                     : sendmsg (fd, &message, flags);
}

/* From the file's pages, without a copy. Nobody has written to it, and nobody can do so before this
 * returns, while its lease stands: see message_spool_finish(). */
static gssize
send_file (gint fd, const BaseOutputSegment *run)
{
  off_t offset = (off_t) run->offset;
  gssize sent;

  if (fcntl (run->fd, F_GETLEASE) != F_RDLCK)
    {
      errno = EIO;
      return -1;
    }
  sent = sendfile (fd, run->fd, &offset, run->length);
  if (sent == 0) /* the file is shorter */
    errno = EIO;
  return sent == 0 ? -1 : sent;
}

static gint
flush_plain (NetStream *stream, BaseOutput *output, gboolean last)
{
  struct iovec vector[VECTORS];
  const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (last ? MSG_MORE : 0);
  const BaseOutputSegment *file;
  gssize sent;
  gsize asked;
  guint pieces;

  while (output->length > 0)
    {
      file = base_output_front_file (output);
      asked = file != NULL ? file->length : 0;
      pieces = base_output_iovec (output, vector, VECTORS);
      for (guint i = 0; i < pieces; i++)
        asked += vector[i].iov_len;
      sent = file != NULL ? send_file (stream->fd, file)
                          : send_pieces (stream->fd, vector, pieces, flags);
      if (sent < 0 && errno == EINTR)
        continue;
      if (sent < 0)
        return -errno;
      base_output_consume (output, (gsize) sent);
      if ((gsize) sent < asked)
        return -EAGAIN; /* the socket is full: asking again would only be told so */
    }
  return 0;
}

/* The next record's bytes: where they stand if they stand together, else copied into `room`. */
static gconstpointer
next_record (const BaseOutput *output, guint8 room[NET_STREAM_RECORD], gsize *length)
{
  struct iovec vector[VECTORS];
  guint pieces = base_output_iovec (output, vector, VECTORS);
  gsize filled = 0, part;

  if (pieces == 0 || pieces == 1 || vector[0].iov_len >= NET_STREAM_RECORD)
    {
      *length = pieces == 0 ? 0 : MIN (vector[0].iov_len, NET_STREAM_RECORD);
      return pieces == 0 ? NULL : vector[0].iov_base;
    }
  for (guint i = 0; i < pieces && filled < NET_STREAM_RECORD; i++)
    {
      part = MIN (vector[i].iov_len, NET_STREAM_RECORD - filled);
      memcpy (room + filled, vector[i].iov_base, part);
      filled += part;
    }
  *length = filled;
  return room;
}

static gint
flush_tls (NetStream *stream, BaseOutput *output)
{
  guint8 room[NET_STREAM_RECORD];
  gconstpointer bytes;
  gsize length;
  gint result, status;

  stream->wants_write = FALSE;
  for (guint i = 0; i < RECORDS_AT_ONCE && output->length > 0; i++)
    {
      bytes = next_record (output, room, &length);
      ERR_clear_error ();
      errno = 0;
      result = SSL_write (stream->ssl, bytes, (int) length);
      if (result <= 0)
        {
          status = ssl_status (stream, result);
          ERR_clear_error ();
          return status == 0 ? -EPIPE : status;
        }
      base_output_consume (output, (gsize) result);
    }
  return output->length == 0 ? 0 : -EAGAIN;
}

gint
net_stream_flush (NetStream *stream, BaseOutput *output, gboolean last)
{
  if (output->length == 0)
    return 0;
  return stream->ssl != NULL ? flush_tls (stream, output) : flush_plain (stream, output, last);
}

/* An end behind unread bytes does not show in a peek of those bytes; the state of the connection
 * shows it. */
static gboolean
peer_has_closed (gint fd)
{
  struct tcp_info info;
  socklen_t size = sizeof info;

  return getsockopt (fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0
         && info.tcpi_state != TCP_ESTABLISHED;
}

static NetStreamState
peek_tls (NetStream *stream, guint8 *bytes, gsize *length)
{
  gint result, error;

  ERR_clear_error ();
  errno = 0;
  result = SSL_peek (stream->ssl, bytes, (int) *length);
  *length = result > 0 ? (gsize) result : 0;
  if (result > 0)
    return peer_has_closed (stream->fd) ? NET_STREAM_ENDED : NET_STREAM_OPEN;
  error = SSL_get_error (stream->ssl, result);
  ERR_clear_error ();
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
    return NET_STREAM_OPEN;
  /* A FIN without close_notify is how many clients leave: no more of a reset than in plaintext. */
  stream->failed = error != SSL_ERROR_ZERO_RETURN;
  return error == SSL_ERROR_ZERO_RETURN || errno == 0 ? NET_STREAM_ENDED : NET_STREAM_RESET;
}

NetStreamState
net_stream_peek (NetStream *stream, guint8 *bytes, gsize *length)
{
  gssize got;

  if (stream->ssl != NULL)
    return peek_tls (stream, bytes, length);
  do
    got = recv (stream->fd, bytes, *length, MSG_PEEK | MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  *length = got > 0 ? (gsize) got : 0;
  if (got == 0)
    return NET_STREAM_ENDED;
  if (got < 0)
    return errno == EAGAIN ? NET_STREAM_OPEN : NET_STREAM_RESET;
  return peer_has_closed (stream->fd) ? NET_STREAM_ENDED : NET_STREAM_OPEN;
}

gboolean
net_stream_has_more (const NetStream *stream, gsize length)
{
  gint unread = 0;

  if (ioctl (stream->fd, FIONREAD, &unread) != 0)
    return FALSE;
  if (stream->ssl == NULL)
    return (gsize) unread > length;
  return (gsize) SSL_pending (stream->ssl) > length || unread > CLOSE_NOTIFY;
}

void
net_stream_shutdown (NetStream *stream)
{
  if (stream->fd < 0)
    return;
  if (stream->ssl != NULL && !stream->failed && SSL_is_init_finished (stream->ssl))
    {
      SSL_shutdown (stream->ssl);
      ERR_clear_error ();
    }
  shutdown (stream->fd, SHUT_WR);
}

void
net_stream_close (NetStream *stream)
{
  /* Hanging up spoils no session (RFC 5246 section 7.2.1): only broken ones are not resumed. */
  if (stream->ssl != NULL && !stream->failed)
    SSL_set_shutdown (stream->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free (stream->ssl);
  stream->ssl = NULL;
  if (stream->fd >= 0)
    close (stream->fd);
  stream->fd = -1;
}

const gchar *
net_stream_protocol (const NetStream *stream)
{
  return stream->ssl == NULL ? NULL : SSL_get_version (stream->ssl);
}

const gchar *
net_stream_cipher (const NetStream *stream)
{
  return stream->ssl == NULL ? NULL : SSL_CIPHER_get_name (SSL_get_current_cipher (stream->ssl));
}
