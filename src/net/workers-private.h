/* What the files of a loop's workers share.
 *
 * A request is in one place at a time: in the loop's queue, or among those of one worker. There
 * the first one is what the worker is at; those behind it wait in its socket. */
#pragma once

#include "net/request.h"

/* How long a request waits before another worker is asked for, and behind another one before it is
 * taken back. Filters that compute keep a few workers busy, and more of them would only take each
 * other's time; behind filters that block, requests wait longer than this. */
#define NET_WORKERS_PATIENCE (5 * G_TIME_SPAN_MILLISECOND)

typedef struct _NetWorker NetWorker;

struct _NetWorker
{
  NetWorkers *set;
  NetWorkerEnds ends;
  NetWatch answers; /* of the socket */
  NetWatch death;   /* of the pidfd */
  gboolean open;
  gboolean proven; /* it has answered something: it is no worker that can not start */
  gboolean stuck;  /* nothing is put behind what it is at, until that is answered */
  GQueue requests; /* of NetRequest, in the order in which they are answered; each referenced */
  guint unsent;    /* so many at the end are written when the turn ends */
  guint load;      /* µs that all of them are expected to take */
  gint64 begun;    /* when the first one became the first */
  gint64 idle_since;
  GQueue *list; /* idle or busy; NULL: it is gone */
  GList link;   /* there */
  GList write;  /* in writing */
};

struct _NetWorkers
{
  NetLoop *loop;
  NetWorkersShared *shared;
  GQueue idle;        /* of NetWorker, the most recently used first */
  GQueue busy;        /* of NetWorker */
  GQueue writing;     /* of NetWorker: those that are owed what is not written yet */
  GQueue queue;       /* of NetRequest, oldest first */
  GQueue due;         /* of NetRequest: `started` is to be called */
  GArray *expected;   /* of guint32, by a request's kind: µs that it usually takes; 0: not known */
  GArray *received;   /* descriptors that came with a packet; empty between two */
  gboolean wanting;   /* the generation was asked and has not answered */
  gboolean exhausted; /* its last answer was: none */
  gint64 want_after;
  gint64 want_lost; /* when an answer that has not come is not waited for any more */
  NetTimer timer;
  gboolean dirty;
};

/* ---- one worker ---- */

void net_worker_new (NetWorkers *workers, const NetWorkerEnds *ends);
/* What a request of this kind is expected to take, in µs. */
guint net_worker_expects (const NetWorkers *workers, const NetRequest *request);
/* The worker that would take the request now: a busy one that is soon through, else an idle one;
 * NULL: none. */
NetWorker *net_worker_choose (NetWorkers *workers, const NetRequest *request);
/* It is written at the end of the turn. Takes a reference. */
void net_worker_give (NetWorker *worker, NetRequest *request);
/* Writes what is not written yet. A worker that can not be written to is ended. */
void net_worker_write (NetWorker *worker);
/* Whether the worker may have begun the request, which is one of its own. */
gboolean net_worker_may_have_begun (const NetWorker *worker, const NetRequest *request);
/* Nobody waits for the request any more. What the worker is at ends with the worker. */
void net_worker_drop (NetWorker *worker, NetRequest *request);
/* Those that have waited too long behind another request return to the queue. */
void net_worker_look_after (NetWorker *worker, gint64 now);
/* Lets it go, without a word about what it was at. */
void net_worker_close (NetWorker *worker);

/* ---- the set ---- */

/* Puts the request in front of the queue, or behind its end; the queue holds a reference of its
 * own. */
void net_workers_enqueue (NetWorkers *workers, NetRequest *request, gboolean in_front);
/* The caller gets the queue's reference. */
NetRequest *net_workers_dequeue (NetWorkers *workers, NetRequest *request);
void net_workers_note_deadline (NetWorkers *workers, gint64 deadline);
/* Hands what waits to loops that can serve it sooner. */
void net_workers_pass_on (NetWorkers *workers);

static inline guint
net_workers_count (const NetWorkers *workers)
{
  return workers->idle.length + workers->busy.length;
}
