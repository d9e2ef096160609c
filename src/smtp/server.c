/* The dispatcher of the server machine: takes a line, finds its row, checks what every command has
 * in common, hands out the event, and takes the answer. What the client did wrong ends in a reply
 * of our own, in its place behind the answers that the host still owes; what the host does wrong
 * (an answer without an event) is a critical warning. */
#include "smtp/server.h"

#include <string.h>

#include "smtp/commands/command.h"
#include "smtp/parameters.h"
#include "smtp/server-input.h"

/* A reply of ours that waits for `wait` answers of the host, counted from the queued reply before
 * it. */
typedef struct
{
  BaseReply *reply;
  guint wait;
} QueuedReply;

SmtpServer *
smtp_server_new (const SmtpServerLimits *limits)
{
  SmtpServer *server = g_new0 (SmtpServer, 1);

  server->limits = limits;
  server->state = SMTP_STATE_CONNECT;
  return server;
}

static void
queued_reply_free (QueuedReply *queued)
{
  base_reply_free (queued->reply);
  g_free (queued);
}

/* The event is not shown any more: its octets are consumed, its path is freed. */
static void
release_event (SmtpServer *server)
{
  smtp_input_release (server);
  base_path_free ((BasePath *) server->event.path);
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
  g_queue_clear_full (&server->replies, (GDestroyNotify) queued_reply_free);
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
  if (server->state & (SMTP_STATES_OPEN | SMTP_STATES_IDLE | SMTP_STATE_DATA))
    server->state = server->named ? SMTP_STATE_READY : SMTP_STATE_START;
  server->recipients = 0;
  server->refused = 0;
  server->utf8 = FALSE;
  server->binary = FALSE;
  server->mail_failed = FALSE;
}

void
smtp_server_close (SmtpServer *server)
{
  server->state = SMTP_STATE_CLOSED;
  server->open = NULL;
  server->pending = 0;
  g_queue_clear_full (&server->replies, (GDestroyNotify) queued_reply_free);
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

/* Replies to the greeting, HELO and EHLO never carry an enhanced code, others from the EHLO on that
 * offered them. */
static void
write_reply (SmtpServer *server, const SmtpCommand *row, const BaseReply *reply)
{
  gboolean plain = row != NULL && (row->flags & SMTP_COMMAND_PLAIN);

  base_reply_write (reply, !plain && (server->offered & SMTP_CAP_ENHANCEDSTATUSCODES),
                    &server->output);
  if (reply->code == 421)
    smtp_server_close (server);
}

/* Whether a reply counts against the limit on bad commands: syntax, sequence, unknown, not before
 * TLS, bad parameter. */
static gboolean
is_bad (guint code)
{
  return (code >= 500 && code <= 504) || code == 530 || code == 555;
}

static BaseReply *
too_many_errors (void)
{
  return base_reply_new (421, 4, 7, 0, "Too many errors");
}

static gboolean
count_bad (SmtpServer *server)
{
  return ++server->bad > server->limits->bad_commands;
}

static guint
queued_waits (SmtpServer *server)
{
  guint waits = 0;

  for (GList *link = server->replies.head; link != NULL; link = link->next)
    waits += ((QueuedReply *) link->data)->wait;
  return waits;
}

/* Sends a reply of ours, at once or behind the answers that the host owes. Takes the reply. */
static void
send_own (SmtpServer *server, const SmtpCommand *row, BaseReply *reply)
{
  g_autoptr (BaseReply) owned = reply;

  if (server->pending == 0)
    {
      write_reply (server, row, reply);
      return;
    }
  QueuedReply *queued = g_new (QueuedReply, 1);
  queued->wait = server->pending - queued_waits (server);
  queued->reply = g_steal_pointer (&owned);
  g_queue_push_tail (&server->replies, queued);
  server->ending = reply->code == 421;
}

/* One more answer of the host is out: what stood right behind it follows. */
static void
send_queued (SmtpServer *server)
{
  QueuedReply *queued = g_queue_peek_head (&server->replies);

  if (queued != NULL)
    queued->wait--;
  while (queued != NULL && queued->wait == 0)
    {
      g_queue_pop_head (&server->replies);
      write_reply (server, NULL, queued->reply);
      queued_reply_free (queued);
      queued = g_queue_peek_head (&server->replies);
    }
}

static void
refuse (SmtpServer *server, const SmtpCommand *row, BaseReply *reply)
{
  if (is_bad (reply->code) && count_bad (server))
    {
      base_reply_free (reply);
      reply = too_many_errors ();
    }
  else if (row == &smtp_command_rcpt && (server->state & SMTP_STATES_OPEN))
    server->refused++;
  else if (row == &smtp_command_mail && (server->state & SMTP_STATES_IDLE))
    {
      smtp_server_clear_transaction (server);
      server->mail_failed = TRUE;
    }
  send_own (server, row, reply);
}

/* A command in the wrong place. RCPT and DATA that were pipelined behind a refused MAIL (RFC 2920)
 * do not count as bad, up to as many as a transaction may have. */
static void
refuse_misplaced (SmtpServer *server, const SmtpCommand *row)
{
  const gchar *text
      = server->state == SMTP_STATE_REFUSED ? "Bad sequence of commands" : row->misplaced;
  BaseReply *reply = base_reply_new (503, 5, 5, 1, text);
  gboolean behind = (row == &smtp_command_rcpt || row == &smtp_command_data) && server->mail_failed;

  if (behind && server->refused++ <= server->limits->recipients)
    send_own (server, row, reply);
  else
    refuse (server, row, reply);
}

static const SmtpServerEvent *
open_event (SmtpServer *server, const SmtpCommand *row)
{
  server->open = row;
  server->pending++;
  server->event.type = row->event;
  return &server->event;
}

static gboolean
is_space (gchar c)
{
  return c == ' ' || c == '\t';
}

static const SmtpCommand *
row_of_line (const SmtpLine *line, gsize *verb)
{
  *verb = 0;
  while (*verb < line->length && !is_space (line->bytes[*verb]))
    (*verb)++;
  const SmtpCommand *row = smtp_command_find (line->bytes, *verb);
  return row == NULL ? &smtp_command_unknown : row;
}

/* Octets that no command line has. The line ended at its LF whatever it contains, so that the
 * session goes on behind it. */
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

/* NULL: the command was refused, and answered here. */
static const SmtpServerEvent *
begin_command (SmtpServer *server, const SmtpCommand *row, const SmtpLine *line, gsize verb)
{
  BaseReply *refusal = check_line (server, line);
  gboolean early = server->limits->require_tls && !server->tls;

  if (refusal == NULL
      && (server->state == SMTP_STATE_REFUSED && !(row->states & SMTP_STATE_REFUSED)))
    {
      refuse_misplaced (server, row);
      return NULL;
    }
  if (refusal == NULL && early && !(row->flags & SMTP_COMMAND_BEFORE_TLS))
    refusal = base_reply_new (530, 5, 7, 0, "Must issue a STARTTLS command first");
  if (refusal == NULL && !(row->states & server->state))
    {
      refuse_misplaced (server, row);
      return NULL;
    }
  if (refusal == NULL)
    refusal = parse_line (server, row, line, verb);
  if (refusal == NULL)
    return open_event (server, row);
  refuse (server, row, refusal);
  return NULL;
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
      return &server->event;
    case SMTP_DATA_END:
      break;
    }
  server->event.fault = server->data.fault;
  server->event.size = server->data.size;
  return open_event (server, &smtp_command_end);
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
      if (result == SMTP_LINE_TOO_LONG)
        {
          refuse (server, NULL, base_reply_new (500, 5, 5, 2, "Line too long"));
          continue;
        }
      const SmtpCommand *row = row_of_line (&line, &verb);
      if (server->pending > 0 && !(row->flags & SMTP_COMMAND_AHEAD))
        {
          server->used = 0;
          return NULL;
        }
      const SmtpServerEvent *event = begin_command (server, row, &line, verb);
      if (event != NULL)
        return event;
      release_event (server);
    }
  return NULL;
}

