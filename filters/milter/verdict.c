/* See verdict.h. A refusal of the greeting is the whole connection's, as it is for sendmail and
 * Postfix: nothing that the client does afterwards would be taken. */
#include "verdict.h"

static gboolean
is_of_session (Event event)
{
  return event == EVENT_CONNECT || event == EVENT_HELO;
}

static Verdict
accepted (Event event)
{
  if (event == EVENT_UNKNOWN || event == EVENT_END)
    return VERDICT_GO_ON;
  return is_of_session (event) ? VERDICT_SPARE_SESSION : VERDICT_SPARE_MESSAGE;
}

Verdict
verdict_of (AnswerKind kind, Event event)
{
  switch (kind)
    {
    case ANSWER_CONTINUE:
    case ANSWER_SKIP:
    case ANSWER_PROGRESS:
      return VERDICT_GO_ON;
    case ANSWER_ACCEPT:
      return accepted (event);
    case ANSWER_REJECT:
    case ANSWER_TEMPFAIL:
    case ANSWER_REPLY:
      return event == EVENT_HELO ? VERDICT_CLOSE : VERDICT_REFUSE;
    case ANSWER_DISCARD:
      return is_of_session (event) || event == EVENT_UNKNOWN ? VERDICT_NONSENSE : VERDICT_DISCARD;
    case ANSWER_SHUTDOWN:
      return VERDICT_CLOSE;
    case ANSWER_FAILURE:
      return VERDICT_FAILED;
    default:
      return VERDICT_NONSENSE;
    }
}

gboolean
verdict_ends_message (Verdict verdict, Event event)
{
  gboolean alone = verdict == VERDICT_REFUSE && event == EVENT_RCPT;

  return event >= EVENT_MAIL && event != EVENT_UNKNOWN && verdict != VERDICT_GO_ON && !alone;
}

static void
set (AnswerReply *reply, guint code, const char *enhanced, const char *text)
{
  *reply = (AnswerReply){ code, g_strdup (enhanced), g_strdup (text) };
}

gboolean
verdict_reply (const Answer *answer, AnswerReply *reply, GError **error)
{
  switch (answer->kind)
    {
    case ANSWER_REPLY:
      return answer_read_reply (answer->text, reply, error);
    case ANSWER_REJECT:
      set (reply, 550, "5.7.1", "Command rejected");
      break;
    case ANSWER_SHUTDOWN:
      set (reply, 421, "4.7.0", "Service unavailable, closing connection");
      break;
    default:
      set (reply, 451, "4.7.1", "Service unavailable - try again later");
      break;
    }
  return TRUE;
}
