/* A configuration as it will be handed to a generation: parsed, with its files read and sealed, and
 * the user to become. A generation that dies is started again from the same plan, whatever the
 * files say by then. */
#pragma once

#include "base/log.h"
#include "supervisor/identity.h"

typedef struct
{
  gint references;
  gchar *path; /* NULL: the built-in default */
  Config *config;
  gint sources, secrets; /* sealed memfds */
  SupervisorIdentity identity;
  BaseLogFormat log_format;
} SupervisorPlan;

/* A check of what this folder does not know, such as TLS. `secrets` has the files that could be
 * read; those that could not are reported already. Adds to `errors`. */
typedef void (*SupervisorPlanCheck) (const Config *config, ConfigSources *secrets,
                                     ConfigErrors *errors);

/* Reads and checks all that needs no module and no socket. `check` may be NULL. NULL: errors has
 * everything. */
SupervisorPlan *supervisor_plan_load (const gchar *path, SupervisorIdentityUse use,
                                      SupervisorPlanCheck check, ConfigErrors *errors);
SupervisorPlan *supervisor_plan_ref (SupervisorPlan *plan);
void supervisor_plan_unref (SupervisorPlan *plan); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SupervisorPlan, supervisor_plan_unref)

/* The format for `choice` (Config.log_format) when `journal` is $JOURNAL_STREAM, or NULL: "auto" is
 * the journal's only if that names the file behind `descriptor`. */
BaseLogFormat supervisor_plan_log_format (gint choice, const gchar *journal, gint descriptor);
/* The longest that a route waits for an upstream's final answer, in ms. */
gint64 supervisor_plan_final_reply (const SupervisorPlan *plan);
