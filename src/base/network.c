/* Socket addresses and networks as text and as values. Text that is none fails with
 * BASE_NETWORK_ERROR and the text in the message. IPv4 addresses that arrive on an IPv6 socket
 * (::ffff:192.0.2.1) are IPv4 to everybody above this file. */
#include "base/network.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#include "base/address.h"

G_DEFINE_QUARK (base - network - error - quark, base_network_error)

G_STATIC_ASSERT (BASE_ENDPOINT_LENGTH >= INET6_ADDRSTRLEN + sizeof "[IPv6:]");

static const guint8 mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static gboolean
refuse (GError **error, const gchar *why, const gchar *text)
{
  g_set_error (error, BASE_NETWORK_ERROR, BASE_NETWORK_ERROR_SYNTAX, "%s: \"%s\"", why, text);
  return FALSE;
}

/* A decimal number without sign, up to `most`. */
static gboolean
parse_number (const gchar *text, guint64 most, guint *number)
{
  guint64 value;

  if (!g_ascii_isdigit (text[0]) || !g_ascii_string_to_unsigned (text, 10, 0, most, &value, NULL))
    return FALSE;
  *number = (guint) value;
  return TRUE;
}

/* Splits "host:port" and "[host]:port". `*port` is NULL when there is none. FALSE: brackets or
 * colons do not fit. */
static gboolean
split_port (const gchar *text, gchar **host, const gchar **port)
{
  gboolean bracketed = text[0] == '[';
  const gchar *end = bracketed ? strchr (text, ']') : strchr (text, ':');

  *port = NULL;
  if (bracketed && (end == NULL || (end[1] != '\0' && end[1] != ':')))
    return FALSE;
  if (!bracketed && end != NULL && strchr (end + 1, ':') != NULL)
    return FALSE;
  *host = bracketed ? g_strndup (text + 1, (gsize) (end - text - 1))
                    : g_strndup (text, end == NULL ? strlen (text) : (gsize) (end - text));
  if (bracketed)
    end++;
  if (end != NULL && *end == ':')
    *port = end + 1;
  return TRUE;
}

static gboolean
parse_unix (const gchar *path, BaseEndpoint *endpoint, GError **error)
{
  gsize length = strlen (path);

  if (length >= sizeof endpoint->address.un.sun_path)
    return refuse (error, "path of a socket is too long", path);
  endpoint->address.un.sun_family = AF_UNIX;
  memcpy (endpoint->address.un.sun_path, path, length + 1);
  endpoint->length = (socklen_t) (offsetof (struct sockaddr_un, sun_path) + length + 1);
  return TRUE;
}

gboolean
base_endpoint_parse (const gchar *text, BaseEndpoint *endpoint, GError **error)
{
  g_autofree gchar *host = NULL;
  const gchar *port_text;
  guint port;

  memset (endpoint, 0, sizeof *endpoint);
  if (text[0] == '/')
    return parse_unix (text, endpoint, error);
  if (!split_port (text, &host, &port_text) || port_text == NULL)
    return refuse (error, "not ADDRESS:PORT, [ADDRESS]:PORT or /PATH", text);
  if (!parse_number (port_text, G_MAXUINT16, &port))
    return refuse (error, "not a port", text);
  if (text[0] != '[' && inet_pton (AF_INET, host, &endpoint->address.in.sin_addr) == 1)
    {
      endpoint->address.in.sin_family = AF_INET;
      endpoint->address.in.sin_port = htons ((guint16) port);
      endpoint->length = sizeof endpoint->address.in;
      return TRUE;
    }
  if (text[0] == '[' && inet_pton (AF_INET6, host, &endpoint->address.in6.sin6_addr) == 1)
    {
      endpoint->address.in6.sin6_family = AF_INET6;
      endpoint->address.in6.sin6_port = htons ((guint16) port);
      endpoint->length = sizeof endpoint->address.in6;
      return TRUE;
    }
  memset (endpoint, 0, sizeof *endpoint);
  return refuse (error, "not an IP address", text);
}

/* The octets of the address, with IPv4-mapped ones as IPv4 and a UNIX socket as 127.0.0.1. Returns
 * the family; AF_UNSPEC: unknown. */
