/* A route to mail hosts that are looked up: a real name server with zones of the test's own, and
 * hosts at loopback addresses that share one port. Fails when a message goes to another host than
 * the zone says, or a client hears what the zone does not. */
#include "kit.h"

#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ALL "PIPELINING\n8BITMIME\nSIZE 5000000\nDSN\nSMTPUTF8\nENHANCEDSTATUSCODES"
#define ROUTE "mx-loopback = true connect = 6s"
#define ROUNDS 40 /* both of two equals are used, but for one run in 2^39 */
#define TEXT "Subject: x\n\ntext\n"

static const gchar *const zone[] = {
  "h1.example. A 127.0.0.11",
  "h2.example. A 127.0.0.12",
  "dead.example. A 127.0.0.66",
  "six.example. AAAA ::1",
  "self.example. A 127.0.0.1",
  "order.example. MX 20 h2.example.",
  "order.example. MX 10 h1.example.",
  "equal.example. MX 10 h1.example.",
  "equal.example. MX 10 h2.example.",
  "down.example. MX 10 dead.example.",
  "down.example. MX 20 h2.example.",
  "plain.example. A 127.0.0.11",
  "only-six.example. MX 10 six.example.",
  "plain-six.example. AAAA ::1",
  "null.example. MX 0 .",
  "null-and-more.example. MX 0 .",
  "null-and-more.example. MX 10 h1.example.",
  "alias.example. CNAME order.example.",
  "aliased-host.example. MX 10 alias-host.example.",
  "alias-host.example. CNAME h1.example.",
  "empty.example. TXT nothing",
  "lost.example. MX 10 nowhere.example.",
  "half-lost.example. MX 10 nowhere.example.",
  "half-lost.example. MX 20 h2.example.",
  "our-name.example. MX 10 mx.test.",
  "our-name.example. MX 10 h1.example.",
  "our-name.example. MX 20 h2.example.",
  "better.example. MX 10 h1.example.",
  "better.example. MX 20 mx.test.",
  "better.example. MX 30 h2.example.",
  "our-address.example. MX 10 self.example.",
  "our-address.example. MX 20 h1.example.",
  "zero.example. A 0.0.0.0",
  "multicast.example. A 224.0.0.1",
  "servfail.example. MX 10 host.broken.",
  "half-servfail.example. MX 10 host.broken.",
  "half-servfail.example. MX 20 h2.example.",
  "xn--bcher-kva.example. MX 10 h1.example.",
  "house.home.arpa. MX 10 h1.example.",
  "lab.test. MX 10 h1.example.",
  "up.test. MX 10 self.example.",
};

static guint dns_port;

/* ---- The name server ---- */

static void
add_many (GString *text)
{
  for (guint i = 0; i < 1000; i++)
    g_string_append_printf (text, "  local-data: \"many.example. MX %u %s%u.example.\"\n",
                            i == 999 ? 1 : 10 + i, i == 999 ? "h" : "mx", i == 999 ? 1 : i);
}

/* The longest name that there is: 255 octets on the wire. */
static void
add_long (GString *text)
{
  g_autofree gchar *label = g_strnfill (63, 'a');
  g_string_append_printf (text, "  local-data: \"long.example. MX 10 %s.%s.%s.%.53s.example.\"\n",
                          label, label, label, label);
}

static KitProcess *
start_name_server (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree gchar *path = kit_path ("unbound.conf");
  const gchar *argv[] = { "unbound", "-d", "-p", "-c", path, NULL };
  dns_port = kit_port ();
  g_string_append_printf (text,
                          "server:\n  interface: 127.0.0.1@%u\n  port: %u\n  do-daemonize: no\n"
                          "  username: \"\"\n  chroot: \"\"\n  directory: \"%s\"\n  pidfile: \"\"\n"
                          "  use-syslog: no\n  module-config: \"iterator\"\n  num-threads: 1\n"
                          "  do-not-query-localhost: no\n  local-zone: \"example.\" static\n",
                          dns_port, dns_port, kit_folder ());
  for (guint i = 0; i < G_N_ELEMENTS (zone); i++)
    g_string_append_printf (text, "  local-data: \"%s\"\n", zone[i]);
  add_many (text);
  add_long (text);
  g_string_append_printf (text,
                          "remote-control:\n  control-enable: no\n"
                          "forward-zone:\n  name: \"broken.\"\n  forward-addr: 127.0.0.1@%u\n",
                          kit_port ());
  kit_write (path, text->str);
  KitProcess *unbound = kit_start ("unbound", argv);
  kit_wait_port (dns_port);
  return unbound;
}

