/* Workers and their queue, with the test itself as the worker's end of the socket. The killed
 * processes are real children. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/workers.h"

typedef struct
{
  NetLoop *loop;
  NetWorkersShared shared;
  guint started, records, last, failed, refused;
  gchar why[128];
} Scene;

typedef struct
{
  gint socket; /* the worker's end */
  pid_t pid;
} FakeWorker;

static void
on_started (gpointer owner)
{
  ((Scene *) owner)->started++;
}

static void
on_record (gpointer owner, IpcRecord *record)
{
  Scene *scene = owner;

  scene->records++;
  scene->last += record->last ? 1 : 0;
}

static void
on_failed (gpointer owner, const gchar *why)
{
  Scene *scene = owner;

  scene->failed++;
  g_strlcpy (scene->why, why, sizeof scene->why);
}

static void
on_refused (gpointer owner, const gchar *why)
{
  ((Scene *) owner)->refused++;
}

static const NetRequestEvents events = { on_started, on_record, on_failed, on_refused };

static void
begin (Scene *scene)
{
  memset (scene, 0, sizeof *scene);
  scene->loop = net_loop_new (0);
  scene->shared.control = -1;
  scene->shared.queue = 2;
  net_workers_new (scene->loop, &scene->shared);
}

static void
end (Scene *scene)
{
  net_workers_close (scene->loop->workers);
  net_loop_stop (scene->loop);
  net_loop_run (scene->loop);
  net_loop_free (scene->loop);
  g_assert_cmpint (scene->shared.queued, ==, 0);
  g_assert_cmpint (scene->shared.queued_bytes, ==, 0);
  g_assert_cmpint (scene->shared.workers, ==, 0);
}

/* Turns the loop until the counter says so. */
static void
turn_until (NetLoop *loop, const guint *counter, guint value)
{
  for (guint i = 0; i < 2000 && *counter < value; i++)
    {
      net_loop_turn (loop, FALSE);
      g_usleep (1000);
    }
  g_assert_cmpuint (*counter, ==, value);
}

static void
turn (NetLoop *loop)
{
  for (guint i = 0; i < 5; i++)
    net_loop_turn (loop, FALSE);
}

static FakeWorker
add_worker (NetLoop *loop)
{
  g_autoptr (GError) error = NULL;
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
  net_workers_add (loop->workers, pair[0], (gint) syscall (SYS_pidfd_open, worker.pid, 0),
                   (guint32) worker.pid);
  return worker;
}

/* `killed`: by us; else the child still lives and is ended here. */
static void
bury (const FakeWorker *worker, gboolean killed)
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

static NetRequest *
ask (Scene *scene, guint32 serial, guint32 timeout)
{
  g_autoptr (IpcRequest) request = ipc_request_new (IPC_HOOK_CONNECT);

  request->serial = serial;
  request->timeout = timeout;
  request->session.session_id = g_strdup ("S");
  request->session.client_address = g_strdup ("192.0.2.1");
  request->session.client_name = g_strdup ("unknown");
  return net_workers_ask (scene->loop->workers, request, &events, scene);
}

static guint32
receive (const FakeWorker *worker)
{
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (GError) error = NULL;
  g_autoptr (IpcRequest) request = NULL;
  gboolean closed = FALSE;
  g_autoptr (GBytes) packet = ipc_channel_receive (worker->socket, descriptors, &closed, &error);

  g_assert_no_error (error);
  g_assert_nonnull (packet);
  request = ipc_request_decode (g_bytes_get_data (packet, NULL), g_bytes_get_size (packet),
                                descriptors, &error);
  g_assert_no_error (error);
  return request->serial;
}

static void
answer (const FakeWorker *worker, guint32 serial, gboolean last)
{
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (IpcRecord) record = ipc_record_new ();
  g_auto (BaseBuffer) bytes = BASE_BUFFER_INIT;
  g_autoptr (GError) error = NULL;

  record->serial = serial;
  record->last = last;
  ipc_record_encode (record, &bytes, descriptors);
  ipc_channel_send (worker->socket, base_buffer_bytes (&bytes), base_buffer_length (&bytes),
                    descriptors, &error);
  g_assert_no_error (error);
}

static void
test_answer (void)
{
  Scene scene;
  FakeWorker worker;

  begin (&scene);
  worker = add_worker (scene.loop);
  for (guint32 serial = 7; serial < 10; serial++)
    {
      guint before = scene.last;
      g_assert_nonnull (ask (&scene, serial, 5000));
      turn_until (scene.loop, &scene.started, before + 1);
      g_assert_cmpuint (receive (&worker), ==, serial);
      answer (&worker, serial, FALSE);
      answer (&worker, serial, TRUE);
      turn_until (scene.loop, &scene.last, before + 1);
    }
  g_assert_cmpuint (scene.records, ==, 6);
  g_assert_cmpuint (scene.failed + scene.refused, ==, 0);
  end (&scene);
  bury (&worker, FALSE);
}

