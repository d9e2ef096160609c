/* The client's commands and what filters may do to each: who is refused, what a refusal leaves
 * behind, when a session closes, and what is told when it is over. */
#include "harness.h"

#include <string.h>

#include "base/log.h"

#define BIT(name) IPC_HOOK_BIT (IPC_HOOK_##name)

static gboolean
refuse (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  if (ipc_hook_is_over (request->hook))
    return TRUE;
  record->verdict = IPC_VERDICT_REPLY;
  record->reply = base_reply_new (550, 5, 7, 1, "not that");
  return TRUE;
}

static gboolean
hang_up (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  record->verdict = IPC_VERDICT_CLOSE;
  record->reply = base_reply_new (550, 5, 7, 1, "go");
  return TRUE;
}

static gboolean
say_text (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  record->verdict = IPC_VERDICT_REPLY;
  record->reply = base_reply_new (250, 2, 0, 0, "with pleasure");
  return TRUE;
}

static gboolean
discard (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  record->verdict = IPC_VERDICT_DISCARD;
  return TRUE;
}

/* Counts the ends, and remembers what message_over was told last. */
static gboolean
count_ends (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  guint *ends = harness->data;
  if (request->hook == IPC_HOOK_MESSAGE_OVER)
    {
      ends[0]++;
      ends[1] = request->code;
    }
  ends[2] += request->hook == IPC_HOOK_SESSION_OVER;
  return TRUE;
}

/* ---- HELO and EHLO ---- */

static gboolean
refuse_second_name (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  return g_str_equal (request->argument, "client.test") ? TRUE
                                                        : refuse (harness, request, filter, record);
}

