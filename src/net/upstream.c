/* The life of one upstream connection. Whatever goes wrong while it is made tries the host's next
 * address, and leaves as one 451 reply when there is none; on lease, failures show as events of the
 * SMTP machine. */
#include "net/upstream.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/tls.h"

#define QUIT_WAIT (2 * G_TIME_SPAN_SECOND)

typedef struct _NetUpstreamSetup
{
  gchar *hello;
  gint64 deadline;
  uv_getaddrinfo_t resolver;
  gboolean resolving;
  gboolean starting; /* inside net_upstream_new(): a failure must wait for the loop's next turn */
  struct addrinfo *addresses;
  const struct addrinfo *next; /* the one to be tried after the present one */
  const struct addrinfo *present;
  gboolean plaintext; /* opportunistic TLS failed with the present address: go on without */
  BaseReply *reply;   /* why the last address failed */
} NetUpstreamSetup;

static void try_next (NetUpstream *upstream);
static void try_address (NetUpstream *upstream);

static void
setup_free (NetUpstreamSetup *setup)
{
  if (setup == NULL)
    return;
  uv_freeaddrinfo (setup->addresses);
  base_reply_free (setup->reply);
  g_free (setup->hello);
  g_free (setup);
}

static void
unref_handle (NetUpstream *upstream)
{
  if (--upstream->open > 0)
    return;
  smtp_client_free (upstream->base.client);
  g_free (upstream->base.name);
  g_free (upstream->base.tls);
  setup_free (upstream->setup);
  g_free (upstream);
}

static void
on_timer_closed (uv_handle_t *handle)
{
  unref_handle (NET_OWNER (handle, NetUpstream, timer.handle));
}

static void
on_watch_closed (uv_handle_t *handle)
{
  unref_handle (NET_OWNER (handle, NetUpstream, watch.poll));
}

void
net_upstream_close (NetUpstream *upstream)
{
  if (upstream->state == NET_UPSTREAM_CLOSED)
    return;
  upstream->state = NET_UPSTREAM_CLOSED;
  upstream->owner = NULL;
  if (upstream->watching)
    net_watch_close (&upstream->watch, on_watch_closed);
  upstream->watching = FALSE;
  net_stream_close (&upstream->stream);
  net_timer_close (&upstream->timer, on_timer_closed);
  if (upstream->setup != NULL && upstream->setup->resolving)
    uv_cancel ((uv_req_t *) &upstream->setup->resolver);
  net_host_free_slot (upstream->host);
  upstream->events->gone (upstream);
}

/* The present address is of no use. */
static void
fail_address (NetUpstream *upstream, BaseReply *reply)
{
  base_reply_free (upstream->setup->reply);
  upstream->setup->reply = reply;
  try_next (upstream);
}

/* The machine's own word, or the server's, as a 451: a host that greets with 554 is not the
 * client's fault. */
static BaseReply *
refusal_of (NetUpstream *upstream, const SmtpClientEvent *event)
{
  g_autofree gchar *said = NULL;

  if (!event->from_server && event->reply->code == 451)
    return base_reply_printf (451, event->reply->enhanced[0], event->reply->enhanced[1],
                              event->reply->enhanced[2], "%s: %s", upstream->base.name,
                              event->reply->text == NULL ? "failed" : event->reply->text);
  said = base_reply_to_string (event->reply);
  return base_reply_printf (451, 4, 4, 1, "%s said: %s", upstream->base.name, said);
}

static void
become_ready (NetUpstream *upstream)
{
  upstream->base.tls = g_strdup (net_stream_protocol (&upstream->stream));
  upstream->state = NET_UPSTREAM_IDLE;
  net_timer_set (&upstream->timer, 0);
  setup_free (g_steal_pointer (&upstream->setup));
}

static void
start_tls (NetUpstream *upstream)
{
  g_autoptr (GError) error = NULL;

  if (!net_tls_start_client (&upstream->stream, upstream->host->context, upstream->host->route,
                             upstream->host->destination->host, &error))
    {
      fail_address (upstream, base_reply_printf (451, 4, 7, 5, "%s: %s", upstream->base.name,
                                                 error->message));
      return;
    }
  upstream->state = NET_UPSTREAM_HANDSHAKE;
  net_watch_set (&upstream->watch, UV_READABLE | UV_WRITABLE);
}

