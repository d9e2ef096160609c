/* The header fields as one filter sees them: the original's and its own edits, by index. Makes
 * edits of the original bytes at the end. */
#pragma once

#include "message/edits.h"
#include "message/headers.h"

typedef struct _WorkerHeaders WorkerHeaders;
typedef struct _WorkerField WorkerField; /* keeps its identity while indexes move */

/* `bytes` starts at the message's first byte and has at least the header block; borrowed for the
 * list's life. */
WorkerHeaders *worker_headers_new (const guint8 *bytes, gsize length);
void worker_headers_free (WorkerHeaders *headers); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WorkerHeaders, worker_headers_free)

/* Where the fields end, and where the body starts, in the original bytes. */
gsize worker_headers_end (const WorkerHeaders *headers);
gsize worker_headers_body (const WorkerHeaders *headers);

guint worker_headers_count (const WorkerHeaders *headers);
WorkerField *worker_headers_nth (const WorkerHeaders *headers, guint index);
/* G_MAXUINT: it was removed. */
guint worker_headers_index (const WorkerHeaders *headers, const WorkerField *field);
gboolean worker_headers_is_gone (const WorkerField *field);
guint worker_headers_find (WorkerHeaders *headers, const gchar *name, guint nth);
/* Valid as long as the list, even when the field is changed or removed. */
const gchar *worker_headers_name (WorkerHeaders *headers, WorkerField *field);
const gchar *worker_headers_value (WorkerHeaders *headers, WorkerField *field);
const gchar *worker_headers_raw (WorkerHeaders *headers, WorkerField *field);

/* `raw` is what stands behind the colon, without the last line break, with CRLF folds. Copied. */
void worker_headers_insert (WorkerHeaders *headers, guint index, const gchar *name,
                            const gchar *raw);
void worker_headers_change (WorkerHeaders *headers, guint index, const gchar *raw);
void worker_headers_remove (WorkerHeaders *headers, guint index);
/* Content-* fields go, those of an entity's header block (`length` bytes, blank line included) come
 * in the first one's place. */
void worker_headers_replace_content (WorkerHeaders *headers, const guint8 *block, gsize length);

/* Adds what was changed to `edits`, in rising order. */
void worker_headers_finish (const WorkerHeaders *headers, MessageEdits *edits);
