/* Forking, counting and burying workers.
 *
 * A worker leads a process group, so that what a filter started goes with it: the group is killed
 * while the dead leader is still unreaped, when its number cannot belong to anybody else. Fails
 * towards the gateway with IPC_CONTROL_NO_WORKER, and says why in the log. */
#include "supervisor/nursery.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/control.h"
#include "supervisor/spawn.h"

#define RETRY_FULL 250      /* ms until asking again is worth it when the maximum is reached */
#define RETRY_TROUBLE 10000 /* ms after a fork that was not possible or not safe */

typedef struct
{
  GPid pid;
  gint64 born; /* monotonic µs */
} Worker;

struct _SupervisorNursery
{
  SupervisorNurserySettings settings;
  GArray *workers; /* of Worker */
  SupervisorBackoff backoff;
};

SupervisorNursery *
supervisor_nursery_new (const SupervisorNurserySettings *settings)
{
  SupervisorNursery *nursery = g_new0 (SupervisorNursery, 1);

  nursery->settings = *settings;
  nursery->workers = g_array_new (FALSE, FALSE, sizeof (Worker));
  nursery->backoff = SUPERVISOR_BACKOFF_WORKERS;
  return nursery;
}

void
supervisor_nursery_free (SupervisorNursery *nursery)
{
  if (nursery == NULL)
    return;
  supervisor_nursery_kill (nursery);
  for (guint i = 0; i < nursery->workers->len; i++)
    (void) waitpid (g_array_index (nursery->workers, Worker, i).pid, NULL, 0);
  g_array_unref (nursery->workers);
  g_free (nursery);
}

guint
supervisor_nursery_count (const SupervisorNursery *nursery)
{
  return nursery->workers->len;
}

void
supervisor_nursery_kill (SupervisorNursery *nursery)
{
  for (guint i = 0; i < nursery->workers->len; i++)
    (void) kill (-g_array_index (nursery->workers, Worker, i).pid, SIGKILL);
}

void
supervisor_nursery_mute (SupervisorNursery *nursery)
{
  nursery->settings.gateway = -1;
}

static gboolean
send_control (SupervisorNursery *nursery, const IpcControl *control)
{
  g_autoptr (GError) error = NULL;

  if (nursery->settings.gateway < 0
      || ipc_control_send (nursery->settings.gateway, control, &error))
    return TRUE;
  base_log (BASE_LOG_WARNING, "the gateway could not be told: %s", error->message);
  return FALSE;
}

static void
refuse (SupervisorNursery *nursery, guint loop, guint milliseconds)
{
  g_autoptr (IpcControl) control = ipc_control_new (IPC_CONTROL_NO_WORKER);

  control->number = loop;
  control->delay = milliseconds;
  send_control (nursery, control);
}

/* The name of a thread of this process other than the first; NULL: there is none. Caller frees. */
static gchar *
second_thread (void)
{
  g_autoptr (GDir) tasks = g_dir_open ("/proc/self/task", 0, NULL);
  const gchar *name;

  while (tasks != NULL && (name = g_dir_read_name (tasks)) != NULL)
    if (g_ascii_strtoll (name, NULL, 10) != getpid ())
      {
        g_autofree gchar *file = g_build_filename ("/proc/self/task", name, "comm", NULL);
        gchar *comm = NULL;

        if (!g_file_get_contents (file, &comm, NULL, NULL))
          return g_strdup (name);
        return g_strchomp (comm);
      }
  return NULL;
}

/* A fork with a second thread may leave that thread's locks taken in the child for ever. */
static gboolean
may_fork (SupervisorNursery *nursery)
{
  g_autofree gchar *thread = second_thread ();

  if (thread == NULL)
    return TRUE;
  base_log (BASE_LOG_ERROR,
            "no worker is started: a filter's \"load\" left a thread behind (\"%s\"); the modules "
            "loaded are %s",
            thread, nursery->settings.suspects);
  return FALSE;
}

static void G_GNUC_NORETURN
child (SupervisorNursery *nursery, gint socket, GPid parent)
{
  (void) setpgid (0, 0);
  supervisor_signals_reset ();
  /* Nothing of the generation goes along: neither its channels nor other workers' sockets. */
  if (socket > 3)
    (void) syscall (SYS_close_range, 3, socket - 1, 0);
  (void) syscall (SYS_close_range, socket + 1, ~0U, 0);
  _exit (nursery->settings.work (socket, parent, nursery->settings.data));
}

