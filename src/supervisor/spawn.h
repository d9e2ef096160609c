/* Starting another executable of ours, and signals as descriptors: what supervisor and generation
 * have in common. */
#pragma once

#include <glib.h>

#include "ipc/handoff.h"
#include "supervisor/identity.h"

typedef struct
{
  gint executable;                    /* of supervisor_open_executable() */
  const gchar *program;               /* argv[0] */
  const gchar *command;               /* argv[1]; NULL: none */
  const IpcHandoff *handoff;          /* descriptors are borrowed */
  const SupervisorIdentity *identity; /* to become; NULL: stay */
  gboolean lead; /* lead a process group; die by SIGTERM when the parent does */
} SupervisorSpawn;

/* Forks and executes. Nothing is inherited but the handoff's descriptors, standard output and error
 * (standard input is /dev/null) and the environment. 0: error is set. A child that cannot execute
 * says so on standard error and exits with 71 (EX_OSERR). */
GPid supervisor_spawn (const SupervisorSpawn *spawn, GError **error);

/* Blocks the signals of the 0-terminated list and returns a close-on-exec signalfd for them.
 * SIGPIPE is ignored from now on. A failure is logged, and -1. */
gint supervisor_signals_open (const gint *signals);
/* The next signal, or 0. */
gint supervisor_signals_next (gint descriptor);
/* In a child: no signal blocked, as a new program expects it. */
void supervisor_signals_reset (void);

/* "exit 1", "signal 11 (Segmentation fault)": of a wait status. Caller frees. */
gchar *supervisor_describe_death (gint status);
