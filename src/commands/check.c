/* mailweir check: everything that can be wrong with a configuration, found without starting
 * anything: grammar, meaning, files, users and filter modules. 78 and every error on standard
 * error, or 0. */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "commands/commands.h"
#include "supervisor/paths.h"
#include "supervisor/plan.h"
#include "worker/modules.h"

/* A module's `load` runs here, in our own process: it may do so in the generation as well. */
static void
check_modules (const Config *config, ConfigErrors *errors)
{
  g_auto (GStrv) directories = supervisor_module_directories (config);

  worker_modules_free (worker_modules_load (config, (const gchar *const *) directories, errors));
  config_errors_sort (errors);
}

/* The modules are asked even when something else is wrong: all errors are told at once. */
static void
check_modules_again (const gchar *path, ConfigErrors *errors)
{
  g_autoptr (ConfigErrors) known = config_errors_new ();
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (Config) config = config_read (sources, path, known);

  check_modules (config, errors);
}

static void
check (const gchar *path, ConfigErrors *errors)
{
  g_autoptr (SupervisorPlan) plan
      = supervisor_plan_load (path, SUPERVISOR_IDENTITY_CHECK, command_check_tls, errors);

  if (plan != NULL)
    check_modules (plan->config, errors);
  else
    check_modules_again (path, errors);
}

int
command_check (int argc, char **argv)
{
  g_autofree gchar *config = NULL;
  const GOptionEntry entries[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &config, "Check this configuration", "FILE" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- check a configuration");
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (GError) error = NULL;
  g_autofree gchar *text = NULL;
  const gchar *path;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      fprintf (stderr, "mailweir check: %s\n", error->message);
      return EX_USAGE;
    }
  if (argc > 1)
    return command_refuse_argument ("check", argv[1], TRUE);
  path = config != NULL ? config : supervisor_default_config ();
  check (path, errors);
  text = config_errors_to_string (errors);
  fputs (text, stderr);
  if (config_errors_count (errors) > 0)
    return EX_CONFIG;
  printf ("%s: ok\n", path != NULL ? path : "the built-in configuration");
  return EX_OK;
}
