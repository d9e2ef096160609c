/* Reverse-paths and forward-paths with their ESMTP parameters: plain values, copied deeply. It can
 * not fail. */
#include "base/path.h"

#include <string.h>

BasePath *
base_path_new (const gchar *address, const gchar *const *parameters)
{
  BasePath *path = g_new0 (BasePath, 1);

  path->address = g_strdup (address);
  if (parameters != NULL && parameters[0] != NULL)
    path->parameters = g_strdupv ((gchar **) parameters);
  return path;
}

BasePath *
base_path_copy (const BasePath *path)
{
  return base_path_new (path->address, (const gchar *const *) path->parameters);
}

void
base_path_free (BasePath *path)
{
  if (path == NULL)
    return;
  g_free (path->address);
  g_strfreev (path->parameters);
  g_free (path);
}

gboolean
base_path_equal (const BasePath *a, const BasePath *b)
{
  if (!g_str_equal (a->address, b->address))
    return FALSE;
  if (a->parameters == NULL || b->parameters == NULL)
    return a->parameters == b->parameters;
  return g_strv_equal ((const gchar *const *) a->parameters, (const gchar *const *) b->parameters);
}

const gchar *
base_path_parameter (const BasePath *path, const gchar *keyword)
{
  gsize length = strlen (keyword);

  for (gchar **parameter = path->parameters; parameter != NULL && *parameter != NULL; parameter++)
    {
      if (strncmp (*parameter, keyword, length) != 0)
        continue;
      if ((*parameter)[length] == '=')
        return *parameter + length + 1;
      if ((*parameter)[length] == '\0')
        return "";
    }
  return NULL;
}
