/* What the server machine says: replies of its own, in their place behind the answers that the host
 * still owes, the host's answers, and what each answer changes. An answer without an event is a
 * critical warning. */
#include "smtp/server-private.h"

#include "smtp/attributes.h"
#include "smtp/commands/command.h"

/* A reply of ours that waits for `wait` answers of the host, counted from the queued reply before
 * it. */
typedef struct
{
  BaseReply *reply;
  guint wait;
  gboolean last; /* close behind it */
} QueuedReply;

static void
queued_reply_free (QueuedReply *queued)
{
  base_reply_free (queued->reply);
  g_free (queued);
}

void
smtp_server_close (SmtpServer *server)
{
  server->state = SMTP_STATE_CLOSED;
  server->open = NULL;
  server->pending = 0;
  g_queue_clear_full (&server->replies, (GDestroyNotify) queued_reply_free);
}

/* Replies to the greeting, HELO and EHLO never carry an enhanced code, others from the EHLO on that
 * offered them. */
void
smtp_server_write (SmtpServer *server, const SmtpCommand *row, const BaseReply *reply)
{
  gboolean plain = row != NULL && (row->flags & SMTP_COMMAND_PLAIN);

  base_reply_write (reply, !plain && (server->offered & SMTP_CAP_ENHANCEDSTATUSCODES),
                    &server->output);
  if (reply->code == 421)
    smtp_server_close (server);
}

/* Whether a reply counts against the limit on bad commands: syntax, sequence, unknown, not before
 * TLS, bad parameter. */
static gboolean
is_bad (guint code)
{
  return (code >= 500 && code <= 504) || code == 530 || code == 555;
}

BaseReply *
smtp_server_count_bad (SmtpServer *server, const BaseReply *reply)
{
  if (!is_bad (reply->code) || ++server->bad <= server->limits->bad_commands)
    return NULL;
  return base_reply_new (421, 4, 7, 0, "Too many errors");
}

static guint
queued_waits (SmtpServer *server)
{
  guint waits = 0;

  for (GList *link = server->replies.head; link != NULL; link = link->next)
    waits += ((QueuedReply *) link->data)->wait;
  return waits;
}

void
smtp_server_note_refusal (SmtpServer *server, const SmtpCommand *row, const BaseReply *reply)
{
  if (!server->limits->tell_refusals || reply->code < 400)
    return;
  base_reply_free (server->untold);
  server->untold = base_reply_copy (reply);
  server->untold_event = (guint8) (row != NULL ? row->event : SMTP_SERVER_UNKNOWN);
}

/* Sends a reply of ours, at once or behind the answers that the host owes. Takes the reply. */
void
smtp_server_send_own (SmtpServer *server, const SmtpCommand *row, BaseReply *reply, gboolean last)
{
  g_autoptr (BaseReply) owned = reply;

  if (server->pending == 0)
    {
      smtp_server_write (server, row, reply);
      if (last)
        smtp_server_close (server);
      return;
    }
  QueuedReply *queued = g_new (QueuedReply, 1);
  queued->wait = server->pending - queued_waits (server);
  queued->reply = g_steal_pointer (&owned);
  g_queue_push_tail (&server->replies, queued);
  queued->last = last;
  server->ending = last || reply->code == 421;
}

/* One more answer of the host is out: what stood right behind it follows. */
static void
send_queued (SmtpServer *server)
{
  QueuedReply *queued = g_queue_peek_head (&server->replies);

  if (queued != NULL)
    queued->wait--;
  while (queued != NULL && queued->wait == 0)
    {
      g_queue_pop_head (&server->replies);
      smtp_server_write (server, NULL, queued->reply);
      if (queued->last)
        smtp_server_close (server);
      queued_reply_free (queued);
      queued = g_queue_peek_head (&server->replies);
    }
}

void
smtp_server_answer (SmtpServer *server, const BaseReply *reply)
{
  const SmtpCommand *row = server->open;
  g_autoptr (BaseReply) instead = NULL;

  if (server->state == SMTP_STATE_CLOSED)
    return;
  g_return_if_fail (row != NULL);
  if (row == &smtp_command_end && server->answers > 1)
    {
      server->answers--; /* LMTP: one more recipient has its fate */
      smtp_server_write (server, row, reply);
      return;
    }
  if (--server->pending == 0)
    server->open = NULL;
  if (row->flags & SMTP_COMMAND_COUNTED)
    instead = smtp_server_count_bad (server, reply);
  if (instead != NULL)
    {
      smtp_server_note_refusal (server, row, instead);
      reply = instead;
    }
  if (!(row->flags & SMTP_COMMAND_LATER) || reply->code == 421)
    smtp_server_write (server, row, reply);
  if (server->state == SMTP_STATE_CLOSED)
    return;
  if (row->answered != NULL)
    row->answered (server, reply);
  send_queued (server);
}

void
smtp_server_answer_close (SmtpServer *server, const BaseReply *reply)
{
  if (server->state == SMTP_STATE_CLOSED)
    return;
  smtp_server_write (server, server->open, reply);
  smtp_server_close (server);
}

void
smtp_server_hang_up (SmtpServer *server)
{
  smtp_server_close (server);
}

/* Keywords whose lines have arguments. */
static void
add_argued_lines (const SmtpServer *server, BaseReply *reply, guint32 flags)
{
  static const struct
  {
    guint32 flag;
    const gchar *verb;
    const gchar *const *names;
  } rows[] = { { SMTP_CAP_XCLIENT, "XCLIENT ", smtp_xclient_names },
               { SMTP_CAP_XFORWARD, "XFORWARD ", smtp_xforward_names } };

  if ((flags & SMTP_CAP_AUTH) && server->mechanisms != NULL)
    {
      g_autofree gchar *line = g_strconcat ("AUTH ", server->mechanisms, NULL);
      base_reply_add_line (reply, line);
    }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      if (!(flags & rows[i].flag))
        continue;
      g_autofree gchar *names = g_strjoinv (" ", (gchar **) rows[i].names);
      g_autofree gchar *line = g_strconcat (rows[i].verb, names, NULL);
      base_reply_add_line (reply, line);
    }
}

void
smtp_server_answer_ehlo (SmtpServer *server, const gchar *greeting, SmtpCapabilities offered,
                         const gchar *extra)
{
  gboolean extended = server->open == &smtp_command_ehlo || server->open == &smtp_command_lhlo;

  if (server->tls)
    offered.flags &= ~(guint32) SMTP_CAP_STARTTLS; /* RFC 3207 section 4.2 */
  g_autofree gchar *lines = smtp_capabilities_to_lines (offered);
  BaseReply *reply = base_reply_new (250, 0, 0, 0, greeting);
  if (extended && *lines != '\0')
    base_reply_add_line (reply, lines);
  if (extended)
    add_argued_lines (server, reply, offered.flags);
  if (extended && extra != NULL && *extra != '\0')
    base_reply_add_line (reply, extra);
  smtp_server_answer (server, reply);
  base_reply_free (reply);
  if (extended)
    {
      server->offered = offered.flags;
      server->offered_size = offered.size;
    }
}

BaseReply *
smtp_server_default_reply (const SmtpServerEvent *event, const gchar *hostname)
{
  const SmtpCommand *row = smtp_command_of_event (event->type);

  if (row == NULL)
    return NULL;
  return row->usual == NULL ? base_reply_new (250, 2, 0, 0, "Ok") : row->usual (event, hostname);
}
