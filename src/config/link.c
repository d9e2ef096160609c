/* From words to what they mean: endpoints, networks, destinations; and from names to the sections
 * that bear them. What can not be parsed or found is reported and left out. */
#include "config/check.h"

#include <string.h>

typedef gboolean (*Parse) (const gchar *text, gpointer item, GError **error);

static gboolean
parse_endpoint (const gchar *text, gpointer item, GError **error)
{
  return base_endpoint_parse (text, item, error);
}

static gboolean
parse_network (const gchar *text, gpointer item, GError **error)
{
  return base_network_parse (text, item, error);
}

/* An array of what `parse` makes of the strings of option `name`. */
static gpointer
parse_each (const ConfigBlock *block, const gchar *name, gchar **texts, gsize size, Parse parse,
            guint *count, ConfigErrors *errors)
{
  gchar *items = g_malloc0_n (g_strv_length (texts) + 1, size);

  *count = 0;
  for (guint i = 0; texts[i] != NULL; i++)
    {
      g_autoptr (GError) error = NULL;

      if (parse (texts[i], items + *count * size, &error))
        (*count)++;
      else
        config_errors_add (errors, config_block_place_of_item (block, name, i), "option \"%s\": %s",
                           name, error->message);
    }
  return items;
}

/* ---- Names ---- */

typedef struct
{
  const gchar *kind;   /* "filter" */
  const gchar *option; /* "filters" */
  GHashTable *known;   /* name → section */
} Namespace;

static void
report_unknown (const Namespace *space, const ConfigBlock *block, const gchar *name, guint index,
                ConfigErrors *errors)
{
  g_autofree const gchar **names
      = (const gchar **) g_hash_table_get_keys_as_array (space->known, NULL);
  const ConfigPlace *place = config_block_place_of_item (block, space->option, index);
  g_autofree gchar *described = config_block_describe (block);
  g_autofree gchar *quoted = config_quote (name);
  const gchar *nearest = config_suggest (name, names);

  if (nearest != NULL)
    config_errors_add (errors, place, "unknown %s %s in %s; did you mean \"%s\"?", space->kind,
                       quoted, described, nearest);
  else
    config_errors_add (errors, place, "unknown %s %s in %s", space->kind, quoted, described);
}

/* The sections that `names` name, in their order, each once. With `quiet`, unknown ones are left
 * out without a word: they may have stood in what could not be read. */
static gpointer *
link_names (const Namespace *space, const ConfigBlock *block, gchar **names, guint *count,
            gboolean quiet, ConfigErrors *errors)
{
  gpointer *items = g_new0 (gpointer, g_strv_length (names) + 1);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  *count = 0;
  for (guint i = 0; names[i] != NULL; i++)
    {
      gpointer item = g_hash_table_lookup (space->known, names[i]);

      if (item == NULL && !quiet)
        report_unknown (space, block, names[i], i, errors);
      else if (item != NULL && !g_hash_table_add (seen, names[i]))
        config_errors_add (errors, config_block_place_of_item (block, space->option, i),
                           "%s \"%s\" is listed twice", space->kind, names[i]);
      else if (item != NULL)
        items[(*count)++] = item;
    }
  return items;
}

static void
link_peers (const ConfigBlock *block, const gchar *name, ConfigPeers *peers, ConfigErrors *errors)
{
  peers->networks = parse_each (block, name, peers->texts, sizeof (BaseNetwork), parse_network,
                                &peers->count, errors);
}

static void
link_listener (Config *config, ConfigListener *listener, const Namespace *filters,
               const Namespace *routes, ConfigErrors *errors)
{
  const ConfigBlock *block = listener->block;
  gboolean quiet = config->tree->damaged;

  listener->endpoints = parse_each (block, "bind", listener->bind, sizeof (BaseEndpoint),
                                    parse_endpoint, &listener->n_endpoints, errors);
  listener->relay_networks
      = parse_each (block, "relay-from", listener->relay_from, sizeof (BaseNetwork), parse_network,
                    &listener->n_relay_networks, errors);
  link_peers (block, "proxy-from", &listener->proxy_from, errors);
  link_peers (block, "xclient-from", &listener->xclient_from, errors);
  link_peers (block, "xforward-from", &listener->xforward_from, errors);
  listener->filters = (ConfigFilter **) link_names (filters, block, listener->filter_names,
                                                    &listener->n_filters, quiet, errors);
  override_filters (config, listener, errors);
  listener->routes = (ConfigRoute **) link_names (routes, block, listener->route_names,
                                                  &listener->n_routes, quiet, errors);
}

void
link_filter (ConfigFilter *filter, ConfigErrors *errors)
{
  filter->conditions = g_ptr_array_new_with_free_func ((GDestroyNotify) base_condition_free);
  for (guint i = 0; filter->only_if[i] != NULL; i++)
    {
      g_autoptr (GError) error = NULL;
      BaseCondition *condition = base_condition_parse (filter->only_if[i], &error);

      if (condition != NULL)
        g_ptr_array_add (filter->conditions, condition);
      else
        config_errors_add (errors, config_block_place_of_item (filter->block, "only-if", i),
                           "option \"only-if\": %s", error->message);
    }
}

static void
link_route (ConfigRoute *route, ConfigErrors *errors)
{
  route->destinations = g_new0 (ConfigDestination, g_strv_length (route->to) + 1);
  for (guint i = 0; route->to[i] != NULL; i++)
    if (destination_parse (route->to[i], config_block_place_of_item (route->block, "to", i),
                           &route->destinations[route->n_destinations], errors))
      route->n_destinations++;
}

void
link_sections (Config *config, ConfigErrors *errors)
{
  g_autoptr (GHashTable) filters = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) routes = g_hash_table_new (g_str_hash, g_str_equal);
  const Namespace filter_space = { "filter", "filters", filters };
  const Namespace route_space = { "route", "routes", routes };

  for (guint i = 0; i < config->filters->len; i++)
    {
      ConfigFilter *filter = g_ptr_array_index (config->filters, i);

      link_filter (filter, errors);
      g_hash_table_insert (filters, filter->name, filter);
    }
  for (guint i = 0; i < config->routes->len; i++)
    {
      ConfigRoute *route = g_ptr_array_index (config->routes, i);

      link_route (route, errors);
      g_hash_table_insert (routes, route->name, route);
    }
  for (guint i = 0; i < config->listeners->len; i++)
    link_listener (config, g_ptr_array_index (config->listeners, i), &filter_space, &route_space,
                   errors);
}
