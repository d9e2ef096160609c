/* PROXY headers in front of us and behind us, over real sockets: who is believed, what becomes of
 * limits and rights, of TLS and of what is no header. */
#include "support.h"

#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/proxy.h"

#define TO_DISCARD "route \"out\" { to = [\"discard:\"] }\n"
#define LISTENER(options)                                                                          \
  "hostname = \"gate.example.org\"\nthreads = 2\ndrain = 5s\n"                                     \
  "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"out\"]\n"                             \
  " relay-from = [\"127.0.0.0/8\"] " options " }\n"
#define BELIEVING(options) LISTENER ("proxy-from = [\"127.0.0.1\"] " options)
#define LINE "PROXY TCP4 127.9.9.9 127.0.0.1 7 25\r\n"

static GString *logged;
static GMutex mutex;

static void
keep_line (const gchar *line, gsize length, gpointer data)
{
  g_mutex_lock (&mutex);
  g_string_append_len (logged, line, (gssize) length);
  g_mutex_unlock (&mutex);
}

static gchar *
take_log (void)
{
  g_mutex_lock (&mutex);
  gchar *text = g_strdup (logged->str);
  g_string_truncate (logged, 0);
  g_mutex_unlock (&mutex);
  return text;
}

static TestService *
believing (const gchar *config)
{
  g_free (take_log ());
  return test_service_new (config, NULL);
}

static void
say_header (TestClient *client, guint version, const gchar *source)
{
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
  BaseEndpoint from = { .length = 0 }, to;

  g_assert_true (base_endpoint_parse ("127.0.0.1:25", &to, NULL));
  if (source != NULL)
    base_endpoint_parse (source, &from, NULL); /* what is no address stays unknown */
  base_proxy_write (version, source == NULL ? NULL : &from, &to, &out);
  send (client->fd, base_buffer_bytes (&out), base_buffer_length (&out), MSG_NOSIGNAL);
}

static void
assert_is (TestClient *client, const gchar *address)
{
  g_autofree gchar *expected = g_strdup_printf ("[%s]\n", address);

  test_client_expect (client, NULL, "220");
  test_client_send (client, "EHLO client.example.org\r\n");
  g_autofree gchar *reply = test_client_reply (client);
  g_strdelimit (reply, "\r", '\n');
  if (strstr (reply, expected) == NULL)
    g_error ("no %s in %s", expected, reply);
}

static void
test_believed (void)
{
  g_autoptr (TestService) service = believing (BELIEVING ("") TO_DISCARD);

  for (guint version = 1; version <= 2; version++)
    {
      g_autoptr (TestClient) client = test_client_new (service->port);
      g_autoptr (TestClient) six = test_client_new (service->port);
      say_header (client, version, "127.9.9.9:7");
      assert_is (client, "127.9.9.9");
      test_client_deliver (client, "250");
      say_header (six, version, "[::1]:7");
      assert_is (six, "::1");
    }
}

/* Octet by octet, and with the first command in the same segment. */
static void
test_pieces (void)
{
  g_autoptr (TestService) service = believing (BELIEVING ("") TO_DISCARD);
  g_autoptr (TestClient) slow = test_client_new (service->port);
  g_autoptr (TestClient) hasty = test_client_new (service->port);

  for (const gchar *c = LINE; *c != '\0'; c++)
    {
      const gchar octet[] = { *c, '\0' };
      test_client_send (slow, octet);
    }
  assert_is (slow, "127.9.9.9");
  test_client_send (hasty, LINE "NOOP\r\n");
  test_client_expect (hasty, NULL, "220");
  test_client_expect (hasty, NULL, "250");
}

