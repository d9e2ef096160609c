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

typedef struct
{
  gchar *boundary;
  gsize length;
  guint level;
  gboolean digest;
} Boundary;

typedef struct
{
  const MimeLimits *limits;
  MimeProblem *problem;
  MimePages pages;
  GArray *boundaries; /* of Boundary, innermost last */
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
  g_free (((Boundary *) data)->boundary);
}

static void
push (Scan *scan, const gchar *boundary)
{
  Boundary entry = { g_strdup (boundary), strlen (boundary), scan->level, scan->digest };

  over (scan, MIME_PROBLEM_BOUNDARY, entry.length, MIME_MAX_BOUNDARY);
  g_array_append_val (scan->boundaries, entry);
}

/* GMime's reading of the field is the one that counts here, and it is dear: not for a type that can
 * hold nothing, whatever GMime makes of it. */
static void
read_content_type (Scan *scan, const gchar *value)
{
  GMimeContentType *type = NULL;
  g_autoptr (GObject) owner = NULL;
  const gchar *boundary = NULL;

  scan->typed = TRUE;
  if (strcasestr (value, "multipart") == NULL && strcasestr (value, "message") == NULL)
    return;
  type = g_mime_content_type_parse (NULL, value);
  owner = G_OBJECT (type);
  boundary = g_mime_content_type_get_parameter (type, "boundary");
  if (g_mime_content_type_is_type (type, "message", "*"))
    scan->nests = TRUE;
  if (!g_mime_content_type_is_type (type, "multipart", "*"))
    return;
  scan->level++;
  scan->digest = g_mime_content_type_is_type (type, "multipart", "digest");
  over (scan, MIME_PROBLEM_DEPTH, scan->level, scan->limits->depth);
  if (boundary != NULL)
    push (scan, boundary);
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
  for (gsize i = 0; i + 1 < length; i++)
    if ((field[i] == '=' && field[i + 1] == '?') || (field[i] == '*' && field[i + 1] == '='))
      scan->conversions++;
  return over (scan, MIME_PROBLEM_CONVERSIONS, scan->conversions, MIME_MAX_CONVERSIONS);
}

static void
finish_field (Scan *scan, const guint8 *end)
{
  const guint8 *field = g_steal_pointer (&scan->field);
  gsize length = field == NULL ? 0 : (gsize) (end - field);

  if (field == NULL)
    return;
  if (over (scan, MIME_PROBLEM_FIELD_BYTES, length, scan->limits->field_bytes)
      || over (scan, MIME_PROBLEM_FIELDS, scan->fields, scan->limits->fields)
      || over (scan, MIME_PROBLEM_NUL, memchr (field, 0, length) != NULL ? 1 : 0, 0))
    return;
  if (mime_field_is_address (field, length))
    check_addresses (scan, field, length);
  /* Parameters are parsed, and parts found, only with the body. */
  if (scan->headers_only || !mime_field_has_parameters (field, length))
    return;
  if (over (scan, MIME_PROBLEM_PARAMETER_NAME, mime_field_longest_parameter (field, length),
            MIME_MAX_PARAMETER_NAME)
      || too_many_conversions (scan, field, length))
    return;
  if (mime_field_is (field, length, "Content-Type"))
    {
      g_autofree gchar *value = mime_field_value (field, length);

      read_content_type (scan, value);
    }
}

static void
begin_header (Scan *scan)
{
  scan->in_header = TRUE;
  scan->nests = scan->typed = FALSE;
  scan->header_bytes = 0;
  scan->fields = 0;
}

