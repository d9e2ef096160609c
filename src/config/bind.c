/* From blocks to structs: which sections there are, which of them need a title, how many there may
 * be. Options are bound by the tables in sections.c. */
#include "config/check.h"

#include <string.h>

#define MAX_SECTIONS 1000 /* of one kind */

typedef enum
{
  TITLE_NONE,
  TITLE_OPTIONAL,
  TITLE_REQUIRED
} TitleRule;

typedef struct
{
  const gchar *type;
  TitleRule title;
  guint most;
  void (*bind) (Config *config, const ConfigBlock *block, ConfigErrors *errors);
} Section;

static void
bind_block (const ConfigBlock *block, const gchar *section, gpointer target, ConfigErrors *errors)
{
  const ConfigOption *const tables[] = { config_section_options (section), NULL };
  gpointer const targets[] = { target, NULL };

  config_options_bind (block, tables, targets, errors);
}

static void
bind_listener (Config *config, const ConfigBlock *block, ConfigErrors *errors)
{
  ConfigListener *listener = g_new0 (ConfigListener, 1);

  listener->name = g_strdup (block->title);
  listener->index = config->listeners->len;
  listener->block = block;
  g_ptr_array_add (config->listeners, listener);
  bind_block (block, "listener", listener, errors);
}

static void
bind_route (Config *config, const ConfigBlock *block, ConfigErrors *errors)
{
  ConfigRoute *route = g_new0 (ConfigRoute, 1);

  route->name = g_strdup (block->title);
  route->block = block;
  g_ptr_array_add (config->routes, route);
  bind_block (block, "route", route, errors);
}

static void
bind_filter (Config *config, const ConfigBlock *block, ConfigErrors *errors)
{
  ConfigFilter *filter = g_new0 (ConfigFilter, 1);

  filter->name = g_strdup (block->title);
  filter->index = config->filters->len;
  filter->block = block;
  g_ptr_array_add (config->filters, filter);
  /* The rest are the module's: they are bound where it is loaded. */
  config_options_bind_known (block, config_section_options ("filter"), filter, errors);
}

static void
bind_tls (Config *config, const ConfigBlock *block, ConfigErrors *errors)
{
  ConfigTls *tls = g_new0 (ConfigTls, 1);

  tls->name = g_strdup (block->title);
  tls->block = block;
  g_ptr_array_add (config->tls, tls);
  bind_block (block, "tls", tls, errors);
}

static void
bind_limits (Config *config, const ConfigBlock *block, ConfigErrors *errors)
{
  bind_block (block, "limits", config, errors);
}

static const Section sections[] = {
  { "listener", TITLE_REQUIRED, MAX_SECTIONS, bind_listener },
  { "route", TITLE_REQUIRED, MAX_SECTIONS, bind_route },
  { "filter", TITLE_REQUIRED, MAX_SECTIONS, bind_filter },
  { "tls", TITLE_OPTIONAL, MAX_SECTIONS, bind_tls },
  { "limits", TITLE_NONE, 1, bind_limits },
};

static const Section *
find_section (const gchar *type)
{
  for (guint i = 0; i < G_N_ELEMENTS (sections); i++)
    if (strcmp (sections[i].type, type) == 0)
      return &sections[i];
  return NULL;
}

static void
report_unknown_block (const ConfigBlock *block, const ConfigBlock *parent, ConfigErrors *errors)
{
  const gchar *names[G_N_ELEMENTS (sections) + 1] = { NULL };
  g_autofree gchar *described = config_block_describe (parent);
  const gchar *nearest;

  for (guint i = 0; i < G_N_ELEMENTS (sections); i++)
    names[i] = sections[i].type;
  nearest = config_suggest (block->type, names);
  if (*parent->type != '\0')
    config_errors_add (errors, &block->place, "%s has no blocks%s, found \"%s\"", described,
                       strcmp (parent->type, "listener") == 0 ? " but \"filter\"" : "",
                       block->type);
  else if (nearest != NULL)
    config_errors_add (errors, &block->place, "unknown block \"%s\"; did you mean \"%s\"?",
                       block->type, nearest);
  else
    config_errors_add (errors, &block->place, "unknown block \"%s\"", block->type);
}

static gboolean
check_title (const Section *section, const ConfigBlock *block, ConfigErrors *errors)
{
  if (section->title == TITLE_REQUIRED && block->title == NULL)
    config_errors_add (errors, &block->place, "block \"%s\" needs a title, as in %s \"name\" { … }",
                       block->type, block->type);
  else if (section->title == TITLE_NONE && block->title != NULL)
    config_errors_add (errors, &block->place, "block \"%s\" takes no title, found \"%s\"",
                       block->type, block->title);
  else
    return TRUE;
  return FALSE;
}

