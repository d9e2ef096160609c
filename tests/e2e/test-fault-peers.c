/* Clients and servers that leave at the worst moment: a client that gives up while a filter works
 * or in the middle of its data, and an upstream that dies, stalls and comes back. */
#include "kit-load.h"
#include "kit-tree.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#define CONFIG                                                                                     \
  "hostname = \"mx.test\"\nworkers-min = 1\nworkers-max = 4\nspool-memory = 16K\n"                 \
  "listener \"in\" {\n  bind = [\"127.0.0.1:%u\"]\n  filters = [%s]\n  routes = [\"up\"]\n"        \
  "  connections-per-client = 200\n}\n"                                                            \
  "route \"up\" {\n  to = [\"smtp://127.0.0.1:%u\"]\n  connect = 2s\n  reply = 1s\n"               \
  "  final-reply = 2s\n}\n"                                                                        \
  "filter \"fault\" {\n  module = \"%s\"\n  how = \"%s\"\n  when-sender = \"slow@*\"\n"            \
  "  timeout = 20s\n}\n"

typedef struct
{
  guint port, upstream;
  gchar *folder; /* of the sinks' folders */
  guint sinks;   /* so far */
  KitProcess *sink, *mailweir;
  GPid gateway;
} Peers;

/* Each has a folder of its own: smtp-sink stumbles over the files of the one before. */
static void
start_sink (Peers *test)
{
  g_autofree gchar *name = g_strdup_printf ("%u", test->sinks++);
  g_autofree gchar *folder = g_build_filename (test->folder, name, NULL);

  test->sink = kit_sink (test->upstream, folder, NULL);
}

static void
peers_start (Peers *test, const gchar *filters, const gchar *how)
{
  g_autofree gchar *module = g_strdup (kit_program ("tests/filters/fault.so"));

  test->port = kit_port ();
  test->upstream = kit_port ();
  test->folder = kit_path ("sink-%u.d", test->upstream);
  start_sink (test);
  g_autofree gchar *config
      = g_strdup_printf (CONFIG, test->port, filters, test->upstream, module, how);
  test->mailweir = kit_mailweir (config);
  test->gateway = kit_tree_one (test->mailweir, KIT_GATEWAY);
}

static void
peers_stop (Peers *test)
{
  g_assert_cmpint (kit_tree_one (test->mailweir, KIT_GATEWAY), ==, test->gateway);
  g_assert_cmpint (kit_stop (test->mailweir, SIGTERM), ==, 0);
  kit_stop (test->sink, SIGKILL);
  g_free (test->folder);
}

static KitClient *
greet (const Peers *test)
{
  KitClient *client = kit_connect (test->port);

  kit_expect (client, "220");
  kit_say (client, "EHLO client.test\n");
  kit_expect (client, "250");
  return client;
}

static void
deliver (const Peers *test, const gchar *answer)
{
  KitClient *client = greet (test);

  kit_open_message (client, "good@client.test", "b@up.test");
  kit_say (client, "Subject: whole\n\ntext\n.\n");
  kit_expect (client, answer);
  kit_close (client);
}

