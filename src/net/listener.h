/* Accepting: each loop watches a duplicate of each listening socket. */
#pragma once

#include "gateway/session.h"
#include "net/loop.h"

#define NET_LISTENER_BURST                                                                         \
  16 /* connections accepted at one waking, so that sessions have their turn */

typedef struct _NetListener NetListener;

/* Duplicates the descriptor. FALSE: it cannot be watched, error is set. */
gboolean net_listener_add (NetLoop *loop, const GatewayListener *listener, gint fd, GError **error);
/* One line for a client over a limit, unless there was one within a second. */
void net_listener_log_turned_away (NetLoop *loop, const GatewayListener *listener,
                                   const BaseEndpoint *client, const gchar *reply);
/* Stops accepting on all listeners of the loop. */
void net_listener_close_all (NetLoop *loop);
