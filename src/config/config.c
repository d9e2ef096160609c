/* A configuration from its text: parse, bind, link, check; each step goes on with what the one
 * before could read, so that all errors are known at once. With one error there is no
 * configuration. */
#include "config/config.h"
#include "config/check.h"

#include <string.h>

/* What a session without a configuration runs with. */
static const gchar built_in_path[] = "(built-in)";
static const gchar built_in_text[] = "listener \"local\" {\n"
                                     "  bind   = [\"127.0.0.1:2525\"]\n"
                                     "  routes = [\"mail\"]\n"
                                     "}\n"
                                     "route \"mail\" {\n"
                                     "  to = [\"maildir:./mail\"]\n"
                                     "}\n";

static Config *
config_new (void)
{
  Config *config = g_new0 (Config, 1);

  config->tls = g_ptr_array_new ();
  config->listeners = g_ptr_array_new ();
  config->routes = g_ptr_array_new ();
  config->filters = g_ptr_array_new ();
  return config;
}

void
config_free (Config *config)
{
  if (config == NULL)
    return;
  bind_clear (config);
  config_options_clear (config_section_options ("limits"), config);
  g_ptr_array_unref (config->tls);
  g_ptr_array_unref (config->listeners);
  g_ptr_array_unref (config->routes);
  g_ptr_array_unref (config->filters);
  config_block_free (config->tree);
  g_free (config);
}

/* Defaults that depend on something else than the table. */
static void
complete (Config *config)
{
  if (config->hostname == NULL)
    config->hostname = g_strdup (g_get_host_name ());
  for (guint i = 0; i < config->filters->len; i++)
    {
      ConfigFilter *filter = g_ptr_array_index (config->filters, i);

      if (config_block_setting (filter->block, "timeout") == NULL)
        filter->timeout = MIN (filter->timeout, config->deadline);
    }
}

Config *
config_read (ConfigSources *sources, const gchar *path, ConfigErrors *errors)
{
  Config *config = config_new ();

  if (path == NULL)
    config_sources_add (sources, built_in_path, built_in_text);
  config->tree = config_tree_parse (sources, path != NULL ? path : built_in_path, errors);
  bind_sections (config, errors);
  complete (config);
  link_sections (config, errors);
  check_sections (config, errors);
  config_errors_sort (errors);
  return config;
}

Config *
config_load (ConfigSources *sources, const gchar *path, ConfigErrors *errors)
{
  guint before = config_errors_count (errors);
  g_autoptr (Config) config = config_read (sources, path, errors);

  return config_errors_count (errors) == before ? g_steal_pointer (&config) : NULL;
}

/* ---- Files beside the configuration ---- */

static void
read_file (ConfigSources *sources, const ConfigBlock *block, const gchar *option, const gchar *path,
           ConfigErrors *errors)
{
  g_autoptr (GError) error = NULL;

  if (path != NULL && config_sources_read (sources, path, &error) == NULL)
    config_errors_add (errors, config_block_place_of (block, option), "cannot read \"%s\": %s",
                       path, error->message);
}

/* Read here, so that a bad one is found before the gateway starts. */
static void
read_password (ConfigSources *sources, const ConfigRoute *route, ConfigErrors *errors)
{
  g_autoptr (GError) error = NULL;
  gchar *password
      = route->password_file != NULL ? config_route_password (route, sources, &error) : NULL;

  if (error != NULL)
    config_errors_add (errors, config_block_place_of (route->block, "password-file"), "%s",
                       error->message);
  if (password != NULL)
    explicit_bzero (password, strlen (password));
  g_free (password);
}

gboolean
config_read_files (const Config *config, ConfigSources *sources, ConfigErrors *errors)
{
  guint before = config_errors_count (errors);

  for (guint i = 0; i < config->tls->len; i++)
    {
      const ConfigTls *tls = g_ptr_array_index (config->tls, i);

      read_file (sources, tls->block, "certificate", tls->certificate, errors);
      read_file (sources, tls->block, "key", tls->key, errors);
    }
  for (guint i = 0; i < config->routes->len; i++)
    {
      const ConfigRoute *route = g_ptr_array_index (config->routes, i);

      read_file (sources, route->block, "tls-ca", route->tls_ca, errors);
      read_file (sources, route->block, "tls-certificate", route->tls_certificate, errors);
      read_file (sources, route->block, "tls-key", route->tls_key, errors);
      read_password (sources, route, errors);
    }
  return config_errors_count (errors) == before;
}
