/* Commands that a script adds: its global table `commands`, verb by verb. What stands there and is
 * no command is an error at load, with the verb in it. */
#include "commands.h"

#include <string.h>

#include "api.h"

typedef struct
{
  WeirLoad *load;
  WeirVerdict (*run) (WeirContext *context, const char *argument);
  guint added;
} Adding;

static const struct
{
  const char *name;
  WeirStates state;
} states[] = { { "before_helo", WEIR_STATE_BEFORE_HELO },
               { "greeted", WEIR_STATE_GREETED },
               { "transaction", WEIR_STATE_TRANSACTION } };

/* Past metatables, whose functions must not run here. */
static int
raw_field (lua_State *lua, int table, const char *name)
{
  table = lua_absindex (lua, table);
  lua_pushstring (lua, name);
  return lua_rawget (lua, table);
}

static int
raw_commands (lua_State *lua)
{
  int type;

  lua_pushglobaltable (lua);
  type = raw_field (lua, -1, "commands");
  lua_remove (lua, -2);
  return type;
}

static gboolean
flag (lua_State *lua, int table, const char *name)
{
  gboolean set = FALSE;

  raw_field (lua, table, name);
  set = lua_toboolean (lua, -1);
  lua_pop (lua, 1);
  return set;
}

/* What the table at the top says about its command; a function alone is legal after the greeting.
 */
static WeirCommand
describe (lua_State *lua, const char *verb)
{
  int table = lua_gettop (lua);
  WeirCommand command = { .verb = verb, .states = WEIR_STATE_GREETED | WEIR_STATE_TRANSACTION };

  if (lua_type (lua, table) == LUA_TFUNCTION)
    return command;
  if (lua_type (lua, table) != LUA_TTABLE || raw_field (lua, table, "run") != LUA_TFUNCTION)
    luaL_error (lua, "commands.%s is neither a function nor a table with a function \"run\"", verb);
  lua_pop (lua, 1);
  command.announce = flag (lua, table, "announce");
  command.states = 0;
  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    if (flag (lua, table, states[i].name))
      command.states |= states[i].state;
  if (command.states == 0)
    command.states = WEIR_STATE_GREETED | WEIR_STATE_TRANSACTION;
  return command;
}

static void
add (lua_State *lua, Adding *adding)
{
  GError *error = NULL;
  WeirCommand command = { 0 };

  if (lua_type (lua, -2) != LUA_TSTRING)
    luaL_error (lua, "a key of commands is no verb");
  command = describe (lua, lua_tostring (lua, -2));
  command.run = adding->run;
  if (!weir_load_command (adding->load, &command, &error))
    api_raise (lua, error);
  adding->added++;
}

static int
add_all (lua_State *lua)
{
  Adding *adding = lua_touserdata (lua, 1);
  int type = raw_commands (lua);

  if (type == LUA_TNIL)
    return 0;
  if (type != LUA_TTABLE)
    return luaL_error (lua, "commands is no table");
  lua_pushnil (lua);
  while (lua_next (lua, -2) != 0)
    {
      add (lua, adding);
      lua_settop (lua, 3); /* adding, table, key */
    }
  return 0;
}

guint
commands_add (Machine *machine, WeirLoad *load,
              WeirVerdict (*run) (WeirContext *context, const char *argument), GError **error)
{
  Adding adding = { load, run, 0 };

  machine_run (machine, add_all, &adding, error);
  return adding.added;
}

gboolean
commands_push (lua_State *lua, const char *verb)
{
  if (raw_commands (lua) != LUA_TTABLE)
    return FALSE;
  lua_pushnil (lua);
  while (lua_next (lua, -2) != 0)
    {
      gboolean found = lua_type (lua, -2) == LUA_TSTRING
                       && g_ascii_strcasecmp (lua_tostring (lua, -2), verb) == 0;

      if (found && lua_type (lua, -1) == LUA_TTABLE)
        raw_field (lua, -1, "run");
      if (found)
        return lua_type (lua, -1) == LUA_TFUNCTION;
      lua_pop (lua, 1);
    }
  return FALSE;
}
