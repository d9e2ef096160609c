/* Extensions of the protocol through the whole program: commands that a filter adds, CHUNKING,
 * AUTH, XFORWARD. Fails when the client hears another answer than the one that was due. */
#include "kit.h"

#include <string.h>
#include <sys/socket.h>

typedef struct
{
  guint port;
  KitServer *server;
  KitProcess *mailweir;
} Way;

static void
way_start (Way *way, const gchar *offers, const KitStep *steps, const gchar *listener,
           const gchar *rest)
{
  guint upstream = kit_port ();
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  way->server = kit_server (upstream, offers, steps);
  way->port = kit_port ();
  way->mailweir = kit_gateway (way->port, to, listener, NULL, rest);
}

static void
way_stop (Way *way)
{
  kit_gateway_stop (way->mailweir);
  kit_server_stop (way->server);
}

static void
test_added_command (void)
{
  Way way;
  way_start (&way, "PIPELINING", NULL, "filters = [\"trace\"]",
             "filter \"trace\" { module = \"trace\" }");
  KitClient *client = kit_connect (way.port);
  kit_expect (client, "220 ");
  kit_command (client, "XTRACE", "503 ");
  kit_command (client, "EHLO client.test", "250");
  kit_command (client, "XTRACE", "250 2.0.0 ");
  kit_command (client, "MAIL FROM:<a@client.test>", "250 ");
  kit_command (client, "xtrace in the middle", "250 2.0.0 ");
  kit_command (client, "XNONE", "500 5.5.1 ");
  kit_command (client, "QUIT", "221 ");
  kit_close (client);
  way_stop (&way);
}

/* Two chunks, with a dot alone in its line across them; then one that is given up. */
static void
test_chunks (void)
{
  Way way;
  way_start (&way, "PIPELINING", NULL, NULL, NULL);
  KitClient *client = kit_connect (way.port);
  g_autofree gchar *offered = kit_greet (client);
  g_assert_nonnull (strstr (offered, "CHUNKING"));
  kit_say (client, "MAIL FROM:<a@client.test>\nRCPT TO:<b@up.test>\nBDAT 11\nA: b\n\n.\n"
                   "BDAT 3 LAST\nx\n");
  for (guint i = 0; i < 4; i++)
    kit_expect (client, "250 ");
  kit_say (client, "MAIL FROM:<a@client.test>\nRCPT TO:<b@up.test>\nBDAT 8\nA: b\n\nRSET\n");
  for (guint i = 0; i < 4; i++)
    kit_expect (client, "250 ");
  kit_command (client, "BDAT 0 LAST", "503 ");
  kit_command (client, "QUIT", "221 ");
  kit_close (client);
  g_autoptr (GPtrArray) messages = kit_server_messages (way.server);
  g_assert_cmpuint (messages->len, ==, 1);
  gsize length = 0;
  const gchar *bytes = g_bytes_get_data (messages->pdata[0], &length);
  g_assert_true (length > 15 && memcmp (bytes + length - 15, "\nA: b\r\n\r\n.\r\nx\r\n", 15) == 0);
  way_stop (&way);
}

/* A client may write all it has, QUIT with it, and end its half (Exim does), before we have read
 * more than its first commands: they wait for the only connection there is. */
static void
test_half_closed (void)
{
  const guint upstream = kit_port (), port = kit_port ();
  KitServer *server = kit_server (upstream, "PIPELINING", NULL);
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  KitProcess *mailweir = kit_gateway (port, to, NULL, "connections = 1", "threads = 1");
  g_autofree gchar *text = g_strnfill (100000 - 4, 'x');
  KitClient *first = kit_connect (port);
  g_free (kit_greet (first));
  kit_open_message (first, "a@client.test", "b@up.test");
  KitClient *second = kit_connect (port);
  g_free (kit_greet (second));
  kit_say (second, "MAIL FROM:<a@client.test>\nRCPT TO:<b@up.test>\nBDAT 100000 LAST\n\n");
  kit_say (second, text);
  kit_say (second, "\nQUIT\n");
  g_assert_cmpint (shutdown (kit_client_fd (second), SHUT_WR), ==, 0);
  kit_expect (second, "250 ");
  kit_command (first, "Subject: x\n\ntext\n.", "250 ");
  kit_command (first, "QUIT", "221 ");
  kit_close (first);
  kit_expect (second, "250 ");
  kit_expect (second, "250 ");
  kit_expect (second, "221 ");
  kit_close (second);
  kit_gateway_stop (mailweir);
  g_autoptr (GPtrArray) messages = kit_server_messages (server);
  g_assert_cmpuint (messages->len, ==, 2);
  kit_server_stop (server);
}

static const KitStep users[] = {
  { "AUTH PLAIN AGpvZQBzZWNyZXQ=", KIT_ANSWER, "235 2.7.0 welcome\n" },
  { "AUTH PLAIN AAAA", KIT_ANSWER, "535 5.7.8 who are you\n" },
  { "AUTH PLAIN", KIT_ANSWER, "334 \n" },
  { "AGpvZQBzZWNyZXQ=", KIT_ANSWER, "235 2.7.0 welcome\n" },
  { "AUTH LOGIN", KIT_ANSWER, "334 VXNlcm5hbWU6\n" },
  { "am9l", KIT_ANSWER, "334 UGFzc3dvcmQ6\n" },
  { "c2VjcmV0", KIT_ANSWER, "235 2.7.0 welcome\n" },
  { NULL },
};

