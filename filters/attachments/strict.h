/* Whether a Content-Type or Content-Disposition field leaves no choice to who reads it: RFC 2045
 * section 5.1 and RFC 2231 to the letter, but for what everybody reads alike. Nothing here fails.
 */
#pragma once

#include <glib.h>

#define STRICT_MAX_PARAMETERS 64 /* of one field; more are not looked through */

typedef enum
{
  STRICT_PLAIN,    /* one reading */
  STRICT_ODD,      /* not by the letter (comments, unquoted spaces): read leniently */
  STRICT_AMBIGUOUS /* two programs will read two things: duplicates, gaps, what is never closed */
} StrictKind;

/* `text` is a field's value with its folds. */
StrictKind strict_check (const char *text);
