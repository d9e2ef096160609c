/* The queue of the client machine: which commands are open, which wait, and when one may be written
 * (RFC 2920). Nothing here fails but a command with control characters, which ends the connection
 * instead of being written. */
#include "smtp/client-private.h"

#include <string.h>

gboolean
smtp_client_has_open (const SmtpClient *client)
{
  return base_buffer_length (&client->open) > 0;
}

gboolean
smtp_client_has_waiting (const SmtpClient *client)
{
  return base_buffer_length (&client->waiting) > 0;
}

static const SmtpClientEntry *
first (const BaseBuffer *entries)
{
  return (const SmtpClientEntry *) (gconstpointer) base_buffer_bytes (entries);
}

const SmtpClientEntry *
smtp_client_oldest (const SmtpClient *client)
{
  return first (&client->open);
}

void
smtp_client_pop (SmtpClient *client)
{
  base_buffer_skip (&client->open, sizeof (SmtpClientEntry));
}

void
smtp_client_push_open (SmtpClient *client, SmtpClientCommand command, guint tag)
{
  SmtpClientEntry entry = { command, tag, 0 };

  base_buffer_append (&client->open, &entry, sizeof entry);
}

/* RFC 2920 section 3.1: these can only be the last of a group. */
static gboolean
ends_group (guint32 command)
{
  return command == SMTP_CLIENT_COMMAND_DATA || command == SMTP_CLIENT_COMMAND_NOOP
         || command == SMTP_CLIENT_COMMAND_QUIT || command == SMTP_CLIENT_COMMAND_AUTH
         || command == SMTP_CLIENT_COMMAND_XCLIENT;
}

gboolean
smtp_client_may_write (const SmtpClient *client)
{
  gsize open = base_buffer_length (&client->open) / sizeof (SmtpClientEntry);

  if (client->state != SMTP_CLIENT_OPEN || client->failure != NULL)
    return FALSE;
  if (open == 0)
    return TRUE;
  if (client->last_chunk)
    return FALSE;
  if ((client->capabilities.flags & SMTP_CAP_PIPELINING) == 0)
    return FALSE;
  return open < SMTP_CLIENT_MAX_OPEN && !ends_group (first (&client->open)[open - 1].command);
}

void
smtp_client_flush (SmtpClient *client)
{
  while (smtp_client_has_waiting (client) && smtp_client_may_write (client))
    {
      SmtpClientEntry entry = *first (&client->waiting);

      base_output_append (&client->output, base_buffer_bytes (&client->lines), entry.length);
      smtp_client_push_open (client, entry.command, entry.tag);
      base_buffer_skip (&client->lines, entry.length);
      base_buffer_skip (&client->waiting, sizeof entry);
    }
}

/* Everything before the CRLF at its end: a line break inside would be a second command. */
static gboolean
line_is_clean (const gchar *line, gsize length)
{
  gboolean clean = TRUE;

  for (gsize i = 0; i + 2 < length; i++)
    clean &= ((guchar) line[i] >= 0x20) & (line[i] != 0x7f);
  return clean;
}

BaseBuffer *
smtp_client_begin_line (SmtpClient *client)
{
  client->line_start = base_buffer_length (&client->lines);
  return &client->lines;
}

void
smtp_client_push_line (SmtpClient *client, SmtpClientCommand command, guint tag)
{
  const gchar *line = (const gchar *) base_buffer_bytes (&client->lines) + client->line_start;
  gsize length = base_buffer_length (&client->lines) - client->line_start;
  gboolean clean = line_is_clean (line, length);
  const SmtpClientEntry entry = { command, tag, (guint32) length };

  if (client->failure != NULL || !clean)
    client->lines.end -= length;
  if (client->failure != NULL)
    return;
  g_return_if_fail (client->state >= SMTP_CLIENT_OPEN);
  if (!clean)
    {
      BaseReply *reply = base_reply_printf (451, 4, 3, 0, "%s with control characters in it",
                                            smtp_client_command_name (command));
      smtp_client_fail (client, reply, FALSE);
      return;
    }
  base_buffer_append (&client->waiting, &entry, sizeof entry);
  /* Bytes that are there before the command cannot be its answer; the command stays unwritten, and
   * they become a fault. */
  if (smtp_client_has_open (client) || !smtp_reply_reader_has_unread (&client->reader))
    smtp_client_flush (client);
}

void
smtp_client_push (SmtpClient *client, SmtpClientCommand command, guint tag, const gchar *line)
{
  base_buffer_append_string (smtp_client_begin_line (client), line);
  smtp_client_push_line (client, command, tag);
}
