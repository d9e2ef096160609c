/* A walk over GMime's tree without recursion. GMime says where bodies lie and which part to
 * replace; it is not asked what a field means, and never for a boundary (it aborts the process on
 * some). Where its reading is not the only one, a part's body is searched for entities as well. */
#include "walk.h"

#include <gmime/gmime.h>
#include <string.h>

#include "decode.h"
#include "names.h"
#include "text.h"

#define MAX_BOUNDARIES 16 /* of the multiparts around a part: the nearest */

#define TELL (64 * 1024) /* octets between two words to the host of where we are */

typedef struct
{
  GMimeObject *object;   /* borrowed */
  gpointer owner;        /* the part around it that is to go; NULL: none */
  gboolean ambiguous;    /* a multipart around it can be read in two ways */
  GPtrArray *boundaries; /* of those around it; a reference */
} Item;

typedef struct
{
  gsize start, end;
} Range;

typedef struct
{
  Inspection *inspection;
  const guint8 *bytes;
  gsize length;
  GArray *items;   /* of Item: a stack */
  GArray *ranges;  /* of Range: bodies of leaves, in the order in which they are met */
  gboolean quoted; /* a multipart calls itself quoted-printable */
} Walk;

static void
clear_item (gpointer data)
{
  g_clear_pointer (&((Item *) data)->boundaries, g_ptr_array_unref);
}

static void
push (Walk *walk, const Item *parent, GMimeObject *object, GPtrArray *boundaries,
      gboolean ambiguous)
{
  Item item = { object, parent == NULL ? NULL : parent->owner, ambiguous, NULL };

  if (object == NULL)
    return;
  item.boundaries = g_ptr_array_ref (boundaries);
  g_array_append_val (walk->items, item);
}

/* ---- Fields ---- */

static void
inspect_fields (Walk *walk, GMimeObject *object, Entity *entity)
{
  GMimeHeaderList *list = g_mime_object_get_header_list (object);
  gint count = g_mime_header_list_get_count (list);

  for (gint i = 0; i < count; i++)
    {
      GMimeHeader *header = g_mime_header_list_get_header_at (list, i);
      const char *value = g_mime_header_get_raw_value (header);

      if (value != NULL)
        inspect_field (walk->inspection, entity, g_mime_header_get_name (header), value,
                       strlen (value), TRUE);
    }
}

/* The boundaries that the fields name, added to those around; more than one makes it ambiguous. */
static GPtrArray *
add_boundaries (Walk *walk, GMimeObject *object, GPtrArray *around, gboolean *ambiguous)
{
  GPtrArray *all = g_ptr_array_new_with_free_func (g_free);
  GMimeHeaderList *list = g_mime_object_get_header_list (object);
  guint found = 0;
  gboolean too_many = FALSE;

  for (gint i = 0; i < g_mime_header_list_get_count (list); i++)
    {
      GMimeHeader *header = g_mime_header_list_get_header_at (list, i);
      const char *value = g_mime_header_get_raw_value (header);
      g_autoptr (GPtrArray) names = NULL;

      if (value == NULL
          || g_ascii_strcasecmp (g_mime_header_get_name (header), "Content-Type") != 0)
        continue;
      names = names_read (&walk->inspection->text, value, "boundary", NULL, NULL, &too_many);
      found += names->len;
      for (guint j = 0; j < names->len && all->len < MAX_BOUNDARIES; j++)
        g_ptr_array_add (all, g_strdup (g_ptr_array_index (names, j)));
    }
  for (guint i = 0; i < around->len && all->len < MAX_BOUNDARIES; i++)
    g_ptr_array_add (all, g_strdup (g_ptr_array_index (around, i)));
  if (found != 1 || too_many)
    inspect_find (walk->inspection, CONDITION_AMBIGUOUS, NULL,
                  found == 0 ? "ambiguous: no boundary" : "ambiguous: several boundaries");
  *ambiguous |= found != 1 || too_many;
  return all;
}

/* What RFC 2045 and RFC 2046 leave no room for, and programs take one way or the other. */
static void
check_ambiguous (Walk *walk, const Entity *entity)
{
  static const guint any = DECODE_IDENTITY | DECODE_BASE64;
  const char *what = NULL;

  if (entity->n_types > 1)
    what = "several Content-Type fields";
  else if (entity->n_encodings > 1)
    what = "several Content-Transfer-Encoding fields";
  else if (entity->n_dispositions > 1)
    what = "several Content-Disposition fields";
  else if ((entity->encodings & any) == any)
    what = "an encoding that nobody knows";
  else if (entity->nested && (entity->encodings & ~(guint) DECODE_IDENTITY) != 0
           && !g_str_has_prefix (entity->type, "message/global")) /* RFC 6532 lets it be */
    what = "an encoded multipart or message";
  if (what != NULL)
    inspect_find (walk->inspection, CONDITION_AMBIGUOUS, entity->name, "ambiguous: %s", what);
}

/* ---- Bodies ---- */

static gboolean
find_range (Walk *walk, GMimePart *part, Range *range)
{
  GMimeDataWrapper *content = g_mime_part_get_content (part);
  GMimeStream *stream = content == NULL ? NULL : g_mime_data_wrapper_get_stream (content);
  gint64 start, end;

  if (stream == NULL)
    return FALSE;
  start = stream->bound_start;
  end = stream->bound_end < 0 ? (gint64) walk->length : stream->bound_end;
  if (start < 0 || end < start || (guint64) end > walk->length)
    return FALSE;
  *range = (Range){ (gsize) start, (gsize) end };
  return TRUE;
}

