/* How a transaction ends: answered, stored, set aside, failed or taken back; and message_over
 * behind it. */
#include "gateway/private.h"

#include <string.h>

#include <glib/gstdio.h>

void
transaction_free (GatewayTransaction *tx)
{
  if (tx == NULL)
    return;
  base_path_free (tx->sender);
  g_ptr_array_unref (tx->recipients);
  g_free (tx->aside_reason);
  base_reply_free (tx->failure);
  base_reply_free (tx->text);
  base_reply_free (tx->answer);
  g_clear_pointer (&tx->fates, g_ptr_array_unref);
  base_reply_free (tx->up_mail_reply);
  base_reply_free (tx->up_refusal);
  g_free (tx->domain);
  g_free (tx->relay);
  g_free (tx->relay_tls);
  message_writer_free (tx->writer);
  message_spool_unref (tx->spool);
  if (tx->edits != NULL)
    message_edits_unref (tx->edits);
  base_buffer_clear (&tx->head);
  base_buffer_clear (&tx->up_gathered);
  g_free (tx->received);
  g_free (tx->broken_signatures);
  g_free (tx);
}

static const gchar *
status_of (const BaseReply *reply)
{
  return reply->code < 400 ? "sent" : reply->code < 500 ? "deferred" : "rejected";
}

/* ---- The end of a transaction ---- */

static void
after_over (GatewaySession *session, const ChainOutcome *outcome)
{
  const ChainOutcome pass = { .kind = CHAIN_PASS };
  SessionContinue after = g_steal_pointer (&session->after_transaction);
  transaction_free (g_steal_pointer (&session->tx));
  identity_forget_forwarded (session);
  if (session->chain != NULL)
    chain_state_end_message (session->chain);
  if (after != NULL)
    after (session, &pass);
}

static void
finish (GatewaySession *session, guint code, const gchar *text, const gchar *status,
        SessionContinue after)
{
  session->has_served = TRUE;
  session->tx->phase = TX_OVER;
  session->tx->deadline = 0;
  session->after_transaction = after;
  session->hook_code = code;
  session->hook_status = status;
  session_run_hook (session, IPC_HOOK_MESSAGE_OVER, text, after_over);
}

void
transaction_answer (GatewaySession *session, const BaseReply *reply, const gchar *status)
{
  const GatewayTransaction *tx = session->tx;
  gboolean theirs = tx->text != NULL && tx->aside == ASIDE_NO && reply->code / 100 == 2;
  const BaseReply *answer = theirs ? tx->text : reply;
  const BaseReply *summary = fates_summary (session, answer);
  if (fates_differ (session, answer))
    status = "partial";
  session_log_message (session, answer, status);
  if (!session->client_gone)
    fates_tell (session, answer);
  finish (session, summary->code, summary->text != NULL ? summary->text : "", status, NULL);
}

void
transaction_accept (GatewaySession *session, const gchar *text, const gchar *status)
{
  g_autoptr (BaseReply) ok = base_reply_new (250, 2, 0, 0, text);
  upstream_reset (session);
  transaction_answer (session, ok, status);
}

void
transaction_answer_at_end (GatewaySession *session, const BaseReply *reply, const gchar *status)
{
  GatewayTransaction *tx = session->tx;
  if (tx->complete || !smtp_server_awaits_answer (session->server))
    session_abandon_hooks (session); /* else they judge a command between two chunks */
  upstream_reset (session);
  if (tx->complete)
    {
      transaction_answer (session, reply, status);
      return;
    }
  g_clear_pointer (&tx->answer, base_reply_free);
  tx->answer = base_reply_copy (reply);
  tx->status = status;
  tx->phase = TX_DROPPING;
}

void
transaction_fail (GatewaySession *session, const BaseReply *reply)
{
  transaction_answer_at_end (session, reply, status_of (reply));
}

gboolean
transaction_set_aside (GatewaySession *session, const ChainOutcome *outcome)
{
  GatewayTransaction *tx = session->tx;
  if (outcome->kind != CHAIN_DISCARD && outcome->kind != CHAIN_QUARANTINE)
    return FALSE;
  tx->aside = outcome->kind == CHAIN_DISCARD ? ASIDE_DISCARD : ASIDE_QUARANTINE;
  tx->aside_reason = g_strdup (outcome->reason);
  tx->aside_filter = outcome->filter;
  upstream_reset (session);
  return TRUE;
}

void
transaction_set_text (GatewaySession *session, const ChainOutcome *outcome)
{
  if (outcome->kind != CHAIN_PASS || outcome->reply == NULL)
    return;
  base_reply_free (session->tx->text);
  session->tx->text = base_reply_copy (outcome->reply);
}

gboolean
transaction_apply_verdict (GatewaySession *session, const ChainOutcome *outcome)
{
  GatewayTransaction *tx = session->tx;
  switch (outcome->kind)
    {
    case CHAIN_REFUSE:
    case CHAIN_CLOSE:
      tx->close = outcome->kind == CHAIN_CLOSE;
      tx->refused_by = outcome->filter;
      transaction_fail (session, outcome->reply);
      return TRUE;
    case CHAIN_DISCARD:
      transaction_set_aside (session, outcome);
      transaction_answer_at_end (session, BASE_REPLY (250, 2, 0, 0, "Ok"), "discarded");
      return TRUE;
    case CHAIN_QUARANTINE: /* handled where the message is */
    case CHAIN_PASS:
      return FALSE;
    }
  return FALSE;
}

