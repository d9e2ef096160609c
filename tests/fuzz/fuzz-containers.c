/* The readers of containers in the filter "attachments": the first octet says which. What they tell
 * must be text of a bounded length. */
#include <stdint.h>
#include <string.h>

#include "ber.h"
#include "ole2.h"
#include "source.h"
#include "tnef.h"
#include "zip.h"

gint LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
take_name (const char *name, gpointer data)
{
  g_assert_cmpuint (strlen (name), <=, 4 * TNEF_MAX_NAME);
}

static gboolean
take_member (const ZipMember *member, gpointer data)
{
  guint *count = data;

  g_assert_cmpuint (strlen (member->name), <=, ZIP_MAX_NAME);
  return ++*count < 10000;
}

/* Windows of a source, in two orders, are the same octets. */
static void
check_source (const guint8 *data, gsize size)
{
  g_autoptr (Source) forth = source_new (DECODE_BASE64, data, size);
  g_autoptr (Source) back = source_new (DECODE_BASE64, data, size);
  gsize length = (gsize) source_size (forth);

  for (gsize i = 0; i < length; i++)
    {
      guint8 one, other;

      g_assert_cmpuint (source_read (forth, i, &one, 1), ==, 1);
      g_assert_cmpuint (source_read (back, length - 1 - i, &other, 1), ==, 1);
      g_assert_cmpuint (source_read (back, i, &other, 1), ==, 1);
      g_assert_cmpuint (one, ==, other);
    }
}

gint
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (Source) source = NULL;
  guint count = 0;

  if (size == 0)
    return 0;
  source = source_new (DECODE_IDENTITY, data + 1, size - 1);
  switch (data[0])
    {
    case 'o':
      ole2_list (source, take_name, NULL);
      break;
    case 't':
      tnef_list (source, take_name, NULL);
      break;
    case 'z':
      zip_scan (source, take_member, &count);
      break;
    case 's':
      check_source (data + 1, size - 1);
      break;
    default:
      g_byte_array_unref (ber_octet_strings (data + 1, size - 1));
    }
  return 0;
}
