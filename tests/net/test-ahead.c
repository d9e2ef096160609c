/* Requests that wait in a busy worker's socket: who gets them when the worker is slow, hangs or
 * dies, and whose fault it is. Step by step with workers that the test plays. */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/request.h"
#include "worker-kit.h"

/* A worker that has answered, so that how long requests take is known. */
static FakeWorker
add_proven (Scene *scene)
{
  FakeWorker worker = fake_worker_new (scene->loop);
  guint last = scene->last;

  g_assert_nonnull (scene_ask (scene, 99, 60000));
  scene_turn (scene->loop);
  g_assert_cmpuint (fake_worker_receive (&worker), ==, 99);
  fake_worker_answer (&worker, 99, TRUE);
  scene_turn_until (scene->loop, &scene->last, last + 1);
  scene->started = scene->records = scene->last = 0;
  return worker;
}

static void
ask_many (Scene *scene, guint32 first, guint count)
{
  for (guint32 serial = first; serial < first + count; serial++)
    g_assert_nonnull (scene_ask (scene, serial, 60000));
}

static void
expect_requests (const FakeWorker *worker, guint32 first, guint count)
{
  for (guint32 serial = first; serial < first + count; serial++)
    g_assert_cmpuint (fake_worker_receive (worker), ==, serial);
  g_assert_cmpuint (fake_worker_receive (worker), ==, 0);
}

/* All of one turn go to the same worker, one after the other; the time of each counts from its own
 * beginning. */
static void
test_behind (void)
{
  Scene scene;
  FakeWorker busy, idle;

  scene_begin (&scene);
  idle = fake_worker_new (scene.loop);
  busy = add_proven (&scene);
  ask_many (&scene, 1, 4);
  g_assert_cmpuint (fake_worker_receive (&busy), ==, 0);
  scene_turn (scene.loop);
  g_assert_cmpint (scene.shared.queued, ==, 0);
  g_assert_cmpuint (scene.started, ==, 1);
  expect_requests (&busy, 1, 4);
  for (guint32 serial = 1; serial < 4; serial++)
    {
      fake_worker_answer (&busy, serial, TRUE);
      scene_turn_until (scene.loop, &scene.started, serial + 1);
    }
  fake_worker_answer (&busy, 4, TRUE);
  scene_turn_until (scene.loop, &scene.last, 4);
  /* The one that worked last works again. */
  ask_many (&scene, 5, 1);
  scene_turn (scene.loop);
  expect_requests (&busy, 5, 1);
  expect_requests (&idle, 0, 0);
  scene_end (&scene);
  fake_worker_bury (&busy, TRUE);
  fake_worker_bury (&idle, FALSE);
}

/* Only so many as are soon through; then an idle one is woken, then they wait. */
static void
test_full (void)
{
  Scene scene;
  FakeWorker first, second;
  guint ahead = 0;

  scene_begin (&scene);
  second = fake_worker_new (scene.loop);
  first = add_proven (&scene);
  while (scene.shared.queued == 0)
    g_assert_nonnull (scene_ask (&scene, ++ahead, 60000));
  scene_turn (scene.loop);
  g_assert_cmpuint (scene.started, ==, 2);
  /* Nothing is put behind the first request of a worker, which may still be starting. */
  expect_requests (&first, 1, ahead - 2);
  expect_requests (&second, ahead - 1, 1);
  g_assert_cmpuint (ahead, >, 4);
  scene_end (&scene);
  fake_worker_bury (&first, TRUE);
  fake_worker_bury (&second, TRUE);
}

/* What takes long is never waited behind. */
static void
test_slow_kind (void)
{
  Scene scene;
  FakeWorker worker;

  scene_begin (&scene);
  worker = fake_worker_new (scene.loop);
  g_assert_nonnull (scene_ask (&scene, 1, 60000));
  scene_turn (scene.loop);
  expect_requests (&worker, 1, 1);
  fake_worker_answer_after (&worker, 1, 80000);
  scene_turn_until (scene.loop, &scene.last, 1);
  ask_many (&scene, 2, 2);
  scene_turn (scene.loop);
  g_assert_cmpint (scene.shared.queued, ==, 1);
  expect_requests (&worker, 2, 1);
  scene_end (&scene);
  fake_worker_bury (&worker, TRUE);
}

