/* A connected, non-blocking socket, in plaintext or with TLS on it: read, write what stands in an
 * output, shake hands, look, hang up.
 *
 * Results are as libuv's: positive or 0 is fine, negative is an errno with its sign turned
 * (-EAGAIN: later). */
#pragma once

#include <openssl/ssl.h>

#include "base/output.h"

#define NET_STREAM_RECORD                                                                          \
  16384 /* the largest TLS record: what is read at once under TLS is never less */

typedef struct
{
  gint fd;  /* owned; -1: closed */
  SSL *ssl; /* owned; NULL: plaintext */
  gboolean
      wants_write; /* the handshake, or TLS itself, can go on only when the socket is writable */
  gboolean failed; /* TLS is broken: no close_notify may be sent any more */
} NetStream;

#define NET_STREAM_INIT                                                                            \
  {                                                                                                \
    -1, NULL, FALSE, FALSE                                                                         \
  }

/* Of a socket that knows TCP_NODELAY, and of those that a listening one accepts. */
void net_stream_no_delay (gint fd);
/* Takes over the descriptor. */
void net_stream_init (NetStream *stream, gint fd);
/* TLS from here on: as server or as client of `context`. `server_name`: SNI, NULL: none. FALSE: out
 * of memory. */
gboolean net_stream_start_server (NetStream *stream, SSL_CTX *context);
gboolean net_stream_start_client (NetStream *stream, SSL_CTX *context, const gchar *server_name);
/* 0: complete; -EAGAIN: later (see wants_write); else failed and `error` says why. */
gint net_stream_handshake (NetStream *stream, GError **error);

/* Whether the peer has not sent an octet since TLS was begun. */
gboolean net_stream_is_untouched (const NetStream *stream);

/* The number of bytes, 0 at the end of the stream, or negative. `length` must be at least
 * NET_STREAM_RECORD under TLS, so that nothing stays behind in the TLS layer where no poll would
 * see it. */
gssize net_stream_read (NetStream *stream, guint8 *bytes, gsize length);
/* Writes what stands in the output and consumes it. 0: all of it; -EAGAIN: the socket is full, wait
 * until it is writable. `last`: a shutdown or close follows at once, so that in plaintext its FIN
 * travels with these bytes. */
gint net_stream_flush (NetStream *stream, BaseOutput *output, gboolean last);

typedef enum
{
  NET_STREAM_OPEN,  /* nothing to read, or only bytes */
  NET_STREAM_ENDED, /* the peer closed its side; `length` bytes stand before the end */
  NET_STREAM_RESET
} NetStreamState;

/* Looks without taking: what the peer has sent (up to `*length` bytes, under TLS decrypted) and
 * whether it has closed. */
NetStreamState net_stream_peek (NetStream *stream, guint8 *bytes, gsize *length);
/* Whether the peer has sent more than the `length` bytes that a peek has just shown. Under TLS,
 * what is no longer than a farewell does not count. */
gboolean net_stream_has_more (const NetStream *stream, gsize length);

/* Says good-bye (close_notify, FIN) without waiting. */
void net_stream_shutdown (NetStream *stream);
void net_stream_close (NetStream *stream);

/* "TLSv1.3" and "TLS_AES_256_GCM_SHA384", static; NULL in plaintext. */
const gchar *net_stream_protocol (const NetStream *stream);
const gchar *net_stream_cipher (const NetStream *stream);
