/* Content transfer decoding and encoded-words without GMime's two blind spots, and text/plain
 * entities. Nothing fails: what can not be decoded is skipped or kept, and text that is no UTF-8 is
 * made it. */
#include "mime/decode.h"

#include <string.h>

#include <gmime/gmime.h>

/* One group of base64, up to a padding: what is missing to a multiple of four is padded, as mail
 * programs do it. `length` bytes at `bytes` without '='. */
static void
decode_group (const gchar *bytes, gsize length, GByteArray *out)
{
  gint state = 0;
  guint save = 0;
  gsize valid = 0;
  gsize room = length / 4 * 3 + 6;
  guint start = out->len;
  gsize written = 0;

  for (gsize i = 0; i < length; i++)
    valid += g_ascii_isalnum (bytes[i]) || bytes[i] == '+' || bytes[i] == '/';
  g_byte_array_set_size (out, start + (guint) room);
  written = g_base64_decode_step (bytes, length, out->data + start, &state, &save);
  if (valid % 4 >= 2)
    written
        += g_base64_decode_step ("==", 4 - valid % 4, out->data + start + written, &state, &save);
  g_byte_array_set_size (out, start + (guint) written);
}

GBytes *
mime_decode_base64 (const guint8 *bytes, gsize length)
{
  GByteArray *out = g_byte_array_sized_new ((guint) MIN (length / 4 * 3 + 6, G_MAXINT32));
  const gchar *at = (const gchar *) bytes;
  const gchar *end = at + length;

  while (at < end)
    {
      const gchar *padding = memchr (at, '=', (gsize) (end - at));
      const gchar *stop = padding == NULL ? end : padding;

      if (stop > at)
        decode_group (at, (gsize) (stop - at), out);
      at = padding == NULL ? end : padding + 1;
    }
  return g_byte_array_free_to_bytes (out);
}

/* All bytes of a stream from its start; the stream's place is put back. */
static GByteArray *
read_stream (GMimeStream *stream)
{
  GByteArray *out = g_byte_array_new ();
  gchar block[16 * 1024];
  gssize got = 0;

  g_mime_stream_reset (stream);
  while ((got = g_mime_stream_read (stream, block, sizeof block)) > 0)
    g_byte_array_append (out, (const guint8 *) block, (guint) got);
  g_mime_stream_reset (stream);
  return out;
}

static GBytes *
decode_with_gmime (GMimeContentEncoding encoding, const GByteArray *raw)
{
  GMimeEncoding decoder;
  gsize room = 0;
  gchar *out = NULL;
  gsize length = 0;

  g_mime_encoding_init_decode (&decoder, encoding);
  room = g_mime_encoding_outlen (&decoder, raw->len);
  out = g_malloc (room + 1);
  length = g_mime_encoding_flush (&decoder, (const gchar *) raw->data, raw->len, out);
  return g_bytes_new_take (out, length);
}

GBytes *
mime_decode_part (GMimePart *part)
{
  GMimeDataWrapper *content = g_mime_part_get_content (part);
  GMimeStream *stream = content == NULL ? NULL : g_mime_data_wrapper_get_stream (content);
  GMimeContentEncoding encoding = g_mime_part_get_content_encoding (part);
  g_autoptr (GByteArray) raw = NULL;

  if (stream == NULL)
    return NULL;
  raw = read_stream (stream);
  if (encoding == GMIME_CONTENT_ENCODING_BASE64)
    return mime_decode_base64 (raw->data, raw->len);
  if (encoding == GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE
      || encoding == GMIME_CONTENT_ENCODING_UUENCODE)
    return decode_with_gmime (encoding, raw);
  return g_byte_array_free_to_bytes (g_steal_pointer (&raw));
}

/* The end of the encoded-word at `at`: "=?charset?B?text?="; NULL: there is none. */
static const gchar *
word_end (const gchar *at)
{
  const gchar *mark = at + 2;

  if (!g_str_has_prefix (at, "=?"))
    return NULL;
  mark += strcspn (mark, "? \t\r\n");
  if (mark[0] != '?' || mark[1] == '\0' || strchr ("bBqQ", mark[1]) == NULL || mark[2] != '?')
    return NULL;
  /* Real programs put spaces into the text of Q words: up to the next "?=". */
  mark = strstr (mark + 3, "?=");
  return mark == NULL ? NULL : mark + 2;
}

static gchar *
to_utf8 (const guint8 *bytes, gsize length, const gchar *charset)
{
  g_autofree gchar *text = NULL;

  if (g_ascii_strcasecmp (charset, "utf-8") != 0)
    text = g_convert ((const gchar *) bytes, (gssize) length, "UTF-8", charset, NULL, NULL, NULL);
  return text != NULL ? g_utf8_make_valid (text, -1)
                      : g_utf8_make_valid ((const gchar *) bytes, (gssize) length);
}

