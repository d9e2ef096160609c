/* Lua's libraries, as far as a script gets them. Nothing that reaches files, processes, other code
 * or the collector; and nothing that would run a script's code where instructions are not counted
 * (finalizers, message handlers, coroutines that are too short to be counted). */
#include "sandbox.h"

#include <lauxlib.h>
#include <lualib.h>

#include "machine.h"

/* pcall, but for the error that ends the call: a script can not swallow that one. To catch an error
 * takes time in proportion to the depth of the stack, so it counts as a step. */
static int
safe_pcall (lua_State *lua)
{
  luaL_checkany (lua, 1);
  lua_pushboolean (lua, 1);
  lua_insert (lua, 1);
  if (lua_pcall (lua, lua_gettop (lua) - 2, LUA_MULTRET, 0) == LUA_OK)
    return lua_gettop (lua);
  if (machine_of (lua)->exhausted)
    return lua_error (lua);
  machine_count_step (lua, 1);
  lua_pushboolean (lua, 0);
  lua_insert (lua, -2);
  return 2;
}

/* A finalizer runs while instructions are not counted. */
static int
safe_setmetatable (lua_State *lua)
{
  lua_settop (lua, 2);
  if (lua_istable (lua, 2))
    {
      lua_pushliteral (lua, "__gc");
      if (lua_rawget (lua, 2) != LUA_TNIL)
        return luaL_error (lua, "finalizers are not to be had");
      lua_settop (lua, 2);
    }
  lua_pushvalue (lua, lua_upvalueindex (1));
  lua_insert (lua, 1);
  lua_call (lua, 2, 1);
  return 1;
}

/* Nothing repeated any number of times is nothing, and takes no time. */
static int
safe_rep (lua_State *lua)
{
  size_t text = 0, separator = 0;

  luaL_checklstring (lua, 1, &text);
  luaL_checkinteger (lua, 2);
  luaL_optlstring (lua, 3, "", &separator);
  if (text + separator == 0)
    {
      lua_pushliteral (lua, "");
      return 1;
    }
  lua_settop (lua, 3);
  lua_pushvalue (lua, lua_upvalueindex (1));
  lua_insert (lua, 1);
  lua_call (lua, 3, 1);
  return 1;
}

static void
remove_names (lua_State *lua, int table, const char *const *names)
{
  for (; *names != NULL; names++)
    {
      lua_pushnil (lua);
      lua_setfield (lua, table, *names);
    }
}

/* `function` in the place of the one of that name, which becomes its upvalue. */
static void
wrap (lua_State *lua, int table, const char *name, lua_CFunction function)
{
  lua_getfield (lua, table, name);
  lua_pushcclosure (lua, function, 1);
  lua_setfield (lua, table, name);
}

static void
trim_globals (lua_State *lua)
{
  static const char *const unsafe[]
      = { "collectgarbage", "dofile", "load", "loadfile", "warn", "xpcall", NULL };

  lua_pushglobaltable (lua);
  remove_names (lua, lua_gettop (lua), unsafe);
  wrap (lua, lua_gettop (lua), "pcall", safe_pcall);
  wrap (lua, lua_gettop (lua), "setmetatable", safe_setmetatable);
  lua_pop (lua, 1);
}

static void
trim_strings (lua_State *lua)
{
  static const char *const unsafe[] = { "dump", NULL };

  lua_getglobal (lua, LUA_STRLIBNAME);
  remove_names (lua, lua_gettop (lua), unsafe);
  wrap (lua, lua_gettop (lua), "rep", safe_rep);
  lua_pop (lua, 1);
}

void
sandbox_open (lua_State *lua)
{
  static const luaL_Reg libraries[]
      = { { LUA_GNAME, luaopen_base },       { LUA_STRLIBNAME, luaopen_string },
          { LUA_TABLIBNAME, luaopen_table }, { LUA_MATHLIBNAME, luaopen_math },
          { LUA_UTF8LIBNAME, luaopen_utf8 }, { NULL, NULL } };

  for (const luaL_Reg *library = libraries; library->name != NULL; library++)
    {
      luaL_requiref (lua, library->name, library->func, 1);
      lua_pop (lua, 1);
    }
  trim_globals (lua);
  trim_strings (lua);
}
