/* A generation as the supervisor sees it: a process, a channel, and the state it is in. What
 * happens next is decided in supervisor.c; here it is carried out. */
#pragma once

#include "ipc/control.h"
#include "supervisor/sockets.h"

typedef enum
{
  SUPERVISOR_CHILD_STARTING, /* until READY; killed after a minute */
  SUPERVISOR_CHILD_SERVING,
  SUPERVISOR_CHILD_DRAINING, /* told to; hurried after `drain` */
  SUPERVISOR_CHILD_HURRYING, /* told to; killed when no final answer can be awaited any more */
  SUPERVISOR_CHILD_KILLED
} SupervisorChildState;

typedef struct
{
  SupervisorChildState state;
  guint number;
  GPid pid;     /* 0: dead, but its gateway is not */
  GPid gateway; /* 0: unknown or dead; ours to reap once the generation is dead */
  gint control; /* -1: closed */
  SupervisorPlan *plan;
  gchar *failure;  /* what IPC_CONTROL_FAILED said */
  gint64 born;     /* monotonic µs */
  gint64 deadline; /* of the state; 0: none */
} SupervisorChild;

typedef struct
{
  gint generation, gateway; /* of supervisor_open_executable() */
} SupervisorExecutables;

/* Starts a generation with the plan (a reference is taken) and the sockets. NULL: error is set. */
SupervisorChild *supervisor_child_start (SupervisorPlan *plan, const SupervisorSockets *sockets,
                                         const SupervisorExecutables *executables, guint number,
                                         GError **error);
void supervisor_child_free (SupervisorChild *child); /* kills nobody; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SupervisorChild, supervisor_child_free)

void supervisor_child_drain (SupervisorChild *child);
void supervisor_child_hurry (SupervisorChild *child);
/* SIGKILL to the generation and its gateway; workers die with the generation. */
void supervisor_child_kill (SupervisorChild *child);
/* The deadline has passed: the next harder measure. Logged. */
void supervisor_child_overdue (SupervisorChild *child);
/* The next message, or NULL; closes the channel at its end. */
IpcControl *supervisor_child_receive (SupervisorChild *child);
/* The generation is dead and reaped. TRUE: its gateway lives, which hurries by itself; the child
 * stays until that is reaped as well. */
gboolean supervisor_child_orphaned (SupervisorChild *child);
