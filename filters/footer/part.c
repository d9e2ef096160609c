/* See part.h. Where the charset can hold the footer, and the encoding allows it, the bytes that
 * were there stay; else the part becomes UTF-8, and where that cannot be, the footer loses its
 * accents.
 */
#include "part.h"

#include <string.h>

#include "text.h"

#define NOT_FOUND G_MAXSIZE

void
part_change_clear (PartChange *change)
{
  if (change->raw != NULL)
    g_string_free (change->raw, TRUE);
  change->raw = NULL;
}

static gboolean
is_plain_ascii (const char *charset)
{
  return charset == NULL || g_ascii_strcasecmp (charset, "us-ascii") == 0
         || g_ascii_strcasecmp (charset, "ascii") == 0;
}

/* Whether ASCII stands in this charset as it is: not in UTF-16, UTF-7, EBCDIC. */
static gboolean
holds_ascii (const char *charset)
{
  static const char sample[] = "</body>\r\nA+1&~";
  g_autofree char *same = NULL;
  gsize length = 0;

  if (is_plain_ascii (charset))
    return TRUE;
  same = g_convert (sample, -1, charset, "UTF-8", NULL, &length, NULL);
  return same != NULL && length == strlen (sample) && memcmp (same, sample, length) == 0;
}

/* As UTF-8 that says nothing, or ASCII: common, and read so by mail programs. */
static gboolean
is_utf8 (const char *text, gsize length)
{
  const char *end;

  while (!g_utf8_validate (text, (gssize) length, &end))
    {
      if (*end != '\0')
        return FALSE;
      length -= (gsize) (end + 1 - text);
      text = end + 1;
    }
  return TRUE;
}

char *
part_utf8 (const Part *part, gsize *length)
{
  *length = part->content_length;
  if (!is_plain_ascii (part->charset))
    return g_convert (part->content, (gssize) part->content_length, "UTF-8", part->charset, NULL,
                      length, NULL);
  return is_utf8 (part->content, part->content_length)
             ? g_memdup2 (part->content, MAX (part->content_length, 1))
             : NULL;
}

/* ---- Where it goes ---- */

/* The last place of the tag, in any case. */
static gsize
find_last (const char *bytes, gsize length, const char *tag)
{
  gsize size = strlen (tag);

  for (gsize at = length; at >= size; at--)
    if (g_ascii_strncasecmp (bytes + at - size, tag, size) == 0)
      return at - size;
  return NOT_FOUND;
}

/* NOT_FOUND: at the end. */
static gsize
find_place (const char *bytes, gsize length, gboolean html)
{
  gsize place = html ? find_last (bytes, length, "</body") : NOT_FOUND;

  return html && place == NOT_FOUND ? find_last (bytes, length, "</html") : place;
}

static gboolean
ends_with_break (const char *bytes, gsize length)
{
  return length > 0 && bytes[length - 1] == '\n';
}

/* `footer` ends with CRLF; so does what comes out, if the body did or was empty. */
static GString *
insert_at (const char *bytes, gsize length, gsize place, const char *footer)
{
  GString *out = g_string_sized_new (length + strlen (footer) + 4);
  gboolean at_end = place == NOT_FOUND;
  gboolean broken = ends_with_break (bytes, length);

  g_string_append_len (out, bytes, (gssize) (at_end ? length : place));
  if (at_end && length > 0 && !broken)
    g_string_append (out, "\r\n");
  g_string_append (out, footer);
  if (!at_end)
    g_string_append_len (out, bytes + place, (gssize) (length - place));
  else if (length > 0 && !broken)
    g_string_truncate (out, out->len - 2);
  return out;
}

/* ---- Into what is there ---- */

/* A soft break at the end would swallow the one that is put there; a footer in the middle of a line
 * is put between two soft breaks. */
static GString *
insert_quoted (const Part *part, gsize place, const char *quoted)
{
  g_autoptr (GString) text = g_string_new (quoted);
  gboolean open = part->raw_length > 0 && part->raw[part->raw_length - 1] == '=';
  gboolean soft
      = part->raw_length > 2 && memcmp (part->raw + part->raw_length - 3, "=\r\n", 3) == 0;

  if (place != NOT_FOUND && place > 0 && part->raw[place - 1] != '\n')
    g_string_prepend (text, "=\r\n");
  if (place == NOT_FOUND && (soft || open))
    g_string_prepend (text, "\r\n");
  return insert_at (part->raw, part->raw_length, place, text->str);
}

