/* A message that is mapped, and how little of it stays in memory while it is read from end to end.
 *
 * Pages that are let go come back when somebody reads them: their bytes are the file's. */
#pragma once

#include <glib.h>

typedef struct
{
  const guint8 *bytes; /* NULL: plain memory, of which nothing is let go */
  gsize kept;          /* octets that may stay behind the place that is read */
  gsize gone;          /* up to here pages were let go */
} MimePages;

/* `mapped`: `bytes` are a read-only mapping of a file, page-aligned at its start. */
MimePages mime_pages_new (const guint8 *bytes, gsize length, gboolean mapped);
/* Somebody reads at `offset`, and goes on from there. */
void mime_pages_read (MimePages *pages, gsize offset);
