/* Starting, telling and killing one generation. Every state but serving has a deadline, so that no
 * generation lingers for ever. */
#include "supervisor/child.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/spawn.h"

#define START_LIMIT (60 * G_USEC_PER_SEC)
#define KILL_GRACE (60 * G_USEC_PER_SEC) /* beyond the longest final reply */

static void
enter (SupervisorChild *child, SupervisorChildState state)
{
  const gint64 now = g_get_monotonic_time ();

  child->state = state;
  switch (state)
    {
    case SUPERVISOR_CHILD_STARTING:
      child->deadline = now + START_LIMIT;
      break;
    case SUPERVISOR_CHILD_DRAINING:
      child->deadline = now + child->plan->config->drain * 1000;
      break;
    case SUPERVISOR_CHILD_HURRYING:
      child->deadline = now + supervisor_plan_final_reply (child->plan) * 1000 + KILL_GRACE;
      break;
    case SUPERVISOR_CHILD_SERVING:
    case SUPERVISOR_CHILD_KILLED:
      child->deadline = 0;
      break;
    }
}

static gboolean
spawn (SupervisorChild *child, const SupervisorSockets *sockets,
       const SupervisorExecutables *executables, gint control, GError **error)
{
  g_autoptr (IpcHandoff) handoff = ipc_handoff_new ();
  const SupervisorSpawn settings = { .executable = executables->generation,
                                     .program = "mailweir",
                                     .command = "generation",
                                     .handoff = handoff,
                                     .identity = &child->plan->identity,
                                     .lead = TRUE };

  handoff->control = control;
  handoff->sources = child->plan->sources;
  handoff->secrets = child->plan->secrets;
  handoff->gateway = executables->gateway;
  handoff->config = g_strdup (child->plan->path);
  handoff->log_format = child->plan->log_format;
  handoff->number = child->number;
  supervisor_sockets_hand (sockets, child->plan, handoff);
  child->pid = supervisor_spawn (&settings, error);
  return child->pid != 0;
}

SupervisorChild *
supervisor_child_start (SupervisorPlan *plan, const SupervisorSockets *sockets,
                        const SupervisorExecutables *executables, guint number, GError **error)
{
  g_autoptr (SupervisorChild) child = g_new0 (SupervisorChild, 1);
  gint pair[2];
  gboolean started;

  child->control = -1;
  child->number = number;
  child->plan = supervisor_plan_ref (plan);
  child->born = g_get_monotonic_time ();
  if (!ipc_channel_pair (pair, error))
    return NULL;
  child->control = pair[0];
  started = spawn (child, sockets, executables, pair[1], error);
  close (pair[1]);
  if (!started)
    return NULL;
  enter (child, SUPERVISOR_CHILD_STARTING);
  return g_steal_pointer (&child);
}

void
supervisor_child_free (SupervisorChild *child)
{
  if (child == NULL)
    return;
  if (child->control >= 0)
    close (child->control);
  supervisor_plan_unref (child->plan);
  g_free (child->failure);
  g_free (child);
}

static void
tell (SupervisorChild *child, IpcControlKind kind)
{
  g_autoptr (IpcControl) control = ipc_control_new (kind);
  g_autoptr (GError) error = NULL;

  if (child->control >= 0 && !ipc_control_send (child->control, control, &error))
    base_log (BASE_LOG_WARNING, "generation %u could not be told: %s", child->number,
              error->message);
}

void
supervisor_child_drain (SupervisorChild *child)
{
  if (child->state >= SUPERVISOR_CHILD_DRAINING)
    return;
  tell (child, IPC_CONTROL_DRAIN);
  enter (child, SUPERVISOR_CHILD_DRAINING);
}

void
supervisor_child_hurry (SupervisorChild *child)
{
  if (child->state >= SUPERVISOR_CHILD_HURRYING)
    return;
  tell (child, IPC_CONTROL_HURRY);
  enter (child, SUPERVISOR_CHILD_HURRYING);
}

void
supervisor_child_kill (SupervisorChild *child)
{
  /* The group holds generation and gateway; an orphaned gateway is our own child. */
  if (child->pid != 0)
    (void) kill (-child->pid, SIGKILL);
  else if (child->gateway != 0)
    (void) kill (child->gateway, SIGKILL);
  enter (child, SUPERVISOR_CHILD_KILLED);
}

void
supervisor_child_overdue (SupervisorChild *child)
{
  if (child->state == SUPERVISOR_CHILD_DRAINING)
    {
      base_log (BASE_LOG_NOTICE, "generation %u has not drained in time and is hurried",
                child->number);
      supervisor_child_hurry (child);
      return;
    }
  base_log (BASE_LOG_ERROR, "generation %u %s and is killed", child->number,
            child->state == SUPERVISOR_CHILD_STARTING ? "did not get ready in time"
                                                      : "does not end");
  supervisor_child_kill (child);
}

IpcControl *
supervisor_child_receive (SupervisorChild *child)
{
  g_autoptr (GError) error = NULL;
  gboolean closed = FALSE;
  IpcControl *control;

  if (child->control < 0)
    return NULL;
  control = ipc_control_receive (child->control, &closed, &error);
  if (error != NULL)
    base_log (BASE_LOG_ERROR, "generation %u: %s", child->number, error->message);
  if (closed || error != NULL)
    {
      close (child->control);
      child->control = -1;
    }
  return control;
}

gboolean
supervisor_child_orphaned (SupervisorChild *child)
{
  siginfo_t info = { 0 };

  child->pid = 0;
  /* We are its new parent (PR_SET_CHILD_SUBREAPER), unless it was dead and reaped before. */
  if (child->gateway == 0
      || waitid (P_PID, (id_t) child->gateway, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
    return FALSE;
  if (child->state < SUPERVISOR_CHILD_HURRYING)
    enter (child, SUPERVISOR_CHILD_HURRYING);
  return TRUE;
}
