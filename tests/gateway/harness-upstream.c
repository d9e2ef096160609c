/* See harness-upstream.h. */
#include "harness-upstream.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

HarnessConnection *
harness_connection (Harness *harness)
{
  return (HarnessConnection *) gateway_session_upstream (harness->session);
}

void
harness_connection_free (HarnessConnection *connection)
{
  smtp_client_free (connection->upstream.client);
  smtp_server_free (connection->server);
  g_free (connection->upstream.tls);
  g_free (connection->upstream.name);
  g_string_free (connection->body, TRUE);
  g_free (connection->sender);
  g_ptr_array_unref (connection->recipients);
  g_free (connection);
}

BaseReply *
harness_reply (const gchar *text)
{
  guint16 enhanced[3] = { 0, 0, 0 };
  guint code = (guint) g_ascii_strtoull (text, NULL, 10);
  const gchar *rest = strlen (text) > 4 ? text + 4 : "";
  gsize skip = base_reply_parse_enhanced (rest, strlen (rest), enhanced);
  return base_reply_new (code, enhanced[0], enhanced[1], enhanced[2], rest + skip);
}

static gchar *
describe (const SmtpServerEvent *event)
{
  static const gchar *const names[]
      = { "CONNECT",       "HELO",    "EHLO",     "MAIL",    "RCPT", "DATA",
          "CHUNK",         "END",     "RSET",     "NOOP",    "VRFY", "EXPN",
          "HELP",          "QUIT",    "STARTTLS", "UNKNOWN", "BDAT", "AUTH",
          "AUTH_RESPONSE", "XCLIENT", "XFORWARD", "COMMAND" };
  if (event->type == SMTP_SERVER_XFORWARD || event->type == SMTP_SERVER_XCLIENT)
    {
      g_autofree gchar *all = g_strjoinv (" ", (gchar **) event->attributes);
      return g_strconcat (names[event->type], " ", all, NULL);
    }
  if (event->type == SMTP_SERVER_AUTH || event->type == SMTP_SERVER_AUTH_RESPONSE)
    return g_strconcat (names[event->type], " ", event->argument,
                        event->initial != NULL ? " " : NULL, event->initial, NULL);
  if (event->path == NULL)
    return g_strdup (names[event->type]);
  return g_strdup_printf ("%s %s", names[event->type], event->path->address);
}

static void
accept_message (Harness *harness, HarnessConnection *connection, const gchar *recipient)
{
  gchar *whose = recipient == NULL ? g_strdup (connection->sender)
                                   : g_strconcat (connection->sender, " ", recipient, NULL);
  g_string_assign (harness->message, "");
  g_string_append_len (harness->message, connection->body->str, connection->body->len);
  harness->messages++;
  guint times = GPOINTER_TO_UINT (g_hash_table_lookup (harness->accepted, whose));
  g_hash_table_insert (harness->accepted, whose, GUINT_TO_POINTER (times + 1));
}

static const gchar *
scripted (Harness *harness, const SmtpServerEvent *event, const gchar *key)
{
  const gchar *answer = NULL;
  if (harness->decide != NULL && event->type > SMTP_SERVER_EHLO)
    answer = harness->decide (harness, key);
  if (answer != NULL)
    return answer;
  return g_hash_table_lookup (harness->script, event->type == SMTP_SERVER_MAIL ? "MAIL" : key);
}

static void
note_event (Harness *harness, HarnessConnection *connection, const SmtpServerEvent *event,
            const gchar *key)
{
  if (event->type == SMTP_SERVER_CHUNK)
    g_string_append_len (connection->body, (gchar *) event->bytes, event->length);
  else if (event->type > SMTP_SERVER_EHLO)
    g_string_append_printf (harness->commands, "%s\n", key);
  else if (event->type == SMTP_SERVER_EHLO && connection->greeted)
    g_string_append_printf (harness->commands, "EHLO %s\n", event->argument);
  connection->greeted |= event->type == SMTP_SERVER_EHLO;
  if (event->type == SMTP_SERVER_DATA || event->type == SMTP_SERVER_BDAT)
    g_string_truncate (connection->body, 0);
  if (event->type != SMTP_SERVER_MAIL)
    return;
  g_ptr_array_set_size (connection->recipients, 0);
  g_free (connection->sender);
  connection->sender = g_strdup (event->path->address);
}

