/* The hosts that mx: routes have found, as one loop knows them: their health and idle connections
 * outlive the message that they were looked up for. */
#pragma once

#include "net/hosts.h"
#include "net/mx.h"

#define NET_MX_HOSTS 1024 /* that nobody uses now are forgotten beyond this many */

typedef struct _NetMxHosts NetMxHosts;

/* Each route's `connections` are divided among `n_loops`: hosts are not shared. */
NetMxHosts *net_mx_hosts_new (NetHosts *hosts, guint n_loops);
/* A host that is referenced still goes with its last reference. */
void net_mx_hosts_free (NetMxHosts *hosts);
/* Keyed by route, name and address. The reference is the caller's. */
NetHost *net_mx_hosts_get (NetMxHosts *hosts, const ConfigRoute *route,
                           const NetMxAddress *address);
guint net_mx_hosts_count (const NetMxHosts *hosts);
/* Idle connections, of all of them. */
guint net_mx_hosts_idle (const NetMxHosts *hosts);
/* An idle connection (NetUpstream) of any of them; NULL: none. */
gpointer net_mx_hosts_any_idle (const NetMxHosts *hosts);

/* Calls `func` for each host of every loop. Any thread may; `func` must not block, nor call into
 * this file. */
typedef void (*NetMxHostFunc) (NetHost *host, gpointer data);
void net_mx_hosts_each (NetHosts *hosts, NetMxHostFunc func, gpointer data);

/* Both do nothing to a host that a configuration names. */
void net_host_ref (NetHost *host);
void net_host_unref (NetHost *host);
