/* Filters with `only-if`, and filters as one listener has them, in the whole program: who is asked,
 * who has to come again, and what each recipient gets. */
#include "kit.h"

#include <string.h>

/* Two listeners; "in" has a field for one recipient alone. */
static KitProcess *
start (guint up, guint in, guint other)
{
  g_autofree gchar *config = g_strdup_printf (
      "hostname = \"mx.test\"\nworkers-min = 1\nthreads = 1\n"
      "route \"up\" { to = [\"smtp://127.0.0.1:%u\"] }\n"
      "listener \"in\" { bind = [\"127.0.0.1:%u\"] routes = [\"up\"] filters = [\"mark\"] }\n"
      "listener \"other\" { bind = [\"127.0.0.1:%u\"] routes = [\"up\"] filters = [\"mark\"]\n"
      "  filter \"mark\" { add = [\"X-Other: yes\"] only-if = \"listener other\" } }\n"
      "filter \"mark\" { module = \"headers\" add = [\"X-Mark: yes\"]\n"
      "  only-if = [\"client 127.0.0.0/8\", \"recipient marked@up.test\"] }\n",
      up, in, other);
  return kit_mailweir (config);
}

static gchar *
only_message (KitServer *server)
{
  g_autoptr (GPtrArray) messages = kit_server_messages (server);
  g_assert_cmpuint (messages->len, ==, 1);
  gsize length = 0;
  const gchar *bytes = g_bytes_get_data (messages->pdata[0], &length);
  gchar *text = g_strndup (bytes, length);
  kit_server_forget (server);
  return text;
}

static void
finish_message (KitClient *client)
{
  kit_command (client, "DATA", "354");
  kit_say (client, "Subject: hi\n\nhello\n.\n");
  kit_expect (client, "250");
}

static void
test_recipients (void)
{
  guint up = kit_port (), in, other;
  KitServer *server = kit_server (up, "PIPELINING", NULL);
  in = kit_port ();
  other = kit_port ();
  KitProcess *mailweir = start (up, in, other);
  KitClient *client = kit_connect (in);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test>", "250");
  kit_command (client, "RCPT TO:<marked@up.test>", "250");
  kit_command (client, "RCPT TO:<plain@up.test>", "452 4.5.3");
  finish_message (client);
  g_autofree gchar *marked = only_message (server);
  g_assert_nonnull (strstr (marked, "X-Mark: yes\r\n"));
  kit_command (client, "MAIL FROM:<a@client.test>", "250");
  kit_command (client, "RCPT TO:<plain@up.test>", "250");
  finish_message (client);
  g_autofree gchar *plain = only_message (server);
  g_assert_null (strstr (plain, "X-Mark"));
  kit_command (client, "QUIT", "221");
  kit_close (client);
  g_free (kit_deliver (other, "plain@up.test", "Subject: hi\n\nhello\n"));
  g_autofree gchar *theirs = only_message (server);
  g_assert_nonnull (strstr (theirs, "X-Other: yes\r\n"));
  g_assert_null (strstr (theirs, "X-Mark"));
  kit_gateway_stop (mailweir);
  kit_server_stop (server);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/conditions/recipients", test_recipients);
  gint status = g_test_run ();
  kit_finish ();
  return status;
}
