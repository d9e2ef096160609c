/* Our own login at a route's server: what its options may say together, and the password itself,
 * which stands in a file of its own or in the configuration. No message names it. */
#include "config/check.h"

#include <string.h>

/* One line, whose end does not count. Caller frees. */
static gchar *
first_line (const gchar *text, gsize length)
{
  gsize line = 0;

  while (line < length && strchr ("\r\n", text[line]) == NULL)
    line++;
  for (gsize i = line; i < length; i++)
    if (text[i] != '\r' && text[i] != '\n')
      return NULL;
  if (line == 0 || line > CONFIG_MAX_PASSWORD || memchr (text, '\0', line) != NULL)
    return NULL;
  return g_strndup (text, line);
}

gchar *
config_route_password (const ConfigRoute *route, ConfigSources *sources, GError **error)
{
  GBytes *octets;
  const gchar *text;
  gchar *password;
  gsize length;

  if (route->password_file == NULL)
    return g_strdup (route->password);
  octets = config_sources_read (sources, route->password_file, error);
  if (octets == NULL)
    {
      g_prefix_error (error, "%s: ", route->password_file);
      return NULL;
    }
  text = g_bytes_get_data (octets, &length);
  password = first_line (text, length);
  if (password == NULL)
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                 "%s: expected one line, a password of 1 to %d octets", route->password_file,
                 CONFIG_MAX_PASSWORD);
  return password;
}

static gboolean
leads_to_a_host (const ConfigRoute *route)
{
  for (guint i = 0; i < route->n_destinations; i++)
    if (route->destinations[i].host == NULL)
      return FALSE;
  return TRUE;
}

static void
check_pair (const ConfigRoute *route, ConfigErrors *errors)
{
  const ConfigBlock *block = route->block;
  const gchar *given = route->password != NULL ? "password" : "password-file";

  if (route->password != NULL && route->password_file != NULL)
    config_errors_add (errors, config_block_place_of (block, "password"),
                       "\"password\" and \"password-file\": one of them is enough");
  if (route->user == NULL)
    config_errors_add (errors, config_block_place_of (block, given), "\"%s\" without \"user\"",
                       given);
  else if (route->password == NULL && route->password_file == NULL)
    config_errors_add (errors, config_block_place_of (block, "user"),
                       "\"user\" without \"password\" or \"password-file\"");
}

static void
check_length (const ConfigRoute *route, const gchar *option, const gchar *value,
              ConfigErrors *errors)
{
  const ConfigPlace *place = config_block_place_of (route->block, option);

  if (value == NULL)
    return;
  if (*value == '\0')
    config_errors_add (errors, place, "\"%s\" is empty", option);
  else if (strlen (value) > CONFIG_MAX_PASSWORD)
    config_errors_add (errors, place, "\"%s\" is longer than %d octets", option,
                       CONFIG_MAX_PASSWORD);
}

void
check_login (const ConfigRoute *route, ConfigErrors *errors)
{
  if (route->user == NULL && route->password == NULL && route->password_file == NULL)
    return;
  check_pair (route, errors);
  check_length (route, "user", route->user, errors);
  check_length (route, "password", route->password, errors);
  check_length (route, "password-file", route->password_file, errors);
  if (route->user != NULL && route->xclient)
    config_errors_add (
        errors, config_block_place_of (route->block, "user"),
        "route \"%s\" can not have both \"user\" and \"xclient\": XCLIENT ends a login",
        route->name);
  if (route->user != NULL && route->n_destinations > 0 && !leads_to_a_host (route))
    config_errors_add (errors, config_block_place_of (route->block, "user"),
                       "route \"%s\" leads to no server that one could log in to", route->name);
}