static gint
address_bytes (const BaseEndpoint *endpoint, guint8 bytes[16])
{
  static const guint8 loopback[4] = { 127, 0, 0, 1 };
  const guint8 *in6 = endpoint->address.in6.sin6_addr.s6_addr;

  if (endpoint->length == 0)
    return AF_UNSPEC;
  switch (endpoint->address.any.sa_family)
    {
    case AF_UNIX:
      memcpy (bytes, loopback, 4);
      return AF_INET;
    case AF_INET:
      memcpy (bytes, &endpoint->address.in.sin_addr, 4);
      return AF_INET;
    case AF_INET6:
      if (memcmp (in6, mapped_prefix, sizeof mapped_prefix) == 0)
        {
          memcpy (bytes, in6 + sizeof mapped_prefix, 4);
          return AF_INET;
        }
      memcpy (bytes, in6, 16);
      return AF_INET6;
    default:
      return AF_UNSPEC;
    }
}

static gboolean
is_unix (const BaseEndpoint *endpoint)
{
  return endpoint->length != 0 && endpoint->address.any.sa_family == AF_UNIX;
}

/* inet_ntop() goes through printf, three times for every message. */
static void
put_dotted (gchar *at, const guint8 bytes[4])
{
  for (guint i = 0; i < 4; i++)
    {
      if (bytes[i] >= 100)
        *at++ = (gchar) ('0' + bytes[i] / 100);
      if (bytes[i] >= 10)
        *at++ = (gchar) ('0' + bytes[i] / 10 % 10);
      *at++ = (gchar) ('0' + bytes[i] % 10);
      *at++ = i < 3 ? '.' : '\0';
    }
}

/* The address as text, without a special case for UNIX sockets; returns its family. */
static gint
address_text (const BaseEndpoint *endpoint, gchar text[INET6_ADDRSTRLEN])
{
  guint8 bytes[16];
  gint family = address_bytes (endpoint, bytes);

  if (family == AF_INET)
    put_dotted (text, bytes);
  else if (family == AF_UNSPEC || inet_ntop (family, bytes, text, INET6_ADDRSTRLEN) == NULL)
    g_strlcpy (text, "unknown", INET6_ADDRSTRLEN);
  return family;
}

void
base_endpoint_text (const BaseEndpoint *endpoint, gchar text[BASE_ENDPOINT_LENGTH])
{
  if (is_unix (endpoint))
    strcpy (text, "local");
  else
    address_text (endpoint, text);
}

gchar *
base_endpoint_address (const BaseEndpoint *endpoint)
{
  gchar text[BASE_ENDPOINT_LENGTH];

  base_endpoint_text (endpoint, text);
  return g_strdup (text);
}

guint
base_endpoint_port (const BaseEndpoint *endpoint)
{
  if (endpoint->length == 0)
    return 0;
  if (endpoint->address.any.sa_family == AF_INET)
    return ntohs (endpoint->address.in.sin_port);
  if (endpoint->address.any.sa_family == AF_INET6)
    return ntohs (endpoint->address.in6.sin6_port);
  return 0;
}

/* The path of a UNIX socket; a peer that never bound one has none, and an abstract name is no path.
 */
static gchar *
unix_path (const BaseEndpoint *endpoint)
{
  gsize room = endpoint->length - MIN (endpoint->length, offsetof (struct sockaddr_un, sun_path));
  gchar *path
      = g_strndup (endpoint->address.un.sun_path, MIN (room, sizeof endpoint->address.un.sun_path));

  if (path[0] == '\0')
    {
      g_free (path);
      return g_strdup ("local");
    }
  return path;
}

gchar *
base_endpoint_to_string (const BaseEndpoint *endpoint)
{
  gchar text[INET6_ADDRSTRLEN];

  if (is_unix (endpoint))
    return unix_path (endpoint);
  switch (address_text (endpoint, text))
    {
    case AF_INET:
      return g_strdup_printf ("%s:%u", text, base_endpoint_port (endpoint));
    case AF_INET6:
      return g_strdup_printf ("[%s]:%u", text, base_endpoint_port (endpoint));
    default:
      return g_strdup (text);
    }
}

void
base_endpoint_literal (const BaseEndpoint *endpoint, gchar text[BASE_ENDPOINT_LENGTH])
{
  gchar address[INET6_ADDRSTRLEN];
  gint family = address_text (endpoint, address);

  stpcpy (stpcpy (stpcpy (text, family == AF_INET6 ? "[IPv6:" : "["), address), "]");
}

