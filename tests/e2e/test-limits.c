/* Limits of the running gateway, each gone past by one, and what it says of itself: its log and its
 * status. Fails when a limit does not hold, or when what stands behind it suffers. */
#include "kit.h"

#include <string.h>

typedef struct
{
  guint port;
  KitServer *server;
  KitProcess *mailweir;
} Limits;

static void
limits_start (Limits *limits, const gchar *listener, const gchar *route, const gchar *rest)
{
  guint upstream = kit_port ();
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  limits->server = kit_server (upstream, "PIPELINING\n8BITMIME\nSIZE 5000000", NULL);
  limits->port = kit_port ();
  limits->mailweir = kit_gateway (limits->port, to, listener, route, rest);
}

static void
limits_stop (Limits *limits)
{
  kit_gateway_stop (limits->mailweir);
  kit_server_stop (limits->server);
}

static void
expect_delivery (const Limits *limits, const gchar *prefix)
{
  g_autofree gchar *reply = kit_deliver (limits->port, "b@up.test", "Subject: one\n\ntext\n");
  if (!g_str_has_prefix (reply, prefix))
    g_error ("expected %s, heard: %s", prefix, reply);
}

static guint
arrived (const Limits *limits)
{
  g_autoptr (GPtrArray) messages = kit_server_messages (limits->server);
  return messages->len;
}

/* ---- Sessions ---- */

/* A place that was given back is free again once the gateway has seen the other side go. */
static void
wait_for_place (guint port)
{
  for (guint i = 0; i < KIT_PATIENCE * 20; i++)
    {
      KitClient *client = kit_connect (port);
      g_autofree gchar *reply = kit_reply (client);
      kit_close (client);
      if (g_str_has_prefix (reply, "220"))
        return;
      g_usleep (50000);
    }
  g_error ("no place becomes free");
}

static void
check_connections (const gchar *option)
{
  Limits limits;
  KitClient *clients[3];
  limits_start (&limits, option, NULL, NULL);
  for (guint i = 0; i < 3; i++)
    {
      clients[i] = kit_connect (limits.port);
      kit_expect (clients[i], i < 2 ? "220" : "421 4.7.0");
    }
  g_autofree gchar *end = kit_reply (clients[2]);
  g_assert_cmpstr (end, ==, "");
  kit_command (clients[0], "EHLO client.test", "250");
  for (guint i = 0; i < 3; i++)
    kit_close (clients[i]);
  wait_for_place (limits.port);
  limits_stop (&limits);
}

static void
test_connections (void)
{
  check_connections ("connections = 2");
}

static void
test_connections_per_client (void)
{
  check_connections ("connections-per-client = 2");
}

static void
test_messages_per_minute (void)
{
  Limits limits;
  limits_start (&limits, "messages-per-minute = 2", NULL, NULL);
  expect_delivery (&limits, "250");
  expect_delivery (&limits, "250");
  expect_delivery (&limits, "450 4.7.");
  g_assert_cmpuint (arrived (&limits), ==, 2);
  limits_stop (&limits);
}

static void
test_bad_commands (void)
{
  Limits limits;
  limits_start (&limits, "bad-commands = 3", NULL, NULL);
  KitClient *client = kit_connect (limits.port);
  g_free (kit_greet (client));
  kit_command (client, "WHAT", "500 5.5.1");
  kit_command (client, "RCPT TO:<b@up.test>", "503 5.5.1");
  kit_command (client, "MAIL FROM:a b", "501 5.");
  kit_command (client, "WHAT", "421 4.7.0");
  g_autofree gchar *end = kit_reply (client);
  g_assert_cmpstr (end, ==, "");
  kit_close (client);
  expect_delivery (&limits, "250");
  limits_stop (&limits);
}

static void
test_command_line (void)
{
  Limits limits;
  g_autofree gchar *text = g_strnfill (20000, 'a');
  g_autofree gchar *line = g_strconcat ("MAIL FROM:<", text, "@client.test>", NULL);
  limits_start (&limits, NULL, NULL, NULL);
  KitClient *client = kit_connect (limits.port);
  g_free (kit_greet (client));
  kit_command (client, line, "500 5.5.");
  kit_command (client, "NOOP", "250");
  kit_close (client);
  limits_stop (&limits);
}

/* ---- Transactions ---- */

