/* What each section says well and all of them together do not mean: no open relay, no listener that
 * leads nowhere, no wait that ends after the one around it. Nothing here changes what was read. */
#include "config/check.h"

#include <string.h>

#include "base/address.h"
#include "config/value.h"

static gboolean
is_given (const ConfigBlock *block, const gchar *name)
{
  return config_block_setting (block, name) != NULL;
}

/* A list that is given and names nothing. One that could not be read is empty, too, but not here.
 */
static void
check_empty (const ConfigBlock *block, const gchar *name, ConfigErrors *errors)
{
  const ConfigSetting *setting = config_block_setting (block, name);
  g_autofree gchar *described = config_block_describe (block);

  if (setting != NULL && setting->value->kind == CONFIG_VALUE_LIST
      && setting->value->items->len == 0)
    config_errors_add (errors, &setting->value->place, "\"%s\" of %s is empty", name, described);
}

static void
check_filled (const ConfigBlock *block, const gchar *name, const gchar *value, ConfigErrors *errors)
{
  if (value != NULL && *value == '\0')
    config_errors_add (errors, config_block_place_of (block, name), "\"%s\" is empty", name);
}

/* ---- Global ---- */

static void
check_global (const Config *config, ConfigErrors *errors)
{
  const ConfigBlock *root = config->tree;

  if (config->workers_min > config->workers_max)
    config_errors_add (errors,
                       config_block_place_of (root, is_given (root, "workers-min") ? "workers-min"
                                                                                   : "workers-max"),
                       "workers-min %" G_GINT64_FORMAT
                       " is more than workers-max %" G_GINT64_FORMAT,
                       config->workers_min, config->workers_max);
  if (!base_domain_is_valid (config->hostname, strlen (config->hostname)))
    {
      g_autofree gchar *quoted = config_quote (config->hostname);

      config_errors_add (errors, config_block_place_of (root, "hostname"), "%s is no host name",
                         quoted);
    }
  check_filled (root, "user", config->user, errors);
  check_filled (root, "spool-directory", config->spool_directory, errors);
  check_filled (root, "module-directory", config->module_directory, errors);
  check_filled (root, "quarantine", config->quarantine, errors);
  if (config->quarantine != NULL && g_str_has_prefix (config->quarantine, "maildir:"))
    config_errors_add (errors, config_block_place_of (root, "quarantine"),
                       "\"quarantine\" is a folder's path, without \"maildir:\"");
  if (config->listeners->len == 0 && !root->damaged)
    config_errors_add (errors, &root->place, "no listener: there is nothing to do");
}

static gboolean
is_name_server (const gchar *text)
{
  g_auto (GStrv) parts = g_strsplit (text, "@", 2);
  BaseNetwork network;

  return parts[0] != NULL && strchr (parts[0], '/') == NULL
         && base_network_parse (parts[0], &network, NULL)
         && (parts[1] == NULL
             || (g_ascii_isdigit (*parts[1])
                 && g_ascii_string_to_unsigned (parts[1], 10, 1, 65535, NULL, NULL)));
}

static void
check_resolver (const Config *config, ConfigErrors *errors)
{
  check_empty (config->tree, "resolver", errors);
  for (guint i = 0; config->resolver[i] != NULL; i++)
    if (!is_name_server (config->resolver[i]))
      {
        g_autofree gchar *quoted = config_quote (config->resolver[i]);

        config_errors_add (errors, config_block_place_of_item (config->tree, "resolver", i),
                           "option \"resolver\": %s is neither an address nor address@port",
                           quoted);
      }
}

/* A UNIX socket's path has to fit into its address. */
static void
check_status_socket (const Config *config, ConfigErrors *errors)
{
  g_autoptr (GError) error = NULL;
  const ConfigPlace *place = config_block_place_of (config->tree, "status-socket");
  BaseEndpoint endpoint;

  if (config->status_socket == NULL)
    return;
  if (config->status_socket[0] != '/')
    config_errors_add (errors, place, "\"status-socket\" is no absolute path: \"%s\"",
                       config->status_socket);
  else if (!base_endpoint_parse (config->status_socket, &endpoint, &error))
    config_errors_add (errors, place, "option \"status-socket\": %s", error->message);
}

