/* Edits next to each other, or in one line, become one block: the old lines whole, then the new
 * ones, without those that both begin and end with. */
#include "commands/try-diff.h"

#include <string.h>

#define MAX_LINES 24 /* of one block on each side */
#define MAX_LINE 160 /* octets shown */

typedef struct
{
  const guint8 *bytes;
  gsize length;
  gsize counted; /* up to here, `lines` line breaks were seen */
  guint64 lines;
  gint64 shift; /* of line numbers, by the blocks before */
  BaseBuffer *out;
} Diff;

static gboolean
at_line_start (const Diff *diff, gsize offset)
{
  return offset == 0 || diff->bytes[offset - 1] == '\n';
}

static gsize
line_start (const Diff *diff, gsize offset)
{
  while (!at_line_start (diff, offset))
    offset--;
  return offset;
}

static gsize
line_end (const Diff *diff, gsize offset)
{
  const guint8 *end = memchr (diff->bytes + offset, '\n', diff->length - offset);

  return end == NULL ? diff->length : (gsize) (end + 1 - diff->bytes);
}

/* The end of the old lines that an edit touches, when those before it begin at `start`. */
static gsize
touched_end (const Diff *diff, const MessageEdit *edit, gsize start)
{
  gsize end = edit->offset + edit->removed;
  gsize size = 0;
  const guint8 *inserted = edit->inserted == NULL ? NULL : g_bytes_get_data (edit->inserted, &size);
  gboolean whole = size == 0 ? edit->offset == start : inserted[size - 1] == '\n';

  return whole && at_line_start (diff, end) ? end : line_end (diff, end);
}

static guint
count_lines (const guint8 *bytes, gsize length)
{
  guint lines = 0;

  for (gsize i = 0; i < length; i++)
    lines += bytes[i] == '\n' || i + 1 == length;
  return lines;
}

static void
print_line (BaseBuffer *out, gchar sign, const guint8 *line, gsize length)
{
  gsize shown = MIN (length, MAX_LINE);

  base_buffer_append (out, &sign, 1);
  for (gsize i = 0; i < shown; i++)
    {
      if ((line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f)
        base_buffer_append_printf (out, "\\x%02x", line[i]);
      else
        base_buffer_append (out, line + i, 1);
    }
  base_buffer_append_string (out, shown < length ? "...\n" : "\n");
}

static void
print_lines (BaseBuffer *out, gchar sign, const guint8 *bytes, gsize length)
{
  guint lines = count_lines (bytes, length);

  for (guint i = 0; i < lines; i++)
    {
      const guint8 *end = memchr (bytes, '\n', length);
      gsize next = end == NULL ? length : (gsize) (end + 1 - bytes);
      gsize line = end == NULL ? length : next - 1;

      if (line > 0 && bytes[line - 1] == '\r')
        line--;
      if (lines <= MAX_LINES || i < MAX_LINES / 2 || i >= lines - MAX_LINES / 4)
        print_line (out, sign, bytes, line);
      else if (i == MAX_LINES / 2)
        base_buffer_append_printf (out, "%c... %u lines ...\n", sign,
                                   lines - MAX_LINES / 2 - MAX_LINES / 4);
      bytes += next;
      length -= next;
    }
}

/* The number that a hunk names: its first line, or for none the line before, counted from 0. */
static gint64
hunk_line (gint64 lines_before, guint length)
{
  return length == 0 ? lines_before : lines_before + 1;
}

static void
print_hunk (Diff *diff, gsize start, gsize end, const guint8 *fresh, gsize length)
{
  const guint before = count_lines (diff->bytes + start, end - start);
  const guint after = count_lines (fresh, length);

  for (; diff->counted < start; diff->counted++)
    diff->lines += diff->bytes[diff->counted] == '\n';
  base_buffer_append_printf (diff->out, "@@ -%" G_GINT64_FORMAT ",%u +%" G_GINT64_FORMAT ",%u @@\n",
                             hunk_line ((gint64) diff->lines, before), before,
                             hunk_line ((gint64) diff->lines + diff->shift, after), after);
  print_lines (diff->out, '-', diff->bytes + start, end - start);
  print_lines (diff->out, '+', fresh, length);
  diff->shift += (gint64) after - before;
}

/* Octets of the whole lines that both begin with. */
static gsize
same_head (const guint8 *old, gsize old_length, const guint8 *fresh, gsize fresh_length)
{
  gsize same = 0;

  for (gsize i = 0; i < MIN (old_length, fresh_length) && old[i] == fresh[i]; i++)
    if (old[i] == '\n')
      same = i + 1;
  return same;
}

/* Octets of the whole lines that both end with. */
static gsize
same_tail (const guint8 *old, gsize old_length, const guint8 *fresh, gsize fresh_length)
{
  const guint8 *old_end = old + old_length;
  const guint8 *fresh_end = fresh + fresh_length;
  gsize same = 0;

  for (gsize i = 1; i <= MIN (old_length, fresh_length) && *(old_end - i) == *(fresh_end - i); i++)
    {
      const gboolean old_line = i == old_length || *(old_end - i - 1) == '\n';
      const gboolean fresh_line = i == fresh_length || *(fresh_end - i - 1) == '\n';

      if (old_line && fresh_line)
        same = i;
    }
  return same;
}

/* A filter that puts a whole part in the place of one has not changed the lines that stay at its
 * beginning and end. An edit that changes nothing at all is shown as it is. */
static void
print_block (Diff *diff, gsize start, gsize end, const GByteArray *block)
{
  const gsize length = end - start;
  const gboolean changes
      = length > 0 && block->len > 0
        && (length != block->len || memcmp (diff->bytes + start, block->data, length) != 0);
  const gsize head = changes ? same_head (diff->bytes + start, length, block->data, block->len) : 0;
  const gsize tail = changes ? same_tail (diff->bytes + start + head, length - head,
                                          block->data + head, block->len - head)
                             : 0;

  print_hunk (diff, start + head, end - tail, block->data + head, block->len - head - tail);
}

/* Prints the block that begins with the edit at `index`; which edit comes next. */
static guint
take_block (Diff *diff, const MessageEdits *edits, guint index)
{
  const MessageEdit *edit = message_edits_nth (edits, index);
  g_autoptr (GByteArray) fresh = g_byte_array_new ();
  gsize start = line_start (diff, edit->offset);
  gsize end = start;
  gsize copied = start;

  for (; index < message_edits_count (edits); index++)
    {
      edit = message_edits_nth (edits, index);
      if (copied > start && edit->offset > end)
        break;
      g_byte_array_append (fresh, diff->bytes + copied, (guint) (edit->offset - copied));
      if (edit->inserted != NULL)
        g_byte_array_append (fresh, g_bytes_get_data (edit->inserted, NULL),
                             (guint) g_bytes_get_size (edit->inserted));
      copied = edit->offset + edit->removed;
      end = MAX (end, touched_end (diff, edit, start));
      if (edit->offset >= end && copied == start) /* an insertion of whole lines stands alone */
        {
          index++;
          break;
        }
    }
  g_byte_array_append (fresh, diff->bytes + copied, (guint) (end - copied));
  print_block (diff, start, end, fresh);
  return index;
}

void
try_diff (const MessageEdits *edits, const guint8 *bytes, gsize length, BaseBuffer *out)
{
  Diff diff = { .bytes = bytes, .length = length, .out = out };

  for (guint i = 0; i < message_edits_count (edits);)
    i = take_block (&diff, edits, i);
}
