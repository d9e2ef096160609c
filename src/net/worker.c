/* One worker: what it was given, what it answers, its end.
 *
 * Every fault of a worker (its death, a record that does not decode, a wrong serial) ends it and
 * fails the request that it was at, the first one without an answer. Those behind it were not
 * begun: they return to the queue. So does one that a worker has left in its socket, if it is a
 * worker that can answer at all. */
#include "net/workers-private.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

#define RECORDS_AT_ONCE 64
/* µs of work that may wait in a busy worker. Waking another one takes 50 and two switches, and it
 * has to find its memory again: what is through by then is better off behind the others. */
#define AHEAD 100
#define AROUND 10 /* µs that a worker takes to read a request and to say what became of it */
#define SHARE 8   /* the part of an average that its newest member has */

/* ---- how long requests take ---- */

guint
net_worker_expects (const NetWorkers *workers, const NetRequest *request)
{
  guint usual = request->kind < workers->expected->len
                    ? g_array_index (workers->expected, guint32, request->kind)
                    : 0;

  return usual == 0 ? AHEAD : MIN (usual + AROUND, AHEAD);
}

/* A filter whose processor was taken away for a moment is not slow: one such answer must not count
 * for many. One that has made others wait too long does. */
static void
learn (NetWorkers *workers, guint kind, guint32 took)
{
  guint32 *usual;

  if (kind == NET_REQUEST_NO_KIND)
    return;
  if (kind >= workers->expected->len)
    g_array_set_size (workers->expected, kind + 1);
  usual = &g_array_index (workers->expected, guint32, kind);
  if (*usual == 0)
    *usual = MAX (took, 1);
  else if (took < NET_WORKERS_PATIENCE)
    took = MIN (took, 4 * (*usual + AROUND));
  *usual = MAX (((SHARE - 1) * *usual + MIN (took, G_USEC_PER_SEC)) / SHARE, 1);
}

static gboolean
is_soon_through (const NetWorker *worker, guint expected)
{
  return worker->proven && !worker->stuck && worker->load + expected <= AHEAD;
}

NetWorker *
net_worker_choose (NetWorkers *workers, const NetRequest *request)
{
  guint expected = net_worker_expects (workers, request);
  NetWorker *best = NULL;

  for (GList *link = workers->busy.head; link != NULL; link = link->next)
    {
      NetWorker *worker = link->data;
      if (is_soon_through (worker, expected) && (best == NULL || worker->load < best->load))
        best = worker;
    }
  if (best == NULL && workers->idle.length > 0)
    best = workers->idle.head->data;
  return best;
}

/* ---- what a worker has ---- */

/* `list`: idle or busy; NULL: none any more. */
static void
move (NetWorker *worker, GQueue *list)
{
  NetWorkers *workers = worker->set;

  if (worker->list != NULL)
    g_queue_unlink (worker->list, &worker->link);
  if (worker->list == &workers->idle)
    NET_UNCOUNT (workers->loop, workers_idle);
  worker->list = list;
  if (list == NULL)
    return;
  g_queue_push_head_link (list, &worker->link);
  if (list != &workers->idle)
    return;
  NET_COUNT (workers->loop, workers_idle);
  worker->idle_since = g_get_monotonic_time ();
}

static void
set_unsent (NetWorker *worker, guint unsent)
{
  if (worker->unsent == 0 && unsent > 0)
    g_queue_push_tail_link (&worker->set->writing, &worker->write);
  else if (worker->unsent > 0 && unsent == 0)
    g_queue_unlink (&worker->set->writing, &worker->write);
  worker->unsent = unsent;
}

static guint
count_sent (const NetWorker *worker)
{
  return worker->requests.length - worker->unsent;
}

void
net_worker_give (NetWorker *worker, NetRequest *request)
{
  NetWorkers *workers = worker->set;

  if (worker->requests.length == 0)
    move (worker, &workers->busy);
  request->worker = worker;
  request->expected = net_worker_expects (workers, request);
  worker->load += request->expected;
  g_queue_push_tail_link (&worker->requests, &net_request_ref (request)->link);
  set_unsent (worker, worker->unsent + 1);
  workers->dirty = TRUE;
}

/* The caller gets the worker's reference. */
static NetRequest *
take_out (NetWorker *worker, NetRequest *request)
{
  g_queue_unlink (&worker->requests, &request->link);
  worker->load -= request->expected;
  request->worker = NULL;
  return request;
}

