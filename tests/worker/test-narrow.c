/* A module that gives up some of its hooks at load: they are neither called nor told to the
 * gateway, while another filter of the same module keeps them. */
#include "bench.h"

#include <string.h>

#define TWO                                                                                        \
  "filter \"f0\" { module = \"narrow\" narrow = true }\nfilter \"f1\" { module = \"narrow\" }"

static guint32
hooks_of (const Bench *bench, guint index)
{
  return worker_modules_nth (bench->modules, index)->facts.hooks;
}

static void
test_facts (void)
{
  Bench bench;

  bench_open (&bench, "", "\"f0\", \"f1\"", TWO);
  g_assert_cmphex (hooks_of (&bench, 0), ==,
                   IPC_HOOK_BIT (IPC_HOOK_END_OF_HEADERS) | IPC_HOOK_BIT (IPC_HOOK_COMMAND));
  g_assert_cmphex (hooks_of (&bench, 1), ==,
                   IPC_HOOK_BIT (IPC_HOOK_MAIL) | IPC_HOOKS_OF_HEADERS
                       | IPC_HOOK_BIT (IPC_HOOK_COMMAND) | IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE));
  bench_close (&bench);
}

static void
test_calls (void)
{
  Bench bench;

  bench_open (&bench, "", "\"f0\", \"f1\"", TWO);
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, "A: 1\r\n\r\nbody\r\n");
  bench_run (&bench);
  g_assert_cmpuint (bench.records->len, ==, 2);
  g_assert_null (bench_note (bench_record (&bench, 0), "header"));
  g_assert_null (bench_note (bench_record (&bench, 0), "end_of_message"));
  g_assert_cmpstr (bench_note (bench_record (&bench, 0), "end_of_headers"), ==, "called");
  g_assert_cmpstr (bench_note (bench_record (&bench, 1), "header"), ==, "called");
  g_assert_cmpstr (bench_note (bench_record (&bench, 1), "end_of_message"), ==, "called");
  bench_request (&bench, IPC_HOOK_MAIL, NULL);
  bench_run (&bench);
  g_assert_cmpuint (bench.records->len, ==, 1);
  g_assert_cmpuint (bench_record (&bench, 0)->filter, ==, 1);
  bench_close (&bench);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/worker/narrow/facts", test_facts);
  g_test_add_func ("/worker/narrow/calls", test_calls);
  return g_test_run ();
}
