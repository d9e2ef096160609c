/* The octets of BDAT. A chunk is passed on as the scanner judges it, or dropped; either way all its
 * octets are taken off the wire before anything is said about it, else they would be read as
 * commands. A size that can not be read closes the session. */
#include "smtp/server-chunk.h"

#include "smtp/commands/command.h"
#include "smtp/server-input.h"

static gboolean
is_space (gchar c)
{
  return c == ' ' || c == '\t';
}

void
smtp_chunk_measure (const gchar *argument, gsize length, SmtpChunkLine *line)
{
  const gchar *end = argument + length;
  const gchar *digits;

  *line = (SmtpChunkLine){ SMTP_CHUNK_NONE, FALSE, 0 };
  while (argument < end && is_space (*argument))
    argument++;
  if (argument == end)
    return;
  line->kind = SMTP_CHUNK_UNREADABLE;
  for (digits = argument; argument < end && g_ascii_isdigit (*argument); argument++)
    if (!g_uint64_checked_mul (&line->size, line->size, 10)
        || !g_uint64_checked_add (&line->size, line->size, (guint64) (*argument - '0')))
      return;
  if (argument == digits || (argument < end && !is_space (*argument)))
    return;
  line->kind = SMTP_CHUNK_GOOD;
  while (argument < end && is_space (*argument))
    argument++;
  line->last = end - argument >= 4 && g_ascii_strncasecmp (argument, "LAST", 4) == 0;
}

/* The octets are the message's. */
static void
enter (SmtpServer *server)
{
  SmtpData *data = &server->data;
  guint64 most = server->limits->message_size;

  server->state = SMTP_STATE_CHUNK;
  server->dropped = FALSE;
  if (most > 0 && data->fault == SMTP_FAULT_NONE
      && (data->size > most || server->chunk > most - data->size))
    data->fault = SMTP_FAULT_TOO_BIG;
}

gboolean
smtp_chunk_begin (SmtpServer *server, const SmtpChunkLine *line)
{
  gboolean first = server->state == SMTP_STATE_RCPT;

  server->chunk = line->size;
  server->last = line->last;
  if (!first)
    enter (server);
  return first;
}

static void
drop (SmtpServer *server, SmtpState after, BaseReply *reply)
{
  server->state = SMTP_STATE_CHUNK;
  server->after = (guint16) after;
  server->dropped = TRUE;
  server->refusal = reply;
}

void
smtp_chunk_answered (SmtpServer *server, const BaseReply *reply)
{
  if (!base_reply_is_positive (reply))
    {
      drop (server, SMTP_STATE_SPOILT, base_reply_copy (reply));
      return;
    }
  server->chunked = TRUE;
  smtp_data_start_chunks (&server->data, server->binary ? SMTP_DATA_RAW : SMTP_DATA_PLAIN);
  enter (server);
}

void
smtp_chunk_refuse (SmtpServer *server, const SmtpChunkLine *line, BaseReply *reply, gboolean last)
{
  g_autoptr (BaseReply) owned = reply;
  gboolean spoils = (server->state & (SMTP_STATES_OPEN | SMTP_STATE_CHUNKS))
                    && (server->offered & SMTP_CAP_CHUNKING);

  if (line->kind == SMTP_CHUNK_GOOD && !last && reply->code != 421)
    {
      server->chunk = line->size;
      server->last = line->last;
      drop (server, spoils ? SMTP_STATE_SPOILT : server->state, g_steal_pointer (&owned));
      return;
    }
  smtp_server_write (server, &smtp_command_bdat, reply);
  if (last || line->kind == SMTP_CHUNK_UNREADABLE)
    smtp_server_close (server);
}

/* What is there of the chunk; takes it off the count. */
static guint8 *
take_bytes (SmtpServer *server, gsize *length)
{
  smtp_input_release (server);
  guint8 *bytes = smtp_input_bytes (server, length);
  *length = (gsize) MIN (*length, server->chunk);
  return bytes;
}

static void
use (SmtpServer *server, gsize length)
{
  server->used = length;
  server->chunk -= length;
}

static void
next_dropped (SmtpServer *server)
{
  gsize length;

  while (server->chunk > 0)
    {
      take_bytes (server, &length);
      if (length == 0)
        return;
      use (server, length);
    }
  smtp_input_release (server);
  g_autoptr (BaseReply) reply = g_steal_pointer (&server->refusal);
  gboolean each = server->limits->lmtp && server->last && server->after == SMTP_STATE_SPOILT;
  server->state = server->after;
  /* RFC 2033 section 4.3: LAST has a reply for each recipient, and none where there is none. */
  for (guint i = 0; i < (each ? server->recipients : 1); i++)
    smtp_server_write (server, &smtp_command_bdat, reply);
}

static const SmtpServerEvent *
show (SmtpServer *server, const SmtpDataRun *run)
{
  server->event.type = SMTP_SERVER_CHUNK;
  server->event.bytes = run->bytes;
  server->event.length = run->length;
  server->event.dots = server->data.dots;
  return &server->event;
}

/* All octets of the chunk are in. */
static const SmtpServerEvent *
finish (SmtpServer *server)
{
  SmtpData *data = &server->data;
  SmtpDataRun run;

  smtp_input_release (server);
  if (server->last && smtp_data_finish (data, server->limits, &run) == SMTP_DATA_RUN)
    return show (server, &run);
  if (server->last || (data->fault != SMTP_FAULT_NONE && !server->limits->lmtp))
    {
      server->state = SMTP_STATE_DATA;
      server->event.fault = data->fault;
      server->event.size = data->size;
      return smtp_server_open_event (server, &smtp_command_end);
    }
  server->state = SMTP_STATE_CHUNKS;
  smtp_server_write (server, &smtp_command_bdat, BASE_REPLY (250, 2, 0, 0, "Chunk received"));
  return NULL;
}

const SmtpServerEvent *
smtp_chunk_next (SmtpServer *server)
{
  SmtpDataRun run;
  gsize length;

  if (server->dropped)
    {
      next_dropped (server);
      return NULL;
    }
  while (TRUE)
    {
      guint8 *bytes = take_bytes (server, &length);
      SmtpDataResult result = smtp_data_scan (&server->data, server->limits, bytes, length, &run);
      use (server, run.used);
      if (result == SMTP_DATA_RUN)
        return show (server, &run);
      if (server->chunk == 0)
        return finish (server);
      if (length == 0)
        return NULL;
    }
}
