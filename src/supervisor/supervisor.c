/* The supervisor's loop. At any time at most one generation serves (`current`), at most one starts
 * (`starting`), and any number drain.
 *
 * A reload that fails changes nothing. A generation that dies is started again from its own plan,
 * with a back-off, while clients wait in the backlog of sockets that stay open. */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "supervisor/activation.h"
#include "supervisor/backoff.h"
#include "supervisor/child.h"
#include "supervisor/notify.h"
#include "supervisor/paths.h"
#include "supervisor/spawn.h"

typedef enum
{
  STOP_NOT,
  STOP_DRAIN,
  STOP_HURRY,
  STOP_KILL
} Stop;

typedef struct
{
  const SupervisorSettings *settings;
  SupervisorExecutables executables;
  SupervisorNotify notify;
  SupervisorSockets *sockets;
  gint signals;
  GPtrArray *children;       /* of SupervisorChild; owned */
  SupervisorChild *current;  /* of children; NULL: none serves */
  SupervisorChild *starting; /* of children */
  gboolean reloading;        /* `starting` is a reload's */
  gboolean reload_wanted;    /* another SIGHUP came meanwhile */
  SupervisorPlan *plan;      /* of the last that served; NULL before the first */
  SupervisorBackoff backoff;
  gint64 restart;  /* when to start from `plan` again; 0: no need */
  gint64 watchdog; /* when the next sign of life is due; 0: never */
  guint numbers;
  Stop stop;
  int status;
} Supervisor;

static void
log_errors (const ConfigErrors *errors)
{
  for (guint i = 0; config_errors_nth (errors, i) != NULL; i++)
    base_log (BASE_LOG_ERROR, "%s", config_errors_nth (errors, i));
}

static void
log_dropped (const gchar *name)
{
  base_log (BASE_LOG_NOTICE, "%s is no longer listened on", name);
}

/* ---- Starting generations ---- */

static gboolean
start (Supervisor *supervisor, SupervisorPlan *plan)
{
  g_autoptr (GError) error = NULL;

  supervisor->restart = 0;
  supervisor->starting = supervisor_child_start (
      plan, supervisor->sockets, &supervisor->executables, ++supervisor->numbers, &error);
  if (supervisor->starting != NULL)
    g_ptr_array_add (supervisor->children, supervisor->starting);
  else
    base_log (BASE_LOG_ERROR, "generation %u: %s", supervisor->numbers, error->message);
  return supervisor->starting != NULL;
}

/* Nobody serves and nobody is about to: try again, not too soon. */
static void
plan_restart (Supervisor *supervisor, gint64 lived)
{
  const gint64 now = g_get_monotonic_time ();

  supervisor_backoff_died (&supervisor->backoff, lived, now);
  supervisor->restart = now + supervisor_backoff_wait (&supervisor->backoff, now);
  base_log (BASE_LOG_ERROR, "starting again in %" G_GINT64_FORMAT " s",
            (supervisor->restart - now) / G_USEC_PER_SEC);
}

static void
restart (Supervisor *supervisor)
{
  supervisor->reloading = FALSE;
  if (!start (supervisor, supervisor->plan))
    plan_restart (supervisor, 0);
}

/* ---- Reloading ---- */

static void reload (Supervisor *supervisor);

/* Whichever way it went: the manager may say so, and the next one may begin. */
static void
end_reload (Supervisor *supervisor, const gchar *outcome)
{
  if (supervisor->reloading)
    supervisor_notify_send (&supervisor->notify, "READY=1\nSTATUS=%s", outcome);
  supervisor->reloading = FALSE;
  if (!supervisor->reload_wanted || supervisor->stop != STOP_NOT)
    return;
  supervisor->reload_wanted = FALSE;
  reload (supervisor);
}

static void
keep_old (Supervisor *supervisor)
{
  base_log (BASE_LOG_ERROR, "the new configuration is not used; the old one stays");
  supervisor_sockets_retain (supervisor->sockets, supervisor->plan, NULL, NULL);
  end_reload (supervisor, "The last reload failed; the old configuration stays");
}

static void
reload (Supervisor *supervisor)
{
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (SupervisorPlan) plan = NULL;

  if (supervisor->starting != NULL)
    {
      supervisor->reload_wanted = TRUE;
      return;
    }
  supervisor->reloading = TRUE;
  supervisor_notify_reloading (&supervisor->notify);
  plan = supervisor_plan_load (supervisor->settings->config, SUPERVISOR_IDENTITY_RUN,
                               supervisor->settings->check, errors);
  if (plan != NULL && supervisor_sockets_bind (supervisor->sockets, plan, errors)
      && start (supervisor, plan))
    return;
  log_errors (errors);
  keep_old (supervisor);
  if (supervisor->current == NULL && supervisor->starting == NULL && supervisor->restart == 0)
    plan_restart (supervisor, 0);
}

