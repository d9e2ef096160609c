/* The PROXY header in front of a session, and of its TLS. Nothing behind the header is taken from
 * the socket: it is looked at first, and only its own octets are read. What is no header, or does
 * not come in time, closes the connection with one line in the log. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/proxy.h"
#include "net/client.h"
#include "net/listener.h"
#include "net/service.h"

#define HEADER_WAIT (5 * G_TIME_SPAN_SECOND) /* the protocol asks for 3 s at least */

void
net_client_forget_header (NetClient *client)
{
  if (client->header == NULL)
    return;
  base_buffer_clear (client->header);
  g_clear_pointer (&client->header, g_free);
}

void
net_client_await_header (NetClient *client)
{
  client->state = NET_CLIENT_PROXY;
  client->header = g_new0 (BaseBuffer, 1);
  net_timer_set (&client->timer, g_get_monotonic_time () + HEADER_WAIT);
  net_watch_set (&client->watch, NET_READABLE);
}

static void
refuse (NetClient *client, BaseLogLevel level, const gchar *why)
{
  const BaseEndpoint endpoint = base_peer_endpoint (&client->peer);
  g_autofree gchar *peer = base_endpoint_address (&endpoint);

  base_log (level, "listener %s: proxy %s: %s", client->listener->listener->name, peer, why);
  NET_COUNT (client->loop, proxy_refused);
  net_client_destroy (client);
}

void
net_client_miss_header (NetClient *client)
{
  refuse (client, BASE_LOG_WARNING, "no whole PROXY header within 5 s");
}

/* Its end instead of a header: a bare TCP check of the load balancer's is nothing to talk about. */
static void
end_early (NetClient *client)
{
  if (base_buffer_length (client->header) > 0)
    refuse (client, BASE_LOG_WARNING, "it closed inside its PROXY header");
  else
    refuse (client, BASE_LOG_DEBUG, "it closed without a PROXY header");
}

static void
turn_away (NetClient *client, const BaseEndpoint *real)
{
  static const gchar reply[] = "421 4.7.0 Too many connections from you, try again later\r\n";

  NET_COUNT (client->loop, refused_per_client);
  net_listener_log_turned_away (client->loop, client->listener, real, reply);
  if (client->listener->listener->tls != CONFIG_TLS_IMPLICIT)
    send (client->stream.fd, reply, strlen (reply), MSG_DONTWAIT | MSG_NOSIGNAL);
  net_stream_shutdown (&client->stream);
  net_client_destroy (client);
}

/* LOCAL and clients whose address is not told stay with the proxy's own address. */
static void
believe (NetClient *client, const BaseProxyHeader *header)
{
  const BaseEndpoint own = base_peer_endpoint (&client->peer);
  const BaseEndpoint *real = header->kind == BASE_PROXY_CLIENT ? &header->source : &own;

  if (!net_admission_move (client->loop->service->admission, client->listener->listener, NULL,
                           real))
    {
      turn_away (client, real);
      return;
    }
  client->counted = TRUE;
  client->peer = base_peer_from (real);
  if (header->kind == BASE_PROXY_CLIENT)
    client->server = base_peer_from (&header->destination);
  else
    client->kind = header->kind == BASE_PROXY_LOCAL ? GATEWAY_CLIENT_PROXY : GATEWAY_CLIENT_HIDDEN;
  net_client_forget_header (client);
  net_timer_set (&client->timer, 0);
  net_watch_set (&client->watch, 0);
  net_client_begin (client);
}

static gboolean
take (NetClient *client, gsize length)
{
  guint8 bytes[BASE_PROXY_MAX];

  return recv (client->stream.fd, bytes, length, MSG_DONTWAIT) == (gssize) length;
}

void
net_client_read_header (NetClient *client)
{
  gsize before = base_buffer_length (client->header), used = 0;
  guint8 *room = base_buffer_reserve (client->header, BASE_PROXY_MAX - before);
  gssize got = recv (client->stream.fd, room, BASE_PROXY_MAX - before, MSG_PEEK | MSG_DONTWAIT);
  g_autoptr (GError) error = NULL;
  BaseProxyHeader header;

  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (got <= 0)
    {
      end_early (client);
      return;
    }
  base_buffer_commit (client->header, (gsize) got);
  switch (base_proxy_parse (base_buffer_bytes (client->header), base_buffer_length (client->header),
                            &header, &used, &error))
    {
    case BASE_PROXY_BAD:
      refuse (client, BASE_LOG_WARNING, error->message);
      break;
    case BASE_PROXY_MORE:
      if (!take (client, (gsize) got))
        end_early (client);
      break;
    case BASE_PROXY_DONE:
      if (take (client, used - before))
        believe (client, &header);
      else
        end_early (client);
      break;
    }
}
