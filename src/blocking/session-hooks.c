/* Which hook an event has, what answers it when the hook is silent, and what the answer changes in
 * the session. One table row an event. Nothing fails here. */
#include "blocking/session.h"

#include <string.h>

#define OFFERED                                                                                    \
  (SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME | SMTP_CAP_SIZE | SMTP_CAP_SMTPUTF8                     \
   | SMTP_CAP_ENHANCEDSTATUSCODES | SMTP_CAP_CHUNKING | SMTP_CAP_HELP)

typedef void (*PlainHook) (WeirSession *session, gpointer data);
typedef void (*ArgumentHook) (WeirSession *session, const char *argument, gpointer data);

typedef enum
{
  HOOK_NONE,
  HOOK_PLAIN,
  HOOK_ARGUMENT, /* the event's argument */
  HOOK_ADDRESS   /* the event's path */
} HookKind;

typedef struct
{
  WeirStep step;
  HookKind kind;
  gsize hook; /* where it stands in WeirHooks */
  void (*answered) (WeirSession *session, const SmtpServerEvent *event, const BaseReply *reply);
} Row;

void
blocking_session_drop_mail (WeirSession *session)
{
  g_clear_pointer (&session->mail, weir_mail_unref);
  session->complete = FALSE;
}

gboolean
blocking_session_is_refused (const WeirSession *session)
{
  return session->reply != NULL && session->reply->code >= 400;
}

static void
on_hello (WeirSession *session, const SmtpServerEvent *event, const BaseReply *reply)
{
  if (!base_reply_is_positive (reply))
    return;
  g_free (session->helo);
  session->helo = g_strdup (event->argument);
  blocking_session_drop_mail (session);
}

static void
on_mail (WeirSession *session, const SmtpServerEvent *event, const BaseReply *reply)
{
  const BlockingSettings *settings = session->settings;

  if (!base_reply_is_positive (reply))
    return;
  blocking_session_drop_mail (session);
  session->mail = blocking_mail_new (event->path, settings->memory, settings->spool_directory);
}

static void
on_rcpt (WeirSession *session, const SmtpServerEvent *event, const BaseReply *reply)
{
  if (base_reply_is_positive (reply) && session->mail != NULL)
    blocking_mail_add (session->mail, event->path);
}

static void
on_data (WeirSession *session, const SmtpServerEvent *event, const BaseReply *reply)
{
  if (reply->code == 354)
    blocking_content_start (session);
}

/* RFC 3030: the first chunk of a message that needs no 354. */
static void
on_bdat (WeirSession *session, const SmtpServerEvent *event, const BaseReply *reply)
{
  if (base_reply_is_positive (reply))
    blocking_content_start (session);
}

static void
on_rset (WeirSession *session, const SmtpServerEvent *event, const BaseReply *reply)
{
  blocking_session_drop_mail (session);
}

static void
on_quit (WeirSession *session, const SmtpServerEvent *event, const BaseReply *reply)
{
  session->quit = TRUE;
}

#define HOOK(member) G_STRUCT_OFFSET (WeirHooks, member)

static const Row rows[] = {
  [SMTP_SERVER_CONNECT] = { WEIR_STEP_CONNECT, HOOK_PLAIN, HOOK (connect), NULL },
  [SMTP_SERVER_HELO] = { WEIR_STEP_HELO, HOOK_ARGUMENT, HOOK (helo), on_hello },
  [SMTP_SERVER_EHLO] = { WEIR_STEP_EHLO, HOOK_ARGUMENT, HOOK (ehlo), on_hello },
  [SMTP_SERVER_MAIL] = { WEIR_STEP_MAIL, HOOK_ADDRESS, HOOK (mail), on_mail },
  [SMTP_SERVER_RCPT] = { WEIR_STEP_RCPT, HOOK_ADDRESS, HOOK (rcpt), on_rcpt },
  [SMTP_SERVER_DATA] = { WEIR_STEP_DATA, HOOK_PLAIN, HOOK (data), on_data },
  [SMTP_SERVER_BDAT] = { WEIR_STEP_DATA, HOOK_PLAIN, HOOK (data), on_bdat },
  [SMTP_SERVER_RSET] = { WEIR_STEP_RSET, HOOK_PLAIN, HOOK (rset), on_rset },
  [SMTP_SERVER_NOOP] = { WEIR_STEP_NOOP, HOOK_ARGUMENT, HOOK (noop), NULL },
  [SMTP_SERVER_VRFY] = { WEIR_STEP_VRFY, HOOK_ARGUMENT, HOOK (vrfy), NULL },
  [SMTP_SERVER_EXPN] = { WEIR_STEP_EXPN, HOOK_ARGUMENT, HOOK (expn), NULL },
  [SMTP_SERVER_HELP] = { WEIR_STEP_HELP, HOOK_ARGUMENT, HOOK (help), NULL },
  [SMTP_SERVER_QUIT] = { WEIR_STEP_QUIT, HOOK_PLAIN, HOOK (quit), on_quit },
  [SMTP_SERVER_STARTTLS] = { WEIR_STEP_STARTTLS, HOOK_NONE, 0, NULL },
  [SMTP_SERVER_UNKNOWN] = { WEIR_STEP_UNKNOWN, HOOK_ARGUMENT, HOOK (unknown), NULL },
};

