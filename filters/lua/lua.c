/* The filter "lua": a script whose global functions are the hooks. Read and compiled once in
 * `load`, run in a state of its own in each worker. An error of the script, or one of its limits
 * passed, fails the filter with file and line; the next call begins with a fresh state. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "api.h"
#include "commands.h"

#define MAX_SCRIPT (1024 * 1024)
#define BODY_CHUNK (64 * 1024)

/* Changes in a worker, while the configuration does not. */
typedef struct
{
  MachineScript script; /* compiled */
  Machine *machine;     /* NULL: to be made anew */
} Runtime;

typedef struct
{
  const char *script;
  const char *const *arguments;
  guint64 memory;
  gint64 instructions;
  Runtime *runtime;
} Config;

static const WeirOption options[] = {
  { "script", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, script), NULL,
    "The file with the script; its global functions are the hooks.", .required = TRUE },
  { "arguments", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, arguments), NULL,
    "What the script finds in weir.arguments." },
  { "memory", WEIR_OPTION_SIZE, G_STRUCT_OFFSET (Config, memory), "16M",
    "What the script may hold at one time.", .minimum = 256 * 1024, .maximum = 1024 * 1024 * 1024 },
  { "instructions", WEIR_OPTION_INTEGER, G_STRUCT_OFFSET (Config, instructions), "10000000",
    "What one call of a hook may execute.", .minimum = 10000, .maximum = 1000000000000 },
  { NULL },
};

static const struct
{
  const char *name;
  WeirHooks bit;
} hooks[] = {
  { "connect", WEIR_HOOK_CONNECT },
  { "helo", WEIR_HOOK_HELO },
  { "ehlo", WEIR_HOOK_EHLO },
  { "mail", WEIR_HOOK_MAIL },
  { "rcpt", WEIR_HOOK_RCPT },
  { "data", WEIR_HOOK_DATA },
  { "header", WEIR_HOOK_HEADER },
  { "end_of_headers", WEIR_HOOK_END_OF_HEADERS },
  { "body", WEIR_HOOK_BODY },
  { "end_of_message", WEIR_HOOK_END_OF_MESSAGE },
  { "rset", WEIR_HOOK_RSET },
  { "noop", WEIR_HOOK_NOOP },
  { "vrfy", WEIR_HOOK_VRFY },
  { "expn", WEIR_HOOK_EXPN },
  { "help", WEIR_HOOK_HELP },
  { "quit", WEIR_HOOK_QUIT },
  { "unknown", WEIR_HOOK_UNKNOWN },
  { "message_over", WEIR_HOOK_MESSAGE_OVER },
  { "session_over", WEIR_HOOK_SESSION_OVER },
};

/* ---- Loading ---- */

static gboolean
fail_read (const char *path, const char *why, GError **error)
{
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: %s", path, why);
  return FALSE;
}

/* A regular file of at most MAX_SCRIPT octets. NULL: error. */
static GBytes *
read_script (const char *path, GError **error)
{
  g_autofree char *text = g_malloc (MAX_SCRIPT + 1);
  struct stat facts;
  FILE *file = fopen (path, "re");
  gsize length = 0;

  if (file == NULL)
    {
      fail_read (path, g_strerror (errno), error);
      return NULL;
    }
  if (fstat (fileno (file), &facts) != 0 || !S_ISREG (facts.st_mode))
    fail_read (path, "is no file", error);
  else if ((length = fread (text, 1, MAX_SCRIPT + 1, file)) > MAX_SCRIPT)
    fail_read (path, "is longer than 1M", error);
  else if (ferror (file))
    fail_read (path, "can not be read", error);
  fclose (file);
  return *error != NULL ? NULL : g_bytes_new (text, length);
}

static WeirVerdict on_command (WeirContext *context, const char *argument);

static guint
find_hooks (Machine *machine, WeirLoad *loading, GError **error)
{
  guint found = 0, added = 0;

  for (guint i = 0; *error == NULL && i < G_N_ELEMENTS (hooks); i++)
    if (machine_has_function (machine, hooks[i].name, error))
      found |= hooks[i].bit;
  if (*error == NULL)
    added = commands_add (machine, loading, on_command, error);
  if (*error == NULL && found == 0 && added == 0)
    g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                         "defines no hook: no global function mail, rcpt, end_of_headers, …");
  return found;
}

/* What `load` has made stays until the process ends: it has no counterpart that could free it. */
static Runtime *
new_runtime (const char *path, GBytes *compiled)
{
  static GPtrArray *all;
  Runtime *runtime = g_new0 (Runtime, 1);
  g_autofree char *name = g_path_get_basename (path);

  if (all == NULL)
    all = g_ptr_array_new ();
  g_ptr_array_add (all, runtime);
  runtime->script = (MachineScript){ g_intern_string (name), compiled, TRUE };
  return runtime;
}

/* Runs the script once, to see which hooks it defines. */
static guint
compile (Config *config, WeirLoad *loading, GError **error)
{
  g_autofree char *name = g_path_get_basename (config->script);
  g_autoptr (GBytes) text = read_script (config->script, error);
  const MachineScript script = { name, text, FALSE };
  const MachineLimits limits = { config->memory, config->instructions };
  GBytes *compiled = NULL;
  Machine *machine = NULL;
  guint found = 0;

  if (text != NULL)
    machine = machine_new (&script, &limits, config->arguments, &compiled, error);
  if (machine == NULL)
    return 0;
  found = find_hooks (machine, loading, error);
  machine_free (machine);
  config->runtime = new_runtime (config->script, compiled);
  return found;
}

