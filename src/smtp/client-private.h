/* What the files of the client machine share: its state, its queue and the ways to add to them. */
#pragma once

#include "base/buffer.h"
#include "smtp/client-reply.h"
#include "smtp/client.h"
#include "smtp/scram.h"

typedef enum
{
  SMTP_CLIENT_HANDSHAKE, /* greeting, EHLO, HELO, STARTTLS: the machine speaks by itself */
  SMTP_CLIENT_TLS_WAIT,  /* START_TLS was told; the host has not called smtp_client_tls_started() */
  SMTP_CLIENT_OPEN,      /* READY was told */
  SMTP_CLIENT_IN_DATA,   /* from the 354 until the final dot is written */
  SMTP_CLIENT_CLOSED,    /* QUIT was answered */
} SmtpClientState;

/* A command on its way. */
typedef struct
{
  guint32 command; /* of SmtpClientCommand */
  guint32 tag;
  guint32 length; /* of its line in `lines` while it waits */
} SmtpClientEntry;

typedef struct _SmtpClientMechanism SmtpClientMechanism;

/* A login of our own under way. */
typedef struct
{
  gchar *user;
  gchar *password;
  const SmtpClientMechanism *mechanism;
  SmtpScram *scram; /* NULL: another mechanism */
  guint step;       /* challenges answered */
  gboolean proven;  /* SCRAM: the server knows the password too */
} SmtpClientLogin;

struct _SmtpClient
{
  guint8 state;     /* of SmtpClientState */
  guint8 tls;       /* of SmtpClientTls */
  guint8 answering; /* of SmtpClientCommand: the machine's own command whose reply made it fail */
  gboolean encrypted : 1; /* tls_started was called */
  gboolean eof : 1;
  gboolean failed : 1; /* `failure` was told */
  gboolean lmtp : 1;
  gboolean last_chunk : 1;     /* BDAT LAST is not answered */
  gboolean challenged : 1;     /* CHALLENGE was told, and not answered */
  gboolean failure_theirs : 1; /* `failure` is the server's own reply */
  guint8 data_tail[2];         /* the last two octets of the data so far */
  gchar *hello;
  SmtpCapabilities capabilities;
  gchar *auth; /* what EHLO named behind these keywords; NULL: not offered */
  gchar *xclient;
  gchar *xforward;
  SmtpClientLogin *login; /* NULL: none */
  GArray *accepted;       /* LMTP: of guint, the tags of the RCPTs accepted in this transaction */
  SmtpReplyReader reader;
  BaseBuffer open;    /* of SmtpClientEntry: written, not answered */
  BaseBuffer waiting; /* of SmtpClientEntry: not written */
  BaseBuffer lines;   /* the command lines of `waiting` */
  gsize line_start;   /* in `lines`: of the one that is being made */
  BaseOutput output;
  const BaseReply *reply; /* the reader's: of the event that was told last; NULL: none */
  BaseReply *failure;     /* to be told, or told */
  SmtpClientEvent event;
};

/* client.c: from here on only FAILED is told. The first failure counts; `reply` is taken. */
void smtp_client_fail (SmtpClient *client, BaseReply *reply, gboolean from_server);

/* client-queue.c */
gboolean smtp_client_has_open (const SmtpClient *client);
gboolean smtp_client_has_waiting (const SmtpClient *client);
/* The oldest open command; only if there is one. */
const SmtpClientEntry *smtp_client_oldest (const SmtpClient *client);
void smtp_client_pop (SmtpClient *client);
/* Adds to the open commands what is written, or needs no writing (the greeting). */
void smtp_client_push_open (SmtpClient *client, SmtpClientCommand command, guint tag);
/* Queues a command of the host's, which writes it if it may be written: a line with its CRLF is
 * appended to what _begin_line returns, then pushed. */
BaseBuffer *smtp_client_begin_line (SmtpClient *client);
void smtp_client_push_line (SmtpClient *client, SmtpClientCommand command, guint tag);
/* Both. */
void smtp_client_push (SmtpClient *client, SmtpClientCommand command, guint tag, const gchar *line);
gboolean smtp_client_may_write (const SmtpClient *client);
/* Writes what may be written now. */
void smtp_client_flush (SmtpClient *client);

/* client.c: tells the reply to `entry`. */
gboolean smtp_client_on_reply (SmtpClient *client, const SmtpClientEntry *entry);
/* client-data.c: END is open, once, or once a recipient (LMTP). */
gboolean smtp_client_on_rcpt (SmtpClient *client, const SmtpClientEntry *entry);
gboolean smtp_client_on_mail (SmtpClient *client, const SmtpClientEntry *entry);
gboolean smtp_client_on_end (SmtpClient *client, const SmtpClientEntry *entry);
/* client-auth.c */
gboolean smtp_client_on_auth (SmtpClient *client, const SmtpClientEntry *entry);
void smtp_client_respond (SmtpClient *client, const gchar *text);
/* client-login.c */
void smtp_client_forget_login (SmtpClient *client);
void smtp_client_answer_login (SmtpClient *client); /* the reply at hand is a challenge */
/* FALSE: the reply at hand lets us in, and the server owes a proof. */
gboolean smtp_client_is_proven (const SmtpClient *client);
/* client-identity.c */
gboolean smtp_client_on_xclient (SmtpClient *client, const SmtpClientEntry *entry);
/* Forgets what the server offered. */
void smtp_client_forget_offers (SmtpClient *client);

/* client-handshake.c: act on the reply to the machine's own commands; TRUE: `client->event` is to
 * be told. */
gboolean smtp_client_on_greeting (SmtpClient *client, const SmtpClientEntry *entry);
gboolean smtp_client_on_ehlo (SmtpClient *client, const SmtpClientEntry *entry);
gboolean smtp_client_on_helo (SmtpClient *client, const SmtpClientEntry *entry);
gboolean smtp_client_on_starttls (SmtpClient *client, const SmtpClientEntry *entry);
/* Sends EHLO. */
void smtp_client_say_hello (SmtpClient *client);
