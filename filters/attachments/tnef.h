/* winmail.dat ([MS-OXTNEF]): the names of the files in it. */
#pragma once

#include "source.h"

#define TNEF_MAX_ATTRIBUTES 10000
#define TNEF_MAX_NAME 1024              /* octets */
#define TNEF_MAX_PROPERTIES (64 * 1024) /* octets of one attachment's properties */

/* `name` is text as it stands there, UTF-16 made UTF-8; of the call. */
typedef void (*TnefFunc) (const char *name, gpointer data);

gboolean tnef_is (const guint8 *head, gsize length);
/* FALSE: it is broken, or has more than TNEF_MAX_ATTRIBUTES; names up to there were told. */
gboolean tnef_list (Source *source, TnefFunc func, gpointer data);
