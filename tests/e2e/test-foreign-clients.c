/* Mail clients before us that no one here wrote: swaks, curl, msmtp, Python's smtplib, nodemailer,
 * git send-email. The same things are asked of each. Fails when a message comes out otherwise than
 * it went in, or a client does not hear what was said. Each is skipped where it is not installed.
 * What each of them showed stands in docs/interoperability.md. */
#include <signal.h>
#include <string.h>

#include "foreign-clients.h"
#include "kit-tap.h"

#define BIG 10000000

static guint port;     /* without filters */
static guint filtered; /* refuses programs behind the data */
static guint balanced; /* HAProxy's; 0: it is not installed */
static KitProcess *haproxy;
static KitServer *server;
static KitProcess *mailweir;

static const gchar config[]
    = "hostname = \"mx.test\"\n"
      "tls { certificate = \"%s/localhost.pem\" key = \"%s/localhost.key\" }\n"
      "listener \"in\" { bind = \"127.0.0.1:%u\" tls = \"starttls\""
      " auth = \"always\" routes = \"up\" }\n"
      "listener \"filtered\" { bind = \"127.0.0.1:%u\""
      " filters = \"exe\" routes = \"up\" }\n"
      "listener \"proxied\" { bind = \"127.0.0.1:%u\" tls = \"starttls\""
      " proxy-from = \"127.0.0.1\" routes = \"up\" }\n"
      "route \"up\" { to = \"smtp://127.0.0.1:%u\" }\n"
      "filter \"exe\" { module = \"attachments\" deny = \"exe\""
      " action = \"reject\" timeout = 60s }\n";

static const KitStep steps[]
    = { { "RCPT TO:<bad@", KIT_ANSWER, "550 5.1.1 Nobody of that name\n" },
        { "RCPT TO:<later@", KIT_ANSWER, "452 4.5.3 Too many for now\n" },
        { "AUTH PLAIN AGpvZQBzZWNyZXQ=", KIT_ANSWER, "235 2.7.0 Welcome\n" },
        { "AUTH PLAIN am9lAGpvZQBzZWNyZXQ=", KIT_ANSWER, "235 2.7.0 Welcome\n" },
        { "AUTH PLAIN", KIT_ANSWER, "334 \n" },
        { "AGpvZQBzZWNyZXQ=", KIT_ANSWER, "235 2.7.0 Welcome\n" },
        { "AUTH LOGIN", KIT_ANSWER, "334 VXNlcm5hbWU6\n" },
        { "am9l", KIT_ANSWER, "334 UGFzc3dvcmQ6\n" },
        { "c2VjcmV0", KIT_ANSWER, "235 2.7.0 Welcome\n" },
        { NULL } };

static void
start_haproxy (guint proxied)
{
  g_autofree gchar *path = kit_path ("haproxy.cfg");
  if (!kit_have ("haproxy"))
    return;
  balanced = kit_port ();
  g_autofree gchar *text = g_strdup_printf (
      "global\n  maxconn 50\ndefaults\n  mode tcp\n  timeout connect 5s\n"
      "  timeout client 30s\n  timeout server 30s\n"
      "listen in\n  bind 127.0.0.1:%u\n  server weir 127.0.0.1:%u send-proxy-v2\n",
      balanced, proxied);
  const gchar *argv[] = { "haproxy", "-db", "-f", path, NULL };
  kit_write (path, text);
  haproxy = kit_start ("haproxy", argv);
  kit_wait_port (balanced);
}

static void
begin (void)
{
  const gchar *f = kit_folder ();
  const guint upstream = kit_port (), proxied = kit_port ();
  kit_certificate ("localhost", "localhost");
  server = kit_server (upstream,
                       "PIPELINING\n8BITMIME\nSIZE 50000000\nSMTPUTF8\nDSN\n"
                       "ENHANCEDSTATUSCODES\nAUTH PLAIN LOGIN",
                       steps);
  port = kit_port ();
  filtered = kit_port ();
  g_autofree gchar *text = g_strdup_printf (config, f, f, port, filtered, proxied, upstream);
  mailweir = kit_mailweir (text);
  start_haproxy (proxied);
}

static void
end (void)
{
  if (haproxy != NULL)
    kit_stop (haproxy, SIGTERM);
  kit_gateway_stop (mailweir);
  g_assert_cmpuint (kit_server_bare_newlines (server), ==, 0);
  kit_server_stop (server);
}

static gboolean
lacks (const ForeignClient *client)
{
  const gchar *ask[] = { "sh", "-c", client->version, NULL };
  kit_server_forget (server);
  if (kit_run (ask, NULL) == 0)
    return FALSE;
  g_test_skip ("it is not installed");
  return TRUE;
}

/* ---- Messages ---- */

