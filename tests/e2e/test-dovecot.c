/* LMTP through the whole program: Dovecot behind it over TCP and a UNIX socket, raw clients, swaks
 * and Postfix in front. Fails when a recipient's fate is another one than Dovecot's. */
#include "kit.h"

#include <signal.h>
#include <string.h>

#include <glib/gstdio.h>

typedef struct
{
  guint port;    /* of Mailweir */
  gchar *socket; /* the same on a UNIX socket */
  KitDovecot *dovecot;
  KitProcess *mailweir;
} Way;

/* FALSE: the test was skipped. */
static gboolean
way_start (Way *way, const gchar *protocol, gboolean by_socket, const gchar *more)
{
  static guint number;
  const guint upstream = kit_port ();
  const gchar *reason;
  g_autofree gchar *name = g_strdup_printf ("dovecot-%u", ++number);
  way->dovecot = kit_dovecot (name, upstream, &reason);
  if (way->dovecot == NULL)
    {
      g_test_skip (reason);
      return FALSE;
    }
  way->port = kit_port ();
  way->socket = kit_path ("weir-%u", number);
  g_autofree gchar *socket = kit_dovecot_socket (way->dovecot);
  g_autofree gchar *to = by_socket ? g_strdup_printf ("lmtp:%s", socket)
                                   : g_strdup_printf ("lmtp://127.0.0.1:%u", upstream);
  g_autofree gchar *config = g_strdup_printf ("hostname = \"mx.test\"\n"
                                              "listener \"in\" { bind = [\"127.0.0.1:%u\", \"%s\"] "
                                              "protocol = \"%s\" routes = [\"up\"] %s }\n"
                                              "route \"up\" { to = \"%s\" }\n"
                                              "filter \"trace\" { module = \"trace\" }\n",
                                              way->port, way->socket, protocol, more, to);
  way->mailweir = kit_mailweir_named (name, config);
  return TRUE;
}

static void
way_stop (Way *way)
{
  kit_gateway_stop (way->mailweir);
  g_assert_false (g_file_test (way->socket, G_FILE_TEST_EXISTS));
  kit_dovecot_stop (way->dovecot);
  g_free (way->socket);
}

static void
assert_mail (const Way *way, const gchar *user, guint count)
{
  g_autofree gchar *folder = kit_dovecot_folder (way->dovecot, user);
  kit_wait_messages (folder, count);
}

/* b has it, e is nobody, c is over its quota, d has it. */
static void
say_to_each (KitClient *client)
{
  kit_expect (client, "220 mx.test LMTP");
  kit_command (client, "EHLO client.test", "500");
  kit_command (client, "LHLO client.test", "250");
  kit_command (client, "MAIL FROM:<a@client.test>", "250");
  kit_command (client, "RCPT TO:<b@up.test>", "250");
  kit_command (client, "RCPT TO:<e@up.test>", "550 5.1.1 <e@up.test> User doesn't exist");
  kit_command (client, "RCPT TO:<c@up.test>", "250");
  kit_command (client, "RCPT TO:<d@up.test>", "250");
  kit_command (client, "DATA", "354");
  kit_command (client, "Subject: to each\n\ntext\n.", "250 2.0.0 <b@up.test>");
  kit_expect (client, "552 5.2.2 <c@up.test> Quota exceeded");
  kit_expect (client, "250 2.0.0 <d@up.test>");
}

static void
check_each (const Way *way, const gchar *whence)
{
  g_autofree gchar *folder = kit_dovecot_folder (way->dovecot, "d");
  assert_mail (way, "b", 1);
  assert_mail (way, "d", 1);
  assert_mail (way, "c", 0);
  g_autoptr (GPtrArray) messages = kit_messages (folder);
  g_assert_nonnull (strstr (messages->pdata[0], whence));
  g_assert_nonnull (strstr (messages->pdata[0], "Subject: to each"));
  kit_wait_log (way->mailweir, "status=partial");
  kit_wait_log (way->mailweir, "; <c@up.test> 552 5.2.2 <c@up.test> Quota exceeded");
}

