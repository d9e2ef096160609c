/* madvise() behind a reader. Its failure costs memory, and nothing else. */
#include "mime/pages.h"

#include <sys/mman.h>

#define KEPT (1024 * 1024)

MimePages
mime_pages_new (const guint8 *bytes, gsize length, gboolean mapped)
{
  return (MimePages){ .bytes = mapped && length > 2 * KEPT ? bytes : NULL, .kept = KEPT };
}

void
mime_pages_read (MimePages *pages, gsize offset)
{
  if (pages->bytes == NULL)
    return;
  if (offset < pages->gone)
    pages->gone = offset - offset % pages->kept; /* it was read anew from here */
  while (offset - pages->gone >= 2 * pages->kept)
    {
      madvise ((gpointer) (pages->bytes + pages->gone), pages->kept, MADV_DONTNEED);
      pages->gone += pages->kept;
    }
}
