/* Without libunbound no name is looked up: `check` refuses what would need it, so that nobody comes
 * here. */
#include "net/resolver.h"

NetResolver *
net_resolver_new (NetLoop *loop, const Config *config, GError **error)
{
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_NOSYS,
                       "this Mailweir was built without libunbound");
  return NULL;
}

void
net_resolver_close (NetResolver *resolver)
{
}

gboolean
net_resolver_ask (NetResolver *resolver, NetQuery *query, const gchar *name, int type)
{
  return FALSE;
}

void
net_resolver_cancel (NetQuery *query)
{
}