static void
fault (void (*misbehave) (FakeWorker *worker))
{
  Scene scene;
  FakeWorker worker;

  begin (&scene);
  worker = add_worker (scene.loop);
  g_assert_nonnull (ask (&scene, 7, 5000));
  turn_until (scene.loop, &scene.started, 1);
  misbehave (&worker);
  turn_until (scene.loop, &scene.failed, 1);
  g_assert_cmpuint (scene.records, ==, 0);
  end (&scene);
  bury (&worker, TRUE);
}

static void
wrong_serial (FakeWorker *worker)
{
  answer (worker, 8, TRUE);
}

static void
nonsense (FakeWorker *worker)
{
  g_assert_cmpint (send (worker->socket, "nonsense", 8, 0), ==, 8);
}

static void
hang_up (FakeWorker *worker)
{
  shutdown (worker->socket, SHUT_RDWR);
}

static void
test_faults (void)
{
  fault (wrong_serial);
  fault (nonsense);
  fault (hang_up);
}

static void
test_unasked (void)
{
  Scene scene;
  FakeWorker worker;

  begin (&scene);
  worker = add_worker (scene.loop);
  answer (&worker, 1, TRUE);
  turn (scene.loop);
  g_assert_cmpint (scene.shared.workers, ==, 0);
  end (&scene);
  bury (&worker, TRUE);
}

static void
test_cancel (void)
{
  Scene scene;
  FakeWorker worker;
  NetRequest *running, *waiting;

  begin (&scene);
  worker = add_worker (scene.loop);
  running = ask (&scene, 1, 5000);
  turn_until (scene.loop, &scene.started, 1);
  waiting = ask (&scene, 2, 5000);
  g_assert_cmpint (scene.shared.queued, ==, 1);
  net_workers_cancel (scene.loop->workers, waiting);
  g_assert_cmpint (scene.shared.queued, ==, 0);
  net_workers_cancel (scene.loop->workers, running);
  turn (scene.loop);
  g_assert_cmpuint (scene.failed + scene.refused + scene.records, ==, 0);
  end (&scene);
  bury (&worker, TRUE);
}

static void
test_queue (void)
{
  Scene scene;
  FakeWorker worker;

  begin (&scene);
  g_assert_nonnull (ask (&scene, 1, 50));
  g_assert_nonnull (ask (&scene, 2, 60000));
  g_assert_null (ask (&scene, 3, 60000)); /* one past the limit */
  turn_until (scene.loop, &scene.refused, 1);
  worker = add_worker (scene.loop);
  turn_until (scene.loop, &scene.started, 1);
  g_assert_cmpuint (receive (&worker), ==, 2);
  answer (&worker, 2, TRUE);
  turn_until (scene.loop, &scene.last, 1);
  end (&scene);
  bury (&worker, FALSE);
}

/* A loop that gets no worker hands its request to one that has; records come back, and a cancel
 * goes the same way. */
static void
test_guest (void)
{
  Scene home, host;
  FakeWorker worker;
  NetLoop *peers[2];
  NetRequest *request;

  begin (&home);
  begin (&host);
  host.loop->index = 1;
  peers[0] = home.loop;
  peers[1] = host.loop;
  home.loop->peers = host.loop->peers = peers;
  home.loop->n_peers = host.loop->n_peers = 2;
  worker = add_worker (host.loop);
  for (guint32 serial = 1; serial < 4; serial++)
    {
      request = ask (&home, serial, 60000);
      g_assert_nonnull (request);
      net_workers_none (home.loop->workers, 0);
      for (guint i = 0; i < 5; i++)
        {
          turn (home.loop);
          turn (host.loop);
        }
      g_assert_cmpuint (home.started, ==, serial);
      g_assert_cmpuint (receive (&worker), ==, serial);
      if (serial == 3)
        break;
      answer (&worker, serial, TRUE);
      turn (host.loop);
      turn_until (home.loop, &home.last, serial);
    }
  net_workers_cancel (home.loop->workers, request);
  turn (host.loop);
  g_assert_cmpint (host.shared.workers, ==, 0);
  g_assert_cmpuint (home.failed + home.refused, ==, 0);
  end (&home);
  /* The queue is counted where each loop's own `shared` stands here; in the process it is one. */
  host.shared.queued = host.shared.queued_bytes = 0;
  end (&host);
  bury (&worker, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  signal (SIGPIPE, SIG_IGN);
  g_test_add_func ("/net/workers/answer", test_answer);
  g_test_add_func ("/net/workers/faults", test_faults);
  g_test_add_func ("/net/workers/unasked", test_unasked);
  g_test_add_func ("/net/workers/cancel", test_cancel);
  g_test_add_func ("/net/workers/queue", test_queue);
  g_test_add_func ("/net/workers/guest", test_guest);
  return g_test_run ();
}
