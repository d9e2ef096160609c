/* The filters clamav and spamassassin with the real daemons behind them, through the whole program:
 * what is refused, what is marked, 50 sessions at once, and a clamd that is killed or stands still
 * meanwhile. */
#include "../filters/scanners/scanners.h"
#include "kit-load.h"
#include "kit-tree.h"

#include <signal.h>
#include <string.h>

#define SESSIONS 50
#define CONFIG                                                                                     \
  "hostname = \"mx.test\"\nworkers-min = 2\nworkers-max = 8\n"                                     \
  "listener \"in\" {\n  bind = [\"127.0.0.1:%u\"]\n  filters = [\"viruses\", \"spam\"]\n"          \
  "  routes = [\"up\"]\n  connections-per-client = 200\n}\n"                                       \
  "route \"up\" { to = [\"maildir:%s\"] }\n"                                                       \
  "filter \"viruses\" {\n  module = \"clamav\"\n  socket = \"%s\"\n  timeout = %s\n}\n"            \
  "filter \"spam\" {\n  module = \"spamassassin\"\n  socket = \"%s\"\n  reject-above = "           \
  "\"15\"\n}\n"

typedef struct
{
  KitProcess *clamd, *spamd, *mailweir;
  guint port, clamd_port;
  gchar *folder; /* where messages arrive */
  GPid gateway;
} Scanners;

/* FALSE: the test is skipped. */
static gboolean
scanners_start (Scanners *test, const gchar *timeout)
{
  static guint number;
  const gchar *missing = scanners_missing ("/usr/sbin/clamd");

  missing = missing != NULL ? missing : scanners_missing ("/usr/sbin/spamd");
  if (missing != NULL)
    {
      g_test_skip (missing);
      return FALSE;
    }
  g_autofree gchar *maildir = kit_path ("maildir-%u", ++number);
  g_autofree gchar *clamd_socket = kit_path ("clamd.sock");
  g_autofree gchar *spamd_socket = kit_path ("spamd.sock");
  test->port = kit_port ();
  test->clamd_port = kit_port ();
  test->clamd = scanners_clamd ("clamd", test->clamd_port);
  test->spamd = scanners_spamd ("spamd");
  test->folder = g_build_filename (maildir, "new", NULL);
  g_autofree gchar *config
      = g_strdup_printf (CONFIG, test->port, maildir, clamd_socket, timeout, spamd_socket);
  test->mailweir = kit_mailweir (config);
  test->gateway = kit_tree_one (test->mailweir, KIT_GATEWAY);
  return TRUE;
}

/* The gateway is the one that was started, and no worker had to be killed or died. */
static void
scanners_stop (Scanners *test)
{
  g_assert_cmpint (kit_tree_one (test->mailweir, KIT_GATEWAY), ==, test->gateway);
  g_assert_cmpuint (kit_log_count (test->mailweir, "worker: pid="), ==, 0);
  kit_gateway_stop (test->mailweir);
  kit_stop (test->clamd, SIGTERM);
  kit_stop (test->spamd, SIGTERM);
  g_free (test->folder);
}

static void
expect_reply (const Scanners *test, const gchar *text, const gchar *prefix)
{
  g_autofree gchar *reply = kit_deliver (test->port, "b@up.test", text);

  if (!g_str_has_prefix (reply, prefix))
    g_error ("\"%s\" instead of \"%s\"", reply, prefix);
}

static void
expect_arrived (const Scanners *test, const gchar *field)
{
  g_autoptr (GPtrArray) messages = kit_messages (test->folder);

  g_assert_cmpuint (messages->len, ==, 1);
  if (strstr (messages->pdata[0], field) == NULL)
    g_error ("no \"%s\" in:\n%s", field, (const gchar *) messages->pdata[0]);
  g_assert_null (strstr (messages->pdata[0], "X-Spam-Checked"));
}

/* One that travels as a descriptor, and whose end is what is infected. */
static gchar *
large_virus (void)
{
  GString *text = g_string_new ("Subject: virus\n\n");

  while (text->len < 200 * 1024)
    g_string_append (text, "a line of a message that does not fit into a packet\n");
  g_string_append (text, SCANNERS_VIRUS "\n");
  return g_string_free (text, FALSE);
}

