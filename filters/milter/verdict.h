/* What a milter's answer to an event means. No sockets. */
#pragma once

#include "answer.h"
#include "event.h"

typedef enum
{
  VERDICT_GO_ON,
  VERDICT_SPARE_SESSION, /* it does not want to hear more of this client, … */
  VERDICT_SPARE_MESSAGE, /* … of this message */
  VERDICT_REFUSE,        /* with the reply of verdict_reply() */
  VERDICT_CLOSE,         /* with that reply, then hang up */
  VERDICT_DISCARD,
  VERDICT_NONSENSE, /* there is no such answer to that */
  VERDICT_FAILED    /* the milter says that it can not go on */
} Verdict;

Verdict verdict_of (AnswerKind kind, Event event);
/* Whether a refusal is the end of the message (and not of a recipient, or of a command). */
gboolean verdict_ends_message (Verdict verdict, Event event);
/* The reply of an answer that refuses or closes; the milter's own text, or the usual one. FALSE:
 * error, the milter's reply can not be given. */
gboolean verdict_reply (const Answer *answer, AnswerReply *reply, GError **error);