static void
test_each (gconstpointer more)
{
  Way way;
  if (!way_start (&way, "lmtp", FALSE, more))
    return;
  KitClient *client = kit_connect (way.port);
  say_to_each (client);
  kit_command (client, "QUIT", "221");
  kit_close (client);
  check_each (&way, "[127.0.0.1])");
  way_stop (&way);
}

/* UNIX sockets on both sides, and the same one before and after a reload. */
static void
test_sockets (void)
{
  GStatBuf before, after;
  Way way;
  if (!way_start (&way, "lmtp", TRUE, ""))
    return;
  KitClient *client = kit_connect_socket (way.socket);
  say_to_each (client);
  g_assert_cmpint (g_stat (way.socket, &before), ==, 0);
  g_assert_cmpint (before.st_mode & 0777, ==, 0666);
  kill (kit_pid (way.mailweir), SIGHUP);
  kit_wait_log (way.mailweir, "draining: open transactions are finished");
  KitClient *later = kit_connect_socket (way.socket);
  kit_expect (later, "220 mx.test LMTP");
  kit_command (later, "QUIT", "221");
  g_assert_cmpint (g_stat (way.socket, &after), ==, 0);
  g_assert_cmpuint (before.st_ino, ==, after.st_ino);
  kit_close (later);
  kit_close (client);
  check_each (&way, "(local socket)");
  kit_wait_log (way.mailweir, "client=unknown[local]");
  way_stop (&way);
}

/* Large enough for more than one write, and by BDAT. */
static void
test_chunks (void)
{
  Way way;
  if (!way_start (&way, "lmtp", FALSE, ""))
    return;
  g_autofree gchar *line = g_strnfill (70, 'x');
  g_autoptr (GString) text = g_string_new ("Subject: large\r\n\r\n");
  while (text->len < 300000)
    g_string_append_printf (text, "%s\r\n", line);
  g_autofree gchar *command = g_strdup_printf ("BDAT %" G_GSIZE_FORMAT " LAST\n", text->len);
  KitClient *client = kit_connect (way.port);
  kit_expect (client, "220 ");
  kit_command (client, "LHLO client.test", "250");
  kit_say (client, "MAIL FROM:<a@client.test>\nRCPT TO:<b@up.test>\nRCPT TO:<c@up.test>\n");
  kit_say (client, command);
  kit_say_bytes (client, text->str, text->len);
  kit_expect (client, "250");
  kit_expect (client, "250");
  kit_expect (client, "250");
  kit_expect (client, "250 2.0.0 <b@up.test>");
  kit_expect (client, "552 5.2.2 <c@up.test>");
  kit_close (client);
  assert_mail (&way, "b", 1);
  way_stop (&way);
}

/* ---- From SMTP, one recipient at a time ---- */

