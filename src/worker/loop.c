/* A worker process: blocking, one request at a time. What cannot be received or decoded ends it
 * with EX_SOFTWARE, since its peer is our own gateway; a peer that is gone ends it with 0. A crash
 * of a filter is the process's crash. */
#include "worker/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/channel.h"
#include "worker/memory.h"

typedef struct
{
  Worker *worker;
  gint socket;
  BaseBuffer out;      /* a record on its way */
  GArray *descriptors; /* of the packet at hand; empty between two */
  gboolean peer_gone;
  gboolean failed;
} Loop;

static void
confine (const Config *config, GPid parent)
{
  struct rlimit none = { 0, 0 };

  setpgid (0, 0);
  signal (SIGPIPE, SIG_IGN);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  setrlimit (RLIMIT_CORE, &none);
  worker_memory_limit ((guint64) config->worker_memory);
  /* The parent may have died before the signal was asked for. */
  if (parent != 0 && getppid () != parent)
    _exit (EX_SOFTWARE);
}

static void
wait_for_room (gint socket)
{
  struct pollfd entry = { .fd = socket, .events = POLLOUT };

  while (poll (&entry, 1, -1) < 0 && errno == EINTR)
    continue;
}

static void
send_record (IpcRecord *record, gpointer data)
{
  Loop *loop = data;
  g_autoptr (GError) error = NULL;

  ipc_record_encode (record, &loop->out, loop->descriptors);
  while (!loop->peer_gone && !loop->failed
         && !ipc_channel_send (loop->socket, base_buffer_bytes (&loop->out),
                               base_buffer_length (&loop->out), loop->descriptors, &error))
    {
      if (g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_AGAIN))
        wait_for_room (loop->socket);
      else if (g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_PIPE))
        loop->peer_gone = TRUE;
      else
        {
          base_log (BASE_LOG_ERROR, "a record can not be sent: %s", error->message);
          loop->failed = TRUE;
        }
      g_clear_error (&error);
    }
  g_array_set_size (loop->descriptors, 0); /* the record's own */
  if (base_buffer_length (&loop->out) > IPC_INLINE)
    base_buffer_clear (&loop->out);
  base_buffer_reset (&loop->out);
}

static IpcRequest *
receive (Loop *loop, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  gsize length = 0;
  const guint8 *data = NULL;

  bytes = ipc_channel_receive (loop->socket, loop->descriptors, &loop->peer_gone, error);
  if (bytes == NULL)
    return NULL;
  data = g_bytes_get_data (bytes, &length);
  return ipc_request_decode (data, length, loop->descriptors, error);
}

static void
serve (Loop *loop)
{
  /* Our end alone: receiving sleeps in the call itself. */
  fcntl (loop->socket, F_SETFL, fcntl (loop->socket, F_GETFL) & ~O_NONBLOCK);
  while (!loop->peer_gone && !loop->failed)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (IpcRequest) request = receive (loop, &error);

      if (request != NULL)
        worker_run_request (loop->worker, request, send_record, loop);
      else if (error != NULL)
        {
          base_log (BASE_LOG_ERROR, "a request can not be read: %s", error->message);
          loop->failed = TRUE;
        }
    }
}

int
worker_main (const Config *config, const WorkerModules *modules, gint socket, GPid parent)
{
  g_autoptr (Worker) worker = worker_new (config, modules);
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  Loop loop = { .worker = worker, .socket = socket, .descriptors = descriptors };
  g_autoptr (GError) error = NULL;

  confine (config, parent);
  if (worker_start (worker, &error))
    serve (&loop);
  else
    {
      base_log (BASE_LOG_ERROR, "%s", error->message);
      loop.failed = TRUE;
    }
  close (socket);
  base_buffer_clear (&loop.out);
  return loop.failed ? EX_SOFTWARE : 0;
}
