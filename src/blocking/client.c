/* Drives the client machine over a stream. Every wait ends by the time-out; what the machine calls
 * FAILED leaves as a GError with the server's words. */
#include "blocking/client.h"

#include "base/address.h"
#include "base/proxy.h"
#include "blocking/stream.h"
#include "blocking/trace.h"
#include "smtp/client.h"
#include "smtp/parameters.h"

#include <string.h>

#define INPUT_SIZE 16384
#define BODY_PIECE (256 * 1024) /* between two looks at what the server says */

struct _BlockingClient
{
  BlockingStream *stream;
  SmtpClient *machine;
  BlockingTracer tracer;
  gchar *host;
  guint port;
  gchar *tls_name;
  SSL_CTX *context; /* borrowed */
  gboolean lmtp;
  guint timeout;
  guint final_timeout;
  gint64 deadline; /* of the wait under way */
  gboolean in_body;
  gboolean dotted; /* the final dot is given and not answered (RFC 1047) */
  gboolean dead;
  BaseReply *failure; /* what it died of */
  guint8 input[INPUT_SIZE];
};

void
blocking_client_free (BlockingClient *client)
{
  if (client == NULL)
    return;
  smtp_client_free (client->machine);
  blocking_stream_free (client->stream);
  blocking_tracer_clear (&client->tracer);
  base_reply_free (client->failure);
  g_free (client->host);
  g_free (client->tls_name);
  g_free (client);
}

SmtpCapabilities
blocking_client_capabilities (const BlockingClient *client)
{
  return smtp_client_capabilities (client->machine);
}

static void
restart_deadline (BlockingClient *client)
{
  guint timeout = client->dotted ? client->final_timeout : client->timeout;

  client->deadline = g_get_monotonic_time () + (gint64) timeout * 1000;
}

/* Writes what can be written without waiting. */
static gboolean
write_some (BlockingClient *client, GError **error)
{
  BaseOutput *output = smtp_client_output (client->machine);
  struct iovec part;

  while (base_output_iovec (output, &part, 1) > 0)
    {
      gsize done = 0;

      switch (blocking_stream_write (client->stream, part.iov_base, part.iov_len, &done, error))
        {
        case BLOCKING_IO_DONE:
          break;
        case BLOCKING_IO_AGAIN:
          return TRUE;
        case BLOCKING_IO_EOF:
          /* What the server said before it closed is still to be read; that it closed is found
           * there. */
          return TRUE;
        case BLOCKING_IO_ERROR:
        default:
          return FALSE;
        }
      if (!client->in_body)
        blocking_tracer_octets (&client->tracer, TRUE, part.iov_base, done);
      base_output_consume (output, done);
      restart_deadline (client);
    }
  return TRUE;
}

/* Reads once without waiting, and hands it to the machine. `again`: there was nothing. */
static gboolean
read_some (BlockingClient *client, gboolean *again, GError **error)
{
  gsize done = 0;
  BlockingIo result
      = blocking_stream_read (client->stream, client->input, INPUT_SIZE, &done, error);

  *again = result == BLOCKING_IO_AGAIN;
  if (result == BLOCKING_IO_ERROR)
    return FALSE;
  if (result == BLOCKING_IO_EOF)
    smtp_client_eof (client->machine);
  if (result == BLOCKING_IO_DONE)
    {
      blocking_tracer_octets (&client->tracer, FALSE, client->input, done);
      smtp_client_feed (client->machine, client->input, done);
    }
  return TRUE;
}

/* A broken write is not the last word: the server may have said why before it closed. */
static gboolean
exchange (BlockingClient *client, gboolean *again, GError **error)
{
  g_autoptr (GError) broken = NULL;
  gboolean wrote = write_some (client, &broken);

  if (!read_some (client, again, wrote ? error : NULL))
    {
      if (!wrote)
        g_propagate_error (error, g_steal_pointer (&broken));
      return FALSE;
    }
  if (wrote || !*again)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&broken));
  return FALSE;
}

static gboolean
start_tls (BlockingClient *client, GError **error)
{
  g_autofree gchar *name = NULL;

  restart_deadline (client);
  if (client->context == NULL)
    {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_TLS, "TLS is not set up");
      return FALSE;
    }
  if (!blocking_stream_start_tls (client->stream, client->tls_name, client->context,
                                  client->deadline, error))
    return FALSE;
  name = blocking_stream_tls_name (client->stream);
  blocking_tracer_say (&client->tracer, "[%s]", name);
  smtp_client_tls_started (client->machine);
  return TRUE;
}

