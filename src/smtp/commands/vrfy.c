/* VRFY (RFC 5321 sections 3.5.3 and 4.1.1.6): by itself it promises nothing about the address. */
#include "smtp/commands/command.h"

static BaseReply *
usual (const SmtpServerEvent *event, const gchar *hostname)
{
  return base_reply_new (252, 2, 5, 0,
                         "Cannot VRFY the address, but will take mail for it and try");
}

const SmtpCommand smtp_command_vrfy = {
  .event = SMTP_SERVER_VRFY,
  .verb = "VRFY",
  .syntax = "VRFY address",
  .states = SMTP_STATES_ALL,
  .parse = smtp_parse_required,
  .usual = usual,
};
