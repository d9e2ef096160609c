/* One pass over the octets in windows that overlap by a header with its name. What looks like a
 * header and is none (in compressed data: one in four thousand million octets) yields a name that
 * nobody denies. Nothing fails. */
#include "zip.h"

#include <string.h>

#include "text.h"

#define WINDOW (128 * 1024)
#define LOCAL_HEADER 30
#define CENTRAL_HEADER 46
#define MAX_EXTRA 4096 /* octets of the extra field that are looked at */
#define OVERLAP (CENTRAL_HEADER + ZIP_MAX_NAME + MAX_EXTRA)
#define TAIL (65535 + 22) /* APPNOTE 4.3.16: a comment may follow the end record */
#define FLAG_ENCRYPTED 0x0001
#define FLAG_STREAMED 0x0008
#define FLAG_MASKED 0x2000
#define EXTRA_UNICODE_PATH 0x7075 /* APPNOTE 4.6.9 */

static guint
read_16 (const guint8 *at)
{
  return at[0] | (guint) at[1] << 8;
}

/* FALSE: enough. */
static gboolean
report (const guint8 *name, gsize length, guint flags, ZipFunc func, gpointer data)
{
  g_autofree char *text = text_copy ((const char *) name, MIN (length, ZIP_MAX_NAME));
  ZipMember member = { .name = text,
                       .encrypted = (flags & FLAG_ENCRYPTED) != 0,
                       .streamed = (flags & FLAG_STREAMED) != 0,
                       .masked = (flags & FLAG_MASKED) != 0 };

  return func (&member, data);
}

/* The name that a Unicode path field says, in place of the other. */
static gboolean
report_extra (const guint8 *extra, gsize length, guint flags, ZipFunc func, gpointer data)
{
  while (length >= 4)
    {
      gsize size = MIN (read_16 (extra + 2), length - 4);

      if (read_16 (extra) == EXTRA_UNICODE_PATH && size > 5
          && !report (extra + 4 + 5, size - 5, flags, func, data))
        return FALSE;
      extra += 4 + size;
      length -= 4 + size;
    }
  return TRUE;
}

/* A local or central header at `at`, which begins with "PK". */
static gboolean
take_header (const guint8 *at, gsize length, ZipFunc func, gpointer data)
{
  gboolean central = length > 4 && at[2] == 1 && at[3] == 2;
  gboolean local = length > 4 && at[2] == 3 && at[3] == 4;
  gsize header = central ? CENTRAL_HEADER : LOCAL_HEADER;
  const guint8 *name = at + header;
  gsize name_length, extra_length;
  guint flags;

  if ((!central && !local) || length <= header)
    return TRUE;
  flags = read_16 (at + (central ? 8 : 6));
  name_length = read_16 (at + (central ? 28 : 26));
  extra_length = read_16 (at + (central ? 30 : 28));
  name_length = MIN (name_length, length - header);
  extra_length = MIN (extra_length, length - header - name_length);
  return report (name, name_length, flags, func, data)
         && report_extra (name + name_length, MIN (extra_length, MAX_EXTRA), flags, func, data);
}

/* `last`: no more octets follow. `*end` is where an end record was seen. */
static gboolean
scan_window (const guint8 *window, gsize length, gsize limit, guint64 offset, guint64 *end,
             ZipFunc func, gpointer data)
{
  for (gsize i = 0; i < limit;)
    {
      const guint8 *p = memchr (window + i, 'P', limit - i);

      if (p == NULL)
        break;
      i = (gsize) (p - window);
      if (length - i >= 4 && p[1] == 'K')
        {
          if (p[2] == 5 && p[3] == 6)
            *end = offset + i + 1;
          else if (!take_header (p, length - i, func, data))
            return FALSE;
        }
      i++;
    }
  return TRUE;
}

gboolean
zip_scan (Source *source, ZipFunc func, gpointer data)
{
  g_autofree guint8 *window = g_malloc (WINDOW);
  guint64 offset = 0, end = 0;
  gboolean more = TRUE;
  gsize length;

  while (more)
    {
      gsize limit;

      length = source_read (source, offset, window, WINDOW);
      limit = length == WINDOW ? WINDOW - OVERLAP : length;
      if (!scan_window (window, length, limit, offset, &end, func, data))
        return FALSE;
      more = length == WINDOW;
      offset += limit;
    }
  return end > 0 && offset - (end - 1) <= TAIL;
}
