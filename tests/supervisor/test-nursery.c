/* Workers from fork to grave. The test plays the gateway on the control channel; the workers are
 * real processes that do what the first byte on their socket says. */
#include "supervisor/nursery.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/control.h"

#define PATIENCE 20000 /* ms; only a failing test waits so long */

typedef struct
{
  gint channel; /* the gateway's end */
  gint other;   /* the generation's */
  SupervisorNursery *nursery;
} Fixture;

/* 'g': start a process of the same group and answer with its pid; 'a': abort; 'x': exit with 3. */
static int
work (gint descriptor, GPid parent, gpointer data)
{
  struct pollfd fd = { .fd = descriptor, .events = POLLIN };
  gchar order = 0;

  g_assert_cmpint (getppid (), ==, parent);
  (void) prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
  while (poll (&fd, 1, -1) == 1 && recv (descriptor, &order, 1, 0) == 1)
    if (order == 'g')
      {
        const pid_t pid = fork ();

        if (pid == 0)
          for (;;)
            pause ();
        (void) send (descriptor, &pid, sizeof pid, 0);
      }
    else if (order == 'a')
      {
        signal (SIGABRT, SIG_DFL);
        raise (SIGABRT);
      }
    else
      return 3;
  return 0;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  SupervisorNurserySettings settings = { .maximum = 2, .work = work, .suspects = "first, second" };
  gint pair[2];

  g_assert_true (ipc_channel_pair (pair, NULL));
  fixture->channel = pair[0];
  fixture->other = settings.gateway = pair[1];
  fixture->nursery = supervisor_nursery_new (&settings);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  supervisor_nursery_free (fixture->nursery);
  close (fixture->channel);
  close (fixture->other);
}

static IpcControl *
hear (Fixture *fixture, IpcControlKind kind)
{
  g_autoptr (GError) error = NULL;
  gboolean closed = FALSE;
  IpcControl *control = ipc_control_receive (fixture->channel, &closed, &error);

  g_assert_no_error (error);
  g_assert_nonnull (control);
  g_assert_cmpint (control->kind, ==, kind);
  return control;
}

static void
hear_nothing (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  gboolean closed = FALSE;

  g_assert_null (ipc_control_receive (fixture->channel, &closed, &error));
  g_assert_no_error (error);
  g_assert_false (closed);
}

static IpcControl *
get_worker (Fixture *fixture, gint64 now)
{
  supervisor_nursery_want (fixture->nursery, 1, now);
  return hear (fixture, IPC_CONTROL_WORKER);
}

/* Waits for a death and has it buried. */
static void
bury (Fixture *fixture, GPid pid, gint64 now)
{
  siginfo_t info = { 0 };

  g_assert_cmpint (waitid (P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), ==, 0);
  g_assert_true (supervisor_nursery_bury (fixture->nursery, pid, now));
  g_assert_false (supervisor_nursery_bury (fixture->nursery, pid, now));
}

static void
order (const IpcControl *worker, gchar what)
{
  g_assert_cmpint (send (worker->descriptors[0], &what, 1, MSG_NOSIGNAL), ==, 1);
}

static void
test_want (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IpcControl) worker = get_worker (fixture, 0);

  g_assert_cmpuint (worker->number, ==, 1);
  g_assert_cmpint (getpgid ((pid_t) worker->pid), ==, worker->pid);
  g_assert_cmpuint (supervisor_nursery_count (fixture->nursery), ==, 1);
  hear_nothing (fixture);
  /* The end of its socket ends a worker, quietly: that is how a gateway lets one go. Both ends are
   * the gateway's to close. */
  for (guint i = 0; i < 3; i += 2)
    {
      close (worker->descriptors[i]);
      worker->descriptors[i] = -1;
    }
  bury (fixture, (GPid) worker->pid, 1);
  {
    g_autoptr (IpcControl) gone = hear (fixture, IPC_CONTROL_GONE);

    g_assert_cmpuint (gone->pid, ==, worker->pid);
    g_assert_cmpstr (gone->text, ==, "exit 0");
  }
  g_assert_cmpuint (supervisor_nursery_count (fixture->nursery), ==, 0);
}

/* pidfd: what the gateway kills by. */
static void
test_pidfd (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IpcControl) worker = get_worker (fixture, 0);
  g_autoptr (IpcControl) gone = NULL;
  struct pollfd fd = { .fd = worker->descriptors[1], .events = POLLIN };

  g_assert_cmpint (kill ((pid_t) worker->pid, SIGKILL), ==, 0);
  g_assert_cmpint (poll (&fd, 1, PATIENCE), ==, 1);
  bury (fixture, (GPid) worker->pid, 1);
  gone = hear (fixture, IPC_CONTROL_GONE);
  g_assert_true (g_str_has_prefix (gone->text, "signal 9"));
}

