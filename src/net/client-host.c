/* What a session asks of the world (gateway/host.h), answered by the loop's pool, workers and
 * disks. No method calls back into the session: later answers come from the loop. */
#include "base/log.h"
#include "net/client.h"
#include "net/deliver.h"
#include "net/service.h"

static gint64
host_now (gpointer host)
{
  return net_loop_now (((NetClient *) host)->loop);
}

static gint64
host_wall_clock (gpointer host)
{
  return g_get_real_time () / G_USEC_PER_SEC;
}

static gboolean
host_client_is_gone (gpointer host)
{
  return net_client_is_gone (host);
}

static gboolean
host_count_message (gpointer host)
{
  NetClient *client = host;
  const BaseEndpoint peer = base_peer_endpoint (&client->peer);
  gboolean fine = net_admission_message (client->loop->service->admission,
                                         client->listener->listener, &peer, host_now (host));

  if (fine)
    NET_COUNT (client->loop, messages);
  else
    NET_COUNT (client->loop, refused_messages);
  return fine;
}

static gboolean
host_change_client (gpointer host, const BaseEndpoint *to, const BaseEndpoint *server)
{
  NetClient *client = host;
  const BaseEndpoint from = base_peer_endpoint (&client->peer);

  if (!net_admission_move (client->loop->service->admission, client->listener->listener, &from, to))
    {
      NET_COUNT (client->loop, refused_per_client);
      return FALSE;
    }
  client->peer = base_peer_from (to);
  client->server = base_peer_from (server);
  return TRUE;
}

static void
host_count_outcome (gpointer host, const gchar *status)
{
  NetClient *client = host;

  if (g_str_equal (status, "sent") || g_str_equal (status, "partial"))
    NET_COUNT (client->loop, sent);
  else if (g_str_equal (status, "deferred"))
    NET_COUNT (client->loop, deferred);
  else if (g_str_equal (status, "discarded"))
    NET_COUNT (client->loop, discarded);
  else if (g_str_equal (status, "quarantined"))
    NET_COUNT (client->loop, quarantined);
  else if (g_str_equal (status, "rejected") || g_str_equal (status, "bounced"))
    NET_COUNT (client->loop, rejected);
}

/* ---- what is waited for ---- */

NetClientWait *
net_client_wait (NetClient *client)
{
  if (client->wait == NULL)
    {
      client->wait = g_new0 (NetClientWait, 1);
      client->wait->client = client;
    }
  return client->wait;
}

void
net_client_settle_wait (NetClient *client)
{
  NetClientWait *wait = client->wait;

  if (wait != NULL && wait->name.lookup == NULL && !wait->take.active && !wait->capabilities.active)
    g_clear_pointer (&client->wait, g_free);
}

void
net_client_give_up_waiting (NetClient *client)
{
  if (client->wait == NULL)
    return;
  net_names_cancel (&client->wait->name);
  net_pool_cancel (client->loop->pool, &client->wait->take);
  net_pool_cancel_capabilities (client->loop->pool, &client->wait->capabilities);
  net_client_settle_wait (client);
}

/* ---- capabilities ---- */

static void
on_capabilities (NetCapabilityWait *wait, SmtpCapabilities capabilities)
{
  NetClient *client = NET_OWNER (wait, NetClientWait, capabilities)->client;

  net_client_settle_wait (client);
  if (client->session == NULL)
    return;
  gateway_session_capabilities (client->session, capabilities);
  net_client_step (client);
}

static gboolean
host_capabilities (gpointer host, SmtpCapabilities *capabilities)
{
  NetClient *client = host;
  NetCapabilityWait *wait;

  if (net_pool_capabilities (client->loop->pool, client->listener->listener, capabilities))
    return TRUE;
  wait = &net_client_wait (client)->capabilities;
  wait->known = on_capabilities;
  net_pool_await_capabilities (client->loop->pool, wait, client->listener->listener);
  return FALSE;
}

/* ---- upstreams ---- */

static void
on_take_ready (NetTake *take, NetUpstream *upstream)
{
  NetClient *client = NET_OWNER (take, NetClientWait, take)->client;

  net_client_settle_wait (client);
  net_upstream_lease (upstream, net_client_on_upstream, client);
  gateway_session_upstream_ready (client->session, &upstream->base);
  net_client_step (client);
}

