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

  *implicit_tls = g_str_has_prefix (url, "smtps://");
  if (!*implicit_tls && !g_str_has_prefix (url, "smtp://"))
    {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_URL,
                   "%s: expected smtp://host:port, smtps://host:port or mx:", url);
      return FALSE;
    }
  rest = g_strdup (strchr (url, '/') + 2);
  if (g_str_has_suffix (rest, "/"))
    rest[strlen (rest) - 1] = '\0';
  if (base_host_port_parse (rest, *implicit_tls ? 465 : 25, host, port, &reason))
    return TRUE;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_URL, "%s: %s", url, reason->message);
  return FALSE;
}
