/* The status object. It is written in one go to a socket that has just been accepted, whose buffer
 * is empty: a reader that does not read gets what fits and nobody waits for it. */
#include "net/status.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"

#define AT_ONCE 16

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

static void
write_host (NetHost *host, BaseBuffer *out)
{
  base_buffer_append_string (out, "{\"route\":");
  base_json_append_string (out, host->route->name, -1);
  base_buffer_append_string (out, ",\"host\":");
  base_json_append_string (out, host->destination->text, -1);
  base_buffer_append_printf (out,
                             ",\"state\":\"%s\",\"connections\":%d,\"idle\":%d,\"waiting\":%d}",
                             state_name (host), g_atomic_int_get (&host->connections),
                             g_atomic_int_get (&host->idle), g_atomic_int_get (&host->waiting));
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
      write_host (g_ptr_array_index (service->hosts->all, i), out);
    }
  base_buffer_append_string (out, "]}\n");
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
