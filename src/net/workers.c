/* Workers of one loop, their queue, and the passing of requests between loops. A failure of a
 * worker costs its request; a full queue is told to the caller; a request past its deadline is
 * refused. */
#include "net/workers.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "net/request.h"

#define RECORDS_AT_ONCE 64
/* How long a request waits before another worker is asked for. Filters that compute keep a few
 * workers busy, and more of them would only take each other's time; behind filters that block,
 * requests wait longer than this. */
#define PATIENCE (5 * G_TIME_SPAN_MILLISECOND)
#define WANT_LOST (5 * G_TIME_SPAN_SECOND) /* either side may be out of descriptors just then */
#define WANT_AGAIN (100 * G_TIME_SPAN_MILLISECOND) /* when the generation's channel was full */

typedef struct
{
  NetWorkers *set;
  gint socket, pidfd;
  guint32 pid;
  NetWatch watch;
  gboolean open;
  NetRequest *request; /* referenced; NULL: idle */
  gint64 idle_since;
  GList link;      /* in all */
  GList idle_link; /* in idle */
} Worker;

struct _NetWorkers
{
  NetLoop *loop;
  NetWorkersShared *shared;
  GQueue all;         /* of Worker */
  GQueue idle;        /* the most recently used first */
  GQueue queue;       /* of NetRequest, oldest first */
  GQueue due;         /* of NetRequest: `started` is to be called */
  gboolean wanting;   /* the generation was asked and has not answered */
  gboolean exhausted; /* its last answer was: none */
  gint64 want_after;
  gint64 want_lost; /* when an answer that has not come is not waited for any more */
  NetTimer timer;
  gboolean dirty;
  gboolean closed;
};

/* ---- the end of a worker ---- */

/* The worker leads a process group, so that programs which a filter started go with it; the group
 * is only named while the pidfd proves that the number still is the worker's. */
static void
kill_worker (const Worker *worker)
{
  if (worker->pidfd < 0)
    return;
  if (worker->pid > 1 && syscall (SYS_pidfd_send_signal, worker->pidfd, 0, NULL, 0) == 0)
    kill (-(pid_t) worker->pid, SIGKILL);
  syscall (SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
}

static void
set_idle (Worker *worker, gboolean idle)
{
  NetWorkers *workers = worker->set;

  if (idle)
    {
      worker->idle_since = g_get_monotonic_time ();
      g_queue_push_head_link (&workers->idle, &worker->idle_link);
      NET_COUNT (workers->loop, workers_idle);
      return;
    }
  g_queue_unlink (&workers->idle, &worker->idle_link);
  NET_UNCOUNT (workers->loop, workers_idle);
}

/* Out of all lists, its descriptors closed. Its request is the caller's. */
static NetRequest *
remove_worker (Worker *worker)
{
  NetWorkers *workers = worker->set;
  NetRequest *request = g_steal_pointer (&worker->request);

  if (request == NULL)
    set_idle (worker, FALSE);
  worker->open = FALSE;
  g_queue_unlink (&workers->all, &worker->link);
  net_watch_close (&worker->watch);
  net_loop_defer (workers->loop, net_loop_free_later, worker);
  close (worker->socket);
  if (worker->pidfd >= 0)
    close (worker->pidfd);
  g_atomic_int_add (&workers->shared->workers, -1);
  NET_UNCOUNT (workers->loop, workers_now);
  workers->dirty = TRUE;
  return request;
}

static void
fail_worker (Worker *worker, const gchar *why)
{
  NetWorkers *workers = worker->set;
  NetRequest *request;

  kill_worker (worker);
  base_log (worker->request != NULL ? BASE_LOG_WARNING : BASE_LOG_INFO, "worker %u: %s",
            worker->pid, why);
  request = remove_worker (worker);
  if (request == NULL)
    return;
  NET_COUNT (workers->loop, worker_failures);
  net_request_tell (request, workers->loop, net_request_tell_failed, NULL, why);
  net_request_unref (request);
}

/* ---- answers ---- */

static void
take_record (Worker *worker, IpcRecord *record)
{
  NetWorkers *workers = worker->set;
  NetRequest *request = worker->request;

  if (!record->last)
    {
      net_request_tell (request, workers->loop, net_request_tell_record, record, NULL);
      return;
    }
  /* Free before the session hears of it: its next request usually comes from within. */
  worker->request = NULL;
  set_idle (worker, TRUE);
  workers->dirty = TRUE;
  net_request_tell (request, workers->loop, net_request_tell_record, record, NULL);
  net_request_unref (request);
}

/* One packet. FALSE: nothing more is there, or the worker is gone. */
static gboolean
read_packet (Worker *worker)
{
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) packet = NULL;
  gboolean closed = FALSE;
  IpcRecord *record;
  gsize length;
  const guint8 *bytes;

  packet = ipc_channel_receive (worker->socket, descriptors, &closed, &error);
  if (packet == NULL)
    {
      if (closed || error != NULL)
        fail_worker (worker, error != NULL ? error->message : "ended");
      return FALSE;
    }
  bytes = g_bytes_get_data (packet, &length);
  record = ipc_record_decode (bytes, length, descriptors, &error);
  if (record == NULL)
    fail_worker (worker, error->message);
  else if (worker->request == NULL || record->serial != worker->request->serial)
    {
      ipc_record_free (record);
      fail_worker (worker, "sent a record that nobody asked for");
    }
  else
    take_record (worker, record);
  return worker->open;
}

