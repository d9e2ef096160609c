/* RCPT (RFC 5321 section 4.1.1.3): adds a recipient, if accepted. The only command that may be
 * pulled ahead of answers. Refused here: bad syntax, parameters that were not offered, one
 * recipient too many (section 4.5.3.1.10), octets over 127 without SMTPUTF8. */
#include "smtp/commands/command.h"

#include "base/address.h"
#include "smtp/parameters.h"

static BaseReply *
parse (SmtpServer *server, const SmtpCommand *row, const gchar *argument, gsize length)
{
  BaseReply *refusal
      = smtp_parse_path (server, row, argument, length, "TO:", BASE_PATH_POSTMASTER, 3);
  const BasePath *path = server->event.path;

  if (refusal == NULL)
    refusal = smtp_parameters_check (path, SMTP_PARAMETER_OF_RCPT, server->offered, 0);
  if (refusal != NULL)
    return refusal;
  if (!server->utf8 && (smtp_parameters_needs (path) & SMTP_CAP_SMTPUTF8))
    return base_reply_new (553, 5, 6, 7, "The recipient address needs SMTPUTF8");
  if (server->recipients >= server->limits->recipients)
    return base_reply_new (452, 4, 5, 3, "Too many recipients");
  return NULL;
}

static void
answered (SmtpServer *server, const BaseReply *reply)
{
  if (!base_reply_is_positive (reply))
    {
      server->refused++;
      return;
    }
  server->recipients++;
  server->state = SMTP_STATE_RCPT;
}

static BaseReply *
usual (const SmtpServerEvent *event, const gchar *hostname)
{
  return base_reply_join (250, 2, 1, 5, "Recipient <", event->path->address, "> ok");
}

const SmtpCommand smtp_command_rcpt = {
  .event = SMTP_SERVER_RCPT,
  .verb = "RCPT",
  .syntax = "RCPT TO:<address> [parameters]",
  .states = SMTP_STATES_OPEN,
  .flags = SMTP_COMMAND_AHEAD,
  .misplaced = "Need MAIL command",
  .parse = parse,
  .answered = answered,
  .usual = usual,
};
