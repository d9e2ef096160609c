/* Workers of one loop and their queue: who gets a request, when more workers are asked for, when
 * they are let go. A full queue is told to the caller; a request past its deadline is refused. */
#include "net/workers-private.h"

#define WANT_LOST (5 * G_TIME_SPAN_SECOND) /* either side may be out of descriptors just then */
#define WANT_AGAIN (100 * G_TIME_SPAN_MILLISECOND) /* when the generation's channel was full */

/* ---- the queue ---- */

void
net_workers_note_deadline (NetWorkers *workers, gint64 deadline)
{
  if (workers->timer.deadline == 0 || deadline < workers->timer.deadline)
    net_timer_set (&workers->timer, deadline);
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

void
net_workers_enqueue (NetWorkers *workers, NetRequest *request, gboolean in_front)
{
  request->queued = TRUE;
  if (in_front)
    g_queue_push_head_link (&workers->queue, &net_request_ref (request)->link);
  else
    g_queue_push_tail_link (&workers->queue, &net_request_ref (request)->link);
  count_queued (workers, request, 1);
  net_workers_note_deadline (workers, request->deadline);
  workers->dirty = TRUE;
}

NetRequest *
net_workers_dequeue (NetWorkers *workers, NetRequest *request)
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
  guint32 serial = (guint32) g_atomic_int_add (&workers->shared->serial, 1) + 1;
  NetRequest *request = net_request_new (workers->loop, serial, source, events, owner);
  gboolean kept = net_request_keep (request);
  NetWorker *worker = NULL;

  if (workers->queue.length == 0)
    worker = net_worker_choose (workers, request);
  if (!kept || (worker == NULL && !has_room (workers, request)))
    {
      NET_COUNT (workers->loop, worker_refusals);
      net_request_unref (request);
      return NULL;
    }
  if (worker != NULL)
    net_worker_give (worker, request);
  else
    net_workers_enqueue (workers, request, FALSE);
  return request;
}

/* In the thread of the loop that has the request. */
static void
stop_request (NetWorkers *workers, NetRequest *request)
{
  if (request->queued)
    net_request_unref (net_workers_dequeue (workers, request));
  else if (request->worker != NULL)
    net_worker_drop (request->worker, request);
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

/* In the thread of the loop that has the request. */
static gboolean
waits (const NetRequest *request)
{
  return request->queued
         || (request->worker != NULL && !net_worker_may_have_begun (request->worker, request));
}

/* Whoever asked can not know how far it is, and hears of it in either case. */
static void
task_recall (NetLoop *loop, gpointer data)
{
  NetRequest *request = data;

  if (loop->workers != NULL && waits (request))
    {
      stop_request (loop->workers, request);
      net_request_tell (request, loop, net_request_tell_refused, NULL, "its client is gone");
    }
  net_request_unref (request);
}

gboolean
net_workers_recall (NetWorkers *workers, NetRequest *request)
{
  if (request->place != NULL)
    net_loop_post (request->place, task_recall, net_request_ref (request));
  if (request->place != NULL || !waits (request))
    return FALSE;
  net_workers_cancel (workers, request);
  return TRUE;
}

/* ---- more workers ---- */

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
      net_workers_note_deadline (workers, workers->want_after);
      return;
    }
  control = ipc_control_new (IPC_CONTROL_WANT);
  control->number = workers->loop->index;
  workers->wanting = ipc_control_send (workers->shared->control, control, &error);
  if (workers->wanting)
    {
      workers->want_lost = now + WANT_LOST;
      net_workers_note_deadline (workers, workers->want_lost);
      return;
    }
  workers->want_after = now + WANT_AGAIN;
  net_workers_note_deadline (workers, workers->want_after);
}

static gboolean
needs_more (NetWorkers *workers, gint64 now)
{
  const NetRequest *oldest = NULL;

  if (net_workers_count (workers) < own_share (workers))
    return TRUE;
  if (workers->queue.length == 0)
    return FALSE;
  oldest = workers->queue.head->data;
  if (net_workers_count (workers) == 0 || oldest->made + NET_WORKERS_PATIENCE <= now)
    return TRUE;
  net_workers_note_deadline (workers, oldest->made + NET_WORKERS_PATIENCE);
  return FALSE;
}

