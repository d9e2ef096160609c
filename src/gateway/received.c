/* Our trace field (RFC 5321 section 4.4). What the client said is made harmless: it can not end the
 * field or fake its clauses. */
#include "gateway/private.h"

#include <string.h>

#include "base/date.h"

#define USUAL_LENGTH 512

static void
append_harmless (BaseBuffer *field, const gchar *text)
{
  if (text == NULL)
    text = "unknown";
  gsize length = strlen (text);
  guint8 *at = base_buffer_reserve (field, length);
  for (gsize i = 0; i < length; i++)
    at[i]
        = g_ascii_isalnum (text[i]) || strchr (".:_[]-", text[i]) != NULL ? (guint8) text[i] : '?';
  base_buffer_commit (field, length);
}

const gchar *
session_protocol (const GatewaySession *session)
{
  if (session->listener->limits.lmtp)
    return "LMTP";
  return session->esmtp ? "ESMTP" : "SMTP";
}

/* RFC 3848; RFC 6531 section 4.3 for the UTF8 forms. */
static void
append_protocol (const GatewaySession *session, BaseBuffer *field)
{
  gboolean utf8
      = session->tx != NULL && base_path_parameter (session->tx->sender, "SMTPUTF8") != NULL;
  gboolean tls = session->tls_protocol != NULL;
  gboolean lmtp = session->listener->limits.lmtp;
  gboolean extended = tls || session->user != NULL;
  base_buffer_append_string (field, " with ");
  if (utf8)
    base_buffer_append_string (field, lmtp ? "UTF8LMTP" : "UTF8SMTP");
  else
    base_buffer_append_string (field, extended && !lmtp ? "ESMTP" : session_protocol (session));
  base_buffer_append_string (field, tls ? "S" : "");
  base_buffer_append_string (field, session->user != NULL ? "A" : "");
}

/* A client on a UNIX socket has no address, and no name. */
static void
append_client (const GatewaySession *session, BaseBuffer *field)
{
  const BaseEndpoint client = session_client (session);
  gchar literal[BASE_ENDPOINT_LENGTH];
  if (client.length > 0 && client.address.any.sa_family == AF_UNIX)
    {
      base_buffer_append_string (field, " (local socket)");
      return;
    }
  base_endpoint_literal (&client, literal);
  base_buffer_append_string (field, " (");
  append_harmless (field, session->client_name);
  base_buffer_append_string (field, " ");
  base_buffer_append_string (field, literal);
  base_buffer_append_string (field, ")");
}

/* The only recipient; NULL: there are several, and naming them would show blind copies (RFC 5321
 * section 7.6). */
static const BasePath *
only_recipient (const GatewayTransaction *tx)
{
  guint at = 0;
  const BasePath *first = envelope_next (tx, &at);
  return envelope_next (tx, &at) == NULL ? first : NULL;
}

static void
append_for (const GatewaySession *session, BaseBuffer *field)
{
  const BasePath *path = only_recipient (session->tx);
  if (path == NULL)
    return;
  for (const gchar *c = path->address; *c != '\0'; c++)
    if ((guchar) *c <= ' ' || (guchar) *c >= 127 || *c == '<' || *c == '>')
      return;
  base_buffer_append_string (field, "\r\n\tfor <");
  base_buffer_append_string (field, path->address);
  base_buffer_append_string (field, ">");
}

gchar *
session_received (const GatewaySession *session)
{
  BaseBuffer field = BASE_BUFFER_INIT;
  gchar date[BASE_DATE_LENGTH];
  base_date_rfc5322 (session->methods->wall_clock (session->host), date);
  base_buffer_reserve (&field, USUAL_LENGTH);
  base_buffer_append_string (&field, "Received: from ");
  append_harmless (&field, session->helo);
  append_client (session, &field);
  base_buffer_append_string (&field, "\r\n\tby ");
  base_buffer_append_string (&field, session->listener->config->hostname);
  base_buffer_append_string (&field, " (Mailweir)");
  append_protocol (session, &field);
  base_buffer_append_string (&field, " id ");
  base_buffer_append_string (&field, session->tx->id);
  append_for (session, &field);
  base_buffer_append_string (&field, ";\r\n\t");
  base_buffer_append_string (&field, date);
  base_buffer_append_string (&field, "\r\n");
  base_buffer_append (&field, "", 1);
  return (gchar *) field.data;
}
