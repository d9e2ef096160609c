/* The generation's process: one thread, one poll loop over its signals, the supervisor's channel
 * and the gateway's.
 *
 * The gateway is started before any module is loaded, and gets keys and listening sockets; our own
 * copies are closed, so that no code of a filter ever shares a process with them. When the
 * supervisor is gone the gateway is hurried; when the gateway is gone the workers are killed and we
 * end. */
#include "supervisor/generation.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/control.h"
#include "supervisor/nursery.h"
#include "supervisor/paths.h"
#include "supervisor/spawn.h"
#include "worker/loop.h"

#define FAREWELL (5 * G_USEC_PER_SEC) /* for workers to end by themselves after their gateway */
#define MAX_REASON 60000              /* octets of an explanation in one control message */

typedef struct
{
  IpcHandoff *handoff;
  gint signals;
  gint supervisor;  /* -1: gone */
  gint gateway;     /* control channel; -1: closed */
  GPid gateway_pid; /* 0: dead */
  gint gateway_status;
  gboolean failed; /* the gateway said so */
  gint64 farewell; /* once the gateway is dead: when workers are killed; monotonic µs */
  Config *config;
  WorkerModules *modules;
  gchar *suspects;
  SupervisorNursery *nursery;
} Generation;

static void
tell (gint *channel, const IpcControl *control)
{
  g_autoptr (GError) error = NULL;

  if (*channel >= 0 && !ipc_control_send (*channel, control, &error))
    base_log (BASE_LOG_WARNING, "a control message was lost: %s", error->message);
}

static void
tell_failure (Generation *generation, const gchar *text)
{
  g_autoptr (IpcControl) control = ipc_control_new (IPC_CONTROL_FAILED);
  const gchar *end = text;

  (void) g_utf8_validate (text, MIN (strlen (text), MAX_REASON), &end);
  control->text = g_strndup (text, (gsize) (end - text));
  tell (&generation->supervisor, control);
}

static void
tell_errors (Generation *generation, const ConfigErrors *errors)
{
  g_autofree gchar *text = config_errors_to_string (errors);

  tell_failure (generation, text);
}

static void
hurry_gateway (Generation *generation)
{
  g_autoptr (IpcControl) control = ipc_control_new (IPC_CONTROL_HURRY);

  tell (&generation->gateway, control);
}

/* ---- Loading ---- */

static gboolean
load_config (Generation *generation)
{
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bundle = ipc_handoff_load (generation->handoff->sources, &error);
  g_autoptr (ConfigSources) sources
      = bundle == NULL ? NULL : config_sources_new_bundle (bundle, &error);

  if (sources == NULL)
    {
      tell_failure (generation, error->message);
      return FALSE;
    }
  generation->config = config_load (sources, generation->handoff->config, errors);
  if (generation->config == NULL)
    tell_errors (generation, errors);
  return generation->config != NULL;
}

static void
close_handed (gint *descriptor)
{
  if (*descriptor >= 0)
    close (*descriptor);
  *descriptor = -1;
}

/* Whatever a filter must never reach. */
static void
close_handoff (IpcHandoff *handoff)
{
  close_handed (&handoff->sources);
  close_handed (&handoff->secrets);
  close_handed (&handoff->status);
  close_handed (&handoff->gateway);
  for (guint i = 0; i < handoff->listeners->len; i++)
    close_handed (&g_array_index (handoff->listeners, IpcHandoffListener, i).descriptor);
}

static gboolean
start_gateway (Generation *generation)
{
  IpcHandoff handoff = *generation->handoff; /* borrows its members */
  SupervisorSpawn spawn
      = { .executable = handoff.gateway, .program = "mailweir-gateway", .handoff = &handoff };
  g_autoptr (GError) error = NULL;
  gint pair[2];

  if (!ipc_channel_pair (pair, &error))
    {
      tell_failure (generation, error->message);
      return FALSE;
    }
  handoff.control = pair[1];
  handoff.gateway = -1;
  generation->gateway = pair[0];
  generation->gateway_pid = supervisor_spawn (&spawn, &error);
  close (pair[1]);
  if (generation->gateway_pid == 0)
    tell_failure (generation, error->message);
  return generation->gateway_pid != 0;
}

static void
name_suspects (Generation *generation)
{
  GString *names = g_string_new (NULL);

  for (guint i = 0; i < generation->config->filters->len; i++)
    {
      const ConfigFilter *filter = g_ptr_array_index (generation->config->filters, i);

      g_string_append_printf (names, "%s%s", i == 0 ? "" : ", ", filter->module);
    }
  generation->suspects = g_string_free (names, FALSE);
}

