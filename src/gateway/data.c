/* The message's bytes: cut-through where nobody needs the body, else the spool (rule 4 of the
 * design). */
#include "gateway/private.h"

#include <string.h>

#include "message/mend.h"
#include "message/signatures.h"

#define HEAD_PIECE (16 * 1024) /* of a stored message that is read back to be judged */

/* ---- DATA, BDAT ---- */

static gboolean
needs_spool (GatewaySession *session)
{
  const GatewayTransaction *tx = session->tx;
  session_refresh_facts (session, NULL);
  return tx->aside == ASIDE_QUARANTINE
         || (session->chain != NULL && chain_needs_body (session->chain))
         || (tx->destination != NULL && tx->destination->kind == CONFIG_DESTINATION_MAILDIR);
}

static void
choose_way (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  if (tx->aside == ASIDE_DISCARD)
    transaction_answer_at_end (session, BASE_REPLY (250, 2, 0, 0, "Ok"), "discarded");
  else if (needs_spool (session))
    {
      tx->spool = message_spool_new (&session->listener->spool);
      tx->phase = TX_SPOOLING;
    }
  else
    tx->phase = TX_HEADERS;
}

/* The envelope stays, here as in the machine (RFC 5321 section 4.1.1.4): RSET ends it, or a DATA
 * that is judged anew. */
static void
refuse_data (GatewaySession *session, const BaseReply *reply, const gchar *filter, gboolean close)
{
  session_log_refusal (session, session->tx->chunked ? "BDAT" : "DATA", NULL, reply, filter);
  if (close)
    smtp_server_answer_close (session->server, reply);
  else
    session_answer (session, reply);
}

static void
open_data (GatewaySession *session, const BaseReply *text)
{
  const BaseReply *go_ahead
      = text != NULL ? text : BASE_REPLY (354, 0, 0, 0, "End data with <CR><LF>.<CR><LF>");
  choose_way (session);
  smtp_server_answer (session->server,
                      session->tx->chunked ? BASE_REPLY (250, 2, 0, 0, "Ok") : go_ahead);
}

static void
after_data (GatewaySession *session, const ChainOutcome *outcome)
{
  GatewayTransaction *tx = session->tx;
  g_autoptr (BaseReply) refusal = NULL;
  if (outcome->kind == CHAIN_REFUSE || outcome->kind == CHAIN_CLOSE)
    refuse_data (session, outcome->reply, outcome->filter, outcome->kind == CHAIN_CLOSE);
  else if (tx->failure != NULL) /* the upstream was lost meanwhile */
    refuse_data (session, tx->failure, NULL, FALSE);
  else if (transaction_set_aside (session, outcome) || envelope_edit (session, outcome, &refusal))
    {
      gboolean go_ahead = outcome->reply != NULL && outcome->reply->code == 354;
      if (!go_ahead)
        transaction_set_text (session, outcome);
      open_data (session, go_ahead ? outcome->reply : NULL);
    }
  else
    refuse_data (session, refusal, NULL, FALSE);
}

void
data_begin (GatewaySession *session, gboolean chunked)
{
  GatewayTransaction *tx = session->tx;
  tx->chunked = chunked;
  fates_begin (session);
  if (tx->failure != NULL)
    refuse_data (session, tx->failure, NULL, FALSE);
  else if (tx->aside != ASIDE_NO)
    open_data (session, NULL);
  else
    session_run_hook (session, IPC_HOOK_DATA, NULL, after_data);
}

/* ---- What is looked at in every message: NUL in a field, hops, and what readers differ about ----
 */

/* What others read otherwise than we do is put right before any filter sees it, or refused. */
static BaseReply *
mend (GatewaySession *session, const MessageHeaders *headers)
{
  MessageEdits *mends = message_mend (headers);
  message_edits_unref (session->tx->edits); /* of the header alone, before a quarantine */
  session->tx->edits = mends;
  if (mends != NULL
      && (session->listener->config->malformed_header == CONFIG_MALFORMED_HEADER_REJECT
          || message_edits_count (mends) > MESSAGE_MAX_MENDS))
    return base_reply_new (550, 5, 6, 0, "Malformed message header");
  return NULL;
}