static void
on_take_failed (NetTake *take, const BaseReply *reply)
{
  NetClient *client = NET_OWNER (take, NetClientWait, take)->client;

  net_client_settle_wait (client);
  gateway_session_upstream_failed (client->session, reply);
  net_client_step (client);
}

static GatewayUpstream *
host_take_upstream (gpointer host, const ConfigRoute *route, const gchar *domain, guint32 needs,
                    gboolean fresh)
{
  NetClient *client = host;
  NetPool *pool = client->loop->pool;
  NetUpstream *upstream = net_pool_take_idle (pool, route, domain, needs, fresh);
  NetClientWait *wait;

  if (upstream != NULL)
    {
      net_upstream_lease (upstream, net_client_on_upstream, client);
      return &upstream->base;
    }
  wait = net_client_wait (client);
  wait->peer = base_peer_endpoint (&client->peer);
  wait->server = base_peer_endpoint (&client->server);
  wait->take.ready = on_take_ready;
  wait->take.failed = on_take_failed;
  wait->take.client = &wait->peer;
  wait->take.server = &wait->server;
  net_pool_take (pool, &wait->take, route, domain, needs, fresh);
  return NULL;
}

static void
host_cancel_upstream (gpointer host)
{
  NetClient *client = host;

  if (client->wait == NULL)
    return;
  net_pool_cancel (client->loop->pool, &client->wait->take);
  net_client_settle_wait (client);
}

static void
host_read_upstream (gpointer host)
{
  NetClient *client = host;

  net_upstream_read_early ((NetUpstream *) gateway_session_upstream (client->session));
}

static void
host_give_upstream (gpointer host, GatewayUpstream *upstream, gboolean reusable)
{
  NetClient *client = host;

  net_pool_give (client->loop->pool, (NetUpstream *) upstream, reusable);
}

/* ---- workers ---- */

static void
on_started (gpointer owner)
{
  NetClient *client = owner;

  gateway_session_worker_started (client->session);
  net_client_step (client);
}

static void
on_put_back (gpointer owner)
{
  gateway_session_worker_lost (((NetClient *) owner)->session);
}

static void
on_record (gpointer owner, IpcRecord *record)
{
  NetClient *client = owner;

  if (record->last)
    client->request = NULL;
  gateway_session_worker_record (client->session, record);
  net_client_step (client);
}

static void
on_worker_failed (gpointer owner, const gchar *why)
{
  NetClient *client = owner;

  client->request = NULL;
  gateway_session_worker_failed (client->session, why);
  net_client_step (client);
}

static void
on_worker_refused (gpointer owner, const gchar *why)
{
  NetClient *client = owner;

  client->request = NULL;
  gateway_session_worker_refused (client->session, why);
  net_client_step (client);
}

static const NetRequestEvents request_events
    = { on_started, on_put_back, on_record, on_worker_failed, on_worker_refused };

static gboolean
host_ask_worker (gpointer host, const IpcRequest *request)
{
  NetClient *client = host;

  g_assert (client->request == NULL);
  client->request = net_workers_ask (client->loop->workers, request, &request_events, client);
  return client->request != NULL;
}

static void
host_cancel_worker (gpointer host)
{
  NetClient *client = host;

  if (client->request != NULL)
    net_workers_cancel (client->loop->workers, g_steal_pointer (&client->request));
}

static gboolean
host_recall_worker (gpointer host)
{
  NetClient *client = host;

  if (client->request != NULL && !net_workers_recall (client->loop->workers, client->request))
    return FALSE;
  client->request = NULL;
  return TRUE;
}

static void
host_deliver (gpointer host, GatewayDelivery *job)
{
  net_deliver (host, job);
}

const GatewayHost net_client_host = { .now = host_now,
                                      .wall_clock = host_wall_clock,
                                      .client_is_gone = host_client_is_gone,
                                      .count_message = host_count_message,
                                      .change_client = host_change_client,
                                      .count_outcome = host_count_outcome,
                                      .capabilities = host_capabilities,
                                      .take_upstream = host_take_upstream,
                                      .cancel_upstream = host_cancel_upstream,
                                      .read_upstream = host_read_upstream,
                                      .give_upstream = host_give_upstream,
                                      .ask_worker = host_ask_worker,
                                      .cancel_worker = host_cancel_worker,
                                      .recall_worker = host_recall_worker,
                                      .deliver = host_deliver };
