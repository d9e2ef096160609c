/* Bytes on their way to a descriptor. Copied bytes stand in one buffer, in order; the list of
 * segments, which says where borrowed bytes go between them, has entries only while something is
 * borrowed. It can not fail. */
#include "base/output.h"

#include <fcntl.h>
#include <unistd.h>

#define COPY_BELOW 512 /* a copy of so few bytes costs less than an iovec entry of its own */

static guint
n_segments (const BaseOutput *output)
{
  return output->segments == NULL
             ? 0
             : (guint) (base_buffer_length (output->segments) / sizeof (BaseOutputSegment));
}

static BaseOutputSegment *
segment_at (const BaseOutput *output, guint index)
{
  return (BaseOutputSegment *) (gpointer) base_buffer_bytes (output->segments) + index;
}

static void
add_segment (BaseOutput *output, gsize length, gconstpointer borrowed)
{
  const BaseOutputSegment segment = { length, borrowed, -1, 0 };

  base_buffer_append (output->segments, &segment, sizeof segment);
}

static gboolean
is_file (const BaseOutputSegment *segment)
{
  return segment->fd >= 0;
}

static gboolean
is_owned (const BaseOutputSegment *segment)
{
  return segment->borrowed == NULL && !is_file (segment);
}

void
base_output_clear (BaseOutput *output)
{
  for (guint i = 0; i < n_segments (output); i++)
    if (is_file (segment_at (output, i)))
      close (segment_at (output, i)->fd);
  base_buffer_clear (&output->owned);
  if (output->segments != NULL)
    base_buffer_clear (output->segments);
  g_clear_pointer (&output->segments, g_free);
  output->length = 0;
}

void
base_output_trim (BaseOutput *output)
{
  if (output->length == 0 && (output->owned.data != NULL || output->segments != NULL))
    base_output_clear (output);
}

void
base_output_note_owned (BaseOutput *output, gsize length)
{
  guint count = n_segments (output);

  if (count == 0 || length == 0)
    return;
  BaseOutputSegment *last = segment_at (output, count - 1);
  if (is_owned (last))
    last->length += length;
  else
    add_segment (output, length, NULL);
}

void
base_output_append_printf (BaseOutput *output, const gchar *format, ...)
{
  gsize before = base_buffer_length (&output->owned);
  va_list arguments;

  va_start (arguments, format);
  base_buffer_append_vprintf (&output->owned, format, arguments);
  va_end (arguments);
  gsize length = base_buffer_length (&output->owned) - before;
  output->length += length;
  base_output_note_owned (output, length);
}

/* From here on segments say where what goes. */
static void
begin_segments (BaseOutput *output)
{
  if (output->segments == NULL)
    output->segments = g_new0 (BaseBuffer, 1);
  if (n_segments (output) == 0 && output->length > 0)
    add_segment (output, output->length, NULL);
}

gboolean
base_output_file (BaseOutput *output, gint fd, guint64 offset, gsize length)
{
  gint own = fcntl (fd, F_DUPFD_CLOEXEC, 0);

  if (own < 0)
    return FALSE;
  begin_segments (output);
  const BaseOutputSegment segment = { length, NULL, own, offset };
  base_buffer_append (output->segments, &segment, sizeof segment);
  output->length += length;
  return TRUE;
}

const BaseOutputSegment *
base_output_front_file (const BaseOutput *output)
{
  return n_segments (output) > 0 && is_file (segment_at (output, 0)) ? segment_at (output, 0)
                                                                     : NULL;
}

void
base_output_borrow (BaseOutput *output, gconstpointer bytes, gsize length)
{
  if (length < COPY_BELOW)
    {
      base_output_append (output, bytes, length);
      return;
    }
  begin_segments (output);
  output->length += length;
  /* Runs that are neighbours in memory, as the lines of one read are, travel as one. */
  guint count = n_segments (output);
  BaseOutputSegment *last = count > 0 ? segment_at (output, count - 1) : NULL;
  if (last != NULL && last->borrowed != NULL && last->borrowed + last->length == bytes)
    last->length += length;
  else
    add_segment (output, length, bytes);
}

guint
base_output_iovec (const BaseOutput *output, struct iovec *vector, guint max)
{
  guint8 *owned = base_buffer_bytes (&output->owned);
  guint segments = n_segments (output);
  guint count = 0;

  if (max == 0 || output->length == 0)
    return 0;
  if (segments == 0)
    {
      vector[0] = (struct iovec){ owned, output->length };
      return 1;
    }
  for (; count < max && count < segments; count++)
    {
      const BaseOutputSegment *segment = segment_at (output, count);
      if (is_file (segment))
        break;
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
  if (is_file (segment))
    segment->offset += taken;
  else if (segment->borrowed != NULL)
    segment->borrowed += taken;
  else
    base_buffer_skip (&output->owned, taken);
  return length - taken;
}

void
base_output_consume (BaseOutput *output, gsize length)
{
  g_assert (length <= output->length);
  output->length -= length;
  if (n_segments (output) == 0)
    {
      base_buffer_skip (&output->owned, length);
      return;
    }
  guint gone = 0;
  while (length > 0)
    {
      length = consume_segment (output, segment_at (output, gone), length);
      if (segment_at (output, gone)->length > 0)
        continue;
      if (is_file (segment_at (output, gone)))
        close (segment_at (output, gone)->fd);
      gone++;
    }
  base_buffer_skip (output->segments, gone * sizeof (BaseOutputSegment));
}

void
base_output_copy_borrowed (BaseOutput *output)
{
  BaseBuffer settled = BASE_BUFFER_INIT;
  const guint8 *owned = base_buffer_bytes (&output->owned);
  guint count = n_segments (output);
  gboolean files = FALSE, borrows = FALSE;
  gsize length = 0;

  for (guint i = 0; i < count; i++)
    {
      files |= is_file (segment_at (output, i));
      borrows |= segment_at (output, i)->borrowed != NULL;
      length += is_file (segment_at (output, i)) ? 0 : segment_at (output, i)->length;
    }
  if (borrows)
    base_buffer_reserve (&settled, length);
  for (guint i = 0; borrows && i < count; i++)
    {
      BaseOutputSegment *segment = segment_at (output, i);
      if (is_file (segment))
        continue;
      base_buffer_append (&settled, segment->borrowed != NULL ? segment->borrowed : owned,
                          segment->length);
      if (segment->borrowed == NULL)
        owned += segment->length;
      segment->borrowed = NULL;
    }
  if (borrows)
    {
      base_buffer_clear (&output->owned);
      output->owned = settled;
    }
  if (!files && count > 0)
    base_buffer_skip (output->segments, base_buffer_length (output->segments));
}
