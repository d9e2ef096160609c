/* Readings of a name's text: encoded-words, percent encoding, charsets, and the form in which names
 * are compared. Strings are octets up to the NUL; a NUL inside has become TEXT_NUL before. */
#pragma once

#include <glib.h>

#define TEXT_NUL '\1'

/* A copy with each NUL made TEXT_NUL. Caller frees. */
char *text_copy (const char *bytes, gsize length);
/* Valid UTF-8 whatever comes: octets in no known charset are taken as Latin-1. Caller frees. */
char *text_to_utf8 (const char *bytes, gsize length, const char *charset);
/* Encoded-words (RFC 2047) decoded wherever they stand, white space between two of them dropped;
 * the rest as it is. NULL: there is none. Caller frees. */
char *text_decode_words (const char *text);
/* "%2E" decoded to octets. NULL: there is none. Caller frees. */
char *text_decode_percent (const char *text);
/* Compatibility forms resolved, case folded, what is not seen removed, white space made spaces.
 * Caller frees. */
char *text_fold (const char *text);
/* ASCII, at most 60 characters, for replies and logs. Caller frees. */
char *text_show (const char *text);
