/* The table weir.state as plain bytes: what one session keeps between two calls. */
#pragma once

#include <glib.h>
#include <lua.h>

/* Pushes the table that the block holds; an empty one for zeros. Raises an error for a block that
 * state_save() has not written. */
void state_push (lua_State *lua, const guint8 *block, gsize size);
/* Writes the table at `index`, zeros behind it. Raises an error, and leaves the block as it was,
 * for what can not be kept: other than strings, numbers and booleans, or too much of them. */
void state_save (lua_State *lua, int index, guint8 *block, gsize size);
