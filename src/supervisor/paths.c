/* Finding our own parts from the place of the running executable. Fails only where a file is
 * opened. */
#include "supervisor/paths.h"

#include <errno.h>
#include <fcntl.h>

#define GATEWAY "mailweir-gateway"
#define SYSTEM_CONFIG "/etc/mailweir/mailweir.conf"

const gchar *
supervisor_version (void)
{
  return MAILWEIR_VERSION;
}

/* The directory of the running executable, or NULL. A replaced file reads "… (deleted)", which
 * touches the last part only. */
static gchar *
own_directory (void)
{
  g_autofree gchar *path = g_file_read_link ("/proc/self/exe", NULL);

  return path == NULL ? NULL : g_path_get_dirname (path);
}

gchar **
supervisor_module_directories (const Config *config)
{
  g_autofree gchar *own = own_directory ();
  g_autofree gchar *built = own == NULL ? NULL : g_build_filename (own, "..", "filters", NULL);
  GPtrArray *directories = g_ptr_array_new ();

  if (config != NULL && config->module_directory != NULL)
    g_ptr_array_add (directories, g_strdup (config->module_directory));
  if (built != NULL && g_file_test (built, G_FILE_TEST_IS_DIR))
    g_ptr_array_add (directories, g_canonicalize_filename (built, NULL));
  else
    g_ptr_array_add (directories, g_build_filename (MAILWEIR_LIBDIR, "filters", NULL));
  g_ptr_array_add (directories, NULL);
  return (gchar **) g_ptr_array_free (directories, FALSE);
}

gint
supervisor_open_executable (const gchar *path, GError **error)
{
  const gint descriptor = open (path, O_PATH | O_CLOEXEC);

  if (descriptor < 0)
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s: %s", path,
                 g_strerror (errno));
  return descriptor;
}

gchar *
supervisor_gateway_path (void)
{
  g_autofree gchar *own = own_directory ();
  g_autofree gchar *beside = own == NULL ? NULL : g_build_filename (own, GATEWAY, NULL);

  if (beside != NULL && g_file_test (beside, G_FILE_TEST_IS_EXECUTABLE))
    return g_steal_pointer (&beside);
  return g_build_filename (MAILWEIR_LIBEXECDIR, GATEWAY, NULL);
}

const gchar *
supervisor_default_config (void)
{
  return g_file_test (SYSTEM_CONFIG, G_FILE_TEST_EXISTS) ? SYSTEM_CONFIG : NULL;
}
