/* The whole message, for filters that look at all of it. */
#pragma once

#include <mailweir/filter.h>

/* The message's bytes, with a NUL behind them; NULL: they can not be had. Caller frees. */
char *common_message_read (WeirContext *context, gsize *size);
/* Makes lines of a piece of a message end with LF, in place: how many octets that are. `*length`
 * becomes how many of the piece were looked at: a CR at its end waits for what follows, unless it
 * is alone. */
gsize common_message_strip (char *bytes, gsize *length);
/* Where the body of a message begins, as the gateway reads its header. Returns whether an empty
 * line is between. */
gboolean common_message_find_body (const char *bytes, gsize length, gsize *body);
