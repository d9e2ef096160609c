/* A chain run as the gateway runs it, for `mailweir try`: each request goes to a real worker
 * process, so that a filter's crash or hang is that filter's alone. */
#pragma once

#include "chain/chain.h"
#include "worker/modules.h"

typedef struct _TryWorker TryWorker;

/* All borrowed; single-threaded processes only: it forks. */
TryWorker *try_worker_new (const Config *config, const WorkerModules *modules);
void try_worker_free (TryWorker *worker); /* ends the process; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TryWorker, try_worker_free)

/* Sees each record before the chain does; `why` instead when the filter gave none. */
typedef void (*TryRecordFunc) (const ChainFilter *filter, const IpcRecord *record, const gchar *why,
                               gpointer data);

/* Runs the hook in `request` (all but what chain_fill_request() sets) over the whole chain: then
 * chain_outcome() has the result. Waits at most each filter's timeout. */
void try_worker_run (TryWorker *worker, ChainState *state, IpcRequest *request, TryRecordFunc func,
                     gpointer data);
