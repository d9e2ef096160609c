/* "did you mean …": the name that needs the fewest keystrokes, if it is near enough to be meant.
 *
 * Words are compared up to SUGGEST_LONGEST octets; longer ones get no suggestion, so that the cost
 * is bounded. */
#include "config/option.h"

#include <string.h>

#define SUGGEST_LONGEST 40

/* Insertions, removals, replacements and swaps of neighbours between two words. */
static guint
distance (const gchar *a, gsize a_length, const gchar *b, gsize b_length)
{
  guint rows[SUGGEST_LONGEST + 1][SUGGEST_LONGEST + 1];

  for (guint i = 0; i <= a_length; i++)
    rows[i][0] = i;
  for (guint j = 0; j <= b_length; j++)
    rows[0][j] = j;
  for (guint i = 1; i <= a_length; i++)
    for (guint j = 1; j <= b_length; j++)
      {
        guint cost = g_ascii_tolower (a[i - 1]) != g_ascii_tolower (b[j - 1]);
        guint best = MIN (rows[i - 1][j], rows[i][j - 1]) + 1;

        best = MIN (best, rows[i - 1][j - 1] + cost);
        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
          best = MIN (best, rows[i - 2][j - 2] + 1);
        rows[i][j] = best;
      }
  return rows[a_length][b_length];
}

const gchar *
config_suggest (const gchar *word, const gchar *const *names)
{
  gsize length = strlen (word);
  guint nearest = (guint) MAX (1, (length + 1) / 3) + 1;
  const gchar *found = NULL;

  if (length == 0 || length > SUGGEST_LONGEST)
    return NULL;
  for (; *names != NULL; names++)
    {
      gsize other = strlen (*names);
      guint far;

      if (other > SUGGEST_LONGEST || MAX (other, length) - MIN (other, length) >= nearest)
        continue;
      far = distance (word, length, *names, other);
      if (far >= nearest)
        continue;
      nearest = far;
      found = *names;
    }
  return found;
}
