/* Requests that wait in busy workers' sockets, many, with real processes that do at random what a
 * worker can do: each request ends once, and only one that met a fault fails. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker-kit.h"

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
on_put_back (gpointer owner)
{
  ((Asked *) owner)->started = 0;
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

static const NetRequestEvents events
    = { on_started, on_put_back, on_record, on_failed, on_refused };

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
  guint before, under_way = 1, answered = 0;
  gint64 until = g_get_monotonic_time () + 100 * G_USEC_PER_SEC;

  storm = g_new0 (Storm, 1);
  scene_begin (&storm->scene); /* libuv keeps a pipe from the first loop on */
  scene_end (&storm->scene);
  before = scene_count_descriptors ();
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
  g_assert_cmpuint (scene_count_descriptors (), ==, before);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  signal (SIGPIPE, SIG_IGN);
  g_test_add_func ("/net/storm", test_storm);
  return g_test_run ();
}
