/* Streams an edited message and checks each byte that goes out. A CR is held back until the byte
 * behind it is known, so that nothing from a fault on is ever given out; a fault (bare CR or LF, or
 * a source that can not be read) stops the writer. */
#include "message/writer.h"

#include <string.h>

#define READ_STEP (128 * 1024)
#define LINES_LEAST (64 * 1024) /* of a source: the places of fewer octets are worth nothing */
#define LINE_SEEN 2048          /* octets in which the end of a line is looked for */

struct _MessageWriter
{
  gchar *prefix;
  MessageEdits *edits;
  MessageSource source;
  MessagePieceIter iter;
  MessagePiece piece; /* what is left of the piece at hand */
  gboolean fresh;     /* nothing of that piece was taken */
  gboolean at_line;   /* it goes on at a line of the source's */
  guint8 *buffer;     /* for sources behind a descriptor; made at the first read */

  const guint8 *run; /* bytes that stand together, neither checked nor given out */
  gsize run_length;
  gboolean cr_held;   /* a CR came before `run` and has not gone out */
  guint line_break;   /* octets of a checked CRLF that go out next */
  gboolean open_line; /* the last octet given out is no LF */
  gboolean done;
  MessageWriterFault fault;
  guint64 written;
};

MessageWriter *
message_writer_new (const gchar *prefix, MessageEdits *edits, MessageSource source)
{
  MessageWriter *writer = g_new (MessageWriter, 1);

  *writer = (MessageWriter){ .prefix = g_strdup (prefix),
                             .edits = edits == NULL ? NULL : message_edits_ref (edits),
                             .source = source };
  if (source.spool != NULL)
    message_spool_ref (source.spool);
  message_piece_iter_init (&writer->iter, edits, source.size);
  if (prefix != NULL)
    {
      writer->run = (const guint8 *) writer->prefix;
      writer->run_length = strlen (prefix);
    }
  return writer;
}

void
message_writer_free (MessageWriter *writer)
{
  if (writer == NULL)
    return;
  message_edits_unref (writer->edits);
  message_spool_unref (writer->source.spool);
  g_free (writer->prefix);
  g_free (writer->buffer);
  g_free (writer);
}

/* How many octets are beyond doubt: up to the first bare CR or LF, or up to a CR that is the last
 * octet. */
static gsize
clean_length (const guint8 *bytes, gsize length)
{
  gsize at = 0;

  while (at < length)
    {
      const guint8 *lf = memchr (bytes + at, '\n', length - at);
      gsize end = lf == NULL ? length : (gsize) (lf - bytes);
      const guint8 *cr = memchr (bytes + at, '\r', end - at);
      if (cr != NULL && cr + 1 != lf)
        return (gsize) (cr - bytes);
      if (cr == NULL)
        return end;
      at = end + 1;
    }
  return length;
}

static MessageWriterFault
fault_of (guint8 octet)
{
  return octet == '\r' ? MESSAGE_WRITER_BARE_CR : MESSAGE_WRITER_BARE_LF;
}

/* Behind the last line end in the last LINE_SEEN of `length` octets of the piece at hand, which has
 * as many; 0: there is none. */
static gsize
lines_within (MessageWriter *writer, gsize length)
{
  guint8 seen[LINE_SEEN];
  gsize before = length - sizeof seen;
  const guint8 *feed = NULL;

  if (message_source_read (&writer->source, writer->piece.offset + before, seen, sizeof seen, NULL)
      == (gssize) sizeof seen)
    feed = memrchr (seen, '\n', sizeof seen);
  return feed == NULL ? 0 : before + (gsize) (feed + 1 - seen);
}

static gboolean
has_lines (const MessageWriter *writer)
{
  return writer->source.clean && writer->source.memory == NULL && writer->piece.inserted == NULL
         && writer->piece.length >= LINES_LEAST;
}

/* How much of the piece at hand is read at once: its first lines alone where the others can go out
 * by their places. */
static gsize
next_step (MessageWriter *writer)
{
  gsize head = writer->fresh && has_lines (writer) ? lines_within (writer, LINE_SEEN) : 0;

  writer->at_line = head > 0;
  writer->fresh = FALSE;
  return head > 0 ? head : (gsize) MIN (writer->piece.length, READ_STEP);
}

/* The next run; FALSE when there is none, or the source failed. */
static gboolean
fetch (MessageWriter *writer)
{
  if (writer->piece.length == 0)
    {
      if (!message_piece_iter_next (&writer->iter, &writer->piece))
        return FALSE;
      writer->fresh = TRUE;
      writer->at_line = FALSE;
    }
  MessagePiece *piece = &writer->piece;
  writer->run_length = (gsize) piece->length;
  if (piece->inserted != NULL)
    writer->run = piece->inserted;
  else if (writer->source.memory != NULL)
    writer->run = writer->source.memory + piece->offset;
  else
    {
      if (writer->buffer == NULL)
        writer->buffer = g_malloc (READ_STEP);
      writer->run = writer->buffer;
      writer->run_length = next_step (writer);
      gssize got = message_source_read (&writer->source, piece->offset, writer->buffer,
                                        writer->run_length, NULL);
      if (got != (gssize) writer->run_length)
        {
          writer->fault = MESSAGE_WRITER_READ_ERROR;
          writer->run_length = 0;
          return FALSE;
        }
    }
  piece->offset += writer->run_length;
  piece->length -= writer->run_length;
  return TRUE;
}

static const guint8 *
give_out (MessageWriter *writer, const guint8 *bytes, gsize length, gsize *out)
{
  writer->open_line = bytes[length - 1] != '\n';
  writer->written += length;
  *out = length;
  return bytes;
}

static void
drop_run (MessageWriter *writer, gsize length)
{
  writer->run += length;
  writer->run_length -= length;
}

