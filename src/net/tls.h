/* TLS contexts made from the configuration and the bundle of secrets. Made once a generation,
 * before threads start; shared by all loops afterwards. */
#pragma once

#include "config/config.h"
#include "net/stream.h"

typedef enum
{
  NET_TLS_ERROR_LOAD, /* a certificate, key or authority cannot be used */
  NET_TLS_ERROR_HANDSHAKE,
  NET_TLS_ERROR_VERIFY /* the peer is not who the route says it must be */
} NetTlsError;
#define NET_TLS_ERROR (net_tls_error_quark ())
GQuark net_tls_error_quark (void);

typedef struct _NetTlsServer NetTlsServer;

/* `blocks` of ConfigTls, not empty. Each key must fit its certificate. A client that asks for a
 * name (SNI) gets the block with that title, else the first block without one, else the first.
 * NULL: the error names the file. */
NetTlsServer *net_tls_server_new (const GPtrArray *blocks, ConfigSources *secrets, GError **error);
void net_tls_server_free (NetTlsServer *server); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NetTlsServer, net_tls_server_free)
/* For net_stream_start_server(). Belongs to `server`. */
SSL_CTX *net_tls_server_context (const NetTlsServer *server);

/* For connections of a route: level 0 and no verification when TLS is opportunistic, encryption
 * without verification when required, verification against tls-ca (or the system's authorities)
 * when verified; with the route's client certificate. The caller frees with SSL_CTX_free(). */
SSL_CTX *net_tls_client_context_new (const ConfigRoute *route, ConfigSources *secrets,
                                     GError **error);
/* Starts TLS towards `host` as the route asks: SNI, and the name or address that the certificate
 * must carry. FALSE: error. */
gboolean net_tls_start_client (NetStream *stream, SSL_CTX *context, const ConfigRoute *route,
                               const gchar *host, GError **error);

/* Describes a failed handshake: what OpenSSL says, or what verification found. `status` is a
 * negative errno. */
void net_tls_set_error (GError **error, SSL *ssl, gint status);
