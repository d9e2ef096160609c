/* The scanner of parameters (RFC 2045 section 5.1, RFC 2231) that believes nobody: it takes every
 * place where the key stands in front of a '=', whatever the grammar says about it. */
#include "names.h"

#include <string.h>

#include "text.h"

#define PLAIN G_MAXUINT
#define FEW_NAMES 8
#define MAX_NUMBER 100000000 /* higher ones count as this one */

typedef struct
{
  guint number;      /* of "name*0"; PLAIN: without */
  gboolean extended; /* "name*=", "name*0*=" */
  char *value;       /* without quotes and backslashes */
} Piece;

typedef struct
{
  TextWork *work;
  GPtrArray *names;
  GHashTable *known; /* set of them; NULL: there are at most FEW_NAMES */
  GArray *pieces;    /* of Piece */
  GPtrArray *whole;  /* borrowed; NULL: not wanted */
  gboolean fragment; /* a piece of several is being read */
} Readings;

static void
clear_piece (gpointer data)
{
  g_free (((Piece *) data)->value);
}

/* ---- One text, several readings ---- */

static gboolean
is_known (Readings *readings, const char *name)
{
  if (readings->known != NULL)
    return g_hash_table_contains (readings->known, name);
  for (guint i = 0; i < readings->names->len; i++)
    if (strcmp (g_ptr_array_index (readings->names, i), name) == 0)
      return TRUE;
  return FALSE;
}

/* A table only where there are many: most fields have one reading. */
static void
make_known (Readings *readings, char *name)
{
  guint before = readings->names->len;

  g_ptr_array_add (readings->names, name);
  if (readings->known == NULL && before == FEW_NAMES)
    {
      readings->known = g_hash_table_new (g_str_hash, g_str_equal);
      for (guint i = 0; i < before; i++)
        g_hash_table_add (readings->known, g_ptr_array_index (readings->names, i));
    }
  if (readings->known != NULL)
    g_hash_table_add (readings->known, name);
}

static void
add (Readings *readings, const char *name)
{
  if (name != NULL && readings->whole != NULL && !readings->fragment
      && !g_ptr_array_find_with_equal_func (readings->whole, name, g_str_equal, NULL))
    g_ptr_array_add (readings->whole, g_strdup (name));
  if (name == NULL || *name == '\0' || is_known (readings, name)
      || !text_spend (readings->work, strlen (name)))
    return;
  make_known (readings, g_strdup (name));
}

static void
add_decoded (Readings *readings, const char *name)
{
  if (!text_spend (readings->work, strlen (name)))
    return;
  g_autofree char *words = text_decode_words (readings->work, name, FALSE);
  g_autofree char *joined = words == NULL ? NULL : text_decode_words (readings->work, name, TRUE);
  g_autofree char *percent = text_decode_percent (name);
  g_autofree char *words_percent = words == NULL ? NULL : text_decode_percent (words);
  g_autofree char *percent_words
      = percent == NULL ? NULL : text_decode_words (readings->work, percent, FALSE);

  add (readings, words);
  add (readings, name);
  add (readings, percent);
  add (readings, words_percent);
  add (readings, percent_words);
  add (readings, joined);
}

static char *
without_backslashes (const char *text)
{
  GString *out = g_string_new (NULL);

  for (; *text != '\0'; text++)
    {
      if (*text == '\\' && text[1] != '\0')
        text++;
      g_string_append_c (out, *text);
    }
  return g_string_free (out, FALSE);
}

/* charset'language'text: the text in UTF-8; NULL: it has no such prefix. */
static char *
from_charset (TextWork *work, const char *text)
{
  const char *first = strchr (text, '\'');
  const char *second = first == NULL ? NULL : strchr (first + 1, '\'');
  g_autofree char *charset = NULL;
  g_autofree char *octets = NULL;
  g_autofree char *percent = NULL;

  if (second == NULL)
    return NULL;
  charset = g_strndup (text, (gsize) (first - text));
  percent = text_decode_percent (second + 1);
  octets = percent != NULL ? g_steal_pointer (&percent) : g_strdup (second + 1);
  if (strchr (octets, TEXT_NUL) != NULL) /* a wide charset, or a trick: keep what can be compared */
    return g_steal_pointer (&octets);
  return text_to_utf8 (work, octets, strlen (octets), charset);
}

static void
add_extended (Readings *readings, const char *text)
{
  g_autofree char *converted = from_charset (readings->work, text);

  if (converted != NULL)
    add_decoded (readings, converted);
  add_decoded (readings, text);
}

/* ---- Finding the pieces ---- */