typedef void (*Misbehave) (const FakeWorker *worker);

static void
die (const FakeWorker *worker)
{
  kill (worker->pid, SIGKILL);
}

static void
talk_nonsense (const FakeWorker *worker)
{
  fake_worker_answer (worker, 77, TRUE);
}

/* One that dies with two behind it: it is the first one's fault alone. */
static void
test_death (gconstpointer misbehave)
{
  Scene scene;
  FakeWorker other, worker;
  gint thing = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  guint before = scene_count_descriptors ();

  scene_begin (&scene);
  worker = add_proven (&scene);
  for (guint32 serial = 1; serial < 4; serial++)
    g_assert_nonnull (scene_ask_with (&scene, serial, 60000, thing));
  scene_turn (scene.loop);
  g_assert_cmpuint (fake_worker_receive (&worker), ==, 1);
  ((Misbehave) misbehave) (&worker);
  scene_turn_until (scene.loop, &scene.failed, 1);
  g_assert_cmpint (scene.shared.queued, ==, 2);
  g_assert_cmpuint (scene.started, ==, 1);
  other = fake_worker_new (scene.loop);
  scene_turn (scene.loop);
  g_assert_cmpuint (fake_worker_receive (&other), ==, 2);
  fake_worker_answer (&other, 2, TRUE);
  scene_turn_until (scene.loop, &scene.last, 1);
  scene_turn (scene.loop);
  g_assert_cmpuint (fake_worker_receive (&other), ==, 3);
  fake_worker_answer (&other, 3, TRUE);
  scene_turn_until (scene.loop, &scene.last, 2);
  g_assert_cmpuint (scene.failed, ==, 1);
  g_assert_cmpuint (scene.refused, ==, 0);
  scene_end (&scene);
  fake_worker_bury (&worker, TRUE);
  fake_worker_bury (&other, FALSE);
  g_assert_cmpuint (scene_count_descriptors (), ==, before);
  close (thing);
}

/* One that ends between two requests has done nobody any harm. */
static void
test_retired (void)
{
  Scene scene;
  FakeWorker other, worker;

  scene_begin (&scene);
  worker = add_proven (&scene);
  ask_many (&scene, 1, 2);
  scene_turn (scene.loop);
  g_assert_cmpuint (fake_worker_receive (&worker), ==, 1);
  fake_worker_answer (&worker, 1, TRUE);
  die (&worker);
  scene_turn_until (scene.loop, &scene.last, 1);
  for (guint i = 0; i < 2000 && scene.shared.workers > 0; i++)
    {
      g_usleep (1000);
      scene_turn (scene.loop);
    }
  g_assert_cmpint (scene.shared.queued, ==, 1);
  other = fake_worker_new (scene.loop);
  scene_turn (scene.loop);
  expect_requests (&other, 2, 1);
  g_assert_cmpuint (scene.failed, ==, 0);
  scene_end (&scene);
  fake_worker_bury (&worker, TRUE);
  fake_worker_bury (&other, TRUE);
}

/* Behind one that turns out to be slow, they wait for a moment only. */
static void
test_taken_back (void)
{
  Scene scene;
  FakeWorker slow, other;
  NetRequest *hanging;

  scene_begin (&scene);
  other = fake_worker_new (scene.loop);
  slow = add_proven (&scene);
  hanging = scene_ask (&scene, 1, 60000);
  ask_many (&scene, 2, 2);
  scene_turn (scene.loop);
  g_assert_cmpuint (fake_worker_receive (&slow), ==, 1);
  scene_turn_until (scene.loop, &scene.started, 2);
  g_assert_cmpuint (fake_worker_receive (&slow), ==, 0);
  g_assert_cmpuint (fake_worker_receive (&other), ==, 2);
  /* Nothing more is put there. */
  ask_many (&scene, 4, 1);
  scene_turn (scene.loop);
  g_assert_cmpuint (fake_worker_receive (&slow), ==, 0);
  fake_worker_answer (&other, 2, TRUE);
  scene_turn_until (scene.loop, &scene.last, 1);
  scene_turn (scene.loop);
  g_assert_cmpuint (fake_worker_receive (&other), ==, 3);
  /* Its time passes. */
  scene_cancel (&scene, hanging);
  fake_worker_answer (&other, 3, TRUE);
  scene_turn_until (scene.loop, &scene.last, 2);
  scene_turn (scene.loop);
  expect_requests (&other, 4, 1);
  g_assert_cmpuint (scene.failed + scene.refused, ==, 0);
  scene_end (&scene);
  fake_worker_bury (&slow, TRUE);
  fake_worker_bury (&other, TRUE);
}

