/* DATA and the end of the data (RFC 5321 section 4.1.1.4; without a recipient, RFC 2033 section 4.2
 * has 503). Only 354 opens the data; any other
 * answer leaves the transaction as it was. Any answer to the end closes the transaction, and after
 * a bare newline the session: what follows may be smuggled. */
#include "smtp/commands/command.h"

static BaseReply *
parse (SmtpServer *server, const SmtpCommand *row, const gchar *argument, gsize length)
{
  if (length > 0)
    return smtp_command_syntax_error (row);
  if (server->state == SMTP_STATE_MAIL)
    return server->refused > 0 && !server->limits->lmtp
               ? base_reply_new (554, 5, 5, 1, "No valid recipients")
               : base_reply_new (503, 5, 5, 1, "Need RCPT command");
  if (server->binary)
    return base_reply_new (503, 5, 5, 1, "BODY=BINARYMIME needs BDAT"); /* RFC 3030 section 3 */
  return NULL;
}

static void
data_answered (SmtpServer *server, const BaseReply *reply)
{
  if (reply->code != 354)
    return;
  server->state = SMTP_STATE_DATA;
  server->chunked = FALSE;
  smtp_data_start (&server->data);
}

static BaseReply *
data_usual (const SmtpServerEvent *event, const gchar *hostname)
{
  return base_reply_new (354, 0, 0, 0, "End data with <CR><LF>.<CR><LF>");
}

const SmtpCommand smtp_command_data = {
  .event = SMTP_SERVER_DATA,
  .verb = "DATA",
  .syntax = "DATA",
  .states = SMTP_STATES_OPEN,
  .misplaced = "Need MAIL command",
  .parse = parse,
  .answered = data_answered,
  .usual = data_usual,
};

static void
end_answered (SmtpServer *server, const BaseReply *reply)
{
  SmtpFault fault = server->data.fault;

  gboolean cut = server->chunked && !server->last;

  smtp_server_clear_transaction (server);
  server->chunk_failed = cut;
  if (fault == SMTP_FAULT_BARE_CR || fault == SMTP_FAULT_BARE_LF)
    smtp_server_close (server);
}

static BaseReply *
end_usual (const SmtpServerEvent *event, const gchar *hostname)
{
  switch (event->fault)
    {
    case SMTP_FAULT_BARE_CR:
      return base_reply_new (550, 5, 6, 11, "Bare <CR> in the message");
    case SMTP_FAULT_BARE_LF:
      return base_reply_new (550, 5, 6, 11, "Bare <LF> in the message");
    case SMTP_FAULT_TOO_BIG:
      return base_reply_new (552, 5, 3, 4, "Message size exceeds fixed limit");
    case SMTP_FAULT_LINE_LENGTH:
      return base_reply_new (500, 5, 6, 0, "Line too long in the message");
    case SMTP_FAULT_SYNTAX:
    case SMTP_FAULT_NONE:
      break;
    }
  return base_reply_new (250, 2, 0, 0, "Ok");
}

const SmtpCommand smtp_command_end = {
  .event = SMTP_SERVER_END,
  .answered = end_answered,
  .usual = end_usual,
};
