/* Identifiers of sessions and messages: short, sortable by time, unique on one host. */
#pragma once

#include <glib.h>

#define BASE_ID_LENGTH 16

/* Our own, asked of the kernel once; a fork asks anew. Any thread may call. */
gint base_process_id (void);
/* Writes a NUL-terminated identifier of [0-9A-Z], made of wall clock, process and a counter; any
 * thread may call. */
void base_id_make (gchar id[BASE_ID_LENGTH]);
