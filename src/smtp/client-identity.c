/* XCLIENT and XFORWARD of the client machine, as Postfix documents them: what we know of our
 * client, told to a server that trusts us. What can not be told is told to be unavailable; nothing
 * fails. */
#include "smtp/client-private.h"

#include <string.h>

#define MOST_LINE 512 /* octets with CRLF: XFORWARD_README, note 2 */

void
smtp_client_forget_offers (SmtpClient *client)
{
  client->capabilities = (SmtpCapabilities){ 0 };
  g_clear_pointer (&client->auth, g_free);
  g_clear_pointer (&client->xclient, g_free);
  g_clear_pointer (&client->xforward, g_free);
}

const gchar *
smtp_client_xclient_names (const SmtpClient *client)
{
  return client->xclient;
}

const gchar *
smtp_client_xforward_names (const SmtpClient *client)
{
  return client->xforward;
}

static gboolean
is_named (const gchar *names, const gchar *attribute, gsize length)
{
  g_auto (GStrv) words = g_strsplit (names != NULL ? names : "", " ", -1);

  for (gchar **word = words; *word != NULL; word++)
    if (strlen (*word) == length && g_ascii_strncasecmp (*word, attribute, length) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
can_be_told (const gchar *value)
{
  if (*value == '\0' || strlen (value) > SMTP_CLIENT_MAX_ATTRIBUTE)
    return FALSE;
  for (; *value != '\0'; value++)
    if (g_ascii_iscntrl (*value))
      return FALSE;
  return TRUE;
}

/* RFC 3461 section 4. Caller frees. */
static gchar *
to_xtext (const gchar *value)
{
  GString *text = g_string_new (NULL);

  for (; *value != '\0'; value++)
    if (*value > ' ' && *value <= '~' && *value != '+' && *value != '=')
      g_string_append_c (text, *value);
    else
      g_string_append_printf (text, "+%02X", (guchar) *value);
  return g_string_free (text, FALSE);
}

static void
push_line (SmtpClient *client, SmtpClientCommand command, GString *line, guint tag)
{
  g_string_append (line, "\r\n");
  smtp_client_push (client, command, tag, line->str);
}

static guint
push_attributes (SmtpClient *client, SmtpClientCommand command, const gchar *names,
                 const gchar *const *attributes, guint tag)
{
  const gchar *verb = smtp_client_command_name (command);
  g_autoptr (GString) line = g_string_new (verb);
  guint lines = 0;

  for (; *attributes != NULL; attributes++)
    {
      gsize name = strcspn (*attributes, "=");
      if ((*attributes)[name] == '\0' || !is_named (names, *attributes, name))
        continue;
      const gchar *value = *attributes + name + 1;
      g_autofree gchar *text = to_xtext (can_be_told (value) ? value : "[UNAVAILABLE]");
      gboolean full = line->len + name + strlen (text) + strlen (" =\r\n") > MOST_LINE;
      if (full && command == SMTP_CLIENT_COMMAND_XFORWARD && line->len > strlen (verb))
        {
          push_line (client, command, line, tag);
          g_string_assign (line, verb);
          lines++;
        }
      g_string_append_printf (line, " %.*s=%s", (gint) name, *attributes, text);
    }
  if (line->len == strlen (verb))
    return lines;
  push_line (client, command, line, tag);
  return lines + 1;
}

guint
smtp_client_xclient (SmtpClient *client, const gchar *const *attributes, guint tag)
{
  return push_attributes (client, SMTP_CLIENT_COMMAND_XCLIENT, client->xclient, attributes, tag);
}

guint
smtp_client_xforward (SmtpClient *client, const gchar *const *attributes, guint tag)
{
  return push_attributes (client, SMTP_CLIENT_COMMAND_XFORWARD, client->xforward, attributes, tag);
}

void
smtp_client_set_hello (SmtpClient *client, const gchar *hello)
{
  for (const gchar *c = hello; *c != '\0'; c++)
    if (*c <= ' ' || *c > '~')
      return;
  if (*hello == '\0' || strlen (hello) > SMTP_CLIENT_MAX_ATTRIBUTE)
    return;
  g_free (client->hello);
  client->hello = g_strdup (hello);
}

/* The reply is a new greeting: what EHLO said belongs to the former client. */
gboolean
smtp_client_on_xclient (SmtpClient *client, const SmtpClientEntry *entry)
{
  if (client->reply->code < 400)
    {
      client->state = SMTP_CLIENT_HANDSHAKE;
      smtp_client_forget_offers (client);
      smtp_client_say_hello (client);
    }
  return smtp_client_on_reply (client, entry);
}