/* A worker that has read nothing at all keeps the first one. */
static void
test_asleep (void)
{
  Scene scene;
  FakeWorker worker;

  scene_begin (&scene);
  worker = add_proven (&scene);
  ask_many (&scene, 1, 3);
  scene_turn (scene.loop);
  scene_turn_until (scene.loop, &scene.started, 2);
  g_assert_cmpint (scene.shared.queued, ==, 2);
  expect_requests (&worker, 1, 1);
  fake_worker_answer (&worker, 1, TRUE);
  scene_turn_until (scene.loop, &scene.last, 1);
  scene_turn (scene.loop);
  g_assert_cmpuint (fake_worker_receive (&worker), ==, 2);
  g_assert_cmpuint (scene.failed + scene.refused, ==, 0);
  scene_end (&scene);
  fake_worker_bury (&worker, TRUE);
}

/* The client of one behind another goes: its answer is nobody's. */
static void
test_client_gone (void)
{
  Scene scene;
  FakeWorker worker;
  NetRequest *gone;

  scene_begin (&scene);
  worker = add_proven (&scene);
  ask_many (&scene, 1, 1);
  gone = scene_ask (&scene, 2, 60000);
  scene_cancel (&scene, gone); /* it was not even written */
  gone = scene_ask (&scene, 3, 60000);
  ask_many (&scene, 4, 1);
  scene_turn (scene.loop);
  scene_cancel (&scene, gone);
  for (guint32 serial = 1; serial < 5; serial += serial == 1 ? 2 : 1)
    {
      g_assert_cmpuint (fake_worker_receive (&worker), ==, serial);
      fake_worker_answer (&worker, serial, TRUE);
    }
  scene_turn_until (scene.loop, &scene.last, 2);
  g_assert_cmpint (scene.shared.workers, ==, 1);
  scene_end (&scene);
  fake_worker_bury (&worker, FALSE);
}

/* Nobody else would notice that it hangs. */
static void
test_gone_and_hanging (void)
{
  Scene scene;
  FakeWorker worker;
  NetRequest *gone;

  scene_begin (&scene);
  worker = add_proven (&scene);
  ask_many (&scene, 1, 1);
  gone = scene_ask (&scene, 2, 60000);
  ask_many (&scene, 3, 1);
  scene_turn (scene.loop);
  scene_cancel (&scene, gone);
  g_assert_cmpuint (fake_worker_receive (&worker), ==, 1);
  fake_worker_answer (&worker, 1, TRUE);
  g_assert_cmpuint (fake_worker_receive (&worker), ==, 2);
  for (guint i = 0; i < 2000 && scene.shared.workers > 0; i++)
    {
      g_usleep (1000);
      scene_turn (scene.loop);
    }
  g_assert_cmpint (scene.shared.workers, ==, 0);
  g_assert_cmpint (scene.shared.queued, ==, 1);
  g_assert_cmpuint (scene.failed + scene.refused, ==, 0);
  scene_end (&scene);
  fake_worker_bury (&worker, TRUE);
}

/* The time of a request whose worker ends before it has read it does not run on. */
static void
test_put_back (void)
{
  Scene scene;
  FakeWorker worker, other;

  scene_begin (&scene);
  worker = add_proven (&scene);
  ask_many (&scene, 1, 2);
  scene_turn (scene.loop);
  g_assert_cmpuint (scene.started, ==, 1);
  die (&worker);
  scene_turn_until (scene.loop, &scene.put_back, 1);
  g_assert_cmpint (scene.shared.queued, ==, 2);
  other = fake_worker_new (scene.loop);
  scene_turn_until (scene.loop, &scene.started, 2);
  expect_requests (&other, 1, 1);
  g_assert_cmpuint (scene.put_back, ==, 1);
  g_assert_cmpuint (scene.failed + scene.refused, ==, 0);
  scene_end (&scene);
  fake_worker_bury (&worker, TRUE);
  fake_worker_bury (&other, TRUE);
}

