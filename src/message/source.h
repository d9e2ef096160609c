/* Random access to a message's bytes, wherever they are. Kept to two words and a function, so that
 * the writer, the header index and the tests read spools, descriptors and plain memory alike. */
#pragma once

#include <glib.h>

#include "message/spool.h"

typedef struct _MessageSource MessageSource;

struct _MessageSource
{
  guint64 size;
  const guint8 *memory; /* all bytes, when they are in memory; else NULL */
  MessageSpool *spool;  /* borrowed; NULL when `memory` or `fd` is used */
  gint fd;              /* borrowed, read with pread; -1: none */
  gboolean clean;       /* known to have true line ends only, and not to change any more */
};

MessageSource message_source_from_memory (const guint8 *bytes, gsize length);
MessageSource message_source_from_spool (MessageSpool *spool);
MessageSource message_source_from_fd (gint fd, guint64 size);
/* As message_spool_read(). */
gssize message_source_read (const MessageSource *source, guint64 offset, gpointer buffer,
                            gsize length, GError **error);
