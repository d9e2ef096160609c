/* Runs of the chain: a request to a worker, its records, its failures. One run at a time; what
 * comes after it is a function. */
#include "gateway/private.h"

static const ChainOutcome nobody = { .kind = CHAIN_PASS };

static void
fill_session (const GatewaySession *session, IpcSession *facts, gchar **address)
{
  const BaseEndpoint client = session_client (session);
  *address = base_endpoint_address (&client);
  facts->session_id = (gchar *) session->id;
  facts->message_id = session->tx != NULL ? session->tx->id : NULL;
  facts->client_address = *address;
  facts->client_port = base_endpoint_port (&client);
  facts->client_name = session->client_name != NULL ? session->client_name : (gchar *) "unknown";
  facts->helo = session->helo;
  facts->user = session->user;
  facts->mechanism = session->user_mechanism;
  facts->tls_protocol = (gchar *) session->tls_protocol;
  facts->tls_cipher = (gchar *) session->tls_cipher;
}

/* The header block alone, or the whole spool: small ones inline, large ones as a descriptor of
 * their own. */
static gboolean
fill_message (GatewaySession *session, IpcRequest *request, GError **error)
{
  GatewayTransaction *tx = session->tx;
  if (request->hook == IPC_HOOK_END_OF_HEADERS)
    {
      request->message = g_bytes_new_static (base_buffer_bytes (&tx->head), tx->head_end);
      request->message_size = tx->head_end;
      return TRUE;
    }
  if (request->hook != IPC_HOOK_END_OF_MESSAGE)
    return TRUE;
  request->message_size = message_spool_size (tx->spool);
  const guint8 *bytes = message_spool_inline (tx->spool);
  if (bytes != NULL || request->message_size == 0)
    {
      request->message = g_bytes_new_static (bytes, request->message_size);
      return TRUE;
    }
  request->message_descriptor = message_spool_reopen (tx->spool, error);
  return request->message_descriptor >= 0;
}

/* Milliseconds that a request may still take: what is left of the deadline. */
static guint32
time_left (const GatewaySession *session)
{
  const GatewayTransaction *tx = session->tx;
  gint64 left = session->listener->config->deadline;
  if (tx != NULL && tx->deadline != 0)
    left = (tx->deadline - session->methods->now (session->host)) / 1000;
  return (guint32) CLAMP (left, 1, G_MAXINT32);
}

static void fail_run (GatewaySession *session, const gchar *why);

static void
finish_run (GatewaySession *session)
{
  SessionContinue after = g_steal_pointer (&session->after_hooks);
  session->work = SESSION_FREE;
  session->filter_until = 0;
  g_clear_pointer (&session->hook_argument, g_free);
  if (chain_failure (session->chain) != NULL)
    base_log (BASE_LOG_WARNING, "session=%s filter failed: %s", session->id,
              chain_failure (session->chain));
  session->close_after |= chain_outcome (session->chain)->close;
  if (after != NULL)
    after (session, chain_outcome (session->chain));
}

/* Not a filter's fault: no on-failure, 451. */
static void
refuse_run (GatewaySession *session, const gchar *why)
{
  SessionContinue after = g_steal_pointer (&session->after_hooks);
  const ChainOutcome refusal
      = { .kind = CHAIN_REFUSE,
          .reply = BASE_REPLY (451, 4, 3, 2, "Too busy to check the message, try again later") };
  base_log (BASE_LOG_WARNING, "session=%s no worker: %s", session->id, why);
  chain_abandon (session->chain);
  session->work = SESSION_FREE;
  session->filter_until = 0;
  g_clear_pointer (&session->hook_argument, g_free);
  if (after != NULL)
    after (session, &refusal);
}

static gboolean
submit (GatewaySession *session, GError **error)
{
  g_autoptr (IpcRequest) request = ipc_request_new (IPC_HOOK_CONNECT);
  g_autofree gchar *address = NULL;
  g_autoptr (GPtrArray) recipients = session->tx != NULL ? envelope_paths (session->tx) : NULL;
  request->listener = session->listener->listener->index;
  request->timeout = time_left (session);
  request->argument = session->hook_argument;
  request->verb = (gchar *) session->hook_verb;
  request->code = session->hook_code;
  request->status = (gchar *) session->hook_status;
  fill_session (session, &request->session, &address);
  request->sender = session->tx != NULL ? session->tx->sender : NULL;
  request->recipients = recipients;
  chain_fill_request (session->chain, request);
  gboolean taken = fill_message (session, request, error);
  if (taken && !session->methods->ask_worker (session->host, request))
    {
      g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_AGAIN,
                           "the queue for workers is full");
      taken = FALSE;
    }
  chain_clear_request (request);
  request->sender = NULL;
  request->recipients = NULL;
  return taken;
}

