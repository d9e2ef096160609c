/* Commands that the host adds (filters register them). Ours are looked up first, so that none can
 * be shadowed. Refused here: in a place that the host did not name. */
#include "smtp/commands/command.h"

#include <string.h>

const SmtpServerCommand *
smtp_command_find_added (const SmtpServer *server, const gchar *verb, gsize length)
{
  const SmtpServerCommand *row = server->limits->commands;

  for (; row != NULL && row->verb != NULL; row++)
    if (strlen (row->verb) == length && g_ascii_strncasecmp (row->verb, verb, length) == 0)
      return row;
  return NULL;
}

gboolean
smtp_server_is_own_verb (const gchar *verb)
{
  return smtp_command_find (verb, strlen (verb)) != NULL;
}

static guint
place_of (SmtpState state)
{
  switch (state)
    {
    case SMTP_STATE_START:
      return SMTP_SERVER_BEFORE_HELO;
    case SMTP_STATE_READY:
      return SMTP_SERVER_GREETED;
    case SMTP_STATE_MAIL:
    case SMTP_STATE_RCPT:
      return SMTP_SERVER_TRANSACTION;
    default:
      return 0;
    }
}

/* The argument is the whole line, in the machine's own buffer. */
static BaseReply *
parse (SmtpServer *server, const SmtpCommand *row, const gchar *argument, gsize length)
{
  gsize verb = strcspn (argument, " \t");
  const SmtpServerCommand *command = smtp_command_find_added (server, argument, verb);

  if (!(command->places & place_of (server->state)))
    return base_reply_new (503, 5, 5, 1, "Bad sequence of commands");
  server->event.verb = command->verb;
  server->event.argument = g_strstrip ((gchar *) argument + verb);
  return NULL;
}

static BaseReply *
usual (const SmtpServerEvent *event, const gchar *hostname)
{
  return base_reply_new (502, 5, 5, 1, "Command not implemented");
}

const SmtpCommand smtp_command_added = {
  .event = SMTP_SERVER_COMMAND,
  .syntax = "",
  .states = SMTP_STATES_ALL,
  .flags = SMTP_COMMAND_COUNTED,
  .parse = parse,
  .usual = usual,
};
