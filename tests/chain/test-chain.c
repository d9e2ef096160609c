/* Which filter is next, whose verdict wins, and what counts as a failure: by records, without
 * workers. */
#include "chain/chain.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define AT_END IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE)
#define ALL_EDITS (IPC_EDIT_SENDER | IPC_EDIT_RECIPIENTS | IPC_EDIT_HEADERS)

typedef struct
{
  ChainFilter filters[3];
  Chain chain;
  ChainState *state;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  static const gchar *const names[] = { "one", "two", "three" };
  for (guint i = 0; i < 3; i++)
    f->filters[i]
        = (ChainFilter){ .name = names[i],
                         .hooks = AT_END | IPC_HOOK_BIT (IPC_HOOK_MAIL)
                                  | IPC_HOOK_BIT (IPC_HOOK_HELO) | IPC_HOOK_BIT (IPC_HOOK_QUIT)
                                  | IPC_HOOK_BIT (IPC_HOOK_MESSAGE_OVER),
                         .edits = ALL_EDITS,
                         .state_size = 4,
                         .timeout = 1000,
                         .enforce = TRUE };
  f->chain = (Chain){ .n_filters = 3, .filters = f->filters, .hooks = f->filters[0].hooks };
  f->state = chain_state_new (&f->chain);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  chain_state_free (f->state);
}

static IpcRecord *
record_of (guint filter, IpcVerdict verdict)
{
  IpcRecord *record = ipc_record_new ();
  record->filter = filter;
  record->verdict = verdict;
  record->last = filter == 2;
  return record;
}

static IpcRecord *
reply_of (guint filter, IpcVerdict verdict, guint code)
{
  IpcRecord *record = record_of (filter, verdict);
  record->reply = base_reply_new (code, code / 100, 0, 0, "text");
  return record;
}

static ChainStep
take (Fixture *f, IpcRecord *record)
{
  ChainStep step = chain_accept (f->state, record);
  ipc_record_free (record);
  return step;
}

static GBytes *
bytes (const gchar *text)
{
  return g_bytes_new (text, strlen (text));
}

static void
edit (IpcRecord *record, guint64 offset, guint64 removed, const gchar *inserted)
{
  g_autoptr (GBytes) text = bytes (inserted);
  record->edits = message_edits_new ();
  g_assert_true (message_edits_add (record->edits, offset, removed, text));
}

static void
test_all_pass (Fixture *f, gconstpointer data)
{
  g_assert_true (chain_begin (f->state, IPC_HOOK_HELO, 0));
  g_assert_cmpint (take (f, record_of (0, IPC_VERDICT_PASS)), ==, CHAIN_WAIT);
  g_assert_cmpstr (chain_awaited (f->state)->name, ==, "two");
  g_assert_cmpint (take (f, record_of (1, IPC_VERDICT_PASS)), ==, CHAIN_WAIT);
  g_assert_cmpint (take (f, record_of (2, IPC_VERDICT_PASS)), ==, CHAIN_DONE);
  g_assert_cmpint (chain_outcome (f->state)->kind, ==, CHAIN_PASS);
  g_assert_null (chain_awaited (f->state));
}

static void
test_nobody_wants_it (Fixture *f, gconstpointer data)
{
  g_assert_false (chain_begin (f->state, IPC_HOOK_NOOP, 0));
  g_assert_cmpint (chain_outcome (f->state)->kind, ==, CHAIN_PASS);
}

static void
test_refusal_ends (Fixture *f, gconstpointer data)
{
  chain_begin (f->state, IPC_HOOK_HELO, 0);
  take (f, record_of (0, IPC_VERDICT_PASS));
  g_assert_cmpint (take (f, reply_of (1, IPC_VERDICT_REPLY, 550)), ==, CHAIN_DONE);
  g_assert_cmpint (chain_outcome (f->state)->kind, ==, CHAIN_REFUSE);
  g_assert_cmpint (chain_outcome (f->state)->reply->code, ==, 550);
  g_assert_cmpstr (chain_outcome (f->state)->filter, ==, "two");
}

