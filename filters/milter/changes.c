/* See changes.h. Collecting is bounded; nothing is changed before the milter's verdict is known. */
#include "changes.h"

#include <string.h>

static void
change_free (gpointer data)
{
  Change *change = data;

  g_free (change->name);
  g_free (change->text);
  g_free (change);
}

void
changes_init (Changes *changes, gsize max_body)
{
  *changes
      = (Changes){ .list = g_ptr_array_new_with_free_func (change_free), .max_body = max_body };
}

void
changes_clear (Changes *changes)
{
  g_clear_pointer (&changes->list, g_ptr_array_unref);
  g_clear_pointer (&changes->body, g_byte_array_unref);
  g_clear_pointer (&changes->quarantine, g_free);
}

static gboolean
fail (GError **error, const char *what, gsize limit)
{
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "more than %" G_GSIZE_FORMAT " %s", limit,
               what);
  return FALSE;
}

static gboolean
take_body (Changes *changes, const Answer *answer, GError **error)
{
  if (changes->body == NULL)
    changes->body = g_byte_array_new ();
  if (answer->length > changes->max_body - changes->body->len)
    return fail (error, "octets of a new body", changes->max_body);
  if (answer->length > 0)
    g_byte_array_append (changes->body, answer->bytes, (guint) answer->length);
  return TRUE;
}

/* "<a@b>" without its brackets. */
static char *
bare_address (const char *text)
{
  gsize length = strlen (text);

  return length >= 2 && *text == '<' && text[length - 1] == '>' ? g_strndup (text + 1, length - 2)
                                                                : g_strdup (text);
}

static gboolean
is_of_header (AnswerKind kind)
{
  return kind == ANSWER_ADD_HEADER || kind == ANSWER_INSERT_HEADER || kind == ANSWER_CHANGE_HEADER;
}

gboolean
changes_take (Changes *changes, const Answer *answer, GError **error)
{
  Change *change = NULL;

  if (answer->kind == ANSWER_REPLACE_BODY)
    return take_body (changes, answer, error);
  if (answer->kind == ANSWER_QUARANTINE)
    {
      g_free (changes->quarantine);
      changes->quarantine = g_strdup (answer->text);
      return TRUE;
    }
  changes->text += strlen (answer->name) + (answer->text == NULL ? 0 : strlen (answer->text));
  if (changes->text > CHANGES_MAX_TEXT)
    return fail (error, "octets of changes", CHANGES_MAX_TEXT);
  if (changes->list->len >= CHANGES_MAX)
    return fail (error, "changes", CHANGES_MAX);
  change = g_new0 (Change, 1);
  change->kind = answer->kind;
  change->index = answer->index;
  change->name
      = is_of_header (answer->kind) ? g_strdup (answer->name) : bare_address (answer->name);
  change->text = g_strdup (answer->text);
  g_ptr_array_add (changes->list, change);
  return TRUE;
}

/* ---- Recipients ---- */

static gboolean
find (const GPtrArray *list, const char *address, guint *index)
{
  for (guint i = 0; i < list->len; i++)
    if (g_ascii_strcasecmp (list->pdata[i], address) == 0)
      {
        *index = i;
        return TRUE;
      }
  return FALSE;
}

static gboolean
find_added (const GPtrArray *list, const char *address, guint *index)
{
  for (guint i = 0; i < list->len; i++)
    if (g_ascii_strcasecmp (((const Change *) list->pdata[i])->name, address) == 0)
      {
        *index = i;
        return TRUE;
      }
  return FALSE;
}

/* `kept` are those of the original list that are still there. */
static void
add_recipient (ChangesRecipients *result, GPtrArray *kept, const Change *change)
{
  guint index = 0;

  if (find (kept, change->name, &index) || find_added (result->add, change->name, &index))
    return;
  if (find (result->remove, change->name, &index))
    g_ptr_array_add (kept, g_ptr_array_steal_index (result->remove, index));
  else
    g_ptr_array_add (result->add, (gpointer) change);
}

