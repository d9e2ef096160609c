/* A connection to a server or a client, with or without TLS, over poll(2): every wait has a
 * deadline. Failures leave as a GError of WEIR_ERROR; a stream that failed can only be freed. One
 * thread at a time. */
#pragma once

#include <glib.h>
#include <openssl/ssl.h>

#include <mailweir/smtp.h>

typedef struct _BlockingStream BlockingStream;

/* Looks up `host` (as long as the resolver takes) and tries its addresses in turn; a path is a UNIX
 * socket's. `timeout` in
 * milliseconds, for each address. */
BlockingStream *blocking_stream_connect (const gchar *host, guint port, guint timeout,
                                         GError **error);
void blocking_stream_free (BlockingStream *stream); /* NULL is fine; closes */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BlockingStream, blocking_stream_free)

/* Of a connection that a client made: `fd` becomes the stream's, and non-blocking. */
BlockingStream *blocking_stream_new (int fd);
int blocking_stream_descriptor (const BlockingStream *stream); /* stays the stream's */

/* The handshake as client, TLS 1.2 or later, naming `host` (SNI). Where the context verifies, the
 * certificate must be for `host` (a name or an address). `context` stays the caller's. `deadline`
 * is of g_get_monotonic_time(). */
gboolean blocking_stream_start_tls (BlockingStream *stream, const gchar *host, SSL_CTX *context,
                                    gint64 deadline, GError **error);
/* The handshake as server. `context` stays the caller's. */
gboolean blocking_stream_accept_tls (BlockingStream *stream, SSL_CTX *context, gint64 deadline,
                                     GError **error);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384", or NULL without TLS. Caller frees. */
gchar *blocking_stream_tls_name (const BlockingStream *stream);

/* Ends our side, then reads and drops until the peer has ended its own, or `deadline`: closed at
 * once with input unread, the connection would be reset, and the peer lose our last words. */
void blocking_stream_finish (BlockingStream *stream, gint64 deadline);

typedef enum
{
  BLOCKING_IO_DONE,  /* `*done` octets, at least one */
  BLOCKING_IO_AGAIN, /* wait first */
  BLOCKING_IO_EOF,   /* the peer closed */
  BLOCKING_IO_ERROR  /* `error` is set */
} BlockingIo;

/* Neither waits. */
BlockingIo blocking_stream_read (BlockingStream *stream, guint8 *bytes, gsize size, gsize *done,
                                 GError **error);
BlockingIo blocking_stream_write (BlockingStream *stream, const guint8 *bytes, gsize length,
                                  gsize *done, GError **error);
/* Waits until a read, or with `writing` a write, may go on. FALSE: the deadline passed, or poll
 * failed. */
gboolean blocking_stream_wait (BlockingStream *stream, gboolean writing, gint64 deadline,
                               GError **error);
