/* DKIM's canonical forms (RFC 6376 section 3.4), as far as it takes to say whether an edit changes
 * them. */
#pragma once

#include "message/edits.h"

/* One field, its last line break included or not; simple is the field as it is. Caller frees. */
GString *message_canonical_field (const guint8 *bytes, gsize length, gboolean relaxed);

/* An edited message's bytes, from some offset on. */
typedef struct
{
  const MessageSource *source; /* borrowed */
  MessagePieceIter iter;
  MessagePiece piece;
  guint64 used; /* octets of the piece */
  guint8 window[4096];
  gsize at, filled;
  gboolean failed; /* the source could not be read: the bytes end there */
} MessageBytes;

/* `edits` NULL: the bytes as they are. */
void message_bytes_init (MessageBytes *bytes, const MessageSource *source,
                         const MessageEdits *edits, guint64 offset);
/* The next octet; -1: none. */
gint message_bytes_next (MessageBytes *bytes);

/* Whether the first `most` octets of the canonical forms of what follows in both are the same.
 * Both stand at the start of a line, behind bodies' beginnings that are the same. Stops at the
 * first difference. */
gboolean message_canonical_same_body (MessageBytes *a, MessageBytes *b, gboolean relaxed,
                                      guint64 most);
