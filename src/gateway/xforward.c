/* Who our client is, for an upstream that logs it (Postfix's XFORWARD). It goes out before each
 * MAIL, in the same write where the upstream pipelines; a refusal changes nothing for the message.
 * What our client told by XFORWARD itself goes in the place of our own idea of it. */
#include "gateway/upstream.h"

#include <string.h>

#include "smtp/attributes.h"

#define UNAVAILABLE "[UNAVAILABLE]"

gchar *
upstream_attribute (const gchar *name, const gchar *value)
{
  return g_strconcat (name, "=", value != NULL ? value : UNAVAILABLE, NULL);
}

gchar *
upstream_address (const gchar *name, const BaseEndpoint *endpoint)
{
  gboolean inet = endpoint->length != 0
                  && (endpoint->address.any.sa_family == AF_INET
                      || endpoint->address.any.sa_family == AF_INET6);
  g_autofree gchar *text = inet ? base_endpoint_address (endpoint) : NULL;
  if (text == NULL) /* a UNIX socket's, or unknown */
    return upstream_attribute (name, NULL);
  return g_strconcat (name, "=", strchr (text, ':') != NULL ? "IPV6:" : "", text, NULL);
}

gchar *
upstream_port (const gchar *name, const BaseEndpoint *endpoint)
{
  guint port = base_endpoint_port (endpoint);
  g_autofree gchar *text = port != 0 ? g_strdup_printf ("%u", port) : NULL;
  return upstream_attribute (name, text);
}

static void
add_own (const GatewaySession *session, GPtrArray *list)
{
  const BaseEndpoint client = session_client (session);
  g_ptr_array_add (list, upstream_attribute ("NAME", session->client_name));
  g_ptr_array_add (list, upstream_address ("ADDR", &client));
  g_ptr_array_add (list, upstream_port ("PORT", &client));
  g_ptr_array_add (list, upstream_attribute ("PROTO", session_protocol (session)));
  g_ptr_array_add (list, upstream_attribute ("HELO", session->helo));
  g_ptr_array_add (list, upstream_attribute ("IDENT", session->tx->id));
  g_ptr_array_add (list, upstream_attribute ("SOURCE", "REMOTE"));
}

void
xforward_say (GatewaySession *session)
{
  if (!session->upstream_route->xforward)
    return;
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  if (session->forwarded == NULL)
    add_own (session, list);
  for (guint i = 0; session->forwarded != NULL && smtp_xforward_names[i] != NULL; i++)
    g_ptr_array_add (list, upstream_attribute (smtp_xforward_names[i], session->forwarded[i]));
  g_ptr_array_add (list, NULL);
  smtp_client_xforward (session->upstream->client, (const gchar *const *) list->pdata, 0);
}
