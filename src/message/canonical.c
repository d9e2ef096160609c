/* Fields become strings; bodies are compared octet by octet as they are read, in constant memory.
 * A source that can not be read ends early: whoever sends the message will find that out. */
#include "message/canonical.h"

#include <string.h>

static gboolean
is_space (gint c)
{
  return c == ' ' || c == '\t';
}

/* ---- Fields ---- */

static void
append_relaxed (GString *out, const guint8 *bytes, gsize length)
{
  gsize start = out->len;
  gboolean space = FALSE;

  for (gsize i = 0; i < length; i++)
    {
      if (bytes[i] == '\r' || bytes[i] == '\n')
        continue;
      if (is_space (bytes[i]))
        {
          space = TRUE;
          continue;
        }
      if (space && out->len > start)
        g_string_append_c (out, ' ');
      space = FALSE;
      g_string_append_c (out, (gchar) bytes[i]);
    }
}

static void
append_name (GString *out, const guint8 *bytes, gsize length)
{
  while (length > 0 && is_space (bytes[length - 1]))
    length--;
  for (gsize i = 0; i < length; i++)
    g_string_append_c (out, g_ascii_tolower ((gchar) bytes[i]));
  g_string_append_c (out, ':');
}

GString *
message_canonical_field (const guint8 *bytes, gsize length, gboolean relaxed)
{
  GString *out = g_string_sized_new (length + 1);
  const guint8 *colon = memchr (bytes, ':', length);
  gsize value = colon == NULL ? 0 : (gsize) (colon + 1 - bytes);

  while (length > 0 && (bytes[length - 1] == '\r' || bytes[length - 1] == '\n'))
    length--;
  if (!relaxed || colon == NULL)
    return g_string_append_len (out, (const gchar *) bytes, (gssize) length);
  append_name (out, bytes, value - 1);
  append_relaxed (out, bytes + value, length > value ? length - value : 0);
  return out;
}

/* ---- An edited message's octets ---- */

/* FALSE: there is no further piece. */
static gboolean
next_piece (MessageBytes *bytes)
{
  bytes->used = 0;
  return message_piece_iter_next (&bytes->iter, &bytes->piece);
}

void
message_bytes_init (MessageBytes *bytes, const MessageSource *source, const MessageEdits *edits,
                    guint64 offset)
{
  bytes->source = source;
  bytes->at = bytes->filled = 0;
  bytes->failed = FALSE;
  bytes->piece = (MessagePiece){ NULL, 0, 0 };
  bytes->used = 0;
  message_piece_iter_init (&bytes->iter, edits, source->size);
  while (next_piece (bytes) && bytes->piece.length <= offset)
    {
      offset -= bytes->piece.length;
      bytes->piece.length = 0;
    }
  bytes->used = MIN (offset, bytes->piece.length);
}

static gboolean
refill (MessageBytes *bytes)
{
  gssize got;
  gsize length;

  while (bytes->used == bytes->piece.length)
    if (!next_piece (bytes))
      {
        bytes->piece = (MessagePiece){ NULL, 0, 0 };
        return FALSE;
      }
  length = (gsize) MIN (bytes->piece.length - bytes->used, sizeof bytes->window);
  if (bytes->piece.inserted != NULL)
    memcpy (bytes->window, bytes->piece.inserted + bytes->used, got = (gssize) length);
  else
    got = message_source_read (bytes->source, bytes->piece.offset + bytes->used, bytes->window,
                               length, NULL);
  bytes->failed = got <= 0;
  bytes->at = 0;
  bytes->filled = (gsize) MAX (got, 0);
  bytes->used += bytes->filled;
  return !bytes->failed;
}

gint
message_bytes_next (MessageBytes *bytes)
{
  if (bytes->at == bytes->filled && (bytes->failed || !refill (bytes)))
    return -1;
  return bytes->window[bytes->at++];
}

/* ---- Bodies ---- */

/* What is held back: line ends, which vanish if nothing follows them, and white space. */
typedef struct
{
  MessageBytes *bytes;
  gboolean relaxed;
  guint64 breaks; /* octets of CRLFs held back */
  gboolean spaced;
  guint tail;    /* octets of the last line end that were given out */
  gint octet;    /* what comes behind them; -1: not known yet */
  gboolean some; /* something was given out */
  gboolean ended;
} Canon;

static void
read_ahead (Canon *canon)
{
  gint c;

  while (canon->octet < 0 && !canon->ended)
    {
      c = message_bytes_next (canon->bytes);
      if (c == '\n')
        {
          canon->breaks += 2;
          canon->spaced = FALSE;
        }
      else if (canon->relaxed && is_space (c))
        canon->spaced = TRUE;
      else if (c >= 0 && c != '\r')
        canon->octet = c;
      canon->ended = c < 0;
    }
}

/* Behind the last line that is not empty stands one line end, there already or not; a simple body
 * has one even if there is no such line (RFC 6376 section 3.4.3). */
static gint
canon_end (Canon *canon)
{
  if ((!canon->some && canon->relaxed) || canon->tail == 2)
    return -1;
  return canon->tail++ == 0 ? '\r' : '\n';
}

static gint
canon_next (Canon *canon)
{
  gint c;

  read_ahead (canon);
  if (canon->octet < 0)
    return canon_end (canon);
  canon->some = TRUE;
  if (canon->breaks > 0)
    return canon->breaks-- % 2 == 0 ? '\r' : '\n';
  if (canon->spaced)
    {
      canon->spaced = FALSE;
      return ' ';
    }
  c = canon->octet;
  canon->octet = -1;
  return c;
}

gboolean
message_canonical_same_body (MessageBytes *a, MessageBytes *b, gboolean relaxed, guint64 most)
{
  Canon left = { .bytes = a, .relaxed = relaxed, .octet = -1 };
  Canon right = { .bytes = b, .relaxed = relaxed, .octet = -1 };

  for (; most > 0; most--)
    {
      gint c = canon_next (&left);

      if (c != canon_next (&right))
        return FALSE;
      if (c < 0)
        return TRUE;
    }
  return TRUE;
}
