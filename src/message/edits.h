/* A message is its original bytes and a list of edits: (offset, length removed, bytes inserted),
 * sorted, not overlapping. A piece table.
 *
 * Laws, tested with random lists: apply (compose (A, B), m) = apply (B, apply (A, m)); insertions
 * at one place keep their order. */
#pragma once

#include <glib.h>

#include "base/buffer.h"
#include "message/source.h"

#define MESSAGE_MAX_EDITS 100000

typedef struct
{
  guint64 offset;   /* in the bytes that the edit refers to */
  guint64 removed;  /* bytes taken away from there */
  GBytes *inserted; /* put in their place; NULL: nothing */
} MessageEdit;

typedef struct _MessageEdits MessageEdits;

MessageEdits *message_edits_new (void);
MessageEdits *message_edits_ref (MessageEdits *edits);
void message_edits_unref (MessageEdits *edits);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MessageEdits, message_edits_unref)

/* Adds an edit in terms of the original bytes. `inserted` is not consumed; NULL inserts nothing.
 *  - An insertion at X stands before the byte at X, and behind a range that ends at X.
 *  - Edits at one offset join: their insertions come out in the order in which they were added,
 * before or in place of the byte there.
 *  - FALSE, and nothing is changed: the edit would touch bytes that another one removes, stand
 * inside a removed range, or remove the bytes around an earlier insertion. A list belongs to one
 * thread until everything was added and read once; then any thread may read it. */
gboolean message_edits_add (MessageEdits *edits, guint64 offset, guint64 removed, GBytes *inserted);
guint message_edits_count (const MessageEdits *edits);
const MessageEdit *message_edits_nth (const MessageEdits *edits, guint index);
/* Whether every range lies within a message of `size` bytes, and there are at most
 * MESSAGE_MAX_EDITS: lists from workers are untrusted. */
gboolean message_edits_fit (const MessageEdits *edits, guint64 size);
/* The size of the edited message. */
guint64 message_edits_result_size (const MessageEdits *edits, guint64 size);

/* `second` refers to the bytes that `first` yields; the result refers to the bytes that `first`
 * refers to. `size` is that of the original. Both should fit: what lies outside is dropped. Caller
 * unrefs. */
MessageEdits *message_edits_compose (const MessageEdits *first, const MessageEdits *second,
                                     guint64 size);

/* The edited message as pieces, in order: ranges of the original, and inserted bytes. */
typedef struct
{
  const guint8 *inserted; /* NULL: a range of the original */
  guint64 offset;         /* of the range */
  guint64 length;
} MessagePiece;

typedef struct
{
  const MessageEdits *edits; /* NULL: no edits */
  guint64 size;
  guint next;
  guint64 position;
  gboolean inserted_done;
} MessagePieceIter;

void message_piece_iter_init (MessagePieceIter *iter, const MessageEdits *edits, guint64 size);
gboolean message_piece_iter_next (MessagePieceIter *iter, MessagePiece *piece);
/* The edited bytes as one block, for small things and tests. */
GBytes *message_edits_apply (const MessageEdits *edits, const MessageSource *source,
                             GError **error);
