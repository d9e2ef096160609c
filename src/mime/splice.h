/* Replacing, removing and inserting parts as edits of the original bytes. Collects operations,
 * composes those on one part, and makes the edits at the end; what no operation names keeps its
 * bytes. */
#pragma once

#include "mime/view.h"

typedef struct _MimeSplice MimeSplice;

MimeSplice *mime_splice_new (MimeView *view); /* the view is borrowed and must outlive the splice */
void mime_splice_free (MimeSplice *splice);   /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MimeSplice, mime_splice_free)

/* `entity`: Content-* fields, a blank line, the body, with CRLF line ends; it may begin with the
 * blank line. Copied. FALSE: error is set and nothing changed: the part is not of this view, its
 * place is not certain, it stands inside of one that is replaced or removed, or the entity has no
 * blank line behind its fields. */
gboolean mime_splice_replace (MimeSplice *splice, GMimeObject *part, const gchar *entity,
                              gsize length, GError **error);
/* The last part of a multipart, and a root, become an empty text/plain part. */
gboolean mime_splice_remove (MimeSplice *splice, GMimeObject *part, GError **error);
/* Ahead of the child `position` as it was parsed; behind the end it is appended. */
gboolean mime_splice_insert (MimeSplice *splice, GMimeObject *multipart, guint position,
                             const gchar *entity, gsize length, GError **error);

/* The replacement of the message's own root, if there is one: whoever edits the header fields
 * otherwise (the worker) does this one himself and then calls mime_splice_finish() with `with_root`
 * FALSE. NULL: none. Borrowed. */
GBytes *mime_splice_root (const MimeSplice *splice);
/* Adds all edits to `edits`. FALSE: they overlap with what stands there. */
gboolean mime_splice_finish (MimeSplice *splice, MessageEdits *edits, gboolean with_root,
                             GError **error);
/* Where an entity's body starts, behind the blank line; 0: it has no blank line where one must be.
 */
gsize mime_entity_body (const gchar *entity, gsize length);
