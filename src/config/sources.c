/* Where a configuration's text comes from: the file system, or a bundle of what somebody else read.
 *
 * A bundle is "MWSOURCE", then for each file two lengths (32 bits, little-endian), its path and its
 * octets. One that is cut short or holds a file twice is refused as a whole. */
#include "config/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "MWSOURCE"
#define MAGIC_LENGTH 8

struct _ConfigSources
{
  GHashTable *files; /* path → GBytes */
  GPtrArray *order;  /* of the same paths, as they were read */
  gboolean sealed;   /* from a bundle: the file system is out of reach */
};

static ConfigSources *
sources_new (gboolean sealed)
{
  ConfigSources *sources = g_new0 (ConfigSources, 1);

  sources->files
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
  sources->order = g_ptr_array_new ();
  sources->sealed = sealed;
  return sources;
}

ConfigSources *
config_sources_new_files (void)
{
  return sources_new (FALSE);
}

void
config_sources_free (ConfigSources *sources)
{
  if (sources == NULL)
    return;
  g_ptr_array_unref (sources->order);
  g_hash_table_unref (sources->files);
  g_free (sources);
}

/* Takes both. A path that is known already gets the new octets. */
static void
remember (ConfigSources *sources, gchar *path, GBytes *octets)
{
  if (!g_hash_table_contains (sources->files, path))
    g_ptr_array_add (sources->order, path);
  g_hash_table_insert (sources->files, path, octets);
}

void
config_sources_add (ConfigSources *sources, const gchar *path, const gchar *text)
{
  remember (sources, g_strdup (path), g_bytes_new (text, strlen (text)));
}

static void
append_length (GByteArray *out, gsize length)
{
  guint32 little = GUINT32_TO_LE ((guint32) length);

  g_byte_array_append (out, (const guint8 *) &little, sizeof little);
}

GBytes *
config_sources_to_bundle (const ConfigSources *sources)
{
  GByteArray *out = g_byte_array_new ();

  g_byte_array_append (out, (const guint8 *) MAGIC, MAGIC_LENGTH);
  for (guint i = 0; i < sources->order->len; i++)
    {
      const gchar *path = g_ptr_array_index (sources->order, i);
      GBytes *octets = g_hash_table_lookup (sources->files, path);
      gsize length;
      const guint8 *data = g_bytes_get_data (octets, &length);

      append_length (out, strlen (path));
      append_length (out, length);
      g_byte_array_append (out, (const guint8 *) path, strlen (path));
      if (length > 0)
        g_byte_array_append (out, data, length);
    }
  return g_byte_array_free_to_bytes (out);
}

/* The lengths at `data`, or FALSE when what they announce is not there. */
static gboolean
read_lengths (const guint8 *data, gsize left, gsize *path, gsize *octets)
{
  guint32 little[2];

  if (left < sizeof little)
    return FALSE;
  memcpy (little, data, sizeof little);
  *path = GUINT32_FROM_LE (little[0]);
  *octets = GUINT32_FROM_LE (little[1]);
  left -= sizeof little;
  return *path > 0 && *path <= left && *octets <= left - *path
         && memchr (data + sizeof little, '\0', *path) == NULL;
}

/* Reads one file; returns how many octets it took, 0 when it is damaged. */
static gsize
read_entry (ConfigSources *sources, GBytes *bundle, gsize offset)
{
  const gsize lengths = 2 * sizeof (guint32);
  gsize size, path_length, length;
  const guint8 *data = g_bytes_get_data (bundle, &size);
  g_autofree gchar *path = NULL;

  if (!read_lengths (data + offset, size - offset, &path_length, &length))
    return 0;
  path = g_strndup ((const gchar *) data + offset + lengths, path_length);
  if (g_hash_table_contains (sources->files, path))
    return 0;
  remember (sources, g_steal_pointer (&path),
            g_bytes_new_from_bytes (bundle, offset + lengths + path_length, length));
  return lengths + path_length + length;
}

ConfigSources *
config_sources_new_bundle (GBytes *bundle, GError **error)
{
  g_autoptr (ConfigSources) sources = sources_new (TRUE);
  gsize size, used = MAGIC_LENGTH;
  const guint8 *data = g_bytes_get_data (bundle, &size);

  if (size < MAGIC_LENGTH || size > CONFIG_MAX_BUNDLE || memcmp (data, MAGIC, MAGIC_LENGTH) != 0)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                   "%" G_GSIZE_FORMAT " octets that are no bundle of configuration files", size);
      return NULL;
    }
  while (used < size)
    {
      gsize taken = read_entry (sources, bundle, used);

      if (taken == 0)
        {
          g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                       "bundle of configuration files is damaged at octet %" G_GSIZE_FORMAT, used);
          return NULL;
        }
      used += taken;
    }
  return g_steal_pointer (&sources);
}

static void
set_errno (GError **error, gint number)
{
  g_set_error_literal (error, G_FILE_ERROR, (gint) g_file_error_from_errno (number),
                       g_strerror (number));
}

/* `descriptor` is a regular file: anything else might never end, or block for ever. */
static gboolean
check_file (gint descriptor, GError **error)
{
  struct stat status;

  if (fstat (descriptor, &status) != 0)
    {
      set_errno (error, errno);
      return FALSE;
    }
  if (!S_ISREG (status.st_mode))
    {
      g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "not a regular file");
      return FALSE;
    }
  return TRUE;
}

static GBytes *
read_descriptor (gint descriptor, GError **error)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  guint8 chunk[16384];
  gssize got;

  while ((got = read (descriptor, chunk, sizeof chunk)) != 0)
    {
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        {
          set_errno (error, errno);
          return NULL;
        }
      g_byte_array_append (out, chunk, (guint) got);
      if (out->len > CONFIG_MAX_SECRET)
        {
          g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC, "longer than %d octets",
                       CONFIG_MAX_SECRET);
          return NULL;
        }
    }
  return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}

static GBytes *
read_file (const gchar *path, GError **error)
{
  /* O_NONBLOCK: the name of a FIFO must not hang us before we know that it is one. */
  gint descriptor = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  GBytes *octets = NULL;

  if (descriptor < 0)
    {
      set_errno (error, errno);
      return NULL;
    }
  if (check_file (descriptor, error))
    octets = read_descriptor (descriptor, error);
  close (descriptor);
  return octets;
}

GBytes *
config_sources_read (ConfigSources *sources, const gchar *path, GError **error)
{
  GBytes *octets = g_hash_table_lookup (sources->files, path);

  if (octets != NULL)
    return octets;
  if (sources->sealed)
    {
      g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
                           "not among the files that were handed over");
      return NULL;
    }
  octets = read_file (path, error);
  if (octets != NULL)
    remember (sources, g_strdup (path), octets);
  return octets;
}