static void
check_tls (const ConfigTls *tls, ConfigErrors *errors)
{
  check_filled (tls->block, "certificate", tls->certificate, errors);
  check_filled (tls->block, "key", tls->key, errors);
  if (tls->name != NULL && !base_domain_is_valid (tls->name, strlen (tls->name)))
    config_errors_add (errors, &tls->block->place, "title \"%s\" is no host name", tls->name);
}

static gboolean
has_listener (const Config *config, const gchar *pattern)
{
  for (guint i = 0; i < config->listeners->len; i++)
    if (base_pattern_matches (pattern,
                              ((ConfigListener *) g_ptr_array_index (config->listeners, i))->name))
      return TRUE;
  return config->tree->damaged;
}

/* A listener that is not there is a slip of the pen: the condition would never hold, or always. */
static void
check_conditions (const Config *config, const ConfigFilter *filter, ConfigErrors *errors)
{
  if (g_strv_length (filter->only_if) > CONFIG_MAX_CONDITIONS)
    config_errors_add (errors, config_block_place_of (filter->block, "only-if"),
                       "filter \"%s\" has more than %d conditions", filter->name,
                       CONFIG_MAX_CONDITIONS);
  for (guint i = 0; i < filter->conditions->len; i++)
    {
      const BaseCondition *condition = g_ptr_array_index (filter->conditions, i);

      if (condition->kind != BASE_CONDITION_LISTENER)
        continue;
      for (gchar **pattern = condition->patterns; *pattern != NULL; pattern++)
        if (!has_listener (config, *pattern))
          config_errors_add (errors, config_block_place_of (filter->block, "only-if"),
                             "option \"only-if\": there is no listener \"%s\"", *pattern);
    }
}

static void
check_filter (const Config *config, ConfigFilter *filter, ConfigErrors *errors)
{
  g_autofree gchar *timeout = value_format_number (CONFIG_OPTION_DURATION, filter->timeout);
  g_autofree gchar *deadline = value_format_number (CONFIG_OPTION_DURATION, config->deadline);

  check_filled (filter->block, "module", filter->module, errors);
  check_conditions (config, filter, errors);
  if (is_given (filter->block, "timeout") && filter->timeout > config->deadline)
    config_errors_add (errors, config_block_place_of (filter->block, "timeout"),
                       "timeout %s of filter \"%s\" is longer than the deadline %s", timeout,
                       filter->name, deadline);
}

/* ---- Routes ---- */

static gboolean
is_pattern (const gchar *pattern)
{
  const gchar *name = *pattern == '.' ? pattern + 1 : pattern;

  return strcmp (pattern, "*") == 0
         || (*name != '.' && strchr (name, '*') == NULL
             && base_domain_is_valid (name, strlen (name)));
}

static void
check_patterns (const ConfigRoute *route, ConfigErrors *errors)
{
  for (guint i = 0; route->for_domains[i] != NULL; i++)
    if (!is_pattern (route->for_domains[i]))
      {
        g_autofree gchar *quoted = config_quote (route->for_domains[i]);

        config_errors_add (errors, config_block_place_of_item (route->block, "for", i),
                           "option \"for\": %s is neither a domain nor \".domain\"", quoted);
      }
}

static void
check_pool (const ConfigRoute *route, ConfigErrors *errors)
{
  const ConfigPlace *place = config_block_place_of (route->block, "to");

  for (guint i = 0; i < route->n_destinations && route->n_destinations > 1; i++)
    if (!config_destination_is_host (&route->destinations[i]))
      {
        config_errors_add (errors, place,
                           "route \"%s\": \"%s\" can not share a list with other destinations; "
                           "only hosts can",
                           route->name, route->destinations[i].text);
        return;
      }
  for (guint i = 1; i < route->n_destinations; i++)
    if ((route->destinations[i].kind == CONFIG_DESTINATION_LMTP) != config_route_is_lmtp (route))
      {
        config_errors_add (errors, place,
                           "route \"%s\": \"%s\" and \"%s\" can not share a list: one speaks LMTP",
                           route->name, route->destinations[0].text, route->destinations[i].text);
        return;
      }
}

