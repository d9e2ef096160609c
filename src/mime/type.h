/* Content-Type fields that are written by the letter of RFC 2045 section 5.1, read from raw bytes.
 * What is not by the letter is left to GMime. Linear, no allocation. Inside src/mime only. */
#pragma once

#include <glib.h>

#define MIME_MAX_PLAIN_BOUNDARY 70 /* octets; RFC 2046 section 5.1.1 */

typedef enum
{
  MIME_TYPE_UNCLEAR,  /* programs may differ: ask GMime */
  MIME_TYPE_LEAF,     /* neither of those below, whatever its parameters are */
  MIME_TYPE_MESSAGE,  /* message/… */
  MIME_TYPE_DIGEST,   /* multipart/digest, with a boundary */
  MIME_TYPE_MULTIPART /* another multipart, with a boundary */
} MimeTypeKind;

/* `value` is what stands behind the colon, with its folds and line end. `*boundary` becomes a place
 * in it, of 1 to MIME_MAX_PLAIN_BOUNDARY octets without white space; NULL unless it is a multipart.
 */
MimeTypeKind mime_type_read (const guint8 *value, gsize length, const guint8 **boundary,
                             gsize *boundary_length);
