/* A certificate of the test's own, for "localhost" and 127.0.0.1, and its key. */
#pragma once

#include <glib.h>
#include <openssl/ssl.h>

/* Both belong to the caller. */
X509 *certificate_make (EVP_PKEY **key);
/* A PEM file with both; the caller removes and frees it. */
gchar *certificate_file (void);
