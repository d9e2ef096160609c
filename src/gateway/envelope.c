/* MAIL and RCPT: our own checks, the route, the hooks, and then the upstream's own answer (rules 3
 * and "Routes" of the design). */
#include "gateway/private.h"

#include <string.h>

#include "base/address.h"
#include "base/mx.h"

void
gateway_recipient_free (GatewayRecipient *recipient)
{
  base_path_free (recipient->path);
  base_reply_free (recipient->reply);
  base_reply_free (recipient->text);
  g_free (recipient);
}

static void
add_recipient (GatewayTransaction *tx, const BasePath *path, RecipientState state)
{
  GatewayRecipient *recipient = g_new (GatewayRecipient, 1);
  *recipient = (GatewayRecipient){ .path = base_path_copy (path), .state = state };
  g_ptr_array_add (tx->recipients, recipient);
}

guint
envelope_accepted (const GatewayTransaction *tx)
{
  guint count = 0;
  for (guint i = 0; i < tx->recipients->len; i++)
    count += ((GatewayRecipient *) tx->recipients->pdata[i])->state == RECIPIENT_ACCEPTED;
  return count;
}

BasePath *
envelope_next (const GatewayTransaction *tx, guint *at)
{
  while (*at < tx->recipients->len)
    {
      const GatewayRecipient *recipient = tx->recipients->pdata[(*at)++];
      if (recipient->state != RECIPIENT_REFUSED)
        return recipient->path;
    }
  return NULL;
}

GPtrArray *
envelope_paths (const GatewayTransaction *tx)
{
  GPtrArray *paths = g_ptr_array_new ();
  BasePath *path;
  for (guint at = 0; (path = envelope_next (tx, &at)) != NULL;)
    g_ptr_array_add (paths, path);
  return paths;
}

/* ---- MAIL ---- */

static GatewayTransaction *
transaction_new (GatewaySession *session, const BasePath *sender)
{
  GatewayTransaction *tx = g_new (GatewayTransaction, 1);
  *tx = (GatewayTransaction){
    .phase = TX_ENVELOPE,
    .started = session->methods->now (session->host),
    .sender = base_path_copy (sender),
    .recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) gateway_recipient_free),
  };
  base_id_make (tx->id);
  return tx;
}

static void
forget_transaction (GatewaySession *session)
{
  transaction_free (g_steal_pointer (&session->tx));
  if (session->chain != NULL)
    chain_state_end_message (session->chain);
}

static void
after_mail (GatewaySession *session, const ChainOutcome *outcome)
{
  g_autoptr (BaseReply) ok
      = base_reply_join (250, 2, 1, 0, "Sender <", session->tx->sender->address, "> ok");
  transaction_set_aside (session, outcome);
  if (outcome->kind == CHAIN_REFUSE || outcome->kind == CHAIN_CLOSE)
    {
      session_log_refusal (session, "MAIL", session->tx->sender->address, outcome->reply,
                           outcome->filter);
      if (outcome->kind == CHAIN_CLOSE)
        smtp_server_answer_close (session->server, outcome->reply);
      else
        session_answer (session, outcome->reply);
      forget_transaction (session);
      return;
    }
  session_answer (session, outcome->reply != NULL ? outcome->reply : ok);
}

void
envelope_mail (GatewaySession *session, const BasePath *path)
{
  if (!session->methods->count_message (session->host))
    {
      const BaseReply *slow = BASE_REPLY (450, 4, 7, 1, "Too many messages, slow down");
      session_log_refusal (session, "MAIL", path->address, slow, NULL);
      smtp_server_answer (session->server, slow);
      return;
    }
  session->tx = transaction_new (session, path);
  if (session->chain != NULL)
    chain_state_begin_message (session->chain);
  session_run_hook (session, IPC_HOOK_MAIL, path->address, after_mail);
}

/* ---- RCPT ---- */

void
envelope_answer_pending (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  while (tx->next_answer < tx->recipients->len)
    {
      GatewayRecipient *recipient = tx->recipients->pdata[tx->next_answer];
      if (recipient->reply == NULL)
        return;
      tx->next_answer++;
      if (recipient->state == RECIPIENT_REFUSED)
        session_log_refusal (session, "RCPT", recipient->path->address, recipient->reply, NULL);
      const BaseReply *reply = recipient->state == RECIPIENT_ACCEPTED && recipient->text != NULL
                                   ? recipient->text
                                   : recipient->reply;
      if (recipient->close)
        smtp_server_answer_close (session->server, reply);
      else
        smtp_server_answer (session->server, reply);
    }
}

