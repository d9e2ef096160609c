/* What each recipient of an LMTP client is answered behind the message (RFC 2033 section 4.2): one
 * answer of ours for all of them, or each one's own from an LMTP server. An SMTP client hears one
 * answer, so it gets one recipient a transaction on the way to such a server (envelope.c).
 *
 * The client's recipients are those who heard 250 when its data began; a filter may have put others
 * in their place since. Whose fate can not be known hears 451. */
#include "gateway/private.h"

typedef struct
{
  BasePath *path;   /* as the client gave it */
  BaseReply *reply; /* NULL: not known yet */
} Fate;

static void
fate_free (gpointer data)
{
  Fate *fate = data;
  base_path_free (fate->path);
  base_reply_free (fate->reply);
  g_free (fate);
}

static Fate *
nth (const GatewayTransaction *tx, guint index)
{
  return tx->fates->pdata[index];
}

static gboolean
is_positive (const BaseReply *reply)
{
  return reply->code / 100 == 2;
}

void
fates_begin (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  g_clear_pointer (&tx->fates, g_ptr_array_unref);
  if (!session->listener->limits.lmtp)
    return;
  tx->fates = g_ptr_array_new_with_free_func (fate_free);
  for (guint i = 0; i < tx->recipients->len; i++)
    {
      const GatewayRecipient *recipient = tx->recipients->pdata[i];
      if (recipient->state != RECIPIENT_ACCEPTED)
        continue;
      Fate *fate = g_new0 (Fate, 1);
      fate->path = base_path_copy (recipient->path);
      g_ptr_array_add (tx->fates, fate);
    }
}

/* ---- A filter's recipients ---- */

static guint
count_path (const GPtrArray *paths, const BasePath *path)
{
  guint count = 0;
  for (guint i = 0; i < paths->len; i++)
    count += base_path_equal (paths->pdata[i], path);
  return count;
}

static gboolean
is_one_of_ours (const GatewayTransaction *tx, const BasePath *path)
{
  for (guint i = 0; i < tx->fates->len; i++)
    if (base_path_equal (nth (tx, i)->path, path))
      return TRUE;
  return FALSE;
}

/* Each address that is new must stand for one of the client's that is there no more, and none may
 * be doubled: else its refusal would be nobody's answer. */
gboolean
fates_can_tell (const GatewaySession *session, const GPtrArray *paths)
{
  const GatewayTransaction *tx = session->tx;
  guint added = 0, removed = 0;
  if (tx->route == NULL || !config_route_is_lmtp (tx->route))
    return TRUE;
  if (tx->fates == NULL)
    return paths->len <= 1;
  for (guint i = 0; i < paths->len; i++)
    added += !is_one_of_ours (tx, paths->pdata[i]);
  for (guint i = 0; i < tx->fates->len; i++)
    removed += count_path (paths, nth (tx, i)->path) == 0;
  return added <= removed && paths->len <= tx->fates->len;
}

/* ---- Settling ---- */

static gboolean
is_in_envelope (const GatewayTransaction *tx, const BasePath *path)
{
  for (guint i = 0; i < tx->recipients->len; i++)
    {
      const GatewayRecipient *recipient = tx->recipients->pdata[i];
      if (recipient->state == RECIPIENT_ACCEPTED && base_path_equal (recipient->path, path))
        return TRUE;
    }
  return FALSE;
}

/* Its own, or the first one whose place it has taken. */
static Fate *
find_unsettled (const GatewayTransaction *tx, const BasePath *path)
{
  for (guint i = 0; i < tx->fates->len; i++)
    if (nth (tx, i)->reply == NULL && base_path_equal (nth (tx, i)->path, path))
      return nth (tx, i);
  for (guint i = 0; i < tx->fates->len; i++)
    if (nth (tx, i)->reply == NULL && !is_in_envelope (tx, nth (tx, i)->path))
      return nth (tx, i);
  for (guint i = 0; i < tx->fates->len; i++)
    if (nth (tx, i)->reply == NULL)
      return nth (tx, i);
  return NULL;
}

/* In the order of the recipients, as far as the fates are known, while the client waits. The last
 * one is transaction_answer()'s. */
static void
tell_known (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  while (!session->client_gone && tx->told + 1 < tx->fates->len
         && nth (tx, tx->told)->reply != NULL)
    smtp_server_answer (session->server, nth (tx, tx->told++)->reply);
}

