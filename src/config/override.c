/* A filter as one listener has it: options in a block `filter "name" { … }` inside the listener's
 * stand in the place of the filter's own. It becomes a filter of its own with the same name, so
 * that the module's table checks it as any other. All errors are reported by place. */
#include "config/check.h"

#include <string.h>

static guint
find_filter (const ConfigListener *listener, const gchar *name)
{
  guint i = 0;

  while (i < listener->n_filters && strcmp (listener->filters[i]->name, name) != 0)
    i++;
  return i;
}

/* The filter's settings, those of `change` before its own. Settings are borrowed. */
static ConfigBlock *
merge (const ConfigBlock *base, const ConfigBlock *change)
{
  ConfigBlock *merged = g_new0 (ConfigBlock, 1);

  merged->type = base->type;
  merged->title = base->title;
  merged->place = base->place;
  merged->damaged = base->damaged || change->damaged;
  merged->blocks = g_ptr_array_new ();
  merged->settings = g_ptr_array_new ();
  g_ptr_array_extend (merged->settings, change->settings, NULL, NULL);
  for (guint i = 0; i < base->settings->len; i++)
    {
      ConfigSetting *setting = g_ptr_array_index (base->settings, i);

      if (config_block_setting (change, setting->name) == NULL)
        g_ptr_array_add (merged->settings, setting);
    }
  return merged;
}

static ConfigFilter *
derive (Config *config, const ConfigFilter *base, const ConfigBlock *change, ConfigErrors *errors)
{
  ConfigFilter *filter = g_new0 (ConfigFilter, 1);

  filter->name = g_strdup (base->name);
  filter->index = config->filters->len;
  filter->merged = merge (base->block, change);
  filter->block = filter->merged;
  g_ptr_array_add (config->filters, filter);
  config_options_bind_known (filter->block, config_section_options ("filter"), filter, errors);
  if (config_block_setting (filter->block, "timeout") == NULL)
    filter->timeout = MIN (filter->timeout, config->deadline);
  link_filter (filter, errors);
  return filter;
}

static gboolean
may_change (const Config *config, const ConfigListener *listener, guint index,
            const ConfigBlock *change, ConfigErrors *errors)
{
  const ConfigSetting *module = config_block_setting (change, "module");

  if (config->filters->len >= CONFIG_MAX_FILTERS)
    config_errors_add (errors, &change->place,
                       "more than %d filters, with those that listeners change",
                       CONFIG_MAX_FILTERS);
  else if (module != NULL)
    config_errors_add (errors, &module->place,
                       "listener \"%s\" can not give filter \"%s\" another module", listener->name,
                       change->title);
  else if (index < listener->n_filters)
    return TRUE;
  else if (!config->tree->damaged)
    config_errors_add (errors, &change->place,
                       "filter \"%s\" is not among the filters of listener \"%s\"", change->title,
                       listener->name);
  return FALSE;
}

void
override_filters (Config *config, ConfigListener *listener, ConfigErrors *errors)
{
  for (guint i = 0; i < listener->block->blocks->len; i++)
    {
      const ConfigBlock *change = g_ptr_array_index (listener->block->blocks, i);
      guint index;

      if (strcmp (change->type, "filter") != 0 || change->title == NULL)
        continue; /* has been reported */
      index = find_filter (listener, change->title);
      if (may_change (config, listener, index, change, errors))
        listener->filters[index] = derive (config, listener->filters[index], change, errors);
    }
}

void
override_clear (ConfigFilter *filter)
{
  if (filter->merged == NULL)
    return;
  g_ptr_array_unref (filter->merged->settings);
  g_ptr_array_unref (filter->merged->blocks);
  g_clear_pointer (&filter->merged, g_free);
}