static void
test_before_tls (void)
{
  g_autoptr (TestPair) authority = test_pair_new ("authority", NULL, 10);
  g_autoptr (TestPair) pair = test_pair_new ("gate.example.org", authority, 10);
  const gchar *secrets[] = { "/c.pem", pair->certificate, "/k.pem", pair->key, NULL };
  g_autoptr (TestService) service = test_service_new (
      "tls { certificate = \"/c.pem\" key = \"/k.pem\" }\n" BELIEVING ("tls = \"implicit\"")
          TO_DISCARD,
      secrets);
  g_autoptr (TestClient) client = test_client_new (service->port);
  g_autoptr (TestClient) naked = test_client_new (service->port);

  say_header (client, 2, "127.9.9.9:7");
  test_client_start_tls (client, NULL);
  assert_is (client, "127.9.9.9");
  test_client_deliver (client, "250");
  test_client_send (naked, "\x16\x03\x01");
  g_autofree gchar *reply = test_client_reply (naked);
  g_assert_cmpstr (reply, ==, "");
}

/* Each is closed, with one line that shows it. */
static void
test_bad (void)
{
  static const struct
  {
    const gchar *said, *logged;
  } cases[] = {
    { "EHLO client.example.org\r\n", "no PROXY header: \"EHLO client.example.org<0D><0A>\"" },
    { "PROXY TCP4 127.0.0.1 x 1 2\r\n", "bad PROXY line: \"PROXY TCP4 127.0.0.1 x 1 2" },
    { "PROXY TCP4 127.0.0.1 127.0.0.1 1 70000\r\n", "1 70000" },
  };
  g_autoptr (TestService) service = believing (BELIEVING ("") TO_DISCARD);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (TestClient) client = test_client_new (service->port);
      test_client_send (client, cases[i].said);
      g_autofree gchar *reply = test_client_reply (client);
      g_assert_cmpstr (reply, ==, "");
      g_autofree gchar *log = take_log ();
      if (strstr (log, "listener in: proxy 127.0.0.1: ") == NULL
          || strstr (log, cases[i].logged) == NULL)
        g_error ("log: %s", log);
    }
}

/* It waits for our greeting, which does not come. */
static void
test_silent (void)
{
  g_autoptr (TestService) service = believing (BELIEVING ("") TO_DISCARD);
  g_autoptr (TestClient) client = test_client_new (service->port);
  g_autofree gchar *reply = test_client_reply (client);

  g_assert_cmpstr (reply, ==, "");
  g_autofree gchar *log = take_log ();
  g_assert_nonnull (strstr (log, "no whole PROXY header within 5 s"));
}

static void
test_stranger (void)
{
  g_autoptr (TestService) service
      = believing (LISTENER ("proxy-from = [\"10.0.0.0/8\"]") TO_DISCARD);
  g_autoptr (TestClient) client = test_client_new (service->port);
  g_autoptr (TestClient) other = test_client_new (service->port);

  test_client_expect (client, NULL, "220");
  test_client_send (client, LINE);
  test_client_expect (client, NULL, "500");
  test_client_send (client, "EHLO client.example.org\r\n");
  g_autofree gchar *reply = test_client_reply (client);
  g_assert_nonnull (strstr (reply, "[127.0.0.1]"));
  /* The signature of version 2 is made of commands that no server takes. */
  say_header (other, 2, "127.9.9.9:7");
  test_client_expect (other, NULL, "220");
  test_client_expect (other, NULL, "500");
}

