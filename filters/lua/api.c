/* The table `weir` and the way into a hook and out of it: arguments, verdict, state. Every mistake
 * of a script becomes a Lua error with its line, which fails the filter unless the script catches
 * it. */
#include "api.h"

#include <string.h>

#include "commands.h"
#include "state.h"

#define STATE_KEY "weir.state"

/* ---- For all ---- */

WeirContext *
api_context (lua_State *lua)
{
  Machine *machine = machine_of (lua);

  if (machine->context == NULL)
    luaL_error (lua, "weir can only be asked in a hook");
  return machine->context;
}

const char *
api_text (lua_State *lua, int argument)
{
  size_t length = 0;
  const char *text = luaL_checklstring (lua, argument, &length);

  luaL_argcheck (lua, strlen (text) == length, argument, "a NUL is in it");
  return text;
}

guint
api_index (lua_State *lua, int argument)
{
  lua_Integer index = luaL_checkinteger (lua, argument);

  luaL_argcheck (lua, index >= 1 && index < G_MAXINT, argument, "counted from 1");
  return (guint) index - 1;
}

int
api_raise (lua_State *lua, GError *error)
{
  char text[1024];

  g_strlcpy (text, error->message, sizeof text);
  g_error_free (error);
  return luaL_error (lua, "%s", text);
}

/* ---- Verdicts ---- */

static const char *const verdicts[]
    = { [WEIR_PASS] = "pass",   [WEIR_SKIP] = "skip",       [WEIR_REPLY] = "reply",
        [WEIR_CLOSE] = "close", [WEIR_DISCARD] = "discard", [WEIR_QUARANTINE] = "quarantine" };

typedef WeirVerdict (*ReplyFunction) (WeirContext *context, guint code, const char *enhanced,
                                      const char *format, ...) G_GNUC_PRINTF (4, 5);

/* weir.reply (code, [enhanced,] text) */
static int
set_reply (lua_State *lua, ReplyFunction function)
{
  WeirContext *context = api_context (lua);
  lua_Integer code = luaL_checkinteger (lua, 1);
  gboolean enhanced = !lua_isnoneornil (lua, 3);
  const char *text = api_text (lua, enhanced ? 3 : 2);

  luaL_argcheck (lua, code >= 200 && code <= 599, 1, "a code from 200 to 599");
  machine_of (lua)->answered = TRUE;
  lua_pushstring (
      lua,
      verdicts[function (context, (guint) code,
                         enhanced && !lua_isnil (lua, 2) ? api_text (lua, 2) : NULL, "%s", text)]);
  return 1;
}

static int
on_reply (lua_State *lua)
{
  return set_reply (lua, weir_reply);
}

static int
on_close (lua_State *lua)
{
  return set_reply (lua, weir_close);
}

/* weir.split () */
static int
on_split (lua_State *lua)
{
  WeirContext *context = api_context (lua);

  machine_of (lua)->answered = TRUE;
  lua_pushstring (lua, verdicts[weir_split (context)]);
  return 1;
}

/* weir.set_body_chunk (octets or "lines") */
static int
on_set_body_chunk (lua_State *lua)
{
  WeirContext *context = api_context (lua);

  if (lua_type (lua, 1) == LUA_TSTRING && strcmp (lua_tostring (lua, 1), "lines") == 0)
    weir_set_body_chunk (context, WEIR_BODY_LINES);
  else
    {
      lua_Integer octets = luaL_checkinteger (lua, 1);

      luaL_argcheck (lua, octets >= 0 && octets < G_MAXINT, 1, "octets, or \"lines\"");
      weir_set_body_chunk (context, (gsize) octets);
    }
  return 0;
}

static int
on_quarantine (lua_State *lua)
{
  WeirContext *context = api_context (lua);
  const char *reason = api_text (lua, 1);

  machine_of (lua)->answered = TRUE;
  lua_pushstring (lua, verdicts[weir_quarantine (context, "%s", reason)]);
  return 1;
}

static const luaL_Reg verdict_functions[] = { { "reply", on_reply },
                                              { "close", on_close },
                                              { "split", on_split },
                                              { "quarantine", on_quarantine },
                                              { "set_body_chunk", on_set_body_chunk },
                                              { NULL } };

/* What the hook has returned, at the top of the stack. */
static WeirVerdict
to_verdict (lua_State *lua, const ApiCall *call)
{
  const char *word = lua_type (lua, -1) == LUA_TSTRING ? lua_tostring (lua, -1) : NULL;

  if (lua_isnil (lua, -1) && machine_of (lua)->answered)
    luaL_error (lua, "%s has set an answer, but does not return it", call->hook);
  if (lua_isnil (lua, -1))
    return WEIR_PASS;
  for (guint i = 0; word != NULL && i < G_N_ELEMENTS (verdicts); i++)
    if (strcmp (word, verdicts[i]) == 0)
      return (WeirVerdict) i;
  luaL_error (lua, "%s returns %s, which is no verdict", call->hook,
              word == NULL ? luaL_typename (lua, -1) : word);
  return WEIR_PASS;
}

