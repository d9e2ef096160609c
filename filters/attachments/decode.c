/* Base64 (RFC 2045 section 6.8), quoted-printable (section 6.7) and uuencode; names in yEnc,
 * BinHex.
 *
 * A '=' ends a group of base64 and not the content: some programs read on behind it. */
#include "decode.h"

#include <string.h>

static gboolean
is_word_end (char c)
{
  return c == ';' || c == '(' || c == ',' || (guchar) c <= ' ';
}

guint
decode_encodings (const char *value, gsize length)
{
  static const struct
  {
    const char *word;
    guint encodings;
  } words[] = {
    { "7bit", DECODE_IDENTITY },
    { "8bit", DECODE_IDENTITY },
    { "binary", DECODE_IDENTITY },
    { "base64", DECODE_BASE64 },
    { "quoted-printable", DECODE_QUOTED_PRINTABLE },
    { "x-uuencode", DECODE_UUENCODE },
    { "uuencode", DECODE_UUENCODE },
    { "x-uue", DECODE_UUENCODE },
  };
  gsize start = 0, end;

  while (start < length && ((guchar) value[start] <= ' ' || value[start] == '"'))
    start++;
  for (end = start; end < length && !is_word_end (value[end]) && value[end] != '"'; end++)
    ;
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strlen (words[i].word) == end - start
        && g_ascii_strncasecmp (words[i].word, value + start, end - start) == 0)
      return words[i].encodings;
  /* Empty, misspelt, or behind a comment: whoever reads it takes his pick. */
  return DECODE_IDENTITY | DECODE_BASE64 | DECODE_QUOTED_PRINTABLE;
}