static gboolean
load_modules (Generation *generation)
{
  g_auto (GStrv) directories = supervisor_module_directories (generation->config);
  g_autoptr (ConfigErrors) errors = config_errors_new ();

  generation->modules
      = worker_modules_load (generation->config, (const gchar *const *) directories, errors);
  if (generation->modules == NULL)
    tell_errors (generation, errors);
  return generation->modules != NULL;
}

static void
copy_facts (const IpcFilterFacts *from, IpcFilterFacts *to)
{
  *to = *from;
  if (to->commands != NULL)
    g_ptr_array_ref (to->commands);
}

static void
send_facts (Generation *generation)
{
  g_autoptr (IpcControl) control = ipc_control_new (IPC_CONTROL_FILTERS);

  control->filters = ipc_filter_facts_array_new ();
  for (guint i = 0; i < worker_modules_count (generation->modules); i++)
    {
      IpcFilterFacts facts;

      copy_facts (&worker_modules_nth (generation->modules, i)->facts, &facts);
      g_array_append_val (control->filters, facts);
    }
  tell (&generation->gateway, control);
}

/* ---- Workers ---- */

static int
work (gint socket, GPid parent, gpointer data)
{
  Generation *generation = data;

  (void) prctl (PR_SET_NAME, "mailweir-worker", 0, 0, 0);
  base_log_setup ("worker", generation->handoff->log_format,
                  BASE_LOG_ERROR + generation->config->log_level);
  return worker_main (generation->config, generation->modules, socket, parent);
}

static void
open_nursery (Generation *generation)
{
  const SupervisorNurserySettings settings = {
    .gateway = generation->gateway,
    .maximum = (guint) generation->config->workers_max,
    .work = work,
    .data = generation,
    .suspects = generation->suspects,
  };

  generation->nursery = supervisor_nursery_new (&settings);
}

/* ---- Events ---- */

static void
from_gateway (Generation *generation, IpcControl *control)
{
  switch (control->kind)
    {
    case IPC_CONTROL_WANT:
      supervisor_nursery_want (generation->nursery, control->number, g_get_monotonic_time ());
      break;
    case IPC_CONTROL_READY:
      control->pid = (guint32) generation->gateway_pid;
      tell (&generation->supervisor, control);
      break;
    case IPC_CONTROL_FAILED:
      generation->failed = TRUE;
      tell (&generation->supervisor, control);
      break;
    default:
      base_log (BASE_LOG_WARNING, "the gateway sent control message %d", control->kind);
      break;
    }
}

static void
from_supervisor (Generation *generation, IpcControl *control)
{
  if (control->kind == IPC_CONTROL_DRAIN || control->kind == IPC_CONTROL_HURRY)
    tell (&generation->gateway, control);
  else
    base_log (BASE_LOG_WARNING, "the supervisor sent control message %d", control->kind);
}

/* Everything that waits in a channel; its end closes it. TRUE: it is still open. */
static gboolean
receive (Generation *generation, gint *channel, void (*func) (Generation *, IpcControl *))
{
  gboolean closed = FALSE;

  while (*channel >= 0 && !closed)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (IpcControl) control = ipc_control_receive (*channel, &closed, &error);

      if (control != NULL)
        func (generation, control);
      else if (error != NULL)
        {
          base_log (BASE_LOG_ERROR, "a control channel failed: %s", error->message);
          closed = TRUE;
        }
      else
        break;
    }
  if (closed)
    close_handed (channel);
  return !closed;
}

static void
gateway_died (Generation *generation)
{
  g_autofree gchar *how = NULL;

  (void) receive (generation, &generation->gateway, from_gateway);
  supervisor_nursery_mute (generation->nursery);
  (void) waitpid (generation->gateway_pid, &generation->gateway_status, 0);
  generation->gateway_pid = 0;
  generation->farewell = g_get_monotonic_time ();
  if (generation->gateway_status == 0)
    {
      /* Idle workers see their sockets end; one may still run its filters' `stop`. */
      generation->farewell += FAREWELL;
      return;
    }
  how = supervisor_describe_death (generation->gateway_status);
  base_log (BASE_LOG_ERROR, "the gateway ended: %s", how);
}