/* What a well-behaved server does not do. FALSE: it behaves. */
static gboolean
misbehave (Harness *harness, HarnessConnection *connection, const SmtpServerEvent *event,
           const gchar *answer)
{
  if (answer != NULL && g_str_has_prefix (answer, "raw "))
    {
      base_output_append_printf (smtp_server_output (connection->server), "%s\r\n", answer + 4);
      connection->lied = TRUE;
      return FALSE;
    }
  if (g_strcmp0 (answer, "lose") == 0 && event->type == SMTP_SERVER_END)
    accept_message (harness, connection, NULL);
  connection->closed |= g_strcmp0 (answer, "close") == 0 || g_strcmp0 (answer, "lose") == 0;
  return connection->closed || g_strcmp0 (answer, "stall") == 0;
}

static void
answer_ehlo (Harness *harness, HarnessConnection *connection)
{
  SmtpCapabilities offered = harness->capabilities;
  offered.flags |= harness->mechanisms != NULL ? SMTP_CAP_AUTH : 0;
  smtp_server_offer_auth (connection->server, harness->mechanisms);
  smtp_server_answer_ehlo (connection->server, "up.test", offered, NULL);
}

/* LMTP: each recipient's own answer. */
static void
answer_each (Harness *harness, HarnessConnection *connection)
{
  g_string_append (harness->commands, "END\n");
  for (guint i = 0; i < connection->recipients->len; i++)
    {
      const gchar *recipient = connection->recipients->pdata[i];
      const SmtpServerEvent end = { .type = SMTP_SERVER_END };
      g_autofree gchar *key = g_strconcat ("END ", recipient, NULL);
      const gchar *answer = scripted (harness, &end, key);
      if (answer == NULL)
        answer = g_hash_table_lookup (harness->script, "END");
      if (g_strcmp0 (answer, "lose") == 0)
        accept_message (harness, connection, recipient);
      connection->closed = g_strcmp0 (answer, "close") == 0 || g_strcmp0 (answer, "lose") == 0;
      if (connection->closed || g_strcmp0 (answer, "stall") == 0)
        return;
      g_autoptr (BaseReply) reply = harness_reply (answer != NULL ? answer : "250 2.0.0 up ok");
      if (reply->code == 250)
        accept_message (harness, connection, recipient);
      if (reply->code == 421)
        {
          smtp_server_answer_close (connection->server, reply);
          return;
        }
      smtp_server_answer (connection->server, reply);
    }
}

static void
answer_event (Harness *harness, HarnessConnection *connection, const SmtpServerEvent *event)
{
  g_autofree gchar *key = describe (event);
  const gchar *verb_answer;
  if (event->type == SMTP_SERVER_END && connection->limits.lmtp)
    {
      answer_each (harness, connection);
      return;
    }
  verb_answer = scripted (harness, event, key);
  note_event (harness, connection, event, key);
  if (misbehave (harness, connection, event, verb_answer) || event->type == SMTP_SERVER_CHUNK)
    return;
  if (verb_answer != NULL && g_str_has_prefix (verb_answer, "raw "))
    verb_answer = NULL;
  g_autoptr (BaseReply) reply = NULL;
  if (verb_answer != NULL)
    reply = harness_reply (verb_answer);
  else if (event->type == SMTP_SERVER_DATA)
    reply = base_reply_new (354, 0, 0, 0, "go on");
  else if (event->type == SMTP_SERVER_CONNECT)
    reply = base_reply_new (220, 0, 0, 0, "up.test");
  else
    reply = base_reply_new (250, 2, 0, 0, "up ok");
  if (event->type == SMTP_SERVER_EHLO)
    answer_ehlo (harness, connection);
  else if (reply->code == 421)
    smtp_server_answer_close (connection->server, reply);
  else
    smtp_server_answer (connection->server, reply);
  if (event->type == SMTP_SERVER_END && reply->code == 250)
    accept_message (harness, connection, NULL);
  if (event->type == SMTP_SERVER_RCPT && reply->code == 250)
    g_ptr_array_add (connection->recipients, g_strdup (event->path->address));
}

void
harness_serve (Harness *harness, HarnessConnection *connection)
{
  const SmtpServerEvent *event;
  while (!connection->closed && (event = smtp_server_next (connection->server)) != NULL)
    answer_event (harness, connection, event);
}

