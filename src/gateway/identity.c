/* Who the client is, where a peer that we trust says so. XCLIENT puts another client in its place,
 * and the session begins anew; XFORWARD tells of one for the log and the servers behind us, and
 * decides nothing. What is trusted is judged once, by the address that the connection came from. */
#include "gateway/private.h"

#include <string.h>

#include "smtp/attributes.h"

guint32
identity_trust (const GatewayListener *listener, const GatewayClient *client)
{
  const ConfigListener *config = listener->listener;
  guint32 trusted = 0;
  if (client->kind == GATEWAY_CLIENT_HIDDEN)
    return 0;
  if (config_peers_contain (&config->xclient_from, &client->client))
    trusted |= SMTP_CAP_XCLIENT;
  if (config_peers_contain (&config->xforward_from, &client->client))
    trusted |= SMTP_CAP_XFORWARD;
  return trusted;
}

gboolean
identity_may_relay (const GatewaySession *session)
{
  const ConfigListener *listener = session->listener->listener;
  const BaseEndpoint client = session_client (session);
  if (listener->relay == CONFIG_RELAY_ANY || session->user != NULL)
    return TRUE;
  return session->kind != GATEWAY_CLIENT_HIDDEN && config_listener_may_relay (listener, &client);
}

/* ---- XCLIENT ---- */

/* What was told of `name`, or NULL. */
static const gchar *
value_of (const gchar *const *attributes, const gchar *name)
{
  gsize length = strlen (name);
  for (; *attributes != NULL; attributes++)
    if (strncmp (*attributes, name, length) == 0 && (*attributes)[length] == '=')
      return *attributes + length + 1;
  return NULL;
}

static gboolean
is_unavailable (const gchar *value)
{
  return g_str_equal (value, "[UNAVAILABLE]") || g_str_equal (value, "[TEMPUNAVAIL]");
}

/* A copy, or NULL for what the peer does not know. */
static gchar *
known (const gchar *value)
{
  return is_unavailable (value) ? NULL : g_strdup (value);
}

/* An address without a port has none, a port without an address belongs to the former one. */
static BaseEndpoint
endpoint_of (const gchar *address, const gchar *port, const BaseEndpoint *former)
{
  g_autofree gchar *same = base_endpoint_address (former);
  const gchar *text = address == NULL ? same : address;
  guint64 number = port != NULL ? g_ascii_strtoull (port, NULL, 10) : 0;
  if (address == NULL && port == NULL)
    return *former;
  if (g_ascii_strncasecmp (text, "IPV6:", 5) == 0)
    text += 5;
  g_autofree gchar *whole
      = g_strdup_printf (strchr (text, ':') != NULL ? "[%s]:%u" : "%s:%u", text, (guint) number);
  BaseEndpoint endpoint;
  if (!base_endpoint_parse (whole, &endpoint, NULL) && address == NULL)
    return *former;
  return endpoint;
}

/* Everything but the connection, its TLS and what the peer may say. */
static void
forget_client (GatewaySession *session)
{
  auth_forget (session);
  identity_forget_forwarded (session);
  g_clear_pointer (&session->helo, g_free);
  session->esmtp = FALSE;
  if (session->chain != NULL)
    chain_state_reset (session->chain);
}

/* A name belongs to its address: a new address has no name unless one comes with it. */
static void
describe (GatewaySession *session, const gchar *const *told)
{
  const gchar *name = value_of (told, "NAME"), *helo = value_of (told, "HELO");
  const gchar *login = value_of (told, "LOGIN"), *protocol = value_of (told, "PROTO");
  if (name != NULL || value_of (told, "ADDR") != NULL)
    {
      g_free (session->client_name);
      session->client_name = name != NULL ? known (name) : NULL;
    }
  if (value_of (told, "ADDR") != NULL)
    session->kind = GATEWAY_CLIENT_ITSELF;
  session->helo = helo != NULL ? known (helo) : NULL;
  session->user = login != NULL ? known (login) : NULL;
  session->esmtp = protocol != NULL && g_ascii_strcasecmp (protocol, "ESMTP") == 0;
  session->described = TRUE;
}

/* The machine is where it was after a refusal, but the client is another one: it can not go on. */
static void
after_xclient (GatewaySession *session, const ChainOutcome *outcome)
{
  if (session_greet (session, outcome))
    return;
  session_log_refusal (session, "XCLIENT", NULL, outcome->reply, outcome->filter);
  smtp_server_answer_close (session->server, outcome->reply);
}

void
identity_xclient (GatewaySession *session, const SmtpServerEvent *event)
{
  const gchar *const *told = event->attributes;
  const BaseEndpoint known_client = session_client (session);
  const BaseEndpoint known_server = base_peer_endpoint (&session->our_end);
  BaseEndpoint client
      = endpoint_of (value_of (told, "ADDR"), value_of (told, "PORT"), &known_client);
  BaseEndpoint server
      = endpoint_of (value_of (told, "DESTADDR"), value_of (told, "DESTPORT"), &known_server);
  if (!session->methods->change_client (session->host, &client, &server))
    {
      const BaseReply *busy
          = BASE_REPLY (421, 4, 7, 0, "Too many connections from that client, try again later");
      session_log_refusal (session, "XCLIENT", NULL, busy, NULL);
      smtp_server_answer_close (session->server, busy);
      return;
    }
  forget_client (session);
  session->client = base_peer_from (&client);
  session->our_end = base_peer_from (&server);
  describe (session, told);
  session_run_hook (session, IPC_HOOK_CONNECT, NULL, after_xclient);
}

/* ---- XFORWARD ---- */

void
identity_forget_forwarded (GatewaySession *session)
{
  for (guint i = 0; session->forwarded != NULL && smtp_xforward_names[i] != NULL; i++)
    g_free (session->forwarded[i]);
  g_clear_pointer (&session->forwarded, g_free);
}

const gchar *
identity_forwarded (const GatewaySession *session, const gchar *name)
{
  for (guint i = 0; session->forwarded != NULL && smtp_xforward_names[i] != NULL; i++)
    if (g_str_equal (smtp_xforward_names[i], name))
      return session->forwarded[i];
  return NULL;
}

/* It may come in several commands; what none of them names is not known. */
void
identity_xforward (GatewaySession *session, const SmtpServerEvent *event)
{
  if (session->forwarded == NULL)
    session->forwarded
        = g_new0 (gchar *, g_strv_length ((gchar **) (gpointer) smtp_xforward_names));
  for (guint i = 0; smtp_xforward_names[i] != NULL; i++)
    {
      const gchar *value = value_of (event->attributes, smtp_xforward_names[i]);
      if (value == NULL)
        continue;
      g_free (session->forwarded[i]);
      session->forwarded[i] = known (value);
    }
  smtp_server_answer (session->server, BASE_REPLY (250, 2, 0, 0, "Ok"));
}
