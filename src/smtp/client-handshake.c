/* The client machine until READY: greeting, EHLO or HELO, STARTTLS as its policy says, EHLO again
 * (RFC 5321 section 3.1, RFC 3207). What the server refuses here is FAILED, with its own words;
 * what our policy refuses is FAILED 451 4.7.4. */
#include "smtp/client-private.h"

#include <string.h>

static void
say (SmtpClient *client, SmtpClientCommand command, const gchar *verb, const gchar *argument)
{
  base_output_append_printf (&client->output, "%s%s%s\r\n", verb, argument != NULL ? " " : "",
                             argument != NULL ? argument : "");
  smtp_client_push_open (client, command, 0);
}

void
smtp_client_say_hello (SmtpClient *client)
{
  say (client, SMTP_CLIENT_COMMAND_EHLO, client->lmtp ? "LHLO" : "EHLO", client->hello);
}

static gboolean
refused (SmtpClient *client)
{
  smtp_client_fail (client, base_reply_copy (client->reply), TRUE);
  return FALSE;
}

static gboolean
ready (SmtpClient *client, SmtpClientCommand command)
{
  client->state = SMTP_CLIENT_OPEN;
  client->event = (SmtpClientEvent){
    .type = SMTP_CLIENT_READY, .command = command, .reply = client->reply, .from_server = TRUE
  };
  smtp_client_flush (client);
  return TRUE;
}

/* No TLS can be had: go on as the policy says. */
static gboolean
without_tls (SmtpClient *client, SmtpClientCommand command, const gchar *why)
{
  if (client->tls != SMTP_CLIENT_TLS_REQUIRED || client->encrypted)
    return ready (client, command);
  smtp_client_fail (client, base_reply_printf (451, 4, 7, 4, "TLS is required, and %s", why),
                    FALSE);
  return FALSE;
}

gboolean
smtp_client_on_greeting (SmtpClient *client, const SmtpClientEntry *entry)
{
  if (client->reply->code >= 400)
    return refused (client);
  smtp_client_say_hello (client);
  return FALSE;
}

/* What stands behind `keyword` in a line, added to `words`. "AUTH=LOGIN" is how servers wrote it
 * before RFC 2554. */
static void
keep_words (gchar **words, const gchar *line, gsize length, const gchar *keyword)
{
  gsize used = strlen (keyword);

  if (length < used || g_ascii_strncasecmp (line, keyword, used) != 0)
    return;
  if (length > used && line[used] != ' ' && line[used] != '\t' && line[used] != '=')
    return;
  g_autofree gchar *before = *words;
  g_autofree gchar *more = g_strndup (line + used, length - used);
  g_strstrip (g_strdelimit (more, "=\t", ' '));
  *words
      = before == NULL || *before == '\0' ? g_strdup (more) : g_strjoin (" ", before, more, NULL);
}

/* The lines behind the first: one keyword each (RFC 5321 section 4.1.1.1). */
static void
read_capabilities (SmtpClient *client)
{
  const gchar *line = client->reply->text;

  smtp_client_forget_offers (client);
  while (line != NULL && (line = strchr (line, '\n')) != NULL)
    {
      line++;
      gsize length = (gsize) (strchrnul (line, '\n') - line);
      smtp_capabilities_parse_line (&client->capabilities, line, length);
      keep_words (&client->auth, line, length, "AUTH");
      keep_words (&client->xclient, line, length, "XCLIENT");
      keep_words (&client->xforward, line, length, "XFORWARD");
    }
}

gboolean
smtp_client_on_ehlo (SmtpClient *client, const SmtpClientEntry *entry)
{
  gboolean wants_tls = !client->encrypted
                       && (client->tls == SMTP_CLIENT_TLS_OPPORTUNISTIC
                           || client->tls == SMTP_CLIENT_TLS_REQUIRED);

  if (client->reply->code >= 500 && !client->lmtp)
    {
      say (client, SMTP_CLIENT_COMMAND_HELO, "HELO", client->hello);
      return FALSE;
    }
  if (client->reply->code >= 400)
    return refused (client);
  read_capabilities (client);
  if (!wants_tls)
    return ready (client, SMTP_CLIENT_COMMAND_EHLO);
  if ((client->capabilities.flags & SMTP_CAP_STARTTLS) == 0)
    return without_tls (client, SMTP_CLIENT_COMMAND_EHLO, "the server does not offer STARTTLS");
  say (client, SMTP_CLIENT_COMMAND_STARTTLS, "STARTTLS", NULL);
  return FALSE;
}

gboolean
smtp_client_on_helo (SmtpClient *client, const SmtpClientEntry *entry)
{
  if (client->reply->code >= 400)
    return refused (client);
  smtp_client_forget_offers (client);
  return without_tls (client, SMTP_CLIENT_COMMAND_HELO, "the server does not know EHLO");
}

gboolean
smtp_client_on_starttls (SmtpClient *client, const SmtpClientEntry *entry)
{
  if (client->reply->code >= 400)
    {
      g_autofree gchar *theirs = base_reply_to_string (client->reply);
      g_autofree gchar *why = g_strdup_printf ("the server refuses STARTTLS: %.200s", theirs);
      return without_tls (client, SMTP_CLIENT_COMMAND_STARTTLS, why);
    }
  client->state = SMTP_CLIENT_TLS_WAIT;
  /* What stands behind the 220 was not sent by whom we will speak to under TLS (CVE-2021-38371);
   * next() fails. */
  if (smtp_reply_reader_has_unread (&client->reader))
    return FALSE;
  client->event = (SmtpClientEvent){ .type = SMTP_CLIENT_START_TLS,
                                     .command = SMTP_CLIENT_COMMAND_STARTTLS,
                                     .from_server = TRUE };
  return TRUE;
}
