/* XFORWARD (Postfix's XFORWARD_README): a peer that is trusted says where the next message came
 * from, for the log. Refused here: bad syntax, unknown or doubled attributes. */
#include "smtp/attributes.h"
#include "smtp/commands/command.h"

static BaseReply *
parse (SmtpServer *server, const SmtpCommand *row, const gchar *argument, gsize length)
{
  if (length == 0)
    return smtp_command_syntax_error (row);
  return smtp_attributes_parse (argument, smtp_xforward_names, &server->event.attributes);
}

const SmtpCommand smtp_command_xforward = {
  .event = SMTP_SERVER_XFORWARD,
  .verb = "XFORWARD",
  .syntax = "XFORWARD name=value ...",
  .states = SMTP_STATES_IDLE,
  .flags = SMTP_COMMAND_TRUSTED,
  .offer = SMTP_CAP_XFORWARD,
  .misplaced = "Not during a mail transaction",
  .parse = parse,
};
