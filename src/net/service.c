/* Beginning, draining and end of the gateway process. Fails only before anything is promised: a
 * key, a listening socket or a thread that is missing ends the start with a GError. */
#include "net/service.h"

#include <string.h>

#include "base/log.h"
#include "net/client.h"
#include "net/control.h"
#include "net/listener.h"
#include "net/names.h"
#include "net/pool.h"
#include "net/status.h"

#define PROBE_EVERY (60 * G_TIME_SPAN_SECOND)
#define HURRY_GRACE (2 * G_TIME_SPAN_SECOND) /* for last replies to be read */

/* ---- making ---- */

/* A message costs the workers and the kernel about what it costs a loop, and each loop more divides
 * what comes in smaller turns: of two on two cores a filtered message cost a quarter more. */
static guint
count_loops (const Config *config)
{
  return config->threads > 0 ? (guint) config->threads : (g_get_num_processors () + 1) / 2;
}

static gboolean
make_tls (NetService *service, ConfigSources *secrets, GError **error)
{
  if (service->config->tls->len == 0)
    return TRUE;
  service->tls = net_tls_server_new (service->config->tls, secrets, error);
  return service->tls != NULL;
}

static void
make_listeners (NetService *service, const GArray *facts)
{
  const Config *config = service->config;

  service->listeners = g_new0 (GatewayListener *, config->listeners->len + 1);
  for (guint i = 0; i < config->listeners->len; i++)
    service->listeners[i]
        = gateway_listener_new (config, g_ptr_array_index (config->listeners, i), facts);
}

static void
make_workers_shared (NetService *service)
{
  const Config *config = service->config;

  service->workers.control = service->handoff->control;
  service->workers.minimum = config->filters->len == 0 ? 0 : (guint) config->workers_min;
  service->workers.queue = (gint) config->worker_queue;
}

static void
make_loops (NetService *service)
{
  service->main = net_loop_new (G_MAXUINT);
  service->main->service = service;
  service->n_loops = count_loops (service->config);
  service->loops = g_new0 (NetLoop *, service->n_loops);
  for (guint i = 0; i < service->n_loops; i++)
    {
      NetLoop *loop = service->loops[i] = net_loop_new (i);
      loop->service = service;
      loop->peers = service->loops;
      loop->n_peers = service->n_loops;
      loop->names = net_names_new (loop);
      net_workers_new (loop, &service->workers);
      net_pool_new (loop, service->hosts, service->config->hostname,
                    net_mx_new (loop, service->config));
    }
}

static void on_drain_timer (NetTimer *timer);

NetService *
net_service_new (Config *config, const IpcHandoff *handoff, ConfigSources *secrets,
                 const GArray *facts, NetLogWriter *log, GError **error)
{
  NetService *service = g_new0 (NetService, 1);

  service->config = config;
  service->handoff = handoff;
  service->log = log;
  service->started = g_get_real_time () / G_USEC_PER_SEC;
  service->admission = net_admission_new ();
  if (!make_tls (service, secrets, error)
      || (service->hosts = net_hosts_new (config, secrets, error)) == NULL)
    {
      net_service_free (service);
      return NULL;
    }
  make_listeners (service, facts);
  make_workers_shared (service);
  make_loops (service);
  net_timer_init (&service->drain, &service->main->timers, on_drain_timer);
  service->control = net_control_new (service, handoff->control);
  service->status = handoff->status >= 0 ? net_status_new (service, handoff->status) : NULL;
  return service;
}

/* ---- the beginning ---- */

static gboolean
add_listeners (NetService *service, GError **error)
{
  const GArray *sockets = service->handoff->listeners;

  for (guint i = 0; i < sockets->len; i++)
    {
      const IpcHandoffListener *socket = &g_array_index (sockets, IpcHandoffListener, i);
      if (socket->listener >= service->config->listeners->len)
        {
          g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "there is no listener %u",
                       socket->listener);
          return FALSE;
        }
      for (guint j = 0; j < service->n_loops; j++)
        if (!net_listener_add (service->loops[j], service->listeners[socket->listener],
                               socket->descriptor, error))
          return FALSE;
    }
  return TRUE;
}

static void
task_probe (NetLoop *loop, gpointer data)
{
  if (loop->pool != NULL && !loop->draining)
    net_pool_probe (loop->pool, g_get_monotonic_time () - PROBE_EVERY);
}

gboolean
net_service_start (NetService *service, GError **error)
{
  if (!add_listeners (service, error))
    return FALSE;
  /* A blocked signal would be inherited by the loops; the main thread has none to handle: orders
   * come over the control channel. */
  for (guint i = 0; i < service->n_loops; i++)
    if (!net_loop_start (service->loops[i], error))
      return FALSE;
  net_loop_post (service->loops[0], task_probe, NULL);
  net_timer_set (&service->drain, g_get_monotonic_time () + PROBE_EVERY);
  return TRUE;
}

/* ---- draining ---- */

/* A step may end the client and others with it never: one link ahead is safe. */
static void
drain_clients (NetLoop *loop)
{
  GList *next;

  for (GList *link = loop->clients.head; link != NULL; link = next)
    {
      next = link->next;
      net_client_drain (link->data, loop->hurry);
    }
}

