/* SIGHUP and SIGTERM under load: no connection and no message is lost over a new generation, a
 * configuration that does not load changes nothing, and draining finishes what is open. */
#include "kit-load.h"
#include "kit-tree.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define CONFIG                                                                                     \
  "hostname = \"mx.test\"\nworkers-min = 2\nworkers-max = 6\n"                                     \
  "listener \"in\" {\n  bind = [\"127.0.0.1:%u\"]\n  filters = [%s]\n"                             \
  "  routes = [\"up\"]\n  connections-per-client = 200\n}\n"                                       \
  "route \"up\" { to = [\"maildir:%s\"] }\n"                                                       \
  "filter \"fault\" {\n  module = \"%s\"\n  how = \"%s\"\n  when-sender = \"%s\"\n}\n"

typedef struct
{
  guint port;
  gchar *maildir, *folder;
  gchar *module;
  KitProcess *mailweir;
  guint reloads;
} Reload;

static gchar *
configuration (const Reload *test, guint port, const gchar *filters, const gchar *how,
               const gchar *sender)
{
  return g_strdup_printf (CONFIG, port, filters, test->maildir, test->module, how, sender);
}

static void
reload_start (Reload *test, const gchar *how, const gchar *sender)
{
  static guint number;

  test->module = g_strdup (kit_program ("tests/filters/fault.so"));
  test->port = kit_port ();
  test->maildir = kit_path ("maildir-%u", ++number);
  test->folder = g_build_filename (test->maildir, "new", NULL);
  g_autofree gchar *config = configuration (test, test->port, "\"fault\"", how, sender);
  test->mailweir = kit_mailweir (config);
}

static void
reload_free (Reload *test)
{
  g_free (test->module);
  g_free (test->maildir);
  g_free (test->folder);
}

static void
reload_stop (Reload *test)
{
  g_assert_cmpint (kit_stop (test->mailweir, SIGTERM), ==, 0);
  reload_free (test);
}

static void
write_config (const gchar *config)
{
  g_autofree gchar *path = kit_path ("mailweir.conf");
  kit_write (path, config);
}

static void
hang_up (Reload *test)
{
  kill (kit_pid (test->mailweir), SIGHUP);
  kit_wait_log_count (test->mailweir, "ready: listening", ++test->reloads + 1);
}

static KitClient *
greet (guint port)
{
  KitClient *client = kit_connect (port);

  kit_expect (client, "220");
  kit_say (client, "EHLO client.test\n");
  kit_expect (client, "250");
  return client;
}

static void
finish_message (KitClient *client, const gchar *answer)
{
  kit_say (client, "Subject: test\n\ntext\n.\n");
  kit_expect (client, answer);
}

static void
expect_end (KitClient *client)
{
  kit_expect (client, ""); /* whatever was said last */
  g_autofree gchar *rest = kit_reply (client);
  g_assert_cmpstr (rest, ==, "");
  kit_close (client);
}

/* A generation is told to drain once the next one is ready: until it hears so, it serves on. */
static void
expect_farewell (KitClient *client)
{
  g_autofree gchar *reply = NULL;

  for (guint i = 0; i < KIT_PATIENCE * 100 && (reply == NULL || reply[0] == '2'); i++)
    {
      g_usleep (10000);
      g_free (reply);
      kit_say (client, "NOOP\n");
      reply = kit_reply (client);
    }
  g_assert_true (g_str_has_prefix (reply, "421"));
}

static gboolean
is_open (guint port)
{
  g_autofree gchar *address = g_strdup_printf ("/dev/tcp/127.0.0.1/%u", port);
  g_autofree gchar *command = g_strdup_printf ("exec 3<>%s", address);
  const gchar *argv[] = { "bash", "-c", command, NULL };

  return kit_run (argv, NULL) == 0;
}

/* With a filter that takes its time requests wait in the gateway; behind one that does nothing they
 * wait in a worker's socket. */
static void
test_under_load (gconstpointer how)
{
  Reload test = { 0 };

  reload_start (&test, how, g_str_equal (how, "null") ? "nobody@*" : "*");
  const KitLoadPlan plan = { .port = test.port, .sessions = 20, .per_connection = 7, .body = 500 };
  KitLoad *load = kit_load_start (&plan);
  for (guint i = 0; i < 4; i++)
    {
      const GPid before = kit_tree_one (test.mailweir, KIT_GATEWAY);
      kit_load_wait (load, 60);
      hang_up (&test);
      kit_load_wait (load, 60);
      kit_tree_wait_gone (before); /* after its last session, not after `drain` */
    }
  kit_load_stop (load);
  kit_load_assert_all_accepted (load);
  kit_load_check (load, test.folder);
  kit_load_free (load);
  reload_stop (&test);
}

