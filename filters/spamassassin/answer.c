/* Reads spamd's answers. Nothing of them is believed before all of it is read: a score that is no
 * number, a body of another length than was said, a field that can not stand in a message are
 * errors, and never a message without spam. */
#include "answer.h"

#include <string.h>

#define MAX_SCORE (1000 * 1000) /* of whole points */
#define MAX_LINE 998            /* RFC 5322 section 2.1.1 */
#define PREFIX "X-Spam-"

/* ---- Scores ---- */

/* The number of digits at `at`, at most `most`, taken into `*value`. */
static guint
take_digits (const char *at, guint most, gint64 *value)
{
  guint count = 0;

  for (; count < most && g_ascii_isdigit (at[count]); count++)
    *value = *value * 10 + (at[count] - '0');
  return count;
}

gboolean
answer_parse_score (const char *text, gint64 *score)
{
  gboolean negative = *text == '-';
  const char *at = text + negative;
  gint64 value = 0;
  guint whole = take_digits (at, 7, &value), decimals = 0;

  at += whole;
  if (*at == '.')
    {
      decimals = take_digits (++at, 3, &value);
      if (decimals == 0)
        return FALSE;
      at += decimals;
    }
  for (; decimals < 3; decimals++)
    value *= 10;
  if (whole == 0 || *at != '\0' || value >= (gint64) MAX_SCORE * 1000)
    return FALSE;
  *score = negative ? -value : value;
  return TRUE;
}

char *
answer_score_text (gint64 score)
{
  g_autofree char *text = g_strdup_printf ("%s%d.%03d", score < 0 ? "-" : "",
                                           (int) (ABS (score) / 1000), (int) (ABS (score) % 1000));
  gsize length = strlen (text);

  while (text[length - 1] == '0' && text[length - 2] != '.')
    length--;
  return g_strndup (text, length);
}

/* ---- The answer ---- */

G_GNUC_PRINTF (2, 3)
static gboolean
fail (GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  for (char *at = text; *at != '\0'; at++)
    if (!g_ascii_isprint (*at))
      *at = '_';
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, text);
  return FALSE;
}

/* "SPAMD/1.1 0 EX_OK" */
static gboolean
read_status (const char *line, GError **error)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 3);

  if (g_strv_length (words) < 2 || !g_str_has_prefix (words[0], "SPAMD/")
      || !g_ascii_isdigit (*words[1]))
    return fail (error, "its answer is none of spamd's: \"%.100s\"", line);
  if (strcmp (words[1], "0") != 0)
    return fail (error, "it says %.150s", line + strlen (words[0]) + 1);
  return TRUE;
}

/* "True ; 15.0 / 5.0" */
static gboolean
read_spam (const char *value, Answer *answer, GError **error)
{
  g_auto (GStrv) words = g_strsplit (value, " ", -1);

  if (g_strv_length (words) != 5 || strcmp (words[1], ";") != 0 || strcmp (words[3], "/") != 0
      || !answer_parse_score (words[2], &answer->score)
      || !answer_parse_score (words[4], &answer->required)
      || (strcmp (words[0], "True") != 0 && strcmp (words[0], "False") != 0))
    return fail (error, "its verdict makes no sense: \"%.100s\"", value);
  answer->spam = *words[0] == 'T';
  return TRUE;
}

typedef struct
{
  gboolean has_spam, has_length;
  guint64 length;
} Seen;

static gboolean
read_field (char *line, Answer *answer, Seen *seen, GError **error)
{
  char *value = strchr (line, ':');

  if (value == NULL)
    return fail (error, "its answer has a line that is no field: \"%.100s\"", line);
  *value = '\0';
  value = g_strstrip (value + 1);
  if (g_ascii_strcasecmp (line, "Spam") == 0 && !seen->has_spam)
    {
      seen->has_spam = TRUE;
      return read_spam (value, answer, error);
    }
  if (g_ascii_strcasecmp (line, "Content-length") == 0 && !seen->has_length)
    {
      seen->has_length = TRUE;
      return g_ascii_string_to_unsigned (value, 10, 0, ANSWER_MAX, &seen->length, NULL)
             || fail (error, "its answer has no usable length: \"%.100s\"", value);
    }
  return TRUE;
}

static gboolean
read_head (const char *head, Answer *answer, Seen *seen, GError **error)
{
  g_auto (GStrv) lines = g_strsplit (head, "\r\n", -1);

  if (!read_status (lines[0], error))
    return FALSE;
  for (guint i = 1; lines[i] != NULL; i++)
    if (!read_field (lines[i], answer, seen, error))
      return FALSE;
  return TRUE;
}

/* The length up to the blank line; a refusal is a single line, without one. */
static gsize
head_length (const char *bytes, gsize length, gboolean *whole)
{
  const char *blank = g_strstr_len (bytes, (gssize) length, "\r\n\r\n");

  *whole = blank != NULL;
  if (blank != NULL)
    return (gsize) (blank - bytes);
  return length >= 2 && memcmp (bytes + length - 2, "\r\n", 2) == 0 ? length - 2 : length;
}

