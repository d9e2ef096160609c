/* STARTTLS (RFC 3207 section 4): 220 stops the machine until the handshake is complete; input
 * behind the command is never read. Refused here: an argument, a second time, not offered. */
#include "smtp/commands/command.h"

static BaseReply *
parse (SmtpServer *server, const SmtpCommand *row, const gchar *argument, gsize length)
{
  if (length > 0)
    return smtp_command_syntax_error (row);
  if (server->tls)
    return base_reply_new (503, 5, 5, 1, "TLS is already active");
  if (!(server->offered & SMTP_CAP_STARTTLS))
    return base_reply_new (502, 5, 5, 1, "STARTTLS is not offered");
  return NULL;
}

static void
answered (SmtpServer *server, const BaseReply *reply)
{
  if (reply->code == 220)
    server->state = SMTP_STATE_TLS;
}

static BaseReply *
usual (const SmtpServerEvent *event, const gchar *hostname)
{
  return base_reply_new (220, 2, 0, 0, "Ready to start TLS");
}

const SmtpCommand smtp_command_starttls = {
  .event = SMTP_SERVER_STARTTLS,
  .verb = "STARTTLS",
  .syntax = "STARTTLS",
  .states = SMTP_STATES_IDLE,
  .flags = SMTP_COMMAND_BEFORE_TLS,
  .misplaced = "Not during a mail transaction",
  .parse = parse,
  .answered = answered,
  .usual = usual,
};
