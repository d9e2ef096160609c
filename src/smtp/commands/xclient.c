/* XCLIENT (Postfix's XCLIENT_README): a peer that is trusted says who its client is. If accepted,
 * the session begins anew. Refused here: bad syntax, unknown or doubled attributes. */
#include "smtp/attributes.h"
#include "smtp/commands/command.h"

static BaseReply *
parse (SmtpServer *server, const SmtpCommand *row, const gchar *argument, gsize length)
{
  if (length == 0)
    return smtp_command_syntax_error (row);
  return smtp_attributes_parse (argument, smtp_xclient_names, &server->event.attributes);
}

static void
answered (SmtpServer *server, const BaseReply *reply)
{
  if (base_reply_is_positive (reply))
    smtp_server_forget_client (server);
}

static BaseReply *
usual (const SmtpServerEvent *event, const gchar *hostname)
{
  return base_reply_printf (220, 0, 0, 0, "%s ESMTP", hostname);
}

const SmtpCommand smtp_command_xclient = {
  .event = SMTP_SERVER_XCLIENT,
  .verb = "XCLIENT",
  .syntax = "XCLIENT name=value ...",
  .states = SMTP_STATES_IDLE,
  .flags = SMTP_COMMAND_TRUSTED,
  .offer = SMTP_CAP_XCLIENT,
  .misplaced = "Not during a mail transaction",
  .parse = parse,
  .answered = answered,
  .usual = usual,
};
