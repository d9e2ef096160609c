/* The whole gateway process but its main(): real sockets on loopback, an upstream in a thread, no
 * filters. */
#include "support.h"

#include <openssl/x509v3.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "net/mx-hosts.h"
#include "net/status.h"

#define LISTENER                                                                                   \
  "hostname = \"gate.example.org\"\nthreads = 2\ndrain = 5s\n"                                     \
  "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"out\"] %s }\n"

static gchar *
config_for (const gchar *listener, const gchar *route)
{
  g_autofree gchar *head = g_strdup_printf (LISTENER, listener);

  return g_strdup_printf ("%sroute \"out\" { %s }\n", head, route);
}

static TestService *
service_to (const gchar *listener, const gchar *more, const TestUpstream *first,
            const TestUpstream *second)
{
  g_autofree gchar *to
      = second == NULL
            ? g_strdup_printf ("to = [\"smtp://127.0.0.1:%u\"] %s", first->port, more)
            : g_strdup_printf ("to = [\"smtp://127.0.0.1:%u\", \"smtp://127.0.0.1:%u\"] %s",
                               first->port, second->port, more);
  g_autofree gchar *text = config_for (listener, to);

  return test_service_new (text, NULL);
}

static void
greet (TestClient *client)
{
  test_client_expect (client, NULL, "220");
  test_client_expect (client, "EHLO client.example.org", "250");
}

static void
test_discard (void)
{
  g_autofree gchar *text = config_for ("", "to = [\"discard:\"]");
  g_autoptr (TestService) service = test_service_new (text, NULL);
  g_autoptr (TestClient) client = test_client_new (service->port);

  greet (client);
  test_client_deliver (client, "250");
  test_client_expect (client, "QUIT", "221");
}

static void
test_relay_and_reuse (void)
{
  g_autoptr (TestUpstream) upstream = test_upstream_new ();
  g_autoptr (TestService) service = NULL;

  test_upstream_start (upstream);
  service = service_to ("", "connections = 1", upstream, NULL);
  for (guint i = 0; i < 6; i++)
    {
      g_autoptr (TestClient) client = test_client_new (service->port);
      greet (client);
      test_client_deliver (client, "250 2.0.0 Queued as TEST");
      test_client_deliver (client, "250 2.0.0 Queued as TEST");
      test_client_expect (client, "QUIT", "221");
    }
  g_assert_cmpint (g_atomic_int_get (&upstream->messages), ==, 12);
  /* One connection for each of the two loops at most, and never two at once. */
  g_assert_cmpint (upstream->most_open, ==, 1);
}

static void
test_fail_over (void)
{
  g_autoptr (TestUpstream) dead = test_upstream_new ();
  g_autoptr (TestUpstream) upstream = test_upstream_new ();
  g_autoptr (TestService) service = NULL;
  g_autoptr (TestClient) client = NULL;

  dead->greeting = "554 5.3.2 Not today";
  test_upstream_start (dead);
  test_upstream_start (upstream);
  service = service_to ("", "", dead, upstream);
  client = test_client_new (service->port);
  greet (client);
  for (guint i = 0; i < 3; i++)
    test_client_deliver (client, "250 2.0.0 Queued as TEST");
  g_assert_cmpint (g_atomic_int_get (&upstream->messages), ==, 3);
  g_assert_cmpint (g_atomic_int_get (&dead->messages), ==, 0);
}

static void
test_all_hosts_fail (void)
{
  g_autoptr (TestUpstream) dead = test_upstream_new ();
  g_autoptr (TestService) service = NULL;
  g_autoptr (TestClient) client = NULL;

  dead->greeting = "554 5.3.2 Not today";
  test_upstream_start (dead);
  service = service_to ("", "", dead, NULL);
  client = test_client_new (service->port);
  greet (client);
  test_client_expect (client, "MAIL FROM:<a@example.org>", "250");
  test_client_expect (client, "RCPT TO:<b@example.org>", "451");
}

