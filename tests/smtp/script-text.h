/* The text of conversation scripts: octets written with backslashes. Scripts belong to the tests:
 * mistakes in one abort. */
#pragma once

#include <glib.h>

/* \r \n \t \0 \\ \xHH, \(600*a) repeats, \c at the end leaves out the CRLF. Returns whether the
 * CRLF is wanted. */
gboolean script_unescape (const gchar *text, GByteArray *out);
/* Caller frees. */
gchar *script_escape (const guint8 *bytes, gsize length);
