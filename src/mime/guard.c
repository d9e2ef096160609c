/* The scan before GMime: header blocks, boundaries and nesting by lines, counted against limits.
 * Where mail is ambiguous it counts every reading, so that it never sees fewer parts or less depth
 * than GMime: a header block goes on to its blank line whatever stands in it, and each Content-Type
 * of it counts.
 *
 * It fails by its first problem; it allocates one small record for each open boundary and no more.
 */
#include "mime/guard.h"

#include <string.h>

#include <gmime/gmime.h>

#include "mime/fields.h"
#include "mime/pages.h"
#include "mime/sketch.h"

#define STEP (256 * 1024) /* octets of a body that are searched before pages are let go */

typedef struct
{
  const MimeLimits *limits;
  MimeProblem *problem;
  MimePages pages;
  MimeSketch sketch;
  GArray *boundaries; /* of MimeBoundary, innermost last */
  guint level;
  guint64 parts;
  guint64 comparisons;
  guint64 conversions;
  gboolean in_header;
  gboolean headers_only;
  gboolean
      digest; /* the innermost multipart is one: its parts are messages unless they say otherwise */
  gboolean nests; /* this header block announces a message inside */
  gboolean typed; /* this header block has a Content-Type */
  guint64 header_bytes;
  guint fields;
  const guint8 *field; /* start of the field that is being collected; NULL: none */
  gsize name;          /* octets of its name; 0: it has none */
} Scan;

static gboolean
over (Scan *scan, MimeProblemKind kind, guint64 value, guint64 limit)
{
  if (value <= limit)
    return FALSE;
  if (scan->problem->kind == MIME_PROBLEM_NONE)
    *scan->problem = (MimeProblem){ kind, value, limit };
  return TRUE;
}

static void
clear_boundary (gpointer data)
{
  g_free (((MimeBoundary *) data)->boundary);
}

static void
push (Scan *scan, const gchar *boundary, gsize length)
{
  const MimeOutline *outline = scan->sketch.outline;
  MimeBoundary entry = { g_strndup (boundary, length),
                         length,
                         scan->level,
                         scan->digest,
                         outline == NULL ? MIME_NO_ENTITY : outline->entities->len - 1,
                         FALSE };

  over (scan, MIME_PROBLEM_BOUNDARY, length, MIME_MAX_BOUNDARY);
  g_array_append_val (scan->boundaries, entry);
}

static void
open_multipart (Scan *scan, gboolean digest, const gchar *boundary, gsize length)
{
  scan->level++;
  scan->digest = digest;
  over (scan, MIME_PROBLEM_DEPTH, scan->level, scan->limits->depth);
  if (boundary != NULL)
    push (scan, boundary, length);
}

/* GMime's reading of such a field is the one that counts here, and it is dear: not for a type that
 * can hold nothing, whatever GMime makes of it. */
static void
read_unclear_type (Scan *scan, const guint8 *field, gsize length)
{
  g_autofree gchar *value = mime_field_value (field, length);
  GMimeContentType *type = NULL;
  g_autoptr (GObject) owner = NULL;
  const gchar *boundary = NULL;

  if (strcasestr (value, "multipart") == NULL && strcasestr (value, "message") == NULL)
    return;
  type = g_mime_content_type_parse (NULL, value);
  owner = G_OBJECT (type);
  boundary = g_mime_content_type_get_parameter (type, "boundary");
  if (g_mime_content_type_is_type (type, "message", "*"))
    scan->nests = TRUE;
  if (g_mime_content_type_is_type (type, "multipart", "*"))
    open_multipart (scan, g_mime_content_type_is_type (type, "multipart", "digest"), boundary,
                    boundary == NULL ? 0 : strlen (boundary));
}

static void
read_content_type (Scan *scan, const guint8 *field, gsize length)
{
  const guint8 *boundary = NULL;
  gsize size = 0;
  MimeTypeKind kind
      = mime_type_read (field + scan->name + 1, length - scan->name - 1, &boundary, &size);

  scan->typed = TRUE;
  mime_sketch_type (&scan->sketch, kind, boundary, size);
  switch (kind)
    {
    case MIME_TYPE_UNCLEAR:
      read_unclear_type (scan, field, length);
      break;
    case MIME_TYPE_LEAF:
      break;
    case MIME_TYPE_MESSAGE:
      scan->nests = TRUE;
      break;
    case MIME_TYPE_DIGEST:
    case MIME_TYPE_MULTIPART:
      open_multipart (scan, kind == MIME_TYPE_DIGEST, (const gchar *) boundary, size);
      break;
    }
}

