/* Who the client is, told from program to program: HAProxy in front of us by PROXY headers, Postfix
 * behind us by XCLIENT, XFORWARD and PROXY, Postfix in front of us by XFORWARD; and HAProxy's
 * health checks, which leave no trace. Clients come from loopback addresses of their own. Fails
 * when the address of another program is taken for the client's. Skipped where a program is not
 * installed. */
#include "kit.h"

#include <signal.h>
#include <string.h>

#define CLIENT "127.0.0.5"
#define REFUSED "127.0.0.6"

/* One message by swaks, from this address. Returns its exit status. */
static gint
deliver_from (const gchar *address, guint port)
{
  g_autofree gchar *server = g_strdup_printf ("127.0.0.1:%u", port);
  const gchar *argv[] = { "swaks",  "--timeout",         "20",    "--ehlo",    "client.test",
                          "--from", "a@client.test",     "--to",  "b@up.test", "--server",
                          server,   "--local-interface", address, NULL };
  g_autofree gchar *output = NULL;
  gint status = kit_run (argv, &output);
  g_test_message ("%s", output);
  return status;
}

/* ---- HAProxy ---- */

static const gchar haproxy_config[] = "global\n  maxconn 50\n  log stdout format raw local0\n"
                                      "defaults\n  mode tcp\n  log global\n  timeout connect 5s\n"
                                      "  timeout client 30s\n  timeout server 30s\n"
                                      "listen in\n  bind 127.0.0.1:%u\n  %s\n"
                                      "  server weir 127.0.0.1:%u %s\n";

static KitProcess *
haproxy (guint port, guint gateway, const gchar *check, const gchar *server)
{
  g_autofree gchar *path = kit_path ("haproxy-%u.cfg", port);
  g_autofree gchar *text = g_strdup_printf (haproxy_config, port, check, gateway, server);
  kit_write (path, text);
  g_autofree gchar *name = g_strdup_printf ("haproxy-%u", port);
  const gchar *argv[] = { "haproxy", "-db", "-f", path, NULL };
  KitProcess *process = kit_start (name, argv);
  kit_wait_port (port);
  return process;
}

static gboolean
lacks_haproxy (void)
{
  if (!kit_have ("haproxy"))
    g_test_skip ("HAProxy is not installed");
  else if (!kit_have ("swaks"))
    g_test_skip ("swaks is not installed");
  else
    return FALSE;
  return TRUE;
}

static KitProcess *
sink_gateway (guint port, const gchar *listener)
{
  g_autofree gchar *folder = kit_path ("mail-%u", port);
  g_autofree gchar *to = g_strdup_printf ("\"maildir:%s\"", folder);
  return kit_gateway (port, to, listener, NULL, NULL);
}

static void
test_send_proxy (gconstpointer option)
{
  guint port = kit_port (), gateway = kit_port ();
  if (lacks_haproxy ())
    return;
  KitProcess *mailweir = sink_gateway (gateway, "proxy-from = [\"127.0.0.1\"] "
                                                "relay-from = [\"" CLIENT "\"]");
  KitProcess *balancer = haproxy (port, gateway, "", option);
  g_assert_cmpint (deliver_from (CLIENT, port), ==, 0);
  kit_wait_log (mailweir, "client=unknown[" CLIENT "]");
  /* Rights are the client's, too: swaks says 24 when no recipient is accepted. */
  g_assert_cmpint (deliver_from (REFUSED, port), ==, 24);
  kit_stop (balancer, SIGTERM);
  kit_gateway_stop (mailweir);
}

/* A load balancer that does not send the header is let in nowhere. */
static void
test_no_header (void)
{
  guint port = kit_port (), gateway = kit_port ();
  if (lacks_haproxy ())
    return;
  KitProcess *mailweir = sink_gateway (gateway, "proxy-from = [\"127.0.0.1\"]");
  KitProcess *balancer = haproxy (port, gateway, "", "");
  KitClient *client = kit_connect (port);
  kit_say (client, "EHLO client.test\n");
  kit_expect (client, "");
  kit_wait_log (mailweir, "no PROXY header: ");
  kit_close (client);
  kit_stop (balancer, SIGTERM);
  kit_gateway_stop (mailweir);
}

