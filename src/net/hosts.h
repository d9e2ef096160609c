/* The upstream hosts of all routes, as all loops share them: how many connections there are,
 * whether a host answers, what it can do.
 *
 * No sockets and no clock: the moments are handed in (monotonic microseconds). Any thread may call.
 */
#pragma once

#include <openssl/ssl.h>

#include "config/config.h"
#include "smtp/capability.h"

#define NET_HOST_AVOIDED                                                                           \
  (10 * G_TIME_SPAN_SECOND) /* after a failure, unless all others have failed too */

typedef enum
{
  NET_HOST_UNASKED, /* nothing is known, and nobody has been told no yet */
  NET_HOST_FAILED,  /* could not be asked, and never could */
  NET_HOST_KNOWN    /* `capabilities` are those of its last connection */
} NetHostState;

typedef struct
{
  guint number; /* in NetHosts */
  guint index;  /* in the route's destinations */
  const ConfigRoute *route;
  const ConfigDestination *destination;
  SSL_CTX *context;     /* owned */
  gchar *password;      /* of the route's user; owned; NULL: none */
  const gchar *address; /* that an mx: route found; NULL: the name is looked up */
  gint64 limit;         /* connections at a time */
  GQueue *own_idle;     /* of a host that one loop alone knows; NULL: it is the pools' */
  gint connections;     /* atomic: in all loops, those that are being made included */
  gint idle;            /* atomic */
  gint waiting;         /* atomic: sessions for whom no connection was free */
  gint probing;         /* atomic: it is being asked */
  GMutex mutex;         /* of what follows */
  NetHostState state;
  SmtpCapabilities capabilities;
  gint64 avoid_until;
  gint64 tried; /* the last answer or failure; 0: never */
} NetHost;

typedef struct
{
  GPtrArray *all;         /* of NetHost: every server that a route leads to */
  GHashTable *mx_context; /* route → SSL_CTX, of the routes with mx: */
  GMutex mx_mutex;        /* of the tables in `mx`, and of their hosts' coming and going */
  GPtrArray *mx;          /* of NetMxHosts, one for each loop; mx-hosts.c's */
} NetHosts;

/* Makes the TLS contexts too. NULL: error names the route or file. */
NetHosts *net_hosts_new (const Config *config, ConfigSources *secrets, GError **error);
void net_hosts_free (NetHosts *hosts); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NetHosts, net_hosts_free)

/* NULL: that destination is no server. */
NetHost *net_hosts_find (const NetHosts *hosts, const ConfigRoute *route, guint index);

/* A new reference to what hosts of this mx: route are spoken to with. */
SSL_CTX *net_hosts_mx_context (const NetHosts *hosts, const ConfigRoute *route);

/* One of the host's connections; FALSE: all are taken. Each is freed once. */
gboolean net_host_take_slot (NetHost *host);
void net_host_free_slot (NetHost *host);

/* Both return TRUE when something changed that others may be waiting for. */
gboolean net_host_answered (NetHost *host, SmtpCapabilities capabilities, gint64 now);
gboolean net_host_failed (NetHost *host, gint64 now);
gboolean net_host_is_avoided (NetHost *host, gint64 now);
/* Worth asking again: never tried, or not since `before`. */
gboolean net_host_is_due (NetHost *host, gint64 before);
NetHostState net_host_state (NetHost *host);

/* What all hosts of the listener's routes can do, those left out that cannot be asked; Maildir,
 * discard and mx: can take anything but DSN. If none can be asked, 8BITMIME and SMTPUTF8. FALSE:
 * some have not been asked yet; `capabilities` is then what the others can. */
gboolean net_hosts_capabilities (const NetHosts *hosts, const ConfigListener *listener,
                                 SmtpCapabilities *capabilities);
