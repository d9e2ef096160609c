/* A loop's workers and the requests that wait for one.
 *
 * A worker belongs to one loop and runs one request at a time. A loop that may have no more of them
 * hands a waiting request to a loop that has. Every fault of a worker (its end, a record that does
 * not decode, a wrong serial) ends it by its pidfd and fails the request that it was on. */
#pragma once

#include "ipc/control.h"
#include "ipc/record.h"
#include "ipc/request.h"
#include "net/loop.h"

#define NET_WORKERS_MAX_QUEUED_BYTES                                                               \
  (32 * 1024 * 1024) /* of encoded requests that wait, in all loops */
#define NET_WORKERS_IDLE                                                                           \
  (30 * G_TIME_SPAN_SECOND) /* after it, workers above workers-min are let go */

typedef struct _NetWorkers NetWorkers;
typedef struct _NetRequest NetRequest;

/* Called from the loop that asked, never from inside a call. */
typedef struct
{
  void (*started) (gpointer owner);
  void (*record) (gpointer owner,
                  IpcRecord *record); /* the last one says `last`; freed after the call */
  void (*failed) (gpointer owner, const gchar *why);  /* the worker died, or talked nonsense */
  void (*refused) (gpointer owner, const gchar *why); /* none took it in time */
} NetRequestEvents;

/* What all loops share. */
typedef struct
{
  gint control;  /* the generation's channel, for WANT; -1: none (tests) */
  guint minimum; /* workers that are wanted from the start and kept though idle; each loop has its
                    share of them */
  gint queue;    /* requests that may wait */
  gint workers;  /* atomic */
  gint queued;   /* atomic */
  gint queued_bytes; /* atomic */
} NetWorkersShared;

NetWorkers *net_workers_new (NetLoop *loop, NetWorkersShared *shared);
/* Kills what runs, lets the idle go; the memory goes from the loop. */
void net_workers_close (NetWorkers *workers);

/* Encodes and sends or queues the request. NULL: the queue is full. The result belongs to the
 * caller until `failed`, `refused` or the last record, before each of which it is gone, or
 * net_workers_cancel(). */
NetRequest *net_workers_ask (NetWorkers *workers, const IpcRequest *request,
                             const NetRequestEvents *events, gpointer owner);
/* No event follows. A worker that is on it is killed. */
void net_workers_cancel (NetWorkers *workers, NetRequest *request);

/* In the loop's thread: takes over a new worker's socket and pidfd. */
void net_workers_add (NetWorkers *workers, gint socket, gint pidfd, guint32 pid);
/* The generation has none for this loop; it may be asked again after `delay` ms. */
void net_workers_none (NetWorkers *workers, guint32 delay);
/* Before the loop sleeps. */
void net_workers_run (NetWorkers *workers);
