/* See packet.h. What comes from the other side is never believed: a length is looked at before
 * anything is stored for it. */
#include "packet.h"

#include <string.h>

#define HEAD (sizeof (guint32))

void
packet_append_u32 (GByteArray *out, guint32 number)
{
  guint32 wire = GUINT32_TO_BE (number);

  g_byte_array_append (out, (const guint8 *) &wire, sizeof wire);
}

void
packet_add (GByteArray *out, char command, gconstpointer data, gsize length)
{
  packet_append_u32 (out, (guint32) length + 1);
  g_byte_array_append (out, (const guint8 *) &command, 1);
  if (length > 0)
    g_byte_array_append (out, data, (guint) length);
}

gboolean
packet_add_strings (GByteArray *out, char command, const char *const *strings)
{
  gsize length = 0;

  for (guint i = 0; strings[i] != NULL; i++)
    length += strlen (strings[i]) + 1;
  if (length > PACKET_MAX_DATA)
    return FALSE;
  packet_append_u32 (out, (guint32) length + 1);
  g_byte_array_append (out, (const guint8 *) &command, 1);
  for (guint i = 0; strings[i] != NULL; i++)
    g_byte_array_append (out, (const guint8 *) strings[i], (guint) strlen (strings[i]) + 1);
  return TRUE;
}

gssize
packet_take (const guint8 *bytes, gsize length, Packet *packet, GError **error)
{
  guint32 wire = 0, size = 0;

  if (length < HEAD)
    return 0;
  memcpy (&wire, bytes, HEAD);
  size = GUINT32_FROM_BE (wire);
  if (size == 0 || size > PACKET_MAX_ANSWER)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                   "an answer of %u octets, where 1 to %d are possible", size, PACKET_MAX_ANSWER);
      return -1;
    }
  if (length - HEAD < size)
    return 0;
  packet->command = (char) bytes[HEAD];
  packet->data = bytes + HEAD + 1;
  packet->length = size - 1;
  return (gssize) (HEAD + size);
}

gboolean
packet_read_u32 (Packet *packet, guint32 *number)
{
  guint32 wire = 0;

  if (packet->length < sizeof wire)
    return FALSE;
  memcpy (&wire, packet->data, sizeof wire);
  *number = GUINT32_FROM_BE (wire);
  packet->data += sizeof wire;
  packet->length -= sizeof wire;
  return TRUE;
}

gboolean
packet_read_string (Packet *packet, const char **string)
{
  const guint8 *end = packet->length == 0 ? NULL : memchr (packet->data, '\0', packet->length);

  if (end == NULL)
    return FALSE;
  *string = (const char *) packet->data;
  packet->length -= (gsize) (end - packet->data) + 1;
  packet->data = end + 1;
  return TRUE;
}
