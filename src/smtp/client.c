/* The client machine's events: each reply goes to the oldest open command, by one table. Every
 * failure leaves once, as FAILED with a reply: the server's own, or one made here that names what
 * was wrong. Nothing from the wire can abort. */
#include "smtp/client-private.h"

#include <string.h>

static gboolean on_data (SmtpClient *client, const SmtpClientEntry *entry);
static gboolean on_quit (SmtpClient *client, const SmtpClientEntry *entry);

/* One row a command: its name in texts, the only code below 400 that may answer it (0: any 2xx),
 * what the answer does. */
static const struct
{
  const gchar *name;
  guint16 positive;
  gboolean (*answered) (SmtpClient *client, const SmtpClientEntry *entry);
} command_table[] = {
  [SMTP_CLIENT_COMMAND_NONE] = { "nothing", 0, NULL },
  [SMTP_CLIENT_COMMAND_GREETING] = { "greeting", 0, smtp_client_on_greeting },
  [SMTP_CLIENT_COMMAND_EHLO] = { "EHLO", 0, smtp_client_on_ehlo },
  [SMTP_CLIENT_COMMAND_HELO] = { "HELO", 0, smtp_client_on_helo },
  [SMTP_CLIENT_COMMAND_STARTTLS] = { "STARTTLS", 220, smtp_client_on_starttls },
  [SMTP_CLIENT_COMMAND_MAIL] = { "MAIL", 0, smtp_client_on_mail },
  [SMTP_CLIENT_COMMAND_RCPT] = { "RCPT", 0, smtp_client_on_rcpt },
  [SMTP_CLIENT_COMMAND_DATA] = { "DATA", 354, on_data },
  [SMTP_CLIENT_COMMAND_END] = { "end of data", 0, smtp_client_on_end },
  [SMTP_CLIENT_COMMAND_RSET] = { "RSET", 0, smtp_client_on_reply },
  [SMTP_CLIENT_COMMAND_NOOP] = { "NOOP", 0, smtp_client_on_reply },
  [SMTP_CLIENT_COMMAND_QUIT] = { "QUIT", 0, on_quit },
  [SMTP_CLIENT_COMMAND_BDAT] = { "BDAT", 0, smtp_client_on_reply },
  [SMTP_CLIENT_COMMAND_AUTH] = { "AUTH", 235, smtp_client_on_auth },
  [SMTP_CLIENT_COMMAND_XCLIENT] = { "XCLIENT", 0, smtp_client_on_xclient },
  [SMTP_CLIENT_COMMAND_XFORWARD] = { "XFORWARD", 0, smtp_client_on_reply },
};

const gchar *
smtp_client_command_name (SmtpClientCommand command)
{
  return command_table[command].name;
}

SmtpClient *
smtp_client_new (const gchar *hello, SmtpClientTls tls)
{
  SmtpClient *client = g_new0 (SmtpClient, 1);

  client->hello = g_strdup (hello);
  client->tls = tls;
  client->encrypted = tls == SMTP_CLIENT_TLS_IMPLICIT;
  smtp_client_push_open (client, SMTP_CLIENT_COMMAND_GREETING, 0);
  return client;
}

void
smtp_client_set_lmtp (SmtpClient *client)
{
  client->lmtp = TRUE;
}

void
smtp_client_free (SmtpClient *client)
{
  if (client == NULL)
    return;
  smtp_reply_reader_clear (&client->reader);
  base_buffer_clear (&client->open);
  base_buffer_clear (&client->waiting);
  base_buffer_clear (&client->lines);
  base_output_clear (&client->output);
  base_reply_free (client->failure);
  smtp_client_forget_login (client);
  smtp_client_forget_offers (client);
  g_clear_pointer (&client->accepted, g_array_unref);
  g_free (client->hello);
  g_free (client);
}

void
smtp_client_fail (SmtpClient *client, BaseReply *reply, gboolean from_server)
{
  if (client->failure != NULL)
    {
      base_reply_free (reply);
      return;
    }
  client->failure = reply;
  client->failure_theirs = from_server;
}

gboolean
smtp_client_on_reply (SmtpClient *client, const SmtpClientEntry *entry)
{
  client->event = (SmtpClientEvent){ .type = SMTP_CLIENT_REPLY,
                                     .command = entry->command,
                                     .tag = entry->tag,
                                     .reply = client->reply,
                                     .from_server = TRUE };
  smtp_client_flush (client);
  return TRUE;
}