static gboolean
take_failure (BlockingClient *client, const SmtpClientEvent *event, GError **error)
{
  g_autofree gchar *reply = base_reply_to_string (event->reply);

  client->failure = base_reply_copy (event->reply);
  g_set_error_literal (error, WEIR_ERROR,
                       event->reply->code >= 500 ? WEIR_ERROR_REFUSED : WEIR_ERROR_DEFERRED, reply);
  return FALSE;
}

/* Takes the machine's next event, if there is one. FALSE: the conversation ended. */
static gboolean
take_event (BlockingClient *client, const SmtpClientEvent **event, GError **error)
{
  while ((*event = smtp_client_next (client->machine)) != NULL)
    {
      if ((*event)->type == SMTP_CLIENT_FAILED)
        return take_failure (client, *event, error);
      if ((*event)->type != SMTP_CLIENT_START_TLS)
        return TRUE;
      smtp_client_settle (client->machine);
      if (!start_tls (client, error))
        return FALSE;
    }
  smtp_client_settle (client->machine);
  return TRUE;
}

/* An error of ours as a reply (RFC 3463 sections 3.5 and 3.8). */
static BaseReply *
reply_of_error (const GError *error)
{
  switch ((WeirError) error->code)
    {
    case WEIR_ERROR_CONNECT:
      return base_reply_new (451, 4, 4, 1, error->message);
    case WEIR_ERROR_TLS:
    case WEIR_ERROR_AUTH:
      return base_reply_new (451, 4, 7, 0, error->message);
    default:
      return base_reply_new (451, 4, 4, 2, error->message);
    }
}

/* `reason` becomes the caller's. */
static gboolean
die (BlockingClient *client, GError *reason, GError **error)
{
  client->dead = TRUE;
  if (client->failure == NULL)
    client->failure = reply_of_error (reason);
  const gchar *doubt = client->dotted ? "no answer, the message may have been accepted: " : "";
  if (*client->host == '/')
    g_prefix_error (&reason, "%s: %s", client->host, doubt);
  else
    g_prefix_error (&reason, "%s:%u: %s", client->host, client->port, doubt);
  g_propagate_error (error, reason);
  return FALSE;
}

/* Runs until the machine tells something (`event`), or with `event` NULL until all is written. */
static gboolean
run (BlockingClient *client, const SmtpClientEvent **event, GError **error)
{
  const BaseOutput *output = smtp_client_output (client->machine);
  const SmtpClientEvent *told = NULL;
  GError *reason = NULL;
  gboolean again;

  restart_deadline (client);
  while (take_event (client, &told, &reason))
    {
      if (told != NULL && event != NULL)
        {
          *event = told;
          return TRUE;
        }
      if (!exchange (client, &again, &reason))
        break;
      if (!again)
        continue;
      if (event == NULL && output->length == 0)
        return TRUE;
      if (!blocking_stream_wait (client->stream, output->length > 0, client->deadline, &reason))
        break;
    }
  return die (client, reason, error);
}

gchar *
blocking_own_name (void)
{
  const gchar *name = g_get_host_name ();

  return g_strdup (base_domain_is_valid (name, strlen (name)) ? name : "localhost");
}

static SmtpClientTls
machine_policy (const BlockingOptions *options)
{
  static const SmtpClientTls policies[] = {
    [BLOCKING_TLS_POLICY_OFF] = SMTP_CLIENT_TLS_OFF,
    [BLOCKING_TLS_POLICY_OPPORTUNISTIC] = SMTP_CLIENT_TLS_OPPORTUNISTIC,
    [BLOCKING_TLS_POLICY_REQUIRED] = SMTP_CLIENT_TLS_REQUIRED,
    [BLOCKING_TLS_POLICY_VERIFIED] = SMTP_CLIENT_TLS_REQUIRED,
  };

  return options->implicit_tls ? SMTP_CLIENT_TLS_IMPLICIT : policies[options->tls];
}

static gboolean
greet (BlockingClient *client, gboolean implicit_tls, GError **error)
{
  const SmtpClientEvent *event = NULL;
  GError *reason = NULL;

  /* A PROXY header goes ahead of TLS. */
  if (implicit_tls && !run (client, NULL, error))
    return FALSE;
  if (implicit_tls && !start_tls (client, &reason))
    return die (client, reason, error);
  return run (client, &event, error);
}

/* The wrong password is nobody's fault who is written to: whatever the server says, the mail is
 * only deferred. */
