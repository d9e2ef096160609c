/* A real client's real message through Mailweir to a real server, and what of it may change on the
 * way: nothing that no filter edited, and then that alone. Fails when an octet differs. */
#include "kit.h"

#include <signal.h>
#include <string.h>

#define REFUSE                                                                                     \
  "filter \"exe\" { module = \"attachments\" deny = [\"exe\"] action = \"reject\" timeout = 60s }"
#define STRIP                                                                                      \
  "filter \"exe\" { module = \"attachments\" deny = [\"exe\"] action = \"strip\" timeout = 60s }"
#define MARK                                                                                       \
  "filter \"mark\" { module = \"headers\" add = [\"X-Gateway: mailweir\"]"                         \
  " remove = [\"X-Internal-*\"] }"
#define MEGABYTES 30

static const gchar parts[] = "From: a@client.test\r\n"
                             "Subject: parts\r\n"
                             "MIME-Version: 1.0\r\n"
                             "Content-Type: multipart/mixed; boundary=\"=_b\"\r\n"
                             "\r\n"
                             "preamble \x80\r\n"
                             "--=_b\r\n"
                             "Content-Type: text/plain\r\n"
                             "\r\n"
                             ".a text \t\r\n"
                             "\r\n";
static const gchar program[] = "Content-Type: application/octet-stream; name=\"run.exe\"\r\n"
                               "Content-Disposition: attachment; filename=\"run.exe\"\r\n"
                               "Content-Transfer-Encoding: base64\r\n"
                               "\r\n"
                               "TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAA=\r\n";
static const gchar harmless[] = "--=_b\r\n"
                                "Content-Type: text/plain;\tname=notes.txt\r\n"
                                "\r\n"
                                "notes  \r\n"
                                "--=_b--\r\n"
                                "epilogue\r\n";

typedef struct
{
  guint port;
  KitServer *server;
  KitProcess *mailweir;
} Flow;

static void
flow_start (Flow *flow, const gchar *listener, const gchar *rest)
{
  guint upstream = kit_port ();
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  flow->server = kit_server (upstream, "PIPELINING\n8BITMIME\nSIZE 100000000", NULL);
  flow->port = kit_port ();
  flow->mailweir = kit_gateway (flow->port, to, listener, NULL, rest);
}

static void
flow_stop (Flow *flow)
{
  kit_gateway_stop (flow->mailweir);
  g_assert_cmpuint (kit_server_bare_newlines (flow->server), ==, 0);
  kit_server_stop (flow->server);
}

/* Every odd thing that must pass: 8-bit, long lines, dots, trailing space, tabs, a NUL in the body.
 */
static GString *
odd_message (void)
{
  static const gchar text[]
      = "From: a@client.test\r\nsubject:no space\r\nX-Internal-Host: a\r\nX-Fold: a\r\n\t b  \r\n"
        "\r\n..\r\n.dot\r\nplain \r\n\x80\xff\xfe 8-bit\r\nn\0ul\r\n\r\n\r\n.\r\nlast\r\n";
  GString *message = g_string_new_len (text, sizeof text - 1);
  for (guint i = 0; i < 60; i++)
    g_string_append (message, "0123456789");
  g_string_append (message, "\r\n");
  return message;
}

static GString *
stuffed (const GString *message)
{
  GString *wire = g_string_sized_new (message->len + 3);
  for (gsize i = 0; i < message->len; i++)
    {
      if (message->str[i] == '.' && (i == 0 || message->str[i - 1] == '\n'))
        g_string_append_c (wire, '.');
      g_string_append_c (wire, message->str[i]);
    }
  g_string_append (wire, ".\r\n");
  return wire;
}

/* The reply to the final dot. */
static gchar *
send_message (guint port, const GString *message)
{
  g_autoptr (GString) wire = stuffed (message);
  KitClient *client = kit_connect (port);
  g_free (kit_greet (client));
  kit_open_message (client, "a@client.test", "b@up.test");
  kit_say_bytes (client, wire->str, wire->len);
  gchar *reply = kit_reply (client);
  kit_command (client, "QUIT", "221");
  kit_close (client);
  return reply;
}

