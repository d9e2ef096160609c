/* Drives the server machine over a stream, one step at a time. Whatever ends a session ends it
 * once: orderly, or with a GError that says why; a client that was too slow is told so first. */
#include "blocking/session.h"

#include <string.h>
#include <sys/socket.h>

#define DEFAULT_CHUNK 1024
#define FAREWELL 2000 /* milliseconds for the client to take our last words */

/* How far one call of a helper below got. */
typedef enum
{
  GO_ON,
  ENDS,
  FAILS
} Progress;

WeirSession *
blocking_session_new (int fd, const BaseEndpoint *peer, BlockingSettings *settings)
{
  WeirSession *session = g_new0 (WeirSession, 1);

  session->settings = blocking_settings_ref (settings);
  session->stream = blocking_stream_new (fd);
  session->machine = smtp_server_new (&session->settings->limits);
  session->peer = base_endpoint_address (peer);
  session->port = base_endpoint_port (peer);
  session->chunk_size = DEFAULT_CHUNK;
  return session;
}

WeirSession *
weir_session_new (int descriptor, const WeirSettings *settings, GError **error)
{
  g_autoptr (BlockingSettings) filled = blocking_settings_new (settings, error);
  BaseEndpoint peer = { .length = sizeof peer.address };

  if (filled == NULL)
    {
      blocking_stream_free (blocking_stream_new (descriptor));
      return NULL;
    }
  if (getpeername (descriptor, &peer.address.any, &peer.length) != 0)
    peer.length = 0;
  return blocking_session_new (descriptor, &peer, filled);
}

static void
end (WeirSession *session)
{
  gboolean began = session->state != BLOCKING_SESSION_NEW;

  if (session->state == BLOCKING_SESSION_ENDED)
    return;
  session->state = BLOCKING_SESSION_ENDED;
  session->answerable = FALSE;
  if (began && session->hooks.disconnect != NULL)
    session->hooks.disconnect (session, session->data);
}

void
weir_session_free (WeirSession *session)
{
  if (session == NULL)
    return;
  end (session);
  smtp_server_free (session->machine);
  blocking_stream_free (session->stream);
  blocking_tracer_clear (&session->tracer);
  blocking_session_drop_mail (session);
  base_buffer_clear (&session->pending);
  base_reply_free (session->reply);
  blocking_settings_unref (session->settings);
  g_free (session->peer);
  g_free (session->helo);
  g_free (session->tls);
  blocking_auth_forget (session);
  g_free (session);
}

void
weir_session_set_hooks (WeirSession *session, const WeirHooks *hooks, gpointer data)
{
  memset (&session->hooks, 0, sizeof session->hooks);
  if (hooks != NULL)
    memcpy (&session->hooks, hooks, MIN (hooks->size, sizeof session->hooks));
  session->data = data;
}

void
weir_session_set_trace (WeirSession *session, WeirTrace trace, gpointer data)
{
  session->tracer.trace = trace;
  session->tracer.data = data;
}

void
weir_session_set_chunk_size (WeirSession *session, gsize octets)
{
  session->chunk_size = octets;
}

static gint64
deadline_after (const WeirSession *session, guint timeout)
{
  gint64 deadline = g_get_monotonic_time () + (gint64) timeout * 1000;

  return session->end == 0 ? deadline : MIN (deadline, session->end);
}

/* Writes all that is to be said. */
static gboolean
flush (WeirSession *session, GError **error)
{
  BaseOutput *output = smtp_server_output (session->machine);
  gint64 deadline = deadline_after (session, session->settings->command_timeout);
  struct iovec part;

  while (base_output_iovec (output, &part, 1) > 0)
    {
      gsize done = 0;

      switch (blocking_stream_write (session->stream, part.iov_base, part.iov_len, &done, error))
        {
        case BLOCKING_IO_DONE:
          blocking_tracer_octets (&session->tracer, TRUE, part.iov_base, done);
          base_output_consume (output, done);
          break;
        case BLOCKING_IO_AGAIN:
          if (!blocking_stream_wait (session->stream, TRUE, deadline, error))
            return FALSE;
          break;
        case BLOCKING_IO_EOF:
          g_set_error (error, WEIR_ERROR, WEIR_ERROR_CLOSED, "the client closed the connection");
          return FALSE;
        case BLOCKING_IO_ERROR:
        default:
          return FALSE;
        }
    }
  return TRUE;
}

/* The client hung up, which is a failure where it had begun something. */
static Progress
hang_up (WeirSession *session, GError **error)
{
  if (!smtp_server_in_transaction (session->machine))
    return ENDS;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_CLOSED, "the client closed the connection in %s",
               smtp_server_in_data (session->machine) ? "the message" : "a transaction");
  return FAILS;
}

/* Reads once, and feeds the machine. */
static Progress
hear (WeirSession *session, gint64 deadline, GError **error)
{
  gboolean in_data = smtp_server_in_data (session->machine);
  g_autoptr (GError) reason = NULL;
  gsize done = 0;

  switch (
      blocking_stream_read (session->stream, session->input, sizeof session->input, &done, &reason))
    {
    case BLOCKING_IO_DONE:
      if (!in_data)
        blocking_tracer_octets (&session->tracer, FALSE, session->input, done);
      smtp_server_feed (session->machine, session->input, done);
      return GO_ON;
    case BLOCKING_IO_AGAIN:
      return blocking_stream_wait (session->stream, FALSE, deadline, error) ? GO_ON : FAILS;
    case BLOCKING_IO_EOF:
      return hang_up (session, error);
    case BLOCKING_IO_ERROR:
    default:
      if (g_error_matches (reason, WEIR_ERROR, WEIR_ERROR_CLOSED))
        return hang_up (session, error);
      g_propagate_error (error, g_steal_pointer (&reason));
      return FAILS;
    }
}

