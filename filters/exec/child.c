/* Running a program between three pipes without waiting for one of them alone: it may read late,
 * write early, or stop doing either. Its end is what counts: what it leaves in the background is
 * killed. Fails when it can not be started, writes past the limit or outstays its time. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "family.h"

#define CHUNK (64 * 1024)
#define MAX_TEXT 4096

enum
{
  TO_INPUT,
  FROM_OUTPUT,
  FROM_ERROR,
  ENDED, /* the process itself */
  N_FDS
};

typedef struct
{
  const ChildPlan *plan;
  ChildResult *result;
  pid_t pid;
  gint64 deadline; /* µs, monotonic */
  struct pollfd fds[N_FDS];
  ChildSource source;
  gpointer data;
  guint8 *chunk; /* of the input */
  gsize start, end;
  gsize seen[N_FDS]; /* octets that came */
} Run;

void
child_result_clear (ChildResult *result)
{
  g_clear_pointer (&result->output, g_byte_array_unref);
  if (result->text != NULL)
    g_string_free (g_steal_pointer (&result->text), TRUE);
}

static gboolean
fail (GError **error, const char *what, const char *why)
{
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: %s", what, why);
  return FALSE;
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

/* ---- The new process ---- */

/* Between fork and exec: the worker has one thread, so anything may be called. */
static void
become (const ChildPlan *plan, const int pipes[3], int report)
{
  static const int usual[] = { SIGPIPE, SIGCHLD, SIGTERM, SIGINT, SIGHUP };
  struct rlimit most = { plan->processes, plan->processes };
  sigset_t none;
  int problem = 0;

  for (guint i = 0; i < G_N_ELEMENTS (usual); i++)
    signal (usual[i], SIG_DFL);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (dup2 (pipes[0], 0) == 0 && dup2 (pipes[1], 1) == 1 && dup2 (pipes[2], 2) == 2
      && dup3 (report, 3, O_CLOEXEC) == 3 && close_range (4, ~0u, 0) == 0
      && chdir (plan->directory) == 0
      && (plan->processes == 0 || setrlimit (RLIMIT_NPROC, &most) == 0))
    execve (plan->command[0], (char **) plan->command, (char **) plan->environment);
  problem = errno;
  if (write (3, &problem, sizeof problem) != sizeof problem)
    _exit (126);
  _exit (127);
}

/* Waits until the program has begun. What is behind 10 can be copied to 0 to 3 without harm. */
static gboolean
read_report (int report, const ChildPlan *plan, GError **error)
{
  int problem = 0;
  gssize got = 0;

  do
    got = read (report, &problem, sizeof problem);
  while (got < 0 && errno == EINTR);
  return got == 0 || fail (error, plan->command[0], g_strerror (problem));
}

/* A pipe whose ends lie behind the standard streams. */
static gboolean
make_pipe (int ends[2], GError **error)
{
  int low[2];

  if (pipe2 (low, O_CLOEXEC) != 0)
    return fail (error, "pipe", g_strerror (errno));
  for (guint i = 0; i < 2; i++)
    {
      ends[i] = fcntl (low[i], F_DUPFD_CLOEXEC, 10);
      close (low[i]);
    }
  return (ends[0] >= 0 && ends[1] >= 0) || fail (error, "pipe", g_strerror (errno));
}

static gboolean
fork_child (Run *run, const int theirs[3], int report[2], GError **error)
{
  run->pid = fork ();
  if (run->pid == 0)
    become (run->plan, theirs, report[1]);
  close_fd (&report[1]);
  if (run->pid < 0)
    return fail (error, "fork", g_strerror (errno));
  run->fds[ENDED].fd = pidfd_open (run->pid, 0);
  return read_report (report[0], run->plan, error)
         && (run->fds[ENDED].fd >= 0 || fail (error, "pidfd_open", g_strerror (errno)));
}

static gboolean
start (Run *run, GError **error)
{
  int pipes[4][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } };
  gboolean started = TRUE;

  for (guint i = 0; started && i < G_N_ELEMENTS (pipes); i++)
    started = make_pipe (pipes[i], error);
  if (started)
    {
      const int theirs[3]
          = { pipes[0][0], run->plan->keep_output ? pipes[1][1] : pipes[2][1], pipes[2][1] };

      started = fork_child (run, theirs, pipes[3], error);
    }
  run->fds[TO_INPUT].fd = pipes[0][1];
  run->fds[FROM_OUTPUT].fd = pipes[1][0];
  run->fds[FROM_ERROR].fd = pipes[2][0];
  close_fd (&pipes[0][0]);
  close_fd (&pipes[1][1]);
  close_fd (&pipes[2][1]);
  close_fd (&pipes[3][0]);
  close_fd (&pipes[3][1]);
  for (guint i = TO_INPUT; started && i <= FROM_ERROR; i++)
    fcntl (run->fds[i].fd, F_SETFL, O_NONBLOCK);
  return started;
}