static void
remove_recipient (ChangesRecipients *result, GPtrArray *kept, const Change *change)
{
  guint index = 0;

  while (find_added (result->add, change->name, &index))
    g_ptr_array_remove_index (result->add, index);
  while (find (kept, change->name, &index))
    g_ptr_array_add (result->remove, g_ptr_array_steal_index (kept, index));
}

void
changes_recipients (const Changes *changes, const char *const *recipients,
                    ChangesRecipients *result)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (g_free);

  result->add = g_ptr_array_new ();
  result->remove = g_ptr_array_new_with_free_func (g_free);
  for (; *recipients != NULL; recipients++)
    g_ptr_array_add (kept, g_strdup (*recipients));
  for (guint i = 0; i < changes->list->len; i++)
    {
      const Change *change = changes->list->pdata[i];

      if (change->kind == ANSWER_ADD_RECIPIENT)
        add_recipient (result, kept, change);
      else if (change->kind == ANSWER_DELETE_RECIPIENT)
        remove_recipient (result, kept, change);
    }
  result->none_left = kept->len == 0 && result->add->len == 0;
}

void
changes_recipients_clear (ChangesRecipients *result)
{
  g_clear_pointer (&result->add, g_ptr_array_unref);
  g_clear_pointer (&result->remove, g_ptr_array_unref);
}

/* ---- Parameters ---- */

static void
add_words (GPtrArray *list, const char *text)
{
  g_auto (GStrv) words = g_strsplit_set (text, " \t", -1);

  for (guint i = 0; words[i] != NULL; i++)
    if (*words[i] != '\0')
      g_ptr_array_add (list, g_strdup (words[i]));
}

static char **
finish (GPtrArray *list)
{
  g_ptr_array_add (list, NULL);
  return (char **) g_ptr_array_free (list, FALSE);
}

char **
changes_parameters (const char *text)
{
  GPtrArray *list = g_ptr_array_new ();

  add_words (list, text == NULL ? "" : text);
  return finish (list);
}

static gboolean
same_keyword (const char *a, const char *b)
{
  gsize length = strcspn (a, "=");

  return strcspn (b, "=") == length && g_ascii_strncasecmp (a, b, length) == 0;
}

static gboolean
has_keyword (char *const *list, const char *parameter)
{
  for (; *list != NULL; list++)
    if (same_keyword (*list, parameter))
      return TRUE;
  return FALSE;
}

char **
changes_merge (const char *const *old, const char *text)
{
  g_auto (GStrv) given = changes_parameters (text);
  GPtrArray *list = g_ptr_array_new ();

  for (; *old != NULL; old++)
    if (!has_keyword (given, *old))
      g_ptr_array_add (list, g_strdup (*old));
  for (guint i = 0; given[i] != NULL; i++)
    g_ptr_array_add (list, g_strdup (given[i]));
  return finish (list);
}

/* ---- The header ---- */

guint
changes_place (guint32 index, guint count, guint *received)
{
  if (index <= *received)
    {
      ++*received;
      return MIN (index, count);
    }
  return MIN (index - 1, count);
}

/* Behind the line break at `text`: lines of white space alone are left out, which some readers take
 * for the header's end. */
static const char *
skip_blank_lines (const char *text)
{
  gsize blank = 0;

  do
    {
      text += blank + 1;
      blank = strspn (text, " \t\r");
    }
  while (text[blank] == '\n');
  return text[blank] == '\0' ? text + blank : text;
}

char *
changes_value (const char *text, gboolean exact)
{
  GString *value = g_string_new (exact ? "" : " ");

  while (*text != '\0')
    {
      if (*text != '\n')
        {
          if (*text != '\r' || text[1] != '\n')
            g_string_append_c (value, *text == '\r' ? ' ' : *text);
          text++;
          continue;
        }
      text = skip_blank_lines (text);
      if (*text != '\0')
        g_string_append (value, *text == ' ' || *text == '\t' ? "\r\n" : "\r\n\t");
    }
  return g_string_free (value, FALSE);
}