/* `more`: the message goes on behind the bytes, which then end with a line as far as the header is
 * concerned. */
static MessageHeaders *
index_headers (const guint8 *bytes, gsize length, gboolean more)
{
  MessageHeaders *headers = message_headers_scan (bytes, length, !more);
  const guint8 *last = headers != NULL ? NULL : memrchr (bytes, '\n', length);
  if (headers != NULL)
    return headers;
  return message_headers_scan (bytes, last == NULL ? length : (gsize) (last + 1 - bytes), TRUE);
}

static BaseReply *
judge_hops (GatewaySession *session, guint received)
{
  if (received <= session->listener->config->hops)
    return NULL;
  return base_reply_printf (554, 5, 4, 6, "Too many hops: %u Received fields", received);
}

static BaseReply *
judge_closely (GatewaySession *session, const guint8 *bytes, gsize length, gboolean more)
{
  const MessageHeaderLimits any = { G_MAXUINT64, G_MAXUINT64, G_MAXUINT, G_MAXUINT64, G_MAXUINT };
  g_autoptr (MessageHeaders) headers = index_headers (bytes, length, more);
  guint field = 0;
  session->tx->is_signed = message_headers_find (headers, "DKIM-Signature", 0) != G_MAXUINT;
  if (message_headers_check (headers, &any, &field) == MESSAGE_HEADERS_NUL)
    {
      g_autofree gchar *name
          = field == G_MAXUINT ? g_strdup ("header") : message_headers_name (headers, field);
      return base_reply_printf (550, 5, 6, 0, "NUL octet in header field %.60s", name);
    }
  BaseReply *refusal = judge_hops (session, message_headers_count_of (headers, "Received"));
  return refusal != NULL ? refusal : mend (session, headers);
}

/* `tally` is of the header block, which ends at `end`. Without a NUL, closed by a blank line and
 * with names that end at their colons, there is nothing in it to mend: no index is needed. */
static BaseReply *
judge_headers (GatewaySession *session, const guint8 *bytes, gsize length, gboolean more, gsize end,
               const MessageHeadersTally *tally)
{
  if (!tally->closed || tally->spaced > 0 || memchr (bytes, '\0', end) != NULL)
    return judge_closely (session, bytes, length, more);
  session->tx->is_signed = tally->signatures > 0;
  g_clear_pointer (&session->tx->edits, message_edits_unref);
  return judge_hops (session, tally->received);
}

/* The chain's edits, and which signatures they and ours break. */
static void
take_edits (GatewayTransaction *tx, const ChainOutcome *outcome, const MessageSource *source)
{
  if (outcome->edits != NULL)
    {
      message_edits_unref (tx->edits);
      tx->edits = message_edits_ref (outcome->edits);
    }
  if (tx->edits == NULL || !tx->is_signed)
    return;
  g_autoptr (GPtrArray) signatures = message_signatures_check (source, tx->edits);
  tx->broken_signatures = message_signatures_broken (signatures);
}

/* ---- Cut-through ---- */

static MessageSource
head_source (const GatewayTransaction *tx)
{
  return message_source_from_memory (base_buffer_bytes (&tx->head), tx->head_end);
}

/* A filter wants the message kept after all: what came so far begins the spool. */
static void
switch_to_spool (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  g_autoptr (GError) error = NULL;
  tx->spool = message_spool_new (&session->listener->spool);
  tx->phase = TX_SPOOLING;
  if (!message_spool_append (tx->spool, base_buffer_bytes (&tx->head),
                             base_buffer_length (&tx->head), &error))
    {
      base_log (BASE_LOG_ERROR, "id=%s spool: %s", tx->id, error->message);
      transaction_fail (session, BASE_REPLY (452, 4, 3, 1, "Out of storage, try again later"));
    }
  else if (tx->complete)
    transaction_store (session, GATEWAY_DELIVER_QUARANTINE);
}