static void
send_one (KitClient *client)
{
  kit_open_message (client, "joe@up.test", "b@far.test");
  kit_command (client, "A: b\n\nhello\n.", "250 ");
}

/* LOGIN in its steps; two messages, and the other client's, by connections of their own. */
static void
test_auth (void)
{
  Way way;
  way_start (&way, "PIPELINING\nAUTH PLAIN LOGIN EXTERNAL", users,
             "auth = \"always\" filters = [\"trace\"]", "filter \"trace\" { module = \"trace\" }");
  KitClient *joe = kit_connect (way.port);
  KitClient *other = kit_connect (way.port);
  g_autofree gchar *offered = kit_greet (joe);
  g_free (kit_greet (other));
  g_assert_nonnull (strstr (offered, "AUTH PLAIN LOGIN\n"));
  kit_command (joe, "AUTH PLAIN AAAA", "535 5.7.8 ");
  kit_command (joe, "AUTH LOGIN", "334 VXNlcm5hbWU6");
  kit_command (joe, "am9l", "334 UGFzc3dvcmQ6");
  kit_command (joe, "c2VjcmV0", "235 2.7.0 ");
  kit_command (joe, "AUTH PLAIN AAAA", "503 ");
  send_one (joe);
  send_one (other);
  send_one (joe);
  kit_command (joe, "QUIT", "221 ");
  kit_command (other, "QUIT", "221 ");
  kit_close (joe);
  kit_close (other);
  g_assert_cmpuint (kit_server_count (way.server, "AUTH LOGIN"), ==, 1);
  g_autoptr (GPtrArray) messages = kit_server_messages (way.server);
  g_assert_cmpuint (messages->len, ==, 3);
  for (guint i = 0; i < 3; i++)
    {
      const gchar *bytes = g_bytes_get_data (messages->pdata[i], NULL);
      g_assert_nonnull (g_strstr_len (bytes, 300, i == 1 ? " with ESMTP id" : " with ESMTPA id"));
    }
  kit_wait_log (way.mailweir, "user=joe");
  way_stop (&way);
}

static void
test_auth_of_curl (void)
{
  if (!kit_have ("curl"))
    {
      g_test_skip ("no curl");
      return;
    }
  Way way;
  way_start (&way, "AUTH PLAIN LOGIN", users, "auth = \"always\"", NULL);
  g_autofree gchar *url = g_strdup_printf ("smtp://127.0.0.1:%u", way.port);
  g_autofree gchar *file = kit_path ("curl.eml");
  g_autofree gchar *output = NULL;
  const gchar *const argv[]
      = { "curl",        "-sS",         url,          "-u", "joe:secret", "--mail-from",
          "joe@up.test", "--mail-rcpt", "b@far.test", "-T", file,         NULL };
  kit_write (file, "A: b\r\n\r\nhello\r\n");
  g_assert_cmpint (kit_run (argv, &output), ==, 0);
  g_autoptr (GPtrArray) messages = kit_server_messages (way.server);
  g_assert_cmpuint (messages->len, ==, 1);
  kit_wait_log (way.mailweir, "user=joe");
  way_stop (&way);
}

static void
test_xforward (void)
{
  guint upstream = kit_port ();
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  Way way = { .port = kit_port () };
  static const KitStep steps[] = { { "XFORWARD", KIT_ANSWER, "250 2.0.0 Ok\n" }, { NULL } };
  way.server = kit_server (upstream, "PIPELINING\nXFORWARD NAME ADDR HELO", steps);
  way.mailweir = kit_gateway (way.port, to, NULL, "xforward = true", NULL);
  g_autofree gchar *reply = kit_deliver (way.port, "b@up.test", "A: b\n\nhello\n");
  g_assert_true (g_str_has_prefix (reply, "250 "));
  g_autoptr (GPtrArray) commands = kit_server_commands (way.server);
  guint found = 0;
  for (guint i = 0; i < commands->len; i++)
    found += strstr (commands->pdata[i], "XFORWARD") != NULL
             && strstr (commands->pdata[i], "ADDR=127.0.0.1") != NULL
             && strstr (commands->pdata[i], "PORT") == NULL;
  g_assert_cmpuint (found, ==, 1);
  way_stop (&way);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/extensions/added-command", test_added_command);
  g_test_add_func ("/e2e/extensions/chunks", test_chunks);
  g_test_add_func ("/e2e/extensions/half-closed", test_half_closed);
  g_test_add_func ("/e2e/extensions/auth", test_auth);
  g_test_add_func ("/e2e/extensions/auth-curl", test_auth_of_curl);
  g_test_add_func ("/e2e/extensions/xforward", test_xforward);
  gint status = g_test_run ();
  kit_finish ();
  return status;
}
