/* What a signed S/MIME message carries (RFC 8551 section 3.5), taken out of its BER without a
 * parser of ASN.1. Cannot fail: bytes that are no BER give whatever they give. */
#pragma once

#include <glib.h>

/* All OCTET STRINGs in the order in which they stand, the pieces of one joined, a line break
 * wherever anything else stands between. At most twice `length`. Caller frees with
 * g_byte_array_unref(). */
GByteArray *ber_octet_strings (const guint8 *bytes, gsize length);