static void
test_positive_reply_is_only_text (Fixture *f, gconstpointer data)
{
  chain_begin (f->state, IPC_HOOK_HELO, 0);
  g_assert_cmpint (take (f, reply_of (0, IPC_VERDICT_REPLY, 250)), ==, CHAIN_WAIT);
  take (f, record_of (1, IPC_VERDICT_PASS));
  take (f, record_of (2, IPC_VERDICT_PASS));
  g_assert_cmpint (chain_outcome (f->state)->kind, ==, CHAIN_PASS);
  g_assert_cmpint (chain_outcome (f->state)->reply->code, ==, 250);
}

static void
test_shadow_changes_nothing (Fixture *f, gconstpointer data)
{
  f->filters[0].enforce = FALSE;
  chain_begin (f->state, IPC_HOOK_END_OF_MESSAGE, 10);
  IpcRecord *record = reply_of (0, IPC_VERDICT_REPLY, 550);
  edit (record, 0, 0, "X: 1\r\n");
  g_assert_cmpint (take (f, record), ==, CHAIN_WAIT);
  take (f, record_of (1, IPC_VERDICT_PASS));
  take (f, record_of (2, IPC_VERDICT_PASS));
  g_assert_cmpint (chain_outcome (f->state)->kind, ==, CHAIN_PASS);
  g_assert_null (chain_outcome (f->state)->edits);
  g_assert_nonnull (strstr (chain_log_filters (f->state), "one=would-reject"));
}

static void
test_skip_lasts_for_the_message (Fixture *f, gconstpointer data)
{
  chain_state_begin_message (f->state);
  chain_begin (f->state, IPC_HOOK_MAIL, 0);
  take (f, record_of (0, IPC_VERDICT_SKIP));
  take (f, record_of (1, IPC_VERDICT_PASS));
  take (f, record_of (2, IPC_VERDICT_PASS));
  chain_begin (f->state, IPC_HOOK_END_OF_MESSAGE, 10);
  g_assert_cmpstr (chain_awaited (f->state)->name, ==, "two");
  chain_state_end_message (f->state);
  chain_begin (f->state, IPC_HOOK_END_OF_MESSAGE, 10);
  g_assert_cmpstr (chain_awaited (f->state)->name, ==, "one");
}

static void
test_skip_before_mail_lasts_for_the_session (Fixture *f, gconstpointer data)
{
  chain_begin (f->state, IPC_HOOK_HELO, 0);
  take (f, record_of (0, IPC_VERDICT_SKIP));
  chain_abandon (f->state);
  chain_state_end_message (f->state);
  chain_begin (f->state, IPC_HOOK_MAIL, 0);
  g_assert_cmpstr (chain_awaited (f->state)->name, ==, "two");
}

static void
test_on_failure (Fixture *f, gconstpointer data)
{
  static const ChainOutcomeKind kinds[] = { CHAIN_REFUSE, CHAIN_PASS, CHAIN_REFUSE };
  static const guint codes[] = { 451, 0, 554 };
  for (guint policy = CHAIN_ON_FAILURE_TEMPFAIL; policy <= CHAIN_ON_FAILURE_REJECT; policy++)
    {
      f->filters[2].on_failure = policy;
      chain_state_end_message (f->state);
      chain_begin (f->state, IPC_HOOK_END_OF_MESSAGE, 10);
      take (f, record_of (0, IPC_VERDICT_PASS));
      take (f, record_of (1, IPC_VERDICT_PASS));
      g_assert_cmpint (chain_fail (f->state, "signal 11"), ==, CHAIN_DONE);
      g_assert_cmpint (chain_outcome (f->state)->kind, ==, kinds[policy]);
      if (codes[policy] != 0)
        g_assert_cmpint (chain_outcome (f->state)->reply->code, ==, codes[policy]);
      g_assert_cmpstr (chain_failure (f->state), ==, "three: signal 11");
    }
}

/* A new request starts behind the filter that failed, and that one is not asked about this message
 * again. */
