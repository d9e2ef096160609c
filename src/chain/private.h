/* The inside of a chain's state, for the files of this folder only. */
#pragma once

#include "base/buffer.h"
#include "chain/chain.h"

/* What is remembered of one filter in one session. */
typedef struct
{
  gboolean skip_session;
  gboolean skip_message;
  gboolean asked_session; /* it has been asked something, so it hears that the session is over … */
  gboolean asked_message; /* … and this of the message */
  GBytes *state;          /* NULL: zeros */
  gint descriptor;
  const gchar *verdict; /* the last one that is worth a word in the log; NULL: it has not run */
  gint64 microseconds;
} ChainSlot;

struct _ChainState
{
  const Chain *chain;
  ChainSlot *slots;
  gboolean in_message;
  GPtrArray *session_notes; /* of IpcNote; NULL: none */
  GPtrArray *message_notes;
  GArray *asked;   /* of IpcFilterState, borrowing from the slots: what a request is filled with */
  BaseBuffer log;  /* with its NUL */
  BaseFacts facts; /* borrowed strings */
  BaseEndpoint client; /* that they name */
  gchar *recipient;    /* that stands for all; NULL: none yet */

  gboolean running;
  IpcHook hook;
  guint awaited; /* index of the filter whose record is next; n_filters: none */
  guint64 original_size;
  guint64 current_size;
  MessageEdits *edits;
  BasePath *sender;
  GPtrArray *recipients;
  BaseReply *reply;
  gchar *reason;
  gchar *failure;
  gboolean close; /* after the answer */
  ChainOutcome outcome;
};

/* Whether the filter is not asked in this run: it wants to be spared, or its conditions do not
 * hold as things stand. */
gboolean chain_is_spared (const ChainState *state, guint index);
/* The first filter behind `first` whose conditions depend on what filters before it may still do:
 * a request must end before it. The chain's length: none. */
guint chain_undecided (const ChainState *state, guint first, guint32 hooks);
