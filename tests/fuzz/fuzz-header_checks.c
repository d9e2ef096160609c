/* Fuzzes the tables of the filter "header_checks", and its way through messages. The input is a
 * letter for the kind of table, the table, a NUL, and a message body, whose lines are looked up.
 * What must hold: pieces of a walk are in order and inside of the message, and a hit has a text. */
#include <stdint.h>
#include <string.h>

#include "table.h"
#include "walk.h"

#define MOST_LINE 64 /* octets that are looked up: the C library's matching has no limit */

typedef struct
{
  Table *table;
  PatternMatcher *matcher;
  gsize at; /* the end of the last piece */
  gsize length;
} Fuzz;

static gboolean
look_up (const WalkItem *item, gpointer data)
{
  Fuzz *fuzz = data;

  g_assert (item->start >= fuzz->at && item->end >= item->start && item->end <= fuzz->length);
  g_assert (item->line_break <= 2 && item->line_break <= item->end - item->start);
  fuzz->at = item->end;
  if (fuzz->table != NULL)
    {
      TableHit hit
          = table_find (fuzz->table, fuzz->matcher, item->text, MIN (item->length, MOST_LINE));

      g_assert ((hit.result == PATTERN_YES) == (hit.text != NULL));
      g_free (hit.text);
    }
  return TRUE;
}

/* The C library takes time and memory without a bound for counted repetitions and for references
 * back: those are the operator's own risk. */
static gboolean
is_harmless (const char *text, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (text[i] == '{' || (text[i] == '\\' && i + 1 < length && g_ascii_isdigit (text[i + 1])))
      return FALSE;
  return TRUE;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const char *text = (const char *) data + 1;
  PatternKind kind = size > 0 && *data == 'r' ? PATTERN_REGEXP : PATTERN_PCRE;
  gsize length = size > 0 ? strnlen (text, size - 1) : 0;
  gsize behind = MIN (size, length + 2);
  Fuzz fuzz = { NULL, pattern_matcher_new (1000), 0, size - behind };
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);

  if (kind == PATTERN_PCRE || is_harmless (text, length))
    {
      fuzz.table = table_new ("t", text, length, kind, size & 1, problems);
      g_assert ((fuzz.table == NULL) == (problems->len > 0));
      g_assert (problems->len <= TABLE_MAX_PROBLEMS + 1);
    }
  Walk *walk = walk_new (1000, look_up, &fuzz);
  walk_field (walk, 0, "Content-Type", " multipart/mixed; boundary=b; boundary=\"c\"\r\n");
  walk_body (walk, (const char *) data + behind, fuzz.length, TRUE);
  walk_free (walk);
  table_free (fuzz.table);
  pattern_matcher_free (fuzz.matcher);
  return 0;
}
