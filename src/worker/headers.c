/* A list of fields over the original ones. Inserting, changing and removing work on the list; the
 * edits are made by walking it beside the original once, so any sequence of operations composes.
 * Nothing fails here: values are checked by the caller.
 *
 * Fields that left the list are kept until the end: a filter may still hold their strings. */
#include "worker/headers.h"

#include <string.h>

struct _WorkerField
{
  guint origin; /* index of the original field; G_MAXUINT: a new one */
  gboolean changed;
  gboolean gone;
  const gchar *name; /* the list's, as are the others; NULL: not asked for */
  const gchar *raw;
  const gchar *value;
};

struct _WorkerHeaders
{
  MessageHeaders *original;
  const guint8 *bytes;
  GPtrArray *fields;      /* of WorkerField, borrowed */
  WorkerField *originals; /* one block for all that were there */
  GSList *added;          /* of WorkerField, owned */
  GStringChunk *strings;  /* all that were ever asked for or set; NULL: none */
};

#define STRINGS 512 /* octets of a block of them */

WorkerHeaders *
worker_headers_new (const guint8 *bytes, gsize length)
{
  WorkerHeaders *headers = g_new (WorkerHeaders, 1);
  guint count = 0;

  *headers
      = (WorkerHeaders){ .original = message_headers_scan (bytes, length, TRUE), .bytes = bytes };
  count = message_headers_count (headers->original);
  headers->fields = g_ptr_array_sized_new (count + 4);
  headers->originals = g_new (WorkerField, count);
  for (guint i = 0; i < count; i++)
    {
      headers->originals[i] = (WorkerField){ .origin = i };
      g_ptr_array_add (headers->fields, &headers->originals[i]);
    }
  return headers;
}

void
worker_headers_free (WorkerHeaders *headers)
{
  if (headers == NULL)
    return;
  message_headers_free (headers->original);
  g_ptr_array_unref (headers->fields);
  g_free (headers->originals);
  g_slist_free_full (headers->added, g_free);
  g_clear_pointer (&headers->strings, g_string_chunk_free);
  g_free (headers);
}

static const gchar *
keep (WorkerHeaders *headers, gconstpointer bytes, gsize length)
{
  if (headers->strings == NULL)
    headers->strings = g_string_chunk_new (STRINGS);
  return g_string_chunk_insert_len (headers->strings, bytes, (gssize) length);
}

gsize
worker_headers_end (const WorkerHeaders *headers)
{
  return message_headers_end (headers->original);
}

gsize
worker_headers_body (const WorkerHeaders *headers)
{
  return message_headers_body (headers->original);
}

guint
worker_headers_count (const WorkerHeaders *headers)
{
  return headers->fields->len;
}

WorkerField *
worker_headers_nth (const WorkerHeaders *headers, guint index)
{
  return g_ptr_array_index (headers->fields, index);
}

guint
worker_headers_index (const WorkerHeaders *headers, const WorkerField *field)
{
  guint index = 0;

  return g_ptr_array_find (headers->fields, field, &index) ? index : G_MAXUINT;
}

const gchar *
worker_headers_name (WorkerHeaders *headers, WorkerField *field)
{
  if (field->name == NULL)
    {
      const MessageField *original = message_headers_nth (headers->original, field->origin);

      field->name = keep (headers, headers->bytes + original->start, original->name_length);
    }
  return field->name;
}

static const gchar *
keep_text (WorkerHeaders *headers, gchar *text)
{
  const gchar *kept = keep (headers, text, strlen (text));

  g_free (text);
  return kept;
}

const gchar *
worker_headers_raw (WorkerHeaders *headers, WorkerField *field)
{
  if (field->raw == NULL)
    field->raw = keep_text (headers, message_headers_raw_value (headers->original, field->origin));
  return field->raw;
}

/* RFC 5322 section 2.2.3: unfolding removes each line break. */
static gchar *
unfold (const gchar *raw)
{
  GString *out = g_string_sized_new (strlen (raw));

  for (; *raw != '\0'; raw++)
    if (*raw != '\r' && *raw != '\n')
      g_string_append_c (out, *raw);
  return g_strstrip (g_string_free (out, FALSE));
}

const gchar *
worker_headers_value (WorkerHeaders *headers, WorkerField *field)
{
  if (field->value == NULL)
    field->value
        = keep_text (headers, field->changed || field->origin == G_MAXUINT
                                  ? unfold (field->raw)
                                  : message_headers_value (headers->original, field->origin));
  return field->value;
}

gboolean
worker_headers_is_gone (const WorkerField *field)
{
  return field->gone;
}

guint
worker_headers_find (WorkerHeaders *headers, const gchar *name, guint nth)
{
  gsize length = strlen (name);

  for (guint i = 0; i < headers->fields->len; i++)
    {
      WorkerField *field = g_ptr_array_index (headers->fields, i);
      const MessageField *original
          = field->name != NULL ? NULL : message_headers_nth (headers->original, field->origin);
      gboolean same
          = original == NULL
                ? g_ascii_strcasecmp (field->name, name) == 0
                : original->name_length == length
                      && g_ascii_strncasecmp ((const gchar *) headers->bytes + original->start,
                                              name, length)
                             == 0;

      if (same && nth-- == 0)
        return i;
    }
  return G_MAXUINT;
}

