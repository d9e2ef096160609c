/* Entities in bytes that no part owns: found by their Content-* fields, wherever they stand.
 * Nothing fails; work is counted, see inspect.h. */
#include <string.h>

#include "decode.h"
#include "inspect.h"

#define LOOSE_MAX_DEPTH 16 /* of encodings inside encodings */
#define NO_CUT G_MAXSIZE
#define PIECE 128 /* octets that are searched for a line end at a time */

/* The octets of the line at `bytes` without its line break (CRLF, LF or CR), and in `next` with it.
 */
static gsize
line_length (const guint8 *bytes, gsize length, gsize *next)
{
  gsize line = 0;

  for (gboolean found = FALSE; line < length && !found;)
    {
      gsize some = MIN (length - line, PIECE);
      const guint8 *feed = memchr (bytes + line, '\n', some);
      gsize before = feed == NULL ? some : (gsize) (feed - bytes) - line;
      const guint8 *carriage = memchr (bytes + line, '\r', before);

      found = feed != NULL || carriage != NULL;
      line += carriage == NULL ? before : (gsize) (carriage - bytes) - line;
    }
  *next = line;
  if (*next < length && bytes[*next] == '\r')
    (*next)++;
  if (*next < length && bytes[*next] == '\n')
    (*next)++;
  return line;
}

/* The length of the name of a Content-* field that begins at `line`; 0: none does. */
static gsize
content_name (const guint8 *line, gsize length)
{
  const guint8 *colon;
  gsize end;

  if (length < 12 || !text_is ((const char *) line, 8, "content-"))
    return 0;
  colon = memchr (line, ':', MIN (length, 64));
  if (colon == NULL)
    return 0;
  end = (gsize) (colon - line);
  while (end > 0 && (line[end - 1] == ' ' || line[end - 1] == '\t'))
    end--;
  return end;
}

/* The field at `bytes` with its folds. */
static gsize
field_length (const guint8 *bytes, gsize length)
{
  gsize next;

  line_length (bytes, length, &next);
  while (next < length && (bytes[next] == ' ' || bytes[next] == '\t'))
    {
      gsize more;

      line_length (bytes + next, length - next, &more);
      next += more;
    }
  return next;
}

/* Whether something in front of a colon may be a name. */
static gboolean
is_field (const guint8 *line, gsize length)
{
  const guint8 *colon = memchr (line, ':', length);
  gsize name = colon == NULL ? 0 : (gsize) (colon - line);

  for (gsize i = 0; i < name; i++)
    if (line[i] < ' ' || line[i] >= 0x7f)
      return FALSE;
  return name > 0;
}

/* Reads the fields from `bytes` to a blank line or a delimiter; how long they are together. `*cut`
 * becomes the first line among them that is none: to some programs the body begins there. */
static gsize
read_fields (Inspection *inspection, Entity *entity, const guint8 *bytes, gsize length, gsize *cut)
{
  gsize at = 0;

  while (at < length)
    {
      gsize next;
      gsize line = line_length (bytes + at, length - at, &next);
      gsize name = content_name (bytes + at, line);

      if (line == 0)
        return at + next;
      if (line >= 2 && bytes[at] == '-' && bytes[at + 1] == '-')
        return at;
      if (*cut == NO_CUT && !is_field (bytes + at, line))
        *cut = at;
      next = field_length (bytes + at, length - at);
      if (name > 0)
        {
          const guint8 *colon = memchr (bytes + at, ':', next);
          gsize value = (gsize) (colon + 1 - bytes);

          inspect_field (inspection, entity, (const char *) bytes + at, name,
                         (const char *) bytes + value, at + next - value, FALSE);
        }
      at += next;
    }
  return at;
}

/* To the next line that might be a delimiter. */
static gsize
body_length (const guint8 *bytes, gsize length)
{
  gsize at = 0;

  while (at < length && !(length - at >= 2 && bytes[at] == '-' && bytes[at + 1] == '-'))
    {
      const guint8 *end = memchr (bytes + at, '\n', length - at);

      at = end == NULL ? length : (gsize) (end + 1 - bytes);
    }
  return at;
}

static gsize
take_entity (Inspection *inspection, const guint8 *bytes, gsize length, guint depth)
{
  Entity entity = { 0 };
  gsize cut = NO_CUT;
  gsize body = read_fields (inspection, &entity, bytes, length, &cut);
  gsize rest = body_length (bytes + body, length - body);

  if (entity.encodings == 0)
    entity.encodings = DECODE_IDENTITY;
  if (inspect_spend (inspection, rest / 8)
      && (entity.hidden || entity.encodings != DECODE_IDENTITY))
    {
      entity.nested &= entity.encodings != DECODE_IDENTITY; /* else the scan goes on inside */
      inspect_body (inspection, &entity, bytes + body, rest, depth);
    }
  if (cut != NO_CUT && inspect_spend (inspection, (body - cut + rest) / 8))
    inspect_body (inspection, &entity, bytes + cut, body_length (bytes + cut, length - cut), depth);
  inspect_entity_clear (&entity);
  return body;
}

void
inspect_loose (Inspection *inspection, const guint8 *bytes, gsize length, guint depth)
{
  if (length == 0 || !inspect_spend (inspection, depth > LOOSE_MAX_DEPTH ? G_MAXSIZE : length))
    return;
  for (gsize at = 0; at < length && !inspection->exhausted;)
    {
      gsize next;
      gsize line = line_length (bytes + at, length - at, &next);

      if (content_name (bytes + at, line) > 0)
        next = take_entity (inspection, bytes + at, length - at, depth);
      at += next;
    }
}