static void
check_addresses (Scan *scan, const guint8 *field, gsize length)
{
  guint64 colons = 0;

  for (const guint8 *at = field; (at = memchr (at, ':', length - (gsize) (at - field))) != NULL;
       at++)
    colons++;
  over (scan, MIME_PROBLEM_ADDRESS_BYTES, length, scan->limits->address_field_bytes);
  /* The one behind the name is no group. */
  over (scan, MIME_PROBLEM_ADDRESS_COLONS, colons - 1, scan->limits->address_colons);
}

/* GMime converts parameters as it parses them, each with a converter of its own, which the C
 * library may have to load from a file. */
static gboolean
too_many_conversions (Scan *scan, const guint8 *field, gsize length)
{
  const guint8 *end = field + length;

  for (const guint8 *at = field; (at = memchr (at, '=', (gsize) (end - at))) != NULL; at++)
    scan->conversions += (at + 1 < end && at[1] == '?') + (at > field && at[-1] == '*');
  return over (scan, MIME_PROBLEM_CONVERSIONS, scan->conversions, MIME_MAX_CONVERSIONS);
}

/* Parameters are parsed, and parts found, only with the body. */
static void
check_parameters (Scan *scan, MimeFieldKind kind, const guint8 *field, gsize length)
{
  if ((length > MIME_MAX_PARAMETER_NAME
       && over (scan, MIME_PROBLEM_PARAMETER_NAME, mime_field_longest_parameter (field, length),
                MIME_MAX_PARAMETER_NAME))
      || too_many_conversions (scan, field, length))
    return;
  if (kind == MIME_FIELD_TYPE)
    read_content_type (scan, field, length);
}

static void
finish_field (Scan *scan, const guint8 *end)
{
  const guint8 *field = g_steal_pointer (&scan->field);
  gsize length = field == NULL ? 0 : (gsize) (end - field);
  MimeFieldKind kind = MIME_FIELD_OTHER;

  if (field == NULL)
    return;
  if (over (scan, MIME_PROBLEM_FIELD_BYTES, length, scan->limits->field_bytes)
      || over (scan, MIME_PROBLEM_FIELDS, scan->fields, scan->limits->fields)
      || over (scan, MIME_PROBLEM_NUL, memchr (field, 0, length) != NULL ? 1 : 0, 0))
    return;
  kind = mime_field_kind (field, scan->name);
  mime_sketch_field (&scan->sketch, kind, field, scan->name, length);
  if (kind == MIME_FIELD_ADDRESS)
    check_addresses (scan, field, length);
  if (kind >= MIME_FIELD_TYPE && !scan->headers_only)
    check_parameters (scan, kind, field, length);
}

static void
begin_header (Scan *scan)
{
  scan->in_header = TRUE;
  scan->nests = scan->typed = FALSE;
  scan->header_bytes = 0;
  scan->fields = 0;
  mime_sketch_entity (&scan->sketch);
}

static void
end_header (Scan *scan, const guint8 *line, const guint8 *body)
{
  finish_field (scan, line);
  mime_sketch_body (&scan->sketch, line, body);
  scan->in_header = FALSE;
  if (!scan->nests && (scan->typed || !scan->digest))
    return;
  scan->level++;
  scan->parts++;
  over (scan, MIME_PROBLEM_DEPTH, scan->level, scan->limits->depth);
  scan->digest = FALSE;
  begin_header (scan);
}

/* Whether the rest of a delimiter line is white space, as RFC 2046 section 5.1.1 lets it be. */
static gboolean
is_blank (const guint8 *at, const guint8 *end)
{
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
    at++;
  return at == end;
}

/* `*like`: it begins like one, at least. */
static gboolean
is_delimiter (Scan *scan, guint index, const guint8 *line, const guint8 *end, gboolean *closing,
              gboolean *like)
{
  const MimeBoundary *boundary = &g_array_index (scan->boundaries, MimeBoundary, index);
  const guint8 *rest = line + 2 + boundary->length;

  if (rest > end || memcmp (line + 2, boundary->boundary, boundary->length) != 0)
    return FALSE;
  *like = TRUE;
  *closing = !is_blank (rest, end);
  if (*closing
      && !(end - rest >= 2 && rest[0] == '-' && rest[1] == '-' && is_blank (rest + 2, end)))
    return FALSE;
  mime_sketch_delimiter (&scan->sketch, index, line, rest, end);
  return TRUE;
}

