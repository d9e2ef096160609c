/* What a milter says, as one typed answer; and its reply codes. No sockets. */
#pragma once

#include "packet.h"

typedef enum
{
  ANSWER_CONTINUE,
  ANSWER_ACCEPT,
  ANSWER_REJECT,
  ANSWER_TEMPFAIL,
  ANSWER_DISCARD,
  ANSWER_REPLY,    /* `text`: "ddd x.y.z text", for answer_read_reply() */
  ANSWER_SKIP,     /* no more events of this kind */
  ANSWER_PROGRESS, /* still at work */
  ANSWER_FAILURE,  /* the connection shall count as failed */
  ANSWER_SHUTDOWN, /* 421 */

  /* Only after the end of the message. */
  ANSWER_ADD_HEADER,       /* name, text */
  ANSWER_INSERT_HEADER,    /* index, name, text */
  ANSWER_CHANGE_HEADER,    /* index, name, text */
  ANSWER_REPLACE_BODY,     /* bytes, length: a piece */
  ANSWER_ADD_RECIPIENT,    /* name: the address, text: its parameters, NULL for none */
  ANSWER_DELETE_RECIPIENT, /* name */
  ANSWER_CHANGE_SENDER,    /* name, text as with recipients */
  ANSWER_QUARANTINE        /* text: the reason */
} AnswerKind;

#define ANSWER_IS_CHANGE(kind) ((kind) >= ANSWER_ADD_HEADER)

typedef struct
{
  AnswerKind kind;
  guint32 index;
  const char *name; /* this and what follows is borrowed from the packet */
  const char *text;
  const guint8 *bytes;
  gsize length;
} Answer;

/* FALSE: error, it is no answer. */
gboolean answer_read (const Packet *packet, Answer *answer, GError **error);

#define ANSWER_MAX_LINES 32 /* as many as libmilter sends */

typedef struct
{
  guint code;     /* 400 to 599 */
  char *enhanced; /* "x.y.z" of the same class; NULL: none */
  char *text;     /* lines separated by '\n' */
} AnswerReply;

/* Reads a reply of one or more lines ("550-5.7.1 a\r\n550 5.7.1 b"); "%%" is one percent sign.
 * FALSE: error, it is none that refuses, or its lines do not agree. */
gboolean answer_read_reply (const char *text, AnswerReply *reply, GError **error);
void answer_reply_clear (AnswerReply *reply);
