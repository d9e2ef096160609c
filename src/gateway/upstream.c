/* The upstream's half of a transaction: taking a connection, asking MAIL and RCPT, replaying an
 * envelope, DATA, and what to do when it is lost.
 *
 * Before any byte of the message went out a lost upstream is replaced and the envelope replayed
 * (rule 8); after that the answer is 451. */
#include "gateway/upstream.h"

#include "smtp/parameters.h"

#define UPSTREAM_ROOM (256 * 1024) /* octets that may wait to be written */

gsize
upstream_backlog (const GatewayUpstream *upstream)
{
  return smtp_client_output (upstream->client)->length;
}

void
upstream_give (GatewaySession *session, gboolean reusable)
{
  gboolean clean = session->upstream != NULL && reusable
                   && smtp_client_is_idle (session->upstream->client)
                   && upstream_backlog (session->upstream) == 0;
  if (session->auth == AUTH_DONE && clean)
    {
      session->up_resetting = FALSE;
      session->up_until = 0;
      return;
    }
  if (session->auth == AUTH_DONE)
    session->auth = AUTH_LOST;
  GatewayUpstream *upstream = g_steal_pointer (&session->upstream);
  session->upstream_route = NULL;
  g_clear_pointer (&session->upstream_domain, g_free);
  session->up_resetting = FALSE;
  session->up_until = 0;
  if (upstream != NULL)
    session->methods->give_upstream (session->host, upstream, clean);
}

guint64
upstream_body_taken (const GatewaySession *session)
{
  return session->up_appended - upstream_backlog (session->upstream);
}

void
upstream_wait (GatewaySession *session, gint64 milliseconds)
{
  session->up_until = session->methods->now (session->host) + milliseconds * 1000;
  session->up_taken = upstream_body_taken (session);
}

void
upstream_doom (GatewaySession *session, const BaseReply *why)
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

gboolean
upstream_is_needed (const GatewayTransaction *tx)
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
  return upstream_is_needed (tx);
}

static void
say_envelope (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  tx->up = UP_ENVELOPE;
  tx->up_stale = FALSE;
  tx->up_open = 1;
  xforward_say (session);
  smtp_client_mail (session->upstream->client, tx->sender, 0);
  for (guint i = 0; i < tx->recipients->len; i++)
    {
      GatewayRecipient *recipient = tx->recipients->pdata[i];
      recipient->replaying = recipient->state == RECIPIENT_ACCEPTED;
      if (recipient->replaying || is_pending (recipient))
        send_rcpt (session, i);
    }
  upstream_wait (session, tx->route->reply);
}

void
upstream_send_envelope (GatewaySession *session)
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
  upstream_give (session, TRUE);
  tx->up = UP_NONE;
  if (doomed)
    upstream_doom (session, &lacking);
}

static void
use_upstream (GatewaySession *session, GatewayUpstream *upstream)
{
  GatewayTransaction *tx = session->tx;
  session->upstream = upstream;
  session->upstream_route = tx->route;
  g_free (session->upstream_domain);
  session->upstream_domain = g_strdup (tx->domain);
  g_free (tx->relay);
  g_free (tx->relay_tls);
  tx->relay = g_strdup (upstream->name);
  tx->relay_tls = g_strdup (upstream->tls);
  if (!introduce_say (session))
    upstream_send_envelope (session);
}

void
upstream_acquire (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  if (session->upstream != NULL && session->upstream_route == tx->route
      && g_strcmp0 (session->upstream_domain, tx->domain) == 0 && session->up_resetting)
    {
      tx->up = UP_RESETTING;
      return;
    }
  if (session->auth == AUTH_DONE && session->upstream != NULL
      && smtp_client_is_idle (session->upstream->client))
    {
      use_upstream (session, session->upstream);
      return;
    }
  upstream_give (session, FALSE);
  if (session->auth == AUTH_LOST)
    {
      upstream_doom (session, BASE_REPLY (421, 4, 4, 2, "The next server closed the connection"));
      return;
    }
  tx->up = UP_WANTED;
  gboolean fresh = tx->up_attempts++ > 0;
  GatewayUpstream *upstream = session->methods->take_upstream (session->host, tx->route, tx->domain,
                                                               needs_of (tx, TRUE), fresh);
  if (upstream != NULL)
    use_upstream (session, upstream);
}

void
gateway_session_upstream_ready (GatewaySession *session, GatewayUpstream *upstream)
{
  if (session->auth == AUTH_WANTED)
    auth_ready (session, upstream);
  else if (session->tx == NULL || session->tx->up != UP_WANTED)
    session->methods->give_upstream (session->host, upstream, TRUE);
  else
    use_upstream (session, upstream);
  gateway_session_pump (session);
}

/* Which hosts stand behind us, and what is wrong with them, is the log's to tell. That a domain has
 * no mail hosts is everybody's to know; but it can not take back a 250. */
