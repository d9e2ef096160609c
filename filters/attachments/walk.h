/* The entities of a message, each looked at by inspect.h; then what lies between them. */
#pragma once

#include <mailweir/filter.h>

#include "inspect.h"

/* `bytes` is the whole message; what no entity owns, all of it if there is none, is looked at as
 * bytes. */
void walk_message (Inspection *inspection, WeirContext *context, const guint8 *bytes, gsize length);
