/* What stands behind WeirContext: one filter in one request. Inside src/worker only. */
#pragma once

#include "ipc/record.h"
#include "mime/splice.h"
#include "worker/headers.h"
#include "worker/message.h"
#include "worker/modules.h"

struct _WeirContext
{
  const Config *config;
  const ConfigListener *listener;
  const WorkerFilter *filter;
  const IpcRequest *request;
  guint index;      /* of the filter in the chain */
  IpcHook hook;     /* that is running now */
  gboolean unread;  /* MIME is not offered */
  gint64 deadline;  /* µs, monotonic: then the host gives this filter up */
  gsize body_chunk; /* octets of the next piece of the body, or WEIR_BODY_LINES */
  MimeLimits limits;
  WorkerMessage
      *message; /* NULL: the hook has none. Borrowed from the run, as are the next three */
  const BasePath *sender; /* as the chain has it before this filter */
  GPtrArray *recipients;  /* of BasePath; NULL: none */
  GPtrArray *notes;       /* of IpcNote: what earlier filters set */

  IpcRecord *record;   /* under way; owned until it is handed on */
  gpointer state;      /* state_size bytes */
  BaseReply *reply;    /* set by weir_reply() in this hook */
  gchar *reason;       /* set by weir_quarantine() in this hook */
  gchar *failure;      /* an edit that may not be, the first one; NULL: none */
  GSList *of_the_call; /* strings to free after the hook */
  GSList *old_paths;   /* of BasePath that were replaced: the filter may still hold their strings */

  WorkerHeaders *headers; /* NULL: not asked for */
  WorkerField *field;     /* the one at hand in `header` */
  MimeSplice *splice;     /* NULL: no part was edited */
  GBytes *body;           /* the new body; NULL: not replaced */
  GBytes *replacement; /* the whole new message; NULL: not replaced. `headers` is its list then */
};

void worker_context_init (WeirContext *context);
/* The size of a piece: 1,024 when nothing else is asked for. */
static inline gsize
worker_body_chunk (gsize octets)
{
  return octets == 0 ? 1024 : octets;
}

void worker_context_clear (WeirContext *context);
/* Between two hooks of one filter. */
void worker_context_end_call (WeirContext *context);
/* Moves state, if it was changed, and edits into the record. FALSE: context->failure says why not.
 */
gboolean worker_context_finish (WeirContext *context);

gboolean worker_context_sees_headers (const WeirContext *context);
gboolean worker_context_sees_body (const WeirContext *context);
/* GMime's view; NULL: not offered, or not now. */
MimeView *worker_context_view (WeirContext *context);
/* The entities; NULL: not offered, or not now. */
const MimeOutline *worker_context_outline (WeirContext *context);
/* The list of fields with this filter's edits; NULL: the hook has none. */
WorkerHeaders *worker_context_headers (WeirContext *context);
/* Whether this kind of edit is declared (else the filter fails) and the hook's moment is right. */
gboolean worker_context_may_edit (WeirContext *context, WeirEdits kind, GError **error);
/* LF made CRLF; NULL and an error for a bare CR. `length` -1: up to the NUL. */
GBytes *worker_context_crlf (const char *text, gssize length, GError **error);
