/* Reading a configuration for a generation to come. Everything that can be wrong with it is found
 * here or, for modules and keys, by the generation itself; nothing changes until then. */
#include "supervisor/plan.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/handoff.h"
#include "supervisor/folders.h"

BaseLogFormat
supervisor_plan_log_format (gint choice, const gchar *journal, gint descriptor)
{
  g_auto (GStrv) words = journal == NULL ? NULL : g_strsplit (journal, ":", 3);
  guint64 device, inode;
  struct stat status;

  if (choice == 2)
    return BASE_LOG_JSON;
  if (choice == 1 || words == NULL || g_strv_length (words) != 2
      || !g_ascii_string_to_unsigned (words[0], 10, 0, G_MAXUINT64, &device, NULL)
      || !g_ascii_string_to_unsigned (words[1], 10, 0, G_MAXUINT64, &inode, NULL)
      || fstat (descriptor, &status) < 0 || status.st_dev != device || status.st_ino != inode)
    return BASE_LOG_TEXT;
  return BASE_LOG_JOURNAL;
}

static gint
seal (const gchar *name, const ConfigSources *sources, const Config *config, ConfigErrors *errors)
{
  g_autoptr (GBytes) bundle = config_sources_to_bundle (sources);
  g_autoptr (GError) error = NULL;
  const gint descriptor = ipc_handoff_store (name, bundle, &error);

  if (descriptor < 0)
    config_errors_add (errors, &config->tree->place, "%s", error->message);
  return descriptor;
}

static void
complete (SupervisorPlan *plan, const ConfigSources *sources, SupervisorIdentityUse use,
          SupervisorPlanCheck check, ConfigErrors *errors)
{
  g_autoptr (ConfigSources) secrets = config_sources_new_files ();

  plan->log_format = supervisor_plan_log_format (plan->config->log_format,
                                                 g_getenv ("JOURNAL_STREAM"), STDERR_FILENO);
  supervisor_identity_resolve (&plan->identity, plan->config, geteuid (), use, errors);
  supervisor_folders_check (plan->config, &plan->identity, errors);
  config_read_files (plan->config, secrets, errors);
  if (check != NULL)
    check (plan->config, secrets, errors);
  config_errors_sort (errors);
  plan->sources = seal ("mailweir-sources", sources, plan->config, errors);
  plan->secrets = seal ("mailweir-secrets", secrets, plan->config, errors);
}

SupervisorPlan *
supervisor_plan_load (const gchar *path, SupervisorIdentityUse use, SupervisorPlanCheck check,
                      ConfigErrors *errors)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (SupervisorPlan) plan = g_new0 (SupervisorPlan, 1);

  plan->references = 1;
  plan->path = g_strdup (path);
  plan->sources = plan->secrets = -1;
  plan->config = config_load (sources, path, errors);
  if (plan->config != NULL)
    complete (plan, sources, use, check, errors);
  return config_errors_count (errors) > 0 ? NULL : g_steal_pointer (&plan);
}

SupervisorPlan *
supervisor_plan_ref (SupervisorPlan *plan)
{
  plan->references++;
  return plan;
}

void
supervisor_plan_unref (SupervisorPlan *plan)
{
  if (plan == NULL || --plan->references > 0)
    return;
  if (plan->sources >= 0)
    close (plan->sources);
  if (plan->secrets >= 0)
    close (plan->secrets);
  config_free (plan->config);
  supervisor_identity_clear (&plan->identity);
  g_free (plan->path);
  g_free (plan);
}

gint64
supervisor_plan_final_reply (const SupervisorPlan *plan)
{
  gint64 longest = 0;

  for (guint i = 0; i < plan->config->routes->len; i++)
    {
      const ConfigRoute *route = g_ptr_array_index (plan->config->routes, i);

      longest = MAX (longest, route->final_reply);
    }
  return longest;
}
