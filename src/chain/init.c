/* A listener's chain: what the configuration says of each filter beside what its module told. Can
 * not fail. */
#include "chain/chain.h"

static ChainFilter
make_filter (const ConfigFilter *filter, const IpcFilterFacts *facts)
{
  return (ChainFilter){ .name = filter->name,
                        .hooks = facts->hooks,
                        .edits = facts->edits,
                        .state_size = facts->state_size,
                        .timeout = filter->timeout * 1000,
                        .on_failure = (ChainOnFailure) filter->on_failure,
                        .enforce = filter->enforce,
                        .only_if = filter->conditions };
}

void
chain_init (Chain *chain, const ConfigListener *listener,
            const IpcFilterFacts *(*facts) (gconstpointer data, guint nth), gconstpointer data)
{
  chain->n_filters = listener->n_filters;
  chain->filters = g_new0 (ChainFilter, listener->n_filters);
  chain->hooks = 0;
  for (guint i = 0; i < listener->n_filters; i++)
    {
      const ConfigFilter *filter = listener->filters[i];

      chain->filters[i] = make_filter (filter, facts (data, filter->index));
      chain->hooks |= chain->filters[i].hooks;
    }
}

void
chain_clear (Chain *chain)
{
  g_clear_pointer (&chain->filters, g_free);
}
