/* A growable run of bytes, appended at its end and consumed from its start. An empty buffer owns no
 * memory. */
#pragma once

#include <glib.h>
#include <stdarg.h>
#include <string.h>

typedef struct
{
  guint8 *data; /* owned; NULL while nothing is stored */
  gsize start;  /* first unconsumed byte */
  gsize end;    /* behind the last byte */
  gsize size;   /* allocated */
} BaseBuffer;

#define BASE_BUFFER_KEPT 1024 /* bytes that an empty buffer may own, where its user says so */

#define BASE_BUFFER_INIT                                                                           \
  {                                                                                                \
    NULL, 0, 0, 0                                                                                  \
  }

/* Frees what `buffer` holds; it may be used again as an empty one. */
void base_buffer_clear (BaseBuffer *buffer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BaseBuffer, base_buffer_clear)

static inline gsize
base_buffer_length (const BaseBuffer *buffer)
{
  return buffer->end - buffer->start;
}

/* The first unconsumed byte; valid until the next call that changes the buffer. NULL when empty. */
static inline guint8 *
base_buffer_bytes (const BaseBuffer *buffer)
{
  return buffer->data == NULL ? NULL : buffer->data + buffer->start;
}

/* Makes room where there is none: base_buffer_reserve()'s rare half. */
guint8 *base_buffer_grow (BaseBuffer *buffer, gsize length);

/* Room for `length` more bytes behind the end; base_buffer_commit() says how many were written. */
static inline guint8 *
base_buffer_reserve (BaseBuffer *buffer, gsize length)
{
  if (G_LIKELY (buffer->data != NULL && buffer->size - buffer->end >= length))
    return buffer->data + buffer->end;
  return base_buffer_grow (buffer, length);
}

static inline void
base_buffer_commit (BaseBuffer *buffer, gsize length)
{
  g_assert (length <= buffer->size - buffer->end);
  buffer->end += length;
}

static inline void
base_buffer_append (BaseBuffer *buffer, gconstpointer bytes, gsize length)
{
  if (length == 0)
    return;
  memcpy (base_buffer_reserve (buffer, length), bytes, length);
  buffer->end += length;
}

static inline void
base_buffer_append_string (BaseBuffer *buffer, const gchar *string)
{
  base_buffer_append (buffer, string, strlen (string));
}

/* In decimal, with zeros in front up to `digits` (at most 20). */
void base_buffer_append_number (BaseBuffer *buffer, guint64 number, guint digits);
void base_buffer_append_printf (BaseBuffer *buffer, const gchar *format, ...) G_GNUC_PRINTF (2, 3);
void base_buffer_append_vprintf (BaseBuffer *buffer, const gchar *format, va_list arguments)
    G_GNUC_PRINTF (2, 0);

/* Drops `length` bytes from the start; memory is freed when nothing is left. */
void base_buffer_consume (BaseBuffer *buffer, gsize length);
/* Drops all bytes but keeps the memory for the next use. */
static inline void
base_buffer_reset (BaseBuffer *buffer)
{
  buffer->start = 0;
  buffer->end = 0;
}

/* As base_buffer_consume(), but an emptied buffer keeps memory of up to BASE_BUFFER_KEPT bytes for
 * the next use. */
static inline void
base_buffer_skip (BaseBuffer *buffer, gsize length)
{
  if (length < base_buffer_length (buffer) || buffer->size > BASE_BUFFER_KEPT)
    {
      base_buffer_consume (buffer, length);
      return;
    }
  g_assert (length == base_buffer_length (buffer));
  base_buffer_reset (buffer);
}
