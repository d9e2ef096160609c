/* See entity.h. What is not touched keeps its bytes. */
#include "entity.h"

#include <string.h>

/* Where the value of the parameter begins, outside of quotes and comments; NULL: it is not there.
 * `*odd`: it is there in pieces (RFC 2231), or more than once. */
static const char *
find_parameter (const char *value, const char *name, gboolean *odd)
{
  const char *found = NULL;
  gsize length = strlen (name);
  gboolean quoted = FALSE;
  guint depth = 0;

  *odd = FALSE;
  for (const char *at = value; *at != '\0'; at++)
    {
      if (*at == '\\' && at[1] != '\0')
        at++;
      else if (*at == '"' && depth == 0)
        quoted = !quoted;
      else if (!quoted && (*at == '(' || (*at == ')' && depth > 0)))
        depth += *at == '(' ? 1 : -1;
      if (*at != ';' || quoted || depth > 0)
        continue;
      const char *start = at + 1 + strspn (at + 1, " \t\r\n");
      if (g_ascii_strncasecmp (start, name, length) != 0)
        continue;
      const char *equals = start + length + strspn (start + length, " \t\r\n");
      *odd |= *equals == '*' || (*equals == '=' && found != NULL);
      if (*equals == '=')
        found = equals + 1 + strspn (equals + 1, " \t\r\n");
    }
  return found;
}

char *
entity_set_charset (const char *value, const char *charset)
{
  gboolean odd;
  const char *old = find_parameter (value, "charset", &odd);
  gsize length = strlen (value);
  const char *rest;

  if (odd || strchr (value, '(') != NULL)
    return NULL;
  while (length > 0 && g_ascii_isspace (value[length - 1]))
    length--;
  if (old > value + length) /* empty, and the last one */
    old = value + length;
  if (old == NULL)
    return g_strdup_printf ("%.*s; charset=%s", (int) length, value, charset);
  rest = *old == '"' ? strchr (old + 1, '"') : old + strcspn (old, "; \t\r\n");
  if (rest == NULL)
    return NULL;
  if (*old == '"')
    rest++;
  return g_strdup_printf ("%.*s%s%.*s", (int) (old - value), value, charset,
                          (int) MAX (value + length - rest, 0), rest);
}

/* Behind the field, folds and all. */
static const char *
field_end (const char *at)
{
  do
    {
      at += strcspn (at, "\n");
      at += *at == '\n' ? 1 : 0;
    }
  while (*at == ' ' || *at == '\t');
  return at;
}

char *
entity_set_field (const char *block, const char *name, const char *value)
{
  gsize length = strlen (name);
  const char *at = block;

  while (*at != '\0' && *at != '\r' && *at != '\n')
    {
      const char *end = field_end (at);
      gsize blank = g_ascii_strncasecmp (at, name, length) == 0 ? strspn (at + length, " \t") : 0;

      if (g_ascii_strncasecmp (at, name, length) == 0 && at[length + blank] == ':')
        return g_strdup_printf ("%.*s%s: %s\r\n%s", (int) (at - block), block, name,
                                value + strspn (value, " \t"), end);
      at = end;
    }
  return g_strdup_printf ("%.*s%s: %s\r\n%s", (int) (at - block), block, name,
                          value + strspn (value, " \t"), at);
}
