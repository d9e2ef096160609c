/* The log's lines: one summary a message, one a refused command. Field names follow Postfix's. */
#include "gateway/private.h"

#define SUMMARY_RECIPIENTS 20 /* named in one line; the count is always there */

static void
add_client (const GatewaySession *session, BaseRecord *record)
{
  const BaseEndpoint client = session_client (session);
  gchar address[BASE_ENDPOINT_LENGTH];
  base_endpoint_text (&client, address);
  base_record_string (record, "session", session->id);
  base_record_string (record, "listener", session->listener->listener->name);
  BaseBuffer *value = base_record_open (record, "client");
  base_buffer_append_string (value,
                             session->client_name != NULL ? session->client_name : "unknown");
  base_buffer_append_string (value, "[");
  base_buffer_append_string (value, address);
  base_buffer_append_string (value, "]");
  base_record_close (record);
  base_record_string (record, "helo", session->helo);
  base_record_string (record, "proto", session_protocol (session));
  base_record_string (record, "user", session->user);
  base_record_string (record, "tls", session->tls_protocol);
}

/* What a peer told by XFORWARD. */
static void
add_forwarded (const GatewaySession *session, BaseRecord *record)
{
  const gchar *name = identity_forwarded (session, "NAME");
  const gchar *address = identity_forwarded (session, "ADDR");
  if (session->forwarded == NULL)
    return;
  base_record_strings (record, "orig_client", name != NULL ? name : "unknown", "[",
                       address != NULL ? address : "unknown", "]", NULL);
  base_record_string (record, "orig_helo", identity_forwarded (session, "HELO"));
  base_record_string (record, "orig_proto", identity_forwarded (session, "PROTO"));
  base_record_string (record, "orig_queue_id", identity_forwarded (session, "IDENT"));
}

static void
append_path (const BasePath *path, BaseBuffer *value)
{
  base_buffer_append_string (value, "<");
  base_buffer_append_string (value, path->address);
  base_buffer_append_string (value, ">");
}

static void
add_sender (const GatewayTransaction *tx, BaseRecord *record)
{
  append_path (tx->sender, base_record_open (record, "from"));
  base_record_close (record);
}

static void
add_recipients (const GatewayTransaction *tx, BaseRecord *record)
{
  BaseBuffer *list = base_record_open (record, "to");
  const BasePath *path;
  guint count = 0;
  for (guint at = 0; (path = envelope_next (tx, &at)) != NULL; count++)
    {
      if (count >= SUMMARY_RECIPIENTS)
        continue;
      base_buffer_append_string (list, count > 0 ? "," : "");
      append_path (path, list);
    }
  base_record_close (record);
  base_record_int (record, "nrcpt", count);
}

static void
add_reply (const BaseReply *reply, BaseRecord *record)
{
  gchar enhanced[BASE_REPLY_ENHANCED_LENGTH];
  if (base_reply_enhanced (reply, enhanced) > 0)
    base_record_string (record, "dsn", enhanced);
  base_reply_log (reply, base_record_open (record, "reply"));
  base_record_close (record);
}

/* Of several answers the one that weighs most, and then each by itself. */
static void
add_fates (const GatewaySession *session, const BaseReply *reply, BaseRecord *record)
{
  if (reply == NULL)
    return;
  g_autofree gchar *fates = fates_log (session, reply, SUMMARY_RECIPIENTS);
  add_reply (fates_summary (session, reply), record);
  base_record_string (record, "fates", fates);
}

void
session_log_message (GatewaySession *session, const BaseReply *reply, const gchar *status)
{
  const GatewayTransaction *tx = session->tx;
  session->methods->count_outcome (session->host, status);
  if (!base_log_wants (BASE_LOG_INFO))
    return;
  g_autofree gchar *notes = session->chain != NULL ? chain_log_notes (session->chain) : NULL;
  BaseRecord record;
  base_record_begin (&record, BASE_LOG_INFO, "message");
  base_record_string (&record, "id", tx->id);
  add_client (session, &record);
  add_forwarded (session, &record);
  add_sender (tx, &record);
  add_recipients (tx, &record);
  base_record_int (&record, "size", tx->size);
  if (session->chain != NULL)
    base_record_string (&record, "filters", chain_log_filters (session->chain));
  base_record_string (&record, "notes", notes);
  if (tx->edits != NULL)
    base_record_int (&record, "edits", message_edits_count (tx->edits));
  base_record_string (&record, "signatures_broken", tx->broken_signatures);
  base_record_string (&record, "refused_by",
                      tx->refused_by != NULL ? tx->refused_by : tx->aside_filter);
  base_record_string (&record, "reason", tx->aside_reason);
  base_record_string (&record, "relay", tx->relay);
  base_record_string (&record, "relay_tls", tx->relay_tls);
  base_record_delay (&record, "delay", session->methods->now (session->host) - tx->started);
  add_fates (session, reply, &record);
  if (tx->ambiguous)
    base_record_string (&record, "ambiguous", "yes");
  base_record_string (&record, "status", status);
  base_record_emit (&record);
}

void
session_log_refusal (GatewaySession *session, const gchar *command, const gchar *argument,
                     const BaseReply *reply, const gchar *filter)
{
  /* A load balancer's own connections are checks, until it sends mail. */
  gboolean check = session->kind == GATEWAY_CLIENT_PROXY && session->tx == NULL;
  BaseLogLevel level = check ? BASE_LOG_DEBUG : BASE_LOG_NOTICE;
  if (!base_log_wants (level))
    return;
  BaseRecord record;
  base_record_begin (&record, level, "reject");
  if (session->tx != NULL)
    base_record_string (&record, "id", session->tx->id);
  add_client (session, &record);
  add_forwarded (session, &record);
  base_record_string (&record, "command", command);
  if (session->tx != NULL)
    add_sender (session->tx, &record);
  if (argument != NULL && session->tx != NULL && g_str_equal (command, "RCPT"))
    base_record_strings (&record, "to", "<", argument, ">", NULL);
  base_record_string (&record, "filter", filter);
  add_reply (reply, &record);
  base_record_string (&record, "status", reply->code < 500 ? "deferred" : "rejected");
  base_record_emit (&record);
}

void
session_log_own_refusal (GatewaySession *session, const gchar *command, const BaseReply *reply)
{
  gboolean closes = reply->code == 421;
  if (closes || session->own_refusals++ < session->listener->limits.bad_commands)
    session_log_refusal (session, *command != '\0' ? command : "command", NULL, reply, NULL);
}
