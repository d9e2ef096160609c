/* Reverse-paths and forward-paths with their ESMTP parameters: plain values, copied deeply, each of
 * them one block of memory. It can not fail. */
#include "base/path.h"

#include <string.h>

static gsize
octets_of (const gchar *text)
{
  return strlen (text) + 1;
}

BasePath *
base_path_new (const gchar *address, const gchar *const *parameters)
{
  return base_path_new_length (address, strlen (address), parameters);
}

BasePath *
base_path_new_length (const gchar *address, gsize length, const gchar *const *parameters)
{
  gsize count = parameters == NULL ? 0 : g_strv_length ((gchar **) parameters);
  gsize pointers = count == 0 ? 0 : (count + 1) * sizeof (gchar *);
  gsize octets = length + 1;

  for (gsize i = 0; i < count; i++)
    octets += octets_of (parameters[i]);
  BasePath *path = g_malloc (sizeof *path + pointers + octets);
  path->parameters = count == 0 ? NULL : (gchar **) (gpointer) (path + 1);
  path->address = (gchar *) (path + 1) + pointers;
  gchar *at = mempcpy (path->address, address, length);
  *at++ = '\0';
  for (gsize i = 0; i < count; i++)
    {
      path->parameters[i] = at;
      at = mempcpy (at, parameters[i], octets_of (parameters[i]));
    }
  if (count > 0)
    path->parameters[count] = NULL;
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
