/* The mail servers of test-foreign-servers, one table row each. All know b, and c but for Dovecot,
 * whose c has no room and whose d has. */
#pragma once

#include <glib.h>

#define FOREIGN_SERVERS 4

typedef struct
{
  const gchar *name;
  /* It shows up.pem where it speaks TLS. NULL: it can not run here, and `*reason` says why. */
  gpointer (*start) (const gchar *name, guint port, const gchar **reason);
  /* Callers free these two. */
  gchar *(*version) (gconstpointer server);
  gchar *(*folder) (gconstpointer server, const gchar *user);
  void (*stop) (gpointer server);
  /* Waits until it has ended the connections that idle; NULL: it is stopped and started. */
  void (*wait_idle_end) (gconstpointer server);
  const gchar *hello;
  const gchar *refuses;    /* what it says behind the data of a message from refuse@client.test with
                              the subject "refuse" ... */
  const gchar *refused_to; /* ... to this user */
  gboolean chunking;
  gboolean dsn;
  gboolean tls;
} ForeignServer;

extern const ForeignServer foreign_servers[FOREIGN_SERVERS];
