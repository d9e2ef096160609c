/* What the tests of the worker share: a configuration from text, its modules, a request, the
 * records that come back. */
#pragma once

#include "worker/run.h"

typedef struct
{
  Config *config;
  WorkerModules *modules;
  Worker *worker;
  IpcRequest *request;
  GPtrArray *records; /* of IpcRecord */
} Bench;

/* `filters` are the filter blocks, f0, f1, … in the chain's order of `names` ("\"f0\", \"f1\"");
 * `more` goes to the top of the file. */
void bench_open (Bench *bench, const gchar *more, const gchar *names, const gchar *filters);
void bench_close (Bench *bench);
/* A request with a full session and envelope, and `message` (NULL: none). Replaces the one before.
 */
IpcRequest *bench_request (Bench *bench, IpcHook hook, const gchar *message);
/* Runs the request; the records are the bench's. Returns the last one, and checks that it says so.
 */
IpcRecord *bench_run (Bench *bench);
IpcRecord *bench_record (Bench *bench, guint index);
/* The text of the message after the record's edits; caller frees. */
gchar *bench_apply (Bench *bench, const IpcRecord *record);
const gchar *bench_note (const IpcRecord *record, const gchar *name);
