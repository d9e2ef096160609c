/* A worker process of its own on a socket: records arrive as filters finish; a filter that crashes
 * takes the process, and what was sent before names the culprit; the process ends when its peer
 * does. */
#include "bench.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "worker/loop.h"

typedef struct
{
  Bench bench;
  gint socket;
  pid_t pid;
} Process;

static void
open_process (Process *process, const gchar *answer)
{
  g_autofree gchar *filters
      = g_strdup_printf ("filter \"f0\" { module = \"hooks\" }\n"
                         "filter \"f1\" { module = \"verdicts\" answer = \"%s\" }",
                         answer);
  gint pair[2];

  bench_open (&process->bench, "worker-memory = 256M", "\"f0\", \"f1\"", filters);
  g_assert_true (ipc_channel_pair (pair, NULL));
  process->pid = fork ();
  g_assert_cmpint (process->pid, >=, 0);
  if (process->pid == 0)
    {
      gint status = 0;

      signal (SIGSEGV, SIG_DFL);
      /* GLib says "Bail out!" there when it runs out of memory: not our test's word. */
      dup2 (STDERR_FILENO, STDOUT_FILENO);
      close (pair[0]);
      status = worker_main (process->bench.config, process->bench.modules, pair[1], 0);
      _exit (status);
    }
  close (pair[1]);
  process->socket = pair[0];
}

static void
send_request (Process *process)
{
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));

  ipc_request_encode (process->bench.request, &out, descriptors);
  g_assert_true (ipc_channel_send (process->socket, base_buffer_bytes (&out),
                                   base_buffer_length (&out), descriptors, NULL));
}

/* NULL: the process has gone. */
static IpcRecord *
receive (Process *process)
{
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  struct pollfd entry = { .fd = process->socket, .events = POLLIN };
  gboolean closed = FALSE;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;
  IpcRecord *record = NULL;
  gsize length = 0;
  const guint8 *data = NULL;

  g_assert_cmpint (poll (&entry, 1, 60000), ==, 1);
  bytes = ipc_channel_receive (process->socket, descriptors, &closed, &error);
  g_assert_no_error (error);
  if (closed)
    return NULL;
  data = g_bytes_get_data (bytes, &length);
  record = ipc_record_decode (data, length, descriptors, &error);
  g_assert_no_error (error);
  return record;
}

static gint
close_process (Process *process)
{
  gint status = 0;

  close (process->socket);
  g_assert_cmpint (waitpid (process->pid, &status, 0), ==, process->pid);
  bench_close (&process->bench);
  return status;
}

static void
expect_record (Process *process, guint filter, gboolean last)
{
  g_autoptr (IpcRecord) record = receive (process);

  g_assert_nonnull (record);
  g_assert_cmpuint (record->filter, ==, filter);
  g_assert_cmpint (record->last, ==, last);
}

static void
test_serves (void)
{
  Process process;
  gint status = 0;

  open_process (&process, "pass");
  for (guint i = 0; i < 3; i++)
    {
      bench_request (&process.bench, IPC_HOOK_MAIL, NULL);
      send_request (&process);
      expect_record (&process, 0, FALSE);
      expect_record (&process, 1, TRUE);
    }
  g_assert_cmpint (getpgid (process.pid), ==, process.pid);
  status = close_process (&process);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
}

/* A message as a descriptor. */
static void
test_large (void)
{
  Process process;
  g_autofree gchar *body = g_strnfill (300 * 1024, 'x');
  g_autofree gchar *message = g_strconcat ("A: b\r\n\r\n", body, "\r\n", NULL);
  g_autofree gchar *path = NULL;
  gint fd = g_file_open_tmp ("mailweir-test-XXXXXX", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, message, strlen (message)), ==, (gssize) strlen (message));
  unlink (path);
  open_process (&process, "pass");
  bench_request (&process.bench, IPC_HOOK_END_OF_MESSAGE, NULL);
  process.bench.request->message_descriptor = fd;
  process.bench.request->message_size = strlen (message);
  send_request (&process);
  expect_record (&process, 0, FALSE);
  expect_record (&process, 1, TRUE);
  g_assert_cmpint (close_process (&process), ==, 0);
}

static void
test_crash (void)
{
  Process process;
  gint status = 0;

  open_process (&process, "crash");
  bench_request (&process.bench, IPC_HOOK_MAIL, NULL);
  send_request (&process);
  expect_record (&process, 0, FALSE);
  g_assert_null (receive (&process));
  status = close_process (&process);
  g_assert_true (WIFSIGNALED (status));
  g_assert_cmpint (WTERMSIG (status), ==, SIGSEGV);
}

static void
test_allocate (void)
{
  Process process;
  gint status = 0;

  open_process (&process, "allocate");
  bench_request (&process.bench, IPC_HOOK_MAIL, NULL);
  send_request (&process);
  expect_record (&process, 0, FALSE);
  g_assert_null (receive (&process));
  status = close_process (&process);
  g_assert_true (WIFSIGNALED (status));
}

static void
test_nonsense (void)
{
  Process process;
  gint status = 0;

  open_process (&process, "pass");
  g_assert_true (ipc_channel_send (process.socket, (const guint8 *) "nonsense", 8, NULL, NULL));
  g_assert_null (receive (&process));
  status = close_process (&process);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, EX_SOFTWARE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/worker/loop/serves", test_serves);
  g_test_add_func ("/worker/loop/large", test_large);
  g_test_add_func ("/worker/loop/crash", test_crash);
  g_test_add_func ("/worker/loop/allocate", test_allocate);
  g_test_add_func ("/worker/loop/nonsense", test_nonsense);
  return g_test_run ();
}