gboolean
base_endpoint_is_loopback (const BaseEndpoint *endpoint)
{
  guint8 bytes[16];

  switch (address_bytes (endpoint, bytes))
    {
    case AF_INET:
      return bytes[0] == 127;
    case AF_INET6:
      return memcmp (bytes, &in6addr_loopback, sizeof bytes) == 0;
    default:
      return FALSE;
    }
}

gboolean
base_endpoint_same_host (const BaseEndpoint *a, const BaseEndpoint *b)
{
  guint8 bytes_a[16];
  guint8 bytes_b[16];
  gint family = address_bytes (a, bytes_a);

  if (family == AF_UNSPEC || family != address_bytes (b, bytes_b) || is_unix (a) != is_unix (b))
    return FALSE;
  return memcmp (bytes_a, bytes_b, family == AF_INET ? 4 : 16) == 0;
}

/* Whether the first `bits` bits of both agree; `b` NULL: whether the bits of `a` behind them are 0.
 */
static gboolean
bits_agree (const guint8 *a, const guint8 *b, guint bits, guint size)
{
  for (guint i = 0; i < size; i++)
    {
      guint here = CLAMP ((gint) bits - (gint) (8 * i), 0, 8);
      guint8 mask = (guint8) (0xff00 >> here);
      if (b == NULL ? (a[i] & ~mask & 0xff) != 0 : ((a[i] ^ b[i]) & mask) != 0)
        return FALSE;
    }
  return TRUE;
}

gboolean
base_network_parse (const gchar *text, BaseNetwork *network, GError **error)
{
  const gchar *slash = strchrnul (text, '/');
  g_autofree gchar *address = g_strndup (text, (gsize) (slash - text));

  memset (network, 0, sizeof *network);
  network->family = strchr (address, ':') == NULL ? AF_INET : AF_INET6;
  if (inet_pton (network->family, address, network->address) != 1)
    return refuse (error, "not an IP address or network", text);
  guint size = network->family == AF_INET ? 4 : 16;
  network->prefix = size * 8;
  if (*slash == '/' && !parse_number (slash + 1, size * 8, &network->prefix))
    return refuse (error, "not a length of a network prefix", text);
  if (!bits_agree (network->address, NULL, network->prefix, size))
    return refuse (error, "bits behind the network prefix are set", text);
  if (network->family == AF_INET6 && network->prefix >= 96
      && memcmp (network->address, mapped_prefix, sizeof mapped_prefix) == 0)
    {
      BaseNetwork mapped = { AF_INET, { 0 }, network->prefix - 96 };
      memcpy (mapped.address, network->address + sizeof mapped_prefix, 4);
      *network = mapped;
    }
  return TRUE;
}

gboolean
base_network_contains (const BaseNetwork *network, const BaseEndpoint *endpoint)
{
  guint8 bytes[16];

  if (address_bytes (endpoint, bytes) != network->family)
    return FALSE;
  return bits_agree (bytes, network->address, network->prefix, network->family == AF_INET ? 4 : 16);
}

gboolean
base_host_port_parse (const gchar *text, guint default_port, gchar **host, guint *port,
                      GError **error)
{
  g_autofree gchar *name = NULL;
  const gchar *port_text;
  struct in6_addr ignored;

  *host = NULL;
  *port = default_port;
  if (!split_port (text, &name, &port_text))
    return refuse (error, "not HOST, HOST:PORT or [ADDRESS]:PORT", text);
  if (text[0] == '[' && inet_pton (AF_INET6, name, &ignored) != 1)
    return refuse (error, "not an IPv6 address in brackets", text);
  if (text[0] != '[' && !base_domain_is_strict (name, strlen (name)))
    return refuse (error, "not a host name", text);
  if (port_text != NULL && (!parse_number (port_text, G_MAXUINT16, port) || *port == 0))
    return refuse (error, "not a port", text);
  *host = g_steal_pointer (&name);
  return TRUE;
}

BasePeer
base_peer_from (const BaseEndpoint *endpoint)
{
  gsize length = is_unix (endpoint) ? sizeof endpoint->address.un.sun_family : endpoint->length;
  BasePeer peer = { .length = (guint8) MIN (length, sizeof peer.bytes) };

  memcpy (peer.bytes, &endpoint->address, peer.length);
  return peer;
}

BaseEndpoint
base_peer_endpoint (const BasePeer *peer)
{
  BaseEndpoint endpoint = { .length = peer->length };

  memcpy (&endpoint.address, peer->bytes, sizeof peer->bytes);
  return endpoint;
}