static gboolean
on_data (SmtpClient *client, const SmtpClientEntry *entry)
{
  if (client->reply->code == 354)
    {
      client->state = SMTP_CLIENT_IN_DATA;
      memcpy (client->data_tail, "\r\n", sizeof client->data_tail);
    }
  return smtp_client_on_reply (client, entry);
}

static gboolean
on_quit (SmtpClient *client, const SmtpClientEntry *entry)
{
  if (client->reply->code < 400)
    client->state = SMTP_CLIENT_CLOSED;
  return smtp_client_on_reply (client, entry);
}

static gboolean
fits (const SmtpClient *client, SmtpClientCommand command)
{
  const BaseReply *reply = client->reply;
  guint16 positive = command_table[command].positive;

  if (reply->code >= 400)
    return TRUE;
  if (command == SMTP_CLIENT_COMMAND_AUTH)
    return !client->challenged && (reply->code == 235 || reply->code == 334);
  if (client->last_chunk && command == SMTP_CLIENT_COMMAND_END && client->output.length > 0)
    return FALSE; /* before the message's last octet can have reached the server */
  return positive != 0 ? reply->code == positive : reply->code < 300;
}

static void
fail_unexpected (SmtpClient *client, const gchar *what)
{
  g_autofree gchar *theirs = base_reply_to_string (client->reply);

  smtp_client_fail (client, base_reply_printf (451, 4, 3, 0, "%s: %.200s", what, theirs), FALSE);
}

/* A reply that answers no command: before the end of the data, out of turn, or the server's
 * farewell. */
static void
fail_without_command (SmtpClient *client)
{
  if (client->reply->code == 421
      || (client->state == SMTP_CLIENT_IN_DATA && client->reply->code >= 400))
    smtp_client_fail (client, base_reply_copy (client->reply), TRUE);
  else if (client->state == SMTP_CLIENT_IN_DATA)
    fail_unexpected (client, "an answer before the end of the data");
  else
    fail_unexpected (client, "a reply without a command");
}

/* Whether the server's farewell is the whole answer: the machine's own commands have no REPLY to
 * tell it in. */
static gboolean
is_own (SmtpClientCommand command)
{
  return command <= SMTP_CLIENT_COMMAND_STARTTLS;
}

/* Gives the reply to the oldest open command; TRUE: there is an event to tell. */
static gboolean
dispatch (SmtpClient *client)
{
  SmtpClientEntry entry;
  gboolean told;

  if (!smtp_client_has_open (client))
    {
      fail_without_command (client);
      return FALSE;
    }
  entry = *smtp_client_oldest (client);
  if (!fits (client, entry.command))
    {
      g_autofree gchar *what
          = g_strdup_printf ("an unexpected reply to %s", smtp_client_command_name (entry.command));
      fail_unexpected (client, what);
      return FALSE;
    }
  if (client->reply->code == 421)
    {
      smtp_client_fail (client, base_reply_copy (client->reply), TRUE);
      if (is_own (entry.command))
        return FALSE;
    }
  smtp_client_pop (client);
  told = command_table[entry.command].answered (client, &entry);
  if (client->failure != NULL && is_own (entry.command))
    client->answering = entry.command;
  return told;
}

static SmtpClientCommand
failed_command (const SmtpClient *client)
{
  if (client->state == SMTP_CLIENT_IN_DATA)
    return SMTP_CLIENT_COMMAND_DATA;
  if (client->state == SMTP_CLIENT_TLS_WAIT)
    return SMTP_CLIENT_COMMAND_STARTTLS;
  if (client->answering != SMTP_CLIENT_COMMAND_NONE)
    return client->answering;
  if (smtp_client_has_open (client))
    return smtp_client_oldest (client)->command;
  return SMTP_CLIENT_COMMAND_NONE;
}

static const SmtpClientEvent *
tell_failure (SmtpClient *client)
{
  if (client->failed)
    return NULL;
  client->failed = TRUE;
  client->event = (SmtpClientEvent){ .type = SMTP_CLIENT_FAILED,
                                     .command = failed_command (client),
                                     .reply = client->failure,
                                     .from_server = client->failure_theirs };
  if (smtp_client_has_open (client)
      && client->event.command == smtp_client_oldest (client)->command)
    client->event.tag = smtp_client_oldest (client)->tag;
  return &client->event;
}

