/* The commands that the host of a client machine gives, as lines. MAIL and RCPT leave out the
 * parameters that the server does not offer; whether the message can do without them was the host's
 * question (smtp_parameters_needs()). */
#include "smtp/client-private.h"

#include <string.h>

/* The extension that brings a parameter (RFC 1870, 3461, 4954, 6152, 6531); one that is not here
 * belongs to none of ours. */
static const struct
{
  const gchar *keyword;
  guint32 needs;
} parameter_table[] = {
  { "SIZE", SMTP_CAP_SIZE }, { "BODY", SMTP_CAP_8BITMIME }, { "SMTPUTF8", SMTP_CAP_SMTPUTF8 },
  { "RET", SMTP_CAP_DSN },   { "ENVID", SMTP_CAP_DSN },     { "NOTIFY", SMTP_CAP_DSN },
  { "ORCPT", SMTP_CAP_DSN }, { "AUTH", SMTP_CAP_AUTH },
};

static gboolean
is_offered (const SmtpClient *client, const gchar *parameter)
{
  gsize length = strcspn (parameter, "=");

  if (g_ascii_strcasecmp (parameter, "BODY=BINARYMIME") == 0)
    return (client->capabilities.flags & SMTP_CAP_BINARYMIME) != 0;
  for (guint i = 0; i < G_N_ELEMENTS (parameter_table); i++)
    if (strlen (parameter_table[i].keyword) == length
        && g_ascii_strncasecmp (parameter_table[i].keyword, parameter, length) == 0)
      return (client->capabilities.flags & parameter_table[i].needs) != 0;
  return FALSE;
}

static void
push_path (SmtpClient *client, SmtpClientCommand command, const gchar *verb, const BasePath *path,
           guint tag)
{
  BaseBuffer *line = smtp_client_begin_line (client);

  base_buffer_append_string (line, verb);
  base_buffer_append_string (line, path->address);
  base_buffer_append (line, ">", 1);
  for (gchar **p = path->parameters; p != NULL && *p != NULL; p++)
    if (is_offered (client, *p))
      {
        base_buffer_append (line, " ", 1);
        base_buffer_append_string (line, *p);
      }
  base_buffer_append (line, "\r\n", 2);
  smtp_client_push_line (client, command, tag);
}

void
smtp_client_mail (SmtpClient *client, const BasePath *path, guint tag)
{
  push_path (client, SMTP_CLIENT_COMMAND_MAIL, "MAIL FROM:<", path, tag);
}

void
smtp_client_rcpt (SmtpClient *client, const BasePath *path, guint tag)
{
  push_path (client, SMTP_CLIENT_COMMAND_RCPT, "RCPT TO:<", path, tag);
}

void
smtp_client_data (SmtpClient *client, guint tag)
{
  smtp_client_push (client, SMTP_CLIENT_COMMAND_DATA, tag, "DATA\r\n");
}

void
smtp_client_rset (SmtpClient *client, guint tag)
{
  smtp_client_push (client, SMTP_CLIENT_COMMAND_RSET, tag, "RSET\r\n");
}

void
smtp_client_noop (SmtpClient *client, guint tag)
{
  smtp_client_push (client, SMTP_CLIENT_COMMAND_NOOP, tag, "NOOP\r\n");
}

void
smtp_client_quit (SmtpClient *client)
{
  smtp_client_push (client, SMTP_CLIENT_COMMAND_QUIT, 0, "QUIT\r\n");
}