/* ---- What generations do ---- */

static void
greet (Supervisor *supervisor)
{
  g_autofree gchar *where
      = supervisor_sockets_describe (supervisor->sockets, supervisor->current->plan);

  base_log_setup ("supervisor", supervisor->plan->log_format,
                  BASE_LOG_ERROR + supervisor->plan->config->log_level);
  base_log (BASE_LOG_NOTICE, "mailweir %s ready: listening on %s", supervisor_version (), where);
  supervisor_notify_send (&supervisor->notify, "READY=1\nSTATUS=Listening on %s", where);
}

static void
became_ready (Supervisor *supervisor, SupervisorChild *child, GPid gateway)
{
  child->gateway = gateway;
  if (child != supervisor->starting)
    return;
  supervisor->starting = NULL;
  if (supervisor->stop != STOP_NOT)
    return;
  child->state = SUPERVISOR_CHILD_SERVING;
  child->deadline = 0;
  if (supervisor->current != NULL)
    supervisor_child_drain (supervisor->current);
  supervisor->current = child;
  supervisor_plan_unref (supervisor->plan);
  supervisor->plan = supervisor_plan_ref (child->plan);
  supervisor_sockets_retain (supervisor->sockets, supervisor->plan, NULL, log_dropped);
  greet (supervisor);
  supervisor->reloading = FALSE;
  end_reload (supervisor, "");
}

static void
listen_to (Supervisor *supervisor, SupervisorChild *child)
{
  for (;;)
    {
      g_autoptr (IpcControl) control = supervisor_child_receive (child);

      if (control == NULL)
        return;
      if (control->kind == IPC_CONTROL_READY)
        became_ready (supervisor, child, (GPid) control->pid);
      else if (control->kind == IPC_CONTROL_FAILED && child->failure == NULL)
        child->failure = g_steal_pointer (&control->text);
      else
        base_log (BASE_LOG_WARNING, "generation %u sent control message %d", child->number,
                  control->kind);
    }
}

static void
log_failure (const SupervisorChild *child, gint status)
{
  g_autofree gchar *how = supervisor_describe_death (status);
  g_auto (GStrv) lines
      = g_strsplit (child->failure == NULL ? "" : g_strchomp (child->failure), "\n", -1);

  for (gchar **line = lines; *line != NULL; line++)
    base_log (BASE_LOG_ERROR, "%s", *line);
  base_log (BASE_LOG_ERROR, "generation %u ended before it was ready: %s", child->number, how);
}

/* Before anybody served there is no old configuration to stay with. */
static void
give_up (Supervisor *supervisor, const SupervisorChild *child, gint status)
{
  if (child->failure == NULL)
    log_failure (child, status);
  else
    g_printerr ("%s\n", g_strchomp (child->failure));
  supervisor->stop = STOP_DRAIN;
  supervisor->status = child->failure == NULL ? EX_SOFTWARE : EX_CONFIG;
}

static void
start_failed (Supervisor *supervisor, SupervisorChild *child, gint status)
{
  supervisor->starting = NULL;
  if (supervisor->stop != STOP_NOT)
    return;
  if (supervisor->plan == NULL)
    {
      give_up (supervisor, child, status);
      return;
    }
  log_failure (child, status);
  if (supervisor->current == NULL)
    plan_restart (supervisor, 0);
  if (supervisor->reloading)
    keep_old (supervisor);
  else
    end_reload (supervisor, "");
}

static void
current_died (Supervisor *supervisor, SupervisorChild *child, gint status)
{
  g_autofree gchar *how = supervisor_describe_death (status);

  supervisor->current = NULL;
  if (supervisor->stop != STOP_NOT)
    return;
  base_log (BASE_LOG_ERROR, "generation %u ended: %s", child->number, how);
  supervisor_notify_send (&supervisor->notify, "STATUS=The last generation ended: %s", how);
  if (supervisor->starting == NULL)
    plan_restart (supervisor, g_get_monotonic_time () - child->born);
}

static void
log_end (const SupervisorChild *child, gint status)
{
  g_autofree gchar *how = supervisor_describe_death (status);

  if (status == 0 || child->state == SUPERVISOR_CHILD_KILLED)
    base_log (BASE_LOG_INFO, "generation %u has ended", child->number);
  else
    base_log (BASE_LOG_WARNING, "generation %u did not end well: %s", child->number, how);
}

