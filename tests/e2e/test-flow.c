/* A real client's real message through Mailweir to a real server, and what of it may change on the
 * way. */
#include "kit.h"

#include <signal.h>
#include <string.h>

#define CONFIG                                                                                     \
  "hostname = \"mx.test\"\n"                                                                       \
  "listener \"in\" { bind = [\"127.0.0.1:%u\"] routes = [\"up\"] %s }\n"                           \
  "route \"up\" { to = [\"%s\"] }\n%s"

typedef struct
{
  guint port;
  guint upstream;
  gchar *folder;
  KitProcess *sink;
  KitProcess *mailweir;
} Flow;

static void
flow_start (Flow *flow, const gchar *listener, const gchar *filters)
{
  flow->port = kit_port ();
  flow->upstream = kit_port ();
  flow->folder = kit_path ("sink-%u.d", flow->upstream);
  flow->sink = kit_sink (flow->upstream, flow->folder, NULL);
  g_autofree gchar *to = g_strdup_printf ("smtp://127.0.0.1:%u", flow->upstream);
  g_autofree gchar *config = g_strdup_printf (CONFIG, flow->port, listener, to, filters);
  flow->mailweir = kit_mailweir (config);
}

static void
flow_stop (Flow *flow)
{
  g_assert_cmpint (kit_stop (flow->mailweir, SIGTERM), ==, 0);
  kit_stop (flow->sink, SIGTERM);
  g_free (flow->folder);
}

/* Every odd thing that must pass: 8-bit, long lines, dots, trailing space, tabs, a NUL in the body,
 * no last line. */
static GString *
odd_message (void)
{
  static const gchar text[]
      = "From: a@client.test\r\nsubject:no space\r\nX-Fold: a\r\n\t b  \r\n\r\n"
        "..\r\n.dot\r\nplain \r\n\x80\xff\xfe 8-bit\r\nn\0ul\r\n\r\n\r\n.\r\nlast\r\n";
  GString *message = g_string_new_len (text, sizeof text - 1);
  for (guint i = 0; i < 3000; i++)
    g_string_append (message, "0123456789");
  g_string_append (message, "\r\n");
  return message;
}

static GString *
stuffed (const GString *message)
{
  GString *wire = g_string_new (NULL);
  for (gsize i = 0; i < message->len; i++)
    {
      if (message->str[i] == '.' && (i == 0 || message->str[i - 1] == '\n'))
        g_string_append_c (wire, '.');
      g_string_append_c (wire, message->str[i]);
    }
  g_string_append (wire, ".\r\n");
  return wire;
}

/* A Maildir keeps LF line ends and puts two fields of ours on top: what is behind them must be the
 * client's bytes. */
static void
test_bytes_are_untouched (void)
{
  Flow flow = { 0 };
  g_autofree gchar *maildir = kit_path ("maildir");
  g_autofree gchar *new_folder = g_build_filename (maildir, "new", NULL);
  g_autofree gchar *to = g_strdup_printf ("maildir:%s", maildir);
  flow.port = kit_port ();
  g_autofree gchar *config = g_strdup_printf (CONFIG, flow.port, "", to, "");
  flow.mailweir = kit_mailweir (config);
  g_autoptr (GString) message = odd_message ();
  g_autoptr (GString) wire = stuffed (message);
  KitClient *client = kit_connect (flow.port);
  kit_expect (client, "220 mx.test");
  kit_say (client, "EHLO client.test\n");
  kit_expect (client, "250-mx.test");
  kit_open_message (client, "a@client.test", "b@up.test");
  kit_say_bytes (client, wire->str, wire->len);
  kit_expect (client, "250 2.0.0");
  kit_say (client, "QUIT\n");
  kit_expect (client, "221");
  kit_close (client);

  g_autoptr (GDir) dir = g_dir_open (new_folder, 0, NULL);
  g_autofree gchar *path = g_build_filename (new_folder, g_dir_read_name (dir), NULL);
  g_autofree gchar *stored = NULL;
  gsize length;
  g_assert_true (g_file_get_contents (path, &stored, &length, NULL));
  g_string_replace (message, "\r\n", "\n", 0);
  g_assert_cmpuint (length, >, message->len);
  g_assert_cmpmem (stored + length - message->len, message->len, message->str, message->len);
  g_assert_true (
      g_str_has_prefix (stored, "Return-Path: <a@client.test>\nReceived: from client.test"));
  g_assert_cmpint (kit_stop (flow.mailweir, SIGTERM), ==, 0);
}

static void
test_to_a_server (void)
{
  Flow flow = { 0 };
  flow_start (&flow, "", "");
  KitClient *client = kit_connect (flow.port);
  kit_expect (client, "220 mx.test");
  kit_say (client, "EHLO client.test\n");
  kit_expect (client, "250-mx.test");
  kit_open_message (client, "a@client.test", "b@up.test");
  kit_say (client, "Subject: one\n\n..dot\ntext\n.\n");
  kit_expect (client, "250");
  kit_open_message (client, "a@client.test", "b@up.test");
  kit_say (client, "Subject: two\n\ntext\n.\n");
  kit_expect (client, "250");
  kit_close (client);
  kit_wait_messages (flow.folder, 2);
  g_autoptr (GPtrArray) messages = kit_messages (flow.folder);
  gboolean found = FALSE;
  for (guint i = 0; i < messages->len; i++)
    found |= strstr (messages->pdata[i], "Subject: one\n\n.dot\ntext\n") != NULL;
  g_assert_true (found);
  flow_stop (&flow);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/flow/bytes-are-untouched", test_bytes_are_untouched);
  g_test_add_func ("/e2e/flow/to-a-server", test_to_a_server);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
