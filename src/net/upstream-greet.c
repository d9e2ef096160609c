/* From a connected socket to a greeted connection: TLS as the route says, and the SMTP machine's
 * own words until it is ready. A failure goes to the next address; a failed opportunistic handshake
 * to the same one, in plaintext. */
#include "net/upstream-private.h"

#include <errno.h>

#include "base/log.h"
#include "net/tls.h"

gboolean
net_upstream_is_implicit (const NetUpstream *upstream)
{
  return upstream->host->destination->kind == CONFIG_DESTINATION_SMTPS;
}

SmtpClientTls
net_upstream_policy (const NetUpstream *upstream)
{
  if (net_upstream_is_implicit (upstream))
    return SMTP_CLIENT_TLS_IMPLICIT;
  if (upstream->host->destination->path != NULL) /* a UNIX socket */
    return SMTP_CLIENT_TLS_OFF;
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
  net_upstream_setup_free (g_steal_pointer (&upstream->setup));
  net_upstream_watch (upstream);
  upstream->events->ready (upstream);
}

/* ---- Our own login. What goes wrong is our configuration's fault, or theirs, never the client's:
 * 451, and the log says which server does not take whom. ---- */

static BaseReply *
login_failed (const NetUpstream *upstream, const gchar *why)
{
  const ConfigRoute *route = upstream->host->route;

  base_log (BASE_LOG_ERROR, "%s: no login as \"%s\" (route \"%s\"): %s", upstream->base.name,
            route->user, route->name, why);
  return base_reply_printf (451, 4, 7, 8, "%s: no login as \"%s\": %s", upstream->base.name,
                            route->user, why);
}

static BaseReply *
login_refused (const NetUpstream *upstream, const BaseReply *reply)
{
  g_autofree gchar *said = base_reply_to_string (reply);

  return login_failed (upstream, said);
}

static gboolean
log_in (NetUpstream *upstream)
{
  const ConfigRoute *route = upstream->host->route;
  gboolean safe = upstream->base.local || net_stream_protocol (&upstream->stream) != NULL;
  const gchar *why = NULL;

  if (!safe && !route->login_without_tls)
    why = "the server speaks no TLS";
  else if (!smtp_client_login (upstream->base.client, route->user, upstream->host->password, 0))
    why = "the server offers no AUTH that we know";
  if (why == NULL)
    return net_upstream_flush (upstream) != NET_FLUSH_LATER;
  net_upstream_fail_address (upstream, login_failed (upstream, why));
  return FALSE;
}

void
net_upstream_start_tls (NetUpstream *upstream)
{
  g_autoptr (GError) error = NULL;

  if (!net_tls_start_client (&upstream->stream, upstream->host->context, upstream->host->route,
                             upstream->host->destination->host, &error))
    {
      net_upstream_fail_address (upstream, base_reply_printf (451, 4, 7, 5, "%s: %s",
                                                              upstream->base.name, error->message));
      return;
    }
  upstream->state = NET_UPSTREAM_HANDSHAKE;
  net_watch_set (&upstream->watch, NET_READABLE | NET_WRITABLE);
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
      net_upstream_fail_address (upstream, reply);
      return FALSE;
    case SMTP_CLIENT_READY:
      smtp_client_settle (client);
      if (upstream->host->password != NULL)
        return log_in (upstream);
      become_ready (upstream);
      return FALSE;
    case SMTP_CLIENT_REPLY:
      if (event == NULL)
        break;
      reply = event->reply->code == 235 ? NULL : login_refused (upstream, event->reply);
      smtp_client_settle (client);
      if (reply != NULL)
        net_upstream_fail_address (upstream, reply);
      else
        become_ready (upstream);
      return FALSE;
    case SMTP_CLIENT_START_TLS:
      smtp_client_settle (client);
      net_upstream_start_tls (upstream);
      return FALSE;
    case SMTP_CLIENT_CHALLENGE:
      break; /* the machine answers them itself */
    }
  smtp_client_settle (client);
  return net_upstream_flush (upstream) != NET_FLUSH_LATER;
}

/* Until READY the machine speaks by itself; this follows its events. */
void
net_upstream_greet (NetUpstream *upstream)
{
  while (follow_event (upstream))
    ;
  if (upstream->state == NET_UPSTREAM_GREET)
    net_upstream_watch (upstream);
}

static void
handshake_failed (NetUpstream *upstream, const GError *error)
{
  NetUpstreamSetup *setup = upstream->setup;
  gboolean may_fall_back = net_upstream_policy (upstream) == SMTP_CLIENT_TLS_OPPORTUNISTIC;

  base_log (BASE_LOG_INFO, "%s: %s", upstream->base.name, error->message);
  if (!may_fall_back)
    {
      net_upstream_fail_address (upstream, base_reply_printf (451, 4, 7, 5, "%s: %s",
                                                              upstream->base.name, error->message));
      return;
    }
  /* Opportunistic means mail rather than encryption (RFC 7435): the same address again, without. */
  setup->plaintext = TRUE;
  net_upstream_try_address (upstream);
}

void
net_upstream_handshake (NetUpstream *upstream)
{
  g_autoptr (GError) error = NULL;
  gint status = net_stream_handshake (&upstream->stream, &error);

  if (status == -EAGAIN)
    {
      net_watch_set (&upstream->watch, upstream->stream.wants_write ? NET_WRITABLE : NET_READABLE);
      return;
    }
  if (status != 0)
    {
      handshake_failed (upstream, error);
      return;
    }
  upstream->state = NET_UPSTREAM_GREET;
  smtp_client_tls_started (upstream->base.client);
  net_upstream_greet (upstream);
}
