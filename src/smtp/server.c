/* The dispatcher of the server machine: takes a line, finds its row, checks what every command has
 * in common, hands out the event, and takes the answer. What the client did wrong ends in a reply
 * of our own, in its place behind the answers that the host still owes; what the host does wrong
 * (an answer without an event) is a critical warning. */
#include "smtp/server.h"

#include <string.h>

#include "smtp/commands/command.h"
#include "smtp/server-auth.h"
#include "smtp/server-chunk.h"
#include "smtp/server-input.h"

SmtpServer *
smtp_server_new (const SmtpServerLimits *limits)
{
  SmtpServer *server = g_new (SmtpServer, 1);

  *server = (SmtpServer){ .limits = limits, .state = SMTP_STATE_CONNECT };
  return server;
}

/* The event is not shown any more: its octets are consumed, its path is freed. */
static void
release_event (SmtpServer *server)
{
  smtp_input_release (server);
  base_path_free ((BasePath *) server->event.path);
  if (server->event.type == SMTP_SERVER_XCLIENT || server->event.type == SMTP_SERVER_XFORWARD)
    g_strfreev ((gchar **) server->event.attributes);
  if (server->event.type == SMTP_SERVER_REFUSED)
    base_reply_free ((BaseReply *) server->event.reply);
  memset (&server->event, 0, sizeof server->event);
  if (server->state & (SMTP_STATE_TLS | SMTP_STATE_CLOSED))
    smtp_server_drop_input (server);
}

void
smtp_server_free (SmtpServer *server)
{
  if (server == NULL)
    return;
  release_event (server);
  smtp_server_close (server);
  base_reply_free (server->refusal);
  base_reply_free (server->untold);
  g_free (server->mechanisms);
  base_buffer_clear (&server->held);
  base_output_clear (&server->output);
  g_free (server);
}

void
smtp_server_drop_input (SmtpServer *server)
{
  server->used = 0;
  server->dropping = FALSE;
  base_buffer_clear (&server->held);
  if (server->window_length > 0)
    server->window += server->window_length;
  server->window_length = 0;
}

void
smtp_server_clear_transaction (SmtpServer *server)
{
  if (server->state & (SMTP_STATES_ALL | SMTP_STATE_DATA))
    server->state = server->named ? SMTP_STATE_READY : SMTP_STATE_START;
  server->recipients = 0;
  server->refused = 0;
  server->utf8 = FALSE;
  server->binary = FALSE;
  server->mail_failed = FALSE;
  server->chunk_failed = FALSE;
  server->tiny = 0;
}

void
smtp_server_feed (SmtpServer *server, guint8 *bytes, gsize length)
{
  g_return_if_fail (server->window == NULL);
  if (length == 0)
    return;
  server->window = bytes;
  server->window_length = length;
}

void
smtp_server_settle (SmtpServer *server)
{
  release_event (server);
  if (server->window_length > 0)
    base_buffer_append (&server->held, server->window, server->window_length);
  server->window = NULL;
  server->window_length = 0;
}

/* What a refusal by the machine does to the session, but for the reply. Returns what to say; takes
 * and gives ownership. */
static BaseReply *
judge (SmtpServer *server, const SmtpCommand *row, BaseReply *reply)
{
  BaseReply *instead = smtp_server_count_bad (server, reply);

  if (instead != NULL)
    {
      base_reply_free (reply);
      return instead;
    }
  if (row == &smtp_command_rcpt && (server->state & SMTP_STATES_OPEN))
    server->refused++;
  else if (row == &smtp_command_mail && (server->state & SMTP_STATES_IDLE))
    {
      smtp_server_clear_transaction (server);
      server->mail_failed = TRUE;
    }
  return reply;
}

/* A command in the wrong place. */
static BaseReply *
misplaced (const SmtpServer *server, const SmtpCommand *row)
{
  switch (server->state)
    {
    case SMTP_STATE_REFUSED:
      return base_reply_new (503, 5, 5, 1, "Bad sequence of commands");
    case SMTP_STATE_CHUNKS:
      return base_reply_new (503, 5, 5, 1, "Not between the chunks of a message");
    case SMTP_STATE_SPOILT:
      return base_reply_new (503, 5, 5, 1, "A chunk was refused, send RSET");
    default:
      return base_reply_new (503, 5, 5, 1, row->misplaced);
    }
}

