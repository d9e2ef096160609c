/* What the upstream hosts can do, for EHLO: answered from memory, or once those that were never
 * asked have been. A host that cannot be asked within `connect` is left out. */
#include "net/pool-private.h"

#define REPROBE                                                                                    \
  (5 * G_TIME_SPAN_SECOND) /* how soon a host that failed is asked again when somebody wants to    \
                              know */

static void
probe (NetPool *pool, NetHost *host)
{
  if (!g_atomic_int_compare_and_exchange (&host->probing, 0, 1))
    return;
  if (!net_host_take_slot (host))
    {
      g_atomic_int_set (&host->probing, 0);
      return;
    }
  net_pool_connect (pool, host, g_get_monotonic_time () + host->route->connect * 1000);
}

void
net_pool_probe (NetPool *pool, gint64 before)
{
  for (guint i = 0; i < pool->hosts->all->len; i++)
    {
      NetHost *host = g_ptr_array_index (pool->hosts->all, i);
      if (net_host_is_due (host, before))
        probe (pool, host);
    }
}

/* Whoever asks makes us ask the hosts that have not answered. */
static void
probe_silent (NetPool *pool, const ConfigListener *listener)
{
  gint64 before = g_get_monotonic_time () - REPROBE;

  for (guint i = 0; i < listener->n_routes; i++)
    for (guint j = 0; j < listener->routes[i]->n_destinations; j++)
      {
        NetHost *host = net_hosts_find (pool->hosts, listener->routes[i], j);
        if (host != NULL && net_host_state (host) != NET_HOST_KNOWN
            && net_host_is_due (host, before))
          probe (pool, host);
      }
}

static gint64
longest_connect (const ConfigListener *listener)
{
  gint64 longest = 0;

  for (guint i = 0; i < listener->n_routes; i++)
    longest = MAX (longest, listener->routes[i]->connect * 1000);
  return longest;
}

gboolean
net_pool_capabilities (NetPool *pool, const ConfigListener *listener,
                       SmtpCapabilities *capabilities)
{
  gboolean known = net_hosts_capabilities (pool->hosts, listener, capabilities);

  probe_silent (pool, listener);
  return known;
}

void
net_pool_await_capabilities (NetPool *pool, NetCapabilityWait *wait, const ConfigListener *listener)
{
  wait->listener = listener;
  wait->deadline = g_get_monotonic_time () + longest_connect (listener);
  wait->active = TRUE;
  wait->link = (GList){ .data = wait };
  g_queue_push_tail_link (&pool->waits, &wait->link);
  net_pool_note_deadline (pool, wait->deadline);
}

void
net_pool_cancel_capabilities (NetPool *pool, NetCapabilityWait *wait)
{
  if (!wait->active)
    return;
  g_queue_unlink (&pool->waits, &wait->link);
  wait->active = FALSE;
}

void
net_pool_run_waits (NetPool *pool, gint64 now)
{
  SmtpCapabilities capabilities;
  guint rounds = pool->waits.length;

  while (rounds-- > 0 && pool->waits.length > 0)
    {
      NetCapabilityWait *wait = pool->waits.head->data;
      g_queue_unlink (&pool->waits, &wait->link);
      if (!net_hosts_capabilities (pool->hosts, wait->listener, &capabilities)
          && wait->deadline > now)
        {
          g_queue_push_tail_link (&pool->waits, &wait->link);
          net_pool_note_deadline (pool, wait->deadline);
          continue;
        }
      wait->active = FALSE;
      wait->known (wait, capabilities);
    }
}
