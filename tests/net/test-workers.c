/* Workers and their queue, with the test itself as the worker's end of the socket. The killed
 * processes are real children. */
#include <signal.h>
#include <sys/socket.h>

#include "worker-kit.h"

static void
test_answer (void)
{
  Scene scene;
  FakeWorker worker;

  scene_begin (&scene);
  worker = fake_worker_new (scene.loop);
  for (guint32 serial = 7; serial < 10; serial++)
    {
      guint before = scene.last;
      g_assert_nonnull (scene_ask (&scene, serial, 5000));
      scene_turn_until (scene.loop, &scene.started, before + 1);
      g_assert_cmpuint (fake_worker_receive (&worker), ==, serial);
      fake_worker_answer (&worker, serial, FALSE);
      fake_worker_answer (&worker, serial, TRUE);
      scene_turn_until (scene.loop, &scene.last, before + 1);
    }
  g_assert_cmpuint (scene.records, ==, 6);
  g_assert_cmpuint (scene.failed + scene.refused, ==, 0);
  scene_end (&scene);
  fake_worker_bury (&worker, FALSE);
}

static void
fault (void (*misbehave) (FakeWorker *worker))
{
  Scene scene;
  FakeWorker worker;

  scene_begin (&scene);
  worker = fake_worker_new (scene.loop);
  g_assert_nonnull (scene_ask (&scene, 7, 5000));
  scene_turn_until (scene.loop, &scene.started, 1);
  misbehave (&worker);
  scene_turn_until (scene.loop, &scene.failed, 1);
  g_assert_cmpuint (scene.records, ==, 0);
  scene_end (&scene);
  fake_worker_bury (&worker, TRUE);
}

static void
wrong_serial (FakeWorker *worker)
{
  fake_worker_answer (worker, 8, TRUE);
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

  scene_begin (&scene);
  worker = fake_worker_new (scene.loop);
  fake_worker_answer (&worker, 1, TRUE);
  scene_turn (scene.loop);
  g_assert_cmpint (scene.shared.workers, ==, 0);
  scene_end (&scene);
  fake_worker_bury (&worker, TRUE);
}

static void
test_cancel (void)
{
  Scene scene;
  FakeWorker worker;
  NetRequest *running, *waiting;

  scene_begin (&scene);
  worker = fake_worker_new (scene.loop);
  running = scene_ask (&scene, 1, 5000);
  scene_turn_until (scene.loop, &scene.started, 1);
  waiting = scene_ask (&scene, 2, 5000);
  g_assert_cmpint (scene.shared.queued, ==, 1);
  scene_cancel (&scene, waiting);
  g_assert_cmpint (scene.shared.queued, ==, 0);
  scene_cancel (&scene, running);
  scene_turn (scene.loop);
  g_assert_cmpuint (scene.failed + scene.refused + scene.records, ==, 0);
  scene_end (&scene);
  fake_worker_bury (&worker, TRUE);
}

static void
test_queue (void)
{
  Scene scene;
  FakeWorker worker;

  scene_begin (&scene);
  g_assert_nonnull (scene_ask (&scene, 1, 50));
  g_assert_nonnull (scene_ask (&scene, 2, 60000));
  g_assert_null (scene_ask (&scene, 3, 60000)); /* one past the limit */
  scene_turn_until (scene.loop, &scene.refused, 1);
  worker = fake_worker_new (scene.loop);
  scene_turn_until (scene.loop, &scene.started, 1);
  g_assert_cmpuint (fake_worker_receive (&worker), ==, 2);
  fake_worker_answer (&worker, 2, TRUE);
  scene_turn_until (scene.loop, &scene.last, 1);
  scene_end (&scene);
  fake_worker_bury (&worker, FALSE);
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

  scene_begin (&home);
  scene_begin (&host);
  host.loop->index = 1;
  peers[0] = home.loop;
  peers[1] = host.loop;
  home.loop->peers = host.loop->peers = peers;
  home.loop->n_peers = host.loop->n_peers = 2;
  worker = fake_worker_new (host.loop);
  for (guint32 serial = 1; serial < 4; serial++)
    {
      request = scene_ask (&home, serial, 60000);
      g_assert_nonnull (request);
      net_workers_none (home.loop->workers, 0);
      for (guint i = 0; i < 5; i++)
        {
          scene_turn (home.loop);
          scene_turn (host.loop);
        }
      g_assert_cmpuint (home.started, ==, serial);
      g_assert_cmpuint (fake_worker_receive (&worker), ==, serial);
      if (serial == 3)
        break;
      fake_worker_answer (&worker, serial, TRUE);
      scene_turn (host.loop);
      scene_turn_until (home.loop, &home.last, serial);
    }
  scene_cancel (&home, request);
  scene_turn (host.loop);
  g_assert_cmpint (host.shared.workers, ==, 0);
  g_assert_cmpuint (home.failed + home.refused, ==, 0);
  scene_end (&home);
  /* The queue is counted where each loop's own `shared` stands here; in the process it is one. */
  host.shared.queued = host.shared.queued_bytes = 0;
  scene_end (&host);
  fake_worker_bury (&worker, TRUE);
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
