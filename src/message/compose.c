/* Composing two lists of edits, the second of which refers to what the first one yields. Both are
 * read once, side by side, as steps (keep, insert, remove); the result merges edits between which
 * no byte is kept. It can not fail: what lies outside of the message is dropped. */
#include "message/edits.h"

typedef enum
{
  STEP_END,
  STEP_KEEP,
  STEP_INSERT,
  STEP_REMOVE
} StepKind;

/* A list of edits as steps over `size` bytes. */
typedef struct
{
  const MessageEdits *edits;
  guint64 size;
  guint64 position; /* in the bytes that the list refers to */
  guint next;
  gboolean inserted_done;

  StepKind kind; /* the step at hand */
  guint64 length;
  GBytes *inserted; /* STEP_INSERT: borrowed; bytes `used` and on are left */
  gsize used;
} Walk;

static void
set_step (Walk *walk, StepKind kind, guint64 length, GBytes *inserted)
{
  walk->kind = kind;
  walk->length = length;
  walk->inserted = inserted;
  walk->used = 0;
}

/* Goes on to the next step that is not empty. */
static void
next_step (Walk *walk)
{
  while (walk->next < message_edits_count (walk->edits))
    {
      const MessageEdit *edit = message_edits_nth (walk->edits, walk->next);
      if (walk->position < edit->offset)
        {
          set_step (walk, STEP_KEEP, edit->offset - walk->position, NULL);
          walk->position = edit->offset;
          return;
        }
      if (!walk->inserted_done && edit->inserted != NULL)
        {
          set_step (walk, STEP_INSERT, g_bytes_get_size (edit->inserted), edit->inserted);
          walk->inserted_done = TRUE;
          return;
        }
      walk->inserted_done = FALSE;
      walk->next++;
      walk->position += edit->removed;
      if (edit->removed > 0)
        {
          set_step (walk, STEP_REMOVE, edit->removed, NULL);
          return;
        }
    }
  if (walk->position < walk->size)
    {
      set_step (walk, STEP_KEEP, walk->size - walk->position, NULL);
      walk->position = walk->size;
      return;
    }
  set_step (walk, STEP_END, 0, NULL);
}

static void
take (Walk *walk, guint64 length)
{
  walk->length -= length;
  walk->used += (gsize) length;
  if (walk->length == 0)
    next_step (walk);
}

/* The result under construction: the edit at `offset` is open until a byte behind it is kept. */
typedef struct
{
  MessageEdits *edits;
  guint64 offset;
  guint64 removed;
} Result;

static void
result_keep (Result *result, guint64 length)
{
  message_edits_add (result->edits, result->offset, result->removed, NULL);
  result->offset += result->removed + length;
  result->removed = 0;
}

static void
result_insert (Result *result, const Walk *walk, guint64 length)
{
  g_autoptr (GBytes) slice = g_bytes_new_from_bytes (walk->inserted, walk->used, (gsize) length);

  message_edits_add (result->edits, result->offset, 0, slice);
}

/* One step in which bytes of the first list's result meet the second list. */
static void
meet (Result *result, Walk *first, Walk *second)
{
  guint64 length = MIN (first->length, second->length);

  if (first->kind == STEP_KEEP && second->kind == STEP_KEEP)
    result_keep (result, length);
  else if (first->kind == STEP_KEEP)
    result->removed += length;
  else if (second->kind == STEP_KEEP)
    result_insert (result, first, length);
  take (first, length);
  take (second, length);
}

MessageEdits *
message_edits_compose (const MessageEdits *first, const MessageEdits *second, guint64 size)
{
  Walk a = { .edits = first, .size = size };
  Walk b = { .edits = second, .size = message_edits_result_size (first, size) };
  Result result = { message_edits_new (), 0, 0 };

  next_step (&a);
  next_step (&b);
  while (a.kind != STEP_END || b.kind != STEP_END)
    {
      if (b.kind == STEP_INSERT)
        {
          result_insert (&result, &b, b.length);
          take (&b, b.length);
        }
      else if (a.kind == STEP_REMOVE)
        {
          result.removed += a.length;
          take (&a, a.length);
        }
      else if (a.kind == STEP_END)
        take (&b, b.length);
      else if (b.kind == STEP_END)
        take (&a, a.length);
      else
        meet (&result, &a, &b);
    }
  result_keep (&result, 0);
  return result.edits;
}
