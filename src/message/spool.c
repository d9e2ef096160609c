/* A message's bytes: on the heap, then in a memfd, then in a file without a name. Each step copies
 * what is there before it lets go of it, so a step that fails (no space, no descriptors) leaves all
 * that was stored readable and comes back as a G_FILE_ERROR; appending may be tried again. */
#include "message/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COPY_STEP MESSAGE_SPOOL_STEP
#define SMALLEST 1024

typedef enum
{
  SPOOL_HEAP,
  SPOOL_MEMFD,
  SPOOL_FILE
} SpoolPlace;

struct _MessageSpool
{
  gint references;
  MessageSpoolLimits limits;
  SpoolPlace place;
  guint8 *heap; /* SPOOL_HEAP; NULL while empty */
  gsize room;   /* of the heap block */
  gint fd;      /* SPOOL_MEMFD, SPOOL_FILE */
  guint64 size;
  gboolean finished;
};

static gboolean
fail (GError **error, const gchar *what, const gchar *where)
{
  gint code = errno;

  /* A quota is a full disk to everybody above; GLib has no code for it. */
  GFileError number = code == EDQUOT ? G_FILE_ERROR_NOSPC : g_file_error_from_errno (code);
  g_set_error (error, G_FILE_ERROR, (gint) number, "%s%s%s: %s", what, where == NULL ? "" : " in ",
               where == NULL ? "" : where, g_strerror (code));
  return FALSE;
}

MessageSpool *
message_spool_new (const MessageSpoolLimits *limits)
{
  MessageSpool *spool = g_new0 (MessageSpool, 1);

  spool->references = 1;
  spool->limits = *limits;
  spool->fd = -1;
  return spool;
}

MessageSpool *
message_spool_ref (MessageSpool *spool)
{
  g_atomic_int_inc (&spool->references);
  return spool;
}

void
message_spool_unref (MessageSpool *spool)
{
  if (spool == NULL || !g_atomic_int_dec_and_test (&spool->references))
    return;
  if (spool->fd >= 0)
    close (spool->fd);
  g_free (spool->heap);
  g_free (spool);
}

static gboolean
write_all (gint fd, const guint8 *bytes, gsize length, guint64 offset, GError **error)
{
  while (length > 0)
    {
      gssize written = pwrite (fd, bytes, length, (off_t) offset);
      if (written < 0 && errno == EINTR)
        continue;
      if (written == 0)
        errno = ENOSPC;
      if (written <= 0)
        return fail (error, "cannot write to the spool", NULL);
      bytes += written;
      offset += (guint64) written;
      length -= (gsize) written;
    }
  return TRUE;
}

