/* Mail servers behind us that no one here wrote: Exim, OpenSMTPD, Postfix, Dovecot's LMTP. The same
 * things are asked of each: to take messages unchanged, to refuse in its own words, to hang up.
 * Fails when a byte, a word or a message is lost on the way. Each is skipped, with the reason,
 * where it can not run. What each of them showed stands in docs/interoperability.md. */
#include <string.h>

#include "foreign-servers.h"
#include "kit-unpacked.h"

#define BIG 10000000

typedef struct
{
  const ForeignServer *kind; /* NULL: none runs */
  gpointer server;
  guint upstream;
  guint port;     /* Mailweir's, without TLS behind it */
  guint tls_port; /* ... with, verified */
  guint may_port; /* ... with, if it can be */
  KitProcess *mailweir;
} Way;

static Way way;

/* ---- One of them behind Mailweir ---- */

static void
way_end (void)
{
  if (way.kind == NULL)
    return;
  kit_gateway_stop (way.mailweir);
  way.kind->stop (way.server);
  way.kind = NULL;
}

static gboolean
is_lmtp (void)
{
  return g_str_has_prefix (way.kind->hello, "LHLO");
}

static void
start_mailweir (const ForeignServer *kind)
{
  const gchar *scheme = is_lmtp () ? "lmtp" : "smtp";
  g_autofree gchar *config = g_strdup_printf (
      "hostname = \"mx.test\"\n"
      "listener \"in\" { bind = \"127.0.0.1:%u\" routes = [\"up\"] }\n"
      "listener \"tls\" { bind = \"127.0.0.1:%u\" routes = [\"verified\"] }\n"
      "listener \"may\" { bind = \"127.0.0.1:%u\" routes = [\"may\"] }\n"
      "route \"may\" { to = \"%s://127.0.0.1:%u\" }\n"
      "route \"up\" { to = \"%s://127.0.0.1:%u\" tls = \"off\" }\n"
      "route \"verified\" { to = \"%s://127.0.0.1:%u\" tls = \"verified\" tls-name = \"up.test\""
      " tls-ca = \"%s/ca.pem\" }\n",
      way.port, way.tls_port, way.may_port, scheme, way.upstream, scheme, way.upstream, scheme,
      way.upstream, kit_folder ());
  g_autofree gchar *name = g_strdup_printf ("mailweir-%s", kind->name);
  way.mailweir = kit_mailweir_named (name, config);
}

/* Tests come kind by kind: each is started once. FALSE: the test is skipped. */
static gboolean
way_begin (const ForeignServer *kind)
{
  const gchar *reason = NULL;
  if (way.kind == kind)
    return TRUE;
  way_end ();
  kit_certificate ("up", "up.test");
  way.upstream = kit_port ();
  way.server = kind->start (kind->name, way.upstream, &reason);
  if (way.server == NULL)
    {
      g_test_skip (reason);
      return FALSE;
    }
  way.kind = kind;
  way.port = kit_port ();
  way.tls_port = kit_port ();
  way.may_port = kit_port ();
  start_mailweir (kind);
  g_autofree gchar *version = kind->version (way.server);
  g_test_message ("%s", version);
  return TRUE;
}

/* The only message of this subject there, from its first field on, once it is there. */
static gchar *
mail_of (const gchar *user, const gchar *subject)
{
  g_autofree gchar *folder = way.kind->folder (way.server, user);
  g_autofree gchar *line = g_strdup_printf ("\nSubject: %s\n", subject);
  gchar *found = NULL;
  for (guint i = 0; found == NULL && i < KIT_PATIENCE * 20; i++)
    {
      g_autoptr (GPtrArray) messages = kit_messages (folder);
      for (guint m = 0; m < messages->len; m++)
        if (strstr (messages->pdata[m], line) != NULL)
          {
            g_assert_null (found);
            found = g_strdup (strstr (messages->pdata[m], "From: "));
          }
      if (found == NULL)
        g_usleep (50000);
    }
  if (found == NULL)
    g_error ("\"%s\" never arrived at %s", subject, user);
  return found;
}

static gchar *
text_of (const gchar *subject, const gchar *body)
{
  return g_strdup_printf ("From: \xc3\xa4 <a@client.test>\nSubject: %s\nTo: b@up.test\n"
                          "X-Folded:  one\n\ttwo \n"
                          "Date: Sat, 1 Jan 2022 00:00:00 +0000\n"
                          "Message-Id: <%s@client.test>\n\n%s",
                          subject, subject, body);
}

/* What a Maildir holds of these lines; `end` is not of it. */
static void
assert_arrived (const gchar *user, const gchar *subject, const gchar *text)
{
  g_autofree gchar *got = mail_of (user, subject);
  if (strcmp (got, text) != 0)
    g_error ("sent:\n%.2000s\ngot:\n%.2000s", text, got);
}