static void
task_drain (NetLoop *loop, gpointer data)
{
  gboolean was_busy = loop->clients.length > 0;

  loop->draining = TRUE;
  loop->hurry = loop->hurry || GPOINTER_TO_INT (data);
  net_listener_close_all (loop);
  drain_clients (loop);
  if (!was_busy)
    net_service_loop_is_empty (loop);
}

/* After the grace: only sessions whose final answer is awaited may stay. */
static void
task_drop (NetLoop *loop, gpointer data)
{
  GList *next;

  for (GList *link = loop->clients.head; link != NULL; link = next)
    {
      NetClient *client = link->data;
      next = link->next;
      if (client->session == NULL || !gateway_session_is_final (client->session))
        net_client_destroy (client);
    }
}

static void
broadcast (NetService *service, NetTask task, gpointer data)
{
  for (guint i = 0; i < service->n_loops; i++)
    net_loop_post (service->loops[i], task, data);
}

void
net_service_drain (NetService *service, gboolean hurry)
{
  gint64 now = g_get_monotonic_time ();

  if (service->draining && (service->hurry || !hurry))
    return;
  base_log (BASE_LOG_NOTICE, hurry ? "ending: only final answers are awaited"
                                   : "draining: open transactions are finished");
  if (!service->draining)
    service->busy = service->n_loops;
  service->draining = TRUE;
  service->hurry = hurry;
  broadcast (service, task_drain, GINT_TO_POINTER (hurry));
  net_timer_set (&service->drain, now + (hurry ? HURRY_GRACE : service->config->drain * 1000));
}

/* One timer of the main loop: asking silent hosts while we serve, the end of patience while we
 * drain. */
static void
on_drain_timer (NetTimer *timer)
{
  NetService *service = NET_OWNER (timer, NetService, drain);

  if (!service->draining)
    {
      net_loop_post (service->loops[0], task_probe, NULL);
      net_timer_set (timer, g_get_monotonic_time () + PROBE_EVERY);
    }
  else if (!service->hurry)
    net_service_drain (service, TRUE);
  else
    {
      broadcast (service, task_drop, NULL);
      net_timer_set (timer, g_get_monotonic_time () + HURRY_GRACE);
    }
}

/* ---- the end ---- */

static void
task_end (NetLoop *loop, gpointer data)
{
  net_listener_close_all (loop);
  while (loop->clients.length > 0)
    net_client_destroy (loop->clients.head->data);
  if (loop->pool != NULL)
    net_pool_close (loop->pool);
  if (loop->workers != NULL)
    net_workers_close (loop->workers);
  g_clear_pointer (&loop->names, net_names_close);
  net_loop_stop (loop);
}

static void
end_main (NetService *service)
{
  if (service->control == NULL)
    return;
  g_clear_pointer (&service->control, net_control_close);
  g_clear_pointer (&service->status, net_status_close);
  net_timer_close (&service->drain);
  net_loop_stop (service->main);
}

static void
task_empty (NetLoop *loop, gpointer data)
{
  NetService *service = loop->service;

  /* A loop says so each time; what counts is what all have now. */
  if (!service->draining)
    return;
  for (guint i = 0; i < service->n_loops; i++)
    if (net_counter_get (&service->loops[i]->counters.sessions_now) > 0
        || !service->loops[i]->draining)
      return;
  end_main (service);
}

void
net_service_loop_is_empty (NetLoop *loop)
{
  net_loop_post (loop->service->main, task_empty, NULL);
}

/* What one loop has posted to another that had ended already. */
static gboolean
run_late (NetService *service)
{
  gboolean any = FALSE;

  for (guint i = 0; i < service->n_loops; i++)
    any = net_loop_run_late (service->loops[i]) || any;
  return any;
}

void
net_service_run (NetService *service)
{
  net_loop_run (service->main);
  broadcast (service, task_end, NULL);
  for (guint i = 0; i < service->n_loops; i++)
    net_loop_join (service->loops[i]);
  while (run_late (service))
    ;
  for (guint i = 0; i < service->n_loops; i++)
    net_loop_free (service->loops[i]);
  service->n_loops = 0;
}

/* Loops that never ran must still let go of their handles. */
static void
free_unstarted (NetService *service)
{
  for (guint i = 0; i < service->n_loops; i++)
    {
      task_end (service->loops[i], NULL);
      net_loop_run (service->loops[i]);
      net_loop_free (service->loops[i]);
    }
}

void
net_service_free (NetService *service)
{
  if (service == NULL)
    return;
  free_unstarted (service);
  if (service->main != NULL)
    {
      end_main (service);
      net_loop_run (service->main);
      net_loop_free (service->main);
    }
  for (guint i = 0; service->listeners != NULL && service->listeners[i] != NULL; i++)
    gateway_listener_free (service->listeners[i]);
  g_free (service->listeners);
  g_free (service->loops);
  net_hosts_free (service->hosts);
  net_tls_server_free (service->tls);
  net_admission_free (service->admission);
  g_free (service);
}
