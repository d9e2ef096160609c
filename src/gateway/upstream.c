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

static gsize
backlog (const GatewayUpstream *upstream)
{
  return smtp_client_output (upstream->client)->length;
}

static void
give (GatewaySession *session, gboolean reusable)
{
  GatewayUpstream *upstream = g_steal_pointer (&session->upstream);
  session->upstream_route = NULL;
  session->up_resetting = FALSE;
  session->up_until = 0;
  if (upstream != NULL)
    session->methods->give_upstream (session->host, upstream,
                                     reusable && smtp_client_is_idle (upstream->client)
                                         && backlog (upstream) == 0);
}

static guint64
body_taken (const GatewaySession *session)
{
  return session->up_appended - backlog (session->upstream);
}

static void
wait_for_reply (GatewaySession *session, gint64 milliseconds)
{
  session->up_until = session->methods->now (session->host) + milliseconds * 1000;
  session->up_taken = body_taken (session);
}

/* The transaction can not succeed any more, unless a recipient of another route comes while none is
 * accepted. */
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

/* Its answer is still to come. */
static gboolean
is_pending (const GatewayRecipient *recipient)
{
  return recipient->asked && recipient->reply == NULL;
}

static guint32
needs_of (const GatewayTransaction *tx, gboolean with_pending)
{
  guint32 needs = smtp_parameters_needs (tx->sender);
  for (guint i = 0; i < tx->recipients->len; i++)
    {
      const GatewayRecipient *recipient = tx->recipients->pdata[i];
      if (recipient->state == RECIPIENT_ACCEPTED || (with_pending && is_pending (recipient)))
        needs |= smtp_parameters_needs (recipient->path);
    }
  return needs;
}

/* Whether somebody has heard, or waits for, what only this envelope can make true. */
static gboolean
envelope_is_needed (const GatewayTransaction *tx)
{
  for (guint i = 0; i < tx->recipients->len; i++)
    {
      const GatewayRecipient *recipient = tx->recipients->pdata[i];
      if (recipient->state == RECIPIENT_ACCEPTED || is_pending (recipient))
        return TRUE;
    }
  return FALSE;
}

static gboolean
lacks (const GatewaySession *session, guint32 needs)
{
  return (needs & ~smtp_client_capabilities (session->upstream->client).flags) != 0;
}

static const BaseReply lacking
    = { 451, { 4, 3, 5 }, (gchar *) "The next server lacks an extension that this message needs" };

static void
send_rcpt (GatewaySession *session, guint index)
{
  GatewayRecipient *recipient = session->tx->recipients->pdata[index];
  smtp_client_rcpt (session->upstream->client, recipient->path, index + 1);
  session->tx->up_open++;
}

/* Recipients who were promised nothing yet do not fail the others. FALSE: nobody is left. */
static gboolean
refuse_lacking (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  for (guint i = 0; i < tx->recipients->len; i++)
    {
      GatewayRecipient *recipient = tx->recipients->pdata[i];
      if (is_pending (recipient) && lacks (session, smtp_parameters_needs (recipient->path)))
        envelope_settle (session, recipient, &lacking);
    }
  return envelope_is_needed (tx);
}

static void
say_envelope (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  tx->up = UP_ENVELOPE;
  tx->up_stale = FALSE;
  tx->up_open = 1;
  smtp_client_mail (session->upstream->client, tx->sender, 0);
  for (guint i = 0; i < tx->recipients->len; i++)
    {
      GatewayRecipient *recipient = tx->recipients->pdata[i];
      recipient->replaying = recipient->state == RECIPIENT_ACCEPTED;
      if (recipient->replaying || is_pending (recipient))
        send_rcpt (session, i);
    }
  wait_for_reply (session, tx->route->reply);
}