#define HEAD                                                                                       \
  "From: \"\xc3\xa4\" <a@client.test>\r\n"                                                         \
  "To: b@up.test\r\n"                                                                              \
  "Subject: odd \xc3\xbc\r\n"                                                                      \
  "X-Folded:  one\r\n\ttwo\r\n"                                                                    \
  "Date: Sat, 1 Jan 2022 00:00:00 +0000\r\n"                                                       \
  "Message-Id: <one@client.test>\r\n"                                                              \
  "MIME-Version: 1.0\r\n"

#define TEXT "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"

/* Dots, blanks, UTF-8, and octets that are none of it. */
#define ODD ".\r\n..\r\n.dot\r\n\xc3\xa4 \xe4\xff\x80 \t\r\n \r\n\r\nend\r\n"

#define PROGRAM                                                                                    \
  "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nrun it\r\n--x\r\n"                  \
  "Content-Type: application/octet-stream\r\n"                                                     \
  "Content-Disposition: attachment; filename=setup.exe\r\n\r\nMZ\r\n--x--\r\n"

/* Caller frees the path. */
static gchar *
write_message (const gchar *name, const gchar *body)
{
  gchar *path = kit_path ("%s", name);
  g_autofree gchar *text = g_strconcat (HEAD, body, NULL);
  kit_write (path, text);
  return path;
}

static gint
send_by (const ForeignClient *client, const Letter *letter, gchar **output)
{
  gint status = client->send (letter, output);
  g_assert_cmpint (status, !=, -1);
  return status;
}

static void
assert_status (gint status, gint expected, const gchar *output)
{
  if (status != expected)
    g_error ("ended with %d, not %d:\n%.3000s", status, expected, output);
}

static void
assert_says (const gchar *output, const gchar *words)
{
  if (strstr (output, words) == NULL)
    g_error ("did not say \"%s\":\n%.3000s", words, output);
}

/* One message of so many. Caller frees. */
static gchar *
arrived (guint count, guint index)
{
  g_autoptr (GPtrArray) messages = kit_server_messages (server);
  gsize size;
  g_assert_cmpuint (messages->len, ==, count);
  const gchar *data = g_bytes_get_data (messages->pdata[index], &size);
  return g_strndup (data, size);
}

/* Ours is one field ahead of what was sent; a client that writes its own header sends the body. */
static void
assert_same (const ForeignClient *client, const gchar *path)
{
  g_autofree gchar *sent = kit_read (path);
  g_autofree gchar *got = arrived (1, 0);
  g_autofree gchar *whole
      = g_strconcat (client->exact ? sent : strstr (sent, "\r\n\r\n"), client->adds, NULL);
  g_assert_true (g_str_has_prefix (got, "Received: from client.test "));
  if (!g_str_has_suffix (got, whole))
    g_error ("sent:\n%.2000s\ngot:\n%.3000s", sent, got);
  if (!client->exact)
    return;
  got[strlen (got) - strlen (whole)] = '\0';
  g_assert_cmpuint (g_strrstr (got, "Received: ") - got, ==, 0);
  g_assert_null (strstr (got, "\nX-"));
}

/* ---- What is asked of each ---- */

static void
test_message (gconstpointer data)
{
  const ForeignClient *client = data;
  if (lacks (client))
    return;
  const gchar *ask[] = { "sh", "-c", client->version, NULL };
  g_autofree gchar *version = NULL;
  kit_run (ask, &version);
  *strchrnul (version, '\n') = '\0';
  g_test_message ("%s: %s", client->name, version);
  g_autofree gchar *path = write_message ("odd.eml", TEXT ODD);
  g_autofree gchar *output = NULL;
  const Letter letter
      = { .port = port, .recipients = "b@up.test,c@up.test,d@up.test", .path = path };
  gint status = send_by (client, &letter, &output);
  assert_status (status, 0, output);
  g_assert_cmpuint (kit_server_count (server, "RCPT"), ==, 3);
  assert_same (client, path);
}

static void
test_refused_recipient (gconstpointer data)
{
  const ForeignClient *client = data;
  if (lacks (client))
    return;
  g_autofree gchar *path = write_message ("odd.eml", TEXT ODD);
  g_autofree gchar *output = NULL;
  const Letter letter
      = { .port = port, .recipients = "b@up.test,bad@up.test,c@up.test", .path = path };
  gint status = send_by (client, &letter, &output);
  assert_status (status, client->partly, output);
  assert_says (output, "5.1.1 Nobody of that name");
  g_autoptr (GPtrArray) messages = kit_server_messages (server);
  g_assert_cmpuint (messages->len, ==, client->in_part ? 1 : 0);
}

