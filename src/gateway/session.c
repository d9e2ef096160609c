/* A session's life: what may be pulled when, its clock, its end. The commands, the envelope and the
 * data are in files of their own. */
#include "gateway/private.h"

#include <string.h>

/* A silent client outside a transaction, once we drain. */
#define DRAIN_IDLE (10 * G_USEC_PER_SEC)
#define OUTPUT_ROOM (64 * 1024) /* octets of answers that it may leave unread */
#define INPUT_ROOM (64 * 1024)  /* octets of the client's that may wait in the machine */

GatewaySession *
gateway_session_new (const GatewayListener *listener, const GatewayClient *client,
                     const GatewayHost *methods, gpointer host)
{
  GatewaySession *session = g_new (GatewaySession, 1);
  *session = (GatewaySession){ .listener = listener,
                               .methods = methods,
                               .host = host,
                               .server = smtp_server_new (&listener->limits),
                               .client = base_peer_from (&client->client),
                               .our_end = base_peer_from (&client->server),
                               .kind = client->kind,
                               .trusted = identity_trust (listener, client),
                               .client_name = g_strdup (client->client_name),
                               .last_activity = methods->now (host) };
  base_id_make (session->id);
  if (listener->chain.n_filters > 0)
    session->chain = chain_state_new (&listener->chain);
  if (client->tls_protocol != NULL)
    {
      session->tls_protocol = g_intern_string (client->tls_protocol);
      session->tls_cipher = g_intern_string (client->tls_cipher);
      smtp_server_tls_started (session->server);
    }
  return session;
}

void
gateway_session_free (GatewaySession *session)
{
  if (session == NULL)
    return;
  session_abandon_hooks (session);
  auth_forget (session);
  upstream_drop (session);
  transaction_free (session->tx);
  chain_state_free (session->chain);
  smtp_server_free (session->server);
  base_reply_free (session->fallback);
  identity_forget_forwarded (session);
  g_free (session->client_name);
  g_free (session->upstream_domain);
  g_free (session->helo);
  g_free (session->new_helo);
  g_free (session->hook_argument);
  g_free (session);
}

/* ---- The end ---- */

static void
set_over (GatewaySession *session, const ChainOutcome *outcome)
{
  session->over = TRUE;
}

static void
run_session_over (GatewaySession *session, const ChainOutcome *outcome)
{
  if (session->connected)
    session_run_hook (session, IPC_HOOK_SESSION_OVER, NULL, set_over);
  else
    set_over (session, outcome);
}

/* Phases that are waited for, whatever becomes of the client. */
static gboolean
must_wait (const GatewaySession *session)
{
  TransactionPhase phase = session->tx == NULL ? TX_NONE : session->tx->phase;
  return session->work == SESSION_HOOKS || phase == TX_FINAL || phase == TX_STORING
         || phase == TX_OVER;
}

static void
end_if_closing (GatewaySession *session)
{
  gboolean closing = session->client_gone || smtp_server_is_closing (session->server);
  if (!closing || session->ending || must_wait (session))
    return;
  session->ending = TRUE;
  session->work = SESSION_FREE;
  auth_abandon (session);
  transaction_abort (session, session->client_gone ? "client-gone" : "aborted", run_session_over);
}

/* Without a message at stake, a worker that may have begun is let finish: else each health check
 * that closes while its connect hooks run would cost a worker its life. */
static void
lose_client (GatewaySession *session)
{
  session->client_gone = TRUE;
  if (session->ending || (session->tx != NULL && session->tx->phase == TX_OVER))
    return;
  if (session->tx != NULL || session->methods->recall_worker (session->host))
    session_abandon_hooks (session);
}

gboolean
session_lost_client (GatewaySession *session)
{
  if (!session->client_gone && session->methods->client_is_gone (session->host))
    lose_client (session);
  return session->client_gone;
}

void
gateway_session_client_gone (GatewaySession *session)
{
  /* One that has said good-bye and shut its side down, as a pipelining client may, still reads our
   * answers. */
  if (!session->client_gone && !smtp_server_backlog_has_quit (session->server))
    lose_client (session);
  gateway_session_pump (session);
}

