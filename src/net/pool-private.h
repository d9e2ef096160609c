/* What the pool's four files share: connections (pool.c), those that go to other loops
 * (pool-share.c), hosts that are looked up (pool-mx.c) and the hosts' capabilities
 * (capabilities.c). */
#pragma once

#include "net/pool.h"

struct _NetPool
{
  NetLoop *loop;
  NetHosts *hosts;
  const gchar *hello;
  NetMx *mx;            /* NULL: no route has mx: */
  NetMxHosts *mx_hosts; /* what it has found */
  GQueue *idle;         /* one for each host, by its number; the most recently used first */
  GQueue takes;         /* of NetTake that wait for a free connection, oldest first */
  GQueue waits;         /* of NetCapabilityWait */
  GQueue attempts;      /* of NetUpstream that are being made */
  NetTimer timer;       /* the next deadline of takes and waits */
  guint own_turns;      /* pool-share.c's: connections that stayed although others wait */
  gboolean dirty;       /* something became free or known */
  gboolean closed;
};

/* The pool is to look at its queues by then. */
void net_pool_note_deadline (NetPool *pool, gint64 deadline);
/* The take is looked at in the loop's turn. */
void net_pool_enqueue (NetPool *pool, NetTake *take);
/* Begins with the hosts of an mx: route: the take is enqueued once they are known, or not. */
void net_pool_look_up (NetPool *pool, NetTake *take, const gchar *domain);
/* How many hosts the take may go to, and which. NULL: not one that is spoken to by SMTP. */
guint net_take_size (const NetTake *take);
NetHost *net_take_host (const NetPool *pool, const NetTake *take, guint index);
void net_take_mark_tried (NetTake *take, const NetHost *host);
void net_take_clear (NetTake *take); /* hosts, reply and lookup */
/* Why the last host failed; a sure refusal does not replace a failure that may pass. */
void net_take_remember (NetTake *take, const BaseReply *reply);
/* The host lacks what the transaction has used. */
void net_take_remember_lacking (NetTake *take, SmtpCapabilities can);
/* ---- idle connections ---- */

/* One that can do what is needed, still idle; NULL: none. */
NetUpstream *net_pool_find_idle (NetPool *pool, const NetHost *host, guint32 needs);
void net_pool_unlink_idle (NetPool *pool, NetUpstream *upstream);
/* FALSE: there is none. */
gboolean net_pool_retire_oldest (NetPool *pool, const NetHost *host);
/* A connection becomes idle, until `upstream->until`, and is offered to whoever waits. */
void net_pool_rest (NetPool *pool, NetUpstream *upstream);

/* pool-share.c: another loop's idle connection to the host is asked for, if there are any. */
void net_pool_wish (NetPool *pool, const NetTake *take, NetHost *host);
/* Whether the connection that rests now is for a session of another loop. */
gboolean net_pool_is_due_elsewhere (NetPool *pool, const NetHost *host);
/* In the loop's turn: those that were promised to other loops leave. */
void net_pool_offer_idle (NetPool *pool);

/* Where idle connections to the host are. */
GQueue *net_pool_idle_queue (NetPool *pool, const NetHost *host);

/* A new connection, whose slot has been taken; it belongs to nobody yet. */
NetUpstream *net_pool_connect (NetPool *pool, NetHost *host, gint64 deadline);
/* Answers those who wait for capabilities that are known by now, or not in time. */
void net_pool_run_waits (NetPool *pool, gint64 now);
