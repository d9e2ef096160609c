/* QUIT (RFC 5321 section 4.1.1.10): the one command that is served even after a refused greeting.
 * Closes after any answer. */
#include "smtp/commands/command.h"

static void
answered (SmtpServer *server, const BaseReply *reply)
{
  smtp_server_close (server);
}

static BaseReply *
usual (const SmtpServerEvent *event, const gchar *hostname)
{
  return base_reply_new (221, 2, 0, 0, "Bye");
}

const SmtpCommand smtp_command_quit = {
  .event = SMTP_SERVER_QUIT,
  .verb = "QUIT",
  .syntax = "QUIT",
  .states = SMTP_STATES_ALL | SMTP_STATE_REFUSED,
  .flags = SMTP_COMMAND_BEFORE_TLS,
  .parse = smtp_parse_nothing,
  .answered = answered,
  .usual = usual,
};
