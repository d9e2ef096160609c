/* The text of conversation scripts as octets, and back; see the header. A mistake in a script
 * aborts.
 */
#include "script-text.h"

#include <stdlib.h>
#include <string.h>

gboolean
script_unescape (const gchar *text, GByteArray *out)
{
  for (; *text != '\0'; text++)
    {
      guint8 octet = (guint8) *text;
      gulong times = 1;
      if (octet == '\\')
        {
          text++;
          if (*text == 'c')
            return FALSE;
          const gchar *names = "rnt0\\x(";
          const gchar *found = strchr (names, *text);
          g_assert_true (*text != '\0' && found != NULL);
          octet = (guint8) "\r\n\t\0\\"[MIN (found - names, 4)];
          if (*text == 'x')
            {
              octet
                  = (guint8) (g_ascii_xdigit_value (text[1]) * 16 + g_ascii_xdigit_value (text[2]));
              text += 2;
            }
          else if (*text == '(')
            {
              gchar *star;
              times = strtoul (text + 1, &star, 10);
              g_assert_true (star[0] == '*' && star[2] == ')');
              octet = (guint8) star[1];
              text = star + 2;
            }
        }
      for (; times > 0; times--)
        g_byte_array_append (out, &octet, 1);
    }
  return TRUE;
}

gchar *
script_escape (const guint8 *bytes, gsize length)
{
  GString *out = g_string_new (NULL);

  for (gsize i = 0; i < length; i++)
    {
      if (bytes[i] == '\r')
        g_string_append (out, "\\r");
      else if (bytes[i] == '\n')
        g_string_append (out, "\\n");
      else if (bytes[i] == '\\')
        g_string_append (out, "\\\\");
      else if (bytes[i] < 0x20 || bytes[i] >= 0x7f)
        g_string_append_printf (out, "\\x%02x", bytes[i]);
      else
        g_string_append_c (out, (gchar) bytes[i]);
    }
  return g_string_free (out, FALSE);
}