static void
test_chain_goes_on_behind_a_failure (Fixture *f, gconstpointer data)
{
  g_autoptr (IpcRequest) request = ipc_request_new (IPC_HOOK_CONNECT);
  f->filters[1].on_failure = CHAIN_ON_FAILURE_PASS;
  chain_begin (f->state, IPC_HOOK_END_OF_MESSAGE, 10);
  take (f, record_of (0, IPC_VERDICT_PASS));
  g_assert_cmpint (chain_fail (f->state, "dead"), ==, CHAIN_REQUEST);
  chain_fill_request (f->state, request);
  g_assert_cmpuint (request->first, ==, 2);
  g_assert_true (g_array_index (request->filters, IpcFilterState, 1).skip);
  chain_clear_request (request);
}

static void
assert_bad (Fixture *f, IpcRecord *record, const gchar *why)
{
  g_assert_cmpint (take (f, record), ==, CHAIN_DONE);
  g_assert_cmpint (chain_outcome (f->state)->kind, ==, CHAIN_REFUSE);
  g_assert_cmpint (chain_outcome (f->state)->reply->code, ==, 451);
  g_assert_nonnull (strstr (chain_failure (f->state), why));
}

static void
test_bad_verdicts (Fixture *f, gconstpointer data)
{
  chain_begin (f->state, IPC_HOOK_HELO, 0);
  assert_bad (f, record_of (0, IPC_VERDICT_DISCARD), "outside a transaction");
  chain_begin (f->state, IPC_HOOK_HELO, 0);
  assert_bad (f, record_of (0, IPC_VERDICT_QUARANTINE), "outside a transaction");
  chain_begin (f->state, IPC_HOOK_HELO, 0);
  assert_bad (f, record_of (0, IPC_VERDICT_REPLY), "can not be sent");
  chain_begin (f->state, IPC_HOOK_HELO, 0);
  assert_bad (f, reply_of (0, IPC_VERDICT_REPLY, 354), "");
  chain_begin (f->state, IPC_HOOK_HELO, 0);
  assert_bad (f, record_of (1, IPC_VERDICT_PASS), "another filter");
  chain_begin (f->state, IPC_HOOK_QUIT, 0);
  g_assert_cmpint (take (f, reply_of (0, IPC_VERDICT_CLOSE, 221)), ==, CHAIN_WAIT);
}

/* The session is to end with the operation: the others are asked all the same. */
static void
test_polite_close (Fixture *f, gconstpointer data)
{
  chain_begin (f->state, IPC_HOOK_MAIL, 0);
  g_assert_cmpint (take (f, reply_of (0, IPC_VERDICT_CLOSE, 250)), ==, CHAIN_WAIT);
  take (f, record_of (1, IPC_VERDICT_PASS));
  g_assert_cmpint (take (f, record_of (2, IPC_VERDICT_PASS)), ==, CHAIN_DONE);
  g_assert_cmpint (chain_outcome (f->state)->kind, ==, CHAIN_PASS);
  g_assert_true (chain_outcome (f->state)->close);
  g_assert_cmpuint (chain_outcome (f->state)->reply->code, ==, 250);
  chain_begin (f->state, IPC_HOOK_MAIL, 0);
  take (f, reply_of (0, IPC_VERDICT_CLOSE, 250));
  g_assert_cmpint (take (f, reply_of (1, IPC_VERDICT_REPLY, 550)), ==, CHAIN_DONE);
  g_assert_cmpint (chain_outcome (f->state)->kind, ==, CHAIN_REFUSE);
  g_assert_true (chain_outcome (f->state)->close);
}

