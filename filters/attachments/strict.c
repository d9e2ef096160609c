/* One pass over a field by the grammar. Whatever does not fit makes it odd or ambiguous; that is
 * the only outcome there is. */
#include "strict.h"

#include <string.h>

typedef struct
{
  const char *name; /* in the field */
  gsize length;
  guint number; /* of "name*0"; G_MAXUINT: without */
  gboolean extended;
} Parameter;

typedef struct
{
  const char *at;
  StrictKind kind;
  guint n_parameters;
  Parameter parameters[STRICT_MAX_PARAMETERS];
} Strict;

static gboolean
is_space (char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
worsen (Strict *strict, StrictKind kind)
{
  strict->kind = MAX (strict->kind, kind);
}

/* Comments are legal, and half of all programs do not know them. */
static void
skip_space (Strict *strict)
{
  guint depth = 0;

  for (;; strict->at++)
    {
      char c = *strict->at;

      if (c == '\0' || (depth == 0 && c != '(' && !is_space (c)))
        break;
      if (c == '(')
        {
          depth++;
          worsen (strict, STRICT_ODD);
        }
      else if (c == ')')
        depth--;
      else if (c == '\\' && strict->at[1] != '\0')
        strict->at++;
    }
  if (depth > 0)
    worsen (strict, STRICT_AMBIGUOUS);
}

static gboolean
is_token (char c)
{
  switch (c)
    {
    case '(':
    case ')':
    case '<':
    case '>':
    case '@':
    case ',':
    case ';':
    case ':':
    case '\\':
    case '"':
    case '/':
    case '[':
    case ']':
    case '?':
    case '=':
    case 0x7f:
      return FALSE;
    default:
      return (guchar) c > ' ';
    }
}

static gsize
read_token (Strict *strict, const char *more)
{
  const char *start = strict->at;

  while (is_token (*strict->at) || (*strict->at != '\0' && strchr (more, *strict->at) != NULL))
    strict->at++;
  return (gsize) (strict->at - start);
}

static Parameter
split_name (Strict *strict, const char *name, gsize length)
{
  Parameter parameter = { name, length, G_MAXUINT, FALSE };
  const char *star = memchr (name, '*', length);
  const char *end = name + length;

  if (star == NULL)
    return parameter;
  parameter.length = (gsize) (star - name);
  parameter.extended = end[-1] == '*';
  if (star + 1 == end)
    return parameter;
  parameter.number = 0;
  for (star++; star < end && g_ascii_isdigit (*star) && parameter.number < 1000; star++)
    parameter.number = parameter.number * 10 + (guint) g_ascii_digit_value (*star);
  if (star + parameter.extended != end || (end - name > 2 && *star == '0' && star + 1 < end))
    worsen (strict, STRICT_AMBIGUOUS);
  return parameter;
}

static gboolean
same_name (const Parameter *a, const Parameter *b)
{
  return a->length == b->length && g_ascii_strncasecmp (a->name, b->name, a->length) == 0;
}

static void
add_parameter (Strict *strict, const char *name, gsize length)
{
  Parameter parameter = split_name (strict, name, length);

  for (guint i = 0; i < strict->n_parameters; i++)
    {
      const Parameter *other = &strict->parameters[i];

      if (same_name (other, &parameter) && other->number == parameter.number
          && (other->extended == parameter.extended || parameter.number != G_MAXUINT))
        worsen (strict, STRICT_AMBIGUOUS);
    }
  if (strict->n_parameters == STRICT_MAX_PARAMETERS)
    worsen (strict, STRICT_AMBIGUOUS);
  else
    strict->parameters[strict->n_parameters++] = parameter;
}

/* "=?charset?B?text?=" at `p`: what stands behind it; NULL: it is not well-formed. */
static const char *
skip_word (const char *p)
{
  const char *charset = p + 2;
  const char *encoding = charset + strcspn (charset, "? \"\t\r\n");
  const char *text, *end;

  if (*encoding != '?' || encoding - charset > 40 || encoding == charset || encoding[1] == '\0'
      || strchr ("bBqQ", encoding[1]) == NULL || encoding[2] != '?')
    return NULL;
  text = encoding + 3;
  end = text + strcspn (text, "? \"\t\r\n");
  if (end[0] != '?' || end[1] != '=')
    return NULL;
  if (g_ascii_tolower (encoding[1]) == 'b')
    {
      const char *padding = text + strcspn (text, "=?");

      if (padding[strspn (padding, "=")] != '?' || (end - text) % 4 != 0)
        return NULL;
    }
  return end + 2;
}

/* Encoded-words do not belong into quotes; all the same everybody puts them there. */
static void
check_words (Strict *strict, const char *text, gsize length)
{
  const char *end = text + length;
  const char *word = g_strstr_len (text, (gssize) length, "=?");

  while (word != NULL)
    {
      const char *behind = skip_word (word);

      if (behind == NULL || behind > end || (word > text && strchr (" \t\n", word[-1]) == NULL)
          || (behind < end && strchr (" \t\r", *behind) == NULL))
        {
          worsen (strict, STRICT_ODD);
          return;
        }
      word = g_strstr_len (behind, end - behind, "=?");
    }
}

static void
read_quoted (Strict *strict)
{
  const char *start = ++strict->at;

  for (; *strict->at != '\0' && *strict->at != '"'; strict->at++)
    {
      if (*strict->at == '\\' && strict->at[1] != '\0')
        {
          if (strict->at[1] != '"' && strict->at[1] != '\\')
            worsen (strict, STRICT_ODD);
          strict->at++;
        }
      else if ((guchar) *strict->at < ' ' && strchr ("\t\r\n", *strict->at) == NULL)
        worsen (strict, STRICT_ODD);
    }
  check_words (strict, start, (gsize) (strict->at - start));
  if (*strict->at == '"')
    strict->at++;
  else
    worsen (strict, STRICT_AMBIGUOUS);
}

static gboolean
is_a_name (const char *name, gsize length)
{
  gsize base = strcspn (name, "*= \t");

  return (MIN (base, length) == 8 && g_ascii_strncasecmp (name, "filename", 8) == 0)
         || (MIN (base, length) == 4 && g_ascii_strncasecmp (name, "name", 4) == 0);
}

/* From the parameter's name to where its value ends. FALSE: there is none. */
static gboolean
read_parameter (Strict *strict)
{
  const char *name = strict->at;
  gsize length = read_token (strict, "");
  const char *value;

  skip_space (strict);
  if (length == 0 || *strict->at != '=')
    return FALSE;
  add_parameter (strict, name, length);
  strict->at++;
  skip_space (strict);
  value = strict->at;
  if (*value == '"')
    read_quoted (strict);
  else if (read_token (strict, is_a_name (name, length) ? "" : "/=:?@<>[],") > 0)
    check_words (strict, value, (gsize) (strict->at - value));
  skip_space (strict);
  return *strict->at == ';' || *strict->at == '\0';
}

/* RFC 2231 section 3: the pieces of a name are numbered from 0 without a gap. */
static void
check_numbers (Strict *strict)
{
  for (guint i = 0; i < strict->n_parameters; i++)
    {
      const Parameter *parameter = &strict->parameters[i];
      gboolean found = parameter->number == G_MAXUINT || parameter->number == 0;

      for (guint j = 0; j < strict->n_parameters && !found; j++)
        found = same_name (&strict->parameters[j], parameter)
                && strict->parameters[j].number == parameter->number - 1;
      if (!found)
        worsen (strict, STRICT_AMBIGUOUS);
    }
}

StrictKind
strict_check (const char *text)
{
  Strict strict = { .at = text };

  skip_space (&strict);
  read_token (&strict, "/");
  skip_space (&strict);
  while (*strict.at == ';')
    {
      strict.at++;
      skip_space (&strict);
      if (*strict.at != ';' && *strict.at != '\0' && !read_parameter (&strict))
        break;
    }
  if (*strict.at != '\0')
    worsen (&strict, STRICT_ODD);
  check_numbers (&strict);
  return strict.kind;
}
