/* The status object. It is written in one go to a socket that has just been accepted, whose buffer
 * is empty: a reader that does not read gets what fits and nobody waits for it. */
#include "net/status.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "net/mx-hosts.h"

#define AT_ONCE 16
#define MOST_MX_HOSTS 200 /* in one answer, which has to fit into a socket's buffer */

struct _NetStatus
{
  NetService *service;
  gint fd;
  NetWatch watch;
};

static const struct
{
  const gchar *name;
  gsize offset;
} counters[] = {
  { "sessions", G_STRUCT_OFFSET (NetCounters, sessions_now) },
  { "sessions_total", G_STRUCT_OFFSET (NetCounters, sessions) },
  { "messages", G_STRUCT_OFFSET (NetCounters, messages) },
  { "sent", G_STRUCT_OFFSET (NetCounters, sent) },
  { "deferred", G_STRUCT_OFFSET (NetCounters, deferred) },
  { "rejected", G_STRUCT_OFFSET (NetCounters, rejected) },
  { "discarded", G_STRUCT_OFFSET (NetCounters, discarded) },
  { "quarantined", G_STRUCT_OFFSET (NetCounters, quarantined) },
  { "client_gone", G_STRUCT_OFFSET (NetCounters, client_gone) },
  { "tls_failed", G_STRUCT_OFFSET (NetCounters, tls_failed) },
  { "refused_connections", G_STRUCT_OFFSET (NetCounters, refused_connections) },
  { "refused_connections_per_client", G_STRUCT_OFFSET (NetCounters, refused_per_client) },
  { "refused_messages_per_minute", G_STRUCT_OFFSET (NetCounters, refused_messages) },
  { "refused_proxy_headers", G_STRUCT_OFFSET (NetCounters, proxy_refused) },
  { "refused_out_of_descriptors", G_STRUCT_OFFSET (NetCounters, refused_descriptors) },
  { "upstream_connects", G_STRUCT_OFFSET (NetCounters, upstream_connects) },
  { "upstream_failures", G_STRUCT_OFFSET (NetCounters, upstream_failures) },
  { "upstream_reused", G_STRUCT_OFFSET (NetCounters, upstream_reused) },
  { "upstream_handed", G_STRUCT_OFFSET (NetCounters, upstream_handed) },
  { "workers", G_STRUCT_OFFSET (NetCounters, workers_now) },
  { "workers_idle", G_STRUCT_OFFSET (NetCounters, workers_idle) },
  { "worker_queue", G_STRUCT_OFFSET (NetCounters, worker_queue) },
  { "worker_requests", G_STRUCT_OFFSET (NetCounters, worker_requests) },
  { "worker_failures", G_STRUCT_OFFSET (NetCounters, worker_failures) },
  { "worker_refusals", G_STRUCT_OFFSET (NetCounters, worker_refusals) },
  { "worker_passed", G_STRUCT_OFFSET (NetCounters, worker_passed) },
  { "deliveries", G_STRUCT_OFFSET (NetCounters, deliveries) },
  { "delivery_failures", G_STRUCT_OFFSET (NetCounters, delivery_failures) },
};

static guint64
sum (const NetService *service, gsize offset)
{
  guint64 total = 0;

  for (guint i = 0; i < service->n_loops; i++)
    total += net_counter_get (G_STRUCT_MEMBER_P (&service->loops[i]->counters, offset));
  return total;
}

typedef struct
{
  const gchar *route;
  gchar *host;
  const gchar *state;
  gint connections, idle, waiting;
} HostFacts;

static const gchar *
state_name (NetHost *host)
{
  switch (net_host_state (host))
    {
    case NET_HOST_UNASKED:
      return "unasked";
    case NET_HOST_FAILED:
      return "failed";
    case NET_HOST_KNOWN:
      break;
    }
  return net_host_is_avoided (host, g_get_monotonic_time ()) ? "failed" : "up";
}

/* Of this moment; the name is the host's own. */
static HostFacts
facts_of (NetHost *host)
{
  return (HostFacts){ .route = host->route->name,
                      .host = host->destination->text,
                      .state = state_name (host),
                      .connections = g_atomic_int_get (&host->connections),
                      .idle = g_atomic_int_get (&host->idle),
                      .waiting = g_atomic_int_get (&host->waiting) };
}

static void
write_host (const HostFacts *facts, BaseBuffer *out)
{
  base_buffer_append_string (out, "{\"route\":");
  base_json_append_string (out, facts->route, -1);
  base_buffer_append_string (out, ",\"host\":");
  base_json_append_string (out, facts->host, -1);
  base_buffer_append_printf (out,
                             ",\"state\":\"%s\",\"connections\":%d,\"idle\":%d,\"waiting\":%d}",
                             facts->state, facts->connections, facts->idle, facts->waiting);
}

