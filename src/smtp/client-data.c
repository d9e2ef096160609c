/* The data of the client machine: dot-stuffing (RFC 5321 section 4.5.2) and the final dot. The
 * message's bytes are borrowed by the output, not copied; only a dot at the start of a line makes a
 * seam. Nothing fails here. */
#include "smtp/client-private.h"

#include <string.h>

#define BLOCK 1024

/* Skips whole blocks without a dot behind an LF. Without a branch in it, the loop runs on vectors:
 * prose, where memchr stops at each full stop, costs no more than twice what base64 does. */
static const guint8 *
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
  smtp_client_push_open (client, SMTP_CLIENT_COMMAND_END, tag);
  smtp_client_flush (client);
}
