/* Hosts come when they are looked up and go, the unused ones, when there are too many. */
#include "net/mx-hosts.h"

typedef struct
{
  NetHost base;
  ConfigDestination named;
  gchar *text; /* of its address */
  GQueue queue;
  guint references;
  gboolean orphan; /* the table is gone, a connection still says good-bye */
} MxHost;

struct _NetMxHosts
{
  NetHosts *hosts;
  guint n_loops;
  GHashTable *known; /* key → MxHost; changed by its loop alone, under hosts->mx_mutex, since other
                        threads look in for the status */
};

static void
free_host (gpointer data)
{
  MxHost *host = data;

  g_assert (host->references == 0 && host->queue.length == 0);
  SSL_CTX_free (host->base.context);
  g_mutex_clear (&host->base.mutex);
  g_free (host->named.host);
  g_free (host->named.text);
  g_free (host->text);
  g_free (host);
}

NetMxHosts *
net_mx_hosts_new (NetHosts *hosts, guint n_loops)
{
  NetMxHosts *mx = g_new0 (NetMxHosts, 1);

  mx->hosts = hosts;
  mx->n_loops = MAX (n_loops, 1);
  mx->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_host);
  g_mutex_lock (&hosts->mx_mutex);
  g_ptr_array_add (hosts->mx, mx);
  g_mutex_unlock (&hosts->mx_mutex);
  return mx;
}

void
net_mx_hosts_free (NetMxHosts *hosts)
{
  GHashTableIter iterator;
  gpointer key, value;

  g_mutex_lock (&hosts->hosts->mx_mutex);
  g_ptr_array_remove (hosts->hosts->mx, hosts);
  g_mutex_unlock (&hosts->hosts->mx_mutex);
  g_hash_table_iter_init (&iterator, hosts->known);
  while (g_hash_table_iter_next (&iterator, &key, &value))
    if (((MxHost *) value)->references > 0)
      {
        ((MxHost *) value)->orphan = TRUE;
        g_hash_table_iter_steal (&iterator);
        g_free (key);
      }
  g_hash_table_unref (hosts->known);
  g_free (hosts);
}

static gboolean
is_unused (gpointer key, gpointer value, gpointer data)
{
  const MxHost *host = value;

  return host->references == 0 && g_atomic_int_get (&host->base.connections) == 0;
}

static MxHost *
make_host (const NetMxHosts *hosts, const ConfigRoute *route, const NetMxAddress *address)
{
  MxHost *host = g_new0 (MxHost, 1);

  g_mutex_init (&host->base.mutex);
  host->base.route = route;
  host->base.destination = &host->named;
  host->base.context = net_hosts_mx_context (hosts->hosts, route);
  host->base.limit = MAX (route->connections / hosts->n_loops, 1);
  host->base.own_idle = &host->queue;
  host->text = base_endpoint_address (&address->endpoint);
  host->base.address = host->text;
  host->named.kind = CONFIG_DESTINATION_SMTP;
  host->named.host = g_strdup (address->name);
  host->named.port = base_endpoint_port (&address->endpoint);
  host->named.text = g_strdup_printf ("%s[%s]", address->name, host->text);
  return host;
}

NetHost *
net_mx_hosts_get (NetMxHosts *hosts, const ConfigRoute *route, const NetMxAddress *address)
{
  g_autofree gchar *endpoint = base_endpoint_to_string (&address->endpoint);
  g_autofree gchar *key = g_strdup_printf ("%s %s %s", route->name, address->name, endpoint);
  MxHost *host = g_hash_table_lookup (hosts->known, key);

  if (host == NULL)
    {
      host = make_host (hosts, route, address);
      g_mutex_lock (&hosts->hosts->mx_mutex);
      if (g_hash_table_size (hosts->known) >= NET_MX_HOSTS)
        g_hash_table_foreach_remove (hosts->known, is_unused, NULL);
      g_hash_table_insert (hosts->known, g_steal_pointer (&key), host);
      g_mutex_unlock (&hosts->hosts->mx_mutex);
    }
  host->references++;
  return &host->base;
}

guint
net_mx_hosts_count (const NetMxHosts *hosts)
{
  return g_hash_table_size (hosts->known);
}

guint
net_mx_hosts_idle (const NetMxHosts *hosts)
{
  GHashTableIter iterator;
  gpointer value;
  guint count = 0;

  g_hash_table_iter_init (&iterator, hosts->known);
  while (g_hash_table_iter_next (&iterator, NULL, &value))
    count += ((MxHost *) value)->queue.length;
  return count;
}

gpointer
net_mx_hosts_any_idle (const NetMxHosts *hosts)
{
  GHashTableIter iterator;
  gpointer value;

  g_hash_table_iter_init (&iterator, hosts->known);
  while (g_hash_table_iter_next (&iterator, NULL, &value))
    if (((MxHost *) value)->queue.length > 0)
      return g_queue_peek_head (&((MxHost *) value)->queue);
  return NULL;
}

void
net_mx_hosts_each (NetHosts *hosts, NetMxHostFunc func, gpointer data)
{
  g_mutex_lock (&hosts->mx_mutex);
  for (guint i = 0; i < hosts->mx->len; i++)
    {
      const NetMxHosts *mx = g_ptr_array_index (hosts->mx, i);
      GHashTableIter iterator;
      gpointer host;

      g_hash_table_iter_init (&iterator, mx->known);
      while (g_hash_table_iter_next (&iterator, NULL, &host))
        func (&((MxHost *) host)->base, data);
    }
  g_mutex_unlock (&hosts->mx_mutex);
}

void
net_host_ref (NetHost *host)
{
  if (host->own_idle != NULL)
    NET_OWNER (host, MxHost, base)->references++;
}

void
net_host_unref (NetHost *host)
{
  MxHost *mx = NET_OWNER (host, MxHost, base);

  if (host->own_idle != NULL && --mx->references == 0 && mx->orphan)
    free_host (mx);
}