/* ---- One gateway, some hosts ---- */

typedef struct
{
  guint port;  /* the gateway's */
  guint hosts; /* all hosts' */
  KitServer *first, *second;
  KitProcess *mailweir;
} Flow;

static gchar *
flow_rest (const Flow *flow, guint dns)
{
  return g_strdup_printf ("threads = 1\nresolver = \"127.0.0.1@%u\"\nstatus-socket = \"%s/mx-%u\"",
                          dns, kit_folder (), flow->port);
}

static void
flow_start_with (Flow *flow, const gchar *offers, const KitStep *steps, const gchar *route,
                 guint dns)
{
  guint hosts = flow->hosts != 0 ? flow->hosts : kit_port ();
  g_autofree gchar *to = g_strdup_printf ("\"mx:%u\"", hosts);
  flow->port = flow->hosts != 0 ? flow->hosts : kit_port ();
  flow->hosts = hosts;
  flow->first = kit_server_at ("127.0.0.11", hosts, offers, steps);
  flow->second = kit_server_at ("127.0.0.12", hosts, offers, steps);
  g_autofree gchar *rest = flow_rest (flow, dns);
  flow->mailweir = kit_gateway (flow->port, to, NULL, route, rest);
}

/* Only the gateway: the hosts are the test's own. */
static void
flow_start_gateway (Flow *flow, const gchar *route)
{
  g_autofree gchar *to = g_strdup_printf ("\"mx:%u\"", flow->hosts);
  flow->port = kit_port ();
  g_autofree gchar *rest = flow_rest (flow, dns_port);
  flow->mailweir = kit_gateway (flow->port, to, NULL, route, rest);
}

static gchar *
flow_status (const Flow *flow)
{
  g_autofree gchar *program = g_strdup (kit_program ("src/mailweir"));
  g_autofree gchar *path = kit_path ("mx-%u", flow->port);
  const gchar *argv[] = { program, "status", "--json", "--socket", path, NULL };
  gchar *output = NULL;
  g_assert_cmpint (kit_run (argv, &output), ==, 0);
  return output;
}

static void
flow_start (Flow *flow)
{
  flow->hosts = 0;
  flow_start_with (flow, ALL, NULL, ROUTE, dns_port);
}

static void
flow_stop (Flow *flow)
{
  kit_gateway_stop (flow->mailweir);
  kit_server_stop (flow->first);
  kit_server_stop (flow->second);
}

static guint
count_messages (KitServer *server)
{
  g_autoptr (GPtrArray) messages = kit_server_messages (server);
  return messages->len;
}

static void
check_delivery (Flow *flow, const gchar *to, const gchar *wanted)
{
  g_autofree gchar *reply = kit_deliver (flow->port, to, TEXT);
  if (!g_str_has_prefix (reply, wanted))
    g_error ("to %s, expected %s, heard: %s", to, wanted, reply);
}

/* ---- What each zone means ---- */

typedef struct
{
  const gchar *to;
  const gchar *heard;
  guint first, second; /* messages that each host has got */
} Case;

