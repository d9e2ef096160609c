/* What the server knows of a command: one row each, in a file of its own. The dispatcher in
 * server.c reads nothing else. Events that no command line starts (CONNECT, the end of the data, an
 * unknown line) have a row without a verb. */
#pragma once

#include "smtp/server-private.h"

typedef enum
{
  SMTP_COMMAND_BEFORE_TLS
  = 1 << 0, /* served before TLS even where TLS is required (RFC 3207 section 4) */
  SMTP_COMMAND_PLAIN = 1 << 1,   /* its replies carry no enhanced code (RFC 2034 section 4) */
  SMTP_COMMAND_AHEAD = 1 << 2,   /* may be pulled while earlier ones of its kind are unanswered */
  SMTP_COMMAND_COUNTED = 1 << 3, /* the host's 500 to 504, 530 and 555 count it as a bad command */
  SMTP_COMMAND_SMTP = 1 << 5,    /* not in LMTP */
  SMTP_COMMAND_LMTP = 1 << 6,    /* only there */
  SMTP_COMMAND_TRUSTED = 1 << 7, /* offered to some peers alone: 550 5.7.0 for the others */
  SMTP_COMMAND_LATER = 1 << 4,   /* `answered` sees to the writing of the reply */
} SmtpCommandFlags;

struct _SmtpCommand
{
  SmtpServerEventType event;
  const gchar *verb;      /* upper case; NULL: no line starts it */
  const gchar *syntax;    /* shown by HELP and by a 501 */
  guint states;           /* mask of SmtpState: where it is legal */
  guint flags;            /* of SmtpCommandFlags */
  guint32 offer;          /* of SmtpCap: only where the last EHLO answer offered it; 0: always */
  const gchar *misplaced; /* text of the 503 anywhere else */
  /* Reads the argument (NUL-terminated, spaces around it gone, valid as long as the event) into
   * server->event. NULL: fine; else the refusal, which the caller frees. */
  BaseReply *(*parse) (SmtpServer *server, const SmtpCommand *row, const gchar *argument,
                       gsize length);
  /* What the host's answer changes. NULL: nothing. */
  void (*answered) (SmtpServer *server, const BaseReply *reply);
  /* The reply of a host without an opinion. NULL is 250 2.0.0. */
  BaseReply *(*usual) (const SmtpServerEvent *event, const gchar *hostname);
};

extern const SmtpCommand smtp_command_connect;
extern const SmtpCommand smtp_command_helo;
extern const SmtpCommand smtp_command_ehlo;
extern const SmtpCommand smtp_command_mail;
extern const SmtpCommand smtp_command_rcpt;
extern const SmtpCommand smtp_command_data;
extern const SmtpCommand smtp_command_lhlo;
extern const SmtpCommand smtp_command_auth;
extern const SmtpCommand smtp_command_auth_response;
extern const SmtpCommand smtp_command_xclient;
extern const SmtpCommand smtp_command_xforward;
extern const SmtpCommand smtp_command_added;
extern const SmtpCommand smtp_command_bdat;
extern const SmtpCommand smtp_command_end;
extern const SmtpCommand smtp_command_rset;
extern const SmtpCommand smtp_command_noop;
extern const SmtpCommand smtp_command_vrfy;
extern const SmtpCommand smtp_command_expn;
extern const SmtpCommand smtp_command_help;
extern const SmtpCommand smtp_command_quit;
extern const SmtpCommand smtp_command_starttls;
extern const SmtpCommand smtp_command_unknown;

/* All rows, in the order in which HELP names them; NULL at the end. */
extern const SmtpCommand *const smtp_commands[];

/* Case-insensitive; NULL when no row has this verb. */
const SmtpCommand *smtp_command_find (const gchar *verb, gsize length);
const SmtpCommand *smtp_command_of_event (SmtpServerEventType event);
/* The host's command with this verb; NULL: none. */
const SmtpServerCommand *smtp_command_find_added (const SmtpServer *server, const gchar *verb,
                                                  gsize length);
/* "501 5.5.4 Syntax: …" */
BaseReply *smtp_command_syntax_error (const SmtpCommand *row);

/* Parsers that several rows share: no argument, any or none, one at least. */
BaseReply *smtp_parse_nothing (SmtpServer *server, const SmtpCommand *row, const gchar *argument,
                               gsize length);
BaseReply *smtp_parse_optional (SmtpServer *server, const SmtpCommand *row, const gchar *argument,
                                gsize length);
BaseReply *smtp_parse_required (SmtpServer *server, const SmtpCommand *row, const gchar *argument,
                                gsize length);
/* HELO's and EHLO's domain. */
BaseReply *smtp_parse_domain (SmtpServer *server, const SmtpCommand *row, const gchar *argument,
                              gsize length);
/* `keyword` ("FROM:"), an address and ESMTP parameters, into server->event.path. The refusal of a
 * bad address has the enhanced code 5.1.`detail`. Limits: BASE_ADDRESS_MAX_PATH,
 * SMTP_PARAMETERS_MAX. */
BaseReply *smtp_parse_path (SmtpServer *server, const SmtpCommand *row, const gchar *argument,
                            gsize length, const gchar *keyword, guint flags, guint detail);
