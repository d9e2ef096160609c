/* Our trace field (RFC 5321 section 4.4). What the client said is made harmless: it can not end the
 * field or fake its clauses. */
#include "gateway/private.h"

#include <string.h>

#include "base/date.h"

#define USUAL_LENGTH 512

static void
append_harmless (GString *field, const gchar *text)
{
  gsize start = field->len;
  g_string_append (field, text != NULL ? text : "unknown");
  for (gchar *c = field->str + start; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && strchr (".:_[]-", *c) == NULL)
      *c = '?';
}

/* By pieces: the field is written for every message, and formatting it cost a tenth of its time. */
static void
append (GString *field, const gchar *before, const gchar *value, const gchar *behind)
{
  g_string_append (field, before);
  g_string_append (field, value);
  g_string_append (field, behind);
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
append_protocol (const GatewaySession *session, GString *field)
{
  gboolean utf8
      = session->tx != NULL && base_path_parameter (session->tx->sender, "SMTPUTF8") != NULL;
  gboolean tls = session->tls_protocol != NULL;
  gboolean lmtp = session->listener->limits.lmtp;
  gboolean extended = tls || session->user != NULL;
  g_string_append (field, " with ");
  if (utf8)
    g_string_append (field, lmtp ? "UTF8LMTP" : "UTF8SMTP");
  else
    g_string_append (field, extended && !lmtp ? "ESMTP" : session_protocol (session));
  g_string_append (field, tls ? "S" : "");
  g_string_append (field, session->user != NULL ? "A" : "");
}

/* A client on a UNIX socket has no address, and no name. */
static void
append_client (const GatewaySession *session, GString *field)
{
  const BaseEndpoint client = session_client (session);
  if (client.length > 0 && client.address.any.sa_family == AF_UNIX)
    {
      g_string_append (field, " (local socket)");
      return;
    }
  g_autofree gchar *literal = base_endpoint_literal (&client);
  g_string_append (field, " (");
  append_harmless (field, session->client_name);
  append (field, " ", literal, ")");
}

/* Only a single recipient is named: naming several would show blind copies (RFC 5321 section 7.6).
 */
static void
append_for (const GatewaySession *session, GString *field)
{
  g_autoptr (GPtrArray) paths = envelope_paths (session->tx);
  if (paths->len != 1)
    return;
  const BasePath *path = paths->pdata[0];
  for (const gchar *c = path->address; *c != '\0'; c++)
    if ((guchar) *c <= ' ' || (guchar) *c >= 127 || *c == '<' || *c == '>')
      return;
  append (field, "\r\n\tfor <", path->address, ">");
}

/* Behind our field the first line of a message without a header would be read as a part of it, or
 * as a field that no filter has seen. A filter that has added a field has put a blank line behind
 * it. */
static const gchar *
separator (const GatewayTransaction *tx)
{
  const MessageEdit *first = tx->edits != NULL && message_edits_count (tx->edits) > 0
                                 ? message_edits_nth (tx->edits, 0)
                                 : NULL;
  gboolean begins_with_field = first != NULL && first->offset == 0 && first->inserted != NULL;
  return tx->headless && !begins_with_field ? "\r\n" : "";
}

gchar *
session_received (const GatewaySession *session)
{
  GString *field = g_string_sized_new (USUAL_LENGTH);
  gchar date[BASE_DATE_LENGTH];
  base_date_rfc5322 (session->methods->wall_clock (session->host), date);
  g_string_append (field, "Received: from ");
  append_harmless (field, session->helo);
  append_client (session, field);
  append (field, "\r\n\tby ", session->listener->config->hostname, " (Mailweir)");
  append_protocol (session, field);
  append (field, " id ", session->tx->id, "");
  append_for (session, field);
  append (field, ";\r\n\t", date, "\r\n");
  g_string_append (field, separator (session->tx));
  return g_string_free (field, FALSE);
}
