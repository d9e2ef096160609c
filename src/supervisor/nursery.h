/* The workers of a generation: forked when a gateway's event loop wants one, reaped with their
 * process group when they die, held back when they die too soon. Single-threaded. */
#pragma once

#include <glib.h>

#include "supervisor/backoff.h"

/* Runs in the freshly forked child; the result is its exit status. `socket` is the child's;
 * `parent` is the generation's pid. */
typedef int (*SupervisorWork) (gint socket, GPid parent, gpointer data);

typedef struct
{
  gint gateway;  /* control channel; borrowed, must outlive the nursery */
  guint maximum; /* workers at the same time */
  SupervisorWork work;
  gpointer data;         /* for `work` */
  const gchar *suspects; /* names of the loaded modules, for the complaint about a second thread */
} SupervisorNurserySettings;

typedef struct _SupervisorNursery SupervisorNursery;

/* `settings` is copied; what it points to is borrowed. */
SupervisorNursery *supervisor_nursery_new (const SupervisorNurserySettings *settings);
/* Kills and reaps what still lives. NULL is fine. */
void supervisor_nursery_free (SupervisorNursery *nursery);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SupervisorNursery, supervisor_nursery_free)

/* Event loop `loop` of the gateway wants a worker: it gets IPC_CONTROL_WORKER, or
 * IPC_CONTROL_NO_WORKER when the maximum is reached, the back-off has not passed, or a fork is not
 * safe or not possible. `now`: monotonic microseconds. */
void supervisor_nursery_want (SupervisorNursery *nursery, guint loop, gint64 now);
/* A child that has died but is not reaped (waitid() with WNOWAIT). FALSE: not a worker of ours.
 * Else its process group is killed, it is reaped, and the gateway hears IPC_CONTROL_GONE. */
gboolean supervisor_nursery_bury (SupervisorNursery *nursery, GPid pid, gint64 now);
guint supervisor_nursery_count (const SupervisorNursery *nursery);
/* The gateway's channel is closed: nothing more is said on it. */
void supervisor_nursery_mute (SupervisorNursery *nursery);
/* SIGKILL to every worker's process group; they are reaped through supervisor_nursery_bury(). */
void supervisor_nursery_kill (SupervisorNursery *nursery);
