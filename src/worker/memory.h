/* The limit on a worker's memory. */
#pragma once

#include <glib.h>

/* From here on an allocation that takes this process beyond so many octets fails, or ends the
 * process. 0: no limit. To be called once. */
void worker_memory_limit (guint64 octets);
