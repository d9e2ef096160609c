/* What filters may do to a session: refuse, edit, set aside, die, hang; on the gateway without
 * sockets. */
#include "harness.h"

#include <string.h>

#include "base/log.h"

static gboolean
refuse_at_end (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  record->verdict = IPC_VERDICT_REPLY;
  record->reply = base_reply_new (550, 5, 7, 1, "refused by a filter");
  return TRUE;
}

static void
test_refusal_at_end_is_heard_after_the_dot (void)
{
  g_autoptr (Harness) h
      = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE), 0, refuse_at_end);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "550 5.7.1 refused by a filter\n");
  g_assert_null (strstr (h->commands->str, "DATA"));
  g_assert_nonnull (strstr (h->commands->str, "RSET")); /* costs one RSET */
  g_assert_cmpuint (h->given_back, ==, 1);
}

static gboolean
add_field (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  g_autoptr (GBytes) field = filter == 0 ? g_bytes_new_static ("X-One: 1\r\n", 10)
                                         : g_bytes_new_static ("X-Two: 2\r\n", 10);
  record->edits = message_edits_new ();
  g_assert_true (message_edits_add (record->edits, 0, 0, field));
  return TRUE;
}

static void
test_edits_are_composed (gconstpointer hook)
{
  guint32 hooks = IPC_HOOK_BIT (GPOINTER_TO_UINT (hook));
  g_autoptr (Harness) h = harness_filtered (hooks, hooks, add_field);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
  /* the second sees the first one's bytes, and puts its field above them */
  g_assert_cmpstr (harness_behind_received (h), ==,
                   "X-Two: 2\r\nX-One: 1\r\nSubject: hi\r\n\r\nhello\r\n");
}

static gboolean
die_in_first (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  return filter != 0;
}

static gboolean
die_in_second (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  return filter != 1;
}

static void
test_dead_worker_is_451 (void)
{
  guint32 hooks = IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE);
  g_autoptr (Harness) h = harness_filtered (hooks, hooks, die_in_first);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "451 4.3.0");
  g_assert_cmpuint (h->messages, ==, 0);
}

static void
test_dead_worker_of_a_filter_that_may_fail (void)
{
  guint32 hooks = IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE);
  g_autoptr (Harness) h = harness_filtered (hooks, hooks, die_in_second);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
}

static void
test_hanging_filter (void)
{
  g_autoptr (Harness) h = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE), 0, NULL);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  gateway_session_worker_started (h->session);
  harness_pass_time (h, 9 * 1000);
  harness_assert_heard (h, "");
  harness_pass_time (h, 2 * 1000);
  harness_assert_code (h, "451 4.3.0");
  g_assert_cmpuint (h->cancelled, ==, 1);
}

static void
test_no_worker_is_451_whatever_on_failure_says (void)
{
  g_autoptr (Harness) h = harness_filtered (0, IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE), NULL);
  h->queue_full = TRUE;
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "451 4.3.2");
}

static void
test_client_that_gives_up_while_a_filter_works (void)
{
  g_autoptr (Harness) h = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE), 0, NULL);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  gateway_session_client_gone (h->session);
  harness_move (h);
  g_assert_cmpuint (h->cancelled, ==, 1);
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_true (gateway_session_is_over (h->session));
}

static void
test_deadline_covers_filters (void)
{
  g_autoptr (Harness) h = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE), 0, NULL);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY); /* queued, no worker takes it */
  harness_pass_time (h, 61 * 1000);
  harness_assert_code (h, "451 4.4.7");
  g_assert_cmpuint (h->cancelled, ==, 1);
}

static gboolean
edit_envelope (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  record->sender = base_path_new ("new@client.test", NULL);
  record->recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  g_ptr_array_add (record->recipients, base_path_new ("b@up.test", NULL));
  g_ptr_array_add (record->recipients, base_path_new ("added@up.test", NULL));
  return TRUE;
}