static gboolean
log_in (BlockingClient *client, const BlockingOptions *options, GError **error)
{
  const SmtpClientEvent *event = NULL;
  g_autofree gchar *tls = blocking_stream_tls_name (client->stream);
  g_autofree gchar *reply = NULL;
  GError *reason = NULL;

  if (options->user == NULL)
    return TRUE;
  if (tls == NULL && !options->auth_in_plaintext)
    g_set_error (&reason, WEIR_ERROR, WEIR_ERROR_AUTH, "no password is sent without TLS");
  else if (!smtp_client_login (client->machine, options->user,
                               options->password != NULL ? options->password : "", 0))
    g_set_error (&reason, WEIR_ERROR, WEIR_ERROR_AUTH, "no AUTH that we know is offered");
  else if (!run (client, &event, error))
    return FALSE;
  else if (event->reply->code / 100 == 2)
    return TRUE;
  else
    {
      reply = base_reply_to_string (event->reply);
      g_set_error (&reason, WEIR_ERROR, WEIR_ERROR_AUTH, "the login is refused: %s", reply);
    }
  return die (client, reason, error);
}

static void
say_proxy (BlockingClient *client, guint version)
{
  g_auto (BaseBuffer) header = BASE_BUFFER_INIT;

  if (version == 0)
    return;
  base_proxy_write (version, NULL, NULL, &header);
  base_output_append (smtp_client_output (client->machine), base_buffer_bytes (&header),
                      base_buffer_length (&header));
}

static BlockingClient *
client_new (const BlockingOptions *options, BlockingStream *stream)
{
  BlockingClient *client = g_new0 (BlockingClient, 1);
  g_autofree gchar *hello
      = options->hello != NULL ? g_strdup (options->hello) : blocking_own_name ();

  client->stream = stream;
  client->machine = smtp_client_new (hello, machine_policy (options));
  client->tracer.trace = options->trace;
  client->tracer.data = options->trace_data;
  client->lmtp = options->lmtp;
  if (client->lmtp)
    smtp_client_set_lmtp (client->machine);
  client->host = g_strdup (options->host);
  client->port = options->port;
  client->tls_name = g_strdup (options->tls_name != NULL ? options->tls_name : options->host);
  client->context = options->context;
  client->timeout = options->timeout;
  client->final_timeout = options->final_timeout > 0 ? options->final_timeout : options->timeout;
  say_proxy (client, options->proxy);
  return client;
}

BlockingClient *
blocking_client_connect (const BlockingOptions *options, BaseReply **failure, GError **error)
{
  GError *reason = NULL;
  BlockingStream *stream = blocking_stream_connect (
      options->host, options->port,
      options->connect_timeout > 0 ? options->connect_timeout : options->timeout, &reason);
  g_autoptr (BlockingClient) client = NULL;

  if (stream == NULL)
    {
      if (failure != NULL)
        *failure = reply_of_error (reason);
      g_propagate_error (error, reason);
      return NULL;
    }
  client = client_new (options, stream);
  if (greet (client, options->implicit_tls, error) && log_in (client, options, error))
    return g_steal_pointer (&client);
  if (failure != NULL)
    *failure = g_steal_pointer (&client->failure);
  return NULL;
}

const BaseReply *
blocking_client_failure (const BlockingClient *client)
{
  return client->failure;
}

gboolean
blocking_client_is_in_doubt (const BlockingClient *client)
{
  return client->dead && client->dotted;
}

void
blocking_result_free (BlockingResult *result)
{
  if (result == NULL)
    return;
  base_reply_free (result->mail);
  base_reply_free (result->message);
  g_clear_pointer (&result->fates, g_ptr_array_unref);
  g_ptr_array_unref (result->recipients);
  g_free (result);
}

BlockingResult *
blocking_result_new (void)
{
  BlockingResult *result = g_new0 (BlockingResult, 1);

  result->recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) base_reply_free);
  return result;
}

/* What the message needs and the server does not offer: RFC 6531 section 3.5, RFC 6152 section 3.
 * It can do without DSN: who asked for notifications gets those of a server that knows none (RFC
 * 3461 section 5.2.2). NULL: nothing. */
static BaseReply *
missing_capability (BlockingClient *client, const BasePath *sender,
                    const BasePath *const *recipients, guint count)
{
  guint32 needs = smtp_parameters_needs (sender);

  for (guint i = 0; i < count; i++)
    needs |= smtp_parameters_needs (recipients[i]);
  needs &= ~(smtp_client_capabilities (client->machine).flags | SMTP_CAP_DSN);
  if (needs & SMTP_CAP_SMTPUTF8)
    return base_reply_new (553, 5, 6, 7, "the server does not take such addresses (SMTPUTF8)");
  if (needs & SMTP_CAP_8BITMIME)
    return base_reply_new (554, 5, 6, 3, "the server does not take 8-bit messages (8BITMIME)");
  if (needs != 0)
    return base_reply_new (555, 5, 5, 4, "the server does not take such parameters");
  return NULL;
}