static void
assert_quiet (KitProcess *mailweir)
{
  g_autofree gchar *log = kit_log (mailweir);
  g_auto (GStrv) lines = g_strsplit (log, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (strstr (lines[i], "client") != NULL || strstr (lines[i], "proxy 127") != NULL)
      g_error ("a health check was logged: %s", lines[i]);
}

static guint64
sessions (const gchar *config)
{
  g_autofree gchar *program = g_strdup (kit_program ("src/mailweir"));
  const gchar *argv[] = { program, "status", "-c", config, "--json", NULL };
  g_autofree gchar *output = NULL;
  g_assert_cmpint (kit_run (argv, &output), ==, 0);
  const gchar *found = strstr (output, "\"sessions_total\":");
  g_assert_nonnull (found);
  return g_ascii_strtoull (found + strlen ("\"sessions_total\":"), NULL, 10);
}

typedef struct
{
  const gchar *name;
  const gchar *listener;
  const gchar *check; /* HAProxy's option */
  const gchar *server;
} Check;

/* A check without a word is none that we can see: HAProxy resets it before it is established. */
static const Check checks[] = {
  { "connect-proxy", "proxy-from = [\"127.0.0.1\"]", "", "check inter 100ms send-proxy-v2" },
  { "smtp", "", "option smtpchk EHLO check.test", "check inter 100ms" },
  { "smtp-proxy", "proxy-from = [\"127.0.0.1\"]", "option smtpchk EHLO check.test",
    "check inter 100ms send-proxy-v2" },
  { "smtp-line", "proxy-from = [\"127.0.0.1\"]", "option smtpchk HELO check.test",
    "check inter 100ms send-proxy" },
};

/* The checks succeed, are counted, and leave no line. */
static void
test_check (gconstpointer data)
{
  const Check *check = data;
  guint port = kit_port (), gateway = kit_port ();
  if (lacks_haproxy ())
    return;
  g_autofree gchar *path = kit_path ("check-%u.conf", gateway);
  g_autofree gchar *text
      = g_strdup_printf ("hostname = \"mx.test\"\nstatus-socket = \"%s/status-%u\"\n"
                         "listener \"in\" { bind = [\"127.0.0.1:%u\"] routes = [\"up\"] %s }\n"
                         "route \"up\" { to = [\"discard:\"] }\n",
                         kit_folder (), gateway, gateway, check->listener);
  kit_write (path, text);
  g_autofree gchar *name = g_strdup_printf ("mailweir-%u", gateway);
  KitProcess *mailweir = kit_mailweir_named (name, text);
  KitProcess *balancer = haproxy (port, gateway, check->check, check->server);
  for (guint i = 0; i < KIT_PATIENCE * 20 && sessions (path) < 8; i++)
    g_usleep (50000);
  g_assert_cmpuint (sessions (path), >=, 8);
  kit_stop (balancer, SIGTERM);
  g_autofree gchar *log = kit_log (balancer);
  if (strstr (log, "is DOWN") != NULL)
    g_error ("the check failed: %s", log);
  kit_gateway_stop (mailweir);
  assert_quiet (mailweir);
}

/* ---- Postfix behind us ---- */

typedef struct
{
  guint port;
  KitPostfix *postfix;
  KitProcess *mailweir;
} Behind;

static gboolean
behind_start (Behind *behind, const gchar *settings, const gchar *smtpd, const gchar *route)
{
  const gchar *reason;
  guint upstream = kit_port ();
  if (!kit_have ("swaks"))
    {
      g_test_skip ("swaks is not installed");
      return FALSE;
    }
  g_autofree gchar *name = g_strdup_printf ("postfix-%u", upstream);
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  behind->postfix = kit_postfix (name, upstream, settings, smtpd, &reason);
  if (behind->postfix == NULL)
    {
      g_test_skip (reason);
      return FALSE;
    }
  behind->port = kit_port ();
  behind->mailweir = kit_gateway (behind->port, to, NULL, route, NULL);
  return TRUE;
}

static void
behind_stop (Behind *behind)
{
  kit_gateway_stop (behind->mailweir);
  kit_postfix_stop (behind->postfix);
}

/* Postfix judges the client, and says so to it. */
static void
test_xclient (void)
{
  Behind behind;
  if (!behind_start (&behind,
                     "smtpd_authorized_xclient_hosts = 127.0.0.1\nsmtpd_delay_reject = no\n"
                     "smtpd_client_restrictions = check_client_access inline:{ { " REFUSED
                     " = REJECT not this one } }\n",
                     NULL, "xclient = true"))
    return;
  g_autofree gchar *folder = kit_postfix_folder (behind.postfix, "b");
  g_assert_cmpint (deliver_from (CLIENT, behind.port), ==, 0);
  kit_wait_messages (folder, 1);
  kit_postfix_wait_log (behind.postfix, ": client=unknown[" CLIENT "]");
  g_assert_cmpint (deliver_from (REFUSED, behind.port), ==, 24);
  kit_wait_log (behind.mailweir,
                "554 5.7.1 <unknown[" REFUSED "]>: Client host rejected: not this");
  g_assert_cmpint (deliver_from ("127.0.0.7", behind.port), ==, 0);
  kit_postfix_wait_log (behind.postfix, ": client=unknown[127.0.0.7]");
  behind_stop (&behind);
}

static void
test_xclient_not_authorized (void)
{
  Behind behind;
  if (!behind_start (&behind, NULL, NULL, "xclient = true"))
    return;
  g_assert_cmpint (deliver_from (CLIENT, behind.port), ==, 24);
  kit_wait_log (behind.mailweir, "does not let us speak for our client");
  g_autofree gchar *log = kit_postfix_log (behind.postfix);
  g_assert_null (strstr (log, ": client="));
  behind_stop (&behind);
}

static void
test_xforward (void)
{
  Behind behind;
  if (!behind_start (&behind, "smtpd_authorized_xforward_hosts = 127.0.0.1\n", NULL,
                     "xforward = true"))
    return;
  g_assert_cmpint (deliver_from (CLIENT, behind.port), ==, 0);
  kit_postfix_wait_log (behind.postfix, "orig_client=unknown[" CLIENT "]");
  behind_stop (&behind);
}

static void
test_proxy (gconstpointer route)
{
  Behind behind;
  if (!behind_start (&behind, NULL, "-o smtpd_upstream_proxy_protocol=haproxy", route))
    return;
  g_autofree gchar *folder = kit_postfix_folder (behind.postfix, "b");
  g_assert_cmpint (deliver_from (CLIENT, behind.port), ==, 0);
  g_assert_cmpint (deliver_from ("127.0.0.7", behind.port), ==, 0);
  kit_wait_messages (folder, 2);
  kit_postfix_wait_log (behind.postfix, ": client=unknown[" CLIENT "]");
  kit_postfix_wait_log (behind.postfix, ": client=unknown[127.0.0.7]");
  behind_stop (&behind);
}

/* ---- Postfix in front of us ---- */

/* As a before-queue filter: Postfix says XFORWARD for the client that it has. */
static void
test_before_queue (void)
{
  const gchar *reason;
  guint port = kit_port (), gateway = kit_port ();
  g_autofree gchar *smtpd = g_strdup_printf ("-o smtpd_proxy_filter=127.0.0.1:%u", gateway);
  if (!kit_have ("swaks"))
    {
      g_test_skip ("swaks is not installed");
      return;
    }
  KitPostfix *postfix = kit_postfix ("postfix-front", port, NULL, smtpd, &reason);
  if (postfix == NULL)
    {
      g_test_skip (reason);
      return;
    }
  KitProcess *mailweir = sink_gateway (gateway, "xforward-from = [\"127.0.0.1\"]");
  g_assert_cmpint (deliver_from (CLIENT, port), ==, 0);
  kit_wait_log (mailweir, "client=localhost[127.0.0.1]");
  kit_wait_log (mailweir, "orig_client=unknown[" CLIENT "] orig_helo=client.test orig_proto=ESMTP");
  kit_gateway_stop (mailweir);
  kit_postfix_stop (postfix);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/e2e/identity/haproxy/send-proxy", "send-proxy", test_send_proxy);
  g_test_add_data_func ("/e2e/identity/haproxy/send-proxy-v2", "send-proxy-v2", test_send_proxy);
  g_test_add_data_func ("/e2e/identity/haproxy/crc32c",
                        "send-proxy-v2 proxy-v2-options crc32c,unique-id", test_send_proxy);
  g_test_add_func ("/e2e/identity/haproxy/no-header", test_no_header);
  for (guint i = 0; i < G_N_ELEMENTS (checks); i++)
    {
      g_autofree gchar *path = g_strdup_printf ("/e2e/identity/check/%s", checks[i].name);
      g_test_add_data_func (path, &checks[i], test_check);
    }
  g_test_add_func ("/e2e/identity/postfix/xclient", test_xclient);
  g_test_add_func ("/e2e/identity/postfix/xclient-refused", test_xclient_not_authorized);
  g_test_add_func ("/e2e/identity/postfix/xforward", test_xforward);
  g_test_add_data_func ("/e2e/identity/postfix/proxy-v1", "proxy = \"v1\"", test_proxy);
  g_test_add_data_func ("/e2e/identity/postfix/proxy-v2", "proxy = \"v2\"", test_proxy);
  g_test_add_func ("/e2e/identity/postfix/before-queue", test_before_queue);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
