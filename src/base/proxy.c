/* The header of the PROXY protocol. What is none fails with BASE_PROXY_ERROR at the first octet
 * that shows it, and the value stands in the message; what is only cut short asks for more, up to a
 * stated length. */
#include "base/proxy.h"

#include <arpa/inet.h>
#include <string.h>

G_DEFINE_QUARK (base - proxy - error - quark, base_proxy_error)

#define FIXED ((gsize) 16) /* octets of version 2 before the addresses */
#define QUOTED 120

/* Type numbers of extensions. */
#define TLV_CRC32C 0x03

static const guint8 signature[12]
    = { '\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };
static const gchar word[] = "PROXY ";

/* ---- Version 1 ---- */

/* For an error: what a log line can hold of it. Caller frees. */
static gchar *
quote (const guint8 *bytes, gsize length)
{
  GString *text = g_string_new ("\"");

  for (gsize i = 0; i < MIN (length, QUOTED); i++)
    if (bytes[i] < ' ' || bytes[i] > '~' || bytes[i] == '"')
      g_string_append_printf (text, "<%02X>", bytes[i]);
    else
      g_string_append_c (text, (gchar) bytes[i]);
  g_string_append (text, length > QUOTED ? "\"..." : "\"");
  return g_string_free (text, FALSE);
}

static BaseProxyResult
refuse (GError **error, const gchar *why, const guint8 *bytes, gsize length)
{
  g_autofree gchar *quoted = quote (bytes, length);

  g_set_error (error, BASE_PROXY_ERROR, BASE_PROXY_ERROR_SYNTAX, "%s: %s", why, quoted);
  return BASE_PROXY_BAD;
}

static gboolean
parse_port (const gchar *text, guint16 *port)
{
  gsize length = strlen (text);

  if (length == 0 || length > 5 || strspn (text, "0123456789") != length
      || (text[0] == '0' && length > 1) || g_ascii_strtoull (text, NULL, 10) > G_MAXUINT16)
    return FALSE;
  *port = (guint16) g_ascii_strtoull (text, NULL, 10);
  return TRUE;
}

static void
set_endpoint (BaseEndpoint *endpoint, gint family, const guint8 *address, guint16 port)
{
  memset (endpoint, 0, sizeof *endpoint);
  endpoint->address.any.sa_family = (sa_family_t) family;
  if (family == AF_INET)
    {
      memcpy (&endpoint->address.in.sin_addr, address, 4);
      endpoint->address.in.sin_port = htons (port);
      endpoint->length = sizeof endpoint->address.in;
      return;
    }
  memcpy (&endpoint->address.in6.sin6_addr, address, 16);
  endpoint->address.in6.sin6_port = htons (port);
  endpoint->length = sizeof endpoint->address.in6;
}

static gboolean
parse_endpoint (gint family, const gchar *address, const gchar *port, BaseEndpoint *endpoint)
{
  guint8 bytes[16];
  guint16 number;

  if (inet_pton (family, address, bytes) != 1 || !parse_port (port, &number))
    return FALSE;
  set_endpoint (endpoint, family, bytes, number);
  return TRUE;
}

/* "TCP4 192.0.2.1 192.0.2.2 1025 25", without the line's end. What stands behind UNKNOWN is to be
 * ignored. */
static gboolean
parse_words (const gchar *text, BaseProxyHeader *header)
{
  g_auto (GStrv) words = g_strsplit (text, " ", 7);
  gint family = g_strcmp0 (words[0], "TCP4") == 0 ? AF_INET : AF_INET6;

  if (g_strcmp0 (words[0], "UNKNOWN") == 0)
    {
      header->kind = BASE_PROXY_UNKNOWN;
      return TRUE;
    }
  header->kind = BASE_PROXY_CLIENT;
  return g_strv_length (words) == 5 && (family == AF_INET || g_str_equal (words[0], "TCP6"))
         && parse_endpoint (family, words[1], words[3], &header->source)
         && parse_endpoint (family, words[2], words[4], &header->destination);
}

static BaseProxyResult
parse_line (const guint8 *bytes, gsize length, BaseProxyHeader *header, gsize *used, GError **error)
{
  gsize most = MIN (length, BASE_PROXY_V1_MAX);
  const guint8 *end = memchr (bytes, '\n', most);

  if (end == NULL && length < BASE_PROXY_V1_MAX)
    return BASE_PROXY_MORE;
  if (end == NULL)
    return refuse (error, "a PROXY line of over 107 octets", bytes, most);
  *used = (gsize) (end - bytes) + 1;
  if (end[-1] != '\r')
    return refuse (error, "a PROXY line that a bare LF ends", bytes, *used);
  gsize rest = *used - strlen (word) - 2;
  g_autofree gchar *text = g_strndup ((const gchar *) bytes + strlen (word), rest);
  if (strlen (text) != rest || !parse_words (text, header))
    return refuse (error, "bad PROXY line", bytes, *used - 2);
  return BASE_PROXY_DONE;
}

/* ---- Version 2 ---- */

static guint
read_16 (const guint8 *bytes)
{
  return (guint) bytes[0] << 8 | bytes[1];
}

/* RFC 3720 section 12.1, reflected; four octets at `hole` count as zero. */
static guint32
crc32c (const guint8 *bytes, gsize length, gsize hole)
{
  guint32 crc = 0xffffffff;

  for (gsize i = 0; i < length; i++)
    {
      crc ^= i - hole < 4 ? 0 : bytes[i];
      for (guint bit = 0; bit < 8; bit++)
        crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
    }
  return ~crc;
}

static gboolean
check_crc (const guint8 *bytes, gsize length, gsize at, GError **error)
{
  guint32 told = read_16 (bytes + at) << 16 | read_16 (bytes + at + 2);
  guint32 real = crc32c (bytes, length, at);

  if (told == real)
    return TRUE;
  g_set_error (error, BASE_PROXY_ERROR, BASE_PROXY_ERROR_SYNTAX,
               "a PROXY header whose CRC32C is 0x%08X and not 0x%08X", real, told);
  return FALSE;
}

/* The extensions: all are skipped but the checksum. `at` is where they begin. */
static gboolean
check_extensions (const guint8 *bytes, gsize length, gsize at, GError **error)
{
  gsize size;

  for (; at < length; at += 3 + size)
    {
      size = length - at >= 3 ? read_16 (bytes + at + 1) : 0;
      gboolean fits = length - at >= 3 + size && (bytes[at] != TLV_CRC32C || size == 4);
      if (!fits)
        {
          refuse (error, "a PROXY header with a broken extension", bytes + at, length - at);
          return FALSE;
        }
      if (bytes[at] == TLV_CRC32C && !check_crc (bytes, length, at + 3, error))
        return FALSE;
    }
  return TRUE;
}

/* Streams alone: there is no SMTP over datagrams. */
static const struct
{
  guint8 code;
  guint8 size; /* octets of the addresses */
  gint family; /* AF_UNSPEC: whose addresses are not told */
} families[] = {
  { 0x00, 0, AF_UNSPEC }, { 0x11, 12, AF_INET }, { 0x21, 36, AF_INET6 }, { 0x31, 216, AF_UNSPEC }
};

static BaseProxyResult
parse_binary (const guint8 *bytes, gsize length, BaseProxyHeader *header, GError **error)
{
  guint i = 0;

  while (i < G_N_ELEMENTS (families) && families[i].code != bytes[13])
    i++;
  gboolean local = bytes[12] == 0x20;
  gboolean known = i < G_N_ELEMENTS (families) && length >= FIXED + families[i].size;
  if (local)
    header->kind = BASE_PROXY_LOCAL;
  if (!known)
    return local ? BASE_PROXY_DONE
                 : refuse (error, "a PROXY header of no stream that is known", bytes, length);
  gint family = families[i].family;
  guint size = family == AF_INET ? 4 : 16;
  const guint8 *address = bytes + FIXED;
  if (!check_extensions (bytes, length, FIXED + families[i].size, error))
    return BASE_PROXY_BAD;
  if (local)
    return BASE_PROXY_DONE;
  header->kind = family == AF_UNSPEC ? BASE_PROXY_UNKNOWN : BASE_PROXY_CLIENT;
  if (family == AF_UNSPEC)
    return BASE_PROXY_DONE;
  set_endpoint (&header->source, family, address, (guint16) read_16 (address + 2 * size));
  set_endpoint (&header->destination, family, address + size,
                (guint16) read_16 (address + 2 * size + 2));
  return BASE_PROXY_DONE;
}

static BaseProxyResult
parse_version_2 (const guint8 *bytes, gsize length, BaseProxyHeader *header, gsize *used,
                 GError **error)
{
  if (length > 12 && bytes[12] != 0x20 && bytes[12] != 0x21)
    return refuse (error, "a PROXY header of no version and command that is known", bytes,
                   MIN (length, FIXED));
  if (length < FIXED)
    return BASE_PROXY_MORE;
  *used = FIXED + read_16 (bytes + 14);
  if (*used > BASE_PROXY_MAX)
    {
      g_set_error (error, BASE_PROXY_ERROR, BASE_PROXY_ERROR_SYNTAX,
                   "a PROXY header of %" G_GSIZE_FORMAT " octets, over the limit of %d", *used,
                   BASE_PROXY_MAX);
      return BASE_PROXY_BAD;
    }
  return length < *used ? BASE_PROXY_MORE : parse_binary (bytes, *used, header, error);
}

BaseProxyResult
base_proxy_parse (const guint8 *bytes, gsize length, BaseProxyHeader *header, gsize *used,
                  GError **error)
{
  memset (header, 0, sizeof *header);
  if (length == 0)
    return BASE_PROXY_MORE;
  if (memcmp (bytes, signature, MIN (length, sizeof signature)) == 0)
    return parse_version_2 (bytes, length, header, used, error);
  if (memcmp (bytes, word, MIN (length, strlen (word))) != 0)
    return refuse (error, "no PROXY header", bytes, length);
  return length < strlen (word) ? BASE_PROXY_MORE : parse_line (bytes, length, header, used, error);
}

/* ---- Writing ---- */

/* AF_UNSPEC: not of IP. An IPv4 address that arrived on an IPv6 socket is one of IPv4. */
static gint
address_of (const BaseEndpoint *endpoint, guint8 bytes[16])
{
  const struct in6_addr *in6 = &endpoint->address.in6.sin6_addr;
  gint family = endpoint->length == 0 ? AF_UNSPEC : endpoint->address.any.sa_family;

  memset (bytes, 0, 16);
  if (family == AF_INET)
    memcpy (bytes, &endpoint->address.in.sin_addr, 4);
  else if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED (in6))
    memcpy (bytes, in6->s6_addr + 12, 4);
  else if (family == AF_INET6)
    memcpy (bytes, in6->s6_addr, 16);
  else
    return AF_UNSPEC;
  return family == AF_INET || IN6_IS_ADDR_V4MAPPED (in6) ? AF_INET : AF_INET6;
}