static void
test_no_slot_in_time (void)
{
  g_autoptr (TestUpstream) upstream = test_upstream_new ();
  g_autoptr (TestService) service = NULL;
  g_autoptr (TestClient) holder = NULL;
  g_autoptr (TestClient) late = NULL;

  test_upstream_start (upstream);
  service = service_to ("", "connections = 1 connect = 300ms", upstream, NULL);
  holder = test_client_new (service->port);
  late = test_client_new (service->port);
  greet (holder);
  greet (late);
  test_client_expect (holder, "MAIL FROM:<a@example.org>", "250");
  test_client_expect (holder, "RCPT TO:<b@example.org>", "250");
  test_client_expect (late, "MAIL FROM:<a@example.org>", "250");
  test_client_expect (late, "RCPT TO:<b@example.org>", "451 4.3.2");
  /* Once the holder is through, the slot is free for the other loop as well. */
  test_client_expect (holder, "DATA", "354");
  test_client_expect (holder, "Subject: x\r\n\r\nHello\r\n.", "250");
  test_client_expect (late, "RSET", "250");
  test_client_deliver (late, "250");
}

static void
test_upstream_closes_idle (void)
{
  g_autoptr (TestUpstream) upstream = test_upstream_new ();
  g_autoptr (TestService) service = NULL;
  g_autoptr (TestClient) client = NULL;

  upstream->close_when_idle = TRUE;
  test_upstream_start (upstream);
  service = service_to ("", "", upstream, NULL);
  client = test_client_new (service->port);
  greet (client);
  for (guint i = 0; i < 3; i++)
    test_client_deliver (client, "250");
  g_assert_cmpint (g_atomic_int_get (&upstream->messages), ==, 3);
  g_assert_cmpint (g_atomic_int_get (&upstream->connections), >=, 3);
}

static void
test_keep (void)
{
  g_autoptr (TestUpstream) upstream = test_upstream_new ();
  g_autoptr (TestService) service = NULL;
  g_autoptr (TestClient) client = NULL;

  test_upstream_start (upstream);
  service = service_to ("", "keep = 100ms", upstream, NULL);
  client = test_client_new (service->port);
  greet (client);
  test_client_deliver (client, "250");
  for (guint i = 0; i < 200 && g_atomic_int_get (&upstream->open) > 0; i++)
    g_usleep (50000);
  g_assert_cmpint (g_atomic_int_get (&upstream->open), ==, 0);
  test_client_deliver (client, "250");
}

static void
test_capabilities (void)
{
  g_autoptr (TestUpstream) one = test_upstream_new ();
  g_autoptr (TestUpstream) other = test_upstream_new ();
  g_autoptr (TestService) service = NULL;
  g_autoptr (TestClient) client = NULL;
  g_autofree gchar *reply = NULL;

  one->extra = "250-SIZE 5000\r\n250-8BITMIME\r\n250-DSN\r\n";
  other->extra = "250-SIZE 9000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n";
  test_upstream_start (one);
  test_upstream_start (other);
  service = service_to ("", "", one, other);
  client = test_client_new (service->port);
  test_client_expect (client, NULL, "220");
  test_client_send (client, "EHLO client.example.org\r\n");
  reply = test_client_reply (client);
  g_assert_nonnull (strstr (reply, "SIZE 5000"));
  g_assert_nonnull (strstr (reply, "8BITMIME"));
  g_assert_null (strstr (reply, "DSN"));
  g_assert_null (strstr (reply, "SMTPUTF8"));
}

static void
test_connection_limits (void)
{
  g_autofree gchar *text = config_for ("connections-per-client = 1", "to = [\"discard:\"]");
  g_autoptr (TestService) service = test_service_new (text, NULL);
  g_autoptr (TestClient) first = test_client_new (service->port);
  g_autoptr (TestClient) second = NULL;

  greet (first);
  second = test_client_new (service->port);
  test_client_expect (second, NULL, "421 4.7.0");
  test_client_expect (first, "QUIT", "221");
}

static void
test_message_rate (void)
{
  g_autofree gchar *text = config_for ("messages-per-minute = 2", "to = [\"discard:\"]");
  g_autoptr (TestService) service = test_service_new (text, NULL);
  g_autoptr (TestClient) client = test_client_new (service->port);

  greet (client);
  test_client_deliver (client, "250");
  test_client_deliver (client, "250");
  test_client_expect (client, "MAIL FROM:<a@example.org>", "450");
}

