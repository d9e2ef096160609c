/* All readings of a parameter of a raw Content-Type or Content-Disposition field: quoted or not,
 * terminated or not, RFC 2231 pieces in any order, encoded-words, percent encoding. A superset of
 * what any one program makes of it, so that a rule holds whoever reads. */
#pragma once

#include "text.h"

#define NAMES_MAX_PIECES 200 /* parameters of one name in one field; real mail has under ten */

/* Whether a word of small letters stands in a text, anywhere, in upper or lower case. */
gboolean names_holds (const char *text, const char *word);
/* Readings of the parameter `key` of a field's value (see text_copy()), as octets without NUL,
 * without doubles, in no order but that the first is a plausible one to show. Caller frees with
 * g_ptr_array_unref(). The values of its single parameters are appended to `pieces` (owned strings;
 * NULL: not wanted); to `whole` those readings that are not a numbered piece by itself (the same).
 * `*too_many` is set when there were more than NAMES_MAX_PIECES; where `work` is
 * exhausted, readings are missing. */
GPtrArray *names_read (TextWork *work, const char *text, const char *key, GPtrArray *pieces,
                       GPtrArray *whole, gboolean *too_many);
/* The readings of a name that stands alone, as behind "begin 644". */
GPtrArray *names_read_plain (TextWork *work, const char *name, gsize length);