static void
test_recipients (void)
{
  Limits limits;
  limits_start (&limits, NULL, NULL, "recipients = 2");
  KitClient *client = kit_connect (limits.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test>", "250");
  kit_command (client, "RCPT TO:<b@up.test>", "250");
  kit_command (client, "RCPT TO:<c@up.test>", "250");
  kit_command (client, "RCPT TO:<d@up.test>", "452 4.5.3");
  kit_command (client, "DATA", "354");
  kit_command (client, "\n.", "250");
  kit_close (client);
  g_assert_cmpuint (kit_server_count (limits.server, "RCPT"), ==, 2);
  limits_stop (&limits);
}

static void
test_relay (void)
{
  Limits limits;
  limits_start (&limits, "relay-from = [\"10.0.0.0/8\"]", "for = [\"up.test\"]", NULL);
  KitClient *client = kit_connect (limits.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test>", "250");
  kit_command (client, "RCPT TO:<b@elsewhere.test>", "554 5.7.1");
  kit_command (client, "RCPT TO:<b%elsewhere.test@sub.up.test>", "554 5.7.1");
  kit_command (client, "RCPT TO:<b@up.test>", "250");
  kit_close (client);
  g_assert_cmpuint (kit_server_count (limits.server, "RCPT TO:<b@up.test>"), ==, 1);
  g_assert_cmpuint (kit_server_count (limits.server, "RCPT"), ==, 1);
  limits_stop (&limits);
}

/* ---- Messages ---- */

static void
check_size (const gchar *rest, const gchar *listener)
{
  Limits limits;
  g_autofree gchar *line = g_strnfill (900, 'a');
  g_autofree gchar *text = g_strdup_printf ("Subject: big\n\n%s\n%s\n", line, line);
  limits_start (&limits, listener, NULL, rest);
  KitClient *client = kit_connect (limits.port);
  g_autofree gchar *offers = kit_greet (client);
  g_assert_nonnull (strstr (offers, "SIZE 1024\n"));
  kit_command (client, "MAIL FROM:<a@client.test> SIZE=1025", "552 5.3.4");
  kit_command (client, "MAIL FROM:<a@client.test> SIZE=1024", "250");
  kit_command (client, "RCPT TO:<b@up.test>", "250");
  kit_command (client, "DATA", "354");
  kit_say (client, text);
  kit_command (client, ".", "552 5.3.4");
  g_assert_cmpuint (arrived (&limits), ==, 0);
  kit_open_message (client, "a@client.test", "b@up.test");
  kit_command (client, "Subject: small\n\ntext\n.", "250");
  kit_close (client);
  g_assert_cmpuint (arrived (&limits), ==, 1);
  limits_stop (&limits);
}

static void
test_size_streamed (void)
{
  check_size ("message-size = 1K", NULL);
}

static void
test_size_stored (void)
{
  check_size ("filter \"exe\" { module = \"attachments\" deny = [\"exe\"] timeout = 60s }",
              "filters = [\"exe\"] message-size = 1K");
}

static void
test_hops (void)
{
  Limits limits;
  limits_start (&limits, NULL, NULL, NULL);
  for (guint hops = 49; hops <= 51; hops++)
    {
      g_autoptr (GString) text = g_string_new (NULL);
      for (guint i = 0; i < hops; i++)
        g_string_append_printf (text, "Received: from hop%u.test by next.test; now\n", i);
      g_string_append (text, "Subject: far\n\ntext\n");
      g_autofree gchar *reply = kit_deliver (limits.port, "b@up.test", text->str);
      g_assert_true (g_str_has_prefix (reply, hops <= 50 ? "250" : "554 5.4.6"));
    }
  g_assert_cmpuint (arrived (&limits), ==, 2);
  limits_stop (&limits);
}

/* ---- What it says of itself ---- */

static void
test_json (void)
{
  Limits limits;
  g_autofree gchar *copy = kit_path ("lines.json");
  limits_start (&limits, NULL, NULL, "log-format = \"json\"");
  expect_delivery (&limits, "250");
  g_autofree gchar *odd = kit_deliver (limits.port, "\"q\\\"\\\\ \"@up.test", "Subject: \"\n\n\n");
  g_assert_true (g_str_has_prefix (odd, "250"));
  kit_gateway_stop (limits.mailweir);
  g_autofree gchar *log = kit_log (limits.mailweir);
  g_autoptr (GString) lines = g_string_new (NULL);
  g_auto (GStrv) all = g_strsplit (log, "\n", -1);
  for (guint i = 0; all[i] != NULL; i++)
    if (*all[i] == '{') /* what is said before the configuration is read is text */
      g_string_append_printf (lines, "%s\n", all[i]);
  kit_write (copy, lines->str);
  const gchar *argv[] = { "python3", "-c",
                          "import json, sys\n"
                          "lines = [json.loads(l) for l in open(sys.argv[1])]\n"
                          "sent = [l for l in lines if l.get('status') == 'sent']\n"
                          "assert len(sent) == 2, lines\n"
                          "assert all(l['from'] == '<a@client.test>' for l in sent), sent\n",
                          copy, NULL };
  g_autofree gchar *output = NULL;
  gint status = kit_run (argv, &output);
  if (status != 0)
    g_error ("%s\n%s", output, lines->str);
  kit_server_stop (limits.server);
}

static void
test_status (void)
{
  Limits limits;
  g_autofree gchar *path = kit_path ("status");
  g_autofree gchar *rest = g_strdup_printf ("status-socket = \"%s\"", path);
  g_autofree gchar *output = NULL;
  limits_start (&limits, NULL, NULL, rest);
  g_autofree gchar *config = kit_path ("mailweir-%u.conf", limits.port);
  const gchar *argv[] = { kit_program ("src/mailweir"), "status", "-c", config, NULL };
  expect_delivery (&limits, "250");
  KitClient *client = kit_connect (limits.port);
  g_free (kit_greet (client));
  gint status = kit_run (argv, &output);
  if (status != 0 || strstr (output, "sessions") == NULL)
    g_error ("status %d: %s", status, output);
  kit_close (client);
  limits_stop (&limits);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/limits/connections", test_connections);
  g_test_add_func ("/e2e/limits/connections-per-client", test_connections_per_client);
  g_test_add_func ("/e2e/limits/messages-per-minute", test_messages_per_minute);
  g_test_add_func ("/e2e/limits/bad-commands", test_bad_commands);
  g_test_add_func ("/e2e/limits/command-line", test_command_line);
  g_test_add_func ("/e2e/limits/recipients", test_recipients);
  g_test_add_func ("/e2e/limits/relay", test_relay);
  g_test_add_func ("/e2e/limits/size-streamed", test_size_streamed);
  g_test_add_func ("/e2e/limits/size-stored", test_size_stored);
  g_test_add_func ("/e2e/limits/hops", test_hops);
  g_test_add_func ("/e2e/limits/json", test_json);
  g_test_add_func ("/e2e/limits/status", test_status);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
