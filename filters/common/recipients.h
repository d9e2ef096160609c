/* Recipients that a filter adds without the sender's knowing. */
#pragma once

#include <mailweir/filter.h>

/* Adds the recipient, unless it is there already (upper and lower case being one). The sender hears
 * nothing of its fate where the next server can be told so (RFC 3461 section 4.1). FALSE sets
 * `error`. */
gboolean common_recipients_add_quietly (WeirContext *context, const char *address, GError **error);
/* Leaves this recipient alone, adding it if it is not there. FALSE sets `error`. */
gboolean common_recipients_set (WeirContext *context, const char *address, GError **error);
