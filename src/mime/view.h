/* GMime's view of a message, and where each of its parts stands in the bytes. GMime's tree is read,
 * never written back.
 *
 * Call mime_guard_check() first: this parses whatever it is given. */
#pragma once

#include <gmime/gmime.h>

#include "message/edits.h"
#include "mime/outline.h"

/* A message's current bytes as one block: plain memory is copied, a descriptor is mapped, edits are
 * applied. NULL: error. The source's bytes must not change while the block lives. */
GBytes *mime_bytes_new (const MessageSource *source, const MessageEdits *edits, GError **error);

typedef struct _MimeView MimeView;

/* Parses; the bytes are kept by reference. `mapped`: they are a file's, from mime_bytes_new()
 * without edits, and little of them stays in memory. Never NULL. */
MimeView *mime_view_new (GBytes *bytes, gboolean mapped);
void mime_view_free (MimeView *view); /* and GMime's objects with it; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MimeView, mime_view_free)

/* NULL when the bytes do not begin with a header field: that is mail too, but not MIME. Borrowed.
 */
GMimeMessage *mime_view_message (const MimeView *view);
GBytes *mime_view_bytes (const MimeView *view);

/* The message's entities as GMime has them; empty when there is no message. Made at the first call;
 * the view's. */
const MimeOutline *mime_view_outline (MimeView *view);
/* The object at an outline's index, whichever outline of these bytes it is. NULL: there are not so
 * many. Borrowed. */
GMimeObject *mime_view_nth (const MimeView *view, guint index);

/* Where a part stands, in bytes from the message's start. */
typedef struct
{
  gsize start;   /* of its header block */
  gsize content; /* of its body, behind the blank line */
  gsize end;     /* of its body, without the line break that belongs to the delimiter behind it */
  gboolean root; /* of a message: the header block holds more than Content-* fields */
  gboolean delimited; /* a delimiter line follows at once */
  gsize delimiter;    /* not root: the start of the delimiter line ahead of it */
  gsize next; /* not root: the start of the delimiter line behind it, or where its multipart ends */
} MimeRange;

/* FALSE and error: the object is none of this view's, or its place is not certain (a boundary used
 * twice, a structure that GMime reads otherwise): such a part can be read but not edited. */
gboolean mime_view_range (MimeView *view, GMimeObject *part, MimeRange *range, GError **error);
/* The enclosing multipart, or the message/rfc822 part around a root; NULL for the message's own
 * root, and for a stranger. */
GMimeObject *mime_view_parent (const MimeView *view, GMimeObject *part);
/* The place among its multipart's children; 0 for a root. */
guint mime_view_index (const MimeView *view, GMimeObject *part);
gboolean mime_view_has (const MimeView *view, GMimeObject *part);
/* Where a new last part of a multipart goes: at the closing delimiter, or where an unterminated one
 * ends (then `*closed` is FALSE). */
gboolean mime_view_tail (MimeView *view, GMimeObject *multipart, gsize *offset, gboolean *closed,
                         GError **error);
/* A multipart's boundary; NULL: it has none. Never g_mime_multipart_get_boundary(), which can loop.
 * Borrowed. */
const gchar *mime_view_boundary (GMimeObject *multipart);
