/* The inside of WeirSession, shared by its three files: the conversation, the content on its way
 * through the hooks, the answers. */
#pragma once

#include <mailweir/smtp.h>

#include "base/buffer.h"
#include "base/network.h"
#include "blocking/mail.h"
#include "blocking/settings.h"
#include "blocking/stream.h"
#include "blocking/trace.h"

#define BLOCKING_SESSION_INPUT 16384
#define BLOCKING_CONTENT_MAX_LINE (64 * 1024) /* a longer one reaches a body hook in pieces */

typedef enum
{
  BLOCKING_SESSION_NEW,     /* nothing was sent or read */
  BLOCKING_SESSION_RUNNING, /* CONNECT is answered, or about to be */
  BLOCKING_SESSION_WAITING, /* a whole message waits for its answer */
  BLOCKING_SESSION_ENDED
} BlockingSessionState;

typedef enum
{
  BLOCKING_CONTENT_HEADER, /* up to the blank line: collected */
  BLOCKING_CONTENT_BODY,
  BLOCKING_CONTENT_REFUSED /* session->reply has the refusal; the rest is dropped */
} BlockingContentState;

struct _WeirSession
{
  BlockingSettings *settings;
  BlockingStream *stream;
  SmtpServer *machine;
  BlockingTracer tracer;
  WeirHooks hooks;
  gpointer data; /* of the hooks */
  BlockingSessionState state;
  gchar *peer;
  guint port;
  gchar *helo;
  gchar *tls;
  gchar *user;         /* authenticated; NULL: nobody is */
  gchar *auth_user;    /* that LOGIN has named; NULL: not yet */
  gboolean auth_login; /* the exchange under way is LOGIN, not PLAIN */
  guint auth_failures;
  WeirMail *mail;      /* under way, or complete; NULL: none */
  BaseReply *reply;    /* that a hook has set; NULL: none */
  gboolean answerable; /* a hook runs, or a message waits */
  gboolean closing;    /* weir_session_close() */
  gboolean quit;       /* the client said so: it sends nothing more */
  gboolean complete;   /* `mail` is answered: the next step drops it */
  gint64 end;          /* deadline of the whole session; 0: none */
  gsize chunk_size;    /* 0: lines */
  BlockingContentState content;
  BaseBuffer pending; /* content that no hook has seen */
  gsize scanned;      /* of `pending`, by the search for the header's end */
  guint8 input[BLOCKING_SESSION_INPUT];
};

/* Takes `fd` and a reference of `settings`. */
WeirSession *blocking_session_new (int fd, const BaseEndpoint *peer, BlockingSettings *settings);

/* Calls the event's hook, answers it, and does what the answer changes. */
WeirStep blocking_session_take (WeirSession *session, const SmtpServerEvent *event);
/* What AUTH may use now; NULL: it is not offered. Caller frees. */
gchar *blocking_auth_mechanisms (const WeirSession *session);
WeirStep blocking_session_take_auth (WeirSession *session, const SmtpServerEvent *event);
void blocking_auth_forget (WeirSession *session);
/* Answers the message that waits. */
void blocking_session_answer_message (WeirSession *session);
void blocking_session_drop_mail (WeirSession *session);
/* A refusal that a hook has set. */
gboolean blocking_session_is_refused (const WeirSession *session);

/* Content on its way: kept, and shown to the hooks. */
void blocking_content_start (WeirSession *session);
void blocking_content_add (WeirSession *session, const guint8 *bytes, gsize length);
/* What no hook has seen yet. */
void blocking_content_finish (WeirSession *session);
