/* Drives one session over one socket. What the client does wrong is the session's affair; what its
 * socket does wrong ends it here, but for a session whose final dot is out: that one waits for its
 * answer without the client. */
#include "net/client.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/log.h"
#include "net/deliver.h"
#include "net/service.h"

#define HANDSHAKE_WAIT (60 * G_TIME_SPAN_SECOND)
#define FLUSH_WAIT (10 * G_TIME_SPAN_SECOND)
#define LINGER_WAIT (2 * G_TIME_SPAN_SECOND)
#define LINGER_MOST (1024 * 1024)
#define FIRST_READ                                                                                 \
  (64 * 1024)     /* a command, a small message; more of the buffer only once data flows */
#define ROUNDS 16 /* of writing and pumping before other sessions have their turn */
#define PEEK 4096

static void after (NetClient *client);

/* ---- the end ---- */

static void
free_client (NetLoop *loop, gpointer data)
{
  NetClient *client = data;

  net_client_forget_header (client);
  g_free (client->name);
  g_free (client);
}

static void
free_session (NetClient *client)
{
  GatewaySession *session = g_steal_pointer (&client->session);

  if (session != NULL)
    gateway_session_free (session);
  net_deliver_forget (client);
  net_client_give_up_waiting (client);
  if (client->request != NULL)
    net_workers_cancel (client->loop->workers, g_steal_pointer (&client->request));
}

void
net_client_destroy (NetClient *client)
{
  NetLoop *loop = client->loop;
  const BaseEndpoint peer = base_peer_endpoint (&client->peer);

  if (client->state == NET_CLIENT_CLOSED)
    return;
  client->state = NET_CLIENT_CLOSED;
  free_session (client);
  net_watch_drop (&client->watch);
  net_timer_close (&client->timer);
  net_stream_close (&client->stream);
  net_admission_leave (loop->service->admission, client->listener->listener,
                       client->counted ? &peer : NULL);
  g_queue_unlink (&loop->clients, &client->link);
  NET_UNCOUNT (loop, sessions_now);
  net_loop_defer (loop, free_client, client);
  if (loop->draining && loop->clients.length == 0)
    net_service_loop_is_empty (loop);
}

/* Nothing more is to be said. A close with unread bytes makes the kernel send a reset, which can
 * overtake our last reply: then read on a little. */
static void
hang_up (NetClient *client)
{
  guint8 bytes[PEEK];
  gssize got;

  if (client->gone)
    {
      net_client_destroy (client);
      return;
    }
  got = recv (client->stream.fd, bytes, sizeof bytes, MSG_DONTWAIT);
  /* Without TLS the close says it all. */
  if (got > 0 || client->stream.ssl != NULL)
    net_stream_shutdown (&client->stream);
  if (got <= 0)
    {
      net_client_destroy (client);
      return;
    }
  free_session (client);
  client->state = NET_CLIENT_LINGER;
  client->lingered = (gsize) got;
  net_timer_set (&client->timer, g_get_monotonic_time () + LINGER_WAIT);
  net_watch_set (&client->watch, NET_READABLE);
}

static void
linger (NetClient *client)
{
  gssize got = recv (client->stream.fd, client->loop->receive, FIRST_READ, MSG_DONTWAIT);

  if (got < 0 && errno == EAGAIN)
    return;
  client->lingered += (gsize) MAX (got, 0);
  if (got <= 0 || client->lingered > LINGER_MOST)
    net_client_destroy (client);
}

/* ---- writing ---- */

static void
client_gone (NetClient *client)
{
  client->eof = TRUE;
  if (client->gone)
    return;
  client->gone = TRUE;
  NET_COUNT (client->loop, client_gone);
  gateway_session_client_gone (client->session);
}

/* TRUE: the session may go on: what held it back is written, or nobody is there. */
static gboolean
flush_client (NetClient *client)
{
  BaseOutput *output = smtp_server_output (gateway_session_server (client->session));
  gint status;

  if (output->length == 0 || client->state == NET_CLIENT_HANDSHAKE)
    return FALSE;
  if (client->gone)
    {
      base_output_clear (output);
      return client->held_back;
    }
  status = net_stream_flush (&client->stream, output, gateway_session_is_over (client->session));
  if (status < 0 && status != -EAGAIN)
    {
      base_output_clear (output);
      client_gone (client);
      return TRUE;
    }
  base_output_settle (output);
  return status == 0 && client->held_back;
}

