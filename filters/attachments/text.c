/* How one name can be read, octet by octet. The fact behind the care: two programs that read a name
 * in two ways are how attachments get past a filter. Nothing here fails; costs are linear. */
#include "text.h"

#include <string.h>

#include "decode.h"

#define MAX_CHARSET 80
#define MAX_CHARSETS 32          /* of one message; each converter holds memory */
#define CONVERSION_COST 256      /* octets; a conversion of one octet is not free */
#define CHARSET_COST (16 * 1024) /* octets; opening a charset may load a file */
#define MAX_SHOWN 60

gboolean
text_is (const char *text, gsize length, const char *word)
{
  if (strlen (word) != length)
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if ((text[i] >= 'A' && text[i] <= 'Z' ? (text[i] | 0x20) : text[i]) != word[i])
      return FALSE;
  return TRUE;
}

char *
text_copy (const char *bytes, gsize length)
{
  char *copy = g_malloc (length + 1);

  for (gsize i = 0; i < length; i++)
    copy[i] = bytes[i] == '\0' ? TEXT_NUL : bytes[i];
  copy[length] = '\0';
  return copy;
}

/* ---- Work ---- */

static void
close_converter (gpointer data)
{
  if ((GIConv) data != (GIConv) -1)
    g_iconv_close (data);
}

void
text_work_init (TextWork *work, guint64 budget)
{
  *work = (TextWork){ .budget = budget };
}

void
text_work_clear (TextWork *work)
{
  g_clear_pointer (&work->charsets, g_hash_table_unref);
}

gboolean
text_spend (TextWork *work, gsize octets)
{
  if (work->exhausted || octets > work->budget)
    {
      work->exhausted = TRUE;
      return FALSE;
    }
  work->budget -= octets;
  return TRUE;
}

/* ---- Charsets ---- */

/* (GIConv) -1: nobody knows the charset. */
static GIConv
find_converter (TextWork *work, char *charset)
{
  g_autofree char *name = charset;
  gpointer known;
  GIConv converter;

  if (work->charsets == NULL)
    work->charsets = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, close_converter);
  if (g_hash_table_lookup_extended (work->charsets, name, NULL, &known))
    return known;
  if (g_hash_table_size (work->charsets) >= MAX_CHARSETS)
    work->exhausted = TRUE;
  if (!text_spend (work, CHARSET_COST))
    return (GIConv) -1;
  converter = g_iconv_open ("UTF-8", name);
  g_hash_table_insert (work->charsets, g_steal_pointer (&name), converter);
  return converter;
}

static char *
convert (TextWork *work, const char *bytes, gsize length, const char *charset)
{
  gsize name = strcspn (charset, "*");
  g_autofree char *result = NULL;
  GIConv converter;
  gsize written;

  for (gsize i = 0; i < name; i++)
    if (!g_ascii_isalnum (charset[i]) && strchr ("-_.:", charset[i]) == NULL)
      return NULL;
  if (name == 0 || name > MAX_CHARSET || !text_spend (work, CONVERSION_COST + length))
    return NULL;
  converter = find_converter (work, g_ascii_strdown (charset, (gssize) name));
  if (converter == (GIConv) -1)
    return NULL;
  g_iconv (converter, NULL, NULL, NULL, NULL); /* the state in which the last one left it */
  result = g_convert_with_iconv (bytes, (gssize) length, converter, NULL, &written, NULL);
  return result == NULL ? NULL : text_copy (result, written);
}

char *
text_to_utf8 (TextWork *work, const char *bytes, gsize length, const char *charset)
{
  g_autofree char *copy = NULL;
  char *result = charset == NULL ? NULL : convert (work, bytes, length, charset);
  GString *latin;

  if (result != NULL && g_utf8_validate (result, -1, NULL))
    return result;
  g_free (result);
  copy = text_copy (bytes, length);
  if (g_utf8_validate (copy, -1, NULL))
    return g_steal_pointer (&copy);
  latin = g_string_new (NULL);
  for (const char *p = copy; *p != '\0'; p++)
    g_string_append_unichar (latin, (guchar) *p);
  return g_string_free (latin, FALSE);
}

/* ---- Encoded-words ---- */

typedef struct
{
  const char *charset;
  gsize charset_length;
  const char *text;
  gsize length;
  gboolean base64;
  const char *end; /* behind the word */
} Word;

/* "=?charset?B?text?=" at `p`; a missing end is the end of the text. */
static gboolean
read_word (const char *p, Word *word)
{
  const char *encoding, *end;

  if (p[0] != '=' || p[1] != '?')
    return FALSE;
  encoding = strchr (p + 2, '?');
  if (encoding == NULL || encoding[1] == '\0' || encoding[2] != '?'
      || strchr ("bBqQ", encoding[1]) == NULL)
    return FALSE;
  word->charset = p + 2;
  word->charset_length = (gsize) (encoding - p - 2);
  word->base64 = g_ascii_tolower (encoding[1]) == 'b';
  word->text = encoding + 3;
  end = strstr (word->text, "?=");
  word->length = end == NULL ? strlen (word->text) : (gsize) (end - word->text);
  word->end = end == NULL ? word->text + word->length : end + 2;
  return TRUE;
}

