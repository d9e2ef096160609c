/* Files put on disk so that they survive a crash. Whatever fails (no space, no descriptors, no
 * permission), the half-made file is removed and the error says what could not be done, and where.
 */
#include "delivery/store.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_HOSTNAME 128 /* octets in a file name, which the kernel limits to 255 */
#define STEP (64 * 1024)

static gboolean
fail (GError **error, const gchar *what, const gchar *path)
{
  gint code = errno;

  /* A quota is a full disk to everybody above; GLib has no code for it. */
  GFileError number = code == EDQUOT ? G_FILE_ERROR_NOSPC : g_file_error_from_errno (code);
  g_set_error (error, G_FILE_ERROR, (gint) number, "cannot %s %s: %s", what, path,
               g_strerror (code));
  return FALSE;
}

static gboolean
sync_descriptor (gint fd)
{
  while (fsync (fd) != 0)
    if (errno != EINTR)
      return FALSE;
  return TRUE;
}

static gboolean
sync_folder (const gchar *path, GError **error)
{
  gint fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    return fail (error, "open folder", path);
  gboolean good = sync_descriptor (fd) || fail (error, "sync folder", path);
  close (fd);
  return good;
}

/* `*made` stays as it is when the folder is there. */
static gboolean
make_folder (const gchar *path, gboolean *made, GError **error)
{
  if (g_mkdir (path, 0700) == 0)
    *made = TRUE;
  else if (errno != EEXIST)
    return fail (error, "make folder", path);
  return TRUE;
}

static gboolean
prepare_locked (const gchar *maildir, const gchar *const *folders, GError **error)
{
  gboolean made_maildir = FALSE;
  gboolean made_folder = FALSE;

  if (!make_folder (maildir, &made_maildir, error))
    return FALSE;
  for (; *folders != NULL; folders++)
    {
      g_autofree gchar *path = g_build_filename (maildir, *folders, NULL);
      if (!make_folder (path, &made_folder, error))
        return FALSE;
    }
  if (made_folder && !sync_folder (maildir, error))
    return FALSE;
  if (!made_maildir)
    return TRUE;
  g_autofree gchar *parent = g_path_get_dirname (maildir);
  return sync_folder (parent, error);
}

gboolean
delivery_store_prepare (const gchar *maildir, const gchar *const *folders, GError **error)
{
  static GMutex mutex;

  /* Nobody may go on in a folder that another thread has made and not yet synced. */
  g_mutex_lock (&mutex);
  gboolean good = prepare_locked (maildir, folders, error);
  g_mutex_unlock (&mutex);
  return good;
}

gchar *
delivery_store_unique_name (const gchar *hostname)
{
  static gint counter;
  gint64 now = g_get_real_time ();
  GString *name = g_string_new (NULL);

  g_string_printf (name, "%" G_GINT64_FORMAT ".M%06uP%dQ%d.", now / G_USEC_PER_SEC,
                   (guint) (now % G_USEC_PER_SEC), (gint) getpid (),
                   g_atomic_int_add (&counter, 1) & G_MAXINT);
  /* As the Maildir convention has it: '/' and ':' in octal. Nothing else odd gets in either. */
  for (guint i = 0; hostname[i] != '\0' && i < MAX_HOSTNAME; i++)
    {
      if (hostname[i] == '/' || hostname[i] == ':')
        g_string_append_printf (name, "\\%03o", (guint) hostname[i]);
      else
        g_string_append_c (name, g_ascii_isgraph (hostname[i]) ? hostname[i] : '_');
    }
  return g_string_free (name, FALSE);
}

static gint
create (const gchar *path, GError **error)
{
  gint fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

  if (fd < 0)
    fail (error, "create", path);
  return fd;
}

static gboolean
write_all (gint fd, const gchar *path, const guint8 *bytes, gsize length, GError **error)
{
  while (length > 0)
    {
      gssize written = write (fd, bytes, length);
      if (written < 0 && errno == EINTR)
        continue;
      if (written == 0)
        errno = ENOSPC;
      if (written <= 0)
        return fail (error, "write", path);
      bytes += written;
      length -= (gsize) written;
    }
  return TRUE;
}

/* Copies all but the CRs, which the writer lets out only in front of a LF. Returns the length. */
static gsize
copy_without_cr (guint8 *to, const guint8 *from, gsize length)
{
  gsize written = 0;

  while (length > 0)
    {
      const guint8 *cr = memchr (from, '\r', length);
      gsize run = cr == NULL ? length : (gsize) (cr - from);
      memcpy (to + written, from, run);
      written += run;
      run += cr != NULL;
      from += run;
      length -= run;
    }
  return written;
}

static gboolean
write_message (gint fd, const gchar *path, MessageWriter *writer, guint64 *size, GError **error)
{
  g_autofree guint8 *step = g_malloc (STEP);
  const guint8 *bytes;
  gsize filled = 0;
  gsize length;

  *size = 0;
  /* Small pieces are gathered, so that a file costs few writes. */
  while ((bytes = message_writer_next (writer, STEP - filled, &length)) != NULL)
    {
      filled += copy_without_cr (step + filled, bytes, length);
      if (filled < STEP)
        continue;
      if (!write_all (fd, path, step, filled, error))
        return FALSE;
      *size += filled;
      filled = 0;
    }
  if (!message_writer_is_done (writer))
    {
      gboolean unreadable = message_writer_fault (writer) == MESSAGE_WRITER_READ_ERROR;
      g_set_error (error, G_FILE_ERROR, unreadable ? G_FILE_ERROR_IO : G_FILE_ERROR_INVAL,
                   "cannot write %s: %s", path,
                   unreadable ? "the message can not be read" : "bare line break in the message");
      return FALSE;
    }
  *size += filled;
  return write_all (fd, path, step, filled, error);
}

/* Syncs and closes a file that was written if `good`; removes it if anything failed. */
static gboolean
finish (gint fd, const gchar *path, gboolean good, GError **error)
{
  good = good && (sync_descriptor (fd) || fail (error, "sync", path));
  /* Network file systems report a full disk only here. */
  if (close (fd) != 0 && good && errno != EINTR)
    good = fail (error, "close", path);
  if (!good)
    g_unlink (path);
  return good;
}

gboolean
delivery_store_message (const gchar *path, const gchar *prefix, MessageEdits *edits,
                        MessageSource source, guint64 *size, GError **error)
{
  g_autoptr (MessageWriter) writer = message_writer_new (prefix, edits, source);
  gint fd = create (path, error);

  return fd >= 0 && finish (fd, path, write_message (fd, path, writer, size, error), error);
}

gboolean
delivery_store_bytes (const gchar *path, gconstpointer bytes, gsize length, GError **error)
{
  gint fd = create (path, error);

  return fd >= 0 && finish (fd, path, write_all (fd, path, bytes, length, error), error);
}

static gboolean
move (const gchar *from, const gchar *to)
{
  if (renameat2 (AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
    return TRUE;
  /* Not every file system can promise not to replace; the names are unique anyway. */
  if (errno != EINVAL && errno != ENOSYS)
    return FALSE;
  return g_rename (from, to) == 0;
}

gboolean
delivery_store_publish (const gchar *from, const gchar *to, GError **error)
{
  g_autofree gchar *folder = g_path_get_dirname (to);

  if (!move (from, to))
    {
      fail (error, "move a file to", to);
      g_unlink (from);
      return FALSE;
    }
  if (sync_folder (folder, error))
    return TRUE;
  g_unlink (to);
  return FALSE;
}