static void
test_changed_envelope_is_sent_anew (void)
{
  g_autoptr (Harness) h
      = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_END_OF_HEADERS), 0, edit_envelope);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_cmpstr (h->commands->str, ==,
                   "MAIL a@client.test\nRCPT b@up.test\nRSET\nMAIL new@client.test\n"
                   "RCPT b@up.test\nRCPT added@up.test\nDATA\nEND\n");
}

static void
test_changed_envelope_that_is_refused (void)
{
  g_autoptr (Harness) h
      = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_END_OF_HEADERS), 0, edit_envelope);
  harness_script (h, "RCPT added@up.test", "550 5.1.1 nobody");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "550 5.1.1 nobody\n");
  g_assert_cmpuint (h->messages, ==, 0);
}

/* 4xx before 5xx: the client may come again. */
static void
test_worst_refusal_is_the_one_that_passes (gconstpointer later)
{
  gboolean first = g_str_equal (later, "RCPT b@up.test");
  g_autoptr (Harness) h
      = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_END_OF_HEADERS), 0, edit_envelope);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_script (h, later, "450 4.2.1 later");
  harness_script (h, first ? "RCPT added@up.test" : "RCPT b@up.test", "550 5.1.1 nobody");
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "450 4.2.1 later\n");
}

static gboolean
text_then_discard (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  record->verdict = request->hook == IPC_HOOK_DATA ? IPC_VERDICT_REPLY : IPC_VERDICT_DISCARD;
  if (record->verdict == IPC_VERDICT_REPLY)
    record->reply = base_reply_new (250, 2, 0, 0, "with pleasure");
  return TRUE;
}

static void
test_text_is_not_for_what_is_discarded (void)
{
  g_autoptr (Harness) h = harness_filtered (
      IPC_HOOK_BIT (IPC_HOOK_DATA) | IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE), 0, text_then_discard);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "250 2.0.0 Ok\n");
  g_assert_cmpuint (h->messages, ==, 0);
}

static gboolean
discard_at_mail (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  record->verdict = IPC_VERDICT_DISCARD;
  return TRUE;
}

static void
test_discard_covers_the_transaction (void)
{
  g_autoptr (Harness) h = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_MAIL), 0, discard_at_mail);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "250");
  g_assert_cmpuint (h->connections, ==, 0);
}

static gboolean
quarantine (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  record->verdict = IPC_VERDICT_QUARANTINE;
  record->reason = g_strdup ("looks odd");
  return TRUE;
}

static void
test_quarantine_keeps_the_original_and_relays_nothing (gconstpointer hook)
{
  g_autoptr (Harness) h = harness_filtered (IPC_HOOK_BIT (GPOINTER_TO_UINT (hook)), 0, quarantine);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "250");
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_cmpuint (h->stored->len, ==, 1);
  g_assert_cmpstr (h->stored->pdata[0], ==, "Subject: hi\r\n\r\nhello\r\n");
}

static void
test_quarantine_that_can_not_be_written_is_451 (void)
{
  g_autoptr (Harness) h = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE), 0, quarantine);
  h->disk_error = g_error_new_literal (G_FILE_ERROR, G_FILE_ERROR_NOSPC, "full");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "452 4.3.1");
}

static GString *logged;

static void
keep_line (const gchar *line, gsize length, gpointer data)
{
  g_string_append_len (logged, line, (gssize) length);
}

/* What the log says of the way to a host that did not get the message would be untrue. */
static void
test_quarantine_is_logged_without_the_upstream (void)
{
  g_autoptr (Harness) h = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE), 0, quarantine);
  h->upstream_tls = "TLSv1.3";
  logged = g_string_new (NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_INFO);
  base_log_set_sink (keep_line, NULL);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  harness_say (h, SAY_BODY);
  base_log_set_sink (NULL, NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_ERROR);
  g_assert_nonnull (strstr (logged->str, " relay=quarantine "));
  g_assert_null (strstr (logged->str, " relay_tls="));
  g_string_free (logged, TRUE);
}

/* The second filter's field breaks nothing; the first one's is a Subject that h= rules out. */
static gboolean
add_subject (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  g_autoptr (GBytes) field = filter == 0 ? g_bytes_new_static ("Subject: 1\r\n", 12)
                                         : g_bytes_new_static ("X-Two: 2\r\n", 10);
  record->edits = message_edits_new ();
  g_assert_true (message_edits_add (record->edits, 0, 0, field));
  return TRUE;
}

