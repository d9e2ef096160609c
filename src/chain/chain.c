/* The run of a chain: records in, one outcome out. See chain.h for the contract.
 *
 * Everything a record brings is checked here against what its filter declared and what the hook
 * allows; the first thing that does not fit makes the record a failure of its filter. */
#include "chain/chain.h"

#include <string.h>

#include <glib/gstdio.h>

#include "chain/check.h"
#include "chain/private.h"

ChainState *
chain_state_new (const Chain *chain)
{
  ChainState *state = g_new0 (ChainState, 1);
  state->chain = chain;
  state->slots = g_new0 (ChainSlot, chain->n_filters);
  state->asked = g_array_sized_new (FALSE, FALSE, sizeof (IpcFilterState), chain->n_filters);
  for (guint i = 0; i < chain->n_filters; i++)
    state->slots[i].descriptor = -1;
  state->awaited = chain->n_filters;
  return state;
}

static void
clear_run (ChainState *state)
{
  state->running = FALSE;
  state->awaited = state->chain->n_filters;
  g_clear_pointer (&state->edits, message_edits_unref);
  g_clear_pointer (&state->sender, base_path_free);
  g_clear_pointer (&state->recipients, g_ptr_array_unref);
  g_clear_pointer (&state->reply, base_reply_free);
  g_clear_pointer (&state->reason, g_free);
  g_clear_pointer (&state->failure, g_free);
  state->close = FALSE;
  memset (&state->outcome, 0, sizeof state->outcome);
}

static void
forget_slot (ChainSlot *slot)
{
  g_clear_pointer (&slot->state, g_bytes_unref);
  if (slot->descriptor >= 0)
    g_close (slot->descriptor, NULL);
  memset (slot, 0, sizeof *slot);
  slot->descriptor = -1;
}

void
chain_state_reset (ChainState *state)
{
  clear_run (state);
  for (guint i = 0; i < state->chain->n_filters; i++)
    forget_slot (&state->slots[i]);
  g_clear_pointer (&state->session_notes, g_ptr_array_unref);
  g_clear_pointer (&state->message_notes, g_ptr_array_unref);
  g_clear_pointer (&state->recipient, g_free);
  state->in_message = FALSE;
}

void
chain_state_free (ChainState *state)
{
  if (state == NULL)
    return;
  chain_state_reset (state);
  g_free (state->slots);
  g_array_unref (state->asked);
  base_buffer_clear (&state->log);
  g_free (state);
}

void
chain_state_begin_message (ChainState *state)
{
  state->in_message = TRUE;
}

void
chain_state_end_message (ChainState *state)
{
  clear_run (state);
  g_clear_pointer (&state->message_notes, g_ptr_array_unref);
  g_clear_pointer (&state->recipient, g_free);
  state->in_message = FALSE;
  for (guint i = 0; i < state->chain->n_filters; i++)
    {
      state->slots[i].skip_message = FALSE;
      state->slots[i].asked_message = FALSE;
      state->slots[i].verdict = NULL;
      state->slots[i].microseconds = 0;
    }
}

/* The hooks that one request runs (ipc/hook.h). */
static guint32
hooks_of_request (IpcHook hook)
{
  switch (hook)
    {
    case IPC_HOOK_END_OF_HEADERS:
      return IPC_HOOKS_OF_HEADERS;
    case IPC_HOOK_END_OF_MESSAGE:
      return IPC_HOOKS_OF_HEADERS | IPC_HOOKS_OF_BODY;
    default:
      return IPC_HOOK_BIT (hook);
    }
}

static guint
next_filter (const ChainState *state, guint from)
{
  guint32 hooks = hooks_of_request (state->hook);
  for (guint i = from; i < state->chain->n_filters; i++)
    {
      if ((state->chain->filters[i].hooks & hooks) != 0 && !chain_is_spared (state, i))
        return i;
    }
  return state->chain->n_filters;
}