const SmtpServerEvent *
smtp_server_next (SmtpServer *server)
{
  release_event (server);
  if (!may_go_on (server))
    return NULL;
  if (server->state == SMTP_STATE_CONNECT)
    return open_event (server, &smtp_command_connect);
  return server->state == SMTP_STATE_DATA ? next_data (server) : next_command (server);
}

void
smtp_server_answer (SmtpServer *server, const BaseReply *reply)
{
  const SmtpCommand *row = server->open;
  g_autoptr (BaseReply) instead = NULL;

  if (server->state == SMTP_STATE_CLOSED)
    return;
  g_return_if_fail (row != NULL);
  if (--server->pending == 0)
    server->open = NULL;
  if (row == &smtp_command_unknown && is_bad (reply->code) && count_bad (server))
    reply = instead = too_many_errors ();
  write_reply (server, row, reply);
  if (server->state == SMTP_STATE_CLOSED)
    return;
  if (row->answered != NULL)
    row->answered (server, reply);
  send_queued (server);
}

void
smtp_server_answer_close (SmtpServer *server, const BaseReply *reply)
{
  if (server->state == SMTP_STATE_CLOSED)
    return;
  write_reply (server, server->open, reply);
  smtp_server_close (server);
}

void
smtp_server_answer_ehlo (SmtpServer *server, const gchar *greeting, SmtpCapabilities offered,
                         const gchar *extra)
{
  gboolean extended = server->open == &smtp_command_ehlo;

  if (server->tls)
    offered.flags &= ~(guint32) SMTP_CAP_STARTTLS; /* RFC 3207 section 4.2 */
  g_autofree gchar *lines = smtp_capabilities_to_lines (offered);
  BaseReply *reply = base_reply_new (250, 0, 0, 0, greeting);
  if (extended && *lines != '\0')
    base_reply_add_line (reply, lines);
  if (extended && extra != NULL && *extra != '\0')
    base_reply_add_line (reply, extra);
  smtp_server_answer (server, reply);
  base_reply_free (reply);
  if (extended)
    server->offered = offered.flags;
}

void
smtp_server_tls_started (SmtpServer *server)
{
  server->tls = TRUE;
  if (server->state != SMTP_STATE_TLS)
    return;
  smtp_server_drop_input (server);
  server->state = SMTP_STATE_START;
  server->named = FALSE;
  server->offered = 0;
  smtp_server_clear_transaction (server);
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

gboolean
smtp_server_in_transaction (const SmtpServer *server)
{
  return (server->state & (SMTP_STATES_OPEN | SMTP_STATE_DATA)) != 0;
}

gboolean
smtp_server_in_data (const SmtpServer *server)
{
  return server->state == SMTP_STATE_DATA && server->open == NULL;
}

gboolean
smtp_server_awaits_answer (const SmtpServer *server)
{
  return server->pending > 0;
}

BaseReply *
smtp_server_default_reply (const SmtpServerEvent *event, const gchar *hostname)
{
  const SmtpCommand *row = smtp_command_of_event (event->type);

  if (row == NULL)
    return NULL;
  return row->usual == NULL ? base_reply_new (250, 2, 0, 0, "Ok") : row->usual (event, hostname);
}
