/* Mail servers before us, which have a queue: Exim and Postfix take a message and hand it to us.
 * The same things are asked of both. Fails when a message is lost, doubled or changed, or when a
 * refusal does not come back to the sender. Each is skipped, with the reason, where it can not run.
 * What they showed stands in docs/interoperability.md. */
#include <string.h>

#include "kit-tap.h"
#include "kit-unpacked.h"

#define BIG 10000000

typedef struct
{
  const gchar *name;
  const gchar *(*start) (void); /* NULL: it runs, else why it can not */
  gchar *(*log) (void);
  void (*stop) (void);
  const gchar *delivered; /* how its log ends the line of a message that went out */
  const gchar *verified;  /* what it logs of a certificate that holds */
} Sender;

static const Sender *running;
static KitExim *exim;
static KitPostfix *postfix;
static guint entrance; /* the sender's */
static guint port;     /* Mailweir's: all the rest */
static guint tapped;   /* ... the same, by the tap */
static guint filtered; /* ... for filtered.test */
static guint tls;      /* ... for tls.test */
static guint alone;    /* ... for alone.test: LMTP, one recipient a transaction */
static KitTap *tap;
static KitServer *server;
static KitServer *lmtp;
static KitProcess *mailweir;

static const gchar config[]
    = "hostname = \"mx.test\"\n"
      "tls { certificate = \"%s/localhost.pem\" key = \"%s/localhost.key\" }\n"
      "listener \"in\" { bind = \"127.0.0.1:%u\" routes = \"up\" }\n"
      "listener \"tls\" { bind = \"127.0.0.1:%u\" tls = \"starttls\" routes = \"up\" }\n"
      "listener \"alone\" { bind = \"127.0.0.1:%u\" routes = \"lmtp\" }\n"
      "listener \"filtered\" { bind = \"127.0.0.1:%u\" filters = \"exe\" routes = \"up\" }\n"
      "route \"up\" { to = \"smtp://127.0.0.1:%u\" }\n"
      "route \"lmtp\" { to = \"lmtp://127.0.0.1:%u\" }\n"
      "filter \"exe\" { module = \"attachments\" deny = \"exe\" action = \"reject\" timeout = 60s "
      "}\n";

static const KitStep steps[] = { { "RCPT TO:<bad@", KIT_ANSWER, "550 5.1.1 Nobody of that name\n" },
                                 { "RCPT TO:<later@", KIT_ANSWER, "451 4.7.1 Come later\n" },
                                 { NULL } };

static const KitStep lmtp_steps[] = { { "LHLO", KIT_ANSWER, "250 up.test\n" }, { NULL } };

/* ---- The two ---- */

static const gchar *
start_exim (void)
{
  const gchar *reason = NULL;
  g_autofree gchar *onward
      = g_strdup_printf ("filtered.test 127.0.0.1::%u ; tls.test 127.0.0.1::%u ; "
                         "alone.test 127.0.0.1::%u ; * 127.0.0.1::%u",
                         filtered, tls, alone, tapped);
  g_autofree gchar *transport
      = g_strdup_printf ("  multi_domain = false\n"
                         "  hosts_require_tls = ${if eq{$domain}{tls.test}{*}{}}\n"
                         "  tls_verify_hosts = *\n"
                         "  tls_verify_certificates = %s/ca.pem\n"
                         "  tls_verify_cert_hostnames =\n",
                         kit_folder ());
  exim = kit_exim ("exim", entrance, NULL, onward, transport, &reason);
  if (exim == NULL)
    return reason;
  g_autofree gchar *version = kit_exim_version (exim);
  g_test_message ("%s", version);
  return NULL;
}

static gchar *
exim_log (void)
{
  return kit_exim_log (exim);
}

static void
exim_stop (void)
{
  kit_exim_stop (exim);
}

static const gchar *
start_postfix (void)
{
  const gchar *reason = NULL;
  const gchar *ask[] = { "postconf", "-d", "-h", "mail_version", NULL };
  g_autofree gchar *version = NULL;
  g_autofree gchar *settings = g_strdup_printf (
      "relayhost = [127.0.0.1]:%u\n"
      "disable_dns_lookups = yes\n"
      "smtp_host_lookup = native\n"
      "transport_maps = inline:{ { filtered.test = smtp:[127.0.0.1]:%u },"
      " { tls.test = smtp:[127.0.0.1]:%u }, { alone.test = smtp:[127.0.0.1]:%u } }\n"
      "smtp_tls_policy_maps = inline:{ { [127.0.0.1]:%u = secure match=localhost } }\n"
      "smtp_tls_CAfile = %s/ca.pem\n"
      "smtp_tls_loglevel = 1\n"
      "message_size_limit = 50000000\n",
      tapped, filtered, tls, alone, tls, kit_folder ());
  postfix = kit_postfix ("postfix", entrance, settings, NULL, &reason);
  if (postfix == NULL)
    return reason;
  kit_run (ask, &version);
  g_test_message ("Postfix %s", g_strstrip (version));
  return NULL;
}