static void
test_refused_name_leaves_everything (gconstpointer line)
{
  g_autoptr (Harness) h = harness_filtered (BIT (HELO) | BIT (EHLO), 0, refuse_second_name);
  harness_say (h, SAY_MAIL SAY_RCPT);
  g_free (harness_heard (h));
  harness_say (h, line);
  harness_assert_heard (h, "550 not that\n");
  harness_say (h, "RCPT TO:<c@up.test>\nDATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
}

static void
test_accepted_name_clears_the_message (void)
{
  guint ends[3] = { 0, 99, 0 };
  g_autoptr (Harness) h = harness_filtered (BIT (MESSAGE_OVER), 0, count_ends);
  h->data = ends;
  harness_say (h, SAY_MAIL SAY_RCPT "EHLO again.test\n");
  g_assert_cmpuint (ends[0], ==, 1);
  g_assert_cmpuint (ends[1], ==, 0);
  g_free (harness_heard (h));
  harness_say (h, SAY_RCPT);
  harness_assert_code (h, "503");
}

/* ---- What became of the message ---- */

static gboolean
decide_and_listen (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  if (request->hook == IPC_HOOK_MESSAGE_OVER)
    g_string_append_printf (harness->data, "%u %s;", request->code, request->status);
  else if (g_str_equal (request->sender->address, "discard@c.test"))
    record->verdict = IPC_VERDICT_DISCARD;
  else if (g_str_equal (request->sender->address, "refuse@c.test"))
    return refuse (harness, request, filter, record);
  return TRUE;
}

static void
test_status_is_told (void)
{
  g_autoptr (GString) told = g_string_new (NULL);
  g_autoptr (Harness) h
      = harness_filtered (BIT (END_OF_HEADERS) | BIT (MESSAGE_OVER), 0, decide_and_listen);
  h->data = told;
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  harness_say (h, "MAIL FROM:<discard@c.test>\n" SAY_RCPT "DATA\n" SAY_BODY);
  harness_say (h, "MAIL FROM:<refuse@c.test>\n" SAY_RCPT "DATA\n" SAY_BODY);
  harness_script (h, "END", "452 4.3.1 full");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  harness_say (h, SAY_MAIL SAY_RCPT "RSET\n");
  g_assert_cmpstr (told->str, ==, "250 sent;250 discarded;550 rejected;452 deferred;0 aborted;");
}

/* ---- Commands that are only talk ---- */

static void
test_refusals_of_talk (gconstpointer line)
{
  g_autoptr (Harness) h = harness_filtered (
      BIT (NOOP) | BIT (VRFY) | BIT (EXPN) | BIT (HELP) | BIT (UNKNOWN), 0, refuse);
  harness_say (h, line);
  harness_assert_code (h, "550 5.7.1");
  harness_say (h, SAY_MAIL);
  harness_assert_code (h, "250");
}

static void
test_discard_of_talk_is_a_bad_answer (gconstpointer line)
{
  g_autoptr (Harness) h = harness_filtered (
      BIT (NOOP) | BIT (VRFY) | BIT (EXPN) | BIT (HELP) | BIT (UNKNOWN), 0, discard);
  harness_say (h, line);
  harness_assert_code (h, "451 4.3.0");
}

static void
test_nobody_keeps_a_client (void)
{
  g_autoptr (Harness) h = harness_filtered (BIT (RSET) | BIT (QUIT), 0, refuse);
  harness_say (h, SAY_MAIL SAY_RCPT);
  g_free (harness_heard (h));
  harness_say (h, "RSET\n");
  harness_assert_code (h, "250");
  harness_say (h, "QUIT\n");
  harness_assert_code (h, "221");
  g_assert_true (gateway_session_is_over (h->session));
}

/* ---- What a refusal covers ---- */

static void
test_refused_sender (void)
{
  g_autoptr (Harness) h = harness_filtered (BIT (MAIL), 0, refuse);
  harness_say (h, SAY_MAIL);
  harness_assert_code (h, "550 5.7.1");
  harness_say (h, SAY_RCPT);
  harness_assert_code (h, "503");
  h->filter = say_text;
  harness_say (h, SAY_MAIL);
  harness_assert_heard (h, "250 2.0.0 with pleasure\n");
}

static void
test_refused_recipient_is_never_asked_for (void)
{
  g_autoptr (Harness) h = harness_filtered (BIT (RCPT), 0, refuse);
  harness_say (h, SAY_MAIL SAY_RCPT);
  g_assert_cmpuint (h->connections, ==, 0);
  g_free (harness_heard (h));
  h->filter = say_text;
  harness_say (h, "RCPT TO:<c@up.test>\n");
  harness_assert_heard (h, "250 2.0.0 with pleasure\n");
  harness_say (h, "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_null (strstr (h->commands->str, "b@up.test"));
}

/* The filter's text is not used unless the destination accepts. */
static void
test_text_waits_for_the_destination (void)
{
  g_autoptr (Harness) h = harness_filtered (BIT (RCPT) | BIT (DATA), 0, say_text);
  harness_script (h, "RCPT b@up.test", "550 5.1.1 nobody");
  harness_say (h, SAY_MAIL);
  g_free (harness_heard (h));
  harness_say (h, SAY_RCPT);
  harness_assert_heard (h, "550 5.1.1 nobody\n");
  harness_say (h, "RCPT TO:<c@up.test>\nDATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "250 2.0.0 with pleasure\n");
}

static void
test_refused_data_keeps_the_envelope (void)
{
  guint ends[3] = { 0, 99, 0 };
  g_autoptr (Harness) h = harness_filtered (BIT (DATA), BIT (MESSAGE_OVER), refuse);
  h->data = ends;
  harness_say (h, SAY_MAIL SAY_RCPT);
  g_free (harness_heard (h));
  harness_say (h, "DATA\n");
  harness_assert_code (h, "550 5.7.1");
  h->filter = count_ends;
  harness_say (h, "DATA\n"); /* judged anew */
  harness_assert_code (h, "354");
  g_assert_cmpuint (ends[0], ==, 0);
  harness_say (h, SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_cmpuint (ends[0], ==, 1);
  g_assert_cmpuint (ends[1], ==, 250);
}

/* ---- Close ---- */

static void
test_close_at_rcpt_comes_in_its_turn (void)
{
  g_autoptr (Harness) h = harness_filtered (BIT (RCPT), 0, NULL);
  h->take_later = TRUE;
  harness_say (h, SAY_MAIL);
  g_free (harness_heard (h));
  harness_say (h, SAY_RCPT "RCPT TO:<c@up.test>\n");
  harness_answer_request (h, say_text);
  harness_move (h);
  harness_answer_request (h, hang_up);
  harness_move (h);
  harness_assert_heard (h, "");
  harness_upstream_comes (h);
  harness_assert_heard (h, "250 2.0.0 with pleasure\n550 5.7.1 go\n");
  g_assert_true (gateway_session_is_over (h->session));
}

static void
test_close (gconstpointer hook)
{
  g_autoptr (Harness) h = harness_filtered (IPC_HOOK_BIT (GPOINTER_TO_UINT (hook)), 0, hang_up);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_suffix (heard, "\n550 5.7.1 go\n"));
  g_assert_true (gateway_session_is_over (h->session));
  g_assert_cmpuint (h->messages, ==, 0);
}

static void
test_refused_connection_serves_only_quit (void)
{
  const guint32 hooks[] = { BIT (CONNECT) };
  g_autoptr (Harness) h
      = harness_new ("hostname = \"mx.test\"\n"
                     "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"up\"] filters = "
                     "[\"f\"] }\nroute \"up\" { to = [\"discard:\"] }\nfilter \"f\" { module = "
                     "\"x\" }\n",
                     hooks, 1, 0);
  harness_answer_request (h, refuse);
  harness_move (h);
  harness_assert_heard (h, "550 not that\n"); /* no enhanced codes before EHLO */
  harness_say (h, "EHLO c.test\n");
  harness_assert_code (h, "503");
  harness_say (h, "QUIT\n");
  harness_assert_code (h, "221");
}

/* ---- The end ---- */

static void
test_ends_are_told_once (gconstpointer last)
{
  guint ends[3] = { 0, 99, 0 };
  g_autoptr (Harness) h = harness_filtered (BIT (MESSAGE_OVER) | BIT (SESSION_OVER), 0, count_ends);
  h->data = ends;
  harness_say (h, SAY_MAIL SAY_RCPT);
  if (last != NULL)
    harness_say (h, last);
  else
    gateway_session_client_gone (h->session);
  harness_move (h);
  g_assert_true (gateway_session_is_over (h->session));
  g_assert_cmpuint (ends[0], ==, 1);
  g_assert_cmpuint (ends[2], ==, 1);
}

/* Rule 7: who said QUIT before it shut its side down still hears its answers. */
static void
test_half_closed_client_is_served (void)
{
  g_autoptr (Harness) h = harness_plain ();
  h->take_later = TRUE;
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  harness_upstream_comes (h);
  h->take_later = FALSE;
  harness_script (h, "END", "stall");
  harness_say (h, SAY_BODY "QUIT\n");
  gateway_session_client_gone (h->session);
  g_free (harness_heard (h));
  harness_upstream_answers (h, "250 2.0.0 got it");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_prefix (heard, "250 2.0.0 got it\n221 "));
  g_assert_true (gateway_session_is_over (h->session));
}

/* The client's time runs from our answer, not from its question. */
static void
test_idle_time_begins_with_our_answer (void)
{
  g_autoptr (Harness) h = harness_filtered (BIT (NOOP), 0, NULL);
  harness_say (h, "NOOP\n");
  harness_pass_time (h, 299 * 1000);
  gateway_session_worker_started (h->session);
  harness_answer_request (h, say_text);
  harness_move (h);
  harness_assert_heard (h, "250 2.0.0 with pleasure\n");
  harness_pass_time (h, 299 * 1000);
  harness_assert_heard (h, "");
  harness_pass_time (h, 2 * 1000);
  harness_assert_code (h, "421 4.4.2");
}

static void
test_hurry_ends_an_idle_session_at_once (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_say (h, SAY_MAIL SAY_RCPT);
  g_free (harness_heard (h));
  gateway_session_drain (h->session, TRUE);
  harness_move (h);
  harness_assert_code (h, "421 4.3.2");
  g_assert_true (gateway_session_is_over (h->session));
}

static void
test_hurry_waits_for_the_final_answer (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "END", "stall");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  g_free (harness_heard (h));
  gateway_session_drain (h->session, TRUE);
  harness_move (h);
  harness_assert_heard (h, "");
  harness_upstream_answers (h, "250 2.0.0 got it");
  harness_assert_heard (h, "250 2.0.0 got it\n");
}

static void
test_tls_forgets_the_name (void)
{
  g_autoptr (Harness) h
      = harness_new ("tls { certificate = \"/nowhere\" }\n"
                     "listener \"in\" { bind = [\"127.0.0.1:2525\"] tls = \"starttls\" routes = "
                     "[\"up\"] }\nroute \"up\" { to = [\"discard:\"] }\n",
                     NULL, 0, 0);
  harness_say (h, "EHLO c.test\nSTARTTLS\n");
  g_assert_true (gateway_session_wants_tls (h->session));
  gateway_session_tls_started (h->session, "TLSv1.3", "x");
  g_free (harness_heard (h));
  harness_move (h);
  harness_say (h, SAY_MAIL);
  harness_assert_code (h, "503");
  harness_say (h, "EHLO c.test\n");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_null (strstr (heard, "STARTTLS"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_ERROR);
  g_test_add_data_func ("/commands/name/ehlo-refused", "EHLO other.test\n",
                        test_refused_name_leaves_everything);
  g_test_add_data_func ("/commands/name/helo-refused", "HELO other.test\n",
                        test_refused_name_leaves_everything);
  g_test_add_func ("/commands/status", test_status_is_told);
  g_test_add_func ("/commands/name/accepted", test_accepted_name_clears_the_message);
  static const gchar *const talk[] = { "NOOP\n", "VRFY x\n", "EXPN x\n", "HELP\n", "WHAT\n" };
  for (guint i = 0; i < G_N_ELEMENTS (talk); i++)
    {
      g_autofree gchar *refused = g_strdup_printf ("/commands/talk/refused/%u", i);
      g_autofree gchar *bad = g_strdup_printf ("/commands/talk/bad/%u", i);
      g_test_add_data_func (refused, talk[i], test_refusals_of_talk);
      g_test_add_data_func (bad, talk[i], test_discard_of_talk_is_a_bad_answer);
    }
  g_test_add_func ("/commands/leaving", test_nobody_keeps_a_client);
  g_test_add_func ("/commands/refused/mail", test_refused_sender);
  g_test_add_func ("/commands/refused/rcpt", test_refused_recipient_is_never_asked_for);
  g_test_add_func ("/commands/refused/data", test_refused_data_keeps_the_envelope);
  g_test_add_func ("/commands/refused/connect", test_refused_connection_serves_only_quit);
  g_test_add_func ("/commands/text", test_text_waits_for_the_destination);
  g_test_add_func ("/commands/close/rcpt", test_close_at_rcpt_comes_in_its_turn);
  g_test_add_data_func ("/commands/close/headers", GUINT_TO_POINTER (IPC_HOOK_END_OF_HEADERS),
                        test_close);
  g_test_add_data_func ("/commands/close/data", GUINT_TO_POINTER (IPC_HOOK_DATA), test_close);
  g_test_add_data_func ("/commands/close/message", GUINT_TO_POINTER (IPC_HOOK_END_OF_MESSAGE),
                        test_close);
  g_test_add_data_func ("/commands/over/quit", "QUIT\n", test_ends_are_told_once);
  g_test_add_data_func ("/commands/over/sent", "DATA\n" SAY_BODY "QUIT\n", test_ends_are_told_once);
  g_test_add_data_func ("/commands/over/gone", NULL, test_ends_are_told_once);
  g_test_add_func ("/commands/half-closed", test_half_closed_client_is_served);
  g_test_add_func ("/commands/idle", test_idle_time_begins_with_our_answer);
  g_test_add_func ("/commands/hurry/idle", test_hurry_ends_an_idle_session_at_once);
  g_test_add_func ("/commands/hurry/final", test_hurry_waits_for_the_final_answer);
  g_test_add_func ("/commands/starttls", test_tls_forgets_the_name);
  return g_test_run ();
}
