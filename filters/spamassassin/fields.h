/* The header fields X-Spam-... of a message: those that came with it go, those of the scan come.
 * Each fails when the host refuses the edit. */
#pragma once

#include <mailweir/filter.h>

#include "answer.h"

/* Removes every field whose name begins with X-Spam-: only the scan's own may be believed. */
gboolean fields_strip (WeirContext *context, GError **error);
/* X-Spam-Flag, X-Spam-Score and X-Spam-Status with the rules ("A,B"; "" for none), on top. */
gboolean fields_add (WeirContext *context, const Answer *answer, const char *tests, GError **error);
/* Those of spamd (AnswerField), on top, in their order. */
gboolean fields_pass_on (WeirContext *context, const GPtrArray *fields, GError **error);
