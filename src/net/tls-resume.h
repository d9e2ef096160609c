/* TLS sessions of upstream connections, one a context, so that the next connection to the same host
 * needs no full handshake. Any thread may call. */
#pragma once

#include <glib.h>
#include <openssl/ssl.h>

/* Once, right after a client's context was made. */
void net_tls_keep_sessions (SSL_CTX *context);
/* Before the handshake: uses what is kept for `name`, whom the certificate would have to name, and
 * has the new session kept for it. */
void net_tls_resume (SSL *ssl, const gchar *name);
