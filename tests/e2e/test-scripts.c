/* Filters in Lua and other programs through the whole gateway: what they refuse and change, and
 * that scripts and programs that hang, crash or talk nonsense cost one message and leave nothing
 * running. */
#include "kit-tree.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#define CONFIG                                                                                     \
  "hostname = \"mx.test\"\nthreads = 1\nworkers-min = 1\nworkers-max = 4\n"                        \
  "listener \"in\" {\n  bind = [\"127.0.0.1:%u\"]\n  filters = [\"f\"]\n  routes = [\"up\"]\n}\n"  \
  "route \"up\" { to = [\"maildir:%s\"] }\n"                                                       \
  "filter \"f\" {\n  timeout = %s\n  %s\n}\n"

#define SCRIPT                                                                                     \
  "function rcpt ()\n"                                                                             \
  "  weir.state.recipients = (weir.state.recipients or 0) + 1\n"                                   \
  "end\n"                                                                                          \
  "function end_of_headers ()\n"                                                                   \
  "  local subject = weir.header ('Subject')\n"                                                    \
  "  if subject == 'noise' then return weir.reply (550, '5.7.1', 'No noise, please') end\n"        \
  "  if subject == 'loop' then while true do end end\n"                                            \
  "  if subject == 'error' then subject.x.y = 1 end\n"                                             \
  "  if subject == 'memory' then return ('x'):rep (1 << 30) end\n"                                 \
  "  if subject == 'pattern' then return ('a'):rep (9999):find (('a*'):rep (20) .. 'b') end\n"     \
  "  weir.header_append ('X-Recipients', tostring (weir.state.recipients))\n"                      \
  "end\n"

#define PROGRAM                                                                                    \
  "#!/bin/sh\n"                                                                                    \
  "subject=$(sed -n 's/^Subject: //p')\n"                                                          \
  "case \"$subject\" in\n"                                                                         \
  "  noise) echo '5.7.1 No noise, please' >&2; exit 69 ;;\n"                                       \
  "  crash) kill -SEGV $$ ;;\n"                                                                    \
  "  nonsense) exec yes ;;\n"                                                                      \
  "  hang) sleep 300 & echo $! >\"$1/child\"; echo $$ >\"$1/parent\"; wait ;;\n"                   \
  "esac\n"                                                                                         \
  "echo \"X-Recipients: $MAILWEIR_RECIPIENTS from $MAILWEIR_SENDER\"\n"

typedef struct
{
  KitProcess *mailweir;
  guint port;
  gchar *folder; /* where messages arrive */
  GPid gateway;
} Test;

static void
start (Test *test, const gchar *timeout, const gchar *filter)
{
  static guint number;
  g_autofree gchar *maildir = kit_path ("maildir-%u", ++number);
  g_autofree gchar *config = NULL;

  test->port = kit_port ();
  test->folder = g_build_filename (maildir, "new", NULL);
  config = g_strdup_printf (CONFIG, test->port, maildir, timeout, filter);
  test->mailweir = kit_mailweir (config);
  test->gateway = kit_tree_one (test->mailweir, KIT_GATEWAY);
}

static void
start_lua (Test *test)
{
  g_autofree gchar *script = kit_path ("rules.lua");
  g_autofree gchar *filter = g_strdup_printf ("module = \"lua\" script = \"%s\"", script);

  kit_write (script, SCRIPT);
  start (test, "3s", filter);
}

static void
start_exec (Test *test, const gchar *timeout)
{
  g_autofree gchar *program = kit_path ("ask.sh");
  g_autofree gchar *filter = g_strdup_printf (
      "module = \"exec\" command = [\"%s\", \"%s\"] output = \"headers\" output-limit = 1M",
      program, kit_folder ());

  kit_write (program, PROGRAM);
  g_assert_cmpint (g_chmod (program, 0755), ==, 0);
  start (test, timeout, filter);
}

static void
stop (Test *test)
{
  g_assert_cmpint (kit_tree_one (test->mailweir, KIT_GATEWAY), ==, test->gateway);
  g_assert_cmpint (kit_stop (test->mailweir, SIGTERM), ==, 0);
  g_free (test->folder);
}

static void
deliver (Test *test, const gchar *subject, const gchar *answer)
{
  g_autofree gchar *text = g_strdup_printf ("Subject: %s\n\ntext\n", subject);
  g_autofree gchar *reply = kit_deliver (test->port, "b@up.test", text);

  if (!g_str_has_prefix (reply, answer))
    g_error ("\"%s\": \"%s\" instead of \"%s\"", subject, reply, answer);
}

/* The one message that arrived has this line. */
static void
expect_arrived (Test *test, const gchar *line)
{
  g_autoptr (GPtrArray) messages = kit_messages (test->folder);

  g_assert_cmpuint (messages->len, ==, 1);
  if (strstr (messages->pdata[0], line) == NULL)
    g_error ("no \"%s\" in: %s", line, (gchar *) messages->pdata[0]);
}

