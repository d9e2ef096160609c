/* Socket addresses and networks as text and as values. No sockets are opened and no names looked
 * up. */
#pragma once

#include <glib.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <sys/un.h>

#define BASE_ENDPOINT_LENGTH 64 /* room for an address or a literal as text, the NUL included */

typedef enum
{
  BASE_NETWORK_ERROR_SYNTAX /* the text is no such thing; it stands in the message */
} BaseNetworkError;
#define BASE_NETWORK_ERROR (base_network_error_quark ())
GQuark base_network_error_quark (void);

typedef struct
{
  union
  {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
  } address;
  socklen_t length; /* 0: unknown */
} BaseEndpoint;

/* The same as it is kept of thousands: IPv4 and IPv6 whole, of a UNIX socket only that it is one.
 */
typedef struct
{
  guint8 length; /* 0: unknown */
  guint8 bytes[sizeof (struct sockaddr_in6)];
} BasePeer;

BasePeer base_peer_from (const BaseEndpoint *endpoint);
BaseEndpoint base_peer_endpoint (const BasePeer *peer);

/* "127.0.0.1:25", "[::1]:25" or "/path/to/socket"; a host name is an error here. */
gboolean base_endpoint_parse (const gchar *text, BaseEndpoint *endpoint, GError **error);
/* The address alone: "192.0.2.1", "2001:db8::1" ("::ffff:192.0.2.1" becomes "192.0.2.1"), "local"
 * for a UNIX socket, "unknown" when it is. */
void base_endpoint_text (const BaseEndpoint *endpoint, gchar text[BASE_ENDPOINT_LENGTH]);
/* The same. Caller frees. */
gchar *base_endpoint_address (const BaseEndpoint *endpoint);
guint base_endpoint_port (const BaseEndpoint *endpoint);
/* The form that base_endpoint_parse() reads. Caller frees. */
gchar *base_endpoint_to_string (const BaseEndpoint *endpoint);
/* "[192.0.2.1]", "[IPv6:2001:db8::1]": an address literal (RFC 5321 section 4.1.3). */
void base_endpoint_literal (const BaseEndpoint *endpoint, gchar text[BASE_ENDPOINT_LENGTH]);
gboolean base_endpoint_is_loopback (const BaseEndpoint *endpoint);
gboolean base_endpoint_same_host (const BaseEndpoint *a, const BaseEndpoint *b);

typedef struct
{
  gint family; /* AF_INET or AF_INET6 */
  guint8 address[16];
  guint prefix; /* bits */
} BaseNetwork;

/* "10.0.0.0/8", "2001:db8::/32", or one address. Bits behind the prefix must be 0.
 * "::ffff:10.0.0.0/104" is "10.0.0.0/8". */
gboolean base_network_parse (const gchar *text, BaseNetwork *network, GError **error);
/* IPv4-mapped IPv6 addresses match IPv4 networks. A UNIX socket counts as loopback (127.0.0.1). */
gboolean base_network_contains (const BaseNetwork *network, const BaseEndpoint *endpoint);

/* "host:port", "[::1]:port", "host" (then `default_port`): splits, does not look up. `host` is
 * freed by the caller. */
gboolean base_host_port_parse (const gchar *text, guint default_port, gchar **host, guint *port,
                               GError **error);
