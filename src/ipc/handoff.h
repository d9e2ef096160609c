/* What an exec'd process of ours is handed: descriptors and facts, spelled as arguments behind its
 * hidden command ("mailweir generation …", "mailweir-gateway …"). The parent formats and lets the
 * descriptors through exec, the child parses and takes them. A malformed argument is an error.
 * The end of `control` means that the parent is gone: as IPC_CONTROL_HURRY. */
#pragma once

#include <glib.h>

#define IPC_HANDOFF_MAX_LISTENERS 1024            /* endpoints of all listeners together */
#define IPC_HANDOFF_MAX_BUNDLE (64 * 1024 * 1024) /* bytes of a bundle */

/* A listening socket: endpoint `endpoint` of Config.listeners[`listener`]. */
typedef struct
{
  guint listener, endpoint;
  gint descriptor;
} IpcHandoffListener;

/* Descriptors are -1 where there is none. In the parent they are borrowed; in the child, after
 * ipc_handoff_parse(), they belong to whoever takes them: ipc_handoff_free() closes none. */
typedef struct
{
  gint control; /* SEQPACKET channel to the parent process (ipc/control.h); non-blocking */
  gint sources; /* sealed memfd: bundle of configuration files (config_sources_new_bundle()) */
  gint secrets; /* sealed memfd: bundle of key, certificate and CA files, by path as configured */
  gint status;  /* listening UNIX socket: to whoever connects, one JSON object is written, then the
                   end */
  gint gateway; /* supervisor to generation only: the gateway's executable, opened O_PATH */
  GArray *listeners; /* of IpcHandoffListener */
  gchar *config;     /* path for config_load(); NULL: the built-in default; owned */
  guint log_format;  /* BaseLogFormat, resolved by the supervisor */
  guint number;      /* of the generation, from 1: for logs */
} IpcHandoff;

IpcHandoff *ipc_handoff_new (void);
void ipc_handoff_free (IpcHandoff *handoff); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IpcHandoff, ipc_handoff_free)
void ipc_handoff_add_listener (IpcHandoff *handoff, guint listener, guint endpoint,
                               gint descriptor);

/* The argument vector: `program`, `command` unless NULL, then the options. NULL-terminated; the
 * caller frees with g_strfreev(). */
gchar **ipc_handoff_format (const IpcHandoff *handoff, const gchar *program, const gchar *command);
/* Reads options (`argv` begins with the first one). All descriptors named must be open; they are
 * made close-on-exec. `control` and `sources` are required. NULL: error names the argument. */
IpcHandoff *ipc_handoff_parse (gint argc, gchar **argv, GError **error);

/* In the child between fork and exec: makes every descriptor from 3 on close-on-exec but those of
 * the handoff. Async-signal-safe as far as one thread needs it. */
void ipc_handoff_let_through (const IpcHandoff *handoff);

/* A memfd with the bytes, sealed against any change, close-on-exec. -1: error is set. */
gint ipc_handoff_store (const gchar *name, GBytes *bytes, GError **error);
/* The bytes of such a memfd; the descriptor's offset is not used, and it stays open. NULL: error,
 * also when it is not sealed or over IPC_HANDOFF_MAX_BUNDLE. */
GBytes *ipc_handoff_load (gint descriptor, GError **error);
