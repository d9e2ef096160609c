/* TLS contexts. Fails at start, with the file and OpenSSL's own words, when a certificate or key
 * cannot be used; later only through handshakes. */
#include "net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "net/tls-resume.h"

G_DEFINE_QUARK (net - tls - error, net_tls_error)

typedef struct
{
  const gchar *name; /* the block's title; NULL: none */
  SSL_CTX *context;
} Named;

struct _NetTlsServer
{
  GArray *contexts; /* of Named */
  SSL_CTX *preset;  /* one of them */
};

/* "text: what OpenSSL complains of". */
static void
set_load_error (GError **error, const gchar *what, const gchar *path)
{
  gulong code = ERR_peek_last_error ();
  const gchar *reason = code == 0 ? NULL : ERR_reason_error_string (code);

  g_set_error (error, NET_TLS_ERROR, NET_TLS_ERROR_LOAD, "%s: %s%s%s", path, what,
               reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
  ERR_clear_error ();
}

/* ", expected mx.example.org" when it was the name that did not fit; caller frees. */
static gchar *
expected_name (SSL *ssl, glong verified)
{
  X509_VERIFY_PARAM *parameters = SSL_get0_param (ssl);
  const gchar *host = X509_VERIFY_PARAM_get0_host (parameters, 0);

  if (verified == X509_V_ERR_HOSTNAME_MISMATCH && host != NULL)
    return g_strdup_printf (", expected %s", host);
  return g_strdup ("");
}

void
net_tls_set_error (GError **error, SSL *ssl, gint status)
{
  glong verified = SSL_get_verify_result (ssl);
  gulong code = ERR_peek_last_error ();
  const gchar *reason = code == 0 ? NULL : ERR_reason_error_string (code);

  if (verified != X509_V_OK && SSL_get_verify_mode (ssl) != SSL_VERIFY_NONE)
    {
      g_autofree gchar *expected = expected_name (ssl, verified);
      g_set_error (error, NET_TLS_ERROR, NET_TLS_ERROR_VERIFY,
                   "certificate verification failed: %s%s",
                   X509_verify_cert_error_string (verified), expected);
    }
  else if (reason != NULL)
    g_set_error (error, NET_TLS_ERROR, NET_TLS_ERROR_HANDSHAKE, "TLS handshake failed: %s", reason);
  else
    g_set_error (error, NET_TLS_ERROR, NET_TLS_ERROR_HANDSHAKE, "TLS handshake failed: %s",
                 status == 0 ? "the peer closed the connection" : g_strerror (-status));
}

static BIO *
open_pem (ConfigSources *secrets, const gchar *path, GError **error)
{
  GBytes *bytes = config_sources_read (secrets, path, error);
  gsize length;
  gconstpointer data;
  BIO *bio;

  if (bytes == NULL)
    return NULL;
  data = g_bytes_get_data (bytes, &length);
  bio = length > G_MAXINT ? NULL : BIO_new_mem_buf (data, (int) length);
  if (bio == NULL)
    set_load_error (error, "cannot be read", path);
  return bio;
}

/* A key with a passphrase must not stop us at a prompt. */
static int
no_passphrase (char *buffer, int size, int writing, void *data)
{
  return -1;
}

static gboolean
use_chain (SSL_CTX *context, BIO *bio, const gchar *path, GError **error)
{
  X509 *certificate = PEM_read_bio_X509_AUX (bio, NULL, no_passphrase, NULL);
  gboolean used;

  if (certificate == NULL)
    {
      set_load_error (error, "no certificate in it", path);
      return FALSE;
    }
  used = SSL_CTX_use_certificate (context, certificate) == 1;
  X509_free (certificate);
  while (used && (certificate = PEM_read_bio_X509 (bio, NULL, no_passphrase, NULL)) != NULL)
    if (SSL_CTX_add0_chain_cert (context, certificate) != 1)
      {
        X509_free (certificate);
        used = FALSE;
      }
  if (!used)
    set_load_error (error, "the certificate cannot be used", path);
  ERR_clear_error (); /* the end of the file is an error to PEM_read_bio_X509() */
  return used;
}

static gboolean
use_key (SSL_CTX *context, BIO *bio, const gchar *path, GError **error)
{
  EVP_PKEY *key = PEM_read_bio_PrivateKey (bio, NULL, no_passphrase, NULL);
  gboolean used;

  if (key == NULL)
    {
      set_load_error (error, "no usable private key in it", path);
      return FALSE;
    }
  used = SSL_CTX_use_PrivateKey (context, key) == 1 && SSL_CTX_check_private_key (context) == 1;
  EVP_PKEY_free (key);
  if (!used)
    set_load_error (error, "the key does not fit the certificate", path);
  return used;
}

static gboolean
use_pair (SSL_CTX *context, const gchar *certificate, const gchar *key, ConfigSources *secrets,
          GError **error)
{
  const gchar *key_path = key == NULL ? certificate : key;
  BIO *bio = open_pem (secrets, certificate, error);
  gboolean used;

  if (bio == NULL)
    return FALSE;
  used = use_chain (context, bio, certificate, error);
  BIO_free (bio);
  if (!used || (bio = open_pem (secrets, key_path, error)) == NULL)
    return FALSE;
  used = use_key (context, bio, key_path, error);
  BIO_free (bio);
  return used;
}

/* What every context of ours has. Partial writes and moving buffers because outputs are consumed as
 * they go; released buffers because most sessions idle; a FIN without close_notify is an end like
 * any other: SMTP has its own end of data. */
static SSL_CTX *
new_context (const SSL_METHOD *method)
{
  SSL_CTX *context = SSL_CTX_new (method);

  if (context == NULL)
    return NULL;
  SSL_CTX_set_mode (context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                                 | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options (context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
                                    | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_session_cache_mode (context, SSL_SESS_CACHE_OFF);
  return context;
}

static int
on_server_name (SSL *ssl, int *alert, void *data)
{
  const NetTlsServer *server = data;
  const gchar *asked = SSL_get_servername (ssl, TLSEXT_NAMETYPE_host_name);

  if (asked == NULL)
    return SSL_TLSEXT_ERR_NOACK;
  for (guint i = 0; i < server->contexts->len; i++)
    {
      const Named *named = &g_array_index (server->contexts, Named, i);
      if (named->name == NULL || g_ascii_strcasecmp (named->name, asked) != 0)
        continue;
      return SSL_set_SSL_CTX (ssl, named->context) == NULL ? SSL_TLSEXT_ERR_ALERT_FATAL
                                                           : SSL_TLSEXT_ERR_OK;
    }
  /* An unknown name is served with the default certificate, as every mail server does. */
  return SSL_TLSEXT_ERR_NOACK;
}

static SSL_CTX *
server_context_new (NetTlsServer *server, const ConfigTls *block, ConfigSources *secrets,
                    GError **error)
{
  static const guchar session_context[] = "mailweir";
  SSL_CTX *context = new_context (TLS_server_method ());

  if (context == NULL
      || SSL_CTX_set_min_proto_version (context,
                                        block->minimum == 1 ? TLS1_3_VERSION : TLS1_2_VERSION)
             != 1)
    {
      set_load_error (error, "no TLS context", block->certificate);
      SSL_CTX_free (context);
      return NULL;
    }
  if (!use_pair (context, block->certificate, block->key, secrets, error))
    {
      SSL_CTX_free (context);
      return NULL;
    }
  SSL_CTX_set_session_id_context (context, session_context, sizeof session_context - 1);
  SSL_CTX_set_num_tickets (context, 1); /* mail clients come one connection at a time */
  SSL_CTX_set_tlsext_servername_callback (context, on_server_name);
  SSL_CTX_set_tlsext_servername_arg (context, server);
  return context;
}

NetTlsServer *
net_tls_server_new (const GPtrArray *blocks, ConfigSources *secrets, GError **error)
{
  g_autoptr (NetTlsServer) server = g_new0 (NetTlsServer, 1);
  gboolean preset_is_titled = TRUE;

  server->contexts = g_array_new (FALSE, TRUE, sizeof (Named));
  for (guint i = 0; i < blocks->len; i++)
    {
      const ConfigTls *block = g_ptr_array_index (blocks, i);
      Named named = { block->name, server_context_new (server, block, secrets, error) };
      if (named.context == NULL)
        return NULL;
      g_array_append_val (server->contexts, named);
      if (server->preset == NULL || (preset_is_titled && block->name == NULL))
        {
          server->preset = named.context;
          preset_is_titled = block->name != NULL;
        }
    }
  return g_steal_pointer (&server);
}

void
net_tls_server_free (NetTlsServer *server)
{
  if (server == NULL)
    return;
  for (guint i = 0; i < server->contexts->len; i++)
    SSL_CTX_free (g_array_index (server->contexts, Named, i).context);
  g_array_unref (server->contexts);
  g_free (server);
}

SSL_CTX *
net_tls_server_context (const NetTlsServer *server)
{
  return server->preset;
}

static gboolean
use_authorities (SSL_CTX *context, const gchar *path, ConfigSources *secrets, GError **error)
{
  X509 *certificate;
  guint count = 0;
  BIO *bio;

  if (path == NULL)
    {
      if (SSL_CTX_set_default_verify_paths (context) == 1)
        return TRUE;
      set_load_error (error, "cannot be read", "the system's authorities");
      return FALSE;
    }
  bio = open_pem (secrets, path, error);
  if (bio == NULL)
    return FALSE;
  while ((certificate = PEM_read_bio_X509 (bio, NULL, no_passphrase, NULL)) != NULL)
    {
      if (X509_STORE_add_cert (SSL_CTX_get_cert_store (context), certificate) == 1)
        count++;
      X509_free (certificate);
    }
  BIO_free (bio);
  if (count == 0)
    set_load_error (error, "no certificate in it", path);
  ERR_clear_error ();
  return count > 0;
}

static gboolean
apply_policy (SSL_CTX *context, const ConfigRoute *route, ConfigSources *secrets, GError **error)
{
  switch ((ConfigUpstreamTls) route->tls)
    {
    case CONFIG_UPSTREAM_TLS_OFF: /* an smtps:// destination with tls = "off" still speaks TLS,
                                     unverified */
    case CONFIG_UPSTREAM_TLS_OPPORTUNISTIC:
      /* Any encryption is better than the plaintext that would be used instead (RFC 7435). */
      SSL_CTX_set_security_level (context, 0);
      SSL_CTX_set_min_proto_version (context, 0);
      SSL_CTX_set_verify (context, SSL_VERIFY_NONE, NULL);
      return TRUE;
    case CONFIG_UPSTREAM_TLS_REQUIRED:
      SSL_CTX_set_min_proto_version (context, TLS1_2_VERSION);
      SSL_CTX_set_verify (context, SSL_VERIFY_NONE, NULL);
      return TRUE;
    case CONFIG_UPSTREAM_TLS_VERIFIED:
      SSL_CTX_set_min_proto_version (context, TLS1_2_VERSION);
      SSL_CTX_set_verify (context, SSL_VERIFY_PEER, NULL);
      return use_authorities (context, route->tls_ca, secrets, error);
    }
  g_assert_not_reached ();
}

SSL_CTX *
net_tls_client_context_new (const ConfigRoute *route, ConfigSources *secrets, GError **error)
{
  SSL_CTX *context = new_context (TLS_client_method ());

  if (context == NULL)
    {
      set_load_error (error, "no TLS context", route->name);
      return NULL;
    }
  net_tls_keep_sessions (context);
  if (!apply_policy (context, route, secrets, error)
      || (route->tls_certificate != NULL
          && !use_pair (context, route->tls_certificate, route->tls_key, secrets, error)))
    {
      SSL_CTX_free (context);
      return NULL;
    }
  return context;
}

static gboolean
is_address (const gchar *host)
{
  guint8 address[16];

  return inet_pton (AF_INET, host, address) == 1 || inet_pton (AF_INET6, host, address) == 1;
}

gboolean
net_tls_start_client (NetStream *stream, SSL_CTX *context, const ConfigRoute *route,
                      const gchar *host, GError **error)
{
  const gchar *name = route->tls_name != NULL ? route->tls_name : host;
  gboolean address = is_address (name), fine;
  X509_VERIFY_PARAM *parameters;

  fine = net_stream_start_client (stream, context, address ? NULL : name);
  if (fine)
    net_tls_resume (stream->ssl, name);
  if (fine && route->tls == CONFIG_UPSTREAM_TLS_VERIFIED)
    {
      parameters = SSL_get0_param (stream->ssl);
      X509_VERIFY_PARAM_set_hostflags (parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      fine = address ? X509_VERIFY_PARAM_set1_ip_asc (parameters, name) == 1
                     : X509_VERIFY_PARAM_set1_host (parameters, name, 0) == 1;
    }
  if (!fine)
    {
      stream->failed = TRUE;
      g_set_error (error, NET_TLS_ERROR, NET_TLS_ERROR_HANDSHAKE,
                   "TLS cannot be started towards %s", name);
      ERR_clear_error ();
    }
  return fine;
}
