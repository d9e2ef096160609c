/* The inside of a session, for the files of this folder only. Nothing here knows a socket, a clock
 * or a thread. */
#pragma once

#include "base/id.h"
#include "base/log.h"
#include "gateway/session.h"
#include "message/headers.h"
#include "message/writer.h"

/* What keeps the session from taking the client's next command. */
typedef enum
{
  SESSION_FREE,
  SESSION_HOOKS,       /* a run of the chain is under way */
  SESSION_PARKED,      /* an RCPT for another route waits for the answers to the ones before it */
  SESSION_AUTH,        /* a step of AUTH is with the upstream */
  SESSION_CAPABILITIES /* EHLO waits for what the upstreams can do */
} SessionWork;

/* From MAIL to the answer to the final dot. The only transitions are those of transaction_enter().
 */
typedef enum
{
  TX_NONE,
  TX_ENVELOPE,  /* MAIL was accepted */
  TX_HEADERS,   /* cut-through: the header block is being collected */
  TX_OPENING,   /* cut-through: header hooks are done, DATA is on its way upstream */
  TX_STREAMING, /* cut-through: bytes go upstream as they come */
  TX_SPOOLING,  /* everything is stored */
  TX_CHECKING,  /* the message is whole, the chain runs on it */
  TX_HANDOVER,  /* the chain passed; envelope and DATA go upstream */
  TX_SENDING,   /* the stored message goes upstream */
  TX_FINAL,     /* our final dot is out: no way back */
  TX_STORING,   /* a delivery to disk is under way */
  TX_DROPPING,  /* the answer is known; the client's bytes are read to their end */
  TX_OVER       /* the client has its answer, message_over may still run */
} TransactionPhase;

/* The upstream's side of the transaction. */
typedef enum
{
  UP_NONE,
  UP_WANTED,      /* the host looks for a connection */
  UP_INTRODUCING, /* XCLIENT is out, and EHLO behind it */
  UP_RESETTING,   /* RSET is out; behind it the envelope is sent (again), or the connection is given
                     back */
  UP_ENVELOPE,    /* MAIL is out, RCPTs follow */
  UP_DATA,        /* DATA is out */
  UP_BODY,        /* 354 came */
  UP_FINAL        /* the final dot is out */
} UpstreamPhase;

typedef enum
{
  RECIPIENT_ASKED, /* no answer yet */
  RECIPIENT_ACCEPTED /* the client heard 250 */,
  RECIPIENT_REFUSED
} RecipientState;

typedef struct
{
  BasePath *path;
  RecipientState state;
  gboolean asked;     /* routed, and its hooks passed: the destination decides */
  gboolean replaying; /* asked again, after the client heard 250 */
  gboolean close;     /* hang up after the answer */
  BaseReply *reply;   /* NULL: not known yet */
  BaseReply *text;    /* a filter's text for the positive answer */
} GatewayRecipient;

/* Discard and quarantine from MAIL on cover the whole transaction. */
typedef enum
{
  ASIDE_NO,
  ASIDE_DISCARD,
  ASIDE_QUARANTINE
} TransactionAside;