gboolean
chain_begin (ChainState *state, IpcHook hook, guint64 size)
{
  clear_run (state);
  state->hook = hook;
  state->original_size = state->current_size = size;
  state->awaited = next_filter (state, 0);
  state->running = state->awaited < state->chain->n_filters;
  return state->running;
}

void
chain_set_edits (ChainState *state, MessageEdits *edits)
{
  g_clear_pointer (&state->edits, message_edits_unref);
  state->edits = state->outcome.edits = message_edits_ref (edits);
  state->current_size = message_edits_result_size (edits, state->original_size);
}

/* NULL: none. */
static GPtrArray *
all_notes (const ChainState *state)
{
  GPtrArray *notes;
  if (state->session_notes == NULL && state->message_notes == NULL)
    return NULL;
  notes = g_ptr_array_new ();
  if (state->session_notes != NULL)
    g_ptr_array_extend (notes, state->session_notes, NULL, NULL);
  if (state->message_notes != NULL)
    g_ptr_array_extend (notes, state->message_notes, NULL, NULL);
  return notes;
}

void
chain_fill_request (ChainState *state, IpcRequest *request)
{
  guint until = chain_undecided (state, state->awaited, hooks_of_request (state->hook));
  request->hook = state->hook;
  request->first = state->awaited;
  request->filters = state->asked;
  g_array_set_size (state->asked, 0);
  for (guint i = 0; i < state->chain->n_filters; i++)
    {
      const ChainSlot *slot = &state->slots[i];
      IpcFilterState filter = { .skip = i >= until || chain_is_spared (state, i),
                                .state = slot->state,
                                .descriptor = slot->descriptor };
      g_array_append_val (request->filters, filter);
    }
  request->notes = all_notes (state);
  request->edits = state->edits;
  if (state->sender != NULL)
    request->sender = state->sender;
  if (state->recipients != NULL)
    request->recipients = state->recipients;
}

void
chain_clear_request (IpcRequest *request)
{
  request->filters = NULL;
  g_clear_pointer (&request->notes, g_ptr_array_unref);
  request->edits = NULL;
}

/* ---- Taking a record in ---- */

static void
set_note (GPtrArray **notes, const IpcNote *note)
{
  if (*notes == NULL)
    *notes = g_ptr_array_new_with_free_func ((GDestroyNotify) ipc_note_free);
  for (guint i = 0; i < (*notes)->len; i++)
    {
      IpcNote *old = (*notes)->pdata[i];
      if (g_strcmp0 (old->name, note->name) == 0)
        {
          g_free (old->value);
          old->value = g_strdup (note->value);
          return;
        }
    }
  if ((*notes)->len >= IPC_MAX_NOTES / 2)
    return;
  IpcNote *copy = g_new0 (IpcNote, 1);
  copy->name = g_strdup (note->name);
  copy->value = g_strdup (note->value);
  g_ptr_array_add (*notes, copy);
}

void
chain_state_set_note (ChainState *state, const gchar *name, const gchar *value)
{
  const IpcNote note = { (gchar *) name, (gchar *) value };
  set_note (state->in_message ? &state->message_notes : &state->session_notes, &note);
}

static void
take_state (ChainState *state, ChainSlot *slot, IpcRecord *record)
{
  if (record->state != NULL)
    {
      g_clear_pointer (&slot->state, g_bytes_unref);
      slot->state = g_bytes_ref (record->state);
    }
  if (record->descriptor_set)
    {
      if (slot->descriptor >= 0)
        g_close (slot->descriptor, NULL);
      slot->descriptor = record->descriptor;
      record->descriptor = -1;
    }
  for (guint i = 0; record->notes != NULL && i < record->notes->len; i++)
    {
      const IpcNote *note = record->notes->pdata[i];
      chain_state_set_note (state, note->name, note->value);
    }
}