static void
test_refused_message (gconstpointer data)
{
  const ForeignClient *client = data;
  if (lacks (client))
    return;
  g_autofree gchar *path = write_message ("program.eml", PROGRAM);
  g_autofree gchar *output = NULL;
  const Letter letter = { .port = filtered, .recipients = "b@up.test", .path = path };
  gint status = send_by (client, &letter, &output);
  assert_status (status, client->refused, output);
  assert_says (output, "5.7.1 ");
  assert_says (output, "setup.exe");
  g_autoptr (GPtrArray) messages = kit_server_messages (server);
  g_assert_cmpuint (messages->len, ==, 0);
}

static void
test_big (gconstpointer data)
{
  const ForeignClient *client = data;
  if (lacks (client))
    return;
  g_autoptr (GString) body = g_string_sized_new (BIG + 1000);
  g_string_append (body, TEXT);
  for (guint line = 0; body->len < BIG; line++)
    g_string_append_printf (body, "%08u %s\r\n", line,
                            "the quick brown fox jumps over the lazy dog, time and again");
  g_autofree gchar *path = write_message ("big.eml", body->str);
  g_autofree gchar *output = NULL;
  const Letter letter = { .port = port, .recipients = "b@up.test", .path = path };
  gint status = send_by (client, &letter, &output);
  assert_status (status, 0, output);
  assert_same (client, path);
}

static void
test_tls (gconstpointer data)
{
  const ForeignClient *client = data;
  if (lacks (client))
    return;
  g_autofree gchar *path = write_message ("odd.eml", TEXT ODD);
  g_autofree gchar *output = NULL;
  const Letter letter = { .port = port, .recipients = "b@up.test", .path = path, .tls = TRUE };
  gint status = send_by (client, &letter, &output);
  assert_status (status, 0, output);
  assert_same (client, path);
  g_autofree gchar *got = arrived (1, 0);
  assert_says (got, " with ESMTPS id ");
}

/* Its own user's, relayed, over TLS. */
static void
test_auth (gconstpointer data)
{
  const ForeignClient *client = data;
  if (lacks (client))
    return;
  g_autofree gchar *path = write_message ("odd.eml", TEXT ODD);
  g_autofree gchar *output = NULL;
  const Letter letter
      = { .port = port, .recipients = "b@up.test", .path = path, .tls = TRUE, .auth = TRUE };
  gint status = send_by (client, &letter, &output);
  assert_status (status, 0, output);
  assert_same (client, path);
  g_assert_cmpuint (kit_server_count (server, "AUTH "), ==, 1);
  g_autofree gchar *got = arrived (1, 0);
  assert_says (got, " with ESMTPSA id ");
}

static void
test_dsn (gconstpointer data)
{
  const ForeignClient *client = data;
  if (lacks (client))
    return;
  if (!client->dsn)
    {
      g_test_skip ("it can not ask for reports");
      return;
    }
  g_autofree gchar *path = write_message ("odd.eml", TEXT ODD);
  g_autofree gchar *output = NULL;
  const Letter letter = { .port = port, .recipients = "b@up.test", .path = path, .dsn = TRUE };
  gint status = send_by (client, &letter, &output);
  assert_status (status, 0, output);
  g_autoptr (GPtrArray) commands = kit_server_commands (server);
  g_autoptr (GString) all = g_string_new (NULL);
  for (guint i = 0; i < commands->len; i++)
    g_string_append_printf (all, "%s\n", (const gchar *) commands->pdata[i]);
  assert_says (all->str, " RET=HDRS");
  assert_says (all->str, " NOTIFY=");
}

/* TLS through HAProxy, which puts a header ahead of it that names the client. */
static void
test_balanced (gconstpointer data)
{
  const ForeignClient *client = data;
  if (lacks (client))
    return;
  if (balanced == 0)
    {
      g_test_skip ("HAProxy is not installed");
      return;
    }
  g_autofree gchar *path = write_message ("odd.eml", TEXT ODD);
  g_autofree gchar *output = NULL;
  const Letter letter = { .port = balanced, .recipients = "b@up.test", .path = path, .tls = TRUE };
  gint status = send_by (client, &letter, &output);
  assert_status (status, 0, output);
  assert_same (client, path);
}

/* Commands that came in one read, joined by "+"; "," where the client heard something meanwhile. */
static gchar *
habits_of (GPtrArray *heard)
{
  GString *told = g_string_new (NULL);
  gboolean in_data = FALSE;
  for (guint i = 0; i < heard->len; i++)
    {
      const gchar *text = heard->pdata[i];
      g_auto (GStrv) lines = g_strsplit (text, "\r\n", -1);
      if (*text == '\0' && !in_data && !g_str_has_suffix (told->str, ", "))
        g_string_append (told, ", ");
      for (guint l = 0; lines[l] != NULL; l++)
        {
          if (in_data)
            in_data = strcmp (lines[l], ".") != 0;
          else if (*lines[l] != '\0')
            {
              g_string_append_printf (told, "%s%s", l > 0 ? " + " : "", lines[l]);
              in_data = g_ascii_strcasecmp (lines[l], "DATA") == 0;
            }
        }
    }
  return g_string_free (told, FALSE);
}

