/* The life of one upstream connection: made (upstream-connect.c, upstream-greet.c), idle, on lease,
 * closed. While it is made, whatever goes wrong leaves as one 451 reply; on lease, failures show as
 * events of the SMTP machine. */
#include "net/upstream-private.h"

#include <errno.h>

#define READ_ASIDE 16384 /* octets of replies at a time */
#define QUIT_WAIT (2 * G_TIME_SPAN_SECOND)

void
net_upstream_unref (NetUpstream *upstream)
{
  if (--upstream->references > 0)
    return;
  smtp_client_free (upstream->base.client);
  g_free (upstream->base.name);
  g_free (upstream->base.tls);
  net_upstream_setup_free (upstream->setup);
  g_free (upstream);
}

static void
task_unref (NetLoop *loop, gpointer data)
{
  net_upstream_unref (data);
}

void
net_upstream_close (NetUpstream *upstream)
{
  if (upstream->state == NET_UPSTREAM_CLOSED)
    return;
  upstream->state = NET_UPSTREAM_CLOSED;
  upstream->owner = NULL;
  net_watch_drop (&upstream->watch);
  net_stream_close (&upstream->stream);
  net_timer_close (&upstream->timer);
  if (upstream->setup != NULL && upstream->setup->resolving)
    uv_cancel ((uv_req_t *) &upstream->setup->resolver);
  net_host_free_slot (upstream->host);
  upstream->events->gone (upstream);
  net_loop_defer (upstream->loop, task_unref, upstream);
}

static void
greet (NetUpstream *upstream)
{
  net_upstream_receive (upstream);
  net_upstream_greet (upstream);
}

/* Nobody has asked an idle server anything. Under TLS the socket may be readable for TLS's own sake
 * (tickets). */
static gboolean
is_silent (NetUpstream *upstream)
{
  return net_stream_read (&upstream->stream, upstream->loop->receive, NET_LOOP_RECEIVE) == -EAGAIN;
}

static void
look_at_idle (NetUpstream *upstream)
{
  if (is_silent (upstream))
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
  if (got > 0 && upstream->stream.ssl != NULL)
    net_stream_shutdown (&upstream->stream);
  net_upstream_close (upstream);
}

void
net_upstream_on_watch (NetWatch *watch, int events)
{
  NetUpstream *upstream = NET_OWNER (watch, NetUpstream, watch);

  switch (upstream->state)
    {
    case NET_UPSTREAM_CONNECT:
      net_upstream_connected (upstream);
      break;
    case NET_UPSTREAM_HANDSHAKE:
      net_upstream_handshake (upstream);
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
      net_upstream_try_next (upstream);
    }
  else
    net_upstream_fail_address (
        upstream,
        base_reply_printf (451, 4, 4, 1, "%s: connection timed out", upstream->base.name));
}

NetUpstream *
net_upstream_new (NetLoop *loop, NetHost *host, const gchar *hello, gint64 deadline,
                  const NetUpstreamEvents *events)
{
  NetUpstream *upstream = g_new0 (NetUpstream, 1);

  upstream->loop = loop;
  upstream->host = host;
  upstream->base.host = host->index;
  upstream->base.personal = host->route->proxy != CONFIG_PROXY_OFF;
  upstream->base.name
      = host->destination->path != NULL
            ? g_strdup (host->destination->path)
            : g_strdup_printf ("%s:%u", host->destination->host, host->destination->port);
  upstream->stream = (NetStream) NET_STREAM_INIT;
  upstream->events = events;
  upstream->link.data = upstream;
  upstream->setup = g_new0 (NetUpstreamSetup, 1);
  upstream->setup->hello = g_strdup (hello);
  upstream->setup->deadline = deadline;
  upstream->references = 1;
  net_timer_init (&upstream->timer, &loop->timers, on_timer);
  upstream->setup->starting = TRUE;
  net_upstream_look_up (upstream);
  upstream->setup->starting = FALSE;
  return upstream;
}

void
net_upstream_lease (NetUpstream *upstream, NetLeaseFunc lease, gpointer owner)
{
  upstream->state = NET_UPSTREAM_LEASED;
  upstream->weary = FALSE;
  upstream->lease = lease;
  upstream->owner = owner;
  net_timer_set (&upstream->timer, 0);
}

void
net_upstream_rest (NetUpstream *upstream)
{
  upstream->state = NET_UPSTREAM_IDLE;
  upstream->owner = NULL;
  net_timer_set (&upstream->timer, upstream->until);
  net_watch_set (&upstream->watch, NET_READABLE);
}

void
net_upstream_detach (NetUpstream *upstream)
{
  g_assert (upstream->state == NET_UPSTREAM_IDLE);
  net_watch_close (&upstream->watch);
  net_timer_close (&upstream->timer);
}

gboolean
net_upstream_attach (NetUpstream *upstream, NetLoop *loop)
{
  upstream->loop = loop;
  net_timer_init (&upstream->timer, &loop->timers, on_timer);
  net_watch_init (&upstream->watch, &loop->poller, upstream->stream.fd, net_upstream_on_watch);
  if (is_silent (upstream))
    return TRUE;
  net_upstream_close (upstream);
  return FALSE;
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
  net_stream_flush (&upstream->stream, smtp_client_output (client), FALSE);
  upstream->state = NET_UPSTREAM_QUIT;
  net_timer_set (&upstream->timer, g_get_monotonic_time () + QUIT_WAIT);
  net_watch_set (&upstream->watch, NET_READABLE);
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

/* Into a buffer of its own: the loop's may be lent out at this moment. FALSE: nothing was there. */
static gboolean
read_aside (NetUpstream *upstream)
{
  guint8 bytes[READ_ASIDE];
  gssize got = net_stream_read (&upstream->stream, bytes, sizeof bytes);

  if (got == -EAGAIN)
    return FALSE;
  if (got > 0)
    {
      smtp_client_feed (upstream->base.client, bytes, (gsize) got);
      smtp_client_settle (upstream->base.client);
    }
  else
    smtp_client_eof (upstream->base.client);
  return TRUE;
}

void
net_upstream_read_early (NetUpstream *upstream)
{
  if (upstream->stream.ssl != NULL || !net_watch_was_quiet (&upstream->watch, NET_READABLE))
    (void) read_aside (upstream);
}

/* What the server said before it hung up still counts: a 421 or 552 explains why. */
static void
read_last_words (NetUpstream *upstream)
{
  (void) read_aside (upstream);
  smtp_client_eof (upstream->base.client);
}

NetFlush
net_upstream_flush (NetUpstream *upstream)
{
  BaseOutput *output = smtp_client_output (upstream->base.client);
  gint status;

  if (output->length == 0)
    return NET_FLUSH_LATER;
  status = net_stream_flush (&upstream->stream, output, FALSE);
  if (status < 0 && status != -EAGAIN)
    {
      base_output_clear (output);
      read_last_words (upstream);
      return NET_FLUSH_BROKEN;
    }
  base_output_settle (output);
  return status == 0 ? NET_FLUSH_DONE : NET_FLUSH_LATER;
}

void
net_upstream_watch (NetUpstream *upstream)
{
  gboolean write
      = smtp_client_output (upstream->base.client)->length > 0 || upstream->stream.wants_write;

  net_watch_set (&upstream->watch, NET_READABLE | (write ? NET_WRITABLE : 0));
}
