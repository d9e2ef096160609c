/* A Lua state that can do no harm: no files, no processes, no bytecode from outside, so much memory
 * and so many instructions. One for each worker and configured filter. */
#pragma once

#include <lauxlib.h>
#include <lua.h>
#include <mailweir/filter.h>

/* Instructions are counted in steps of so many. */
#define MACHINE_STEP 1000

/* What may be used up. Instructions are counted anew for each call of a hook. */
typedef struct
{
  guint64 memory; /* octets */
  gint64 instructions;
} MachineLimits;

/* A script: its text, or what machine_new() has compiled. */
typedef struct
{
  const char *name; /* as messages name it: "rules.lua" */
  GBytes *code;
  gboolean compiled;
} MachineScript;

typedef struct
{
  lua_State *lua;
  MachineLimits limits;
  guint64 memory; /* in use */
  gint64 left;    /* instructions, of this call */
  gboolean exhausted;

  /* Of the call. */
  WeirContext *context; /* NULL: none is under way */
  guint serial;         /* tells parts of this call from those of others */
  gboolean answered;    /* a reply or a reason was set */
  gboolean state_used;
  GBytes *bytes; /* kept for Lua, which may leave any C function by longjmp; NULL: none */
  char *text;    /* the same; g_free() */

  /* Of the configuration, borrowed. */
  const char *const *arguments;
} Machine;

/* Opens the sandbox and runs the script's top level. `compiled` (NULL is fine) gets the bytecode.
 * NULL: error says what is wrong, with the script's line where there is one. */
Machine *machine_new (const MachineScript *script, const MachineLimits *limits,
                      const char *const *arguments, GBytes **compiled, GError **error);
void machine_free (Machine *machine); /* NULL is fine */

Machine *machine_of (lua_State *lua);
/* Whether the script has left a function in this global variable. FALSE and error: something else
 * stands there. */
gboolean machine_has_function (Machine *machine, const char *name, GError **error);
/* Runs `function` with `data` as a light userdata, within the limits. FALSE: error has what the
 * script says, with its line; the state should not be used any more. */
gboolean machine_run (Machine *machine, lua_CFunction function, gpointer data, GError **error);

/* Counts one step; past the limit it raises the error that nothing catches, with the line of the
 * function at this level of the stack. */
void machine_count_step (lua_State *lua, int level);

/* Keeps what Lua shall copy until the next one is kept, or the call is over. Takes it over; NULL is
 * fine. */
const char *machine_keep_text (Machine *machine, char *text);
GBytes *machine_keep_bytes (Machine *machine, GBytes *bytes);
