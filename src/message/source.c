/* Random access to a message's bytes, in memory or behind a descriptor. Failures of the descriptor
 * are G_FILE_ERRORs. */
#include "message/source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

MessageSource
message_source_from_memory (const guint8 *bytes, gsize length)
{
  return (MessageSource){ .size = length, .memory = bytes, .fd = -1 };
}

MessageSource
message_source_from_spool (MessageSpool *spool)
{
  return (MessageSource){ .size = message_spool_size (spool),
                          .memory = message_spool_inline (spool),
                          .spool = spool,
                          .fd = -1 };
}

MessageSource
message_source_from_fd (gint fd, guint64 size)
{
  return (MessageSource){ .size = size, .fd = fd };
}

static gssize
read_descriptor (gint fd, guint64 offset, guint8 *buffer, gsize length, GError **error)
{
  gsize done = 0;

  while (done < length)
    {
      gssize got = pread (fd, buffer + done, length - done, (off_t) (offset + done));
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        {
          gint code = errno;
          g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (code),
                       "cannot read the message: %s", g_strerror (code));
          return -1;
        }
      if (got == 0)
        break;
      done += (gsize) got;
    }
  return (gssize) done;
}

gssize
message_source_read (const MessageSource *source, guint64 offset, gpointer buffer, gsize length,
                     GError **error)
{
  if (offset >= source->size)
    return 0;
  length = (gsize) MIN (length, source->size - offset);
  if (source->memory != NULL)
    {
      memcpy (buffer, source->memory + offset, length);
      return (gssize) length;
    }
  if (source->spool != NULL)
    return message_spool_read (source->spool, offset, buffer, length, error);
  return read_descriptor (source->fd, offset, buffer, length, error);
}
