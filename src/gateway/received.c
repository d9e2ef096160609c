/* Our trace field (RFC 5321 section 4.4). What the client said is made harmless: it can not end the
 * field or fake its clauses. */
#include "gateway/private.h"

#include <string.h>

static gchar *
harmless (const gchar *text)
{
  gchar *copy = g_strdup (text);
  for (gchar *c = copy; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && strchr (".:_[]-", *c) == NULL)
      *c = '?';
  return copy;
}

/* RFC 3848; RFC 6531 section 4.3 for the UTF8 forms. */
static const gchar *
protocol (const GatewaySession *session)
{
  gboolean utf8
      = session->tx != NULL && base_path_parameter (session->tx->sender, "SMTPUTF8") != NULL;
  gboolean tls = session->tls_protocol != NULL;
  if (utf8 && session->user != NULL)
    return tls ? "UTF8SMTPSA" : "UTF8SMTPA";
  if (utf8)
    return tls ? "UTF8SMTPS" : "UTF8SMTP";
  if (session->user != NULL)
    return tls ? "ESMTPSA" : "ESMTPA";
  if (tls)
    return "ESMTPS";
  return session->esmtp ? "ESMTP" : "SMTP";
}

static gchar *
date (gint64 seconds)
{
  static const gchar *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
  static const gchar *const months[]
      = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (seconds);
  return g_strdup_printf (
      "%s, %d %s %04d %02d:%02d:%02d +0000", days[g_date_time_get_day_of_week (utc) - 1],
      g_date_time_get_day_of_month (utc), months[g_date_time_get_month (utc) - 1],
      g_date_time_get_year (utc), g_date_time_get_hour (utc), g_date_time_get_minute (utc),
      g_date_time_get_second (utc));
}

/* Only a single recipient is named: naming several would show blind copies (RFC 5321 section 7.6).
 */
static gchar *
for_clause (const GatewaySession *session)
{
  g_autoptr (GPtrArray) paths = envelope_paths (session->tx);
  if (paths->len != 1)
    return g_strdup ("");
  const BasePath *path = paths->pdata[0];
  for (const gchar *c = path->address; *c != '\0'; c++)
    if ((guchar) *c <= ' ' || (guchar) *c >= 127 || *c == '<' || *c == '>')
      return g_strdup ("");
  return g_strdup_printf ("\r\n\tfor <%s>", path->address);
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
  g_autofree gchar *literal = base_endpoint_literal (&session->client);
  g_autofree gchar *helo = harmless (session->helo != NULL ? session->helo : "unknown");
  g_autofree gchar *name
      = harmless (session->client_name != NULL ? session->client_name : "unknown");
  g_autofree gchar *recipient = for_clause (session);
  g_autofree gchar *when = date (session->methods->wall_clock (session->host));
  return g_strdup_printf (
      "Received: from %s (%s %s)\r\n\tby %s (Mailweir) with %s id %s%s;\r\n\t%s\r\n%s", helo, name,
      literal, session->listener->config->hostname, protocol (session), session->tx->id, recipient,
      when, separator (session->tx));
}
