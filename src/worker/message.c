/* The message between two filters. An edit drops what was made of the bytes before it. Fails only
 * where bytes can not be mapped or allocated by the kernel; edits that do not fit are refused. */
#include "worker/message.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "message/headers.h"
#include "mime/pages.h"

struct _WorkerMessage
{
  GBytes *original;
  gboolean mapped;      /* `original` is the bytes of a file */
  MimePages pages;      /* of it */
  MessageEdits *edits;  /* NULL: none yet */
  guint64 size;         /* of the current bytes */
  GBytes *block;        /* current header block; NULL: not asked for */
  GBytes *bytes;        /* current bytes; NULL: not asked for */
  MimeView *view;       /* NULL: not asked for */
  MimeOutline *outline; /* of the guard's; NULL: it has none */
  gboolean unchecked;   /* a filter has edited since the limits were looked at */
};

WorkerMessage *
worker_message_new (const IpcRequest *request, GError **error)
{
  g_autoptr (WorkerMessage) message = g_new (WorkerMessage, 1);

  *message = (WorkerMessage){ 0 };
  if (request->message != NULL)
    message->original = g_bytes_ref (request->message);
  else
    {
      MessageSource source
          = message_source_from_fd (request->message_descriptor, request->message_size);

      message->original = mime_bytes_new (&source, NULL, error);
      message->mapped = source.size > 0;
    }
  if (message->original == NULL)
    return NULL;
  message->size = g_bytes_get_size (message->original);
  message->pages
      = mime_pages_new (g_bytes_get_data (message->original, NULL), message->size, message->mapped);
  if (request->edits != NULL && !worker_message_apply (message, request->edits))
    {
      g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                           "the request's edits do not fit its message");
      return NULL;
    }
  message->unchecked = FALSE;
  return g_steal_pointer (&message);
}

static void
forget (WorkerMessage *message)
{
  g_clear_pointer (&message->view, mime_view_free);
  g_clear_pointer (&message->outline, mime_outline_free);
  g_clear_pointer (&message->block, g_bytes_unref);
  g_clear_pointer (&message->bytes, g_bytes_unref);
}

void
worker_message_free (WorkerMessage *message)
{
  if (message == NULL)
    return;
  forget (message);
  g_clear_pointer (&message->edits, message_edits_unref);
  g_clear_pointer (&message->original, g_bytes_unref);
  g_free (message);
}

guint64
worker_message_size (const WorkerMessage *message)
{
  return message->size;
}

gboolean
worker_message_is_mapped (const WorkerMessage *message)
{
  return message->mapped && message->edits == NULL;
}

void
worker_message_passed (WorkerMessage *message, gsize offset)
{
  if (worker_message_is_mapped (message) && offset <= message->size)
    mime_pages_read (&message->pages, offset);
}

static MessageSource
source_of (GBytes *bytes)
{
  gsize length = 0;
  const guint8 *data = g_bytes_get_data (bytes, &length);

  return message_source_from_memory (data, length);
}

GBytes *
worker_message_bytes (WorkerMessage *message, GError **error)
{
  MessageSource source = source_of (message->original);

  if (message->edits == NULL)
    return message->original;
  if (message->bytes == NULL)
    message->bytes = message_edits_apply (message->edits, &source, error);
  return message->bytes;
}

/* The same file with an offset of its own; -1: it holds something else, or can not be opened. */
static gint
reopen (gint spool, guint64 size)
{
  g_autofree gchar *path = g_strdup_printf ("/proc/self/fd/%d", spool);
  struct stat facts;

  if (fstat (spool, &facts) != 0 || !S_ISREG (facts.st_mode) || (guint64) facts.st_size != size)
    return -1;
  return open (path, O_RDONLY | O_CLOEXEC);
}

static gboolean
write_all (gint fd, const guint8 *data, gsize length)
{
  while (length > 0)
    {
      gssize written = write (fd, data, length);

      if (written < 0 && errno != EINTR)
        return FALSE;
      data += MAX (written, 0);
      length -= (gsize) MAX (written, 0);
    }
  return TRUE;
}

