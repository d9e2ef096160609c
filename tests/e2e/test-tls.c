/* TLS towards clients and towards upstreams, with certificates made here. Fails when a policy lets
 * through what it should not, or keeps what it should let through; when plaintext survives
 * STARTTLS; when the wrong certificate is shown. Postfix is the upstream that speaks TLS. */
#include "kit.h"

#include <signal.h>
#include <string.h>

/* ---- Towards clients ---- */

typedef struct
{
  guint port;     /* STARTTLS */
  guint tls_port; /* implicit TLS */
  KitServer *server;
  KitProcess *mailweir;
} Front;

static const gchar front_config[]
    = "hostname = \"mx.test\"\n"
      "tls { certificate = \"%1$s/mx.pem\" key = \"%1$s/mx.key\" }\n"
      "tls \"other.test\" { certificate = \"%1$s/other.pem\" key = \"%1$s/other.key\" }\n"
      "listener \"in\" { bind = [\"127.0.0.1:%2$u\"] tls = \"starttls\" require-tls = %5$s"
      " routes = [\"up\"] }\n"
      "listener \"tls\" { bind = [\"127.0.0.1:%3$u\"] tls = \"implicit\" routes = [\"up\"] }\n"
      "route \"up\" { to = [\"smtp://127.0.0.1:%4$u\"] }\n";

static void
front_start (Front *front, gboolean require)
{
  guint upstream = kit_port ();
  front->port = kit_port ();
  front->tls_port = kit_port ();
  front->server = kit_server (upstream, "PIPELINING", NULL);
  kit_certificate ("mx", "mx.test");
  kit_certificate ("other", "other.test");
  g_autofree gchar *config = g_strdup_printf (front_config, kit_folder (), front->port,
                                              front->tls_port, upstream, require ? "yes" : "no");
  front->mailweir = kit_mailweir (config);
}

static void
front_stop (Front *front)
{
  kit_gateway_stop (front->mailweir);
  kit_server_stop (front->server);
}

/* openssl s_client's word on who answered, and what it heard. */
static gchar *
s_client (guint port, const gchar *name, const gchar *starttls)
{
  g_autofree gchar *ca = kit_path ("ca.pem");
  g_autofree gchar *line = g_strdup_printf (
      "(sleep 0.5; printf 'EHLO client.test\\r\\n'; sleep 0.5; printf 'quit\\r\\n'; sleep 0.5) |"
      " timeout 20 openssl s_client -connect 127.0.0.1:%u -CAfile %s -servername %s"
      " -verify_hostname %s -verify_return_error -quiet %s 2>&1",
      port, ca, name, name, starttls);
  const gchar *argv[] = { "sh", "-c", line, NULL };
  gchar *output = NULL;
  kit_run (argv, &output);
  return output;
}

static void
check_name (guint port, const gchar *name, const gchar *starttls, gboolean good)
{
  g_autofree gchar *output = s_client (port, name, starttls);
  gboolean talked = strstr (output, "Bye") != NULL || strstr (output, "221 2.0.0") != NULL;
  if (talked != good)
    g_error ("as %s:\n%s", name, output);
}

static void
test_names (void)
{
  Front front;
  front_start (&front, FALSE);
  check_name (front.port, "mx.test", "-starttls smtp", TRUE);
  check_name (front.port, "other.test", "-starttls smtp", TRUE);
  check_name (front.tls_port, "mx.test", "", TRUE);
  check_name (front.tls_port, "other.test", "", TRUE);
  check_name (front.tls_port, "third.test", "", FALSE); /* gets the default one */
  front_stop (&front);
}

static void
test_required (void)
{
  Front front;
  front_start (&front, TRUE);
  KitClient *client = kit_connect (front.port);
  g_autofree gchar *offers = kit_greet (client);
  g_assert_nonnull (strstr (offers, "STARTTLS"));
  kit_command (client, "MAIL FROM:<a@client.test>", "530 5.7.0");
  kit_command (client, "NOOP", "250");
  kit_close (client);
  front_stop (&front);
}

/* What came in plaintext behind STARTTLS, in the same write, is not heard (CVE-2011-0411). Python
 * goes on over TLS where the plaintext ended. */
