/* The filter "milter": speaks to a milter, as sendmail and Postfix do, at every stage of a session.
 *
 * A milter that is down, is late or makes no sense is a failure of the filter: `on-failure`
 * decides. Nothing that it asks for is done before it has said that it accepts the message. */
#include <mailweir/filter.h>

#include "address.h"
#include "content.h"
#include "link.h"
#include "verdict.h"

static const WeirOption options[]
    = { { "socket", WEIR_OPTION_STRING, G_STRUCT_OFFSET (LinkConfig, socket), NULL,
          "Where the milter listens: \"unix:/path\", or \"inet:port@host\".", .required = TRUE },
        { "connect-timeout", WEIR_OPTION_DURATION, G_STRUCT_OFFSET (LinkConfig, connect_timeout),
          "30s", "How long connecting may take; like the others, never over `timeout`.",
          .minimum = 1, .maximum = G_MAXINT },
        { "command-timeout", WEIR_OPTION_DURATION, G_STRUCT_OFFSET (LinkConfig, command_timeout),
          "30s",
          "How long the milter may be silent when it is asked; each sign of progress "
          "begins it anew.",
          .minimum = 1, .maximum = G_MAXINT },
        { "content-timeout", WEIR_OPTION_DURATION, G_STRUCT_OFFSET (LinkConfig, content_timeout),
          "5m", "The same at the end of a message.", .minimum = 1, .maximum = G_MAXINT },
        { "max-body", WEIR_OPTION_SIZE, G_STRUCT_OFFSET (LinkConfig, max_body), "50M",
          "The largest body that a milter may put in place of a message's own.", .minimum = 1,
          .maximum = G_MAXINT32 },
        { "macros", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (LinkConfig, macros), NULL,
          "Macros to send in place of, or beside, the usual ones: \"{daemon_name}=ORIGINATING\"." },
        { NULL } };

/* ---- Loading ---- */

static gboolean
check_macros (WeirLoad *load, const char *const *macros, GError **error)
{
  for (guint i = 0; macros[i] != NULL; i++)
    {
      if (i < MACROS_MAX_EXTRA && macros_check_extra (macros[i]))
        continue;
      weir_load_error (load, error, "macros",
                       i < MACROS_MAX_EXTRA ? "macros: \"%.100s\" is no \"{name}=value\""
                                            : "macros: \"%.100s\" is one too many",
                       macros[i]);
      return FALSE;
    }
  return TRUE;
}

static gboolean
load_milter (WeirLoad *load, gpointer data, GError **error)
{
  const LinkConfig *config = data;
  const char *wrong = NULL;
  g_autofree char *address = address_parse (config->socket, &wrong);

  if (address != NULL)
    return check_macros (load, config->macros, error);
  weir_load_error (load, error, "socket", "socket: \"%.120s\" %s", config->socket, wrong);
  return FALSE;
}

static gboolean
start (gpointer data, GError **error)
{
  LinkConfig *config = data;
  const char *wrong = NULL;

  config->address = address_parse (config->socket, &wrong);
  return TRUE;
}

static void
stop (gpointer data)
{
  LinkConfig *config = data;

  g_clear_pointer (&config->address, g_free);
}

/* ---- Verdicts ---- */

static WeirVerdict
fail (Link *link, const GError *error)
{
  weir_fail (link->context, "%s", error->message);
  link_clear (link);
  return WEIR_PASS;
}

static WeirVerdict
refuse (WeirContext *context, const Answer *answer, gboolean closes)
{
  AnswerReply reply = { 0 };
  g_autoptr (GError) error = NULL;
  WeirVerdict verdict = WEIR_PASS;

  if (!verdict_reply (answer, &reply, &error))
    return weir_fail (context, "the milter gives %s", error->message);
  verdict = (closes || reply.code == 421 ? weir_close : weir_reply) (
      context, reply.code, reply.enhanced, "%s", reply.text);
  answer_reply_clear (&reply);
  return verdict;
}

static WeirVerdict
give (Link *link, const Answer *answer, Verdict verdict)
{
  WeirContext *context = link->context;

  switch (verdict)
    {
    case VERDICT_GO_ON:
      return WEIR_PASS;
    case VERDICT_SPARE_SESSION:
    case VERDICT_SPARE_MESSAGE:
      return WEIR_SKIP;
    case VERDICT_REFUSE:
    case VERDICT_CLOSE:
      return refuse (context, answer, verdict == VERDICT_CLOSE);
    case VERDICT_DISCARD:
      return WEIR_DISCARD;
    case VERDICT_NONSENSE:
      return weir_fail (context, "milter at %s: it gives an answer that can not be given there",
                        link->config->address);
    case VERDICT_FAILED:
      break;
    }
  return weir_fail (context, "milter at %s: it says that it can not go on", link->config->address);
}