static void
take_edits (ChainState *state, const IpcRecord *record)
{
  if (record->edits != NULL && message_edits_count (record->edits) > 0)
    {
      MessageEdits *composed
          = state->edits == NULL
                ? message_edits_ref (record->edits)
                : message_edits_compose (state->edits, record->edits, state->original_size);
      g_clear_pointer (&state->edits, message_edits_unref);
      state->edits = composed;
      state->current_size = message_edits_result_size (record->edits, state->current_size);
    }
  if (record->sender != NULL)
    {
      g_clear_pointer (&state->sender, base_path_free);
      state->sender = base_path_copy (record->sender);
    }
  if (record->recipients != NULL)
    {
      g_clear_pointer (&state->recipients, g_ptr_array_unref);
      state->recipients = g_ptr_array_ref (record->recipients);
    }
}

static ChainStep
finish (ChainState *state, ChainOutcomeKind kind, const gchar *filter)
{
  state->running = FALSE;
  state->awaited = state->chain->n_filters;
  state->outcome = (ChainOutcome){ .kind = kind,
                                   .reply = state->reply,
                                   .close = state->close,
                                   .reason = state->reason,
                                   .filter = filter,
                                   .edits = state->edits,
                                   .sender = state->sender,
                                   .recipients = state->recipients };
  return CHAIN_DONE;
}

static ChainStep
advance (ChainState *state, gboolean worker_goes_on)
{
  state->awaited = next_filter (state, state->awaited + 1);
  if (state->awaited >= state->chain->n_filters)
    return finish (state, CHAIN_PASS, NULL);
  return worker_goes_on ? CHAIN_WAIT : CHAIN_REQUEST;
}

static void
set_reply (ChainState *state, const BaseReply *reply)
{
  g_clear_pointer (&state->reply, base_reply_free);
  state->reply = base_reply_copy (reply);
}

static const gchar *
verdict_word (const ChainFilter *filter, const IpcRecord *record)
{
  static const gchar *const enforced[]
      = { "pass", "skip", "reject", "close", "discard", "quarantine" };
  static const gchar *const shadow[]
      = { "pass", "skip", "would-reject", "would-close", "would-discard", "would-quarantine" };
  gboolean text_only = record->verdict == IPC_VERDICT_REPLY && record->reply->code < 400;
  if (text_only)
    return "pass";
  return (filter->enforce || record->limit ? enforced : shadow)[record->verdict];
}

static ChainStep
apply_verdict (ChainState *state, const ChainFilter *filter, const IpcRecord *record)
{
  switch (record->verdict)
    {
    case IPC_VERDICT_REPLY:
      if (!filter->enforce && !record->limit)
        break;
      set_reply (state, record->reply);
      if (record->reply->code >= 400)
        return finish (state, CHAIN_REFUSE, filter->name);
      break;
    case IPC_VERDICT_CLOSE:
      if (!filter->enforce)
        break;
      set_reply (state, record->reply);
      if (record->reply->code >= 400)
        return finish (state, CHAIN_CLOSE, filter->name);
      state->close = TRUE;
      break;
    case IPC_VERDICT_DISCARD:
      if (filter->enforce)
        return finish (state, CHAIN_DISCARD, filter->name);
      break;
    case IPC_VERDICT_QUARANTINE:
      if (!filter->enforce)
        break;
      g_free (state->reason);
      state->reason = g_strdup (record->reason);
      return finish (state, CHAIN_QUARANTINE, filter->name);
    case IPC_VERDICT_PASS:
    case IPC_VERDICT_SKIP:
      break;
    }
  return advance (state, !record->last);
}