static const gchar injection[]
    = "import socket, ssl, sys\n"
      "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), timeout=20)\n"
      "def reply(s):\n"
      "    text = b''\n"
      "    while not (text.endswith(b'\\n') and text.split(b'\\r\\n')[-2][3:4] == b' '):\n"
      "        more = s.recv(1)\n"
      "        assert more, text\n"
      "        text += more\n"
      "    return text\n"
      "def ask(s, line, code):\n"
      "    s.sendall(line)\n"
      "    heard = reply(s)\n"
      "    assert heard.startswith(code), (line, heard)\n"
      "    return heard\n"
      "reply(s)\n"
      "assert b'STARTTLS' in ask(s, b'EHLO plain.test\\r\\n', b'250')\n"
      "ask(s, b'MAIL FROM:<before@client.test>\\r\\n', b'250')\n"
      "ask(s, b'RSET\\r\\n', b'250')\n"
      "ask(s, b'STARTTLS\\r\\nMAIL FROM:<evil@client.test>\\r\\nRCPT TO:<evil@up.test>\\r\\n', "
      "b'220')\n"
      "context = ssl.create_default_context(cafile=sys.argv[2])\n"
      "t = context.wrap_socket(s, server_hostname='mx.test')\n"
      "ask(t, b'RCPT TO:<evil@up.test>\\r\\n', b'503')\n"
      "assert b'STARTTLS' not in ask(t, b'EHLO client.test\\r\\n', b'250')\n"
      "ask(t, b'STARTTLS\\r\\n', b'5')\n"
      "ask(t, b'MAIL FROM:<a@client.test>\\r\\n', b'250')\n"
      "ask(t, b'RCPT TO:<b@up.test>\\r\\n', b'250')\n"
      "ask(t, b'DATA\\r\\n', b'354')\n"
      "ask(t, b'Subject: x\\r\\n\\r\\ntext\\r\\n.\\r\\n', b'250')\n"
      "ask(t, b'quit\\r\\n', b'221')\n";

static void
test_injection (void)
{
  Front front;
  g_autofree gchar *path = kit_path ("injection.py");
  g_autofree gchar *ca = kit_path ("ca.pem");
  g_autofree gchar *output = NULL;
  front_start (&front, FALSE);
  kit_write (path, injection);
  g_autofree gchar *port = g_strdup_printf ("%u", front.port);
  const gchar *argv[] = { "python3", path, port, ca, NULL };
  if (kit_run (argv, &output) != 0)
    g_error ("%s", output);
  g_assert_cmpuint (kit_server_count (front.server, "MAIL FROM:<a@client.test>"), ==, 1);
  g_assert_cmpuint (kit_server_count (front.server, "MAIL"), ==, 1);
  g_assert_cmpuint (kit_server_count (front.server, "RCPT"), ==, 1);
  front_stop (&front);
}

/* ---- Towards upstreams ---- */

/* Delivers one message over this route. Returns what the client heard; `*log` is the gateway's. */
static gchar *
deliver (const gchar *to, const gchar *route, gchar **log)
{
  guint port = kit_port ();
  g_autofree gchar *ca = kit_path ("ca.pem");
  g_autofree gchar *options = g_strdup_printf ("connect = 5s tls-ca = \"%s\" %s", ca, route);
  KitProcess *mailweir = kit_gateway (port, to, NULL, options, NULL);
  gchar *reply = kit_deliver (port, "b@up.test", "Subject: x\n\ntext\n");
  kit_gateway_stop (mailweir);
  *log = kit_log (mailweir);
  return reply;
}

typedef struct
{
  const gchar *route;
  const gchar *heard;
  const gchar *log_has; /* NULL: anything */
  gboolean encrypted;
} Policy;

static void
check_policies (const gchar *to, const Policy *policies, guint count, KitPostfix *postfix)
{
  g_autofree gchar *folder = kit_postfix_folder (postfix, "b");
  guint sent = 0;
  for (guint i = 0; i < count; i++)
    {
      const Policy *policy = &policies[i];
      g_autofree gchar *log = NULL;
      g_autofree gchar *reply = deliver (to, policy->route, &log);
      if (!g_str_has_prefix (reply, policy->heard)
          || (policy->log_has != NULL && strstr (log, policy->log_has) == NULL))
        g_error ("%s: expected %s, heard: %s\n%s", policy->route, policy->heard, reply, log);
      sent += reply[0] == '2';
      kit_wait_messages (folder, sent);
      g_autoptr (GPtrArray) messages = kit_messages (folder);
      guint encrypted = 0, wanted = 0;
      for (guint j = 0; j < messages->len; j++)
        encrypted += strstr (messages->pdata[j], "with ESMTPS id") != NULL;
      for (guint j = 0; j <= i; j++)
        wanted += policies[j].encrypted;
      g_assert_cmpuint (encrypted, ==, wanted);
    }
}

static KitPostfix *
start_postfix (guint port, const gchar *certificate, const gchar *smtpd)
{
  const gchar *reason;
  g_autofree gchar *name = g_strdup_printf ("postfix-%u", port);
  g_autofree gchar *settings = g_strdup_printf (
      "smtpd_tls_security_level = %s\n"
      "smtpd_tls_cert_file = %s/%s.pem\n"
      "smtpd_tls_key_file = %s/%s.key\n",
      certificate != NULL ? "may" : "none", kit_folder (), certificate != NULL ? certificate : "",
      kit_folder (), certificate != NULL ? certificate : "");
  KitPostfix *postfix
      = kit_postfix (name, port, certificate != NULL ? settings : NULL, smtpd, &reason);
  if (postfix == NULL)
    g_test_skip (reason);
  return postfix;
}