/* One event, or none. FALSE: the machine has nothing to say any more. */
static gboolean
follow_event (NetUpstream *upstream)
{
  SmtpClient *client = upstream->base.client;
  const SmtpClientEvent *event = smtp_client_next (client);
  BaseReply *reply;

  switch (event == NULL ? SMTP_CLIENT_REPLY : event->type)
    {
    case SMTP_CLIENT_FAILED:
      reply = refusal_of (upstream, event);
      smtp_client_settle (client);
      fail_address (upstream, reply);
      return FALSE;
    case SMTP_CLIENT_READY:
      become_ready (upstream);
      smtp_client_settle (client);
      net_upstream_watch (upstream);
      upstream->events->ready (upstream);
      return FALSE;
    case SMTP_CLIENT_START_TLS:
      smtp_client_settle (client);
      start_tls (upstream);
      return FALSE;
    case SMTP_CLIENT_REPLY:
      break; /* none: no command was given */
    }
  smtp_client_settle (client);
  return net_upstream_flush (upstream);
}

/* Until READY the machine speaks by itself; this follows its events. */
static void
follow_machine (NetUpstream *upstream)
{
  while (follow_event (upstream))
    ;
  if (upstream->state == NET_UPSTREAM_GREET)
    net_upstream_watch (upstream);
}

static gboolean
is_implicit (const NetUpstream *upstream)
{
  return upstream->host->destination->kind == CONFIG_DESTINATION_SMTPS;
}

static SmtpClientTls
policy (const NetUpstream *upstream)
{
  if (is_implicit (upstream))
    return SMTP_CLIENT_TLS_IMPLICIT;
  switch ((ConfigUpstreamTls) upstream->host->route->tls)
    {
    case CONFIG_UPSTREAM_TLS_OFF:
      return SMTP_CLIENT_TLS_OFF;
    case CONFIG_UPSTREAM_TLS_OPPORTUNISTIC:
      return upstream->setup->plaintext ? SMTP_CLIENT_TLS_OFF : SMTP_CLIENT_TLS_OPPORTUNISTIC;
    case CONFIG_UPSTREAM_TLS_REQUIRED:
    case CONFIG_UPSTREAM_TLS_VERIFIED:
      break;
    }
  return SMTP_CLIENT_TLS_REQUIRED;
}

static void
handshake_failed (NetUpstream *upstream, const GError *error)
{
  NetUpstreamSetup *setup = upstream->setup;
  gboolean may_fall_back = policy (upstream) == SMTP_CLIENT_TLS_OPPORTUNISTIC;

  base_log (BASE_LOG_INFO, "%s: %s", upstream->base.name, error->message);
  if (!may_fall_back)
    {
      fail_address (upstream, base_reply_printf (451, 4, 7, 5, "%s: %s", upstream->base.name,
                                                 error->message));
      return;
    }
  /* Opportunistic means mail rather than encryption (RFC 7435): the same address again, without. */
  setup->plaintext = TRUE;
  try_address (upstream);
}

static void
continue_handshake (NetUpstream *upstream)
{
  g_autoptr (GError) error = NULL;
  gint status = net_stream_handshake (&upstream->stream, &error);

  if (status == -EAGAIN)
    {
      net_watch_set (&upstream->watch, upstream->stream.wants_write ? UV_WRITABLE : UV_READABLE);
      return;
    }
  if (status != 0)
    {
      handshake_failed (upstream, error);
      return;
    }
  upstream->state = NET_UPSTREAM_GREET;
  smtp_client_tls_started (upstream->base.client);
  follow_machine (upstream);
}

static void
connected (NetUpstream *upstream)
{
  gint status = 0;
  socklen_t size = sizeof status;

  if (getsockopt (upstream->stream.fd, SOL_SOCKET, SO_ERROR, &status, &size) != 0)
    status = errno;
  if (status != 0)
    {
      fail_address (upstream, base_reply_printf (451, 4, 4, 1, "connect to %s: %s",
                                                 upstream->base.name, g_strerror (status)));
      return;
    }
  smtp_client_free (upstream->base.client);
  upstream->base.client = smtp_client_new (upstream->setup->hello, policy (upstream));
  upstream->state = NET_UPSTREAM_GREET;
  net_watch_set (&upstream->watch, UV_READABLE);
  if (is_implicit (upstream))
    start_tls (upstream);
}

static void
greet (NetUpstream *upstream)
{
  net_upstream_receive (upstream);
  follow_machine (upstream);
}

/* Nobody has asked an idle server anything. Under TLS the socket may be readable for TLS's own sake
 * (tickets). */
static void
look_at_idle (NetUpstream *upstream)
{
  gssize got = net_stream_read (&upstream->stream, upstream->loop->receive, NET_LOOP_RECEIVE);

  if (got == -EAGAIN)
    return;
  upstream->events->spoiled (upstream);
  net_upstream_close (upstream);
}

