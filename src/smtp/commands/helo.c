/* HELO (RFC 5321 section 4.1.1.1): names the client and takes back what EHLO offered. Clears the
 * transaction if accepted. */
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
  return base_reply_new (250, 0, 0, 0, hostname);
}

const SmtpCommand smtp_command_helo = {
  .event = SMTP_SERVER_HELO,
  .verb = "HELO",
  .syntax = "HELO hostname",
  .states = SMTP_STATES_ALL,
  .flags = SMTP_COMMAND_BEFORE_TLS | SMTP_COMMAND_PLAIN | SMTP_COMMAND_SMTP,
  .parse = smtp_parse_domain,
  .answered = answered,
  .usual = usual,
};
