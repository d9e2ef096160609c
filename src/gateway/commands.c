/* The client's commands: which hook each has, what its answer is when nobody objects. One function
 * a command, one row each. */
#include "gateway/private.h"

#include <string.h>

void
session_answer (GatewaySession *session, const BaseReply *reply)
{
  if (session->close_after)
    smtp_server_answer_close (session->server, reply);
  else
    smtp_server_answer (session->server, reply);
}

/* Logs a filter's refusal and answers with it. TRUE: it was one, nothing is left to do. */
static gboolean
answer_refusal (GatewaySession *session, const gchar *command, const ChainOutcome *outcome)
{
  if (outcome->kind != CHAIN_REFUSE && outcome->kind != CHAIN_CLOSE)
    return FALSE;
  session_log_refusal (session, command, NULL, outcome->reply, outcome->filter);
  if (outcome->kind == CHAIN_CLOSE)
    smtp_server_answer_close (session->server, outcome->reply);
  else
    session_answer (session, outcome->reply);
  return TRUE;
}

/* ---- connect ---- */

gboolean
session_greet (GatewaySession *session, const ChainOutcome *outcome)
{
  if (outcome->kind == CHAIN_REFUSE || outcome->kind == CHAIN_CLOSE)
    return FALSE;
  g_autoptr (BaseReply) greeting
      = base_reply_join (220, 0, 0, 0, session->listener->config->hostname,
                         session->listener->limits.lmtp ? " LMTP" : " ESMTP", " Mailweir");
  gboolean theirs = outcome->reply != NULL && outcome->reply->code == 220;
  session_answer (session, theirs ? outcome->reply : greeting);
  return TRUE;
}

static void
after_connect (GatewaySession *session, const ChainOutcome *outcome)
{
  if (!session_greet (session, outcome))
    answer_refusal (session, "CONNECT", outcome);
}

static void
on_connect (GatewaySession *session, const SmtpServerEvent *event)
{
  session->connected = TRUE;
  session_run_hook (session, IPC_HOOK_CONNECT, NULL, after_connect);
}

/* ---- HELO, EHLO ---- */

/* What we can do by ourselves, and what every upstream of the listener can do (rule 2). */
static SmtpCapabilities
offer (const GatewaySession *session, SmtpCapabilities upstreams)
{
  const GatewayListener *listener = session->listener;
  const guint32 shared = SMTP_CAP_8BITMIME | SMTP_CAP_SMTPUTF8 | SMTP_CAP_DSN;
  SmtpCapabilities offered
      = { .flags = SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_ENHANCEDSTATUSCODES
                   | SMTP_CAP_CHUNKING | SMTP_CAP_HELP | (upstreams.flags & shared),
          .size = listener->limits.message_size };
  if ((upstreams.flags & SMTP_CAP_SIZE) != 0 && upstreams.size != 0
      && (offered.size == 0 || upstreams.size < offered.size))
    offered.size = upstreams.size;
  /* Behind XCLIENT it is too late: TLS makes everything forgotten that was said in plaintext. */
  if (listener->listener->tls == CONFIG_TLS_STARTTLS && session->tls_protocol == NULL
      && !session->described)
    offered.flags |= SMTP_CAP_STARTTLS;
  offered.flags |= session->trusted;
  return offered;
}

static void
answer_ehlo (GatewaySession *session, SmtpCapabilities upstreams)
{
  g_autoptr (BaseReply) text = g_steal_pointer (&session->fallback);
  g_autofree gchar *greeting = hello_greeting (session, text);
  g_autofree gchar *extra = hello_extra (session, text);
  g_autofree gchar *mechanisms = auth_offer (session, upstreams);
  SmtpCapabilities offered = offer (session, upstreams);
  offered.flags |= mechanisms != NULL ? SMTP_CAP_AUTH : 0;
  smtp_server_offer_auth (session->server, mechanisms);
  smtp_server_answer_ehlo (session->server, greeting, offered, extra);
  if (session->close_after)
    smtp_server_hang_up (session->server);
}

static const gchar *
helo_verb (const GatewaySession *session)
{
  if (session->listener->limits.lmtp)
    return "LHLO";
  return session->new_esmtp ? "EHLO" : "HELO";
}

static void
accept_helo (GatewaySession *session, const ChainOutcome *outcome)
{
  SmtpCapabilities upstreams = { 0, 0 };
  if (!session->esmtp)
    {
      g_autoptr (BaseReply) text = g_steal_pointer (&session->fallback);
      session_answer (session, text);
    }
  else if (session->methods->capabilities (session->host, &upstreams))
    answer_ehlo (session, upstreams);
  else
    session->work = SESSION_CAPABILITIES;
}

void
gateway_session_capabilities (GatewaySession *session, SmtpCapabilities capabilities)
{
  if (session->work != SESSION_CAPABILITIES)
    return;
  session->work = SESSION_FREE;
  answer_ehlo (session, capabilities);
  gateway_session_pump (session);
}

