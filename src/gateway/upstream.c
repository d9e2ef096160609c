/* The upstream's half of a transaction: taking a connection, asking MAIL and RCPT, replaying an
 * envelope, DATA, and what to do when it is lost.
 *
 * Before any byte of the message went out a lost upstream is replaced and the envelope replayed
 * (rule 8); after that the answer is 451. */
#include "gateway/private.h"

#include "smtp/parameters.h"

#define UPSTREAM_ATTEMPTS 3 /* connections for one transaction */
#define UPSTREAM_IDLE                                                                              \
  (5 * G_USEC_PER_SEC)             /* a spooled transaction's connection may idle that long */
#define UPSTREAM_ROOM (256 * 1024) /* octets that may wait to be written */

static void acquire (GatewaySession *session);

static void
give (GatewaySession *session, gboolean reusable)
{
  GatewayUpstream *upstream = g_steal_pointer (&session->upstream);
  session->upstream_route = NULL;
  session->up_resetting = FALSE;
  session->up_until = 0;
  if (upstream != NULL)
    session->methods->give_upstream (session->host, upstream,
                                     reusable && smtp_client_is_idle (upstream->client));
}

static void
wait_for_reply (GatewaySession *session, gint64 milliseconds)
{
  session->up_until = session->methods->now (session->host) + milliseconds * 1000;
  session->up_backlog = smtp_client_output (session->upstream->client)->length;
}

/* The transaction can not succeed any more. */
static void
doom (GatewaySession *session, const BaseReply *why)
{
  GatewayTransaction *tx = session->tx;
  if (tx->failure == NULL)
    tx->failure = base_reply_copy (why);
  envelope_fail_pending (session, tx->failure);
  if (tx->phase != TX_ENVELOPE)
    transaction_fail (session, tx->failure);
}

/* ---- The envelope ---- */

static guint32
needs_of (const GatewayTransaction *tx)
{
  g_autoptr (GPtrArray) paths = envelope_paths (tx);
  guint32 needs = smtp_parameters_needs (tx->sender);
  for (guint i = 0; i < paths->len; i++)
    needs |= smtp_parameters_needs (paths->pdata[i]);
  return needs;
}

static void
send_rcpt (GatewaySession *session, guint index)
{
  GatewayRecipient *recipient = session->tx->recipients->pdata[index];
  smtp_client_rcpt (session->upstream->client, recipient->path, index + 1);
  session->tx->up_open++;
}

static void
send_envelope (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  SmtpClient *client = session->upstream->client;
  if ((needs_of (tx) & ~smtp_client_capabilities (client).flags) != 0)
    {
      give (session, TRUE);
      tx->up = UP_NONE;
      doom (session, BASE_REPLY (451, 4, 3, 5,
                                 "The next server lacks an extension that this message needs"));
      return;
    }
  tx->up = UP_ENVELOPE;
  tx->up_open = 1;
  smtp_client_mail (client, tx->sender, 0);
  for (guint i = 0; i < tx->recipients->len; i++)
    {
      GatewayRecipient *recipient = tx->recipients->pdata[i];
      recipient->replaying = recipient->state == RECIPIENT_ACCEPTED;
      if (recipient->replaying || (recipient->asked && recipient->reply == NULL))
        send_rcpt (session, i);
    }
  wait_for_reply (session, tx->route->reply);
}

static void
use_upstream (GatewaySession *session, GatewayUpstream *upstream)
{
  GatewayTransaction *tx = session->tx;
  session->upstream = upstream;
  session->upstream_route = tx->route;
  g_free (tx->relay);
  g_free (tx->relay_tls);
  tx->relay = g_strdup (upstream->name);
  tx->relay_tls = g_strdup (upstream->tls);
  send_envelope (session);
}

static void
acquire (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  if (session->upstream != NULL && session->upstream_route == tx->route && session->up_resetting)
    {
      tx->up = UP_RESETTING;
      return;
    }
  give (session, FALSE);
  tx->up = UP_WANTED;
  gboolean fresh = tx->up_attempts++ > 0;
  GatewayUpstream *upstream
      = session->methods->take_upstream (session->host, tx->route, needs_of (tx), fresh);
  if (upstream != NULL)
    use_upstream (session, upstream);
}

