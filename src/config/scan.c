/* The words of the brace grammar.
 *
 * Not GLib's GScanner: it calls 25M and 30s malformed numbers, counts columns in octets with tabs
 * as eight, and goes on in the middle of a word behind an error. */
#include "config/scan.h"

#include <string.h>

static gboolean
is_mark (gchar c)
{
  return c != '\0' && strchr ("={}[],", c) != NULL;
}

static gboolean
is_bare (gchar c)
{
  return (guchar) c > ' ' && c != 0x7f && c != '"' && c != '#' && !is_mark (c);
}

/* Over one octet; the continuation octets of a character have no column of their own. */
static void
advance (Scan *scan)
{
  guchar c = (guchar) *scan->at++;

  if (c == '\n')
    {
      scan->place.line++;
      scan->place.column = 1;
    }
  else if (scan->at == scan->end || ((guchar) *scan->at & 0xc0) != 0x80)
    scan->place.column++;
}

static void
skip_blanks (Scan *scan)
{
  gboolean comment = FALSE;

  for (; scan->at < scan->end; advance (scan))
    {
      if (*scan->at == '\n')
        comment = FALSE;
      else if (*scan->at == '#')
        comment = TRUE;
      else if (!comment && strchr (" \t\r", *scan->at) == NULL)
        return;
    }
}

void
scan_init (Scan *scan, const gchar *file, GBytes *text, ConfigErrors *errors)
{
  static const gchar mark[] = "\xef\xbb\xbf";
  gsize length;
  const gchar *data = g_bytes_get_data (text, &length);
  const gchar *valid_end = data, *start;

  memset (scan, 0, sizeof *scan);
  scan->errors = errors;
  scan->place = (ConfigPlace){ file, 1, 1 };
  if (length > 0)
    g_utf8_validate_len (data, length, &valid_end);
  scan->end = valid_end;
  start = valid_end - data >= 3 && memcmp (data, mark, 3) == 0 ? data + 3 : data;
  scan->at = start;
  if (valid_end == data + length)
    return;
  while (scan->at < scan->end)
    advance (scan);
  config_errors_add (errors, &scan->place, "octet 0x%02x is not UTF-8 text; the rest is not read",
                     (guint) (guchar) *valid_end);
  scan->at = start;
  scan->place = (ConfigPlace){ file, 1, 1 };
}

void
scan_finish (Scan *scan)
{
  g_clear_pointer (&scan->text, g_free);
}

/* The character that `\c` stands for, 0 when there is none. */
static gchar
unescape (gchar c)
{
  switch (c)
    {
    case '"':
    case '\\':
      return c;
    case 'n':
      return '\n';
    case 't':
      return '\t';
    default:
      return '\0';
    }
}

static void
read_escape (Scan *scan, GString *text)
{
  ConfigPlace place = scan->place;
  gchar c;

  advance (scan);
  if (scan->at == scan->end || *scan->at == '\n')
    return;
  c = unescape (*scan->at);
  if (c != '\0')
    {
      g_string_append_c (text, c);
      advance (scan);
      return;
    }
  config_errors_add (scan->errors, &place,
                     "unknown escape in a string: known are \\\", \\\\, \\n and \\t");
}

static void
read_string (Scan *scan)
{
  g_autoptr (GString) text = g_string_new (NULL);

  scan->kind = SCAN_STRING;
  advance (scan);
  while (scan->at < scan->end && *scan->at != '"' && *scan->at != '\n')
    {
      if (*scan->at == '\\')
        {
          read_escape (scan, text);
          continue;
        }
      if ((guchar) *scan->at < ' ' && *scan->at != '\t' && *scan->at != '\r')
        config_errors_add (scan->errors, &scan->place, "control character 0x%02x in a string",
                           (guint) (guchar) *scan->at);
      g_string_append_c (text, *scan->at);
      advance (scan);
    }
  scan->text = g_strdup (text->str);
  if (scan->at < scan->end && *scan->at == '"')
    advance (scan);
  else
    {
      g_autofree gchar *quoted = config_quote (text->str);

      config_errors_add (scan->errors, &scan->start, "string %s is not closed on its line", quoted);
    }
}

static void
read_bare (Scan *scan)
{
  const gchar *start = scan->at;

  scan->kind = SCAN_BARE;
  while (scan->at < scan->end && is_bare (*scan->at))
    advance (scan);
  scan->text = g_strndup (start, (gsize) (scan->at - start));
}

static void
read_mark (Scan *scan)
{
  scan->kind = SCAN_MARK;
  scan->text = g_strndup (scan->at, 1);
  advance (scan);
}

/* Up to the first character that can start a word. */
static void
skip_to_word (Scan *scan)
{
  for (;; advance (scan))
    {
      skip_blanks (scan);
      if (scan->at == scan->end || *scan->at == '"' || is_mark (*scan->at) || is_bare (*scan->at))
        return;
      config_errors_add (scan->errors, &scan->place, "control character 0x%02x",
                         (guint) (guchar) *scan->at);
    }
}

void
scan_next (Scan *scan)
{
  g_clear_pointer (&scan->text, g_free);
  skip_to_word (scan);
  scan->start = scan->place;
  if (scan->at == scan->end)
    scan->kind = SCAN_END;
  else if (*scan->at == '"')
    read_string (scan);
  else if (is_mark (*scan->at))
    read_mark (scan);
  else
    read_bare (scan);
}

gboolean
scan_is_mark (const Scan *scan, gchar mark)
{
  return scan->kind == SCAN_MARK && scan->text[0] == mark;
}
