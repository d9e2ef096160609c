/* Filter modules: found by name, checked, bound to their block of the configuration, loaded. Runs
 * in the generation (and in `check`, `try` and `filters`) before workers are forked. Every error is
 * added to ConfigErrors with file, line and column; nothing is loaded by halves. */
#pragma once

#include <mailweir/filter.h>

#include "config/config.h"
#include "ipc/hook.h"

/* One configured filter with its module. */
#define WORKER_MAX_COMMANDS 64 /* that one filter adds */

typedef WeirVerdict (*WorkerCommandRun) (WeirContext *context, const char *argument);

typedef struct
{
  const WeirFilter *filter;   /* the module's constant; lives until the process ends */
  const ConfigFilter *config; /* borrowed from the Config */
  gpointer block;        /* config_size bytes filled from the options; NULL when config_size is 0 */
  IpcFilterFacts facts;  /* hooks (those that `load` has left), edits, state size and commands, for
                            the gateway */
  GArray *runs;          /* of WorkerCommandRun, one for each of facts.commands; NULL: none */
  ConfigOption *options; /* the module's table in the configuration's own type; owned */
} WorkerFilter;

typedef struct _WorkerModules WorkerModules;

/* Opens DIRECTORY/NAME.so or DIRECTORY/NAME/NAME.so in the first of `directories` (NULL-terminated)
 * that has it; a name with a '/' is the path of a module. Checks the constant `weir_filter`: abi,
 * size, name, sizes, option and command tables. NULL: error says what is wrong with which file. A
 * module stays open until the process ends. */
const WeirFilter *worker_module_open (const gchar *name, const gchar *const *directories,
                                      GError **error);
/* Whether a filter may add this command. `path` names the module in errors. */
gboolean worker_module_check_verb (const gchar *verb, const gchar *path, GError **error);
/* The names of all modules in the directories, sorted; NULL-terminated, caller frees with
 * g_strfreev(). Nothing is opened. */
gchar **worker_module_list (const gchar *const *directories);
/* A module's options as a table for config_options_print() and config_options_bind(); strings are
 * the module's, the caller frees the table with g_free(). */
ConfigOption *worker_module_options (const WeirFilter *filter);
/* What the module subscribes to, as bits of IpcHook. */
guint32 worker_module_hooks (const WeirFilter *filter);

/* Loads a module for each of config->filters: binds its options, calls its `load`, and makes sure
 * that it left no thread and no descriptor behind. NULL when there was any error. The Config must
 * outlive the result. */
WorkerModules *worker_modules_load (const Config *config, const gchar *const *directories,
                                    ConfigErrors *errors);
void worker_modules_free (WorkerModules *modules); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WorkerModules, worker_modules_free)

/* In the order of config->filters: ConfigFilter.index is the index here. */
guint worker_modules_count (const WorkerModules *modules);
const WorkerFilter *worker_modules_nth (const WorkerModules *modules, guint index);
