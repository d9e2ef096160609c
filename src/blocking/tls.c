/* OpenSSL for blocking streams: contexts, the check of the server's name, and a BIO over send(2)
 * with MSG_NOSIGNAL, since a library must not need its program to ignore SIGPIPE. */
#include "blocking/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

static int
socket_result (BIO *bio, gssize result)
{
  BIO_clear_retry_flags (bio);
  if (result < 0 && (errno == EAGAIN || errno == EINTR))
    BIO_set_flags (bio, BIO_get_flags (bio) | BIO_FLAGS_SHOULD_RETRY);
  return (int) result;
}

static int
socket_fd (BIO *bio)
{
  return GPOINTER_TO_INT (BIO_get_data (bio));
}

static int
socket_write (BIO *bio, const char *bytes, int length)
{
  int result = socket_result (bio, send (socket_fd (bio), bytes, (gsize) length, MSG_NOSIGNAL));

  if (BIO_should_retry (bio))
    BIO_set_retry_write (bio);
  return result;
}

static int
socket_read (BIO *bio, char *bytes, int length)
{
  gssize received = recv (socket_fd (bio), bytes, (gsize) length, 0);
  int result = socket_result (bio, received);

  if (BIO_should_retry (bio))
    BIO_set_retry_read (bio);
  if (received == 0)
    BIO_set_flags (bio, BIO_get_flags (bio) | BIO_FLAGS_IN_EOF);
  return result;
}

static long
socket_control (BIO *bio, int command, long number, void *pointer)
{
  if (command == BIO_CTRL_EOF)
    return (BIO_get_flags (bio) & BIO_FLAGS_IN_EOF) != 0;
  return command == BIO_CTRL_FLUSH;
}

static BIO *
socket_bio_new (int fd)
{
  static gsize made = 0;
  static BIO_METHOD *method;
  BIO *bio;

  if (g_once_init_enter (&made))
    {
      method = BIO_meth_new (BIO_get_new_index () | BIO_TYPE_SOURCE_SINK, "blocking socket");
      BIO_meth_set_write (method, socket_write);
      BIO_meth_set_read (method, socket_read);
      BIO_meth_set_ctrl (method, socket_control);
      g_once_init_leave (&made, 1);
    }
  bio = BIO_new (method);
  BIO_set_data (bio, GINT_TO_POINTER (fd));
  BIO_set_init (bio, 1);
  return bio;
}

void
blocking_tls_clear_errors (void)
{
  ERR_clear_error ();
  errno = 0;
}

void
blocking_tls_set_error (SSL *tls, GError **error)
{
  int saved = errno;
  long verdict = tls != NULL ? SSL_get_verify_result (tls) : X509_V_OK;
  gulong code = ERR_peek_last_error ();
  const gchar *reason = code != 0 ? ERR_reason_error_string (code) : NULL;

  if (verdict != X509_V_OK && tls != NULL && SSL_get_verify_mode (tls) != SSL_VERIFY_NONE)
    reason = X509_verify_cert_error_string (verdict);
  else if (reason == NULL)
    reason = saved != 0 ? g_strerror (saved) : "the peer closed the connection";
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_TLS, "TLS: %s", reason);
  ERR_clear_error ();
}

/* What both sides have. A peer that closes without saying so in TLS cuts nothing off unseen:
 * replies, commands and messages have ends of their own. */
static SSL_CTX *
common_context_new (const SSL_METHOD *method)
{
  SSL_CTX *context = SSL_CTX_new (method);

  SSL_CTX_set_min_proto_version (context, TLS1_2_VERSION);
  SSL_CTX_set_options (context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode (context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

/* A key with a passphrase must not stop the program at a prompt. */
static int
no_passphrase (char *buffer, int size, int writing, void *data)
{
  return -1;
}

/* `at`: the file that is no use, if one is not. */
static gboolean
use_pair (SSL_CTX *context, const gchar *certificate, const gchar *key, const gchar **at)
{
  SSL_CTX_set_default_passwd_cb (context, no_passphrase);
  *at = certificate;
  if (SSL_CTX_use_certificate_chain_file (context, certificate) != 1)
    return FALSE;
  *at = key != NULL ? key : certificate;
  return SSL_CTX_use_PrivateKey_file (context, *at, SSL_FILETYPE_PEM) == 1
         && SSL_CTX_check_private_key (context) == 1;
}

SSL_CTX *
blocking_tls_server_context_new (const gchar *certificate, const gchar *key, GError **error)
{
  SSL_CTX *context;
  const gchar *at = NULL;

  blocking_tls_clear_errors ();
  context = common_context_new (TLS_server_method ());
  SSL_CTX_set_session_cache_mode (context, SSL_SESS_CACHE_OFF);
  if (use_pair (context, certificate, key, &at))
    return context;
  blocking_tls_set_error (NULL, error);
  g_prefix_error (error, "%s: ", at);
  SSL_CTX_free (context);
  return NULL;
}

SSL_CTX *
blocking_tls_client_context_new (gboolean verify, const gchar *authorities,
                                 const gchar *certificate, const gchar *key, GError **error)
{
  SSL_CTX *context;
  const gchar *at = authorities != NULL ? authorities : "the system's authorities";
  gboolean loaded = TRUE;

  blocking_tls_clear_errors ();
  context = common_context_new (TLS_client_method ());
  SSL_CTX_set_verify (context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
  if (verify && authorities != NULL)
    loaded = SSL_CTX_load_verify_locations (context, authorities, NULL) == 1;
  else if (verify)
    loaded = SSL_CTX_set_default_verify_paths (context) == 1;
  if (loaded && (certificate == NULL || use_pair (context, certificate, key, &at)))
    return context;
  blocking_tls_set_error (NULL, error);
  g_prefix_error (error, "%s: ", at);
  SSL_CTX_free (context);
  return NULL;
}

SSL *
blocking_tls_new_server (int fd, SSL_CTX *context)
{
  SSL *tls = SSL_new (context);
  BIO *bio = socket_bio_new (fd);

  SSL_set_bio (tls, bio, bio);
  SSL_set_accept_state (tls);
  return tls;
}

SSL *
blocking_tls_new (int fd, const gchar *host, SSL_CTX *context)
{
  BIO *bio = socket_bio_new (fd);
  SSL *tls = SSL_new (context);
  gboolean is_address = g_hostname_is_ip_address (host);
  gboolean verify = SSL_CTX_get_verify_mode (context) != SSL_VERIFY_NONE;

  SSL_set_bio (tls, bio, bio);
  SSL_set_connect_state (tls);
  /* RFC 6066 section 3: a name, never an address. */
  if (!is_address)
    SSL_set_tlsext_host_name (tls, host);
  if (verify && is_address)
    X509_VERIFY_PARAM_set1_ip_asc (SSL_get0_param (tls), host);
  else if (verify)
    SSL_set1_host (tls, host);
  return tls;
}

BlockingTlsStep
blocking_tls_handshake (SSL *tls, GError **error)
{
  int result;

  blocking_tls_clear_errors ();
  result = SSL_do_handshake (tls);
  if (result == 1)
    return BLOCKING_TLS_DONE;
  switch (SSL_get_error (tls, result))
    {
    case SSL_ERROR_WANT_READ:
      return BLOCKING_TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
      return BLOCKING_TLS_WANTS_WRITE;
    default:
      blocking_tls_set_error (tls, error);
      return BLOCKING_TLS_FAILED;
    }
}