static void
test_broken_signatures_are_logged (gconstpointer hook)
{
  guint32 hooks = IPC_HOOK_BIT (GPOINTER_TO_UINT (hook));
  g_autoptr (Harness) h = harness_filtered (hooks, hooks, add_subject);
  logged = g_string_new (NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_INFO);
  base_log_set_sink (keep_line, NULL);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n"
                                    "DKIM-Signature: d=example.org; s=key; h=from:subject:subject\n"
                                    "DKIM-Signature: d=holds.example; s=key; h=from\n" SAY_BODY);
  base_log_set_sink (NULL, NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_ERROR);
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_nonnull (strstr (logged->str, " signatures_broken=\"example.org/key: subject\" "));
  g_string_free (logged, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_ERROR);
  g_test_add_func ("/gateway/filter/refuses", test_refusal_at_end_is_heard_after_the_dot);
  g_test_add_data_func ("/gateway/filter/edits/cut-through",
                        GUINT_TO_POINTER (IPC_HOOK_END_OF_HEADERS), test_edits_are_composed);
  g_test_add_data_func ("/gateway/filter/edits/spooled", GUINT_TO_POINTER (IPC_HOOK_END_OF_MESSAGE),
                        test_edits_are_composed);
  g_test_add_data_func ("/gateway/filter/signatures/cut-through",
                        GUINT_TO_POINTER (IPC_HOOK_END_OF_HEADERS),
                        test_broken_signatures_are_logged);
  g_test_add_data_func ("/gateway/filter/signatures/spooled",
                        GUINT_TO_POINTER (IPC_HOOK_END_OF_MESSAGE),
                        test_broken_signatures_are_logged);
  g_test_add_func ("/gateway/filter/dies", test_dead_worker_is_451);
  g_test_add_func ("/gateway/filter/dies-and-may", test_dead_worker_of_a_filter_that_may_fail);
  g_test_add_func ("/gateway/filter/hangs", test_hanging_filter);
  g_test_add_func ("/gateway/filter/no-worker", test_no_worker_is_451_whatever_on_failure_says);
  g_test_add_func ("/gateway/filter/client-gives-up",
                   test_client_that_gives_up_while_a_filter_works);
  g_test_add_func ("/gateway/filter/deadline", test_deadline_covers_filters);
  g_test_add_func ("/gateway/filter/envelope", test_changed_envelope_is_sent_anew);
  g_test_add_func ("/gateway/filter/envelope-refused", test_changed_envelope_that_is_refused);
  g_test_add_data_func ("/gateway/filter/envelope-worst/first", "RCPT b@up.test",
                        test_worst_refusal_is_the_one_that_passes);
  g_test_add_data_func ("/gateway/filter/envelope-worst/last", "RCPT added@up.test",
                        test_worst_refusal_is_the_one_that_passes);
  g_test_add_func ("/gateway/filter/text", test_text_is_not_for_what_is_discarded);
  g_test_add_func ("/gateway/filter/discard", test_discard_covers_the_transaction);
  g_test_add_func ("/gateway/filter/quarantine/logged",
                   test_quarantine_is_logged_without_the_upstream);
  g_test_add_data_func ("/gateway/filter/quarantine/mail", GUINT_TO_POINTER (IPC_HOOK_MAIL),
                        test_quarantine_keeps_the_original_and_relays_nothing);
  g_test_add_data_func ("/gateway/filter/quarantine/headers",
                        GUINT_TO_POINTER (IPC_HOOK_END_OF_HEADERS),
                        test_quarantine_keeps_the_original_and_relays_nothing);
  g_test_add_data_func ("/gateway/filter/quarantine/message",
                        GUINT_TO_POINTER (IPC_HOOK_END_OF_MESSAGE),
                        test_quarantine_keeps_the_original_and_relays_nothing);
  g_test_add_func ("/gateway/filter/quarantine/full",
                   test_quarantine_that_can_not_be_written_is_451);
  return g_test_run ();
}