/* What was pipelined behind a refusal (RFC 2920) does not count as bad, up to as many as a
 * transaction may have. */
static gboolean
is_behind_refusal (SmtpServer *server, const SmtpCommand *row)
{
  if ((row == &smtp_command_rcpt || row == &smtp_command_data) && server->mail_failed)
    return server->refused++ <= server->limits->recipients;
  if (row == &smtp_command_bdat
      && (server->mail_failed || server->chunk_failed || server->state == SMTP_STATE_SPOILT))
    return server->tiny < SMTP_SERVER_MAX_TINY_CHUNKS && ++server->tiny > 0;
  return FALSE;
}

const SmtpServerEvent *
smtp_server_open_event (SmtpServer *server, const SmtpCommand *row)
{
  server->open = row;
  server->pending++;
  server->event.type = row->event;
  if (row == &smtp_command_end)
    {
      gboolean each = server->limits->lmtp && (!server->chunked || server->last);
      server->answers = server->event.answers = each ? server->recipients : 1;
    }
  return &server->event;
}

static gboolean
is_space (gchar c)
{
  return c == ' ' || c == '\t';
}

static const SmtpCommand *
row_of_line (const SmtpServer *server, const SmtpLine *line, gsize *verb)
{
  *verb = 0;
  while (*verb < line->length && !is_space (line->bytes[*verb]))
    (*verb)++;
  const SmtpCommand *row = smtp_command_find (line->bytes, *verb);
  if (row != NULL && (!(row->flags & SMTP_COMMAND_LMTP) || server->limits->lmtp))
    return row;
  if (row == NULL && smtp_command_find_added (server, line->bytes, *verb) != NULL)
    return &smtp_command_added;
  return &smtp_command_unknown;
}

/* Two readers of this line may see two commands in it, or another end: behind it nobody is believed
 * any more. */
static gboolean
is_torn (const SmtpServer *server, const SmtpLine *line)
{
  return server->limits->newlines == SMTP_NEWLINES_REFUSE
         && (line->bare_lf || memchr (line->bytes, '\r', line->length) != NULL);
}

/* Octets that no command line has. */
static BaseReply *
check_line (SmtpServer *server, const SmtpLine *line)
{
  if (memchr (line->bytes, '\0', line->length) != NULL)
    return base_reply_new (500, 5, 5, 2, "NUL in command line");
  if (line->bare_lf && server->limits->newlines == SMTP_NEWLINES_REFUSE)
    return base_reply_new (500, 5, 5, 2, "Command line ended by a bare LF");
  if (memchr (line->bytes, '\r', line->length) != NULL)
    return base_reply_new (500, 5, 5, 2, "Bare CR in command line");
  return NULL;
}

/* The row's own parser, with the spaces around the argument gone. An unknown line is its own
 * argument. */
static BaseReply *
parse_line (SmtpServer *server, const SmtpCommand *row, const SmtpLine *line, gsize verb)
{
  gchar *argument = line->bytes + (row->verb == NULL ? 0 : verb);
  gchar *end = line->bytes + line->length;

  while (row->verb != NULL && argument < end && is_space (*argument))
    argument++;
  while (row->verb != NULL && end > argument && is_space (end[-1]))
    end--;
  *end = '\0';
  server->event.argument = argument;
  return row->parse (server, row, argument, (gsize) (end - argument));
}

static BaseReply *
not_offered (const SmtpServer *server, const SmtpCommand *row)
{
  if (server->state == SMTP_STATE_START)
    return base_reply_printf (503, 5, 5, 1, "Send %s first",
                              server->limits->lmtp ? "LHLO" : "EHLO");
  if (row->flags & SMTP_COMMAND_TRUSTED)
    return base_reply_printf (550, 5, 7, 0, "Not authorized to use %s", row->verb);
  return base_reply_printf (502, 5, 5, 1, "%s is not offered", row->verb);
}

