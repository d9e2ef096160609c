/* Loading the modules of a configuration: options from each filter's block, then the module's own
 * `load`. Errors of all filters are collected with file, line and column; a module that leaves a
 * thread or a descriptor behind is named, since only a single-threaded process may fork. */
#include "worker/modules.h"

#include <string.h>

struct _WorkerModules
{
  GPtrArray *filters; /* of WorkerFilter */
};

struct _WeirLoad
{
  const ConfigFilter *config;
  ConfigErrors *errors;     /* what was reported before the last error */
  const ConfigPlace *place; /* of the last error */
  guint32 hooks;            /* that are wanted of those the module has */
  WorkerFilter *filter;
};

/* The numbers of filter.h are those that travel. */
G_STATIC_ASSERT ((guint) WEIR_HOOK_CONNECT == IPC_HOOK_BIT (IPC_HOOK_CONNECT));
G_STATIC_ASSERT ((guint) WEIR_HOOK_END_OF_MESSAGE == IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE));
G_STATIC_ASSERT ((guint) WEIR_HOOK_SESSION_OVER == IPC_HOOK_BIT (IPC_HOOK_SESSION_OVER));

static void
filter_free (gpointer data)
{
  WorkerFilter *filter = data;

  if (filter->options != NULL)
    config_options_clear (filter->options, filter->block);
  g_free (filter->options);
  g_free (filter->block);
  ipc_filter_facts_clear (&filter->facts);
  g_clear_pointer (&filter->runs, g_array_unref);
  g_free (filter);
}

void
worker_modules_free (WorkerModules *modules)
{
  if (modules == NULL)
    return;
  g_ptr_array_unref (modules->filters);
  g_free (modules);
}

guint
worker_modules_count (const WorkerModules *modules)
{
  return modules->filters->len;
}

const WorkerFilter *
worker_modules_nth (const WorkerModules *modules, guint index)
{
  return g_ptr_array_index (modules->filters, index);
}

const char *
weir_load_name (WeirLoad *load)
{
  return load->config->name;
}

void
weir_load_error (WeirLoad *load, GError **error, const char *option, const char *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (error != NULL && *error != NULL)
    {
      config_errors_add (load->errors, load->place, "filter \"%s\": %s", load->config->name,
                         (*error)->message);
      g_clear_error (error);
    }
  load->place = option == NULL ? &load->config->block->place
                               : config_block_place_of (load->config->block, option);
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, text);
}

void
weir_load_hooks (WeirLoad *load, guint hooks)
{
  load->hooks &= hooks | IPC_HOOK_BIT (IPC_HOOK_COMMAND);
}

/* Entries of a folder of /proc/self; the folder's own descriptor counts each time alike. */
static guint
count_entries (const gchar *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint count = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    count++;
  return count;
}

static gboolean
bind_options (WorkerFilter *filter, ConfigErrors *errors)
{
  const ConfigOption *tables[] = { config_section_options ("filter"), filter->options, NULL };
  ConfigFilter common = { 0 };
  gpointer targets[] = { &common, filter->block, NULL };
  gboolean fine = config_options_bind (filter->config->block, tables, targets, errors);

  config_options_clear (tables[0], &common);
  return fine;
}

static void
add_command (WorkerFilter *filter, const WeirCommand *command)
{
  if (filter->runs == NULL)
    {
      filter->runs = g_array_new (FALSE, FALSE, sizeof (WorkerCommandRun));
      filter->facts.commands = g_ptr_array_new_with_free_func ((GDestroyNotify) ipc_command_free);
    }
  g_array_append_val (filter->runs, command->run);
  g_ptr_array_add (filter->facts.commands,
                   ipc_command_new (command->verb, command->states, command->announce));
}

static gboolean
has_verb (const WorkerFilter *filter, const gchar *verb)
{
  const GPtrArray *commands = filter->facts.commands;

  for (guint i = 0; commands != NULL && i < commands->len; i++)
    if (g_ascii_strcasecmp (((const IpcCommand *) commands->pdata[i])->verb, verb) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
call_load (WorkerFilter *filter, ConfigErrors *errors)
{
  WeirLoad load = { .config = filter->config,
                    .errors = errors,
                    .place = &filter->config->block->place,
                    .hooks = filter->facts.hooks,
                    .filter = filter };
  g_autoptr (GError) error = NULL;

  if (filter->filter->load == NULL || filter->filter->load (&load, filter->block, &error))
    {
      filter->facts.hooks = load.hooks;
      return TRUE;
    }
  config_errors_add (errors, load.place, "filter \"%s\": %s", filter->config->name,
                     error == NULL ? "its module did not load, and did not say why"
                                   : error->message);
  return FALSE;
}

static void
collect_facts (WorkerFilter *filter)
{
  const WeirFilter *module = filter->filter;

  filter->facts.hooks = worker_module_hooks (module);
  filter->facts.edits = module->edits;
  filter->facts.state_size = (guint32) module->state_size;
  if ((filter->facts.hooks & IPC_HOOK_BIT (IPC_HOOK_COMMAND)) == 0)
    return;
  for (const WeirCommand *command = module->commands; command->verb != NULL; command++)
    add_command (filter, command);
}

gboolean
weir_load_command (WeirLoad *load, const WeirCommand *command, GError **error)
{
  WorkerFilter *filter = load->filter;

  if (!worker_module_check_verb (command->verb, load->config->module, error))
    return FALSE;
  if (has_verb (filter, command->verb))
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "the command \"%s\" is added twice",
                   command->verb);
      return FALSE;
    }
  if (filter->runs != NULL && filter->runs->len >= WORKER_MAX_COMMANDS)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "more than %d commands",
                   WORKER_MAX_COMMANDS);
      return FALSE;
    }
  add_command (filter, command);
  load->hooks |= IPC_HOOK_BIT (IPC_HOOK_COMMAND);
  return TRUE;
}

