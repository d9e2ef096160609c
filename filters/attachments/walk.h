/* The parts of a parsed message, each looked at by inspect.h; then what lies between them. */
#pragma once

#include <mailweir/filter.h>

#include "inspect.h"

struct _GMimeMessage;

/* `bytes` is the whole message that `message` was parsed from; `message` NULL: it could not be
 * parsed, all of it is looked at as bytes. */
void walk_message (Inspection *inspection, WeirContext *context, struct _GMimeMessage *message,
                   const guint8 *bytes, gsize length);