static void
test_smtp (void)
{
  Way way;
  if (!way_start (&way, "smtp", TRUE, ""))
    return;
  KitClient *client = kit_connect (way.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test>", "250");
  kit_command (client, "RCPT TO:<e@up.test>", "550 5.1.1");
  kit_command (client, "RCPT TO:<c@up.test>", "250");
  kit_command (client, "RCPT TO:<b@up.test>", "452 4.5.3");
  kit_command (client, "DATA", "354");
  kit_command (client, "Subject: one\n\ntext\n.", "552 5.2.2 <c@up.test> Quota exceeded");
  kit_command (client, "MAIL FROM:<a@client.test>", "250");
  kit_command (client, "RCPT TO:<b@up.test>", "250");
  kit_command (client, "DATA", "354");
  kit_command (client, "Subject: two\n\ntext\n.", "250 2.0.0 <b@up.test>");
  kit_close (client);
  assert_mail (&way, "b", 1);
  way_stop (&way);
}

/* Hands one message for b and d to a Postfix with these settings, which sends it to us. */
static KitPostfix *
send_by_postfix (const Way *way, const gchar *name, const gchar *format)
{
  const guint entrance = kit_port ();
  const gchar *reason;
  g_autofree gchar *where
      = strstr (format, "%s") != NULL ? g_strdup (way->socket) : g_strdup_printf ("%u", way->port);
  g_autoptr (GString) settings = g_string_new (format);
  g_string_replace (settings, "%s", where, 0);
  g_string_replace (settings, "%u", where, 0);
  KitPostfix *postfix = kit_postfix (name, entrance, settings->str, NULL, &reason);
  if (postfix == NULL)
    {
      g_test_skip (reason);
      return NULL;
    }
  KitClient *client = kit_connect (entrance);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test>", "250");
  kit_command (client, "RCPT TO:<b@far.test>", "250");
  kit_command (client, "RCPT TO:<d@far.test>", "250");
  kit_command (client, "DATA", "354");
  kit_command (client, "Subject: two\n\ntext\n.", "250");
  kit_close (client);
  return postfix;
}

#define TO_US "relayhost = [127.0.0.1]:%u\ndisable_dns_lookups = yes\nsmtp_host_lookup = native\n"

/* It keeps the others in its queue for minimal_backoff_time. */
static void
test_postfix_defers (void)
{
  Way way;
  if (!way_start (&way, "smtp", FALSE, ""))
    return;
  KitPostfix *postfix = send_by_postfix (&way, "postfix-defers", TO_US);
  if (postfix != NULL)
    {
      kit_postfix_wait_log (postfix, "status=sent (250 2.0.0 <b@far.test>");
      kit_postfix_wait_log (postfix, "status=deferred (host 127.0.0.1[127.0.0.1] said: 452 4.5.3");
      assert_mail (&way, "b", 1);
      assert_mail (&way, "d", 0);
      kit_postfix_stop (postfix);
    }
  way_stop (&way);
}

static void
test_postfix_alone (void)
{
  Way way;
  if (!way_start (&way, "smtp", FALSE, ""))
    return;
  KitPostfix *postfix
      = send_by_postfix (&way, "postfix-alone", TO_US "smtp_destination_recipient_limit = 1\n");
  if (postfix != NULL)
    {
      kit_postfix_wait_log (postfix, "status=sent (250 2.0.0 <b@far.test>");
      kit_postfix_wait_log (postfix, "status=sent (250 2.0.0 <d@far.test>");
      kit_postfix_stop (postfix);
    }
  way_stop (&way);
}

static void
test_postfix_lmtp (void)
{
  Way way;
  if (!way_start (&way, "lmtp", TRUE, ""))
    return;
  KitPostfix *postfix = send_by_postfix (&way, "postfix-lmtp",
                                         "default_transport = lmtp:unix:%s\n"
                                         "lmtp_tls_security_level = none\n");
  if (postfix != NULL)
    {
      kit_postfix_wait_log (postfix, "status=sent (250 2.0.0 <b@far.test>");
      kit_postfix_wait_log (postfix, "status=sent (250 2.0.0 <d@far.test>");
      kit_postfix_stop (postfix);
    }
  way_stop (&way);
}

/* swaks sends to whom it can, and says by its exit status that it was not all. */
static void
test_swaks (void)
{
  Way way;
  if (!kit_have ("swaks"))
    {
      g_test_skip ("swaks is not installed");
      return;
    }
  if (!way_start (&way, "lmtp", FALSE, ""))
    return;
  g_autofree gchar *server = g_strdup_printf ("127.0.0.1:%u", way.port);
  const gchar *argv[]
      = { "swaks", "--protocol",          "LMTP", "--server", server, "--from", "a@client.test",
          "--to",  "b@up.test,d@up.test", NULL };
  g_autofree gchar *output = NULL;
  gint status = kit_run (argv, &output);
  if (status != 0)
    g_error ("swaks: %d\n%s", status, output);
  assert_mail (&way, "b", 1);
  assert_mail (&way, "d", 1);
  way_stop (&way);
}

/* ---- mailweir send ---- */

static gint
send_three (const gchar *to, gchar **output)
{
  g_autofree gchar *mail = kit_path ("three.eml");
  g_autofree gchar *program = g_strdup (kit_program ("src/mailweir"));
  kit_write (mail, "Subject: three\n\ntext\n");
  const gchar *argv[] = { program,         "send",      "--to",      to,       "--from",
                          "a@client.test", "--rcpt",    "b@up.test", "--rcpt", "c@up.test",
                          "--rcpt",        "e@up.test", mail,        NULL };
  return kit_run (argv, output);
}

static void
test_send (gconstpointer by_socket)
{
  const gchar *reason;
  const guint port = kit_port ();
  KitDovecot *dovecot
      = kit_dovecot (by_socket != NULL ? "dovecot-send" : "dovecot-send-tcp", port, &reason);
  if (dovecot == NULL)
    {
      g_test_skip (reason);
      return;
    }
  g_autofree gchar *socket = kit_dovecot_socket (dovecot);
  g_autofree gchar *to = by_socket != NULL ? g_strdup_printf ("lmtp:%s", socket)
                                           : g_strdup_printf ("lmtp://127.0.0.1:%u", port);
  g_autofree gchar *output = NULL;
  g_assert_cmpint (send_three (to, &output), ==, 1);
  g_assert_nonnull (strstr (output, "250 2.0.0 <b@up.test>"));
  g_assert_nonnull (strstr (output, "552 5.2.2 <c@up.test> Quota exceeded"));
  g_assert_nonnull (strstr (output, "550 5.1.1 <e@up.test>"));
  g_autofree gchar *folder = kit_dovecot_folder (dovecot, "b");
  kit_wait_messages (folder, 1);
  kit_dovecot_stop (dovecot);
}

/* It is gone behind the first answer: whoever has one keeps it. */
static void
test_send_lost (void)
{
  static const KitStep steps[] = { { "LHLO", KIT_ANSWER, "250 up.test\n" },
                                   { ".", KIT_CLOSE, "250 2.0.0 b has it\n" },
                                   { NULL } };
  const guint port = kit_port ();
  KitServer *server = kit_server (port, NULL, steps);
  g_autofree gchar *to = g_strdup_printf ("lmtp://127.0.0.1:%u", port);
  g_autofree gchar *output = NULL;
  g_assert_cmpint (send_three (to, &output), ==, 75);
  g_assert_nonnull (strstr (output, "250 2.0.0 b has it"));
  g_assert_nonnull (strstr (output, "451 4.4.2"));
  g_assert_nonnull (strstr (output, "may have been accepted"));
  kit_server_stop (server);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/e2e/dovecot/each", "", test_each);
  g_test_add_data_func ("/e2e/dovecot/each-filtered", "filters = [\"trace\"]", test_each);
  g_test_add_func ("/e2e/dovecot/sockets", test_sockets);
  g_test_add_func ("/e2e/dovecot/chunks", test_chunks);
  g_test_add_func ("/e2e/dovecot/smtp", test_smtp);
  g_test_add_func ("/e2e/dovecot/postfix-defers", test_postfix_defers);
  g_test_add_func ("/e2e/dovecot/postfix-alone", test_postfix_alone);
  g_test_add_func ("/e2e/dovecot/postfix-lmtp", test_postfix_lmtp);
  g_test_add_func ("/e2e/dovecot/swaks", test_swaks);
  g_test_add_data_func ("/e2e/dovecot/send", NULL, test_send);
  g_test_add_data_func ("/e2e/dovecot/send-by-socket", "", test_send);
  g_test_add_func ("/e2e/dovecot/send-lost", test_send_lost);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
