/* OpenSSL as the blocking streams use it: one context for all connections
 * of a relay or a server, and a socket that never raises SIGPIPE. Failures leave as GErrors of
 * WEIR_ERROR_TLS that name OpenSSL's reason.
 */
#pragma once

#include <glib.h>
#include <openssl/ssl.h>

#include <mailweir/smtp.h>

typedef enum
{
  BLOCKING_TLS_DONE,
  BLOCKING_TLS_WANTS_READ,
  BLOCKING_TLS_WANTS_WRITE,
  BLOCKING_TLS_FAILED
} BlockingTlsStep;

/* What clients are made with. `verify`: the server's certificate must come from one of
 * `authorities` (PEM; NULL: the system's) and be the host's. `certificate` NULL: we have none;
 * `key` NULL: it stands in `certificate`. The caller frees with SSL_CTX_free(). */
SSL_CTX *blocking_tls_client_context_new (gboolean verify, const gchar *authorities,
                                          const gchar *certificate, const gchar *key,
                                          GError **error);
/* Not yet connected; see blocking_stream_start_tls(). `fd` and the context stay the caller's, and
 * `fd` must outlive it. Freed by SSL_free(). */
SSL *blocking_tls_new (int fd, const gchar *host, SSL_CTX *context);
/* The same as server, with the context's certificate, which stays the caller's. */
SSL *blocking_tls_new_server (int fd, SSL_CTX *context);
/* `key` NULL: it stands in `certificate`. Both PEM. The caller frees with SSL_CTX_free(). */
SSL_CTX *blocking_tls_server_context_new (const gchar *certificate, const gchar *key,
                                          GError **error);

/* Whether PEM serves, without a connection. The texts name neither file nor option. With
 * `any_strength`, OpenSSL's level of security is not asked. */
gboolean blocking_tls_check_certificate (GBytes *certificate, gboolean any_strength,
                                         GError **error);
/* That `key` holds a private key without a passphrase, that of the certificate. */
gboolean blocking_tls_check_pair (GBytes *certificate, GBytes *key, gboolean any_strength,
                                  GError **error);
/* That there is at least one certificate in it. */
gboolean blocking_tls_check_authorities (GBytes *authorities, GError **error);

BlockingTlsStep blocking_tls_handshake (SSL *tls, GError **error);

/* Before each call of OpenSSL's whose error may be asked for. */
void blocking_tls_clear_errors (void);
/* Sets `error` from the certificate's verdict or OpenSSL's queue. */
void blocking_tls_set_error (SSL *tls, GError **error);
