/* One worker process at a time, started when it is needed. Whatever goes wrong with it is the
 * failure of the filter whose record is awaited. */
#include "commands/try-worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "worker/loop.h"

struct _TryWorker
{
  const Config *config;
  const WorkerModules *modules;
  GPid pid; /* 0: none runs */
  gint socket;
};

TryWorker *
try_worker_new (const Config *config, const WorkerModules *modules)
{
  TryWorker *worker = g_new0 (TryWorker, 1);

  worker->config = config;
  worker->modules = modules;
  worker->socket = -1;
  return worker;
}

/* Ends the process and says how it ended; caller frees. */
static gchar *
end_process (TryWorker *worker, gboolean by_force)
{
  gint status = 0;

  if (worker->pid == 0)
    return g_strdup ("no worker");
  /* What a filter has started goes with its worker; the group is not there yet if it died at once.
   */
  if (by_force && kill (-worker->pid, SIGKILL) != 0)
    kill (worker->pid, SIGKILL);
  close (worker->socket);
  worker->socket = -1;
  while (waitpid (worker->pid, &status, 0) < 0 && errno == EINTR)
    continue;
  worker->pid = 0;
  if (WIFSIGNALED (status))
    return g_strdup_printf ("crashed, signal %d (%s)", WTERMSIG (status),
                            strsignal (WTERMSIG (status)));
  return g_strdup_printf ("ended its process, exit status %d", WEXITSTATUS (status));
}

void
try_worker_free (TryWorker *worker)
{
  if (worker == NULL)
    return;
  g_free (end_process (worker, TRUE));
  g_free (worker);
}

static gboolean
start_process (TryWorker *worker, GError **error)
{
  GPid parent = getpid ();
  gint pair[2];

  if (worker->pid != 0)
    return TRUE;
  if (!ipc_channel_pair (pair, error))
    return FALSE;
  fflush (NULL);
  worker->pid = fork ();
  if (worker->pid == 0)
    {
      close (pair[0]);
      _exit (worker_main (worker->config, worker->modules, pair[1], parent));
    }
  close (pair[1]);
  worker->socket = pair[0];
  if (worker->pid > 0)
    {
      (void) setpgid (worker->pid, worker->pid);
      return TRUE;
    }
  worker->pid = 0;
  close (worker->socket);
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "fork: %s",
               g_strerror (errno));
  return FALSE;
}

static gboolean
send_request (TryWorker *worker, ChainState *state, IpcRequest *request, GError **error)
{
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));

  if (!start_process (worker, error))
    return FALSE;
  request->serial++;
  chain_fill_request (state, request);
  ipc_request_encode (request, &out, descriptors);
  chain_clear_request (request);
  return ipc_channel_send (worker->socket, base_buffer_bytes (&out), base_buffer_length (&out),
                           descriptors, error);
}

/* The next record of the worker. NULL: `*why` says why there is none; caller frees. */
static IpcRecord *
receive_record (TryWorker *worker, gint64 timeout, gchar **why)
{
  struct pollfd entry = { .fd = worker->socket, .events = POLLIN };
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  gboolean closed = FALSE;
  IpcRecord *record = NULL;

  if (poll (&entry, 1, (gint) MIN (timeout / 1000, G_MAXINT)) <= 0)
    {
      g_free (end_process (worker, TRUE));
      *why = g_strdup_printf ("gave no answer within %" G_GINT64_FORMAT " ms", timeout / 1000);
      return NULL;
    }
  bytes = ipc_channel_receive (worker->socket, descriptors, &closed, &error);
  if (bytes != NULL)
    record = ipc_record_decode (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes),
                                descriptors, &error);
  if (record == NULL)
    {
      g_autofree gchar *end = end_process (worker, error != NULL);

      *why = error != NULL ? g_strdup (error->message) : g_steal_pointer (&end);
    }
  return record;
}

static ChainStep
take_record (TryWorker *worker, ChainState *state, TryRecordFunc func, gpointer data)
{
  const ChainFilter *filter = chain_awaited (state);
  g_autofree gchar *why = NULL;
  g_autoptr (IpcRecord) record = receive_record (worker, filter->timeout, &why);

  func (filter, record, why, data);
  return record == NULL ? chain_fail (state, why) : chain_accept (state, record);
}

void
try_worker_run (TryWorker *worker, ChainState *state, IpcRequest *request, TryRecordFunc func,
                gpointer data)
{
  ChainStep step = CHAIN_REQUEST;

  while (step != CHAIN_DONE)
    {
      g_autoptr (GError) error = NULL;

      if (step == CHAIN_WAIT || send_request (worker, state, request, &error))
        {
          step = take_record (worker, state, func, data);
          continue;
        }
      g_free (end_process (worker, TRUE));
      func (chain_awaited (state), NULL, error->message, data);
      step = chain_fail (state, error->message);
    }
}
