/* Extensions of the protocol through the whole program: commands that a filter adds, CHUNKING.
 * Fails when the client hears another answer than the one that was due. */
#include "kit.h"

#include <string.h>

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

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/extensions/added-command", test_added_command);
  g_test_add_func ("/e2e/extensions/chunks", test_chunks);
  gint status = g_test_run ();
  kit_finish ();
  return status;
}
