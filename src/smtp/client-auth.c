/* AUTH of the client machine (RFC 4954): for a host that relays its client's exchange, and for a
 * login of our own (client-login.c). A line that may not go out fails the connection (451 4.3.0);
 * what the server refuses is its REPLY. */
#include "smtp/client-private.h"

#include <string.h>

/* Base64 or nearly so: the server judges. */
static gboolean
is_printable (const gchar *text)
{
  for (; *text != '\0'; text++)
    if (*text <= ' ' || *text > '~')
      return FALSE;
  return TRUE;
}

static gboolean
check (SmtpClient *client, const gchar *line, gsize around)
{
  if (is_printable (line) && strlen (line) + around <= SMTP_CLIENT_MAX_AUTH_LINE)
    return TRUE;
  smtp_client_fail (client, base_reply_new (451, 4, 3, 0, "AUTH with a text that can not be sent"),
                    FALSE);
  return FALSE;
}

void
smtp_client_auth (SmtpClient *client, const gchar *mechanism, const gchar *initial, guint tag)
{
  const gchar *text = initial != NULL ? initial : "";
  gsize around = strlen ("AUTH \r\n") + strlen (mechanism) + (initial != NULL);

  if (client->failure != NULL || !check (client, mechanism, 0) || !check (client, text, around))
    return;
  g_autofree gchar *line
      = g_strdup_printf ("AUTH %s%s%s\r\n", mechanism, initial != NULL ? " " : "", text);
  smtp_client_push (client, SMTP_CLIENT_COMMAND_AUTH, tag, line);
}

void
smtp_client_respond (SmtpClient *client, const gchar *text)
{
  client->challenged = FALSE;
  if (check (client, text, strlen ("\r\n")))
    base_output_append_printf (&client->output, "%s\r\n", text);
}

void
smtp_client_auth_response (SmtpClient *client, const gchar *response)
{
  if (client->failure != NULL)
    return;
  g_return_if_fail (client->challenged);
  /* An answer that is already here can not be the answer to this: it becomes a fault. */
  if (!smtp_reply_reader_has_unread (&client->reader))
    smtp_client_respond (client, response != NULL ? response : "*");
}

gboolean
smtp_client_on_auth (SmtpClient *client, const SmtpClientEntry *entry)
{
  gboolean challenge = client->reply->code == 334;

  client->challenged = challenge && client->login == NULL;
  if (!challenge)
    {
      if (!smtp_client_is_proven (client))
        {
          smtp_client_fail (
              client,
              base_reply_new (451, 4, 7, 0, "the server has not proven that it knows the password"),
              FALSE);
          return FALSE;
        }
      smtp_client_forget_login (client);
      return smtp_client_on_reply (client, entry);
    }
  smtp_client_push_open (client, entry->command, entry->tag);
  if (client->login != NULL)
    {
      smtp_client_answer_login (client);
      return FALSE;
    }
  smtp_client_on_reply (client, entry);
  client->event.type = SMTP_CLIENT_CHALLENGE;
  return TRUE;
}

const gchar *
smtp_client_auth_mechanisms (const SmtpClient *client)
{
  return client->auth;
}
