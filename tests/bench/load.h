/* The benchmark's own load: many SMTP clients in one thread, and a bare sink under TLS to compare
 * with. An unexpected reply, a lost connection or a stall ends the program with 1 and says why. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <openssl/ssl.h>

#include <glib.h>

/* ---- a socket with or without TLS ---- */

typedef struct
{
  int fd;
  SSL *ssl;
} LoadStream;

/* Octets moved, 0 at the end (read alone), -1 when the socket has to be waited for, -2 when the
 * connection is lost. */
gssize load_stream_read (LoadStream *stream, gpointer bytes, gsize length);
gssize load_stream_write (LoadStream *stream, gconstpointer bytes, gsize length);
/* 1 done, -1 wait, -2 failed. */
int load_stream_handshake (LoadStream *stream);
void load_stream_close (LoadStream *stream);

/* ---- the clients ---- */

typedef struct
{
  guint port; /* on 127.0.0.1 */
  guint sessions;
  guint64 messages; /* all sessions together */
  guint seconds;    /* instead of `messages`: push this long, and count refusals */
  gboolean reuse;   /* many messages a connection */
  gboolean tls;     /* STARTTLS */
  gboolean resume;  /* offer the last session ticket */
  gboolean hold;    /* the final dot waits until every session has sent the rest */
  gboolean idle;    /* stop after EHLO, until standard input ends */
  const gchar *body;
  gsize body_length; /* dot-stuffed, with the final dot */
} LoadPlan;

/* Writes `name value` lines to standard output. */
int load_clients (const LoadPlan *plan);

/* ---- the sink ---- */

/* Until standard input ends; then writes the number of messages. */
int load_sink (guint port, const gchar *certificate, const gchar *key);

void load_raise_descriptors (void);
G_NORETURN void load_fail (const gchar *format, ...) G_GNUC_PRINTF (1, 2);

#endif
