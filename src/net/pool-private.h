/* What the pool's three files share: connections (pool.c), hosts that are looked up (pool-mx.c) and
 * the hosts' capabilities (capabilities.c). */
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
/* Where idle connections to the host are. */
GQueue *net_pool_idle_queue (NetPool *pool, const NetHost *host);

/* A new connection, whose slot has been taken; it belongs to nobody yet. */
NetUpstream *net_pool_connect (NetPool *pool, NetHost *host, gint64 deadline);
/* Answers those who wait for capabilities that are known by now, or not in time. */
void net_pool_run_waits (NetPool *pool, gint64 now);