static NetUpstream *
upstream_of (NetClient *client)
{
  return (NetUpstream *) gateway_session_upstream (client->session);
}

/* As flush_client(). */
static gboolean
flush_upstream (NetClient *client)
{
  NetUpstream *upstream = upstream_of (client);
  NetFlush flushed = upstream == NULL ? NET_FLUSH_LATER : net_upstream_flush (upstream);

  return flushed == NET_FLUSH_BROKEN || (flushed == NET_FLUSH_DONE && client->held_back);
}

/* The upstream first: what it gets may stand in the receive buffer, and its answer is what
 * everybody waits for. */
static void
write_and_pump (NetClient *client)
{
  client->unfinished = TRUE;
  for (guint i = 0; i < ROUNDS && client->unfinished; i++)
    {
      client->held_back |= gateway_session_is_held_back (client->session);
      gboolean moved = flush_upstream (client);
      client->unfinished = flush_client (client) || moved;
      if (!client->unfinished)
        return;
      client->held_back = FALSE;
      gateway_session_pump (client->session);
    }
}

static void
settle_outputs (NetClient *client)
{
  NetUpstream *upstream = upstream_of (client);

  if (upstream != NULL)
    base_output_settle (smtp_client_output (upstream->base.client));
  base_output_settle (smtp_server_output (gateway_session_server (client->session)));
}

void
net_client_step (NetClient *client)
{
  if (client->session == NULL || client->state == NET_CLIENT_FLUSH)
    return;
  write_and_pump (client);
  after (client);
}

/* ---- reading ---- */

static gsize
most_to_read (const NetClient *client)
{
  if (!client->flowing)
    return FIRST_READ;
  if (client->stream.ssl != NULL) /* it comes by records */
    return NET_LOOP_RECEIVE;
  return MIN (NET_LOOP_RECEIVE, gateway_session_input_step (client->session));
}

static void
read_input (NetClient *client)
{
  gsize most = most_to_read (client);
  gssize got = net_stream_read (&client->stream, client->loop->receive, most);

  if (got == -EAGAIN)
    {
      after (client);
      return;
    }
  if (got <= 0)
    {
      client->eof = TRUE;
      /* A QUIT that waits behind what we are still busy with is a good-bye, and its sender listens
       * for the answers. */
      if (got < 0 || !smtp_server_backlog_has_quit (gateway_session_server (client->session)))
        client_gone (client);
      net_client_step (client);
      return;
    }
  client->flowing = (gsize) got + NET_STREAM_RECORD > most;
  gateway_session_input (client->session, client->loop->receive, (gsize) got);
  write_and_pump (client);
  settle_outputs (client);
  gateway_session_settle (client->session);
  after (client);
}

/* The client's socket moved while its bytes are not wanted. */
static void
look_at_end (NetClient *client)
{
  if (net_client_is_gone (client))
    client_gone (client);
  else
    client->leaving = TRUE;
  net_client_step (client);
}

/* ---- TLS ---- */

static void begin_session (NetClient *client);

static void
handshake (NetClient *client)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *address = NULL;
  gint status = net_stream_handshake (&client->stream, &error);

  if (status == -EAGAIN)
    {
      net_watch_set (&client->watch, client->stream.wants_write ? NET_WRITABLE : NET_READABLE);
      return;
    }
  if (status != 0)
    {
      /* One that connects and closes is a check whether somebody listens. */
      gboolean check
          = client->session == NULL
            && (client->kind == GATEWAY_CLIENT_PROXY || net_stream_is_untouched (&client->stream));
      const BaseEndpoint peer = base_peer_endpoint (&client->peer);
      address = base_endpoint_address (&peer);
      base_log (check ? BASE_LOG_DEBUG : BASE_LOG_INFO, "client %s: %s", address, error->message);
      NET_COUNT (client->loop, tls_failed);
      client->gone = TRUE;
      net_client_destroy (client);
      return;
    }
  client->state = NET_CLIENT_SESSION;
  if (client->session == NULL)
    {
      begin_session (client);
      return;
    }
  gateway_session_tls_started (client->session, net_stream_protocol (&client->stream),
                               net_stream_cipher (&client->stream));
  net_client_step (client);
}

