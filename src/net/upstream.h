/* One connection to an upstream host: looked up, connected, TLS as its route says, greeted, EHLO
 * done; then idle or on lease; then closed.
 *
 * Made and owned by a pool. It holds one of the host's slots from the start until `gone`. */
#pragma once

#include "gateway/host.h"
#include "net/hosts.h"
#include "net/loop.h"
#include "net/stream.h"

typedef struct _NetUpstream NetUpstream;

typedef enum
{
  NET_UPSTREAM_LOOKUP,
  NET_UPSTREAM_CONNECT,
  NET_UPSTREAM_HANDSHAKE,
  NET_UPSTREAM_GREET, /* greeting, EHLO, STARTTLS, EHLO */
  NET_UPSTREAM_IDLE,
  NET_UPSTREAM_LEASED,
  NET_UPSTREAM_QUIT, /* good-bye is said, its answer awaited for a moment */
  NET_UPSTREAM_CLOSED
} NetUpstreamState;

/* All are called from the loop. */
typedef struct
{
  void (*ready) (NetUpstream *upstream);                          /* it is idle now */
  void (*failed) (NetUpstream *upstream, const BaseReply *reply); /* closed; `reply` is a 451 */
  void (*spoiled) (
      NetUpstream *upstream);           /* idle, but readable or kept too long: it is closed next */
  void (*gone) (NetUpstream *upstream); /* its slot is free again */
} NetUpstreamEvents;

typedef void (*NetLeaseFunc) (NetUpstream *upstream, int events);

struct _NetUpstream
{
  GatewayUpstream base;
  NetLoop *loop;
  NetHost *host;
  NetUpstreamState state;
  NetStream stream;
  NetWatch watch;
  NetTimer timer;
  guint references;  /* its own until it is closed, and a request's to look its host up */
  gint64 until;      /* idle no longer than that */
  guint hops;        /* on its way to another loop: how many it still asks */
  gboolean promised; /* to another loop: not for sessions of this one */
  gboolean weary;    /* it has asked all since it was last used, and none wanted it */
  GList link;        /* in the pool's idle list */
  gpointer owner;    /* the pool's: who waits for it; the lessee while leased */
  NetLeaseFunc lease;
  const NetUpstreamEvents *events;
  struct _NetUpstreamSetup *setup; /* what only the making needs; NULL later */
};

/* Begins to connect; `hello` is our name in EHLO. The host's slot is taken over. `deadline`
 * (monotonic microseconds) covers all its addresses. */
NetUpstream *net_upstream_new (NetLoop *loop, NetHost *host, const gchar *hello, gint64 deadline,
                               const NetUpstreamEvents *events);
/* Right behind net_upstream_new(): for whom it is, where the route wants a PROXY header. Without
 * this the header says that we speak for ourselves. */
void net_upstream_introduce (NetUpstream *upstream, const BaseEndpoint *client,
                             const BaseEndpoint *server);
/* Hands an idle one out: the socket's events go to `lease` from now on. */
void net_upstream_lease (NetUpstream *upstream, NetLeaseFunc lease, gpointer owner);
/* Makes it idle until `upstream->until`. */
void net_upstream_rest (NetUpstream *upstream);
/* An idle one leaves its loop: nothing is watched, and no thread's. */
void net_upstream_detach (NetUpstream *upstream);
/* It arrives at another one, in whose thread this is, and is to be made idle again. FALSE: the
 * server has said something or hung up meanwhile, and it is closed. */
gboolean net_upstream_attach (NetUpstream *upstream, NetLoop *loop);
/* Says QUIT if the machine stands still, else just hangs up; what stands in its output is not sent.
 * The struct goes from the loop. */
void net_upstream_retire (NetUpstream *upstream);
/* Hangs up at once. */
void net_upstream_close (NetUpstream *upstream);

/* Reads once into the loop's buffer and feeds the machine (or its end); the caller pulls events,
 * then calls smtp_client_settle(). FALSE: nothing was there. */
gboolean net_upstream_receive (NetUpstream *upstream);
/* Reads once what the server may have said already, before our final dot goes out; where the loop
 * does not know that it was silent when this turn began. */
void net_upstream_read_early (NetUpstream *upstream);

typedef enum
{
  NET_FLUSH_LATER, /* there was nothing, or the socket is full */
  NET_FLUSH_DONE,
  NET_FLUSH_BROKEN /* it shows in the machine too */
} NetFlush;

/* Writes what stands in the machine's output. */
NetFlush net_upstream_flush (NetUpstream *upstream);
/* Asks to be told what the state of stream and output needs. */
void net_upstream_watch (NetUpstream *upstream);
