/* Helpers of both tests: a Maildir of their own, what stands in its folders, and a full disk. */
#pragma once

#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/resource.h>

static inline gchar *
folder (const gchar *maildir, const gchar *name)
{
  return g_build_filename (maildir, name, NULL);
}

/* The names in a folder; none when it is not there. */
static inline GPtrArray *
list (const gchar *maildir, const gchar *name)
{
  g_autofree gchar *path = folder (maildir, name);
  g_autoptr (GDir) directory = g_dir_open (path, 0, NULL);
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  const gchar *entry;

  while (directory != NULL && (entry = g_dir_read_name (directory)) != NULL)
    g_ptr_array_add (names, g_strdup (entry));
  return names;
}

static inline guint
count (const gchar *maildir, const gchar *name)
{
  g_autoptr (GPtrArray) names = list (maildir, name);

  return names->len;
}

static inline gchar *
contents (const gchar *maildir, const gchar *name, const gchar *file)
{
  g_autofree gchar *path = g_build_filename (maildir, name, file, NULL);
  g_autoptr (GError) error = NULL;
  gchar *text = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

static inline void
remove_maildir (const gchar *maildir)
{
  static const gchar *const folders[] = { "tmp", "new", "cur", "meta" };

  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree gchar *path = folder (maildir, folders[i]);
      g_autoptr (GPtrArray) names = list (maildir, folders[i]);
      for (guint j = 0; j < names->len; j++)
        {
          g_autofree gchar *file = g_build_filename (path, names->pdata[j], NULL);
          g_remove (file);
        }
      g_remove (path);
    }
  g_remove (maildir);
}

/* A new folder, and in it the path of a Maildir that is not there yet. */
static inline gchar *
new_maildir (void)
{
  g_autofree gchar *parent = g_dir_make_tmp ("maildir-XXXXXX", NULL);

  g_assert_nonnull (parent);
  return g_build_filename (parent, "mail", NULL);
}

static inline void
free_maildir (gchar *maildir)
{
  g_autofree gchar *parent = g_path_get_dirname (maildir);

  remove_maildir (maildir);
  g_rmdir (parent);
  g_free (maildir);
}

/* From here on no file grows over `bytes`: stands for a full disk. Returns the limit to go back to.
 */
static inline struct rlimit
limit_files (rlim_t bytes)
{
  struct rlimit before;

  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, &before);
  struct rlimit small = { bytes, before.rlim_max };
  setrlimit (RLIMIT_FSIZE, &small);
  return before;
}

static inline struct rlimit
limit_descriptors (rlim_t most)
{
  struct rlimit before;

  getrlimit (RLIMIT_NOFILE, &before);
  struct rlimit small = { most, before.rlim_max };
  setrlimit (RLIMIT_NOFILE, &small);
  return before;
}
