/* The directory of an OLE2 compound file ([MS-CFB] 2.6): names of its streams and storages. */
#pragma once

#include "source.h"

#define OLE2_MAX_SECTORS 8192 /* of the directory: a real one has under a hundred */
#define OLE2_MAX_NAME 32      /* UTF-16 units with the NUL */

/* `name` in ASCII, other characters being '?'; of the call. */
typedef void (*Ole2Func) (const char *name, gpointer data);

gboolean ole2_is (const guint8 *head, gsize length);
/* FALSE: it is broken, or longer than OLE2_MAX_SECTORS; entries up to there were told. */
gboolean ole2_list (Source *source, Ole2Func func, gpointer data);