static void
test_bad_edits (Fixture *f, gconstpointer data)
{
  static const gchar *const dirty[] = { "a\nb", "a\rb", "end\r", "\n" };
  IpcRecord *record;
  for (guint i = 0; i < G_N_ELEMENTS (dirty); i++)
    {
      chain_begin (f->state, IPC_HOOK_END_OF_MESSAGE, 10);
      edit (record = record_of (0, IPC_VERDICT_PASS), 0, 0, dirty[i]);
      assert_bad (f, record, "bare CR or LF");
    }
  chain_begin (f->state, IPC_HOOK_END_OF_MESSAGE, 10);
  edit (record = record_of (0, IPC_VERDICT_PASS), 5, 5, "");
  take (f, record); /* exactly to the end */
  edit (record = record_of (1, IPC_VERDICT_PASS), 5, 1, "");
  assert_bad (f, record, "outside the message"); /* of what the first one left */
  chain_begin (f->state, IPC_HOOK_HELO, 0);
  edit (record = record_of (0, IPC_VERDICT_PASS), 0, 0, "X: y\r\n");
  assert_bad (f, record, "where there is none");
  f->filters[0].edits = 0;
  chain_begin (f->state, IPC_HOOK_END_OF_MESSAGE, 10);
  edit (record = record_of (0, IPC_VERDICT_PASS), 0, 0, "X: y\r\n");
  assert_bad (f, record, "does not declare");
}

static void
test_bad_envelopes (Fixture *f, gconstpointer data)
{
  IpcRecord *record = record_of (0, IPC_VERDICT_PASS);
  chain_begin (f->state, IPC_HOOK_END_OF_MESSAGE, 10);
  record->sender = base_path_new ("a b@x> RCPT", NULL);
  assert_bad (f, record, "no address");
  record = record_of (0, IPC_VERDICT_PASS);
  chain_begin (f->state, IPC_HOOK_MAIL, 10);
  record->sender = base_path_new ("a@x", NULL);
  assert_bad (f, record, "before data");
}

static void
test_edits_compose_in_chain_order (Fixture *f, gconstpointer data)
{
  static const gchar original[] = "Subject: x";
  MessageSource source
      = message_source_from_memory ((const guint8 *) original, sizeof original - 1);
  IpcRecord *record;
  chain_begin (f->state, IPC_HOOK_END_OF_MESSAGE, sizeof original - 1);
  edit (record = record_of (0, IPC_VERDICT_PASS), 0, 0, "A: 1\r\n");
  take (f, record);
  edit (record = record_of (1, IPC_VERDICT_PASS), 6, 7, "Title");
  take (f, record);
  take (f, record_of (2, IPC_VERDICT_PASS));
  g_autoptr (GBytes) result = message_edits_apply (chain_outcome (f->state)->edits, &source, NULL);
  g_assert_cmpmem (g_bytes_get_data (result, NULL), g_bytes_get_size (result), "A: 1\r\nTitle: x",
                   14);
}

static void
test_state_and_descriptor_travel (Fixture *f, gconstpointer data)
{
  gint pair[2];
  IpcRecord *record = record_of (0, IPC_VERDICT_PASS);
  g_assert_cmpint (pipe (pair), ==, 0);
  record->state = g_bytes_new ("abcd", 4);
  record->descriptor_set = TRUE;
  record->descriptor = pair[0];
  chain_begin (f->state, IPC_HOOK_HELO, 0);
  take (f, record);
  chain_abandon (f->state);
  g_autoptr (IpcRequest) request = ipc_request_new (IPC_HOOK_CONNECT);
  chain_begin (f->state, IPC_HOOK_MAIL, 0);
  chain_fill_request (f->state, request);
  const IpcFilterState *filter = &g_array_index (request->filters, IpcFilterState, 0);
  g_assert_cmpint (filter->descriptor, ==, pair[0]);
  g_assert_cmpmem (g_bytes_get_data (filter->state, NULL), 4, "abcd", 4);
  g_assert_null (g_array_index (request->filters, IpcFilterState, 1).state);
  chain_clear_request (request);
  chain_state_reset (f->state); /* closes it */
  signal (SIGPIPE, SIG_IGN);
  g_assert_cmpint (write (pair[1], "x", 1), ==, -1);
  close (pair[1]);
}

