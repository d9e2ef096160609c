/* AUTH (RFC 4954), relayed to the upstream, which knows the users: each step goes there and back.
 * An accepted exchange binds the session to that one connection, which nobody else ever gets; if it
 * is lost, the client hears 421. A password goes to an upstream by TLS or to our own host, or not
 * at all. */
#include "gateway/upstream.h"

#include <string.h>

#define AUTH_FAILURES 3 /* refusals in one session; the last one closes it */
#define USER_LENGTH 255 /* octets of a name that is believed */

static const BaseReply broken
    = { 454, { 4, 7, 0 }, (gchar *) "The server that knows the users can not be asked now" };

/* A connection with a login of ours is never a client's. */
static gboolean
knows_users (const ConfigRoute *route)
{
  if (route->user != NULL)
    return FALSE;
  return route->destinations[0].kind == CONFIG_DESTINATION_SMTP
         || route->destinations[0].kind == CONFIG_DESTINATION_SMTPS;
}

/* Users' mail goes to anywhere, so the route that takes any domain knows them; else the first. */
const ConfigRoute *
auth_route (const GatewaySession *session)
{
  const ConfigListener *listener = session->listener->listener;
  const ConfigRoute *first = NULL;
  for (guint i = 0; i < listener->n_routes; i++)
    {
      const ConfigRoute *route = listener->routes[i];
      if (!knows_users (route))
        continue;
      if (route->for_domains[0] == NULL)
        return route;
      if (first == NULL)
        first = route;
    }
  return first;
}

gboolean
auth_binds (const GatewaySession *session)
{
  return session->user != NULL && session->auth != AUTH_NONE;
}

gchar *
auth_offer (const GatewaySession *session, SmtpCapabilities upstreams)
{
  gint when = session->listener->listener->auth;
  gboolean safe = when == CONFIG_AUTH_ALWAYS || session->tls_protocol != NULL;
  gboolean known = session->user != NULL && session->auth == AUTH_NONE; /* by XCLIENT */
  if (known || when == CONFIG_AUTH_OFF || !safe || auth_route (session) == NULL)
    return NULL;
  return smtp_capabilities_mechanisms (upstreams);
}

/* ---- Who it is ---- */

static gboolean
is_name (const gchar *name, gsize length)
{
  if (length == 0 || length > USER_LENGTH || !g_utf8_validate_len (name, length, NULL))
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if ((guchar) name[i] < ' ' || name[i] == 127)
      return FALSE;
  return TRUE;
}

/* PLAIN (RFC 4616) is authorization identity, NUL, user, NUL, password; LOGIN sends the user alone.
 * Nothing but the name is kept. */
static gchar *
name_in (const gchar *mechanism, const gchar *response)
{
  gsize length = 0;
  g_autofree guchar *bytes = g_base64_decode (response, &length);
  const gchar *name = (const gchar *) bytes;
  gsize used = length;
  if (g_str_equal (mechanism, "PLAIN"))
    {
      const gchar *first = memchr (bytes, '\0', length);
      name = first != NULL ? first + 1 : name;
      used = first != NULL ? length - (gsize) (name - (const gchar *) bytes) : 0;
      used = strnlen (name, used);
    }
  gchar *user = is_name (name, used) ? g_strndup (name, used) : NULL;
  explicit_bzero (bytes, length);
  return user;
}

static void
hear_name (GatewaySession *session, const gchar *response)
{
  AuthExchange *exchange = session->exchange;
  gboolean tells
      = g_str_equal (exchange->mechanism, "PLAIN") || g_str_equal (exchange->mechanism, "LOGIN");
  if (exchange->heard || response == NULL || !tells)
    return;
  exchange->heard = TRUE;
  exchange->name = name_in (exchange->mechanism, response);
}

/* ---- The end of an exchange ---- */

static void
exchange_free (AuthExchange *exchange)
{
  if (exchange->initial != NULL)
    explicit_bzero (exchange->initial, strlen (exchange->initial));
  g_free (exchange->initial);
  g_free (exchange->mechanism);
  g_free (exchange->name);
  g_free (exchange);
}

static void
forget_exchange (GatewaySession *session)
{
  g_clear_pointer (&session->exchange, exchange_free);
  if (session->work == SESSION_AUTH)
    session->work = SESSION_FREE;
}

static void
refuse (GatewaySession *session, const BaseReply *reply)
{
  g_autoptr (BaseReply) answer = base_reply_copy (reply);
  session->auth = AUTH_NONE;
  forget_exchange (session);
  upstream_give (session, FALSE);
  session_log_refusal (session, "AUTH", NULL, answer, NULL);
  if (answer->code >= 500 && ++session->auth_failures >= AUTH_FAILURES)
    smtp_server_answer_close (session->server, answer);
  else
    smtp_server_answer (session->server, answer);
}