static void
on_worker (NetWatch *watch, int events)
{
  Worker *worker = NET_OWNER (watch, Worker, watch);

  for (guint i = 0; i < RECORDS_AT_ONCE && worker->open; i++)
    if (!read_packet (worker) || worker->request == NULL)
      return;
}

/* ---- requests on their way ---- */

static void
note_deadline (NetWorkers *workers, gint64 deadline)
{
  if (workers->timer.deadline == 0 || deadline < workers->timer.deadline)
    net_timer_set (&workers->timer, deadline);
}

/* FALSE: this worker could not take it, and is gone. */
static gboolean
send_to (Worker *worker, NetRequest *request)
{
  NetWorkers *workers = worker->set;
  g_autoptr (GError) error = NULL;

  if (!ipc_channel_send (worker->socket, base_buffer_bytes (&request->bytes),
                         base_buffer_length (&request->bytes), request->descriptors, &error))
    {
      fail_worker (worker, error->message);
      return FALSE;
    }
  set_idle (worker, FALSE);
  worker->request = net_request_ref (request);
  net_request_drop_payload (request);
  NET_COUNT (workers->loop, worker_requests);
  if (request->home == workers->loop)
    g_queue_push_tail (&workers->due, net_request_ref (request));
  else
    net_loop_post (request->home, net_request_tell_started, net_request_ref (request));
  return TRUE;
}

static gboolean
send_to_idle (NetWorkers *workers, NetRequest *request)
{
  while (workers->idle.length > 0)
    if (send_to (workers->idle.head->data, request))
      return TRUE;
  return FALSE;
}

static void
count_queued (NetWorkers *workers, const NetRequest *request, gint sign)
{
  g_atomic_int_add (&workers->shared->queued, sign);
  g_atomic_int_add (&workers->shared->queued_bytes, sign * (gint) net_request_size (request));
  if (sign > 0)
    NET_COUNT (workers->loop, worker_queue);
  else
    NET_UNCOUNT (workers->loop, worker_queue);
}

/* The queue holds a reference of its own. */
static void
enqueue (NetWorkers *workers, NetRequest *request)
{
  request->queued = TRUE;
  g_queue_push_tail_link (&workers->queue, &net_request_ref (request)->link);
  count_queued (workers, request, 1);
  note_deadline (workers, request->deadline);
  workers->dirty = TRUE;
}

/* The caller gets the queue's reference. */
static NetRequest *
dequeue (NetWorkers *workers, NetRequest *request)
{
  g_queue_unlink (&workers->queue, &request->link);
  request->queued = FALSE;
  count_queued (workers, request, -1);
  return request;
}

static gboolean
has_room (const NetWorkers *workers, const NetRequest *request)
{
  const NetWorkersShared *shared = workers->shared;

  return g_atomic_int_get (&shared->queued) < shared->queue
         && g_atomic_int_get (&shared->queued_bytes) + (gint64) net_request_size (request)
                <= NET_WORKERS_MAX_QUEUED_BYTES;
}

NetRequest *
net_workers_ask (NetWorkers *workers, const IpcRequest *source, const NetRequestEvents *events,
                 gpointer owner)
{
  NetRequest *request = net_request_new (workers->loop, source, events, owner);

  if (workers->queue.length == 0 && send_to_idle (workers, request))
    return request;
  if (has_room (workers, request) && net_request_keep (request))
    {
      enqueue (workers, request);
      return request;
    }
  NET_COUNT (workers->loop, worker_refusals);
  net_request_unref (request);
  return NULL;
}

