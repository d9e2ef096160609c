/* What is known of the upstream hosts. Fails only when made, over a TLS context. */
#include "net/hosts.h"

#include <string.h>

#include "net/tls.h"

static void
host_free (gpointer data)
{
  NetHost *host = data;

  SSL_CTX_free (host->context);
  if (host->password != NULL)
    explicit_bzero (host->password, strlen (host->password));
  g_free (host->password);
  g_mutex_clear (&host->mutex);
  g_free (host);
}

static gboolean
add_host (NetHosts *hosts, const ConfigRoute *route, guint index, ConfigSources *secrets,
          GError **error)
{
  NetHost *host = g_new0 (NetHost, 1);

  g_mutex_init (&host->mutex);
  host->number = hosts->all->len;
  host->index = index;
  host->route = route;
  host->destination = &route->destinations[index];
  host->limit = route->connections;
  g_ptr_array_add (hosts->all, host);
  host->context = net_tls_client_context_new (route, secrets, error);
  if (host->context == NULL || route->user == NULL)
    return host->context != NULL;
  host->password = config_route_password (route, secrets, error);
  return host->password != NULL;
}

static gboolean
add_mx (NetHosts *hosts, const ConfigRoute *route, ConfigSources *secrets, GError **error)
{
  SSL_CTX *context = net_tls_client_context_new (route, secrets, error);

  if (context == NULL)
    return FALSE;
  g_hash_table_insert (hosts->mx_context, (gpointer) route, context);
  return TRUE;
}

NetHosts *
net_hosts_new (const Config *config, ConfigSources *secrets, GError **error)
{
  g_autoptr (NetHosts) hosts = g_new0 (NetHosts, 1);

  hosts->all = g_ptr_array_new_with_free_func (host_free);
  g_mutex_init (&hosts->mx_mutex);
  hosts->mx = g_ptr_array_new ();
  hosts->mx_context = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) SSL_CTX_free);
  for (guint i = 0; i < config->routes->len; i++)
    {
      const ConfigRoute *route = g_ptr_array_index (config->routes, i);
      for (guint j = 0; j < route->n_destinations; j++)
        if (config_destination_is_host (&route->destinations[j])
            && !add_host (hosts, route, j, secrets, error))
          return NULL;
      if (config_route_is_mx (route) && !add_mx (hosts, route, secrets, error))
        return NULL;
    }
  return g_steal_pointer (&hosts);
}

void
net_hosts_free (NetHosts *hosts)
{
  if (hosts == NULL)
    return;
  g_ptr_array_unref (hosts->all);
  g_hash_table_unref (hosts->mx_context);
  g_ptr_array_unref (hosts->mx);
  g_mutex_clear (&hosts->mx_mutex);
  g_free (hosts);
}

NetHost *
net_hosts_find (const NetHosts *hosts, const ConfigRoute *route, guint index)
{
  for (guint i = 0; i < hosts->all->len; i++)
    {
      NetHost *host = g_ptr_array_index (hosts->all, i);
      if (host->route == route && host->index == index)
        return host;
    }
  return NULL;
}

SSL_CTX *
net_hosts_mx_context (const NetHosts *hosts, const ConfigRoute *route)
{
  SSL_CTX *context = g_hash_table_lookup (hosts->mx_context, route);

  SSL_CTX_up_ref (context);
  return context;
}

gboolean
net_host_take_slot (NetHost *host)
{
  if (g_atomic_int_add (&host->connections, 1) < host->limit || host->limit <= 0)
    return TRUE;
  g_atomic_int_add (&host->connections, -1);
  return FALSE;
}

void
net_host_free_slot (NetHost *host)
{
  g_atomic_int_add (&host->connections, -1);
}

gboolean
net_host_answered (NetHost *host, SmtpCapabilities capabilities, gint64 now)
{
  gboolean changed;

  g_mutex_lock (&host->mutex);
  changed = host->state != NET_HOST_KNOWN || host->avoid_until > now;
  host->state = NET_HOST_KNOWN;
  host->capabilities = capabilities;
  host->avoid_until = 0;
  host->tried = now;
  g_mutex_unlock (&host->mutex);
  return changed;
}

gboolean
net_host_failed (NetHost *host, gint64 now)
{
  gboolean changed;

  g_mutex_lock (&host->mutex);
  changed = host->state == NET_HOST_UNASKED;
  if (changed)
    host->state = NET_HOST_FAILED;
  host->avoid_until = now + NET_HOST_AVOIDED;
  host->tried = now;
  g_mutex_unlock (&host->mutex);
  return changed;
}

gboolean
net_host_is_avoided (NetHost *host, gint64 now)
{
  gboolean avoided;

  g_mutex_lock (&host->mutex);
  avoided = host->avoid_until > now;
  g_mutex_unlock (&host->mutex);
  return avoided;
}

gboolean
net_host_is_due (NetHost *host, gint64 before)
{
  gboolean due;

  g_mutex_lock (&host->mutex);
  due = host->tried == 0 || host->tried <= before;
  g_mutex_unlock (&host->mutex);
  return due;
}

NetHostState
net_host_state (NetHost *host)
{
  NetHostState state;

  g_mutex_lock (&host->mutex);
  state = host->state;
  g_mutex_unlock (&host->mutex);
  return state;
}

typedef struct
{
  SmtpCapabilities common;
  guint known, unasked, failed;
} Survey;

static void
survey_add (Survey *survey, SmtpCapabilities capabilities)
{
  survey->common = survey->known == 0 ? capabilities
                                      : smtp_capabilities_intersect (survey->common, capabilities);
  survey->known++;
}

static void
survey_host (Survey *survey, NetHost *host)
{
  g_mutex_lock (&host->mutex);
  if (host->state == NET_HOST_KNOWN)
    survey_add (survey, host->capabilities);
  else if (host->state == NET_HOST_FAILED)
    survey->failed++;
  else
    survey->unasked++;
  g_mutex_unlock (&host->mutex);
}

gboolean
net_hosts_capabilities (const NetHosts *hosts, const ConfigListener *listener,
                        SmtpCapabilities *capabilities)
{
  static const SmtpCapabilities local
      = { SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME | SMTP_CAP_SIZE | SMTP_CAP_SMTPUTF8, 0 };
  /* None can be asked: its recipients will hear 451. Nothing offered would make a sender give up
   * for good a message that is only too early (RFC 6531 section 3.2, RFC 6152 section 3). */
  static const SmtpCapabilities hoped = { SMTP_CAP_8BITMIME | SMTP_CAP_SMTPUTF8, 0 };
  Survey survey = { 0 };

  for (guint i = 0; i < listener->n_routes; i++)
    for (guint j = 0; j < listener->routes[i]->n_destinations; j++)
      {
        NetHost *host = net_hosts_find (hosts, listener->routes[i], j);
        if (host != NULL)
          survey_host (&survey, host);
        else
          survey_add (&survey, local);
      }
  *capabilities = survey.known > 0 ? survey.common : hoped;
  return survey.unasked == 0;
}
