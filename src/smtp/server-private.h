/* The inside of SmtpServer, for the server files and the commands alone. It is small on purpose:
 * thousands of them wait idle. */
#pragma once

#include "base/buffer.h"
#include "smtp/server-data.h"
#include "smtp/server.h"

typedef struct _SmtpCommand SmtpCommand;

typedef enum
{
  SMTP_STATE_CONNECT = 1 << 0, /* CONNECT is not answered */
  SMTP_STATE_REFUSED = 1 << 1, /* CONNECT was refused: only QUIT is served (RFC 5321 section 3.1) */
  SMTP_STATE_START = 1 << 2,   /* no HELO or EHLO was accepted, or TLS has just started */
  SMTP_STATE_READY = 1 << 3,   /* the client has named itself; no transaction */
  SMTP_STATE_MAIL = 1 << 4,    /* in a transaction without an accepted recipient */
  SMTP_STATE_RCPT = 1 << 5,    /* in a transaction with one at least */
  SMTP_STATE_DATA = 1 << 6,    /* from the 354 to the answer to END */
  SMTP_STATE_TLS = 1 << 7,     /* from the 220 to STARTTLS to smtp_server_tls_started() */
  SMTP_STATE_CLOSED = 1 << 8,  /* nothing is read any more */
  SMTP_STATE_CHUNK = 1 << 9,   /* behind a BDAT line: octets follow, not commands */
  SMTP_STATE_CHUNKS = 1 << 10, /* between two chunks of a message */
  SMTP_STATE_SPOILT = 1 << 11, /* a chunk was refused: the transaction can only be given up */

  SMTP_STATE_AUTH = 1 << 12, /* 334 was said: the next line is a response */

  SMTP_STATES_IDLE = SMTP_STATE_START | SMTP_STATE_READY,
  SMTP_STATES_OPEN = SMTP_STATE_MAIL | SMTP_STATE_RCPT,
  SMTP_STATES_BDAT = SMTP_STATE_CHUNKS | SMTP_STATE_SPOILT,
  SMTP_STATES_ALL = SMTP_STATES_IDLE | SMTP_STATES_OPEN | SMTP_STATES_BDAT
} SmtpState;

struct _SmtpServer
{
  const SmtpServerLimits *limits;
  BaseOutput output;
  BaseBuffer held; /* settled input; comes before the window */
  guint8 *window;  /* fed input, borrowed; NULL: settled */
  gsize window_length;
  gsize used; /* octets of the source that the current event still shows: dropped with it */
  SmtpServerEvent event; /* event.path is owned */
  SmtpData data;
  guint64 chunk;           /* octets of the chunk at hand that are still to come */
  gchar *mechanisms;       /* of AUTH; NULL: none */
  BaseReply *untold;       /* a refusal of the machine's that is still to be told; NULL: none */
  BaseReply *refusal;      /* follows a chunk that is dropped; NULL: none does; owned */
  GQueue replies;          /* of QueuedReply: our own, behind unanswered RCPTs; empty as a rule */
  const SmtpCommand *open; /* row of the oldest unanswered event; NULL: none */
  guint32 offered;         /* of SmtpCap, by the last EHLO answer */
  guint64 offered_size;    /* octets that it named behind SIZE; 0: none */
  guint pending;           /* unanswered events; more than one only of RCPT */
  guint recipients;        /* accepted in this transaction */
  guint refused;           /* recipients refused in it, or commands that followed a refused MAIL */
  guint answers;           /* that END still wants */
  guint bad;               /* bad commands in the session */
  guint16 state;           /* SmtpState */
  guint16 after;           /* SmtpState behind a chunk that is dropped */
  guint8 untold_event;     /* SmtpServerEventType of the command that it refuses */
  guint16 tiny;            /* small chunks in this transaction; chunks behind a refused one */
  gboolean named : 1;      /* a HELO or EHLO was accepted since the session or TLS started */
  gboolean tls : 1;
  gboolean authenticated : 1;
  gboolean utf8 : 1;        /* MAIL had SMTPUTF8 */
  gboolean binary : 1;      /* MAIL had BODY=BINARYMIME */
  gboolean mail_failed : 1; /* the last MAIL was refused: what a pipelining client sent behind it is
                               no fault of its own */
  gboolean dropping : 1;    /* inside a command line that is too long */
  gboolean dropped_cr : 1;  /* its last octet so far was a CR */
  gboolean torn : 1;        /* a response of AUTH held a bare newline: its answer is the last */
  gboolean last : 1;        /* the chunk at hand is the last one */
  gboolean dropped : 1;     /* the chunk at hand was refused */
  gboolean chunked : 1;     /* the message comes by BDAT */
  gboolean chunk_failed : 1; /* the last message was cut off: what a pipelining client sent behind
                                it is no fault of its own */
  gboolean lost : 1;         /* a BDAT line was too long: where its chunk ends is not known */
  gboolean auth_failed : 1;  /* AUTH was refused: lines behind it that are no commands may hold what
                                was to answer it */
  gboolean ending : 1;       /* our own 421 is queued: read nothing more */
};

/* Forgets the transaction. */
void smtp_server_clear_transaction (SmtpServer *server);
/* Forgets all input that was not consumed. */
void smtp_server_drop_input (SmtpServer *server);
void smtp_server_close (SmtpServer *server);

/* server-reply.c: writes a reply now; `row` is that of the command it answers, or NULL. */
void smtp_server_write (SmtpServer *server, const SmtpCommand *row, const BaseReply *reply);
/* Sends a reply of ours, at once or behind the answers that the host owes. Takes the reply. `last`:
 * closes behind it. */
void smtp_server_send_own (SmtpServer *server, const SmtpCommand *row, BaseReply *reply,
                           gboolean last);
/* The next event tells this refusal of the machine's, if the host wants to know. */
void smtp_server_note_refusal (SmtpServer *server, const SmtpCommand *row, const BaseReply *reply);
/* Counts a reply that says the client erred. The 421 that it hears instead once it did so too often
 * (caller frees), or NULL. */
BaseReply *smtp_server_count_bad (SmtpServer *server, const BaseReply *reply);
/* Forgets who the client is: before HELO again. */
void smtp_server_forget_client (SmtpServer *server);
/* server.c: hands out the event of `row`. */
const SmtpServerEvent *smtp_server_open_event (SmtpServer *server, const SmtpCommand *row);
