/* A request to a worker: all that a hook may ask about. Encoded by the gateway, decoded and checked
 * by the worker. */
#pragma once

#include "base/buffer.h"
#include "base/path.h"
#include "ipc/hook.h"
#include "message/edits.h"

#define IPC_MAX_STATE 4096
#define IPC_MAX_NOTES 64
#define IPC_MAX_NOTE 4096
#define IPC_MAX_FILTERS 256

/* The facts of a session that every request carries. Strings are borrowed. */
typedef struct
{
  gchar *session_id;
  gchar *message_id; /* NULL outside a transaction */
  gchar *client_address;
  guint32 client_port;
  gchar *client_name;
  gchar *helo;         /* NULL: not yet */
  gchar *user;         /* NULL */
  gchar *mechanism;    /* of its authentication; NULL */
  gchar *tls_protocol; /* NULL */
  gchar *tls_cipher;   /* NULL */
} IpcSession;

typedef struct
{
  gchar *name;
  gchar *value;
} IpcNote;

/* One filter of the chain as it stands before the request. */
typedef struct
{
  gboolean skip;   /* it asked to be spared, failed with on-failure = pass, … */
  GBytes *state;   /* NULL: zeros */
  gint descriptor; /* -1: none. Encoding borrows it (it is sent along), decoding owns it */
} IpcFilterState;

typedef struct
{
  guint32 serial; /* the answer's records carry it */
  IpcHook hook;
  guint32 listener; /* index in the configuration */
  guint32 first;    /* filter of the listener's chain to begin with */
  guint32 timeout;  /* ms that are left of the deadline */
  IpcSession session;
  BasePath *sender;      /* NULL before MAIL */
  GPtrArray *recipients; /* of BasePath; may be NULL */
  gchar *argument;       /* of the hook: domain, address, line, reply text; NULL; borrowed */
  gchar *verb;           /* COMMAND; borrowed */
  guint32 code;          /* MESSAGE_OVER */
  gchar *status;         /* MESSAGE_OVER: the log's word for what became of it; NULL; borrowed */
  GArray *filters;       /* of IpcFilterState, as many as the chain has */
  GPtrArray *notes;      /* of IpcNote; may be NULL */
  /* The message: for HEADER … END_OF_MESSAGE. Either inline bytes or a read-only descriptor; the
   * bytes are the original's, `edits` leads to what the next filter sees. With hook END_OF_HEADERS
   * only the header block (with its blank line) is there. */
  GBytes *message;         /* NULL: not inline */
  gint message_descriptor; /* -1: none; encoding borrows, decoding owns */
  guint64 message_size;
  MessageEdits *edits; /* NULL: none */
  gboolean unread;     /* over the limits and configured to pass: MIME is not offered */
  gchar *texts;        /* owned: one block that has the strings of a decoded one; else NULL */
} IpcRequest;

void ipc_note_free (IpcNote *note);
IpcRequest *ipc_request_new (
    IpcHook hook); /* empty, descriptors -1; owns what is put into it except as said above */
void ipc_request_free (IpcRequest *request); /* frees what decoding made */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IpcRequest, ipc_request_free)

/* The packet's bytes into `out`, and the descriptors to send along into `descriptors` (gint,
 * borrowed). */
void ipc_request_encode (const IpcRequest *request, BaseBuffer *out, GArray *descriptors);
/* Takes over `descriptors` (closes them on failure). Every length, count and enum is checked; NULL
 * and an error otherwise. */
IpcRequest *ipc_request_decode (const guint8 *bytes, gsize length, GArray *descriptors,
                                GError **error);