static void
send_accepted (guint port, const GString *message)
{
  g_autofree gchar *reply = send_message (port, message);
  g_assert_true (g_str_has_prefix (reply, "250 2.0.0"));
}

/* What the upstream got, without the one field that the gateway puts on top. */
static GString *
received (KitServer *server)
{
  g_autoptr (GPtrArray) messages = kit_server_messages (server);
  gsize length;
  g_assert_cmpuint (messages->len, ==, 1);
  const gchar *data = g_bytes_get_data (messages->pdata[0], &length);
  g_assert_true (g_str_has_prefix (data, "Received: from client.test"));
  const gchar *line = data;
  do
    line = (const gchar *) memmem (line, length - (line - data), "\r\n", 2) + 2;
  while (*line == ' ' || *line == '\t');
  return g_string_new_len (line, length - (line - data));
}

static void
cut (GString *message, const gchar *text)
{
  gchar *at = memmem (message->str, message->len, text, strlen (text));
  g_assert_nonnull (at);
  g_string_erase (message, at - message->str, strlen (text));
}

/* ---- Untouched ---- */

/* A Maildir keeps LF line ends and puts two fields of ours on top: what is behind them must be the
 * client's bytes. */
static void
test_maildir (void)
{
  g_autofree gchar *maildir = kit_path ("maildir");
  g_autofree gchar *new_folder = g_build_filename (maildir, "new", NULL);
  g_autofree gchar *to = g_strdup_printf ("\"maildir:%s\"", maildir);
  guint port = kit_port ();
  KitProcess *mailweir = kit_gateway (port, to, NULL, NULL, NULL);
  g_autoptr (GString) message = odd_message ();
  send_accepted (port, message);

  g_autoptr (GDir) dir = g_dir_open (new_folder, 0, NULL);
  g_autofree gchar *path = g_build_filename (new_folder, g_dir_read_name (dir), NULL);
  g_autofree gchar *stored = NULL;
  gsize length;
  g_assert_true (g_file_get_contents (path, &stored, &length, NULL));
  for (gsize i = 0; i < message->len; i++)
    if (message->str[i] == '\r')
      g_string_erase (message, i, 1);
  g_assert_cmpuint (length, >, message->len);
  g_assert_cmpmem (stored + length - message->len, message->len, message->str, message->len);
  g_assert_true (
      g_str_has_prefix (stored, "Return-Path: <a@client.test>\nReceived: from client.test"));
  kit_gateway_stop (mailweir);
}

/* With a filter that reads the message the whole of it is stored first, else it streams through. */
static void
check_untouched (const gchar *listener, const gchar *filter)
{
  Flow flow;
  flow_start (&flow, listener, filter);
  g_autoptr (GString) message = odd_message ();
  send_accepted (flow.port, message);
  g_autoptr (GString) got = received (flow.server);
  g_assert_cmpmem (got->str, got->len, message->str, message->len);
  flow_stop (&flow);
}

static void
test_streamed (void)
{
  check_untouched (NULL, NULL);
}

static void
test_stored (void)
{
  check_untouched ("filters = [\"exe\"]", REFUSE);
}

/* ---- Edited ---- */

static void
test_header (void)
{
  Flow flow;
  flow_start (&flow, "filters = [\"mark\"]", MARK);
  g_autoptr (GString) message = odd_message ();
  send_accepted (flow.port, message);
  g_autoptr (GString) got = received (flow.server);
  cut (message, "X-Internal-Host: a\r\n");
  cut (got, "X-Gateway: mailweir\r\n");
  g_assert_cmpmem (got->str, got->len, message->str, message->len);
  flow_stop (&flow);
}

static GString *
message_with_program (void)
{
  GString *message = g_string_new (parts);
  g_string_append_printf (message, "--=_b\r\n%s%s", program, harmless);
  return message;
}

