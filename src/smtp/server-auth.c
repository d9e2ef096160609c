/* The client's part of an authentication exchange. What can be no response is told to the host as a
 * cancellation, since the host may be in the middle of an exchange with somebody else. */
#include "smtp/server-auth.h"

gboolean
smtp_auth_is_response (const gchar *text, gsize length)
{
  for (gsize i = 0; i < length; i++)
    if (text[i] <= ' ' || text[i] > '~')
      return FALSE;
  return TRUE;
}

static SmtpFault
fault_of (const SmtpServer *server, const SmtpLine *line)
{
  if (line == NULL)
    return SMTP_FAULT_LINE_LENGTH;
  if ((line->bare_lf && server->limits->newlines == SMTP_NEWLINES_REFUSE)
      || !smtp_auth_is_response (line->bytes, line->length))
    return SMTP_FAULT_SYNTAX;
  return SMTP_FAULT_NONE;
}

void
smtp_auth_take_response (SmtpServer *server, const SmtpLine *line, gboolean torn)
{
  server->event.fault = fault_of (server, line);
  server->torn = torn;
  server->event.argument = "*";
  if (server->event.fault != SMTP_FAULT_NONE)
    return;
  line->bytes[line->length] = '\0';
  server->event.argument = line->bytes;
}

void
smtp_server_offer_auth (SmtpServer *server, const gchar *mechanisms)
{
  g_autofree gchar *copy = g_strdup (mechanisms);

  g_free (server->mechanisms);
  server->mechanisms = g_steal_pointer (&copy);
}

void
smtp_server_auth_challenge (SmtpServer *server, const gchar *text)
{
  smtp_server_answer (server, BASE_REPLY (334, 0, 0, 0, text));
}