/* The limit is on the client, not on the load balancer. */
static void
test_limits (void)
{
  g_autoptr (TestService) service
      = believing (BELIEVING ("connections-per-client = 1 connections = 3") TO_DISCARD);
  g_autoptr (TestClient) first = test_client_new (service->port);
  g_autoptr (TestClient) second = NULL, third = NULL;

  say_header (first, 1, "127.9.9.1:7");
  test_client_expect (first, NULL, "220");
  second = test_client_new (service->port);
  say_header (second, 1, "127.9.9.2:7");
  test_client_expect (second, NULL, "220");
  third = test_client_new (service->port);
  say_header (third, 2, "127.9.9.1:8");
  test_client_expect (third, NULL, "421 4.7.0 Too many connections from you");
  g_autofree gchar *log = take_log ();
  g_assert_nonnull (strstr (log, "client=unknown[127.9.9.1] command=CONNECT dsn=4.7.0"));
  g_clear_pointer (&third, test_client_free);
  test_client_expect (first, "QUIT", "221");
  g_clear_pointer (&first, test_client_free);
  /* The place is free once the loop has seen the end. */
  for (guint i = 0; i < 500 && third == NULL; i++)
    {
      third = test_client_new (service->port);
      say_header (third, 2, "127.9.9.1:8");
      g_autofree gchar *reply = test_client_reply (third);
      if (!g_str_has_prefix (reply, "220"))
        g_clear_pointer (&third, test_client_free);
      g_usleep (10000);
    }
  g_assert_nonnull (third);
}

#define XCLIENT "XCLIENT NAME=c.example.org ADDR=127.7.7.7"

static TestClient *
introduced (const TestService *service, const gchar *source)
{
  TestClient *client = test_client_new (service->port);

  say_header (client, 2, source);
  test_client_expect (client, NULL, "220");
  test_client_expect (client, "EHLO proxy.example.org", "250");
  return client;
}

/* Who may say XCLIENT is judged by the address that the header tells, and not by the load
 * balancer's; limits count whom XCLIENT names. */
static void
test_xclient (void)
{
  g_autoptr (TestService) service
      = believing (BELIEVING ("connections-per-client = 1 xclient-from = [\"127.9.9.0/24\", "
                              "\"127.0.0.1\"]") TO_DISCARD);
  g_autoptr (TestClient) first = introduced (service, "127.9.9.1:7");
  g_autoptr (TestClient) second = introduced (service, "127.9.9.2:7");
  g_autoptr (TestClient) third = NULL;
  g_autoptr (TestClient) stranger = introduced (service, "127.8.8.8:7");

  test_client_expect (stranger, XCLIENT, "550 5.7.0");
  test_client_expect (first, XCLIENT, "220");
  test_client_expect (second, XCLIENT, "421 4.7.0");
  /* The first one's own place is free again. */
  third = introduced (service, "127.9.9.1:7");
  test_client_expect (third, "XCLIENT ADDR=127.7.7.8", "220");
  test_client_expect (first, "EHLO proxy.example.org",
                      "250-gate.example.org Hello c.example.org [127.7.7.7]");
  test_client_deliver (first, "250");
  test_client_expect (first, "QUIT", "221");
}

/* What comes from the load balancer itself has the rights of its address, what it hides has none.
 */
static void
test_rights (gconstpointer data)
{
  static const struct
  {
    guint version;
    const gchar *source, *answer;
  } cases[] = { { 2, NULL, "250" },
                { 1, "unknown", "554 5.7.1" },
                { 2, "unknown", "554 5.7.1" },
                { 1, "192.0.2.1:7", "554 5.7.1" },
                { 2, "127.9.9.9:7", "250" } };
  g_autoptr (TestService) service = believing (BELIEVING ("") TO_DISCARD);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (TestClient) client = test_client_new (service->port);
      say_header (client, cases[i].version, cases[i].source);
      test_client_expect (client, NULL, "220");
      test_client_expect (client, "EHLO client.example.org", "250");
      test_client_expect (client, "MAIL FROM:<a@example.org>", "250");
      test_client_expect (client, "RCPT TO:<b@example.org>", cases[i].answer);
    }
}

