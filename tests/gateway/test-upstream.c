/* The upstream's side of a session: what is asked of it and when, how long it is waited for, how it
 * is replaced, and in what state it is given back. */
#include "harness.h"

#include <string.h>

#include "base/log.h"

#define TWO_ROUTES                                                                                 \
  "hostname = \"mx.test\"\n"                                                                       \
  "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"x\", \"y\"] }\n"                      \
  "route \"x\" { for = [\"x.test\"] to = [\"smtp://127.0.0.1:25\"] }\n"                            \
  "route \"y\" { for = [\"y.test\"] to = [\"smtp://127.0.0.1:26\"] }\n"

static void
say_envelope (Harness *h)
{
  harness_say (h, SAY_MAIL SAY_RCPT);
  g_free (harness_heard (h));
}

static gboolean
pass (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  return TRUE;
}

/* ---- Time ---- */

static const gchar *
stall_at_rcpt (Harness *harness, const gchar *event)
{
  return g_str_has_prefix (event, "RCPT") ? "stall" : NULL;
}

static void
test_each_reply_has_its_own_time (void)
{
  g_autoptr (Harness) h = harness_plain ();
  h->decide = stall_at_rcpt;
  say_envelope (h);
  harness_say (h, "RCPT TO:<c@up.test>\nRCPT TO:<d@up.test>\n");
  for (guint i = 0; i < 3; i++)
    {
      harness_pass_time (h, 20 * 1000); /* of 30 s */
      harness_upstream_answers (h, "250 2.1.5 fine");
      harness_assert_heard (h, "250 2.1.5 fine\n");
    }
}

static void
test_questions_do_not_lengthen_the_wait (void)
{
  g_autoptr (Harness) h = harness_plain ();
  h->decide = stall_at_rcpt;
  say_envelope (h);
  harness_pass_time (h, 20 * 1000);
  harness_say (h, "RCPT TO:<c@up.test>\n");
  harness_pass_time (h, 15 * 1000);
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_prefix (heard, "451 4.4.2"));
}

static void
test_slow_client_is_not_the_upstreams_fault (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\nSubject: hi\n\n");
  for (guint i = 0; i < 10; i++)
    {
      harness_pass_time (h, 25 * 1000);
      harness_say (h, "one more line\n");
    }
  g_free (harness_heard (h));
  harness_say (h, ".\n");
  harness_assert_code (h, "250");
  g_assert_cmpuint (h->messages, ==, 1);
}

static void
say_large_body (Harness *h)
{
  g_autoptr (GString) body = g_string_new ("Subject: hi\n\n");
  for (guint i = 0; i < 4000; i++)
    g_string_append (body, "fifty octets of text in each line of this message\n");
  g_string_append (body, ".\n");
  harness_say (h, body->str);
}

static void
test_long_transfer_that_moves_is_waited_for (void)
{
  g_autoptr (Harness) h = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE), 0, pass);
  say_envelope (h);
  harness_say (h, "DATA\n");
  h->choke = 8 * 1024; /* a move, and one move a timer */
  say_large_body (h);
  for (guint i = 0; i < 40 && h->messages == 0; i++)
    {
      harness_pass_time (h, 25 * 1000); /* of 30 s; the deadline ends with our dot */
      gateway_session_pump (h->session);
      harness_move (h);
    }
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_cmpuint (h->connections, ==, 1);
}

/* A session holds what it has read and the upstream has not taken: that must not grow. */
static void
test_client_waits_for_an_upstream_that_takes_nothing (void)
{
  g_autoptr (Harness) h = harness_plain ();
  g_autofree gchar *lines = g_strnfill (250, 'x');
  guint said = 0;

  say_envelope (h);
  harness_say (h, "DATA\nSubject: hi\n\n");
  g_free (harness_heard (h));
  h->choke = 1;
  for (; said < 4000 && gateway_session_wants_input (h->session); said++)
    {
      harness_say (h, lines);
      harness_say (h, "\n");
    }
  g_assert_cmpuint (said, >, 900);
  g_assert_cmpuint (said, <, 1150);
  h->choke = 0;
  gateway_session_pump (h->session);
  harness_move (h);
  g_assert_true (gateway_session_wants_input (h->session));
  harness_say (h, ".\n");
  harness_assert_code (h, "250");
  g_assert_cmpuint (h->messages, ==, 1);
}