gboolean
answer_read (const char *bytes, gsize length, Answer *answer, GError **error)
{
  gboolean whole = FALSE;
  gsize head = head_length (bytes, length, &whole);
  g_autofree char *text = g_strndup (bytes, head);
  Seen seen = { FALSE };

  if (length == 0)
    return fail (error, "it closed the connection without an answer");
  if (strlen (text) != head)
    return fail (error, "its answer is none of spamd's");
  if (!read_head (text, answer, &seen, error))
    return FALSE;
  if (!whole)
    return fail (error, "its answer ends in the middle");
  if (!seen.has_spam || !seen.has_length)
    return fail (error, "its answer has no verdict, or does not say how long it is");
  answer->body = bytes + head + strlen ("\r\n\r\n");
  answer->length = length - head - strlen ("\r\n\r\n");
  if (answer->length != seen.length)
    return fail (error,
                 "its answer has %" G_GSIZE_FORMAT " octets where it says %" G_GUINT64_FORMAT,
                 answer->length, seen.length);
  return TRUE;
}

/* ---- Rules ---- */

char *
answer_tests (const Answer *answer, GError **error)
{
  g_autofree char *tests = g_strndup (answer->body, answer->length);
  gsize length = strlen (tests);

  while (length > 0 && (tests[length - 1] == '\n' || tests[length - 1] == '\r'))
    tests[--length] = '\0';
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (tests[i]) && tests[i] != '_' && tests[i] != ',')
      {
        fail (error, "its list of rules makes no sense: \"%.100s\"", tests);
        return NULL;
      }
  return g_steal_pointer (&tests);
}

/* ---- Fields ---- */

static void
free_field (gpointer data)
{
  AnswerField *field = data;

  g_free (field->name);
  g_free (field->value);
  g_free (field);
}

/* One line of a field, without its end: printable ASCII and tabs. */
static gboolean
is_good_line (const char *line, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isprint (line[i]) && line[i] != '\t')
      return FALSE;
  return length <= MAX_LINE;
}

static gboolean
is_good_name (const char *name)
{
  for (; *name != '\0'; name++)
    if (!g_ascii_isalnum (*name) && *name != '-' && *name != '_')
      return FALSE;
  return TRUE;
}

static gboolean
begin_field (GPtrArray *fields, const char *line, gsize length, GError **error)
{
  g_autofree char *text = g_strndup (line, length);
  char *colon = strchr (text, ':');
  AnswerField *field = NULL;

  if (colon != NULL)
    *colon = '\0';
  if (colon == NULL || !is_good_name (text) || fields->len == ANSWER_MAX_FIELDS)
    return fail (error, "its fields can not be added: \"%.100s\"", text);
  field = g_new0 (AnswerField, 1);
  field->name = g_strdup (text);
  field->value = g_strdup (g_strstrip (colon + 1));
  g_ptr_array_add (fields, field);
  return TRUE;
}

static void
go_on (GPtrArray *fields, const char *line, gsize length)
{
  AnswerField *field = g_ptr_array_index (fields, fields->len - 1);
  g_autofree char *more = g_strndup (line, length);
  g_autofree char *value = field->value;

  field->value = g_strconcat (value, "\r\n", more, NULL);
}

/* `*ours`: the field that is under way is one of those that are wanted. */
static gboolean
take_line (GPtrArray *fields, const char *line, gsize length, gboolean *ours, GError **error)
{
  gboolean fold = *line == ' ' || *line == '\t';

  if (!fold)
    *ours = length > strlen (PREFIX) && g_ascii_strncasecmp (line, PREFIX, strlen (PREFIX)) == 0;
  if (!*ours)
    return TRUE;
  if (!is_good_line (line, length))
    return fail (error, "its fields can not be added: \"%.*s\"", (int) MIN (length, 100), line);
  if (!fold)
    return begin_field (fields, line, length, error);
  if (strspn (line, " \t") < length) /* a fold of white space alone is obsolete: it goes */
    go_on (fields, line, length);
  return TRUE;
}

GPtrArray *
answer_fields (const Answer *answer, GError **error)
{
  g_autoptr (GPtrArray) fields = g_ptr_array_new_with_free_func (free_field);
  g_autofree char *block = g_strndup (answer->body, answer->length);
  gboolean ours = FALSE;
  const char *line = block;

  while (*line != '\0' && *line != '\r' && *line != '\n')
    {
      gsize whole = strcspn (line, "\n");
      gsize length = whole > 0 && line[whole - 1] == '\r' ? whole - 1 : whole;

      if (!take_line (fields, line, length, &ours, error))
        return NULL;
      line += line[whole] == '\0' ? whole : whole + 1;
    }
  return g_steal_pointer (&fields);
}
