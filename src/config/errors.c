/* The list of errors of a configuration: all that were found, each with its place.
 *
 * A file of garbage must not fill the memory: behind CONFIG_MAX_ERRORS they are only counted. */
#include "config/tree.h"

#include <string.h>

#define QUOTED_CHARACTERS 60
#define LONGEST_TEXT 500 /* octets of one error */

typedef struct
{
  gchar *text;
  guint file; /* in the order of first errors */
  guint line, column;
  guint order;
} Entry;

struct _ConfigErrors
{
  GPtrArray *entries;
  GPtrArray *files; /* names */
  guint count;      /* of all, kept or not */
};

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_free (entry->text);
  g_free (entry);
}

ConfigErrors *
config_errors_new (void)
{
  ConfigErrors *errors = g_new0 (ConfigErrors, 1);

  errors->entries = g_ptr_array_new_with_free_func (entry_free);
  errors->files = g_ptr_array_new_with_free_func (g_free);
  return errors;
}

void
config_errors_free (ConfigErrors *errors)
{
  if (errors == NULL)
    return;
  g_ptr_array_unref (errors->entries);
  g_ptr_array_unref (errors->files);
  g_free (errors);
}

static guint
file_index (ConfigErrors *errors, const gchar *file)
{
  guint index;

  if (g_ptr_array_find_with_equal_func (errors->files, file, g_str_equal, &index))
    return index;
  g_ptr_array_add (errors->files, g_strdup (file));
  return errors->files->len - 1;
}

/* What a file says can be in the text: one error stays one line of bearable length. */
static void
tidy (gchar *text)
{
  if (strlen (text) > LONGEST_TEXT)
    {
      gchar *end = g_utf8_find_prev_char (text, text + LONGEST_TEXT);

      *(end != NULL ? end : text) = '\0';
    }
  for (; *text != '\0'; text++)
    if (g_ascii_iscntrl (*text))
      *text = '?';
}

void
config_errors_add (ConfigErrors *errors, const ConfigPlace *place, const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  Entry *entry;
  va_list arguments;

  if (errors->count++ >= CONFIG_MAX_ERRORS)
    return;
  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  tidy (text);
  entry = g_new0 (Entry, 1);
  entry->file = file_index (errors, place->file);
  entry->line = place->line;
  entry->column = place->column;
  entry->order = errors->count;
  entry->text = g_strdup_printf ("%s:%u:%u: %s", place->file, place->line, place->column, text);
  g_ptr_array_add (errors->entries, entry);
}

guint
config_errors_count (const ConfigErrors *errors)
{
  return errors->count;
}

const gchar *
config_errors_nth (const ConfigErrors *errors, guint index)
{
  const Entry *entry;

  if (index >= errors->entries->len)
    return NULL;
  entry = g_ptr_array_index (errors->entries, index);
  return entry->text;
}

gchar *
config_errors_to_string (const ConfigErrors *errors)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < errors->entries->len; i++)
    g_string_append_printf (text, "%s\n", config_errors_nth (errors, i));
  if (errors->count > errors->entries->len)
    g_string_append_printf (text, "and %u more errors\n", errors->count - errors->entries->len);
  return g_string_free (text, FALSE);
}

static gint
compare (gconstpointer left, gconstpointer right)
{
  const Entry *a = *(const Entry *const *) left;
  const Entry *b = *(const Entry *const *) right;
  const guint pairs[][2] = {
    { a->file, b->file }, { a->line, b->line }, { a->column, b->column }, { a->order, b->order }
  };

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    if (pairs[i][0] != pairs[i][1])
      return pairs[i][0] < pairs[i][1] ? -1 : 1;
  return 0;
}

/* Two readers of one block may find the same fault. */
static void
drop_doubled (ConfigErrors *errors)
{
  for (guint i = errors->entries->len; i > 1; i--)
    if (g_str_equal (config_errors_nth (errors, i - 1), config_errors_nth (errors, i - 2)))
      {
        g_ptr_array_remove_index (errors->entries, i - 1);
        errors->count--;
      }
}

void
config_errors_sort (ConfigErrors *errors)
{
  g_ptr_array_sort (errors->entries, compare);
  drop_doubled (errors);
}

gchar *
config_quote (const gchar *text)
{
  GString *quoted = g_string_new ("\"");
  guint shown = 0;

  for (const gchar *at = text; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char_validated (at, -1);

      if (shown++ == QUOTED_CHARACTERS)
        {
          g_string_append (quoted, "…");
          break;
        }
      if (c >= (gunichar) -2)
        {
          g_string_append_printf (quoted, "\\x%02x…", (guint) (guchar) *at);
          break;
        }
      if (g_unichar_isprint (c))
        g_string_append_unichar (quoted, c);
      else
        g_string_append_printf (quoted, "\\u%04x", c);
    }
  g_string_append_c (quoted, '"');
  return g_string_free (quoted, FALSE);
}
