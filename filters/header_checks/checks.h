/* What the tables say about one message: a verdict and edits, collected first and made at the end.
 */
#pragma once

#include <mailweir/filter.h>

#include "table.h"
#include "walk.h"

/* Made once, read by all workers. */
typedef struct
{
  GPtrArray *tables[WALK_KINDS]; /* of Table, asked in this order; owned */
  gsize body_size;               /* of each part's body that is looked at */
  gsize header_size;
  PatternMatcher *matcher; /* of the worker */
} Checks;

/* Whether lines of the body, or fields in it, are looked at. */
gboolean checks_need_body (const Checks *checks);
/* Looks at the message, or at its header alone, edits it and returns the verdict. */
WeirVerdict checks_run (const Checks *checks, WeirContext *context, gboolean with_body);