static void
open_stream (GatewaySession *session, const ChainOutcome *outcome)
{
  GatewayTransaction *tx = session->tx;
  g_autoptr (BaseReply) refusal = NULL;
  MessageSource head = head_source (tx);
  take_edits (tx, outcome, &head);
  transaction_set_text (session, outcome);
  if (!envelope_edit (session, outcome, &refusal))
    transaction_fail (session, refusal);
  else if (message_writer_check (tx->edits, head, TRUE) != MESSAGE_WRITER_FINE)
    {
      base_log (BASE_LOG_ERROR, "id=%s the filters' edits leave a bare CR or LF", tx->id);
      transaction_fail (session, BASE_REPLY (451, 4, 3, 0, "The message can not be edited now"));
    }
  else if (tx->aside == ASIDE_DISCARD)
    transaction_answer_at_end (session, BASE_REPLY (250, 2, 0, 0, "Ok"), "discarded");
  else if (tx->destination != NULL)
    transaction_answer_at_end (session, BASE_REPLY (250, 2, 0, 0, "Ok"), "discarded");
  else
    {
      tx->received = session_received (session);
      tx->phase = TX_OPENING;
      upstream_want_data (session);
    }
}

static void
after_headers (GatewaySession *session, const ChainOutcome *outcome)
{
  if (outcome->kind == CHAIN_QUARANTINE)
    {
      transaction_set_aside (session, outcome);
      switch_to_spool (session);
    }
  else if (!transaction_apply_verdict (session, outcome))
    open_stream (session, outcome);
}

static void
headers_complete (GatewaySession *session, gsize end, gboolean more)
{
  GatewayTransaction *tx = session->tx;
  tx->head_end = end;
  g_autoptr (BaseReply) refusal
      = judge_headers (session, base_buffer_bytes (&tx->head), base_buffer_length (&tx->head), more,
                       end, &tx->head_tally);
  if (refusal != NULL)
    transaction_fail (session, refusal);
  else
    session_run_hook (session, IPC_HOOK_END_OF_HEADERS, NULL, after_headers);
}

/* The limit protects those who parse. Where nobody does, or the configuration lets it pass, what is
 * behind the limit counts as the body; the cut is at the end of a line. */
static void
head_too_long (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  const guint8 *bytes = base_buffer_bytes (&tx->head);
  const guint8 *last = memrchr (bytes, '\n', base_buffer_length (&tx->head));
  if (chain_wants (&session->listener->chain, IPC_HOOKS_OF_HEADERS)
      && session->listener->config->over_limit == CONFIG_OVER_LIMIT_REJECT)
    transaction_fail (session, BASE_REPLY (552, 5, 3, 4, "Header is too long"));
  else
    headers_complete (session, last == NULL ? 0 : (gsize) (last + 1 - bytes), TRUE);
}

static void
collect_headers (GatewaySession *session, const guint8 *bytes, gsize length)
{
  GatewayTransaction *tx = session->tx;
  base_buffer_append (&tx->head, bytes, length);
  gsize stored = base_buffer_length (&tx->head);
  gsize end = message_headers_tally (base_buffer_bytes (&tx->head), stored, &tx->head_tally);
  if (end != G_MAXSIZE)
    headers_complete (session, end, TRUE);
  else if (stored > session->listener->config->limit_header_block)
    head_too_long (session);
}

static void
send_received (GatewaySession *session)
{
  const gchar *received = session->tx->received;
  upstream_body (session, (const guint8 *) received, strlen (received), TRUE);
}

/* 354 came: our trace field, the header as edited, and what came with it, in one write. What nobody
 * has edited was judged as it came. */
static void
begin_stream (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  const guint8 *piece;
  gsize length, written = 0;
  tx->phase = TX_STREAMING;
  send_received (session);
  if (tx->edits != NULL)
    {
      written = tx->head_end;
      tx->writer = message_writer_new (NULL, tx->edits, head_source (tx));
      while ((piece = message_writer_next (tx->writer, G_MAXSIZE, &length)) != NULL)
        upstream_body (session, piece, length, TRUE);
    }
  gsize stored = base_buffer_length (&tx->head);
  if (stored > written)
    upstream_body (session, base_buffer_bytes (&tx->head) + written, stored - written, tx->dots);
  if (tx->complete)
    upstream_end (session);
}

