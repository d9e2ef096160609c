/* From a host to a connected socket: its addresses, one after the other, each with its share of the
 * time. What goes wrong with one, here or in the greeting, tries the next; after the last one its
 * reply is the failure. */
#include "net/upstream-private.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/proxy.h"

void
net_upstream_setup_free (NetUpstreamSetup *setup)
{
  if (setup == NULL)
    return;
  uv_freeaddrinfo (setup->addresses);
  base_reply_free (setup->reply);
  base_buffer_clear (&setup->header);
  g_free (setup->hello);
  g_free (setup);
}

/* The present address's share of what time is left: one that swallows packets must not use up the
 * others' time. */
static gint64
share_of_time (const NetUpstreamSetup *setup)
{
  gint64 now = g_get_monotonic_time (), left = setup->deadline - now;
  gint count = 1;

  for (const struct addrinfo *address = setup->next; address != NULL; address = address->ai_next)
    count++;
  return now + MAX (left, 0) / count;
}

static void
name_address (NetUpstream *upstream, const struct addrinfo *address)
{
  const ConfigDestination *destination = upstream->host->destination;
  BaseEndpoint endpoint = { .length = address->ai_addrlen };
  g_autofree gchar *text = NULL;

  memcpy (&endpoint.address, address->ai_addr, MIN (address->ai_addrlen, sizeof endpoint.address));
  text = base_endpoint_address (&endpoint);
  upstream->base.local = base_endpoint_is_loopback (&endpoint);
  if (destination->path != NULL)
    return;
  g_free (upstream->base.name);
  upstream->base.name = g_strdup_printf ("%s[%s]:%u", destination->host, text, destination->port);
}

static void
hang_up (NetUpstream *upstream)
{
  net_watch_drop (&upstream->watch);
  net_stream_close (&upstream->stream);
  upstream->stream = (NetStream) NET_STREAM_INIT;
}

void
net_upstream_try_address (NetUpstream *upstream)
{
  NetUpstreamSetup *setup = upstream->setup;
  gint fd, status = 0;

  hang_up (upstream);
  name_address (upstream, setup->present);
  fd = socket (setup->present->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0
      || (connect (fd, setup->present->ai_addr, setup->present->ai_addrlen) != 0
          && errno != EINPROGRESS))
    status = errno;
  if (status != 0)
    {
      if (fd >= 0)
        close (fd);
      net_upstream_fail_address (upstream,
                                 base_reply_printf (451, 4, 4, 1, "connect to %s: %s",
                                                    upstream->base.name, g_strerror (status)));
      return;
    }
  net_watch_init (&upstream->watch, &upstream->loop->poller, fd, net_upstream_on_watch);
  net_stream_no_delay (fd);
  net_stream_init (&upstream->stream, fd);
  upstream->state = NET_UPSTREAM_CONNECT;
  net_timer_set (&upstream->timer, share_of_time (setup));
  net_watch_set (&upstream->watch, NET_WRITABLE);
}

void
net_upstream_try_next (NetUpstream *upstream)
{
  NetUpstreamSetup *setup = upstream->setup;

  if (setup->next == NULL && setup->starting)
    {
      upstream->state = NET_UPSTREAM_LOOKUP;
      net_timer_set (&upstream->timer, 1);
      return;
    }
  if (setup->next == NULL)
    {
      g_autoptr (BaseReply) reply = g_steal_pointer (&setup->reply);
      if (reply == NULL)
        reply = base_reply_printf (451, 4, 4, 1, "%s cannot be reached", upstream->base.name);
      upstream->events->failed (upstream, reply);
      net_upstream_close (upstream);
      return;
    }
  setup->present = setup->next;
  setup->next = setup->next->ai_next;
  setup->plaintext = FALSE;
  net_upstream_try_address (upstream);
}

/* The present address is of no use. */
void
net_upstream_fail_address (NetUpstream *upstream, BaseReply *reply)
{
  base_reply_free (upstream->setup->reply);
  upstream->setup->reply = reply;
  net_upstream_try_next (upstream);
}

static void
write_header (NetUpstream *upstream, const BaseEndpoint *client, const BaseEndpoint *server)
{
  switch ((ConfigProxy) upstream->host->route->proxy)
    {
    case CONFIG_PROXY_OFF:
      break;
    case CONFIG_PROXY_V1:
    case CONFIG_PROXY_V2:
      base_buffer_reset (&upstream->setup->header);
      base_proxy_write (upstream->host->route->proxy == CONFIG_PROXY_V1 ? 1 : 2, client, server,
                        &upstream->setup->header);
      break;
    }
}