static gint
open_file (const gchar *directory)
{
  gint fd = open (directory, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

  /* Not every file system knows O_TMPFILE, and kernels differ in how they say so. */
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
    return fd;
  g_autofree gchar *name = g_build_filename (directory, "spool-XXXXXX", NULL);
  fd = mkostemp (name, O_CLOEXEC);
  if (fd >= 0)
    unlink (name);
  return fd;
}

static gboolean
copy_to (const MessageSpool *spool, gint fd, GError **error)
{
  g_autofree guint8 *buffer = NULL;

  if (spool->place == SPOOL_HEAP)
    return write_all (fd, spool->heap, spool->size, 0, error);
  buffer = g_malloc (COPY_STEP);
  for (guint64 offset = 0; offset < spool->size;)
    {
      gssize length = message_spool_read (spool, offset, buffer, COPY_STEP, error);
      if (length <= 0 || !write_all (fd, buffer, (gsize) length, offset, error))
        return FALSE;
      offset += (guint64) length;
    }
  return TRUE;
}

static gboolean
move_to (MessageSpool *spool, SpoolPlace place, GError **error)
{
  gint fd = place == SPOOL_MEMFD ? memfd_create ("mailweir-spool", MFD_CLOEXEC)
                                 : open_file (spool->limits.directory);

  if (fd < 0)
    return place == SPOOL_MEMFD
               ? fail (error, "cannot create a spool in memory", NULL)
               : fail (error, "cannot create a spool file", spool->limits.directory);
  if (!copy_to (spool, fd, error))
    {
      close (fd);
      return FALSE;
    }
  if (spool->fd >= 0)
    close (spool->fd);
  g_clear_pointer (&spool->heap, g_free);
  spool->room = 0;
  spool->fd = fd;
  spool->place = place;
  return TRUE;
}

static void
append_to_heap (MessageSpool *spool, gconstpointer bytes, gsize length)
{
  gsize needed = (gsize) spool->size + length;

  if (needed > spool->room)
    {
      /* The first block fits what came, as most messages come in one read; further ones double. */
      spool->room = MAX (spool->room * 2, MAX (needed, SMALLEST));
      spool->heap = g_realloc (spool->heap, MIN (spool->room, MESSAGE_INLINE));
      spool->room = MIN (spool->room, MESSAGE_INLINE);
    }
  memcpy (spool->heap + spool->size, bytes, length);
}

static SpoolPlace
place_for (const MessageSpool *spool, guint64 size)
{
  if (size > spool->limits.memory)
    return SPOOL_FILE;
  return size > MESSAGE_INLINE ? SPOOL_MEMFD : SPOOL_HEAP;
}

gboolean
message_spool_append (MessageSpool *spool, gconstpointer bytes, gsize length, GError **error)
{
  g_assert (!spool->finished);
  if (length == 0)
    return TRUE;
  SpoolPlace place = place_for (spool, spool->size + length);
  if (place > spool->place && !move_to (spool, place, error))
    return FALSE;
  if (spool->place == SPOOL_HEAP)
    append_to_heap (spool, bytes, length);
  else if (!write_all (spool->fd, bytes, length, spool->size, error))
    return FALSE;
  spool->size += length;
  return TRUE;
}

gsize
message_spool_step (const MessageSpool *spool)
{
  return MESSAGE_SPOOL_STEP - (gsize) (spool->size % MESSAGE_SPOOL_STEP);
}

/* The mode of a file is no wall against processes of the same user, a descriptor that is read-only
 * neither: they can open what it stands for anew. A lease tells (fcntl(2)): it is given only while
 * nobody has the file open for writing, and whoever opens it so later is held up by the kernel
 * until we have let go of it, or for lease-break-time, 45 s. Its signal is of no use to us; by
 * default SIGURG is ignored, and SIGIO ends the process. */
void
message_spool_finish (MessageSpool *spool)
{
  gint fd = spool->place == SPOOL_HEAP ? -1 : message_spool_reopen (spool, NULL);

  spool->finished = TRUE;
  if (fd < 0)
    return;
  close (spool->fd);
  spool->fd = fd;
  if (fcntl (fd, F_SETSIG, SIGURG) == 0)
    (void) fcntl (fd, F_SETLEASE, F_RDLCK);
}

gint
message_spool_leased (const MessageSpool *spool)
{
  return spool->fd >= 0 && fcntl (spool->fd, F_GETLEASE) == F_RDLCK ? spool->fd : -1;
}

guint64
message_spool_size (const MessageSpool *spool)
{
  return spool->size;
}

const guint8 *
message_spool_inline (const MessageSpool *spool)
{
  if (spool->place != SPOOL_HEAP)
    return NULL;
  return spool->heap == NULL ? (const guint8 *) "" : spool->heap;
}

gssize
message_spool_read (const MessageSpool *spool, guint64 offset, gpointer buffer, gsize length,
                    GError **error)
{
  gsize done = 0;

  if (offset >= spool->size)
    return 0;
  length = (gsize) MIN (length, spool->size - offset);
  if (spool->place == SPOOL_HEAP)
    {
      memcpy (buffer, spool->heap + offset, length);
      return (gssize) length;
    }
  while (done < length)
    {
      gssize got
          = pread (spool->fd, (guint8 *) buffer + done, length - done, (off_t) (offset + done));
      if (got < 0 && errno == EINTR)
        continue;
      if (got == 0)
        errno = EIO;
      if (got <= 0)
        {
          fail (error, "cannot read the spool", NULL);
          return -1;
        }
      done += (gsize) got;
    }
  return (gssize) done;
}

gint
message_spool_reopen (const MessageSpool *spool, GError **error)
{
  gchar path[40];

  g_snprintf (path, sizeof path, "/proc/self/fd/%d", spool->fd);
  gint fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    fail (error, "cannot reopen the spool", NULL);
  return fd;
}