/* The same of one that is not written yet. */
static void
forget_unsent (NetWorker *worker, NetRequest *request)
{
  take_out (worker, request);
  set_unsent (worker, worker->unsent - 1);
  if (worker->requests.length == 0)
    move (worker, &worker->set->idle);
}

/* Its time does not run while it waits. */
static void
tell_put_back (NetWorkers *workers, NetRequest *request)
{
  request->started = FALSE;
  if (request->home == workers->loop)
    net_request_tell_put_back (workers->loop, net_request_ref (request));
  else
    net_loop_post (request->home, net_request_tell_put_back, net_request_ref (request));
}

static void
requeue (NetWorkers *workers, NetRequest *request)
{
  if (request->started)
    tell_put_back (workers, request);
  if (!request->dropped)
    net_workers_enqueue (workers, request, TRUE);
  net_request_unref (request);
}

/* All but the first `keep` leave the worker, for the front of the queue. */
static void
give_back (NetWorker *worker, guint keep)
{
  while (worker->requests.length > keep)
    {
      NetRequest *request = take_out (worker, worker->requests.tail->data);
      set_unsent (worker, MAX (worker->unsent, 1) - 1);
      requeue (worker->set, request);
    }
}

static NetRequest *
find_request (const NetWorker *worker, guint32 serial)
{
  for (GList *link = worker->requests.head; link != NULL; link = link->next)
    if (((NetRequest *) link->data)->serial == serial)
      return link->data;
  return NULL;
}

/* What the worker has not read leaves its socket: either side gets a packet, never both, and which
 * ones we got is told by their serials, since the worker may read meanwhile. One without a serial
 * is too big for others to wait behind it. */
static void
take_unread (NetWorker *worker, GQueue *unread)
{
  guint32 serial = 0;
  gssize got;

  while ((got = ipc_channel_discard (worker->ends.back, (guint8 *) &serial, sizeof serial)) >= 0)
    {
      NetRequest *request = got == 0 ? g_queue_peek_head (&worker->requests)
                                     : find_request (worker, GUINT32_FROM_LE (serial));
      if (request != NULL)
        g_queue_push_tail_link (unread, &take_out (worker, request)->link);
    }
}

static void
requeue_all (NetWorkers *workers, GQueue *requests)
{
  GList *link;

  while ((link = g_queue_pop_tail_link (requests)) != NULL)
    requeue (workers, link->data);
}

/* ---- the end of a worker ---- */

/* The worker leads a process group, so that programs which a filter started go with it; the group
 * is only named while the pidfd proves that the number still is the worker's. */
static void
kill_worker (const NetWorker *worker)
{
  if (worker->ends.pid > 1 && syscall (SYS_pidfd_send_signal, worker->ends.pidfd, 0, NULL, 0) == 0)
    kill (-(pid_t) worker->ends.pid, SIGKILL);
  syscall (SYS_pidfd_send_signal, worker->ends.pidfd, SIGKILL, NULL, 0);
}

void
net_worker_ends_close (const NetWorkerEnds *ends)
{
  close (ends->socket);
  close (ends->back);
  close (ends->pidfd);
}

/* It has no request any more. */
static void
remove_worker (NetWorker *worker)
{
  NetWorkers *workers = worker->set;

  g_assert (worker->requests.length == 0 && worker->unsent == 0);
  move (worker, NULL);
  worker->open = FALSE;
  net_watch_close (&worker->answers);
  net_watch_close (&worker->death);
  net_loop_defer (workers->loop, net_loop_free_later, worker);
  net_worker_ends_close (&worker->ends);
  g_atomic_int_add (&workers->shared->workers, -1);
  NET_UNCOUNT (workers->loop, workers_now);
  workers->dirty = TRUE;
}

/* Whose fault it is; the others return to the queue. */
static NetRequest *
find_culprit (NetWorker *worker)
{
  GQueue unread = G_QUEUE_INIT;
  NetRequest *culprit = NULL;
  GList *link;

  give_back (worker, count_sent (worker));
  take_unread (worker, &unread);
  if (worker->requests.length == 0 && !worker->proven
      && (link = g_queue_pop_head_link (&unread)) != NULL)
    culprit = link->data;
  requeue_all (worker->set, &unread);
  if (worker->requests.length == 0)
    return culprit;
  give_back (worker, 1);
  return take_out (worker, worker->requests.head->data);
}

