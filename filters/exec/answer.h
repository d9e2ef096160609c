/* What a program's end means. */
#pragma once

#include "child.h"

#include <mailweir/filter.h>

/* Makes the edits of a program's output; FALSE: error. */
typedef gboolean (*AnswerEdit) (WeirContext *context, const GByteArray *output, GError **error);

/* The verdict for the way in which `program` ended. `edit` (NULL: none) is called for exit status
 * 0.
 */
WeirVerdict answer_verdict (WeirContext *context, const char *program, const ChildResult *result,
                            AnswerEdit edit);
/* Replaces the message, unless the output is the message as it was. */
gboolean answer_replace (WeirContext *context, const GByteArray *output, GError **error);
/* Adds the header fields in the output. */
gboolean answer_add_fields (WeirContext *context, const GByteArray *output, GError **error);
