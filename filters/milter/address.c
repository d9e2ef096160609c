/* See address.h. The result is checked as every scanner's address is. */
#include "address.h"

#include <string.h>

#include "common/peer.h"

static char *
host_and_port (const char *host, gsize length, const char *port)
{
  gboolean bare = memchr (host, ':', length) != NULL && *host != '[';

  return g_strdup_printf (bare ? "[%.*s]:%s" : "%.*s:%s", (int) length, host, port);
}

/* Behind "inet:". */
static char *
parse_internet (const char *rest)
{
  const char *at = strchr (rest, '@');
  g_autofree char *port = at == NULL ? NULL : g_strndup (rest, (gsize) (at - rest));

  if (at != NULL)
    return host_and_port (at + 1, strlen (at + 1), port);
  if (strchr (rest, ':') == NULL)
    return g_strconcat ("localhost:", rest, NULL);
  return g_strdup (rest);
}

char *
address_parse (const char *socket, const char **wrong)
{
  g_autofree char *address = NULL;

  if (g_str_has_prefix (socket, "unix:") || g_str_has_prefix (socket, "local:"))
    address = g_strdup (strchr (socket, ':') + 1);
  else if (g_str_has_prefix (socket, "inet:") || g_str_has_prefix (socket, "inet6:"))
    address = parse_internet (strchr (socket, ':') + 1);
  *wrong = "is neither unix:/path nor inet:port@host";
  if (address == NULL || common_peer_is_local (address) != (*socket == 'u' || *socket == 'l'))
    return NULL;
  *wrong = common_peer_check (address);
  return *wrong == NULL ? g_steal_pointer (&address) : NULL;
}