static void
end_header (Scan *scan, const guint8 *end)
{
  finish_field (scan, end);
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

static gboolean
is_delimiter (const Boundary *boundary, const guint8 *line, const guint8 *end, gboolean *closing)
{
  const guint8 *rest = line + 2 + boundary->length;

  if (rest > end || memcmp (line + 2, boundary->boundary, boundary->length) != 0)
    return FALSE;
  *closing = FALSE;
  if (is_blank (rest, end))
    return TRUE;
  *closing = end - rest >= 2 && rest[0] == '-' && rest[1] == '-' && is_blank (rest + 2, end);
  return *closing;
}

/* A line with "--" in front: pops what it ends. TRUE: it was a delimiter. */
static gboolean
read_delimiter (Scan *scan, const guint8 *line, const guint8 *end)
{
  gboolean closing = FALSE;
  guint index = scan->boundaries->len;

  while (index > 0)
    {
      scan->comparisons++;
      if (is_delimiter (&g_array_index (scan->boundaries, Boundary, index - 1), line, end,
                        &closing))
        break;
      index--;
    }
  over (scan, MIME_PROBLEM_COMPARISONS, scan->comparisons, MIME_MAX_COMPARISONS);
  if (index == 0)
    return FALSE;
  finish_field (scan, line);
  scan->in_header = FALSE;
  scan->level = g_array_index (scan->boundaries, Boundary, index - 1).level;
  scan->digest = g_array_index (scan->boundaries, Boundary, index - 1).digest;
  g_array_set_size (scan->boundaries, closing ? index - 1 : index);
  if (closing)
    {
      scan->level--;
      return TRUE;
    }
  over (scan, MIME_PROBLEM_PARTS, ++scan->parts, scan->limits->parts);
  begin_header (scan);
  return TRUE;
}

static void
read_header_line (Scan *scan, const guint8 *line, const guint8 *end)
{
  scan->header_bytes += (guint64) (end - line);
  over (scan, MIME_PROBLEM_HEADER_BYTES, scan->header_bytes, scan->limits->header_bytes);
  if (is_blank (line, end) && *line != ' ' && *line != '\t')
    {
      end_header (scan, line);
      return;
    }
  if ((*line == ' ' || *line == '\t') && scan->field != NULL)
    return;
  finish_field (scan, line);
  if (mime_field_is_valid (line, (gsize) (end - line)))
    scan->fields++;
  else if (scan->fields == 0 && memcmp (line, "From ", MIN (5, end - line)) != 0)
    {
      /* A part that begins with its body, such as an encoded message: so GMime takes it too. */
      scan->in_header = FALSE;
      return;
    }
  scan->field = line;
}

static gboolean
run_scan (Scan *scan, const guint8 *bytes, gsize length)
{
  const guint8 *end = bytes + length;
  const guint8 *line = bytes;

  begin_header (scan);
  while (line < end && scan->problem->kind == MIME_PROBLEM_NONE)
    {
      const guint8 *feed = memchr (line, '\n', (gsize) (end - line));
      const guint8 *next = feed == NULL ? end : feed + 1;
      gboolean dashes = next - line >= 2 && line[0] == '-' && line[1] == '-';

      if ((!dashes || !read_delimiter (scan, line, next)) && scan->in_header)
        read_header_line (scan, line, next);
      mime_pages_read (&scan->pages, (gsize) (next - bytes));
      if (scan->headers_only && !scan->in_header)
        break;
      line = next;
    }
  if (scan->problem->kind == MIME_PROBLEM_NONE)
    finish_field (scan, line);
  if (scan->problem->kind == MIME_PROBLEM_NONE)
    over (scan, MIME_PROBLEM_PARTS, scan->parts, scan->limits->parts);
  return scan->problem->kind == MIME_PROBLEM_NONE;
}

static gboolean
check (const guint8 *bytes, gsize length, MimePages pages, const MimeLimits *limits,
       gboolean headers_only, MimeProblem *problem)
{
  Scan scan
      = { .limits = limits, .problem = problem, .pages = pages, .headers_only = headers_only };
  gboolean fine = FALSE;

  *problem = (MimeProblem){ MIME_PROBLEM_NONE, 0, 0 };
  scan.boundaries = g_array_new (FALSE, FALSE, sizeof (Boundary));
  g_array_set_clear_func (scan.boundaries, clear_boundary);
  fine = run_scan (&scan, bytes, length);
  g_array_unref (scan.boundaries);
  return fine;
}

gboolean
mime_guard_check (const guint8 *bytes, gsize length, gboolean mapped, const MimeLimits *limits,
                  MimeProblem *problem)
{
  return check (bytes, length, mime_pages_new (bytes, length, mapped), limits, FALSE, problem);
}

gboolean
mime_guard_check_headers (const guint8 *bytes, gsize length, const MimeLimits *limits,
                          MimeProblem *problem)
{
  return check (bytes, length, mime_pages_new (bytes, length, FALSE), limits, TRUE, problem);
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
