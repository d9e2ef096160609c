/* CONNECT: the event before the greeting. A refusal leaves a session in which only QUIT is served
 * (RFC 5321 section 3.1). */
#include "smtp/commands/command.h"

static void
answered (SmtpServer *server, const BaseReply *reply)
{
  server->state = base_reply_is_positive (reply) ? SMTP_STATE_START : SMTP_STATE_REFUSED;
}

static BaseReply *
usual (const SmtpServerEvent *event, const gchar *hostname)
{
  return base_reply_printf (220, 0, 0, 0, "%s ESMTP", hostname);
}

const SmtpCommand smtp_command_connect = {
  .event = SMTP_SERVER_CONNECT,
  .flags = SMTP_COMMAND_PLAIN,
  .answered = answered,
  .usual = usual,
};