static void
wait_for_goodbye (NetUpstream *upstream)
{
  gssize got = net_stream_read (&upstream->stream, upstream->loop->receive, NET_LOOP_RECEIVE);

  if (got == -EAGAIN)
    return;
  if (got > 0)
    net_stream_shutdown (&upstream->stream);
  net_upstream_close (upstream);
}

static void
on_watch (NetWatch *watch, int events)
{
  NetUpstream *upstream = NET_OWNER (watch, NetUpstream, watch);

  switch (upstream->state)
    {
    case NET_UPSTREAM_CONNECT:
      connected (upstream);
      break;
    case NET_UPSTREAM_HANDSHAKE:
      continue_handshake (upstream);
      break;
    case NET_UPSTREAM_GREET:
      greet (upstream);
      break;
    case NET_UPSTREAM_IDLE:
      look_at_idle (upstream);
      break;
    case NET_UPSTREAM_LEASED:
      upstream->lease (upstream, events);
      break;
    case NET_UPSTREAM_QUIT:
      wait_for_goodbye (upstream);
      break;
    case NET_UPSTREAM_LOOKUP:
    case NET_UPSTREAM_CLOSED:
      break;
    }
}

static void
on_timer (NetTimer *timer)
{
  NetUpstream *upstream = NET_OWNER (timer, NetUpstream, timer);

  if (upstream->state == NET_UPSTREAM_LEASED || upstream->state == NET_UPSTREAM_CLOSED)
    return;
  if (upstream->state == NET_UPSTREAM_IDLE)
    {
      upstream->events->spoiled (upstream);
      net_upstream_retire (upstream);
    }
  else if (upstream->state == NET_UPSTREAM_QUIT)
    net_upstream_close (upstream);
  else if (upstream->state == NET_UPSTREAM_LOOKUP)
    {
      upstream->setup->next = NULL;
      if (upstream->setup->reply == NULL)
        upstream->setup->reply = base_reply_printf (
            451, 4, 4, 3, "host name lookup of %s timed out", upstream->base.name);
      try_next (upstream);
    }
  else
    fail_address (upstream, base_reply_printf (451, 4, 4, 1, "%s: connection timed out",
                                               upstream->base.name));
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
  g_free (upstream->base.name);
  upstream->base.name = g_strdup_printf ("%s[%s]:%u", destination->host, text, destination->port);
}

static void
hang_up (NetUpstream *upstream)
{
  net_stream_close (&upstream->stream);
  upstream->stream = (NetStream) NET_STREAM_INIT;
}

/* A poll handle belongs to one descriptor: the next address gets a new one. Its memory is the
 * struct's, so the old one must be gone first. */
static void
on_watch_closed_for_next (uv_handle_t *handle)
{
  NetUpstream *upstream = NET_OWNER (handle, NetUpstream, watch.poll);
  gboolean closed = upstream->state == NET_UPSTREAM_CLOSED;

  if (!closed)
    try_address (upstream);
  unref_handle (upstream);
}

static void
try_address (NetUpstream *upstream)
{
  NetUpstreamSetup *setup = upstream->setup;
  gint fd, status = 0;

  if (upstream->watching)
    {
      upstream->watching = FALSE;
      upstream->state = NET_UPSTREAM_LOOKUP;
      net_watch_close (&upstream->watch, on_watch_closed_for_next);
      hang_up (upstream);
      return;
    }
  name_address (upstream, setup->present);
  fd = socket (setup->present->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0
      || (connect (fd, setup->present->ai_addr, setup->present->ai_addrlen) != 0
          && errno != EINPROGRESS))
    status = errno;
  if (status == 0 && !net_watch_init (&upstream->watch, &upstream->loop->uv, fd, on_watch))
    status = ENOTSOCK;
  if (status != 0)
    {
      if (fd >= 0)
        close (fd);
      fail_address (upstream, base_reply_printf (451, 4, 4, 1, "connect to %s: %s",
                                                 upstream->base.name, g_strerror (status)));
      return;
    }
  upstream->open++;
  upstream->watching = TRUE;
  net_stream_init (&upstream->stream, fd);
  upstream->state = NET_UPSTREAM_CONNECT;
  net_timer_set (&upstream->timer, share_of_time (setup));
  net_watch_set (&upstream->watch, UV_WRITABLE);
}

