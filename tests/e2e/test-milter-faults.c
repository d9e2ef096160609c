/* The filter milter and a milter on libmilter that is killed, restarted, dies by itself or hangs:
 * what the client hears, what arrives, and that no worker had to be killed for it. */
#include "kit-tree.h"
#include "kit.h"

#include <signal.h>
#include <string.h>

typedef struct
{
  guint port, milter_port;
  gchar *log; /* the milter's */
  KitProcess *milter, *mailweir;
  KitServer *upstream;
} Bench;

static void
start_milter (Bench *bench)
{
  static guint number;
  g_autofree gchar *socket = g_strdup_printf ("inet:%u@127.0.0.1", bench->milter_port);
  g_autofree gchar *name = g_strdup_printf ("milter-%u", ++number);
  const gchar *argv[] = { kit_program ("tests/e2e/full-milter"), socket, bench->log, "0", NULL };

  bench->milter = kit_start (name, argv);
  kit_wait_port (bench->milter_port);
}

/* FALSE: the test is skipped. */
static gboolean
bench_open (Bench *bench, const gchar *listener, const gchar *options, const gchar *rest)
{
  g_autofree gchar *path
      = g_build_filename (g_getenv ("MAILWEIR_BUILD"), "tests", "e2e", "full-milter", NULL);
  guint upstream = kit_port ();
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  g_autofree gchar *all = g_strdup_printf ("filters = [\"m\"]\n%s", listener);

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_test_skip ("libmilter-dev is not installed");
      return FALSE;
    }
  *bench = (Bench){ .port = kit_port (), .milter_port = kit_port () };
  bench->log = kit_path ("milter-%u.log", bench->port);
  start_milter (bench);
  bench->upstream = kit_server (upstream, NULL, NULL);
  g_autofree gchar *filter = g_strdup_printf ("filter \"m\" {\n  module = \"milter\"\n"
                                              "  socket = \"inet:%u@127.0.0.1\"\n  %s\n}\n%s",
                                              bench->milter_port, options, rest);
  bench->mailweir = kit_gateway (bench->port, to, all, NULL, filter);
  return TRUE;
}

/* The milter's failures were heard of; no worker died of them. */
static void
bench_close (Bench *bench)
{
  g_assert_cmpuint (kit_log_count (bench->mailweir, "worker: pid="), ==, 0);
  kit_gateway_stop (bench->mailweir);
  kit_stop (bench->milter, SIGKILL);
  kit_server_stop (bench->upstream);
  g_free (bench->log);
}

static void
restart (Bench *bench)
{
  kit_stop (bench->milter, SIGKILL);
  start_milter (bench);
}

static void
expect_arrived (Bench *bench, guint count, const gchar *text)
{
  g_autoptr (GPtrArray) messages = kit_server_messages (bench->upstream);
  g_autofree gchar *last = NULL;
  GBytes *bytes = NULL;

  g_assert_cmpuint (messages->len, ==, count);
  bytes = messages->pdata[count - 1];
  last = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  if (strstr (last, text) == NULL)
    g_error ("no \"%s\" in:\n%s", text, last);
}

#define CHANGED "X-Do: addheader X-New a\n\nhello\n."

/* A restart ahead of each step is noticed by nobody: the milter is told all of it again. */
static void
test_restarted (void)
{
  Bench bench;
  KitClient *client = NULL;

  if (!bench_open (&bench, "", "", ""))
    return;
  client = kit_connect (bench.port);
  g_free (kit_greet (client));
  restart (&bench);
  kit_command (client, "MAIL FROM:<a@client.test>", "250 ");
  restart (&bench);
  kit_command (client, "RCPT TO:<b@up.test>", "250 ");
  kit_command (client, "RCPT TO:<reject@up.test>", "550 5.7.1 ");
  restart (&bench);
  kit_command (client, "RCPT TO:<c@up.test>", "250 ");
  kit_command (client, "DATA", "354 ");
  restart (&bench);
  kit_command (client, CHANGED, "250 ");
  expect_arrived (&bench, 1, "\r\nX-New: a\r\n");
  kit_command (client, "QUIT", "221 ");
  kit_close (client);
  bench_close (&bench);
}