typedef struct
{
  gchar id[BASE_ID_LENGTH];
  TransactionPhase phase;
  gint64 started;
  BasePath *sender;      /* as the client gave it; replaced when a filter edits it */
  GPtrArray *recipients; /* of GatewayRecipient, in the order of the commands */
  guint next_answer;     /* first recipient that was not answered */
  const ConfigRoute *route;
  gchar *domain;                        /* of an mx: route: whose mail hosts are asked; else NULL */
  const ConfigDestination *destination; /* of a route that is no SMTP: its only one */
  TransactionAside aside;
  gchar *aside_reason;
  const gchar *aside_filter;
  BaseReply *failure;      /* the transaction can not succeed any more: this is why */
  const gchar *refused_by; /* filter whose verdict ended it */
  gboolean close;          /* hang up after the answer */
  BaseReply *text;         /* a filter's text for the positive answer */
  BaseReply *answer;       /* TX_DROPPING: what the client hears after its final dot */
  guint answers;           /* how many the client waits for behind it; 0: it has not come */
  guint told;              /* of them, those it has */
  GPtrArray *fates;        /* fates.c's, from DATA on; NULL: the client speaks SMTP */
  const gchar *status;     /* for the log */

  /* upstream */
  UpstreamPhase up;
  guint up_open;            /* replies to MAIL and RCPT that are awaited */
  BaseReply *up_mail_reply; /* the refusal of MAIL: it answers each RCPT */
  BaseReply *up_refusal;    /* of a replayed envelope */
  gboolean up_want_data;    /* send DATA as soon as the envelope stands */
  guint up_attempts;
  gboolean up_envelope_changed; /* by a filter */
  gboolean up_stale;            /* what the upstream was told is not the envelope any more */
  gboolean up_chunked;          /* the message goes by BDAT */
  gboolean up_by_lines;         /* lines of the spool may go out unread */
  gboolean up_last_due;         /* its last chunk is to be sent */
  gboolean up_ends_line;        /* what was given to it ends with a line end */
  guint up_chunks_open;         /* replies to chunks, but the last, that are awaited */
  BaseBuffer up_gathered;       /* octets that are too few for a chunk of their own */
  gint64 up_idle;      /* when a connection that waits for a spooled message is given back */
  guint up_ends;       /* answers to our dot that are awaited: of LMTP one for each recipient */
  gboolean up_spoiled; /* one of them leaves the connection in doubt */
  gchar *relay;        /* name of the last upstream, or the Maildir: for the log */
  gchar *relay_tls;
  gboolean ambiguous; /* the answer to our dot was lost */

  /* content */
  BaseBuffer head; /* cut-through: header block, and body bytes that came with it */
  MessageHeadersTally head_tally;
  gsize head_end; /* where the body starts in `head` */
  MessageSpool *spool;
  MessageEdits *edits; /* what the header needs, and the filters'; NULL: none */
  MessageWriter *writer;
  gchar *received;
  gboolean is_signed;       /* it has a DKIM-Signature field */
  gchar *broken_signatures; /* by the filters' edits: for the log; NULL: none */
  gboolean chunked;         /* it comes by BDAT */
  gboolean dots;            /* a line of what came so far may begin with a dot */
  guint64 size;             /* as received */
  gboolean complete;        /* the client's final dot has come */
  gint64 deadline;          /* from the final dot to ours; 0: not running */
} GatewayTransaction;

/* The client's authentication, which is the upstream's affair. */
typedef enum
{
  AUTH_NONE,
  AUTH_WANTED,  /* the host looks for a connection */
  AUTH_RUNNING, /* an exchange is under way */
  AUTH_DONE,    /* accepted: the session keeps its upstream connection */
  AUTH_LOST     /* that connection is gone: 421 */
} AuthPhase;

/* An exchange of AUTH that is under way. */
typedef struct
{
  gchar *mechanism;
  gchar *initial;
  gchar *name;    /* that it names; NULL: not known */
  gboolean heard; /* the response that would name it has come */
} AuthExchange;

typedef void (*SessionContinue) (GatewaySession *session, const ChainOutcome *outcome);

struct _GatewaySession
{
  const GatewayListener *listener;
  const GatewayHost *methods;
  gpointer host;
  SmtpServer *server;
  ChainState *chain; /* NULL: the chain is empty */
  gchar id[BASE_ID_LENGTH];
  BasePeer client;
  BasePeer our_end; /* of its connection; length 0: unknown */
  GatewayClientKind kind;
  guint32 trusted;   /* of SMTP_CAP_XCLIENT and SMTP_CAP_XFORWARD: what the peer may say, by its own
                        address */
  gchar **forwarded; /* of XFORWARD, for one transaction: a value or NULL for each of
                        smtp_xforward_names; NULL: it said nothing */
  gchar *client_name;
  gchar *helo;               /* NULL before HELO */
  gchar *new_helo;           /* until it is accepted */
  const gchar *tls_protocol; /* NULL: plaintext; as the cipher interned */
  const gchar *tls_cipher;