/* ---- State ---- */

static void
push_state (lua_State *lua)
{
  Machine *machine = machine_of (lua);
  WeirContext *context = api_context (lua);

  if (!machine->state_used)
    {
      state_push (lua, weir_state (context), WEIR_MAX_STATE);
      lua_setfield (lua, LUA_REGISTRYINDEX, STATE_KEY);
      machine->state_used = TRUE;
    }
  lua_getfield (lua, LUA_REGISTRYINDEX, STATE_KEY);
}

static void
save_state (lua_State *lua)
{
  Machine *machine = machine_of (lua);

  if (!machine->state_used)
    return;
  lua_getfield (lua, LUA_REGISTRYINDEX, STATE_KEY);
  state_save (lua, lua_gettop (lua), weir_state (machine->context), WEIR_MAX_STATE);
  lua_pushnil (lua);
  lua_setfield (lua, LUA_REGISTRYINDEX, STATE_KEY);
}

/* ---- The table ---- */

static int
on_get (lua_State *lua)
{
  const char *name = lua_type (lua, 2) == LUA_TSTRING ? lua_tostring (lua, 2) : "";

  if (strcmp (name, "state") == 0)
    {
      push_state (lua);
      return 1;
    }
  lua_pushvalue (lua, 2);
  if (lua_rawget (lua, lua_upvalueindex (1)) != LUA_TNIL || api_push_field (lua, name))
    return 1;
  return luaL_error (lua, "there is no weir.%s", name);
}

static int
on_set (lua_State *lua)
{
  const char *name = luaL_tolstring (lua, 2, NULL);

  if (strcmp (name, "state") != 0)
    return luaL_error (lua, "weir.%s can not be set", name);
  luaL_checktype (lua, 3, LUA_TTABLE);
  api_context (lua);
  machine_of (lua)->state_used = TRUE;
  lua_pushvalue (lua, 3);
  lua_setfield (lua, LUA_REGISTRYINDEX, STATE_KEY);
  return 0;
}

static void
add_verdicts (lua_State *lua)
{
  static const WeirVerdict plain[] = { WEIR_PASS, WEIR_SKIP, WEIR_DISCARD };

  luaL_setfuncs (lua, verdict_functions, 0);
  for (guint i = 0; i < G_N_ELEMENTS (plain); i++)
    {
      lua_pushstring (lua, verdicts[plain[i]]);
      lua_setfield (lua, -2, verdicts[plain[i]]);
    }
}

/* On the top of the stack: all that is no question about this call. */
static void
push_functions (lua_State *lua)
{
  lua_newtable (lua);
  add_verdicts (lua);
  luaL_setfuncs (lua, api_questions, 0);
  luaL_setfuncs (lua, api_edits, 0);
  luaL_setfuncs (lua, api_parts, 0);
  lua_getfield (lua, -1, "log");
  lua_setglobal (lua, "print");
}

void
api_open (lua_State *lua)
{
  lua_newtable (lua); /* stays empty, so that every question and assignment comes here */
  lua_newtable (lua);
  push_functions (lua);
  lua_pushcclosure (lua, on_get, 1);
  lua_setfield (lua, -2, "__index");
  lua_pushcfunction (lua, on_set);
  lua_setfield (lua, -2, "__newindex");
  lua_pushliteral (lua, "weir");
  lua_setfield (lua, -2, "__metatable");
  lua_setmetatable (lua, -2);
  lua_setglobal (lua, "weir");
  api_open_parts (lua);
}

/* ---- Calls ---- */

static int
push_arguments (lua_State *lua, const ApiCall *call)
{
  int count = 0;

  if (call->code != 0 || strcmp (call->hook, "message_over") == 0)
    {
      lua_pushinteger (lua, call->code);
      count++;
    }
  if (call->chunk != NULL)
    {
      lua_pushlstring (lua, (const char *) call->chunk, call->length);
      count++;
    }
  for (guint i = 0; i < G_N_ELEMENTS (call->text) && call->text[i] != NULL; i++, count++)
    lua_pushstring (lua, call->text[i]);
  return count;
}

static int
run_hook (lua_State *lua)
{
  ApiCall *call = lua_touserdata (lua, 1);

  if (call->command ? !commands_push (lua, call->hook)
                    : lua_getglobal (lua, call->hook) != LUA_TFUNCTION)
    return 0;
  lua_call (lua, push_arguments (lua, call), 1);
  call->verdict = to_verdict (lua, call);
  save_state (lua);
  return 0;
}

gboolean
api_call (Machine *machine, ApiCall *call, GError **error)
{
  gboolean fine = FALSE;

  machine->context = call->context;
  machine->serial++;
  machine->answered = FALSE;
  machine->state_used = FALSE;
  call->verdict = WEIR_PASS;
  fine = machine_run (machine, run_hook, call, error);
  machine->context = NULL;
  return fine;
}
