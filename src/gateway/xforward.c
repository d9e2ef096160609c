/* Who our client is, for an upstream that logs it (Postfix's XFORWARD). It goes out before each
 * MAIL, in the same write where the upstream pipelines; a refusal changes nothing for the message.
 */
#include "gateway/upstream.h"

#include <string.h>

#define UNAVAILABLE "[UNAVAILABLE]"

static gchar *
address (const GatewaySession *session)
{
  g_autofree gchar *text = base_endpoint_address (&session->client);
  if (strchr (text, '/') != NULL || *text == '\0') /* a UNIX socket's */
    return g_strdup ("ADDR=" UNAVAILABLE);
  return g_strconcat ("ADDR=", strchr (text, ':') != NULL ? "IPV6:" : "", text, NULL);
}

static gchar *
attribute (const gchar *name, const gchar *value)
{
  return g_strconcat (name, "=", value != NULL ? value : UNAVAILABLE, NULL);
}

void
xforward_say (GatewaySession *session)
{
  if (!session->upstream_route->xforward)
    return;
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (list, attribute ("NAME", session->client_name));
  g_ptr_array_add (list, address (session));
  g_ptr_array_add (list, g_strdup_printf ("PORT=%u", base_endpoint_port (&session->client)));
  g_ptr_array_add (list, attribute ("PROTO", session->esmtp ? "ESMTP" : "SMTP"));
  g_ptr_array_add (list, attribute ("HELO", session->helo));
  g_ptr_array_add (list, attribute ("IDENT", session->tx->id));
  g_ptr_array_add (list, attribute ("SOURCE", "REMOTE"));
  g_ptr_array_add (list, NULL);
  smtp_client_xforward (session->upstream->client, (const gchar *const *) list->pdata, 0);
}
