/* A gateway's status as a table: one line a number, named by its way through the JSON object. */
#pragma once

#include <glib.h>

#define COMMAND_STATUS_DEPTH 8 /* objects and lists inside each other */

/* "pools.relay.idle   3": members of objects by name, items of lists by number from 0, in order,
 * values aligned. NULL: the text is not a JSON object, or deeper than COMMAND_STATUS_DEPTH. Caller
 * frees. */
gchar *command_status_table (const gchar *json);
