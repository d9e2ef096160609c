/* A loop's upstream connections: idle ones to be used again, new ones made, those that wait for
 * one, and what the hosts can do.
 *
 * A take goes through the route's hosts in their order: those that failed lately last, an idle
 * connection before a new one. At the limit of `connections` it waits, and other loops hand their
 * idle connections over. */
#pragma once

#include "net/mx-hosts.h"
#include "net/upstream.h"

typedef struct _NetPool NetPool;
typedef struct _NetTake NetTake;
typedef struct _NetCapabilityWait NetCapabilityWait;

/* Stands in whoever takes. Zeroed at first; the functions are called from the loop, never from a
 * call into the pool. */
struct _NetTake
{
  void (*ready) (NetTake *take, NetUpstream *upstream); /* idle: lease it */
  void (*failed) (NetTake *take, const BaseReply *reply);
  const BaseEndpoint *client; /* for a PROXY header, as `server`, our end; borrowed */
  const BaseEndpoint *server;
  const ConfigRoute *route;
  GPtrArray *hosts;    /* of NetHost, of an mx: route, referenced; NULL: those of the route */
  NetMxLookup *lookup; /* under way */
  NetPool *pool;       /* where it is */
  guint32 needs;
  gboolean fresh;
  gint64 deadline;
  guint8 *tried; /* one for each of the hosts */
  NetUpstream *attempt;
  BaseReply *reply; /* why the last host failed */
  gboolean active;  /* waits for an attempt or, without one, for a free connection */
  gboolean queued;  /* in the pool's queue */
  gboolean counted; /* among the hosts' `waiting` */
  GList link;
};

struct _NetCapabilityWait
{
  void (*known) (NetCapabilityWait *wait, SmtpCapabilities capabilities);
  const ConfigListener *listener;
  gint64 deadline;
  gboolean active;
  GList link;
};

/* `hosts`, `hello` and `mx` are borrowed, and `mx` is closed with the pool. NULL: no route has mx:.
 */
NetPool *net_pool_new (NetLoop *loop, NetHosts *hosts, const gchar *hello, NetMx *mx);
/* Retires idle connections and gives up attempts; nobody may be waiting. Those on lease must have
 * been given back. */
void net_pool_close (NetPool *pool);

/* The usual case, without a detour: an idle connection to lease. NULL: none, net_pool_take() finds
 * or makes one. `domain`: whose mail hosts an mx: route looks up, as base_mx_domain() made it; else
 * NULL. `fresh`: not one that was used before. */
NetUpstream *net_pool_take_idle (NetPool *pool, const ConfigRoute *route, const gchar *domain,
                                 guint32 needs, gboolean fresh);
/* `ready` or `failed` follows, within route->connect. */
void net_pool_take (NetPool *pool, NetTake *take, const ConfigRoute *route, const gchar *domain,
                    guint32 needs, gboolean fresh);
void net_pool_cancel (NetPool *pool, NetTake *take); /* fine when it waits for nothing */
/* From lease. */
void net_pool_give (NetPool *pool, NetUpstream *upstream, gboolean reusable);

/* FALSE: they are not known, and asked for. */
gboolean net_pool_capabilities (NetPool *pool, const ConfigListener *listener,
                                SmtpCapabilities *capabilities);
/* `known` follows, within the longest `connect` of the listener's routes. */
void net_pool_await_capabilities (NetPool *pool, NetCapabilityWait *wait,
                                  const ConfigListener *listener);
void net_pool_cancel_capabilities (NetPool *pool, NetCapabilityWait *wait);
/* Asks every host of which nothing has been heard since `before`, by connecting; the connections
 * stay idle for use. */
void net_pool_probe (NetPool *pool, gint64 before);

/* What could not be done from inside a call is done: from the loop, before it sleeps. TRUE: there
 * is more by now, and it may not sleep yet. */
gboolean net_pool_run (NetPool *pool);
guint net_pool_idle (const NetPool *pool);
