/* The table `weir`: all of filter.h that makes sense in a script. */
#pragma once

#include "machine.h"

/* One call of a hook. */
typedef struct
{
  WeirContext *context;
  const char *hook;    /* its name, which is the global function's; or a verb */
  gboolean command;    /* one of the table `commands` */
  const char *text[2]; /* string arguments, up to the first NULL */
  const guint8 *chunk; /* `body`; NULL: none */
  gsize length;
  guint code;          /* `message_over`: goes before the text; else 0 */
  WeirVerdict verdict; /* the result */
} ApiCall;

/* Adds the table. May raise an error. */
void api_open (lua_State *lua);
/* Calls the hook's function, if there is one, and sets the verdict. FALSE: error. */
gboolean api_call (Machine *machine, ApiCall *call, GError **error);

/* For the files that fill the table. Each may raise an error. */
WeirContext *api_context (lua_State *lua);           /* an error outside of a hook */
const char *api_text (lua_State *lua, int argument); /* an error for a NUL inside */
guint api_index (lua_State *lua, int argument);      /* from 1 in Lua, from 0 here */
/* Takes the error over and raises it with the script's line. */
int api_raise (lua_State *lua, GError *error);

extern const luaL_Reg api_questions[];
extern const luaL_Reg api_edits[];
extern const luaL_Reg api_parts[];
/* The field of that name; FALSE: there is none, and nothing is pushed. */
gboolean api_push_field (lua_State *lua, const char *name);
/* Makes the metatable of parts. */
void api_open_parts (lua_State *lua);
