/* A loop's workers and the requests that wait for one.
 *
 * A worker belongs to one loop and runs one request at a time; requests that are usually short may
 * wait in its socket meanwhile. A loop that may have no more workers hands a waiting request to one
 * that has. Every fault of a worker ends it by its pidfd and fails the request that it was on. */
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

/* A worker as a loop gets it. */
typedef struct
{
  gint socket; /* requests out, answers in */
  gint back;   /* the worker's own end, to take back what it has not read */
  gint pidfd;  /* tells of its death, since the socket does not */
  guint32 pid;
} NetWorkerEnds;

/* Called from the loop that asked, never from inside a call. A request that is through at once is
 * not said to have started. */
typedef struct
{
  void (*started) (gpointer owner);
  void (*put_back) (gpointer owner); /* its worker ended before it began: it waits again */
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
  gint serial;   /* atomic: of the last request; sessions' own are not unique */
  gint workers;  /* atomic */
  gint queued;   /* atomic */
  gint queued_bytes; /* atomic */
} NetWorkersShared;

NetWorkers *net_workers_new (NetLoop *loop, NetWorkersShared *shared);
/* Kills what runs, lets the idle go; the memory goes from the loop. */
void net_workers_close (NetWorkers *workers);

/* Encodes the request and gives it to a worker or queues it. NULL: the queue is full. The result
 * belongs to the caller until `failed`, `refused` or the last record, before each of which it is
 * gone, or net_workers_cancel(). */
NetRequest *net_workers_ask (NetWorkers *workers, const IpcRequest *request,
                             const NetRequestEvents *events, gpointer owner);
/* No event follows. A worker that is on it is killed; one that is not there yet may still run it.
 */
void net_workers_cancel (NetWorkers *workers, NetRequest *request);
/* The same, but no worker is killed: FALSE if one may have begun, and the events follow. */
gboolean net_workers_recall (NetWorkers *workers, NetRequest *request);

/* In the loop's thread: takes over a new worker's descriptors. */
void net_workers_add (NetWorkers *workers, const NetWorkerEnds *ends);
/* Tells the worker to go, if it is nobody's. */
void net_worker_ends_close (const NetWorkerEnds *ends);
/* The generation has none for this loop; it may be asked again after `delay` ms. */
void net_workers_none (NetWorkers *workers, guint32 delay);
/* Before the loop sleeps: what was asked for in this turn is written. */
void net_workers_run (NetWorkers *workers);
/* Something was asked for since. */
gboolean net_workers_are_due (const NetWorkers *workers);