static void
bury_children (Generation *generation)
{
  for (;;)
    {
      siginfo_t info = { 0 };

      if (waitid (P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
        return;
      if (info.si_pid == generation->gateway_pid)
        gateway_died (generation);
      else if (!supervisor_nursery_bury (generation->nursery, info.si_pid, g_get_monotonic_time ()))
        (void) waitpid (info.si_pid, NULL, WNOHANG);
    }
}

/* SIGTERM only says that the supervisor has died (PR_SET_PDEATHSIG), which its channel says too; or
 * it went to every process of a service, and then the supervisor knows what to do. */
static void
read_signals (Generation *generation)
{
  gint number;

  while ((number = supervisor_signals_next (generation->signals)) != 0)
    if (number == SIGCHLD)
      bury_children (generation);
}

static gint
poll_timeout (const Generation *generation)
{
  const gint64 left = generation->farewell - g_get_monotonic_time ();

  if (generation->farewell == 0)
    return -1;
  return (gint) CLAMP (left / 1000 + 1, 100, FAREWELL / 1000);
}

static void
step (Generation *generation)
{
  struct pollfd fds[] = { { .fd = generation->signals, .events = POLLIN },
                          { .fd = generation->supervisor, .events = POLLIN },
                          { .fd = generation->gateway, .events = POLLIN } };

  if (poll (fds, G_N_ELEMENTS (fds), poll_timeout (generation)) < 0)
    return;
  /* What the gateway said last is read before its death is. */
  if (fds[2].revents != 0 && !receive (generation, &generation->gateway, from_gateway))
    supervisor_nursery_mute (generation->nursery);
  if (fds[1].revents != 0 && !receive (generation, &generation->supervisor, from_supervisor))
    hurry_gateway (generation);
  if (fds[0].revents != 0)
    read_signals (generation);
  if (generation->farewell != 0 && g_get_monotonic_time () >= generation->farewell)
    supervisor_nursery_kill (generation->nursery);
}

static int
serve (Generation *generation)
{
  while (generation->gateway_pid != 0 || supervisor_nursery_count (generation->nursery) > 0)
    step (generation);
  if (generation->failed)
    return EX_CONFIG;
  return generation->gateway_status == 0 ? EX_OK : EX_SOFTWARE;
}

/* ---- The process ---- */

static int
live (Generation *generation)
{
  static const gint signals[] = { SIGCHLD, 0 };
  static const gint later[] = { SIGCHLD, SIGTERM, 0 };

  if (!load_config (generation))
    return EX_CONFIG;
  base_log_setup ("generation", generation->handoff->log_format,
                  BASE_LOG_ERROR + generation->config->log_level);
  generation->signals = supervisor_signals_open (signals);
  if (generation->signals < 0 || !start_gateway (generation))
    return EX_OSERR;
  close_handoff (generation->handoff);
  (void) prctl (PR_SET_DUMPABLE, 1, 0, 0, 0);
  name_suspects (generation);
  if (!load_modules (generation))
    return EX_CONFIG;
  /* A module whose `load` hangs must still die with the supervisor: SIGTERM waits until here. */
  close_handed (&generation->signals);
  generation->signals = supervisor_signals_open (later);
  open_nursery (generation);
  send_facts (generation);
  return serve (generation);
}

/* A gateway that never heard of filters has accepted nobody. */
static void
finish (Generation *generation)
{
  supervisor_nursery_free (generation->nursery);
  if (generation->gateway_pid != 0)
    {
      (void) kill (generation->gateway_pid, SIGKILL);
      (void) waitpid (generation->gateway_pid, NULL, 0);
    }
  worker_modules_free (generation->modules);
  config_free (generation->config);
  close_handed (&generation->gateway);
  close_handed (&generation->supervisor);
  close_handed (&generation->signals);
  g_free (generation->suspects);
  ipc_handoff_free (generation->handoff);
}

int
supervisor_generation_main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  Generation generation = { .signals = -1, .gateway = -1 };
  int status;

  (void) prctl (PR_SET_NAME, "mailweir-gen", 0, 0, 0);
  /* Workers of an older generation run as the same user: no looking into us while we hold keys. */
  (void) prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
  generation.handoff = ipc_handoff_parse (argc, argv, &error);
  if (generation.handoff == NULL)
    {
      g_printerr ("mailweir generation: %s\n", error->message);
      return EX_USAGE;
    }
  generation.supervisor = generation.handoff->control;
  status = live (&generation);
  finish (&generation);
  return status;
}
