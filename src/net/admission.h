/* How many connections and messages a listener takes, in all and from one client. Counted over all
 * loops.
 *
 * A client is an IPv4 address or an IPv6 /64 network, which is what one customer is given. The
 * clock is handed in. */
#pragma once

#include "config/config.h"

#define NET_ADMISSION_MAX_CLIENTS                                                                  \
  65536 /* remembered at once; beyond, those without a connection are forgotten first */

typedef struct _NetAdmission NetAdmission;

typedef enum
{
  NET_ADMISSION_FINE,
  NET_ADMISSION_CONNECTIONS, /* the listener has as many as it may */
  NET_ADMISSION_CONNECTIONS_PER_CLIENT
} NetAdmissionVerdict;

NetAdmission *net_admission_new (void);
void net_admission_free (NetAdmission *admission); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NetAdmission, net_admission_free)

/* Counts a connection unless the verdict refuses it; each that was counted is taken back with
 * net_admission_leave(). `client` NULL: it is nobody's yet, and counts for the listener alone. */
NetAdmissionVerdict net_admission_enter (NetAdmission *admission, const ConfigListener *listener,
                                         const BaseEndpoint *client);
void net_admission_leave (NetAdmission *admission, const ConfigListener *listener,
                          const BaseEndpoint *client);
/* The connection turns out to be another client's; `from` NULL: it was nobody's. FALSE: that one
 * has as many as it may, and nothing has changed. */
gboolean net_admission_move (NetAdmission *admission, const ConfigListener *listener,
                             const BaseEndpoint *from, const BaseEndpoint *to);
/* Counts a message. FALSE: over messages-per-minute, and not counted. `now` in monotonic
 * microseconds. */
gboolean net_admission_message (NetAdmission *admission, const ConfigListener *listener,
                                const BaseEndpoint *client, gint64 now);
/* Clients that are remembered. */
guint net_admission_clients (NetAdmission *admission);