static gboolean
start_tls (WeirSession *session, GError **error)
{
  gint64 deadline = deadline_after (session, session->settings->command_timeout);

  if (!blocking_stream_accept_tls (session->stream, session->settings->tls, deadline, error))
    return FALSE;
  smtp_server_tls_started (session->machine);
  session->tls = blocking_stream_tls_name (session->stream);
  /* RFC 3207 section 4.2: what was learnt in plaintext is forgotten. */
  g_clear_pointer (&session->helo, g_free);
  blocking_auth_forget (session);
  blocking_session_drop_mail (session);
  return TRUE;
}

static gboolean
begin (WeirSession *session, GError **error)
{
  guint limit = session->settings->session_timeout;

  session->end = limit > 0 ? g_get_monotonic_time () + (gint64) limit * 1000 : 0;
  session->state = BLOCKING_SESSION_RUNNING;
  return !session->settings->implicit_tls || start_tls (session, error);
}

/* Says what is to be said, then reads, unless the conversation is over. */
static Progress
converse (WeirSession *session, gint64 deadline, GError **error)
{
  smtp_server_settle (session->machine);
  if (smtp_server_is_closing (session->machine))
    {
      if (flush (session, NULL) && !session->quit)
        blocking_stream_finish (session->stream, g_get_monotonic_time () + FAREWELL * 1000);
      return ENDS;
    }
  if (!flush (session, error))
    return FAILS;
  if (smtp_server_wants_tls (session->machine))
    return start_tls (session, error) ? GO_ON : FAILS;
  return hear (session, deadline, error);
}

/* What was left over from the step before. FALSE: the session has failed. */
static gboolean
resume (WeirSession *session, GError **error)
{
  if (session->state == BLOCKING_SESSION_NEW && !begin (session, error))
    return FALSE;
  if (session->state == BLOCKING_SESSION_WAITING)
    blocking_session_answer_message (session);
  else if (session->closing && !smtp_server_in_data (session->machine))
    smtp_server_answer_close (session->machine,
                              BASE_REPLY (421, 4, 3, 2, "Closing the connection"));
  if (session->complete)
    blocking_session_drop_mail (session);
  return TRUE;
}

static WeirStep
fail (WeirSession *session, GError *reason, GError **error)
{
  if (g_error_matches (reason, WEIR_ERROR, WEIR_ERROR_TIMEOUT))
    {
      BaseOutput *output = smtp_server_output (session->machine);
      struct iovec part;
      gsize done = 0;

      /* The last words go out if that needs no waiting. */
      smtp_server_answer_close (session->machine, BASE_REPLY (421, 4, 4, 2, "Timeout, closing"));
      if (base_output_iovec (output, &part, 1) > 0)
        blocking_stream_write (session->stream, part.iov_base, part.iov_len, &done, NULL);
    }
  g_prefix_error (&reason, "%s: ", session->peer);
  g_propagate_error (error, reason);
  end (session);
  return WEIR_STEP_FAILED;
}

WeirStep
weir_session_step (WeirSession *session, GError **error)
{
  GError *reason = NULL;
  const SmtpServerEvent *event;
  Progress progress = GO_ON;
  gint64 deadline;

  if (session->state == BLOCKING_SESSION_ENDED)
    return WEIR_STEP_CLOSED;
  if (!resume (session, &reason))
    return fail (session, reason, error);
  deadline = deadline_after (session, smtp_server_in_data (session->machine)
                                          ? session->settings->data_timeout
                                          : session->settings->command_timeout);
  while (progress == GO_ON)
    {
      event = smtp_server_next (session->machine);
      if (event != NULL)
        return blocking_session_take (session, event);
      progress = converse (session, deadline, &reason);
    }
  if (progress == FAILS)
    return fail (session, reason, error);
  end (session);
  return WEIR_STEP_CLOSED;
}

gboolean
weir_session_process (WeirSession *session, GError **error)
{
  WeirStep step;

  do
    step = weir_session_step (session, error);
  while (step > WEIR_STEP_MESSAGE);
  return step == WEIR_STEP_MESSAGE;
}

static void
set_reply (WeirSession *session, guint code, const gchar *enhanced, const gchar *text)
{
  guint16 parts[3] = { 0 };

  if (enhanced != NULL)
    base_reply_parse_enhanced (enhanced, strlen (enhanced), parts);
  base_reply_free (session->reply);
  session->reply = base_reply_new (code, parts[0], parts[1], parts[2], text);
}

void
weir_session_reply (WeirSession *session, guint code, const char *enhanced, const char *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list arguments;

  g_return_if_fail (session->answerable);
  g_return_if_fail (code >= 200 && code <= 599);
  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  set_reply (session, code, enhanced, text);
}

void
weir_session_add_line (WeirSession *session, const char *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list arguments;

  g_return_if_fail (session->reply != NULL);
  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  base_reply_add_line (session->reply, text);
}

void
weir_session_close (WeirSession *session)
{
  session->closing = TRUE;
}

WeirMail *
weir_session_mail (const WeirSession *session)
{
  return session->mail;
}

const char *
weir_session_peer_address (const WeirSession *session)
{
  return session->peer;
}

guint
weir_session_peer_port (const WeirSession *session)
{
  return session->port;
}

const char *
weir_session_helo (const WeirSession *session)
{
  return session->helo;
}

const char *
weir_session_user (const WeirSession *session)
{
  return session->user;
}

const char *
weir_session_tls (const WeirSession *session)
{
  return session->tls;
}

int
weir_session_descriptor (const WeirSession *session)
{
  return blocking_stream_descriptor (session->stream);
}
