/* A module that gives up some of its hooks at load: they are neither called nor told to the
 * gateway, while another filter of the same module keeps them. */
#include "bench.h"

#include <string.h>

static void
open_narrow (Bench *bench, gboolean narrow)
{
  g_autofree gchar *filter = g_strdup_printf ("filter \"f0\" { module = \"narrow\" narrow = %s }",
                                              narrow ? "true" : "false");

  bench_open (bench, "", "\"f0\"", filter);
}

static void
expect_hooks (gboolean narrow, guint32 hooks)
{
  Bench bench;

  open_narrow (&bench, narrow);
  g_assert_cmphex (worker_modules_nth (bench.modules, 0)->facts.hooks, ==,
                   hooks | IPC_HOOK_BIT (IPC_HOOK_COMMAND));
  bench_close (&bench);
}

static void
test_facts (void)
{
  expect_hooks (TRUE, IPC_HOOK_BIT (IPC_HOOK_END_OF_HEADERS));
  expect_hooks (FALSE, IPC_HOOK_BIT (IPC_HOOK_MAIL) | IPC_HOOKS_OF_HEADERS
                           | IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE));
}

static void
expect_calls (gboolean narrow, IpcHook hook, const gchar *name, gboolean called)
{
  Bench bench;

  open_narrow (&bench, narrow);
  bench_request (&bench, hook, hook == IPC_HOOK_MAIL ? NULL : "A: 1\r\n\r\nbody\r\n");
  g_assert_cmpstr (bench_note (bench_run (&bench), name), ==, called ? "called" : NULL);
  bench_close (&bench);
}

static void
test_calls (void)
{
  expect_calls (TRUE, IPC_HOOK_END_OF_MESSAGE, "header", FALSE);
  expect_calls (TRUE, IPC_HOOK_END_OF_MESSAGE, "end_of_headers", TRUE);
  expect_calls (TRUE, IPC_HOOK_END_OF_MESSAGE, "end_of_message", FALSE);
  expect_calls (TRUE, IPC_HOOK_MAIL, "mail", FALSE);
  expect_calls (FALSE, IPC_HOOK_END_OF_MESSAGE, "header", TRUE);
  expect_calls (FALSE, IPC_HOOK_END_OF_MESSAGE, "end_of_headers", TRUE);
  expect_calls (FALSE, IPC_HOOK_END_OF_MESSAGE, "end_of_message", TRUE);
  expect_calls (FALSE, IPC_HOOK_MAIL, "mail", TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/worker/narrow/facts", test_facts);
  g_test_add_func ("/worker/narrow/calls", test_calls);
  return g_test_run ();
}
