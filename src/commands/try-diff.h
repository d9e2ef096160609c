/* A list of edits as a diff of the lines that it touches, for people. */
#pragma once

#include "message/edits.h"

/* Appends "@@ -line,count +line,count @@" blocks; long ones and long lines are cut, control
 * characters escaped. `bytes` is the message that the edits refer to. */
void try_diff (const MessageEdits *edits, const guint8 *bytes, gsize length, BaseBuffer *out);