static gboolean
is_space (char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *
skip_space (const char *p)
{
  while (is_space (*p))
    p++;
  return p;
}

/* Behind comments at `p`, if they are closed. `nested`: as in RFC 5322 section 3.2.2. */
static const char *
skip_comments (TextWork *work, const char *p, gboolean nested)
{
  const char *start = p;
  guint depth = 0;

  for (; *p != '\0' && (depth > 0 || *p == '(' || is_space (*p)); p++)
    {
      if (nested && *p == '\\' && p[1] != '\0')
        p++;
      else if (*p == '(')
        depth = nested ? depth + 1 : 1;
      else if (*p == ')')
        depth--;
    }
  text_spend (work, (gsize) (p - start));
  return p;
}

/* "name", "name*", "name*0", "name*0*" and a '=' at `p`: what stands behind it; NULL: no. */
static const char *
read_key (TextWork *work, const char *p, const char *key, Piece *piece)
{
  guint digits = 0;

  if (g_ascii_strncasecmp (p, key, strlen (key)) != 0)
    return NULL;
  p = skip_space (p + strlen (key));
  piece->number = PLAIN;
  piece->extended = FALSE;
  if (*p == '*')
    {
      guint number = 0;

      for (p = skip_space (p + 1); g_ascii_isdigit (*p); p++, digits++)
        number = MIN (number * 10 + (guint) g_ascii_digit_value (*p), MAX_NUMBER);
      if (digits > 0)
        piece->number = number;
      p = skip_space (p);
      if (digits == 0 || *p == '*')
        {
          piece->extended = TRUE;
          p = *p == '*' ? skip_space (p + 1) : p;
        }
    }
  for (guint nested = 0; nested < 2; nested++) /* comments in front of the '=' */
    {
      const char *end = skip_comments (work, p, nested != 0);

      if (*end == '=')
        return skip_space (end + 1);
    }
  return NULL;
}

/* The text up to the closing quote; `*end` is behind it, or NULL when there is none. */
static char *
read_quoted (const char *p, const char **end)
{
  const char *start = p;

  while (*p != '\0' && *p != '"')
    p += *p == '\\' && p[1] != '\0' ? 2 : 1;
  *end = *p == '"' ? p + 1 : NULL;
  return g_strndup (start, (gsize) (p - start));
}

static void
drop_line_breaks (char *text)
{
  char *to = text;

  for (; *text != '\0'; text++)
    if (*text != '\r' && *text != '\n')
      *to++ = *text;
  *to = '\0';
}

static void
keep (Readings *readings, Piece piece, char *value)
{
  piece.value = value;
  drop_line_breaks (value);
  readings->fragment = piece.number != PLAIN;
  if (piece.number == PLAIN && piece.extended)
    add_extended (readings, value);
  else
    add_decoded (readings, value);
  g_array_append_val (readings->pieces, piece);
}

/* A quote inside of the quotes: some programs take the last one of the parameter for the end. */
static void
add_to_last_quote (Readings *readings, const char *start, const char *behind)
{
  g_autofree char *whole = NULL;
  char *last;

  behind += strcspn (behind, ";");
  whole = g_strndup (start, (gsize) (behind - start));
  last = strrchr (whole, '"');
  *last = '\0';
  drop_line_breaks (whole);
  add_decoded (readings, whole);
}

/* Where to look for the next piece. */
static const char *
take_quoted (Readings *readings, Piece piece, const char *p)
{
  const char *end;
  g_autofree char *raw = read_quoted (p, &end);

  if (end == NULL) /* never closed: to the next ';' as well */
    keep (readings, piece, g_strndup (raw, strcspn (raw, ";")));
  keep (readings, piece, without_backslashes (raw));
  if (strchr (raw, '\\') != NULL) /* "C:\new.exe" of those who do not escape */
    add_decoded (readings, raw);
  if (end != NULL)
    add_to_last_quote (readings, p, end);
  return end == NULL ? p : end;
}

static const char *
take_token (Readings *readings, Piece piece, const char *p)
{
  g_autofree char *whole = g_strndup (p, strcspn (p, ";"));
  g_autofree char *word = g_strndup (p, strcspn (p, "; \t\r\n"));
  g_autofree char *bare = text_without_comments (g_strchomp (whole));
  const char *word_end;

  keep (readings, piece, g_strdup (word));
  if (strcmp (whole, word) != 0)
    keep (readings, piece, g_strdup (whole));
  if (strcmp (whole, bare) != 0)
    keep (readings, piece, g_strdup (g_strstrip (bare)));
  word_end = p + strlen (word);
  word[strcspn (word, "=")] = '\0';
  add_decoded (readings, word);
  return word_end;
}

static void
add_behind_comment (Readings *readings, const char *value)
{
  gboolean quoted = *value == '"';
  g_autofree char *text = g_strndup (value + quoted, strcspn (value + quoted, quoted ? "\"" : ";"));

  g_strchomp (text);
  drop_line_breaks (text);
  add_decoded (readings, text);
}

static gboolean
is_key_start (const char *start, const char *p)
{
  return p == start || !(g_ascii_isalnum (p[-1]) || p[-1] == '-' || p[-1] == '_' || p[-1] == '*');
}

static gboolean
find_pieces (Readings *readings, const char *text, const char *key)
{
  char initials[] = { g_ascii_tolower (*key), g_ascii_toupper (*key), '\0' };

  for (const char *p = strpbrk (text, initials); p != NULL && *p != '\0';)
    {
      Piece piece;
      const char *value = is_key_start (text, p) ? read_key (readings->work, p, key, &piece) : NULL;

      if (readings->work->exhausted)
        return TRUE;
      if (value != NULL && *value == '(') /* a comment may hold a ';' */
        add_behind_comment (readings, skip_comments (readings->work, value, TRUE));
      if (value == NULL)
        p++;
      else if (readings->pieces->len >= NAMES_MAX_PIECES)
        return FALSE;
      else if (*value == '"')
        p = take_quoted (readings, piece, value + 1);
      else
        p = take_token (readings, piece, value);
      p = strpbrk (p, initials);
    }
  return TRUE;
}

/* ---- Joining the pieces of RFC 2231 section 3 ---- */

static gint
by_number (gconstpointer a, gconstpointer b)
{
  guint left = (*(const Piece *const *) a)->number, right = (*(const Piece *const *) b)->number;

  if (left == PLAIN || right == PLAIN) /* a plain one may stand for the first */
    return left == right ? 0 : left == PLAIN ? -1 : 1;
  return left < right ? -1 : left > right;
}

static gint
by_value (gconstpointer a, gconstpointer b)
{
  gint order = by_number (a, b);

  return order != 0
             ? order
             : strcmp ((*(const Piece *const *) a)->value, (*(const Piece *const *) b)->value);
}

/* `last`: of two pieces with one number, the last wins. `decode`: percent in every piece. */
static void
join (Readings *readings, GPtrArray *order, gboolean unique, gboolean last, gboolean decode)
{
  g_autoptr (GString) out = g_string_new (NULL);

  for (guint i = 0; i < order->len; i++)
    {
      const Piece *piece = g_ptr_array_index (order, i);
      const Piece *other = NULL;
      g_autofree char *percent = NULL;

      if (unique && last && i + 1 < order->len)
        other = g_ptr_array_index (order, i + 1);
      else if (unique && !last && i > 0)
        other = g_ptr_array_index (order, i - 1);
      if (other != NULL && other->number == piece->number)
        continue;
      if (decode && (piece->extended || out->len > 0) && strchr (piece->value, '\'') == NULL)
        percent = text_decode_percent (piece->value);
      g_string_append (out, percent != NULL ? percent : piece->value);
    }
  add_extended (readings, out->str);
}

static void
join_pieces (Readings *readings)
{
  g_autoptr (GPtrArray) order = g_ptr_array_new ();
  gboolean numbered = FALSE;

  for (guint i = 0; i < readings->pieces->len; i++)
    {
      Piece *piece = &g_array_index (readings->pieces, Piece, i);

      numbered |= piece->number != PLAIN;
      g_ptr_array_add (order, piece);
    }
  if (!numbered)
    return;
  join (readings, order, FALSE, FALSE, TRUE); /* as they stand */
  g_ptr_array_sort (order, by_number);        /* stable */
  for (guint variant = 0; variant < 4; variant++)
    join (readings, order, TRUE, (variant & 1) != 0, (variant & 2) != 0);
  join (readings, order, FALSE, FALSE, TRUE); /* two of a number: both */
  g_ptr_array_sort (order, by_value);
  join (readings, order, FALSE, FALSE, TRUE);
  g_ptr_array_sort (order, by_number);
  while (order->len > 0 && ((Piece *) g_ptr_array_index (order, 0))->number == PLAIN)
    g_ptr_array_remove_index (order, 0);
  for (guint variant = 0; variant < 4; variant++)
    join (readings, order, TRUE, (variant & 1) != 0, (variant & 2) != 0);
}

static GPtrArray *
finish (Readings *readings)
{
  g_clear_pointer (&readings->known, g_hash_table_unref);
  g_array_unref (readings->pieces);
  return readings->names;
}

static Readings
begin (TextWork *work)
{
  Readings readings = { .work = work,
                        .names = g_ptr_array_new_with_free_func (g_free),
                        .pieces = g_array_new (FALSE, FALSE, sizeof (Piece)) };

  g_array_set_clear_func (readings.pieces, clear_piece);
  return readings;
}

static void
copy_pieces (const Readings *readings, GPtrArray *to)
{
  for (guint i = 0; i < readings->pieces->len; i++)
    g_ptr_array_add (to, g_strdup (g_array_index (readings->pieces, Piece, i).value));
}

gboolean
names_holds (const char *text, const char *word)
{
  gsize length = strlen (word);

  for (; *text != '\0'; text++)
    if ((*text | 0x20) == *word && g_ascii_strncasecmp (text, word, length) == 0)
      return TRUE;
  return FALSE;
}

GPtrArray *
names_read (TextWork *work, const char *text, const char *key, GPtrArray *pieces, GPtrArray *whole,
            gboolean *too_many)
{
  Readings readings = begin (work);

  readings.whole = whole;
  if (!find_pieces (&readings, text, key))
    *too_many = TRUE;
  readings.fragment = FALSE;
  join_pieces (&readings);
  if (pieces != NULL)
    copy_pieces (&readings, pieces);
  return finish (&readings);
}

GPtrArray *
names_read_plain (TextWork *work, const char *name, gsize length)
{
  g_autofree char *text = text_copy (name, length);
  Readings readings = begin (work);

  add_decoded (&readings, text);
  return finish (&readings);
}