static void
test_strip (void)
{
  Flow flow;
  flow_start (&flow, "filters = [\"exe\"]", STRIP);
  g_autoptr (GString) message = message_with_program ();
  g_autofree gchar *before = g_strconcat (parts, "--=_b\r\n", NULL);
  g_autofree gchar *behind = g_strconcat ("\r\n", harmless, NULL);
  send_accepted (flow.port, message);
  g_autoptr (GString) got = received (flow.server);
  g_assert_true (g_str_has_prefix (got->str, before));
  g_assert_true (g_str_has_suffix (got->str, behind));
  g_assert_null (strstr (got->str, "TVqQ"));
  g_assert_nonnull (strstr (got->str, "run.exe")); /* the note says what was there */
  flow_stop (&flow);
}

/* 550 after the dot, and nothing of the message went upstream. */
static void
test_refuse (void)
{
  Flow flow;
  flow_start (&flow, "filters = [\"exe\"]", REFUSE);
  g_autoptr (GString) message = message_with_program ();
  g_autofree gchar *reply = send_message (flow.port, message);
  g_assert_true (g_str_has_prefix (reply, "550 5.7.1"));
  g_assert_cmpuint (kit_server_count (flow.server, "RCPT"), ==, 1);
  g_assert_cmpuint (kit_server_count (flow.server, "DATA"), ==, 0);
  /* The connection that was asked for the recipient is good for the next message. */
  g_autoptr (GString) good = odd_message ();
  send_accepted (flow.port, good);
  g_autoptr (GString) got = received (flow.server);
  g_assert_cmpmem (got->str, got->len, good->str, good->len);
  flow_stop (&flow);
}

/* ---- Much ---- */

static GString *
big_message (void)
{
  GString *message = g_string_sized_new ((MEGABYTES + 1) << 20);
  g_string_append (message, "From: a@client.test\r\nSubject: big\r\n\r\n");
  for (guint i = 0; message->len < MEGABYTES << 20; i++)
    g_string_append_printf (message, "%s%08u the quick brown fox jumps over the lazy dog\r\n",
                            i % 7 == 0 ? "." : "", i);
  return message;
}

static void
check_big (const gchar *listener, const gchar *filter)
{
  Flow flow;
  flow_start (&flow, listener, filter);
  g_autoptr (GString) message = big_message ();
  send_accepted (flow.port, message);
  g_autoptr (GString) got = received (flow.server);
  g_assert_cmpuint (got->len, ==, message->len);
  g_assert_true (memcmp (got->str, message->str, got->len) == 0);
  flow_stop (&flow);
}

static void
test_big_streamed (void)
{
  check_big (NULL, NULL);
}

static void
test_big_stored (void)
{
  check_big ("filters = [\"exe\"]", REFUSE);
}

static void
test_many (void)
{
  guint upstream = kit_port ();
  guint port = kit_port ();
  g_autofree gchar *folder = kit_path ("sink-%u.d", upstream);
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  g_autofree gchar *address = g_strdup_printf ("127.0.0.1:%u", port);
  const gchar *argv[] = { "smtp-source",   "-s", "20",        "-m",    "1000", "-l", "4000", "-f",
                          "a@client.test", "-t", "b@up.test", address, NULL };
  g_autofree gchar *output = NULL;
  KitProcess *sink = kit_sink (upstream, folder, NULL);
  KitProcess *mailweir
      = kit_gateway (port, to, "filters = [\"mark\", \"exe\"]", NULL, MARK "\n" REFUSE);
  g_assert_cmpint (kit_run (argv, &output), ==, 0);
  g_assert_cmpstr (output, ==, "");
  kit_wait_messages (folder, 1000);
  kit_gateway_stop (mailweir);
  kit_stop (sink, SIGTERM);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/flow/maildir", test_maildir);
  g_test_add_func ("/e2e/flow/streamed", test_streamed);
  g_test_add_func ("/e2e/flow/stored", test_stored);
  g_test_add_func ("/e2e/flow/header", test_header);
  g_test_add_func ("/e2e/flow/strip", test_strip);
  g_test_add_func ("/e2e/flow/refuse", test_refuse);
  g_test_add_func ("/e2e/flow/big-streamed", test_big_streamed);
  g_test_add_func ("/e2e/flow/big-stored", test_big_stored);
  g_test_add_func ("/e2e/flow/many", test_many);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