  AuthPhase auth;
  gchar *user;            /* authenticated; NULL: nobody is */
  gchar *user_mechanism;  /* by which; NULL with it */
  AuthExchange *exchange; /* NULL: none is under way */
  guint auth_failures;    /* of the session */
  gint64 own_refusals;    /* logged: replies that no filter, route or upstream gave */

  SessionWork work;
  SessionContinue after_hooks;
  SessionContinue after_transaction; /* once message_over has run */
  gchar *hook_argument;              /* owned while a run is under way */
  const gchar *hook_verb;            /* IPC_HOOK_COMMAND: of the listener's table */
  guint32 hook_code;
  const gchar *hook_status; /* IPC_HOOK_MESSAGE_OVER: as in the log */
  BaseReply *fallback;      /* of a command, while its hook or message_over runs */
  gint64 filter_until;      /* the awaited filter's time; 0: not running, or queued */
  gint64 last_activity;     /* of the client */

  GatewayTransaction *tx;    /* NULL outside */
  GatewayUpstream *upstream; /* on lease */
  const ConfigRoute *upstream_route;
  gchar *upstream_domain; /* as the transaction's, which may be over */
  gint64 up_until;        /* the next reply, or progress; 0: none is awaited */
  guint64 up_appended;    /* octets of the body that were given to the upstream's output */
  guint64 up_taken;       /* of them, gone from it when last looked at */
  const guint8 *input;    /* the client's bytes that may be borrowed until they are settled */
  gsize input_length;

  guint esmtp : 1;
  guint new_esmtp : 1;
  guint described : 1;    /* by XCLIENT: all that is known of the client is the peer's word */
  guint close_after : 1;  /* a filter wants the session to end with the current operation */
  guint up_resetting : 1; /* RSET is out; replies before it belong to an envelope that is gone */
  guint client_gone : 1;
  guint draining : 1;
  guint hurried : 1;
  guint has_served : 1; /* a transaction, to its end */
  guint newcomer : 1;   /* it had not said EHLO when we began to drain */
  guint connected : 1;  /* the connect hooks were asked */
  guint idle : 1;       /* it was the client's turn when we last looked */
  guint pumping : 1;
  guint ending : 1; /* session_over has been asked */
  guint over : 1;
};

static inline BaseEndpoint
session_client (const GatewaySession *session)
{
  return base_peer_endpoint (&session->client);
}

/* hooks.c: runs `hook` and goes on with `after`; at once when nobody wants it. */
void session_run_hook (GatewaySession *session, IpcHook hook, const gchar *argument,
                       SessionContinue after);
/* What filters' conditions are held against now; `recipient`: the one in question, or NULL. */
void session_refresh_facts (GatewaySession *session, const gchar *recipient);
void session_abandon_hooks (GatewaySession *session);
void session_filter_timed_out (GatewaySession *session);

/* commands.c: answers a command, and hangs up behind it if a filter wants that. */
void session_answer (GatewaySession *session, const BaseReply *reply);

/* session.c: looks at the client's socket (rule 7). TRUE: nobody is there to hear an answer; what
 * is open is given up by the pump. */
gboolean session_lost_client (GatewaySession *session);

/* commands.c: one client command or message event. */
void session_handle_event (GatewaySession *session, const SmtpServerEvent *event);

/* identity.c */
/* What the peer may say about others. */
guint32 identity_trust (const GatewayListener *listener, const GatewayClient *client);
void identity_xclient (GatewaySession *session, const SmtpServerEvent *event);
void identity_xforward (GatewaySession *session, const SmtpServerEvent *event);
void identity_forget_forwarded (GatewaySession *session);
/* As XFORWARD told it; NULL: not told, or not known to the peer. `name` is one of its names. */
const gchar *identity_forwarded (const GatewaySession *session, const gchar *name);
/* Whether the client may send to anyone. */
gboolean identity_may_relay (const GatewaySession *session);
/* commands.c: 220, or what the connect hooks have for it. FALSE: they refuse, and nothing was said.
 */
