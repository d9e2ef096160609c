/* The message between two filters: the original's bytes and the edits of the filters so far. What
 * is asked for is made on demand and kept until the next edit: the header block, the whole current
 * bytes, GMime's view. */
#pragma once

#include "ipc/request.h"
#include "mime/guard.h"
#include "mime/view.h"
#include "worker/headers.h"

typedef struct _WorkerMessage WorkerMessage;

/* Maps the request's message (or takes a reference when it is inline). NULL: error. */
WorkerMessage *worker_message_new (const IpcRequest *request, GError **error);
void worker_message_free (WorkerMessage *message); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WorkerMessage, worker_message_free)

guint64 worker_message_size (const WorkerMessage *message);
/* The current bytes; header edits alone do not copy the body until this is called. NULL: error.
 * Borrowed. */
GBytes *worker_message_bytes (WorkerMessage *message, GError **error);
/* Somebody reads the current bytes in order, and has come to `offset`. */
void worker_message_passed (WorkerMessage *message, gsize offset);
/* The current bytes are a mapping of the file that came with the request. */
gboolean worker_message_is_mapped (const WorkerMessage *message);
/* A descriptor of the current bytes with an offset of its own, read-only or sealed; the caller
 * closes it. `spool` is the request's (-1: none), reopened when the bytes in it are the current
 * ones. -1 with errno: it can not be had. */
gint worker_message_descriptor (WorkerMessage *message, gint spool);
/* At least the current header block, from the first byte on. Never NULL. Borrowed. */
GBytes *worker_message_header_block (WorkerMessage *message);
/* Whether the current bytes are within the limits; an empty message is. The first look at a
 * request's own message. */
gboolean worker_message_check (WorkerMessage *message, const MimeLimits *limits,
                               MimeProblem *problem);
/* NULL: the bytes can not be had, or a filter's edits took them over the limits. Borrowed. Whoever
 * calls it has held the request's own message against the limits. */
MimeView *worker_message_view (WorkerMessage *message, const MimeLimits *limits);
/* The same with the message's entities alone, for which GMime is asked only where it must be. */
const MimeOutline *worker_message_outline (WorkerMessage *message, const MimeLimits *limits);
/* `edits` refers to the current bytes. FALSE: it does not fit, nothing is changed. */
gboolean worker_message_apply (WorkerMessage *message, const MessageEdits *edits);