static void
start_handshake (NetClient *client)
{
  NetTlsServer *tls = client->loop->service->tls;

  if (tls == NULL || !net_stream_start_server (&client->stream, net_tls_server_context (tls)))
    {
      net_client_destroy (client);
      return;
    }
  client->state = NET_CLIENT_HANDSHAKE;
  net_timer_set (&client->timer, g_get_monotonic_time () + HANDSHAKE_WAIT);
  net_watch_set (&client->watch, NET_READABLE);
}

/* ---- what the loop is asked for next ---- */

static void
end_session (NetClient *client)
{
  BaseOutput *output = smtp_server_output (gateway_session_server (client->session));

  if (output->length == 0 || client->gone)
    {
      hang_up (client);
      return;
    }
  client->state = NET_CLIENT_FLUSH;
  net_timer_set (&client->timer, g_get_monotonic_time () + FLUSH_WAIT);
  net_watch_set (&client->watch, NET_WRITABLE);
}

static int
wanted_events (NetClient *client)
{
  gboolean write = smtp_server_output (gateway_session_server (client->session))->length > 0
                   || client->stream.wants_write || client->unfinished;
  int mask = write && !client->gone ? NET_WRITABLE : 0;

  if (client->eof)
    return mask;
  /* Together, so that it shows at once when an end stands behind the bytes. */
  if (gateway_session_wants_input (client->session))
    return mask | NET_READABLE | NET_DISCONNECT;
  return client->leaving ? mask : mask | NET_DISCONNECT;
}

static void
after (NetClient *client)
{
  NetUpstream *upstream;

  if (client->state != NET_CLIENT_SESSION)
    return;
  if (gateway_session_is_over (client->session))
    {
      end_session (client);
      return;
    }
  upstream = upstream_of (client);
  if (upstream != NULL)
    net_upstream_watch (upstream);
  if (gateway_session_wants_tls (client->session)
      && smtp_server_output (gateway_session_server (client->session))->length == 0)
    {
      start_handshake (client);
      return;
    }
  if (!smtp_server_in_transaction (gateway_session_server (client->session)))
    base_output_trim (smtp_server_output (gateway_session_server (client->session)));
  net_timer_set (&client->timer, gateway_session_timeout (client->session));
  net_watch_set (&client->watch, wanted_events (client));
}

static void
flush_rest (NetClient *client)
{
  BaseOutput *output = smtp_server_output (gateway_session_server (client->session));
  gint status = net_stream_flush (&client->stream, output, TRUE);

  if (status == -EAGAIN)
    return;
  client->gone = client->gone || status != 0;
  hang_up (client);
}

static void
session_event (NetClient *client, int events)
{
  client->ended |= (events & NET_DISCONNECT) != 0;
  if ((events & NET_READABLE) != 0 && !client->eof && gateway_session_wants_input (client->session))
    read_input (client);
  else if ((events & NET_DISCONNECT) != 0 && !client->eof)
    look_at_end (client);
  else
    net_client_step (client);
}

static void
on_watch (NetWatch *watch, int events)
{
  NetClient *client = NET_OWNER (watch, NetClient, watch);

  switch (client->state)
    {
    case NET_CLIENT_PROXY:
      net_client_read_header (client);
      break;
    case NET_CLIENT_HANDSHAKE:
      handshake (client);
      break;
    case NET_CLIENT_SESSION:
      session_event (client, events);
      break;
    case NET_CLIENT_FLUSH:
      flush_rest (client);
      break;
    case NET_CLIENT_LINGER:
      linger (client);
      break;
    case NET_CLIENT_NAME:
    case NET_CLIENT_CLOSED:
      break;
    }
}

static void
on_timer (NetTimer *timer)
{
  NetClient *client = NET_OWNER (timer, NetClient, timer);

  if (client->state == NET_CLIENT_PROXY)
    {
      net_client_miss_header (client);
      return;
    }
  if (client->state != NET_CLIENT_SESSION)
    {
      net_client_destroy (client);
      return;
    }
  gateway_session_timer (client->session);
  net_client_step (client);
}

