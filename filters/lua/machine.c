/* The Lua state: allocator with a limit, count of instructions, protected calls. What a script does
 * wrong leaves as a GError with the script's line; running out of memory is such an error too.
 * Time inside one library function is not counted: that is for the filter's `timeout`. */
#include "machine.h"

#include <string.h>

#include "api.h"
#include "sandbox.h"

/* What one protected call is about. */
typedef struct
{
  lua_CFunction function;
  gpointer data;
} Task;

typedef struct
{
  Machine *machine;
  const MachineScript *script;
  GByteArray *compiled; /* NULL: not wanted */
} Opening;

Machine *
machine_of (lua_State *lua)
{
  return *(Machine **) lua_getextraspace (lua);
}

static void *
allocate (void *data, void *block, size_t old, size_t size)
{
  Machine *machine = data;
  gsize before = block == NULL ? 0 : old;
  void *fresh = NULL;

  if (size > before && size - before > machine->limits.memory - machine->memory)
    return NULL;
  if (size == 0)
    g_free (block);
  else
    fresh = g_try_realloc (block, size);
  if (size == 0 || fresh != NULL)
    machine->memory = machine->memory - before + size;
  return fresh;
}

void
machine_count_step (lua_State *lua, int level)
{
  Machine *machine = machine_of (lua);

  machine->left -= MACHINE_STEP;
  if (machine->left > 0)
    return;
  machine->exhausted = TRUE;
  luaL_where (lua, level);
  lua_pushfstring (lua, "more than %I instructions", (LUAI_UACINT) machine->limits.instructions);
  lua_concat (lua, 2);
  lua_error (lua);
}

static void
on_count (lua_State *lua, lua_Debug *activation)
{
  machine_count_step (lua, 0);
}

/* The error value on the top of the stack. Nothing here may raise another one. */
static void
take_error (lua_State *lua, int status, GError **error)
{
  const char *text = lua_type (lua, -1) == LUA_TSTRING ? lua_tostring (lua, -1) : NULL;

  if (text != NULL)
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%.500s", text);
  else if (status == LUA_ERRMEM)
    g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_NOMEM, "not enough memory");
  else
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "an error that is no text but a %s",
                 luaL_typename (lua, -1));
}

static int
run_task (lua_State *lua)
{
  const Task *task = lua_touserdata (lua, 1);

  lua_settop (lua, 0);
  lua_pushlightuserdata (lua, task->data);
  return task->function (lua);
}

gboolean
machine_run (Machine *machine, lua_CFunction function, gpointer data, GError **error)
{
  Task task = { function, data };
  lua_State *lua = machine->lua;
  int status = LUA_OK;

  machine->left = machine->limits.instructions;
  machine->exhausted = FALSE;
  /* Neither needs memory: run_task is a light C function, and the stack has room when it is empty.
   */
  lua_settop (lua, 0);
  lua_pushcfunction (lua, run_task);
  lua_pushlightuserdata (lua, &task);
  status = lua_pcall (lua, 1, 0, 0);
  if (status != LUA_OK)
    take_error (lua, status, error);
  lua_settop (lua, 0);
  machine_keep_text (machine, NULL);
  machine_keep_bytes (machine, NULL);
  return status == LUA_OK;
}

const char *
machine_keep_text (Machine *machine, char *text)
{
  g_free (machine->text);
  machine->text = text;
  return text;
}

GBytes *
machine_keep_bytes (Machine *machine, GBytes *bytes)
{
  g_clear_pointer (&machine->bytes, g_bytes_unref);
  machine->bytes = bytes;
  return bytes;
}

static int
write_compiled (lua_State *lua, const void *bytes, size_t length, void *data)
{
  g_byte_array_append (data, bytes, (guint) length);
  return 0;
}

static int
open_script (lua_State *lua)
{
  const Opening *opening = lua_touserdata (lua, 1);
  const MachineScript *script = opening->script;
  gsize length = 0;
  const char *code = g_bytes_get_data (script->code, &length);
  const char *chunk = NULL;

  sandbox_open (lua);
  api_open (lua);
  chunk = lua_pushfstring (lua, "@%s", script->name);
  if (luaL_loadbufferx (lua, code == NULL ? "" : code, length, chunk, script->compiled ? "b" : "t")
      != LUA_OK)
    return lua_error (lua);
  if (opening->compiled != NULL)
    lua_dump (lua, write_compiled, opening->compiled, 0);
  lua_sethook (lua, on_count, LUA_MASKCOUNT, MACHINE_STEP);
  lua_call (lua, 0, 0);
  return 0;
}

Machine *
machine_new (const MachineScript *script, const MachineLimits *limits, const char *const *arguments,
             GBytes **compiled, GError **error)
{
  g_autoptr (GByteArray) code = compiled == NULL ? NULL : g_byte_array_new ();
  Machine *machine = g_new0 (Machine, 1);
  Opening opening = { machine, script, code };

  machine->limits = *limits;
  machine->arguments = arguments;
  machine->lua = lua_newstate (allocate, machine);
  if (machine->lua == NULL)
    g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_NOMEM, "not enough memory");
  else
    {
      *(Machine **) lua_getextraspace (machine->lua) = machine;
      if (machine_run (machine, open_script, &opening, error))
        {
          if (compiled != NULL)
            *compiled = g_byte_array_free_to_bytes (g_steal_pointer (&code));
          return machine;
        }
    }
  machine_free (machine);
  return NULL;
}

void
machine_free (Machine *machine)
{
  if (machine == NULL)
    return;
  if (machine->lua != NULL)
    lua_close (machine->lua);
  machine_keep_text (machine, NULL);
  machine_keep_bytes (machine, NULL);
  g_free (machine);
}

typedef struct
{
  const char *name;
  gboolean found;
} Search;

static int
search (lua_State *lua)
{
  Search *what = lua_touserdata (lua, 1);
  int type = LUA_TNIL;

  lua_pushglobaltable (lua);
  lua_pushstring (lua, what->name);
  type = lua_rawget (lua, -2);
  what->found = type == LUA_TFUNCTION;
  if (type == LUA_TNIL || what->found)
    return 0;
  return luaL_error (lua, "%s is a %s, but a hook is a function", what->name,
                     lua_typename (lua, type));
}

gboolean
machine_has_function (Machine *machine, const char *name, GError **error)
{
  Search what = { name, FALSE };

  return machine_run (machine, search, &what, error) && what.found;
}
