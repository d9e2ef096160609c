/* BDAT towards the upstream (RFC 3030), where it offers CHUNKING and the client used it. No 354
 * opens the data: the first chunk goes out once the envelope stands. What comes in small pieces is
 * gathered, so that no upstream sees more tiny chunks than one. A refused chunk fails the message;
 * without LAST there is no message, so RSET gives up what was begun. */
#include "gateway/upstream.h"

#define CHUNK (64 * 1024)

gboolean
upstream_begin_chunks (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  guint32 offered = smtp_client_capabilities (session->upstream->client).flags;
  tx->up_chunked = tx->chunked && (offered & SMTP_CAP_CHUNKING) != 0;
  if (!tx->up_chunked)
    return FALSE;
  tx->up = UP_BODY;
  tx->up_last_due = FALSE;
  tx->up_chunks_open = 0;
  base_buffer_clear (&tx->up_gathered);
  session->up_appended = 0;
  upstream_wait (session, tx->route->reply);
  data_upstream_ready (session);
  return TRUE;
}

/* FALSE: the machine takes no chunk now. */
static gboolean
send_chunk (GatewaySession *session, const guint8 *bytes, gsize length)
{
  GatewayTransaction *tx = session->tx;
  gsize before = upstream_backlog (session->upstream);
  if (!smtp_client_bdat (session->upstream->client, bytes, length, tx->up_last_due, 0))
    return FALSE;
  session->up_appended += upstream_backlog (session->upstream) - before;
  if (!tx->up_last_due && tx->up_chunks_open++ == 0)
    upstream_wait (session, tx->route->reply);
  return TRUE;
}

/* What was gathered, if it is enough, or all there will be. FALSE: not now. */
static gboolean
send_gathered (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  gsize length = base_buffer_length (&tx->up_gathered);
  if (length < CHUNK && !tx->up_last_due)
    return TRUE;
  if (!send_chunk (session, base_buffer_bytes (&tx->up_gathered), length))
    return FALSE;
  base_output_settle (smtp_client_output (session->upstream->client));
  base_buffer_clear (&tx->up_gathered);
  return TRUE;
}

void
upstream_add_chunk (GatewaySession *session, const guint8 *bytes, gsize length)
{
  GatewayTransaction *tx = session->tx;
  if (length == 0)
    return;
  tx->up_ends_line = bytes[length - 1] == '\n';
  if (length >= CHUNK && base_buffer_length (&tx->up_gathered) == 0
      && send_chunk (session, bytes, length))
    return;
  base_buffer_append (&tx->up_gathered, bytes, length);
  send_gathered (session);
}

/* A missing last line end is added, as with DATA. */
gboolean
upstream_end_chunks (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  if (!tx->up_ends_line)
    base_buffer_append (&tx->up_gathered, "\r\n", 2);
  tx->up_ends_line = TRUE;
  tx->up_last_due = TRUE;
  return send_gathered (session);
}

void
upstream_on_chunk_reply (GatewaySession *session, const BaseReply *reply)
{
  GatewayTransaction *tx = session->tx;
  g_autoptr (BaseReply) refusal = NULL;
  if (tx == NULL || !tx->up_chunked || tx->up < UP_BODY)
    return;
  tx->up_chunks_open--;
  if (!base_reply_is_positive (reply))
    {
      refusal = base_reply_copy (reply);
      if (tx->up == UP_BODY)
        transaction_fail (session, refusal);
      else if (tx->up_refusal == NULL)
        tx->up_refusal = g_steal_pointer (&refusal);
      return;
    }
  if (tx->up == UP_FINAL)
    return;
  upstream_wait (session, tx->route->reply);
  if (tx->up_last_due)
    upstream_end (session);
  else
    send_gathered (session);
}