/* No whole reply is there. TRUE: that is a fault. */
static gboolean
cannot_wait (SmtpClient *client)
{
  gboolean expects = smtp_client_has_open (client) || smtp_client_has_waiting (client)
                     || client->state == SMTP_CLIENT_IN_DATA
                     || client->state == SMTP_CLIENT_TLS_WAIT;

  if (!client->eof || !expects)
    return FALSE;
  smtp_client_fail (client,
                    base_reply_printf (451, 4, 4, 2, "the server closed the connection, open: %s",
                                       smtp_client_command_name (failed_command (client))),
                    FALSE);
  return TRUE;
}

static gboolean
is_tls_injected (SmtpClient *client)
{
  if (client->state != SMTP_CLIENT_TLS_WAIT || !smtp_reply_reader_has_unread (&client->reader))
    return FALSE;
  smtp_client_fail (
      client, base_reply_new (451, 4, 7, 0, "plaintext behind the answer to STARTTLS"), FALSE);
  return TRUE;
}

/* Reads one reply into client->reply. FALSE: there is none, or a failure. */
static gboolean
read_reply (SmtpClient *client)
{
  g_autofree gchar *fault = NULL;

  client->reader.is_auth = smtp_client_has_open (client)
                           && smtp_client_oldest (client)->command == SMTP_CLIENT_COMMAND_AUTH;
  switch (smtp_reply_reader_next (&client->reader, &client->reply, &fault))
    {
    case SMTP_REPLY_COMPLETE:
      return TRUE;
    case SMTP_REPLY_FAULT:
      smtp_client_fail (client, base_reply_new (451, 4, 3, 0, fault), FALSE);
      return FALSE;
    case SMTP_REPLY_MORE:
    default:
      cannot_wait (client);
      return FALSE;
    }
}

void
smtp_client_feed (SmtpClient *client, const guint8 *bytes, gsize length)
{
  if (client->failure == NULL && length > 0)
    smtp_reply_reader_feed (&client->reader, bytes, length);
}

const SmtpClientEvent *
smtp_client_next (SmtpClient *client)
{
  client->reply = NULL;
  if (client->failure == NULL && !client->eof && !smtp_reply_reader_has_unread (&client->reader))
    return NULL;
  while (client->failure == NULL && !is_tls_injected (client) && read_reply (client))
    {
      if (dispatch (client))
        return &client->event;
      client->reply = NULL;
    }
  if (client->failure == NULL)
    return NULL;
  smtp_reply_reader_clear (&client->reader);
  return tell_failure (client);
}

void
smtp_client_settle (SmtpClient *client)
{
  smtp_reply_reader_settle (&client->reader);
}

void
smtp_client_eof (SmtpClient *client)
{
  client->eof = TRUE;
}

void
smtp_client_tls_started (SmtpClient *client)
{
  if (client->tls == SMTP_CLIENT_TLS_IMPLICIT || client->failure != NULL)
    return;
  g_return_if_fail (client->state == SMTP_CLIENT_TLS_WAIT);
  smtp_reply_reader_clear (&client->reader);
  smtp_client_forget_offers (client);
  client->encrypted = TRUE;
  client->state = SMTP_CLIENT_HANDSHAKE;
  smtp_client_say_hello (client);
}

BaseOutput *
smtp_client_output (SmtpClient *client)
{
  return &client->output;
}

gboolean
smtp_client_is_ready (const SmtpClient *client)
{
  return client->state >= SMTP_CLIENT_OPEN && client->state != SMTP_CLIENT_CLOSED
         && client->failure == NULL;
}

SmtpCapabilities
smtp_client_capabilities (const SmtpClient *client)
{
  return client->capabilities;
}

gboolean
smtp_client_is_idle (const SmtpClient *client)
{
  return client->state == SMTP_CLIENT_OPEN && client->failure == NULL && !client->eof
         && !smtp_client_has_open (client) && !smtp_client_has_waiting (client)
         && !smtp_reply_reader_has_unread (&client->reader);
}
