/* What a Content-Type field says about the structure of a message, read as leniently as Postfix
 * does: every boundary counts, comments and quoting are seen through. */
#pragma once

#include <glib.h>

typedef enum
{
  CONTENT_OTHER,
  CONTENT_MESSAGE, /* message/rfc822: a header follows */
  CONTENT_MULTIPART,
  CONTENT_KEPT /* what was said before, or is usual there, holds: Postfix passes over other types */
} ContentKind;

typedef void (*ContentTypeBoundary) (const char *boundary, gboolean digest, gpointer data);

/* `value` is what stands behind the colon. Calls `func` with each boundary of a multipart. */
ContentKind content_type_read (const char *value, ContentTypeBoundary func, gpointer data);
