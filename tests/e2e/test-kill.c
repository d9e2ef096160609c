/* kill -9 and SIGSTOP of each process under load, with clients that do not retry: service comes
 * back by itself, a message that was answered 250 is at the destination exactly once, and no other
 * is there twice. */
#include "kit-load.h"
#include "kit-tree.h"

#include <signal.h>
#include <string.h>

#define SESSIONS 20
#define CONFIG                                                                                     \
  "hostname = \"mx.test\"\nworkers-min = 2\nworkers-max = 6\n"                                     \
  "listener \"in\" {\n  bind = [\"127.0.0.1:%u\"]\n  filters = [\"slow\"]\n"                       \
  "  routes = [\"up\"]\n  connections-per-client = 200\n}\n"                                       \
  "route \"up\" { to = [\"%s\"] }\n"                                                               \
  "filter \"slow\" {\n  module = \"%s\"\n  how = \"sleep:2ms\"\n  timeout = 1s\n}\n"

typedef struct
{
  guint port;
  gboolean to_server;
  gchar *folder;    /* of the destination's messages */
  KitProcess *sink; /* NULL: to a Maildir */
  KitProcess *mailweir;
  KitLoad *load;
} Kill;

static gchar *
open_destination (Kill *test)
{
  static guint number;

  if (!test->to_server)
    {
      g_autofree gchar *maildir = kit_path ("maildir-%u", ++number);
      test->folder = g_build_filename (maildir, "new", NULL);
      return g_strdup_printf ("maildir:%s", maildir);
    }
  const guint port = kit_port ();
  test->folder = kit_path ("sink-%u.d", port);
  test->sink = kit_sink (port, test->folder, NULL);
  return g_strdup_printf ("smtp://127.0.0.1:%u", port);
}

static void
kill_start (Kill *test, gboolean to_server)
{
  g_autofree gchar *module = g_strdup (kit_program ("tests/filters/fault.so"));

  test->to_server = to_server;
  test->port = kit_port ();
  g_autofree gchar *to = open_destination (test);
  g_autofree gchar *config = g_strdup_printf (CONFIG, test->port, to, module);
  test->mailweir = kit_mailweir (config);
  const KitLoadPlan plan = { .port = test->port, .sessions = SESSIONS, .body = 2000 };
  test->load = kit_load_start (&plan);
  kit_load_wait (test->load, 2 * SESSIONS);
}

static void
kill_check (Kill *test)
{
  kit_load_stop (test->load);
  kit_load_tell (test->load, "load");
  kit_load_check (test->load, test->folder);
}

static void
kill_finish (Kill *test)
{
  kit_load_free (test->load);
  if (test->sink != NULL)
    kit_stop (test->sink, SIGTERM);
  g_free (test->folder);
}

static void
kill_stop (Kill *test)
{
  kill_check (test);
  g_assert_true (kit_is_running (test->mailweir));
  g_assert_cmpint (kit_stop (test->mailweir, SIGTERM), ==, 0);
  kill_finish (test);
}

/* Dies twice: the first restart waits a second, the next one two. */
static void
kill_twice (Kill *test, const gchar *name)
{
  for (guint i = 0; i < 2; i++)
    {
      const GPid gateway = kit_tree_one (test->mailweir, KIT_GATEWAY);

      kill (kit_tree_one (test->mailweir, name), SIGKILL);
      kit_tree_wait_gone (gateway);
      kit_tree_other (test->mailweir, KIT_GATEWAY, gateway);
      kit_load_wait (test->load, 4 * SESSIONS);
    }
}

static void
test_gateway (gconstpointer to_server)
{
  Kill test = { 0 };

  kill_start (&test, to_server != NULL);
  kill_twice (&test, KIT_GATEWAY);
  g_assert_cmpuint (kit_load_counts (test.load).lost, >, 0); /* or we have tested nothing */
  kill_stop (&test);
}

static void
test_generation (gconstpointer to_server)
{
  Kill test = { 0 };

  kill_start (&test, to_server != NULL);
  kill_twice (&test, KIT_GENERATION);
  kill_stop (&test);
}

/* No session and no connection is lost over a worker. */
static void
assert_only_deferred (Kill *test)
{
  const KitLoadCounts counts = kit_load_counts (test->load);

  g_assert_cmpuint (counts.lost, ==, 0);
  g_assert_cmpuint (counts.cut, ==, 0);
  g_assert_cmpuint (counts.inside, ==, 0);
  g_assert_cmpuint (counts.rejected, ==, 0);
  g_assert_cmpuint (counts.unconnected, ==, 0);
}

static void
signal_workers (Kill *test, gint number, guint most)
{
  g_autoptr (GArray) workers = kit_tree_all (test->mailweir, KIT_WORKER);

  for (guint i = 0; i < MIN (workers->len, most); i++)
    kill (g_array_index (workers, GPid, i), number);
}

static void
test_workers (gconstpointer to_server)
{
  Kill test = { 0 };

  kill_start (&test, to_server != NULL);
  const GPid gateway = kit_tree_one (test.mailweir, KIT_GATEWAY);
  for (guint i = 0; i < 30; i++)
    {
      signal_workers (&test, SIGKILL, 1 + i % 3);
      g_usleep (50000);
    }
  kit_load_wait (test.load, 4 * SESSIONS);
  kit_load_stop (test.load);
  assert_only_deferred (&test);
  g_assert_cmpint (kit_tree_one (test.mailweir, KIT_GATEWAY), ==, gateway);
  kill_stop (&test);
}

static void
test_stopped_workers (gconstpointer to_server)
{
  Kill test = { 0 };

  kill_start (&test, to_server != NULL);
  const GPid gateway = kit_tree_one (test.mailweir, KIT_GATEWAY);
  signal_workers (&test, SIGSTOP, G_MAXUINT);
  kit_load_wait (test.load, 4 * SESSIONS);
  kit_load_stop (test.load);
  assert_only_deferred (&test);
  /* Those that were on a message when they stopped have been killed for it. */
  g_assert_cmpuint (kit_load_counts (test.load).deferred, >, 0);
  g_assert_cmpint (kit_tree_one (test.mailweir, KIT_GATEWAY), ==, gateway);
  kill_stop (&test);
}

/* The gateway hurries: it answers what is under way and ends, and its workers with it. */
static void
test_supervisor (gconstpointer to_server)
{
  Kill test = { 0 };

  kill_start (&test, to_server != NULL);
  g_autoptr (GArray) below = kit_descendants (kit_pid (test.mailweir));
  g_assert_cmpuint (below->len, >=, 4);
  kit_stop (test.mailweir, SIGKILL);
  for (guint i = 0; i < below->len; i++)
    kit_tree_wait_gone (g_array_index (below, GPid, i));
  kill_check (&test);
  kill_finish (&test);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const gchar *name;
    GTestDataFunc func;
  } tests[] = {
    { "gateway", test_gateway },       { "generation", test_generation },
    { "workers", test_workers },       { "stopped-workers", test_stopped_workers },
    { "supervisor", test_supervisor },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree gchar *maildir = g_strdup_printf ("/e2e/kill/%s/maildir", tests[i].name);
      g_autofree gchar *server = g_strdup_printf ("/e2e/kill/%s/server", tests[i].name);
      g_test_add_data_func (maildir, NULL, tests[i].func);
      g_test_add_data_func (server, "server", tests[i].func);
    }
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
