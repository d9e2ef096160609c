/* One event-loop thread: its descriptors and timers, libuv's loop within it for what needs libuv's
 * threads (names, the disk), the work that others post to it, its shared receive buffer and the
 * parts that live on it.
 *
 * Everything of a loop is touched by its own thread alone; other threads post tasks. Counters are
 * read by anybody. */
#pragma once

#include <uv.h>

#include "net/timer.h"

#define NET_LOOP_RECEIVE                                                                           \
  (256 * 1024) /* octets of the receive buffer that all sessions of a loop share */

typedef struct _NetLoop NetLoop;
typedef void (*NetTask) (NetLoop *loop, gpointer data);

/* Since the start, but for those that say "now". Written by the loop's thread, read by the status.
 */
typedef struct
{
  guint64 sessions_now, sessions;
  guint64 sent, deferred, rejected, discarded, quarantined; /* by what became of messages */
  guint64 refused_connections, refused_per_client, refused_messages, refused_descriptors;
  guint64 messages; /* transactions begun: counted against messages-per-minute */
  guint64 client_gone, tls_failed, proxy_refused;
  guint64 upstream_connects, upstream_failures, upstream_reused, upstream_handed;
  guint64 workers_now, workers_idle, worker_queue, worker_requests, worker_failures,
      worker_refusals, worker_passed;
  guint64 deliveries, delivery_failures;
} NetCounters;

struct _NetLoop
{
  NetPoller poller;
  NetTimers timers;
  uv_loop_t uv;
  guint index;
  NetLoop **peers; /* all loops, this one included; borrowed */
  guint n_peers;
  guint8 *receive; /* NET_LOOP_RECEIVE bytes; whoever read into it settles before the next read */
  NetCounters counters;

  struct _NetService *service;
  struct _NetNames *names;
  struct _NetPool *pool;
  struct _NetWorkers *workers;
  GQueue clients;   /* of NetClient */
  GQueue listeners; /* of NetListener */
  gboolean draining, hurry;

  GArray *deferred; /* tasks for the end of this turn */
  GArray *spare;    /* an empty one, for those that come while they run */
  NetWatch uv_watch;

  uv_thread_t thread;
  gint bell; /* an eventfd: tasks were posted */
  NetWatch bell_watch;
  GMutex mutex;  /* of what follows */
  GArray *tasks; /* that were posted */
};

#define NET_COUNT(loop, field) net_counter_add (&(loop)->counters.field, 1)
#define NET_UNCOUNT(loop, field) net_counter_add (&(loop)->counters.field, (guint64) -1)

/* One writer, many readers: relaxed is enough. */
static inline void
net_counter_add (guint64 *counter, guint64 amount)
{
  __atomic_store_n (counter, __atomic_load_n (counter, __ATOMIC_RELAXED) + amount,
                    __ATOMIC_RELAXED);
}

static inline guint64
net_counter_get (const guint64 *counter)
{
  return __atomic_load_n (counter, __ATOMIC_RELAXED);
}

/* The moment of this turn, in monotonic microseconds, as it counts for deadlines of seconds: asking
 * the clock at each of a message's steps would cost more than most of the steps. */
static inline gint64
net_loop_now (const NetLoop *loop)
{
  return loop->poller.now;
}

/* Not yet running. `peers` may be set until net_loop_start(). */
NetLoop *net_loop_new (guint index);
/* Runs in a thread of its own until net_loop_stop(). FALSE: no thread. */
gboolean net_loop_start (NetLoop *loop, GError **error);
/* Runs in the calling thread. */
void net_loop_run (NetLoop *loop);
/* One turn of it; `wait`: sleeps when there is nothing to do. FALSE: it was stopped and nothing is
 * left on it. */
gboolean net_loop_turn (NetLoop *loop, gboolean wait);
/* From its own thread: `task` runs at the end of this turn. So goes memory that callers may still
 * look at. */
void net_loop_defer (NetLoop *loop, NetTask task, gpointer data);
/* As a task: frees `data`. */
void net_loop_free_later (NetLoop *loop, gpointer data);
/* From any thread: `task` runs in the loop's thread. Tasks of one poster keep their order. */
void net_loop_post (NetLoop *loop, NetTask task, gpointer data);
/* To all loops, this one included. */
void net_loop_broadcast (NetLoop *loop, NetTask task, gpointer data);
/* In the loop's own thread (the parts on it must have been closed): net_loop_run() returns once no
 * watch, timer or request of libuv's is open. */
void net_loop_stop (NetLoop *loop);
/* Waits for the thread. */
void net_loop_join (NetLoop *loop);
/* Of a loop that has ended: runs what was posted too late, which may post to others. FALSE: nothing
 * was. */
gboolean net_loop_run_late (NetLoop *loop);
/* Of one that has ended, and nobody posts to it any more. NULL is fine. */
void net_loop_free (NetLoop *loop);