static gint
make_descriptor (GBytes *bytes)
{
  gint fd = memfd_create ("mailweir-message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  gsize length = 0;
  const guint8 *data = g_bytes_get_data (bytes, &length);
  gint problem;

  if (fd < 0)
    return -1;
  if (write_all (fd, data, length)
      && fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0
      && lseek (fd, 0, SEEK_SET) == 0)
    return fd;
  problem = errno;
  close (fd);
  errno = problem;
  return -1;
}

gint
worker_message_descriptor (WorkerMessage *message, gint spool)
{
  gint fd = message->edits == NULL && spool >= 0 ? reopen (spool, message->size) : -1;
  GBytes *bytes = fd < 0 ? worker_message_bytes (message, NULL) : NULL;

  if (fd >= 0)
    return fd;
  if (bytes == NULL)
    errno = EIO;
  return bytes == NULL ? -1 : make_descriptor (bytes);
}

/* Pieces up to the end of the header block, and no further. */
static GBytes *
make_block (const WorkerMessage *message)
{
  GByteArray *block = g_byte_array_new ();
  const guint8 *original = g_bytes_get_data (message->original, NULL);
  MessagePieceIter iter;
  MessagePiece piece;
  gsize scanned = 0;

  message_piece_iter_init (&iter, message->edits, g_bytes_get_size (message->original));
  while (message_piece_iter_next (&iter, &piece))
    {
      const guint8 *bytes = piece.inserted != NULL ? piece.inserted : original + piece.offset;

      for (guint64 at = 0; at < piece.length; at += 16 * 1024)
        {
          g_byte_array_append (block, bytes + at, (guint) MIN (piece.length - at, 16 * 1024));
          if (message_headers_find_end (block->data, block->len, &scanned) != G_MAXSIZE)
            return g_byte_array_free_to_bytes (block);
        }
    }
  return g_byte_array_free_to_bytes (block);
}

GBytes *
worker_message_header_block (WorkerMessage *message)
{
  if (message->edits == NULL)
    return message->original;
  if (message->bytes != NULL)
    return message->bytes;
  if (message->block == NULL)
    message->block = make_block (message);
  return message->block;
}

gboolean
worker_message_check (WorkerMessage *message, const MimeLimits *limits, MimeProblem *problem)
{
  GBytes *bytes = worker_message_bytes (message, NULL);
  gsize length = 0;
  const guint8 *data = bytes == NULL ? NULL : g_bytes_get_data (bytes, &length);

  if (length == 0)
    return TRUE;
  g_clear_pointer (&message->outline, mime_outline_free);
  message->unchecked = !mime_guard_check (data, length, worker_message_is_mapped (message), limits,
                                          &message->outline, problem);
  return !message->unchecked;
}

/* FALSE: there is nothing that may be parsed. */
static gboolean
may_parse (WorkerMessage *message, const MimeLimits *limits)
{
  MimeProblem problem;

  return worker_message_bytes (message, NULL) != NULL
         && (!message->unchecked || worker_message_check (message, limits, &problem));
}

MimeView *
worker_message_view (WorkerMessage *message, const MimeLimits *limits)
{
  if (message->view == NULL && may_parse (message, limits))
    message->view
        = mime_view_new (worker_message_bytes (message, NULL), worker_message_is_mapped (message));
  return message->view;
}

const MimeOutline *
worker_message_outline (WorkerMessage *message, const MimeLimits *limits)
{
  MimeView *view = NULL;

  if (!may_parse (message, limits))
    return NULL;
  if (message->outline != NULL)
    return message->outline;
  view = worker_message_view (message, limits);
  return view == NULL ? NULL : mime_view_outline (view);
}

gboolean
worker_message_apply (WorkerMessage *message, const MessageEdits *edits)
{
  guint64 original = g_bytes_get_size (message->original);
  MessageEdits *both = NULL;

  if (!message_edits_fit (edits, message->size))
    return FALSE;
  if (message->edits == NULL)
    {
      g_autoptr (MessageEdits) none = message_edits_new ();

      both = message_edits_compose (none, edits, original);
    }
  else
    both = message_edits_compose (message->edits, edits, original);
  g_clear_pointer (&message->edits, message_edits_unref);
  message->edits = both;
  message->unchecked = TRUE;
  message->size = message_edits_result_size (edits, message->size);
  forget (message);
  return TRUE;
}
