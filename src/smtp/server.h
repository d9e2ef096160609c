/* The server side of SMTP as a machine without sockets (RFC 5321): bytes in, events out, replies
 * in, bytes out. What a client does wrong is answered, what a host does wrong is a critical
 * warning.
 *
 * How it is driven:
 *   smtp_server_feed (server, bytes, length);   the machine borrows the bytes
 *   while ((event = smtp_server_next (server)) != NULL)
 *     act on it, answer it now or later with smtp_server_answer()
 *   smtp_server_settle (server);                the rest is copied; the bytes are yours again
 *   write what stands in smtp_server_output (server), consume it
 *
 * Rules of the contract:
 *  - An event stays valid until the next call of smtp_server_next(), smtp_server_settle() or
 *    smtp_server_tls_started(); its strings belong to the machine.
 *  - smtp_server_next() returns NULL when it needs more input, or when an answer must come first.
 *    Not pulling is back-pressure: what was fed is kept, and smtp_server_backlog() says how much.
 *  - Every event but CHUNK and REFUSED is answered exactly once, in the order of the events. Only
 * RCPT may be pulled while earlier RCPTs are unanswered (at most SMTP_SERVER_MAX_PENDING, our own
 * replies counted): so a pipelined batch goes upstream together. An RCPT that would pass the limit
 * on recipients if all those before it are accepted waits for their answers.
 *  - The machine answers by itself what needs nobody's opinion, in the order of the commands:
 *    syntax (500, 501, 555), sequence (503), too many bad commands (421, close), too long lines
 *    (500 5.5.2), a declared SIZE over the limit (552 5.3.4), a recipient too many (452 4.5.3),
 *    addresses that need SMTPUTF8 (553 5.6.7), DATA without a valid recipient (554 5.5.1), no TLS
 *    yet (530 5.7.0).
 *  - BDAT (RFC 3030), where the host offers CHUNKING: the machine answers every chunk but the last
 *    by itself with 250, once its octets are in. They come as CHUNKs as they are, no dot is taken
 *    out; a message need not end in CRLF. Bare newlines are judged as in DATA, across chunks, but
 *    with BODY=BINARYMIME, which lets everything pass. END follows the last chunk, or the one in
 *    which a fault was found; any answer to it ends the transaction. Between two chunks RSET, EHLO,
 *    HELO and QUIT give the message up without END. The octets of a refused chunk are taken off the
 *    wire, also where CHUNKING is not offered (502); behind one only RSET, EHLO and HELO help
 *    (503). A BDAT whose size can not be read is 501 5.5.4 and closes, for nobody knows where
 *    commands go on.
 *  - A command line ends at its LF. One that has no CR before it, or a CR inside, is 500 5.5.2 and
 *    closes, as a bare newline in the data does: two readers of such a line may see two commands.
 *    Where bare newlines are normalised the first passes, and the second only is 500 5.5.2, as a
 *    NUL is always.
 *  - With `tell_refusals`, each refusal by the machine itself is told as REFUSED, which wants no
 *    answer.
 *  - Any reply of 421, whoever gave it, closes. After closing nothing is read and answers to events
 *    that were open are ignored.
 *  - Nothing calls back. The clock and all limits are the host's. */
#pragma once

#include <glib.h>

#include "base/output.h"
#include "base/path.h"
#include "base/reply.h"
#include "smtp/capability.h"

#define SMTP_SERVER_MAX_PENDING 100
#define SMTP_SERVER_TINY_CHUNK 1024     /* octets; a smaller chunk that is not the last is tiny */
#define SMTP_SERVER_MAX_TINY_CHUNKS 500 /* of one message; one more: 421 4.7.0, close */

