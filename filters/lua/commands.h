/* The commands that a script adds. */
#pragma once

#include "machine.h"

/* Adds those of the table `commands`; each will be run by `run`. How many they are; `error` is set
 * when one is none. */
guint commands_add (Machine *machine, WeirLoad *load,
                    WeirVerdict (*run) (WeirContext *context, const char *argument),
                    GError **error);
/* Leaves the command's function on the top of the stack; FALSE: there is none. */
gboolean commands_push (lua_State *lua, const char *verb);