/* The order travels through the loops' mailboxes: until it is there, commands are served. */
static void
expect_drained (TestClient *client)
{
  for (guint i = 0; i < 2000; i++)
    {
      g_autofree gchar *reply = NULL;
      test_client_send (client, "NOOP\r\n");
      reply = test_client_reply (client);
      if (g_str_has_prefix (reply, "421"))
        return;
      g_assert_true (g_str_has_prefix (reply, "250"));
      g_usleep (1000);
    }
  g_assert_not_reached ();
}

static void
test_drain (void)
{
  g_autofree gchar *text = config_for ("", "to = [\"discard:\"]");
  g_autoptr (TestService) service = test_service_new (text, NULL);
  g_autoptr (TestClient) idle = test_client_new (service->port);
  g_autoptr (TestClient) busy = test_client_new (service->port);

  greet (idle);
  greet (busy);
  test_client_expect (busy, "MAIL FROM:<a@example.org>", "250");
  test_service_order (service, IPC_CONTROL_DRAIN);
  test_client_expect (busy, "RCPT TO:<b@example.org>", "250");
  test_client_expect (busy, "DATA", "354");
  test_client_expect (busy, "Subject: x\r\n\r\nHello\r\n.", "250");
  expect_drained (busy);
  expect_drained (idle);
  test_service_join (service);
}

static void
test_generation_dies (void)
{
  g_autofree gchar *text = config_for ("", "to = [\"discard:\"]");
  g_autoptr (TestService) service = test_service_new (text, NULL);
  g_autoptr (TestClient) client = test_client_new (service->port);

  greet (client);
  shutdown (service->control[1], SHUT_RDWR);
  test_client_expect (client, NULL, "421");
  test_service_join (service);
}

static void
test_starttls (void)
{
  g_autoptr (TestPair) authority = test_pair_new ("authority", NULL, 30);
  g_autoptr (TestPair) plain = test_pair_new ("mx.example.org", authority, 30);
  g_autoptr (TestPair) named = test_pair_new ("other.example.org", authority, 30);
  const gchar *secrets[]
      = { "/mx.pem",          plain->certificate, "/mx.key",  plain->key, "/other.pem",
          named->certificate, "/other.key",       named->key, NULL };
  g_autofree gchar *base = config_for ("tls = \"starttls\"", "to = [\"discard:\"]");
  g_autofree gchar *text = g_strconcat (
      base, "tls { certificate = \"/mx.pem\" key = \"/mx.key\" }\n",
      "tls \"other.example.org\" { certificate = \"/other.pem\" key = \"/other.key\" }\n", NULL);
  g_autoptr (TestService) service = test_service_new (text, secrets);
  static const gchar *const names[][2] = { { NULL, "mx.example.org" },
                                           { "unknown.example.org", "mx.example.org" },
                                           { "other.example.org", "other.example.org" } };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (TestClient) client = test_client_new (service->port);
      X509 *certificate;
      greet (client);
      test_client_expect (client, "STARTTLS", "220");
      test_client_start_tls (client, names[i][0]);
      certificate = SSL_get1_peer_certificate (client->ssl);
      g_assert_cmpint (X509_check_host (certificate, names[i][1], 0, 0, NULL), ==, 1);
      X509_free (certificate);
      test_client_expect (client, "EHLO client.example.org", "250");
      test_client_deliver (client, "250");
      test_client_expect (client, "QUIT", "221");
    }
}

/* One delivery to an upstream with this certificate, by a route with this policy. */
static void
deliver_encrypted (const TestPair *upstream_pair, const TestPair *trusted, const gchar *policy,
                   const gchar *code, gint encrypted)
{
  g_autoptr (TestUpstream) upstream = test_upstream_new ();
  const gchar *secrets[] = { "/ca.pem", trusted->certificate, NULL };
  g_autofree gchar *route
      = g_strdup_printf ("to = [\"smtp://127.0.0.1:%u\"] %s", upstream->port, policy);
  g_autofree gchar *text = config_for ("", route);
  g_autoptr (TestService) service = NULL;
  g_autoptr (TestClient) client = NULL;

  upstream->pair = upstream_pair;
  test_upstream_start (upstream);
  service = test_service_new (text, secrets);
  client = test_client_new (service->port);
  greet (client);
  test_client_expect (client, "MAIL FROM:<a@example.org>", "250");
  test_client_expect (client, "RCPT TO:<b@example.org>", code);
  g_assert_cmpint (g_atomic_int_get (&upstream->encrypted) > 0, ==, encrypted);
}

