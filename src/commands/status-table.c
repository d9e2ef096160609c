/* Flattens a JSON object (RFC 8259) to lines of name and value. Reads only what our own gateway
 * writes: escapes in strings are kept as written. Fails on anything that is not JSON's structure.
 */
#include "commands/status-table.h"

#include <string.h>

typedef struct
{
  const gchar *at;
  GString *path;    /* of the value that is read now */
  GPtrArray *names; /* of gchar, one a line */
  GPtrArray *values;
  guint depth;
} Reader;

static gboolean read_value (Reader *reader);

static void
skip_space (Reader *reader)
{
  reader->at += strspn (reader->at, " \t\r\n");
}

static gboolean
accept_character (Reader *reader, gchar character)
{
  skip_space (reader);
  if (*reader->at != character)
    return FALSE;
  reader->at++;
  return TRUE;
}

/* Between its quotes, as written. NULL: none here. Caller frees. */
static gchar *
read_string (Reader *reader)
{
  const gchar *start;

  if (!accept_character (reader, '"'))
    return NULL;
  start = reader->at;
  while (*reader->at != '"' && *reader->at != '\0')
    reader->at += reader->at[0] == '\\' && reader->at[1] != '\0' ? 2 : 1;
  if (*reader->at == '\0')
    return NULL;
  return g_strndup (start, (gsize) (reader->at++ - start));
}

/* A value under the name, which stands behind the path while it is read. */
static gboolean
read_named (Reader *reader, const gchar *name)
{
  const gsize length = reader->path->len;
  gboolean read;

  g_string_append_printf (reader->path, "%s%s", length == 0 ? "" : ".", name);
  read = read_value (reader);
  g_string_truncate (reader->path, length);
  return read;
}

static gboolean
read_member (Reader *reader)
{
  g_autofree gchar *name = read_string (reader);

  return name != NULL && accept_character (reader, ':') && read_named (reader, name);
}

static gboolean
read_item (Reader *reader, guint index)
{
  g_autofree gchar *name = g_strdup_printf ("%u", index);

  return read_named (reader, name);
}

/* Behind the opening bracket, to behind the closing one. */
static gboolean
read_many (Reader *reader, gboolean object)
{
  const gchar end = object ? '}' : ']';

  if (accept_character (reader, end))
    return TRUE;
  for (guint index = 0;; index++)
    {
      if (!(object ? read_member (reader) : read_item (reader, index)))
        return FALSE;
      if (accept_character (reader, end))
        return TRUE;
      if (!accept_character (reader, ','))
        return FALSE;
    }
}

static gboolean
read_scalar (Reader *reader)
{
  gchar *value = read_string (reader);

  if (value == NULL)
    {
      const gsize length = strspn (reader->at, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");

      if (length == 0)
        return FALSE;
      value = g_strndup (reader->at, length);
      reader->at += length;
    }
  g_ptr_array_add (reader->names, g_strdup (reader->path->str));
  g_ptr_array_add (reader->values, value);
  return TRUE;
}

static gboolean
read_value (Reader *reader)
{
  gboolean read;

  skip_space (reader);
  if (*reader->at != '{' && *reader->at != '[')
    return read_scalar (reader);
  if (reader->depth >= COMMAND_STATUS_DEPTH)
    return FALSE;
  reader->depth++;
  read = read_many (reader, *reader->at++ == '{');
  reader->depth--;
  return read;
}

static gchar *
align (const Reader *reader)
{
  GString *text = g_string_new (NULL);
  gsize width = 0;

  for (guint i = 0; i < reader->names->len; i++)
    width = MAX (width, strlen (g_ptr_array_index (reader->names, i)));
  for (guint i = 0; i < reader->names->len; i++)
    g_string_append_printf (text, "%-*s  %s\n", (gint) width,
                            (const gchar *) g_ptr_array_index (reader->names, i),
                            (const gchar *) g_ptr_array_index (reader->values, i));
  return g_string_free (text, FALSE);
}

gchar *
command_status_table (const gchar *json)
{
  Reader reader = { .at = json,
                    .path = g_string_new (NULL),
                    .names = g_ptr_array_new_with_free_func (g_free),
                    .values = g_ptr_array_new_with_free_func (g_free) };
  gchar *table = NULL;

  skip_space (&reader);
  if (*reader.at == '{' && read_value (&reader))
    {
      skip_space (&reader);
      if (*reader.at == '\0')
        table = align (&reader);
    }
  g_string_free (reader.path, TRUE);
  g_ptr_array_unref (reader.names);
  g_ptr_array_unref (reader.values);
  return table;
}