static void
test_lua (void)
{
  Test test;

  start_lua (&test);
  deliver (&test, "noise", "550 5.7.1 No noise, please");
  deliver (&test, "error", "451 ");
  kit_wait_log (test.mailweir, "rules.lua:8: attempt to index a nil value");
  deliver (&test, "loop", "451 ");
  kit_wait_log (test.mailweir, "rules.lua:7: more than 10000000 instructions");
  deliver (&test, "memory", "451 ");
  kit_wait_log (test.mailweir, "not enough memory");
  deliver (&test, "calm", "250 ");
  expect_arrived (&test, "X-Recipients: 1\n");
  stop (&test);
}

/* Inside of a library function nothing counts: the filter's timeout does. */
static void
test_lua_pattern (void)
{
  Test test;

  start_lua (&test);
  deliver (&test, "pattern", "451 ");
  deliver (&test, "calm", "250 ");
  expect_arrived (&test, "X-Recipients: 1\n");
  stop (&test);
}

static void
test_exec (void)
{
  Test test;

  start_exec (&test, "10s");
  deliver (&test, "noise", "550 5.7.1 No noise, please");
  deliver (&test, "crash", "451 ");
  kit_wait_log (test.mailweir, "was ended by signal 11");
  deliver (&test, "nonsense", "451 ");
  kit_wait_log (test.mailweir, "writes more than its output-limit");
  deliver (&test, "calm; $(exit 99)", "250 ");
  expect_arrived (&test, "X-Recipients: 1 from a@client.test\n");
  stop (&test);
}

/* The process whose number the program has left in this file; waits for it. */
static GPid
left_in (const gchar *name)
{
  g_autofree gchar *path = kit_path ("%s", name);
  gint64 deadline = g_get_monotonic_time () + KIT_PATIENCE * G_USEC_PER_SEC;
  gint64 pid = 0;

  while (pid == 0 && g_get_monotonic_time () < deadline)
    {
      g_autofree gchar *text = kit_read (path);

      pid = text == NULL || strchr (text, '\n') == NULL ? 0 : g_ascii_strtoll (text, NULL, 10);
      if (pid == 0)
        g_usleep (20000);
    }
  g_assert_cmpint (pid, >, 1);
  g_assert_cmpint (g_remove (path), ==, 0);
  return (GPid) pid;
}

static void
test_exec_hangs (void)
{
  Test test;

  start_exec (&test, "2s");
  deliver (&test, "hang", "451 ");
  kit_wait_log (test.mailweir, "takes too long");
  kit_tree_wait_gone (left_in ("child"));
  kit_tree_wait_gone (left_in ("parent"));
  deliver (&test, "calm", "250 ");
  expect_arrived (&test, "X-Recipients: 1 from a@client.test\n");
  stop (&test);
}

static void
send_hanging (KitClient *client)
{
  g_autofree gchar *greeting = kit_greet (client);

  g_assert_nonnull (strstr (greeting, "250"));
  kit_open_message (client, "a@client.test", "b@up.test");
  kit_say (client, "Subject: hang\n\ntext\n.\n");
}

/* Killed by the gateway, or together with the worker: both ways nothing is left. */
static void
test_exec_client_leaves (void)
{
  Test test;
  KitClient *client = NULL;
  GPid child = 0, parent = 0;

  start_exec (&test, "60s");
  client = kit_connect (test.port);
  send_hanging (client);
  child = left_in ("child");
  parent = left_in ("parent");
  kit_close (client);
  kit_tree_wait_gone (child);
  kit_tree_wait_gone (parent);
  deliver (&test, "calm", "250 ");
  stop (&test);
}

static void
test_exec_worker_killed (void)
{
  Test test;
  KitClient *client = NULL;
  GPid child = 0, parent = 0;

  start_exec (&test, "60s");
  client = kit_connect (test.port);
  send_hanging (client);
  child = left_in ("child");
  parent = left_in ("parent");
  g_assert_cmpint (kill (kit_tree_one (test.mailweir, KIT_WORKER), SIGKILL), ==, 0);
  kit_expect (client, "451 ");
  kit_close (client);
  kit_tree_wait_gone (child);
  kit_tree_wait_gone (parent);
  deliver (&test, "calm", "250 ");
  stop (&test);
}

int
main (int argc, char **argv)
{
  g_autofree gchar *lua
      = g_build_filename (g_getenv ("MAILWEIR_BUILD"), "filters/lua/lua.so", NULL);
  gint failed = 0;

  g_test_init (&argc, &argv, NULL);
  if (g_file_test (lua, G_FILE_TEST_EXISTS))
    {
      g_test_add_func ("/e2e/scripts/lua", test_lua);
      g_test_add_func ("/e2e/scripts/lua-pattern", test_lua_pattern);
    }
  g_test_add_func ("/e2e/scripts/exec", test_exec);
  g_test_add_func ("/e2e/scripts/exec-hangs", test_exec_hangs);
  g_test_add_func ("/e2e/scripts/exec-client-leaves", test_exec_client_leaves);
  g_test_add_func ("/e2e/scripts/exec-worker-killed", test_exec_worker_killed);
  failed = g_test_run ();
  kit_finish ();
  return failed;
}
