/* The data of the client machine: dot-stuffing (RFC 5321 section 4.5.2) and the final dot. The
 * message's bytes are borrowed by the output, not copied; only a dot at the start of a line makes a
 * seam. Nothing fails here. */
#include "smtp/client-private.h"

#include <string.h>

#include "base/wide.h"

#define BLOCK 1024

/* Skips whole blocks without a dot behind an LF. Without a branch in it, the loop runs on vectors:
 * prose, where memchr stops at each full stop, costs no more than twice what base64 does. */
static BASE_WIDE const guint8 *
skip_blocks (const guint8 *from, const guint8 *end)
{
  while (end - from > BLOCK)
    {
      guint8 found = 0;

      for (guint i = 0; i < BLOCK; i++)
        found |= (guint8) ((from[i] == '\n') & (from[i + 1] == '.'));
      if (found)
        return from;
      from += BLOCK;
    }
  return from;
}

/* The next dot at or behind `from` that opens a line, or NULL. `from` itself opens a line if the
 * octet before it, which is `before`, is an LF. A bare LF counts as a line end here: a dot too many
 * behind it is harmless, one too few could end the message at a sloppy server. */
static const guint8 *
find_line_dot (const guint8 *from, const guint8 *end, guint8 before)
{
  const guint8 *start = from;
  const guint8 *dot;

  while (from < end && (dot = memchr (from, '.', end - from)) != NULL)
    {
      if ((dot > start ? dot[-1] : before) == '\n')
        return dot;
      from = skip_blocks (dot, end);
      from = memchr (from, '\n', end - from);
      if (from == NULL)
        return NULL;
      from++;
    }
  return NULL;
}

static void
remember_tail (SmtpClient *client, const guint8 *bytes, gsize length)
{
  if (length >= 2)
    client->data_tail[0] = bytes[length - 2];
  else
    client->data_tail[0] = client->data_tail[1];
  client->data_tail[1] = bytes[length - 1];
}

void
smtp_client_body (SmtpClient *client, const guint8 *bytes, gsize length)
{
  const guint8 *end = bytes + length;
  const guint8 *from = bytes; /* not yet in the output */
  const guint8 *dot;

  if (client->failure != NULL || length == 0)
    return;
  g_return_if_fail (client->state == SMTP_CLIENT_IN_DATA);
  dot = find_line_dot (bytes, end, client->data_tail[1]);
  while (dot != NULL)
    {
      if (dot > from)
        base_output_borrow (&client->output, from, dot - from);
      base_output_append (&client->output, ".", 1);
      from = dot;
      dot = find_line_dot (dot + 1, end, '.');
    }
  base_output_borrow (&client->output, from, end - from);
  remember_tail (client, bytes, length);
}

void
smtp_client_body_undotted (SmtpClient *client, const guint8 *bytes, gsize length)
{
  if (client->failure != NULL || length == 0)
    return;
  g_return_if_fail (client->state == SMTP_CLIENT_IN_DATA);
  base_output_borrow (&client->output, bytes, length);
  remember_tail (client, bytes, length);
}

gboolean
smtp_client_body_file (SmtpClient *client, gint fd, guint64 offset, gsize length)
{
  if (client->failure != NULL)
    return TRUE;
  g_return_val_if_fail (client->state == SMTP_CLIENT_IN_DATA, TRUE);
  if (!base_output_file (&client->output, fd, offset, length))
    return FALSE;
  remember_tail (client, (const guint8 *) "\r\n", 2);
  return TRUE;
}

/* RFC 2033 section 4.2: a reply for each recipient that was accepted. */
static void
push_end (SmtpClient *client, guint tag)
{
  guint count = client->accepted != NULL ? client->accepted->len : 0;

  for (guint i = 0; i < count; i++)
    smtp_client_push_open (client, SMTP_CLIENT_COMMAND_END,
                           g_array_index (client->accepted, guint, i));
  if (count == 0)
    smtp_client_push_open (client, SMTP_CLIENT_COMMAND_END, tag);
}

void
smtp_client_end (SmtpClient *client, guint tag)
{
  const guint8 *tail = client->data_tail;

  if (client->failure != NULL)
    return;
  g_return_if_fail (client->state == SMTP_CLIENT_IN_DATA);
  /* An answer that is already here cannot be the answer to the dot: the dot stays back, and the
   * answer becomes a fault. */
  if (smtp_reply_reader_has_unread (&client->reader))
    return;
  if (tail[1] == '\r')
    base_output_append_string (&client->output, "\n");
  else if (tail[0] != '\r' || tail[1] != '\n')
    base_output_append_string (&client->output, "\r\n");
  base_output_append_string (&client->output, ".\r\n");
  client->state = SMTP_CLIENT_OPEN;
  push_end (client, tag);
  smtp_client_flush (client);
}

gboolean
smtp_client_on_mail (SmtpClient *client, const SmtpClientEntry *entry)
{
  g_clear_pointer (&client->accepted, g_array_unref);
  return smtp_client_on_reply (client, entry);
}

gboolean
smtp_client_on_rcpt (SmtpClient *client, const SmtpClientEntry *entry)
{
  guint tag = entry->tag;

  if (client->lmtp && client->reply->code < 400)
    {
      if (client->accepted == NULL)
        client->accepted = g_array_new (FALSE, FALSE, sizeof tag);
      g_array_append_val (client->accepted, tag);
    }
  return smtp_client_on_reply (client, entry);
}

gboolean
smtp_client_on_end (SmtpClient *client, const SmtpClientEntry *entry)
{
  gboolean more = smtp_client_has_open (client)
                  && smtp_client_oldest (client)->command == SMTP_CLIENT_COMMAND_END;

  if (!more)
    client->last_chunk = FALSE;
  return smtp_client_on_reply (client, entry);
}

static gboolean
has_open_rcpt (const SmtpClient *client)
{
  gsize open = base_buffer_length (&client->open) / sizeof (SmtpClientEntry);

  for (gsize i = 0; i < open; i++)
    if (smtp_client_oldest (client)[i].command == SMTP_CLIENT_COMMAND_RCPT)
      return TRUE;
  return FALSE;
}

gboolean
smtp_client_bdat (SmtpClient *client, const guint8 *bytes, gsize length, gboolean last, guint tag)
{
  if (client->failure != NULL)
    return TRUE;
  g_return_val_if_fail (client->state == SMTP_CLIENT_OPEN, TRUE);
  g_return_val_if_fail (client->capabilities.flags & SMTP_CAP_CHUNKING, TRUE);
  if (smtp_client_has_waiting (client) || !smtp_client_may_write (client))
    return FALSE;
  if (!smtp_client_has_open (client) && smtp_reply_reader_has_unread (&client->reader))
    return FALSE; /* it becomes a fault */
  if (last && client->lmtp && has_open_rcpt (client))
    return FALSE;
  base_output_append_printf (&client->output, "BDAT %" G_GSIZE_FORMAT "%s\r\n", length,
                             last ? " LAST" : "");
  if (length > 0)
    base_output_borrow (&client->output, bytes, length);
  client->last_chunk = last;
  if (last)
    push_end (client, tag);
  else
    smtp_client_push_open (client, SMTP_CLIENT_COMMAND_BDAT, tag);
  return TRUE;
}
