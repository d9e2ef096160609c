/* Reads clamd's answers. Only the two forms that it documents are a verdict; every other text, and
 * a "signature" that says that a limit was passed, means that clamd has not seen it all. */
#include "answer.h"

#include <string.h>

#define MAX_SHOWN 200
#define LIMITS "Heuristics.Limits.Exceeded"

/* Printable ASCII for strangers to read; caller frees. */
static char *
show (const char *bytes, gsize length, const char *allowed)
{
  char *text = g_strndup (bytes, MIN (length, MAX_SHOWN));

  for (gsize i = 0; i < MIN (length, MAX_SHOWN); i++)
    if (!g_ascii_isalnum (text[i]) && (text[i] == '\0' || strchr (allowed, text[i]) == NULL))
      text[i] = '_';
  return text;
}

static Answer
no_verdict (const char *bytes, gsize length, char **text)
{
  g_autofree char *shown = show (bytes, length, " .,:;-_/()[]{}+@!%='");

  *text = g_strdup (*shown == '\0' ? "an empty answer" : shown);
  return ANSWER_ERROR;
}

/* Behind "stream: " or "fd[12]: "; NULL: it does not begin so. */
static const char *
skip_subject (const char *line)
{
  const char *at = line + strlen ("fd[");

  if (g_str_has_prefix (line, "stream: "))
    return line + strlen ("stream: ");
  if (!g_str_has_prefix (line, "fd[") || !g_ascii_isdigit (*at))
    return NULL;
  while (g_ascii_isdigit (*at))
    at++;
  return g_str_has_prefix (at, "]: ") ? at + strlen ("]: ") : NULL;
}

Answer
answer_read (const char *bytes, gsize length, char **text)
{
  g_autofree char *line = g_strndup (bytes, length);
  const char *rest = strlen (line) == length ? skip_subject (line) : NULL;
  gsize name;

  *text = NULL;
  if (rest == NULL)
    return no_verdict (bytes, length, text);
  if (strcmp (rest, "OK") == 0)
    return ANSWER_CLEAN;
  name = strlen (rest);
  if (!g_str_has_suffix (rest, " FOUND") || name == strlen (" FOUND")
      || g_str_has_prefix (rest, LIMITS))
    return no_verdict (rest, name, text);
  *text = show (rest, name - strlen (" FOUND"), ".,:-_/()[]{}+@!");
  return ANSWER_FOUND;
}

gboolean
answer_refuses_descriptor (const char *text)
{
  return strstr (text, "file descriptor") != NULL || strstr (text, "ccess denied") != NULL;
}