/* An open transaction outlives the reload on the old generation, an idle session hears 421. */
static void
test_open_sessions (void)
{
  Reload test = { 0 };

  reload_start (&test, "null", "nobody@*");
  const GPid before = kit_tree_one (test.mailweir, KIT_GATEWAY);
  KitClient *open = greet (test.port);
  KitClient *idle = greet (test.port);
  kit_open_message (open, "a@client.test", "b@up.test");
  hang_up (&test);
  expect_farewell (idle);
  expect_end (idle);
  g_assert_true (kit_tree_is_alive (before));
  KitClient *fresh = greet (test.port);
  kit_open_message (fresh, "c@client.test", "b@up.test");
  finish_message (fresh, "250");
  kit_close (fresh);
  finish_message (open, "250");
  kit_say (open, "NOOP\n");
  kit_expect (open, "421");
  expect_end (open);
  kit_tree_wait_gone (before);
  kit_wait_messages (test.folder, 2);
  reload_stop (&test);
}

static void
test_broken_configuration (void)
{
  Reload test = { 0 };

  reload_start (&test, "null", "nobody@*");
  const GPid gateway = kit_tree_one (test.mailweir, KIT_GATEWAY);
  KitClient *client = greet (test.port);
  /* Of meaning, of grammar, and one that only the generation can find: the module's own. */
  write_config ("hostname = \"mx.test\"\nlistener \"in\" {\n  bind = [\"127.0.0.1:x\"]\n"
                "  routs = [\"up\"]\n}\n");
  kill (kit_pid (test.mailweir), SIGHUP);
  kit_wait_log_count (test.mailweir, "the old one stays", 1);
  kit_wait_log (test.mailweir, "mailweir.conf:3:11");
  kit_wait_log (test.mailweir, "mailweir.conf:4:3");
  write_config ("hostname = \"mx.test\"\nlistener \"in\" {\n");
  kill (kit_pid (test.mailweir), SIGHUP);
  kit_wait_log_count (test.mailweir, "the old one stays", 2);
  kit_wait_log (test.mailweir, "mailweir.conf:2:");
  g_autofree gchar *missing
      = configuration (&test, test.port, "\"fault\"", "null\"\nhau = \"", "x");
  write_config (missing);
  kill (kit_pid (test.mailweir), SIGHUP);
  kit_wait_log_count (test.mailweir, "the old one stays", 3);
  kit_wait_log (test.mailweir, "mailweir.conf:14:");
  g_assert_cmpint (kit_tree_one (test.mailweir, KIT_GATEWAY), ==, gateway);
  kit_open_message (client, "a@client.test", "b@up.test");
  finish_message (client, "250");
  kit_close (client);
  reload_stop (&test);
}

static void
test_changes (void)
{
  Reload test = { 0 };
  const guint second = kit_port ();

  reload_start (&test, "null", "nobody@*");
  g_autofree gchar *failing = configuration (&test, second, "\"fault\"", "null", "bad@*");
  write_config (failing);
  hang_up (&test);
  KitClient *client = greet (second);
  kit_open_message (client, "bad@client.test", "b@up.test");
  finish_message (client, "451");
  kit_close (client);
  g_assert_false (is_open (test.port));
  g_autofree gchar *without = configuration (&test, test.port, "", "null", "bad@*");
  write_config (without);
  hang_up (&test);
  client = greet (test.port);
  kit_open_message (client, "bad@client.test", "b@up.test");
  finish_message (client, "250");
  kit_close (client);
  g_assert_false (is_open (second));
  reload_stop (&test);
}

