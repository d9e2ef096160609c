/* Requests that wait in a busy worker's socket: who gets them when the worker is slow, hangs or
 * dies, and whose fault it is. Step by step with workers that the test plays, then many with real
 * processes that do all of it at random: each request ends once. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker-kit.h"

/* ---- step by step ---- */

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

static guint
count_descriptors (void)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc/self/fd", 0, NULL);
  guint count = 0;

  while (g_dir_read_name (folder) != NULL)
    count++;
  return count;
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
  guint before = count_descriptors ();

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
  g_assert_cmpuint (count_descriptors (), ==, before);
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

/* ---- many at random ---- */

#define REQUESTS 3000
#define AT_ONCE 40
#define WORKERS 3
#define HANGS (30 * G_TIME_SPAN_MILLISECOND) /* what this test's sessions bear */

typedef struct
{
  NetRequest *request; /* NULL: over */
  guint started, ended;
  gint64 since;
  gboolean cancelled;
} Asked;

typedef struct
{
  Scene scene;
  Asked asked[REQUESTS];
  guint next, failed;
  gint thing;
  guint8 *harmed; /* by the serial, shared with the workers: it met a fault */
} Storm;

static Storm *storm;

static void
on_started (gpointer owner)
{
  Asked *asked = owner;

  asked->started++;
  asked->since = g_get_monotonic_time ();
}

static void
finish (Asked *asked)
{
  g_assert_false (asked->cancelled);
  asked->ended++;
  asked->request = NULL;
}

static void
on_record (gpointer owner, IpcRecord *record)
{
  Asked *asked = owner;

  g_assert_cmpuint (record->serial, ==, (guint32) (asked - storm->asked) + 1);
  if (record->last)
    finish (asked);
}

static void
on_failed (gpointer owner, const gchar *why)
{
  Asked *asked = owner;

  g_assert_cmpuint (storm->harmed[asked - storm->asked + 1], ==, 1);
  storm->failed++;
  finish (asked);
}

static void
on_refused (gpointer owner, const gchar *why)
{
  g_error ("refused: %s", why);
}

static const NetRequestEvents events = { on_started, on_record, on_failed, on_refused };

/* What a worker may do with a request. */
static void G_GNUC_NORETURN
serve (const FakeWorker *self, guint32 seed)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);
  guint32 serial;

  while ((serial = fake_worker_receive (self)) != 0)
    {
      gint choice = g_rand_int_range (random, 0, 100);

      storm->harmed[serial] = choice < 5 || choice == 13;
      if (choice < 4)
        _exit (1);
      if (choice == 4)
        for (;;)
          pause ();
      if (choice < 10)
        g_usleep ((gulong) g_rand_int_range (random, 1, 20) * 1000);
      if (choice < 13)
        fake_worker_answer (self, serial, FALSE);
      fake_worker_answer (self, choice == 13 ? serial + 1 : serial, TRUE);
      if (choice > 96)
        _exit (0);
      /* It reads on just when the loop takes back what waits. */
      if (choice > 90)
        g_usleep ((gulong) g_rand_int_range (random, 4500, 5500));
    }
  _exit (0);
}

static void
add_process (void)
{
  guint32 seed = (guint32) g_test_rand_int ();
  NetWorkerEnds ends;
  gint pair[2];
  pid_t pid;

  g_assert_true (ipc_channel_pair (pair, NULL));
  pid = fork ();
  if (pid == 0)
    {
      const FakeWorker self = { pair[1], getpid () };

      prctl (PR_SET_PDEATHSIG, SIGKILL);
      fcntl (pair[1], F_SETFL, 0);
      for (gint fd = 3; fd < 1024; fd++)
        if (fd != pair[1])
          close (fd);
      serve (&self, seed);
    }
  ends
      = (NetWorkerEnds){ pair[0], pair[1], (gint) syscall (SYS_pidfd_open, pid, 0), (guint32) pid };
  net_workers_add (storm->scene.loop->workers, &ends);
}

static NetRequest *
ask_one (guint index)
{
  g_autoptr (IpcRequest) request = ipc_request_new (IPC_HOOK_CONNECT);
  const IpcFilterState state = { .descriptor = index % 4 == 0 ? storm->thing : -1 };
  NetRequest *asked;

  request->timeout = 60000;
  request->filters = g_array_new (FALSE, TRUE, sizeof (IpcFilterState));
  g_array_append_val (request->filters, state);
  asked = net_workers_ask (storm->scene.loop->workers, request, &events, &storm->asked[index]);
  g_clear_pointer (&request->filters, g_array_unref);
  return asked;
}

static void
cancel (Asked *asked)
{
  asked->cancelled = TRUE;
  net_workers_cancel (storm->scene.loop->workers, g_steal_pointer (&asked->request));
}

/* Sessions whose filter hangs, and clients that leave. The number of those that are under way. */
static guint
look_at_sessions (void)
{
  gint64 now = g_get_monotonic_time ();
  guint open = 0;

  for (guint i = 0; i < storm->next; i++)
    {
      Asked *asked = &storm->asked[i];

      if (asked->request == NULL)
        continue;
      open++;
      if ((asked->started > 0 && asked->since + HANGS < now)
          || g_test_rand_int_range (0, 20000) == 0)
        cancel (asked);
    }
  return open;
}

static void
test_storm (void)
{
  guint before = count_descriptors (), under_way = 1, answered = 0;
  gint64 until = g_get_monotonic_time () + 100 * G_USEC_PER_SEC;

  storm = g_new0 (Storm, 1);
  scene_begin (&storm->scene);
  storm->scene.shared.queue = REQUESTS;
  storm->harmed
      = mmap (NULL, REQUESTS + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  storm->thing = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  while (storm->next < REQUESTS || under_way > 0)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, until);
      while (storm->scene.shared.workers < WORKERS)
        add_process ();
      for (gint more = g_test_rand_int_range (0, 8);
           more > 0 && under_way < AT_ONCE && storm->next < REQUESTS; more--, under_way++)
        {
          storm->asked[storm->next].request = ask_one (storm->next);
          g_assert_nonnull (storm->asked[storm->next++].request);
        }
      net_loop_turn (storm->scene.loop, FALSE);
      under_way = look_at_sessions ();
      while (waitpid (-1, NULL, WNOHANG) > 0)
        continue;
    }
  for (guint i = 0; i < REQUESTS; i++)
    {
      g_assert_cmpuint (storm->asked[i].ended, ==, storm->asked[i].cancelled ? 0 : 1);
      answered += storm->asked[i].ended;
    }
  g_test_message ("%u ended by themselves, %u of them failed", answered, storm->failed);
  g_assert_cmpuint (storm->failed, >, 0);
  g_assert_cmpuint (storm->failed, <, REQUESTS / 5);
  scene_end (&storm->scene);
  close (storm->thing);
  munmap (storm->harmed, REQUESTS + 1);
  while (waitpid (-1, NULL, 0) > 0)
    continue;
  g_free (storm);
  g_assert_cmpuint (count_descriptors (), ==, before);
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
  g_test_add_func ("/net/ahead/storm", test_storm);
  return g_test_run ();
}