static void
test_verdicts (void)
{
  Scanners test = { 0 };
  g_autofree gchar *large = large_virus ();

  if (!scanners_start (&test, "20s"))
    return;
  expect_reply (&test, "Subject: virus\n\n" SCANNERS_VIRUS "\n",
                "550 5.7.1 The message is infected: " SCANNERS_SIGNATURE);
  expect_reply (&test, large, "550 5.7.1 The message is infected: " SCANNERS_SIGNATURE);
  expect_reply (&test, "Subject: worst\n\n" SCANNERS_SPAM "\n" SCANNERS_HINT "\n",
                "550 5.7.1 The message looks like spam");
  expect_reply (&test,
                "X-Spam-Flag: NO\nX-Spam-Checked: by me\nSubject: spam\n\n" SCANNERS_SPAM "\n",
                "250 2.0.0");
  expect_arrived (&test, "X-Spam-Flag: YES\nX-Spam-Score: 12.5\n"
                         "X-Spam-Status: Yes, score=12.5 required=5.0\n\ttests=TEST_SPAM\n");
  kit_wait_log (test.mailweir, "clamav=" SCANNERS_SIGNATURE);
  kit_wait_log (test.mailweir, "spam-score=12.5");
  scanners_stop (&test);
}

/* Whatever was accepted has arrived once; what came while clamd was away was deferred, and nothing
 * else happened to anybody. */
static void
test_clamd_killed (void)
{
  Scanners test = { 0 };

  if (!scanners_start (&test, "20s"))
    return;
  const KitLoadPlan plan = { .port = test.port, .sessions = SESSIONS, .body = 2000 };
  KitLoad *load = kit_load_start (&plan);
  kit_load_wait (load, 2 * SESSIONS);
  g_assert_cmpuint (kit_load_counts (load).deferred, ==, 0);
  kit_stop (test.clamd, SIGKILL);
  expect_reply (&test, "Subject: x\n\nhello\n", "451 ");
  expect_reply (&test, "Subject: x\n\n" SCANNERS_VIRUS "\n", "451 ");
  test.clamd = scanners_clamd ("clamd", test.clamd_port);
  kit_load_wait (load, 2 * SESSIONS);
  kit_load_stop (load);
  kit_load_tell (load, "clamd was killed");
  const KitLoadCounts counts = kit_load_counts (load);
  g_assert_cmpuint (counts.deferred, >, 0);
  g_assert_cmpuint (counts.rejected + counts.lost + counts.inside, ==, 0);
  g_assert_cmpuint (counts.farewells + counts.cut + counts.unconnected, ==, 0);
  kit_load_check (load, test.folder);
  kit_load_free (load);
  kit_wait_log (test.mailweir, "clamd.sock: can not connect");
  expect_reply (&test, "Subject: virus\n\n" SCANNERS_VIRUS "\n", "550 5.7.1");
  scanners_stop (&test);
}

/* A clamd that stands still is given up in time: the worker lives, and says why. */
static void
test_clamd_stopped (void)
{
  Scanners test = { 0 };

  if (!scanners_start (&test, "2s"))
    return;
  kill (kit_pid (test.clamd), SIGSTOP);
  expect_reply (&test, "Subject: x\n\nhello\n", "451 ");
  kit_wait_log (test.mailweir, "no answer in time");
  kill (kit_pid (test.clamd), SIGCONT);
  expect_reply (&test, "Subject: x\n\nhello\n", "250 2.0.0");
  scanners_stop (&test);
}

static void
test_configuration (void)
{
  kit_check_shipped ("scanners.conf");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/scanners/configuration", test_configuration);
  g_test_add_func ("/e2e/scanners/verdicts", test_verdicts);
  g_test_add_func ("/e2e/scanners/clamd-killed", test_clamd_killed);
  g_test_add_func ("/e2e/scanners/clamd-stopped", test_clamd_stopped);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
