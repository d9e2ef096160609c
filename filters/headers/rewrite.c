/* Address rules, and the scanner that finds addresses in a field (RFC 5322 sections 3.4 and 4.4).
 *
 * The scanner walks the field once, without recursion, and knows just enough: quoted strings,
 * comments, angle brackets, routes, groups. An address with white space or a comment inside
 * ("a . b @ c") is legal but obsolete; it is left alone. */
#include "rewrite.h"

#include <string.h>

#define MAX_ADDRESS 320 /* octets: 64 of the local part, '@', 255 of the domain */

/* One side of a pattern or a replacement: what stands before and behind its star. */
typedef struct
{
  const char *text;
  gsize length;
  const char *star; /* NULL: none */
} Side;

typedef struct
{
  Side local, domain;
} Address;

/* The '@' that ends the local part; NULL when there is none. */
static const char *
find_at (const char *text, gsize length)
{
  const char *at = NULL;
  gboolean quoted = FALSE;

  for (gsize i = 0; i < length; i++)
    {
      if (quoted && text[i] == '\\')
        i++;
      else if (text[i] == '"')
        quoted = !quoted;
      else if (text[i] == '@' && !quoted)
        at = text + i;
    }
  return at;
}

static Side
side (const char *text, gsize length)
{
  return (Side){ text, length, memchr (text, '*', length) };
}

static gboolean
split (const char *text, gsize length, Address *address)
{
  const char *at = find_at (text, length);

  if (at == NULL || at == text || at + 1 == text + length)
    return FALSE;
  address->local = side (text, (gsize) (at - text));
  address->domain = side (at + 1, (gsize) (text + length - at - 1));
  return TRUE;
}

static void
strip (const char **text, gsize *length)
{
  while (*length > 0 && g_ascii_isspace (**text))
    (*text)++, (*length)--;
  while (*length > 0 && g_ascii_isspace ((*text)[*length - 1]))
    (*length)--;
}

static gboolean
split_rule (const char *rule, Address *pattern, Address *replacement)
{
  const char *arrow = strstr (rule, "=>");
  const char *left = rule, *right = arrow == NULL ? NULL : arrow + 2;
  gsize left_length, right_length;

  if (arrow == NULL)
    return FALSE;
  left_length = (gsize) (arrow - rule);
  right_length = strlen (right);
  strip (&left, &left_length);
  strip (&right, &right_length);
  return split (left, left_length, pattern) && split (right, right_length, replacement);
}

static gboolean
two_stars (const Side *s)
{
  return s->star != NULL && memchr (s->star + 1, '*', s->length - (gsize) (s->star + 1 - s->text));
}

static gboolean
is_clean (const Side *s)
{
  for (gsize i = 0; i < s->length; i++)
    if (g_ascii_isspace (s->text[i]) || g_ascii_iscntrl (s->text[i])
        || strchr ("<>(),;:\\\"", s->text[i]) != NULL)
      return FALSE;
  return TRUE;
}

const char *
rewrite_check (const char *rule)
{
  Address pattern, replacement;

  if (!split_rule (rule, &pattern, &replacement))
    return "must read \"local@domain => local@domain\"";
  if (two_stars (&pattern.local) || two_stars (&pattern.domain) || two_stars (&replacement.local)
      || two_stars (&replacement.domain))
    return "may have one '*' in each local part and in each domain";
  if (replacement.local.star != NULL && pattern.local.star == NULL)
    return "has a '*' in the new local part but none in the old one";
  if (replacement.domain.star != NULL && pattern.domain.star == NULL)
    return "has a '*' in the new domain but none in the old one";
  if (!is_clean (&pattern.local) || !is_clean (&pattern.domain) || !is_clean (&replacement.local)
      || !is_clean (&replacement.domain))
    return "holds a character that stands in no address";
  if (replacement.local.length + replacement.domain.length >= MAX_ADDRESS)
    return "is too long";
  return NULL;
}

/* Whether `text` fits the pattern; `found` is what the star stands for. */
static gboolean
match (const Side *pattern, const Side *text, const char **found, gsize *found_length)
{
  gsize before, behind;

  *found = text->text;
  *found_length = 0;
  if (pattern->star == NULL)
    return pattern->length == text->length
           && g_ascii_strncasecmp (pattern->text, text->text, text->length) == 0;
  before = (gsize) (pattern->star - pattern->text);
  behind = pattern->length - before - 1;
  if (text->length < before + behind)
    return FALSE;
  *found = text->text + before;
  *found_length = text->length - before - behind;
  return g_ascii_strncasecmp (pattern->text, text->text, before) == 0
         && g_ascii_strncasecmp (pattern->star + 1, text->text + text->length - behind, behind)
                == 0;
}

static void
append_side (GString *out, const Side *s, const char *found, gsize found_length)
{
  gsize before;

  if (s->star == NULL)
    {
      g_string_append_len (out, s->text, (gssize) s->length);
      return;
    }
  before = (gsize) (s->star - s->text);
  g_string_append_len (out, s->text, (gssize) before);
  g_string_append_len (out, found, (gssize) found_length);
  g_string_append_len (out, s->star + 1, (gssize) (s->length - before - 1));
}