static BaseReply *
told_outside (const GatewayTransaction *tx, const BaseReply *reply)
{
  if (reply->code >= 500 && envelope_accepted (tx) == 0)
    return base_reply_copy (reply);
  if (reply->code >= 500)
    return base_reply_new (451, 4, 4, 1, "The next server can not be reached again");
  const gchar *text = "The next server can not be reached";
  if (reply->enhanced[1] == 7 && reply->enhanced[2] == 8)
    return base_reply_new (451, 4, 7, 0, "The next server does not accept our login");
  if (reply->enhanced[1] == 7)
    text = "No secure connection to the next server can be made";
  else if (reply->enhanced[1] == 3)
    text = "All connections to the next server are busy";
  else if (tx->domain != NULL && reply->enhanced[1] == 4 && reply->enhanced[2] == 3)
    text = "The mail hosts of the domain are not known now";
  return base_reply_new (reply->code, reply->enhanced[0], reply->enhanced[1], reply->enhanced[2],
                         text);
}

void
gateway_session_upstream_failed (GatewaySession *session, const BaseReply *reply)
{
  gboolean for_tx = session->tx != NULL && session->tx->up == UP_WANTED;
  auth_lost (session);
  if (for_tx)
    {
      g_autofree gchar *why = base_reply_to_string (reply);
      g_autoptr (BaseReply) told = told_outside (session->tx, reply);
      base_log (BASE_LOG_NOTICE, "id=%s no upstream: %s", session->tx->id, why);
      session->tx->up = UP_NONE;
      upstream_doom (session, told);
    }
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
    upstream_acquire (session);
  else if (tx->up == UP_ENVELOPE && lacks (session, smtp_parameters_needs (recipient->path)))
    envelope_settle (session, recipient, &lacking);
  else if (tx->up == UP_ENVELOPE)
    {
      send_rcpt (session, tx->recipients->len - 1);
      if (session->up_until == 0)
        upstream_wait (session, tx->route->reply);
    }
}

/* ---- Giving up ---- */

void
upstream_send_rset (GatewaySession *session)
{
  /* The message goes before the connection does, and the output may borrow from it. */
  base_output_settle (smtp_client_output (session->upstream->client));
  smtp_client_rset (session->upstream->client, 0);
  session->up_resetting = TRUE;
  session->tx->up = UP_NONE;
  upstream_wait (session, session->upstream_route->reply);
}

void
upstream_reset (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  if (tx->up == UP_WANTED)
    session->methods->cancel_upstream (session->host);
  else if (tx->up == UP_ENVELOPE || (tx->up == UP_BODY && tx->up_chunked))
    upstream_send_rset (session); /* between chunks too, without LAST (RFC 3030 section 2) */
  else if (tx->up > UP_ENVELOPE || tx->up == UP_INTRODUCING)
    upstream_give (session, FALSE);
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
  upstream_give (session, FALSE);
  if (session->tx != NULL)
    session->tx->up = UP_NONE;
}

/* ---- DATA ---- */

void
upstream_send_data (GatewaySession *session)
{
  if (upstream_begin_chunks (session))
    return;
  session->tx->up = UP_DATA;
  smtp_client_data (session->upstream->client, 0);
  upstream_wait (session, session->tx->route->reply);
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
    upstream_acquire (session);
  else if (tx->up == UP_ENVELOPE && tx->up_open == 0)
    upstream_send_data (session);
}

void
upstream_body (GatewaySession *session, const guint8 *bytes, gsize length, gboolean dots)
{
  gsize before = upstream_backlog (session->upstream);
  if (session->tx->up_chunked)
    {
      upstream_add_chunk (session, bytes, length);
      return;
    }
  if (dots)
    smtp_client_body (session->upstream->client, bytes, length);
  else
    smtp_client_body_undotted (session->upstream->client, bytes, length);
  session->up_appended += upstream_backlog (session->upstream) - before;
}

gboolean
upstream_body_file (GatewaySession *session, gint fd, guint64 offset, gsize length)
{
  gsize before = upstream_backlog (session->upstream);
  gboolean good = smtp_client_body_file (session->upstream->client, fd, offset, length);
  session->up_appended += upstream_backlog (session->upstream) - before;
  return good;
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
  if (tx->up_chunked && !upstream_end_chunks (session))
    return FALSE;
  tx->up = UP_FINAL;
  tx->phase = TX_FINAL;
  tx->deadline = 0;
  tx->up_ends = config_route_is_lmtp (tx->route) ? envelope_accepted (tx) : 1;
  if (!tx->up_chunked)
    smtp_client_end (session->upstream->client, 0);
  upstream_wait (session, tx->route->final_reply);
  return TRUE;
}

gboolean
upstream_has_room (const GatewaySession *session)
{
  gsize gathered = session->tx != NULL ? base_buffer_length (&session->tx->up_gathered) : 0;
  return session->upstream == NULL
         || upstream_backlog (session->upstream) + gathered < UPSTREAM_ROOM;
}
