/* The sorted list of edits. Offsets rise strictly and ranges do not overlap; what would break that
 * is refused with FALSE. Adding in rising order costs nothing but the entry, joining many
 * insertions at one place is linear: their bytes grow in one array, which becomes GBytes when
 * somebody looks. */
#include "message/edits.h"

#include <string.h>

typedef struct
{
  MessageEdit edit;
  GByteArray *growing; /* holds the inserted bytes while edit.inserted is NULL; NULL: nobody joined
                          anything since */
} Entry;

#define FEW 4 /* edits of a filter that adds a field or two */

struct _MessageEdits
{
  gint references;
  guint count;
  guint room;
  Entry *entries; /* `few`, or a block of its own */
  Entry few[FEW];
};

static void
clear_entry (Entry *entry)
{
  g_clear_pointer (&entry->edit.inserted, g_bytes_unref);
  g_clear_pointer (&entry->growing, g_byte_array_unref);
}

MessageEdits *
message_edits_new (void)
{
  MessageEdits *edits = g_new (MessageEdits, 1);

  edits->references = 1;
  edits->count = 0;
  edits->room = FEW;
  edits->entries = edits->few;
  return edits;
}

MessageEdits *
message_edits_ref (MessageEdits *edits)
{
  g_atomic_int_inc (&edits->references);
  return edits;
}

void
message_edits_unref (MessageEdits *edits)
{
  if (edits == NULL || !g_atomic_int_dec_and_test (&edits->references))
    return;
  for (guint i = 0; i < edits->count; i++)
    clear_entry (&edits->entries[i]);
  if (edits->entries != edits->few)
    g_free (edits->entries);
  g_free (edits);
}

static Entry *
entry_at (const MessageEdits *edits, guint index)
{
  return &edits->entries[index];
}

static void
make_room (MessageEdits *edits)
{
  gboolean few = edits->entries == edits->few;

  g_assert (edits->room <= G_MAXUINT / 2);
  edits->room *= 2;
  edits->entries = g_renew (Entry, few ? NULL : edits->entries, edits->room);
  if (few)
    memcpy (edits->entries, edits->few, sizeof edits->few);
}

static void
insert_entry (MessageEdits *edits, guint place, guint64 offset)
{
  if (edits->count == edits->room)
    make_room (edits);
  memmove (edits->entries + place + 1, edits->entries + place,
           (edits->count - place) * sizeof (Entry));
  edits->entries[place] = (Entry){ { offset, 0, NULL }, NULL };
  edits->count++;
}

/* The index of the first entry at `offset` or behind it; the end is looked at first, for lists made
 * in rising order. */
