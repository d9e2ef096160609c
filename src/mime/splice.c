/* Part operations to edits. Operations are kept per object until the end, because what one of them
 * means depends on the others: whether a part is the last one left, whether its multipart goes as a
 * whole.
 *
 * Delimiter lines belong to the part behind them: removing a part takes its delimiter along. */
#include "mime/splice.h"

#include <string.h>

#include "message/headers.h"
#include "mime/fields.h"

#define EMPTY_PART "Content-Type: text/plain\r\n\r\n"

typedef struct
{
  gboolean removed;
  GBytes *entity; /* replacement; NULL: none */
} Change;

typedef struct
{
  GMimeObject *multipart;
  guint position;
  GBytes *entity;
} Insertion;

struct _MimeSplice
{
  MimeView *view;
  GHashTable *changes; /* GMimeObject → Change */
  GPtrArray *order;    /* of GMimeObject, as they were first changed: the output must not depend on
                          addresses */
  GPtrArray *insertions; /* of Insertion */
};

static void
change_free (gpointer data)
{
  Change *change = data;

  g_clear_pointer (&change->entity, g_bytes_unref);
  g_free (change);
}

static void
insertion_free (gpointer data)
{
  Insertion *insertion = data;

  g_bytes_unref (insertion->entity);
  g_free (insertion);
}

MimeSplice *
mime_splice_new (MimeView *view)
{
  MimeSplice *splice = g_new0 (MimeSplice, 1);

  splice->view = view;
  splice->changes = g_hash_table_new_full (NULL, NULL, NULL, change_free);
  splice->order = g_ptr_array_new ();
  splice->insertions = g_ptr_array_new_with_free_func (insertion_free);
  return splice;
}

void
mime_splice_free (MimeSplice *splice)
{
  if (splice == NULL)
    return;
  g_hash_table_unref (splice->changes);
  g_ptr_array_unref (splice->order);
  g_ptr_array_unref (splice->insertions);
  g_free (splice);
}

static gboolean
fail (GError **error, const gchar *text)
{
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, text);
  return FALSE;
}

gsize
mime_entity_body (const gchar *entity, gsize length)
{
  gsize at = 0;

  while (at < length)
    {
      const gchar *feed = memchr (entity + at, '\n', length - at);
      gsize next = feed == NULL ? length : (gsize) (feed + 1 - entity);

      if (entity[at] == '\r' && next - at == 2)
        return next;
      if (entity[at] != ' ' && entity[at] != '\t'
          && mime_field_name ((const guint8 *) entity + at, next - at) == 0)
        return 0;
      at = next;
    }
  return 0;
}

static gboolean
is_inside (const MimeSplice *splice, GMimeObject *part, GMimeObject *ancestor)
{
  while (part != NULL && part != ancestor)
    part = mime_view_parent (splice->view, part);
  return part != NULL;
}

/* Whether something around the part is replaced or removed. */
static gboolean
is_gone (const MimeSplice *splice, GMimeObject *part)
{
  for (; part != NULL; part = mime_view_parent (splice->view, part))
    if (g_hash_table_contains (splice->changes, part))
      return TRUE;
  return FALSE;
}

static void
forget_inside (MimeSplice *splice, GMimeObject *part)
{
  for (guint i = splice->order->len; i > 0; i--)
    {
      GMimeObject *other = g_ptr_array_index (splice->order, i - 1);

      if (!is_inside (splice, other, part))
        continue;
      g_hash_table_remove (splice->changes, other);
      g_ptr_array_remove_index (splice->order, i - 1);
    }
  for (guint i = splice->insertions->len; i > 0; i--)
    {
      const Insertion *insertion = g_ptr_array_index (splice->insertions, i - 1);

      if (is_inside (splice, insertion->multipart, part))
        g_ptr_array_remove_index (splice->insertions, i - 1);
    }
}

static gboolean
change (MimeSplice *splice, GMimeObject *part, GBytes *entity, GError **error)
{
  MimeRange range;
  Change *made = NULL;

  if (!mime_view_range (splice->view, part, &range, error))
    return FALSE;
  if (is_gone (splice, mime_view_parent (splice->view, part)))
    return fail (error, "the part stands in one that was replaced or removed");
  forget_inside (splice, part);
  made = g_new0 (Change, 1);
  made->removed = entity == NULL;
  made->entity = entity == NULL ? NULL : g_bytes_ref (entity);
  g_hash_table_insert (splice->changes, part, made);
  g_ptr_array_add (splice->order, part);
  return TRUE;
}

