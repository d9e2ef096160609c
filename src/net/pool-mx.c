/* Takes of a pool and the hosts that they may go to: those that the route names, or those that were
 * looked up for the recipient's domain. */
#include "net/pool-private.h"

GQueue *
net_pool_idle_queue (NetPool *pool, const NetHost *host)
{
  return host->own_idle != NULL ? host->own_idle : &pool->idle[host->number];
}

guint
net_take_size (const NetTake *take)
{
  return take->hosts != NULL ? take->hosts->len : take->route->n_destinations;
}

NetHost *
net_take_host (const NetPool *pool, const NetTake *take, guint index)
{
  return take->hosts != NULL ? g_ptr_array_index (take->hosts, index)
                             : net_hosts_find (pool->hosts, take->route, index);
}

void
net_take_mark_tried (NetTake *take, const NetHost *host)
{
  guint index = host->index;

  if (take->hosts == NULL || g_ptr_array_find (take->hosts, host, &index))
    take->tried[index] = 1;
}

void
net_take_clear (NetTake *take)
{
  net_mx_cancel (g_steal_pointer (&take->lookup));
  g_clear_pointer (&take->hosts, g_ptr_array_unref);
  g_clear_pointer (&take->tried, g_free);
  g_clear_pointer (&take->reply, base_reply_free);
}

void
net_take_remember (NetTake *take, const BaseReply *reply)
{
  if (take->reply != NULL && take->reply->code < 500 && reply->code >= 500)
    return;
  base_reply_free (take->reply);
  take->reply = base_reply_copy (reply);
}

/* EHLO said yes before anybody could know: the answer is final once every host of the domain has
 * said no (RFC 6152 section 3, RFC 6531 section 3.5). */
void
net_take_remember_lacking (NetTake *take, SmtpCapabilities can)
{
  guint32 lacking = take->needs & ~can.flags;

  if (take->hosts == NULL)
    net_take_remember (
        take,
        BASE_REPLY (451, 4, 3, 0, "The destination does not offer what this transaction has used"));
  else if ((lacking & SMTP_CAP_SMTPUTF8) != 0)
    net_take_remember (take, BASE_REPLY (550, 5, 6, 7, "The next server takes no UTF-8 addresses"));
  else
    net_take_remember (
        take, BASE_REPLY (554, 5, 6, 3, "The next server does not take this kind of content"));
}

static void
unref_host (gpointer host)
{
  net_host_unref (host);
}

static void
on_hosts (gpointer owner, const GArray *addresses, const BaseReply *reply)
{
  NetTake *take = owner;
  NetPool *pool = take->pool;

  take->lookup = NULL;
  take->hosts = g_ptr_array_new_with_free_func (unref_host);
  for (guint i = 0; i < addresses->len; i++)
    g_ptr_array_add (take->hosts, net_mx_hosts_get (pool->mx_hosts, take->route,
                                                    &g_array_index (addresses, NetMxAddress, i)));
  take->tried = g_malloc0 (MAX (take->hosts->len, 1));
  if (addresses->len == 0)
    take->reply = base_reply_copy (reply);
  net_pool_enqueue (pool, take);
  pool->dirty = TRUE;
}

/* Half of the time is for the hosts that are found. */
void
net_pool_look_up (NetPool *pool, NetTake *take, const gchar *domain)
{
  gint64 now = g_get_monotonic_time ();

  take->pool = pool;
  take->lookup = net_mx_look_up (pool->mx, take->route, domain, now + (take->deadline - now) / 2,
                                 on_hosts, take);
}