/* What can be said against a command before its own parser. */
static BaseReply *
check_place (SmtpServer *server, const SmtpCommand *row)
{
  if (server->state == SMTP_STATE_REFUSED && !(row->states & SMTP_STATE_REFUSED))
    return misplaced (server, row);
  if (server->limits->require_tls && !server->tls && !(row->flags & SMTP_COMMAND_BEFORE_TLS))
    return base_reply_new (530, 5, 7, 0, "Must issue a STARTTLS command first");
  if ((row->flags & SMTP_COMMAND_SMTP) && server->limits->lmtp)
    return base_reply_new (500, 5, 5, 1, "This is LMTP, send LHLO");
  if (row->offer != 0 && !(server->offered & row->offer))
    return not_offered (server, row);
  if (!(row->states & server->state))
    return misplaced (server, row);
  return NULL;
}

static void
refuse (SmtpServer *server, const SmtpCommand *row, const SmtpChunkLine *chunk, BaseReply *reply,
        gboolean last)
{
  if (row != &smtp_command_unknown)
    server->auth_failed = row == &smtp_command_auth;
  if (reply->code != 503 || !is_behind_refusal (server, row))
    reply = judge (server, row, reply);
  smtp_server_note_refusal (server, row, reply);
  if (row == &smtp_command_bdat)
    smtp_chunk_refuse (server, chunk, reply, last);
  else
    smtp_server_send_own (server, row, reply, last);
}

/* NULL: the command was refused, and answered here, or needs no event. */
static const SmtpServerEvent *
begin_command (SmtpServer *server, const SmtpCommand *row, const SmtpLine *line, gsize verb)
{
  SmtpChunkLine chunk = { SMTP_CHUNK_NONE, FALSE, 0 };
  BaseReply *refusal = check_line (server, line);

  if (row == &smtp_command_bdat)
    smtp_chunk_measure (line->bytes + verb, line->length - verb, &chunk);
  if (refusal == NULL)
    refusal = check_place (server, row);
  if (refusal == NULL)
    refusal = parse_line (server, row, line, verb);
  if (refusal != NULL)
    {
      refuse (server, row, &chunk, refusal, is_torn (server, line));
      return NULL;
    }
  if (row != &smtp_command_unknown)
    server->auth_failed = FALSE;
  if (row == &smtp_command_bdat && !smtp_chunk_begin (server, &chunk))
    return NULL;
  return smtp_server_open_event (server, row);
}

static const SmtpServerEvent *
next_data (SmtpServer *server)
{
  SmtpDataResult result;
  SmtpDataRun run;
  gsize length;

  do
    {
      smtp_input_release (server);
      guint8 *bytes = smtp_input_bytes (server, &length);
      result = smtp_data_scan (&server->data, server->limits, bytes, length, &run);
      server->used = run.used;
    }
  while (result == SMTP_DATA_MORE && length > 0);

  switch (result)
    {
    case SMTP_DATA_MORE:
      return NULL;
    case SMTP_DATA_RUN:
      server->event.type = SMTP_SERVER_CHUNK;
      server->event.bytes = run.bytes;
      server->event.length = run.length;
      server->event.dots = server->data.dots;
      return &server->event;
    case SMTP_DATA_END:
      break;
    }
  server->event.fault = server->data.fault;
  server->event.size = server->data.size;
  return smtp_server_open_event (server, &smtp_command_end);
}

/* Commands wait for the answer to the one before, but for RCPT behind RCPT; and the RCPT that may
 * be one too many waits for the fate of those before it. */
static gboolean
may_go_on (const SmtpServer *server)
{
  if (server->ending || (server->state & (SMTP_STATE_TLS | SMTP_STATE_CLOSED)))
    return FALSE;
  if (server->pending == 0)
    return TRUE;
  return (server->open->flags & SMTP_COMMAND_AHEAD)
         && server->pending + server->replies.length < SMTP_SERVER_MAX_PENDING
         && server->recipients + server->pending < server->limits->recipients;
}

static void
refuse_long_line (SmtpServer *server, gboolean bare_lf)
{
  BaseReply *reply = base_reply_new (500, 5, 5, 2, "Line too long");
  gboolean torn = bare_lf && server->limits->newlines == SMTP_NEWLINES_REFUSE;

  reply = judge (server, NULL, reply);
  smtp_server_note_refusal (server, NULL, reply);
  smtp_server_send_own (server, NULL, reply, torn || server->lost);
}