static gboolean
load (WeirLoad *loading, gpointer data, GError **error)
{
  Config *config = data;
  GError *problem = NULL;
  guint found = compile (config, loading, &problem);

  if (problem != NULL)
    {
      weir_load_error (loading, error, "script", "%s", problem->message);
      g_error_free (problem);
      return FALSE;
    }
  weir_load_hooks (loading, found);
  return TRUE;
}

static gboolean
restart (const Config *config, GError **error)
{
  const MachineLimits limits = { config->memory, config->instructions };
  Runtime *runtime = config->runtime;

  runtime->machine = machine_new (&runtime->script, &limits, config->arguments, NULL, error);
  return runtime->machine != NULL;
}

static gboolean
start (gpointer data, GError **error)
{
  return restart (data, error);
}

static void
stop (gpointer data)
{
  Config *config = data;

  g_clear_pointer (&config->runtime->machine, machine_free);
}

/* ---- Hooks ---- */

static WeirVerdict
run (ApiCall call)
{
  const Config *config = weir_config (call.context);
  Runtime *runtime = config->runtime;
  g_autoptr (GError) error = NULL;

  if ((runtime->machine != NULL || restart (config, &error))
      && api_call (runtime->machine, &call, &error))
    return call.verdict;
  g_clear_pointer (&runtime->machine, machine_free);
  return weir_fail (call.context, "%s: %s", call.hook, error->message);
}

static WeirVerdict
on_connect (WeirContext *context)
{
  return run ((ApiCall){ .context = context, .hook = "connect" });
}

static WeirVerdict
on_helo (WeirContext *context, const char *domain)
{
  return run ((ApiCall){ .context = context, .hook = "helo", .text = { domain } });
}

static WeirVerdict
on_ehlo (WeirContext *context, const char *domain)
{
  return run ((ApiCall){ .context = context, .hook = "ehlo", .text = { domain } });
}

static WeirVerdict
on_mail (WeirContext *context, const char *sender)
{
  return run ((ApiCall){ .context = context, .hook = "mail", .text = { sender } });
}

static WeirVerdict
on_rcpt (WeirContext *context, const char *recipient)
{
  return run ((ApiCall){ .context = context, .hook = "rcpt", .text = { recipient } });
}

static WeirVerdict
on_data (WeirContext *context)
{
  return run ((ApiCall){ .context = context, .hook = "data" });
}

static WeirVerdict
on_header (WeirContext *context, const char *name, const char *value)
{
  return run ((ApiCall){ .context = context, .hook = "header", .text = { name, value } });
}

static WeirVerdict
on_end_of_headers (WeirContext *context)
{
  return run ((ApiCall){ .context = context, .hook = "end_of_headers" });
}

static WeirVerdict
on_body (WeirContext *context, const guint8 *chunk, gsize length)
{
  return run ((ApiCall){ .context = context, .hook = "body", .chunk = chunk, .length = length });
}

static WeirVerdict
on_end_of_message (WeirContext *context)
{
  return run ((ApiCall){ .context = context, .hook = "end_of_message" });
}

static WeirVerdict
on_rset (WeirContext *context)
{
  return run ((ApiCall){ .context = context, .hook = "rset" });
}

static WeirVerdict
on_noop (WeirContext *context, const char *argument)
{
  return run ((ApiCall){ .context = context, .hook = "noop", .text = { argument } });
}

static WeirVerdict
on_vrfy (WeirContext *context, const char *argument)
{
  return run ((ApiCall){ .context = context, .hook = "vrfy", .text = { argument } });
}

static WeirVerdict
on_expn (WeirContext *context, const char *argument)
{
  return run ((ApiCall){ .context = context, .hook = "expn", .text = { argument } });
}

static WeirVerdict
on_help (WeirContext *context, const char *argument)
{
  return run ((ApiCall){ .context = context, .hook = "help", .text = { argument } });
}

static WeirVerdict
on_quit (WeirContext *context)
{
  return run ((ApiCall){ .context = context, .hook = "quit" });
}

static WeirVerdict
on_unknown (WeirContext *context, const char *line)
{
  return run ((ApiCall){ .context = context, .hook = "unknown", .text = { line } });
}

static WeirVerdict
on_command (WeirContext *context, const char *argument)
{
  return run ((ApiCall){
      .context = context, .hook = weir_verb (context), .command = TRUE, .text = { argument } });
}

static void
on_message_over (WeirContext *context, guint code, const char *text)
{
  run ((ApiCall){ .context = context, .hook = "message_over", .text = { text }, .code = code });
}

static void
on_session_over (WeirContext *context)
{
  run ((ApiCall){ .context = context, .hook = "session_over" });
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "lua",
  .summary = "runs a Lua script",
  .edits = WEIR_EDIT_SENDER | WEIR_EDIT_RECIPIENTS | WEIR_EDIT_HEADERS | WEIR_EDIT_PARTS
           | WEIR_EDIT_BODY | WEIR_EDIT_MESSAGE,
  .config_size = sizeof (Config),
  .state_size = WEIR_MAX_STATE,
  .body_chunk = BODY_CHUNK,
  .options = options,
  .load = load,
  .start = start,
  .stop = stop,
  .connect = on_connect,
  .helo = on_helo,
  .ehlo = on_ehlo,
  .mail = on_mail,
  .rcpt = on_rcpt,
  .data = on_data,
  .header = on_header,
  .end_of_headers = on_end_of_headers,
  .body = on_body,
  .end_of_message = on_end_of_message,
  .rset = on_rset,
  .noop = on_noop,
  .vrfy = on_vrfy,
  .expn = on_expn,
  .help = on_help,
  .quit = on_quit,
  .unknown = on_unknown,
  .message_over = on_message_over,
  .session_over = on_session_over,
};