void
gateway_session_upstream_ready (GatewaySession *session, GatewayUpstream *upstream)
{
  if (session->tx == NULL || session->tx->up != UP_WANTED)
    session->methods->give_upstream (session->host, upstream, TRUE);
  else
    use_upstream (session, upstream);
  gateway_session_pump (session);
}

void
gateway_session_upstream_failed (GatewaySession *session, const BaseReply *reply)
{
  if (session->tx == NULL || session->tx->up != UP_WANTED)
    return;
  session->tx->up = UP_NONE;
  doom (session, reply);
  gateway_session_pump (session);
}

void
upstream_ask (GatewaySession *session, GatewayRecipient *recipient)
{
  GatewayTransaction *tx = session->tx;
  if (tx->up_mail_reply != NULL)
    {
      envelope_fail_pending (session, tx->up_mail_reply);
      return;
    }
  if (tx->up == UP_NONE)
    acquire (session);
  else if (tx->up == UP_ENVELOPE)
    {
      send_rcpt (session, tx->recipients->len - 1);
      wait_for_reply (session, tx->route->reply);
    }
}

/* ---- Giving up ---- */

void
upstream_reset (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  if (tx->up == UP_WANTED)
    session->methods->cancel_upstream (session->host);
  else if (tx->up == UP_ENVELOPE)
    {
      smtp_client_rset (session->upstream->client, 0);
      session->up_resetting = TRUE;
      wait_for_reply (session, tx->route->reply);
    }
  else if (tx->up > UP_ENVELOPE)
    give (session, FALSE);
  tx->up = UP_NONE;
  tx->up_open = 0;
  g_clear_pointer (&tx->up_mail_reply, base_reply_free);
}

void
upstream_drop (GatewaySession *session)
{
  if (session->tx != NULL && session->tx->up == UP_WANTED)
    session->methods->cancel_upstream (session->host);
  give (session, FALSE);
  if (session->tx != NULL)
    session->tx->up = UP_NONE;
}

void
upstream_give_back_idle (GatewaySession *session)
{
  upstream_reset (session);
  session->tx->up_attempts = 0;
}

/* ---- DATA ---- */

static void
send_data (GatewaySession *session)
{
  session->tx->up = UP_DATA;
  smtp_client_data (session->upstream->client, 0);
  wait_for_reply (session, session->tx->route->reply);
}

void
upstream_want_data (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  tx->up_want_data = TRUE;
  if (tx->up_envelope_changed && tx->up == UP_ENVELOPE)
    {
      upstream_reset (session);
      tx->up = UP_RESETTING;
    }
  else if (tx->up == UP_NONE)
    acquire (session);
  else if (tx->up == UP_ENVELOPE && tx->up_open == 0)
    send_data (session);
}

void
upstream_end (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  if (session->methods->client_is_gone (session->host))
    {
      gateway_session_client_gone (session);
      return;
    }
  tx->up = UP_FINAL;
  tx->phase = TX_FINAL;
  tx->deadline = 0;
  smtp_client_end (session->upstream->client, 0);
  wait_for_reply (session, tx->route->final_reply);
}

gboolean
upstream_has_room (const GatewaySession *session)
{
  return session->upstream == NULL
         || smtp_client_output (session->upstream->client)->length < UPSTREAM_ROOM;
}

/* ---- Replies ---- */

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
    {
      give (session, TRUE);
      tx->up = UP_NONE;
    }
  if (tx->up_refusal != NULL)
    {
      g_autoptr (BaseReply) refusal = g_steal_pointer (&tx->up_refusal);
      if (tx->up == UP_ENVELOPE)
        upstream_reset (session);
      doom (session, tx->up_envelope_changed
                         ? refusal
                         : BASE_REPLY (451, 4, 4, 2,
                                       "The next server was lost, and its replacement refuses"));
    }
  else if (tx->up_want_data && tx->up == UP_ENVELOPE)
    send_data (session);
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
  if (recipient->replaying || recipient->reply != NULL)
    return;
  recipient->state = is_positive (reply) ? RECIPIENT_ACCEPTED : RECIPIENT_REFUSED;
  recipient->reply = base_reply_copy (reply);
  envelope_answer_pending (session);
}

