/* Postfix behind us and in front of us. Fails when an answer of its own changes on the way, when a
 * message does, or when its queue does not empty through us. Skipped, with the reason, where a
 * private Postfix can not run. */
#include "kit.h"

#include <signal.h>
#include <string.h>

typedef struct
{
  guint port;
  guint upstream;
  KitPostfix *postfix;
  KitProcess *mailweir;
} Behind;

static gboolean
behind_start (Behind *behind)
{
  const gchar *reason;
  behind->upstream = kit_port ();
  g_autofree gchar *name = g_strdup_printf ("postfix-%u", behind->upstream);
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", behind->upstream);
  behind->postfix
      = kit_postfix (name, behind->upstream, "message_size_limit = 300000", NULL, &reason);
  if (behind->postfix == NULL)
    {
      g_test_skip (reason);
      return FALSE;
    }
  behind->port = kit_port ();
  behind->mailweir = kit_gateway (behind->port, to, NULL, NULL, NULL);
  return TRUE;
}

static void
behind_stop (Behind *behind)
{
  kit_gateway_stop (behind->mailweir);
  kit_postfix_stop (behind->postfix);
}

/* ---- Behind us ---- */

/* The lines with which swaks shows a refusal. */
static gchar *
refusal (guint port)
{
  g_autofree gchar *server = g_strdup_printf ("127.0.0.1:%u", port);
  const gchar *argv[]
      = { "swaks", "--timeout",      "20",       "--ehlo", "client.test", "--from", "a@client.test",
          "--to",  "nobody@up.test", "--server", server,   NULL };
  g_autofree gchar *output = NULL;
  g_autoptr (GString) lines = g_string_new (NULL);
  g_assert_cmpint (kit_run (argv, &output), ==, 24);
  g_auto (GStrv) all = g_strsplit (output, "\n", -1);
  for (guint i = 0; all[i] != NULL; i++)
    if (g_str_has_prefix (all[i], "<** "))
      g_string_append_printf (lines, "%s\n", all[i]);
  return g_strdup (lines->str);
}

static void
test_unknown_recipient (void)
{
  Behind behind;
  if (!behind_start (&behind))
    return;
  g_autofree gchar *direct = refusal (behind.upstream);
  g_autofree gchar *through = refusal (behind.port);
  g_assert_true (g_str_has_prefix (direct, "<** 550 5.1.1 <nobody@up.test>: Recipient"));
  g_assert_cmpstr (through, ==, direct);
  behind_stop (&behind);
}

static void
test_recipients (void)
{
  Behind behind;
  if (!behind_start (&behind))
    return;
  g_autofree gchar *folder = kit_postfix_folder (behind.postfix, "b");
  g_autofree gchar *other = kit_postfix_folder (behind.postfix, "c");
  KitClient *client = kit_connect (behind.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test>", "250");
  kit_command (client, "RCPT TO:<b@up.test>", "250 2.1.5 Ok");
  kit_command (client, "RCPT TO:<nobody@up.test>", "550 5.1.1 ");
  kit_command (client, "RCPT TO:<c@up.test>", "250 2.1.5 Ok");
  kit_command (client, "DATA", "354");
  kit_command (client, "Subject: both\n\ntext\n.", "250 2.0.0 Ok: queued as ");
  kit_command (client, "VRFY b", "252");
  kit_close (client);
  kit_wait_messages (folder, 1);
  kit_wait_messages (other, 1);
  behind_stop (&behind);
}

static void
test_size (void)
{
  Behind behind;
  if (!behind_start (&behind))
    return;
  g_autofree gchar *line = g_strnfill (900, 'x');
  g_autoptr (GString) text = g_string_new ("Subject: big\n\n");
  KitClient *client = kit_connect (behind.port);
  g_autofree gchar *offers = kit_greet (client);
  g_assert_nonnull (strstr (offers, "SIZE 300000\n"));
  kit_command (client, "MAIL FROM:<a@client.test> SIZE=400000", "552 5.3.4");
  while (text->len < 400000)
    g_string_append_printf (text, "%s\n", line);
  kit_open_message (client, "a@client.test", "b@up.test");
  g_string_append (text, ".");
  kit_command (client, text->str, "552 5.3.4");
  kit_open_message (client, "a@client.test", "b@up.test");
  kit_command (client, "Subject: small\n\ntext\n.", "250 2.0.0 Ok");
  kit_close (client);
  behind_stop (&behind);
}

/* What a signature is made over: header fields from the client's first one on, and the body. */
static gchar *
digest (const gchar *text)
{
  const gchar *start = strstr (text, "From: ");
  g_assert_nonnull (start);
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, start, -1);
}