gboolean session_greet (GatewaySession *session, const ChainOutcome *outcome);

/* envelope.c */
void envelope_mail (GatewaySession *session, const BasePath *path);
void envelope_rcpt (GatewaySession *session, const BasePath *path);
void envelope_unpark (GatewaySession *session);
/* In order, as far as the replies are known. */
void envelope_answer_pending (GatewaySession *session);
/* The recipient's reply is known: it is answered in its turn. */
void envelope_settle (GatewaySession *session, GatewayRecipient *recipient, const BaseReply *reply);
void envelope_fail_pending (GatewaySession *session, const BaseReply *reply);
guint envelope_accepted (const GatewayTransaction *tx);
/* Those that are accepted, and at RCPT the one in question: the next from `*at` on, which begins as
 * 0; NULL: no more. Borrowed. */
BasePath *envelope_next (const GatewayTransaction *tx, guint *at);
/* All of them. Caller unrefs. */
GPtrArray *envelope_paths (const GatewayTransaction *tx);
/* Puts a filter's envelope in the client's place. FALSE: `*refusal` says why it can not be. */
gboolean envelope_edit (GatewaySession *session, const ChainOutcome *outcome, BaseReply **refusal);

/* hello.c: EHLO's answer, where `text` is a filter's positive reply, or NULL. Caller frees. */
gchar *hello_greeting (const GatewaySession *session, const BaseReply *text);
/* Lines separated by '\n': commands that filters announce, and what their reply adds. */
gchar *hello_extra (const GatewaySession *session, const BaseReply *text);

/* auth.c */
/* The mechanisms for EHLO's answer, NULL: none. Caller frees. */
gchar *auth_offer (const GatewaySession *session, SmtpCapabilities upstreams);
/* Where the users are known, and where all mail of one who is authenticated goes. */
const ConfigRoute *auth_route (const GatewaySession *session);
/* Whether the client is bound to that route and its connection. One who is known by XCLIENT's LOGIN
 * is not. */
gboolean auth_binds (const GatewaySession *session);
void auth_begin (GatewaySession *session, const gchar *mechanism, const gchar *initial);
void auth_response (GatewaySession *session, const SmtpServerEvent *event);
void auth_ready (GatewaySession *session, GatewayUpstream *upstream);
void auth_go_on (GatewaySession *session); /* the upstream knows who our client is */
void auth_challenge (GatewaySession *session, const BaseReply *challenge);
void auth_reply (GatewaySession *session, const BaseReply *reply);
/* The upstream of an exchange can not be had, or was lost in the middle of it. */
void auth_lost (GatewaySession *session);
void auth_abandon (GatewaySession *session); /* an exchange that is under way */
void auth_forget (GatewaySession *session);  /* whoever was authenticated is not any more */
/* 421 where the user's connection was lost. FALSE: it was not. */
gboolean auth_say_lost (GatewaySession *session);

/* upstream.c */
void upstream_ask (GatewaySession *session, GatewayRecipient *recipient);
void upstream_want_data (GatewaySession *session);
void upstream_pull (GatewaySession *session);
gboolean upstream_has_room (const GatewaySession *session);
void upstream_reset (GatewaySession *session); /* RSET, then back to the pool */
void upstream_drop (GatewaySession *session);  /* hang up: never a complete message */
/* Bytes of the message; the output may borrow them. `dots`: a line in them may begin with a dot. */
void upstream_body (GatewaySession *session, const guint8 *bytes, gsize length, gboolean dots);
/* Whole lines of it, none of which begins with a dot, as they stand in a file: for upstreams in
 * plaintext, and not by BDAT. FALSE: no descriptor is free. */
gboolean upstream_body_file (GatewaySession *session, gint fd, guint64 offset, gsize length);
/* Our final dot, or BDAT LAST. FALSE: the client has left, or the upstream takes no chunk now: it
 * stays back. */
gboolean upstream_end (GatewaySession *session);
void upstream_timed_out (GatewaySession *session);