typedef enum
{
  SMTP_SERVER_CONNECT, /* first of all: answer 220 (greeting) or 4xx/5xx; after a refusal the
                          session goes on as RFC 5321 section 3.1 asks (only QUIT is served, all
                          else 503), unless it was 421 or answered with _answer_close() */
  SMTP_SERVER_HELO,    /* argument: the domain */
  SMTP_SERVER_EHLO,    /* argument: the domain; answer positively with smtp_server_answer_ehlo();
                          a refusal of HELO or EHLO leaves everything as it was */
  SMTP_SERVER_MAIL,    /* path */
  SMTP_SERVER_RCPT,    /* path */
  SMTP_SERVER_DATA,    /* answer 354 to receive CHUNKs and END */
  SMTP_SERVER_CHUNK, /* not answered: bytes, dot-unstuffed, CRLF kept; writable until the next call,
                        so that the host may move them */
  SMTP_SERVER_END,   /* the message is complete, or was cut off by `fault`: answer with the final
                        reply */
  SMTP_SERVER_RSET,  /* answer 250; the machine has no transaction any more, whatever the answer */
  SMTP_SERVER_NOOP,  /* argument or "" */
  SMTP_SERVER_VRFY,  /* argument */
  SMTP_SERVER_EXPN,  /* argument */
  SMTP_SERVER_HELP,  /* argument or "" */
  SMTP_SERVER_QUIT,  /* answer 221; closed after it */
  SMTP_SERVER_STARTTLS, /* answer 220: then smtp_server_wants_tls(); plaintext that was pipelined
                           behind it is dropped (RFC 3207 section 4.2) */
  SMTP_SERVER_UNKNOWN,  /* argument: the whole line, as received; the default answer is 500 5.5.1.
                           Answers of 500 to 504, 530 and 555 count it as a bad command */
  SMTP_SERVER_BDAT,     /* where CHUNKING is offered: the first chunk of a message is about to come.
                           Answer positively (with any code; it is not written) to receive CHUNKs and
                           END; a refusal is written once the chunk was taken off the wire */
  SMTP_SERVER_AUTH, /* argument: the mechanism, in upper case; `initial`. Answer 235, a refusal, or
                       smtp_server_auth_challenge() */
  SMTP_SERVER_AUTH_RESPONSE, /* argument: the client's line, base64 or "*", which cancels; what can
                                be neither is told as "*" with `fault`. Answer as AUTH; 501 to "*"
                              */
  SMTP_SERVER_XCLIENT,  /* attributes; a positive answer is a new greeting (220), and the machine is
                           as  before HELO; a refusal leaves everything as it was */
  SMTP_SERVER_XFORWARD, /* attributes */
  SMTP_SERVER_COMMAND,  /* `verb` is one of the host's commands, argument what stands behind it, or
                           "".   Answers of 500 to 504, 530 and 555 count it as a bad command */
  SMTP_SERVER_REFUSED   /* not answered: the machine has refused a command by itself, with `reply`;
                           argument: its verb, or "" */
} SmtpServerEventType;

typedef enum
{
  SMTP_FAULT_NONE,
  SMTP_FAULT_BARE_CR,     /* 550 5.6.11; the machine closes after any answer */
  SMTP_FAULT_BARE_LF,     /* the same */
  SMTP_FAULT_TOO_BIG,     /* 552 5.3.4 */
  SMTP_FAULT_LINE_LENGTH, /* 500 5.6.0; of AUTH_RESPONSE 500 5.5.6 */
  SMTP_FAULT_SYNTAX       /* AUTH_RESPONSE alone: 501 5.5.2 */
} SmtpFault;

typedef struct
{
  SmtpServerEventType type;
  union
  {
    guint answers; /* END: how many it wants; 1, but with LMTP */
    gboolean lmtp; /* HELP: LMTP is spoken */
    gboolean dots; /* CHUNK: so far a line of the message may begin with a dot; FALSE: none does */
  };
  const gchar *argument; /* see the type; NUL-terminated */
  union
  {
    const gchar *initial; /* AUTH: the initial response as sent ("=" is an empty one); NULL: none */
    const gchar *verb;    /* COMMAND: as the host spells it */
    const gchar *const
        *attributes;        /* XCLIENT, XFORWARD: "NAME=value", name in upper case, value
                               decoded, or [UNAVAILABLE] or [TEMPUNAVAIL]; NULL at the end */
    const BaseReply *reply; /* REFUSED */
  };
  const BasePath *path; /* MAIL, RCPT */
  guint8 *bytes;        /* CHUNK */
  gsize length;         /* CHUNK */
  guint32 offered;      /* HELP: of SmtpCap, what the last EHLO answer offered */
  SmtpFault fault;      /* END: the first one; from there on the data was read and dropped */
  guint64 size;         /* END: octets of the message, dot-unstuffed, those that were dropped
                           too; a newline that was normalised counts two */
} SmtpServerEvent;

typedef enum
{
  SMTP_NEWLINES_REFUSE,
  SMTP_NEWLINES_NORMALIZE /* a bare CR or LF becomes CRLF; it still never ends the data together
                             with a dot: a dot behind it is content, and is not unstuffed */
} SmtpNewlines;

/* Where a command of the host's is legal; elsewhere it is 503. */
typedef enum
{
  SMTP_SERVER_BEFORE_HELO = 1 << 0,
  SMTP_SERVER_GREETED = 1 << 1, /* outside a transaction */
  SMTP_SERVER_TRANSACTION = 1 << 2
} SmtpServerPlace;

typedef struct
{
  const gchar *verb; /* without spaces; compared without case; one of ours is never asked for */
  guint places;      /* of SmtpServerPlace */
} SmtpServerCommand;

#define SMTP_SERVER_MAX_AUTH_LINE                                                                  \
  12288 /* octets of a line of AUTH, with CRLF (RFC 4954 section 4) */

