/* A walk over the host's list of entities. It says where bodies lie and which part to replace; it
 * is not asked what a field means. Where its reading is not the only one, a part's body is searched
 * for entities as well. */
#include "walk.h"

#include <string.h>

#include "decode.h"
#include "names.h"
#include "text.h"

#define MAX_BOUNDARIES 16 /* of the multiparts around a part: the nearest */
#define LONGEST_BOUNDARY 70

#define TELL (64 * 1024) /* octets between two words to the host of where we are */

/* What those inside of an entity have to know. */
typedef struct
{
  guint parent;          /* WEIR_NO_ENTITY: it is the root */
  guint owner;           /* the one around it that is to go; WEIR_NO_ENTITY: none */
  gboolean ambiguous;    /* it, or a multipart around it, can be read in two ways */
  GPtrArray *boundaries; /* its own, if it is a multipart */
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
  GArray *items;   /* of Item: the entities so far */
  GArray *ranges;  /* of Range: bodies of leaves, in the order in which they are met */
  gboolean quoted; /* a multipart calls itself quoted-printable */
} Walk;

static void
clear_item (gpointer data)
{
  g_clear_pointer (&((Item *) data)->boundaries, g_ptr_array_unref);
}

static Item *
item_at (const Walk *walk, guint index)
{
  return index < walk->items->len ? &g_array_index (walk->items, Item, index) : NULL;
}

/* ---- Fields ---- */

static void
inspect_fields (Walk *walk, guint index, guint count, Entity *entity)
{
  for (guint i = 0; i < count; i++)
    {
      WeirEntityField field = weir_entity_field (walk->inspection->context, index, i);

      inspect_field (walk->inspection, entity, field.name, field.name_length, field.value,
                     field.length, TRUE);
    }
}

static void
read_boundaries (Walk *walk, guint index, guint n_fields, GPtrArray *boundaries, gboolean *too_many)
{
  for (guint i = 0; i < n_fields; i++)
    {
      WeirEntityField field = weir_entity_field (walk->inspection->context, index, i);
      g_autofree char *text = NULL;
      g_autoptr (GPtrArray) names = NULL;

      if (!text_is (field.name, field.name_length, "content-type"))
        continue;
      text = text_copy (field.value, field.length);
      names = names_read (&walk->inspection->text, text, "boundary", NULL, NULL, too_many);
      g_ptr_array_extend_and_steal (boundaries, g_steal_pointer (&names));
    }
}

/* As it is to programs that take off more than quotes and white space, or have room for no more
 * than RFC 2046 section 5.1.1 allows. */
static char *
bare_boundary (const char *boundary)
{
  g_autofree char *text = g_strstrip (g_strdup (boundary));
  const char *start = text;
  gsize length = strlen (text);

  while (length > 2
         && ((*start == '<' && start[length - 1] == '>')
             || (*start == '\'' && start[length - 1] == '\'')
             || (*start == '"' && start[length - 1] == '"')))
    {
      start++;
      length -= 2;
    }
  return g_strndup (start, MIN (length, LONGEST_BOUNDARY));
}

static void
add_bare (GPtrArray *boundaries)
{
  for (guint i = boundaries->len; i > 0; i--)
    {
      const char *boundary = g_ptr_array_index (boundaries, i - 1);
      g_autofree char *bare = bare_boundary (boundary);

      if (*bare != '\0' && strcmp (bare, boundary) != 0)
        g_ptr_array_add (boundaries, g_steal_pointer (&bare));
    }
}

