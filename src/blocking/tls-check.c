/* Certificates, keys and authorities tried before anybody needs them, the way a server or client
 * would load them. Fails with OpenSSL's reason where it has one to give. */
#include "blocking/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>

/* A key with a passphrase must not stop the program at a prompt; `data` remembers that it has one.
 */
static int
note_passphrase (char *buffer, int size, int writing, void *data)
{
  *(gboolean *) data = TRUE;
  return -1;
}

static BIO *
open_bytes (GBytes *bytes)
{
  gsize length;
  const void *data = g_bytes_get_data (bytes, &length);

  blocking_tls_clear_errors ();
  return BIO_new_mem_buf (length == 0 ? "" : data, (int) MIN (length, G_MAXINT));
}

/* PEM that is none has no reason worth telling. */
static gboolean
fail (GError **error, const gchar *what, gboolean with_reason)
{
  const gulong code = ERR_peek_last_error ();
  const gchar *reason = with_reason && code != 0 ? ERR_reason_error_string (code) : NULL;

  g_set_error (error, WEIR_ERROR, WEIR_ERROR_TLS, "%s%s%s", what, reason != NULL ? ": " : "",
               reason != NULL ? reason : "");
  ERR_clear_error ();
  return FALSE;
}

/* Of the first certificate that stands in the bytes; NULL: none. Freed by X509_free(). */
static X509 *
read_certificate (GBytes *bytes)
{
  gboolean encrypted = FALSE;
  BIO *bio = open_bytes (bytes);
  X509 *certificate = PEM_read_bio_X509_AUX (bio, NULL, note_passphrase, &encrypted);

  BIO_free (bio);
  return certificate;
}

static gboolean
use_certificate (SSL_CTX *context, GBytes *bytes, GError **error)
{
  X509 *certificate = read_certificate (bytes);
  gboolean used;

  if (certificate == NULL)
    return fail (error, "no certificate in it", FALSE);
  used = SSL_CTX_use_certificate (context, certificate) == 1;
  X509_free (certificate);
  return used || fail (error, "the certificate can not be used", TRUE);
}

static SSL_CTX *
new_context (gboolean any_strength)
{
  SSL_CTX *context = SSL_CTX_new (TLS_method ());

  if (any_strength)
    SSL_CTX_set_security_level (context, 0);
  return context;
}

gboolean
blocking_tls_check_certificate (GBytes *certificate, gboolean any_strength, GError **error)
{
  SSL_CTX *context = new_context (any_strength);
  const gboolean fine = use_certificate (context, certificate, error);

  SSL_CTX_free (context);
  return fine;
}

static gboolean
use_key (SSL_CTX *context, GBytes *bytes, GError **error)
{
  gboolean encrypted = FALSE;
  BIO *bio = open_bytes (bytes);
  EVP_PKEY *key = PEM_read_bio_PrivateKey (bio, NULL, note_passphrase, &encrypted);
  gboolean used;

  BIO_free (bio);
  if (key == NULL && encrypted)
    return fail (error, "the key is encrypted; encrypted keys are not supported", FALSE);
  if (key == NULL)
    return fail (error, "no private key in it", FALSE);
  used = SSL_CTX_use_PrivateKey (context, key) == 1 && SSL_CTX_check_private_key (context) == 1;
  EVP_PKEY_free (key);
  return used || fail (error, "not the key of the certificate", TRUE);
}

gboolean
blocking_tls_check_pair (GBytes *certificate, GBytes *key, gboolean any_strength, GError **error)
{
  SSL_CTX *context = new_context (any_strength);
  const gboolean fine
      = use_certificate (context, certificate, error) && use_key (context, key, error);

  SSL_CTX_free (context);
  return fine;
}

gboolean
blocking_tls_check_authorities (GBytes *authorities, GError **error)
{
  X509 *first = read_certificate (authorities);

  if (first == NULL)
    return fail (error, "no certificate in it", FALSE);
  X509_free (first);
  return TRUE;
}