/* The whole body anew, in the encoding that it has; 7bit can not stay. */
static void
insert_anew (const Part *part, gsize place, const char *footer, PartChange *change)
{
  GString *content = insert_at (part->content, part->content_length, place, footer);
  g_autofree char *encoded = part->encoding == PART_BASE64
                                 ? text_base64 (content->str, content->len)
                                 : text_quote (content->str, content->len);

  g_string_assign (content, encoded);
  change->raw = content;
  change->encoding = part->encoding == PART_SEVEN_BIT ? "quoted-printable" : NULL;
}

/* `footer` in the part's charset. */
static void
insert_bytes (const Part *part, const char *footer, PartChange *change)
{
  gsize place = find_place (part->raw, part->raw_length, part->html);
  gsize real = find_place (part->content, part->content_length, part->html);
  gboolean fits = part->encoding == PART_IDENTITY
                  || (part->encoding == PART_SEVEN_BIT && text_is_ascii (footer, strlen (footer)));

  if (fits)
    change->raw = insert_at (part->raw, part->raw_length, place, footer);
  else if (part->encoding == PART_QUOTED && (place == NOT_FOUND) == (real == NOT_FOUND))
    {
      g_autofree char *quoted = text_quote (footer, strlen (footer));

      change->raw = insert_quoted (part, place, quoted);
    }
  else
    insert_anew (part, real, footer, change);
}

/* ---- As UTF-8 ---- */

static gboolean
become_utf8 (const Part *part, const char *footer, PartChange *change)
{
  gsize length;
  g_autofree char *utf8 = part_utf8 (part, &length);
  g_autoptr (GString) content = NULL;

  if (utf8 == NULL)
    return FALSE;
  content = insert_at (utf8, length, find_place (utf8, length, part->html), footer);
  g_autofree char *encoded = part->encoding == PART_BASE64
                                 ? text_base64 (content->str, content->len)
                                 : text_quote (content->str, content->len);
  change->raw = g_string_new (encoded);
  change->charset = "utf-8";
  if (part->encoding != PART_BASE64 && part->encoding != PART_QUOTED)
    change->encoding = "quoted-printable";
  return TRUE;
}

/* ---- Choosing ---- */

/* The footer with the line ends of the wire, the last one too. */
static char *
make_footer (const Part *part, const char *footer)
{
  g_autofree char *flowed = part->flowed && !part->html ? text_flowed (footer) : g_strdup (footer);
  g_autofree char *whole = g_strconcat (flowed, g_str_has_suffix (flowed, "\n") ? "" : "\n", NULL);

  return text_crlf (whole);
}

/* In the part's charset; NULL: it can not hold the footer. */
static char *
encode_footer (const Part *part, const char *footer)
{
  gsize length = 0;
  char *bytes;

  if (text_is_ascii (footer, strlen (footer)))
    return g_strdup (footer);
  if (is_plain_ascii (part->charset))
    return NULL;
  bytes = g_convert (footer, -1, part->charset, "UTF-8", NULL, &length, NULL);
  if (bytes != NULL && strlen (bytes) != length) /* a NUL in it */
    g_clear_pointer (&bytes, g_free);
  return bytes;
}

gboolean
part_add (const Part *part, const char *footer, PartChange *change)
{
  g_autofree char *whole = make_footer (part, footer);
  g_autofree char *bytes = NULL;
  gboolean compatible = holds_ascii (part->charset);

  *change = (PartChange){ 0 };
  if (compatible)
    bytes = encode_footer (part, whole);
  if (compatible && bytes == NULL && part->html)
    bytes = text_html_ascii (whole);
  if (bytes == NULL && become_utf8 (part, whole, change))
    return TRUE;
  if (!compatible)
    return FALSE;
  if (bytes == NULL)
    bytes = text_without_accents (whole);
  insert_bytes (part, bytes, change);
  return TRUE;
}
