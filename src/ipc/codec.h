/* The one writer and reader of ipc's encoding: little-endian integers, counted bytes, descriptors
 * by turn. Reading never goes past the end: the first fault is kept in the reader, every later read
 * yields zeros, and ipc_reader_finish() reports it. */
#pragma once

#include "base/buffer.h"
#include "base/path.h"
#include "base/reply.h"
#include "message/edits.h"

#define IPC_MAX_STRING (64 * 1024) /* octets of one text */
#define IPC_MAX_RECIPIENTS 100000  /* of one envelope */
#define IPC_MAX_PARAMETERS 64      /* of one path */

/* Writing. Descriptors are appended to `descriptors` (of gint, borrowed). */
typedef struct
{
  BaseBuffer *out;
  GArray *descriptors;
} IpcWriter;

void ipc_write_u8 (IpcWriter *writer, guint8 value);
void ipc_write_u32 (IpcWriter *writer, guint32 value);
void ipc_write_u64 (IpcWriter *writer, guint64 value);
void ipc_write_string (IpcWriter *writer, const gchar *string); /* NULL is told apart from "" */
void ipc_write_bytes (IpcWriter *writer, GBytes *bytes);        /* the same */
void ipc_write_path (IpcWriter *writer, const BasePath *path);  /* NULL is fine */
void ipc_write_paths (IpcWriter *writer, const GPtrArray *paths);
void ipc_write_reply (IpcWriter *writer, const BaseReply *reply);
void ipc_write_edits (IpcWriter *writer, const MessageEdits *edits);
void ipc_write_notes (IpcWriter *writer, const GPtrArray *notes);
void ipc_write_descriptor (IpcWriter *writer, gint descriptor); /* -1: none */

typedef struct
{
  const guint8 *bytes;
  gsize length;
  gsize at;
  GArray *descriptors; /* taken from by turn; taken ones become -1 */
  guint next_descriptor;
  const gchar *fault; /* a literal: what was wrong first; NULL: nothing */
} IpcReader;

void ipc_reader_init (IpcReader *reader, const guint8 *bytes, gsize length, GArray *descriptors);
/* FALSE, error and no descriptor left open in the array: there was a fault, or bytes or descriptors
 * are left over. The array is emptied. */
gboolean ipc_reader_finish (IpcReader *reader, const gchar *what, GError **error);
void ipc_reader_fail (IpcReader *reader, const gchar *fault);

guint8 ipc_read_u8 (IpcReader *reader);
guint32 ipc_read_u32 (IpcReader *reader);
guint64 ipc_read_u64 (IpcReader *reader);
gboolean ipc_read_boolean (IpcReader *reader);
guint32 ipc_read_limited (IpcReader *reader, guint32 most, const gchar *fault);
/* A count of things that take at least `each` bytes, so that a count can not make us allocate more
 * than was sent. */
guint32 ipc_read_count (IpcReader *reader, guint32 most, gsize each);
/* Owned by the caller; NULL where NULL was written, and after a fault. */
gchar *ipc_read_string (IpcReader *reader, gsize most);
/* The same in the packet itself, without a NUL behind it. */
const gchar *ipc_read_text (IpcReader *reader, gsize most, gsize *length);
GBytes *ipc_read_bytes (IpcReader *reader, gsize most);
BasePath *ipc_read_path (IpcReader *reader);
GPtrArray *ipc_read_paths (IpcReader *reader);
BaseReply *ipc_read_reply (IpcReader *reader);
MessageEdits *ipc_read_edits (IpcReader *reader);
GPtrArray *ipc_read_notes (IpcReader *reader);
gint ipc_read_descriptor (IpcReader *reader);
/* Closes all that is in the array, and empties it. NULL is fine. */
void ipc_descriptors_close (GArray *descriptors);
