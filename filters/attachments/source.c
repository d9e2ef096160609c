/* Windows on a decoded body. A checkpoint is the decoder's state where a window begins, so that any
 * window can be decoded again. */
#include "source.h"

#include <string.h>

#define WINDOW (64 * 1024)

typedef struct
{
  gsize raw; /* where in the body */
  DecodeBase64 state;
} Checkpoint;

struct _Source
{
  const guint8 *bytes; /* raw; or decoded, where `plain` */
  gsize length;
  gboolean plain;
  GByteArray *owned;   /* what `bytes` points at, where it had to be decoded at once */
  GArray *checkpoints; /* of Checkpoint: one a window, as far as it was read */
  gboolean complete;   /* the last window was met */
  guint64 size;
  guint8 *window;
  gsize window_index; /* G_MAXSIZE: none */
  gsize window_length;
};

Source *
source_new (DecodeEncodings encoding, const guint8 *bytes, gsize length)
{
  Source *source = g_new0 (Source, 1);
  Checkpoint first = { 0, { .joined = encoding == DECODE_BASE64_JOINED } };

  source->bytes = bytes;
  source->length = length;
  source->window_index = G_MAXSIZE;
  source->plain = encoding != DECODE_BASE64 && encoding != DECODE_BASE64_JOINED;
  if (encoding == DECODE_QUOTED_PRINTABLE || encoding == DECODE_UUENCODE)
    {
      source->owned = decode_bytes (encoding, bytes, length, length);
      source->bytes = source->owned->data;
      source->length = source->owned->len;
    }
  if (source->plain)
    return source;
  source->checkpoints = g_array_new (FALSE, FALSE, sizeof (Checkpoint));
  g_array_append_val (source->checkpoints, first);
  source->window = g_malloc (WINDOW);
  return source;
}

void
source_free (Source *source)
{
  if (source == NULL)
    return;
  g_clear_pointer (&source->owned, g_byte_array_unref);
  g_clear_pointer (&source->checkpoints, g_array_unref);
  g_free (source->window);
  g_free (source);
}

/* Decodes the window at `index`, the checkpoint of which is known. */
static void
load_window (Source *source, gsize index)
{
  Checkpoint at = g_array_index (source->checkpoints, Checkpoint, index);
  gsize used;

  source->window_length = decode_base64_step (
      &at.state, source->bytes + at.raw, source->length - at.raw, source->window, WINDOW, &used);
  source->window_index = index;
  at.raw += used;
  if (source->window_length < WINDOW)
    {
      source->complete = TRUE;
      source->size = (guint64) index * WINDOW + source->window_length;
    }
  else if (index + 1 == source->checkpoints->len)
    g_array_append_val (source->checkpoints, at);
}

/* FALSE: it lies behind the end. */
static gboolean
seek_window (Source *source, gsize index)
{
  while (index >= source->checkpoints->len && !source->complete)
    load_window (source, source->checkpoints->len - 1);
  if (index >= source->checkpoints->len)
    return FALSE;
  if (source->window_index != index)
    load_window (source, index);
  return TRUE;
}

guint64
source_size (Source *source)
{
  if (source->plain)
    return source->length;
  while (!source->complete)
    load_window (source, source->checkpoints->len - 1);
  return source->size;
}

gsize
source_read (Source *source, guint64 offset, gpointer buffer, gsize length)
{
  gsize done = 0;

  if (source->plain)
    {
      gsize start = (gsize) MIN (offset, source->length);

      done = MIN (length, source->length - start);
      if (done > 0)
        memcpy (buffer, source->bytes + start, done);
      return done;
    }
  while (done < length && seek_window (source, (gsize) ((offset + done) / WINDOW)))
    {
      gsize inside = (gsize) ((offset + done) % WINDOW);
      gsize some = inside < source->window_length
                       ? MIN (length - done, source->window_length - inside)
                       : 0;

      if (some == 0)
        break;
      memcpy ((guint8 *) buffer + done, source->window + inside, some);
      done += some;
    }
  return done;
}