/* Dots stuffed, the final one behind it. In one pass: g_string_replace() would take minutes for a
 * big one. */
static void
say_data (KitClient *client, const gchar *text)
{
  g_autoptr (GString) wire = g_string_sized_new (strlen (text) * 2);
  for (const gchar *next = text; *next != '\0'; next++)
    if (*next == '\n')
      g_string_append (wire, next[1] == '.' ? "\r\n." : "\r\n");
    else
      g_string_append_c (wire, *next);
  g_string_append (wire, ".\r\n");
  kit_say_bytes (client, wire->str, wire->len);
}

/* MAIL to DATA and the end of it. */
static void
send_text (KitClient *client, const gchar *to, const gchar *text)
{
  g_autofree gchar *rcpt = g_strdup_printf ("RCPT TO:<%s@up.test>", to);
  kit_command (client, "MAIL FROM:<a@client.test>", "250 ");
  kit_command (client, rcpt, "250 ");
  kit_command (client, "DATA", "354 ");
  say_data (client, text);
  kit_expect (client, "250 ");
}

static gchar *
end_session (KitClient *client)
{
  kit_command (client, "QUIT", "221 ");
  gchar *rest = kit_reply (client);
  kit_close (client);
  return rest;
}

/* ---- What is asked of each ---- */

static void
test_bytes (gconstpointer kind)
{
  static const gchar body[] = ".\n..\n.dot\n\xc3\xa4 \xe4\xff\x80 \t\n \n\n\nend \n\n";
  if (!way_begin (kind))
    return;
  g_autofree gchar *text = text_of ("bytes", body);
  KitClient *client = kit_connect (way.port);
  g_autofree gchar *offers = kit_greet (client);
  g_test_message ("what we offer in front of it: %s",
                  g_strdelimit (g_strchomp (offers), "\n", ' '));
  kit_command (client, "MAIL FROM:<a@client.test> BODY=8BITMIME", "250 ");
  kit_command (client, "RCPT TO:<b@up.test>", "250 ");
  kit_command (client, "DATA", "354 ");
  say_data (client, text);
  kit_expect (client, "250 ");
  g_free (end_session (client));
  assert_arrived ("b", "bytes", text);
}