/* Connections that say nothing, or only that they go, are no news. */
static void
test_checks (void)
{
  static const gchar *const conversations[]
      = { "", "QUIT\r\n", "EHLO check.example.org\r\nQUIT\r\n", "HELO localhost\r\n" };
  g_autoptr (TestService) plain = believing (LISTENER ("") TO_DISCARD);
  g_autoptr (TestService) service = test_service_new (BELIEVING ("") TO_DISCARD, NULL);

  for (guint i = 0; i < 2 * G_N_ELEMENTS (conversations); i++)
    {
      g_autoptr (TestClient) client = test_client_new (i % 2 == 0 ? plain->port : service->port);
      if (i % 2 == 1)
        say_header (client, 2, NULL);
      test_client_expect (client, NULL, "220");
      test_client_send (client, conversations[i / 2]);
    }
  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (TestClient) client = test_client_new (service->port);
      shutdown (client->fd, SHUT_WR);
      g_autofree gchar *reply = test_client_reply (client);
      g_assert_cmpstr (reply, ==, "");
    }
  test_service_free (g_steal_pointer (&service));
  test_service_free (g_steal_pointer (&plain));
  g_autofree gchar *log = take_log ();
  g_auto (GStrv) lines = g_strsplit (log, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    if (strstr (lines[i], "client") != NULL || strstr (lines[i], "proxy") != NULL
        || strstr (lines[i], "127.0.0.1[") != NULL)
      g_error ("a check was logged: %s", lines[i]);
}

/* ---- Out ---- */

static void
test_told (gconstpointer data)
{
  const gchar *version = data;
  g_autoptr (TestUpstream) upstream = test_upstream_new ();
  g_autoptr (TestService) service = NULL;

  upstream->proxied = TRUE;
  test_upstream_start (upstream);
  g_autofree gchar *text
      = g_strdup_printf (BELIEVING ("") "route \"out\" { to = [\"smtp://127.0.0.1:%u\"] "
                                        "proxy = \"%s\" }\n",
                         upstream->port, version);
  service = believing (text);
  for (guint i = 1; i <= 2; i++)
    {
      g_autofree gchar *source = g_strdup_printf ("127.9.9.%u:7", i);
      g_autoptr (TestClient) client = test_client_new (service->port);
      say_header (client, 2, source);
      test_client_expect (client, NULL, "220");
      test_client_expect (client, "EHLO client.example.org", "250");
      test_client_deliver (client, "250 2.0.0 Queued as TEST");
      test_client_deliver (client, "250 2.0.0 Queued as TEST");
      test_client_expect (client, "QUIT", "221");
    }
  test_service_free (g_steal_pointer (&service));
  g_assert_cmpint (g_atomic_int_get (&upstream->messages), ==, 4);
  g_mutex_lock (&upstream->mutex);
  /* The first connection asks what the server can do; each message has one of its own. */
  g_assert_true (g_str_has_prefix (upstream->clients->str,
                                   g_str_equal (version, "v2") ? "LOCAL\n" : "UNKNOWN\n"));
  g_assert_nonnull (
      strstr (upstream->clients->str, "127.9.9.1:7\n127.9.9.1:7\n127.9.9.2:7\n127.9.9.2:7\n"));
  g_mutex_unlock (&upstream->mutex);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  logged = g_string_new (NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_INFO);
  base_log_set_sink (keep_line, NULL);
  g_test_add_func ("/net/proxy/believed", test_believed);
  g_test_add_func ("/net/proxy/pieces", test_pieces);
  g_test_add_func ("/net/proxy/before-tls", test_before_tls);
  g_test_add_func ("/net/proxy/bad", test_bad);
  g_test_add_func ("/net/proxy/silent", test_silent);
  g_test_add_func ("/net/proxy/stranger", test_stranger);
  g_test_add_func ("/net/proxy/limits", test_limits);
  g_test_add_func ("/net/proxy/xclient", test_xclient);
  g_test_add_data_func ("/net/proxy/rights", NULL, test_rights);
  g_test_add_func ("/net/proxy/checks", test_checks);
  g_test_add_data_func ("/net/proxy/told-v1", "v1", test_told);
  g_test_add_data_func ("/net/proxy/told-v2", "v2", test_told);
  gint result = g_test_run ();
  base_log_set_sink (NULL, NULL);
  g_string_free (logged, TRUE);
  return result;
}
