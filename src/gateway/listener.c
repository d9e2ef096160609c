/* What all sessions of a listener share: its chain, with the facts that the modules told, and its
 * limits. */
#include "gateway/session.h"

static const IpcFilterFacts *
facts_of (gconstpointer facts, guint nth)
{
  return &g_array_index ((const GArray *) facts, IpcFilterFacts, nth);
}

static void
clear_command (gpointer data)
{
  g_free ((gchar *) ((SmtpServerCommand *) data)->verb);
}

static gboolean
has_command (const GatewayListener *listener, const gchar *verb)
{
  for (guint i = 0; i < listener->commands->len; i++)
    if (g_ascii_strcasecmp (g_array_index (listener->commands, SmtpServerCommand, i).verb, verb)
        == 0)
      return TRUE;
  return FALSE;
}

/* The places of the machine are the states of filter.h, number by number. */
static void
add_commands (GatewayListener *listener, const IpcFilterFacts *facts, GString *announced)
{
  for (guint i = 0; facts->commands != NULL && i < facts->commands->len; i++)
    {
      const IpcCommand *command = facts->commands->pdata[i];
      if (has_command (listener, command->verb))
        continue;
      SmtpServerCommand row = { g_ascii_strup (command->verb, -1), command->states };
      g_array_append_val (listener->commands, row);
      if (command->announce)
        g_string_append_printf (announced, "%s%s", announced->len > 0 ? "\n" : "", row.verb);
    }
}

static void
collect_commands (GatewayListener *listener, const GArray *facts)
{
  const ConfigListener *config = listener->listener;
  g_autoptr (GString) announced = g_string_new (NULL);
  listener->commands = g_array_new (TRUE, TRUE, sizeof (SmtpServerCommand));
  g_array_set_clear_func (listener->commands, clear_command);
  for (guint i = 0; i < config->n_filters; i++)
    add_commands (listener, &g_array_index (facts, IpcFilterFacts, config->filters[i]->index),
                  announced);
  if (announced->len > 0)
    listener->announced = g_strdup (announced->str);
  if (listener->commands->len > 0)
    listener->limits.commands = (const SmtpServerCommand *) (gpointer) listener->commands->data;
}

GatewayListener *
gateway_listener_new (const Config *config, const ConfigListener *listener, const GArray *facts)
{
  GatewayListener *shared = g_new0 (GatewayListener, 1);
  shared->config = config;
  shared->listener = listener;
  chain_init (&shared->chain, listener, facts_of, facts);
  shared->limits = (SmtpServerLimits){
    .message_size = listener->message_size != 0 ? listener->message_size : config->message_size,
    .recipients = config->recipients,
    .line_length = 12288, /* RFC 4954 section 4.3.8 has the longest; the paths' own limits are in
                             base/address.h */
    .bad_commands = listener->bad_commands,
    .newlines = listener->newlines == CONFIG_NEWLINES_NORMALIZE ? SMTP_NEWLINES_NORMALIZE
                                                                : SMTP_NEWLINES_REFUSE,
    .require_helo = TRUE,
    .require_tls = listener->require_tls,
    .tell_refusals = TRUE,
    .lmtp = listener->protocol == CONFIG_PROTOCOL_LMTP,
  };
  collect_commands (shared, facts);
  shared->spool = (MessageSpoolLimits){ .memory = config->spool_memory,
                                        .directory = config->spool_directory };
  return shared;
}

void
gateway_listener_free (GatewayListener *listener)
{
  if (listener == NULL)
    return;
  chain_clear (&listener->chain);
  g_array_unref (listener->commands);
  g_free (listener->announced);
  g_free (listener);
}
