/* What a filter that asks another program has from the host: the time that is left, a descriptor of
 * the current bytes, and a way to fail. */
#include "bench.h"

#include <string.h>
#include <unistd.h>

#define MESSAGE "A: 1\r\n\r\nbody\r\n"
#define EDITED "A: 1\r\nX-Outside: yes\r\n\r\nbody\r\n"
#define TWO "filter \"f0\" { module = \"outside\" }\nfilter \"f1\" { module = \"outside\" %s }"

static void
open_two (Bench *bench, const gchar *more)
{
  g_autofree gchar *filters = g_strdup_printf (TWO, more);

  bench_open (bench, "", "\"f0\", \"f1\"", filters);
}

/* An unlinked file with the message, as the gateway's spool is one. */
static gint
make_spool (const gchar *text)
{
  g_autofree gchar *path = NULL;
  gint fd = g_file_open_tmp ("mailweir-spool-XXXXXX", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (unlink (path), ==, 0);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, (gssize) strlen (text));
  return fd;
}

static void
expect_descriptors (Bench *bench)
{
  bench_run (bench);
  g_assert_cmpuint (bench->records->len, ==, 2);
  g_assert_cmpstr (bench_note (bench_record (bench, 0), "descriptor"), ==, MESSAGE);
  g_assert_cmpstr (bench_note (bench_record (bench, 1), "descriptor"), ==, EDITED);
}

static void
test_descriptor (void)
{
  Bench bench;

  open_two (&bench, "");
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, MESSAGE);
  expect_descriptors (&bench);
  bench_request (&bench, IPC_HOOK_CONNECT, NULL);
  bench_run (&bench);
  g_assert_cmpstr (bench_note (bench_record (&bench, 0), "descriptor"), ==, "none");
  bench_close (&bench);
}

/* A spool is read-only for a worker because the gateway opens it so; where it is longer than the
 * message, its descriptor is not the message. */
static void
test_spool (gconstpointer data)
{
  Bench bench;

  open_two (&bench, "");
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, NULL);
  bench.request->message_descriptor = make_spool (data);
  bench.request->message_size = strlen (MESSAGE);
  expect_descriptors (&bench);
  g_assert_cmpint (lseek (bench.request->message_descriptor, 0, SEEK_CUR), ==,
                   (gssize) strlen (data));
  bench_close (&bench);
}

static gint64
time_left (Bench *bench, guint filter)
{
  return g_ascii_strtoll (bench_note (bench_record (bench, filter), "left"), NULL, 10);
}

static void
test_time_left (void)
{
  Bench bench;

  open_two (&bench, "timeout = 40s");
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, MESSAGE);
  bench.request->timeout = 100 * 1000;
  bench_run (&bench);
  g_assert_cmpint (time_left (&bench, 0), <=, 30 * 1000); /* the default timeout */
  g_assert_cmpint (time_left (&bench, 0), >, 0);
  g_assert_cmpint (time_left (&bench, 1), <=, 40 * 1000);
  g_assert_cmpint (time_left (&bench, 1), >, time_left (&bench, 0));
  bench.request->timeout = 1;
  bench_run (&bench);
  g_assert_cmpint (time_left (&bench, 0), <=, 1);
  g_assert_cmpint (time_left (&bench, 1), >=, 0);
  bench_close (&bench);
}

static void
test_fail (void)
{
  Bench bench;
  IpcRecord *record = NULL;

  open_two (&bench, "");
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, "Fail: 1\r\n\r\nbody\r\n");
  record = bench_run (&bench);
  g_assert_cmpuint (bench.records->len, ==, 1);
  g_assert_true (record->failed);
  g_assert_cmpstr (record->reason, ==, "the scanner is down");
  g_assert_null (record->reply);
  g_assert_null (record->edits);
  g_assert_cmpstr (bench_note (record, "left"), ==, NULL);
  bench_close (&bench);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/worker/outside/descriptor", test_descriptor);
  g_test_add_data_func ("/worker/outside/spool", MESSAGE, test_spool);
  g_test_add_data_func ("/worker/outside/longer-spool", MESSAGE "rest", test_spool);
  g_test_add_func ("/worker/outside/time-left", test_time_left);
  g_test_add_func ("/worker/outside/fail", test_fail);
  return g_test_run ();
}
