/* The supervisor: keeps the listening sockets, starts generations, and reacts to signals. It loads
 * no module and reads no mail. */
#pragma once

#include "supervisor/plan.h"

typedef struct
{
  const gchar *config;       /* NULL: the built-in default */
  const gchar *executable;   /* that knows the command "generation"; NULL: the running one */
  const gchar *gateway;      /* NULL: found, see supervisor_gateway_path() */
  SupervisorPlanCheck check; /* of each configuration, also at a reload; NULL: none */
} SupervisorSettings;

/* Runs until it is told to end. SIGHUP: reload; SIGTERM or SIGINT: drain, hurry, kill. Returns the
 * exit status: 0, 78 when the first configuration does not load (all errors on standard error), 69
 * when a part of ours is missing, 70 when the first generation died without a reason given. */
int supervisor_run (const SupervisorSettings *settings);
