/* The folders that a configuration names: whether they are there, and whether the user that the
 * gateway becomes may write to them. */
#pragma once

#include "supervisor/identity.h"

/* Adds an error for a spool-directory that is no folder, and for a Maildir (the quarantine's or a
 * route's) whose parent is none: the Maildir itself will be created. What may not be looked at is
 * no error. Logs a warning where `identity` clearly may not write. */
void supervisor_folders_check (const Config *config, const SupervisorIdentity *identity,
                               ConfigErrors *errors);