/* What the client's machine has kept from an earlier read it drops at the next event: such bytes
 * can not be borrowed until they are written. */
static void
stream (GatewaySession *session, const guint8 *bytes, gsize length)
{
  gboolean lasts = session->input != NULL && bytes >= session->input
                   && bytes < session->input + session->input_length;
  upstream_body (session, bytes, length, session->tx->dots);
  if (!lasts)
    base_output_settle (smtp_client_output (session->upstream->client));
}

/* ---- Spooled ---- */

static void
spool (GatewaySession *session, const guint8 *bytes, gsize length)
{
  GatewayTransaction *tx = session->tx;
  g_autoptr (GError) error = NULL;
  if (message_spool_append (tx->spool, bytes, length, &error))
    return;
  base_log (BASE_LOG_ERROR, "id=%s spool: %s", tx->id, error->message);
  transaction_fail (session, BASE_REPLY (452, 4, 3, 1, "Out of storage, try again later"));
}

/* The start of the spool, at most `most` octets, as far as the header block goes. NULL: it can not
 * be read. Caller frees. */
static guint8 *
read_head (GatewaySession *session, gsize most, gsize *length)
{
  GatewayTransaction *tx = session->tx;
  g_autofree guint8 *copy = NULL;
  g_autoptr (GError) error = NULL;
  gsize scanned = 0;
  *length = 0;
  while (*length < most && message_headers_find_end (copy, *length, &scanned) == G_MAXSIZE)
    {
      gsize wanted = MIN (most, MAX (HEAD_PIECE, 2 * *length));
      copy = g_realloc (copy, wanted);
      gssize got
          = message_spool_read (tx->spool, *length, copy + *length, wanted - *length, &error);
      if (got <= 0)
        {
          base_log (BASE_LOG_ERROR, "id=%s spool: %s", tx->id,
                    error != NULL ? error->message : "it is cut short");
          return NULL;
        }
      *length += (gsize) got;
    }
  return g_steal_pointer (&copy);
}

/* As far as a header block may go: what is behind counts as the body. */
static BaseReply *
judge_spool (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  MessageHeadersTally tally = { 0 };
  const guint8 *bytes = message_spool_inline (tx->spool);
  gsize length
      = MIN (message_spool_size (tx->spool), session->listener->config->limit_header_block);
  g_autofree guint8 *copy = NULL;
  if (bytes == NULL && length > 0)
    {
      copy = read_head (session, length, &length);
      if (copy == NULL)
        return base_reply_new (451, 4, 3, 0, "The message can not be read back now");
      bytes = copy;
    }
  gsize end = message_headers_tally (bytes, length, &tally);
  return judge_headers (session, bytes, length, length < message_spool_size (tx->spool), end,
                        &tally);
}

static void
hand_over (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  MessageSource source = message_source_from_spool (tx->spool);
  if (message_writer_check (tx->edits, source, TRUE) != MESSAGE_WRITER_FINE)
    {
      base_log (BASE_LOG_ERROR, "id=%s the filters' edits leave a bare CR or LF", tx->id);
      transaction_fail (session, BASE_REPLY (451, 4, 3, 0, "The message can not be edited now"));
    }
  else if (tx->aside == ASIDE_DISCARD
           || (tx->destination != NULL && tx->destination->kind == CONFIG_DESTINATION_DISCARD))
    transaction_accept (session, "Ok", "discarded");
  else if (tx->destination != NULL)
    transaction_store (session, GATEWAY_DELIVER_MAILDIR);
  else
    {
      tx->received = session_received (session);
      tx->phase = TX_HANDOVER;
      upstream_want_data (session);
    }
}

