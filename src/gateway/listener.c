/* What all sessions of a listener share: its chain, with the facts that the modules told, and its
 * limits. */
#include "gateway/session.h"

static ChainFilter
chain_filter (const ConfigFilter *filter, const IpcFilterFacts *facts)
{
  return (ChainFilter){ .name = filter->name,
                        .hooks = facts->hooks,
                        .edits = facts->edits,
                        .state_size = facts->state_size,
                        .timeout = filter->timeout * 1000,
                        .on_failure = (ChainOnFailure) filter->on_failure,
                        .enforce = filter->enforce };
}

static void
build_chain (GatewayListener *listener, const GArray *facts)
{
  const ConfigListener *config = listener->listener;
  Chain *chain = &listener->chain;
  chain->n_filters = config->n_filters;
  chain->filters = g_new0 (ChainFilter, config->n_filters);
  for (guint i = 0; i < config->n_filters; i++)
    {
      const ConfigFilter *filter = config->filters[i];
      chain->filters[i]
          = chain_filter (filter, &g_array_index (facts, IpcFilterFacts, filter->index));
      chain->hooks |= chain->filters[i].hooks;
    }
}

GatewayListener *
gateway_listener_new (const Config *config, const ConfigListener *listener, const GArray *facts)
{
  GatewayListener *shared = g_new0 (GatewayListener, 1);
  shared->config = config;
  shared->listener = listener;
  build_chain (shared, facts);
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
  };
  shared->spool = (MessageSpoolLimits){ .memory = config->spool_memory,
                                        .directory = config->spool_directory };
  return shared;
}

void
gateway_listener_free (GatewayListener *listener)
{
  if (listener == NULL)
    return;
  g_free (listener->chain.filters);
  g_free (listener);
}