static void
test_upstream_tls (void)
{
  static const gchar verified[]
      = "tls = \"verified\" tls-ca = \"/ca.pem\" tls-name = \"mx.example.org\"";
  static const gchar by_address[] = "tls = \"verified\" tls-ca = \"/ca.pem\"";
  g_autoptr (TestPair) authority = test_pair_new ("authority", NULL, 30);
  g_autoptr (TestPair) stranger = test_pair_new ("stranger", NULL, 30);
  g_autoptr (TestPair) good = test_pair_new ("mx.example.org", authority, 30);
  g_autoptr (TestPair) address = test_pair_new ("127.0.0.1", authority, 30);
  g_autoptr (TestPair) wrong = test_pair_new ("mx.example.net", authority, 30);
  g_autoptr (TestPair) unknown = test_pair_new ("mx.example.org", stranger, 30);
  g_autoptr (TestPair) expired = test_pair_new ("mx.example.org", authority, -1);

  deliver_encrypted (good, authority, verified, "250", TRUE);
  deliver_encrypted (address, authority, by_address, "250", TRUE);
  deliver_encrypted (wrong, authority, verified, "451 4.7.5", FALSE);
  deliver_encrypted (good, authority, by_address, "451 4.7.5", FALSE);
  deliver_encrypted (unknown, authority, verified, "451 4.7.5", FALSE);
  deliver_encrypted (expired, authority, verified, "451 4.7.5", FALSE);
  deliver_encrypted (NULL, authority, verified, "451 4.7.4", FALSE);
  deliver_encrypted (unknown, authority, "tls = \"required\"", "250", TRUE);
  deliver_encrypted (NULL, authority, "tls = \"required\"", "451 4.7.4", FALSE);
  deliver_encrypted (expired, authority, "tls = \"opportunistic\"", "250", TRUE);
  deliver_encrypted (NULL, authority, "tls = \"opportunistic\"", "250", FALSE);
  deliver_encrypted (good, authority, "tls = \"off\"", "250", FALSE);
}