/* The second recipient of an LMTP server comes again in a transaction of its own. */
static void
test_recipients (gconstpointer kind)
{
  if (!way_begin (kind))
    return;
  const gchar *other = is_lmtp () ? "d" : "c";
  g_autofree gchar *second = g_strdup_printf ("RCPT TO:<%s@up.test>", other);
  g_autofree gchar *text = text_of ("both", "text\n");
  KitClient *client = kit_connect (way.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test>", "250 ");
  kit_command (client, "RCPT TO:<b@up.test>", "250 ");
  kit_command (client, second, is_lmtp () ? "452 4.5.3 " : "250 ");
  kit_command (client, "DATA", "354 ");
  say_data (client, text);
  kit_expect (client, "250 ");
  if (is_lmtp ())
    send_text (client, other, text);
  g_free (end_session (client));
  assert_arrived ("b", "both", text);
  assert_arrived (other, "both", text);
}

/* What it says to us is what our client hears. */
static gchar *
refusal_of (guint port, const gchar *hello)
{
  KitClient *client = kit_connect (port);
  kit_expect (client, "220");
  kit_command (client, hello, "250");
  kit_command (client, "MAIL FROM:<a@client.test>", "250 ");
  kit_say (client, "RCPT TO:<noone@up.test>\n");
  gchar *reply = kit_reply (client);
  kit_say (client, "QUIT\n");
  kit_close (client);
  return reply;
}

static void
test_refused_recipient (gconstpointer kind)
{
  if (!way_begin (kind))
    return;
  g_autofree gchar *direct = refusal_of (way.upstream, way.kind->hello);
  g_autofree gchar *through = refusal_of (way.port, "EHLO client.test");
  g_assert_true (g_str_has_prefix (direct, "550"));
  g_assert_cmpstr (through, ==, direct);
  g_test_message ("what nobody hears: %s", g_strchomp (direct));
  g_autofree gchar *text = text_of ("beside", "text\n");
  KitClient *client = kit_connect (way.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test>", "250 ");
  kit_command (client, "RCPT TO:<noone@up.test>", "550");
  kit_command (client, "RCPT TO:<b@up.test>", "250 ");
  kit_command (client, "RCPT TO:<nil@up.test>", is_lmtp () ? "452 4.5.3 " : "550");
  kit_command (client, "DATA", "354 ");
  say_data (client, text);
  kit_expect (client, "250 ");
  g_free (end_session (client));
  assert_arrived ("b", "beside", text);
}

/* Refused behind the data; the same session goes on, and on the same connection upstream. */
static void
test_refused_message (gconstpointer kind)
{
  if (!way_begin (kind))
    return;
  g_autofree gchar *text = text_of ("refuse", "text\n");
  g_autofree gchar *later = text_of ("later", "text\n");
  g_autofree gchar *rcpt = g_strdup_printf ("RCPT TO:<%s@up.test>", way.kind->refused_to);
  KitClient *client = kit_connect (way.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<refuse@client.test>", "250 ");
  kit_command (client, rcpt, "250 ");
  kit_command (client, "DATA", "354 ");
  say_data (client, text);
  kit_expect (client, way.kind->refuses);
  send_text (client, "b", later);
  g_free (end_session (client));
  assert_arrived ("b", "later", later);
}

static gchar *
big_text (const gchar *subject)
{
  g_autoptr (GString) body = g_string_sized_new (BIG + 100);
  for (guint line = 0; body->len < BIG; line++)
    g_string_append_printf (body, "%08u %s\n", line,
                            "the quick brown fox jumps over the lazy dog, time and again");
  return text_of (subject, body->str);
}

static void
test_big (gconstpointer kind)
{
  if (!way_begin (kind))
    return;
  g_autofree gchar *text = big_text ("big");
  KitClient *client = kit_connect (way.port);
  g_free (kit_greet (client));
  send_text (client, "b", text);
  g_free (end_session (client));
  assert_arrived ("b", "big", text);
}

/* A first chunk that ends within a line, an empty last one. By DATA to a server that has no BDAT.
 */
static void
test_chunks (gconstpointer kind)
{
  if (!way_begin (kind))
    return;
  g_autofree gchar *text = text_of ("chunks", ".\n..\n.dot\ntext\n");
  g_autoptr (GString) wire = g_string_new (text);
  g_string_replace (wire, "\n", "\r\n", 0);
  const gsize half = wire->len - 4;
  g_autofree gchar *first = g_strdup_printf ("BDAT %" G_GSIZE_FORMAT "\n", half);
  KitClient *client = kit_connect (way.port);
  g_free (kit_greet (client));
  kit_say (client, "MAIL FROM:<a@client.test>\nRCPT TO:<b@up.test>\n");
  kit_say (client, first);
  kit_say_bytes (client, wire->str, half);
  kit_say (client, "BDAT 4\n");
  kit_say_bytes (client, wire->str + half, 4);
  kit_say (client, "BDAT 0 LAST\n");
  for (guint i = 0; i < 5; i++)
    kit_expect (client, "250"); /* Exim's has two lines */
  g_free (end_session (client));
  assert_arrived ("b", "chunks", text);
  if (strcmp (way.kind->name, "exim") == 0)
    kit_exim_wait_log (way.server, " K S="); /* what it notes of BDAT */
}

/* All that RFC 2920 lets a client write at once, to a server that may not have it. */
static void
test_pipelined (gconstpointer kind)
{
  if (!way_begin (kind))
    return;
  KitClient *client = kit_connect (way.port);
  g_free (kit_greet (client));
  for (guint i = 0; i < 2; i++)
    {
      kit_say (client, "MAIL FROM:<a@client.test>\nRCPT TO:<noone@up.test>\n"
                       "RCPT TO:<b@up.test>\nDATA\n");
      kit_expect (client, "250 ");
      kit_expect (client, "550");
      kit_expect (client, "250 ");
      kit_expect (client, "354 ");
      g_autofree gchar *one = text_of (i == 0 ? "piped-0" : "piped-1", "text\n");
      say_data (client, one);
      kit_expect (client, "250 ");
    }
  g_free (end_session (client));
  g_free (mail_of ("b", "piped-0"));
  g_free (mail_of ("b", "piped-1"));
}

/* NOTIFY=SUCCESS asks for a report; RET=HDRS keeps the body out of it. */
static void
test_dsn (gconstpointer kind)
{
  if (!way_begin (kind))
    return;
  KitClient *client = kit_connect (way.port);
  g_autofree gchar *offers = kit_greet (client);
  g_assert_true ((strstr (offers, "DSN") != NULL) == way.kind->dsn);
  if (way.kind->dsn)
    {
      g_autofree gchar *text = text_of ("reported", "secret\n");
      g_autofree gchar *folder = way.kind->folder (way.server, "c");
      kit_command (client, "MAIL FROM:<c@up.test> RET=HDRS ENVID=QQ314159", "250 ");
      kit_command (client, "RCPT TO:<b@up.test> NOTIFY=SUCCESS ORCPT=rfc822;first@up.test", "250 ");
      kit_command (client, "DATA", "354 ");
      say_data (client, text);
      kit_expect (client, "250 ");
      g_autofree gchar *report = NULL;
      for (guint i = 0; report == NULL && i < KIT_PATIENCE * 20; i++)
        {
          g_autoptr (GPtrArray) messages = kit_messages (folder);
          for (guint m = 0; m < messages->len; m++)
            if (strstr (messages->pdata[m], "Message-Id: <reported@") != NULL)
              report = g_strdup (messages->pdata[m]);
          g_usleep (50000);
        }
      g_assert_nonnull (report);
      g_assert_nonnull (strstr (report, "message/delivery-status"));
      g_assert_null (strstr (report, "secret"));
      g_test_message ("its report %s the envelope's id, %s the original recipient",
                      strstr (report, "QQ314159") != NULL ? "has" : "lacks",
                      strstr (report, "rfc822;first@up.test") != NULL ? "has" : "lacks");
    }
  g_free (end_session (client));
}

/* Whether another program can shake hands with it. OpenSMTPD 6.8 on OpenSSL 3 can not. */
static gboolean
can_shake_hands (void)
{
  g_autofree gchar *command = g_strdup_printf (
      "echo QUIT | openssl s_client -starttls smtp -connect 127.0.0.1:%u", way.upstream);
  const gchar *argv[] = { "sh", "-c", command, NULL };
  return kit_run (argv, NULL) == 0;
}

static void
assert_encrypted (void)
{
  g_autofree gchar *one = text_of ("encrypted-1", "text\n");
  g_autofree gchar *two = text_of ("encrypted-2", "text\n");
  KitClient *client = kit_connect (way.tls_port);
  g_free (kit_greet (client));
  send_text (client, "b", one);
  send_text (client, "b", two);
  g_free (end_session (client));
  assert_arrived ("b", "encrypted-1", one);
  assert_arrived ("b", "encrypted-2", two);
}

/* Verified where it can be: nothing goes in plaintext, nothing is lost. Opportunistic: it goes. */
static void
test_tls (gconstpointer kind)
{
  if (!way_begin (kind))
    return;
  if (!way.kind->tls)
    {
      g_test_skip ("it offers no STARTTLS here");
      return;
    }
  gboolean works = can_shake_hands ();
  g_test_message ("its handshake %s", works ? "works" : "fails with any client");
  if (works)
    assert_encrypted ();
  else
    {
      KitClient *client = kit_connect (way.tls_port);
      g_free (kit_greet (client));
      kit_command (client, "MAIL FROM:<a@client.test>", "250 ");
      kit_command (client, "RCPT TO:<b@up.test>", "451 4.7.5 ");
      g_free (end_session (client));
    }
  g_autofree gchar *text = text_of ("opportunistic", "text\n");
  KitClient *client = kit_connect (way.may_port);
  g_free (kit_greet (client));
  send_text (client, "b", text);
  g_free (end_session (client));
  assert_arrived ("b", "opportunistic", text);
}

/* It has ended the connection that we keep: the next message goes over a new one, once. */
static void
test_idle (gconstpointer kind)
{
  if (!way_begin (kind))
    return;
  g_autofree gchar *before = text_of ("before-idle", "text\n");
  g_autofree gchar *after = text_of ("after-idle", "text\n");
  KitClient *client = kit_connect (way.port);
  g_free (kit_greet (client));
  send_text (client, "b", before);
  if (way.kind->wait_idle_end != NULL)
    way.kind->wait_idle_end (way.server);
  else
    {
      const gchar *reason = NULL;
      way.kind->stop (way.server);
      way.server = way.kind->start (way.kind->name, way.upstream, &reason);
    }
  send_text (client, "b", after);
  g_free (end_session (client));
  assert_arrived ("b", "before-idle", before);
  assert_arrived ("b", "after-idle", after);
}

static void
add_tests (const ForeignServer *kind)
{
  static const struct
  {
    const gchar *name;
    GTestDataFunc run;
  } tests[] = { { "bytes", test_bytes },
                { "recipients", test_recipients },
                { "refused-recipient", test_refused_recipient },
                { "refused-message", test_refused_message },
                { "big", test_big },
                { "chunks", test_chunks },
                { "pipelined", test_pipelined },
                { "dsn", test_dsn },
                { "tls", test_tls },
                { "idle", test_idle } };
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree gchar *path
          = g_strdup_printf ("/e2e/foreign-servers/%s/%s", kind->name, tests[i].name);
      g_test_add_data_func (path, kind, tests[i].run);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < FOREIGN_SERVERS; i++)
    add_tests (&foreign_servers[i]);
  gint result = g_test_run ();
  way_end ();
  kit_finish ();
  return result;
}
