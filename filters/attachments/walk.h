/* The parts of a parsed message, each looked at by inspect.h; then what lies between them. */
#pragma once

#include "inspect.h"

struct _GMimeMessage;

/* The bytes that `message` was parsed from, where they stand in memory already, all `length` of
 * them; borrowed of it. NULL: they do not, or `message` is NULL. */
const guint8 *walk_bytes (struct _GMimeMessage *message, gsize length);
/* `bytes` is the whole message that `message` was parsed from; `message` NULL: it could not be
 * parsed, all of it is looked at as bytes. */
void walk_message (Inspection *inspection, struct _GMimeMessage *message, const guint8 *bytes,
                   gsize length);
