/* HELP (RFC 5321 section 4.1.1.8): lists the commands, or shows the syntax of one. */
#include "smtp/commands/command.h"

#include <string.h>

/* A command of an extension is named where the client has heard of the extension. */
static gboolean
is_named (const SmtpCommand *row, const SmtpServerEvent *event)
{
  guint32 offered = event->offered;

  if (row->flags & (event->lmtp ? SMTP_COMMAND_SMTP : SMTP_COMMAND_LMTP))
    return FALSE;
  return row->verb != NULL && (row->offer == 0 || (offered & row->offer) != 0);
}

static BaseReply *
list_commands (const SmtpServerEvent *event)
{
  g_autoptr (GString) names = g_string_new ("Commands:");

  for (const SmtpCommand *const *row = smtp_commands; *row != NULL; row++)
    if (is_named (*row, event))
      g_string_append_printf (names, " %s", (*row)->verb);
  return base_reply_new (214, 2, 0, 0, names->str);
}

static BaseReply *
parse (SmtpServer *server, const SmtpCommand *row, const gchar *argument, gsize length)
{
  server->event.offered = server->offered;
  server->event.lmtp = server->limits->lmtp;
  return NULL;
}

static BaseReply *
usual (const SmtpServerEvent *event, const gchar *hostname)
{
  const SmtpCommand *row = smtp_command_find (event->argument, strlen (event->argument));

  if (row == NULL || !is_named (row, event))
    return list_commands (event);
  return base_reply_printf (214, 2, 0, 0, "Syntax: %s", row->syntax);
}

const SmtpCommand smtp_command_help = {
  .event = SMTP_SERVER_HELP,
  .verb = "HELP",
  .syntax = "HELP [command]",
  .states = SMTP_STATES_ALL,
  .flags = SMTP_COMMAND_BEFORE_TLS,
  .parse = parse,
  .usual = usual,
};
