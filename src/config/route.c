/* Who may send where: the questions a session asks its listener. They can not fail. */
#include "config/config.h"

#include "base/address.h"

/* How specific the route's claim on the domain is; 0: none. */
static guint
claim_of (const ConfigRoute *route, const gchar *domain)
{
  guint best = 0;

  for (gchar **pattern = route->for_domains; *pattern != NULL; pattern++)
    best = MAX (best, base_domain_match (*pattern, domain));
  return best;
}

/* RFC 5321 section 4.5.1: "postmaster" without a domain is always accepted. It belongs to the first
 * route that claims anything, or the one that takes the rest. */
static const ConfigRoute *
route_of_postmaster (const ConfigListener *listener)
{
  for (guint i = 0; i < listener->n_routes; i++)
    if (listener->routes[i]->for_domains[0] != NULL)
      return listener->routes[i];
  return listener->n_routes > 0 ? listener->routes[0] : NULL;
}

const ConfigRoute *
config_listener_route (const ConfigListener *listener, const gchar *recipient,
                       gboolean *needs_relay)
{
  const gchar *domain = base_address_domain (recipient);
  const ConfigRoute *claimed = NULL, *rest = NULL;
  guint best = 0;

  *needs_relay = FALSE;
  if (domain == NULL)
    return route_of_postmaster (listener);
  for (guint i = 0; i < listener->n_routes; i++)
    {
      const ConfigRoute *route = listener->routes[i];
      guint claim = claim_of (route, domain);

      if (route->for_domains[0] == NULL)
        rest = route;
      if (claim <= best)
        continue;
      best = claim;
      claimed = route;
    }
  *needs_relay = claimed == NULL;
  return claimed != NULL ? claimed : rest;
}

gboolean
config_peers_contain (const ConfigPeers *peers, const BaseEndpoint *peer)
{
  for (guint i = 0; i < peers->count; i++)
    if (base_network_contains (&peers->networks[i], peer))
      return TRUE;
  return FALSE;
}

gboolean
config_destination_is_host (const ConfigDestination *destination)
{
  return destination->kind == CONFIG_DESTINATION_SMTP
         || destination->kind == CONFIG_DESTINATION_SMTPS
         || destination->kind == CONFIG_DESTINATION_LMTP;
}

gboolean
config_route_is_lmtp (const ConfigRoute *route)
{
  return route->n_destinations > 0 && route->destinations[0].kind == CONFIG_DESTINATION_LMTP;
}

gboolean
config_route_is_mx (const ConfigRoute *route)
{
  return route->n_destinations > 0 && route->destinations[0].kind == CONFIG_DESTINATION_MX;
}

gboolean
config_listener_may_relay (const ConfigListener *listener, const BaseEndpoint *client)
{
  if (listener->relay == CONFIG_RELAY_ANY)
    return TRUE;
  for (guint i = 0; i < listener->n_relay_networks; i++)
    if (base_network_contains (&listener->relay_networks[i], client))
      return TRUE;
  return FALSE;
}