static GBytes *
check_entity (const gchar *entity, gsize length, GError **error)
{
  if (mime_entity_body (entity, length) > 0)
    return g_bytes_new (entity, length);
  fail (error, "a part must be header fields, a blank line and a body");
  return NULL;
}

gboolean
mime_splice_replace (MimeSplice *splice, GMimeObject *part, const gchar *entity, gsize length,
                     GError **error)
{
  g_autoptr (GBytes) bytes = check_entity (entity, length, error);

  return bytes != NULL && change (splice, part, bytes, error);
}

gboolean
mime_splice_remove (MimeSplice *splice, GMimeObject *part, GError **error)
{
  MimeRange range;
  g_autoptr (GBytes) empty = NULL;

  if (!mime_view_range (splice->view, part, &range, error))
    return FALSE;
  if (range.root)
    empty = g_bytes_new_static (EMPTY_PART, strlen (EMPTY_PART));
  return change (splice, part, empty, error);
}

gboolean
mime_splice_insert (MimeSplice *splice, GMimeObject *multipart, guint position, const gchar *entity,
                    gsize length, GError **error)
{
  g_autoptr (GBytes) bytes = check_entity (entity, length, error);
  Insertion *insertion = NULL;
  gboolean closed = FALSE;
  gsize offset = 0;

  if (bytes == NULL || !mime_view_tail (splice->view, multipart, &offset, &closed, error))
    return FALSE;
  if (is_gone (splice, multipart))
    return fail (error, "the multipart was replaced or removed");
  insertion = g_new0 (Insertion, 1);
  insertion->multipart = multipart;
  insertion->position = position;
  insertion->entity = g_steal_pointer (&bytes);
  g_ptr_array_add (splice->insertions, insertion);
  return TRUE;
}

GBytes *
mime_splice_root (const MimeSplice *splice)
{
  GMimeMessage *message = mime_view_message (splice->view);
  GMimeObject *root = message == NULL ? NULL : g_mime_message_get_mime_part (message);
  const Change *made = root == NULL ? NULL : g_hash_table_lookup (splice->changes, root);

  return made == NULL ? NULL : made->entity;
}

/* How many children of a multipart are removed, and whether that leaves none. */
static gboolean
leaves_none (const MimeSplice *splice, GMimeObject *multipart)
{
  gint count = g_mime_multipart_get_count (GMIME_MULTIPART (multipart));

  for (gint i = 0; i < count; i++)
    {
      GMimeObject *child = g_mime_multipart_get_part (GMIME_MULTIPART (multipart), i);
      const Change *made = g_hash_table_lookup (splice->changes, child);

      if (made == NULL || !made->removed)
        return FALSE;
    }
  for (guint i = 0; i < splice->insertions->len; i++)
    if (((Insertion *) g_ptr_array_index (splice->insertions, i))->multipart == multipart)
      return FALSE;
  return TRUE;
}

static gboolean
add_edit (MessageEdits *edits, gsize offset, gsize removed, const GString *inserted, GError **error)
{
  g_autoptr (GBytes) bytes = inserted->len == 0 ? NULL : g_bytes_new (inserted->str, inserted->len);

  if (removed == 0 && bytes == NULL)
    return TRUE;
  return message_edits_add (edits, offset, removed, bytes)
         || fail (error, "the edits of parts overlap with others");
}

static void
append_entity (GString *text, GBytes *entity)
{
  gsize length = 0;
  const gchar *bytes = g_bytes_get_data (entity, &length);

  g_string_append_len (text, bytes, (gssize) length);
}

/* A part that stands right at its delimiter has no line break that could end the new one. */
static gboolean
replace_child (const MimeRange *range, GBytes *entity, MessageEdits *edits, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);

  append_entity (text, entity);
  if (range->delimited && range->end == range->next)
    g_string_append (text, "\r\n");
  return add_edit (edits, range->start, range->end - range->start, text, error);
}

/* Content-* fields go, those of the entity come in the first one's place, or at the end of the
 * header. */
