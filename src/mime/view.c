/* Parsing with GMime over bytes that stay where they are, and the places of parts: found by walking
 * the delimiter lines of each multipart from the outside in, and held against what GMime says of
 * each leaf.
 *
 * A place that the two do not agree on is an error: such a part is not edited. */
#include "mime/view.h"

#include <string.h>
#include <sys/mman.h>

#include "mime/fields.h"
#include "mime/guard.h"
#include "mime/stream.h"

typedef struct
{
  GMimeObject *parent; /* NULL: the message's own root */
  guint index;
  gboolean root;
  gboolean located;
  MimeRange range;
  GArray *delimiters; /* of gsize: the start of each delimiter line of a multipart; NULL: not looked
                         for yet */
  gsize tail;         /* where the multipart's own lines end: the closing delimiter, or its end */
  gboolean closed;
  gboolean ambiguous; /* a multipart around or inside has the same boundary */
} Place;

struct _MimeView
{
  GBytes *bytes;
  const guint8 *data;
  gsize size;
  GMimeMessage *message;
  GHashTable *places;   /* GMimeObject → Place */
  GPtrArray *order;     /* of GMimeObject, in the order in which they begin; borrowed */
  MimeOutline *outline; /* NULL: not asked for */
};

static void
unmap (gpointer data)
{
  GBytes *whole = data; /* the mapping's address and length, as a block that owns nothing */
  gsize length = 0;
  gconstpointer address = g_bytes_get_data (whole, &length);

  munmap ((gpointer) address, length);
  g_bytes_unref (whole);
}

static GBytes *
map_descriptor (gint fd, gsize size, GError **error)
{
  gpointer address = mmap (NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

  if (address != MAP_FAILED)
    return g_bytes_new_with_free_func (address, size, unmap, g_bytes_new_static (address, size));
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOMEM,
               "can not map a message of %" G_GSIZE_FORMAT " octets", size);
  return NULL;
}

GBytes *
mime_bytes_new (const MessageSource *source, const MessageEdits *edits, GError **error)
{
  if (edits == NULL && source->memory == NULL && source->fd >= 0 && source->size > 0)
    return map_descriptor (source->fd, source->size, error);
  return message_edits_apply (edits, source, error);
}

static void
place_free (gpointer data)
{
  Place *place = data;

  g_clear_pointer (&place->delimiters, g_array_unref);
  g_free (place);
}

static void note_part (MimeView *view, GMimeObject *part, GMimeObject *parent, guint index,
                       gboolean root);

/* Recursion is bounded by GMime's own nesting limit, and by the guard's before it. */
static void
note_children (MimeView *view, GMimeObject *part)
{
  if (GMIME_IS_MULTIPART (part))
    {
      gint count = g_mime_multipart_get_count (GMIME_MULTIPART (part));

      for (gint i = 0; i < count; i++)
        note_part (view, g_mime_multipart_get_part (GMIME_MULTIPART (part), i), part, (guint) i,
                   FALSE);
    }
  else if (GMIME_IS_MESSAGE_PART (part))
    {
      GMimeMessage *inner = g_mime_message_part_get_message (GMIME_MESSAGE_PART (part));

      if (inner != NULL)
        note_part (view, g_mime_message_get_mime_part (inner), part, 0, TRUE);
    }
}

static void
note_boundary (MimeView *view, GMimeObject *part, Place *place)
{
  const gchar *boundary = GMIME_IS_MULTIPART (part) ? mime_view_boundary (part) : NULL;
  Place *around = NULL;

  for (GMimeObject *at = place->parent; boundary != NULL && at != NULL; at = around->parent)
    {
      const gchar *other = GMIME_IS_MULTIPART (at) ? mime_view_boundary (at) : NULL;

      around = g_hash_table_lookup (view->places, at);
      if (other != NULL && strcmp (boundary, other) == 0)
        around->ambiguous = place->ambiguous = TRUE;
    }
}