/* What a filter started goes with its worker. */
static void
test_group (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IpcControl) worker = NULL;
  struct pollfd fd = { .events = POLLIN };
  pid_t grandchild = 0;
  gint status = 0;

  g_assert_cmpint (prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), ==, 0);
  worker = get_worker (fixture, 0);
  order (worker, 'g');
  fd.fd = worker->descriptors[0];
  g_assert_cmpint (poll (&fd, 1, PATIENCE), ==, 1);
  g_assert_cmpint (recv (fd.fd, &grandchild, sizeof grandchild, 0), ==, sizeof grandchild);
  g_assert_cmpint (kill ((pid_t) worker->pid, SIGKILL), ==, 0);
  bury (fixture, (GPid) worker->pid, 1);
  /* It became our child, so that its end can be seen. */
  g_assert_cmpint (waitpid (grandchild, &status, 0), ==, grandchild);
  g_assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
  g_assert_cmpint (prctl (PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), ==, 0);
}

static void
test_maximum (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IpcControl) first = get_worker (fixture, 0);
  g_autoptr (IpcControl) second = get_worker (fixture, 0);
  g_autoptr (IpcControl) refusal = NULL;
  g_autoptr (IpcControl) gone = NULL;
  g_autoptr (IpcControl) third = NULL;

  g_assert_cmpint (first->pid, !=, second->pid);
  supervisor_nursery_want (fixture->nursery, 1, 0);
  refusal = hear (fixture, IPC_CONTROL_NO_WORKER);
  g_assert_cmpuint (refusal->number, ==, 1);
  g_assert_cmpuint (refusal->delay, >, 0);
  g_assert_cmpuint (supervisor_nursery_count (fixture->nursery), ==, 2);
  order (first, 'x');
  bury (fixture, (GPid) first->pid, 2 * G_USEC_PER_SEC);
  gone = hear (fixture, IPC_CONTROL_GONE);
  g_assert_cmpstr (gone->text, ==, "exit 3");
  third = get_worker (fixture, 2 * G_USEC_PER_SEC);
}

static void
crash (Fixture *fixture, gint64 born, gint64 died)
{
  g_autoptr (IpcControl) worker = get_worker (fixture, born);
  g_autoptr (IpcControl) gone = NULL;

  order (worker, 'a');
  bury (fixture, (GPid) worker->pid, died);
  gone = hear (fixture, IPC_CONTROL_GONE);
  g_assert_true (g_str_has_prefix (gone->text, "signal 6"));
}

static void
test_crash_loop (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IpcControl) refusal = NULL;
  g_autoptr (IpcControl) worker = NULL;

  crash (fixture, 0, 10);
  crash (fixture, 20, 30);
  supervisor_nursery_want (fixture->nursery, 4, 40);
  refusal = hear (fixture, IPC_CONTROL_NO_WORKER);
  g_assert_cmpuint (refusal->number, ==, 4);
  g_assert_cmpuint (refusal->delay, ==, 100);
  g_assert_cmpuint (supervisor_nursery_count (fixture->nursery), ==, 0);
  worker = get_worker (fixture, 30 + 100000);
}

/* Messages that kill workers must not keep new ones from everybody else. */
static void
test_elder (Fixture *fixture, gconstpointer data)
{
  ipc_control_free (get_worker (fixture, 0));
  for (gint64 now = 2 * G_USEC_PER_SEC; now < 2 * G_USEC_PER_SEC + 50; now += 10)
    crash (fixture, now, now + 1);
}

static void *
sleeper (void *data)
{
  gchar byte;

  (void) pthread_setname_np (pthread_self (), "stray");
  while (read (*(gint *) data, &byte, 1) < 0 && errno == EINTR)
    continue;
  return NULL;
}

static void
keep_line (const gchar *line, gsize length, gpointer data)
{
  g_string_append_len (data, line, (gssize) length);
}

static void
test_second_thread (Fixture *fixture, gconstpointer data)
{
  g_autoptr (IpcControl) refusal = NULL;
  g_autoptr (GString) log = g_string_new (NULL);
  pthread_t thread;
  gint gate[2];

  g_assert_cmpint (pipe (gate), ==, 0);
  g_assert_cmpint (pthread_create (&thread, NULL, sleeper, &gate[0]), ==, 0);
  base_log_set_sink (keep_line, log);
  supervisor_nursery_want (fixture->nursery, 1, 0);
  base_log_set_sink (NULL, NULL);
  refusal = hear (fixture, IPC_CONTROL_NO_WORKER);
  g_assert_cmpuint (supervisor_nursery_count (fixture->nursery), ==, 0);
  g_assert_nonnull (strstr (log->str, "first, second"));
  close (gate[1]);
  g_assert_cmpint (pthread_join (thread, NULL), ==, 0);
  close (gate[0]);
}

#define ADD(name, function) g_test_add (name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/nursery/want", test_want);
  ADD ("/nursery/pidfd", test_pidfd);
  ADD ("/nursery/group", test_group);
  ADD ("/nursery/maximum", test_maximum);
  ADD ("/nursery/crash-loop", test_crash_loop);
  ADD ("/nursery/elder", test_elder);
  ADD ("/nursery/second-thread", test_second_thread);
  return g_test_run ();
}