static void
reset_and_close (KitClient *client)
{
  const struct linger linger = { .l_onoff = 1 };

  setsockopt (kit_client_fd (client), SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  kit_close (client);
}

/* Nothing but whole messages, and so many of them. */
static void
assert_messages (const Peers *test, guint count)
{
  g_autofree gchar *folder = g_build_filename (test->folder, "0", NULL);

  kit_wait_messages (folder, count);
  g_autoptr (GPtrArray) messages = kit_messages (folder);
  for (guint i = 0; i < messages->len; i++)
    g_assert_nonnull (strstr (messages->pdata[i], "Subject: whole\n"));
}

/* ---- The client gives up while a filter works ---- */

static void
give_up (Peers *test, void (*leave) (KitClient *client))
{
  KitClient *client = greet (test);

  kit_open_message (client, "slow@client.test", "b@up.test");
  kit_say (client, "Subject: given up\n\ntext\n.\n");
  g_usleep (300000); /* so that the filter is at work; were it not, the outcome is the same */
  leave (client);
}

static void
test_client_gone (void)
{
  Peers test = { 0 };

  peers_start (&test, "\"fault\"", "sleep:60s");
  give_up (&test, kit_close);
  kit_wait_log_count (test.mailweir, "status=client-gone", 1);
  give_up (&test, reset_and_close);
  kit_wait_log_count (test.mailweir, "status=client-gone", 2);
  /* Neither worker slept to its end. */
  kit_wait_log_count (test.mailweir, "ended=\"signal 9 (", 2);
  kit_tree_wait_count (test.mailweir, KIT_WORKER, 1);
  deliver (&test, "250");
  assert_messages (&test, 1);
  peers_stop (&test);
}

/* One that says QUIT ahead and closes its side only wants no answer: its message is delivered. */
static void
test_client_quits_ahead (void)
{
  Peers test = { 0 };

  peers_start (&test, "\"fault\"", "sleep:500ms");
  KitClient *client = greet (&test);
  kit_open_message (client, "slow@client.test", "b@up.test");
  kit_say (client, "Subject: whole\n\ntext\n.\nQUIT\n");
  shutdown (kit_client_fd (client), SHUT_WR);
  kit_expect (client, "250");
  kit_expect (client, "221");
  kit_close (client);
  assert_messages (&test, 1);
  peers_stop (&test);
}

/* ---- The client vanishes in the middle of DATA ---- */

static void
vanish (Peers *test, gsize octets, void (*leave) (KitClient *client))
{
  KitClient *client = greet (test);
  g_autoptr (GString) text = g_string_new ("Subject: half\r\n\r\n");

  while (text->len < octets)
    g_string_append (text, "a line of a message that never ends\r\n");
  kit_open_message (client, "good@client.test", "b@up.test");
  kit_say_bytes (client, text->str, text->len);
  g_usleep (200000); /* so that as much as may go has gone upstream */
  leave (client);
}

static void
vanish_in_every_way (Peers *test)
{
  vanish (test, 100, kit_close);
  vanish (test, 100, reset_and_close);
  vanish (test, 300000, kit_close);
  vanish (test, 300000, reset_and_close);
  deliver (test, "250");
  assert_messages (test, 1);
}

static void
test_vanish_streamed (void)
{
  Peers test = { 0 };

  peers_start (&test, "", "null");
  vanish_in_every_way (&test);
  peers_stop (&test);
}

static void
test_vanish_spooled (void)
{
  Peers test = { 0 };

  peers_start (&test, "\"fault\"", "null");
  vanish_in_every_way (&test);
  peers_stop (&test);
}

/* ---- The upstream ---- */

static KitLoad *
start_load (const Peers *test)
{
  const KitLoadPlan plan = { .port = test->port, .sessions = 20, .body = 2000 };
  KitLoad *load = kit_load_start (&plan);

  kit_load_wait (load, 40);
  return load;
}

/* The client's connection stands whatever the upstream does. */
static void
finish_load (const Peers *test, KitLoad *load)
{
  kit_load_stop (load);
  kit_load_tell (load, "load");
  const KitLoadCounts counts = kit_load_counts (load);
  g_assert_cmpuint (counts.deferred, >, 0);
  g_assert_cmpuint (counts.rejected, ==, 0);
  g_assert_cmpuint (counts.lost, ==, 0);
  g_assert_cmpuint (counts.cut, ==, 0);
  g_assert_cmpuint (counts.inside, ==, 0);
  kit_load_check (load, test->folder);
  kit_load_free (load);
}

static void
wait_deferred (KitLoad *load)
{
  const guint before = kit_load_counts (load).deferred;

  for (guint i = 0; i < KIT_PATIENCE * 50 && kit_load_counts (load).deferred < before + 20; i++)
    g_usleep (20000);
  g_assert_cmpuint (kit_load_counts (load).deferred, >=, before + 20);
}

static void
upstream_dies (const gchar *filters)
{
  Peers test = { 0 };

  peers_start (&test, filters, "null");
  KitLoad *load = start_load (&test);
  for (guint i = 0; i < 2; i++)
    {
      kit_stop (test.sink, SIGKILL);
      wait_deferred (load);
      start_sink (&test);
      kit_load_wait (load, 40);
    }
  finish_load (&test, load);
  peers_stop (&test);
}

static void
test_upstream_dies_streamed (void)
{
  upstream_dies ("");
}

static void
test_upstream_dies_spooled (void)
{
  upstream_dies ("\"fault\"");
}

static void
test_upstream_stalls (void)
{
  Peers test = { 0 };

  peers_start (&test, "\"fault\"", "null");
  KitLoad *load = start_load (&test);
  kill (kit_pid (test.sink), SIGSTOP);
  wait_deferred (load);
  kill (kit_pid (test.sink), SIGCONT);
  kit_load_wait (load, 40);
  finish_load (&test, load);
  peers_stop (&test);
}

/* What a load balancer has said already makes the kernel reset the connection when it is closed:
 * the answer must be on its way by then. */
static void
test_turned_away (void)
{
  const guint port = kit_port ();
  g_autofree gchar *config = g_strdup_printf (
      "hostname = \"mx.test\"\nthreads = 1\nlistener \"in\" { bind = [\"127.0.0.1:%u\"] "
      "connections = 1 proxy-from = [\"127.0.0.1\"] routes = [\"up\"] }\n"
      "route \"up\" { to = [\"discard:\"] }\n",
      port);
  KitProcess *mailweir = kit_mailweir (config);
  const GPid gateway = kit_tree_one (mailweir, KIT_GATEWAY);
  KitClient *first = kit_connect (port);

  kit_say (first, "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\n");
  kit_expect (first, "220");
  kill (gateway, SIGSTOP);
  KitClient *second = kit_connect (port);
  kit_say (second, "PROXY TCP4 192.0.2.1 192.0.2.2 2 25\n");
  kill (gateway, SIGCONT);
  kit_expect (second, "421");
  kit_close (second);
  kit_close (first);
  g_assert_cmpint (kit_stop (mailweir, SIGTERM), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/client/gone-while-a-filter-works", test_client_gone);
  g_test_add_func ("/e2e/client/quits-ahead", test_client_quits_ahead);
  g_test_add_func ("/e2e/client/vanishes-streamed", test_vanish_streamed);
  g_test_add_func ("/e2e/client/vanishes-spooled", test_vanish_spooled);
  g_test_add_func ("/e2e/client/turned-away", test_turned_away);
  g_test_add_func ("/e2e/upstream/dies-streamed", test_upstream_dies_streamed);
  g_test_add_func ("/e2e/upstream/dies-spooled", test_upstream_dies_spooled);
  g_test_add_func ("/e2e/upstream/stalls", test_upstream_stalls);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
