/* Socket activation: listening sockets that the service manager opened for us, sd_listen_fds(3). */
#pragma once

#include <glib.h>

#define SUPERVISOR_ACTIVATION_FIRST 3     /* the first descriptor, as the protocol has it */
#define SUPERVISOR_ACTIVATION_MAXIMUM 256 /* descriptors that are taken */

/* How many descriptors were passed: $LISTEN_FDS when $LISTEN_PID names `self`, else 0 (also when
 * either is missing). -1: error says which is malformed or over the limit. */
gint supervisor_activation_parse (const gchar *fds, const gchar *pid, GPid self, GError **error);
/* Reads the environment, removes the variables, and makes the descriptors close-on-exec and
 * non-blocking. An array of gint, owned by the caller as the descriptors are; NULL: error. */
GArray *supervisor_activation_take (GError **error);
