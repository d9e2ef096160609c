/* Who may say who the client is, and whom we tell: the options, and their errors with places. */
#include "support.h"

#define LISTENER(address, options)                                                                 \
  "listener \"m\" { bind = [\"" address                                                            \
  "\"] routes = [\"r\"] relay-from = [\"10.0.0.0/8\"]\n" options " }\n"
#define ROUTE(to, options) "route \"r\" { to = [\"" to "\"]\n" options " }\n"
#define SERVER ROUTE ("smtp://127.0.0.1:25", "")
#define OPEN(name, column)                                                                         \
  "c:2:" column ": listener \"m\" would be an open relay: its " name " holds everybody; say "      \
  "relay = \"any\" if that is meant\n"

static const struct
{
  const gchar *name, *text, *errors;
} cases[] = {
  { "fine",
    LISTENER ("0.0.0.0:25", "proxy-from = \"192.0.2.1\" xclient-from = [\"10.0.0.0/8\", \"::1\"]")
        ROUTE ("smtp://127.0.0.1:25", "xclient = true proxy = \"v2\" xforward = true"),
    "" },
  { "network", LISTENER ("0.0.0.0:25", "proxy-from = [\"::1\", \"proxy.test\"]") SERVER,
    "c:2:22: option \"proxy-from\": not an IP address or network: \"proxy.test\"\n" },
  { "proxy-everybody", LISTENER ("0.0.0.0:25", "proxy-from = [\"0.0.0.0/0\"]") SERVER,
    OPEN ("proxy-from", "15") },
  { "xclient-everybody", LISTENER ("0.0.0.0:25", "xclient-from = [\"::1\", \"::/0\"]") SERVER,
    OPEN ("xclient-from", "24") },
  { "xforward-everybody", LISTENER ("0.0.0.0:25", "xforward-from = [\"::/0\"]") SERVER, "" },
  { "everybody-on-loopback", LISTENER ("127.0.0.1:25", "proxy-from = [\"0.0.0.0/0\"]") SERVER, "" },
  { "everybody-meant", LISTENER ("0.0.0.0:25", "relay = \"any\" xclient-from = [\"::/0\"]") SERVER,
    "" },
  { "version", LISTENER ("0.0.0.0:25", "") ROUTE ("smtp://127.0.0.1:25", "proxy = \"v3\""),
    "c:4:9: option \"proxy\": expected \"off\", \"v1\" or \"v2\", found \"v3\"; did you mean "
    "\"v1\"?\n" },
  { "folder", LISTENER ("0.0.0.0:25", "") ROUTE ("maildir:/m", "proxy = \"v1\" xclient = true"),
    "c:4:9: \"proxy\" of route \"r\", which leads to no server\n"
    "c:4:24: \"xclient\" of route \"r\", which leads to no server\n" },
  { "folder-xforward", LISTENER ("0.0.0.0:25", "") ROUTE ("discard:", "xforward = true"),
    "c:4:12: \"xforward\" of route \"r\", which leads to no server\n" },
};

static void
test_errors (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autofree gchar *errors = errors_of (cases[i].text);

  g_assert_cmpstr (errors, ==, cases[i].errors);
}

static gboolean
contains (const ConfigPeers *peers, const gchar *text)
{
  BaseEndpoint endpoint;

  g_assert_true (base_endpoint_parse (text, &endpoint, NULL));
  return config_peers_contain (peers, &endpoint);
}

static void
test_values (void)
{
  g_autoptr (Config) config = load_text (cases[0].text, NULL);
  const ConfigListener *listener = g_ptr_array_index (config->listeners, 0);
  const ConfigRoute *route = g_ptr_array_index (config->routes, 0);
  const BaseEndpoint unknown = { .length = 0 };

  g_assert_true (contains (&listener->proxy_from, "192.0.2.1:5"));
  g_assert_true (contains (&listener->proxy_from, "[::ffff:192.0.2.1]:5"));
  g_assert_false (contains (&listener->proxy_from, "192.0.2.2:5"));
  g_assert_true (contains (&listener->xclient_from, "10.9.9.9:5"));
  g_assert_true (contains (&listener->xclient_from, "[::1]:5"));
  g_assert_false (contains (&listener->xclient_from, "127.0.0.1:5"));
  g_assert_false (config_peers_contain (&listener->xclient_from, &unknown));
  g_assert_cmpuint (listener->xforward_from.count, ==, 0);
  g_assert_false (contains (&listener->xforward_from, "10.9.9.9:5"));
  g_assert_true (route->xclient && route->xforward);
  g_assert_cmpint (route->proxy, ==, CONFIG_PROXY_V2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree gchar *path = g_strdup_printf ("/config/identity/errors/%s", cases[i].name);
      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_errors);
    }
  g_test_add_func ("/config/identity/values", test_values);
  return g_test_run ();
}
