/* A loop and its mailbox. Fails only at start, for want of a descriptor or a thread. */
#include "net/loop.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/pool.h"
#include "net/workers.h"

typedef struct
{
  NetTask task;
  gpointer data;
} Posted;

static void
run_tasks (NetLoop *loop, const GArray *tasks)
{
  for (guint i = 0; i < tasks->len; i++)
    {
      const Posted *posted = &g_array_index (tasks, Posted, i);
      posted->task (loop, posted->data);
    }
}

static GArray *
new_tasks (void)
{
  return g_array_new (FALSE, FALSE, sizeof (Posted));
}

static void
run_posted (NetLoop *loop)
{
  GArray *tasks;

  g_mutex_lock (&loop->mutex);
  tasks = g_steal_pointer (&loop->tasks);
  loop->tasks = new_tasks ();
  g_mutex_unlock (&loop->mutex);
  run_tasks (loop, tasks);
  g_array_unref (tasks);
}

static void
on_bell (NetWatch *watch, int events)
{
  guint64 rung;

  (void) !read (watch->fd, &rung, sizeof rung);
  run_posted (NET_OWNER (watch, NetLoop, bell_watch));
}

static void
on_uv (NetWatch *watch, int events)
{
  uv_run (&NET_OWNER (watch, NetLoop, uv_watch)->uv, UV_RUN_NOWAIT);
}

NetLoop *
net_loop_new (guint index)
{
  NetLoop *loop = g_new0 (NetLoop, 1);

  loop->index = index;
  g_mutex_init (&loop->mutex);
  loop->tasks = new_tasks ();
  loop->deferred = new_tasks ();
  loop->spare = new_tasks ();
  loop->receive = g_malloc (NET_LOOP_RECEIVE);
  net_timers_init (&loop->timers);
  loop->bell = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (loop->bell < 0 || !net_poller_init (&loop->poller) || uv_loop_init (&loop->uv) != 0)
    g_error ("no event loop: %s",
             g_strerror (errno)); /* at start, before anything is promised to anybody */
  net_watch_init (&loop->bell_watch, &loop->poller, loop->bell, on_bell);
  net_watch_set (&loop->bell_watch, NET_READABLE);
  net_watch_init (&loop->uv_watch, &loop->poller, uv_backend_fd (&loop->uv), on_uv);
  net_watch_set (&loop->uv_watch, NET_READABLE);
  return loop;
}

/* ---- a turn ---- */

/* Before the loop may sleep: what could not be done from inside a session's own call is done now.
 * TRUE: there is more of it. */
static gboolean
prepare (NetLoop *loop)
{
  gboolean busy = FALSE;

  if (loop->workers != NULL)
    net_workers_run (loop->workers);
  busy = loop->pool != NULL && net_pool_run (loop->pool);
  return busy || (loop->workers != NULL && net_workers_are_due (loop->workers));
}

/* Milliseconds until a timer is due; -1: none is. */
static gint
time_to_sleep (const NetLoop *loop)
{
  gint64 next = net_timers_next (&loop->timers), wait;

  if (loop->deferred->len > 0)
    return 0;
  if (next == 0)
    return -1;
  wait = (next - g_get_monotonic_time () + 999) / 1000;
  return (gint) CLAMP (wait, 0, G_MAXINT);
}

static void
run_deferred (NetLoop *loop)
{
  GArray *tasks = loop->deferred;

  if (tasks->len == 0)
    return;
  loop->deferred = loop->spare;
  run_tasks (loop, tasks);
  g_array_set_size (tasks, 0);
  loop->spare = tasks;
}

static gboolean
is_alive (NetLoop *loop)
{
  /* The one for libuv is the loop's own and goes last. */
  return loop->poller.open > 1 || loop->timers.open > 0 || loop->deferred->len > 0
         || uv_loop_alive (&loop->uv);
}

gboolean
net_loop_turn (NetLoop *loop, gboolean wait)
{
  gboolean busy = prepare (loop);

  /* A request that was begun in this turn: libuv looks at its own descriptors only when it runs. */
  gboolean uv_is_due = uv_loop_alive (&loop->uv) && uv_backend_timeout (&loop->uv) == 0;

  wait = wait && !busy && !uv_is_due && is_alive (loop);
  net_poller_run (&loop->poller, wait ? time_to_sleep (loop) : 0);
  if (uv_is_due)
    uv_run (&loop->uv, UV_RUN_NOWAIT);
  net_timers_run (&loop->timers, net_loop_now (loop));
  run_deferred (loop);
  return is_alive (loop);
}

void
net_loop_run (NetLoop *loop)
{
  while (net_loop_turn (loop, TRUE))
    ;
}

void
net_loop_defer (NetLoop *loop, NetTask task, gpointer data)
{
  Posted posted = { task, data };

  g_array_append_val (loop->deferred, posted);
}

void
net_loop_free_later (NetLoop *loop, gpointer data)
{
  g_free (data);
}

/* ---- threads ---- */

static void
thread_main (void *data)
{
  net_loop_run (data);
}

gboolean
net_loop_start (NetLoop *loop, GError **error)
{
  int status = uv_thread_create (&loop->thread, thread_main, loop);

  if (status == 0)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_AGAIN, "no thread for an event loop: %s",
               uv_strerror (status));
  return FALSE;
}

void
net_loop_post (NetLoop *loop, NetTask task, gpointer data)
{
  Posted posted = { task, data };
  const guint64 ring = 1;
  gboolean first;

  g_mutex_lock (&loop->mutex);
  g_array_append_val (loop->tasks, posted);
  first = loop->tasks->len == 1;
  g_mutex_unlock (&loop->mutex);
  /* Now: a loop that wakes up to a mutex still held would have to sleep again. */
  if (first)
    (void) !write (loop->bell, &ring, sizeof ring);
}

void
net_loop_broadcast (NetLoop *loop, NetTask task, gpointer data)
{
  if (loop->n_peers == 0)
    net_loop_post (loop, task, data);
  for (guint i = 0; i < loop->n_peers; i++)
    net_loop_post (loop->peers[i], task, data);
}

void
net_loop_stop (NetLoop *loop)
{
  net_watch_close (&loop->bell_watch);
}

void
net_loop_join (NetLoop *loop)
{
  uv_thread_join (&loop->thread);
}

gboolean
net_loop_run_late (NetLoop *loop)
{
  if (loop->tasks->len == 0)
    return FALSE;
  run_posted (loop);
  net_loop_run (loop);
  return TRUE;
}

void
net_loop_free (NetLoop *loop)
{
  if (loop == NULL)
    return;
  net_watch_close (&loop->uv_watch);
  if (uv_loop_close (&loop->uv) != 0)
    g_error ("an event loop was closed with handles open");
  net_poller_finish (&loop->poller);
  net_timers_finish (&loop->timers);
  close (loop->bell);
  g_array_unref (loop->tasks);
  g_array_unref (loop->deferred);
  g_array_unref (loop->spare);
  g_mutex_clear (&loop->mutex);
  g_free (loop->receive);
  g_free (loop);
}
