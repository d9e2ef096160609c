/* The right hand side of a rule: what to do with a line that matches, as header_checks(5) has it.
 * What makes no sense here is an error when the table is read. */
#pragma once

#include "pattern.h"

typedef enum
{
  ACTION_BCC,
  ACTION_DISCARD,
  ACTION_DUNNO,
  ACTION_HOLD,
  ACTION_IGNORE,
  ACTION_INFO,
  ACTION_PASS,
  ACTION_PREPEND,
  ACTION_REDIRECT,
  ACTION_REJECT,
  ACTION_REPLACE,
  ACTION_STRIP,
  ACTION_WARN
} ActionKind;

typedef struct
{
  ActionKind kind;
  GArray *pieces; /* of the text: what is literal, and what the match puts in */
  guint groups;   /* the highest one that the text names; 0: none */
} Action;

/* FALSE sets `error` and `offset`, where in the text it is. `body`: the table is for body lines,
 * where an inserted line need not be a header field. */
gboolean action_init (Action *action, const char *text, gboolean body, gsize *offset,
                      GError **error);
void action_clear (Action *action);
/* The text with the match put in; "" when there is none. Caller frees. */
char *action_text (const Action *action, const char *subject, const PatternMatch *match);
/* "WARN". */
const char *action_name (ActionKind kind);

/* The length of the field name with which the line begins, as Postfix reads it (RFC 822 section
 * 3.4.2: space may stand ahead of the colon); 0: it is no header field. `*colon` is where the colon
 * stands. */
gsize action_field_name (const char *line, gsize length, gsize *colon);