/* NULL: the rule does not match. "": it does, but what comes out is no address. */
static char *
apply_rule (const char *rule, const Address *address)
{
  Address pattern, replacement;
  const char *local, *domain;
  gsize local_length, domain_length;
  GString *out;

  if (!split_rule (rule, &pattern, &replacement)
      || !match (&pattern.local, &address->local, &local, &local_length)
      || !match (&pattern.domain, &address->domain, &domain, &domain_length))
    return NULL;
  /* A quoted string can be kept whole but not be made a part of something longer. */
  if (memchr (local, '"', local_length) != NULL && replacement.local.length > 1)
    return g_strdup ("");
  out = g_string_new (NULL);
  append_side (out, &replacement.local, local, local_length);
  g_string_append_c (out, '@');
  append_side (out, &replacement.domain, domain, domain_length);
  if (out->len > MAX_ADDRESS || out->str[0] == '@' || out->str[out->len - 1] == '@')
    g_string_truncate (out, 0);
  return g_string_free (out, FALSE);
}

char *
rewrite_address (const char *const *rules, const char *address, gsize length)
{
  Address parts;

  if (!split (address, length, &parts))
    return NULL;
  for (; *rules != NULL; rules++)
    {
      g_autofree char *result = apply_rule (*rules, &parts);

      if (result == NULL)
        continue;
      if (*result == '\0' || (strlen (result) == length && memcmp (result, address, length) == 0))
        return NULL;
      return g_steal_pointer (&result);
    }
  return NULL;
}

/* ---- Fields ---- */

typedef struct
{
  const char *start;
  gsize length;
} Span;

typedef struct
{
  const char *const *rules;
  const char *copied; /* what stands before is in `out` */
  GString *out;
  Span bare; /* the address without brackets of this list entry */
  guint n_bare;
  Span angle; /* the one in brackets; start NULL: none */
  gboolean changed;
} Scan;

static gboolean
is_atom (char c)
{
  return (guchar) c >= 0x80 || (g_ascii_isgraph (c) && strchr ("()<>[]:;@\\,\"", c) == NULL);
}

static const char *
skip_quoted (const char *p)
{
  for (p++; *p != '\0'; p++)
    {
      if (*p == '\\' && p[1] != '\0')
        p++;
      else if (*p == '"')
        return p + 1;
    }
  return p;
}

static const char *
skip_comment (const char *p)
{
  guint depth = 0;

  for (; *p != '\0'; p++)
    {
      if (*p == '\\' && p[1] != '\0')
        p++;
      else if (*p == '(')
        depth++;
      else if (*p == ')' && --depth == 0)
        return p + 1;
    }
  return p;
}

static const char *
skip_domain (const char *p)
{
  if (*p != '[')
    {
      while (is_atom (*p))
        p++;
      return p;
    }
  while (*p != '\0' && *p != ']' && !g_ascii_isspace (*p))
    p++;
  return *p == ']' ? p + 1 : p;
}

/* The run of words at `p`, and in `span` the address if it is one (start NULL: it is not). */
static const char *
read_run (const char *p, Span *span)
{
  const char *start = p;
  const char *domain;

  span->start = NULL;
  while (*p == '"' || is_atom (*p))
    p = *p == '"' ? skip_quoted (p) : p + 1;
  if (*p != '@' || p == start)
    return p;
  domain = p + 1;
  p = skip_domain (domain);
  if (p != domain)
    *span = (Span){ start, (gsize) (p - start) };
  return p;
}

static void
flush (Scan *scan)
{
  Span span = scan->angle.start != NULL ? scan->angle : scan->bare;

  if (scan->angle.start != NULL || scan->n_bare == 1)
    {
      g_autofree char *fresh = rewrite_address (scan->rules, span.start, span.length);

      if (fresh != NULL)
        {
          g_string_append_len (scan->out, scan->copied, span.start - scan->copied);
          g_string_append (scan->out, fresh);
          scan->copied = span.start + span.length;
          scan->changed = TRUE;
        }
    }
  scan->angle.start = NULL;
  scan->n_bare = 0;
}

/* "<@a,@b:local@domain>": the last address before the closing bracket. */
static const char *
read_angle (Scan *scan, const char *p)
{
  gboolean first = scan->angle.start == NULL;

  for (p++; *p != '\0' && *p != '>';)
    {
      Span span = { NULL, 0 };

      if (*p == '(')
        p = skip_comment (p);
      else if (*p == '"' || is_atom (*p))
        p = read_run (p, &span);
      else if (*p == '[')
        p = skip_domain (p);
      else
        p++;
      if (span.start != NULL && first)
        scan->angle = span;
    }
  return *p == '>' ? p + 1 : p;
}

static const char *
read_token (Scan *scan, const char *p)
{
  Span span = { NULL, 0 };

  switch (*p)
    {
    case '(':
      return skip_comment (p);
    case '<':
      return read_angle (scan, p);
    case ',':
    case ';':
      flush (scan);
      return p + 1;
    case ':': /* what stood before is a group's name */
      scan->angle.start = NULL;
      scan->n_bare = 0;
      return p + 1;
    default:
      if (*p != '"' && !is_atom (*p))
        return p + 1;
      p = read_run (p, &span);
      if (span.start != NULL)
        {
          scan->bare = span;
          scan->n_bare++;
        }
      return p;
    }
}

char *
rewrite_field (const char *const *rules, const char *raw)
{
  Scan scan = { .rules = rules, .copied = raw, .out = g_string_new (NULL) };
  const char *p = raw;

  while (*p != '\0')
    p = read_token (&scan, p);
  flush (&scan);
  g_string_append (scan.out, scan.copied);
  return g_string_free (scan.out, !scan.changed);
}