/* The block of the same type and title that was there first is kept in `seen`. */
static gboolean
check_doubled (GHashTable *seen, const ConfigBlock *block, ConfigErrors *errors)
{
  g_autofree gchar *key
      = g_strdup_printf ("%s %s", block->type, block->title != NULL ? block->title : "");
  const ConfigBlock *first = g_hash_table_lookup (seen, key);
  g_autofree gchar *described = NULL;

  if (first == NULL)
    {
      g_hash_table_insert (seen, g_steal_pointer (&key), (gpointer) block);
      return TRUE;
    }
  described = config_block_describe (block);
  config_errors_add (errors, &block->place, "%s is given twice; first at %s:%u:%u", described,
                     first->place.file, first->place.line, first->place.column);
  return FALSE;
}

static gboolean
check_count (guint *counts, const Section *section, const ConfigBlock *block, ConfigErrors *errors)
{
  guint *count = &counts[section - sections];

  if (++*count <= section->most)
    return TRUE;
  if (*count == section->most + 1)
    config_errors_add (errors, &block->place, "more than %u blocks \"%s\"", section->most,
                       block->type);
  return FALSE;
}

/* Only a listener has blocks of its own: filters that it changes. */
static void
check_inner_blocks (const ConfigBlock *block, ConfigErrors *errors)
{
  gboolean takes_filters = strcmp (block->type, "listener") == 0;
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < block->blocks->len; i++)
    {
      const ConfigBlock *inner = g_ptr_array_index (block->blocks, i);

      if (!takes_filters || strcmp (inner->type, "filter") != 0)
        {
          report_unknown_block (inner, block, errors);
          continue;
        }
      if (check_title (find_section ("filter"), inner, errors))
        check_doubled (seen, inner, errors);
      check_inner_blocks (inner, errors);
    }
}

void
bind_sections (Config *config, ConfigErrors *errors)
{
  const ConfigBlock *root = config->tree;
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  /* Without a block of its own, `limits` has its defaults. */
  g_autoptr (GPtrArray) empty = g_ptr_array_new ();
  const ConfigBlock no_limits = { .type = (gchar *) "limits", .settings = empty, .blocks = empty };
  guint counts[G_N_ELEMENTS (sections)] = { 0 };

  bind_block (root, "", config, errors);
  for (guint i = 0; i < root->blocks->len; i++)
    {
      const ConfigBlock *block = g_ptr_array_index (root->blocks, i);
      const Section *section = find_section (block->type);

      if (section == NULL)
        {
          report_unknown_block (block, root, errors);
          continue;
        }
      check_inner_blocks (block, errors);
      if (check_title (section, block, errors) && check_doubled (seen, block, errors)
          && check_count (counts, section, block, errors))
        section->bind (config, block, errors);
    }
  if (!g_hash_table_contains (seen, "limits "))
    bind_block (&no_limits, "limits", config, errors);
}

static void
clear_listener (ConfigListener *listener)
{
  config_options_clear (config_section_options ("listener"), listener);
  g_free (listener->name);
  g_free (listener->endpoints);
  g_free (listener->filters);
  g_free (listener->routes);
  g_free (listener->relay_networks);
  g_free (listener->proxy_from.networks);
  g_free (listener->xclient_from.networks);
  g_free (listener->xforward_from.networks);
  g_free (listener);
}

static void
clear_route (ConfigRoute *route)
{
  config_options_clear (config_section_options ("route"), route);
  g_free (route->name);
  for (guint i = 0; i < route->n_destinations; i++)
    destination_clear (&route->destinations[i]);
  g_free (route->destinations);
  g_free (route);
}

static void
clear_filter (ConfigFilter *filter)
{
  config_options_clear (config_section_options ("filter"), filter);
  g_clear_pointer (&filter->conditions, g_ptr_array_unref);
  override_clear (filter);
  g_free (filter->name);
  g_free (filter);
}

static void
clear_tls (ConfigTls *tls)
{
  config_options_clear (config_section_options ("tls"), tls);
  g_free (tls->name);
  g_free (tls);
}

void
bind_clear (Config *config)
{
  g_ptr_array_foreach (config->listeners, (GFunc) (void (*) (void)) clear_listener, NULL);
  g_ptr_array_foreach (config->routes, (GFunc) (void (*) (void)) clear_route, NULL);
  g_ptr_array_foreach (config->filters, (GFunc) (void (*) (void)) clear_filter, NULL);
  g_ptr_array_foreach (config->tls, (GFunc) (void (*) (void)) clear_tls, NULL);
  config_options_clear (config_section_options (""), config);
}
