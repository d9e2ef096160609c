/* Each thing that a filter can do, done by one in the whole program: what the next server gets,
 * what the client hears, and what stands in the log. The module is the one of tests/testing. */
#include "kit.h"

#include <string.h>

#define HEAD "From: a@b\n"
#define TYPE "Content-Type: multipart/mixed; boundary=b\n\n"
#define FIRST "--b\nContent-Type: text/plain\n\none\n"
#define SECOND "--b\nContent-Type: text/x-old\n\ntwo\n"
#define TEXT HEAD "Subject: old\n" TYPE FIRST SECOND "--b--\n"

typedef struct
{
  guint port;
  KitServer *server;
  KitProcess *mailweir;
  gchar *quarantine;
} Test;

/* A filter for each of `runs`, NULL-terminated, in that order; `options` are of the first. */
static void
start (Test *test, const gchar *const *runs, const gchar *options)
{
  const guint upstream = kit_port ();
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  g_autofree gchar *module = g_strdup (kit_program ("tests/testing/probe.so"));
  g_autoptr (GString) names = g_string_new (NULL);
  g_autoptr (GString) filters = g_string_new (NULL);

  test->port = kit_port ();
  test->quarantine = kit_path ("quarantine-%u", test->port);
  g_string_append_printf (filters, "quarantine = \"%s\"\n", test->quarantine);
  for (guint i = 0; runs[i] != NULL; i++)
    {
      g_string_append_printf (names, "%s\"f%u\"", i > 0 ? ", " : "", i);
      g_string_append_printf (filters, "filter \"f%u\" { module = \"%s\" run = \"%s\" %s }\n", i,
                              module, runs[i], i == 0 ? options : "");
    }
  g_autofree gchar *chain = g_strdup_printf ("filters = [%s]", names->str);
  test->server = kit_server (upstream, "PIPELINING", NULL);
  test->mailweir = kit_gateway (test->port, to, chain, NULL, filters->str);
}

static void
stop (Test *test)
{
  kit_gateway_stop (test->mailweir);
  kit_server_stop (test->server);
  g_free (test->quarantine);
}

static void
deliver (const Test *test, const gchar *answer)
{
  g_autofree gchar *reply = kit_deliver (test->port, "b@example.net", TEXT);

  if (!g_str_has_prefix (reply, answer))
    g_error ("\"%s\" instead of \"%s\"", reply, answer);
}

/* The one message that the next server got ends so; what is in front is our Received. */
static void
expect_message (const Test *test, const gchar *text)
{
  g_autoptr (GPtrArray) messages = kit_server_messages (test->server);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autofree gchar *wire = g_strjoinv ("\r\n", lines);
  gsize length = 0;
  const gchar *bytes = NULL;

  g_assert_cmpuint (messages->len, ==, 1);
  bytes = g_bytes_get_data (messages->pdata[0], &length);
  g_autofree gchar *got = g_strndup (bytes, length);
  if (!g_str_has_suffix (got, wire) || !g_str_has_prefix (got, "Received: "))
    g_error ("%s\ninstead of\n%s", got, wire);
  g_assert_cmpuint (kit_server_bare_newlines (test->server), ==, 0);
}

/* All that can be edited in one message, each by a filter of its own that finds the others' work.
 */