void
net_upstream_introduce (NetUpstream *upstream, const BaseEndpoint *client,
                        const BaseEndpoint *server)
{
  write_header (upstream, client, server);
}

/* Before anything else, TLS included. The buffer of a socket that has just been connected has room
 * for it. Returns an errno. */
static gint
send_header (NetUpstream *upstream)
{
  NetUpstreamSetup *setup = upstream->setup;
  gsize length;

  if (base_buffer_length (&setup->header) == 0)
    write_header (upstream, NULL, NULL);
  length = base_buffer_length (&setup->header);
  if (length == 0)
    return 0;
  errno = ENOBUFS;
  return send (upstream->stream.fd, base_buffer_bytes (&setup->header), length,
               MSG_DONTWAIT | MSG_NOSIGNAL)
                 == (gssize) length
             ? 0
             : errno;
}

void
net_upstream_connected (NetUpstream *upstream)
{
  gint status = 0;
  socklen_t size = sizeof status;

  if (getsockopt (upstream->stream.fd, SOL_SOCKET, SO_ERROR, &status, &size) != 0)
    status = errno;
  if (status == 0)
    status = send_header (upstream);
  if (status != 0)
    {
      net_upstream_fail_address (upstream,
                                 base_reply_printf (451, 4, 4, 1, "connect to %s: %s",
                                                    upstream->base.name, g_strerror (status)));
      return;
    }
  smtp_client_free (upstream->base.client);
  upstream->base.client = smtp_client_new (upstream->setup->hello, net_upstream_policy (upstream));
  if (upstream->host->destination->kind == CONFIG_DESTINATION_LMTP)
    smtp_client_set_lmtp (upstream->base.client);
  upstream->state = NET_UPSTREAM_GREET;
  net_watch_set (&upstream->watch, NET_READABLE);
  if (net_upstream_is_implicit (upstream))
    net_upstream_start_tls (upstream);
}

static void
on_resolved (uv_getaddrinfo_t *request, int status, struct addrinfo *results)
{
  NetUpstreamSetup *setup = NET_OWNER (request, NetUpstreamSetup, resolver);
  NetUpstream *upstream = request->data;

  setup->resolving = FALSE;
  setup->addresses = results;
  if (upstream->state != NET_UPSTREAM_CLOSED)
    {
      setup->next = results;
      if (status != 0 || results == NULL)
        setup->reply = base_reply_printf (451, 4, 4, 3, "host name lookup of %s failed: %s",
                                          upstream->base.name,
                                          status == 0 ? "no address" : uv_strerror (status));
      net_upstream_try_next (upstream);
    }
  net_upstream_unref (upstream);
}

/* An address that is written as one needs no thread, and the connection begins at once. */
static gboolean
look_up_address (NetUpstreamSetup *setup, const gchar *host, const gchar *port)
{
  struct addrinfo hints
      = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };

  if (getaddrinfo (host, port, &hints, &setup->addresses) != 0)
    return FALSE;
  setup->next = setup->addresses;
  return TRUE;
}

static void
use_socket (NetUpstreamSetup *setup, const gchar *path)
{
  /* The configuration has made sure that it fits. */
  (void) base_endpoint_parse (path, &setup->socket, NULL);
  setup->socket_address = (struct addrinfo){ .ai_family = AF_UNIX,
                                             .ai_socktype = SOCK_STREAM,
                                             .ai_addr = &setup->socket.address.any,
                                             .ai_addrlen = setup->socket.length };
  setup->next = &setup->socket_address;
}

void
net_upstream_look_up (NetUpstream *upstream)
{
  NetUpstreamSetup *setup = upstream->setup;
  const ConfigDestination *destination = upstream->host->destination;
  struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
  gchar port[8];

  if (destination->path != NULL)
    {
      use_socket (setup, destination->path);
      net_upstream_try_next (upstream);
      return;
    }
  g_snprintf (port, sizeof port, "%u", destination->port);
  if (look_up_address (
          setup, upstream->host->address != NULL ? upstream->host->address : destination->host,
          port))
    {
      net_upstream_try_next (upstream);
      return;
    }
  setup->resolver.data = upstream;
  if (uv_getaddrinfo (&upstream->loop->uv, &setup->resolver, on_resolved, destination->host, port,
                      &hints)
      == 0)
    {
      setup->resolving = TRUE;
      upstream->references++;
      net_timer_set (&upstream->timer, setup->deadline);
    }
  else
    net_upstream_try_next (upstream);
}
