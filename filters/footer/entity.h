/* The header fields of a part as bytes, and what a footer changes in them. */
#pragma once

#include <glib.h>

/* A Content-Type value (raw, with its folds) that says `charset`; NULL: it says so in a way that is
 * not understood. Caller frees. */
char *entity_set_charset (const char *value, const char *charset);
/* A header block with this field set, or put at its end. `block` ends with its blank line. Caller
 * frees. */
char *entity_set_field (const char *block, const char *name, const char *value);
