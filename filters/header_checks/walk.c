/* A machine of three states that reads lines. It keeps boundaries, and nothing else of MIME. */
#include "walk.h"

#include <string.h>

#include "action.h"
#include "content-type.h"

typedef enum
{
  STATE_PART,   /* in the header of a part */
  STATE_NESTED, /* in the header of a message inside */
  STATE_BODY
} State;

typedef struct
{
  char *text;
  gsize length;
  gboolean digest;
} Boundary;

struct _Walk
{
  gsize header_size;
  WalkFunc func;
  gpointer data;
  State state;
  ContentKind content; /* of the entity whose header is being read */
  GArray *boundaries;  /* of Boundary, the innermost last */
  gboolean too_deep;
  GString *field; /* being collected; empty: none */
  WalkItem item;  /* of that */
  gsize offset;   /* in the body of the part */
};

/* A line of the body: text, then its break. */
typedef struct
{
  const char *text;
  gsize length;
  gsize start;
  gsize end;
} Line;

static void
clear_boundary (gpointer data)
{
  g_free (((Boundary *) data)->text);
}

Walk *
walk_new (gsize header_size, WalkFunc func, gpointer data)
{
  Walk *walk = g_new0 (Walk, 1);

  walk->header_size = header_size;
  walk->func = func;
  walk->data = data;
  walk->content = CONTENT_OTHER;
  walk->field = g_string_new (NULL);
  walk->boundaries = g_array_new (FALSE, FALSE, sizeof (Boundary));
  g_array_set_clear_func (walk->boundaries, clear_boundary);
  return walk;
}

void
walk_free (Walk *walk)
{
  if (walk == NULL)
    return;
  g_string_free (walk->field, TRUE);
  g_array_unref (walk->boundaries);
  g_free (walk);
}

gboolean
walk_is_too_deep (const Walk *walk)
{
  return walk->too_deep;
}

/* ---- Fields ---- */

static void
push_boundary (const char *text, gboolean digest, gpointer data)
{
  Walk *walk = data;
  Boundary boundary = { NULL, MIN (strlen (text), WALK_BOUNDARY), digest };

  if (walk->boundaries->len > WALK_DEPTH)
    {
      walk->too_deep = TRUE;
      return;
    }
  boundary.text = g_strndup (text, boundary.length);
  g_array_append_val (walk->boundaries, boundary);
}

static gboolean
is_of_mime (const char *field)
{
  static const char *const names[]
      = { "Content-Description",       "Content-Disposition", "Content-ID",
          "Content-Transfer-Encoding", "Content-Type",        "MIME-Version" };
  gsize length = strcspn (field, ":");

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (strlen (names[i]) == length && g_ascii_strncasecmp (names[i], field, length) == 0)
      return TRUE;
  return FALSE;
}

/* As much of the text as the limit allows, looked at ahead of each piece that Postfix would read.
 */
static void
collect (Walk *walk, const char *text, gsize length)
{
  for (gsize at = 0; at < length && walk->field->len < walk->header_size; at += WALK_LINE)
    g_string_append_len (walk->field, text + at, (gssize) MIN (length - at, WALK_LINE));
}

/* The name, and what is behind the space that may stand ahead of the colon. */
static void
collect_first (Walk *walk, const char *text, gsize length, gsize name, gsize colon)
{
  g_string_append_len (walk->field, text, (gssize) name);
  collect (walk, text + colon, length - colon);
}

static void
collect_next (Walk *walk, const char *text, gsize length)
{
  if (walk->field->len >= walk->header_size)
    return;
  g_string_append_c (walk->field, '\n');
  collect (walk, text, length);
}

/* The field that was collected is whole. */
static gboolean
end_field (Walk *walk, WalkKind kind)
{
  ContentKind said = CONTENT_KEPT;
  gboolean going_on;

  if (walk->field->len == 0)
    return TRUE;
  walk->item.text = walk->field->str;
  walk->item.length = walk->field->len;
  walk->item.kind = is_of_mime (walk->field->str) ? WALK_MIME : kind;
  if (g_ascii_strncasecmp (walk->field->str, "Content-Type:", 13) == 0)
    said = content_type_read (walk->field->str + 13, push_boundary, walk);
  if (said != CONTENT_KEPT)
    walk->content = said;
  going_on = walk->func (&walk->item, walk->data);
  g_string_truncate (walk->field, 0);
  return going_on;
}

static gsize
without_break (const char *text, gsize length)
{
  return length > 0 && text[length - 1] == '\r' ? length - 1 : length;
}

