/* Which filters are concerned: their `only-if` conditions against what the session knows. Decided
 * here alone, so that a filter that is not concerned costs no request. Can not fail. */
#include "chain/private.h"

#define OF_RECIPIENT BASE_CONDITION_BIT (BASE_CONDITION_RECIPIENT)
#define OF_NOTE BASE_CONDITION_BIT (BASE_CONDITION_NOTE)
/* Hooks in which a verdict or an edit covers a message with all its recipients. */
#define HOOKS_OF_MESSAGE (IPC_HOOK_BIT (IPC_HOOK_DATA) | IPC_HOOKS_OF_HEADERS | IPC_HOOKS_OF_BODY)

static const gchar *
find_in (const GPtrArray *notes, const gchar *name)
{
  for (guint i = 0; notes != NULL && i < notes->len; i++)
    {
      const IpcNote *note = notes->pdata[i];
      if (g_strcmp0 (note->name, name) == 0)
        return note->value;
    }
  return NULL;
}

static const gchar *
find_note (gconstpointer data, const gchar *name)
{
  const ChainState *state = data;
  const gchar *value = find_in (state->message_notes, name);
  return value != NULL ? value : find_in (state->session_notes, name);
}

static BaseFacts
facts_of (const ChainState *state)
{
  BaseFacts facts = state->facts;
  facts.note = find_note;
  facts.notes = state;
  if (state->sender != NULL)
    facts.sender = state->sender->address;
  if (facts.recipient == NULL)
    facts.recipient = state->recipient;
  return facts;
}

static const GPtrArray *
conditions_of (const ChainState *state, guint index)
{
  const GPtrArray *conditions = state->chain->filters[index].only_if;
  return conditions != NULL && conditions->len > 0 ? conditions : NULL;
}

static gboolean
is_concerned (const ChainState *state, guint index, guint32 kinds)
{
  const GPtrArray *conditions = conditions_of (state, index);
  if (conditions == NULL)
    return TRUE;
  const BaseFacts facts = facts_of (state);
  return base_conditions_hold (conditions, &facts, kinds);
}

/* The kinds of conditions that a filter may still change for those behind it. */
static guint32
late_kinds (const ChainState *state)
{
  for (guint i = 0; i < state->chain->n_filters; i++)
    if ((state->chain->filters[i].edits & IPC_EDIT_SENDER) != 0)
      return OF_NOTE | BASE_CONDITION_BIT (BASE_CONDITION_SENDER);
  return OF_NOTE;
}

/* Who was asked about something hears that it is over, whatever has changed since. */
static gboolean
hears_of_the_end (const ChainState *state, guint index)
{
  const ChainSlot *slot = &state->slots[index];
  return conditions_of (state, index) == NULL
         || (state->hook == IPC_HOOK_MESSAGE_OVER ? slot->asked_message : slot->asked_session);
}

gboolean
chain_is_spared (const ChainState *state, guint index)
{
  const ChainSlot *slot = &state->slots[index];
  if (ipc_hook_is_over (state->hook))
    return !hears_of_the_end (state, index);
  return slot->skip_session || slot->skip_message
         || !is_concerned (state, index, BASE_CONDITIONS_ALL);
}

guint
chain_undecided (const ChainState *state, guint first, guint32 hooks)
{
  guint32 late = late_kinds (state);
  if (ipc_hook_is_over (state->hook))
    return state->chain->n_filters;
  for (guint i = first + 1; i < state->chain->n_filters; i++)
    {
      if ((base_conditions_kinds (conditions_of (state, i)) & late) != 0
          && (state->chain->filters[i].hooks & hooks) != 0
          && is_concerned (state, i, BASE_CONDITIONS_ALL & ~late))
        return i;
    }
  return state->chain->n_filters;
}

void
chain_state_set_facts (ChainState *state, const BaseFacts *facts)
{
  state->facts = *facts;
  if (facts->client == NULL)
    return;
  state->client = *facts->client;
  state->facts.client = &state->client;
}

void
chain_state_set_recipient (ChainState *state, const gchar *recipient)
{
  g_free (state->recipient);
  state->recipient = g_strdup (recipient);
}

/* Notes may still come: what depends on them may come to be. */
gboolean
chain_needs_body (ChainState *state)
{
  guint32 late = late_kinds (state);
  for (guint i = 0; i < state->chain->n_filters; i++)
    if ((state->chain->filters[i].hooks & IPC_HOOKS_OF_BODY) != 0
        && is_concerned (state, i, BASE_CONDITIONS_ALL & ~late))
      return TRUE;
  return FALSE;
}

static gboolean
holds_for (const ChainState *state, guint index, const gchar *recipient)
{
  BaseFacts facts = facts_of (state);
  facts.recipient = recipient;
  return base_conditions_hold (conditions_of (state, index), &facts, OF_RECIPIENT);
}

gboolean
chain_same_class (ChainState *state, const gchar *one, const gchar *other, gboolean aside)
{
  guint32 hooks = HOOKS_OF_MESSAGE | (aside ? IPC_HOOK_BIT (IPC_HOOK_RCPT) : 0);
  for (guint i = 0; i < state->chain->n_filters; i++)
    {
      if ((base_conditions_kinds (conditions_of (state, i)) & OF_RECIPIENT) == 0
          || (state->chain->filters[i].hooks & hooks) == 0
          || !is_concerned (state, i, BASE_CONDITIONS_ALL & ~(OF_RECIPIENT | OF_NOTE)))
        continue;
      if (holds_for (state, i, one) != holds_for (state, i, other))
        return FALSE;
    }
  return TRUE;
}
