/* The commands of the command line, one file each. `argv` begins with the command's own name; the
 * result is the exit status, of sysexits.h: 64 usage, 78 configuration. Errors go to standard
 * error. */
#pragma once

#include "config/config.h"

int command_run (int argc, char **argv);
int command_check (int argc, char **argv);
int command_try (int argc, char **argv);
int command_send (int argc, char **argv);
int command_filters (int argc, char **argv);
int command_status (int argc, char **argv);
int command_quarantine (int argc, char **argv);

/* Says that `argument` is one too many, and offers "-c" for a configuration when `suggest` is set.
 * Returns 64. */
int command_refuse_argument (const gchar *command, const gchar *argument, gboolean suggest);
/* Every certificate with its key, and every list of authorities; a SupervisorPlanCheck. */
void command_check_tls (const Config *config, ConfigSources *secrets, ConfigErrors *errors);