/* Only an accepted name clears what was before it (RFC 5321 section 4.1.4). */
static void
after_helo (GatewaySession *session, const ChainOutcome *outcome)
{
  if (answer_refusal (session, helo_verb (session), outcome))
    return;
  g_free (session->helo);
  session->helo = g_steal_pointer (&session->new_helo);
  session->esmtp = session->new_esmtp;
  identity_forget_forwarded (session);
  base_reply_free (session->fallback);
  session->fallback = outcome->reply != NULL
                          ? base_reply_copy (outcome->reply)
                          : base_reply_new (250, 0, 0, 0, session->listener->config->hostname);
  transaction_abort (session, "aborted", accept_helo);
}

static void
on_helo (GatewaySession *session, const SmtpServerEvent *event)
{
  g_free (session->new_helo);
  session->new_helo = g_strdup (event->argument);
  session->new_esmtp = event->type == SMTP_SERVER_EHLO;
  session_run_hook (session, session->new_esmtp ? IPC_HOOK_EHLO : IPC_HOOK_HELO, session->new_helo,
                    after_helo);
}

/* ---- RSET ---- */

static void
after_rset_abort (GatewaySession *session, const ChainOutcome *outcome)
{
  identity_forget_forwarded (session);
  g_autoptr (BaseReply) text = g_steal_pointer (&session->fallback);
  session_answer (session, text);
}

/* A filter can not keep a client from taking its transaction back: only close is listened to. */
static void
after_rset (GatewaySession *session, const ChainOutcome *outcome)
{
  if (outcome->kind == CHAIN_CLOSE)
    smtp_server_answer_close (session->server, outcome->reply);
  else
    {
      gboolean theirs = outcome->kind == CHAIN_PASS && outcome->reply != NULL;
      session->fallback
          = base_reply_copy (theirs ? outcome->reply : BASE_REPLY (250, 2, 0, 0, "Ok"));
      transaction_abort (session, "aborted", after_rset_abort);
    }
}

static void
on_rset (GatewaySession *session, const SmtpServerEvent *event)
{
  session_run_hook (session, IPC_HOOK_RSET, NULL, after_rset);
}

/* ---- NOOP, VRFY, EXPN, HELP and unknown verbs: a hook, else the default reply ---- */

static void
after_simple (GatewaySession *session, const ChainOutcome *outcome)
{
  g_autoptr (BaseReply) fallback = g_steal_pointer (&session->fallback);
  if (answer_refusal (session, "command", outcome))
    return;
  if (outcome->reply == NULL && fallback->code >= 400)
    session_log_own_refusal (session, "command", fallback);
  session_answer (session, outcome->reply != NULL ? outcome->reply : fallback);
}

static void
on_simple (GatewaySession *session, const SmtpServerEvent *event)
{
  IpcHook hook = event->type == SMTP_SERVER_NOOP   ? IPC_HOOK_NOOP
                 : event->type == SMTP_SERVER_VRFY ? IPC_HOOK_VRFY
                 : event->type == SMTP_SERVER_EXPN ? IPC_HOOK_EXPN
                 : event->type == SMTP_SERVER_HELP ? IPC_HOOK_HELP
                                                   : IPC_HOOK_UNKNOWN;
  session->fallback = smtp_server_default_reply (event, session->listener->config->hostname);
  session_run_hook (session, hook, event->argument, after_simple);
}

/* ---- Commands that a filter adds: it answers, else nobody does ---- */

static void
after_added (GatewaySession *session, const ChainOutcome *outcome)
{
  g_autoptr (BaseReply) fallback = g_steal_pointer (&session->fallback);
  if (answer_refusal (session, session->hook_verb, outcome))
    return;
  if (outcome->reply == NULL)
    session_log_own_refusal (session, session->hook_verb, fallback);
  session_answer (session, outcome->reply != NULL ? outcome->reply : fallback);
}

static void
on_added (GatewaySession *session, const SmtpServerEvent *event)
{
  session->fallback
      = base_reply_printf (500, 5, 5, 1, "Command %s has no answer here", event->verb);
  session->hook_verb = event->verb;
  session_run_hook (session, IPC_HOOK_COMMAND, event->argument, after_added);
}

/* ---- QUIT ---- */

/* Nobody can keep a client from leaving: a refusal is not listened to (RFC 5321 section 4.1.1.10).
 */
static void
after_quit (GatewaySession *session, const ChainOutcome *outcome)
{
  g_autoptr (BaseReply) bye = base_reply_join (
      221, 2, 0, 0, "", session->listener->config->hostname, " closing connection");
  gboolean theirs = outcome->kind != CHAIN_REFUSE && outcome->reply != NULL;
  smtp_server_answer_close (session->server, theirs ? outcome->reply : bye);
}

