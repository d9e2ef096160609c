/* What the upstream says, and what it means for the transaction: replies to the envelope, to DATA,
 * to the final dot; its silence, and its end. */
#include "gateway/upstream.h"

#define UPSTREAM_IDLE                                                                              \
  (5 * G_USEC_PER_SEC) /* a spooled transaction's connection may idle that long */

static gboolean
is_positive (const BaseReply *reply)
{
  return reply->code / 100 == 2;
}

/* 4xx before 5xx: the client may come again. */
static void
keep_refusal (GatewayTransaction *tx, const BaseReply *reply)
{
  if (tx->up_refusal != NULL && (tx->up_refusal->code < 500 || reply->code >= 500))
    return;
  g_clear_pointer (&tx->up_refusal, base_reply_free);
  tx->up_refusal = base_reply_copy (reply);
}

/* All replies to the envelope are there. */
static void
envelope_stands (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  session->up_until = 0;
  tx->up_idle = session->methods->now (session->host) + UPSTREAM_IDLE;
  if (tx->up_mail_reply != NULL)
    upstream_send_rset (session);
  if (tx->up_refusal != NULL)
    {
      g_autoptr (BaseReply) refusal = g_steal_pointer (&tx->up_refusal);
      if (tx->up == UP_ENVELOPE)
        upstream_reset (session);
      upstream_doom (
          session,
          tx->up_envelope_changed
              ? refusal
              : BASE_REPLY (451, 4, 4, 2, "The next server was lost, and its replacement refuses"));
    }
  else if (tx->up_want_data && tx->up == UP_ENVELOPE)
    upstream_send_data (session);
}

static void
on_mail_reply (GatewaySession *session, const BaseReply *reply)
{
  GatewayTransaction *tx = session->tx;
  if (is_positive (reply))
    return;
  if (tx->up_want_data || envelope_accepted (tx) > 0)
    keep_refusal (tx, reply);
  tx->up_mail_reply = base_reply_copy (reply);
  envelope_fail_pending (session, reply);
}

static void
on_rcpt_reply (GatewaySession *session, guint index, const BaseReply *reply)
{
  GatewayTransaction *tx = session->tx;
  if (tx->up_mail_reply != NULL || index >= tx->recipients->len)
    return;
  GatewayRecipient *recipient = tx->recipients->pdata[index];
  if (recipient->replaying && !is_positive (reply))
    keep_refusal (tx, reply);
  if (!recipient->replaying && recipient->reply == NULL)
    envelope_settle (session, recipient, reply);
}

static void
on_envelope_reply (GatewaySession *session, const SmtpClientEvent *event)
{
  GatewayTransaction *tx = session->tx;
  if (tx == NULL || tx->up != UP_ENVELOPE || session->up_resetting)
    return; /* of an envelope that was reset */
  tx->up_open--;
  upstream_wait (session, tx->route->reply);
  if (!tx->up_stale && event->command == SMTP_CLIENT_COMMAND_MAIL)
    on_mail_reply (session, event->reply);
  else if (!tx->up_stale)
    on_rcpt_reply (session, event->tag - 1, event->reply);
  if (tx->up_open == 0)
    envelope_stands (session);
}

static void
on_rset_reply (GatewaySession *session, const BaseReply *reply)
{
  GatewayTransaction *tx = session->tx;
  gboolean waited_for = tx != NULL && tx->up == UP_RESETTING;
  session->up_resetting = FALSE;
  if (waited_for && is_positive (reply))
    {
      upstream_send_envelope (session);
      return;
    }
  upstream_give (session, is_positive (reply));
  if (waited_for)
    upstream_acquire (session);
}

static void
on_data_reply (GatewaySession *session, const BaseReply *reply)
{
  GatewayTransaction *tx = session->tx;
  session->up_until = 0;
  if (reply->code == 354)
    {
      tx->up = UP_BODY;
      session->up_appended = 0;
      upstream_wait (session, tx->route->reply);
      data_upstream_ready (session);
      return;
    }
  g_autoptr (BaseReply) refusal = base_reply_copy (reply);
  tx->up = UP_ENVELOPE; /* the envelope still stands there, RSET clears it */
  transaction_fail (session, refusal);
}

/* The refusal of an earlier chunk says more than what the last one hears behind it; an acceptance
 * behind it accepts less than the message. */
static void
judge_chunks (GatewayTransaction *tx, BaseReply **answer)
{
  gboolean accepted = is_positive (*answer);
  if (tx->up_refusal == NULL)
    return;
  base_reply_free (*answer);
  *answer = base_reply_copy (tx->up_refusal);
  if (!accepted)
    return;
  base_reply_free (*answer);
  *answer = base_reply_new (451, 4, 3, 0, "The next server took only parts of the message");
}

/* The final answer goes to the client as it is; only 421 speaks of the upstream's connection and
 * not of ours. An acceptance that came before our dot was out accepts nothing. */
static void
on_end_reply (GatewaySession *session, guint recipient, const BaseReply *reply)
{
  GatewayTransaction *tx = session->tx;
  gboolean early = upstream_backlog (session->upstream) > 0;
  g_autoptr (BaseReply) answer = base_reply_copy (
      early && is_positive (reply)
          ? BASE_REPLY (451, 4, 3, 0, "The next server answered before the end of the message")
          : reply);
  tx->up_spoiled |= early || reply->code == 421;
  if (tx->up_chunked)
    {
      /* RFC 3030 section 2: behind a refused chunk nobody knows where the upstream stands. */
      tx->up_spoiled |= !is_positive (reply) || tx->up_refusal != NULL;
      judge_chunks (tx, &answer);
    }
  if (answer->code == 421)
    answer->code = 451;
  if (config_route_is_lmtp (tx->route))
    fates_settle (session, recipient, answer);
  if (--tx->up_ends > 0)
    {
      upstream_wait (session, tx->route->final_reply);
      return;
    }
  if (config_route_is_lmtp (tx->route))
    fates_settle_removed (session);
  tx->up = UP_NONE;
  upstream_give (session, !tx->up_spoiled);
  const BaseReply *summary = fates_summary (session, answer);
  transaction_answer (session, answer,
                      is_positive (summary) ? "sent"
                      : summary->code < 500 ? "deferred"
                                            : "bounced");
}