/* ---- Moving ---- */

/* It sends commands and does not read the answers. */
static gboolean
client_is_slow (const GatewaySession *session)
{
  return smtp_server_output (session->server)->length >= OUTPUT_ROOM;
}

gboolean
gateway_session_is_held_back (const GatewaySession *session)
{
  gboolean sending = session->tx != NULL && session->tx->phase == TX_SENDING;
  return sending || client_is_slow (session) || !upstream_has_room (session);
}

/* Whether the client's next event may be acted on. What waits for an answer is held back by the
 * machine itself. */
static gboolean
may_pull (const GatewaySession *session)
{
  if (session->client_gone || session->ending || session->work != SESSION_FREE
      || client_is_slow (session))
    return FALSE;
  if (session->tx == NULL)
    return TRUE;
  switch (session->tx->phase)
    {
    case TX_STREAMING:
      return upstream_has_room (session);
    case TX_OPENING:
    case TX_CHECKING:
    case TX_HANDOVER:
    case TX_SENDING:
    case TX_FINAL:
    case TX_STORING:
    case TX_OVER:
      return FALSE;
    default:
      return TRUE;
    }
}

/* Between two messages there is nobody to tell but the client, and no command to wait for. */
static void
notice_lost_user (GatewaySession *session)
{
  if (session->tx == NULL && session->work == SESSION_FREE && !session->client_gone
      && !session->ending && !smtp_server_is_closing (session->server)
      && !smtp_server_awaits_answer (session->server))
    auth_say_lost (session);
}

static gboolean
pull_client (GatewaySession *session)
{
  const SmtpServerEvent *event = may_pull (session) ? smtp_server_next (session->server) : NULL;
  if (event != NULL)
    session_handle_event (session, event);
  return event != NULL;
}

/* The client's time runs from our last answer on, however long that took. */
static void
start_idling (GatewaySession *session)
{
  gboolean idle = !smtp_server_is_closing (session->server)
                  && !smtp_server_awaits_answer (session->server)
                  && (may_pull (session) || client_is_slow (session));
  if (idle && !session->idle)
    session->last_activity = session->methods->now (session->host);
  session->idle = idle;
}

void
gateway_session_pump (GatewaySession *session)
{
  gboolean moved = TRUE;
  if (session->pumping)
    return;
  session->pumping = TRUE;
  while (moved)
    {
      if (session->tx != NULL && session->tx->phase == TX_SENDING)
        data_send (session);
      upstream_pull (session);
      if (session->tx != NULL)
        envelope_unpark (session);
      notice_lost_user (session);
      moved = pull_client (session);
      if (!moved)
        end_if_closing (session);
    }
  session->pumping = FALSE;
  start_idling (session);
}

void
gateway_session_input (GatewaySession *session, guint8 *bytes, gsize length)
{
  session->last_activity = session->methods->now (session->host);
  session->input = bytes;
  session->input_length = length;
  smtp_server_feed (session->server, bytes, length);
  gateway_session_pump (session);
}

void
gateway_session_settle (GatewaySession *session)
{
  smtp_server_settle (session->server);
  session->input = NULL;
  session->input_length = 0;
}

void
gateway_session_tls_started (GatewaySession *session, const gchar *protocol, const gchar *cipher)
{
  smtp_server_tls_started (session->server);
  session->tls_protocol = g_intern_string (protocol);
  session->tls_cipher = g_intern_string (cipher);
  g_clear_pointer (&session->helo, g_free);
  auth_forget (session);
  session->last_activity = session->methods->now (session->host);
  if (session->chain != NULL)
    chain_state_end_message (session->chain);
  gateway_session_pump (session);
}

/* ---- The clock ---- */

static gint64
idle_until (const GatewaySession *session)
{
  gint64 limit = session->listener->listener->idle * 1000;
  if (session->draining && session->tx == NULL)
    limit = MIN (limit, DRAIN_IDLE);
  return session->idle ? session->last_activity + limit : 0;
}