static void
test_transfer_that_stands_still_is_451 (void)
{
  g_autoptr (Harness) h = harness_plain ();
  say_envelope (h);
  harness_say (h, "DATA\nSubject: hi\n\nfirst\n");
  h->choke = 1;
  harness_say (h, "second line, which is taken octet by octet\n");
  h->choke = 0;
  harness_script (h, "CHUNK", "stall");
  harness_script (h, "END", "stall");
  harness_say (h, ".\n");
  harness_pass_time (h, 601 * 1000);
  g_autofree gchar *heard = harness_heard (h);
  g_assert_nonnull (strstr (heard, "451 4.4.2"));
}

/* ---- Pools ---- */

static void
test_refused_mail_is_reset_before_the_pool (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "MAIL", "550 5.7.1 not from you");
  say_envelope (h);
  g_assert_cmpstr (h->commands->str, ==, "MAIL a@client.test\nRSET\n");
  g_assert_cmpuint (h->given_back, ==, 1);
}

static void
test_refused_envelope_is_not_replayed (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "RCPT b@up.test", "550 5.1.1 no");
  say_envelope (h);
  harness_upstream_says (h, "421 4.3.2 closing\r\n");
  g_assert_cmpuint (h->connections, ==, 1);
  harness_say (h, "RCPT TO:<c@up.test>\n");
  harness_assert_code (h, "250");
}

static void
test_idle_connection_is_given_back_and_replayed (void)
{
  g_autoptr (Harness) h = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE), 0, NULL);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  harness_pass_time (h, 4 * 1000);
  g_assert_cmpuint (h->given_back, ==, 0);
  harness_pass_time (h, 2 * 1000);
  g_assert_cmpuint (h->given_back, ==, 1);
  harness_answer_request (h, pass);
  harness_move (h);
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_cmpstr (h->commands->str, ==,
                   "MAIL a@client.test\nRCPT b@up.test\nRSET\n"
                   "MAIL a@client.test\nRCPT b@up.test\nDATA\nEND\n");
  g_assert_cmpstr (h->routes->pdata[1], ==, "up"); /* a pooled one will do: none has failed */
}

static void
test_next_transaction_waits_for_the_reset (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "RSET", "stall");
  say_envelope (h);
  harness_say (h, "RSET\n" SAY_MAIL SAY_RCPT);
  harness_assert_heard (h, "250 2.0.0 Ok\n250 2.1.0 Sender <a@client.test> ok\n");
  harness_upstream_answers (h, "250 2.0.0 clean");
  harness_assert_code (h, "250");
  g_assert_cmpuint (h->connections, ==, 1);
}

static void
test_reset_that_is_never_answered (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "RSET", "stall");
  say_envelope (h);
  harness_say (h, "RSET\n" SAY_MAIL SAY_RCPT);
  g_free (harness_heard (h));
  harness_pass_time (h, 31 * 1000);
  harness_assert_code (h, "250"); /* another connection has said it */
  g_assert_cmpuint (h->dropped, ==, 1);
}

static void
test_farewell_to_the_dot_is_451 (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "END", "421 4.3.2 going down");
  say_envelope (h);
  harness_say (h, "DATA\n" SAY_BODY);
  g_autofree gchar *heard = harness_heard (h);
  g_assert_nonnull (strstr (heard, "\n451 4.3.2 going down"));
  g_assert_cmpuint (h->given_back, ==, 0);
  g_assert_false (gateway_session_is_over (h->session));
}

static void
test_attempts_are_bounded (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "RCPT b@up.test", "close");
  harness_say (h, SAY_MAIL);
  g_free (harness_heard (h));
  harness_say (h, SAY_RCPT);
  harness_assert_code (h, "451 4.4.2");
  g_assert_cmpuint (h->connections, ==, 3);
}

/* ---- Lies ---- */

static void
test_acceptance_before_the_dot_is_none (gconstpointer mute)
{
  g_autoptr (Harness) h = harness_plain ();
  say_envelope (h);
  harness_say (h, "DATA\nSubject: hi\n\n");
  g_free (harness_heard (h));
  h->mute = GPOINTER_TO_INT (mute); /* it stands in the socket when the client's dot comes */
  harness_script (h, "CHUNK", "raw 250 2.0.0 thank you");
  harness_say (h, "text\n");
  harness_script (h, "CHUNK", NULL);
  harness_say (h, ".\n");
  h->mute = FALSE;
  harness_move (h);
  harness_assert_code (h, "451 4.3.0");
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_null (strstr (h->commands->str, "END"));
  g_assert_cmpuint (h->dropped, ==, 1);
}