static void
send_envelope (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  gboolean doomed = lacks (session, needs_of (tx, FALSE));
  g_clear_pointer (&tx->up_mail_reply, base_reply_free);
  g_clear_pointer (&tx->up_refusal, base_reply_free);
  if (!doomed && refuse_lacking (session))
    {
      say_envelope (session);
      return;
    }
  give (session, TRUE);
  tx->up = UP_NONE;
  if (doomed)
    doom (session, &lacking);
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
      = session->methods->take_upstream (session->host, tx->route, needs_of (tx, TRUE), fresh);
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
  else if (tx->up == UP_ENVELOPE && lacks (session, smtp_parameters_needs (recipient->path)))
    envelope_settle (session, recipient, &lacking);
  else if (tx->up == UP_ENVELOPE)
    {
      send_rcpt (session, tx->recipients->len - 1);
      if (session->up_until == 0)
        wait_for_reply (session, tx->route->reply);
    }
}

/* ---- Giving up ---- */

static void
send_rset (GatewaySession *session)
{
  smtp_client_rset (session->upstream->client, 0);
  session->up_resetting = TRUE;
  session->tx->up = UP_NONE;
  wait_for_reply (session, session->upstream_route->reply);
}

void
upstream_reset (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  if (tx->up == UP_WANTED)
    session->methods->cancel_upstream (session->host);
  else if (tx->up == UP_ENVELOPE)
    send_rset (session);
  else if (tx->up > UP_ENVELOPE)
    give (session, FALSE);
  tx->up = UP_NONE;
  tx->up_open = 0;
  tx->up_attempts = 0;
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
  if (tx->up_stale && tx->up == UP_ENVELOPE)
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
upstream_body (GatewaySession *session, const guint8 *bytes, gsize length)
{
  gsize before = backlog (session->upstream);
  smtp_client_body (session->upstream->client, bytes, length);
  session->up_appended += backlog (session->upstream) - before;
}

gboolean
upstream_end (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  if (session_lost_client (session))
    return FALSE;
  /* An answer that is there already is none to our dot: the machine keeps the dot back. */
  if (session->methods->read_upstream != NULL)
    session->methods->read_upstream (session->host);
  tx->up = UP_FINAL;
  tx->phase = TX_FINAL;
  tx->deadline = 0;
  smtp_client_end (session->upstream->client, 0);
  wait_for_reply (session, tx->route->final_reply);
  return TRUE;
}

gboolean
upstream_has_room (const GatewaySession *session)
{
  return session->upstream == NULL || backlog (session->upstream) < UPSTREAM_ROOM;
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
    send_rset (session);
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
  wait_for_reply (session, tx->route->reply);
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
      session->up_appended = 0;
      wait_for_reply (session, tx->route->reply);
      data_upstream_ready (session);
      return;
    }
  g_autoptr (BaseReply) refusal = base_reply_copy (reply);
  tx->up = UP_ENVELOPE; /* the envelope still stands there, RSET clears it */
  transaction_fail (session, refusal);
}

/* The final answer goes to the client as it is; only 421 speaks of the upstream's connection and
 * not of ours. An acceptance that came before our dot was out accepts nothing. */
static void
on_end_reply (GatewaySession *session, const BaseReply *reply)
{
  gboolean early = backlog (session->upstream) > 0;
  g_autoptr (BaseReply) answer = base_reply_copy (
      early && is_positive (reply)
          ? BASE_REPLY (451, 4, 3, 0, "The next server answered before the end of the message")
          : reply);
  session->tx->up = UP_NONE;
  give (session, !early && reply->code != 421);
  if (answer->code == 421)
    answer->code = 451;
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

/* Before any byte of the message went out. */
static void
replace_upstream (GatewaySession *session, const BaseReply *why)
{
  GatewayTransaction *tx = session->tx;
  if (!envelope_is_needed (tx))
    return;
  if (tx->up_attempts < UPSTREAM_ATTEMPTS)
    acquire (session);
  else
    doom (session, why);
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
  if (backlog (session->upstream) == 0)
    return tx->up == UP_BODY;
  return body_taken (session) != session->up_taken;
}

/* No answer, and no progress in what we write, within the route's `reply` (or `final-reply`). */
void
upstream_timed_out (GatewaySession *session)
{
  const ConfigRoute *route = session->upstream_route;
  if (message_moves (session))
    {
      wait_for_reply (session, session->tx->up == UP_FINAL ? route->final_reply : route->reply);
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
      else if (event->type == SMTP_CLIENT_FAILED)
        on_failure (session, event);
    }
}
