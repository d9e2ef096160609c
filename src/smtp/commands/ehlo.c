/* EHLO (RFC 5321 section 4.1.1.1), and LMTP's LHLO (RFC 2033 section 4.1), which differs in its
 * verb alone: names the client. Clears the transaction if accepted; a refusal
 * changes nothing (section 4.1.4). What is offered comes with smtp_server_answer_ehlo(); answered
 * otherwise, nothing is. */
#include "smtp/commands/command.h"

static void
answered (SmtpServer *server, const BaseReply *reply)
{
  if (!base_reply_is_positive (reply))
    return;
  server->named = TRUE;
  server->offered = 0;
  smtp_server_clear_transaction (server);
}

static BaseReply *
usual (const SmtpServerEvent *event, const gchar *hostname)
{
  return base_reply_printf (250, 0, 0, 0, "%s\nHELP", hostname);
}

const SmtpCommand smtp_command_ehlo = {
  .event = SMTP_SERVER_EHLO,
  .verb = "EHLO",
  .syntax = "EHLO hostname",
  .states = SMTP_STATES_ALL,
  .flags = SMTP_COMMAND_BEFORE_TLS | SMTP_COMMAND_PLAIN | SMTP_COMMAND_SMTP,
  .parse = smtp_parse_domain,
  .answered = answered,
  .usual = usual,
};

const SmtpCommand smtp_command_lhlo = {
  .event = SMTP_SERVER_EHLO,
  .verb = "LHLO",
  .syntax = "LHLO hostname",
  .states = SMTP_STATES_ALL,
  .flags = SMTP_COMMAND_BEFORE_TLS | SMTP_COMMAND_PLAIN | SMTP_COMMAND_LMTP,
  .parse = smtp_parse_domain,
  .answered = answered,
  .usual = usual,
};
