/* Every name that stands in a ZIP file (APPNOTE.TXT 4.3), wherever a header looks like one: in its
 * directory, in front of a member, in a second directory, in an archive stored inside. Programs do
 * not agree on which of them counts, so all do. */
#pragma once

#include "source.h"

#define ZIP_MAX_NAME 4096 /* octets; longer ones are cut */

typedef struct
{
  const char *name;   /* without NUL (see TEXT_NUL); of the call */
  gboolean encrypted; /* its contents */
  gboolean streamed;  /* its length is told behind it (APPNOTE 4.4.4, bit 3) */
  gboolean masked;    /* its names too: they say nothing */
} ZipMember;

/* FALSE ends the scan. */
typedef gboolean (*ZipFunc) (const ZipMember *member, gpointer data);

/* Whether the source ends like a ZIP file, so that its directory is found from there. */
gboolean zip_scan (Source *source, ZipFunc func, gpointer data);
