/* EXPN (RFC 5321 section 4.1.1.7): a gateway has no lists to expand. */
#include "smtp/commands/command.h"

static BaseReply *
usual (const SmtpServerEvent *event, const gchar *hostname)
{
  return base_reply_new (502, 5, 5, 1, "EXPN is not implemented");
}

const SmtpCommand smtp_command_expn = {
  .event = SMTP_SERVER_EXPN,
  .verb = "EXPN",
  .syntax = "EXPN list",
  .states = SMTP_STATES_ALL,
  .parse = smtp_parse_required,
  .usual = usual,
};