/* Back to the multipart at `index`, of which another part begins, or the end is met. */
static void
close_up_to (Scan *scan, guint index, gboolean closing)
{
  MimeBoundary *boundary = &g_array_index (scan->boundaries, MimeBoundary, index);

  scan->in_header = FALSE;
  scan->level = boundary->level;
  scan->digest = boundary->digest;
  boundary->begun = TRUE;
  g_array_set_size (scan->boundaries, closing ? index : index + 1);
  if (closing)
    {
      scan->level--;
      return;
    }
  over (scan, MIME_PROBLEM_PARTS, ++scan->parts, scan->limits->parts);
  begin_header (scan);
}

/* A line with "--" in front: pops what it ends. TRUE: it was a delimiter. */
static gboolean
read_delimiter (Scan *scan, const guint8 *line, const guint8 *end)
{
  gboolean closing = FALSE, like = FALSE;
  guint index = scan->boundaries->len;

  while (index > 0)
    {
      scan->comparisons++;
      if (is_delimiter (scan, index - 1, line, end, &closing, &like))
        break;
      index--;
    }
  over (scan, MIME_PROBLEM_COMPARISONS, scan->comparisons, MIME_MAX_COMPARISONS);
  if (scan->in_header ? index > 0 : index == 0 && like)
    mime_sketch_doubt (&scan->sketch);
  if (index == 0)
    return FALSE;
  finish_field (scan, line);
  close_up_to (scan, index - 1, closing);
  return TRUE;
}

static void
read_header_line (Scan *scan, const guint8 *line, const guint8 *end)
{
  gboolean fold = *line == ' ' || *line == '\t';
  gsize name = 0;

  scan->header_bytes += (guint64) (end - line);
  over (scan, MIME_PROBLEM_HEADER_BYTES, scan->header_bytes, scan->limits->header_bytes);
  if (!fold && is_blank (line, end))
    {
      end_header (scan, line, end);
      return;
    }
  name = fold && scan->field != NULL ? 0 : mime_field_name (line, (gsize) (end - line));
  mime_sketch_header_line (&scan->sketch, line, end, name);
  if (fold && scan->field != NULL)
    return;
  finish_field (scan, line);
  if (name > 0)
    scan->fields++;
  else if (scan->fields == 0 && memcmp (line, "From ", MIN (5, end - line)) != 0)
    {
      /* A part that begins with its body, such as an encoded message: so GMime takes it too. */
      mime_sketch_doubt (&scan->sketch);
      scan->in_header = FALSE;
      return;
    }
  scan->field = line;
  scan->name = name;
}

static const guint8 *
line_end (const guint8 *line, const guint8 *end)
{
  const guint8 *feed = memchr (line, '\n', (gsize) (end - line));

  return feed == NULL ? end : feed + 1;
}

/* From a line's beginning to the next line of a body that begins with "--", or to the end. Base64
 * has no '-': its lines are passed by without being looked at. */
static const guint8 *
find_dashes (Scan *scan, const guint8 *at, const guint8 *end)
{
  while (at < end)
    {
      const guint8 *stop = at + MIN (end - at, STEP);
      const guint8 *dash = memchr (at, '-', (gsize) (stop - at));

      at = dash == NULL ? stop : dash + 1;
      mime_pages_read (&scan->pages, (gsize) (at - scan->sketch.bytes));
      if (dash == NULL || at == end || *at != '-')
        continue;
      if (dash[-1] == '\n')
        return dash;
      mime_sketch_dashes (&scan->sketch, dash, end);
      while (scan->sketch.outline == NULL && at < end && *at == '-')
        at++;
    }
  return end;
}

/* The line at `line`, or all of a body in front of the next line that can be a delimiter. Returns
 * where to go on. */
static const guint8 *
read_on (Scan *scan, const guint8 *line, const guint8 *end)
{
  const guint8 *next = NULL;
  gboolean dashes = end - line >= 2 && line[0] == '-' && line[1] == '-';

  if (!dashes && !scan->in_header)
    return find_dashes (scan, line, end);
  next = line_end (line, end);
  mime_pages_read (&scan->pages, (gsize) (next - scan->sketch.bytes));
  if (dashes && read_delimiter (scan, line, next))
    return next;
  if (!scan->in_header)
    return find_dashes (scan, line + 1, end);
  read_header_line (scan, line, next);
  return next;
}

