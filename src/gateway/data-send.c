/* A spooled message's way to the upstream. What can not be read back fails the transaction by 451,
 * and hangs up: half a message is never taken for a whole one. */
#include "gateway/private.h"

#define SEND_PIECE (128 * 1024)
#define SEND_LINES (256 * 1024)

static void
fail_reading (GatewaySession *session)
{
  base_log (BASE_LOG_ERROR, "id=%s the spooled message can not be read back", session->tx->id);
  upstream_drop (session);
  transaction_fail (session, BASE_REPLY (451, 4, 3, 0, "The message can not be read back now"));
}

/* Whether octets of the spool may be taken for what the client's machine let pass. What a worker
 * could have changed is looked at again. */
static gboolean
is_unchanged (const GatewayTransaction *tx)
{
  return message_spool_inline (tx->spool) != NULL || message_spool_leased (tx->spool) >= 0;
}

/* Lines that need no look go out without being read. FALSE: what comes next are none. */
static gboolean
send_lines (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  gint fd = tx->up_by_lines ? message_spool_leased (tx->spool) : -1;
  guint64 offset;
  gsize length;
  if (fd < 0 || !message_writer_next_lines (tx->writer, SEND_LINES, &offset, &length))
    return FALSE;
  if (!upstream_body_file (session, fd, offset, length))
    fail_reading (session);
  return TRUE;
}

/* TRUE: there is room for one more. */
static gboolean
send_piece (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  gboolean reads = message_spool_inline (tx->spool) == NULL;
  gsize length;
  /* The writer needs its buffer for the next piece. */
  if (reads)
    base_output_settle (smtp_client_output (session->upstream->client));
  const guint8 *piece = message_writer_next (tx->writer, SEND_PIECE, &length);
  if (piece != NULL)
    {
      gboolean dots = tx->dots || tx->edits != NULL || !is_unchanged (tx);
      upstream_body (session, piece, length, dots);
      /* A long one is written before it has to be settled. */
      return !reads || length < SEND_PIECE / 2;
    }
  if (message_writer_fault (tx->writer) == MESSAGE_WRITER_FINE)
    return upstream_end (session);
  fail_reading (session);
  return FALSE;
}

void
data_send (GatewaySession *session)
{
  gboolean more = TRUE;
  /* With one that fails the transaction may be over. */
  while (more && session->tx != NULL && session->tx->phase == TX_SENDING
         && upstream_has_room (session))
    more = send_lines (session) || send_piece (session);
}

void
data_send_begin (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  MessageSource source = message_source_from_spool (tx->spool);
  source.clean = message_spool_leased (tx->spool) >= 0;
  tx->up_by_lines = !tx->dots && !tx->up_chunked && session->upstream->tls == NULL;
  tx->writer = message_writer_new (NULL, tx->edits, source);
  data_send (session);
}