/* The dot stands in our output still. */
static void
test_acceptance_before_the_dot_is_out (void)
{
  g_autoptr (Harness) h = harness_plain ();
  say_envelope (h);
  harness_say (h, "DATA\nSubject: hi\n\ntext\n");
  g_free (harness_heard (h));
  h->choke = 1;
  harness_say (h, ".\n");
  harness_upstream_says (h, "250 2.0.0 thank you\r\n");
  harness_assert_code (h, "451 4.3.0");
  g_assert_cmpuint (h->dropped, ==, 1);
}

static void
test_early_refusal_is_the_answer (void)
{
  g_autoptr (Harness) h = harness_plain ();
  say_envelope (h);
  harness_say (h, "DATA\nSubject: hi\n\n");
  g_free (harness_heard (h));
  harness_script (h, "CHUNK", "raw 552 5.3.4 enough");
  harness_say (h, "text\n");
  harness_assert_heard (h, "");
  harness_say (h, ".\n");
  harness_assert_heard (h, "552 5.3.4 enough\n");
}

/* ---- Replacement ---- */

static gboolean
replace_all (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  record->recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  g_ptr_array_add (record->recipients, base_path_new ("new@up.test", NULL));
  return TRUE;
}

static const gchar *
stall_at_mail (Harness *harness, const gchar *event)
{
  return g_str_has_prefix (event, "MAIL") ? "stall" : NULL;
}

/* A late answer to an envelope that a filter has replaced strikes nobody out. */
static void
test_late_answer_to_an_old_envelope (gconstpointer command)
{
  gboolean mail = g_str_equal (command, "MAIL");
  g_autoptr (Harness) h = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_DATA), 0, replace_all);
  say_envelope (h);
  h->decide = mail ? stall_at_mail : stall_at_rcpt;
  harness_upstream_says (h, "421 4.3.2 closing\r\n"); /* the next one is told all again */
  harness_say (h, "DATA\n");
  harness_upstream_answers (h, "550 5.1.1 no");
  h->decide = NULL;
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "250");
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_nonnull (strstr (h->commands->str, "RCPT new@up.test\nDATA\nEND\n"));
}

static void
test_lost_while_data_is_judged (void)
{
  g_autoptr (Harness) h = harness_filtered (IPC_HOOK_BIT (IPC_HOOK_DATA), 0, NULL);
  say_envelope (h);
  harness_say (h, "DATA\n");
  harness_script (h, "RCPT b@up.test", "550 5.1.1 not here");
  harness_upstream_says (h, "421 4.3.2 closing\r\n");
  harness_answer_request (h, pass);
  harness_move (h);
  harness_assert_code (h, "451 4.4.2");
}

static void
test_lost_while_a_filter_works (void)
{
  g_autoptr (Harness) h = harness_filtered (
      IPC_HOOK_BIT (IPC_HOOK_END_OF_MESSAGE) | IPC_HOOK_BIT (IPC_HOOK_MESSAGE_OVER), 0, NULL);
  say_envelope (h);
  harness_say (h, "DATA\n" SAY_BODY);
  g_free (harness_heard (h));
  harness_script (h, "RCPT b@up.test", "550 5.1.1 not here");
  gateway_session_worker_started (h->session);
  harness_upstream_says (h, "421 4.3.2 closing\r\n");
  harness_assert_code (h, "451 4.4.2");
  g_assert_cmpuint (h->cancelled, ==, 1);
  g_assert_cmpint (h->request->hook, ==, IPC_HOOK_MESSAGE_OVER);
}

static void
test_other_route_is_not_refused_for_an_outage (void)
{
  g_autoptr (Harness) h = harness_new (TWO_ROUTES, NULL, 0, 0);
  harness_greet (h);
  h->take_later = h->unreachable = TRUE;
  harness_say (h, SAY_MAIL "RCPT TO:<a@x.test>\nRCPT TO:<b@y.test>\n");
  g_free (harness_heard (h));
  harness_upstream_comes (h); /* x does not */
  harness_assert_code (h, "451 4.4.1");
  h->unreachable = FALSE;
  harness_upstream_comes (h);
  harness_assert_code (h, "250");
}

