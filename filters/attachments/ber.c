/* A flat walk over BER (X.690 section 8.1): a constructed element is entered, so that what follows
 * its header is met next, and no stack is needed. Lengths are cut to what is there. */
#include "ber.h"

#define CONSTRUCTED 0x20
#define OCTET_STRING 0x04
#define IMPLICIT 0x80 /* [0] in the place of an OCTET STRING */

typedef struct
{
  guint8 tag;
  gsize header; /* octets of tag and length */
  gsize length; /* of the contents; 0 for an indefinite one */
} Element;

/* The element at `bytes`; `length` is not 0. */
static Element
read_element (const guint8 *bytes, gsize length)
{
  Element element = { .tag = bytes[0] };
  gsize at = 1, octets = 0, value;

  if ((bytes[0] & 0x1f) == 0x1f) /* the number of the tag follows */
    while (at < length && (bytes[at++] & 0x80) != 0)
      ;
  value = at < length ? bytes[at++] : 0;
  if (value >= 0x80)
    {
      octets = value & 0x7f;
      for (value = 0; octets > 0 && at < length; octets--)
        value = value > G_MAXSIZE >> 8 ? G_MAXSIZE : value << 8 | bytes[at++];
    }
  element.header = MIN (at, length);
  element.length = MIN (value, length - element.header);
  return element;
}

GByteArray *
ber_octet_strings (const guint8 *bytes, gsize length)
{
  GByteArray *out = g_byte_array_new ();
  gboolean broken = TRUE; /* a line begins here */

  for (gsize at = 0; at < length;)
    {
      Element element = read_element (bytes + at, length - at);
      guint8 kind = element.tag & (guint8) ~CONSTRUCTED;
      gboolean string = kind == OCTET_STRING || kind == IMPLICIT;

      at += element.header;
      if (!string && element.tag != 0 && !broken)
        {
          g_byte_array_append (out, (const guint8 *) "\r\n", 2);
          broken = TRUE;
        }
      if ((element.tag & CONSTRUCTED) != 0)
        continue;
      if (string && element.length > 0)
        {
          g_byte_array_append (out, bytes + at, (guint) element.length);
          broken = FALSE;
        }
      at += element.length;
    }
  return out;
}
