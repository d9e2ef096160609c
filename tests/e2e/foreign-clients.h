/* The mail clients of test-foreign-clients, one table row each: how each is asked to send, and what
 * it makes of refusals. */
#pragma once

#include <glib.h>

#define FOREIGN_CLIENTS 6

typedef struct
{
  guint port;              /* on localhost */
  const gchar *recipients; /* separated by commas */
  const gchar *path;       /* the message, its lines ended by CRLF */
  gboolean tls;            /* STARTTLS, verified by ca.pem */
  gboolean auth;           /* joe, secret */
  gboolean dsn;            /* a report of success, with the header alone */
} Letter;

typedef struct
{
  const gchar *name;
  const gchar
      *version; /* the command that tells its version in its first line, and fails without it */
  /* Sends it. Returns the exit status; the caller frees `*output`. */
  gint (*send) (const Letter *letter, gchar **output);
  gboolean exact;    /* it sends the message's bytes, not only its body's ... */
  const gchar *adds; /* ... and this behind them */
  gboolean dsn;      /* it can ask for reports */
  gboolean in_part;  /* one recipient refused: the others get it */
  gint partly;       /* its exit status then */
  gint deferred;     /* ... and when one is told to come later */
  gint refused;      /* ... and when all of it is refused behind the data */
} ForeignClient;

extern const ForeignClient foreign_clients[FOREIGN_CLIENTS];
