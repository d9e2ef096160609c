/* The control channel. Its end, or nonsense on it, means that the generation is gone: the gateway
 * then ends as if told to hurry. */
#include "net/control.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/log.h"

#define FILTERS_WAIT 60000 /* ms: modules load before the gateway is told */

struct _NetControl
{
  NetService *service;
  gint fd;
  NetWatch watch;
};

static void
task_worker (NetLoop *loop, gpointer data)
{
  NetWorkerEnds *ends = data;

  if (loop->workers != NULL)
    net_workers_add (loop->workers, ends);
  else
    net_worker_ends_close (ends);
  g_free (ends);
}

static void
task_no_worker (NetLoop *loop, gpointer data)
{
  if (loop->workers != NULL)
    net_workers_none (loop->workers, GPOINTER_TO_UINT (data));
}

static void
hand_over_worker (NetService *service, IpcControl *control)
{
  const NetWorkerEnds ends
      = { control->descriptors[0], control->descriptors[2], control->descriptors[1], control->pid };

  if (control->number >= service->n_loops)
    return;
  if (ends.socket < 0 || ends.back < 0 || ends.pidfd < 0)
    {
      /* They did not fit into our table of descriptors: the loop asks again. */
      net_loop_post (service->loops[control->number], task_no_worker, GUINT_TO_POINTER (250));
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (control->descriptors); i++)
    control->descriptors[i] = -1;
  net_loop_post (service->loops[control->number], task_worker, g_memdup2 (&ends, sizeof ends));
}

static void
obey (NetService *service, IpcControl *control)
{
  switch (control->kind)
    {
    case IPC_CONTROL_DRAIN:
      net_service_drain (service, FALSE);
      break;
    case IPC_CONTROL_HURRY:
      net_service_drain (service, TRUE);
      break;
    case IPC_CONTROL_WORKER:
      hand_over_worker (service, control);
      break;
    case IPC_CONTROL_NO_WORKER:
      if (control->number < service->n_loops)
        net_loop_post (service->loops[control->number], task_no_worker,
                       GUINT_TO_POINTER (control->delay));
      break;
    case IPC_CONTROL_GONE:
      base_log (BASE_LOG_INFO, "worker %u is gone: %s", control->pid,
                control->text == NULL ? "" : control->text);
      break;
    case IPC_CONTROL_READY:
    case IPC_CONTROL_FAILED:
    case IPC_CONTROL_FILTERS:
    case IPC_CONTROL_WANT:
      base_log (BASE_LOG_WARNING, "the generation sent an order that is not for a gateway: %d",
                (int) control->kind);
      break;
    }
}

static void
on_watch (NetWatch *watch, int events)
{
  NetControl *control = NET_OWNER (watch, NetControl, watch);
  gboolean closed = FALSE;

  for (;;)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (IpcControl) order = ipc_control_receive (control->fd, &closed, &error);
      if (order != NULL)
        {
          obey (control->service, order);
          continue;
        }
      if (error == NULL && !closed)
        return;
      /* A worker was in it, which ends since nobody has it: its loop asks again. */
      if (g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_MFILE))
        {
          base_log (BASE_LOG_ERROR, "a worker can not be taken over: %s", error->message);
          continue;
        }
      base_log (BASE_LOG_ERROR, "the generation is gone%s%s", error == NULL ? "" : ": ",
                error == NULL ? "" : error->message);
      net_watch_set (&control->watch, 0);
      net_service_drain (control->service, TRUE);
      return;
    }
}

NetControl *
net_control_new (NetService *service, gint fd)
{
  NetControl *control = g_new0 (NetControl, 1);

  control->service = service;
  control->fd = fd;
  net_watch_init (&control->watch, &service->main->poller, fd, on_watch);
  net_watch_set (&control->watch, NET_READABLE);
  return control;
}

void
net_control_close (NetControl *control)
{
  net_watch_close (&control->watch);
  net_loop_defer (control->service->main, net_loop_free_later, control);
}

GArray *
net_control_wait_for_filters (gint fd, GError **error)
{
  struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
  g_autoptr (IpcControl) control = NULL;
  gboolean closed = FALSE;
  gint ready;

  do
    ready = poll (&poll_fd, 1, FILTERS_WAIT);
  while (ready < 0 && errno == EINTR);
  control = ready > 0 ? ipc_control_receive (fd, &closed, error) : NULL;
  if (error != NULL && *error != NULL)
    return NULL;
  if (control == NULL || control->kind != IPC_CONTROL_FILTERS)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_PIPE,
                   "the generation did not say what the filters are");
      return NULL;
    }
  return control->filters != NULL ? g_steal_pointer (&control->filters)
                                  : ipc_filter_facts_array_new ();
}

gboolean
net_control_report (gint fd, const gchar *failure, GError **error)
{
  g_autoptr (IpcControl) control
      = ipc_control_new (failure == NULL ? IPC_CONTROL_READY : IPC_CONTROL_FAILED);

  control->text = g_strdup (failure);
  return ipc_control_send (fd, control, error);
}
