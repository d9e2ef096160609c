/* The guard's outline of a message against GMime's. */
#pragma once

#include <glib.h>

/* Whether the guard takes the message for one that can be read in one way only; then GMime must
 * read it in that way, or the program ends. A message over the limits is none. */
gboolean compare_outlines (const guint8 *bytes, gsize length);