/* ---- Hosts that mx: routes have found: each loop knows some, and several the same ones ---- */

static void
free_facts (gpointer facts)
{
  g_free (((HostFacts *) facts)->host);
  g_free (facts);
}

static guint
hash_facts (gconstpointer facts)
{
  return g_str_hash (((const HostFacts *) facts)->host);
}

static gboolean
same_host (gconstpointer a, gconstpointer b)
{
  const HostFacts *one = a, *other = b;

  return one->route == other->route && g_str_equal (one->host, other->host);
}

/* Into a set of HostFacts. */
static void
add_mx_host (NetHost *host, gpointer data)
{
  HostFacts facts = facts_of (host);
  HostFacts *known = g_hash_table_lookup (data, &facts);

  if (known == NULL)
    {
      known = g_memdup2 (&facts, sizeof facts);
      known->host = g_strdup (facts.host);
      g_hash_table_add (data, known);
      return;
    }
  if (g_str_equal (facts.state, "failed") || g_str_equal (known->state, "unasked"))
    known->state = facts.state;
  known->connections += facts.connections;
  known->idle += facts.idle;
  known->waiting += facts.waiting;
}

/* The busiest first. */
static gint
compare_facts (gconstpointer a, gconstpointer b)
{
  const HostFacts *one = *(HostFacts *const *) a, *other = *(HostFacts *const *) b;

  if (one->connections != other->connections)
    return one->connections > other->connections ? -1 : 1;
  return strcmp (one->host, other->host);
}

/* Returns how many there are beyond those that are written. */
static guint
write_mx_hosts (NetService *service, BaseBuffer *out)
{
  g_autoptr (GHashTable) set = g_hash_table_new_full (hash_facts, same_host, free_facts, NULL);
  g_autoptr (GPtrArray) list = g_ptr_array_new ();
  GHashTableIter iterator;
  gpointer facts;

  net_mx_hosts_each (service->hosts, add_mx_host, set);
  g_hash_table_iter_init (&iterator, set);
  while (g_hash_table_iter_next (&iterator, &facts, NULL))
    g_ptr_array_add (list, facts);
  g_ptr_array_sort (list, compare_facts);
  for (guint i = 0; i < MIN (list->len, MOST_MX_HOSTS); i++)
    {
      if (i > 0 || service->hosts->all->len > 0)
        base_buffer_append_string (out, ",");
      write_host (list->pdata[i], out);
    }
  return list->len - MIN (list->len, MOST_MX_HOSTS);
}

void
net_status_write (NetService *service, BaseBuffer *out)
{
  base_buffer_append_printf (out,
                             "{\"pid\":%d,\"generation\":%u,\"started\":%" G_GINT64_FORMAT
                             ",\"threads\":%u,\"draining\":%s",
                             (int) getpid (), service->handoff->number, service->started,
                             service->n_loops, service->draining ? "true" : "false");
  for (guint i = 0; i < G_N_ELEMENTS (counters); i++)
    base_buffer_append_printf (out, ",\"%s\":%" G_GUINT64_FORMAT, counters[i].name,
                               sum (service, counters[i].offset));
  base_buffer_append_printf (
      out, ",\"log_lines_dropped\":%" G_GUINT64_FORMAT ",\"clients\":%u,\"upstreams\":[",
      service->log == NULL ? 0 : net_log_writer_dropped (service->log),
      net_admission_clients (service->admission));
  for (guint i = 0; i < service->hosts->all->len; i++)
    {
      if (i > 0)
        base_buffer_append_string (out, ",");
      HostFacts facts = facts_of (g_ptr_array_index (service->hosts->all, i));
      write_host (&facts, out);
    }
  guint more = write_mx_hosts (service, out);
  base_buffer_append_printf (out, "],\"upstreams_more\":%u}\n", more);
}

static void
answer (NetService *service, gint fd)
{
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;

  net_status_write (service, &out);
  send (fd, base_buffer_bytes (&out), base_buffer_length (&out), MSG_DONTWAIT | MSG_NOSIGNAL);
  close (fd);
}

static void
on_watch (NetWatch *watch, int events)
{
  NetStatus *status = NET_OWNER (watch, NetStatus, watch);
  gint fd;

  for (guint i = 0; i < AT_ONCE; i++)
    {
      fd = accept4 (status->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0)
        return;
      answer (status->service, fd);
    }
}

NetStatus *
net_status_new (NetService *service, gint fd)
{
  NetStatus *status = g_new0 (NetStatus, 1);

  status->service = service;
  status->fd = fd;
  net_watch_init (&status->watch, &service->main->poller, fd, on_watch);
  net_watch_set (&status->watch, NET_READABLE);
  return status;
}

void
net_status_close (NetStatus *status)
{
  net_watch_close (&status->watch);
  g_free (status);
}
