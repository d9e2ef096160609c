/* The content of a message on its way into a session: spooled, and shown to the hooks, the header
 * field by field, the body by pieces. Too long a header and a full disk refuse the message; so do
 * the hooks. Nobody's hooks cost nothing. */
#include "blocking/session.h"

#include <string.h>

#include "message/headers.h"

static gboolean
is_watched (const WeirSession *session)
{
  const WeirHooks *hooks = &session->hooks;

  return hooks->header != NULL || hooks->end_of_headers != NULL || hooks->body != NULL;
}

/* After each hook: a reply that is no refusal has no meaning here. */
static gboolean
goes_on (WeirSession *session)
{
  if (blocking_session_is_refused (session))
    {
      session->content = BLOCKING_CONTENT_REFUSED;
      base_buffer_clear (&session->pending);
      return FALSE;
    }
  g_clear_pointer (&session->reply, base_reply_free);
  return TRUE;
}

static void
refuse (WeirSession *session, BaseReply *reply)
{
  base_reply_free (session->reply);
  session->reply = reply;
  goes_on (session);
}

void
blocking_content_start (WeirSession *session)
{
  session->content = BLOCKING_CONTENT_HEADER;
  session->scanned = 0;
  base_buffer_clear (&session->pending);
}

static gboolean
show_piece (WeirSession *session, gsize length)
{
  if (session->hooks.body != NULL && length > 0)
    session->hooks.body (session, base_buffer_bytes (&session->pending), length, session->data);
  if (!goes_on (session))
    return FALSE;
  base_buffer_consume (&session->pending, length);
  return TRUE;
}

/* How many octets of what is there make a piece; 0: more must come. */
static gsize
piece_length (const WeirSession *session)
{
  gsize length = base_buffer_length (&session->pending);
  const guint8 *bytes = base_buffer_bytes (&session->pending);
  const guint8 *end;

  if (session->chunk_size > 0)
    return length >= session->chunk_size ? session->chunk_size : 0;
  end = length == 0 ? NULL : memchr (bytes, '\n', MIN (length, BLOCKING_CONTENT_MAX_LINE));
  if (end != NULL)
    return (gsize) (end - bytes) + 1;
  return length >= BLOCKING_CONTENT_MAX_LINE ? BLOCKING_CONTENT_MAX_LINE : 0;
}

static void
show_body (WeirSession *session)
{
  gsize length;

  if (session->hooks.body == NULL)
    {
      base_buffer_clear (&session->pending);
      return;
    }
  while ((length = piece_length (session)) > 0)
    if (!show_piece (session, length))
      return;
}

static gboolean
show_field (WeirSession *session, const MessageHeaders *headers, guint index)
{
  g_autofree gchar *name = message_headers_name (headers, index);
  g_autofree gchar *value = message_headers_value (headers, index);

  session->hooks.header (session, name, value, session->data);
  return goes_on (session);
}

/* The header is there, up to `end`. */
static void
show_header (WeirSession *session, gsize end)
{
  g_autoptr (MessageHeaders) headers
      = message_headers_scan (base_buffer_bytes (&session->pending), end, TRUE);
  guint count = session->hooks.header != NULL ? message_headers_count (headers) : 0;

  for (guint i = 0; i < count; i++)
    if (!show_field (session, headers, i))
      return;
  if (session->hooks.end_of_headers != NULL)
    session->hooks.end_of_headers (session, session->data);
  if (!goes_on (session))
    return;
  session->content = BLOCKING_CONTENT_BODY;
  base_buffer_consume (&session->pending, message_headers_body (headers));
}

/* `complete`: nothing follows, so the header ends here at the latest. */
static void
look_for_header (WeirSession *session, gboolean complete)
{
  gsize length = base_buffer_length (&session->pending);
  gsize end
      = message_headers_find_end (base_buffer_bytes (&session->pending), length, &session->scanned);

  if (MIN (end, length) > session->settings->header_size)
    refuse (session, base_reply_new (552, 5, 3, 4, "The header is too long"));
  else if (end != G_MAXSIZE || complete)
    show_header (session, MIN (end, length));
}

void
blocking_content_add (WeirSession *session, const guint8 *bytes, gsize length)
{
  g_autoptr (GError) error = NULL;

  if (session->content == BLOCKING_CONTENT_REFUSED)
    return;
  if (!weir_mail_append (session->mail, bytes, length, &error))
    {
      refuse (session, base_reply_new (452, 4, 3, 1, "Insufficient system storage"));
      return;
    }
  if (!is_watched (session))
    return;
  base_buffer_append (&session->pending, bytes, length);
  if (session->content == BLOCKING_CONTENT_HEADER)
    look_for_header (session, FALSE);
  if (session->content == BLOCKING_CONTENT_BODY)
    show_body (session);
}

void
blocking_content_finish (WeirSession *session)
{
  if (is_watched (session) && session->content == BLOCKING_CONTENT_HEADER)
    look_for_header (session, TRUE);
  if (session->content == BLOCKING_CONTENT_BODY)
    show_body (session);
  if (session->content == BLOCKING_CONTENT_BODY)
    show_piece (session, base_buffer_length (&session->pending));
  base_buffer_clear (&session->pending);
}