static BaseReply *
await_reply (BlockingClient *client, GError **error)
{
  const SmtpClientEvent *event = NULL;

  return run (client, &event, error) ? base_reply_copy (event->reply) : NULL;
}

/* MAIL and every RCPT, in one write where the server pipelines. FALSE: the conversation ended. */
static gboolean
send_envelope (BlockingClient *client, const BasePath *sender, const BasePath *const *recipients,
               guint count, BlockingResult *result, GError **error)
{
  smtp_client_mail (client->machine, sender, 0);
  for (guint i = 0; i < count; i++)
    smtp_client_rcpt (client->machine, recipients[i], i);
  result->mail = await_reply (client, error);
  if (result->mail == NULL)
    return FALSE;
  for (guint i = 0; i < count; i++)
    {
      BaseReply *reply = await_reply (client, error);

      if (reply == NULL)
        return FALSE;
      g_ptr_array_add (result->recipients, reply);
    }
  if (!base_reply_is_positive (result->mail))
    g_ptr_array_set_size (result->recipients, 0);
  return TRUE;
}

static gboolean
any_accepted (const BlockingResult *result)
{
  for (guint i = 0; i < result->recipients->len; i++)
    if (base_reply_is_positive (result->recipients->pdata[i]))
      return TRUE;
  return FALSE;
}

/* The server is looked at after every piece, so that one that refuses early is heard, and none that
 * answers before our dot is taken for one that accepted. */
static gboolean
send_body (BlockingClient *client, const guint8 *message, gsize length, GError **error)
{
  gboolean good = TRUE;

  client->in_body = TRUE;
  for (gsize at = 0; at < length && good; at += BODY_PIECE)
    {
      smtp_client_body (client->machine, message + at, MIN (length - at, BODY_PIECE));
      good = run (client, NULL, error);
    }
  client->in_body = FALSE;
  blocking_tracer_say (&client->tracer, "[%" G_GSIZE_FORMAT " octets]", length);
  return good;
}

/* A transaction that was not ended by its data is reset, so that the next one starts anew. */
static gboolean
reset (BlockingClient *client, GError **error)
{
  g_autoptr (BaseReply) reply = NULL;

  smtp_client_rset (client->machine, 0);
  reply = await_reply (client, error);
  return reply != NULL;
}

static void
free_reply (gpointer reply)
{
  base_reply_free (reply);
}

/* One answer for each recipient who was accepted; whoever has his is in no doubt any more. */
static gboolean
await_fates (BlockingClient *client, BlockingResult *result, GError **error)
{
  const SmtpClientEvent *event = NULL;

  result->fates = g_ptr_array_new_with_free_func (free_reply);
  g_ptr_array_set_size (result->fates, (gint) result->recipients->len);
  for (guint i = 0; i < result->recipients->len; i++)
    {
      if (!base_reply_is_positive (result->recipients->pdata[i]))
        continue;
      if (!run (client, &event, error))
        return FALSE;
      result->fates->pdata[event->tag] = base_reply_copy (event->reply);
    }
  client->dotted = FALSE;
  return TRUE;
}

static gboolean
send_message (BlockingClient *client, const guint8 *message, gsize length, BlockingResult *result,
              GError **error)
{
  smtp_client_data (client->machine, 0);
  result->message = await_reply (client, error);
  if (result->message == NULL)
    return FALSE;
  if (result->message->code != 354)
    return reset (client, error);
  g_clear_pointer (&result->message, base_reply_free);
  if (!send_body (client, message, length, error))
    return FALSE;
  smtp_client_end (client->machine, 0);
  client->dotted = TRUE;
  if (client->lmtp)
    return await_fates (client, result, error);
  result->message = await_reply (client, error);
  client->dotted = result->message == NULL;
  return !client->dotted;
}

gboolean
blocking_client_send (BlockingClient *client, const BasePath *sender,
                      const BasePath *const *recipients, guint count, const guint8 *message,
                      gsize length, BlockingResult *result, GError **error)
{
  g_return_val_if_fail (!client->dead, FALSE);
  result->mail = missing_capability (client, sender, recipients, count);
  if (result->mail != NULL)
    return TRUE;
  if (!send_envelope (client, sender, recipients, count, result, error))
    return FALSE;
  return any_accepted (result) ? send_message (client, message, length, result, error)
                               : reset (client, error);
}

gboolean
blocking_client_quit (BlockingClient *client, GError **error)
{
  g_autoptr (BaseReply) reply = NULL;

  g_return_val_if_fail (!client->dead, FALSE);
  smtp_client_quit (client->machine);
  reply = await_reply (client, error);
  return reply != NULL;
}