static void
test_all (void)
{
  static const gchar *const runs[]
      = { "sender",      "recipients",  "header-insert", "header-change", "header-remove",
          "part-remove", "part-insert", "note",          "see",           NULL };
  Test test;
  KitClient *client = NULL;

  start (&test, runs, "");
  client = kit_connect (test.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test>", "250");
  kit_command (client, "RCPT TO:<b@example.net>", "250");
  kit_command (client, "RCPT TO:<c@example.net>", "250");
  kit_command (client, "DATA", "354");
  kit_say (client, TEXT ".\n");
  kit_expect (client, "250");
  kit_close (client);
  expect_message (&test,
                  HEAD "X-New: new\n" TYPE "--b\nContent-Type: text/x-new\n\nhi\n" FIRST "--b--\n");
  g_assert_cmpuint (kit_server_count (test.server, "MAIL FROM:<new@example.org>"), ==, 1);
  g_assert_cmpuint (kit_server_count (test.server, "RCPT TO:<c@example.net>"), ==, 2);
  g_assert_cmpuint (kit_server_count (test.server, "RCPT TO:<more@example.net>"), ==, 1);
  kit_wait_log (test.mailweir, "probe=set");
  kit_wait_log (test.mailweir, "to=c@example.net more@example.net");
  kit_wait_log (test.mailweir, "noted=set");
  stop (&test);
}

static void
test_body (void)
{
  static const gchar *const runs[] = { "body", "header-append", NULL };
  Test test;

  start (&test, runs, "");
  deliver (&test, "250");
  expect_message (&test, HEAD "Subject: old\nContent-Type: multipart/mixed; boundary=b\n"
                              "X-New: 1\n\nanother\n");
  stop (&test);
}

static void
test_message (void)
{
  static const gchar *const runs[] = { "message", "header-prepend", NULL };
  Test test;

  start (&test, runs, "");
  deliver (&test, "250");
  expect_message (&test, "X-New: 1\nFrom: x@y\n\nall new\n");
  stop (&test);
}

/* In shadow every verdict and edit is logged, and nothing happens. */
static void
test_shadow (void)
{
  static const gchar *const words[][2]
      = { { "reply", "f0=would-reject/" },    { "close", "f0=would-close/" },
          { "discard", "f0=would-discard/" }, { "quarantine", "f0=would-quarantine/" },
          { "fail", "f0=failed/" },           { "message", "f0=pass/" },
          { "recipients", "f0=pass/" } };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      const gchar *const runs[] = { words[i][0], NULL };
      Test test;

      start (&test, runs, "enforce = false");
      deliver (&test, "250");
      expect_message (&test, TEXT);
      kit_wait_log (test.mailweir, words[i][1]);
      g_assert_false (g_file_test (test.quarantine, G_FILE_TEST_EXISTS));
      stop (&test);
    }
}

static void
test_verdicts (void)
{
  static const gchar *const rows[][3] = {
    { "reply", "550-5.7.1 one\n550 5.7.1 two\n", "status=rejected" },
    { "close", "421 bye\n", "421 bye" },
    { "discard", "250 ", "status=discarded" },
    { "quarantine", "250 ", "status=quarantined" },
    { "fail", "451 ", "f0=failed/" },
    { "nonsense", "451 ", "f0=failed/" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const gchar *const runs[] = { rows[i][0], "see", NULL };
      g_autoptr (GPtrArray) messages = NULL;
      Test test;

      start (&test, runs, "");
      deliver (&test, rows[i][1]);
      kit_wait_log (test.mailweir, rows[i][2]);
      messages = kit_server_messages (test.server);
      g_assert_cmpuint (messages->len, ==, 0);
      g_assert_cmpint (g_file_test (test.quarantine, G_FILE_TEST_EXISTS), ==,
                       g_str_equal (rows[i][0], "quarantine"));
      stop (&test);
    }
}

/* The filter splits recipients itself; the one that was split off comes again. */
static void
test_split (void)
{
  static const gchar *const runs[] = { "nothing", NULL };
  Test test;
  KitClient *client = NULL;

  start (&test, runs, "rcpt = \"@example.net\"");
  client = kit_connect (test.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test>", "250");
  kit_command (client, "RCPT TO:<b@example.net>", "250");
  kit_command (client, "RCPT TO:<c@example.org>", "452 4.5.3");
  kit_command (client, "DATA", "354");
  kit_say (client, TEXT ".\n");
  kit_expect (client, "250");
  kit_command (client, "MAIL FROM:<a@client.test>", "250");
  kit_command (client, "RCPT TO:<c@example.org>", "250");
  kit_command (client, "QUIT", "221");
  kit_close (client);
  expect_message (&test, TEXT);
  stop (&test);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/edits/all", test_all);
  g_test_add_func ("/e2e/edits/body", test_body);
  g_test_add_func ("/e2e/edits/message", test_message);
  g_test_add_func ("/e2e/edits/shadow", test_shadow);
  g_test_add_func ("/e2e/edits/verdicts", test_verdicts);
  g_test_add_func ("/e2e/edits/split", test_split);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
