/* See store.h. The message is written and synced under a name in tmp/ that nobody looks at; what
 * changes new/ and meta/ holds a lock. A process that dies in between leaves a message too many,
 * and never one too few. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/message.h"

#define STEP (64 * 1024)
#define GROUP "message"

static gboolean
fail (GError **error, const char *what, const char *path)
{
  int code = errno;

  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (code), "cannot %s %s: %s", what,
               path, g_strerror (code));
  return FALSE;
}

static gboolean
sync_folder (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean fine = fd >= 0 && fsync (fd) == 0;

  if (!fine)
    fail (error, "sync", path);
  if (fd >= 0)
    close (fd);
  return fine;
}

static gboolean
make_folder (const char *path, gboolean *made, GError **error)
{
  if (g_mkdir (path, 0700) == 0)
    *made = TRUE;
  else if (errno != EEXIST)
    return fail (error, "make folder", path);
  return TRUE;
}

static gboolean
prepare (const char *maildir, GError **error)
{
  static const char *const folders[] = { "tmp", "new", "cur", "meta" };
  g_autofree char *parent = g_path_get_dirname (maildir);
  gboolean made = FALSE;
  gboolean made_inside = FALSE;

  if (!make_folder (maildir, &made, error) || (made && !sync_folder (parent, error)))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree char *path = g_build_filename (maildir, folders[i], NULL);

      if (!make_folder (path, &made_inside, error))
        return FALSE;
    }
  return !made_inside || sync_folder (maildir, error);
}

/* One of 256, by the key. A descriptor to close; -1: `error` is set. */
static int
lock (const char *maildir, const char *key, GError **error)
{
  g_autofree char *name = g_strdup_printf (".lock-%.2s", key);
  g_autofree char *path = g_build_filename (maildir, "meta", name, NULL);
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

  while (fd >= 0 && flock (fd, LOCK_EX) != 0)
    if (errno != EINTR)
      {
        close (fd);
        fd = -1;
      }
  if (fd < 0)
    fail (error, "lock", path);
  return fd;
}

/* ---- Writing ---- */

static gboolean
write_all (int fd, const char *bytes, gsize length)
{
  while (length > 0)
    {
      gssize written = write (fd, bytes, length);

      if (written <= 0 && errno != EINTR)
        return FALSE;
      bytes += MAX (written, 0);
      length -= (gsize) MAX (written, 0);
    }
  return TRUE;
}

static gboolean
copy_message (int fd, StoreRead read_message, gpointer data)
{
  g_autofree char *buffer = g_malloc (STEP);
  guint64 offset = 0;
  gssize got;

  while ((got = read_message (offset, buffer, STEP, data)) > 0)
    {
      gsize taken = (gsize) got;

      if (!write_all (fd, buffer, common_message_strip (buffer, &taken)))
        return FALSE;
      offset += taken;
    }
  if (got < 0)
    errno = EIO;
  return got == 0;
}

static gboolean
write_message (const char *path, const StoreFacts *facts, StoreRead read_message, gpointer data,
               GError **error)
{
  g_autofree char *first = g_strdup_printf ("Return-Path: <%s>\n", facts->sender);
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  gboolean fine;

  if (fd < 0)
    return fail (error, "create", path);
  fine = write_all (fd, first, strlen (first)) && copy_message (fd, read_message, data)
         && fsync (fd) == 0;
  if (!fine)
    fail (error, "write", path);
  close (fd);
  if (!fine)
    g_unlink (path);
  return fine;
}

/* ---- What is known of a message ---- */

static char *
note_path (const char *maildir, const char *key)
{
  g_autofree char *name = g_strconcat (key, ".ini", NULL);

  return g_build_filename (maildir, "meta", name, NULL);
}

/* Empty when there is none. */
static GKeyFile *
read_note (const char *maildir, const char *key)
{
  g_autofree char *path = note_path (maildir, key);
  GKeyFile *note = g_key_file_new ();

  g_key_file_load_from_file (note, path, G_KEY_FILE_NONE, NULL);
  return note;
}

static gboolean
write_note (const char *maildir, const char *key, GKeyFile *note, GError **error)
{
  g_autofree char *path = note_path (maildir, key);
  g_autofree char *folder = g_path_get_dirname (path);
  gsize length;
  g_autofree char *text = g_key_file_to_data (note, &length, NULL);

  return g_file_set_contents_full (path, text, (gssize) length,
                                   G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                   0600, error)
         && sync_folder (folder, error);
}

static void
set_text (GKeyFile *note, const char *name, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  g_key_file_set_string (note, GROUP, name, valid);
}