void
fates_settle (GatewaySession *session, guint recipient, const BaseReply *reply)
{
  GatewayTransaction *tx = session->tx;
  if (tx->fates == NULL || recipient >= tx->recipients->len)
    return;
  const GatewayRecipient *theirs = tx->recipients->pdata[recipient];
  Fate *fate = find_unsettled (tx, theirs->path);
  if (fate == NULL)
    return;
  fate->reply = base_reply_copy (is_positive (reply) && tx->text != NULL ? tx->text : reply);
  tell_known (session);
}

/* One that a filter removed is none of the upstream's; one that stood there twice and was sent once
 * shares its fate. */
static const BaseReply *
inherited (const GatewayTransaction *tx, const Fate *fate)
{
  static const BaseReply removed = { 250, { 2, 0, 0 }, (gchar *) "Ok" };
  static const BaseReply unknown
      = { 451, { 4, 3, 0 }, (gchar *) "It is not known what became of the message" };
  for (guint i = 0; i < tx->fates->len; i++)
    if (nth (tx, i)->reply != NULL && base_path_equal (nth (tx, i)->path, fate->path))
      return nth (tx, i)->reply;
  return is_in_envelope (tx, fate->path) ? &unknown : &removed;
}

void
fates_settle_removed (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  for (guint i = 0; tx->fates != NULL && i < tx->fates->len; i++)
    if (nth (tx, i)->reply == NULL)
      nth (tx, i)->reply = base_reply_copy (inherited (tx, nth (tx, i)));
}

/* ---- Telling ---- */

static const BaseReply *
reply_of (const GatewayTransaction *tx, guint index, const BaseReply *otherwise)
{
  const BaseReply *own
      = tx->fates != NULL && index < tx->fates->len ? nth (tx, index)->reply : NULL;
  return own != NULL ? own : otherwise;
}

void
fates_tell (GatewaySession *session, const BaseReply *otherwise)
{
  GatewayTransaction *tx = session->tx;
  while (tx->told < tx->answers && !smtp_server_is_closing (session->server))
    {
      const BaseReply *reply = reply_of (tx, tx->told++, otherwise);
      if ((tx->close || session->close_after) && tx->told == tx->answers)
        smtp_server_answer_close (session->server, reply);
      else
        smtp_server_answer (session->server, reply);
    }
}

/* 4xx before 5xx, and any refusal before all that is well. */
static guint
weight (const BaseReply *reply)
{
  if (is_positive (reply))
    return 0;
  return reply->code < 500 ? 2 : 1;
}

const BaseReply *
fates_summary (const GatewaySession *session, const BaseReply *otherwise)
{
  const GatewayTransaction *tx = session->tx;
  const BaseReply *worst = NULL;
  for (guint i = 0; tx->fates != NULL && i < tx->fates->len; i++)
    {
      const BaseReply *reply = reply_of (tx, i, otherwise);
      if (worst == NULL || weight (reply) > weight (worst))
        worst = reply;
    }
  return worst != NULL ? worst : otherwise;
}

gboolean
fates_differ (const GatewaySession *session, const BaseReply *otherwise)
{
  const GatewayTransaction *tx = session->tx;
  gboolean good = FALSE, bad = FALSE;
  for (guint i = 0; tx->fates != NULL && i < tx->fates->len; i++)
    {
      gboolean positive = is_positive (reply_of (tx, i, otherwise));
      good |= positive;
      bad |= !positive;
    }
  return good && bad;
}

gchar *
fates_log (const GatewaySession *session, const BaseReply *otherwise, guint most)
{
  const GatewayTransaction *tx = session->tx;
  gboolean own = FALSE;
  if (tx->fates == NULL)
    return NULL;
  g_autoptr (GString) list = g_string_new (NULL);
  for (guint i = 0; i < tx->fates->len; i++)
    {
      own |= nth (tx, i)->reply != NULL;
      if (i >= most)
        continue;
      g_autofree gchar *text = base_reply_to_string (reply_of (tx, i, otherwise));
      g_string_append_printf (list, "%s<%s> %s", i > 0 ? "; " : "", nth (tx, i)->path->address,
                              text);
    }
  return own ? g_strdup (list->str) : NULL;
}
