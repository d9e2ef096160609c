/* One request of a test over the chain, and what came of it. The chain decides as it does in the
 * gateway; a filter that failed is told by its reason. */
#include <string.h>

#include "base/log.h"
#include "message/edits.h"
#include "testing/private.h"

typedef struct
{
  WeirTest *test;
  ChainStep step;
  gboolean failed; /* the last filter */
  gchar *reason;
  GString *notes;
  GString *log;
} Run;

static void
take_line (const gchar *line, gsize length, gpointer data)
{
  g_string_append_len (data, line, (gssize) length);
}

static void
take_notes (GString *notes, const IpcRecord *record)
{
  for (guint i = 0; record->notes != NULL && i < record->notes->len; i++)
    {
      const IpcNote *note = g_ptr_array_index (record->notes, i);

      g_string_append_printf (notes, "%s=%s\n", note->name, note->value);
    }
}

/* The filter's own reason; of what it did and may not, the chain's. */
static void
take_failure (Run *run, const gchar *own)
{
  const gchar *why = chain_failure (run->test->state);

  g_free (run->reason);
  run->reason = g_strdup (own != NULL ? own : why);
  run->failed = TRUE;
}

static void
take_record (IpcRecord *record, gpointer data)
{
  Run *run = data;
  ChainState *state = run->test->state;
  g_autofree gchar *before = g_strdup (chain_failure (state));

  if (run->step == CHAIN_DONE)
    return;
  if (run->test->loses)
    {
      g_clear_pointer (&record->state, g_bytes_unref);
      record->descriptor_set = FALSE;
    }
  run->failed = FALSE;
  run->step = chain_accept (state, record);
  if (record->failed || g_strcmp0 (before, chain_failure (state)) != 0)
    take_failure (run, record->failed ? record->reason : NULL);
  else
    take_notes (run->notes, record);
}

static void
run_chain (Run *run, gsize size)
{
  WeirTest *test = run->test;

  run->step = chain_begin (test->state, test->request.hook, size) ? CHAIN_REQUEST : CHAIN_DONE;
  while (run->step != CHAIN_DONE)
    {
      IpcRequest request = test->request;

      request.serial++;
      chain_fill_request (test->state, &request);
      worker_run_request (test->worker, &request, take_record, run);
      chain_clear_request (&request);
      g_assert_cmpint (run->step, !=, CHAIN_WAIT);
    }
}

/* ---- The result ---- */

static WeirTestVerdict
verdict_of (const Run *run, const ChainOutcome *outcome)
{
  static const WeirTestVerdict verdicts[] = { WEIR_TEST_PASS, WEIR_TEST_REFUSED, WEIR_TEST_REFUSED,
                                              WEIR_TEST_DISCARDED, WEIR_TEST_QUARANTINED };

  return run->failed ? WEIR_TEST_FAILED : verdicts[outcome->kind];
}

static void
set_reply (WeirTestResult *result, const Run *run, const ChainOutcome *outcome)
{
  if (run->failed)
    result->reply = g_strdup (run->reason);
  else if (outcome->kind == CHAIN_QUARANTINE)
    result->reply = g_strdup (outcome->reason);
  else if (outcome->reply != NULL && outcome->kind != CHAIN_DISCARD)
    result->reply = base_reply_to_string (outcome->reply);
  if (outcome->reply != NULL)
    result->code = outcome->reply->code;
  result->closes = outcome->close || outcome->kind == CHAIN_CLOSE;
}

static gchar *
addresses (const GPtrArray *recipients)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (guint i = 0; i < recipients->len; i++)
    g_string_append_printf (list, "%s%s", i == 0 ? "" : " ",
                            ((BasePath *) recipients->pdata[i])->address);
  return g_strdup (list->str);
}

static void
set_envelope (WeirTestResult *result, const WeirTest *test, const ChainOutcome *outcome)
{
  const BasePath *sender = outcome->sender != NULL ? outcome->sender : test->request.sender;
  const GPtrArray *recipients
      = outcome->recipients != NULL ? outcome->recipients : test->request.recipients;

  result->sender = sender == NULL ? NULL : g_strdup (sender->address);
  result->recipients = addresses (recipients);
}

static void
set_message (WeirTestResult *result, GBytes *message, const MessageEdits *edits)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (message, &size);
  MessageSource source = message_source_from_memory (bytes, size);
  g_autoptr (GError) error = NULL;

  if (edits == NULL)
    {
      result->message = g_bytes_ref (message);
      return;
    }
  g_assert_true (message_edits_fit (edits, size));
  result->message = message_edits_apply (edits, &source, &error);
  g_assert_no_error (error);
  result->n_edits = message_edits_count (edits);
}

WeirTestResult *
testing_run (WeirTest *test, GBytes *message)
{
  g_autoptr (GBytes) original
      = message == NULL ? g_bytes_new_static ("", 0) : g_bytes_ref (message);
  Run run = { .test = test, .notes = g_string_new (NULL), .log = g_string_new (NULL) };
  WeirTestResult *result = g_new0 (WeirTestResult, 1);
  const ChainOutcome *outcome;

  base_log_set_sink (take_line, run.log);
  run_chain (&run, g_bytes_get_size (original));
  base_log_set_sink (NULL, NULL);
  outcome = chain_outcome (test->state);
  result->verdict = verdict_of (&run, outcome);
  result->hook = ipc_hook_name (test->request.hook);
  set_reply (result, &run, outcome);
  set_envelope (result, test, outcome);
  set_message (result, original, outcome->kind == CHAIN_PASS ? outcome->edits : NULL);
  result->notes = g_string_free (run.notes, FALSE);
  result->filters = g_strdup (chain_log_filters (test->state));
  result->log = g_string_free (run.log, FALSE);
  g_free (run.reason);
  return result;
}

void
weir_test_result_free (WeirTestResult *result)
{
  g_free (result->reply);
  g_clear_pointer (&result->message, g_bytes_unref);
  g_free (result->sender);
  g_free (result->recipients);
  g_free (result->notes);
  g_free (result->filters);
  g_free (result->log);
  g_free (result);
}

/* ---- Messages ---- */

char *
weir_test_wire (const char *text, gsize length, gsize *wire_length)
{
  GString *out = g_string_sized_new (length + length / 16 + 2);

  for (gsize i = 0; i < length; i++)
    {
      if (text[i] == '\n' || (text[i] == '\r' && (i + 1 == length || text[i + 1] != '\n')))
        g_string_append (out, "\r\n");
      else if (text[i] != '\r')
        g_string_append_c (out, text[i]);
    }
  *wire_length = out->len;
  return g_string_free (out, FALSE);
}

char *
weir_test_crlf (const char *text)
{
  gsize length;

  return weir_test_wire (text, strlen (text), &length);
}

void
weir_test_assert_message (const WeirTestResult *result, const char *expected, gsize length)
{
  gsize size;
  const char *bytes = g_bytes_get_data (result->message, &size);
  g_autofree gchar *is = g_strndup (size == 0 ? "" : bytes, size);
  g_autofree gchar *should_be = g_strndup (expected, length);

  /* First as text, which says more; NULs end it. */
  g_assert_cmpstr (is, ==, should_be);
  g_assert_cmpmem (bytes, size, expected, length);
}