/* All limits are stated; the struct is shared by all sessions of a listener and outlives them. */
typedef struct
{
  guint64 message_size; /* octets; 0: no limit */
  guint recipients;     /* accepted in one transaction; one more hears 452 4.5.3 */
  guint line_length; /* of a command, with CRLF; longer: 500 5.5.2, read to its end and dropped */
  guint text_line_length; /* of a line of data, without CRLF; 0: no limit */
  guint bad_commands;     /* in one session (syntax, sequence, unknown); one more: 421 4.7.0, close.
                             RCPT and DATA pipelined behind a refused MAIL do not count */
  SmtpNewlines newlines;
  gboolean require_helo; /* MAIL before HELO or EHLO: 503 5.5.1 */
  gboolean require_tls;  /* anything but EHLO, HELO, NOOP, QUIT, STARTTLS, RSET, HELP before TLS:
                            530 5.7.0 */
  gboolean tell_refusals;
  gboolean lmtp; /* RFC 2033: LHLO instead of HELO and EHLO (500 5.5.1; its event is EHLO), and END
                    is answered once for each accepted recipient, in their order, if it has no fault
                    before the last chunk: event.answers says how often */
  const SmtpServerCommand *commands; /* the host's; verb NULL ends them; NULL: none */
} SmtpServerLimits;

typedef struct _SmtpServer SmtpServer;

/* `limits` is kept by pointer. The first event is CONNECT. */
SmtpServer *smtp_server_new (const SmtpServerLimits *limits);
void smtp_server_free (SmtpServer *server); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SmtpServer, smtp_server_free)

/* Borrows `bytes` until smtp_server_settle(); it may move bytes within them. Only after the former
 * ones are settled. */
void smtp_server_feed (SmtpServer *server, guint8 *bytes, gsize length);
const SmtpServerEvent *smtp_server_next (SmtpServer *server);
void smtp_server_settle (SmtpServer *server);
/* Bytes that were fed and not yet consumed; 0 once it is closing or waits for TLS. */
gsize smtp_server_backlog (const SmtpServer *server);
/* Whether the unconsumed input contains a complete QUIT line: the client said good-bye before it
 * closed (rule 7 of the design). */
gboolean smtp_server_backlog_has_quit (const SmtpServer *server);

/* Answers the oldest unanswered event. `reply` is copied into the output at once. A refusal of MAIL
 * leaves no transaction; a refusal of DATA leaves the transaction as RFC 5321 section 4.1.1.4 has
 * it (only 354 opens the data); any answer to END ends the transaction. */
void smtp_server_answer (SmtpServer *server, const BaseReply *reply);
/* The same, then nothing more is read and smtp_server_is_closing() is TRUE. Also allowed while no
 * event is open (421 at any moment). */
void smtp_server_answer_close (SmtpServer *server, const BaseReply *reply);
/* Nothing more is read: as the end of smtp_server_answer_close(), behind an answer that was given.
 */
void smtp_server_hang_up (SmtpServer *server);
/* 250 to EHLO: `greeting` is its first line, then the keywords of `offered`, then `extra` lines
 * (separated by '\n', or NULL). The offered capabilities decide which parameters MAIL and RCPT
 * accept and whether enhanced codes are written; STARTTLS is left out once TLS is active. To a HELO
 * it is 250 with the greeting alone. An EHLO answered by smtp_server_answer() offers nothing. */
void smtp_server_answer_ehlo (SmtpServer *server, const gchar *greeting, SmtpCapabilities offered,
                              const gchar *extra);

/* The mechanisms that AUTH takes, with spaces between them, in upper case; copied; NULL: none. With
 * SMTP_CAP_AUTH among the offered capabilities, EHLO's answer has them in its line AUTH; without a
 * list only the parameter AUTH of MAIL is accepted. Stays until TLS or XCLIENT. The names behind
 * XCLIENT and XFORWARD, where they are offered, are the machine's own. */
void smtp_server_offer_auth (SmtpServer *server, const gchar *mechanisms);
/* Answers AUTH or AUTH_RESPONSE with 334 and `text` (base64; "": none): AUTH_RESPONSE follows. */
void smtp_server_auth_challenge (SmtpServer *server, const gchar *text);
/* Whether a host's command may not have this verb. */
gboolean smtp_server_is_own_verb (const gchar *verb);

BaseOutput *smtp_server_output (SmtpServer *server);

/* TRUE from the 220 to STARTTLS until smtp_server_tls_started(): flush the output, then start the
 * handshake. */
gboolean smtp_server_wants_tls (const SmtpServer *server);
/* The handshake is complete (also for implicit TLS, right after _new): everything learnt in
 * plaintext is forgotten, and bytes that were fed before are dropped (RFC 3207 section 4.2). */
void smtp_server_tls_started (SmtpServer *server);
gboolean smtp_server_is_closing (const SmtpServer *server); /* close once the output is written */
gboolean
smtp_server_in_transaction (const SmtpServer *server); /* MAIL was accepted, and not yet ended */
/* Between the 354 and END, or from the answer to BDAT to END: chunks, and what is between them. */
gboolean smtp_server_in_data (const SmtpServer *server);
gboolean smtp_server_awaits_answer (const SmtpServer *server);
/* The default replies of the originals, for hosts without an opinion: 214, 250, 252, 502, 500
 * naming the line, … NULL for CHUNK. Caller frees. */
BaseReply *smtp_server_default_reply (const SmtpServerEvent *event, const gchar *hostname);