static void
on_quit (GatewaySession *session, const SmtpServerEvent *event)
{
  session_run_hook (session, IPC_HOOK_QUIT, NULL, after_quit);
}

/* ---- STARTTLS ---- */

static void
on_starttls (GatewaySession *session, const SmtpServerEvent *event)
{
  if (session->described)
    smtp_server_answer (session->server,
                        BASE_REPLY (503, 5, 5, 1, "STARTTLS comes before XCLIENT"));
  else if (session->listener->listener->tls == CONFIG_TLS_STARTTLS)
    smtp_server_answer (session->server, BASE_REPLY (220, 2, 0, 0, "Ready to start TLS"));
  else
    smtp_server_answer (session->server, BASE_REPLY (502, 5, 5, 1, "STARTTLS is not offered here"));
}

/* ---- AUTH ---- */

static void
on_auth (GatewaySession *session, const SmtpServerEvent *event)
{
  auth_begin (session, event->argument, event->initial);
}

/* ---- Content ---- */

static void
on_mail (GatewaySession *session, const SmtpServerEvent *event)
{
  envelope_mail (session, event->path);
}

static void
on_rcpt (GatewaySession *session, const SmtpServerEvent *event)
{
  envelope_rcpt (session, event->path);
}

static void
on_data (GatewaySession *session, const SmtpServerEvent *event)
{
  data_begin (session, event->type == SMTP_SERVER_BDAT);
}

static void
on_chunk (GatewaySession *session, const SmtpServerEvent *event)
{
  data_chunk (session, event->bytes, event->length, event->dots);
}

static void
on_end (GatewaySession *session, const SmtpServerEvent *event)
{
  data_end (session, event->fault, event->size, event->answers);
}

/* ---- What the machine has answered by itself ---- */

static void
on_refused (GatewaySession *session, const SmtpServerEvent *event)
{
  session_log_own_refusal (session, event->argument, event->reply);
}

typedef void (*EventHandler) (GatewaySession *session, const SmtpServerEvent *event);

static const EventHandler handlers[] = {
  [SMTP_SERVER_CONNECT] = on_connect,
  [SMTP_SERVER_HELO] = on_helo,
  [SMTP_SERVER_EHLO] = on_helo,
  [SMTP_SERVER_MAIL] = on_mail,
  [SMTP_SERVER_RCPT] = on_rcpt,
  [SMTP_SERVER_DATA] = on_data,
  [SMTP_SERVER_CHUNK] = on_chunk,
  [SMTP_SERVER_END] = on_end,
  [SMTP_SERVER_RSET] = on_rset,
  [SMTP_SERVER_NOOP] = on_simple,
  [SMTP_SERVER_VRFY] = on_simple,
  [SMTP_SERVER_EXPN] = on_simple,
  [SMTP_SERVER_HELP] = on_simple,
  [SMTP_SERVER_QUIT] = on_quit,
  [SMTP_SERVER_STARTTLS] = on_starttls,
  [SMTP_SERVER_UNKNOWN] = on_simple,
  [SMTP_SERVER_BDAT] = on_data,
  [SMTP_SERVER_AUTH] = on_auth,
  [SMTP_SERVER_AUTH_RESPONSE] = auth_response,
  [SMTP_SERVER_XCLIENT] = identity_xclient,
  [SMTP_SERVER_XFORWARD] = identity_xforward,
  [SMTP_SERVER_COMMAND] = on_added,
  [SMTP_SERVER_REFUSED] = on_refused,
};

G_STATIC_ASSERT (G_N_ELEMENTS (handlers) == SMTP_SERVER_REFUSED + 1);

/* No command: nothing new begins with it. */
static gboolean
is_of_content (SmtpServerEventType type)
{
  return type == SMTP_SERVER_CHUNK || type == SMTP_SERVER_END || type == SMTP_SERVER_REFUSED;
}

/* Draining: no new work is begun, what is open is finished. A client that had just
 * connected may send one message: else every reload would turn somebody away. */
static gboolean
is_refused_while_draining (const GatewaySession *session, SmtpServerEventType type)
{
  if (!session->draining || type == SMTP_SERVER_QUIT || is_of_content (type))
    return FALSE;
  return session->hurried || (session->tx == NULL && (session->has_served || !session->newcomer));
}

void
session_handle_event (GatewaySession *session, const SmtpServerEvent *event)
{
  if (is_refused_while_draining (session, event->type))
    {
      g_autoptr (BaseReply) reply = base_reply_printf (421, 4, 3, 2, "%s is restarting, try again",
                                                       session->listener->config->hostname);
      smtp_server_answer_close (session->server, reply);
      return;
    }
  if (is_of_content (event->type) || event->type == SMTP_SERVER_QUIT || !auth_say_lost (session))
    handlers[event->type](session, event);
}