static gchar *
postfix_log (void)
{
  return kit_postfix_log (postfix);
}

static void
postfix_stop (void)
{
  kit_postfix_stop (postfix);
}

static const Sender senders[] = {
  { "exim", start_exim, exim_log, exim_stop, "C=\"250 2.0.0 Recorded\"", " CV=yes" },
  { "postfix", start_postfix, postfix_log, postfix_stop, "status=sent (250 2.0.0 Recorded)",
    "Verified TLS connection established" },
};

/* ---- One of them before Mailweir ---- */

static void
end (void)
{
  if (running == NULL)
    return;
  running->stop ();
  kit_tap_stop (tap);
  kit_gateway_stop (mailweir);
  g_assert_cmpuint (kit_server_bare_newlines (server), ==, 0);
  kit_server_stop (server);
  kit_server_stop (lmtp);
  running = NULL;
}

static void
start_mailweir (void)
{
  const gchar *f = kit_folder ();
  const guint upstream = kit_port (), upstream_lmtp = kit_port ();
  kit_certificate ("localhost", "localhost");
  server = kit_server (upstream, "PIPELINING\n8BITMIME\nSIZE 50000000\nSMTPUTF8\nDSN", steps);
  lmtp = kit_server (upstream_lmtp, NULL, lmtp_steps);
  port = kit_port ();
  filtered = kit_port ();
  tls = kit_port ();
  alone = kit_port ();
  tapped = kit_port ();
  g_autofree gchar *text
      = g_strdup_printf (config, f, f, port, tls, alone, filtered, upstream, upstream_lmtp);
  mailweir = kit_mailweir (text);
  tap = kit_tap (tapped, port);
}

/* FALSE: the test is skipped. */
static gboolean
begin (const Sender *sender)
{
  if (running == sender)
    {
      kit_server_forget (server);
      kit_server_forget (lmtp);
      return TRUE;
    }
  end ();
  entrance = kit_port ();
  start_mailweir ();
  running = sender;
  const gchar *reason = sender->start ();
  if (reason == NULL)
    return TRUE;
  g_test_skip (reason);
  kit_tap_stop (tap);
  kit_gateway_stop (mailweir);
  kit_server_stop (server);
  kit_server_stop (lmtp);
  running = NULL;
  return FALSE;
}

static void
wait_log (const gchar *text)
{
  g_autofree gchar *log = NULL;
  for (guint i = 0; i < KIT_PATIENCE * 20; i++)
    {
      g_free (log);
      log = running->log ();
      if (strstr (log, text) != NULL)
        return;
      g_usleep (50000);
    }
  g_error ("%s never said \"%s\":\n%s", running->name, text, log);
}

