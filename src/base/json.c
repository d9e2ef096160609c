/* Writing JSON (RFC 8259 section 7). Takes any octets and always yields valid JSON in valid UTF-8.
 * It can not fail. */
#include "base/json.h"

#include <string.h>

static void
append_control (BaseBuffer *out, guchar c)
{
  switch (c)
    {
    case '"':
    case '\\':
      base_buffer_append_printf (out, "\\%c", c);
      return;
    case '\n':
      base_buffer_append_string (out, "\\n");
      return;
    case '\r':
      base_buffer_append_string (out, "\\r");
      return;
    case '\t':
      base_buffer_append_string (out, "\\t");
      return;
    default:
      base_buffer_append_printf (out, "\\u%04x", c);
      return;
    }
}

static gboolean
needs_escape (guchar c)
{
  return c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

/* `text` is valid UTF-8. */
static void
append_valid (BaseBuffer *out, const gchar *text, gsize length)
{
  gsize start = 0;

  for (gsize i = 0; i < length; i++)
    {
      if (!needs_escape ((guchar) text[i]))
        continue;
      base_buffer_append (out, text + start, i - start);
      append_control (out, (guchar) text[i]);
      start = i + 1;
    }
  base_buffer_append (out, text + start, length - start);
}

void
base_json_append_string (BaseBuffer *out, const gchar *text, gssize length)
{
  gsize left = length < 0 ? strlen (text) : (gsize) length;

  base_buffer_append (out, "\"", 1);
  while (left > 0)
    {
      const gchar *end = text;
      g_utf8_validate_len (text, left, &end);
      gsize valid = (gsize) (end - text);
      append_valid (out, text, valid);
      text += valid;
      left -= valid;
      if (left == 0)
        break;
      /* The validator stops at a NUL too, which is valid in a JSON string as an escape. */
      if (*text == '\0')
        append_control (out, 0);
      else
        base_buffer_append_string (out, "\xef\xbf\xbd");
      text++;
      left--;
    }
  base_buffer_append (out, "\"", 1);
}