/* What waits in the output, in memory or in a file: at most `most` octets, as a socket takes it. */
static gsize
take (Harness *harness, BaseOutput *output, guint8 *bytes, gsize most)
{
  const BaseOutputSegment *file = base_output_front_file (output);
  struct iovec vector[16];
  guint n = base_output_iovec (output, vector, 16);
  gsize length = 0;
  if (file != NULL)
    {
      length = MIN (file->length, most);
      harness->from_files += length;
      g_assert_cmpint (fcntl (file->fd, F_GETLEASE), ==, F_RDLCK);
      g_assert_cmpint (pread (file->fd, bytes, length, (off_t) file->offset), ==, (gssize) length);
    }
  for (guint i = 0; i < n && length < most; i++)
    {
      gsize part = MIN (vector[i].iov_len, most - length);
      memcpy (bytes + length, vector[i].iov_base, part);
      length += part;
    }
  base_output_consume (output, length);
  return length;
}

/* What the client machine has written goes to the server machine. */
static gboolean
move_up (Harness *harness, HarnessConnection *connection)
{
  BaseOutput *output = smtp_client_output (connection->upstream.client);
  gboolean moved = output->length > 0 && harness->choke == 0;
  gsize room = harness->choke == 0 ? G_MAXSIZE : harness->choke;
  while (output->length > 0 && room > 0)
    {
      guint8 bytes[4096];
      gsize length = take (harness, output, bytes, MIN (room, sizeof bytes));
      room -= length;
      if (connection->closed)
        continue;
      smtp_server_feed (connection->server, bytes, length);
      harness_serve (harness, connection);
      smtp_server_settle (connection->server);
    }
  return moved;
}

gboolean
harness_move_down (HarnessConnection *connection)
{
  BaseOutput *output = smtp_server_output (connection->server);
  gboolean moved = output->length > 0;
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  while (output->length > 0)
    {
      struct iovec vector[16];
      guint n = base_output_iovec (output, vector, 16);
      gsize length = 0;
      for (guint i = 0; i < n; i++)
        {
          g_byte_array_append (bytes, vector[i].iov_base, vector[i].iov_len);
          length += vector[i].iov_len;
        }
      base_output_consume (output, length);
    }
  if (bytes->len > 0)
    smtp_client_feed (connection->upstream.client, bytes->data, bytes->len);
  if (bytes->len > 0)
    smtp_client_settle (connection->upstream.client);
  return moved;
}

gboolean
harness_move_upstream (Harness *harness)
{
  HarnessConnection *connection = harness_connection (harness);
  if (connection == NULL)
    return FALSE;
  gboolean moved = move_up (harness, connection);
  if (!harness->mute)
    moved |= harness_move_down (connection);
  gboolean ended = connection->closed || smtp_server_is_closing (connection->server);
  if (ended && !connection->told)
    {
      connection->told = TRUE;
      smtp_client_eof (connection->upstream.client);
      moved = TRUE;
    }
  gateway_session_pump (harness->session);
  return moved;
}

HarnessConnection *
harness_connection_new (Harness *harness)
{
  HarnessConnection *connection = g_new0 (HarnessConnection, 1);
  connection->limits = (SmtpServerLimits){
    .recipients = 1000, .line_length = 12288, .bad_commands = 20, .lmtp = harness->lmtp
  };
  connection->recipients = g_ptr_array_new_with_free_func (g_free);
  connection->server = smtp_server_new (&connection->limits);
  connection->body = g_string_new (NULL);
  connection->upstream.client = smtp_client_new ("mx.test", SMTP_CLIENT_TLS_OFF);
  if (harness->lmtp)
    smtp_client_set_lmtp (connection->upstream.client);
  connection->upstream.local = !harness->remote;
  connection->upstream.tls = g_strdup (harness->upstream_tls);
  connection->upstream.name = g_strdup_printf ("up%u", ++harness->connections);
  const SmtpServerEvent *event = smtp_server_next (connection->server);
  answer_event (harness, connection, event);
  for (guint i = 0; i < 4; i++)
    {
      harness_move_down (connection);
      const SmtpClientEvent *ready = smtp_client_next (connection->upstream.client);
      if (ready != NULL && ready->type == SMTP_CLIENT_READY)
        break;
      move_up (harness, connection);
    }
  g_assert_true (smtp_client_is_ready (connection->upstream.client));
  return connection;
}