void
auth_reply (GatewaySession *session, const BaseReply *reply)
{
  if (session->auth != AUTH_RUNNING)
    return;
  if (reply->code / 100 != 2)
    {
      refuse (session, reply);
      return;
    }
  session->user
      = g_strdup (session->exchange->name != NULL ? session->exchange->name : "authenticated");
  session->user_mechanism = g_strdup (session->exchange->mechanism);
  session->auth = AUTH_DONE;
  session->up_until = 0;
  forget_exchange (session);
  smtp_server_answer (session->server, reply);
}

void
auth_lost (GatewaySession *session)
{
  gboolean waits = session->work == SESSION_AUTH;
  if (session->auth != AUTH_WANTED && session->auth != AUTH_RUNNING)
    return;
  session->auth = AUTH_NONE;
  if (waits)
    refuse (session, &broken);
  else
    forget_exchange (session); /* the client hears it behind its response */
}

void
auth_abandon (GatewaySession *session)
{
  if (session->auth == AUTH_WANTED)
    session->methods->cancel_upstream (session->host);
  if (session->auth == AUTH_WANTED || session->auth == AUTH_RUNNING)
    session->auth = AUTH_NONE;
  forget_exchange (session);
}

void
auth_forget (GatewaySession *session)
{
  auth_abandon (session);
  if (session->auth == AUTH_DONE)
    upstream_give (session, FALSE);
  session->auth = AUTH_NONE;
  g_clear_pointer (&session->user, g_free);
  g_clear_pointer (&session->user_mechanism, g_free);
}

gboolean
auth_say_lost (GatewaySession *session)
{
  if (session->auth != AUTH_LOST)
    return FALSE;
  smtp_server_answer_close (session->server,
                            BASE_REPLY (421, 4, 4, 2, "The next server closed the connection"));
  return TRUE;
}

/* ---- Its steps ---- */

static gboolean
knows (const GatewayUpstream *upstream, const gchar *mechanism)
{
  const gchar *known = smtp_client_auth_mechanisms (upstream->client);
  g_auto (GStrv) words = g_strsplit (known != NULL ? known : "", " ", -1);
  for (guint i = 0; words[i] != NULL; i++)
    if (g_ascii_strcasecmp (words[i], mechanism) == 0)
      return TRUE;
  return FALSE;
}

void
auth_go_on (GatewaySession *session)
{
  if (!knows (session->upstream, session->exchange->mechanism))
    {
      refuse (session, BASE_REPLY (504, 5, 5, 4, "Unrecognized authentication mechanism"));
      return;
    }
  smtp_client_auth (session->upstream->client, session->exchange->mechanism,
                    session->exchange->initial, 0);
  upstream_wait (session, session->upstream_route->reply);
}

void
auth_ready (GatewaySession *session, GatewayUpstream *upstream)
{
  session->upstream = upstream;
  session->upstream_route = auth_route (session);
  session->up_appended = 0;
  session->auth = AUTH_RUNNING;
  if (upstream->tls == NULL && !upstream->local)
    {
      base_log (BASE_LOG_WARNING, "session=%s %s speaks no TLS: no password goes there",
                session->id, upstream->name);
      refuse (session, &broken);
    }
  else if (!introduce_say (session))
    auth_go_on (session);
}

void
auth_begin (GatewaySession *session, const gchar *mechanism, const gchar *initial)
{
  upstream_give (session, FALSE);
  forget_exchange (session);
  session->exchange = g_new0 (AuthExchange, 1);
  session->exchange->mechanism = g_strdup (mechanism);
  session->exchange->initial = g_strdup (initial);
  hear_name (session, initial);
  session->auth = AUTH_WANTED;
  session->work = SESSION_AUTH;
  GatewayUpstream *upstream = session->methods->take_upstream (session->host, auth_route (session),
                                                               NULL, SMTP_CAP_AUTH, TRUE);
  if (upstream != NULL)
    auth_ready (session, upstream);
}

void
auth_challenge (GatewaySession *session, const BaseReply *challenge)
{
  if (session->auth != AUTH_RUNNING)
    return;
  session->work = SESSION_FREE;
  session->up_until = 0;
  smtp_server_auth_challenge (session->server, challenge->text != NULL ? challenge->text : "");
}

/* What the client gives up is given up there by hanging up. */
void
auth_response (GatewaySession *session, const SmtpServerEvent *event)
{
  if (session->auth != AUTH_RUNNING)
    refuse (session, &broken);
  else if (event->fault != SMTP_FAULT_NONE || g_str_equal (event->argument, "*"))
    {
      g_autoptr (BaseReply) refusal
          = smtp_server_default_reply (event, session->listener->config->hostname);
      refuse (session, refusal);
    }
  else
    {
      hear_name (session, event->argument);
      session->work = SESSION_AUTH;
      smtp_client_auth_response (session->upstream->client, event->argument);
      upstream_wait (session, session->upstream_route->reply);
    }
}
