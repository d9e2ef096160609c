/* The certificates, keys and authorities of a configuration, tried as the gateway will use them.
 * Errors name the option. A file that could not be read is somebody else's error. */
#include "blocking/tls.h"
#include "commands/commands.h"

typedef struct
{
  const ConfigBlock *block;
  const gchar *certificate_option, *key_option;
  const gchar *certificate, *key; /* paths; key NULL: in the certificate's file */
  gboolean any_strength;
} Pair;

static void
report (ConfigErrors *errors, const ConfigBlock *block, const gchar *option, const gchar *path,
        const GError *error)
{
  config_errors_add (errors, config_block_place_of (block, option), "\"%s\" (%s): %s", option, path,
                     error->message);
}

static void
check_key (const Pair *pair, GBytes *certificate, GBytes *key, ConfigErrors *errors)
{
  g_autoptr (GError) error = NULL;

  if (blocking_tls_check_pair (certificate, key, pair->any_strength, &error))
    return;
  if (pair->key != NULL)
    report (errors, pair->block, pair->key_option, pair->key, error);
  else
    config_errors_add (errors, config_block_place_of (pair->block, pair->certificate_option),
                       "\"%s\" is not set, and \"%s\" (%s) does not serve as key: %s",
                       pair->key_option, pair->certificate_option, pair->certificate,
                       error->message);
}

static void
check_pair (const Pair *pair, ConfigSources *secrets, ConfigErrors *errors)
{
  g_autoptr (GError) error = NULL;
  GBytes *certificate = config_sources_read (secrets, pair->certificate, NULL);
  GBytes *key = pair->key == NULL ? certificate : config_sources_read (secrets, pair->key, NULL);

  if (certificate == NULL)
    return;
  if (!blocking_tls_check_certificate (certificate, pair->any_strength, &error))
    report (errors, pair->block, pair->certificate_option, pair->certificate, error);
  else if (key != NULL)
    check_key (pair, certificate, key, errors);
}

static void
check_block (const ConfigTls *tls, ConfigSources *secrets, ConfigErrors *errors)
{
  const Pair pair = { .block = tls->block,
                      .certificate_option = "certificate",
                      .key_option = "key",
                      .certificate = tls->certificate,
                      .key = tls->key };

  check_pair (&pair, secrets, errors);
}

static void
check_route (const ConfigRoute *route, ConfigSources *secrets, ConfigErrors *errors)
{
  const Pair pair = { .block = route->block,
                      .certificate_option = "tls-certificate",
                      .key_option = "tls-key",
                      .certificate = route->tls_certificate,
                      .key = route->tls_key,
                      .any_strength = route->tls < CONFIG_UPSTREAM_TLS_REQUIRED };
  GBytes *authorities
      = route->tls_ca == NULL ? NULL : config_sources_read (secrets, route->tls_ca, NULL);
  g_autoptr (GError) error = NULL;

  if (route->tls_certificate != NULL)
    check_pair (&pair, secrets, errors);
  if (authorities != NULL && !blocking_tls_check_authorities (authorities, &error))
    report (errors, route->block, "tls-ca", route->tls_ca, error);
}

void
command_check_tls (const Config *config, ConfigSources *secrets, ConfigErrors *errors)
{
  for (guint i = 0; i < config->tls->len; i++)
    check_block (g_ptr_array_index (config->tls, i), secrets, errors);
  for (guint i = 0; i < config->routes->len; i++)
    check_route (g_ptr_array_index (config->routes, i), secrets, errors);
}