void
transaction_abort (GatewaySession *session, const gchar *status, SessionContinue after)
{
  const ChainOutcome pass = { .kind = CHAIN_PASS };
  if (session->tx == NULL)
    {
      after (session, &pass);
      return;
    }
  upstream_reset (session);
  if (session->tx->phase != TX_ENVELOPE)
    session_log_message (session, NULL, status);
  finish (session, 0, "", status, after);
}

/* ---- Disk ---- */

void
gateway_delivery_free (GatewayDelivery *job)
{
  if (job == NULL)
    return;
  g_free (job->directory);
  g_free (job->hostname);
  g_free (job->prefix);
  message_spool_unref (job->spool);
  if (job->edits != NULL)
    message_edits_unref (job->edits);
  base_path_free (job->sender);
  g_clear_pointer (&job->recipients, g_ptr_array_unref);
  g_free (job->id);
  g_free (job->session_id);
  g_free (job->listener);
  g_free (job->client_address);
  g_free (job->client_name);
  g_free (job->helo);
  g_free (job->user);
  g_free (job->filter);
  g_free (job->reason);
  g_free (job->notes);
  g_free (job);
}

static void
fill_quarantine (const GatewaySession *session, GatewayDelivery *job)
{
  const GatewayTransaction *tx = session->tx;
  const BaseEndpoint client = session_client (session);
  job->directory = g_strdup (session->listener->config->quarantine);
  job->id = g_strdup (tx->id);
  job->session_id = g_strdup (session->id);
  job->listener = g_strdup (session->listener->listener->name);
  job->client_address = base_endpoint_address (&client);
  job->client_name = g_strdup (session->client_name);
  job->helo = g_strdup (session->helo);
  job->user = g_strdup (session->user);
  job->filter = g_strdup (tx->aside_filter);
  job->reason = g_strdup (tx->aside_reason);
  job->notes = session->chain != NULL ? chain_log_notes (session->chain) : NULL;
}

static GatewayDelivery *
delivery_new (GatewaySession *session, GatewayDeliveryKind kind)
{
  GatewayTransaction *tx = session->tx;
  g_autoptr (GPtrArray) paths = envelope_paths (tx);
  GatewayDelivery *job = g_new0 (GatewayDelivery, 1);
  job->kind = kind;
  job->hostname = g_strdup (session->listener->config->hostname);
  job->spool = message_spool_ref (tx->spool);
  job->sender = base_path_copy (tx->sender);
  job->recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  for (guint i = 0; i < paths->len; i++)
    g_ptr_array_add (job->recipients, base_path_copy (paths->pdata[i]));
  if (kind == GATEWAY_DELIVER_QUARANTINE)
    {
      fill_quarantine (session, job);
      return job;
    }
  job->directory = g_strdup (tx->destination->path);
  job->prefix = session_received (session);
  job->edits = tx->edits != NULL ? message_edits_ref (tx->edits) : NULL;
  return job;
}

void
transaction_store (GatewaySession *session, GatewayDeliveryKind kind)
{
  GatewayTransaction *tx = session->tx;
  if (session_lost_client (session))
    return;
  if (kind == GATEWAY_DELIVER_QUARANTINE && session->listener->config->quarantine == NULL)
    {
      base_log (BASE_LOG_ERROR, "id=%s filter %s wants quarantine, but none is configured", tx->id,
                tx->aside_filter != NULL ? tx->aside_filter : "?");
      transaction_fail (session, BASE_REPLY (451, 4, 3, 5, "The message can not be set aside"));
      return;
    }
  tx->phase = TX_STORING;
  tx->deadline = 0;
  g_free (tx->relay);
  g_clear_pointer (&tx->relay_tls, g_free); /* of the server that was asked about recipients */
  tx->relay = kind == GATEWAY_DELIVER_QUARANTINE ? g_strdup ("quarantine")
                                                 : g_strdup (tx->destination->text);
  session->methods->deliver (session->host, delivery_new (session, kind));
}

static void
answer_storage_error (GatewaySession *session, const GError *error)
{
  gboolean full = g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC);
  base_log (BASE_LOG_ERROR, "id=%s can not be stored: %s", session->tx->id, error->message);
  transaction_answer (session,
                      full ? BASE_REPLY (452, 4, 3, 1, "Out of storage, try again later")
                           : BASE_REPLY (451, 4, 3, 0, "The message can not be stored now"),
                      "deferred");
}

void
gateway_session_delivered (GatewaySession *session, GatewayDelivery *job, const gchar *name,
                           const GError *error)
{
  if (session->tx == NULL || session->tx->phase != TX_STORING)
    return;
  if (error != NULL)
    answer_storage_error (session, error);
  else if (job->kind == GATEWAY_DELIVER_QUARANTINE)
    {
      gboolean reject = session->listener->config->quarantine_reply == CONFIG_QUARANTINE_REJECT;
      transaction_answer (session,
                          reject ? BASE_REPLY (550, 5, 7, 1, "The message was set aside")
                                 : BASE_REPLY (250, 2, 0, 0, "Ok"),
                          "quarantined");
    }
  else
    {
      g_autoptr (BaseReply) ok = base_reply_printf (250, 2, 0, 0, "Ok: stored as %s", name);
      transaction_answer (session, ok, "sent");
    }
  gateway_session_pump (session);
}
