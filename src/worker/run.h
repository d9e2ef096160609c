/* Runs one request through a listener's chain, filter by filter. No sockets: the worker's loop,
 * `mailweir try` and the tests call it.
 *
 * A filter's fault that can be seen (a bad verdict, an undeclared edit) makes its record `failed`;
 * a crash takes the process. */
#pragma once

#include "ipc/record.h"
#include "worker/modules.h"

typedef struct _Worker Worker;

/* `config` and `modules` are borrowed and must outlive the worker. */
Worker *worker_new (const Config *config, const WorkerModules *modules);
void worker_free (Worker *worker); /* calls `stop` of the filters that were started; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Worker, worker_free)

/* Calls every module's `start`. FALSE: error names the filter. */
gboolean worker_start (Worker *worker, GError **error);

/* One finished record. It is freed after the call; what the callee wants to keep it takes out (and
 * sets to NULL, or -1 the descriptor). */
typedef void (*WorkerRecordFunc) (IpcRecord *record, gpointer data);

/* Runs the chain of the request's listener from request->first on. request->hook END_OF_MESSAGE
 * runs, filter by filter, `header` for each field, `end_of_headers`, `body` for each chunk and
 * `end_of_message`; END_OF_HEADERS the first two; every other one itself.
 *
 * A record is made for each filter that subscribes to the hook and has not asked to be skipped,
 * before the next one starts; the last one says `last`. If there is none to run, one record PASS
 * for request->first is made, so there always is a last one. The chain ends early at a refusal,
 * close, discard, quarantine or failure, but not of a filter in shadow (enforce = false), nor at a
 * failure of one with on-failure = "pass": those go on, without that filter's edits. Before filters
 * that need the body, the message is held against the configured limits: past one the first
 * filter's record is the refusal (it did not run, 0 microseconds), or, with over-limit = "pass",
 * MIME is not offered. The refusal of a limit ends the chain even at a filter in shadow: the
 * record's `limit` is set.
 *
 * The request is only read; its descriptors stay the caller's. */
void worker_run_request (Worker *worker, const IpcRequest *request, WorkerRecordFunc func,
                         gpointer data);