/* One can not be written, and another one takes it: that the others are behind one that hangs is
 * noticed all the same. */
static void
test_not_written (void)
{
  Scene scene;
  FakeWorker worker, other;
  gint thing = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  NetRequest *last;
  guint32 got = 0;

  scene_begin (&scene);
  scene.shared.minimum = 3; /* there will be more: nothing else waits for a while */
  other = add_proven (&scene);
  worker = add_proven (&scene);
  ask_many (&scene, 1, 1);
  scene_turn (scene.loop);
  g_assert_cmpuint (fake_worker_receive (&worker), ==, 1);
  ask_many (&scene, 2, 1);
  last = scene_ask_with (&scene, 3, 60000, thing);
  close (g_array_index (last->descriptors, gint, 0));
  g_array_index (last->descriptors, gint, 0) = -1;
  scene_turn (scene.loop);
  g_assert_cmpuint (scene.refused, ==, 1);
  for (guint i = 0; i < 1000 && got == 0; i++)
    {
      g_usleep (1000);
      scene_turn (scene.loop);
      got = fake_worker_receive (&other);
    }
  g_assert_cmpuint (got, ==, 2);
  scene_end (&scene);
  fake_worker_bury (&worker, TRUE);
  fake_worker_bury (&other, TRUE);
  close (thing);
}

/* A request that no worker can have begun is taken back; the others go on, and nobody is killed. */
static void
test_recalled (void)
{
  Scene scene;
  FakeWorker worker;
  NetRequest *first, *behind, *unsent, *queued;

  scene_begin (&scene);
  queued = scene_ask (&scene, 1, 60000);
  g_assert_true (scene_recall (&scene, queued));
  g_assert_cmpint (scene.shared.queued, ==, 0);
  worker = fake_worker_new (scene.loop);
  unsent = scene_ask (&scene, 2, 60000);
  g_assert_true (scene_recall (&scene, unsent));
  first = scene_ask (&scene, 3, 60000);
  scene_turn (scene.loop);
  g_assert_false (scene_recall (&scene, first));
  expect_requests (&worker, 3, 1);
  fake_worker_answer (&worker, 3, TRUE);
  scene_turn_until (scene.loop, &scene.last, 1);
  first = scene_ask (&scene, 4, 60000);
  behind = scene_ask (&scene, 5, 60000);
  scene_turn (scene.loop);
  g_assert_false (scene_recall (&scene, behind));
  expect_requests (&worker, 4, 2);
  fake_worker_answer (&worker, 4, TRUE);
  fake_worker_answer (&worker, 5, TRUE);
  scene_turn_until (scene.loop, &scene.last, 3);
  g_assert_cmpint (scene.shared.workers, ==, 1);
  scene_end (&scene);
  fake_worker_bury (&worker, FALSE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  signal (SIGPIPE, SIG_IGN);
  g_test_add_func ("/net/ahead/behind", test_behind);
  g_test_add_func ("/net/ahead/full", test_full);
  g_test_add_func ("/net/ahead/slow-kind", test_slow_kind);
  g_test_add_data_func ("/net/ahead/death", die, test_death);
  g_test_add_data_func ("/net/ahead/nonsense", talk_nonsense, test_death);
  g_test_add_func ("/net/ahead/retired", test_retired);
  g_test_add_func ("/net/ahead/taken-back", test_taken_back);
  g_test_add_func ("/net/ahead/asleep", test_asleep);
  g_test_add_func ("/net/ahead/client-gone", test_client_gone);
  g_test_add_func ("/net/ahead/gone-and-hanging", test_gone_and_hanging);
  g_test_add_func ("/net/ahead/not-written", test_not_written);
  g_test_add_func ("/net/ahead/recalled", test_recalled);
  g_test_add_func ("/net/ahead/put-back", test_put_back);
  return g_test_run ();
}
