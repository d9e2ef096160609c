/* What the pool's two files share: connections (pool.c) and the hosts' capabilities
 * (capabilities.c). */
#pragma once

#include "net/pool.h"

struct _NetPool
{
  NetLoop *loop;
  NetHosts *hosts;
  const gchar *hello;
  GQueue *idle;    /* one for each host, by its number; the most recently used first */
  GQueue takes;    /* of NetTake that wait for a free connection, oldest first */
  GQueue waits;    /* of NetCapabilityWait */
  GQueue attempts; /* of NetUpstream that are being made */
  NetTimer timer;  /* the next deadline of takes and waits */
  gboolean dirty;  /* something became free or known */
  gboolean closed;
};

/* The pool is to look at its queues by then. */
void net_pool_note_deadline (NetPool *pool, gint64 deadline);
/* A new connection, whose slot has been taken; it belongs to nobody yet. */
NetUpstream *net_pool_connect (NetPool *pool, NetHost *host, gint64 deadline);
/* Answers those who wait for capabilities that are known by now, or not in time. */
void net_pool_run_waits (NetPool *pool, gint64 now);