static void
after_message (GatewaySession *session, const ChainOutcome *outcome)
{
  GatewayTransaction *tx = session->tx;
  g_autoptr (BaseReply) refusal = NULL;
  if (outcome->kind == CHAIN_QUARANTINE)
    {
      transaction_set_aside (session, outcome);
      transaction_store (session, GATEWAY_DELIVER_QUARANTINE);
      return;
    }
  if (transaction_apply_verdict (session, outcome))
    return;
  MessageSource source = message_source_from_spool (tx->spool);
  take_edits (tx, outcome, &source);
  transaction_set_text (session, outcome);
  if (envelope_edit (session, outcome, &refusal))
    hand_over (session);
  else
    transaction_fail (session, refusal);
}

static void
message_complete (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  message_spool_finish (tx->spool);
  g_autoptr (BaseReply) refusal = judge_spool (session);
  tx->phase = TX_CHECKING;
  if (refusal != NULL)
    transaction_fail (session, refusal);
  else if (tx->aside == ASIDE_QUARANTINE)
    transaction_store (session, GATEWAY_DELIVER_QUARANTINE);
  else
    session_run_hook (session, IPC_HOOK_END_OF_MESSAGE, NULL, after_message);
}

/* ---- The machines' events ---- */

void
data_upstream_ready (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  if (tx->phase == TX_OPENING)
    begin_stream (session);
  else if (tx->phase == TX_HANDOVER)
    {
      tx->phase = TX_SENDING;
      send_received (session);
      data_send_begin (session);
    }
}

void
data_chunk (GatewaySession *session, guint8 *bytes, gsize length, gboolean dots)
{
  session->tx->dots = dots;
  switch (session->tx->phase)
    {
    case TX_HEADERS:
      collect_headers (session, bytes, length);
      break;
    case TX_STREAMING:
      stream (session, bytes, length);
      break;
    case TX_SPOOLING:
      spool (session, bytes, length);
      break;
    default: /* TX_DROPPING */
      break;
    }
}

/* What the client did wrong inside its data. The upstream gets no complete message. */
static void
end_with_fault (GatewaySession *session, SmtpFault fault)
{
  static const BaseReply replies[]
      = { [SMTP_FAULT_BARE_CR]
          = { 550, { 5, 6, 11 }, (gchar *) "Bare <CR> in the message is not allowed" },
          [SMTP_FAULT_BARE_LF]
          = { 550, { 5, 6, 11 }, (gchar *) "Bare <LF> in the message is not allowed" },
          [SMTP_FAULT_TOO_BIG] = { 552, { 5, 3, 4 }, (gchar *) "Message is too big" },
          [SMTP_FAULT_LINE_LENGTH]
          = { 500, { 5, 6, 0 }, (gchar *) "A line of the message is too long" },
          [SMTP_FAULT_SYNTAX] = { 501, { 5, 5, 2 }, (gchar *) "Bad syntax" } };
  G_STATIC_ASSERT (G_N_ELEMENTS (replies) == SMTP_FAULT_SYNTAX + 1);
  GatewayTransaction *tx = session->tx;
  tx->close = fault == SMTP_FAULT_BARE_CR || fault == SMTP_FAULT_BARE_LF;
  upstream_reset (session);
  transaction_answer (session, &replies[fault], "rejected");
}

void
data_end (GatewaySession *session, SmtpFault fault, guint64 size, guint answers)
{
  GatewayTransaction *tx = session->tx;
  tx->answers = answers;
  tx->size = size;
  tx->complete = TRUE;
  tx->deadline = session->methods->now (session->host) + session->listener->config->deadline * 1000;
  if (fault != SMTP_FAULT_NONE)
    {
      end_with_fault (session, fault);
      return;
    }
  switch (tx->phase)
    {
    case TX_HEADERS:
      headers_complete (session, base_buffer_length (&tx->head), FALSE);
      break;
    case TX_STREAMING:
      upstream_end (session);
      break;
    case TX_SPOOLING:
      message_complete (session);
      break;
    default: /* TX_DROPPING */
      {
        g_autoptr (BaseReply) answer = g_steal_pointer (&tx->answer);
        transaction_answer (session, answer, tx->status);
      }
      break;
    }
}
