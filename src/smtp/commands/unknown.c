/* A line whose verb is no row's: the host may know it (filters register commands); by itself it is
 * a 500 that names the line. */
#include "smtp/commands/command.h"

#include <string.h>

#include "smtp/parameters.h"

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
  .parse = smtp_parse_optional,
  .usual = usual,
};