/* A line in a part that begins like the delimiter of a multipart around it. */
static gboolean
holds_delimiter (Walk *walk, const Range *range, const GPtrArray *boundaries)
{
  const guint8 *bytes = walk->bytes + range->start;
  const guint8 *end = walk->bytes + range->end;
  const guint8 *told = bytes;

  while (end - bytes > 2)
    {
      const guint8 *next = memchr (bytes, '\n', (gsize) (end - bytes));

      for (guint i = 0; bytes[0] == '-' && bytes[1] == '-' && i < boundaries->len; i++)
        {
          const char *boundary = g_ptr_array_index (boundaries, i);
          gsize size = strlen (boundary);

          if (size <= (gsize) (end - bytes - 2)
              && g_ascii_strncasecmp ((const char *) bytes + 2, boundary, size) == 0)
            return TRUE;
        }
      bytes = next == NULL ? end : next + 1;
      if (bytes - told > TELL)
        inspect_passed (walk->inspection, told = bytes);
    }
  return FALSE;
}

static void
inspect_leaf (Walk *walk, const Item *item, const Entity *entity)
{
  gboolean delimiter;
  Range range;

  if (!find_range (walk, GMIME_PART (item->object), &range))
    return;
  g_array_append_val (walk->ranges, range);
  inspect_body (walk->inspection, entity, walk->bytes + range.start, range.end - range.start, 0);
  delimiter = holds_delimiter (walk, &range, item->boundaries);
  if (delimiter)
    inspect_find (walk->inspection, CONDITION_AMBIGUOUS, entity->name,
                  "ambiguous: a line like a boundary in a part");
  if (item->ambiguous || entity->n_types > 1 || entity->n_encodings > 1 || delimiter)
    inspect_loose (walk->inspection, walk->bytes + range.start, range.end - range.start, 1);
}

static void
push_children (Walk *walk, const Item *item, const Entity *entity)
{
  GMimeMultipart *multipart = GMIME_MULTIPART (item->object);
  gboolean ambiguous = item->ambiguous || entity->n_types > 1 || entity->n_encodings > 1;
  g_autoptr (GPtrArray) boundaries
      = add_boundaries (walk, item->object, item->boundaries, &ambiguous);

  walk->quoted |= (entity->encodings & DECODE_QUOTED_PRINTABLE) != 0;
  for (gint i = g_mime_multipart_get_count (multipart) - 1; i >= 0; i--)
    push (walk, item, g_mime_multipart_get_part (multipart, i), boundaries, ambiguous);
}

static void
visit (Walk *walk, Item *item)
{
  Inspection *inspection = walk->inspection;
  guint before = inspection->findings->len;
  Entity entity = { 0 };

  inspection->part = item->owner != NULL ? item->owner : item->object;
  inspect_fields (walk, item->object, &entity);
  check_ambiguous (walk, &entity);
  if (inspection->findings->len > before)
    item->owner = inspection->part;
  if (GMIME_IS_MULTIPART (item->object))
    push_children (walk, item, &entity);
  else if (GMIME_IS_MESSAGE_PART (item->object))
    {
      GMimeMessage *message = g_mime_message_part_get_message (GMIME_MESSAGE_PART (item->object));

      if (message != NULL)
        push (walk, item, g_mime_message_get_mime_part (message), item->boundaries,
              item->ambiguous || entity.n_types > 1 || entity.n_encodings > 1);
    }
  else if (GMIME_IS_PART (item->object))
    inspect_leaf (walk, item, &entity);
  inspect_entity_clear (&entity);
}

/* ---- What lies between ---- */

static gint
by_start (gconstpointer a, gconstpointer b)
{
  gsize left = ((const Range *) a)->start, right = ((const Range *) b)->start;

  return left < right ? -1 : left > right;
}

static void
inspect_gaps (Walk *walk)
{
  gsize at = 0;

  walk->inspection->part = NULL;
  g_array_sort (walk->ranges, by_start);
  for (guint i = 0; i < walk->ranges->len; i++)
    {
      Range *range = &g_array_index (walk->ranges, Range, i);

      if (range->start > at)
        inspect_loose (walk->inspection, walk->bytes + at, range->start - at, 1);
      at = MAX (at, range->end);
    }
  if (walk->length > at)
    inspect_loose (walk->inspection, walk->bytes + at, walk->length - at, 1);
}

/* RFC 2045 section 6.4 forbids it; a program that decodes it all the same sees other fields. A
 * base64 one is met among the gaps: it has no delimiters in the open. */
static void
inspect_quoted (Walk *walk)
{
  g_autoptr (GByteArray) decoded
      = decode_bytes (DECODE_QUOTED_PRINTABLE, walk->bytes, walk->length, walk->length);

  inspect_loose (walk->inspection, decoded->data, decoded->len, 1);
}

void
walk_message (Inspection *inspection, WeirContext *context, GMimeMessage *message,
              const guint8 *bytes, gsize length)
{
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  Walk walk = { .inspection = inspection, .bytes = bytes, .length = length };

  inspection->context = context;
  inspection->message = bytes;
  inspection->length = length;
  walk.items = g_array_new (FALSE, FALSE, sizeof (Item));
  walk.ranges = g_array_new (FALSE, FALSE, sizeof (Range));
  if (message != NULL)
    push (&walk, NULL, g_mime_message_get_mime_part (message), none, FALSE);
  while (walk.items->len > 0)
    {
      Item item = g_array_index (walk.items, Item, walk.items->len - 1);

      g_array_set_size (walk.items, walk.items->len - 1);
      if (!inspection->exhausted) /* it is refused whatever follows */
        visit (&walk, &item);
      clear_item (&item);
    }
  if (!inspection->exhausted)
    inspect_gaps (&walk);
  if (walk.quoted && !inspection->exhausted)
    inspect_quoted (&walk);
  g_array_unref (walk.items);
  g_array_unref (walk.ranges);
}