static ChainStep
fail_awaited (ChainState *state, const gchar *why, gboolean worker_goes_on)
{
  const ChainFilter *filter = &state->chain->filters[state->awaited];
  ChainSlot *slot = &state->slots[state->awaited];
  slot->verdict = "failed";
  slot->asked_session = slot->asked_message = TRUE;
  g_free (state->failure);
  state->failure = g_strdup_printf ("%s: %s", filter->name, why);
  if (ipc_hook_is_over (state->hook) || !filter->enforce
      || filter->on_failure == CHAIN_ON_FAILURE_PASS)
    {
      slot->skip_message
          = TRUE; /* its state is in doubt: it is not asked about this message again */
      return advance (state, worker_goes_on);
    }
  set_reply (state, filter->on_failure == CHAIN_ON_FAILURE_REJECT
                        ? BASE_REPLY (554, 5, 3, 0, "The message can not be checked")
                        : BASE_REPLY (451, 4, 3, 0, "The message can not be checked now"));
  return finish (state, CHAIN_REFUSE, filter->name);
}

ChainStep
chain_accept (ChainState *state, IpcRecord *record)
{
  g_return_val_if_fail (state->running, CHAIN_DONE);
  if (record->filter != state->awaited)
    return chain_fail (state, "a record of another filter than the one that is awaited");
  const ChainFilter *filter = &state->chain->filters[state->awaited];
  ChainSlot *slot = &state->slots[state->awaited];
  slot->microseconds += record->microseconds;
  slot->asked_session = slot->asked_message = TRUE;
  const gchar *why = chain_check_record (filter, state->hook, state->current_size, record);
  if (why != NULL)
    return chain_fail (state, why);
  if (record->failed)
    return fail_awaited (state, record->reason != NULL ? record->reason : "it failed",
                         !record->last);

  take_state (state, slot, record);
  if (filter->enforce)
    take_edits (state, record);
  if (slot->verdict == NULL || record->verdict > IPC_VERDICT_SKIP)
    slot->verdict = verdict_word (filter, record);
  if (record->verdict == IPC_VERDICT_SKIP)
    *(state->in_message ? &slot->skip_message : &slot->skip_session) = TRUE;
  return apply_verdict (state, filter, record);
}

ChainStep
chain_fail (ChainState *state, const gchar *why)
{
  g_return_val_if_fail (state->running, CHAIN_DONE);
  return fail_awaited (state, why, FALSE);
}

void
chain_abandon (ChainState *state)
{
  clear_run (state);
}

gboolean
chain_is_running (const ChainState *state)
{
  return state->running;
}

const ChainFilter *
chain_awaited (const ChainState *state)
{
  return state->running ? &state->chain->filters[state->awaited] : NULL;
}

const ChainOutcome *
chain_outcome (const ChainState *state)
{
  return &state->outcome;
}

/* ---- For the log ---- */

const gchar *
chain_failure (const ChainState *state)
{
  return state->failure;
}

const gchar *
chain_log_filters (ChainState *state)
{
  BaseBuffer *text = &state->log;
  base_buffer_reset (text);
  for (guint i = 0; i < state->chain->n_filters; i++)
    {
      const ChainSlot *slot = &state->slots[i];
      if (slot->verdict == NULL)
        continue;
      if (base_buffer_length (text) > 0)
        base_buffer_append_string (text, ",");
      base_buffer_append_string (text, state->chain->filters[i].name);
      base_buffer_append_string (text, "=");
      base_buffer_append_string (text, slot->verdict);
      base_buffer_append_string (text, "/");
      base_buffer_append_number (text, (guint64) MAX (slot->microseconds, 0) / 1000, 1);
      base_buffer_append_string (text, "ms");
    }
  if (base_buffer_length (text) == 0)
    return NULL;
  base_buffer_append (text, "", 1);
  return (const gchar *) base_buffer_bytes (text);
}

gchar *
chain_log_notes (const ChainState *state)
{
  g_autoptr (GPtrArray) notes = all_notes (state);
  if (notes == NULL || notes->len == 0)
    return NULL;
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < notes->len; i++)
    {
      const IpcNote *note = notes->pdata[i];
      g_string_append_printf (text, "%s%s=%s", i > 0 ? "," : "", note->name, note->value);
    }
  return g_string_free (text, FALSE);
}