static GByteArray *
decode_q (const char *text, gsize length)
{
  g_autofree char *spaced = g_strndup (text, length);

  g_strdelimit (spaced, "_", ' ');
  return decode_bytes (DECODE_QUOTED_PRINTABLE, (const guint8 *) spaced, strlen (spaced), length);
}

static void
append_word (TextWork *work, GString *out, const Word *word, DecodeEncodings base64)
{
  g_autofree char *charset = g_strndup (word->charset, word->charset_length);
  g_autoptr (GByteArray) octets = word->base64 ? decode_bytes (base64, (const guint8 *) word->text,
                                                               word->length, word->length)
                                               : decode_q (word->text, word->length);
  g_autofree char *text = text_to_utf8 (work, octets->len == 0 ? "" : (const char *) octets->data,
                                        octets->len, charset);

  g_string_append (out, text);
}

char *
text_decode_words (TextWork *work, const char *text, gboolean joined)
{
  GString *out;
  guint words = 0;
  gsize kept = 0; /* of `out`: what stands behind the last word and is no white space ends here */

  if (strstr (text, "=?") == NULL)
    return NULL;
  out = g_string_new (NULL);
  while (*text != '\0' && !work->exhausted)
    {
      Word word;

      if (!read_word (text, &word))
        {
          g_string_append_c (out, *text);
          if (!g_ascii_isspace (*text++) || words == 0)
            kept = out->len;
          continue;
        }
      g_string_truncate (out, kept);
      append_word (work, out, &word, joined ? DECODE_BASE64_JOINED : DECODE_BASE64);
      words++;
      kept = out->len;
      text = word.end;
    }
  return g_string_free (out, words == 0);
}

char *
text_without_comments (const char *text)
{
  GString *out = g_string_new (NULL);
  guint depth = 0;

  for (; *text != '\0'; text++)
    {
      if (*text == '(')
        depth++;
      else if (*text == ')' && depth > 0)
        depth--;
      else if (depth == 0)
        g_string_append_c (out, *text);
    }
  return g_string_free (out, FALSE);
}

char *
text_decode_percent (const char *text)
{
  GString *out;

  if (strchr (text, '%') == NULL)
    return NULL;
  out = g_string_new (NULL);
  for (; *text != '\0'; text++)
    {
      gint octet = (guchar) *text;

      if (*text == '%' && g_ascii_isxdigit (text[1]) && g_ascii_isxdigit (text[2]))
        {
          octet = g_ascii_xdigit_value (text[1]) * 16 + g_ascii_xdigit_value (text[2]);
          text += 2;
        }
      g_string_append_c (out, octet == 0 ? TEXT_NUL : (char) octet);
    }
  return g_string_free (out, FALSE);
}

/* ---- Comparing ---- */

/* Characters that are not seen: they hide an extension from who compares, not from who opens. */
static gboolean
is_unseen (gunichar c)
{
  switch (g_unichar_type (c))
    {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_UNASSIGNED:
    case G_UNICODE_SURROGATE:
      return TRUE;
    default:
      return (c >= 0xfe00 && c <= 0xfe0f) || c == 0x034f || c == 0x115f || c == 0x1160
             || c == 0x3164;
    }
}

/* What most names are. NULL: it is not ASCII alone. */
static char *
fold_ascii (const char *text)
{
  g_autofree char *folded = g_malloc (strlen (text) + 1);
  char *to = folded;

  for (; *text != '\0'; text++)
    {
      guchar c = (guchar) *text;

      if (c >= 0x80)
        return NULL;
      if (g_ascii_isspace ((char) c))
        *to++ = ' ';
      else if (!g_ascii_iscntrl ((char) c))
        *to++ = c >= 'A' && c <= 'Z' ? (char) (c | 0x20) : (char) c;
    }
  *to = '\0';
  return g_steal_pointer (&folded);
}

static char *
fold_unicode (const char *text)
{
  g_autofree char *utf8 = text_to_utf8 (NULL, text, strlen (text), NULL);
  g_autofree char *composed = g_utf8_normalize (utf8, -1, G_NORMALIZE_NFKC);
  g_autofree char *folded = g_utf8_casefold (composed != NULL ? composed : utf8, -1);
  GString *out = g_string_new (NULL);

  for (const char *p = folded; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (g_unichar_isspace (c) || g_unichar_type (c) == G_UNICODE_SPACE_SEPARATOR)
        g_string_append_c (out, ' ');
      else if (!is_unseen (c))
        g_string_append_unichar (out, c);
    }
  return g_string_free (out, FALSE);
}

char *
text_fold (const char *text)
{
  char *folded = fold_ascii (text);

  return folded != NULL ? folded : fold_unicode (text);
}

char *
text_show (const char *text)
{
  g_autofree char *utf8 = text_to_utf8 (NULL, text, strlen (text), NULL);
  GString *out = g_string_new (NULL);

  for (const char *p = utf8; *p != '\0' && out->len < MAX_SHOWN; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      g_string_append_c (out, c >= 0x20 && c < 0x7f && c != '"' ? (char) c : '?');
    }
  return g_string_free (out, FALSE);
}
