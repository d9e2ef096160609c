/* AUTH of the client machine (RFC 4954): for a host that relays its client's exchange, and for a
 * login of our own. A line that may not go out fails the connection (451 4.3.0); what the server
 * refuses is its REPLY. */
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

static void
respond (SmtpClient *client, const gchar *text)
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
    respond (client, response != NULL ? response : "*");
}

static void
free_secret (gchar *secret)
{
  if (secret != NULL)
    explicit_bzero (secret, strlen (secret));
  g_free (secret);
}

void
smtp_client_forget_login (SmtpClient *client)
{
  if (client->login == NULL)
    return;
  g_free (client->login->user);
  free_secret (client->login->password);
  g_clear_pointer (&client->login, g_free);
}

/* LOGIN asks for the user, then for the password (draft-murchison-sasl-login); anything more, or
 * anything behind PLAIN, is no question that we can answer. */
static void
answer_challenge (SmtpClient *client)
{
  SmtpClientLogin *login = client->login;
  const gchar *text = login->plain || login->step > 1 ? NULL
                      : login->step == 0              ? login->user
                                                      : login->password;

  login->step++;
  if (text == NULL)
    {
      respond (client, "*");
      return;
    }
  gchar *encoded = g_base64_encode ((const guchar *) text, strlen (text));
  respond (client, *encoded != '\0' ? encoded : "=");
  free_secret (encoded);
}

gboolean
smtp_client_on_auth (SmtpClient *client, const SmtpClientEntry *entry)
{
  gboolean challenge = client->reply->code == 334;

  client->challenged = challenge && client->login == NULL;
  if (!challenge)
    {
      smtp_client_forget_login (client);
      return smtp_client_on_reply (client, entry);
    }
  smtp_client_push_open (client, entry->command, entry->tag);
  if (client->login != NULL)
    {
      answer_challenge (client);
      return FALSE;
    }
  smtp_client_on_reply (client, entry);
  client->event.type = SMTP_CLIENT_CHALLENGE;
  return TRUE;
}

static gboolean
has_mechanism (const SmtpClient *client, const gchar *mechanism)
{
  g_auto (GStrv) words = g_strsplit (client->auth != NULL ? client->auth : "", " ", -1);

  for (gchar **word = words; *word != NULL; word++)
    if (g_ascii_strcasecmp (*word, mechanism) == 0)
      return TRUE;
  return FALSE;
}

/* RFC 4616: no authorization identity. */
static gchar *
encode_plain (const gchar *user, const gchar *password)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  g_byte_array_append (bytes, (const guint8 *) "", 1);
  g_byte_array_append (bytes, (const guint8 *) user, (guint) strlen (user) + 1);
  g_byte_array_append (bytes, (const guint8 *) password, (guint) strlen (password));
  gchar *encoded = g_base64_encode (bytes->data, bytes->len);
  explicit_bzero (bytes->data, bytes->len);
  return encoded;
}

gboolean
smtp_client_login (SmtpClient *client, const gchar *user, const gchar *password, guint tag)
{
  gboolean plain = has_mechanism (client, "PLAIN");

  if (client->failure != NULL)
    return TRUE;
  g_return_val_if_fail (client->login == NULL, FALSE);
  if (!plain && !has_mechanism (client, "LOGIN"))
    return FALSE;
  gchar *initial = plain ? encode_plain (user, password) : NULL;
  client->login = g_new0 (SmtpClientLogin, 1);
  client->login->plain = plain;
  client->login->user = g_strdup (user);
  client->login->password = g_strdup (password);
  smtp_client_auth (client, plain ? "PLAIN" : "LOGIN", initial, tag);
  free_secret (initial);
  return TRUE;
}

const gchar *
smtp_client_auth_mechanisms (const SmtpClient *client)
{
  return client->auth;
}