/* One recipient of three is deferred. Nobody says it has sent to all, and the tap says what else
 * the client does. */
static void
test_habits (gconstpointer data)
{
  const ForeignClient *client = data;
  if (lacks (client))
    return;
  const guint entrance = kit_port ();
  KitTap *tap = kit_tap (entrance, port);
  g_autofree gchar *path = write_message ("plain.eml", "\r\ntext\r\n");
  g_autofree gchar *output = NULL;
  const Letter letter
      = { .port = entrance, .recipients = "b@up.test,later@up.test,c@up.test", .path = path };
  gint status = send_by (client, &letter, &output);
  g_autoptr (GPtrArray) messages = kit_server_messages (server);
  g_autoptr (GPtrArray) heard = kit_tap_heard (tap);
  g_autofree gchar *habits = habits_of (heard);
  g_test_message ("%s, ended with %d, %u sent: %s", client->name, status, messages->len, habits);
  assert_says (output, "4.5.3 Too many for now");
  g_assert_cmpint (status, ==, client->deferred);
  g_assert_cmpuint (messages->len, ==, client->in_part ? 1 : 0);
  kit_tap_stop (tap);
}

/* ---- A series of patches ---- */

static const gchar series[]
    = "set -e\n"
      "export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1\n"
      "git init -q series; cd series\n"
      "git config user.name 'J\303\266'; git config user.email a@client.test\n"
      "for n in 1 2 3; do\n"
      "  printf '.\\ngr\303\274n %s\\n' $n >> file; git add file; git commit -q -m \"W\303\244rme "
      "$n\"\n"
      "done\n"
      "git format-patch -q --root --thread -o out\n"
      "git send-email --quiet --confirm=never --suppress-cc=all --from=a@client.test "
      "--to=b@up.test \\\n"
      "  --smtp-domain=client.test --smtp-server=localhost --smtp-server-port=$0 \\\n"
      "  --smtp-encryption=tls --smtp-ssl-cert-path=$1 out/*.patch >log\n"
      "grep '^Message-Id: ' -i out/0001* | cut -d' ' -f2\n";

/* Over one connection, in their order, the later ones as answers to the first. */
static void
test_series (void)
{
  if (lacks (&foreign_clients[FOREIGN_CLIENTS - 1]))
    return;
  const guint entrance = kit_port ();
  KitTap *tap = kit_tap (entrance, port);
  g_autofree gchar *ca = kit_path ("ca.pem");
  g_autofree gchar *where = g_strdup_printf ("%u", entrance);
  g_autofree gchar *output = NULL;
  const gchar *argv[] = { "sh", "-c", series, where, ca, NULL };
  gint status = kit_run (argv, &output);
  assert_status (status, 0, output);
  g_autofree gchar *answer = g_strdup_printf ("\r\nIn-Reply-To: %s\r\n", g_strstrip (output));
  for (guint i = 0; i < 3; i++)
    {
      g_autofree gchar *got = arrived (3, i);
      g_autofree gchar *patch = g_strdup_printf ("PATCH %u/3", i + 1);
      g_autofree gchar *line = g_strdup_printf ("\r\n+gr\xc3\xbcn %u\r\n", i + 1);
      assert_says (got, patch);
      assert_says (got, line);
      if ((strstr (got, answer) != NULL) != (i > 0))
        g_error ("%u, where the first is %s:\n%s", i, answer, got);
    }
  g_autoptr (GPtrArray) heard = kit_tap_heard (tap);
  guint connections = 0;
  for (guint i = 0; i < heard->len; i++)
    connections += strcmp (heard->pdata[i], "CONNECT") == 0;
  g_assert_cmpuint (connections, ==, 1);
  kit_tap_stop (tap);
}

static void
add_tests (const ForeignClient *client)
{
  static const struct
  {
    const gchar *name;
    GTestDataFunc run;
  } tests[] = { { "message", test_message },
                { "refused-recipient", test_refused_recipient },
                { "refused-message", test_refused_message },
                { "big", test_big },
                { "tls", test_tls },
                { "auth", test_auth },
                { "dsn", test_dsn },
                { "balanced", test_balanced },
                { "habits", test_habits } };
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    {
      g_autofree gchar *path
          = g_strdup_printf ("/e2e/foreign-clients/%s/%s", client->name, tests[i].name);
      g_test_add_data_func (path, client, tests[i].run);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < FOREIGN_CLIENTS; i++)
    add_tests (&foreign_clients[i]);
  g_test_add_func ("/e2e/foreign-clients/git-send-email/series", test_series);
  begin ();
  gint result = g_test_run ();
  end ();
  kit_finish ();
  return result;
}