/* In the thread of the loop that has the request. */
static void
stop_request (NetWorkers *workers, NetRequest *request)
{
  if (request->queued)
    {
      net_request_unref (dequeue (workers, request));
      return;
    }
  for (GList *link = workers->all.head; link != NULL; link = link->next)
    {
      Worker *worker = link->data;
      if (worker->request != request)
        continue;
      kill_worker (worker);
      net_request_unref (remove_worker (worker));
      return;
    }
}

static void
task_stop (NetLoop *loop, gpointer data)
{
  if (loop->workers != NULL)
    stop_request (loop->workers, data);
  net_request_unref (data);
}

void
net_workers_cancel (NetWorkers *workers, NetRequest *request)
{
  request->events = NULL;
  if (request->place != NULL)
    net_loop_post (request->place, task_stop, net_request_ref (request));
  else
    stop_request (workers, request);
  net_request_unref (request);
}

/* ---- passing on ---- */

static void
task_guest (NetLoop *loop, gpointer data)
{
  NetRequest *request = data;

  if (loop->workers != NULL)
    {
      enqueue (loop->workers, request);
      net_request_unref (request);
      return;
    }
  net_request_tell (request, loop, net_request_tell_refused, NULL, "no worker");
  net_request_unref (request);
}

/* The loop that can serve a request soonest; NULL: none better than ourselves. Other loops'
 * counters may be a moment old. */
static NetLoop *
find_host (const NetWorkers *workers)
{
  NetLoop *best = NULL;
  gint64 least = G_MAXINT64, load;

  for (guint i = 0; i < workers->loop->n_peers; i++)
    {
      NetLoop *peer = workers->loop->peers[i];
      if (peer == workers->loop || net_counter_get (&peer->counters.workers_now) == 0)
        continue;
      load = (gint64) net_counter_get (&peer->counters.worker_queue)
             - (gint64) net_counter_get (&peer->counters.workers_idle);
      /* With workers of our own, waiting for them is as good as waiting elsewhere. */
      if (load >= least || (workers->all.length > 0 && load >= 0))
        continue;
      best = peer;
      least = load;
    }
  return best;
}

static void
pass_on (NetWorkers *workers)
{
  GList *next;

  for (GList *link = workers->queue.head; link != NULL; link = next)
    {
      NetRequest *request = link->data;
      NetLoop *host = request->home == workers->loop ? find_host (workers) : NULL;
      next = link->next;
      if (host == NULL)
        continue;
      request->place = host;
      NET_COUNT (workers->loop, worker_passed);
      net_loop_post (host, task_guest, dequeue (workers, request));
      if (workers->all.length > 0)
        return; /* the host's counters do not know of this one yet */
    }
}

/* The workers that this loop keeps whatever happens. */
static guint
own_share (const NetWorkers *workers)
{
  guint minimum = workers->shared->minimum, loops = MAX (workers->loop->n_peers, 1);

  return minimum / loops + (workers->loop->index < minimum % loops ? 1 : 0);
}

static void
want (NetWorkers *workers, gint64 now)
{
  g_autoptr (IpcControl) control = NULL;
  g_autoptr (GError) error = NULL;

  if (workers->shared->control < 0 || (workers->wanting && workers->want_lost > now))
    return;
  if (workers->want_after > now)
    {
      note_deadline (workers, workers->want_after);
      return;
    }
  control = ipc_control_new (IPC_CONTROL_WANT);
  control->number = workers->loop->index;
  workers->wanting = ipc_control_send (workers->shared->control, control, &error);
  if (workers->wanting)
    {
      workers->want_lost = now + WANT_LOST;
      note_deadline (workers, workers->want_lost);
      return;
    }
  workers->want_after = now + WANT_AGAIN;
  note_deadline (workers, workers->want_after);
}

static gboolean
needs_more (NetWorkers *workers, gint64 now)
{
  const NetRequest *oldest = NULL;

  if (workers->all.length < own_share (workers))
    return TRUE;
  if (workers->queue.length == 0)
    return FALSE;
  oldest = workers->queue.head->data;
  if (workers->all.length == 0 || oldest->made + PATIENCE <= now)
    return TRUE;
  note_deadline (workers, oldest->made + PATIENCE);
  return FALSE;
}

/* ---- the loop's turn ---- */

static void
run_due (NetWorkers *workers)
{
  NetRequest *request;

  while ((request = g_queue_pop_head (&workers->due)) != NULL)
    net_request_tell_started (workers->loop, request);
}