static void
generation_died (Supervisor *supervisor, SupervisorChild *child, gint status)
{
  /* The kernel may show the death before the last words were read. */
  listen_to (supervisor, child);
  if (child == supervisor->starting)
    start_failed (supervisor, child, status);
  else if (child == supervisor->current)
    current_died (supervisor, child, status);
  else
    log_end (child, status);
  if (!supervisor_child_orphaned (child))
    g_ptr_array_remove_fast (supervisor->children, child);
}

static void
bury (Supervisor *supervisor, GPid pid, gint status)
{
  for (guint i = 0; i < supervisor->children->len; i++)
    {
      SupervisorChild *child = g_ptr_array_index (supervisor->children, i);

      if (child->pid == pid)
        generation_died (supervisor, child, status);
      else if (child->pid == 0 && child->gateway == pid)
        g_ptr_array_remove_index_fast (supervisor->children, i);
      else
        continue;
      return;
    }
}

static void
bury_children (Supervisor *supervisor)
{
  GPid pid;
  gint status;

  while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
    bury (supervisor, pid, status);
}

/* ---- Signals and time ---- */

static void
stop (Supervisor *supervisor)
{
  if (supervisor->stop < STOP_KILL)
    supervisor->stop++;
  if (supervisor->stop == STOP_DRAIN)
    {
      base_log (BASE_LOG_NOTICE, "stopping: open transactions are finished");
      supervisor_notify_send (&supervisor->notify, "STOPPING=1\nSTATUS=Draining");
      supervisor_sockets_retain (supervisor->sockets, NULL, NULL, NULL);
    }
  else
    base_log (BASE_LOG_WARNING, "%s",
              supervisor->stop == STOP_HURRY ? "hurrying: only final answers are awaited"
                                             : "killing what is left");
  for (guint i = 0; i < supervisor->children->len; i++)
    {
      SupervisorChild *child = g_ptr_array_index (supervisor->children, i);

      if (supervisor->stop == STOP_DRAIN)
        supervisor_child_drain (child);
      else if (supervisor->stop == STOP_HURRY)
        supervisor_child_hurry (child);
      else
        supervisor_child_kill (child);
    }
}

static void
read_signals (Supervisor *supervisor)
{
  gint number;

  while ((number = supervisor_signals_next (supervisor->signals)) != 0)
    if (number == SIGCHLD)
      bury_children (supervisor);
    else if (number == SIGHUP && supervisor->stop == STOP_NOT)
      reload (supervisor);
    else if (number == SIGTERM || number == SIGINT)
      stop (supervisor);
}

static void
check_time (Supervisor *supervisor)
{
  const gint64 now = g_get_monotonic_time ();

  for (guint i = 0; i < supervisor->children->len; i++)
    {
      SupervisorChild *child = g_ptr_array_index (supervisor->children, i);

      if (child->deadline != 0 && now >= child->deadline)
        supervisor_child_overdue (child);
    }
  if (supervisor->restart != 0 && now >= supervisor->restart && supervisor->stop == STOP_NOT)
    restart (supervisor);
  if (supervisor->watchdog != 0 && now >= supervisor->watchdog)
    {
      supervisor_notify_send (&supervisor->notify, "WATCHDOG=1");
      supervisor->watchdog = now + supervisor->notify.watchdog / 2;
    }
}

static void
sooner (gint64 *first, gint64 time)
{
  if (time != 0 && (*first == 0 || time < *first))
    *first = time;
}

static gint
poll_timeout (const Supervisor *supervisor)
{
  gint64 first = 0, left;

  for (guint i = 0; i < supervisor->children->len; i++)
    sooner (&first, ((SupervisorChild *) g_ptr_array_index (supervisor->children, i))->deadline);
  sooner (&first, supervisor->restart);
  sooner (&first, supervisor->watchdog);
  if (first == 0)
    return -1;
  left = (first - g_get_monotonic_time ()) / 1000 + 1;
  return (gint) CLAMP (left, 0, G_MAXINT);
}

static void
step (Supervisor *supervisor)
{
  const guint count = supervisor->children->len;
  g_autofree struct pollfd *fds = g_new0 (struct pollfd, count + 1);

  fds[count] = (struct pollfd){ .fd = supervisor->signals, .events = POLLIN };
  for (guint i = 0; i < count; i++)
    {
      const SupervisorChild *child = g_ptr_array_index (supervisor->children, i);

      fds[i] = (struct pollfd){ .fd = child->control, .events = POLLIN };
    }
  if (poll (fds, count + 1, poll_timeout (supervisor)) < 0)
    return;
  /* Listening may start a generation, which appends; only deaths remove, and they come last. */
  for (guint i = 0; i < count; i++)
    if (fds[i].revents != 0)
      listen_to (supervisor, g_ptr_array_index (supervisor->children, i));
  if (fds[count].revents != 0)
    read_signals (supervisor);
  check_time (supervisor);
}