static gboolean
run_scan (Scan *scan, const guint8 *bytes, gsize length)
{
  const guint8 *end = bytes + length;
  const guint8 *line = bytes;

  begin_header (scan);
  while (line < end && scan->problem->kind == MIME_PROBLEM_NONE
         && (scan->in_header || !scan->headers_only))
    line = read_on (scan, line, end);
  if (scan->in_header)
    mime_sketch_doubt (&scan->sketch);
  if (scan->problem->kind == MIME_PROBLEM_NONE)
    finish_field (scan, line);
  if (scan->problem->kind == MIME_PROBLEM_NONE)
    over (scan, MIME_PROBLEM_PARTS, scan->parts, scan->limits->parts);
  mime_sketch_finish (&scan->sketch, end);
  return scan->problem->kind == MIME_PROBLEM_NONE;
}

/* `outline`: NULL, or where to put it. */
static gboolean
check (Scan *scan, const guint8 *bytes, gsize length, MimeOutline **outline)
{
  gboolean fine = FALSE;

  *scan->problem = (MimeProblem){ MIME_PROBLEM_NONE, 0, 0 };
  scan->boundaries = g_array_new (FALSE, FALSE, sizeof (MimeBoundary));
  g_array_set_clear_func (scan->boundaries, clear_boundary);
  scan->sketch = (MimeSketch){ .bytes = bytes, .boundaries = scan->boundaries };
  if (outline != NULL && length > 0 && length < G_MAXUINT32)
    scan->sketch.outline = mime_outline_new ();
  fine = run_scan (scan, bytes, length);
  if (outline != NULL && fine)
    *outline = g_steal_pointer (&scan->sketch.outline);
  mime_sketch_doubt (&scan->sketch);
  g_array_unref (scan->boundaries);
  return fine;
}

gboolean
mime_guard_check (const guint8 *bytes, gsize length, gboolean mapped, const MimeLimits *limits,
                  MimeOutline **outline, MimeProblem *problem)
{
  Scan scan
      = { .limits = limits, .problem = problem, .pages = mime_pages_new (bytes, length, mapped) };

  if (outline != NULL)
    *outline = NULL;
  return check (&scan, bytes, length, outline);
}

gboolean
mime_guard_check_headers (const guint8 *bytes, gsize length, const MimeLimits *limits,
                          MimeProblem *problem)
{
  Scan scan = { .limits = limits,
                .problem = problem,
                .pages = mime_pages_new (bytes, length, FALSE),
                .headers_only = TRUE };

  return check (&scan, bytes, length, NULL);
}

void
mime_init (void)
{
  static gsize once = 0;

  if (g_once_init_enter (&once))
    {
      g_mime_init ();
      g_once_init_leave (&once, 1);
    }
}

gchar *
mime_problem_text (const MimeProblem *problem)
{
  static const struct
  {
    const gchar *before;
    const gchar *after;
  } texts[] = {
    [MIME_PROBLEM_NONE] = { "message is over no limit of", "" },
    [MIME_PROBLEM_HEADER_BYTES]
    = { "message has a header block of more than", "octets (limit header-block)" },
    [MIME_PROBLEM_FIELD_BYTES]
    = { "message has a header field of more than", "octets (limit header-field)" },
    [MIME_PROBLEM_FIELDS] = { "message has more than", "header fields (limit header-fields)" },
    [MIME_PROBLEM_ADDRESS_BYTES]
    = { "message has an address field of more than", "octets (limit address-field)" },
    [MIME_PROBLEM_ADDRESS_COLONS]
    = { "message has an address field of more than", "colons (limit address-colons)" },
    [MIME_PROBLEM_NUL] = { "message has a header field with more than", "NULs" },
    [MIME_PROBLEM_DEPTH] = { "message is nested deeper than", "levels (limit depth)" },
    [MIME_PROBLEM_PARTS] = { "message has more than", "parts (limit parts)" },
    [MIME_PROBLEM_PARAMETER_NAME]
    = { "message has a parameter with a name of more than", "octets" },
    [MIME_PROBLEM_BOUNDARY] = { "message has a boundary of more than", "octets" },
    [MIME_PROBLEM_COMPARISONS] = { "message needs more than", "comparisons to find its parts" },
    [MIME_PROBLEM_CONVERSIONS]
    = { "message has more than", "encoded-words or charsets in its parameters" },
  };

  return g_strdup_printf ("%s %" G_GUINT64_FORMAT " %s", texts[problem->kind].before,
                          problem->limit, texts[problem->kind].after);
}