static void
run_queue (NetWorkers *workers)
{
  while (workers->queue.length > 0 && workers->idle.length > 0)
    {
      NetRequest *request = dequeue (workers, workers->queue.head->data);
      if (!send_to_idle (workers, request))
        enqueue (workers, request);
      net_request_unref (request);
    }
}

void
net_workers_run (NetWorkers *workers)
{
  gint64 now;

  run_due (workers);
  if (!workers->dirty)
    return;
  workers->dirty = FALSE;
  run_queue (workers);
  if (workers->exhausted && workers->queue.length > 0)
    pass_on (workers);
  now = g_get_monotonic_time ();
  if (needs_more (workers, now))
    want (workers, now);
  else if (workers->idle.length > 0 && workers->all.length > own_share (workers))
    note_deadline (workers, ((Worker *) workers->idle.tail->data)->idle_since + NET_WORKERS_IDLE);
  run_due (workers);
}

static void
refuse_late (NetWorkers *workers, gint64 now)
{
  GList *next;

  for (GList *link = workers->queue.head; link != NULL; link = next)
    {
      NetRequest *request = link->data;
      next = link->next;
      if (request->deadline > now)
        {
          note_deadline (workers, request->deadline);
          continue;
        }
      dequeue (workers, request);
      NET_COUNT (workers->loop, worker_refusals);
      net_request_tell (request, workers->loop, net_request_tell_refused, NULL,
                        "no worker was free in time");
      net_request_unref (request);
      /* The session may have asked for something else meanwhile: begin anew. */
      next = workers->queue.head;
    }
}

static void
let_go_idle (NetWorkers *workers, gint64 now)
{
  while (workers->idle.length > 0 && workers->all.length > own_share (workers))
    {
      Worker *worker = workers->idle.tail->data;
      if (worker->idle_since + NET_WORKERS_IDLE > now)
        {
          note_deadline (workers, worker->idle_since + NET_WORKERS_IDLE);
          return;
        }
      remove_worker (worker);
    }
}

static void
on_timer (NetTimer *timer)
{
  NetWorkers *workers = NET_OWNER (timer, NetWorkers, timer);
  gint64 now = g_get_monotonic_time ();

  refuse_late (workers, now);
  let_go_idle (workers, now);
  workers->dirty = TRUE;
}

void
net_workers_add (NetWorkers *workers, gint socket, gint pidfd, guint32 pid)
{
  Worker *worker = g_new0 (Worker, 1);

  workers->wanting = FALSE;
  workers->exhausted = FALSE;
  worker->set = workers;
  worker->socket = socket;
  worker->pidfd = pidfd;
  worker->pid = pid;
  worker->link.data = worker;
  worker->idle_link.data = worker;
  net_watch_init (&worker->watch, &workers->loop->poller, socket, on_worker);
  worker->open = TRUE;
  net_watch_set (&worker->watch, NET_READABLE);
  g_queue_push_tail_link (&workers->all, &worker->link);
  g_atomic_int_inc (&workers->shared->workers);
  NET_COUNT (workers->loop, workers_now);
  set_idle (worker, TRUE);
  workers->dirty = TRUE;
}

void
net_workers_none (NetWorkers *workers, guint32 delay)
{
  workers->wanting = FALSE;
  workers->exhausted = TRUE;
  workers->want_after = g_get_monotonic_time () + MAX ((gint64) delay * 1000, WANT_AGAIN);
  workers->dirty = TRUE;
}

NetWorkers *
net_workers_new (NetLoop *loop, NetWorkersShared *shared)
{
  NetWorkers *workers = g_new0 (NetWorkers, 1);

  workers->loop = loop;
  workers->shared = shared;
  net_timer_init (&workers->timer, &loop->timers, on_timer);
  workers->dirty = TRUE; /* its share of workers-min is wanted at once */
  loop->workers = workers;
  return workers;
}

void
net_workers_close (NetWorkers *workers)
{
  workers->closed = TRUE;
  while (workers->due.length > 0)
    net_request_unref (g_queue_pop_head (&workers->due));
  while (workers->queue.length > 0)
    net_request_unref (dequeue (workers, workers->queue.head->data));
  while (workers->all.length > 0)
    {
      Worker *worker = workers->all.head->data;
      NetRequest *request;
      if (worker->request != NULL)
        kill_worker (worker);
      request = remove_worker (worker);
      if (request != NULL)
        net_request_unref (request);
    }
  workers->loop->workers = NULL;
  net_timer_close (&workers->timer);
  net_loop_defer (workers->loop, net_loop_free_later, workers);
}
