/* Certificates for tests; see the header. */
#include "certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

X509 *
certificate_make (EVP_PKEY **key)
{
  X509 *certificate = X509_new ();
  X509_NAME *name = X509_get_subject_name (certificate);
  X509_EXTENSION *names
      = X509V3_EXT_conf_nid (NULL, NULL, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");

  *key = EVP_EC_gen ("P-256");
  X509_set_version (certificate, 2);
  ASN1_INTEGER_set (X509_get_serialNumber (certificate), 1);
  X509_gmtime_adj (X509_getm_notBefore (certificate), -3600);
  X509_gmtime_adj (X509_getm_notAfter (certificate), 3600);
  X509_NAME_add_entry_by_txt (name, "CN", MBSTRING_ASC, (const guchar *) "localhost", -1, -1, 0);
  X509_set_issuer_name (certificate, name);
  X509_set_pubkey (certificate, *key);
  X509_add_ext (certificate, names, -1);
  X509_EXTENSION_free (names);
  g_assert_cmpint (X509_sign (certificate, *key, EVP_sha256 ()), >, 0);
  return certificate;
}

gchar *
certificate_file (void)
{
  EVP_PKEY *key;
  X509 *certificate = certificate_make (&key);
  gchar *path = NULL;
  int fd = g_file_open_tmp ("mailweir-test-XXXXXX.pem", &path, NULL);
  FILE *file = fdopen (fd, "w");

  PEM_write_X509 (file, certificate);
  PEM_write_PrivateKey (file, key, NULL, NULL, 0, NULL, NULL);
  fclose (file);
  X509_free (certificate);
  EVP_PKEY_free (key);
  return path;
}