static void
test_upstream_with_tls (void)
{
  static const Policy policies[] = {
    { "tls = \"off\"", "250", NULL, FALSE },
    { "tls = \"opportunistic\"", "250", NULL, TRUE },
    { "tls = \"required\"", "250", NULL, TRUE },
    { "tls = \"verified\" tls-name = \"up.test\"", "250", NULL, TRUE },
    { "tls = \"verified\" tls-name = \"wrong.test\"", "451 4.7.5",
      "hostname mismatch, expected wrong.test", FALSE },
    { "tls = \"verified\"", "451 4.", NULL, FALSE }, /* the certificate is not for 127.0.0.1 */
  };
  guint port = kit_port ();
  kit_certificate ("up", "up.test");
  KitPostfix *postfix = start_postfix (port, "up", NULL);
  if (postfix == NULL)
    return;
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", port);
  check_policies (to, policies, G_N_ELEMENTS (policies), postfix);
  kit_postfix_stop (postfix);
}

/* The right name from an authority that nobody trusts. */
static void
test_unknown_authority (void)
{
  static const Policy policies[] = {
    { "tls = \"verified\" tls-name = \"up.test\"", "451 4.", "certificate", FALSE },
    { "tls = \"required\"", "250", NULL, TRUE },
  };
  guint port = kit_port ();
  g_autofree gchar *certificate = kit_path ("stranger.pem");
  g_autofree gchar *key = kit_path ("stranger.key");
  const gchar *argv[]
      = { "openssl", "req", "-x509", "-newkey",     "rsa:2048", "-nodes",
          "-days",   "2",   "-subj", "/CN=up.test", "-addext",  "subjectAltName=DNS:up.test",
          "-keyout", key,   "-out",  certificate,   NULL };
  kit_certificate ("up", "up.test");
  g_assert_cmpint (kit_run (argv, NULL), ==, 0);
  KitPostfix *postfix = start_postfix (port, "stranger", NULL);
  if (postfix == NULL)
    return;
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", port);
  check_policies (to, policies, G_N_ELEMENTS (policies), postfix);
  kit_postfix_stop (postfix);
}

static void
test_upstream_without_tls (void)
{
  static const Policy policies[] = {
    { "tls = \"off\"", "250", NULL, FALSE },
    { "tls = \"opportunistic\"", "250", NULL, FALSE },
    { "tls = \"required\"", "451 4.7.", "STARTTLS", FALSE },
    { "tls = \"verified\" tls-name = \"up.test\"", "451 4.7.", "STARTTLS", FALSE },
  };
  guint port = kit_port ();
  kit_certificate ("up", "up.test");
  KitPostfix *postfix = start_postfix (port, NULL, NULL);
  if (postfix == NULL)
    return;
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", port);
  check_policies (to, policies, G_N_ELEMENTS (policies), postfix);
  kit_postfix_stop (postfix);
}

static void
test_smtps (void)
{
  static const Policy policies[] = {
    { "tls = \"required\"", "250", NULL, TRUE },
    { "tls = \"verified\" tls-name = \"up.test\"", "250", NULL, TRUE },
    { "tls = \"verified\" tls-name = \"wrong.test\"", "451 4.7.5",
      "hostname mismatch, expected wrong.test", FALSE },
  };
  guint port = kit_port ();
  kit_certificate ("up", "up.test");
  KitPostfix *postfix = start_postfix (port, "up", "-o smtpd_tls_wrappermode=yes");
  if (postfix == NULL)
    return;
  g_autofree gchar *to = g_strdup_printf ("\"smtps://127.0.0.1:%u\"", port);
  check_policies (to, policies, G_N_ELEMENTS (policies), postfix);
  kit_postfix_stop (postfix);
}

/* An upstream that says 220 to STARTTLS and then goes on in plaintext: what it says behind the 220,
 * in the same write, is not heard (CVE-2021-38371). */
static void
test_injected_replies (void)
{
  static const KitStep steps[]
      = { { "STARTTLS", KIT_ANSWER,
            "220 2.0.0 Ready\n250-recorder.test\n250 NOOP\n250 2.1.0 Ok\n250 2.1.5 Ok\n354 Go\n"
            "250 2.0.0 Never\n" },
          { NULL } };
  guint port = kit_port ();
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", port);
  KitServer *server = kit_server (port, "PIPELINING\nSTARTTLS", steps);
  g_autofree gchar *log = NULL;
  kit_certificate ("up", "up.test");
  g_autofree gchar *reply = deliver (to, "tls = \"required\"", &log);
  g_assert_true (g_str_has_prefix (reply, "451 4."));
  g_assert_cmpuint (kit_server_count (server, "MAIL"), ==, 0);
  kit_server_stop (server);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/tls/names", test_names);
  g_test_add_func ("/e2e/tls/required", test_required);
  g_test_add_func ("/e2e/tls/injection", test_injection);
  g_test_add_func ("/e2e/tls/upstream-with-tls", test_upstream_with_tls);
  g_test_add_func ("/e2e/tls/unknown-authority", test_unknown_authority);
  g_test_add_func ("/e2e/tls/upstream-without-tls", test_upstream_without_tls);
  g_test_add_func ("/e2e/tls/smtps", test_smtps);
  g_test_add_func ("/e2e/tls/injected-replies", test_injected_replies);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