static void
submit_or_refuse (GatewaySession *session)
{
  g_autoptr (GError) error = NULL;
  session->filter_until = 0;
  if (!submit (session, &error))
    refuse_run (session, error->message);
}

void
session_refresh_facts (GatewaySession *session, const gchar *recipient)
{
  const GatewayTransaction *tx = session->tx;
  if (session->chain == NULL)
    return;
  const BaseEndpoint client = session_client (session);
  gboolean hidden = session->kind == GATEWAY_CLIENT_HIDDEN; /* the address is the balancer's */
  const BaseFacts facts = { .listener = session->listener->listener->name,
                            .client = hidden ? NULL : &client,
                            .user = session->user,
                            .sender = tx != NULL ? tx->sender->address : NULL,
                            .recipient = recipient };
  chain_state_set_facts (session->chain, &facts);
}

/* From DATA on all recipients are of one class, and any of them stands for it. */
static void
prepare_facts (GatewaySession *session, IpcHook hook, const gchar *argument)
{
  guint at = 0;
  session_refresh_facts (session, hook == IPC_HOOK_RCPT ? argument : NULL);
  const BasePath *any = hook == IPC_HOOK_DATA ? envelope_next (session->tx, &at) : NULL;
  if (any != NULL)
    chain_state_set_recipient (session->chain, any->address);
}

void
session_run_hook (GatewaySession *session, IpcHook hook, const gchar *argument,
                  SessionContinue after)
{
  guint64 size = 0;
  /* It may stand in the outcome of the run before, which goes when the next one begins. */
  g_autofree gchar *own = session->chain != NULL ? g_strdup (argument) : NULL;
  if (session->tx != NULL && hook == IPC_HOOK_END_OF_HEADERS)
    size = session->tx->head_end;
  if (session->tx != NULL && hook == IPC_HOOK_END_OF_MESSAGE)
    size = message_spool_size (session->tx->spool);
  if (session->chain != NULL)
    prepare_facts (session, hook, argument);
  if (session->chain == NULL || !chain_begin (session->chain, hook, size))
    {
      after (session, &nobody);
      return;
    }
  if (size > 0 && session->tx->edits != NULL)
    chain_set_edits (session->chain, session->tx->edits);
  session->work = SESSION_HOOKS;
  session->after_hooks = after;
  session->hook_argument = g_steal_pointer (&own);
  submit_or_refuse (session);
}

void
session_abandon_hooks (GatewaySession *session)
{
  if (session->work != SESSION_HOOKS)
    return;
  session->methods->cancel_worker (session->host);
  chain_abandon (session->chain);
  session->after_hooks = NULL;
  session->work = SESSION_FREE;
  session->filter_until = 0;
  g_clear_pointer (&session->hook_argument, g_free);
}

static void
arm_filter_time (GatewaySession *session)
{
  const ChainFilter *filter = chain_awaited (session->chain);
  session->filter_until
      = filter == NULL ? 0 : session->methods->now (session->host) + filter->timeout;
}

static void
step (GatewaySession *session, ChainStep next)
{
  switch (next)
    {
    case CHAIN_WAIT:
      arm_filter_time (session);
      break;
    case CHAIN_REQUEST:
      submit_or_refuse (session);
      break;
    case CHAIN_DONE:
      finish_run (session);
      break;
    }
}

static void
fail_run (GatewaySession *session, const gchar *why)
{
  step (session, chain_fail (session->chain, why));
}

/* The awaited filter's time has passed: its worker is killed, the others notice nothing. */
void
session_filter_timed_out (GatewaySession *session)
{
  session->methods->cancel_worker (session->host);
  fail_run (session, "it did not answer within its timeout");
}

void
gateway_session_worker_started (GatewaySession *session)
{
  if (session->work == SESSION_HOOKS)
    arm_filter_time (session);
}

void
gateway_session_worker_lost (GatewaySession *session)
{
  if (session->work == SESSION_HOOKS)
    session->filter_until = 0;
}

void
gateway_session_worker_record (GatewaySession *session, IpcRecord *record)
{
  if (session->work != SESSION_HOOKS)
    return;
  gboolean last = record->last;
  ChainStep next = chain_accept (session->chain, record);
  /* A worker that still talks after the chain is through, or stops before it is, can not be trusted
   * with more. */
  if (next != CHAIN_WAIT && !last)
    session->methods->cancel_worker (session->host);
  if (next == CHAIN_WAIT && last)
    next = chain_fail (session->chain, "the worker stopped before it");
  step (session, next);
  gateway_session_pump (session);
}

void
gateway_session_worker_failed (GatewaySession *session, const gchar *why)
{
  if (session->work != SESSION_HOOKS)
    return;
  fail_run (session, why);
  gateway_session_pump (session);
}

void
gateway_session_worker_refused (GatewaySession *session, const gchar *why)
{
  if (session->work != SESSION_HOOKS)
    return;
  refuse_run (session, why);
  gateway_session_pump (session);
}
