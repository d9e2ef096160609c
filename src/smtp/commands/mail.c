/* MAIL (RFC 5321 section 4.1.1.2): opens the transaction, if accepted. Refused here: bad syntax,
 * parameters that were not offered, a declared size over the limit, octets over 127 without
 * SMTPUTF8 (RFC 6531 section 3.5). */
#include "smtp/commands/command.h"

#include "base/address.h"
#include "smtp/parameters.h"

/* An upstream may take less than we do: then less was offered. */
static guint64
largest_message (const SmtpServer *server)
{
  guint64 ours = server->limits->message_size;

  if (server->offered_size == 0 || (ours != 0 && ours < server->offered_size))
    return ours;
  return server->offered_size;
}

static BaseReply *
parse (SmtpServer *server, const SmtpCommand *row, const gchar *argument, gsize length)
{
  if (server->state == SMTP_STATE_START && server->limits->require_helo)
    return base_reply_new (503, 5, 5, 1,
                           server->limits->lmtp ? "Send LHLO first" : "Send HELO or EHLO first");
  BaseReply *refusal = smtp_parse_path (server, row, argument, length, "FROM:", BASE_PATH_NULL, 7);
  const BasePath *path = server->event.path;
  if (refusal == NULL)
    refusal = smtp_parameters_check (path, SMTP_PARAMETER_OF_MAIL, server->offered,
                                     largest_message (server));
  if (refusal != NULL)
    return refusal;
  const gchar *body = base_path_parameter (path, "BODY");
  server->binary = body != NULL && g_ascii_strcasecmp (body, "BINARYMIME") == 0;
  server->utf8 = base_path_parameter (path, "SMTPUTF8") != NULL;
  if (!server->utf8 && (smtp_parameters_needs (path) & SMTP_CAP_SMTPUTF8))
    return base_reply_new (553, 5, 6, 7, "The sender address needs SMTPUTF8");
  return NULL;
}

static void
answered (SmtpServer *server, const BaseReply *reply)
{
  server->mail_failed = !base_reply_is_positive (reply);
  server->refused = 0;
  if (!server->mail_failed)
    server->state = SMTP_STATE_MAIL;
}

static BaseReply *
usual (const SmtpServerEvent *event, const gchar *hostname)
{
  return base_reply_join (250, 2, 1, 0, "Sender <", event->path->address, "> ok");
}

const SmtpCommand smtp_command_mail = {
  .event = SMTP_SERVER_MAIL,
  .verb = "MAIL",
  .syntax = "MAIL FROM:<address> [parameters]",
  .states = SMTP_STATES_IDLE,
  .misplaced = "Nested MAIL command",
  .parse = parse,
  .answered = answered,
  .usual = usual,
};
