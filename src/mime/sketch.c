/* What leaves no choice: fields by the letter, one Content-Type an entity, multiparts whose
 * boundaries can not be taken for each other, occur as delimiters alone, in their order, and are
 * all closed. Messages inside, digests and line ends other than CRLF are GMime's.
 *
 * A boundary in the middle of a line counts as well, because GMime takes what its buffer begins
 * with for the beginning of a line. */
#include "mime/sketch.h"

#include <string.h>

void
mime_sketch_doubt (MimeSketch *sketch)
{
  g_clear_pointer (&sketch->outline, mime_outline_free);
}

static const MimeBoundary *
innermost (const MimeSketch *sketch)
{
  guint count = sketch->boundaries->len;

  return count == 0 ? NULL : &g_array_index (sketch->boundaries, MimeBoundary, count - 1);
}

static MimeEntity *
at_hand (const MimeSketch *sketch)
{
  return mime_outline_nth (sketch->outline, sketch->outline->entities->len - 1);
}

void
mime_sketch_entity (MimeSketch *sketch)
{
  const MimeBoundary *around = innermost (sketch);

  if (sketch->outline == NULL)
    return;
  mime_outline_add (sketch->outline, around == NULL ? MIME_NO_ENTITY : around->entity);
  sketch->typed = FALSE;
}

static gboolean
ends_line (const guint8 *line, const guint8 *end)
{
  return end - line >= 2 && end[-2] == '\r' && end[-1] == '\n';
}

static gboolean
is_white (const guint8 *line, const guint8 *end)
{
  while (line < end && (*line == ' ' || *line == '\t' || *line == '\r' || *line == '\n'))
    line++;
  return line == end;
}

void
mime_sketch_header_line (MimeSketch *sketch, const guint8 *line, const guint8 *end, gsize name)
{
  gboolean fold = *line == ' ' || *line == '\t';

  if (sketch->outline == NULL)
    return;
  if (!ends_line (line, end) || (fold ? is_white (line, end) : name == 0))
    {
      mime_sketch_doubt (sketch);
      return;
    }
  if (sketch->boundaries->len == 0)
    return;
  for (const guint8 *at = line; (at = memchr (at, '-', (gsize) (end - at))) != NULL; at++)
    if (at[1] == '-') /* a line end follows at least */
      mime_sketch_dashes (sketch, at, end);
}

void
mime_sketch_field (MimeSketch *sketch, MimeFieldKind kind, const guint8 *field, gsize name,
                   gsize length)
{
  if (sketch->outline == NULL)
    return;
  if (name == 0 || name > MIME_SKETCH_NAME || field[name] != ':'
      || at_hand (sketch)->n_fields == MIME_SKETCH_FIELDS)
    mime_sketch_doubt (sketch);
  else if (kind >= MIME_FIELD_CONTENT)
    mime_outline_add_field (sketch->outline, (const gchar *) field, name,
                            (const gchar *) field + name + 1, length - name - 1);
}

/* Whether a line could be taken for a delimiter of both: one boundary is the other, or the other's
 * closing delimiter. */
static gboolean
is_like_another (const MimeSketch *sketch, const guint8 *boundary, gsize length)
{
  for (guint i = 0; i < sketch->boundaries->len; i++)
    {
      const MimeBoundary *other = &g_array_index (sketch->boundaries, MimeBoundary, i);

      gsize both = MIN (other->length, length);
      const guint8 *longer = length > both ? boundary : (const guint8 *) other->boundary;

      if (memcmp (other->boundary, boundary, both) == 0
          && (other->length == length || longer[both] == '-'))
        return TRUE;
    }
  return FALSE;
}

void
mime_sketch_type (MimeSketch *sketch, MimeTypeKind kind, const guint8 *boundary, gsize length)
{
  if (sketch->outline == NULL)
    return;
  if (sketch->typed || (kind != MIME_TYPE_LEAF && kind != MIME_TYPE_MULTIPART)
      || (kind == MIME_TYPE_MULTIPART && is_like_another (sketch, boundary, length)))
    mime_sketch_doubt (sketch);
  else if (kind == MIME_TYPE_MULTIPART)
    at_hand (sketch)->kind = MIME_ENTITY_MULTIPART;
  sketch->typed = TRUE;
}

void
mime_sketch_body (MimeSketch *sketch, const guint8 *line, const guint8 *body)
{
  MimeEntity *entity;

  if (sketch->outline == NULL)
    return;
  if (body - line != 2 || *line != '\r' || line == sketch->bytes)
    {
      mime_sketch_doubt (sketch);
      return;
    }
  entity = at_hand (sketch);
  entity->has_body = sketch->open = entity->kind == MIME_ENTITY_LEAF;
  entity->start = entity->end = (gsize) (body - sketch->bytes);
}

void
mime_sketch_dashes (MimeSketch *sketch, const guint8 *dashes, const guint8 *end)
{
  gsize room = (gsize) (end - dashes);

  for (guint i = 0; sketch->outline != NULL && i < sketch->boundaries->len; i++)
    {
      const MimeBoundary *boundary = &g_array_index (sketch->boundaries, MimeBoundary, i);

      if (++sketch->looks > MIME_SKETCH_LOOKS
          || (room >= 2 + boundary->length
              && memcmp (dashes + 2, boundary->boundary, boundary->length) == 0))
        mime_sketch_doubt (sketch);
    }
}

/* The line break ahead of the delimiter is the delimiter's (RFC 2046 section 5.1.1), unless the
 * body has none of its own. FALSE: another line break stands there. */
static gboolean
close_leaf (MimeSketch *sketch, const guint8 *delimiter)
{
  MimeEntity *entity = at_hand (sketch);
  gsize offset = (gsize) (delimiter - sketch->bytes);

  if (!sketch->open)
    return TRUE;
  sketch->open = FALSE;
  entity->end = offset == entity->start ? offset : offset - 2;
  return offset == entity->start
         || (offset >= entity->start + 2 && ends_line (delimiter - 2, delimiter));
}

void
mime_sketch_delimiter (MimeSketch *sketch, guint index, const guint8 *line, const guint8 *rest,
                       const guint8 *end)
{
  const MimeBoundary *boundary = innermost (sketch);
  gboolean closing = end - rest == 4 && rest[0] == '-' && rest[1] == '-';

  if (sketch->outline != NULL
      && (index + 1 != sketch->boundaries->len || !(closing || end - rest == 2)
          || !ends_line (rest, end) || (closing && !boundary->begun) || !close_leaf (sketch, line)))
    mime_sketch_doubt (sketch);
}

void
mime_sketch_finish (MimeSketch *sketch, const guint8 *end)
{
  if (sketch->outline == NULL)
    return;
  if (sketch->boundaries->len > 0)
    mime_sketch_doubt (sketch);
  else if (sketch->open)
    at_hand (sketch)->end = (gsize) (end - sketch->bytes);
}