static void
settle_recipient (GatewayRecipient *recipient, const BaseReply *reply)
{
  recipient->state = reply->code / 100 == 2 ? RECIPIENT_ACCEPTED : RECIPIENT_REFUSED;
  recipient->reply = base_reply_copy (reply);
}

void
envelope_settle (GatewaySession *session, GatewayRecipient *recipient, const BaseReply *reply)
{
  settle_recipient (recipient, reply);
  envelope_answer_pending (session);
}

void
envelope_fail_pending (GatewaySession *session, const BaseReply *reply)
{
  GatewayTransaction *tx = session->tx;
  for (guint i = tx->next_answer; i < tx->recipients->len; i++)
    {
      GatewayRecipient *recipient = tx->recipients->pdata[i];
      if (recipient->asked && recipient->reply == NULL)
        settle_recipient (recipient, reply);
    }
  envelope_answer_pending (session);
}

static GatewayRecipient *
last_recipient (GatewayTransaction *tx)
{
  return tx->recipients->pdata[tx->recipients->len - 1];
}

static void
accept_by_ourselves (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  for (guint i = tx->next_answer; i < tx->recipients->len; i++)
    {
      GatewayRecipient *recipient = tx->recipients->pdata[i];
      if (!recipient->asked || recipient->reply != NULL)
        continue;
      g_autoptr (BaseReply) ok
          = base_reply_join (250, 2, 1, 5, "Recipient <", recipient->path->address, "> ok");
      settle_recipient (recipient, ok);
    }
  envelope_answer_pending (session);
}

static void
refuse_last (GatewaySession *session, const BaseReply *reply)
{
  envelope_settle (session, last_recipient (session->tx), reply);
}

static void
ask_destination (GatewaySession *session)
{
  GatewayTransaction *tx = session->tx;
  last_recipient (tx)->asked = TRUE;
  if (tx->failure != NULL)
    refuse_last (session, tx->failure);
  else if (tx->destination == NULL)
    upstream_ask (session, last_recipient (tx));
  else
    accept_by_ourselves (session);
}

/* Filters are asked about some recipients' messages and not about others' (`only-if`): one message
 * can not have both. Whether the last recipient differs from the first one that was not refused. */
static gboolean
differs (GatewaySession *session, gboolean aside)
{
  GatewayTransaction *tx = session->tx;
  const gchar *last = last_recipient (tx)->path->address;
  for (guint i = 0; session->chain != NULL && i + 1 < tx->recipients->len; i++)
    {
      const GatewayRecipient *recipient = tx->recipients->pdata[i];
      if (recipient->state == RECIPIENT_REFUSED)
        continue;
      session_refresh_facts (session, last);
      return !chain_same_class (session->chain, recipient->path->address, last, aside);
    }
  return FALSE;
}

static const BaseReply *
split_reply (void)
{
  static const BaseReply reply
      = { 452, { 4, 5, 3 }, (gchar *) "Recipient is filtered differently, send it separately" };
  return &reply;
}

static void
after_rcpt (GatewaySession *session, const ChainOutcome *outcome)
{
  GatewayTransaction *tx = session->tx;
  GatewayRecipient *recipient = last_recipient (tx);
  recipient->close = session->close_after;
  session->close_after = FALSE;
  switch (outcome->kind)
    {
    case CHAIN_REFUSE:
    case CHAIN_CLOSE:
      recipient->close |= outcome->kind == CHAIN_CLOSE;
      refuse_last (session, outcome->reply);
      return;
    case CHAIN_DISCARD:
    case CHAIN_QUARANTINE:
      if (differs (session, TRUE))
        {
          refuse_last (session, split_reply ());
          return;
        }
      transaction_set_aside (session, outcome);
      recipient->asked = TRUE;
      accept_by_ourselves (session);
      return;
    case CHAIN_PASS:
      recipient->text = outcome->reply != NULL ? base_reply_copy (outcome->reply) : NULL;
      ask_destination (session);
      return;
    }
}