static const Case cases[] = {
  { "b@order.example", "250 2.0.0 Recorded", 1, 0 },
  { "b@ORDER.example.", "250 2.0.0 Recorded", 1, 0 },
  { "b@down.example", "250 2.0.0 Recorded", 0, 1 },
  { "b@plain.example", "250 2.0.0 Recorded", 1, 0 },
  { "b@alias.example", "250 2.0.0 Recorded", 1, 0 },
  { "b@aliased-host.example", "250 2.0.0 Recorded", 1, 0 },
  { "b@half-lost.example", "250 2.0.0 Recorded", 0, 1 },
  { "b@half-servfail.example", "250 2.0.0 Recorded", 0, 1 },
  { "b@better.example", "250 2.0.0 Recorded", 1, 0 },
  { "b@many.example", "250 2.0.0 Recorded", 1, 0 },
  { "b@null-and-more.example", "250 2.0.0 Recorded", 1, 0 },
  { "b@[127.0.0.12]", "250 2.0.0 Recorded", 0, 1 },
  { "b@house.home.arpa", "250 2.0.0 Recorded", 1, 0 },
  { "b@lab.test", "250 2.0.0 Recorded", 1, 0 },
  { "b@null.example", "556 5.1.10 null.example takes no mail", 0, 0 },
  { "b@gone.example", "550 5.1.2 There is no domain gone.example", 0, 0 },
  { "b@empty.example", "550 5.4.4 ", 0, 0 },
  { "b@lost.example", "550 5.4.4 ", 0, 0 },
  { "b@long.example", "550 5.4.4 ", 0, 0 },
  { "b@zero.example", "550 5.4.4 ", 0, 0 },
  { "b@multicast.example", "550 5.4.4 ", 0, 0 },
  { "b@our-name.example", "554 5.4.6 Mail for our-name.example loops back to myself", 0, 0 },
  { "b@servfail.example", "451 4.4.3 ", 0, 0 },
  { "b@[192.0.2.256]", "550 5.1.3 ", 0, 0 },
  { "b@[IPv6:192.0.2.1]", "550 5.1.3 ", 0, 0 },
  { "b@[x400:abc]", "550 5.1.3 ", 0, 0 },
  { "b@[0.0.0.0]", "550 5.4.4 ", 0, 0 },
};

static void
test_zones (void)
{
  Flow flow;
  flow_start (&flow);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      check_delivery (&flow, cases[i].to, cases[i].heard);
      g_assert_cmpuint (count_messages (flow.first), ==, cases[i].first);
      g_assert_cmpuint (count_messages (flow.second), ==, cases[i].second);
      kit_server_forget (flow.first);
      kit_server_forget (flow.second);
    }
  flow_stop (&flow);
}

static void
test_equals (void)
{
  Flow flow;
  guint first, second;
  flow_start (&flow);
  for (guint i = 0; i < ROUNDS; i++)
    check_delivery (&flow, "b@equal.example", "250 ");
  first = count_messages (flow.first);
  second = count_messages (flow.second);
  g_assert_cmpuint (first + second, ==, ROUNDS);
  g_assert_cmpuint (first, >, 0);
  g_assert_cmpuint (second, >, 0);
  flow_stop (&flow);
}

static gboolean
have_six (void)
{
  struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  gint fd = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean fine = fd >= 0 && bind (fd, (struct sockaddr *) &address, sizeof address) == 0;
  if (fd >= 0)
    close (fd);
  return fine;
}

static void
test_six (void)
{
  static const gchar *const to[]
      = { "b@only-six.example", "b@plain-six.example", "b@[IPv6:::1]", "b@[ipv6:0:0::1]" };
  Flow flow;
  if (!have_six ())
    {
      g_test_skip ("there is no ::1 here");
      return;
    }
  flow_start (&flow);
  KitServer *six = kit_server_at ("::1", flow.hosts, ALL, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (to); i++)
    check_delivery (&flow, to[i], "250 2.0.0 Recorded");
  g_assert_cmpuint (count_messages (six), ==, G_N_ELEMENTS (to));
  flow_stop (&flow);
  kit_server_stop (six);
}

/* ---- Ourselves, and what is only ours ---- */

static void
test_our_address (void)
{
  Flow flow = { .hosts = kit_port () };
  flow_start_with (&flow, ALL, NULL, ROUTE, dns_port);
  check_delivery (&flow, "b@our-address.example", "554 5.4.6 ");
  check_delivery (&flow, "b@[127.0.0.1]", "554 5.4.6 ");
  check_delivery (&flow, "b@order.example", "250 ");
  flow_stop (&flow);
}

static void
test_loopback (void)
{
  Flow flow = { 0 };
  flow_start_with (&flow, ALL, NULL, "connect = 6s", dns_port);
  check_delivery (&flow, "b@order.example", "550 5.4.4 ");
  check_delivery (&flow, "b@[127.0.0.11]", "550 5.4.4 ");
  check_delivery (&flow, "b@[IPv6:::1]", "550 5.4.4 ");
  check_delivery (&flow, "b@[IPv6:::ffff:127.0.0.11]", "550 5.4.4 ");
  g_assert_cmpuint (kit_server_count (flow.first, "EHLO"), ==, 0);
  flow_stop (&flow);
}