/* Reloads that come faster than a generation starts: the last word counts, nothing piles up. */
static void
test_many_reloads (void)
{
  Reload test = { 0 };

  reload_start (&test, "null", "nobody@*");
  for (guint i = 0; i < 10; i++)
    {
      kill (kit_pid (test.mailweir), SIGHUP);
      g_usleep (20000);
    }
  g_autofree gchar *last = configuration (&test, test.port, "\"fault\"", "null", "last@*");
  write_config (last);
  kill (kit_pid (test.mailweir), SIGHUP);
  for (guint i = 0; i < 100; i++)
    {
      KitClient *client = greet (test.port);
      kit_open_message (client, "last@client.test", "b@up.test");
      kit_say (client, "Subject: test\n\ntext\n.\n");
      g_autofree gchar *reply = kit_reply (client);
      kit_close (client);
      if (g_str_has_prefix (reply, "451"))
        break;
      g_assert_cmpuint (i, <, 99);
      g_usleep (100000);
    }
  kit_tree_one (test.mailweir, KIT_GATEWAY);
  kit_tree_one (test.mailweir, KIT_GENERATION);
  reload_stop (&test);
}

static void
test_terminate_drains (void)
{
  Reload test = { 0 };

  reload_start (&test, "null", "nobody@*");
  KitClient *client = greet (test.port);
  kit_open_message (client, "a@client.test", "b@up.test");
  kill (kit_pid (test.mailweir), SIGTERM);
  kit_wait_log (test.mailweir, "open transactions are finished");
  for (guint i = 0; i < 100 && is_open (test.port); i++)
    g_usleep (20000);
  g_assert_false (is_open (test.port));
  g_assert_true (kit_is_running (test.mailweir));
  finish_message (client, "250");
  kit_say (client, "NOOP\n");
  kit_expect (client, "421");
  expect_end (client);
  g_assert_cmpint (kit_wait (test.mailweir), ==, 0);
  kit_wait_messages (test.folder, 1);
  reload_free (&test);
}

/* A client that dawdles in DATA would hold us for `idle`; who asks twice does not wait for it. */
static void
test_terminate_twice (void)
{
  Reload test = { 0 };

  reload_start (&test, "null", "nobody@*");
  g_autoptr (GArray) below = kit_descendants (kit_pid (test.mailweir));
  KitClient *client = greet (test.port);
  kit_open_message (client, "a@client.test", "b@up.test");
  kit_say (client, "Subject: half\n\n");
  kill (kit_pid (test.mailweir), SIGTERM);
  kit_wait_log (test.mailweir, "open transactions are finished");
  kill (kit_pid (test.mailweir), SIGTERM);
  g_assert_cmpint (kit_wait (test.mailweir), ==, 0);
  for (guint i = 0; i < below->len; i++)
    kit_tree_wait_gone (g_array_index (below, GPid, i));
  kit_close (client);
  g_autoptr (GPtrArray) messages = kit_messages (test.folder);
  g_assert_cmpuint (messages->len, ==, 0);
  reload_free (&test);
}

/* Under load: everything that was answered 250 is there, everything else was told so. */
static void
test_terminate_under_load (void)
{
  Reload test = { 0 };

  reload_start (&test, "sleep:2ms", "*");
  const KitLoadPlan plan = { .port = test.port, .sessions = 20 };
  KitLoad *load = kit_load_start (&plan);
  kit_load_wait (load, 60);
  g_assert_cmpint (kit_stop (test.mailweir, SIGTERM), ==, 0);
  kit_load_stop (load);
  const KitLoadCounts counts = kit_load_counts (load);
  kit_load_tell (load, "load");
  g_assert_cmpuint (counts.lost, ==, 0);
  g_assert_cmpuint (counts.inside, ==, 0);
  g_assert_cmpuint (counts.cut, ==, 0);
  g_assert_cmpuint (counts.farewells, >, 0);
  kit_load_check (load, test.folder);
  kit_load_free (load);
  reload_free (&test);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/e2e/reload/under-load", "sleep:2ms", test_under_load);
  g_test_add_data_func ("/e2e/reload/under-load-in-sockets", "null", test_under_load);
  g_test_add_func ("/e2e/reload/open-sessions", test_open_sessions);
  g_test_add_func ("/e2e/reload/broken-configuration", test_broken_configuration);
  g_test_add_func ("/e2e/reload/changes", test_changes);
  g_test_add_func ("/e2e/reload/many", test_many_reloads);
  g_test_add_func ("/e2e/terminate/drains", test_terminate_drains);
  g_test_add_func ("/e2e/terminate/twice", test_terminate_twice);
  g_test_add_func ("/e2e/terminate/under-load", test_terminate_under_load);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