void
worker_headers_insert (WorkerHeaders *headers, guint index, const gchar *name, const gchar *raw)
{
  WorkerField *field = g_new (WorkerField, 1);

  *field = (WorkerField){ .origin = G_MAXUINT,
                          .name = keep (headers, name, strlen (name)),
                          .raw = keep (headers, raw, strlen (raw)) };
  headers->added = g_slist_prepend (headers->added, field);
  g_ptr_array_insert (headers->fields, (gint) index, field);
}

void
worker_headers_change (WorkerHeaders *headers, guint index, const gchar *raw)
{
  WorkerField *field = g_ptr_array_index (headers->fields, index);

  field->raw = keep (headers, raw, strlen (raw));
  field->value = NULL;
  field->changed = TRUE;
}

void
worker_headers_remove (WorkerHeaders *headers, guint index)
{
  worker_headers_nth (headers, index)->gone = TRUE;
  g_ptr_array_remove_index (headers->fields, index);
}

void
worker_headers_replace_content (WorkerHeaders *headers, const guint8 *block, gsize length)
{
  g_autoptr (MessageHeaders) content = message_headers_scan (block, length, TRUE);
  guint place = G_MAXUINT;

  for (guint i = headers->fields->len; i > 0; i--)
    {
      const gchar *name = worker_headers_name (headers, worker_headers_nth (headers, i - 1));

      if (g_ascii_strncasecmp (name, "Content-", strlen ("Content-")) != 0)
        continue;
      worker_headers_remove (headers, i - 1);
      place = i - 1;
    }
  place = MIN (place, headers->fields->len);
  for (guint i = 0; i < message_headers_count (content); i++)
    {
      g_autofree gchar *name = message_headers_name (content, i);
      g_autofree gchar *raw = message_headers_raw_value (content, i);

      worker_headers_insert (headers, place + i, name, raw);
    }
}

static void
add (MessageEdits *edits, guint64 offset, guint64 removed, const GString *text)
{
  g_autoptr (GBytes) bytes
      = text == NULL || text->len == 0 ? NULL : g_bytes_new (text->str, text->len);

  if (removed > 0 || bytes != NULL)
    g_assert (message_edits_add (edits, offset, removed, bytes));
}

static void
remove_until (const WorkerHeaders *headers, guint *cursor, guint until, MessageEdits *edits)
{
  for (; *cursor < until; (*cursor)++)
    {
      const MessageField *gone = message_headers_nth (headers->original, *cursor);

      add (edits, gone->start, gone->end - gone->start, NULL);
    }
}

static void
change_value (const WorkerHeaders *headers, const WorkerField *field, MessageEdits *edits)
{
  const MessageField *original = message_headers_nth (headers->original, field->origin);
  g_autoptr (GString) text = g_string_new (field->raw);

  g_string_append (text, "\r\n");
  add (edits, original->value, original->end - original->value, text);
}

/* What a message needs whose last field has no line break, or that has no field and no blank line
 * at all. */
static void
finish_end (const WorkerHeaders *headers, GString *pending, MessageEdits *edits)
{
  gsize end = message_headers_end (headers->original);
  gsize body = message_headers_body (headers->original);
  guint count = message_headers_count (headers->original);
  gboolean last_stays = FALSE;

  if (pending->len == 0)
    return;
  for (guint i = 0; i < headers->fields->len; i++)
    {
      const WorkerField *field = g_ptr_array_index (headers->fields, i);

      last_stays = last_stays || (field->origin + 1 == count && !field->changed);
    }
  if (last_stays && end > 0 && headers->bytes[end - 1] != '\n')
    g_string_prepend (pending, "\r\n");
  if (end == 0 && body == 0)
    g_string_append (pending, "\r\n");
  add (edits, end, 0, pending);
}

void
worker_headers_finish (const WorkerHeaders *headers, MessageEdits *edits)
{
  g_autoptr (GString) pending = g_string_new (NULL);
  guint cursor = 0;

  for (guint i = 0; i < headers->fields->len; i++)
    {
      const WorkerField *field = g_ptr_array_index (headers->fields, i);

      if (field->origin == G_MAXUINT)
        {
          g_string_append (pending, field->name);
          g_string_append_c (pending, ':');
          g_string_append (pending, field->raw);
          g_string_append_len (pending, "\r\n", 2);
          continue;
        }
      remove_until (headers, &cursor, field->origin, edits);
      if (pending->len > 0)
        add (edits, message_headers_nth (headers->original, field->origin)->start, 0, pending);
      g_string_truncate (pending, 0);
      if (field->changed)
        change_value (headers, field, edits);
      cursor = field->origin + 1;
    }
  remove_until (headers, &cursor, message_headers_count (headers->original), edits);
  finish_end (headers, pending, edits);
}