/* Nothing is left to fetch: a held CR stays bare, an open line gets its CRLF. */
static void
finish (MessageWriter *writer)
{
  if (writer->cr_held)
    writer->fault = MESSAGE_WRITER_BARE_CR;
  else if (writer->open_line)
    writer->line_break = 2;
  else
    writer->done = TRUE;
}

/* A run that starts with an octet in doubt: a CRLF to be put together, a CR to be held back, or a
 * fault. */
static void
settle_doubt (MessageWriter *writer)
{
  if (writer->cr_held && writer->run[0] != '\n')
    writer->fault = MESSAGE_WRITER_BARE_CR;
  else if (writer->cr_held)
    {
      writer->cr_held = FALSE;
      writer->line_break = 2;
      drop_run (writer, 1);
    }
  else if (writer->run[0] == '\r' && writer->run_length == 1)
    {
      writer->cr_held = TRUE;
      drop_run (writer, 1);
    }
  else if (writer->run[0] == '\r' && writer->run[1] == '\n')
    {
      writer->line_break = 2;
      drop_run (writer, 2);
    }
  else
    writer->fault = fault_of (writer->run[0]);
}

const guint8 *
message_writer_next (MessageWriter *writer, gsize most, gsize *length)
{
  *length = 0;
  g_assert (most > 0);
  while (writer->fault == MESSAGE_WRITER_FINE && !writer->done)
    {
      if (writer->line_break > 0)
        {
          const gchar *rest = &"\r\n"[2 - writer->line_break];
          gsize now = MIN (most, writer->line_break);
          writer->line_break -= (guint) now;
          return give_out (writer, (const guint8 *) rest, now, length);
        }
      if (writer->run_length == 0 && !fetch (writer))
        {
          if (writer->fault == MESSAGE_WRITER_FINE)
            finish (writer);
          continue;
        }
      gsize clean
          = writer->cr_held ? 0 : clean_length (writer->run, MIN (most, writer->run_length));
      if (clean > 0)
        {
          const guint8 *bytes = writer->run;
          drop_run (writer, clean);
          return give_out (writer, bytes, clean, length);
        }
      settle_doubt (writer);
    }
  return NULL;
}

gboolean
message_writer_next_lines (MessageWriter *writer, gsize most, guint64 *offset, gsize *length)
{
  gboolean between = writer->run_length == 0 && writer->line_break == 0 && !writer->cr_held;

  if (!between || !writer->at_line || writer->fault != MESSAGE_WRITER_FINE || !has_lines (writer)
      || most < LINES_LEAST)
    return FALSE;
  *length = lines_within (writer, (gsize) MIN (writer->piece.length, most));
  if (*length == 0)
    return FALSE;
  *offset = writer->piece.offset;
  writer->piece.offset += *length;
  writer->piece.length -= *length;
  writer->written += *length;
  return TRUE;
}

gboolean
message_writer_is_done (const MessageWriter *writer)
{
  return writer->done;
}

MessageWriterFault
message_writer_fault (const MessageWriter *writer)
{
  return writer->fault;
}

guint64
message_writer_written (const MessageWriter *writer)
{
  return writer->written;
}

static MessageWriterFault
check_all (MessageEdits *edits, MessageSource source)
{
  g_autoptr (MessageWriter) writer = message_writer_new (NULL, edits, source);
  gsize length;

  while (message_writer_next (writer, G_MAXSIZE, &length) != NULL)
    continue;
  return writer->fault;
}

/* Inserted bytes behind an octet `*last`; sets `*last` anew. */
static MessageWriterFault
check_inserted (const guint8 *bytes, gsize length, guint8 *last)
{
  gsize skip = 0;

  if (*last == '\r' && bytes[0] != '\n')
    return MESSAGE_WRITER_BARE_CR;
  if (*last == '\r')
    skip = 1;
  *last = bytes[length - 1];
  gsize clean = skip + clean_length (bytes + skip, length - skip);
  if (clean == length || (clean == length - 1 && bytes[clean] == '\r'))
    return MESSAGE_WRITER_FINE;
  return fault_of (bytes[clean]);
}

/* A range of clean original bytes can go wrong at its ends only: they may have been cut from the
 * other half of a CRLF. */
static MessageWriterFault
check_range (const MessageSource *source, const MessagePiece *piece, guint8 *last)
{
  guint8 first;
  guint8 end;

  if (message_source_read (source, piece->offset, &first, 1, NULL) != 1
      || message_source_read (source, piece->offset + piece->length - 1, &end, 1, NULL) != 1)
    return MESSAGE_WRITER_READ_ERROR;
  gboolean after_cr = *last == '\r';
  *last = end;
  if (after_cr && first != '\n')
    return MESSAGE_WRITER_BARE_CR;
  return !after_cr && first == '\n' ? MESSAGE_WRITER_BARE_LF : MESSAGE_WRITER_FINE;
}

MessageWriterFault
message_writer_check (MessageEdits *edits, MessageSource source, gboolean source_is_clean)
{
  MessageWriterFault fault = MESSAGE_WRITER_FINE;
  MessagePieceIter iter;
  MessagePiece piece;
  guint8 last = '\n';

  if (!source_is_clean)
    return check_all (edits, source);
  message_piece_iter_init (&iter, edits, source.size);
  while (fault == MESSAGE_WRITER_FINE && message_piece_iter_next (&iter, &piece))
    fault = piece.inserted != NULL ? check_inserted (piece.inserted, (gsize) piece.length, &last)
                                   : check_range (&source, &piece, &last);
  if (fault == MESSAGE_WRITER_FINE && last == '\r')
    return MESSAGE_WRITER_BARE_CR;
  return fault;
}