/* <Postmaster> without a domain is ours and must be taken (RFC 5321 section 4.5.1): it goes the way
 * of our own name, or by the listener's first route that is everybody's. */
static const ConfigRoute *
claim_postmaster (const GatewaySession *session)
{
  const ConfigListener *listener = session->listener->listener;
  gboolean needs_relay = FALSE;
  g_autofree gchar *ours = g_strdup_printf ("postmaster@%s", session->listener->config->hostname);
  const ConfigRoute *route = config_listener_route (listener, ours, &needs_relay);
  if (route != NULL && !needs_relay)
    return route;
  for (guint i = 0; i < listener->n_routes; i++)
    if (listener->routes[i]->for_domains[0] != NULL)
      return listener->routes[i];
  return listener->n_routes > 0 ? listener->routes[0] : NULL;
}

/* "a%b@ours", "b!a@ours" and "\"a@b\"@ours": a server that reads a route in them would pass the
 * message on to b, for it trusts us. Maildir and LMTP are the last step and pass nothing on. */
static gboolean
is_routed (const ConfigRoute *route, const gchar *address)
{
  gsize local = (gsize) (base_address_domain (address) - 1 - address);
  return config_destination_is_host (&route->destinations[0]) && !config_route_is_lmtp (route)
         && strcspn (address, "%!@") < local;
}

static const ConfigRoute *
claim (const GatewaySession *session, const gchar *address)
{
  const ConfigListener *listener = session->listener->listener;
  gboolean needs_relay = FALSE;
  if (auth_binds (session))
    return auth_route (session);
  if (base_address_domain (address) == NULL)
    return claim_postmaster (session);
  const ConfigRoute *route = config_listener_route (listener, address, &needs_relay);
  gboolean for_the_listed
      = needs_relay
        || (route != NULL && !listener->allow_untrusted_routing && is_routed (route, address));
  if (for_the_listed && !identity_may_relay (session))
    return NULL;
  return route;
}

/* Whose mail hosts are asked, where the route looks them up. Caller frees; NULL: it does not. */
static gchar *
domain_to_look_up (const GatewaySession *session, const ConfigRoute *route, const gchar *address)
{
  const gchar *domain = base_address_domain (address);
  gchar *name;
  if (!config_route_is_mx (route))
    return NULL;
  name = base_mx_domain (domain != NULL ? domain : session->listener->config->hostname);
  return name != NULL ? name : g_strdup ("[no host's name]");
}

static void
fix_route (GatewaySession *session, const ConfigRoute *route)
{
  GatewayTransaction *tx = session->tx;
  const ConfigDestination *first = &route->destinations[0];
  g_free (tx->domain);
  tx->route = route;
  tx->domain = domain_to_look_up (session, route, last_recipient (tx)->path->address);
  tx->destination = config_destination_is_host (first) || tx->domain != NULL ? NULL : first;
}

static gboolean
leads_elsewhere (const GatewaySession *session, const ConfigRoute *route, const gchar *address)
{
  g_autofree gchar *domain = domain_to_look_up (session, route, address);
  return session->tx->route != route || g_strcmp0 (session->tx->domain, domain) != 0;
}

static void
leave_route (GatewaySession *session)
{
  upstream_reset (session);
  g_clear_pointer (&session->tx->failure, base_reply_free);
}

/* An LMTP server has an answer for each recipient, an SMTP client hears one: it can not tell two
 * fates. */
static gboolean
travels_alone (const GatewaySession *session, const ConfigRoute *route)
{
  return config_route_is_lmtp (route) && !session->listener->limits.lmtp;
}

/* The first accepted recipient fixes the route and the class; while earlier ones are unanswered
 * nobody knows whether one will be. */