static void
add_try (GKeyFile *note, const StoreFacts *facts)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *time = g_date_time_format_iso8601 (now);
  g_autofree char *recipients = g_strjoinv (" ", (char **) facts->recipients);
  const char *stamp = g_key_file_has_group (note, GROUP) ? "last-try" : "first-try";
  gint tries = g_key_file_get_integer (note, GROUP, "tries", NULL);
  gint waiting = g_key_file_get_integer (note, GROUP, "waiting", NULL);

  if (facts->message_id != NULL)
    set_text (note, "message-id", facts->message_id);
  if (facts->name != NULL)
    set_text (note, "id", facts->name);
  set_text (note, "sender", facts->sender);
  set_text (note, "recipients", recipients);
  set_text (note, stamp, time);
  g_key_file_set_integer (note, GROUP, "tries", tries + 1);
  g_key_file_set_integer (note, GROUP, "waiting", waiting + 1);
  if (!g_key_file_has_key (note, GROUP, "outcome", NULL))
    set_text (note, "outcome", "waiting");
}

static gboolean
is_accepted (GKeyFile *note)
{
  g_autofree char *outcome = g_key_file_get_string (note, GROUP, "outcome", NULL);

  return g_strcmp0 (outcome, "partial") == 0
         || g_key_file_get_integer (note, GROUP, "code", NULL) / 100 == 2;
}

/* Where the message is: readers move it to cur/, and put flags behind its name. NULL: nowhere. */
static char *
find_message (const char *maildir, const char *key)
{
  char *path = g_build_filename (maildir, "new", key, NULL);
  g_autofree char *folder = g_build_filename (maildir, "cur", NULL);
  g_autoptr (GDir) dir = NULL;
  const char *name;

  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return path;
  g_free (path);
  dir = g_dir_open (folder, 0, NULL);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (strncmp (name, key, STORE_KEY) == 0)
      return g_build_filename (folder, name, NULL);
  return NULL;
}

/* ---- In and out ---- */

static gboolean
publish (const char *maildir, const char *key, const char *from, GError **error)
{
  g_autofree char *folder = g_build_filename (maildir, "new", NULL);
  g_autofree char *to = g_build_filename (folder, key, NULL);

  if (rename (from, to) != 0)
    return fail (error, "move into place", to);
  return sync_folder (folder, error);
}

/* A message that was accepted before stays as it is, even if somebody has taken it out since. */
static gboolean
put_locked (const char *maildir, const char *key, const StoreFacts *facts, const char *written,
            GError **error)
{
  g_autoptr (GKeyFile) note = read_note (maildir, key);
  gboolean known = g_key_file_has_group (note, GROUP);
  g_autofree char *there = known ? find_message (maildir, key) : NULL;
  gboolean wanted = there == NULL && !is_accepted (note);

  add_try (note, facts);
  return (!wanted || publish (maildir, key, written, error))
         && write_note (maildir, key, note, error);
}

gboolean
store_put (const char *maildir, const char *key, const StoreFacts *facts, StoreRead read,
           gpointer data, GError **error)
{
  static guint counter;
  g_autofree char *name = g_strdup_printf ("%s.%d.%u", key, (int) getpid (), counter++);
  g_autofree char *path = g_build_filename (maildir, "tmp", name, NULL);
  gboolean fine;
  int held;

  if (!prepare (maildir, error) || !write_message (path, facts, read, data, error))
    return FALSE;
  held = lock (maildir, key, error);
  fine = held >= 0 && put_locked (maildir, key, facts, path, error);
  if (held >= 0)
    close (held);
  g_unlink (path);
  return fine;
}

static gboolean
take_away (const char *maildir, const char *key, GError **error)
{
  g_autofree char *note = note_path (maildir, key);
  g_autofree char *message = find_message (maildir, key);

  if (message != NULL && g_unlink (message) != 0 && errno != ENOENT)
    return fail (error, "remove", message);
  if (g_unlink (note) != 0 && errno != ENOENT)
    return fail (error, "remove", note);
  return TRUE;
}

static gboolean
over_locked (const char *maildir, const char *key, const StoreOutcome *outcome, gboolean keep,
             GError **error)
{
  g_autoptr (GKeyFile) note = read_note (maildir, key);
  gint waiting = g_key_file_get_integer (note, GROUP, "waiting", NULL) - 1;

  if (!outcome->accepted && !keep && waiting <= 0 && !is_accepted (note))
    return take_away (maildir, key, error);
  g_key_file_set_integer (note, GROUP, "waiting", MAX (waiting, 0));
  if (outcome->accepted || !is_accepted (note))
    {
      set_text (note, "outcome", outcome->outcome);
      g_key_file_set_integer (note, GROUP, "code", (gint) outcome->code);
      set_text (note, "reply", outcome->reply);
    }
  return write_note (maildir, key, note, error);
}

gboolean
store_over (const char *maildir, const char *key, const StoreOutcome *outcome, gboolean keep,
            GError **error)
{
  int held = lock (maildir, key, error);
  gboolean fine = held >= 0 && over_locked (maildir, key, outcome, keep, error);

  if (held >= 0)
    close (held);
  return fine;
}
