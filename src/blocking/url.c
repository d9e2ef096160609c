/* The addresses of servers as URLs; a bad one is an error that shows it. */
#include "blocking/client.h"

#include "base/network.h"

#include <string.h>

gboolean
blocking_url_parse (const gchar *url, gchar **host, guint *port, gboolean *implicit_tls,
                    GError **error)
{
  g_autofree gchar *rest = NULL;
  g_autoptr (GError) reason = NULL;
  gboolean lmtp = g_str_has_prefix (url, "lmtp://");
  BaseEndpoint ignored;

  *implicit_tls = g_str_has_prefix (url, "smtps://");
  *port = 0;
  if (g_str_has_prefix (url, "lmtp:/") && !lmtp)
    {
      *host = g_strdup (url + strlen ("lmtp:"));
      if (base_endpoint_parse (*host, &ignored, &reason))
        return TRUE;
      g_clear_pointer (host, g_free);
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_URL, "%s: %s", url, reason->message);
      return FALSE;
    }
  if (!*implicit_tls && !lmtp && !g_str_has_prefix (url, "smtp://"))
    {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_URL,
                   "%s: expected smtp://host:port, smtps://host:port, lmtp://host:port, lmtp:/path "
                   "or mx:",
                   url);
      return FALSE;
    }
  rest = g_strdup (strchr (url, '/') + 2);
  if (g_str_has_suffix (rest, "/"))
    rest[strlen (rest) - 1] = '\0';
  if (base_host_port_parse (rest, *implicit_tls ? 465 : lmtp ? 24 : 25, host, port, &reason))
    return TRUE;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_URL, "%s: %s", url, reason->message);
  return FALSE;
}