static void
note_part (MimeView *view, GMimeObject *part, GMimeObject *parent, guint index, gboolean root)
{
  Place *place = NULL;

  if (part == NULL)
    return;
  place = g_new0 (Place, 1);
  place->parent = parent;
  place->index = index;
  place->root = root;
  note_boundary (view, part, place);
  g_hash_table_insert (view->places, part, place);
  g_ptr_array_add (view->order, part);
  note_children (view, part);
}

static GMimeMessage *
parse (const guint8 *data, gsize size, gboolean mapped)
{
  /* GMime wants a GByteArray; it only reads, so the array may stand on bytes that it does not own.
   */
  GByteArray *array = g_byte_array_new_take ((guint8 *) data, size);
  GMimeStream *stream = mime_stream_new (array, mapped);
  GMimeParser *parser = g_mime_parser_new_with_stream (stream);
  GMimeMessage *message = g_mime_parser_construct_message (parser, NULL);
  g_object_unref (parser);
  if (message != NULL)
    g_object_set_data (G_OBJECT (message), "mailweir-array", array);
  else
    g_byte_array_free (array, FALSE);
  g_object_unref (stream);
  return message;
}

MimeView *
mime_view_new (GBytes *bytes, gboolean mapped)
{
  MimeView *view = g_new0 (MimeView, 1);

  mime_init ();
  view->bytes = g_bytes_ref (bytes);
  view->data = g_bytes_get_data (bytes, &view->size);
  view->places = g_hash_table_new_full (NULL, NULL, NULL, place_free);
  view->order = g_ptr_array_new ();
  if (view->size > 0 && view->size < G_MAXUINT32)
    view->message = parse (view->data, view->size, mapped);
  if (view->message != NULL)
    note_part (view, g_mime_message_get_mime_part (view->message), NULL, 0, TRUE);
  return view;
}

void
mime_view_free (MimeView *view)
{
  GByteArray *array = NULL;

  if (view == NULL)
    return;
  g_hash_table_unref (view->places);
  g_ptr_array_unref (view->order);
  mime_outline_free (view->outline);
  if (view->message != NULL)
    {
      array = g_object_get_data (G_OBJECT (view->message), "mailweir-array");
      g_object_unref (view->message);
      g_byte_array_free (array, FALSE);
    }
  g_bytes_unref (view->bytes);
  g_free (view);
}

GMimeMessage *
mime_view_message (const MimeView *view)
{
  return view->message;
}

GBytes *
mime_view_bytes (const MimeView *view)
{
  return view->bytes;
}

gboolean
mime_view_has (const MimeView *view, GMimeObject *part)
{
  return g_hash_table_contains (view->places, part);
}

GMimeObject *
mime_view_parent (const MimeView *view, GMimeObject *part)
{
  const Place *place = g_hash_table_lookup (view->places, part);

  return place == NULL ? NULL : place->parent;
}

guint
mime_view_index (const MimeView *view, GMimeObject *part)
{
  const Place *place = g_hash_table_lookup (view->places, part);

  return place == NULL ? 0 : place->index;
}

const gchar *
mime_view_boundary (GMimeObject *multipart)
{
  GMimeContentType *type = g_mime_object_get_content_type (multipart);

  return type == NULL ? NULL : g_mime_content_type_get_parameter (type, "boundary");
}

static gboolean
fail (GError **error, const gchar *text)
{
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, text);
  return FALSE;
}

static gsize
line_end (const MimeView *view, gsize at, gsize end)
{
  const guint8 *feed = at < end ? memchr (view->data + at, '\n', end - at) : NULL;

  return feed == NULL ? end : (gsize) (feed + 1 - view->data);
}

static gboolean
is_blank (const MimeView *view, gsize at, gsize end)
{
  while (at < end && strchr (" \t\r\n", view->data[at]) != NULL && view->data[at] != 0)
    at++;
  return at == end;
}

/* 0: no delimiter; 1: one; 2: the closing one. */
static guint
delimiter_kind (const MimeView *view, gsize at, gsize end, const gchar *boundary, gsize length)
{
  gsize rest = at + 2 + length;

  if (rest > end || memcmp (view->data + at, "--", 2) != 0
      || memcmp (view->data + at + 2, boundary, length) != 0)
    return 0;
  if (is_blank (view, rest, end))
    return 1;
  return end - rest >= 2 && memcmp (view->data + rest, "--", 2) == 0
                 && is_blank (view, rest + 2, end)
             ? 2
             : 0;
}