/* ---- Transactions ---- */

static void
test_two_domains (void)
{
  Flow flow;
  flow_start (&flow);
  KitClient *client = kit_connect (flow.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test>", "250 ");
  kit_command (client, "RCPT TO:<b@order.example>", "250 ");
  kit_command (client, "RCPT TO:<b@plain.example>", "452 4.5.3 ");
  kit_command (client, "RCPT TO:<c@Order.Example>", "250 ");
  kit_command (client, "DATA", "354");
  kit_command (client, TEXT ".", "250 ");
  kit_command (client, "MAIL FROM:<a@client.test>", "250 ");
  kit_command (client, "RCPT TO:<b@plain.example>", "250 ");
  kit_command (client, "DATA", "354");
  kit_command (client, TEXT ".", "250 ");
  kit_close (client);
  g_assert_cmpuint (count_messages (flow.first), ==, 2);
  g_assert_cmpuint (kit_server_count (flow.first, "RCPT TO:<b@order.example>"), ==, 1);
  g_assert_cmpuint (kit_server_count (flow.first, "RCPT TO:<c@Order.Example>"), ==, 1);
  g_assert_cmpuint (kit_server_count (flow.first, "RCPT TO:<b@plain.example>"), ==, 1);
  flow_stop (&flow);
}

/* Nobody of the first domain was accepted: the second one has the transaction to itself. */
static void
test_first_domain_refused (void)
{
  Flow flow;
  flow_start (&flow);
  KitClient *client = kit_connect (flow.port);
  g_free (kit_greet (client));
  kit_say (client, "MAIL FROM:<a@client.test>\nRCPT TO:<b@gone.example>\nRCPT TO:<c@gone.example>\n"
                   "RCPT TO:<b@order.example>\nDATA\n");
  kit_expect (client, "250 ");
  kit_expect (client, "550 5.1.2 ");
  kit_expect (client, "550 5.1.2 ");
  kit_expect (client, "250 ");
  kit_expect (client, "354");
  kit_command (client, TEXT ".", "250 ");
  kit_close (client);
  g_assert_cmpuint (count_messages (flow.first), ==, 1);
  flow_stop (&flow);
}

static void
test_reuse (void)
{
  Flow flow;
  flow_start (&flow);
  for (guint i = 0; i < 3; i++)
    check_delivery (&flow, "b@order.example", "250 ");
  check_delivery (&flow, "b@alias.example", "250 ");
  g_assert_cmpuint (kit_server_count (flow.first, "EHLO"), ==, 1);
  g_assert_cmpuint (count_messages (flow.first), ==, 4);
  flow_stop (&flow);
}

/* One that takes connections and no mail. */
static void
check_first_host (const KitStep *steps, const gchar *wanted, guint second)
{
  Flow flow = { 0 };
  flow_start_with (&flow, ALL, NULL, ROUTE, dns_port);
  kit_server_stop (flow.first);
  flow.first = kit_server_at ("127.0.0.11", flow.hosts, ALL, steps);
  check_delivery (&flow, "b@order.example", wanted);
  g_assert_cmpuint (count_messages (flow.first), ==, 0);
  g_assert_cmpuint (kit_server_count (flow.first, "RCPT"), <=, 1);
  g_assert_cmpuint (count_messages (flow.second), ==, second);
  flow_stop (&flow);
}

/* With nobody else to go to, it is asked again, and not for ever. */
static void
test_only_host_hangs_up (void)
{
  static const KitStep closed[] = { { "RCPT", KIT_CLOSE, "" }, { NULL } };
  Flow flow = { 0 };
  flow_start_with (&flow, ALL, closed, ROUTE, dns_port);
  check_delivery (&flow, "b@plain.example", "451 4.");
  g_assert_cmpuint (kit_server_count (flow.first, "RCPT"), ==, 3);
  flow_stop (&flow);
}

/* ---- What is told of hosts that were found ---- */

static void
test_status (void)
{
  Flow flow = { 0 };
  g_autofree gchar *none = NULL, *some = NULL;
  flow_start (&flow);
  none = flow_status (&flow);
  g_assert_nonnull (strstr (none, "\"upstreams\":[],\"upstreams_more\":0"));
  check_delivery (&flow, "b@order.example", "250 ");
  check_delivery (&flow, "b@down.example", "250 ");
  some = flow_status (&flow);
  g_assert_nonnull (strstr (some, "\"host\":\"h1.example[127.0.0.11]\",\"state\":\"up\","
                                  "\"connections\":1,\"idle\":1,\"waiting\":0}"));
  g_assert_nonnull (strstr (some, "\"host\":\"h2.example[127.0.0.12]\",\"state\":\"up\""));
  g_assert_nonnull (strstr (some, "\"host\":\"dead.example[127.0.0.66]\",\"state\":\"failed\","
                                  "\"connections\":0,"));
  flow_stop (&flow);
}

/* ---- Certificates ---- */

static void
check_certificate (const gchar *name, const gchar *route, const gchar *wanted, guint tls)
{
  Flow flow = { .hosts = kit_port () };
  const gchar *reason;
  g_autofree gchar *folder = NULL, *options = NULL;
  g_autofree gchar *settings
      = g_strdup_printf ("smtpd_tls_security_level = may\nsmtpd_tls_cert_file = %1$s/mx-up.pem\n"
                         "smtpd_tls_key_file = %1$s/mx-up.key\n",
                         kit_folder ());
  kit_certificate ("mx-up", name);
  g_autofree gchar *instance = g_strdup_printf ("mx-%u", flow.hosts);
  KitPostfix *postfix = kit_postfix (instance, flow.hosts, settings, NULL, &reason);
  if (postfix == NULL)
    {
      g_test_skip (reason);
      return;
    }
  folder = kit_postfix_folder (postfix, "b");
  options = g_strdup_printf ("%s tls = \"verified\" tls-ca = \"%s/ca.pem\" %s", ROUTE,
                             kit_folder (), route);
  flow_start_gateway (&flow, options);
  check_delivery (&flow, "b@up.test", wanted);
  kit_gateway_stop (flow.mailweir);
  if (tls > 0)
    {
      kit_wait_messages (folder, 1);
      g_autoptr (GPtrArray) messages = kit_messages (folder);
      g_assert_nonnull (strstr (messages->pdata[0], "with ESMTPS id"));
    }
  kit_postfix_stop (postfix);
}

/* The name that counts is the mail host's, which the zone gives; `tls-name` is one for all. */
static void
test_verified (void)
{
  check_certificate ("self.example", "", "250 ", 1);
  check_certificate ("up.test", "", "451 4.7.5 ", 0);
  check_certificate ("up.test", "tls-name = \"up.test\"", "250 ", 1);
}

static void
test_busy_host (void)
{
  static const KitStep busy[] = { { "CONNECT", KIT_CLOSE, "421 4.3.2 busy\n" }, { NULL } };
  static const KitStep closed[] = { { "RCPT", KIT_CLOSE, "" }, { NULL } };
  static const KitStep refusing[] = { { "RCPT", KIT_ANSWER, "550 5.1.1 nobody\n" }, { NULL } };
  check_first_host (busy, "250 ", 1);
  check_first_host (closed, "250 ", 1);
  check_first_host (refusing, "550 5.1.1 nobody", 0);
}

/* ---- What a host can not do ---- */

static void
test_offers (void)
{
  Flow flow;
  flow_start (&flow);
  KitClient *client = kit_connect (flow.port);
  g_autofree gchar *ehlo = kit_greet (client);
  g_assert_nonnull (strstr (ehlo, "8BITMIME"));
  g_assert_nonnull (strstr (ehlo, "SMTPUTF8"));
  g_assert_null (strstr (ehlo, "DSN"));
  kit_command (client, "MAIL FROM:<\303\244@client.test> SMTPUTF8 BODY=8BITMIME", "250 ");
  kit_command (client, "RCPT TO:<b@b\303\274cher.example>", "250 ");
  kit_command (client, "DATA", "354");
  kit_command (client, TEXT ".", "250 ");
  kit_close (client);
  g_assert_cmpuint (kit_server_count (flow.first, "RCPT TO:<b@b\303\274cher.example>"), ==, 1);
  flow_stop (&flow);
}

static void
check_lacking (guint port, const gchar *mail, const gchar *wanted)
{
  KitClient *client = kit_connect (port);
  g_free (kit_greet (client));
  kit_command (client, mail, "250 ");
  kit_command (client, "RCPT TO:<b@order.example>", wanted);
  kit_command (client, "RSET", "250 ");
  kit_close (client);
}

static void
test_lacking (void)
{
  Flow flow = { 0 };
  flow_start_with (&flow, "PIPELINING", NULL, ROUTE, dns_port);
  check_lacking (flow.port, "MAIL FROM:<a@client.test> BODY=8BITMIME", "554 5.6.3 ");
  check_lacking (flow.port, "MAIL FROM:<\303\244@client.test> SMTPUTF8", "550 5.6.7 ");
  /* The first one lacks it; whether the second one does is not known now. */
  kit_server_stop (flow.second);
  check_lacking (flow.port, "MAIL FROM:<a@client.test> BODY=8BITMIME", "451 4.");
  check_delivery (&flow, "b@order.example", "250 ");
  flow.second = kit_server_at ("127.0.0.12", flow.hosts, ALL, NULL);
  flow_stop (&flow);
}

/* ---- No name server ---- */

static void
test_no_name_server (void)
{
  Flow flow = { 0 };
  flow_start_with (&flow, ALL, NULL, "mx-loopback = true connect = 2s", kit_port ());
  gint64 before = g_get_monotonic_time ();
  check_delivery (&flow, "b@order.example", "451 4.4.3 ");
  g_assert_cmpint (g_get_monotonic_time () - before, <, KIT_PATIENCE * G_USEC_PER_SEC);
  check_delivery (&flow, "b@[127.0.0.11]", "250 ");
  flow_stop (&flow);
}

/* Whoever asked does not wait any more; then, nobody does, and Mailweir ends in good order. */
static void
test_given_up (void)
{
  Flow flow = { 0 };
  flow_start_with (&flow, ALL, NULL, "mx-loopback = true connect = 10m", kit_port ());
  for (guint i = 0; i < 20; i++)
    {
      KitClient *client = kit_connect (flow.port);
      g_free (kit_greet (client));
      kit_command (client, "MAIL FROM:<a@client.test>", "250 ");
      kit_say (client, "RCPT TO:<b@order.example>\n");
      kit_close (client);
    }
  check_delivery (&flow, "b@[127.0.0.11]", "250 ");
  KitClient *waiting = kit_connect (flow.port);
  g_free (kit_greet (waiting));
  kit_command (waiting, "MAIL FROM:<a@client.test>", "250 ");
  kit_say (waiting, "RCPT TO:<b@order.example>\n");
  kill (kit_pid (flow.mailweir), SIGTERM);
  kit_wait_log (flow.mailweir, "draining");
  flow_stop (&flow);
  kit_close (waiting);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (!kit_have ("unbound"))
    {
      g_print ("1..0 # SKIP unbound is not installed\n");
      return 0;
    }
  KitProcess *unbound = start_name_server ();
  g_test_add_func ("/e2e/mx/zones", test_zones);
  g_test_add_func ("/e2e/mx/equals", test_equals);
  g_test_add_func ("/e2e/mx/six", test_six);
  g_test_add_func ("/e2e/mx/our-address", test_our_address);
  g_test_add_func ("/e2e/mx/loopback", test_loopback);
  g_test_add_func ("/e2e/mx/two-domains", test_two_domains);
  g_test_add_func ("/e2e/mx/first-domain-refused", test_first_domain_refused);
  g_test_add_func ("/e2e/mx/reuse", test_reuse);
  g_test_add_func ("/e2e/mx/busy-host", test_busy_host);
  g_test_add_func ("/e2e/mx/only-host", test_only_host_hangs_up);
  g_test_add_func ("/e2e/mx/status", test_status);
  g_test_add_func ("/e2e/mx/verified", test_verified);
  g_test_add_func ("/e2e/mx/offers", test_offers);
  g_test_add_func ("/e2e/mx/lacking", test_lacking);
  g_test_add_func ("/e2e/mx/no-name-server", test_no_name_server);
  g_test_add_func ("/e2e/mx/given-up", test_given_up);
  gint status = g_test_run ();
  kit_stop (unbound, SIGTERM);
  kit_finish ();
  return status;
}
