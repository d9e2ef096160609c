/* What supervisor, generation and gateway tell each other: small typed messages over the same
 * channel. */
#pragma once

#include "ipc/channel.h"
#include "ipc/hook.h"

typedef enum
{
  IPC_CONTROL_READY,   /* up: a generation's gateway accepts */
  IPC_CONTROL_FAILED,  /* up: `text` says why the generation ends */
  IPC_CONTROL_DRAIN,   /* down: accept no more, end when the last transaction has */
  IPC_CONTROL_HURRY,   /* down: end as soon as no final answer is awaited */
  IPC_CONTROL_FILTERS, /* down, generation to gateway: `filters`, once */
  IPC_CONTROL_WANT,    /* up, gateway to generation: loop `number` wants a worker */
  IPC_CONTROL_WORKER,  /* down: a worker for loop `number`, process `pid`; descriptors: its socket,
                          its pidfd, the worker's own end of the socket */
  IPC_CONTROL_NO_WORKER, /* down: loop `number` gets none now (limit reached, or restarting with
                            back-off); `delay` ms until it is worth asking again */
  IPC_CONTROL_GONE /* down: the worker `pid` was reaped; `text` says how it died ("signal 11", "exit
                      1") */
} IpcControlKind;

typedef struct
{
  IpcControlKind kind;
  guint32 number;
  guint32 pid;
  guint32 delay;
  gchar *text;
  GArray *filters;     /* of IpcFilterFacts, one a configured filter (Config.filters order) */
  gint descriptors[3]; /* -1: none; encoding borrows, decoding owns */
} IpcControl;

IpcControl *ipc_control_new (IpcControlKind kind);
void ipc_control_free (IpcControl *control);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IpcControl, ipc_control_free)
/* The bytes alone, for tests: encoding borrows the descriptors; decoding takes over the array's and
 * closes them on failure. */
void ipc_control_encode (const IpcControl *control, BaseBuffer *out, GArray *descriptors);
IpcControl *ipc_control_decode (const guint8 *bytes, gsize length, GArray *descriptors,
                                GError **error);
gboolean ipc_control_send (gint socket, const IpcControl *control, GError **error);
/* NULL without an error and without `*closed`: nothing there now. */
IpcControl *ipc_control_receive (gint socket, gboolean *closed, GError **error);