static void
test_state_of_another_size (Fixture *f, gconstpointer data)
{
  IpcRecord *record = record_of (0, IPC_VERDICT_PASS);
  record->state = g_bytes_new ("abcde", 5);
  chain_begin (f->state, IPC_HOOK_HELO, 0);
  assert_bad (f, record, "another size");
}

static void
add_note (IpcRecord *record, const gchar *name, const gchar *value)
{
  IpcNote *note = g_new0 (IpcNote, 1);
  note->name = g_strdup (name);
  note->value = g_strdup (value);
  if (record->notes == NULL)
    record->notes = g_ptr_array_new_with_free_func ((GDestroyNotify) ipc_note_free);
  g_ptr_array_add (record->notes, note);
}

static void
test_notes (Fixture *f, gconstpointer data)
{
  IpcRecord *record = record_of (0, IPC_VERDICT_PASS);
  add_note (record, "session", "1");
  chain_begin (f->state, IPC_HOOK_HELO, 0);
  take (f, record);
  chain_abandon (f->state);
  chain_state_begin_message (f->state);
  add_note (record = record_of (0, IPC_VERDICT_PASS), "message", "2");
  chain_begin (f->state, IPC_HOOK_MAIL, 0);
  take (f, record);
  g_autofree gchar *both = chain_log_notes (f->state);
  g_assert_cmpstr (both, ==, "session=1,message=2");
  chain_state_end_message (f->state);
  g_autofree gchar *left = chain_log_notes (f->state);
  g_assert_cmpstr (left, ==, "session=1");
}

static void
test_over_has_no_verdict (Fixture *f, gconstpointer data)
{
  chain_begin (f->state, IPC_HOOK_MESSAGE_OVER, 0);
  g_assert_cmpint (take (f, reply_of (0, IPC_VERDICT_REPLY, 550)), ==, CHAIN_REQUEST);
  take (f, record_of (1, IPC_VERDICT_PASS));
  take (f, record_of (2, IPC_VERDICT_PASS));
  g_assert_cmpint (chain_outcome (f->state)->kind, ==, CHAIN_PASS);
}

/* That a message is over a limit is the host's word, not the filter's. */
static void
test_shadow_does_not_soften_a_limit (Fixture *f, gconstpointer data)
{
  f->filters[0].enforce = FALSE;
  g_assert_true (chain_begin (f->state, IPC_HOOK_END_OF_MESSAGE, 10));
  IpcRecord *record = reply_of (0, IPC_VERDICT_REPLY, 554);
  record->limit = record->last = TRUE;
  g_assert_cmpint (take (f, record), ==, CHAIN_DONE);
  g_assert_cmpint (chain_outcome (f->state)->kind, ==, CHAIN_REFUSE);
}

#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/chain/all-pass", test_all_pass);
  ADD ("/chain/nobody-wants-it", test_nobody_wants_it);
  ADD ("/chain/refusal-ends", test_refusal_ends);
  ADD ("/chain/positive-reply", test_positive_reply_is_only_text);
  ADD ("/chain/shadow", test_shadow_changes_nothing);
  ADD ("/chain/shadow/limit", test_shadow_does_not_soften_a_limit);
  ADD ("/chain/skip/message", test_skip_lasts_for_the_message);
  ADD ("/chain/skip/session", test_skip_before_mail_lasts_for_the_session);
  ADD ("/chain/failure/policies", test_on_failure);
  ADD ("/chain/failure/goes-on", test_chain_goes_on_behind_a_failure);
  ADD ("/chain/polite-close", test_polite_close);
  ADD ("/chain/bad/verdicts", test_bad_verdicts);
  ADD ("/chain/bad/edits", test_bad_edits);
  ADD ("/chain/bad/envelopes", test_bad_envelopes);
  ADD ("/chain/bad/state", test_state_of_another_size);
  ADD ("/chain/edits", test_edits_compose_in_chain_order);
  ADD ("/chain/state", test_state_and_descriptor_travel);
  ADD ("/chain/notes", test_notes);
  ADD ("/chain/over", test_over_has_no_verdict);
  return g_test_run ();
}