/* Gives the worker to the loop; both ends of the socket and the pidfd leave with it. */
static void
announce (SupervisorNursery *nursery, guint loop, GPid pid, const gint pair[2])
{
  g_autoptr (IpcControl) control = ipc_control_new (IPC_CONTROL_WORKER);

  control->number = loop;
  control->pid = (guint32) pid;
  control->descriptors[0] = pair[0];
  control->descriptors[1] = pidfd_open (pid, 0);
  control->descriptors[2] = pair[1];
  if (control->descriptors[1] < 0)
    base_log (BASE_LOG_ERROR, "pidfd_open: %s", g_strerror (errno));
  if (control->descriptors[1] < 0 || !send_control (nursery, control))
    (void) kill (-pid, SIGKILL);
}

static gboolean
start (SupervisorNursery *nursery, guint loop, gint64 now)
{
  g_autoptr (GError) error = NULL;
  const GPid parent = getpid ();
  Worker worker = { 0, now };
  gint pair[2];

  if (!ipc_channel_pair (pair, &error))
    {
      base_log (BASE_LOG_ERROR, "no worker is started: %s", error->message);
      return FALSE;
    }
  fflush (NULL);
  worker.pid = fork ();
  if (worker.pid == 0)
    child (nursery, pair[1], parent);
  if (worker.pid < 0)
    {
      base_log (BASE_LOG_ERROR, "no worker is started: fork: %s", g_strerror (errno));
      close (pair[0]);
      close (pair[1]);
      return FALSE;
    }
  /* In both processes, so that it holds whichever runs first. */
  (void) setpgid (worker.pid, worker.pid);
  g_array_append_val (nursery->workers, worker);
  announce (nursery, loop, worker.pid, pair);
  return TRUE;
}

void
supervisor_nursery_want (SupervisorNursery *nursery, guint loop, gint64 now)
{
  const gint64 wait = supervisor_backoff_wait (&nursery->backoff, now);

  if (nursery->workers->len >= nursery->settings.maximum)
    refuse (nursery, loop, RETRY_FULL);
  else if (wait > 0)
    refuse (nursery, loop, (guint) (wait / 1000 + 1));
  else if (!may_fork (nursery) || !start (nursery, loop, now))
    refuse (nursery, loop, RETRY_TROUBLE);
}

/* A worker that has lived long enough proves that workers can start: then it is messages that kill
 * them, and holding new ones back would punish everybody else. */
static gboolean
has_elder (SupervisorNursery *nursery, gint64 now)
{
  for (guint i = 0; i < nursery->workers->len; i++)
    if (now - g_array_index (nursery->workers, Worker, i).born >= nursery->backoff.short_life)
      return TRUE;
  return FALSE;
}

/* SIGKILL is the gateway's own doing (a deadline, a client that went away) or an operator's. */
static gboolean
is_failure (gint status)
{
  return WIFSIGNALED (status) ? WTERMSIG (status) != SIGKILL : WEXITSTATUS (status) != 0;
}

static void
log_death (const Worker *worker, gint status, const gchar *how, gint64 now)
{
  BaseRecord record;

  base_record_begin (&record, is_failure (status) ? BASE_LOG_WARNING : BASE_LOG_INFO, "worker");
  base_record_int (&record, "pid", worker->pid);
  base_record_string (&record, "ended", how);
  base_record_delay (&record, "age", now - worker->born);
  base_record_emit (&record);
}

static void
note_death (SupervisorNursery *nursery, const Worker *worker, gint status, gint64 now)
{
  g_autoptr (IpcControl) control = ipc_control_new (IPC_CONTROL_GONE);

  control->pid = (guint32) worker->pid;
  control->text = supervisor_describe_death (status);
  log_death (worker, status, control->text, now);
  if (is_failure (status) && !has_elder (nursery, now))
    supervisor_backoff_died (&nursery->backoff, now - worker->born, now);
  send_control (nursery, control);
}

gboolean
supervisor_nursery_bury (SupervisorNursery *nursery, GPid pid, gint64 now)
{
  for (guint i = 0; i < nursery->workers->len; i++)
    if (g_array_index (nursery->workers, Worker, i).pid == pid)
      {
        const Worker worker = g_array_index (nursery->workers, Worker, i);
        gint status = 0;

        (void) kill (-pid, SIGKILL);
        (void) waitpid (pid, &status, 0);
        g_array_remove_index_fast (nursery->workers, i);
        note_death (nursery, &worker, status, now);
        return TRUE;
      }
  return FALSE;
}
