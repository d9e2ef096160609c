/* Where a route leads: smtp://host:port, smtps://host:port, lmtp://host:port, lmtp:/path/to/socket,
 * mx:, maildir:/path, discard:. */
#include "config/check.h"

#include <string.h>

typedef struct
{
  const gchar *prefix;
  ConfigDestinationKind kind;
  guint port; /* without one */
} Scheme;

/* "lmtp:" is the UNIX socket's, tried behind lmtp://host. */
static const Scheme schemes[] = {
  { "smtp://", CONFIG_DESTINATION_SMTP, 25 },    { "smtps://", CONFIG_DESTINATION_SMTPS, 465 },
  { "lmtp://", CONFIG_DESTINATION_LMTP, 24 },    { "lmtp:", CONFIG_DESTINATION_LMTP, 0 },
  { "maildir:", CONFIG_DESTINATION_MAILDIR, 0 }, { "discard:", CONFIG_DESTINATION_DISCARD, 0 },
  { "mx:", CONFIG_DESTINATION_MX, 25 },
};

static const Scheme *
find_scheme (const gchar *text)
{
  for (guint i = 0; i < G_N_ELEMENTS (schemes); i++)
    if (g_ascii_strncasecmp (text, schemes[i].prefix, strlen (schemes[i].prefix)) == 0)
      return &schemes[i];
  return NULL;
}

/* `text` is "host:port" and nothing more. NULL: fine, else what is wrong; caller frees. */
static gchar *
parse_host (const gchar *text, guint port, ConfigDestination *destination)
{
  g_autoptr (GError) error = NULL;

  if (strpbrk (text, "/@?# \t\"\\") != NULL)
    return g_strdup ("only a host and a port may follow \"//\"");
  if (!base_host_port_parse (text, port, &destination->host, &destination->port, &error))
    return g_strdup (error->message);
  return NULL;
}

/* A UNIX socket's path has to fit into its address. Returns as above. */
static gchar *
parse_socket (const gchar *path, ConfigDestination *destination)
{
  g_autoptr (GError) error = NULL;
  BaseEndpoint endpoint;

  if (*path != '/')
    return g_strdup ("expected lmtp://host:port or lmtp: and the absolute path of a socket");
  if (!base_endpoint_parse (path, &endpoint, &error))
    return g_strdup (error->message);
  destination->path = g_strdup (path);
  return NULL;
}

/* Nothing, or another port than 25. */
static gchar *
parse_mx (const gchar *text, guint port, ConfigDestination *destination)
{
  guint64 number = port;

#ifndef MAILWEIR_UNBOUND
  return g_strdup ("this Mailweir was built without libunbound, which looks the mail hosts up");
#endif
  if (*text != '\0'
      && (!g_ascii_isdigit (*text)
          || !g_ascii_string_to_unsigned (text, 10, 1, 65535, &number, NULL)))
    return g_strdup ("only a port may follow \"mx:\"");
  destination->port = (guint) number;
  return NULL;
}

/* The part behind the scheme; returns as above. */
static gchar *
parse_rest (const Scheme *scheme, const gchar *rest, ConfigDestination *destination)
{
  switch (destination->kind)
    {
    case CONFIG_DESTINATION_SMTP:
    case CONFIG_DESTINATION_SMTPS:
      return parse_host (rest, scheme->port, destination);
    case CONFIG_DESTINATION_LMTP:
      return scheme->port == 0 ? parse_socket (rest, destination)
                               : parse_host (rest, scheme->port, destination);
    case CONFIG_DESTINATION_MX:
      return parse_mx (rest, scheme->port, destination);
    case CONFIG_DESTINATION_MAILDIR:
      if (*rest == '\0')
        return g_strdup ("the path of the Maildir is missing");
      destination->path = g_strdup (rest);
      return NULL;
    case CONFIG_DESTINATION_DISCARD:
      return *rest == '\0' ? NULL : g_strdup ("nothing may follow \"discard:\"");
    }
  g_assert_not_reached ();
}

gboolean
destination_parse (const gchar *text, const ConfigPlace *place, ConfigDestination *destination,
                   ConfigErrors *errors)
{
  const Scheme *scheme = find_scheme (text);
  g_autofree gchar *quoted = config_quote (text);
  g_autofree gchar *wrong = NULL;

  memset (destination, 0, sizeof *destination);
  if (scheme == NULL)
    {
      config_errors_add (errors, place,
                         "expected smtp://host:port, smtps://host:port, lmtp://host:port, "
                         "lmtp:/path, mx:, maildir:/path or discard:, found %s",
                         quoted);
      return FALSE;
    }
  destination->kind = scheme->kind;
  wrong = parse_rest (scheme, text + strlen (scheme->prefix), destination);
  if (wrong == NULL)
    {
      destination->text = g_strdup (text);
      return TRUE;
    }
  config_errors_add (errors, place, "%s: %s", quoted, wrong);
  destination_clear (destination);
  return FALSE;
}

void
destination_clear (ConfigDestination *destination)
{
  g_clear_pointer (&destination->host, g_free);
  g_clear_pointer (&destination->path, g_free);
  g_clear_pointer (&destination->text, g_free);
}