static gboolean
check_leftovers (const WorkerFilter *filter, guint threads, guint descriptors, ConfigErrors *errors)
{
  const ConfigPlace *place = &filter->config->block->place;
  guint more_threads = count_entries ("/proc/self/task") - threads;
  guint more_descriptors = count_entries ("/proc/self/fd") - descriptors;

  if (more_threads != 0)
    config_errors_add (errors, place, "filter \"%s\": module \"%s\" started a thread in load",
                       filter->config->name, filter->config->module);
  if (more_descriptors != 0)
    config_errors_add (errors, place, "filter \"%s\": module \"%s\" left a descriptor open in load",
                       filter->config->name, filter->config->module);
  return more_threads == 0 && more_descriptors == 0;
}

/* The filter is added to the list in any case, so that what it holds is freed. */
static void
load_filter (WorkerModules *modules, const ConfigFilter *config, const gchar *const *directories,
             ConfigErrors *errors)
{
  WorkerFilter *filter = g_new0 (WorkerFilter, 1);
  g_autoptr (GError) error = NULL;
  guint threads = count_entries ("/proc/self/task");
  guint descriptors = count_entries ("/proc/self/fd");

  filter->config = config;
  g_ptr_array_add (modules->filters, filter);
  filter->filter = worker_module_open (config->module, directories, &error);
  if (filter->filter == NULL)
    {
      config_errors_add (errors, config_block_place_of (config->block, "module"),
                         "filter \"%s\": %s", config->name, error->message);
      return;
    }
  if (filter->filter->config_size > 0)
    filter->block = g_malloc0 (filter->filter->config_size);
  filter->options = worker_module_options (filter->filter);
  collect_facts (filter);
  if (bind_options (filter, errors) && call_load (filter, errors))
    check_leftovers (filter, threads, descriptors, errors);
}

/* A module that stands in a chain twice is asked twice, as for any other command. */
static void
check_verbs_of (const WorkerModules *modules, const ConfigListener *listener, guint index,
                ConfigErrors *errors)
{
  const WorkerFilter *filter = worker_modules_nth (modules, listener->filters[index]->index);
  const GPtrArray *commands = filter->facts.commands;

  for (guint i = 0; commands != NULL && i < commands->len; i++)
    for (guint j = 0; j < index; j++)
      {
        const gchar *verb = ((const IpcCommand *) commands->pdata[i])->verb;
        const WorkerFilter *other = worker_modules_nth (modules, listener->filters[j]->index);

        if (other->filter != filter->filter && has_verb (other, verb))
          config_errors_add (errors, config_block_place_of (listener->block, "filters"),
                             "listener \"%s\": filters \"%s\" and \"%s\" both add the command %s",
                             listener->name, other->config->name, filter->config->name, verb);
      }
}

static void
check_verbs (const WorkerModules *modules, const Config *config, ConfigErrors *errors)
{
  for (guint i = 0; i < config->listeners->len; i++)
    {
      const ConfigListener *listener = g_ptr_array_index (config->listeners, i);

      for (guint j = 0; j < listener->n_filters; j++)
        check_verbs_of (modules, listener, j, errors);
    }
}

WorkerModules *
worker_modules_load (const Config *config, const gchar *const *directories, ConfigErrors *errors)
{
  g_autoptr (WorkerModules) modules = g_new0 (WorkerModules, 1);
  guint before = config_errors_count (errors);

  modules->filters = g_ptr_array_new_with_free_func (filter_free);
  for (guint i = 0; i < config->filters->len; i++)
    load_filter (modules, g_ptr_array_index (config->filters, i), directories, errors);
  check_verbs (modules, config, errors);
  return config_errors_count (errors) == before ? g_steal_pointer (&modules) : NULL;
}
