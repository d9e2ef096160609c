/* Tests of socket addresses, networks and host:port texts. */
#include "base/network.h"

#include <string.h>

static BaseEndpoint
endpoint (const gchar *text)
{
  g_autoptr (GError) error = NULL;
  BaseEndpoint parsed;

  base_endpoint_parse (text, &parsed, &error);
  g_assert_no_error (error);
  return parsed;
}

static void
test_endpoint_texts (void)
{
  static const struct
  {
    const gchar *text;
    const gchar *address;
    const gchar *literal;
    const gchar *string;
    guint port;
    gboolean loopback;
  } cases[] = {
    { "127.0.0.1:25", "127.0.0.1", "[127.0.0.1]", "127.0.0.1:25", 25, TRUE },
    { "192.0.2.1:0", "192.0.2.1", "[192.0.2.1]", "192.0.2.1:0", 0, FALSE },
    { "[::1]:65535", "::1", "[IPv6:::1]", "[::1]:65535", 65535, TRUE },
    { "[2001:DB8::1]:25", "2001:db8::1", "[IPv6:2001:db8::1]", "[2001:db8::1]:25", 25, FALSE },
    { "[::ffff:192.0.2.1]:25", "192.0.2.1", "[192.0.2.1]", "192.0.2.1:25", 25, FALSE },
    { "[::ffff:127.0.0.2]:25", "127.0.0.2", "[127.0.0.2]", "127.0.0.2:25", 25, TRUE },
    { "/run/socket", "local", "[127.0.0.1]", "/run/socket", 0, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      BaseEndpoint parsed = endpoint (cases[i].text);
      g_autofree gchar *address = base_endpoint_address (&parsed);
      gchar literal[BASE_ENDPOINT_LENGTH];
      g_autofree gchar *string = base_endpoint_to_string (&parsed);
      base_endpoint_literal (&parsed, literal);
      g_assert_cmpstr (address, ==, cases[i].address);
      g_assert_cmpstr (literal, ==, cases[i].literal);
      g_assert_cmpstr (string, ==, cases[i].string);
      g_assert_cmpuint (base_endpoint_port (&parsed), ==, cases[i].port);
      g_assert_cmpint (base_endpoint_is_loopback (&parsed), ==, cases[i].loopback);
    }
}

static void
test_endpoint_refused (void)
{
  static const gchar *bad[]
      = { "",          "25",          "127.0.0.1", "127.0.0.1:",   "127.0.0.1:65536",
          "::1:25",    "[::1]",       "[::1]25",   "[::1:25",      "[127.0.0.1]:25",
          "host:25",   "127.0.0.1:x", "1.2.3:25",  "127.0.0.1:-1", "127.0.0.1: 25",
          "[::1%lo]:1" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      BaseEndpoint parsed;
      g_test_message ("%s", bad[i]);
      g_assert_false (base_endpoint_parse (bad[i], &parsed, &error));
      g_assert_error (error, BASE_NETWORK_ERROR, BASE_NETWORK_ERROR_SYNTAX);
      g_assert_nonnull (strstr (error->message, bad[i]));
      g_assert_cmpuint (parsed.length, ==, 0);
    }
}

static void
test_unix_limits (void)
{
  const gsize room = sizeof (((struct sockaddr_un *) NULL)->sun_path);
  g_autofree gchar *path = g_strnfill (room, '/');
  BaseEndpoint parsed;

  g_assert_false (base_endpoint_parse (path, &parsed, NULL));
  path[room - 1] = '\0';
  g_assert_true (base_endpoint_parse (path, &parsed, NULL));
  g_autofree gchar *string = base_endpoint_to_string (&parsed);
  g_assert_cmpstr (string, ==, path);
  /* A peer that never bound its socket: nothing but the family. */
  parsed.length = sizeof (sa_family_t);
  g_autofree gchar *unnamed = base_endpoint_to_string (&parsed);
  g_assert_cmpstr (unnamed, ==, "local");
}

static void
test_unknown (void)
{
  BaseEndpoint none = { .length = 0 };
  g_autofree gchar *address = base_endpoint_address (&none);
  g_autofree gchar *string = base_endpoint_to_string (&none);

  g_assert_cmpstr (address, ==, "unknown");
  g_assert_cmpstr (string, ==, "unknown");
  g_assert_false (base_endpoint_is_loopback (&none));
  g_assert_false (base_endpoint_same_host (&none, &none));
}

static void
test_same_host (void)
{
  static const struct
  {
    const gchar *a;
    const gchar *b;
    gboolean same;
  } cases[] = {
    { "192.0.2.1:1", "192.0.2.1:2", TRUE },
    { "192.0.2.1:1", "192.0.2.2:1", FALSE },
    { "192.0.2.1:1", "[::ffff:192.0.2.1]:1", TRUE },
    { "[::1]:1", "[::1]:2", TRUE },
    { "[::1]:1", "127.0.0.1:1", FALSE },
    { "/a", "/b", TRUE },
    { "/a", "127.0.0.1:1", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      BaseEndpoint a = endpoint (cases[i].a);
      BaseEndpoint b = endpoint (cases[i].b);
      g_assert_cmpint (base_endpoint_same_host (&a, &b), ==, cases[i].same);
    }
}

static void
test_networks (void)
{
  static const struct
  {
    const gchar *network;
    const gchar *inside;
    const gchar *outside;
  } cases[] = {
    { "10.0.0.0/8", "10.255.255.255:1", "11.0.0.0:1" },
    { "192.0.2.128/25", "192.0.2.128:1", "192.0.2.127:1" },
    { "192.0.2.1", "192.0.2.1:1", "192.0.2.2:1" },
    { "192.0.2.2/31", "192.0.2.3:1", "192.0.2.4:1" },
    { "0.0.0.0/0", "203.0.113.9:1", "[2001:db8::1]:1" },
    { "::/0", "[2001:db8::1]:1", "203.0.113.9:1" },
    { "::/0", "[::1]:1", "[::ffff:203.0.113.9]:1" },
    { "2001:db8::/33", "[2001:db8:7fff::]:1", "[2001:db8:8000::]:1" },
    { "10.0.0.0/8", "[::ffff:10.1.2.3]:1", "[::10.1.2.3]:1" },
    { "::ffff:10.0.0.0/104", "10.1.2.3:1", "11.1.2.3:1" },
    { "127.0.0.0/8", "/run/socket", "[::1]:1" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      BaseNetwork network;
      BaseEndpoint inside = endpoint (cases[i].inside);
      BaseEndpoint outside = endpoint (cases[i].outside);
      base_network_parse (cases[i].network, &network, &error);
      g_assert_no_error (error);
      g_assert_true (base_network_contains (&network, &inside));
      g_assert_false (base_network_contains (&network, &outside));
    }
}

static void
test_networks_refused (void)
{
  static const gchar *bad[]
      = { "",          "10.0.0.0/33", "::/129",       "10.0.0.1/8", "2001:db8::1/64", "10/8",
          "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "host",       "10.0.0.0/ 8" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      BaseNetwork network;
      g_test_message ("%s", bad[i]);
      g_assert_false (base_network_parse (bad[i], &network, &error));
      g_assert_error (error, BASE_NETWORK_ERROR, BASE_NETWORK_ERROR_SYNTAX);
    }
}

static void
test_host_port (void)
{
  static const struct
  {
    const gchar *text;
    const gchar *host; /* NULL: refused */
    guint port;
  } cases[] = {
    { "mx.example.org:2525", "mx.example.org", 2525 },
    { "mx.example.org", "mx.example.org", 25 },
    { "192.0.2.1:1", "192.0.2.1", 1 },
    { "[::1]:26", "::1", 26 },
    { "[::1]", "::1", 25 },
    { "mx:65535", "mx", 65535 },
    { "mx:65536", NULL, 0 },
    { "mx:0", NULL, 0 },
    { "mx:", NULL, 0 },
    { ":25", NULL, 0 },
    { "", NULL, 0 },
    { "::1", NULL, 0 },
    { "[mx]:25", NULL, 0 },
    { "a b:25", NULL, 0 },
    { "[::1]x", NULL, 0 },
    { "[::1", NULL, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree gchar *host = NULL;
      guint port;
      g_test_message ("%s", cases[i].text);
      gboolean good = base_host_port_parse (cases[i].text, 25, &host, &port, &error);
      g_assert_cmpstr (host, ==, cases[i].host);
      g_assert_cmpint (good, ==, cases[i].host != NULL);
      if (good)
        g_assert_cmpuint (port, ==, cases[i].port);
      else
        g_assert_error (error, BASE_NETWORK_ERROR, BASE_NETWORK_ERROR_SYNTAX);
    }
}

static void
test_peer (void)
{
  static const gchar *const texts[] = { "192.0.2.1:25", "[2001:db8::1]:2525", "[::1]:1" };
  BaseEndpoint unknown = { 0 }, socket, endpoint;
  BasePeer peer;

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autofree gchar *text = NULL;
      g_assert_true (base_endpoint_parse (texts[i], &endpoint, NULL));
      peer = base_peer_from (&endpoint);
      endpoint = base_peer_endpoint (&peer);
      text = base_endpoint_to_string (&endpoint);
      g_assert_cmpstr (text, ==, texts[i]);
    }
  g_assert_true (base_endpoint_parse ("/run/socket", &socket, NULL));
  peer = base_peer_from (&socket);
  endpoint = base_peer_endpoint (&peer);
  g_assert_cmpint (endpoint.address.any.sa_family, ==, AF_UNIX);
  g_autofree gchar *address = base_endpoint_address (&endpoint);
  g_assert_cmpstr (address, ==, "local");
  peer = base_peer_from (&unknown);
  g_assert_cmpuint (base_peer_endpoint (&peer).length, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/network/endpoint-texts", test_endpoint_texts);
  g_test_add_func ("/base/network/endpoint-refused", test_endpoint_refused);
  g_test_add_func ("/base/network/unix-limits", test_unix_limits);
  g_test_add_func ("/base/network/unknown", test_unknown);
  g_test_add_func ("/base/network/same-host", test_same_host);
  g_test_add_func ("/base/network/networks", test_networks);
  g_test_add_func ("/base/network/networks-refused", test_networks_refused);
  g_test_add_func ("/base/network/host-port", test_host_port);
  g_test_add_func ("/base/network/peer", test_peer);
  return g_test_run ();
}
