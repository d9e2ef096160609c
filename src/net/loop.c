/* A loop and its mailbox. Fails only at start, for want of a descriptor or a thread. */
#include "net/loop.h"

#include "net/pool.h"
#include "net/workers.h"

typedef struct
{
  NetTask task;
  gpointer data;
} Posted;

static void
on_async (uv_async_t *async)
{
  NetLoop *loop = NET_OWNER (async, NetLoop, async);
  GArray *tasks;

  g_mutex_lock (&loop->mutex);
  tasks = loop->tasks;
  loop->tasks = g_array_new (FALSE, FALSE, sizeof (Posted));
  g_mutex_unlock (&loop->mutex);
  for (guint i = 0; i < tasks->len; i++)
    {
      const Posted *posted = &g_array_index (tasks, Posted, i);
      posted->task (loop, posted->data);
    }
  g_array_unref (tasks);
}

/* Before the loop may sleep: what could not be done from inside a session's own call is done now.
 */
static void
on_prepare (uv_prepare_t *prepare)
{
  NetLoop *loop = NET_OWNER (prepare, NetLoop, prepare);

  if (loop->workers != NULL)
    net_workers_run (loop->workers);
  if (loop->pool != NULL)
    net_pool_run (loop->pool);
}

NetLoop *
net_loop_new (guint index)
{
  NetLoop *loop = g_new0 (NetLoop, 1);

  loop->index = index;
  g_mutex_init (&loop->mutex);
  loop->tasks = g_array_new (FALSE, FALSE, sizeof (Posted));
  loop->receive = g_malloc (NET_LOOP_RECEIVE);
  if (uv_loop_init (&loop->uv) != 0 || uv_async_init (&loop->uv, &loop->async, on_async) != 0)
    g_error ("no event loop: %s",
             g_strerror (errno)); /* at start, before anything is promised to anybody */
  uv_prepare_init (&loop->uv, &loop->prepare);
  uv_prepare_start (&loop->prepare, on_prepare);
  return loop;
}

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
net_loop_run (NetLoop *loop)
{
  uv_run (&loop->uv, UV_RUN_DEFAULT);
}

void
net_loop_post (NetLoop *loop, NetTask task, gpointer data)
{
  Posted posted = { task, data };

  g_mutex_lock (&loop->mutex);
  g_array_append_val (loop->tasks, posted);
  uv_async_send (&loop->async);
  g_mutex_unlock (&loop->mutex);
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
  if (uv_is_closing ((uv_handle_t *) &loop->async))
    return;
  uv_close ((uv_handle_t *) &loop->async, NULL);
  uv_close ((uv_handle_t *) &loop->prepare, NULL);
}

void
net_loop_join (NetLoop *loop)
{
  if (loop == NULL)
    return;
  uv_thread_join (&loop->thread);
  net_loop_free (loop);
}

void
net_loop_free (NetLoop *loop)
{
  if (loop == NULL)
    return;
  if (uv_loop_close (&loop->uv) != 0)
    g_error ("an event loop was closed with handles open");
  g_array_unref (loop->tasks);
  g_mutex_clear (&loop->mutex);
  g_free (loop->receive);
  g_free (loop);
}
