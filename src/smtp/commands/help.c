/* HELP (RFC 5321 section 4.1.1.8): lists the commands, or shows the syntax of one. */
#include "smtp/commands/command.h"

#include <string.h>

static BaseReply *
list_commands (void)
{
  g_autoptr (GString) names = g_string_new ("Commands:");

  for (const SmtpCommand *const *row = smtp_commands; *row != NULL; row++)
    if ((*row)->verb != NULL)
      g_string_append_printf (names, " %s", (*row)->verb);
  return base_reply_new (214, 2, 0, 0, names->str);
}

static BaseReply *
usual (const SmtpServerEvent *event, const gchar *hostname)
{
  const SmtpCommand *row = smtp_command_find (event->argument, strlen (event->argument));

  return row == NULL ? list_commands ()
                     : base_reply_printf (214, 2, 0, 0, "Syntax: %s", row->syntax);
}

const SmtpCommand smtp_command_help = {
  .event = SMTP_SERVER_HELP,
  .verb = "HELP",
  .syntax = "HELP [command]",
  .states = SMTP_STATES_ALL,
  .flags = SMTP_COMMAND_BEFORE_TLS,
  .parse = smtp_parse_optional,
  .usual = usual,
};
