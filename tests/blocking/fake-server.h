/* A server for one connection, in a thread of its own, on a loopback port that the system chose. It
 * knows just enough SMTP to be talked to, and misbehaves where it is told to. Mistakes of its own
 * abort the test. */
#pragma once

#include <glib.h>

typedef enum
{
  FAKE_SERVER_STARTTLS = 1 << 0,        /* offers it */
  FAKE_SERVER_IMPLICIT = 1 << 1,        /* TLS from the first octet */
  FAKE_SERVER_SILENT = 1 << 2,          /* never greets */
  FAKE_SERVER_CLOSE_AT_DOT = 1 << 3,    /* no answer to the final dot */
  FAKE_SERVER_REFUSE_IN_DATA = 1 << 4,  /* 552 after the first octets, and closes */
  FAKE_SERVER_8BITMIME = 1 << 5,        /* offers it */
  FAKE_SERVER_REFUSE_GREETING = 1 << 6, /* 554 */
} FakeServerFlags;

typedef struct
{
  guint port;
  gchar *ca_file;    /* with TLS: the certificate, for "localhost" and 127.0.0.1 */
  GByteArray *heard; /* all that the client sent, in plaintext; read it after the stop */
  FakeServerFlags flags;
  int listener;
  GThread *thread;
  gpointer tls; /* SSL_CTX */
} FakeServer;

FakeServer *fake_server_start (FakeServerFlags flags);
/* Waits until the connection is over. */
void fake_server_stop (FakeServer *server);
void fake_server_free (FakeServer *server); /* stops first */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FakeServer, fake_server_free)