/* Hands it in; it waits in the sender's queue from now on. `params` stand behind each recipient. */
static void
hand_in (guint entrance_port, const gchar *recipients, const gchar *params, const gchar *text)
{
  g_auto (GStrv) all = g_strsplit (recipients, ",", -1);
  g_autoptr (GString) wire = g_string_sized_new (strlen (text) * 2);
  KitClient *client = kit_connect (entrance_port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test> BODY=8BITMIME", "250");
  for (guint i = 0; all[i] != NULL; i++)
    {
      g_autofree gchar *rcpt = g_strdup_printf ("RCPT TO:<%s>%s", all[i], params);
      kit_command (client, rcpt, "250");
    }
  kit_command (client, "DATA", "354");
  for (const gchar *next = text; *next != '\0'; next++)
    if (*next == '\n')
      g_string_append (wire, next[1] == '.' ? "\r\n." : "\r\n");
    else
      g_string_append_c (wire, *next);
  g_string_append (wire, ".\r\n");
  kit_say_bytes (client, wire->str, wire->len);
  kit_expect (client, "250");
  kit_command (client, "QUIT", "221");
  kit_close (client);
}

static gchar *
text_of (const gchar *subject, const gchar *body)
{
  return g_strdup_printf ("From: \xc3\xa4 <a@client.test>\nSubject: %s\nTo: b@far.test\n"
                          "X-Folded:  one\n\ttwo \n"
                          "Date: Sat, 1 Jan 2022 00:00:00 +0000\n"
                          "Message-Id: <%s@client.test>\n%s",
                          subject, subject, body);
}

/* Waits for the message with these words, at one of the two destinations. */
static gchar *
arrived (KitServer *where, const gchar *words)
{
  for (guint i = 0; i < KIT_PATIENCE * 20; i++)
    {
      g_autoptr (GPtrArray) messages = kit_server_messages (where);
      for (guint m = 0; m < messages->len; m++)
        {
          gsize size;
          const gchar *data = g_bytes_get_data (messages->pdata[m], &size);
          if (g_strstr_len (data, size, words) != NULL)
            return g_strndup (data, size);
        }
      g_usleep (50000);
    }
  g_autofree gchar *log = running->log ();
  g_error ("nothing with \"%s\" arrived:\n%s", words, log);
}

static guint
count (KitServer *where)
{
  g_autoptr (GPtrArray) messages = kit_server_messages (where);
  return messages->len;
}

/* Once, and unchanged from its first field on. */
static void
assert_arrived (const gchar *subject, const gchar *text)
{
  g_autofree gchar *words = g_strdup_printf ("\r\nSubject: %s\r\n", subject);
  g_autofree gchar *got = arrived (server, words);
  gchar *plain = strstr (got, "From: ");
  gchar *end = plain;
  for (const gchar *next = plain; *next != '\0'; next++)
    if (*next != '\r')
      *end++ = *next;
  *end = '\0';
  if (strcmp (plain, text) != 0)
    g_error ("sent:\n%.2000s\ngot:\n%.2000s", text, plain);
  g_assert_cmpuint (count (server), ==, 1);
}

/* ---- What is asked of each ---- */

/* The commands that went by since then, in one line. */
static gchar *
heard_since (guint start)
{
  g_autoptr (GPtrArray) heard = kit_tap_heard (tap);
  GString *told = g_string_new (NULL);
  for (guint i = start; i < heard->len; i++)
    {
      const gchar *text = heard->pdata[i];
      g_auto (GStrv) lines = g_strsplit (text, "\r\n", -1);
      g_string_append (told, *text == '\0' ? ", " : "");
      for (guint l = 0; lines[l] != NULL; l++)
        if (g_regex_match_simple ("^(EHLO|MAIL|RCPT|DATA|BDAT|RSET|QUIT|CONNECT|CLOSE)", lines[l],
                                  0, 0))
          g_string_append_printf (told, "%s%s", l > 0 ? " + " : "", lines[l]);
    }
  return g_string_free (told, FALSE);
}

static void
test_message (gconstpointer sender)
{
  static const gchar body[] = "\n.\n..\n.dot\n\xc3\xa4 \xe4\xff\x80 \t\n \n\n\nend \n\n";
  if (!begin (sender))
    return;
  g_autofree gchar *text = text_of ("bytes", body);
  hand_in (entrance, "b@far.test,c@far.test,d@far.test", "", text);
  assert_arrived ("bytes", text);
  wait_log (running->delivered);
  g_assert_cmpuint (kit_server_count (server, "RCPT"), ==, 3);
  g_autofree gchar *heard = heard_since (0);
  g_test_message ("it writes: %s", heard);
}

/* The others have it, and the report about the one comes through us, from nobody. */
static void
test_refused_recipient (gconstpointer sender)
{
  if (!begin (sender))
    return;
  g_autofree gchar *text = text_of ("beside", "\ntext\n");
  hand_in (entrance, "b@far.test,bad@far.test,c@far.test", "", text);
  g_free (arrived (server, "\r\nSubject: beside\r\nTo: b@far.test\r\nX-Folded:  one"));
  g_autofree gchar *report = arrived (server, "5.1.1 Nobody of that name");
  g_assert_nonnull (strstr (report, "bad@far.test"));
  g_assert_cmpuint (kit_server_count (server, "MAIL FROM:<>"), ==, 1);
  g_assert_cmpuint (count (server), ==, 2);
}

static void
test_deferred_recipient (gconstpointer sender)
{
  if (!begin (sender))
    return;
  g_autofree gchar *text = text_of ("sooner", "\ntext\n");
  hand_in (entrance, "b@far.test,later@far.test,c@far.test", "", text);
  wait_log ("451 4.7.1 Come later");
  assert_arrived ("sooner", text);
  wait_log (running->delivered);
  g_test_message ("it asked %u times for the one", kit_server_count (server, "RCPT TO:<later@"));
}

/* A filter's refusal behind the data ends in a report to the sender. */
static void
test_refused_message (gconstpointer sender)
{
  if (!begin (sender))
    return;
  g_autofree gchar *text = text_of (
      "program", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\n"
                 "run it\n--x\nContent-Type: application/octet-stream\n"
                 "Content-Disposition: attachment; filename=setup.exe\n\nMZ\n--x--\n");
  hand_in (entrance, "b@filtered.test", "", text);
  g_autofree gchar *report = arrived (server, "b@filtered.test");
  g_assert_nonnull (strstr (report, "550 5.7.1 "));
  g_assert_cmpuint (kit_server_count (server, "MAIL FROM:<>"), ==, 1);
  g_assert_cmpuint (count (server), ==, 1);
}

static void
test_big (gconstpointer sender)
{
  if (!begin (sender))
    return;
  g_autoptr (GString) body = g_string_sized_new (BIG + 100);
  g_string_append_c (body, '\n');
  for (guint line = 0; body->len < BIG; line++)
    g_string_append_printf (body, "%08u %s\n", line,
                            "the quick brown fox jumps over the lazy dog, time and again");
  g_autofree gchar *text = text_of ("big", body->str);
  hand_in (entrance, "b@far.test", "", text);
  assert_arrived ("big", text);
}

static void
test_tls (gconstpointer sender)
{
  if (!begin (sender))
    return;
  g_autofree gchar *text = text_of ("encrypted", "\ntext\n");
  hand_in (entrance, "b@tls.test", "", text);
  assert_arrived ("encrypted", text);
  wait_log (running->verified);
  g_autofree gchar *got = arrived (server, "Subject: encrypted");
  g_assert_nonnull (strstr (got, " with ESMTPS id "));
}

static void
test_dsn (gconstpointer sender)
{
  if (!begin (sender))
    return;
  g_autofree gchar *text = text_of ("reported", "\ntext\n");
  hand_in (entrance, "b@far.test", " NOTIFY=SUCCESS ORCPT=rfc822;first@far.test", text);
  assert_arrived ("reported", text);
  /* In the order that it likes. */
  g_assert_cmpuint (kit_server_count (server, "RCPT TO:<b@far.test> NOTIFY=SUCCESS"
                                              " ORCPT=rfc822;first@far.test")
                        + kit_server_count (server, "RCPT TO:<b@far.test>"
                                                    " ORCPT=rfc822;first@far.test NOTIFY=SUCCESS"),
                    ==, 1);
}

/* Behind us is an LMTP server: the second recipient hears 452 4.5.3, and waits in the sender's
 * queue. */
static void
test_alone (gconstpointer sender)
{
  if (!begin (sender))
    return;
  g_autofree gchar *text = text_of ("alone", "\ntext\n");
  hand_in (entrance, "b@alone.test,c@alone.test", "", text);
  g_free (arrived (lmtp, "Subject: alone"));
  wait_log ("4.5.3");
  wait_log (running->delivered);
  g_assert_cmpuint (count (lmtp), ==, 1);
}

/* ... unless it is told to send to one at a time. Postfix has the like in test-dovecot. */
static void
test_one_each (void)
{
  const gchar *reason = NULL;
  if (!begin (&senders[0]))
    return;
  const guint other = kit_port ();
  g_autofree gchar *onward = g_strdup_printf ("* 127.0.0.1::%u", alone);
  g_autofree gchar *text = text_of ("each", "\ntext\n");
  KitExim *one = kit_exim ("exim-one", other, NULL, onward, "  max_rcpt = 1\n", &reason);
  hand_in (other, "b@alone.test,c@alone.test", "", text);
  for (guint i = 0; i < KIT_PATIENCE * 20 && count (lmtp) < 2; i++)
    g_usleep (50000);
  g_assert_cmpuint (count (lmtp), ==, 2);
  kit_exim_stop (one);
}

static void
add_tests (const Sender *sender)
{
  static const struct
  {
    const gchar *name;
    GTestDataFunc run;
  } tests[] = { { "message", test_message },
                { "refused-recipient", test_refused_recipient },
                { "deferred-recipient", test_deferred_recipient },
                { "refused-message", test_refused_message },
                { "big", test_big },
                { "tls", test_tls },
                { "dsn", test_dsn },
                { "alone", test_alone } };
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree gchar *path
          = g_strdup_printf ("/e2e/foreign-senders/%s/%s", sender->name, tests[i].name);
      g_test_add_data_func (path, sender, tests[i].run);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_tests (&senders[0]);
  g_test_add_func ("/e2e/foreign-senders/exim/one-each", test_one_each);
  add_tests (&senders[1]);
  gint result = g_test_run ();
  end ();
  kit_finish ();
  return result;
}
