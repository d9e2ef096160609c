/* The header of the PROXY protocol, versions 1 and 2: who the client of a load balancer is. Read
 * from bytes, written to bytes; no sockets.
 * (https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt)
 */
#pragma once

#include "base/buffer.h"
#include "base/network.h"

#define BASE_PROXY_V1_MAX 107 /* octets of a line with CRLF, as the protocol states */
#define BASE_PROXY_MAX 4096   /* of a header of version 2, its extensions included */

typedef enum
{
  BASE_PROXY_ERROR_SYNTAX /* what came is no header; the value stands in the message */
} BaseProxyError;
#define BASE_PROXY_ERROR (base_proxy_error_quark ())
GQuark base_proxy_error_quark (void);

typedef enum
{
  BASE_PROXY_MORE, /* a header so far, not yet whole: every octet belongs to it */
  BASE_PROXY_DONE,
  BASE_PROXY_BAD /* error is set */
} BaseProxyResult;

typedef enum
{
  BASE_PROXY_CLIENT,  /* source and destination are those of the client's connection */
  BASE_PROXY_UNKNOWN, /* somebody's, whose addresses are not told (UNKNOWN, UNSPEC, UNIX) */
  BASE_PROXY_LOCAL    /* the proxy's own: a health check */
} BaseProxyKind;

typedef struct
{
  BaseProxyKind kind;
  BaseEndpoint source; /* length 0 unless it is a client's, as `destination` */
  BaseEndpoint destination;
} BaseProxyHeader;

/* Looks at what has come so far, from its first octet. DONE: the first `*used` octets are the
 * header. `header` is set with DONE alone. */
BaseProxyResult base_proxy_parse (const guint8 *bytes, gsize length, BaseProxyHeader *header,
                                  gsize *used, GError **error);

/* Appends a header of version 1 or 2. A client that is not of IP, or unknown, is told as such; a
 * destination that is unknown or of the other family is told as the zero address. `source` NULL: it
 * is our own connection (LOCAL; version 1 has only UNKNOWN for it). */
void base_proxy_write (guint version, const BaseEndpoint *source, const BaseEndpoint *destination,
                       BaseBuffer *out);