gboolean
walk_field (Walk *walk, guint field, const char *name, const char *raw)
{
  gsize end = strcspn (raw, "\n");

  walk->item = (WalkItem){ .field = field };
  g_string_append_printf (walk->field, "%s:", name);
  collect (walk, raw, without_break (raw, end));
  while (raw[end] == '\n' && raw[end + 1] != '\0')
    {
      raw += end + 1;
      end = strcspn (raw, "\n");
      collect_next (walk, raw, without_break (raw, end));
    }
  return end_field (walk, WALK_HEADER);
}

/* ---- Lines ---- */

/* The line at `*at`, which moves behind it. */
static Line
next_line (const char *bytes, gsize length, gsize *at)
{
  const char *lf = memchr (bytes + *at, '\n', length - *at);
  Line line = { bytes + *at, 0, *at, lf == NULL ? length : (gsize) (lf - bytes) + 1 };

  line.length = lf == NULL ? length - *at : without_break (line.text, (gsize) (lf - line.text));
  *at = line.end;
  return line;
}

/* What comes behind a header. */
static void
enter_body (Walk *walk, gboolean blank)
{
  walk->offset = 0;
  walk->state = STATE_BODY;
  if (!blank)
    return;
  if (walk->content == CONTENT_MESSAGE)
    walk->state = STATE_NESTED;
  walk->content = CONTENT_OTHER;
}

/* TRUE: the line belongs to the header. */
static gboolean
read_header_line (Walk *walk, const Line *line, gboolean *going_on)
{
  gboolean folded = line->length > 0 && (*line->text == ' ' || *line->text == '\t');
  gsize colon;
  gsize name;

  if (walk->field->len > 0 && folded)
    {
      collect_next (walk, line->text, line->length);
      walk->item.end = line->end;
      walk->item.line_break = line->end - line->start - line->length;
      return TRUE;
    }
  *going_on = end_field (walk, walk->state == STATE_NESTED ? WALK_NESTED : WALK_MIME);
  name = action_field_name (line->text, MIN (line->length, WALK_LINE), &colon);
  if (name == 0)
    {
      enter_body (walk, line->length == 0);
      return FALSE;
    }
  walk->item = (WalkItem){ .start = line->start, .end = line->end };
  walk->item.line_break = line->end - line->start - line->length;
  collect_first (walk, line->text, line->length, name, colon);
  return TRUE;
}

static void
look_for_boundary (Walk *walk, const Line *line)
{
  if (line->length < 2 || line->text[0] != '-' || line->text[1] != '-')
    return;
  for (guint i = walk->boundaries->len; i > 0; i--)
    {
      const Boundary *boundary = &g_array_index (walk->boundaries, Boundary, i - 1);
      const char *rest = line->text + 2 + boundary->length;
      gsize left = line->length - 2;

      if (left < boundary->length || memcmp (line->text + 2, boundary->text, boundary->length) != 0)
        continue;
      left -= boundary->length;
      walk->content = boundary->digest ? CONTENT_MESSAGE : CONTENT_OTHER;
      walk->state = STATE_PART;
      if (left >= 2 && rest[0] == '-' && rest[1] == '-')
        {
          i--;
          walk->content = CONTENT_OTHER;
          walk->state = STATE_BODY;
          walk->offset = 0;
        }
      g_array_set_size (walk->boundaries, i);
      return;
    }
}

/* Long lines come in pieces; the break belongs to the line as a whole. */
static gboolean
tell_body_line (Walk *walk, const Line *line)
{
  gsize at = 0;
  gboolean going_on = TRUE;

  do
    {
      gsize length = MIN (line->length - at, WALK_LINE);
      WalkItem item = { .kind = WALK_BODY, .text = line->text + at, .length = length };

      item.start = line->start + at;
      item.end = line->length <= WALK_LINE ? line->end : item.start + length;
      item.line_break = item.end - item.start - length;
      item.offset = walk->offset;
      going_on = walk->func (&item, walk->data);
      walk->offset += length + 1;
      at += length;
    }
  while (going_on && at < line->length);
  return going_on;
}

gboolean
walk_body (Walk *walk, const char *bytes, gsize length, gboolean blank)
{
  gboolean going_on = TRUE;

  enter_body (walk, blank);
  for (gsize at = 0; going_on && at < length;)
    {
      Line line = next_line (bytes, length, &at);

      if (walk->state != STATE_BODY && read_header_line (walk, &line, &going_on))
        continue;
      if (!going_on)
        break;
      if (walk->boundaries->len > 0)
        look_for_boundary (walk, &line);
      going_on = tell_body_line (walk, &line);
    }
  return going_on && end_field (walk, walk->state == STATE_NESTED ? WALK_NESTED : WALK_MIME);
}
