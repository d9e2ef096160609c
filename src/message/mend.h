/* What a header block needs so that everybody behind us reads the same fields in it as we do. */
#pragma once

#include "message/edits.h"
#include "message/headers.h"

#define MESSAGE_MAX_MENDS 1000 /* edits that a message is worth; who counts them is the caller */

/* As Postfix mends them: a blank line ahead of the line that is no field and ends the block, where
 * readers differ in whether fields follow it; and no white space between a field's name and its
 * colon (RFC 5322 section 4.5, obsolete), for which readers end the block or drop the field. What
 * is behind the block is not looked at: `headers` has to have been scanned in more than the block
 * for a line to be seen behind it. NULL: nothing is to be done. Caller unrefs. */
MessageEdits *message_mend (const MessageHeaders *headers);
