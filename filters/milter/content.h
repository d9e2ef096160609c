/* The message itself: telling it to the milter, and making the changes that it asks for. */
#pragma once

#include "changes.h"
#include "link.h"

/* Header, body and end, up to the first answer that decides; `answer` is the last one, and
 * `changes` gets what was asked for. FALSE: error. */
gboolean content_send (Link *link, Changes *changes, Answer *answer, GError **error);
/* Makes the changes through filter.h. `*nobody`: no recipient is left, the message is to be
 * discarded. FALSE: error, one can not be made. */
gboolean content_apply (WeirContext *context, const Changes *changes, gboolean exact,
                        gboolean *nobody, GError **error);