/* It dies of one recipient: that one is deferred, and the session goes on with the next milter. */
static void
test_dies (void)
{
  Bench bench;
  KitClient *client = NULL;

  if (!bench_open (&bench, "", "", ""))
    return;
  client = kit_connect (bench.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test>", "250 ");
  kit_command (client, "RCPT TO:<b@up.test>", "250 ");
  kit_command (client, "RCPT TO:<die@up.test>", "451 ");
  g_assert_cmpint (kit_wait (bench.milter), !=, 0);
  kit_command (client, "RCPT TO:<c@up.test>", "451 ");
  start_milter (&bench);
  kit_command (client, "RCPT TO:<c@up.test>", "250 ");
  kit_command (client, "DATA", "354 ");
  kit_command (client, CHANGED, "250 ");
  expect_arrived (&bench, 1, "\r\nX-New: a\r\n");
  kit_close (client);
  kit_wait_log (bench.mailweir, "it closed the connection without an answer");
  kit_wait_log (bench.mailweir, "can not connect");
  bench_close (&bench);
}

/* What it had asked for before it died is not done. */
static void
test_dies_at_the_end (void)
{
  static const gchar *const text = "X-Do: addheader X-New a\nX-Do: die\n\nhello\n";
  Bench bench;
  g_autofree gchar *reply = NULL, *again = NULL;

  if (!bench_open (&bench, "", "on-failure = \"pass\"", ""))
    return;
  reply = kit_deliver (bench.port, "b@up.test", text);
  g_assert_true (g_str_has_prefix (reply, "250 "));
  expect_arrived (&bench, 1, "\r\n\r\nhello\r\n");
  start_milter (&bench);
  again = kit_deliver (bench.port, "b@up.test", "X-Do: addheader X-New b\n\nhello\n");
  g_assert_true (g_str_has_prefix (again, "250 "));
  expect_arrived (&bench, 2, "\r\nX-New: b\r\n");
  bench_close (&bench);
}

/* It hangs in one session; in others it goes on. */
static void
test_hangs (void)
{
  Bench bench;
  KitClient *client = NULL;
  g_autofree gchar *reply = NULL;

  if (!bench_open (&bench, "", "command-timeout = 1s", ""))
    return;
  client = kit_connect (bench.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test>", "250 ");
  kit_command (client, "RCPT TO:<hang@up.test>", "451 ");
  reply = kit_deliver (bench.port, "b@up.test", "Subject: x\n\nhello\n");
  g_assert_true (g_str_has_prefix (reply, "250 "));
  kit_command (client, "RCPT TO:<b@up.test>", "250 ");
  kit_command (client, "DATA", "354 ");
  kit_command (client, CHANGED, "250 ");
  expect_arrived (&bench, 2, "\r\nX-New: a\r\n");
  kit_close (client);
  kit_wait_log (bench.mailweir, "no answer in time");
  bench_close (&bench);
}

/* Behind STARTTLS the client greets again, and the milter hears that with what it was not told
 * before. */
static void
test_starttls (void)
{
  Bench bench;
  g_autofree gchar *certificate = kit_path ("mx.pem");
  g_autofree gchar *key = kit_path ("mx.key");
  g_autofree gchar *port = NULL, *output = NULL, *told = NULL;
  g_autofree gchar *tls
      = g_strdup_printf ("tls { certificate = \"%s\"  key = \"%s\" }\n", certificate, key);

  if (!kit_have ("swaks"))
    {
      g_test_skip ("swaks is not installed");
      return;
    }
  kit_certificate ("mx", "mx.test");
  if (!bench_open (&bench, "tls = \"starttls\"", "", tls))
    return;
  port = g_strdup_printf ("127.0.0.1:%u", bench.port);
  const gchar *argv[] = { "swaks", "--server",  port,     "--tls",       "--from", "a@client.test",
                          "--to",  "b@up.test", "--helo", "client.test", NULL };
  if (kit_run (argv, &output) != 0)
    g_error ("%s", output);
  told = kit_read (bench.log);
  g_assert_nonnull (strstr (told, "helo client.test tls=-\nhelo client.test tls=TLSv1"));
  g_assert_nonnull (strstr (told, "mail <a@client.test>"));
  bench_close (&bench);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/milter-faults/restarted", test_restarted);
  g_test_add_func ("/e2e/milter-faults/dies", test_dies);
  g_test_add_func ("/e2e/milter-faults/dies-at-the-end", test_dies_at_the_end);
  g_test_add_func ("/e2e/milter-faults/hangs", test_hangs);
  g_test_add_func ("/e2e/milter-faults/starttls", test_starttls);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
