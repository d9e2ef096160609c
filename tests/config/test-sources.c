/* Bundles: what one process read, another one has without a file system. Damaged ones are refused.
 */
#include "support.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder of its own with one file in it; both are removed by forget(). */
typedef struct
{
  gchar *folder, *file;
} Place;

static void
make (Place *place, const gchar *text, gssize length)
{
  place->folder = g_dir_make_tmp ("mailweir-config-XXXXXX", NULL);
  g_assert_nonnull (place->folder);
  place->file = g_build_filename (place->folder, "f", NULL);
  g_assert_true (g_file_set_contents (place->file, text, length, NULL));
}

static void
forget (Place *place)
{
  g_unlink (place->file);
  g_rmdir (place->folder);
  g_free (place->file);
  g_free (place->folder);
}

static void
test_bundle (void)
{
  g_autoptr (ConfigSources) files = config_sources_new_files ();
  g_autoptr (ConfigSources) copy = NULL;
  g_autoptr (GBytes) bundle = NULL, again = NULL;
  g_autoptr (GError) error = NULL;
  Place place;
  GBytes *octets;

  make (&place, "k\0y", 3);
  config_sources_add (files, "a", "text");
  config_sources_add (files, "empty", "");
  g_assert_nonnull (config_sources_read (files, place.file, &error));
  bundle = config_sources_to_bundle (files);
  copy = config_sources_new_bundle (bundle, &error);
  g_assert_no_error (error);
  octets = config_sources_read (copy, place.file, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (octets, NULL), g_bytes_get_size (octets), "k\0y", 3);
  g_assert_cmpuint (g_bytes_get_size (config_sources_read (copy, "empty", NULL)), ==, 0);
  again = config_sources_to_bundle (copy);
  g_assert_true (g_bytes_equal (bundle, again));
  forget (&place);
}

/* A file that exists, but was not handed over, is out of reach. */
static void
test_sealed (void)
{
  g_autoptr (ConfigSources) files = config_sources_new_files ();
  g_autoptr (GBytes) bundle = config_sources_to_bundle (files);
  g_autoptr (ConfigSources) copy = config_sources_new_bundle (bundle, NULL);
  g_autoptr (GError) error = NULL;
  Place place;

  make (&place, "x", 1);
  g_assert_nonnull (copy);
  g_assert_null (config_sources_read (copy, place.file, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  forget (&place);
}

/* Every prefix of a bundle but the empty list, and trailing octets, are damaged. */
static void
test_damaged (void)
{
  g_autoptr (ConfigSources) files = config_sources_new_files ();
  g_autoptr (GBytes) bundle = NULL;
  gsize size;

  config_sources_add (files, "a", "one");
  bundle = config_sources_to_bundle (files);
  size = g_bytes_get_size (bundle);
  for (gsize length = 0; length < size; length++)
    {
      g_autoptr (GBytes) cut = g_bytes_new_from_bytes (bundle, 0, length);
      g_autoptr (GError) error = NULL;
      g_autoptr (ConfigSources) copy = config_sources_new_bundle (cut, &error);

      g_assert_true ((copy != NULL) == (length == strlen ("MWSOURCE")));
      g_assert_true ((copy == NULL) == (error != NULL));
    }
}

static void
test_doubled (void)
{
  static const gchar text[] = "MWSOURCE\1\0\0\0\1\0\0\0ax\1\0\0\0\1\0\0\0ay";
  g_autoptr (GBytes) bundle = g_bytes_new_static (text, sizeof text - 1);
  g_autoptr (GError) error = NULL;

  g_assert_null (config_sources_new_bundle (bundle, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
}

static void
test_limit (void)
{
  g_autofree gchar *text = g_malloc0 (CONFIG_MAX_SECRET + 1);
  g_autoptr (ConfigSources) files = config_sources_new_files ();
  g_autoptr (GError) error = NULL;
  Place fits, too_long;

  make (&fits, text, CONFIG_MAX_SECRET);
  make (&too_long, text, CONFIG_MAX_SECRET + 1);
  g_assert_nonnull (config_sources_read (files, fits.file, NULL));
  g_assert_null (config_sources_read (files, too_long.file, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC);
  forget (&fits);
  forget (&too_long);
}

/* A FIFO, a folder and a device neither hang nor fill the memory. */
static void
test_no_file (void)
{
  g_autoptr (ConfigSources) files = config_sources_new_files ();
  g_autofree gchar *folder = g_dir_make_tmp ("mailweir-config-XXXXXX", NULL);
  g_autofree gchar *fifo = g_build_filename (folder, "fifo", NULL);
  const gchar *const paths[] = { fifo, folder, "/dev/zero" };

  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (config_sources_read (files, paths[i], &error));
      g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
    }
  g_unlink (fifo);
  g_rmdir (folder);
}

/* The whole way: a configuration with a key, read once, loaded again from the bundle alone. */
static void
test_load_from_bundle (void)
{
  g_autoptr (ConfigSources) files = config_sources_new_files (), copy = NULL;
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (Config) first = NULL, second = NULL;
  g_autoptr (GBytes) bundle = NULL;
  g_autofree gchar *text = NULL;
  Place place;

  make (&place, "pem", 3);
  text = g_strdup_printf ("tls { certificate = \"%s\" }\ninclude \"rest\"", place.file);
  config_sources_add (files, "c", text);
  config_sources_add (files, "rest",
                      "listener \"l\" { bind = \"127.0.0.1:1\" routes = \"r\" tls = \"starttls\" }"
                      "route \"r\" { to = \"discard:\" }");
  first = config_load (files, "c", errors);
  g_assert_nonnull (first);
  g_assert_true (config_read_files (first, files, errors));
  bundle = config_sources_to_bundle (files);
  forget (&place);
  copy = config_sources_new_bundle (bundle, NULL);
  second = config_load (copy, "c", errors);
  g_assert_nonnull (second);
  g_assert_true (config_read_files (second, copy, errors));
  g_assert_cmpuint (second->listeners->len, ==, 1);
}

static void
test_missing_key (void)
{
  g_autoptr (ConfigSources) files = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (Config) config = NULL;

  config_sources_add (files, "c",
                      "tls { certificate = \"/no/cert\"\n  key = \"/no/key\" }\n"
                      "listener \"l\" { bind = \"127.0.0.1:1\" routes = \"r\" }\n"
                      "route \"r\" { to = \"smtp://a\" tls-ca = \"/no/ca\" }\n");
  config = config_load (files, "c", errors);
  g_assert_nonnull (config);
  g_assert_false (config_read_files (config, files, errors));
  g_assert_cmpuint (config_errors_count (errors), ==, 3);
  g_assert_cmpstr (config_errors_nth (errors, 0), ==,
                   "c:1:21: cannot read \"/no/cert\": No such file or directory");
  g_assert_cmpstr (config_errors_nth (errors, 1), ==,
                   "c:2:9: cannot read \"/no/key\": No such file or directory");
  g_assert_cmpstr (config_errors_nth (errors, 2), ==,
                   "c:4:38: cannot read \"/no/ca\": No such file or directory");
}

gint
main (gint argc, gchar **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/sources/bundle", test_bundle);
  g_test_add_func ("/config/sources/sealed", test_sealed);
  g_test_add_func ("/config/sources/damaged", test_damaged);
  g_test_add_func ("/config/sources/doubled", test_doubled);
  g_test_add_func ("/config/sources/limit", test_limit);
  g_test_add_func ("/config/sources/no-file", test_no_file);
  g_test_add_func ("/config/sources/load", test_load_from_bundle);
  g_test_add_func ("/config/sources/missing-key", test_missing_key);
  return g_test_run ();
}