static void
find_delimiters (const MimeView *view, Place *place, const gchar *boundary)
{
  gsize length = strlen (boundary);
  gsize end = place->range.end;

  place->delimiters = g_array_new (FALSE, FALSE, sizeof (gsize));
  place->tail = end;
  for (gsize at = place->range.start; at < end && !place->closed;)
    {
      gsize next = line_end (view, at, end);
      guint kind = next - at < 2 ? 0 : delimiter_kind (view, at, next, boundary, length);

      if (kind == 1)
        g_array_append_val (place->delimiters, at);
      place->closed = kind == 2;
      if (place->closed)
        place->tail = at;
      at = next;
    }
}

/* Behind the blank line of the header block at `start`, or `end`. */
static gsize
find_content (const MimeView *view, gsize start, gsize end)
{
  for (gsize at = start; at < end;)
    {
      gsize next = line_end (view, at, end);

      if (view->data[at] == '\n' || (view->data[at] == '\r' && next - at == 2))
        return next;
      at = next;
    }
  return end;
}

/* The line break ahead of a delimiter belongs to the delimiter (RFC 2046 section 5.1.1). */
static gsize
before_break (const MimeView *view, gsize start, gsize delimiter)
{
  gsize end = delimiter;

  if (end > start && view->data[end - 1] == '\n')
    end--;
  if (end > start && end < delimiter && view->data[end - 1] == '\r')
    end--;
  return end;
}

/* GMime's word for where a leaf's content stands; FALSE: it has none. */
static gboolean
leaf_bounds (const MimeView *view, GMimeObject *part, gsize *start, gsize *end)
{
  GMimeDataWrapper *content = NULL;
  GMimeStream *stream = NULL;

  if (!GMIME_IS_PART (part))
    return FALSE;
  content = g_mime_part_get_content (GMIME_PART (part));
  stream = content == NULL ? NULL : g_mime_data_wrapper_get_stream (content);
  if (stream == NULL)
    return FALSE;
  *start = (gsize) stream->bound_start;
  *end = stream->bound_end < 0 ? view->size : (gsize) stream->bound_end;
  return TRUE;
}

static void
outline_fields (MimeOutline *outline, GMimeObject *part)
{
  GMimeHeaderList *list = g_mime_object_get_header_list (part);
  gint count = g_mime_header_list_get_count (list);

  for (gint i = 0; i < count; i++)
    {
      GMimeHeader *header = g_mime_header_list_get_header_at (list, i);
      const gchar *name = g_mime_header_get_name (header);
      const gchar *value = g_mime_header_get_raw_value (header);

      if (value != NULL
          && mime_field_kind ((const guint8 *) name, strlen (name)) >= MIME_FIELD_CONTENT)
        mime_outline_add_field (outline, name, strlen (name), value, strlen (value));
    }
}

static void
outline_part (MimeView *view, GMimeObject *part, GHashTable *indexes)
{
  GMimeObject *parent = mime_view_parent (view, part);
  gpointer known = g_hash_table_lookup (indexes, parent);
  guint index = mime_outline_add (view->outline,
                                  parent == NULL ? MIME_NO_ENTITY : GPOINTER_TO_UINT (known));
  MimeEntity *entity = mime_outline_nth (view->outline, index);

  g_hash_table_insert (indexes, part, GUINT_TO_POINTER (index));
  if (GMIME_IS_MULTIPART (part))
    entity->kind = MIME_ENTITY_MULTIPART;
  else if (GMIME_IS_MESSAGE_PART (part))
    entity->kind = MIME_ENTITY_MESSAGE;
  else
    entity->has_body = leaf_bounds (view, part, &entity->start, &entity->end)
                       && entity->start <= entity->end && entity->end <= view->size;
  outline_fields (view->outline, part);
}