/* On a UNIX socket nothing is encrypted, and there is no name to verify. */
static void
check_socket_tls (const ConfigRoute *route, ConfigErrors *errors)
{
  for (guint i = 0; i < route->n_destinations; i++)
    if (route->tls >= CONFIG_UPSTREAM_TLS_REQUIRED
        && route->destinations[i].kind == CONFIG_DESTINATION_LMTP
        && route->destinations[i].path != NULL)
      {
        config_errors_add (errors, config_block_place_of (route->block, "tls"),
                           "there is no TLS on the UNIX socket \"%s\"",
                           route->destinations[i].text);
        return;
      }
}

static void
check_upstream_tls (const ConfigRoute *route, ConfigErrors *errors)
{
  const ConfigBlock *block = route->block;

  check_filled (block, "tls-ca", route->tls_ca, errors);
  check_filled (block, "tls-name", route->tls_name, errors);
  check_filled (block, "tls-certificate", route->tls_certificate, errors);
  check_filled (block, "tls-key", route->tls_key, errors);
  if (route->tls_key != NULL && route->tls_certificate == NULL)
    config_errors_add (errors, config_block_place_of (block, "tls-key"),
                       "\"tls-key\" without \"tls-certificate\"");
  if (route->tls != CONFIG_UPSTREAM_TLS_OFF)
    return;
  for (guint i = 0; i < route->n_destinations; i++)
    if (route->destinations[i].kind == CONFIG_DESTINATION_SMTPS)
      {
        config_errors_add (errors, config_block_place_of (block, "tls"),
                           "tls = \"off\" contradicts \"%s\"", route->destinations[i].text);
        return;
      }
}

/* Whom should a folder be told about? */
static void
check_introduction (const ConfigRoute *route, const gchar *name, gboolean wanted,
                    ConfigErrors *errors)
{
  if (wanted && route->n_destinations > 0 && !config_destination_is_host (&route->destinations[0]))
    config_errors_add (errors, config_block_place_of (route->block, name),
                       "\"%s\" of route \"%s\", which leads to no server", name, route->name);
}

static void
check_route (const ConfigRoute *route, ConfigErrors *errors)
{
  check_empty (route->block, "to", errors);
  check_empty (route->block, "for", errors);
  check_patterns (route, errors);
  check_pool (route, errors);
  check_upstream_tls (route, errors);
  check_introduction (route, "xforward", route->xforward, errors);
  check_introduction (route, "xclient", route->xclient, errors);
  check_introduction (route, "proxy", route->proxy != CONFIG_PROXY_OFF, errors);
  check_socket_tls (route, errors);
  check_login (route, errors);
}

/* ---- Listeners ---- */

static void
check_listener_tls (const Config *config, const ConfigListener *listener, ConfigErrors *errors)
{
  const ConfigPlace *place = config_block_place_of (listener->block, "tls");

  if (listener->tls != CONFIG_TLS_OFF && config->tls->len == 0 && !config->tree->damaged)
    config_errors_add (errors, place, "listener \"%s\" speaks TLS, but there is no block \"tls\"",
                       listener->name);
  if (listener->tls == CONFIG_TLS_OFF && listener->require_tls)
    config_errors_add (errors, config_block_place_of (listener->block, "require-tls"),
                       "\"require-tls\" of listener \"%s\", whose tls is \"off\"", listener->name);
}