static void
on_envelope_reply (GatewaySession *session, const SmtpClientEvent *event)
{
  GatewayTransaction *tx = session->tx;
  if (tx == NULL || tx->up != UP_ENVELOPE || session->up_resetting)
    return; /* of an envelope that was reset */
  tx->up_open--;
  if (event->command == SMTP_CLIENT_COMMAND_MAIL)
    on_mail_reply (session, event->reply);
  else
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
      send_envelope (session);
      return;
    }
  give (session, is_positive (reply));
  if (waited_for)
    acquire (session);
}

static void
on_data_reply (GatewaySession *session, const BaseReply *reply)
{
  GatewayTransaction *tx = session->tx;
  session->up_until = 0;
  if (reply->code == 354)
    {
      tx->up = UP_BODY;
      wait_for_reply (session, tx->route->reply);
      data_upstream_ready (session);
      return;
    }
  g_autoptr (BaseReply) refusal = base_reply_copy (
      reply->code >= 400
          ? reply
          : BASE_REPLY (451, 4, 3, 0, "The next server answered DATA with nonsense"));
  if (reply->code >= 400)
    tx->up = UP_ENVELOPE; /* the envelope still stands there, RSET clears it */
  upstream_reset (session);
  transaction_fail (session, refusal);
}

/* The final answer goes to the client as it is; only 421 speaks of the upstream's connection and
 * not of ours. */
static void
on_end_reply (GatewaySession *session, const BaseReply *reply)
{
  g_autoptr (BaseReply) answer = base_reply_copy (reply);
  session->up_until = 0;
  session->tx->up = UP_NONE;
  give (session, reply->code != 421);
  if (answer->code == 421)
    answer->code = 451;
  if (answer->code < 200 || answer->code / 100 == 3)
    {
      session->tx->ambiguous = TRUE;
      transaction_answer (session,
                          BASE_REPLY (451, 4, 4, 2, "The next server's answer makes no sense"),
                          "deferred");
      return;
    }
  transaction_answer (session, answer,
                      is_positive (answer) ? "sent"
                      : answer->code < 500 ? "deferred"
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
    case SMTP_CLIENT_COMMAND_RSET:
      on_rset_reply (session, event->reply);
      break;
    case SMTP_CLIENT_COMMAND_DATA:
      if (session->tx != NULL && session->tx->up == UP_DATA)
        on_data_reply (session, event->reply);
      break;
    case SMTP_CLIENT_COMMAND_END:
      if (session->tx != NULL && session->tx->up == UP_FINAL)
        on_end_reply (session, event->reply);
      break;
    default:
      break;
    }
}

void
upstream_lost (GatewaySession *session, const BaseReply *why)
{
  GatewayTransaction *tx = session->tx;
  UpstreamPhase phase = tx == NULL ? UP_NONE : tx->up;
  g_autoptr (BaseReply) reply
      = base_reply_copy (why->code >= 400 && why->code != 421
                             ? why
                             : BASE_REPLY (451, 4, 4, 2, "The next server closed the connection"));
  give (session, FALSE);
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
    case UP_RESETTING:
    case UP_ENVELOPE:
    case UP_DATA:
      if (tx->up_attempts < UPSTREAM_ATTEMPTS)
        acquire (session);
      else
        doom (session, reply);
      break;
    }
}

/* No answer, and no progress in what we write, within the route's `reply` (or `final-reply`). */
void
upstream_timed_out (GatewaySession *session)
{
  gsize backlog = smtp_client_output (session->upstream->client)->length;
  if (backlog > 0 && backlog < session->up_backlog)
    {
      wait_for_reply (session, session->upstream_route->reply);
      return;
    }
  if (session->tx != NULL && session->tx->up != UP_NONE)
    session->tx->up_attempts = UPSTREAM_ATTEMPTS;
  upstream_lost (session, BASE_REPLY (451, 4, 4, 2, "The next server does not answer"));
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
      else if (event->type == SMTP_CLIENT_FAILED)
        upstream_lost (session, event->reply);
    }
}