/* The answer that ended the exchange: what it is for the message and for the connection. */
static WeirVerdict
conclude (Link *link, const Answer *answer)
{
  Verdict verdict = verdict_of (answer->kind, link->event);
  WeirVerdict result = give (link, answer, verdict);
  g_autoptr (GError) error = NULL;

  if (verdict == VERDICT_SPARE_SESSION)
    {
      link->state->over = TRUE;
      link_quit (link);
    }
  if (verdict_ends_message (verdict, link->event))
    link_abort (link);
  if (verdict != VERDICT_NONSENSE && verdict != VERDICT_FAILED && !link_finish (link, &error))
    return fail (link, error);
  link_clear (link);
  return result;
}

/* ---- Hooks ---- */

static gboolean
is_over (WeirContext *context)
{
  const LinkState *state = weir_state (context);

  return state->over;
}

/* The milter does not want this event, and knows all before it. */
static gboolean
is_settled (WeirContext *context, LinkStage stage, guint32 unwanted)
{
  const LinkState *state = weir_state (context);

  return state->stage == stage && (state->terms.steps & unwanted) != 0;
}

static WeirVerdict
reach (Link *link, LinkStage stage)
{
  Answer answer;
  g_autoptr (GError) error = NULL;

  return link_reach (link, stage, &answer, &error) ? conclude (link, &answer) : fail (link, error);
}

static WeirVerdict
on_connect (WeirContext *context)
{
  LinkState *state = weir_state (context);
  Link link;

  state->over = FALSE;
  link_init (&link, context);
  link_next_session (&link);
  return reach (&link, LINK_CONNECTED);
}

static WeirVerdict
on_helo (WeirContext *context, const char *domain)
{
  Link link;

  if (is_over (context))
    return WEIR_SKIP;
  if (is_settled (context, LINK_CONNECTED, TERMS_NO_HELO)
      || is_settled (context, LINK_GREETED, TERMS_NO_HELO))
    return WEIR_PASS;
  link_init (&link, context);
  link.helo = domain;
  link_greet_again (&link);
  return reach (&link, LINK_GREETED);
}

static WeirVerdict
on_mail (WeirContext *context, const char *sender)
{
  Link link;

  if (is_over (context))
    return WEIR_SKIP;
  link_init (&link, context);
  link_abort (&link);
  return reach (&link, LINK_SENDER);
}

/* Up to where recipients are told, and those before `count` if the milter has not heard them. */
static gboolean
reach_recipients (Link *link, guint count, Answer *answer, GError **error)
{
  if (!link_reach (link, LINK_SENDER, answer, error))
    return FALSE;
  for (guint i = 0; link->told_anew && i < count && answer->kind == ANSWER_CONTINUE; i++)
    {
      if (!link_send_recipient (link, i, answer, error))
        return FALSE;
      if (answer->kind == ANSWER_SKIP)
        answer->kind = ANSWER_CONTINUE;
      if (verdict_of (answer->kind, EVENT_RCPT) != VERDICT_REFUSE)
        continue;
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
                   "milter at %s: it does not take a recipient any more that it took before",
                   link->config->address);
      return FALSE;
    }
  return TRUE;
}

static WeirVerdict
on_rcpt (WeirContext *context, const char *recipient)
{
  guint last = weir_recipient_count (context) - 1;
  Link link;
  Answer answer;
  g_autoptr (GError) error = NULL;

  if (is_over (context))
    return WEIR_SKIP;
  if (is_settled (context, LINK_SENDER, TERMS_NO_RCPT))
    return WEIR_PASS;
  link_init (&link, context);
  if (!reach_recipients (&link, last, &answer, &error)
      || (answer.kind == ANSWER_CONTINUE && !link_send_recipient (&link, last, &answer, &error)))
    return fail (&link, error);
  return conclude (&link, &answer);
}

static WeirVerdict
on_data (WeirContext *context)
{
  Link link;
  Answer answer;
  g_autoptr (GError) error = NULL;

  if (is_over (context))
    return WEIR_SKIP;
  if (is_settled (context, LINK_SENDER, TERMS_NO_DATA))
    return WEIR_PASS;
  link_init (&link, context);
  if (!reach_recipients (&link, weir_recipient_count (context), &answer, &error))
    return fail (&link, error);
  if (answer.kind != ANSWER_CONTINUE)
    return conclude (&link, &answer);
  return reach (&link, LINK_DATA);
}

