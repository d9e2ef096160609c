/* One generation: a configuration at work. Loads the filter modules, starts a gateway, forks
 * workers for it, and ends with it. */
#pragma once

#include <glib.h>

/* The hidden command "generation", started by the supervisor; `argv` begins behind it, with the
 * handoff's options. Returns the exit status: 0 after a drain, 78 when the configuration or a
 * module does not load (the supervisor hears why by IPC_CONTROL_FAILED), 70 when the gateway died.
 */
int supervisor_generation_main (int argc, char **argv);
