/* Bytes on their way to a descriptor, in order: some copied, some only borrowed from their owner.
 *
 * A protocol machine appends; whoever owns the descriptor takes an iovec, writes, and consumes what
 * was written. Borrowed bytes must stay unchanged until they are consumed or base_output_settle()
 * has copied the rest: the reader of a socket calls it before it reuses its receive buffer. */
#pragma once

#include <glib.h>
#include <sys/uio.h>

#include "base/buffer.h"

typedef struct
{
  gsize length;           /* bytes of this segment not yet consumed */
  const guint8 *borrowed; /* NULL: the bytes stand next in `owned`, or in a file */
  gint fd;                /* of that file, owned; -1: none */
  guint64 offset;         /* in it */
} BaseOutputSegment;

typedef struct
{
  BaseBuffer owned;
  BaseBuffer *segments; /* of BaseOutputSegment; none while everything is owned. NULL: nothing was
                           borrowed yet */
  gsize length;         /* all bytes that wait */
} BaseOutput;

#define BASE_OUTPUT_INIT                                                                           \
  {                                                                                                \
    BASE_BUFFER_INIT, NULL, 0                                                                      \
  }

void base_output_clear (BaseOutput *output);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BaseOutput, base_output_clear)
/* An output that has been emptied may keep some memory for what comes next (BASE_BUFFER_KEPT): it
 * gives that back here, if it is still empty. */
void base_output_trim (BaseOutput *output);

/* Tells the segments that `length` bytes went behind the end of the owned ones. */
void base_output_note_owned (BaseOutput *output, gsize length);

/* Room for `length` more bytes; base_output_commit() says how many were written. */
static inline guint8 *
base_output_reserve (BaseOutput *output, gsize length)
{
  return base_buffer_reserve (&output->owned, length);
}

static inline void
base_output_commit (BaseOutput *output, gsize length)
{
  base_buffer_commit (&output->owned, length);
  output->length += length;
  if (output->segments != NULL)
    base_output_note_owned (output, length);
}

static inline void
base_output_append (BaseOutput *output, gconstpointer bytes, gsize length)
{
  if (length == 0)
    return;
  memcpy (base_output_reserve (output, length), bytes, length);
  base_output_commit (output, length);
}

static inline void
base_output_append_string (BaseOutput *output, const gchar *string)
{
  base_output_append (output, string, strlen (string));
}

void base_output_append_printf (BaseOutput *output, const gchar *format, ...) G_GNUC_PRINTF (2, 3);
/* `bytes` is not copied; see the contract above. Short runs (under 512 bytes) may be copied all the
 * same. */
void base_output_borrow (BaseOutput *output, gconstpointer bytes, gsize length);

/* Bytes that stand in a file, and stay as they are there until they are consumed, whoever closes
 * `fd`. FALSE: no descriptor is free, and nothing was added. */
gboolean base_output_file (BaseOutput *output, gint fd, guint64 offset, gsize length);

/* What waits first, if it stands in a file; NULL: it does not. Valid until the next change. */
const BaseOutputSegment *base_output_front_file (const BaseOutput *output);
/* Fills at most `max` entries with what waits, in order, up to the first bytes in a file; returns
 * how many. Valid until the next change. */
guint base_output_iovec (const BaseOutput *output, struct iovec *vector, guint max);
void base_output_consume (BaseOutput *output, gsize length);

/* base_output_settle()'s rare half. */
void base_output_copy_borrowed (BaseOutput *output);

/* Copies what is still borrowed. */
static inline void
base_output_settle (BaseOutput *output)
{
  if (output->segments != NULL && base_buffer_length (output->segments) > 0)
    base_output_copy_borrowed (output);
}