static void
test_client_vanishes (void)
{
  g_autoptr (TestUpstream) upstream = test_upstream_new ();
  g_autoptr (TestService) service = NULL;
  struct linger reset = { .l_onoff = 1, .l_linger = 0 };

  test_upstream_start (upstream);
  service = service_to ("", "", upstream, NULL);
  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (TestClient) client = test_client_new (service->port);
      greet (client);
      test_client_expect (client, "MAIL FROM:<a@example.org>", "250");
      test_client_expect (client, "RCPT TO:<b@example.org>", "250");
      test_client_expect (client, "DATA", "354");
      test_client_send (client, "Subject: half\r\n\r\nHel");
      if (i % 2 == 0)
        setsockopt (client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
  for (guint i = 0; i < 400
                    && net_counter_get (&service->service->loops[0]->counters.client_gone)
                               + net_counter_get (&service->service->loops[1]->counters.client_gone)
                           < 4;
       i++)
    g_usleep (10000);
  g_assert_cmpint (g_atomic_int_get (&upstream->messages), ==, 0);
}

static void
test_big_message (void)
{
  g_autoptr (TestUpstream) upstream = test_upstream_new ();
  g_autoptr (TestService) service = NULL;
  g_autoptr (TestClient) client = NULL;
  g_autoptr (GString) line = g_string_new (NULL);

  test_upstream_start (upstream);
  service = service_to ("", "", upstream, NULL);
  client = test_client_new (service->port);
  greet (client);
  test_client_expect (client, "MAIL FROM:<a@example.org>", "250");
  test_client_expect (client, "RCPT TO:<b@example.org>", "250");
  test_client_expect (client, "DATA", "354");
  for (guint i = 0; i < 1000; i++)
    g_string_append (line,
                     ".a line that begins with a dot and is a bit longer than others are\r\n");
  for (guint i = 0; i < 50; i++)
    test_client_send (client, line->str);
  test_client_expect (client, ".", "250 2.0.0 Queued as TEST");
}

static void
test_status (void)
{
  g_autoptr (TestUpstream) upstream = test_upstream_new ();
  g_autoptr (TestService) service = NULL;
  g_autoptr (TestClient) client = NULL;
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
  g_autofree gchar *text = NULL;

  test_upstream_start (upstream);
  service = service_to ("", "", upstream, NULL);
  client = test_client_new (service->port);
  greet (client);
  test_client_deliver (client, "250");
  net_status_write (service->service, &out);
  text = g_strndup ((const gchar *) base_buffer_bytes (&out), base_buffer_length (&out));
  g_assert_nonnull (strstr (text, "\"sessions\":1,"));
  g_assert_nonnull (strstr (text, "\"messages\":1,"));
  g_assert_nonnull (strstr (text, "\"sent\":1,"));
  g_assert_nonnull (strstr (text, "\"state\":\"up\""));
}

#define FOUND 202 /* two more than are told */

/* Hosts of an mx: route that two loops have found, one of them both. */
static void
test_status_of_found_hosts (void)
{
  g_autoptr (TestUpstream) upstream = test_upstream_new ();
  g_autoptr (TestService) service
      = service_to ("", "}\nroute \"mail\" { to = [\"mx:\"]", upstream, NULL);
  const ConfigRoute *route = g_ptr_array_index (service->config->routes, 1);
  NetHosts *hosts = service->service->hosts;
  NetMxHosts *tables[] = { net_mx_hosts_new (hosts, 2), net_mx_hosts_new (hosts, 2) };
  NetHost *found[FOUND + 1];
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
  guint told = 0;

  for (guint i = 0; i <= FOUND; i++)
    {
      g_autofree gchar *name = g_strdup_printf ("h%03u.test", i % FOUND);
      NetMxAddress address = { .name = name };

      g_assert_true (base_endpoint_parse ("192.0.2.1:25", &address.endpoint, NULL));
      found[i] = net_mx_hosts_get (tables[i == FOUND], route, &address);
    }
  g_assert_true (found[0] != found[FOUND]);
  found[0]->connections = found[FOUND]->connections = 1;
  net_status_write (service->service, &out);
  g_autofree gchar *text
      = g_strndup ((const gchar *) base_buffer_bytes (&out), base_buffer_length (&out));
  for (const gchar *at = text; (at = strstr (at, "{\"route\":\"mail\"")) != NULL; at++)
    told++;
  g_assert_cmpuint (told, ==, FOUND - 2);
  g_assert_nonnull (strstr (text, "},{\"route\":\"mail\",\"host\":\"h000.test[192.0.2.1]\","
                                  "\"state\":\"unasked\",\"connections\":2,"));
  g_assert_nonnull (strstr (text, "],\"upstreams_more\":2}"));
  found[0]->connections = found[FOUND]->connections = 0;
  for (guint i = 0; i <= FOUND; i++)
    net_host_unref (found[i]);
  net_mx_hosts_free (tables[0]);
  net_mx_hosts_free (tables[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  signal (SIGPIPE, SIG_IGN);
  g_test_add_func ("/net/service/discard", test_discard);
  g_test_add_func ("/net/service/relay-and-reuse", test_relay_and_reuse);
  g_test_add_func ("/net/service/fail-over", test_fail_over);
  g_test_add_func ("/net/service/all-hosts-fail", test_all_hosts_fail);
  g_test_add_func ("/net/service/no-slot-in-time", test_no_slot_in_time);
  g_test_add_func ("/net/service/upstream-closes-idle", test_upstream_closes_idle);
  g_test_add_func ("/net/service/keep", test_keep);
  g_test_add_func ("/net/service/capabilities", test_capabilities);
  g_test_add_func ("/net/service/connection-limits", test_connection_limits);
  g_test_add_func ("/net/service/message-rate", test_message_rate);
  g_test_add_func ("/net/service/drain", test_drain);
  g_test_add_func ("/net/service/generation-dies", test_generation_dies);
  g_test_add_func ("/net/service/starttls", test_starttls);
  g_test_add_func ("/net/service/upstream-tls", test_upstream_tls);
  g_test_add_func ("/net/service/client-vanishes", test_client_vanishes);
  g_test_add_func ("/net/service/big-message", test_big_message);
  g_test_add_func ("/net/service/status", test_status);
  g_test_add_func ("/net/service/status/found-hosts", test_status_of_found_hosts);
  return g_test_run ();
}
