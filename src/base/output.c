/* Bytes on their way to a descriptor. Copied bytes stand in one buffer, in order; the list of
 * segments, which says where borrowed bytes go between them, exists only while something is
 * borrowed. It can not fail. */
#include "base/output.h"

#include <string.h>

#define COPY_BELOW 512 /* a copy of so few bytes costs less than an iovec entry of its own */

static BaseOutputSegment *
segment_at (const BaseOutput *output, guint index)
{
  return &g_array_index (output->segments, BaseOutputSegment, index);
}

static void
drop_segments (BaseOutput *output)
{
  if (output->segments != NULL)
    g_array_free (g_steal_pointer (&output->segments), TRUE);
}

void
base_output_clear (BaseOutput *output)
{
  base_buffer_clear (&output->owned);
  drop_segments (output);
  output->length = 0;
}

/* Tells the segments, if there are any, that `length` bytes went behind the end of the owned ones.
 */
static void
note_owned (BaseOutput *output, gsize length)
{
  output->length += length;
  if (output->segments == NULL || length == 0)
    return;
  BaseOutputSegment *last = segment_at (output, output->segments->len - 1);
  if (last->borrowed == NULL)
    {
      last->length += length;
      return;
    }
  BaseOutputSegment segment = { length, NULL };
  g_array_append_val (output->segments, segment);
}

void
base_output_append (BaseOutput *output, gconstpointer bytes, gsize length)
{
  base_buffer_append (&output->owned, bytes, length);
  note_owned (output, length);
}

void
base_output_append_string (BaseOutput *output, const gchar *string)
{
  base_output_append (output, string, strlen (string));
}

void
base_output_append_printf (BaseOutput *output, const gchar *format, ...)
{
  gsize before = base_buffer_length (&output->owned);
  va_list arguments;

  va_start (arguments, format);
  base_buffer_append_vprintf (&output->owned, format, arguments);
  va_end (arguments);
  note_owned (output, base_buffer_length (&output->owned) - before);
}

void
base_output_borrow (BaseOutput *output, gconstpointer bytes, gsize length)
{
  if (length < COPY_BELOW)
    {
      base_output_append (output, bytes, length);
      return;
    }
  if (output->segments == NULL)
    {
      output->segments = g_array_new (FALSE, FALSE, sizeof (BaseOutputSegment));
      BaseOutputSegment owned = { output->length, NULL };
      if (owned.length > 0)
        g_array_append_val (output->segments, owned);
    }
  output->length += length;
  /* Runs that are neighbours in memory, as the lines of one read are, travel as one. */
  if (output->segments->len > 0)
    {
      BaseOutputSegment *last = segment_at (output, output->segments->len - 1);
      if (last->borrowed != NULL && last->borrowed + last->length == bytes)
        {
          last->length += length;
          return;
        }
    }
  BaseOutputSegment segment = { length, bytes };
  g_array_append_val (output->segments, segment);
}

guint
base_output_iovec (const BaseOutput *output, struct iovec *vector, guint max)
{
  guint8 *owned = base_buffer_bytes (&output->owned);
  guint count = 0;

  if (max == 0 || output->length == 0)
    return 0;
  if (output->segments == NULL)
    {
      vector[0] = (struct iovec){ owned, output->length };
      return 1;
    }
  for (; count < max && count < output->segments->len; count++)
    {
      const BaseOutputSegment *segment = segment_at (output, count);
      vector[count].iov_len = segment->length;
      if (segment->borrowed != NULL)
        {
          vector[count].iov_base = (gpointer) segment->borrowed;
          continue;
        }
      vector[count].iov_base = owned;
      owned += segment->length;
    }
  return count;
}

/* Takes up to `length` bytes off a segment; returns how many are left to take. */
static gsize
consume_segment (BaseOutput *output, BaseOutputSegment *segment, gsize length)
{
  gsize taken = MIN (length, segment->length);

  segment->length -= taken;
  if (segment->borrowed != NULL)
    segment->borrowed += taken;
  else
    base_buffer_consume (&output->owned, taken);
  return length - taken;
}

void
base_output_consume (BaseOutput *output, gsize length)
{
  g_assert (length <= output->length);
  output->length -= length;
  if (output->segments == NULL)
    {
      base_buffer_consume (&output->owned, length);
      return;
    }
  guint gone = 0;
  while (length > 0)
    {
      length = consume_segment (output, segment_at (output, gone), length);
      if (segment_at (output, gone)->length == 0)
        gone++;
    }
  if (gone == output->segments->len)
    drop_segments (output);
  else if (gone > 0)
    g_array_remove_range (output->segments, 0, gone);
}

void
base_output_settle (BaseOutput *output)
{
  BaseBuffer settled = BASE_BUFFER_INIT;
  const guint8 *owned = base_buffer_bytes (&output->owned);

  if (output->segments == NULL)
    return;
  base_buffer_reserve (&settled, output->length);
  for (guint i = 0; i < output->segments->len; i++)
    {
      const BaseOutputSegment *segment = segment_at (output, i);
      base_buffer_append (&settled, segment->borrowed != NULL ? segment->borrowed : owned,
                          segment->length);
      if (segment->borrowed == NULL)
        owned += segment->length;
    }
  base_buffer_clear (&output->owned);
  drop_segments (output);
  output->owned = settled;
}
