/* A reader that follows the directory's chain of sectors through the allocation table and nothing
 * else. Every step reads a few octets at a place that is checked by reading: what lies behind the
 * end is broken. */
#include "ole2.h"

#include <string.h>

#define HEADER 512
#define DIFAT_IN_HEADER 109
#define ENTRY 128
#define LAST_SECTOR 0xfffffffau /* higher numbers are no sectors */

typedef struct
{
  Source *source;
  guint shift; /* of a sector */
  guint8 header[HEADER];
} Ole2;

static guint32
read_32 (const guint8 *at)
{
  return at[0] | (guint32) at[1] << 8 | (guint32) at[2] << 16 | (guint32) at[3] << 24;
}

gboolean
ole2_is (const guint8 *head, gsize length)
{
  return length >= 8 && memcmp (head, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8) == 0;
}

static gboolean
read_number (Ole2 *ole2, guint32 sector, guint32 index, guint32 *value)
{
  guint8 octets[4];
  guint64 offset = ((guint64) sector + 1) << ole2->shift;

  if (sector >= LAST_SECTOR
      || source_read (ole2->source, offset + (guint64) index * 4, octets, 4) != 4)
    return FALSE;
  *value = read_32 (octets);
  return TRUE;
}

/* The sector in which piece `index` of the allocation table stands. */
static gboolean
find_table (Ole2 *ole2, guint32 index, guint32 *sector)
{
  guint32 each = (1u << ole2->shift) / 4 - 1; /* the last number leads to the next sector */
  guint32 at = read_32 (ole2->header + 68);

  if (index < DIFAT_IN_HEADER)
    {
      *sector = read_32 (ole2->header + 76 + 4 * index);
      return TRUE;
    }
  index -= DIFAT_IN_HEADER;
  for (guint steps = 0; index >= each; index -= each, steps++)
    if (steps >= OLE2_MAX_SECTORS || !read_number (ole2, at, each, &at))
      return FALSE;
  return read_number (ole2, at, index, sector);
}

static gboolean
next_sector (Ole2 *ole2, guint32 *sector)
{
  guint32 each = (1u << ole2->shift) / 4, table;

  return find_table (ole2, *sector / each, &table)
         && read_number (ole2, table, *sector % each, sector);
}

static void
tell_entry (const guint8 *entry, Ole2Func func, gpointer data)
{
  char name[OLE2_MAX_NAME + 1];
  guint used = 0;

  if (entry[66] == 0) /* not in use */
    return;
  for (; used < OLE2_MAX_NAME && (entry[2 * used] != 0 || entry[2 * used + 1] != 0); used++)
    {
      guint8 low = entry[2 * used];

      name[used] = entry[2 * used + 1] == 0 && low >= ' ' && low < 0x7f ? (char) low : '?';
    }
  name[used] = '\0';
  func (name, data);
}

static gboolean
tell_sector (Ole2 *ole2, guint32 sector, Ole2Func func, gpointer data)
{
  guint64 offset = ((guint64) sector + 1) << ole2->shift;
  guint8 entry[ENTRY];

  for (guint i = 0; i < 1u << ole2->shift; i += ENTRY)
    {
      if (source_read (ole2->source, offset + i, entry, ENTRY) != ENTRY)
        return FALSE;
      tell_entry (entry, func, data);
    }
  return TRUE;
}

gboolean
ole2_list (Source *source, Ole2Func func, gpointer data)
{
  Ole2 ole2 = { .source = source };
  guint32 sector;

  if (source_read (source, 0, ole2.header, HEADER) != HEADER || !ole2_is (ole2.header, HEADER))
    return FALSE;
  ole2.shift = ole2.header[30];
  sector = read_32 (ole2.header + 48);
  if (ole2.header[31] != 0 || (ole2.shift != 9 && ole2.shift != 12))
    return FALSE;
  for (guint steps = 0; sector < LAST_SECTOR; steps++)
    if (steps >= OLE2_MAX_SECTORS || !tell_sector (&ole2, sector, func, data)
        || !next_sector (&ole2, &sector))
      return FALSE;
  return TRUE;
}