const MimeOutline *
mime_view_outline (MimeView *view)
{
  g_autoptr (GHashTable) indexes = NULL;

  if (view->outline != NULL)
    return view->outline;
  indexes = g_hash_table_new (NULL, NULL);
  view->outline = mime_outline_new ();
  for (guint i = 0; i < view->order->len; i++)
    outline_part (view, g_ptr_array_index (view->order, i), indexes);
  return view->outline;
}

GMimeObject *
mime_view_nth (const MimeView *view, guint index)
{
  return index < view->order->len ? g_ptr_array_index (view->order, index) : NULL;
}

static gboolean
check_leaf (const MimeView *view, GMimeObject *part, MimeRange *range, GError **error)
{
  gsize start = 0, end = 0;

  if (!leaf_bounds (view, part, &start, &end) || start == end)
    return TRUE;
  if (start < range->start || end != range->end)
    return fail (error, "a part's place is not certain: its multipart can be read in two ways");
  range->content = start;
  return TRUE;
}

static gboolean locate (MimeView *view, GMimeObject *part, GError **error);

static gboolean
open_multipart (MimeView *view, GMimeObject *multipart, Place *place, GError **error)
{
  const gchar *boundary = mime_view_boundary (multipart);

  if (!locate (view, multipart, error))
    return FALSE;
  if (boundary == NULL || place->ambiguous)
    return fail (error, "a multipart without a boundary of its own can not be edited");
  if (place->delimiters == NULL)
    find_delimiters (view, place, boundary);
  if ((gint) place->delimiters->len != g_mime_multipart_get_count (GMIME_MULTIPART (multipart)))
    return fail (error, "a multipart's parts are not certain: its boundary occurs otherwise");
  return TRUE;
}

static gboolean
locate_child (MimeView *view, Place *place, GError **error)
{
  Place *parent = g_hash_table_lookup (view->places, place->parent);
  MimeRange *range = &place->range;
  gboolean last = FALSE;

  if (!open_multipart (view, place->parent, parent, error))
    return FALSE;
  last = place->index + 1 == parent->delimiters->len;
  range->delimiter = g_array_index (parent->delimiters, gsize, place->index);
  range->next = last ? parent->tail : g_array_index (parent->delimiters, gsize, place->index + 1);
  range->delimited = !last || parent->closed;
  range->start = line_end (view, range->delimiter, range->next);
  range->end = range->delimited ? before_break (view, range->start, range->next) : range->next;
  return TRUE;
}

static gboolean
locate_root (MimeView *view, Place *place, GError **error)
{
  Place *parent = place->parent == NULL ? NULL : g_hash_table_lookup (view->places, place->parent);

  place->range.root = TRUE;
  place->range.end = view->size;
  if (parent == NULL)
    return TRUE;
  if (!locate (view, place->parent, error))
    return FALSE;
  place->range.start = parent->range.content;
  place->range.end = parent->range.end;
  return TRUE;
}

static gboolean
locate (MimeView *view, GMimeObject *part, GError **error)
{
  Place *place = g_hash_table_lookup (view->places, part);

  if (place == NULL)
    return fail (error, "the part does not belong to this message");
  if (place->located)
    return TRUE;
  if (!(place->root ? locate_root (view, place, error) : locate_child (view, place, error)))
    return FALSE;
  place->range.content = find_content (view, place->range.start, place->range.end);
  place->located = check_leaf (view, part, &place->range, error);
  return place->located;
}

gboolean
mime_view_range (MimeView *view, GMimeObject *part, MimeRange *range, GError **error)
{
  if (!locate (view, part, error))
    return FALSE;
  *range = ((const Place *) g_hash_table_lookup (view->places, part))->range;
  return TRUE;
}

gboolean
mime_view_tail (MimeView *view, GMimeObject *multipart, gsize *offset, gboolean *closed,
                GError **error)
{
  Place *place = g_hash_table_lookup (view->places, multipart);

  if (place == NULL || !GMIME_IS_MULTIPART (multipart))
    return fail (error, "not a multipart of this message");
  if (!open_multipart (view, multipart, place, error))
    return FALSE;
  *offset = place->tail;
  *closed = place->closed;
  return TRUE;
}