static void
route_last (GatewaySession *session, const ConfigRoute *route)
{
  GatewayTransaction *tx = session->tx;
  gboolean elsewhere
      = tx->route != NULL && leads_elsewhere (session, route, last_recipient (tx)->path->address);
  gboolean apart = differs (session, FALSE);
  gboolean alone = tx->route != NULL && travels_alone (session, route);
  if ((elsewhere || apart || alone) && tx->next_answer + 1 < tx->recipients->len)
    {
      session->work = SESSION_PARKED;
      return;
    }
  if ((elsewhere || alone) && envelope_accepted (tx) > 0)
    {
      refuse_last (
          session,
          elsewhere
              ? BASE_REPLY (452, 4, 5, 3, "Recipient is routed elsewhere, send it separately")
              : BASE_REPLY (452, 4, 5, 3, "One recipient at a time here, send it separately"));
      return;
    }
  if (apart)
    {
      refuse_last (session, split_reply ());
      return;
    }
  if (elsewhere)
    leave_route (session);
  fix_route (session, route);
  if (tx->failure != NULL)
    refuse_last (session, tx->failure);
  else
    session_run_hook (session, IPC_HOOK_RCPT, last_recipient (tx)->path->address, after_rcpt);
}

/* Discard and quarantine cover the whole transaction: nobody else is asked. */
static void
take_aside (GatewaySession *session)
{
  if (differs (session, TRUE))
    {
      refuse_last (session, split_reply ());
      return;
    }
  last_recipient (session->tx)->asked = TRUE;
  accept_by_ourselves (session);
}

void
envelope_rcpt (GatewaySession *session, const BasePath *path)
{
  add_recipient (session->tx, path, RECIPIENT_ASKED);
  const ConfigRoute *route = claim (session, path->address);
  if (route == NULL)
    refuse_last (session, BASE_REPLY (554, 5, 7, 1, "Relay access denied"));
  else if (session->tx->aside != ASIDE_NO)
    take_aside (session);
  else
    route_last (session, route);
}

void
envelope_unpark (GatewaySession *session)
{
  if (session->work != SESSION_PARKED
      || session->tx->next_answer + 1 < session->tx->recipients->len)
    return;
  session->work = SESSION_FREE;
  route_last (session, claim (session, last_recipient (session->tx)->path->address));
}

/* ---- A filter's envelope ---- */

static gboolean
is_known (const GPtrArray *recipients, const BasePath *path)
{
  for (guint i = 0; i < recipients->len; i++)
    if (base_path_equal (((GatewayRecipient *) recipients->pdata[i])->path, path))
      return TRUE;
  return FALSE;
}

/* A recipient that a filter adds must be the same upstream's: one answer can not tell of two. */
static gboolean
belongs_here (const GatewaySession *session, const BasePath *path)
{
  gboolean needs_relay = FALSE;
  const ConfigRoute *route
      = config_listener_route (session->listener->listener, path->address, &needs_relay);
  if (auth_binds (session))
    return TRUE;
  if (config_route_is_mx (session->tx->route))
    return route != NULL && !leads_elsewhere (session, route, path->address);
  return is_known (session->tx->recipients, path) || route == session->tx->route;
}

static gboolean
recipients_fit (const GatewaySession *session, const GPtrArray *paths)
{
  for (guint i = 0; i < paths->len; i++)
    if (!belongs_here (session, paths->pdata[i]))
      return FALSE;
  return fates_can_tell (session, paths);
}

static void
replace_recipients (GatewayTransaction *tx, const GPtrArray *paths)
{
  g_ptr_array_set_size (tx->recipients, 0);
  for (guint i = 0; i < paths->len; i++)
    add_recipient (tx, paths->pdata[i], RECIPIENT_ACCEPTED);
  tx->next_answer = tx->recipients->len;
}

/* SIZE and BODY stay what the client said: a filter that brings in 8-bit text sends it as the
 * client sent its own, and the next server judges what it gets. */
gboolean
envelope_edit (GatewaySession *session, const ChainOutcome *outcome, BaseReply **refusal)
{
  GatewayTransaction *tx = session->tx;
  if (outcome->recipients != NULL && !recipients_fit (session, outcome->recipients))
    {
      *refusal = base_reply_new (451, 4, 3, 0,
                                 "A filter added a recipient who needs a message of its own");
      return FALSE;
    }
  if (outcome->sender != NULL)
    {
      base_path_free (tx->sender);
      tx->sender = base_path_copy (outcome->sender);
    }
  if (outcome->recipients != NULL)
    replace_recipients (tx, outcome->recipients);
  if (tx->recipients->len == 0)
    tx->aside = ASIDE_DISCARD;
  if (outcome->sender != NULL || outcome->recipients != NULL)
    tx->up_envelope_changed = tx->up_stale = TRUE;
  return TRUE;
}