static GBytes *
decode_q (const gchar *text, gsize length)
{
  GByteArray *out = g_byte_array_new ();

  for (gsize i = 0; i < length; i++)
    {
      guint8 byte = text[i] == '_' ? ' ' : (guint8) text[i];

      if (text[i] == '=' && i + 2 < length && g_ascii_isxdigit (text[i + 1])
          && g_ascii_isxdigit (text[i + 2]))
        {
          byte = (guint8) (g_ascii_xdigit_value (text[i + 1]) * 16
                           + g_ascii_xdigit_value (text[i + 2]));
          i += 2;
        }
      g_byte_array_append (out, &byte, 1);
    }
  return g_byte_array_free_to_bytes (out);
}

static gchar *
decode_word (const gchar *word, const gchar *end)
{
  const gchar *mark = word + 2 + strcspn (word + 2, "?");
  g_autofree gchar *charset = g_strndup (word + 2, (gsize) (mark - word - 2));
  const gchar *text = mark + 3;
  gsize length = (gsize) (end - 2 - text);
  g_autoptr (GBytes) bytes = NULL;
  gsize size = 0;
  const guint8 *data = NULL;

  /* RFC 2231 section 5: a language may follow the charset. */
  charset[strcspn (charset, "*")] = '\0';
  bytes = g_ascii_toupper (mark[1]) == 'B' ? mime_decode_base64 ((const guint8 *) text, length)
                                           : decode_q (text, length);
  data = g_bytes_get_data (bytes, &size);
  return to_utf8 (data == NULL ? (const guint8 *) "" : data, size, charset);
}

gchar *
mime_decode_words (const gchar *value)
{
  g_autoptr (GString) out = g_string_new (NULL);
  gsize behind_word = G_MAXSIZE; /* of `out`, where the last encoded-word ended */

  while (*value != '\0')
    {
      const gchar *end = word_end (value);
      g_autofree gchar *text = NULL;

      if (end == NULL)
        {
          g_string_append_c (out, *value++);
          continue;
        }
      if (behind_word != G_MAXSIZE
          && strspn (out->str + behind_word, " \t\r\n") == out->len - behind_word)
        g_string_truncate (out, behind_word);
      text = decode_word (value, end);
      g_string_append (out, text);
      behind_word = out->len;
      value = end;
    }
  return g_utf8_make_valid (out->str, (gssize) out->len);
}

/* One line in quoted-printable (RFC 2045 section 6.7), soft breaks at 76 columns. */
static void
append_quoted_line (GString *out, const gchar *line, gsize length)
{
  guint column = 0;

  for (gsize i = 0; i < length; i++)
    {
      guint8 byte = (guint8) line[i];
      gboolean last = i + 1 == length;
      gboolean plain
          = (byte > 32 && byte < 127 && byte != '=') || ((byte == ' ' || byte == '\t') && !last);

      if (column + (plain ? 1 : 3) > 75)
        {
          g_string_append (out, "=\r\n");
          column = 0;
        }
      if (plain)
        g_string_append_c (out, (gchar) byte);
      else
        g_string_append_printf (out, "=%02X", byte);
      column += plain ? 1 : 3;
    }
}

static gboolean
needs_quoting (const gchar *text)
{
  gsize column = 0;

  for (const guchar *at = (const guchar *) text; *at != '\0'; at++)
    {
      column = *at == '\n' ? 0 : column + 1;
      if (*at >= 127 || (*at < 32 && strchr ("\r\n\t", *at) == NULL) || column > 76)
        return TRUE;
      if (*at == '\r' && at[1] != '\n')
        return TRUE;
    }
  return FALSE;
}

gchar *
mime_text_entity (const gchar *text)
{
  g_autofree gchar *valid = g_utf8_make_valid (text, -1);
  gboolean quoted = needs_quoting (valid);
  GString *out = g_string_new ("Content-Type: text/plain; charset=utf-8\r\n");
  const gchar *line = valid;

  g_string_append_printf (out, "Content-Transfer-Encoding: %s\r\n\r\n",
                          quoted ? "quoted-printable" : "7bit");
  while (*line != '\0')
    {
      gsize length = strcspn (line, "\n");
      gsize shown
          = length > 0 && line[length] == '\n' && line[length - 1] == '\r' ? length - 1 : length;

      if (quoted)
        append_quoted_line (out, line, shown);
      else
        g_string_append_len (out, line, (gssize) shown);
      g_string_append (out, "\r\n");
      line += length + (line[length] == '\n' ? 1 : 0);
    }
  return g_string_free (out, FALSE);
}
