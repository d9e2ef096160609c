/* RSET (RFC 5321 section 4.1.1.5): forgets the transaction, whatever the answer says. */
#include "smtp/commands/command.h"

static void
answered (SmtpServer *server, const BaseReply *reply)
{
  smtp_server_clear_transaction (server);
}

const SmtpCommand smtp_command_rset = {
  .event = SMTP_SERVER_RSET,
  .verb = "RSET",
  .syntax = "RSET",
  .states = SMTP_STATES_ALL,
  .flags = SMTP_COMMAND_BEFORE_TLS,
  .parse = smtp_parse_nothing,
  .answered = answered,
};