static const SmtpServerEvent *
tell_refusal (SmtpServer *server)
{
  const SmtpCommand *row = smtp_command_of_event (server->untold_event);

  release_event (server);
  server->event.type = SMTP_SERVER_REFUSED;
  server->event.argument = row->verb != NULL ? row->verb : "";
  server->event.reply = g_steal_pointer (&server->untold);
  return &server->event;
}

/* Also NULL when a chunk follows. */
static const SmtpServerEvent *
next_command (SmtpServer *server)
{
  SmtpLine line;
  gsize verb;

  while (may_go_on (server))
    {
      SmtpLineResult result = smtp_input_take_line (server, &line);
      if (result == SMTP_LINE_NONE)
        return NULL;
      if (server->state == SMTP_STATE_AUTH)
        {
          gboolean good = result == SMTP_LINE_GOOD;
          gboolean torn = server->limits->newlines == SMTP_NEWLINES_REFUSE
                          && (good ? is_torn (server, &line) : line.bare_lf);
          smtp_auth_take_response (server, good ? &line : NULL, torn);
          return smtp_server_open_event (server, &smtp_command_auth_response);
        }
      if (result == SMTP_LINE_TOO_LONG)
        {
          refuse_long_line (server, line.bare_lf);
          if (server->untold != NULL)
            return tell_refusal (server);
          continue;
        }
      const SmtpCommand *row = row_of_line (server, &line, &verb);
      if (server->pending > 0 && !(row->flags & SMTP_COMMAND_AHEAD))
        {
          server->used = 0;
          return NULL;
        }
      const SmtpServerEvent *event = begin_command (server, row, &line, verb);
      if (event != NULL)
        return event;
      release_event (server);
      if (server->untold != NULL)
        return tell_refusal (server);
      if (server->state == SMTP_STATE_CHUNK)
        return NULL;
    }
  return NULL;
}

const SmtpServerEvent *
smtp_server_next (SmtpServer *server)
{
  release_event (server);
  if (server->untold != NULL)
    return tell_refusal (server);
  if (!may_go_on (server))
    return NULL;
  if (server->state == SMTP_STATE_CONNECT)
    return smtp_server_open_event (server, &smtp_command_connect);
  if (server->state == SMTP_STATE_DATA)
    return next_data (server);
  while (TRUE)
    {
      gboolean chunk = server->state == SMTP_STATE_CHUNK;
      const SmtpServerEvent *event = chunk ? smtp_chunk_next (server) : next_command (server);
      if (event != NULL || chunk == (server->state == SMTP_STATE_CHUNK))
        return event;
    }
}

void
smtp_server_forget_client (SmtpServer *server)
{
  server->state = SMTP_STATE_START;
  server->named = FALSE;
  server->authenticated = FALSE;
  server->offered = 0;
  g_clear_pointer (&server->mechanisms, g_free);
  smtp_server_clear_transaction (server);
}

void
smtp_server_tls_started (SmtpServer *server)
{
  server->tls = TRUE;
  if (server->state != SMTP_STATE_TLS)
    return;
  smtp_server_drop_input (server);
  smtp_server_forget_client (server);
}

BaseOutput *
smtp_server_output (SmtpServer *server)
{
  return &server->output;
}

gboolean
smtp_server_wants_tls (const SmtpServer *server)
{
  return server->state == SMTP_STATE_TLS;
}

gboolean
smtp_server_is_closing (const SmtpServer *server)
{
  return server->state == SMTP_STATE_CLOSED;
}

/* The state that counts: a refused chunk is dropped within the one behind it. */
static SmtpState
outer_state (const SmtpServer *server)
{
  return server->state == SMTP_STATE_CHUNK && server->dropped ? server->after : server->state;
}

gboolean
smtp_server_in_transaction (const SmtpServer *server)
{
  return (outer_state (server)
          & (SMTP_STATES_OPEN | SMTP_STATES_BDAT | SMTP_STATE_CHUNK | SMTP_STATE_DATA))
         != 0;
}

gboolean
smtp_server_in_data (const SmtpServer *server)
{
  return (outer_state (server) & (SMTP_STATE_DATA | SMTP_STATE_CHUNK | SMTP_STATE_CHUNKS)) != 0
         && server->open == NULL;
}

gboolean
smtp_server_awaits_answer (const SmtpServer *server)
{
  return server->pending > 0;
}