static void
fail_worker (NetWorker *worker, const gchar *why)
{
  NetWorkers *workers = worker->set;
  NetRequest *culprit;

  kill_worker (worker);
  culprit = find_culprit (worker);
  base_log (culprit != NULL ? BASE_LOG_WARNING : BASE_LOG_INFO, "worker %u: %s", worker->ends.pid,
            why);
  remove_worker (worker);
  if (culprit == NULL)
    return;
  NET_COUNT (workers->loop, worker_failures);
  net_request_tell (culprit, workers->loop, net_request_tell_failed, NULL, why);
  net_request_unref (culprit);
}

void
net_worker_close (NetWorker *worker)
{
  if (worker->requests.length > 0)
    kill_worker (worker);
  while (worker->requests.length > 0)
    net_request_unref (take_out (worker, worker->requests.head->data));
  set_unsent (worker, 0);
  remove_worker (worker);
}

/* The worker is ended for the sake of its first request, which nobody waits for. */
static void
cut_short (NetWorker *worker)
{
  kill_worker (worker);
  give_back (worker, 1);
  net_request_unref (take_out (worker, worker->requests.head->data));
  remove_worker (worker);
}

gboolean
net_worker_may_have_begun (const NetWorker *worker, const NetRequest *request)
{
  return (guint) g_queue_link_index ((GQueue *) &worker->requests, (GList *) &request->link)
         < count_sent (worker);
}

void
net_worker_drop (NetWorker *worker, NetRequest *request)
{
  guint place = (guint) g_queue_link_index (&worker->requests, &request->link);

  if (place >= count_sent (worker))
    {
      forget_unsent (worker, request);
      net_request_unref (request);
    }
  else if (place == 0)
    cut_short (worker);
  else
    request->dropped = TRUE; /* short work: its answer is nobody's */
}

/* ---- requests on their way ---- */

static void
watch_over (NetWorker *worker)
{
  const NetRequest *first = g_queue_peek_head (&worker->requests);

  if (worker->requests.length > 1 || first->dropped)
    net_workers_note_deadline (worker->set, worker->begun + NET_WORKERS_PATIENCE);
}

/* From here on the time of the first request counts. */
static void
begin (NetWorker *worker)
{
  NetWorkers *workers = worker->set;
  NetRequest *request = worker->requests.head->data;

  worker->begun = g_get_monotonic_time ();
  request->started = TRUE;
  if (request->home == workers->loop)
    g_queue_push_tail (&workers->due, net_request_ref (request));
  else
    net_loop_post (request->home, net_request_tell_started, net_request_ref (request));
}

/* A request that can not be written: the worker is gone, or its socket is full, or there are no
 * descriptors or no memory to send it with. */
static void
write_failed (NetWorker *worker, NetRequest *request, const GError *error)
{
  NetWorkers *workers = worker->set;

  if (&request->link != worker->requests.head)
    {
      /* There may be room when it has read what it has. */
      worker->stuck = TRUE;
      give_back (worker, count_sent (worker));
      watch_over (worker);
      return;
    }
  if (g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_PIPE)
      || g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_AGAIN))
    {
      fail_worker (worker, error->message);
      return;
    }
  forget_unsent (worker, request);
  NET_COUNT (workers->loop, worker_refusals);
  net_request_tell (request, workers->loop, net_request_tell_refused, NULL, error->message);
  net_request_unref (request);
}

/* FALSE: it could not be written, and the worker may be gone. */
static gboolean
write_one (NetWorker *worker, NetRequest *request)
{
  g_autoptr (GError) error = NULL;
  gboolean first = &request->link == worker->requests.head;

  if (!ipc_channel_send (worker->ends.socket, base_buffer_bytes (&request->bytes),
                         base_buffer_length (&request->bytes), request->descriptors, &error))
    {
      write_failed (worker, request, error);
      return FALSE;
    }
  set_unsent (worker, worker->unsent - 1);
  NET_COUNT (worker->set->loop, worker_requests);
  if (first)
    begin (worker);
  return TRUE;
}

void
net_worker_write (NetWorker *worker)
{
  GList *link = g_queue_peek_nth_link (&worker->requests, count_sent (worker));

  for (; link != NULL; link = link->next)
    if (!write_one (worker, link->data))
      return;
  watch_over (worker);
}

/* What waits behind the first one returns to the queue, as far as the worker has not read it. A
 * worker that has not even read the first one gets it again. */