/* ---- Between the pipes ---- */

/* FALSE: the message can not be read. A program that does not want all of it is none of our
 * concern. */
static gboolean
feed (Run *run, GError **error)
{
  gssize count = 0;

  if (run->start == run->end)
    {
      count = run->source (run->chunk, CHUNK, run->data);
      if (count < 0)
        return fail (error, "message", "can not be read");
      run->start = 0;
      run->end = (gsize) count;
    }
  if (run->end > 0)
    count = write (run->fds[TO_INPUT].fd, run->chunk + run->start, run->end - run->start);
  if (count > 0)
    run->start += (gsize) count;
  else if (count == 0 || (errno != EAGAIN && errno != EINTR))
    close_fd (&run->fds[TO_INPUT].fd);
  return TRUE;
}

static void
keep (Run *run, guint which, const guint8 *bytes, gsize length)
{
  if (which == FROM_OUTPUT)
    g_byte_array_append (run->result->output, bytes, (guint) length);
  else
    g_string_append_len (run->result->text, (const char *) bytes,
                         (gssize) MIN (length, MAX_TEXT - run->result->text->len));
}

/* FALSE: that was too much. */
static gboolean
drain (Run *run, guint which, GError **error)
{
  guint8 bytes[CHUNK];
  gssize count = read (run->fds[which].fd, bytes, sizeof bytes);

  if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
    close_fd (&run->fds[which].fd);
  if (count <= 0)
    return TRUE;
  run->seen[which] += (gsize) count;
  if (run->seen[which] > run->plan->output_limit)
    return fail (error, run->plan->command[0], "writes more than its output-limit");
  keep (run, which, bytes, (gsize) count);
  return TRUE;
}

/* What is still in the pipes of a program that has ended. Somebody in the background may hold them
 * open, and write on: no more than a pipe holds at one time is taken. */
static gboolean
drain_rest (Run *run, GError **error)
{
  for (guint which = FROM_OUTPUT; which <= FROM_ERROR; which++)
    for (guint i = 0; i < 1024 * 1024 / CHUNK && run->fds[which].fd >= 0; i++)
      {
        struct pollfd one = { .fd = run->fds[which].fd, .events = POLLIN };

        if (poll (&one, 1, 0) <= 0)
          break;
        if (!drain (run, which, error))
          return FALSE;
      }
  return TRUE;
}

static gboolean
wait_for_any (Run *run, GError **error)
{
  gint64 left = run->deadline - g_get_monotonic_time ();

  run->fds[TO_INPUT].events = POLLOUT;
  run->fds[FROM_OUTPUT].events = run->fds[FROM_ERROR].events = run->fds[ENDED].events = POLLIN;
  for (guint i = 0; i < N_FDS; i++)
    run->fds[i].revents = 0;
  if (left <= 0)
    return fail (error, run->plan->command[0], "takes too long");
  if (poll (run->fds, N_FDS, (int) MIN (left / 1000 + 1, G_MAXINT)) < 0 && errno != EINTR)
    return fail (error, "poll", g_strerror (errno));
  return TRUE;
}

static gboolean
talk (Run *run, GError **error)
{
  while (run->fds[ENDED].revents == 0)
    {
      if (!wait_for_any (run, error))
        return FALSE;
      if (run->fds[TO_INPUT].revents != 0 && !feed (run, error))
        return FALSE;
      for (guint which = FROM_OUTPUT; which <= FROM_ERROR; which++)
        if (run->fds[which].revents != 0 && !drain (run, which, error))
          return FALSE;
    }
  return drain_rest (run, error);
}

static gboolean
reap (Run *run, GError **error)
{
  while (waitpid (run->pid, &run->result->status, 0) < 0)
    if (errno != EINTR)
      return fail (error, "waitpid", g_strerror (errno));
  return TRUE;
}

static gboolean
run_child (Run *run, GError **error)
{
  struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
  gboolean fine = FALSE;

  sigaction (SIGPIPE, &ignore, &before);
  fine = start (run, error) && talk (run, error) && reap (run, error);
  sigaction (SIGPIPE, &before, NULL);
  return fine;
}

gboolean
child_run (const ChildPlan *plan, ChildSource source, gpointer data, ChildResult *result,
           GError **error)
{
  g_autofree guint8 *chunk = g_malloc (CHUNK);
  g_autoptr (GArray) others = family_list ();
  Run run = { .plan = plan, .result = result, .source = source, .data = data, .chunk = chunk };
  gboolean fine = FALSE;

  *result = (ChildResult){ 0, g_byte_array_new (), g_string_new (NULL) };
  for (guint i = 0; i < N_FDS; i++)
    run.fds[i].fd = -1;
  run.deadline = g_get_monotonic_time () + plan->patience * 1000;
  family_adopt ();
  fine = run_child (&run, error);
  family_end (others);
  for (guint i = 0; i < N_FDS; i++)
    close_fd (&run.fds[i].fd);
  return fine;
}