/* Takes the claim of `route` on `pattern` ("" is whatever is left), unless another has it. */
static void
claim (GHashTable *claims, const ConfigListener *listener, const ConfigRoute *route,
       const gchar *pattern, ConfigErrors *errors)
{
  const ConfigPlace *place = config_block_place_of (listener->block, "routes");
  g_autofree gchar *key = g_ascii_strdown (pattern, -1);
  const ConfigRoute *other;

  if (g_str_has_suffix (key, "."))
    key[strlen (key) - 1] = '\0';
  other = g_hash_table_lookup (claims, key);
  if (other == NULL)
    g_hash_table_insert (claims, g_steal_pointer (&key), (gpointer) route);
  else if (other == route)
    config_errors_add (errors, config_block_place_of (route->block, "for"),
                       "route \"%s\" claims \"%s\" twice", route->name, pattern);
  else if (*pattern == '\0')
    config_errors_add (errors, place, "routes \"%s\" and \"%s\" of listener \"%s\" both lack `for`",
                       other->name, route->name, listener->name);
  else
    config_errors_add (errors, place,
                       "routes \"%s\" and \"%s\" of listener \"%s\" both claim \"%s\"", other->name,
                       route->name, listener->name, pattern);
}

static void
check_claims (const ConfigListener *listener, ConfigErrors *errors)
{
  g_autoptr (GHashTable) claims = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < listener->n_routes; i++)
    {
      const ConfigRoute *route = listener->routes[i];

      if (route->for_domains[0] == NULL)
        claim (claims, listener, route, "", errors);
      for (gchar **pattern = route->for_domains; *pattern != NULL; pattern++)
        claim (claims, listener, route, *pattern, errors);
    }
}

/* One socket can not be bound twice. Port 0 is another one each time. */
static void
check_endpoints (GHashTable *bound, const ConfigListener *listener, ConfigErrors *errors)
{
  for (guint i = 0; i < listener->n_endpoints; i++)
    {
      const BaseEndpoint *endpoint = &listener->endpoints[i];
      gchar *text = base_endpoint_to_string (endpoint);

      if (base_endpoint_port (endpoint) == 0 && text[0] != '/')
        g_free (text);
      else if (g_hash_table_contains (bound, text))
        {
          config_errors_add (errors, config_block_place_of (listener->block, "bind"),
                             "listener \"%s\" binds %s, which is bound already", listener->name,
                             text);
          g_free (text);
        }
      else
        g_hash_table_add (bound, text);
    }
}

static gboolean
is_public (const ConfigListener *listener)
{
  for (guint i = 0; i < listener->n_endpoints; i++)
    if (!base_endpoint_is_loopback (&listener->endpoints[i]))
      return TRUE;
  return FALSE;
}

static gboolean
has_claims (const ConfigListener *listener)
{
  for (guint i = 0; i < listener->n_routes; i++)
    if (listener->routes[i]->for_domains[0] != NULL)
      return TRUE;
  return FALSE;
}

/* Whoever may say who the client is may say that it is one of relay-from. */
static void
check_believed (const ConfigListener *listener, const gchar *name, const ConfigPeers *peers,
                ConfigErrors *errors)
{
  for (guint i = 0; i < peers->count; i++)
    if (peers->networks[i].prefix == 0)
      config_errors_add (errors, config_block_place_of_item (listener->block, name, i),
                         "listener \"%s\" would be an open relay: its %s holds everybody; "
                         "say relay = \"any\" if that is meant",
                         listener->name, name);
}

/* `for = "*"` and `relay-from = "0.0.0.0/0"` are `relay = "any"` in other words. */
static void
check_everybody (const ConfigListener *listener, ConfigErrors *errors)
{
  for (guint i = 0; i < listener->n_relay_networks; i++)
    if (listener->relay_networks[i].prefix == 0)
      config_errors_add (errors, config_block_place_of (listener->block, "relay-from"),
                         "listener \"%s\" would be an open relay: its relay-from holds everybody; "
                         "say relay = \"any\" if that is meant",
                         listener->name);
  check_believed (listener, "proxy-from", &listener->proxy_from, errors);
  check_believed (listener, "xclient-from", &listener->xclient_from, errors);
  for (guint i = 0; i < listener->n_routes; i++)
    if (g_strv_contains ((const gchar *const *) listener->routes[i]->for_domains, "*"))
      config_errors_add (errors, config_block_place_of (listener->block, "routes"),
                         "listener \"%s\" would be an open relay: route \"%s\" claims \"*\"; "
                         "say relay = \"any\" if that is meant",
                         listener->name, listener->routes[i]->name);
}

