/* Scenes and stand-in workers; see worker-kit.h. */
#include "worker-kit.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* One request. */
typedef struct
{
  Scene *scene;
  NetRequest *request; /* NULL: over */
} Asked;

static void
on_started (gpointer owner)
{
  ((Asked *) owner)->scene->started++;
}

static void
on_put_back (gpointer owner)
{
  ((Asked *) owner)->scene->put_back++;
}

static void
on_record (gpointer owner, IpcRecord *record)
{
  Asked *asked = owner;

  asked->scene->records++;
  asked->scene->last += record->last ? 1 : 0;
  if (record->last)
    asked->request = NULL;
}

static void
on_failed (gpointer owner, const gchar *why)
{
  Asked *asked = owner;

  asked->scene->failed++;
  asked->request = NULL;
  g_strlcpy (asked->scene->why, why, sizeof asked->scene->why);
}

static void
on_refused (gpointer owner, const gchar *why)
{
  Asked *asked = owner;

  asked->scene->refused++;
  asked->request = NULL;
}

static const NetRequestEvents events
    = { on_started, on_put_back, on_record, on_failed, on_refused };

void
scene_begin (Scene *scene)
{
  memset (scene, 0, sizeof *scene);
  scene->loop = net_loop_new (0);
  scene->shared.control = -1;
  scene->shared.queue = 2;
  scene->asked = g_ptr_array_new_with_free_func (g_free);
  net_workers_new (scene->loop, &scene->shared);
}

void
scene_end (Scene *scene)
{
  for (guint i = 0; i < scene->asked->len; i++)
    if (((Asked *) g_ptr_array_index (scene->asked, i))->request != NULL)
      scene_cancel (scene, ((Asked *) g_ptr_array_index (scene->asked, i))->request);
  net_workers_close (scene->loop->workers);
  net_loop_stop (scene->loop);
  net_loop_run (scene->loop);
  net_loop_free (scene->loop);
  g_assert_cmpint (scene->shared.queued, ==, 0);
  g_assert_cmpint (scene->shared.queued_bytes, ==, 0);
  g_assert_cmpint (scene->shared.workers, ==, 0);
  g_ptr_array_unref (scene->asked);
}

void
scene_cancel (Scene *scene, NetRequest *request)
{
  for (guint i = 0; i < scene->asked->len; i++)
    {
      Asked *asked = g_ptr_array_index (scene->asked, i);
      if (asked->request == request)
        asked->request = NULL;
    }
  net_workers_cancel (scene->loop->workers, request);
}

gboolean
scene_recall (Scene *scene, NetRequest *request)
{
  if (!net_workers_recall (scene->loop->workers, request))
    return FALSE;
  for (guint i = 0; i < scene->asked->len; i++)
    {
      Asked *asked = g_ptr_array_index (scene->asked, i);
      if (asked->request == request)
        asked->request = NULL;
    }
  return TRUE;
}

void
scene_turn_until (NetLoop *loop, const guint *counter, guint value)
{
  for (guint i = 0; i < 2000 && *counter < value; i++)
    {
      net_loop_turn (loop, FALSE);
      g_usleep (1000);
    }
  g_assert_cmpuint (*counter, ==, value);
}

void
scene_turn (NetLoop *loop)
{
  for (guint i = 0; i < 5; i++)
    net_loop_turn (loop, FALSE);
}

FakeWorker
fake_worker_new (NetLoop *loop)
{
  g_autoptr (GError) error = NULL;
  NetWorkerEnds ends;
  FakeWorker worker;
  gint pair[2];

  g_assert_true (ipc_channel_pair (pair, &error));
  worker.socket = pair[1];
  worker.pid = fork ();
  if (worker.pid == 0)
    {
      /* A test that fails must not leave it behind, holding the test's output open. */
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      for (;;)
        pause ();
    }
  ends = (NetWorkerEnds){ pair[0], fcntl (pair[1], F_DUPFD_CLOEXEC, 3),
                          (gint) syscall (SYS_pidfd_open, worker.pid, 0), (guint32) worker.pid };
  net_workers_add (loop->workers, &ends);
  return worker;
}

void
fake_worker_bury (const FakeWorker *worker, gboolean killed)
{
  int status;

  if (!killed)
    {
      g_assert_cmpint (waitpid (worker->pid, &status, WNOHANG), ==, 0);
      kill (worker->pid, SIGKILL);
    }
  g_assert_cmpint (waitpid (worker->pid, &status, 0), ==, worker->pid);
  g_assert_true (WIFSIGNALED (status));
  close (worker->socket);
}

NetRequest *
scene_ask (Scene *scene, guint32 serial, guint32 timeout)
{
  return scene_ask_with (scene, serial, timeout, -1);
}

NetRequest *
scene_ask_with (Scene *scene, guint32 serial, guint32 timeout, gint descriptor)
{
  g_autoptr (IpcRequest) request = ipc_request_new (IPC_HOOK_CONNECT);
  const IpcFilterState state = { .descriptor = descriptor };
  Asked *asked = g_new0 (Asked, 1);

  request->serial = serial;
  request->timeout = timeout;
  request->session.session_id = (gchar *) "S";
  request->session.client_address = (gchar *) "192.0.2.1";
  request->session.client_name = (gchar *) "unknown";
  request->filters = g_array_new (FALSE, TRUE, sizeof (IpcFilterState));
  g_array_append_val (request->filters, state);
  asked->scene = scene;
  scene->shared.serial = (gint) serial - 1;
  asked->request = net_workers_ask (scene->loop->workers, request, &events, asked);
  g_ptr_array_add (scene->asked, asked);
  g_clear_pointer (&request->filters, g_array_unref);
  return asked->request;
}

guint32
fake_worker_receive (const FakeWorker *worker)
{
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (GError) error = NULL;
  g_autoptr (IpcRequest) request = NULL;
  gboolean closed = FALSE;
  g_autoptr (GBytes) packet = ipc_channel_receive (worker->socket, descriptors, &closed, &error);

  g_assert_no_error (error);
  if (packet == NULL)
    return 0;
  request = ipc_request_decode (g_bytes_get_data (packet, NULL), g_bytes_get_size (packet),
                                descriptors, &error);
  g_assert_no_error (error);
  return request->serial;
}

static void
send_record (const FakeWorker *worker, guint32 serial, gboolean last, guint32 served)
{
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (IpcRecord) record = ipc_record_new ();
  g_auto (BaseBuffer) bytes = BASE_BUFFER_INIT;
  g_autoptr (GError) error = NULL;

  record->serial = serial;
  record->last = last;
  record->served = served;
  ipc_record_encode (record, &bytes, descriptors);
  ipc_channel_send (worker->socket, base_buffer_bytes (&bytes), base_buffer_length (&bytes),
                    descriptors, &error);
  g_assert_no_error (error);
}

void
fake_worker_answer (const FakeWorker *worker, guint32 serial, gboolean last)
{
  send_record (worker, serial, last, 0);
}

void
fake_worker_answer_after (const FakeWorker *worker, guint32 serial, guint32 served)
{
  send_record (worker, serial, TRUE, served);
}

guint
scene_count_descriptors (void)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc/self/fd", 0, NULL);
  guint count = 0;

  while (g_dir_read_name (folder) != NULL)
    count++;
  return count;
}