static void
on_reply (GatewaySession *session, const SmtpClientEvent *event)
{
  if (event->reply->code == 421 && event->command != SMTP_CLIENT_COMMAND_END)
    return; /* FAILED follows: the connection is replaced, or the client hears why not */
  switch (event->command)
    {
    case SMTP_CLIENT_COMMAND_MAIL:
    case SMTP_CLIENT_COMMAND_RCPT:
      on_envelope_reply (session, event);
      break;
    case SMTP_CLIENT_COMMAND_XCLIENT:
      introduce_reply (session, event->reply);
      break;
    case SMTP_CLIENT_COMMAND_AUTH:
      auth_reply (session, event->reply);
      break;
    case SMTP_CLIENT_COMMAND_RSET:
      on_rset_reply (session, event->reply);
      break;
    case SMTP_CLIENT_COMMAND_DATA:
      if (session->tx != NULL && session->tx->up == UP_DATA)
        on_data_reply (session, event->reply);
      break;
    case SMTP_CLIENT_COMMAND_BDAT:
      upstream_on_chunk_reply (session, event->reply);
      break;
    case SMTP_CLIENT_COMMAND_END:
      if (session->tx != NULL && session->tx->up == UP_FINAL)
        on_end_reply (session, event->tag - 1, event->reply);
      break;
    default:
      break;
    }
}

/* Before any byte of the message went out. */
static void
replace_upstream (GatewaySession *session, const BaseReply *why)
{
  GatewayTransaction *tx = session->tx;
  if (!upstream_is_needed (tx))
    return;
  if (tx->up_attempts < UPSTREAM_ATTEMPTS)
    upstream_acquire (session);
  else
    upstream_doom (session, why);
}

static void
upstream_lost (GatewaySession *session, const BaseReply *why)
{
  GatewayTransaction *tx = session->tx;
  UpstreamPhase phase = tx == NULL ? UP_NONE : tx->up;
  g_autoptr (BaseReply) reply
      = base_reply_copy (why->code >= 400 && why->code != 421
                             ? why
                             : BASE_REPLY (451, 4, 4, 2, "The next server closed the connection"));
  if (session->upstream != NULL)
    session->upstream->unfit
        = !session->upstream->reused && phase >= UP_INTRODUCING && phase <= UP_DATA;
  upstream_give (session, FALSE);
  auth_lost (session);
  if (tx != NULL)
    tx->up = UP_NONE;
  switch (phase)
    {
    case UP_NONE:
    case UP_WANTED:
      break;
    case UP_FINAL:
      tx->ambiguous = TRUE;
      transaction_answer (
          session, BASE_REPLY (451, 4, 4, 2, "The next server's answer was lost, try again later"),
          "deferred");
      break;
    case UP_BODY:
      transaction_fail (session, reply);
      break;
    case UP_INTRODUCING:
    case UP_RESETTING:
    case UP_ENVELOPE:
    case UP_DATA:
      replace_upstream (session, reply);
      break;
    }
}

/* While the message goes out, no answer is awaited: the upstream has only to take what we write,
 * and a slow client is not its fault. */
static gboolean
message_moves (const GatewaySession *session)
{
  const GatewayTransaction *tx = session->tx;
  if (tx == NULL || tx->up < UP_BODY)
    return FALSE;
  if (upstream_backlog (session->upstream) == 0)
    return tx->up == UP_BODY && tx->up_chunks_open == 0;
  return upstream_body_taken (session) != session->up_taken;
}

/* No answer, and no progress in what we write, within the route's `reply` (or `final-reply`). */
void
upstream_timed_out (GatewaySession *session)
{
  const ConfigRoute *route = session->upstream_route;
  if (message_moves (session))
    {
      upstream_wait (session, session->tx->up == UP_FINAL ? route->final_reply : route->reply);
      return;
    }
  if (session->tx != NULL && session->tx->up > UP_RESETTING)
    session->tx->up_attempts = UPSTREAM_ATTEMPTS;
  upstream_lost (session, BASE_REPLY (451, 4, 4, 2, "The next server does not answer"));
}

static void
on_failure (GatewaySession *session, const SmtpClientEvent *event)
{
  GatewayTransaction *tx = session->tx;
  if (tx != NULL && tx->up == UP_FINAL && event->command == SMTP_CLIENT_COMMAND_DATA)
    tx->up = UP_BODY; /* the machine has kept our dot back: nothing is ambiguous */
  upstream_lost (session, event->reply);
}

void
upstream_pull (GatewaySession *session)
{
  const SmtpClientEvent *event;
  while (session->upstream != NULL
         && (event = smtp_client_next (session->upstream->client)) != NULL)
    {
      if (event->type == SMTP_CLIENT_REPLY)
        on_reply (session, event);
      else if (event->type == SMTP_CLIENT_CHALLENGE)
        auth_challenge (session, event->reply);
      else if (event->type == SMTP_CLIENT_READY)
        introduce_ready (session);
      else if (event->type == SMTP_CLIENT_FAILED)
        on_failure (session, event);
    }
}