static gboolean
replace_root (const MimeSplice *splice, const MimeRange *range, GBytes *entity, MessageEdits *edits,
              GError **error)
{
  const guint8 *data = g_bytes_get_data (mime_view_bytes (splice->view), NULL);
  gsize length = 0;
  const gchar *bytes = g_bytes_get_data (entity, &length);
  gsize body = mime_entity_body (bytes, length);
  g_autoptr (MessageHeaders) headers
      = message_headers_scan (data + range->start, range->end - range->start, TRUE);
  g_autoptr (GString) fields = g_string_new_len (bytes, (gssize) body - 2);
  g_autoptr (GString) nothing = g_string_new (NULL);
  g_autoptr (GString) rest = g_string_new_len (bytes + body, (gssize) (length - body));
  gsize end = range->start + message_headers_end (headers);
  gsize content = range->start + message_headers_body (headers);
  gboolean placed = FALSE;

  for (guint i = 0; i < message_headers_count (headers); i++)
    {
      const MessageField *field = message_headers_nth (headers, i);
      gsize start = range->start + field->start;

      if (!mime_field_is_content (data + start, field->end - field->start))
        continue;
      if (!add_edit (edits, start, field->end - field->start, placed ? nothing : fields, error))
        return FALSE;
      placed = TRUE;
    }
  if (end == content)
    g_string_append (fields, "\r\n"); /* no blank line was there */
  if (!placed && !add_edit (edits, end, 0, fields, error))
    return FALSE;
  if (placed && end == content)
    g_string_prepend (rest, "\r\n");
  return add_edit (edits, content, range->end - content, rest, error);
}

static gboolean
finish_change (const MimeSplice *splice, GMimeObject *part, MessageEdits *edits, GError **error)
{
  const Change *made = g_hash_table_lookup (splice->changes, part);
  MimeRange range;

  if (!mime_view_range (splice->view, part, &range, error))
    return FALSE;
  if (range.root)
    return replace_root (splice, &range, made->entity, edits, error);
  if (made->entity != NULL)
    return replace_child (&range, made->entity, edits, error);
  if (mime_view_index (splice->view, part) == 0
      && leaves_none (splice, mime_view_parent (splice->view, part)))
    {
      g_autoptr (GBytes) empty = g_bytes_new_static (EMPTY_PART, strlen (EMPTY_PART));

      return replace_child (&range, empty, edits, error);
    }
  return message_edits_add (edits, range.delimiter, range.next - range.delimiter, NULL)
         || fail (error, "the edits of parts overlap with others");
}

/* Ahead of the delimiter at the insertion's place, with a delimiter of its own. */
static gboolean
finish_insertion (const MimeSplice *splice, const Insertion *insertion, MessageEdits *edits,
                  GError **error)
{
  GMimeMultipart *multipart = GMIME_MULTIPART (insertion->multipart);
  g_autoptr (GString) text = g_string_new (NULL);
  gboolean closed = FALSE;
  gsize offset = 0;

  if (!mime_view_tail (splice->view, insertion->multipart, &offset, &closed, error))
    return FALSE;
  if (insertion->position < (guint) g_mime_multipart_get_count (multipart))
    {
      MimeRange range;
      GMimeObject *child = g_mime_multipart_get_part (multipart, (gint) insertion->position);

      if (!mime_view_range (splice->view, child, &range, error))
        return FALSE;
      offset = range.delimiter;
      closed = TRUE;
    }
  g_string_printf (text, "%s--%s\r\n", closed ? "" : "\r\n",
                   mime_view_boundary (insertion->multipart));
  append_entity (text, insertion->entity);
  g_string_append (text, closed ? "\r\n" : "");
  return add_edit (edits, offset, 0, text, error);
}

gboolean
mime_splice_finish (MimeSplice *splice, MessageEdits *edits, gboolean with_root, GError **error)
{
  for (guint i = 0; i < splice->insertions->len; i++)
    if (!finish_insertion (splice, g_ptr_array_index (splice->insertions, i), edits, error))
      return FALSE;
  for (guint i = 0; i < splice->order->len; i++)
    {
      GMimeObject *part = g_ptr_array_index (splice->order, i);
      gboolean own_root = mime_view_parent (splice->view, part) == NULL;

      if ((with_root || !own_root) && !finish_change (splice, part, edits, error))
        return FALSE;
    }
  return TRUE;
}