static guint
find_place (const MessageEdits *edits, guint64 offset)
{
  guint low = 0;
  guint high = edits->count;

  if (high > 0 && entry_at (edits, high - 1)->edit.offset < offset)
    return high;
  while (low < high)
    {
      guint middle = low + (high - low) / 2;
      if (entry_at (edits, middle)->edit.offset < offset)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

static void
join (Entry *entry, guint64 removed, GBytes *inserted)
{
  entry->edit.removed += removed;
  if (inserted == NULL)
    return;
  if (entry->growing == NULL && entry->edit.inserted == NULL)
    {
      entry->edit.inserted = g_bytes_ref (inserted);
      return;
    }
  if (entry->growing == NULL)
    {
      entry->growing = g_byte_array_new ();
      g_byte_array_append (entry->growing, g_bytes_get_data (entry->edit.inserted, NULL),
                           (guint) g_bytes_get_size (entry->edit.inserted));
      g_clear_pointer (&entry->edit.inserted, g_bytes_unref);
    }
  g_byte_array_append (entry->growing, g_bytes_get_data (inserted, NULL),
                       (guint) g_bytes_get_size (inserted));
}

/* Whether an edit can stand at `place` (its index, or that of the entry at the same offset). */
static gboolean
fits_between (const MessageEdits *edits, guint place, guint64 offset, guint64 removed)
{
  guint next = place;

  if (place > 0)
    {
      const MessageEdit *before = &entry_at (edits, place - 1)->edit;
      if (before->offset + before->removed > offset)
        return FALSE;
    }
  if (next < edits->count && entry_at (edits, next)->edit.offset == offset)
    {
      if (removed > 0 && entry_at (edits, next)->edit.removed > 0)
        return FALSE;
      next++;
    }
  return next >= edits->count || offset + removed <= entry_at (edits, next)->edit.offset;
}

gboolean
message_edits_add (MessageEdits *edits, guint64 offset, guint64 removed, GBytes *inserted)
{
  if (inserted != NULL && g_bytes_get_size (inserted) == 0)
    inserted = NULL;
  if (removed > G_MAXUINT64 - offset)
    return FALSE;
  guint place = find_place (edits, offset);
  if (!fits_between (edits, place, offset, removed))
    return FALSE;
  if (removed == 0 && inserted == NULL)
    return TRUE;
  if (place == edits->count || entry_at (edits, place)->edit.offset != offset)
    insert_entry (edits, place, offset);
  join (entry_at (edits, place), removed, inserted);
  return TRUE;
}

guint
message_edits_count (const MessageEdits *edits)
{
  return edits->count;
}

const MessageEdit *
message_edits_nth (const MessageEdits *edits, guint index)
{
  Entry *entry = entry_at (edits, index);

  if (entry->growing != NULL)
    entry->edit.inserted = g_byte_array_free_to_bytes (g_steal_pointer (&entry->growing));
  return &entry->edit;
}

gboolean
message_edits_fit (const MessageEdits *edits, guint64 size)
{
  guint count = edits->count;

  if (count == 0)
    return TRUE;
  /* Sorted and without overlaps: the last one reaches farthest. */
  const MessageEdit *last = &entry_at (edits, count - 1)->edit;
  return count <= MESSAGE_MAX_EDITS && last->offset <= size && last->removed <= size - last->offset;
}

static guint64
inserted_size (const Entry *entry)
{
  if (entry->growing != NULL)
    return entry->growing->len;
  return entry->edit.inserted == NULL ? 0 : g_bytes_get_size (entry->edit.inserted);
}

guint64
message_edits_result_size (const MessageEdits *edits, guint64 size)
{
  for (guint i = 0; i < edits->count; i++)
    size += inserted_size (entry_at (edits, i)) - entry_at (edits, i)->edit.removed;
  return size;
}

void
message_piece_iter_init (MessagePieceIter *iter, const MessageEdits *edits, guint64 size)
{
  *iter = (MessagePieceIter){ edits, size, 0, 0, FALSE };
}

/* The range of the original up to `end`; FALSE when it is empty. Ranges outside of the message are
 * cut: a list that does not fit yields nonsense, but never a byte that is not there. */
static gboolean
keep_until (MessagePieceIter *iter, guint64 end, MessagePiece *piece)
{
  end = MIN (end, iter->size);
  if (iter->position >= end)
    return FALSE;
  *piece = (MessagePiece){ NULL, iter->position, end - iter->position };
  iter->position = end;
  return TRUE;
}

gboolean
message_piece_iter_next (MessagePieceIter *iter, MessagePiece *piece)
{
  while (iter->edits != NULL && iter->next < message_edits_count (iter->edits))
    {
      const MessageEdit *edit = message_edits_nth (iter->edits, iter->next);
      if (!iter->inserted_done)
        {
          if (keep_until (iter, edit->offset, piece))
            return TRUE;
          iter->inserted_done = TRUE;
          if (edit->inserted != NULL)
            {
              gsize length;
              const guint8 *inserted = g_bytes_get_data (edit->inserted, &length);
              *piece = (MessagePiece){ inserted, 0, length };
              return TRUE;
            }
        }
      iter->inserted_done = FALSE;
      iter->position = edit->offset + edit->removed;
      iter->next++;
    }
  return keep_until (iter, G_MAXUINT64, piece);
}

GBytes *
message_edits_apply (const MessageEdits *edits, const MessageSource *source, GError **error)
{
  g_autoptr (GByteArray) result = g_byte_array_new ();
  MessagePieceIter iter;
  MessagePiece piece;

  message_piece_iter_init (&iter, edits, source->size);
  while (message_piece_iter_next (&iter, &piece))
    {
      guint at = result->len;
      g_assert (piece.length <= G_MAXUINT - at);
      g_byte_array_set_size (result, at + (guint) piece.length);
      if (piece.inserted != NULL)
        {
          memcpy (result->data + at, piece.inserted, piece.length);
          continue;
        }
      gssize got
          = message_source_read (source, piece.offset, result->data + at, piece.length, error);
      if (got >= 0 && (guint64) got < piece.length)
        g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_IO, "the message ends before its size");
      if (got < 0 || (guint64) got < piece.length)
        return NULL;
    }
  return g_byte_array_free_to_bytes (g_steal_pointer (&result));
}