void
net_client_on_upstream (NetUpstream *upstream, int events)
{
  NetClient *client = upstream->owner;

  if (client->session == NULL)
    return;
  if ((events & NET_READABLE) != 0 && net_upstream_receive (upstream))
    {
      gateway_session_pump (client->session);
      write_and_pump (client);
      /* The struct lives until the loop's next turn, even if the session has given it back
       * meanwhile. */
      smtp_client_settle (upstream->base.client);
      after (client);
      return;
    }
  net_client_step (client);
}

/* ---- the beginning ---- */

static void
begin_session (NetClient *client)
{
  GatewayClient facts = { .client = base_peer_endpoint (&client->peer),
                          .server = base_peer_endpoint (&client->server),
                          .kind = client->kind,
                          .client_name = client->name,
                          .tls_protocol = net_stream_protocol (&client->stream),
                          .tls_cipher = net_stream_cipher (&client->stream) };

  client->state = NET_CLIENT_SESSION;
  client->session = gateway_session_new (client->listener, &facts, &net_client_host, client);
  g_clear_pointer (&client->name, g_free);
  if (client->loop->draining)
    gateway_session_drain (client->session, client->loop->hurry);
  gateway_session_pump (client->session);
  net_client_step (client);
}

static void
continue_with_name (NetClient *client, const gchar *name)
{
  client->name = g_strdup (name);
  if (client->listener->listener->tls == CONFIG_TLS_IMPLICIT)
    start_handshake (client);
  else
    begin_session (client);
}

static void
on_name (NetNameWait *wait, const gchar *name)
{
  NetClient *client = NET_OWNER (wait, NetClientWait, name)->client;

  net_client_settle_wait (client);
  if (client->state == NET_CLIENT_NAME)
    continue_with_name (client, name);
}

void
net_client_begin (NetClient *client)
{
  const BaseEndpoint peer = base_peer_endpoint (&client->peer);
  NetNameLookup *lookup;
  const gchar *name;

  client->state = NET_CLIENT_NAME;
  if (net_names_find (client->loop->names, &peer, &name, &lookup))
    continue_with_name (client, name);
  else
    net_names_wait (lookup, &net_client_wait (client)->name, on_name);
}

/* Whether a server behind us is told to which end of ours the client came. */
static gboolean
is_told_on (const ConfigListener *listener)
{
  for (guint i = 0; i < listener->n_routes; i++)
    if (listener->routes[i]->xclient || listener->routes[i]->proxy != CONFIG_PROXY_OFF)
      return TRUE;
  return FALSE;
}

static void
ask_server (NetClient *client, gint fd)
{
  BaseEndpoint server = { .length = sizeof server.address };

  if (getsockname (fd, &server.address.any, &server.length) != 0)
    server.length = 0;
  server.length = MIN (server.length, sizeof server.address);
  client->server = base_peer_from (&server);
}

void
net_client_accept (NetLoop *loop, const GatewayListener *listener, gint fd,
                   const BaseEndpoint *endpoint, gboolean proxied)
{
  NetClient *client = g_new (NetClient, 1);

  *client = (NetClient){ .loop = loop,
                         .listener = listener,
                         .peer = base_peer_from (endpoint),
                         .counted = !proxied,
                         .link.data = client };
  net_stream_init (&client->stream, fd);
  net_timer_init (&client->timer, &loop->timers, on_timer);
  net_watch_init (&client->watch, &loop->poller, fd, on_watch);
  g_queue_push_tail_link (&loop->clients, &client->link);
  NET_COUNT (loop, sessions);
  NET_COUNT (loop, sessions_now);
  if (is_told_on (listener->listener))
    ask_server (client, fd);
  if (proxied)
    net_client_await_header (client);
  else
    net_client_begin (client);
}

void
net_client_drain (NetClient *client, gboolean hurry)
{
  if (client->session == NULL || client->state == NET_CLIENT_FLUSH)
    return;
  gateway_session_drain (client->session, hurry);
  gateway_session_pump (client->session);
  net_client_step (client);
}
