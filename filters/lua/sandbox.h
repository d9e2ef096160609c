/* What a script finds of Lua's own libraries. */
#pragma once

#include <lua.h>

/* Opens base, string, table, math and utf8 without what could reach outside of the state, or past
 * its limits. May raise an error. */
void sandbox_open (lua_State *lua);