static void
check_relay (const ConfigListener *listener, ConfigErrors *errors)
{
  if (listener->relay == CONFIG_RELAY_ANY || !is_public (listener))
    return;
  check_everybody (listener, errors);
  /* Names that were not found have been reported; their routes may have had a `for`. */
  if (listener->n_routes == 0 || listener->n_routes != g_strv_length (listener->route_names))
    return;
  if (listener->auth == CONFIG_AUTH_OFF && !has_claims (listener)
      && !is_given (listener->block, "relay-from"))
    config_errors_add (errors, &listener->block->place,
                       "listener \"%s\" is open beyond loopback and none of its routes has `for`: "
                       "say whose mail it takes with `for` in a route or `relay-from` here, or "
                       "relay = \"any\" for everybody's",
                       listener->name);
}

static gboolean
has_smtp_route (const ConfigListener *listener)
{
  for (guint i = 0; i < listener->n_routes; i++)
    if (listener->routes[i]->n_destinations > 0 && listener->routes[i]->user == NULL
        && (listener->routes[i]->destinations[0].kind == CONFIG_DESTINATION_SMTP
            || listener->routes[i]->destinations[0].kind == CONFIG_DESTINATION_SMTPS))
      return TRUE;
  return FALSE;
}

static void
check_auth (const ConfigListener *listener, ConfigErrors *errors)
{
  const ConfigPlace *place = config_block_place_of (listener->block, "auth");

  if (listener->auth == CONFIG_AUTH_TLS && listener->tls == CONFIG_TLS_OFF)
    config_errors_add (errors, place,
                       "listener \"%s\" has auth = \"tls\" and no tls: AUTH would never be offered",
                       listener->name);
  if (listener->auth != CONFIG_AUTH_OFF && !has_smtp_route (listener)
      && listener->n_routes == g_strv_length (listener->route_names))
    config_errors_add (errors, place,
                       "listener \"%s\" has auth, and no route to a server that knows users",
                       listener->name);
}

/* RFC 2033 section 5: LMTP must not be spoken on port 25, where everybody expects SMTP. */
static void
check_protocol (const ConfigListener *listener, ConfigErrors *errors)
{
  for (guint i = 0; i < listener->n_endpoints && listener->protocol == CONFIG_PROTOCOL_LMTP; i++)
    if (base_endpoint_port (&listener->endpoints[i]) == 25)
      config_errors_add (errors, config_block_place_of (listener->block, "bind"),
                         "listener \"%s\" speaks LMTP, which must not use port 25 (RFC 2033)",
                         listener->name);
}

static void
check_listener (const Config *config, const ConfigListener *listener, GHashTable *bound,
                ConfigErrors *errors)
{
  check_empty (listener->block, "bind", errors);
  check_empty (listener->block, "routes", errors);
  check_endpoints (bound, listener, errors);
  check_listener_tls (config, listener, errors);
  check_claims (listener, errors);
  check_relay (listener, errors);
  check_auth (listener, errors);
  check_protocol (listener, errors);
}

void
check_sections (Config *config, ConfigErrors *errors)
{
  g_autoptr (GHashTable) bound = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  check_global (config, errors);
  check_status_socket (config, errors);
  check_resolver (config, errors);
  for (guint i = 0; i < config->tls->len; i++)
    check_tls (g_ptr_array_index (config->tls, i), errors);
  for (guint i = 0; i < config->filters->len; i++)
    check_filter (config, g_ptr_array_index (config->filters, i), errors);
  for (guint i = 0; i < config->routes->len; i++)
    check_route (g_ptr_array_index (config->routes, i), errors);
  for (guint i = 0; i < config->listeners->len; i++)
    check_listener (config, g_ptr_array_index (config->listeners, i), bound, errors);
}