/* data.c */
/* DATA, or the first BDAT (`chunked`). */
void data_begin (GatewaySession *session, gboolean chunked);
/* `dots`: so far a line of the message may begin with one. */
void data_chunk (GatewaySession *session, guint8 *bytes, gsize length, gboolean dots);
/* `answers`: as many does the client wait for. */
void data_end (GatewaySession *session, SmtpFault fault, guint64 size, guint answers);
void data_upstream_ready (GatewaySession *session); /* 354 */

/* data-send.c: a stored message, behind our trace field. */
void data_send_begin (GatewaySession *session);
/* The next pieces, while there is room. */
void data_send (GatewaySession *session);

/* outcome.c: how a transaction ends. */
/* Keeps `reply` as the answer to the final dot, reads the client's data to its end, answers. */
void transaction_fail (GatewaySession *session, const BaseReply *reply);
/* Answers END and ends the transaction. */
void transaction_answer (GatewaySession *session, const BaseReply *reply, const gchar *status);
/* The same for a reply that is known before the client's final dot: its bytes are read to their end
 * first. */
void transaction_answer_at_end (GatewaySession *session, const BaseReply *reply,
                                const gchar *status);
/* Answers as a filter's verdict has it. FALSE: it was PASS. */
gboolean transaction_apply_verdict (GatewaySession *session, const ChainOutcome *outcome);
/* Discard and quarantine: remembered, and the upstream is told nothing more. FALSE: the outcome is
 * neither. */
gboolean transaction_set_aside (GatewaySession *session, const ChainOutcome *outcome);
/* What a filter wants to be said if all accept. */
void transaction_set_text (GatewaySession *session, const ChainOutcome *outcome);
/* 250 of our own, or the text that a filter set. */
void transaction_accept (GatewaySession *session, const gchar *text, const gchar *status);
void transaction_store (GatewaySession *session, GatewayDeliveryKind kind);
void transaction_abort (GatewaySession *session, const gchar *status, SessionContinue after);
void transaction_free (GatewayTransaction *tx);
void gateway_recipient_free (GatewayRecipient *recipient);

/* fates.c: of an LMTP client; for others they do nothing, or as if there were one. */
void fates_begin (GatewaySession *session);
/* Whether the client's answers can tell what becomes of these recipients (of BasePath). */
gboolean fates_can_tell (const GatewaySession *session, const GPtrArray *paths);
/* The upstream's answer for tx->recipients[recipient]; the client hears it in its turn. */
void fates_settle (GatewaySession *session, guint recipient, const BaseReply *reply);
/* Those whom the upstream has answered for are settled: so are those it was not told of. */
void fates_settle_removed (GatewaySession *session);
/* What the client still waits for: each one's own, and `otherwise` for those without. */
void fates_tell (GatewaySession *session, const BaseReply *otherwise);
/* The one that stands for all: a refusal before a 250, 4xx before 5xx. Borrowed. */
const BaseReply *fates_summary (const GatewaySession *session, const BaseReply *otherwise);
gboolean fates_differ (const GatewaySession *session, const BaseReply *otherwise);
/* "<a@b> 250 2.0.0 Ok; <c@d> 452 4.2.2 Full", `most` of them; NULL: all have one answer. Caller
 * frees. */
gchar *fates_log (const GatewaySession *session, const BaseReply *otherwise, guint most);

/* "SMTP", "ESMTP", "LMTP". */
const gchar *session_protocol (const GatewaySession *session);
/* received.c: our trace field, CRLF included (RFC 5321 section 4.4). */
gchar *session_received (const GatewaySession *session);

/* summary.c */
void session_log_message (GatewaySession *session, const BaseReply *reply, const gchar *status);
void session_log_refusal (GatewaySession *session, const gchar *command, const gchar *argument,
                          const BaseReply *reply, const gchar *filter);
/* A refusal that nobody's opinion was asked for (syntax, sequence, limits): as many in a session as
 * it may make errors, and the one that closes it. */
void session_log_own_refusal (GatewaySession *session, const gchar *command,
                              const BaseReply *reply);