static void
test_8bit_and_utf8 (void)
{
  static const gchar text[]
      = "From: \xc3\xa4@client.test\nSubject:  odd\n  folding \xc3\xa4 \n"
        "X-Tab:\tx\nDate: Sat, 1 Jan 2022 00:00:00 +0000\n"
        "Message-Id: <one@client.test>\n\n..\n.dot\n\xc3\xa4\xff \t\n\n\nend\n";
  Behind behind;
  if (!behind_start (&behind))
    return;
  g_autofree gchar *folder = kit_postfix_folder (behind.postfix, "u");
  g_autofree gchar *stuffed = g_strconcat (text, ".", NULL);
  g_autoptr (GString) content = g_string_new (text);
  g_string_replace (content, "\n.", "\n", 0);
  KitClient *client = kit_connect (behind.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<\xc3\xa4@client.test> SMTPUTF8 BODY=8BITMIME", "250");
  kit_command (client, "RCPT TO:<b\xc3\xbc@up.test>", "250 2.1.5");
  kit_command (client, "DATA", "354");
  kit_command (client, stuffed, "250 2.0.0 Ok");
  kit_close (client);
  kit_wait_messages (folder, 1);
  g_autoptr (GPtrArray) messages = kit_messages (folder);
  g_autofree gchar *sent = digest (content->str);
  g_autofree gchar *got = digest (messages->pdata[0]);
  g_assert_cmpstr (got, ==, sent);
  behind_stop (&behind);
}

/* NOTIFY=SUCCESS asks for a report, and Postfix makes one. */
static void
test_dsn (void)
{
  Behind behind;
  if (!behind_start (&behind))
    return;
  g_autofree gchar *folder = kit_postfix_folder (behind.postfix, "c");
  KitClient *client = kit_connect (behind.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<c@up.test> RET=HDRS ENVID=QQ314159", "250");
  kit_command (client, "RCPT TO:<b@up.test> NOTIFY=SUCCESS ORCPT=rfc822;first@up.test", "250");
  kit_command (client, "DATA", "354");
  kit_command (client, "Subject: report\n\nsecret\n.", "250 2.0.0 Ok");
  kit_close (client);
  kit_wait_messages (folder, 1);
  g_autoptr (GPtrArray) messages = kit_messages (folder);
  const gchar *report = messages->pdata[0];
  g_assert_nonnull (strstr (report, "Original-Envelope-Id: QQ314159"));
  g_assert_nonnull (strstr (report, "Original-Recipient: rfc822;first@up.test"));
  g_assert_null (strstr (report, "secret"));
  behind_stop (&behind);
}

/* ---- In front of us ---- */

typedef struct
{
  guint entrance; /* Postfix's */
  KitPostfix *postfix;
  KitServer *server;
  KitProcess *mailweir;
} Front;

static gboolean
front_start (Front *front, const KitStep *steps)
{
  const guint port = kit_port (), upstream = kit_port ();
  const gchar *reason;
  front->entrance = kit_port ();
  g_autofree gchar *name = g_strdup_printf ("postfix-%u", front->entrance);
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  g_autofree gchar *settings = g_strdup_printf ("relayhost = [127.0.0.1]:%u\n"
                                                "disable_dns_lookups = yes\n"
                                                "smtp_host_lookup = native\n",
                                                port);
  front->postfix = kit_postfix (name, front->entrance, settings, NULL, &reason);
  if (front->postfix == NULL)
    {
      g_test_skip (reason);
      return FALSE;
    }
  front->server = kit_server (upstream, "PIPELINING\n8BITMIME\nSIZE 50000000\nDSN", steps);
  front->mailweir = kit_gateway (port, to, NULL, NULL, NULL);
  return TRUE;
}

static void
front_stop (Front *front)
{
  kit_gateway_stop (front->mailweir);
  kit_postfix_stop (front->postfix);
  kit_server_stop (front->server);
}

static guint
arrived (const Front *front)
{
  g_autoptr (GPtrArray) messages = kit_server_messages (front->server);
  return messages->len;
}

static void
test_queue (void)
{
  Front front;
  if (!front_start (&front, NULL))
    return;
  g_autofree gchar *address = g_strdup_printf ("127.0.0.1:%u", front.entrance);
  const gchar *argv[] = { "smtp-source", "-f", "a@client.test", "-t",    "b@far.test", "-s",
                          "5",           "-m", "100",           address, NULL };
  g_assert_cmpint (kit_run (argv, NULL), ==, 0);
  for (guint i = 0; i < KIT_PATIENCE * 20 && arrived (&front) < 100; i++)
    g_usleep (50000);
  g_assert_cmpuint (arrived (&front), ==, 100);
  kit_postfix_wait_log (front.postfix, "status=sent (250 2.0.0 Recorded)");
  g_autofree gchar *log = kit_postfix_log (front.postfix);
  g_assert_null (strstr (log, "status=deferred"));
  g_assert_null (strstr (log, "status=bounced"));
  front_stop (&front);
}

static void
test_refusal_ends_in_its_log (void)
{
  static const KitStep steps[]
      = { { "RCPT TO:<bad@", KIT_ANSWER, "550 5.1.1 <bad@far.test>: not one of ours\n" },
          { NULL } };
  Front front;
  if (!front_start (&front, steps))
    return;
  g_autofree gchar *reply = kit_deliver (front.entrance, "bad@far.test", "Subject: x\n\ntext\n");
  g_assert_true (g_str_has_prefix (reply, "250"));
  kit_postfix_wait_log (front.postfix,
                        "said: 550 5.1.1 <bad@far.test>: not one of ours (in reply to RCPT TO");
  front_stop (&front);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/postfix/unknown-recipient", test_unknown_recipient);
  g_test_add_func ("/e2e/postfix/recipients", test_recipients);
  g_test_add_func ("/e2e/postfix/size", test_size);
  g_test_add_func ("/e2e/postfix/8bit-and-utf8", test_8bit_and_utf8);
  g_test_add_func ("/e2e/postfix/dsn", test_dsn);
  g_test_add_func ("/e2e/postfix/queue", test_queue);
  g_test_add_func ("/e2e/postfix/refusal", test_refusal_ends_in_its_log);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