static gint64
spool_idle_until (const GatewaySession *session)
{
  const GatewayTransaction *tx = session->tx;
  gboolean waits = tx != NULL && (tx->phase == TX_SPOOLING || tx->phase == TX_CHECKING)
                   && tx->up == UP_ENVELOPE && tx->up_open == 0;
  return waits ? tx->up_idle : 0;
}

static gint64
earlier (gint64 a, gint64 b)
{
  if (a == 0 || b == 0)
    return MAX (a, b);
  return MIN (a, b);
}

gint64
gateway_session_timeout (const GatewaySession *session)
{
  gint64 next = earlier (session->filter_until, session->up_until);
  if (session->over)
    return 0;
  if (session->tx != NULL)
    next = earlier (next, session->tx->deadline);
  next = earlier (next, spool_idle_until (session));
  return earlier (next, idle_until (session));
}

static void
deadline_passed (GatewaySession *session)
{
  session->tx->deadline = 0;
  transaction_fail (
      session, BASE_REPLY (451, 4, 4, 7, "The message could not be checked and passed on in time"));
}

static void
close_for_restart (GatewaySession *session)
{
  g_autoptr (BaseReply) reply = base_reply_printf (421, 4, 3, 2, "%s is restarting, try again",
                                                   session->listener->config->hostname);
  smtp_server_answer_close (session->server, reply);
}

static void
idle_passed (GatewaySession *session)
{
  g_autoptr (BaseReply) reply = base_reply_printf (421, 4, 4, 2, "%s idle for too long, closing",
                                                   session->listener->config->hostname);
  if (session->draining)
    close_for_restart (session);
  else
    smtp_server_answer_close (session->server, reply);
}

static gboolean
is_past (gint64 moment, gint64 now)
{
  return moment != 0 && now >= moment;
}

void
gateway_session_timer (GatewaySession *session)
{
  gint64 now = session->methods->now (session->host);
  if (session->over)
    return;
  if (session->tx != NULL && is_past (session->tx->deadline, now))
    deadline_passed (session);
  else if (is_past (session->filter_until, now))
    session_filter_timed_out (session);
  else if (is_past (session->up_until, now))
    upstream_timed_out (session);
  else if (is_past (spool_idle_until (session), now))
    upstream_reset (session);
  else if (is_past (idle_until (session), now))
    idle_passed (session);
  gateway_session_pump (session);
}

void
gateway_session_drain (GatewaySession *session, gboolean hurry)
{
  if (!session->draining)
    {
      session->last_activity = session->methods->now (session->host);
      session->newcomer = session->helo == NULL;
    }
  session->draining = TRUE;
  session->hurried |= hurry;
  if (hurry && !must_wait (session) && !smtp_server_is_closing (session->server)
      && !smtp_server_awaits_answer (session->server))
    close_for_restart (session);
  gateway_session_pump (session);
}

/* ---- For the driver ---- */

SmtpServer *
gateway_session_server (GatewaySession *session)
{
  return session->server;
}

GatewayUpstream *
gateway_session_upstream (GatewaySession *session)
{
  return session->upstream;
}

const gchar *
gateway_session_id (const GatewaySession *session)
{
  return session->id;
}

gboolean
gateway_session_wants_input (const GatewaySession *session)
{
  gboolean streaming = session->tx != NULL && session->tx->phase == TX_STREAMING;

  /* What the upstream does not take stays with the client. */
  return !session->client_gone && !session->ending
         && smtp_server_backlog (session->server) < INPUT_ROOM
         && (!streaming || upstream_has_room (session));
}

gsize
gateway_session_input_step (const GatewaySession *session)
{
  const GatewayTransaction *tx = session->tx;
  return tx != NULL && tx->phase == TX_SPOOLING ? message_spool_step (tx->spool) : G_MAXSIZE;
}

gboolean
gateway_session_wants_tls (const GatewaySession *session)
{
  return smtp_server_wants_tls (session->server);
}

gboolean
gateway_session_is_over (const GatewaySession *session)
{
  return session->over;
}

gboolean
gateway_session_is_final (const GatewaySession *session)
{
  TransactionPhase phase = session->tx == NULL ? TX_NONE : session->tx->phase;
  return phase == TX_FINAL || phase == TX_STORING;
}
