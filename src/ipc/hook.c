/* The hooks' names, and the facts about filters that travel beside them. Nothing here can fail. */
#include "ipc/hook.h"

static const gchar *const hook_names[IPC_N_HOOKS] = {
  [IPC_HOOK_CONNECT] = "connect",
  [IPC_HOOK_HELO] = "helo",
  [IPC_HOOK_EHLO] = "ehlo",
  [IPC_HOOK_MAIL] = "mail",
  [IPC_HOOK_RCPT] = "rcpt",
  [IPC_HOOK_DATA] = "data",
  [IPC_HOOK_HEADER] = "header",
  [IPC_HOOK_END_OF_HEADERS] = "end_of_headers",
  [IPC_HOOK_BODY] = "body",
  [IPC_HOOK_END_OF_MESSAGE] = "end_of_message",
  [IPC_HOOK_RSET] = "rset",
  [IPC_HOOK_NOOP] = "noop",
  [IPC_HOOK_VRFY] = "vrfy",
  [IPC_HOOK_EXPN] = "expn",
  [IPC_HOOK_HELP] = "help",
  [IPC_HOOK_QUIT] = "quit",
  [IPC_HOOK_UNKNOWN] = "unknown",
  [IPC_HOOK_MESSAGE_OVER] = "message_over",
  [IPC_HOOK_SESSION_OVER] = "session_over",
  [IPC_HOOK_COMMAND] = "command",
};

const gchar *
ipc_hook_name (IpcHook hook)
{
  g_assert ((guint) hook < IPC_N_HOOKS);
  return hook_names[hook];
}

IpcCommand *
ipc_command_new (const gchar *verb, guint32 states, gboolean announce)
{
  IpcCommand *command = g_new0 (IpcCommand, 1);

  command->verb = g_strdup (verb);
  command->states = states;
  command->announce = announce;
  return command;
}

void
ipc_command_free (IpcCommand *command)
{
  if (command == NULL)
    return;
  g_free (command->verb);
  g_free (command);
}

void
ipc_filter_facts_clear (IpcFilterFacts *facts)
{
  g_clear_pointer (&facts->commands, g_ptr_array_unref);
}

GArray *
ipc_filter_facts_array_new (void)
{
  GArray *array = g_array_new (FALSE, TRUE, sizeof (IpcFilterFacts));

  g_array_set_clear_func (array, (GDestroyNotify) ipc_filter_facts_clear);
  return array;
}
