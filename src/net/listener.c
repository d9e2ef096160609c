/* The accepting side. A client over a limit hears 421 and is closed. When descriptors run out, one
 * that was kept in reserve serves to say 421, and accepting rests for a moment: the sessions that
 * are under way go on. */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/client.h"
#include "net/service.h"

#define REST (100 * G_TIME_SPAN_MILLISECOND)
#define COMPLAIN_AGAIN (60 * G_TIME_SPAN_SECOND)
#define TELL_AGAIN G_TIME_SPAN_SECOND

struct _NetListener
{
  NetLoop *loop;
  const GatewayListener *listener;
  gint fd;
  gint spare; /* -1: it is lost until a descriptor is free */
  NetWatch watch;
  NetTimer timer;
  gint64 complained;
  gint64 told;    /* when the last turned away client was logged */
  guint silenced; /* clients that were turned away since without a line */
  GList link;
};

static gint
open_spare (void)
{
  return open ("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* One write that may fail, and leaves with the FIN: the client is told if it can be told at once. A
 * load balancer has spoken first, and closing with its header unread drops what has not left. Under
 * implicit TLS there is nobody to read plaintext. */
static void
turn_away (const NetListener *listener, gint fd, const gchar *reply)
{
  const ConfigListener *config = listener->listener->listener;
  const int more = config->proxy_from.count == 0 ? MSG_MORE : 0;

  if (config->tls != CONFIG_TLS_IMPLICIT)
    send (fd, reply, strlen (reply), MSG_DONTWAIT | MSG_NOSIGNAL | more);
  close (fd);
}

/* At most one line a second: whoever floods us must not flood the log. */
static void
log_turned_away (NetListener *listener, const BaseEndpoint *client, const gchar *reply)
{
  gint64 now = g_get_monotonic_time ();
  gchar address[BASE_ENDPOINT_LENGTH];
  BaseRecord record;

  if (listener->told != 0 && now - listener->told < TELL_AGAIN)
    {
      listener->silenced++;
      return;
    }
  base_endpoint_text (client, address);
  base_record_begin (&record, BASE_LOG_NOTICE, "reject");
  base_record_string (&record, "listener", listener->listener->listener->name);
  base_record_strings (&record, "client", "unknown[", address, "]", NULL);
  base_record_string (&record, "command", "CONNECT");
  base_record_string (&record, "dsn", "4.7.0");
  base_buffer_append (base_record_open (&record, "reply"), reply, strcspn (reply, "\r"));
  base_record_close (&record);
  if (listener->silenced > 0)
    base_record_int (&record, "more", listener->silenced);
  base_record_string (&record, "status", "deferred");
  base_record_emit (&record);
  listener->told = now;
  listener->silenced = 0;
}

void
net_listener_log_turned_away (NetLoop *loop, const GatewayListener *source,
                              const BaseEndpoint *client, const gchar *reply)
{
  for (GList *link = loop->listeners.head; link != NULL; link = link->next)
    if (((NetListener *) link->data)->listener == source)
      {
        log_turned_away (link->data, client, reply);
        return;
      }
}

static void
turn_away_busy (NetListener *listener, gint fd, const BaseEndpoint *client, const gchar *reply)
{
  turn_away (listener, fd, reply);
  log_turned_away (listener, client, reply);
}

static void
out_of_descriptors (NetListener *listener, gint reason)
{
  gint64 now = g_get_monotonic_time ();
  gint fd;

  NET_COUNT (listener->loop, refused_descriptors);
  if (listener->complained == 0 || now - listener->complained > COMPLAIN_AGAIN)
    {
      base_log (BASE_LOG_ERROR, "listener %s: cannot accept: %s",
                listener->listener->listener->name, g_strerror (reason));
      listener->complained = now;
    }
  if (listener->spare >= 0)
    {
      close (listener->spare);
      fd = accept4 (listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0)
        turn_away (listener, fd, "421 4.3.2 Out of resources, try again later\r\n");
      listener->spare = open_spare ();
    }
  net_watch_set (&listener->watch, 0);
  net_timer_set (&listener->timer, now + REST);
}

static void
on_timer (NetTimer *timer)
{
  NetListener *listener = NET_OWNER (timer, NetListener, timer);

  if (listener->spare < 0)
    listener->spare = open_spare ();
  net_watch_set (&listener->watch, NET_READABLE);
}

static void
admit (NetListener *listener, gint fd, const BaseEndpoint *client)
{
  NetLoop *loop = listener->loop;
  const ConfigListener *config = listener->listener->listener;
  /* A load balancer's connections are its clients'. */
  gboolean proxied = config_peers_contain (&config->proxy_from, client);

  switch (net_admission_enter (loop->service->admission, config, proxied ? NULL : client))
    {
    case NET_ADMISSION_FINE:
      net_client_accept (loop, listener->listener, fd, client, proxied);
      break;
    case NET_ADMISSION_CONNECTIONS:
      NET_COUNT (loop, refused_connections);
      turn_away_busy (listener, fd, client, "421 4.7.0 Too many connections, try again later\r\n");
      break;
    case NET_ADMISSION_CONNECTIONS_PER_CLIENT:
      NET_COUNT (loop, refused_per_client);
      turn_away_busy (listener, fd, client,
                      "421 4.7.0 Too many connections from you, try again later\r\n");
      break;
    }
}

/* FALSE: nobody is there any more, or nobody can be taken. */
static gboolean
accept_one (NetListener *listener)
{
  BaseEndpoint client = { .length = sizeof client.address };
  gint fd
      = accept4 (listener->fd, &client.address.any, &client.length, SOCK_NONBLOCK | SOCK_CLOEXEC);

  if (fd >= 0)
    {
      client.length = MIN (client.length, sizeof client.address);
      admit (listener, fd, &client);
      return TRUE;
    }
  if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
    out_of_descriptors (listener, errno);
  /* A client that left while it waited (ECONNABORTED) hides nobody behind it. */
  return errno == ECONNABORTED || errno == EINTR;
}

static void
on_watch (NetWatch *watch, int events)
{
  NetListener *listener = NET_OWNER (watch, NetListener, watch);

  for (guint i = 0; i < NET_LISTENER_BURST && accept_one (listener); i++)
    ;
  if (listener->watch.mask == 0 && listener->timer.deadline == 0)
    net_timer_set (&listener->timer, g_get_monotonic_time () + REST);
}

gboolean
net_listener_add (NetLoop *loop, const GatewayListener *source, gint fd, GError **error)
{
  NetListener *listener = g_new0 (NetListener, 1);

  listener->loop = loop;
  listener->listener = source;
  listener->link.data = listener;
  listener->fd = fcntl (fd, F_DUPFD_CLOEXEC, 3);
  if (listener->fd < 0
      || fcntl (listener->fd, F_SETFL, fcntl (listener->fd, F_GETFL) | O_NONBLOCK) != 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
                   "listener %s cannot be watched: %s", source->listener->name, g_strerror (errno));
      if (listener->fd >= 0)
        close (listener->fd);
      g_free (listener);
      return FALSE;
    }
  net_stream_no_delay (listener->fd); /* what it accepts inherits that */
  net_watch_init (&listener->watch, &loop->poller, listener->fd, on_watch);
  listener->spare = open_spare ();
  net_timer_init (&listener->timer, &loop->timers, on_timer);
  net_watch_set (&listener->watch, NET_READABLE);
  g_queue_push_tail_link (&loop->listeners, &listener->link);
  return TRUE;
}

void
net_listener_close_all (NetLoop *loop)
{
  while (loop->listeners.length > 0)
    {
      NetListener *listener = loop->listeners.head->data;
      g_queue_unlink (&loop->listeners, &listener->link);
      net_watch_close (&listener->watch);
      net_timer_close (&listener->timer);
      close (listener->fd);
      if (listener->spare >= 0)
        close (listener->spare);
      net_loop_defer (loop, net_loop_free_later, listener);
    }
}
