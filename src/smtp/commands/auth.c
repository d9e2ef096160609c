/* AUTH and the responses behind it (RFC 4954 section 4). 334 asks for a response, any other answer
 * ends the exchange. Refused here: bad syntax, a second time, a mechanism that the host did not
 * list. Whether the response is base64 is for whom knows the users. */
#include "smtp/commands/command.h"

#include <string.h>

#include "smtp/server-auth.h"

static gboolean
is_listed (const SmtpServer *server, const gchar *mechanism)
{
  g_auto (GStrv) words = g_strsplit (server->mechanisms != NULL ? server->mechanisms : "", " ", -1);

  return *mechanism != '\0' && g_strv_contains ((const gchar *const *) words, mechanism);
}

/* The argument is the machine's own buffer: the mechanism is made upper case and ended in it. */
static BaseReply *
parse (SmtpServer *server, const SmtpCommand *row, const gchar *argument, gsize length)
{
  gchar *mechanism = (gchar *) argument;
  gchar *end = mechanism + strcspn (mechanism, " \t");
  gchar *initial = end + strspn (end, " \t");

  if (server->authenticated)
    return base_reply_new (503, 5, 5, 1, "Already authenticated");
  if (length == 0)
    return smtp_command_syntax_error (row);
  if (!smtp_auth_is_response (initial, strlen (initial)))
    return base_reply_new (501, 5, 5, 2, "Cannot decode the initial response");
  *end = '\0';
  for (gchar *p = mechanism; *p != '\0'; p++)
    *p = g_ascii_toupper (*p);
  if (!is_listed (server, mechanism))
    return base_reply_new (504, 5, 5, 4, "Unrecognized authentication mechanism");
  server->event.initial = *initial != '\0' ? initial : NULL;
  return NULL;
}

static void
answered (SmtpServer *server, const BaseReply *reply)
{
  server->state = reply->code == 334 ? SMTP_STATE_AUTH : SMTP_STATE_READY;
  server->authenticated = reply->code < 300;
  server->auth_failed = reply->code >= 400;
  if (server->torn)
    smtp_server_close (server);
}

static BaseReply *
usual (const SmtpServerEvent *event, const gchar *hostname)
{
  if (event->fault == SMTP_FAULT_LINE_LENGTH)
    return base_reply_new (500, 5, 5, 6, "Authentication exchange line is too long");
  if (event->fault != SMTP_FAULT_NONE)
    return base_reply_new (501, 5, 5, 2, "Cannot decode the response");
  if (event->type == SMTP_SERVER_AUTH_RESPONSE && g_str_equal (event->argument, "*"))
    return base_reply_new (501, 5, 7, 0, "Authentication cancelled");
  return base_reply_new (535, 5, 7, 8, "Authentication credentials invalid");
}

const SmtpCommand smtp_command_auth = {
  .event = SMTP_SERVER_AUTH,
  .verb = "AUTH",
  .syntax = "AUTH mechanism [initial-response]",
  .states = SMTP_STATE_READY,
  .flags = SMTP_COMMAND_COUNTED,
  .offer = SMTP_CAP_AUTH,
  .misplaced = "Not during a mail transaction",
  .parse = parse,
  .answered = answered,
  .usual = usual,
};

const SmtpCommand smtp_command_auth_response = {
  .event = SMTP_SERVER_AUTH_RESPONSE,
  .flags = SMTP_COMMAND_COUNTED,
  .answered = answered,
  .usual = usual,
};