/* One more than the digit; 0: no code. */
static const guint8 base64_digits[256] = {
  ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
  ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
  ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
  ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
  ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
  ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
  ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

static gint
base64_digit (guint8 c)
{
  return base64_digits[c] - 1;
}

/* Whole groups of four digits, up to the first octet that is none. How many groups. */
static gsize
decode_groups (const guint8 *bytes, gsize length, guint8 *out, gsize room)
{
  gsize count = MIN (length / 4, room / 3), done = 0;

  for (; done < count; done++, bytes += 4, out += 3)
    {
      gint a = base64_digit (bytes[0]), b = base64_digit (bytes[1]), c = base64_digit (bytes[2]),
           d = base64_digit (bytes[3]);

      if ((a | b | c | d) < 0)
        break;
      out[0] = (guint8) (a << 2 | b >> 4);
      out[1] = (guint8) (b << 4 | c >> 2);
      out[2] = (guint8) (c << 6 | d);
    }
  return done;
}

gsize
decode_base64_step (DecodeBase64 *state, const guint8 *bytes, gsize length, guint8 *out, gsize room,
                    gsize *used)
{
  guint32 group = state->group;
  guint bits = state->bits;
  gsize at = 0, written = 0;

  for (; at < length && written < room; at++)
    {
      gsize groups
          = bits == 0 ? decode_groups (bytes + at, length - at, out + written, room - written) : 0;
      gint digit;

      at += 4 * groups;
      written += 3 * groups;
      if (at == length || written == room)
        break;
      digit = base64_digit (bytes[at]);
      if (digit < 0)
        {
          if (bytes[at] == '=' && !state->joined)
            bits = 0;
          continue;
        }
      group = (group << 6 | (guint) digit) & 0xffffff;
      bits += 6;
      if (bits >= 8)
        {
          bits -= 8;
          out[written++] = (guint8) (group >> bits);
        }
    }
  state->group = group;
  state->bits = bits;
  *used = at;
  return written;
}

static void
decode_base64 (GByteArray *out, const guint8 *bytes, gsize length, gsize most, gboolean joined)
{
  DecodeBase64 state = { .joined = joined };
  gsize room = MIN (length / 4 * 3 + 3, most), used;

  g_byte_array_set_size (out, (guint) room);
  room = decode_base64_step (&state, bytes, length, out->data, room, &used);
  g_byte_array_set_size (out, (guint) room);
}

/* How many octets of a soft line break stand at `bytes`, which begins with '='; 0: none. */
static gsize
soft_break (const guint8 *bytes, gsize length)
{
  gsize i = 1;

  while (i < length && (bytes[i] == ' ' || bytes[i] == '\t' || bytes[i] == '\r'))
    i++;
  return i < length && bytes[i] == '\n' ? i + 1 : 0;
}

static void
decode_quoted_printable (GByteArray *out, const guint8 *bytes, gsize length, gsize most)
{
  for (gsize i = 0; i < length && out->len < most;)
    {
      gsize some = MIN (length - i, most - out->len);
      const guint8 *sign = memchr (bytes + i, '=', some);
      guint8 octet = '=';

      some = sign == NULL ? some : (gsize) (sign - bytes) - i;
      g_byte_array_append (out, bytes + i, (guint) some);
      i += some;
      if (sign == NULL)
        continue;
      some = soft_break (bytes + i, length - i);
      if (i + 2 < length && g_ascii_isxdigit (bytes[i + 1]) && g_ascii_isxdigit (bytes[i + 2]))
        {
          octet = (guint8) (g_ascii_xdigit_value (bytes[i + 1]) * 16
                            + g_ascii_xdigit_value (bytes[i + 2]));
          i += 2;
        }
      else if (some > 0)
        {
          i += some;
          continue;
        }
      g_byte_array_append (out, &octet, 1);
      i++;
    }
}

static void
decode_uu_line (GByteArray *out, const guint8 *line, gsize length)
{
  gsize count = (line[0] - 32u) & 63u;

  for (gsize i = 1; i + 1 < length && count > 0; i += 4)
    {
      guint32 group = 0;

      for (gsize j = 0; j < 4; j++)
        group = group << 6 | (i + j < length ? (line[i + j] - 32u) & 63u : 0);
      for (guint j = 0; j < 3 && count > 0; j++, count--)
        {
          guint8 octet = (guint8) (group >> (16 - 8 * j));

          g_byte_array_append (out, &octet, 1);
        }
    }
}

/* The octets of the line at `bytes` without its end, and in `next` with it. */
static gsize
line_length (const guint8 *bytes, gsize length, gsize *next)
{
  const guint8 *end = memchr (bytes, '\n', length);
  gsize line = end == NULL ? length : (gsize) (end - bytes);

  *next = end == NULL ? length : line + 1;
  return line > 0 && bytes[line - 1] == '\r' ? line - 1 : line;
}

static void
decode_uu (GByteArray *out, const guint8 *bytes, gsize length, gsize most)
{
  gboolean inside = FALSE;
  gsize next;

  for (; length > 0 && out->len < most; bytes += next, length -= next)
    {
      gsize name, name_length;
      gsize line = line_length (bytes, length, &next);

      if (decode_uu_begin (bytes, line, &name, &name_length))
        inside = TRUE;
      else if (line == 3 && memcmp (bytes, "end", 3) == 0)
        inside = FALSE;
      else if (inside && line > 1)
        decode_uu_line (out, bytes, line);
    }
}

GByteArray *
decode_bytes (DecodeEncodings encoding, const guint8 *bytes, gsize length, gsize most)
{
  GByteArray *out = g_byte_array_new ();

  if (encoding == DECODE_BASE64 || encoding == DECODE_BASE64_JOINED)
    decode_base64 (out, bytes, length, most, encoding == DECODE_BASE64_JOINED);
  else if (encoding == DECODE_QUOTED_PRINTABLE)
    decode_quoted_printable (out, bytes, length, most);
  else if (encoding == DECODE_UUENCODE)
    decode_uu (out, bytes, length, most);
  else
    g_byte_array_append (out, bytes, (guint) MIN (length, most));
  return out;
}

gboolean
decode_uu_begin (const guint8 *line, gsize length, gsize *name, gsize *name_length)
{
  gsize i = 5, digits = 0;

  if (length < 11 || memcmp (line, "begin", 5) != 0)
    return FALSE;
  if (length > 12 && memcmp (line + 5, "-base64", 7) == 0)
    i += 7;
  if (line[i] != ' ')
    return FALSE;
  while (i < length && line[i] == ' ')
    i++;
  for (; i < length && line[i] >= '0' && line[i] <= '7'; i++)
    digits++;
  if (digits < 3 || digits > 4 || i >= length || line[i] != ' ')
    return FALSE;
  while (i < length && line[i] == ' ')
    i++;
  while (length > i && (line[length - 1] == '\r' || line[length - 1] == '\n'))
    length--;
  *name = i;
  *name_length = length - i;
  return length > i;
}

gboolean
decode_has_inner_padding (const guint8 *bytes, gsize length)
{
  const guint8 *padding = memchr (bytes, '=', length);

  for (const guint8 *p = padding; p != NULL && p < bytes + length; p++)
    if (base64_digit (*p) >= 0)
      return TRUE;
  return FALSE;
}

/* ---- Names of other formats ---- */

gboolean
decode_yenc_begin (const guint8 *line, gsize length, gsize *name, gsize *name_length)
{
  const guint8 *found;

  if (length < 8 || g_ascii_strncasecmp ((const char *) line, "=ybegin ", 8) != 0)
    return FALSE;
  found = memmem (line, length, " name=", 6);
  if (found == NULL)
    return FALSE;
  *name = (gsize) (found + 6 - line);
  while (length > *name && (guchar) line[length - 1] <= ' ')
    length--;
  *name_length = length - *name;
  return *name_length > 0;
}

/* The octets of BinHex before its run lengths are undone; at most `most`. */
static gsize
decode_binhex (const guint8 *bytes, gsize length, guint8 *out, gsize most)
{
  static const char digits[] = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
  guint32 group = 0;
  guint bits = 0;
  gsize used = 0;

  for (gsize i = 0; i < length && used < most && bytes[i] != ':'; i++)
    {
      const char *digit = bytes[i] == '\0' ? NULL : strchr (digits, bytes[i]);

      if (digit == NULL)
        continue;
      group = (group << 6 | (guint32) (digit - digits)) & 0xffff;
      bits += 6;
      if (bits >= 8)
        {
          bits -= 8;
          out[used++] = (guint8) (group >> bits);
        }
    }
  return used;
}

gboolean
decode_binhex_name (const guint8 *bytes, gsize length, char *name)
{
  guint8 raw[3 * (DECODE_BINHEX_NAME + 2)], octets[DECODE_BINHEX_NAME + 2] = { 0 };
  gsize got = 0, used = 0;

  if (length < 2 || bytes[0] != ':')
    return FALSE;
  got = decode_binhex (bytes + 1, MIN (length - 1, 1000), raw, sizeof raw);
  for (gsize i = 0; i < got && used < sizeof octets; i++)
    {
      if (raw[i] != 0x90 || i + 1 >= got)
        octets[used++] = raw[i];
      else if (raw[++i] == 0)
        octets[used++] = 0x90;
      else
        for (guint more = raw[i]; more > 1 && used > 0 && used < sizeof octets; more--, used++)
          octets[used] = octets[used - 1];
    }
  if (octets[0] == 0 || octets[0] > DECODE_BINHEX_NAME || used < octets[0] + 2u
      || octets[octets[0] + 1] != 0) /* the version follows */
    return FALSE;
  memcpy (name, octets + 1, octets[0]);
  name[octets[0]] = '\0';
  return TRUE;
}
