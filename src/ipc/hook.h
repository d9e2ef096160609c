/* The hooks of include/mailweir/filter.h as numbers, and sets of them. The numbers travel between
 * gateway, generation and worker. */
#pragma once

#include <glib.h>

typedef enum
{
  IPC_HOOK_CONNECT,
  IPC_HOOK_HELO,
  IPC_HOOK_EHLO,
  IPC_HOOK_MAIL,
  IPC_HOOK_RCPT,
  IPC_HOOK_DATA,
  IPC_HOOK_HEADER,         /* HEADER and END_OF_HEADERS … */
  IPC_HOOK_END_OF_HEADERS, /* … and BODY and END_OF_MESSAGE run inside one request,
                              IPC_HOOK_END_OF_MESSAGE, or, for a chain that needs no body,
                              IPC_HOOK_END_OF_HEADERS: filter by filter, each with all that it has
                            */
  IPC_HOOK_BODY,
  IPC_HOOK_END_OF_MESSAGE,
  IPC_HOOK_RSET,
  IPC_HOOK_NOOP,
  IPC_HOOK_VRFY,
  IPC_HOOK_EXPN,
  IPC_HOOK_HELP,
  IPC_HOOK_QUIT,
  IPC_HOOK_UNKNOWN,
  IPC_HOOK_MESSAGE_OVER,
  IPC_HOOK_SESSION_OVER,
  IPC_HOOK_COMMAND, /* one that a filter added */
  IPC_N_HOOKS
} IpcHook;

#define IPC_HOOK_BIT(hook) (1u << (hook))
/* The hooks that see the message: those that a request IPC_HOOK_END_OF_HEADERS may run, and those
 * that need the whole body. */
#define IPC_HOOKS_OF_HEADERS                                                                       \
  (IPC_HOOK_BIT (IPC_HOOK_HEADER) | IPC_HOOK_BIT (IPC_HOOK_END_OF_HEADERS))
#define IPC_HOOKS_OF_BODY (IPC_HOOK_BIT (IPC_HOOK_BODY) | IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE))

/* Hooks that are told what has happened, and asked for nothing. */
static inline gboolean
ipc_hook_is_over (IpcHook hook)
{
  return hook == IPC_HOOK_MESSAGE_OVER || hook == IPC_HOOK_SESSION_OVER;
}

/* "connect", "end_of_message", …: for logs. */
const gchar *ipc_hook_name (IpcHook hook);

/* What a filter may edit: the numbers of WeirEdits. */
typedef enum
{
  IPC_EDIT_SENDER = 1 << 0,
  IPC_EDIT_RECIPIENTS = 1 << 1,
  IPC_EDIT_HEADERS = 1 << 2,
  IPC_EDIT_PARTS = 1 << 3,
  IPC_EDIT_BODY = 1 << 4,
  IPC_EDIT_MESSAGE = 1 << 5
} IpcEdit;
#define IPC_EDITS_OF_CONTENT (IPC_EDIT_HEADERS | IPC_EDIT_PARTS | IPC_EDIT_BODY | IPC_EDIT_MESSAGE)

/* What the generation tells the gateway about one configured filter once its module is loaded. */
typedef struct
{
  guint32 hooks; /* of IPC_HOOK_BIT */
  guint32 edits; /* of IpcEdit */
  guint32 state_size;
  GPtrArray *commands; /* of IpcCommand, owned; NULL: none */
} IpcFilterFacts;

typedef struct
{
  gchar *verb;
  guint32 states; /* of WeirStates */
  gboolean announce;
} IpcCommand;

/* An array of IpcFilterFacts that frees what they hold. */
GArray *ipc_filter_facts_array_new (void);
/* Frees what the facts hold. */
void ipc_filter_facts_clear (IpcFilterFacts *facts);
/* `verb` is copied. */
IpcCommand *ipc_command_new (const gchar *verb, guint32 states, gboolean announce);
void ipc_command_free (IpcCommand *command);
