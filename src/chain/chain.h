/* Which filter is next, whose verdict wins, what was edited. Knows requests and records, not how
 * they travel.
 *
 * A Chain is one listener's, shared and read-only. A ChainState is one session's: what each filter
 * remembers, which filters are spared, and the run of one hook that may be under way. Records come
 * from workers and are not trusted: a bad one counts as a crash of its filter. */
#pragma once

#include "base/condition.h"
#include "config/config.h"
#include "ipc/record.h"
#include "ipc/request.h"

typedef enum
{
  CHAIN_ON_FAILURE_TEMPFAIL, /* the numbers of ConfigOnFailure */
  CHAIN_ON_FAILURE_PASS,
  CHAIN_ON_FAILURE_REJECT
} ChainOnFailure;

typedef struct
{
  const gchar *name;
  guint32 hooks; /* of IPC_HOOK_BIT */
  guint32 edits; /* of WeirEdits */
  guint32 state_size;
  gint64 timeout; /* microseconds from the record before to this filter's own */
  ChainOnFailure on_failure;
  gboolean enforce;         /* FALSE: verdict and edits are logged, not applied */
  const GPtrArray *only_if; /* of BaseCondition, borrowed; NULL or empty: it is always asked */
} ChainFilter;

typedef struct
{
  guint n_filters;
  ChainFilter *filters;
  guint32 hooks; /* of all filters together */
} Chain;

/* The chain of a listener. `facts` tells what the module of config->filters' nth told; names and
 * conditions are the configuration's and have to outlive the chain. */
void chain_init (Chain *chain, const ConfigListener *listener,
                 const IpcFilterFacts *(*facts) (gconstpointer data, guint nth),
                 gconstpointer data);
void chain_clear (Chain *chain);

typedef enum
{
  CHAIN_PASS,
  CHAIN_REFUSE, /* `reply`, 4xx or 5xx */
  CHAIN_CLOSE,  /* `reply`, then hang up */
  CHAIN_DISCARD,
  CHAIN_QUARANTINE /* `reason` */
} ChainOutcomeKind;

/* What a run came to. Owned by the state, valid until the next chain_begin(). */
typedef struct
{
  ChainOutcomeKind kind;
  const BaseReply *reply; /* REFUSE, CLOSE; with PASS: the text that a filter wants for the positive
                             answer, or NULL */
  gboolean close;         /* hang up once this has been answered, whatever the answer is */
  const gchar *reason;    /* QUARANTINE */
  const gchar *filter;    /* whose verdict it is; NULL with PASS */
  MessageEdits *edits; /* of all filters together, over the original bytes; NULL: none. Borrowed */
  const BasePath *sender; /* NULL: unchanged */
  GPtrArray *recipients;  /* of BasePath, the whole list; NULL: unchanged. Borrowed */
} ChainOutcome;

typedef struct _ChainState ChainState;

ChainState *chain_state_new (const Chain *chain);
void chain_state_free (ChainState *state); /* NULL is fine; closes the filters' descriptors */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChainState, chain_state_free)
/* HELO, RSET, STARTTLS and the end of a message: what belonged to the message is forgotten (skips,
 * notes, the log of verdicts). */
void chain_state_end_message (ChainState *state);
/* XCLIENT: everything is forgotten, states and descriptors too. */
void chain_state_reset (ChainState *state);
/* From MAIL on, skips and notes belong to the message. */
void chain_state_begin_message (ChainState *state);

static inline gboolean
chain_wants (const Chain *chain, guint32 hook_bits)
{
  return (chain->hooks & hook_bits) != 0;
}

/* As if a filter had set it: of the message once that has begun. */
void chain_state_set_note (ChainState *state, const gchar *name, const gchar *value);

/* What conditions are held against: who the client is and what is in its envelope, as the session
 * knows it now; `recipient` at RCPT alone. Strings are borrowed until the run is over, the
 * client is copied; notes are the chain's own. */
void chain_state_set_facts (ChainState *state, const BaseFacts *facts);
/* The first accepted recipient stands for all from DATA on: those that some filter would be asked
 * about otherwise have been split off. Copied; forgotten with the message. */
void chain_state_set_recipient (ChainState *state, const gchar *recipient);
/* Whether the same filters would be asked about both recipients' message. With `aside`, filters
 * that look at nothing but recipients count as well. */
gboolean chain_same_class (ChainState *state, const gchar *one, const gchar *other, gboolean aside);
/* Whether a filter may be asked about the message that needs its body. */
gboolean chain_needs_body (ChainState *state);

/* Starts a run of `hook`. For END_OF_MESSAGE and END_OF_HEADERS, `size` is that of the bytes that
 * the request will show. TRUE: a request is needed (fill it with chain_fill_request()); FALSE:
 * nobody wants the hook, the outcome is PASS. */
gboolean chain_begin (ChainState *state, IpcHook hook, guint64 size);
/* Right behind chain_begin(): what is done to the message before the first filter sees it. It is
 * part of the outcome's edits. */
void chain_set_edits (ChainState *state, MessageEdits *edits);
/* Sets first, filters, notes, edits, and the envelope as the filters before have left it (borrowing
 * all until the request is encoded and cleared, before the state changes). */
void chain_fill_request (ChainState *state, IpcRequest *request);
void chain_clear_request (IpcRequest *request);

typedef enum
{
  CHAIN_WAIT,    /* more records follow in this request */
  CHAIN_REQUEST, /* a new request is needed, behind a filter that failed */
  CHAIN_DONE     /* chain_outcome() */
} ChainStep;

/* Takes what it needs out of the record; the caller frees the rest. */
ChainStep chain_accept (ChainState *state, IpcRecord *record);
/* The worker died, hung or talked nonsense: the filter whose record is missing is the culprit and
 * its on-failure applies. `why` is copied, for chain_failure(). */
ChainStep chain_fail (ChainState *state, const gchar *why);
/* The run is given up without an outcome (client gone, deadline). */
void chain_abandon (ChainState *state);

gboolean chain_is_running (const ChainState *state);
/* The filter whose record is awaited; its timeout is what may pass until then. NULL: none. */
const ChainFilter *chain_awaited (const ChainState *state);
const ChainOutcome *chain_outcome (const ChainState *state);

/* Why the last filter that failed did, for a log line; NULL: none did. Valid until the next change.
 */
const gchar *chain_failure (const ChainState *state);

/* "no-executables=reject/3ms, mark=pass/0ms" for the summary line, and "name=value" notes. NULL
 * when empty. Valid until the next change. */
const gchar *chain_log_filters (ChainState *state);
gchar *chain_log_notes (const ChainState *state); /* caller frees */
