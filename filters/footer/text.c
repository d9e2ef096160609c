/* See text.h. Nothing here fails: octets that make no sense are kept or left out. */
#include "text.h"

#include <string.h>

#define MOST_QUOTED 73 /* of the 76 of RFC 2045: "=XX" may follow, and the "=" of a soft break */
#define BASE64_LINE 76
#define LONGEST_ENTITY 10

/* ---- Comparing ---- */

static const struct
{
  const char *name;
  const char *text;
} entities[] = { { "amp", "&" },   { "lt", "<" },   { "gt", ">" },
                 { "quot", "\"" }, { "apos", "'" }, { "nbsp", "" } };

/* The entity behind the "&" at `at`. Returns its length; 0: it is none. */
static gsize
read_entity (const char *at, GString *out)
{
  gsize length = strcspn (at, "; \t\r\n<&");
  g_autofree char *name = NULL;
  gunichar c;

  if (at[length] != ';' || length > LONGEST_ENTITY)
    return 0;
  name = g_strndup (at, length);
  for (guint i = 0; i < G_N_ELEMENTS (entities); i++)
    if (strcmp (name, entities[i].name) == 0)
      {
        g_string_append (out, entities[i].text);
        return length + 1;
      }
  if (*name != '#')
    return 0;
  c = (gunichar) (name[1] == 'x' || name[1] == 'X' ? g_ascii_strtoull (name + 2, NULL, 16)
                                                   : g_ascii_strtoull (name + 1, NULL, 10));
  if (g_unichar_validate (c) && c != 0 && !g_unichar_isspace (c))
    g_string_append_unichar (out, c);
  return length + 1;
}

static char *
without_tags (const char *html)
{
  GString *out = g_string_new (NULL);

  for (const char *at = html; *at != '\0';)
    {
      gsize used = *at == '&' ? read_entity (at + 1, out) : 0;

      if (*at == '<')
        at += strcspn (at, ">");
      else if (used == 0)
        g_string_append_c (out, *at);
      at += *at != '\0' ? 1 + used : 0;
    }
  return g_string_free (out, FALSE);
}

char *
text_essence (const char *text, gboolean html)
{
  g_autofree char *plain = html ? without_tags (text) : g_strdup (text);
  GString *out = g_string_new (NULL);

  for (const char *at = plain; *at != '\0'; at++)
    if (at[0] == '\xc2' && at[1] == '\xa0') /* no-break space */
      at++;
    else if (!g_ascii_isspace (*at) && *at != '>' && *at != '|')
      g_string_append_c (out, *at);
  return g_string_free (out, FALSE);
}

/* ---- Forms ---- */

char *
text_to_html (const char *text)
{
  g_autofree char *escaped = g_markup_escape_text (text, -1);
  GString *out = g_string_new (escaped);

  while (out->len > 0 && out->str[out->len - 1] == '\n')
    g_string_truncate (out, out->len - 1);
  g_string_replace (out, "\n", "<br>\n", 0);
  g_string_prepend (out, "<div>");
  g_string_append (out, "</div>\n");
  return g_string_free (out, FALSE);
}

char *
text_html_ascii (const char *html)
{
  GString *out = g_string_new (NULL);

  for (; *html != '\0'; html = g_utf8_next_char (html))
    if ((guchar) *html < 0x80)
      g_string_append_c (out, *html);
    else
      g_string_append_printf (out, "&#%u;", g_utf8_get_char (html));
  return g_string_free (out, FALSE);
}

char *
text_flowed (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      gboolean stuffed = **line == ' ' || **line == '>' || g_str_has_prefix (*line, "From ");
      char *fresh;

      if (strcmp (*line, "-- ") != 0)
        g_strchomp (*line);
      fresh = g_strconcat (stuffed ? " " : "", *line, NULL);
      g_free (*line);
      *line = fresh;
    }
  return g_strjoinv ("\n", lines);
}

char *
text_crlf (const char *text)
{
  GString *out = g_string_new (text);

  g_string_replace (out, "\r\n", "\n", 0);
  g_string_replace (out, "\n", "\r\n", 0);
  return g_string_free (out, FALSE);
}

char *
text_without_accents (const char *text)
{
  return g_str_to_ascii (text, "en");
}

gboolean
text_is_ascii (const char *text, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if ((guchar) text[i] >= 0x80)
      return FALSE;
  return TRUE;
}

/* ---- Encodings ---- */

static gboolean
ends_line (const char *bytes, gsize length, gsize at)
{
  return at == length || (at + 1 < length && bytes[at] == '\r' && bytes[at + 1] == '\n');
}

char *
text_quote (const char *bytes, gsize length)
{
  GString *out = g_string_sized_new (length + length / 8);
  gsize column = 0;

  for (gsize at = 0; at < length; at++)
    {
      guchar c = (guchar) bytes[at];
      gboolean blank = c == ' ' || c == '\t';

      if (c == '\r' && ends_line (bytes, length, at))
        {
          g_string_append (out, "\r\n");
          column = 0;
          at++;
          continue;
        }
      if (column >= MOST_QUOTED)
        {
          g_string_append (out, "=\r\n");
          column = 0;
        }
      if ((c > ' ' && c < 0x7f && c != '=' && !(c == '.' && column == 0))
          || (blank && !ends_line (bytes, length, at + 1)))
        {
          g_string_append_c (out, (char) c);
          column++;
        }
      else
        {
          g_string_append_printf (out, "=%02X", c);
          column += 3;
        }
    }
  return g_string_free (out, FALSE);
}

char *
text_base64 (const char *bytes, gsize length)
{
  g_autofree char *encoded = g_base64_encode ((const guchar *) bytes, length);
  gsize all = strlen (encoded);
  GString *out = g_string_sized_new (all + all / 38);

  for (gsize at = 0; at < all; at += BASE64_LINE)
    {
      g_string_append_len (out, encoded + at, (gssize) MIN (BASE64_LINE, all - at));
      g_string_append (out, "\r\n");
    }
  return g_string_free (out, FALSE);
}