static void
try_next (NetUpstream *upstream)
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
  try_address (upstream);
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
      try_next (upstream);
    }
  unref_handle (upstream);
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
look_up (NetUpstream *upstream)
{
  NetUpstreamSetup *setup = upstream->setup;
  const ConfigDestination *destination = upstream->host->destination;
  struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
  gchar port[8];

  g_snprintf (port, sizeof port, "%u", destination->port);
  if (look_up_address (setup, destination->host, port))
    {
      try_next (upstream);
      return;
    }
  setup->resolver.data = upstream;
  if (uv_getaddrinfo (&upstream->loop->uv, &setup->resolver, on_resolved, destination->host, port,
                      &hints)
      == 0)
    {
      setup->resolving = TRUE;
      upstream->open++;
      net_timer_set (&upstream->timer, setup->deadline);
    }
  else
    try_next (upstream);
}

NetUpstream *
net_upstream_new (NetLoop *loop, NetHost *host, const gchar *hello, gint64 deadline,
                  const NetUpstreamEvents *events)
{
  NetUpstream *upstream = g_new0 (NetUpstream, 1);

  upstream->loop = loop;
  upstream->host = host;
  upstream->base.host = host->index;
  upstream->base.name = g_strdup_printf ("%s:%u", host->destination->host, host->destination->port);
  upstream->stream = (NetStream) NET_STREAM_INIT;
  upstream->events = events;
  upstream->link.data = upstream;
  upstream->setup = g_new0 (NetUpstreamSetup, 1);
  upstream->setup->hello = g_strdup (hello);
  upstream->setup->deadline = deadline;
  upstream->open = 1;
  net_timer_init (&upstream->timer, &loop->uv, on_timer);
  upstream->setup->starting = TRUE;
  look_up (upstream);
  upstream->setup->starting = FALSE;
  return upstream;
}

void
net_upstream_lease (NetUpstream *upstream, NetLeaseFunc lease, gpointer owner)
{
  upstream->state = NET_UPSTREAM_LEASED;
  upstream->lease = lease;
  upstream->owner = owner;
  net_timer_set (&upstream->timer, 0);
}

void
net_upstream_rest (NetUpstream *upstream, gint64 until)
{
  upstream->state = NET_UPSTREAM_IDLE;
  upstream->owner = NULL;
  net_timer_set (&upstream->timer, until);
  net_watch_set (&upstream->watch, UV_READABLE);
}

void
net_upstream_retire (NetUpstream *upstream)
{
  SmtpClient *client = upstream->base.client;

  upstream->owner = NULL;
  if (client == NULL || !smtp_client_is_ready (client) || !smtp_client_is_idle (client)
      || smtp_client_output (client)->length > 0)
    {
      net_upstream_close (upstream);
      return;
    }
  smtp_client_quit (client);
  net_stream_flush (&upstream->stream, smtp_client_output (client));
  upstream->state = NET_UPSTREAM_QUIT;
  net_timer_set (&upstream->timer, g_get_monotonic_time () + QUIT_WAIT);
  net_watch_set (&upstream->watch, UV_READABLE);
}

gboolean
net_upstream_receive (NetUpstream *upstream)
{
  gssize got = net_stream_read (&upstream->stream, upstream->loop->receive, NET_LOOP_RECEIVE);

  if (got == -EAGAIN)
    return FALSE;
  if (got > 0)
    smtp_client_feed (upstream->base.client, upstream->loop->receive, (gsize) got);
  else
    smtp_client_eof (upstream->base.client);
  return TRUE;
}

/* What the server said before it hung up still counts: a 421 or 552 explains why. The loop's buffer
 * may be lent out at this moment. */
static void
read_last_words (NetUpstream *upstream)
{
  g_autofree guint8 *bytes = g_malloc (NET_STREAM_RECORD);
  gssize got = net_stream_read (&upstream->stream, bytes, NET_STREAM_RECORD);

  if (got > 0)
    {
      smtp_client_feed (upstream->base.client, bytes, (gsize) got);
      smtp_client_settle (upstream->base.client);
    }
  smtp_client_eof (upstream->base.client);
}

gboolean
net_upstream_flush (NetUpstream *upstream)
{
  BaseOutput *output = smtp_client_output (upstream->base.client);
  gint status;

  if (output->length == 0)
    return FALSE;
  status = net_stream_flush (&upstream->stream, output);
  if (status < 0 && status != -EAGAIN)
    {
      base_output_clear (output);
      read_last_words (upstream);
      return TRUE;
    }
  base_output_settle (output);
  return status == 0;
}

void
net_upstream_watch (NetUpstream *upstream)
{
  gboolean write
      = smtp_client_output (upstream->base.client)->length > 0 || upstream->stream.wants_write;

  net_watch_set (&upstream->watch, UV_READABLE | (write ? UV_WRITABLE : 0));
}
