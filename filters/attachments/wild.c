/* A small automaton that walks a text from its end and looks for an extension spelt backwards, in
 * which each octet may be written as %XX or =XX and quotes, brackets and spaces may stand between.
 * Its states are kept where one piece ends, so that the next one may be any other.
 *
 * Work is bounded by TextWork; where it is exhausted, the caller knows. */
#include "wild.h"

#include <string.h>

#include "decode.h"

#define MAX_EXTENSION (RULES_MAX_EXTENSION + 1) /* with its dot */

typedef enum
{
  WHOLE, /* the next octet is awaited */
  LOW,   /* the low digit of its code was read */
  HIGH,  /* both digits were read: a % or a = is awaited */
  N_ESCAPES
} Escape;

/* Which states are reached: how many octets of the extension are still missing, and where in a code
 * we are. */
typedef struct
{
  gboolean at[MAX_EXTENSION + 1][N_ESCAPES];
} States;

typedef struct
{
  const char *extension; /* with its dot, folded */
  gsize length;
} Target;

static gboolean
is_skipped (guchar c)
{
  return strchr (" \t\r\n\"'\\()<>{}[]", c) != NULL;
}

static gboolean
is_end (guchar c)
{
  return c < 0x80 && !g_ascii_isalnum (c);
}

static gint
digit (guchar c)
{
  return g_ascii_xdigit_value ((char) c);
}

/* An upper-case letter's code is as good as that of the lower-case one. */
static gboolean
has_digit (guchar wanted, guchar c, gboolean high)
{
  guchar upper = (guchar) g_ascii_toupper ((char) wanted);

  if (digit (c) < 0)
    return FALSE;
  return high ? digit (c) == wanted >> 4 || digit (c) == upper >> 4
              : digit (c) == (wanted & 15) || digit (c) == (upper & 15);
}

static void
step (const Target *target, const States *from, States *to, guchar c)
{
  memset (to, 0, sizeof *to);
  for (gsize missing = 1; missing <= target->length; missing++)
    {
      guchar wanted = (guchar) target->extension[missing - 1];
      const gboolean *here = from->at[missing];

      to->at[missing - 1][WHOLE] |= here[WHOLE] && c == wanted;
      to->at[missing - 1][WHOLE] |= here[HIGH] && (c == '%' || c == '=');
      to->at[missing][LOW] |= here[WHOLE] && has_digit (wanted, c, FALSE);
      to->at[missing][HIGH] |= here[LOW] && has_digit (wanted, c, TRUE);
      for (guint escape = 0; escape < N_ESCAPES; escape++)
        to->at[missing][escape] |= here[escape] && is_skipped (c);
    }
  to->at[target->length][WHOLE] |= is_end (c);
}

/* TRUE: the extension stands there. `states` becomes what holds in front of the text. */
static gboolean
walk (const Target *target, const char *text, States *states)
{
  States next;

  for (gsize i = strlen (text); i > 0; i--)
    {
      step (target, states, &next, (guchar) text[i - 1]);
      *states = next;
      if (states->at[0][WHOLE])
        return TRUE;
    }
  return FALSE;
}

static gboolean
ends_with (const Target *target, const char *text)
{
  States states = { 0 };

  states.at[target->length][WHOLE] = TRUE;
  return walk (target, text, &states);
}

static gboolean
merge (States *all, const States *more)
{
  gboolean grown = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (all->at); i++)
    for (guint escape = 0; escape < N_ESCAPES; escape++)
      if (more->at[i][escape] && !all->at[i][escape])
        grown = all->at[i][escape] = TRUE;
  return grown;
}

/* Pieces one behind the other until no new state turns up. */
static gboolean
joins_to (TextWork *work, const Target *target, GPtrArray *pieces)
{
  States all = { 0 };
  gboolean grown = TRUE;

  all.at[target->length][WHOLE] = TRUE;
  while (grown)
    {
      grown = FALSE;
      for (guint i = 0; i < pieces->len; i++)
        {
          const char *piece = g_ptr_array_index (pieces, i);
          States states = all;

          if (!text_spend (work, strlen (piece)))
            return FALSE;
          if (walk (target, piece, &states))
            return TRUE;
          grown |= merge (&all, &states);
        }
    }
  return FALSE;
}

/* ---- The texts in which to look ---- */

static void
add_folded (GPtrArray *texts, const char *text)
{
  if (text != NULL)
    g_ptr_array_add (texts, text_fold (text));
}

static void
add_decoded (TextWork *work, GPtrArray *texts, const char *text)
{
  g_autofree char *words = text_decode_words (work, text, FALSE);
  g_autofree char *joined = words == NULL ? NULL : text_decode_words (work, text, TRUE);
  g_autofree char *percent = text_decode_percent (text);
  g_autofree char *percent_words
      = percent == NULL ? NULL : text_decode_words (work, percent, FALSE);

  add_folded (texts, text);
  add_folded (texts, words);
  add_folded (texts, joined);
  add_folded (texts, percent);
  add_folded (texts, percent_words);
}

static char *
without (const char *text, const char *set)
{
  GString *out = g_string_new (NULL);

  for (; *text != '\0'; text++)
    if (strchr (set, *text) == NULL)
      g_string_append_c (out, *text);
  return g_string_free (out, FALSE);
}

static GPtrArray *
whole_texts (TextWork *work, const char *text)
{
  GPtrArray *texts = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *bare = text_without_comments (text);
  const char *both[] = { text, bare };

  for (guint i = 0; i < G_N_ELEMENTS (both) && text_spend (work, 2 * strlen (text)); i++)
    {
      g_autofree char *unquoted = without (both[i], "\"\\\r\n");
      g_autofree char *dense = without (both[i], "\"\\\r\n \t");

      add_decoded (work, texts, both[i]);
      add_decoded (work, texts, unquoted);
      add_decoded (work, texts, dense);
    }
  return texts;
}

const char *
wild_match (TextWork *work, const Rules *rules, const char *text, GPtrArray *pieces)
{
  g_autoptr (GPtrArray) whole = whole_texts (work, text);
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < pieces->len && text_spend (work, strlen (pieces->pdata[i])); i++)
    add_decoded (work, parts, g_ptr_array_index (pieces, i));
  for (guint i = 0; i < rules->extensions->len; i++)
    {
      const char *extension = g_ptr_array_index (rules->extensions, i);
      Target target = { extension, strlen (extension) };

      for (guint j = 0; j < whole->len && text_spend (work, strlen (whole->pdata[j])); j++)
        if (ends_with (&target, g_ptr_array_index (whole, j)))
          return extension + 1;
      if (joins_to (work, &target, parts))
        return extension + 1;
    }
  return NULL;
}
