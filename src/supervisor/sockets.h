/* The listening sockets. They belong to the supervisor and outlive every generation: a generation
 * gets copies, an endpoint that two configurations share is one socket throughout. */
#pragma once

#include "ipc/handoff.h"
#include "supervisor/plan.h"

typedef struct _SupervisorSockets SupervisorSockets;

SupervisorSockets *supervisor_sockets_new (void);
/* Closes all; removes the UNIX sockets that it bound. NULL is fine. */
void supervisor_sockets_free (SupervisorSockets *sockets);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SupervisorSockets, supervisor_sockets_free)

/* Takes a listening socket that was opened for us, under its own address. FALSE (error is set): not
 * a listening stream socket of a known family; it is closed. */
gboolean supervisor_sockets_adopt (SupervisorSockets *sockets, gint descriptor, GError **error);
/* Binds every endpoint of the plan, and its status socket, that is not there already. FALSE: errors
 * names each that could not be; call supervisor_sockets_retain() then. */
gboolean supervisor_sockets_bind (SupervisorSockets *sockets, const SupervisorPlan *plan,
                                  ConfigErrors *errors);
/* Closes every socket that neither plan names; both may be NULL. Calls `dropped` (may be NULL) with
 * the name of each. */
void supervisor_sockets_retain (SupervisorSockets *sockets, const SupervisorPlan *a,
                                const SupervisorPlan *b, void (*dropped) (const gchar *name));
/* Names the plan's sockets in the handoff; they stay ours. */
void supervisor_sockets_hand (const SupervisorSockets *sockets, const SupervisorPlan *plan,
                              IpcHandoff *handoff);
/* "127.0.0.1:2525 (mx), [::1]:2525 (mx)": with the true port where port 0 is configured. Caller
 * frees. */
gchar *supervisor_sockets_describe (const SupervisorSockets *sockets, const SupervisorPlan *plan);