/* ---- the loop's turn ---- */

static void
run_due (NetWorkers *workers)
{
  NetRequest *request;

  while ((request = g_queue_pop_head (&workers->due)) != NULL)
    if (request->started)
      net_request_tell_started (workers->loop, request);
    else
      net_request_unref (request);
}

static void
run_queue (NetWorkers *workers)
{
  NetWorker *worker;

  while (workers->queue.length > 0
         && (worker = net_worker_choose (workers, workers->queue.head->data)) != NULL)
    {
      NetRequest *request = net_workers_dequeue (workers, workers->queue.head->data);
      net_worker_give (worker, request);
      net_request_unref (request);
    }
}

static void
run_once (NetWorkers *workers)
{
  gint64 now;

  run_queue (workers);
  while (workers->writing.length > 0)
    net_worker_write (workers->writing.head->data);
  if (workers->exhausted && workers->queue.length > 0)
    net_workers_pass_on (workers);
  now = g_get_monotonic_time ();
  if (needs_more (workers, now))
    want (workers, now);
  else if (workers->idle.length > 0 && net_workers_count (workers) > own_share (workers))
    net_workers_note_deadline (workers, ((NetWorker *) workers->idle.tail->data)->idle_since
                                            + NET_WORKERS_IDLE);
  run_due (workers);
}

void
net_workers_run (NetWorkers *workers)
{
  run_due (workers);
  while (workers->dirty)
    {
      workers->dirty = FALSE;
      run_once (workers);
    }
}

gboolean
net_workers_are_due (const NetWorkers *workers)
{
  return workers->dirty || workers->due.length > 0;
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
          net_workers_note_deadline (workers, request->deadline);
          continue;
        }
      net_workers_dequeue (workers, request);
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
  while (workers->idle.length > 0 && net_workers_count (workers) > own_share (workers))
    {
      NetWorker *worker = workers->idle.tail->data;
      if (worker->idle_since + NET_WORKERS_IDLE > now)
        {
          net_workers_note_deadline (workers, worker->idle_since + NET_WORKERS_IDLE);
          return;
        }
      net_worker_close (worker);
    }
}

static void
look_after (NetWorkers *workers, gint64 now)
{
  GList *next;

  for (GList *link = workers->busy.head; link != NULL; link = next)
    {
      next = link->next;
      net_worker_look_after (link->data, now);
    }
}

static void
on_timer (NetTimer *timer)
{
  NetWorkers *workers = NET_OWNER (timer, NetWorkers, timer);
  gint64 now = g_get_monotonic_time ();

  look_after (workers, now);
  refuse_late (workers, now);
  let_go_idle (workers, now);
  workers->dirty = TRUE;
}

void
net_workers_add (NetWorkers *workers, const NetWorkerEnds *ends)
{
  workers->wanting = FALSE;
  workers->exhausted = FALSE;
  workers->dirty = TRUE;
  net_worker_new (workers, ends);
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
  workers->expected = g_array_new (FALSE, TRUE, sizeof (guint32));
  workers->received = g_array_new (FALSE, FALSE, sizeof (gint));
  net_timer_init (&workers->timer, &loop->timers, on_timer);
  workers->dirty = TRUE; /* its share of workers-min is wanted at once */
  loop->workers = workers;
  return workers;
}

void
net_workers_close (NetWorkers *workers)
{
  while (workers->due.length > 0)
    net_request_unref (g_queue_pop_head (&workers->due));
  while (workers->queue.length > 0)
    net_request_unref (net_workers_dequeue (workers, workers->queue.head->data));
  while (workers->busy.length > 0)
    net_worker_close (workers->busy.head->data);
  while (workers->idle.length > 0)
    net_worker_close (workers->idle.head->data);
  workers->loop->workers = NULL;
  net_timer_close (&workers->timer);
  g_array_unref (workers->expected);
  g_array_unref (workers->received);
  net_loop_defer (workers->loop, net_loop_free_later, workers);
}