/* How long the body is, and so where it begins. */
static WeirVerdict
on_body (WeirContext *context, const guint8 *chunk, gsize length)
{
  LinkState *state = weir_state (context);

  state->body += length;
  return WEIR_PASS;
}

static WeirVerdict
apply (Link *link, const Changes *changes, const Answer *answer)
{
  gboolean exact = (link->state->terms.steps & TERMS_LEADING_SPACE) != 0;
  WeirContext *context = link->context;
  gboolean nobody = FALSE;
  g_autoptr (GError) error = NULL;

  if (answer->kind != ANSWER_CONTINUE && answer->kind != ANSWER_ACCEPT)
    return conclude (link, answer);
  if (!content_apply (context, changes, exact, &nobody, &error))
    weir_fail (context, "milter at %s asks for what can not be done: %s", link->config->address,
               error->message);
  conclude (link, answer);
  if (changes->quarantine != NULL)
    return weir_quarantine (context, "%s", changes->quarantine);
  return nobody ? WEIR_DISCARD : WEIR_PASS;
}

static gboolean
tell_message (Link *link, Changes *changes, Answer *answer, GError **error)
{
  if (!reach_recipients (link, weir_recipient_count (link->context), answer, error))
    return FALSE;
  if (answer->kind == ANSWER_CONTINUE && !link_reach (link, LINK_DATA, answer, error))
    return FALSE;
  return answer->kind != ANSWER_CONTINUE || content_send (link, changes, answer, error);
}

static WeirVerdict
on_end_of_message (WeirContext *context)
{
  LinkState *state = weir_state (context);
  const LinkConfig *config = weir_config (context);
  Changes changes;
  Link link;
  Answer answer = { .kind = ANSWER_CONTINUE };
  g_autoptr (GError) error = NULL;
  WeirVerdict verdict;

  if (is_over (context))
    return WEIR_SKIP;
  changes_init (&changes, config->max_body);
  link_init (&link, context);
  if (!tell_message (&link, &changes, &answer, &error))
    verdict = fail (&link, error);
  else if (link.event == EVENT_END)
    {
      state->stage = LINK_GREETED;
      verdict = apply (&link, &changes, &answer);
    }
  else
    verdict = conclude (&link, &answer);
  state->body = 0;
  changes_clear (&changes);
  return verdict;
}

static WeirVerdict
on_unknown (WeirContext *context, const char *line)
{
  const LinkState *state = weir_state (context);
  const char *const strings[] = { line, NULL };
  Link link;
  Answer answer;
  g_autoptr (GError) error = NULL;

  if (is_over (context)
      || (state->stage > LINK_NONE && (state->terms.steps & TERMS_NO_UNKNOWN) != 0))
    return WEIR_PASS;
  link_init (&link, context);
  if (!link_reach (&link, LINK_CONNECTED, &answer, &error)
      || (answer.kind == ANSWER_CONTINUE
          && !link_send_strings (&link, EVENT_UNKNOWN, strings, &answer, &error)))
    return fail (&link, error);
  return conclude (&link, &answer);
}

/* Whatever the milter did not get to the end of, it is to forget. */
static void
on_message_over (WeirContext *context, guint code, const char *text)
{
  const LinkState *state = weir_state (context);
  Link link;

  if (state->stage <= LINK_GREETED)
    return;
  link_init (&link, context);
  link_abort (&link);
  link_finish (&link, NULL);
  link_clear (&link);
}

static void
on_session_over (WeirContext *context)
{
  Link link;

  if (weir_state_descriptor (context) < 0)
    return;
  link_init (&link, context);
  link_quit (&link);
  link_clear (&link);
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "milter",
  .summary = "speaks to a milter: OpenDKIM, rspamd, clamav-milter, or any other",
  .edits = WEIR_EDIT_SENDER | WEIR_EDIT_RECIPIENTS | WEIR_EDIT_HEADERS | WEIR_EDIT_BODY,
  .config_size = sizeof (LinkConfig),
  .state_size = sizeof (LinkState),
  .body_chunk = 16 * 1024 * 1024,
  .options = options,
  .load = load_milter,
  .start = start,
  .stop = stop,
  .connect = on_connect,
  .helo = on_helo,
  .ehlo = on_helo,
  .mail = on_mail,
  .rcpt = on_rcpt,
  .data = on_data,
  .body = on_body,
  .end_of_message = on_end_of_message,
  .unknown = on_unknown,
  .message_over = on_message_over,
  .session_over = on_session_over,
};
