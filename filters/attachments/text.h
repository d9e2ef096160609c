/* Readings of a name's text: encoded-words, percent encoding, charsets, and the form in which names
 * are compared. Strings are octets up to the NUL; a NUL inside has become TEXT_NUL before. */
#pragma once

#include <glib.h>

#define TEXT_NUL '\1'

/* What reading the names of one message may cost, all together: octets read, and for each
 * conversion from a charset a fixed price on top. Zeroed or made by text_work_init(). */
typedef struct
{
  guint64 budget;
  gboolean exhausted;   /* something was left out: the readings are not all */
  GHashTable *charsets; /* name → converter, opening which is dear; NULL: none yet */
} TextWork;

void text_work_init (TextWork *work, guint64 budget);
void text_work_clear (TextWork *work);
/* FALSE: it is used up, and `exhausted` says so from now on. */
gboolean text_spend (TextWork *work, gsize octets);

/* Whether text of this length, without a NUL behind it, is `word`, which is in lower case, in upper
 * or lower case. */
gboolean text_is (const char *text, gsize length, const char *word);
/* A copy with each NUL made TEXT_NUL. Caller frees. */
char *text_copy (const char *bytes, gsize length);
/* Valid UTF-8 whatever comes: octets in no known charset are taken as Latin-1. `work` may be NULL
 * where `charset` is. Caller frees. */
char *text_to_utf8 (TextWork *work, const char *bytes, gsize length, const char *charset);
/* Encoded-words (RFC 2047) decoded wherever they stand, white space between two of them dropped;
 * the rest as it is. `joined`: a '=' inside of base64 is skipped. NULL: there is none. Caller
 * frees. */
char *text_decode_words (TextWork *work, const char *text, gboolean joined);
/* Without what stands in brackets, nested or not, closed or not. Caller frees. */
char *text_without_comments (const char *text);
/* "%2E" decoded to octets. NULL: there is none. Caller frees. */
char *text_decode_percent (const char *text);
/* Compatibility forms resolved, case folded, what is not seen removed, white space made spaces.
 * Caller frees. */
char *text_fold (const char *text);
/* ASCII, at most 60 characters, for replies and logs. Caller frees. */
char *text_show (const char *text);
