/* The commands of the command line, one file each. `argv` begins with the command's own name; the
 * result is the exit status, of sysexits.h: 64 usage, 78 configuration. Errors go to standard
 * error. */
#pragma once

#include <glib.h>

int command_run (int argc, char **argv);
int command_check (int argc, char **argv);
int command_try (int argc, char **argv);
int command_send (int argc, char **argv);
int command_filters (int argc, char **argv);
int command_status (int argc, char **argv);
