/* A line whose verb is no row's: the host may know it (filters register commands); by itself it is
 * a 500 that names the line. */
#include "smtp/commands/command.h"

#include <string.h>

#include "smtp/parameters.h"

/* What a client that waits for nobody sent behind an AUTH that was refused may be its password: it
 * goes into no reply, no filter and no log. */
static BaseReply *
parse (SmtpServer *server, const SmtpCommand *row, const gchar *argument, gsize length)
{
  if (server->auth_failed)
    server->event.argument = "***";
  return NULL;
}

static BaseReply *
usual (const SmtpServerEvent *event, const gchar *hostname)
{
  g_autofree gchar *line = smtp_quote (event->argument, strlen (event->argument));

  return base_reply_printf (500, 5, 5, 1, "Unrecognized command: \"%s\"", line);
}

const SmtpCommand smtp_command_unknown = {
  .event = SMTP_SERVER_UNKNOWN,
  .syntax = "",
  .states = SMTP_STATES_ALL,
  .flags = SMTP_COMMAND_COUNTED,
  .parse = parse,
  .usual = usual,
};