static const Row *
row_of (SmtpServerEventType type)
{
  static const Row other = { WEIR_STEP_UNKNOWN, HOOK_NONE, 0, NULL };

  if ((guint) type >= G_N_ELEMENTS (rows) || rows[type].step == WEIR_STEP_FAILED)
    return &other;
  return &rows[type];
}

static void
call_hook (WeirSession *session, const Row *row, const SmtpServerEvent *event)
{
  gconstpointer member = (const guint8 *) &session->hooks + row->hook;
  const gchar *argument = row->kind == HOOK_ADDRESS ? event->path->address : event->argument;
  PlainHook plain;
  ArgumentHook with_argument;

  memcpy (&plain, member, sizeof plain);
  memcpy (&with_argument, member, sizeof with_argument);
  if (row->kind == HOOK_NONE || plain == NULL)
    return;
  session->answerable = TRUE;
  if (row->kind == HOOK_PLAIN)
    plain (session, session->data);
  else
    with_argument (session, argument, session->data);
  session->answerable = FALSE;
}

/* EHLO: the hook's first line greets, the others stand behind the keywords. */
static void
answer_ehlo (WeirSession *session, const BaseReply *reply, gboolean usual)
{
  SmtpCapabilities offered = { OFFERED, session->settings->limits.message_size };
  const gchar *text = reply->text != NULL ? reply->text : session->settings->hostname;
  const gchar *end = strchrnul (text, '\n');
  g_autofree gchar *greeting = g_strndup (text, (gsize) (end - text));
  g_autofree gchar *mechanisms = blocking_auth_mechanisms (session);

  if (session->settings->tls != NULL)
    offered.flags |= SMTP_CAP_STARTTLS;
  if (session->settings->dsn)
    offered.flags |= SMTP_CAP_DSN;
  if (mechanisms != NULL)
    offered.flags |= SMTP_CAP_AUTH;
  smtp_server_offer_auth (session->machine, mechanisms);
  smtp_server_answer_ehlo (session->machine, greeting, offered,
                           usual || *end == '\0' ? NULL : end + 1);
}

/* Takes the hook's reply, or the usual one. */
static BaseReply *
take_reply (WeirSession *session, const SmtpServerEvent *event)
{
  if (session->reply != NULL)
    return g_steal_pointer (&session->reply);
  return smtp_server_default_reply (event, session->settings->hostname);
}

static gboolean
begins_message (const SmtpServerEvent *event, const BaseReply *reply)
{
  if (event->type == SMTP_SERVER_BDAT)
    return base_reply_is_positive (reply);
  return event->type == SMTP_SERVER_DATA && reply->code == 354;
}

static WeirStep
answer (WeirSession *session, const Row *row, const SmtpServerEvent *event)
{
  gboolean usual = session->reply == NULL;
  g_autoptr (BaseReply) reply = take_reply (session, event);
  /* The operation that DATA begins is complete when its message is. */
  gboolean closes = session->closing && !begins_message (event, reply);

  if (closes)
    smtp_server_answer_close (session->machine, reply);
  else if (event->type == SMTP_SERVER_EHLO && reply->code == 250)
    answer_ehlo (session, reply, usual);
  else
    smtp_server_answer (session->machine, reply);
  if (row->answered != NULL)
    row->answered (session, event, reply);
  return row->step;
}

static void
answer_end (WeirSession *session, const SmtpServerEvent *event)
{
  g_autoptr (BaseReply) reply = take_reply (session, event);

  if (session->closing)
    smtp_server_answer_close (session->machine, reply);
  else
    smtp_server_answer (session->machine, reply);
}

void
blocking_session_answer_message (WeirSession *session)
{
  const SmtpServerEvent event = { .type = SMTP_SERVER_END };

  session->answerable = FALSE;
  session->state = BLOCKING_SESSION_RUNNING;
  answer_end (session, &event);
}

/* The final dot: refused here, or left to whoever drives the session. */
static WeirStep
take_end (WeirSession *session, const SmtpServerEvent *event)
{
  gboolean sound = event->fault == SMTP_FAULT_NONE;

  session->answerable = TRUE;
  if (sound)
    blocking_content_finish (session);
  else
    g_clear_pointer (&session->reply, base_reply_free);
  if (sound && !blocking_session_is_refused (session) && session->hooks.end_of_message != NULL)
    session->hooks.end_of_message (session, session->data);
  if (sound && !blocking_session_is_refused (session))
    {
      session->state = BLOCKING_SESSION_WAITING;
      session->complete = TRUE;
      return WEIR_STEP_MESSAGE;
    }
  session->answerable = FALSE;
  answer_end (session, event);
  blocking_session_drop_mail (session);
  return WEIR_STEP_REJECTED;
}

WeirStep
blocking_session_take (WeirSession *session, const SmtpServerEvent *event)
{
  const Row *row = row_of (event->type);

  if (event->type == SMTP_SERVER_END)
    return take_end (session, event);
  if (event->type == SMTP_SERVER_CHUNK)
    {
      session->answerable = TRUE;
      blocking_content_add (session, event->bytes, event->length);
      session->answerable = FALSE;
      return WEIR_STEP_CONTENT;
    }
  if (event->type == SMTP_SERVER_AUTH || event->type == SMTP_SERVER_AUTH_RESPONSE)
    return blocking_session_take_auth (session, event);
  if (event->type == SMTP_SERVER_MAIL && session->settings->require_auth && session->user == NULL)
    session->reply = base_reply_new (530, 5, 7, 0, "Authentication required");
  else
    call_hook (session, row, event);
  return answer (session, row, event);
}