static void
take_back (NetWorker *worker)
{
  const NetRequest *first = worker->requests.head->data;
  GQueue unread = G_QUEUE_INIT;

  learn (worker->set, first->kind, NET_WORKERS_PATIENCE);
  worker->stuck = TRUE;
  give_back (worker, count_sent (worker));
  take_unread (worker, &unread);
  if (worker->requests.length == 0)
    {
      NetRequest *again = g_queue_pop_head_link (&unread)->data;

      net_worker_give (worker, again);
      net_request_unref (again);
    }
  else if (worker->requests.head->data != first)
    begin (worker);
  requeue_all (worker->set, &unread);
}

void
net_worker_look_after (NetWorker *worker, gint64 now)
{
  const NetRequest *first = g_queue_peek_head (&worker->requests);

  if (count_sent (worker) == 0)
    return;
  if (worker->begun + NET_WORKERS_PATIENCE > now)
    watch_over (worker);
  else if (first->dropped)
    cut_short (worker);
  else if (worker->requests.length > 1)
    take_back (worker);
}

/* ---- answers ---- */

static void
take_record (NetWorker *worker, IpcRecord *record)
{
  NetWorkers *workers = worker->set;
  NetRequest *request = worker->requests.head->data;

  if (!record->last)
    {
      net_request_tell (request, workers->loop, net_request_tell_record, record, NULL);
      return;
    }
  /* Free before the session hears of it: its next request usually comes from within. */
  take_out (worker, request);
  learn (workers, request->kind, record->served);
  worker->proven = TRUE;
  worker->stuck = FALSE;
  if (worker->requests.length == 0)
    move (worker, &workers->idle);
  else if (count_sent (worker) > 0)
    {
      begin (worker);
      watch_over (worker);
    }
  workers->dirty = TRUE;
  net_request_tell (request, workers->loop, net_request_tell_record, record, NULL);
  net_request_unref (request);
}

/* One packet. FALSE: nothing more is there, or the worker is gone. */
static gboolean
read_packet (NetWorker *worker)
{
  GArray *descriptors = worker->set->received;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) packet = NULL;
  gboolean closed = FALSE;
  IpcRecord *record;
  const NetRequest *first;
  gsize length;
  const guint8 *bytes;

  packet = ipc_channel_receive (worker->ends.socket, descriptors, &closed, &error);
  if (packet == NULL)
    {
      if (closed || error != NULL)
        fail_worker (worker, error != NULL ? error->message : "ended");
      return FALSE;
    }
  bytes = g_bytes_get_data (packet, &length);
  record = ipc_record_decode (bytes, length, descriptors, &error);
  first = count_sent (worker) > 0 ? worker->requests.head->data : NULL;
  if (record == NULL)
    fail_worker (worker, error->message);
  else if (first == NULL || record->serial != first->serial)
    {
      ipc_record_free (record);
      fail_worker (worker, "sent a record that nobody asked for");
    }
  else
    take_record (worker, record);
  return worker->open;
}

static void
on_answers (NetWatch *watch, int events)
{
  NetWorker *worker = NET_OWNER (watch, NetWorker, answers);

  for (guint i = 0; i < RECORDS_AT_ONCE; i++)
    if (!read_packet (worker) || count_sent (worker) == 0)
      return;
}

/* What it said before it died is there; then it is over. */
static void
on_death (NetWatch *watch, int events)
{
  NetWorker *worker = NET_OWNER (watch, NetWorker, death);

  for (guint i = 0; i < RECORDS_AT_ONCE; i++)
    if (!read_packet (worker))
      {
        if (worker->open)
          fail_worker (worker, "ended");
        return;
      }
}

void
net_worker_new (NetWorkers *workers, const NetWorkerEnds *ends)
{
  NetWorker *worker = g_new0 (NetWorker, 1);

  worker->set = workers;
  worker->ends = *ends;
  worker->open = TRUE;
  worker->link.data = worker;
  worker->write.data = worker;
  net_watch_init (&worker->answers, &workers->loop->poller, ends->socket, on_answers);
  net_watch_set (&worker->answers, NET_READABLE);
  net_watch_init (&worker->death, &workers->loop->poller, ends->pidfd, on_death);
  net_watch_set (&worker->death, NET_READABLE);
  g_atomic_int_inc (&workers->shared->workers);
  NET_COUNT (workers->loop, workers_now);
  move (worker, &workers->idle);
}