/* ---- The process ---- */

static gboolean
open_executables (Supervisor *supervisor)
{
  const SupervisorSettings *settings = supervisor->settings;
  g_autofree gchar *gateway
      = settings->gateway == NULL ? supervisor_gateway_path () : g_strdup (settings->gateway);
  g_autoptr (GError) error = NULL;

  supervisor->executables.generation = supervisor_open_executable (
      settings->executable == NULL ? "/proc/self/exe" : settings->executable, &error);
  if (error == NULL)
    supervisor->executables.gateway = supervisor_open_executable (gateway, &error);
  if (error != NULL)
    g_printerr ("mailweir: a part of the program is missing: %s\n", error->message);
  return error == NULL;
}

static gboolean
adopt_sockets (Supervisor *supervisor)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) descriptors = supervisor_activation_take (&error);

  for (guint i = 0; descriptors != NULL && i < descriptors->len; i++)
    {
      g_autoptr (GError) unusable = NULL;

      if (!supervisor_sockets_adopt (supervisor->sockets, g_array_index (descriptors, gint, i),
                                     &unusable))
        base_log (BASE_LOG_WARNING, "socket activation: %s", unusable->message);
    }
  if (error != NULL)
    g_printerr ("mailweir: socket activation: %s\n", error->message);
  return error == NULL;
}

/* Whatever the manager passed must be claimed by now. */
static void
log_unclaimed (const gchar *name)
{
  base_log (BASE_LOG_WARNING, "the socket %s was passed to us, but no listener binds it: closed",
            name);
}

static int
load_first (Supervisor *supervisor)
{
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (SupervisorPlan) plan = supervisor_plan_load (
      supervisor->settings->config, SUPERVISOR_IDENTITY_RUN, supervisor->settings->check, errors);

  if (plan == NULL || !supervisor_sockets_bind (supervisor->sockets, plan, errors))
    {
      g_autofree gchar *text = config_errors_to_string (errors);

      g_printerr ("%s", text);
      return EX_CONFIG;
    }
  base_log_setup ("supervisor", plan->log_format, BASE_LOG_ERROR + plan->config->log_level);
  supervisor_sockets_retain (supervisor->sockets, plan, NULL, log_unclaimed);
  return start (supervisor, plan) ? EX_OK : EX_OSERR;
}

static int
live (Supervisor *supervisor)
{
  static const gint signals[] = { SIGCHLD, SIGHUP, SIGTERM, SIGINT, 0 };
  int status;

  if (!open_executables (supervisor) || !adopt_sockets (supervisor))
    return EX_UNAVAILABLE;
  supervisor->signals = supervisor_signals_open (signals);
  if (supervisor->signals < 0)
    return EX_OSERR;
  /* A gateway whose generation died becomes our child, and is seen to its end. */
  (void) prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  status = load_first (supervisor);
  if (status != EX_OK)
    return status;
  if (supervisor->notify.watchdog != 0)
    supervisor->watchdog = g_get_monotonic_time () + supervisor->notify.watchdog / 2;
  while (supervisor->stop == STOP_NOT || supervisor->children->len > 0)
    step (supervisor);
  return supervisor->status;
}

static void
finish (Supervisor *supervisor)
{
  g_ptr_array_unref (supervisor->children);
  supervisor_plan_unref (supervisor->plan);
  supervisor_sockets_free (supervisor->sockets);
  supervisor_notify_finish (&supervisor->notify);
  if (supervisor->executables.generation >= 0)
    close (supervisor->executables.generation);
  if (supervisor->executables.gateway >= 0)
    close (supervisor->executables.gateway);
  if (supervisor->signals >= 0)
    close (supervisor->signals);
}

int
supervisor_run (const SupervisorSettings *settings)
{
  Supervisor supervisor = { .settings = settings,
                            .executables = { -1, -1 },
                            .signals = -1,
                            .sockets = supervisor_sockets_new (),
                            .backoff = SUPERVISOR_BACKOFF_GENERATIONS };
  int status;

  supervisor.children = g_ptr_array_new_with_free_func ((GDestroyNotify) supervisor_child_free);
  supervisor_notify_init (&supervisor.notify);
  status = live (&supervisor);
  finish (&supervisor);
  return status;
}
