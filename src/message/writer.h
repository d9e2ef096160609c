/* Streams an edited message in bounded steps and checks what goes out, seams included: only CRLF
 * line breaks, whatever brought the bytes.
 *
 * The last CRLF is added when it is missing. The first fault stops the writer: nothing behind it is
 * given out. */
#pragma once

#include <glib.h>

#include "message/edits.h"

typedef enum
{
  MESSAGE_WRITER_FINE,
  MESSAGE_WRITER_BARE_CR,
  MESSAGE_WRITER_BARE_LF,
  MESSAGE_WRITER_READ_ERROR /* the spool could not be read */
} MessageWriterFault;

typedef struct _MessageWriter MessageWriter;

/* `prefix` (our trace field, already CRLF) comes first and belongs to no list; NULL: none. It is
 * copied; `edits` (NULL: none) and the spool of the source are referenced; memory or a descriptor
 * of the source must outlive the writer. */
MessageWriter *message_writer_new (const gchar *prefix, MessageEdits *edits, MessageSource source);
void message_writer_free (MessageWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MessageWriter, message_writer_free)

/* The next bytes, at most `most` (more than 0); NULL when all are out (or at a fault). They stay
 * valid until the next call. */
const guint8 *message_writer_next (MessageWriter *writer, gsize most, gsize *length);
/* Where whole lines of a clean source come next that does not stand in memory, and enough of them:
 * their place in it, at most `most` octets, instead of the lines. FALSE: what comes next is for
 * message_writer_next(); so are a range's first and last lines, which an edit may have cut. */
gboolean message_writer_next_lines (MessageWriter *writer, gsize most, guint64 *offset,
                                    gsize *length);
gboolean message_writer_is_done (const MessageWriter *writer);
MessageWriterFault message_writer_fault (const MessageWriter *writer);
guint64 message_writer_written (const MessageWriter *writer);

/* Checks a whole edited message without giving anything out: the host does it before DATA goes
 * upstream. Original bytes far from any seam are known to be clean (`source_is_clean`) and not read
 * again. */
MessageWriterFault message_writer_check (MessageEdits *edits, MessageSource source,
                                         gboolean source_is_clean);