typedef struct
{
  gint family;
  guint8 source[16], destination[16];
  guint16 ports[2];
} Addresses;

static Addresses
addresses_of (const BaseEndpoint *source, const BaseEndpoint *destination)
{
  Addresses all = { .family = AF_UNSPEC };

  if (source == NULL)
    return all;
  all.family = address_of (source, all.source);
  if (all.family != address_of (destination, all.destination))
    memset (all.destination, 0, sizeof all.destination);
  all.ports[0] = (guint16) base_endpoint_port (source);
  all.ports[1] = (guint16) base_endpoint_port (destination);
  return all;
}

static void
write_line (const Addresses *all, BaseBuffer *out)
{
  gchar source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];

  if (all->family == AF_UNSPEC)
    {
      base_buffer_append_string (out, "PROXY UNKNOWN\r\n");
      return;
    }
  inet_ntop (all->family, all->source, source, sizeof source);
  inet_ntop (all->family, all->destination, destination, sizeof destination);
  base_buffer_append_printf (out, "PROXY TCP%d %s %s %u %u\r\n", all->family == AF_INET ? 4 : 6,
                             source, destination, all->ports[0], all->ports[1]);
}

static void
write_binary (const Addresses *all, gboolean local, BaseBuffer *out)
{
  gboolean told = all->family != AF_UNSPEC;
  guint size = all->family == AF_INET ? 4 : 16;
  const guint8 fixed[] = { local ? 0x20 : 0x21,
                           !told                    ? 0x00
                           : all->family == AF_INET ? 0x11
                                                    : 0x21,
                           0, (guint8) (told ? 2 * size + 4 : 0) };
  const guint16 ports[] = { htons (all->ports[0]), htons (all->ports[1]) };

  base_buffer_append (out, signature, sizeof signature);
  base_buffer_append (out, fixed, sizeof fixed);
  if (!told)
    return;
  base_buffer_append (out, all->source, size);
  base_buffer_append (out, all->destination, size);
  base_buffer_append (out, ports, sizeof ports);
}

void
base_proxy_write (guint version, const BaseEndpoint *source, const BaseEndpoint *destination,
                  BaseBuffer *out)
{
  const Addresses all = addresses_of (source, destination);

  if (version == 1)
    write_line (&all, out);
  else
    write_binary (&all, source == NULL, out);
}