/* The boundaries that the fields of a multipart name; more than one makes it ambiguous. */
static void
take_boundaries (Walk *walk, guint index, guint n_fields, Item *item)
{
  gboolean too_many = FALSE;
  guint found;

  item->boundaries = g_ptr_array_new_with_free_func (g_free);
  read_boundaries (walk, index, n_fields, item->boundaries, &too_many);
  add_bare (item->boundaries);
  found = item->boundaries->len;
  if (found == 1 && !too_many)
    return;
  item->ambiguous = TRUE;
  inspect_find (walk->inspection, CONDITION_AMBIGUOUS, NULL,
                found == 0 ? "ambiguous: no boundary" : "ambiguous: several boundaries");
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

/* One of the boundaries around `item` at `bytes`, in upper or lower case. */
static gboolean
is_boundary (const Walk *walk, const Item *item, const guint8 *bytes, gsize length)
{
  guint left = MAX_BOUNDARIES;

  for (; item != NULL && left > 0; item = item_at (walk, item->parent))
    for (guint i = 0; item->boundaries != NULL && i < item->boundaries->len && left > 0; i++)
      {
        const char *boundary = g_ptr_array_index (item->boundaries, i);
        gsize size = strlen (boundary);

        left--;
        if (size <= length && g_ascii_strncasecmp ((const char *) bytes, boundary, size) == 0)
          return TRUE;
      }
  return FALSE;
}

/* A line in a part that begins like the delimiter of a multipart around it. */
static gboolean
holds_delimiter (const Walk *walk, const Item *item, const Range *range)
{
  const guint8 *start = walk->bytes + range->start;
  const guint8 *end = walk->bytes + range->end;
  const guint8 *at = start, *told = start;

  while (end - at > 2)
    {
      gsize some = MIN ((gsize) (end - at), TELL);
      const guint8 *dash = memchr (at, '-', some);

      at = dash == NULL ? at + some : dash + 1;
      if (at - told >= TELL)
        inspect_passed (walk->inspection, told = at);
      if (dash != NULL && end - dash > 2 && dash[1] == '-' && (dash == start || dash[-1] == '\n')
          && is_boundary (walk, item, dash + 2, (gsize) (end - dash - 2)))
        return TRUE;
      while (dash != NULL && at < end && *at == '-') /* none of these begins a line */
        at++;
    }
  return FALSE;
}

static void
inspect_leaf (Walk *walk, const WeirEntity *place, const Item *item, const Entity *entity)
{
  Range range = { place->start, place->end };
  const guint8 *bytes = walk->bytes + range.start;
  gboolean delimiter, encoded;

  if (!place->has_body)
    return;
  g_array_append_val (walk->ranges, range);
  inspect_body (walk->inspection, entity, bytes, range.end - range.start, 0);
  delimiter = holds_delimiter (walk, item_at (walk, item->parent), &range);
  if (delimiter)
    inspect_find (walk->inspection, CONDITION_AMBIGUOUS, entity->name,
                  "ambiguous: a line like a boundary in a part");
  /* What should be no leaf: its own encoding is not everybody's. */
  encoded = entity->nested && (entity->encodings & ~(guint) DECODE_IDENTITY) != 0;
  if (item->ambiguous || delimiter || encoded)
    inspect_loose (walk->inspection, bytes, range.end - range.start, 1);
}

static void
visit (Walk *walk, guint index)
{
  Inspection *inspection = walk->inspection;
  WeirEntity place = weir_entity (inspection->context, index);
  const Item *parent = item_at (walk, place.parent);
  Item item = { place.parent, parent == NULL ? WEIR_NO_ENTITY : parent->owner, FALSE, NULL };
  guint before = inspection->findings->len;
  Entity entity = { 0 };

  inspection->part = item.owner != WEIR_NO_ENTITY ? item.owner : index;
  inspect_fields (walk, index, place.n_fields, &entity);
  check_ambiguous (walk, &entity);
  if (inspection->findings->len > before)
    item.owner = inspection->part;
  item.ambiguous
      = (parent != NULL && parent->ambiguous) || entity.n_types > 1 || entity.n_encodings > 1;
  if (place.kind == WEIR_ENTITY_MULTIPART)
    {
      take_boundaries (walk, index, place.n_fields, &item);
      walk->quoted |= (entity.encodings & DECODE_QUOTED_PRINTABLE) != 0;
    }
  else if (place.kind == WEIR_ENTITY_LEAF)
    inspect_leaf (walk, &place, &item, &entity);
  g_array_append_val (walk->items, item);
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

  walk->inspection->part = WEIR_NO_ENTITY;
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
walk_message (Inspection *inspection, WeirContext *context, const guint8 *bytes, gsize length)
{
  Walk walk = { .inspection = inspection, .bytes = bytes, .length = length };
  guint count = weir_entity_count (context);

  inspection->context = context;
  inspection->message = bytes;
  inspection->length = length;
  walk.items = g_array_new (FALSE, FALSE, sizeof (Item));
  g_array_set_clear_func (walk.items, clear_item);
  walk.ranges = g_array_new (FALSE, FALSE, sizeof (Range));
  for (guint i = 0; i < count && !inspection->exhausted; i++) /* it is refused whatever follows */
    visit (&walk, i);
  if (!inspection->exhausted)
    inspect_gaps (&walk);
  if (walk.quoted && !inspection->exhausted)
    inspect_quoted (&walk);
  g_array_unref (walk.items);
  g_array_unref (walk.ranges);
}