static void
test_extension_that_this_host_lacks (void)
{
  g_autoptr (Harness) h = harness_plain ();
  h->capabilities.flags &= ~(guint32) SMTP_CAP_DSN;
  say_envelope (h);
  harness_say (h, "RCPT TO:<c@up.test> NOTIFY=NEVER\n");
  harness_assert_code (h, "451 4.3.5");
  harness_say (h, "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1); /* one bad recipient fails no other */
}

static void
test_first_recipient_needs_what_the_host_lacks (void)
{
  g_autoptr (Harness) h = harness_plain ();
  h->capabilities.flags &= ~(guint32) SMTP_CAP_DSN;
  h->take_later = TRUE;
  harness_say (h, SAY_MAIL);
  g_free (harness_heard (h));
  harness_say (h, "RCPT TO:<c@up.test> NOTIFY=NEVER\n" SAY_RCPT);
  harness_upstream_comes (h);
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_prefix (heard, "451 4.3.5"));
  g_assert_nonnull (strstr (heard, "\n250 "));
  g_assert_cmpstr (h->commands->str, ==, "MAIL a@client.test\nRCPT b@up.test\n");
}

/* Rule 8: never fewer parameters. */
static void
test_replacement_that_lacks_a_parameter_is_451 (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_say (h, SAY_MAIL "RCPT TO:<c@up.test> NOTIFY=NEVER\n");
  h->capabilities.flags &= ~(guint32) SMTP_CAP_DSN;
  harness_upstream_closes (h);
  harness_say (h, "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "451 4.3.5");
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_cmpuint (h->given_back, ==, 1); /* nothing was said to it */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_ERROR);
  g_test_add_func ("/upstream/time/each-reply", test_each_reply_has_its_own_time);
  g_test_add_func ("/upstream/time/questions", test_questions_do_not_lengthen_the_wait);
  g_test_add_func ("/upstream/time/slow-client", test_slow_client_is_not_the_upstreams_fault);
  g_test_add_func ("/upstream/time/long-transfer", test_long_transfer_that_moves_is_waited_for);
  g_test_add_func ("/upstream/time/backlog", test_client_waits_for_an_upstream_that_takes_nothing);
  g_test_add_func ("/upstream/time/standstill", test_transfer_that_stands_still_is_451);
  g_test_add_func ("/upstream/pool/refused-mail", test_refused_mail_is_reset_before_the_pool);
  g_test_add_func ("/upstream/pool/refused-envelope", test_refused_envelope_is_not_replayed);
  g_test_add_func ("/upstream/pool/idle", test_idle_connection_is_given_back_and_replayed);
  g_test_add_func ("/upstream/pool/reset-awaited", test_next_transaction_waits_for_the_reset);
  g_test_add_func ("/upstream/pool/reset-stalls", test_reset_that_is_never_answered);
  g_test_add_func ("/upstream/farewell", test_farewell_to_the_dot_is_451);
  g_test_add_func ("/upstream/attempts", test_attempts_are_bounded);
  g_test_add_data_func ("/upstream/early/accepts", GINT_TO_POINTER (FALSE),
                        test_acceptance_before_the_dot_is_none);
  g_test_add_data_func ("/upstream/early/accepts-unread", GINT_TO_POINTER (TRUE),
                        test_acceptance_before_the_dot_is_none);
  g_test_add_func ("/upstream/early/dot-unsent", test_acceptance_before_the_dot_is_out);
  g_test_add_func ("/upstream/early/refuses", test_early_refusal_is_the_answer);
  g_test_add_data_func ("/upstream/replaced/late-rcpt", "RCPT",
                        test_late_answer_to_an_old_envelope);
  g_test_add_data_func ("/upstream/replaced/late-mail", "MAIL",
                        test_late_answer_to_an_old_envelope);
  g_test_add_func ("/upstream/replaced/data-judged", test_lost_while_data_is_judged);
  g_test_add_func ("/upstream/replaced/filter-works", test_lost_while_a_filter_works);
  g_test_add_func ("/upstream/outage-of-one-route", test_other_route_is_not_refused_for_an_outage);
  g_test_add_func ("/upstream/extension/late", test_extension_that_this_host_lacks);
  g_test_add_func ("/upstream/extension/first", test_first_recipient_needs_what_the_host_lacks);
  g_test_add_func ("/upstream/extension/replacement",
                   test_replacement_that_lacks_a_parameter_is_451);
  return g_test_run ();
}
