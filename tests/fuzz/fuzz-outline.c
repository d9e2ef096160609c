/* Fuzzes the guard's outline: whatever it takes for a message that can be read in one way only,
 * GMime reads in that way. The first two bytes say how long a field stands in front, so that
 * GMime's buffer ends anywhere, and whether line ends are made CRLF. */
#include <stdint.h>
#include <string.h>

#include "compare.h"
#include "mime/guard.h"

#define MOST_PADDING 4200

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GString) message = g_string_new (NULL);
  gsize padding = 0;

  mime_init ();
  if (size < 2)
    return 0;
  padding = (gsize) (data[0] & 0x7f) << 8 | data[1];
  if (padding > 0)
    g_string_append (message, "X: ");
  for (gsize i = 0; i < MIN (padding, MOST_PADDING); i++)
    g_string_append_c (message, 'p');
  if (padding > 0)
    g_string_append (message, "\r\n");
  for (gsize i = 2; i < size; i++)
    {
      if (data[i] == '\n' && (data[0] & 0x80) == 0)
        g_string_append_c (message, '\r');
      g_string_append_c (message, (gchar) data[i]);
    }
  compare_outlines ((const guint8 *) message->str, message->len);
  return 0;
}
