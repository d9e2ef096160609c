/* A flat walk over attributes. The long name of a file stands among MAPI properties, which are not
 * parsed but searched for the property's number: no length in them is believed but the name's. */
#include "tnef.h"

#include <string.h>

#include "text.h"

#define HEADER 6
#define ATTRIBUTE 9 /* level, name, length; a checksum of two octets follows the data */
#define TITLE 0x8010
#define PROPERTIES 0x9005

static guint32
read_32 (const guint8 *at)
{
  return at[0] | (guint32) at[1] << 8 | (guint32) at[2] << 16 | (guint32) at[3] << 24;
}

gboolean
tnef_is (const guint8 *head, gsize length)
{
  return length >= HEADER && read_32 (head) == 0x223e9f78;
}

static void
tell (const guint8 *name, gsize length, gboolean wide, TnefFunc func, gpointer data)
{
  g_autofree char *text = NULL;

  length = MIN (length, TNEF_MAX_NAME);
  if (wide)
    text = g_convert ((const char *) name, (gssize) (length & ~(gsize) 1), "UTF-8", "UTF-16LE",
                      NULL, NULL, NULL);
  if (text == NULL)
    {
      while (length > 0 && name[length - 1] == 0)
        length--;
      text = text_copy ((const char *) name, length);
    }
  if (*text != '\0')
    func (text, data);
}

/* PidTagAttachLongFilename (0x3707) and its like: type, number, count, length, text. */
static void
tell_properties (const guint8 *bytes, gsize length, TnefFunc func, gpointer data)
{
  for (gsize i = 0; i + 12 <= length; i++)
    {
      gboolean known = bytes[i + 3] == 0x37 && (bytes[i + 2] == 0x07 || bytes[i + 2] == 0x04);
      gboolean wide = bytes[i] == 0x1f;

      if (known && bytes[i + 1] == 0 && (wide || bytes[i] == 0x1e))
        tell (bytes + i + 12, MIN (read_32 (bytes + i + 8), length - i - 12), wide, func, data);
    }
}

static void
take_attribute (Source *source, guint64 offset, guint number, guint32 length, TnefFunc func,
                gpointer data)
{
  gsize most = number == TITLE ? TNEF_MAX_NAME : TNEF_MAX_PROPERTIES;
  g_autofree guint8 *bytes = NULL;
  gsize got;

  if (number != TITLE && number != PROPERTIES)
    return;
  bytes = g_malloc (most);
  got = source_read (source, offset, bytes, MIN (length, most));
  if (number == TITLE)
    tell (bytes, got, FALSE, func, data);
  else
    tell_properties (bytes, got, func, data);
}

gboolean
tnef_list (Source *source, TnefFunc func, gpointer data)
{
  guint64 offset = HEADER;
  guint8 head[ATTRIBUTE];

  for (guint count = 0; source_read (source, offset, head, 1) == 1; count++)
    {
      guint32 length;

      if (count >= TNEF_MAX_ATTRIBUTES || source_read (source, offset, head, ATTRIBUTE) != ATTRIBUTE
          || head[0] < 1 || head[0] > 2)
        return FALSE;
      length = read_32 (head + 5);
      take_attribute (source, offset + ATTRIBUTE, head[1] | (guint) head[2] << 8, length, func,
                      data);
      offset += ATTRIBUTE + (guint64) length + 2;
    }
  return TRUE;
}
