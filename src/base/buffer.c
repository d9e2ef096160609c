/* A growable run of bytes. Grows geometrically, so that appending is linear overall; bytes move to
 * the front of the block only when that makes room enough. It can not fail: GLib aborts when memory
 * runs out, as everywhere here. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

#define SMALLEST 256

void
base_buffer_clear (BaseBuffer *buffer)
{
  g_free (buffer->data);
  *buffer = (BaseBuffer) BASE_BUFFER_INIT;
}

static void
move_to_front (BaseBuffer *buffer)
{
  gsize length = base_buffer_length (buffer);

  memmove (buffer->data, buffer->data + buffer->start, length);
  buffer->start = 0;
  buffer->end = length;
}

guint8 *
base_buffer_grow (BaseBuffer *buffer, gsize length)
{
  gsize held = base_buffer_length (buffer);

  g_assert (length <= G_MAXSSIZE - held);
  /* Moving is worth it only when at least half of the block is free: else a consumer of a few bytes
   * at a time pays a memmove for each append. */
  if (buffer->start > 0 && (held + length) <= buffer->size / 2)
    {
      move_to_front (buffer);
      return buffer->data + buffer->end;
    }
  /* The first block is as big as what comes: much that comes at once seldom grows. */
  gsize size = buffer->data == NULL ? MAX (length, SMALLEST) : buffer->size;
  gsize needed = buffer->start > 0 ? MAX (held + length, size + 1) : held + length;
  while (size < needed)
    size = size > G_MAXSSIZE / 2 ? needed : size * 2;
  guint8 *data = g_malloc (size);
  if (held > 0)
    memcpy (data, buffer->data + buffer->start, held);
  g_free (buffer->data);
  *buffer = (BaseBuffer){ data, 0, held, size };
  return data + held;
}

void
base_buffer_append_number (BaseBuffer *buffer, guint64 number, guint digits)
{
  gchar text[24];
  gchar *at = text + sizeof text;

  g_assert (digits <= 20);
  for (; number > 0 || at > text + sizeof text - digits; number /= 10)
    *--at = (gchar) ('0' + number % 10);
  base_buffer_append (buffer, at, (gsize) (text + sizeof text - at));
}

void
base_buffer_append_vprintf (BaseBuffer *buffer, const gchar *format, va_list arguments)
{
  va_list again;
  gsize room = 128;

  va_copy (again, arguments);
  gint needed = vsnprintf ((gchar *) base_buffer_reserve (buffer, room), room, format, arguments);
  g_assert (needed >= 0);
  if ((gsize) needed >= room)
    {
      room = (gsize) needed + 1;
      vsnprintf ((gchar *) base_buffer_reserve (buffer, room), room, format, again);
    }
  va_end (again);
  base_buffer_commit (buffer, (gsize) needed);
  if (base_buffer_length (buffer) == 0)
    base_buffer_clear (buffer);
}

void
base_buffer_append_printf (BaseBuffer *buffer, const gchar *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  base_buffer_append_vprintf (buffer, format, arguments);
  va_end (arguments);
}

void
base_buffer_consume (BaseBuffer *buffer, gsize length)
{
  g_assert (length <= base_buffer_length (buffer));
  buffer->start += length;
  if (buffer->start == buffer->end)
    base_buffer_clear (buffer);
}
