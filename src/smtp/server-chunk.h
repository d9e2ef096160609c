/* The chunks of BDAT (RFC 3030): the size that a line announces, the octets behind it, and what is
 * said once they are in. */
#pragma once

#include "smtp/server-private.h"

typedef enum
{
  SMTP_CHUNK_NONE,       /* the line has no argument: nothing follows */
  SMTP_CHUNK_UNREADABLE, /* something follows, and nobody knows how much */
  SMTP_CHUNK_GOOD
} SmtpChunkSize;

typedef struct
{
  SmtpChunkSize kind;
  gboolean last;
  guint64 size; /* octets */
} SmtpChunkLine;

/* Reads what stands behind the verb, whatever else is wrong with the line. */
void smtp_chunk_measure (const gchar *argument, gsize length, SmtpChunkLine *line);
/* The command is good. TRUE: it begins a message, the host is to be asked. */
gboolean smtp_chunk_begin (SmtpServer *server, const SmtpChunkLine *line);
/* The command is not: `reply`, which is taken, is said once the octets were dropped; at once, and
 * closing, if it is the `last`. */
void smtp_chunk_refuse (SmtpServer *server, const SmtpChunkLine *line, BaseReply *reply,
                        gboolean last);
/* The host's answer to the first chunk. */
void smtp_chunk_answered (SmtpServer *server, const BaseReply *reply);
/* In SMTP_STATE_CHUNK: CHUNK or END; NULL: more octets are needed, or the state has changed. */
const SmtpServerEvent *smtp_chunk_next (SmtpServer *server);
