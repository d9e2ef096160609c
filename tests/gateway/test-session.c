/* The rules of "How a session runs" and "Routes", each on the gateway without sockets. */
#include "harness.h"

#include <string.h>

#include "base/log.h"

/* ---- Rules 3, 4, 5: the way of a message ---- */

static void
test_way_of_a_message (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "RCPT b@up.test", "250 2.1.5 the upstream says yes");
  harness_script (h, "END", "250 2.6.0 queued as 42");
  harness_say (h, SAY_MAIL);
  harness_assert_code (h, "250 2.1.0");
  g_assert_cmpuint (h->connections, ==, 0); /* taken at the first command that needs it */
  harness_say (h, SAY_RCPT);
  harness_assert_heard (h, "250 2.1.5 the upstream says yes\n");
  harness_say (h, "DATA\n");
  harness_assert_code (h, "354");
  g_assert_null (strstr (h->commands->str, "DATA")); /* not before the last hook */
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "250 2.6.0 queued as 42\n");
  g_assert_cmpstr (harness_behind_received (h), ==, "Subject: hi\r\n\r\nhello\r\n");
  g_assert_cmpstr (h->commands->str, ==, "MAIL a@client.test\nRCPT b@up.test\nDATA\nEND\n");
  g_assert_cmpuint (h->given_back, ==, 1);
  g_assert_cmpstr (h->outcome, ==, "sent");
}

static void
test_pipelined_and_bytewise (void)
{
  const gchar *whole = SAY_MAIL SAY_RCPT "RCPT TO:<c@up.test>\nDATA\n" SAY_BODY SAY_MAIL SAY_RCPT
                                         "DATA\n" SAY_BODY "QUIT\n";
  g_autoptr (Harness) a = harness_plain ();
  g_autoptr (Harness) b = harness_plain ();
  harness_say (a, whole);
  harness_say_bytewise (b, whole);
  g_autofree gchar *heard_a = harness_heard (a);
  g_autofree gchar *heard_b = harness_heard (b);
  g_assert_cmpstr (heard_a, ==, heard_b);
  g_assert_cmpuint (a->messages, ==, 2);
  g_assert_cmpuint (b->messages, ==, 2);
  g_assert_true (gateway_session_is_over (a->session));
}

static void
test_refused_recipient_is_upstreams_answer (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "RCPT c@up.test", "550 5.1.1 no such user here");
  harness_say (h, SAY_MAIL SAY_RCPT);
  g_free (harness_heard (h));
  harness_say (h, "RCPT TO:<c@up.test>\n");
  harness_assert_heard (h, "550 5.1.1 no such user here\n");
  harness_say (h, "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
}

static void
test_refused_mail_answers_each_rcpt (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "MAIL", "550 5.7.1 not from you");
  harness_say (h, SAY_MAIL);
  g_free (harness_heard (h));
  harness_say (h, SAY_RCPT "RCPT TO:<c@up.test>\n");
  harness_assert_heard (h, "550 5.7.1 not from you\n550 5.7.1 not from you\n");
  harness_say (h, "RCPT TO:<d@up.test>\n");
  harness_assert_heard (h, "550 5.7.1 not from you\n");
}

static void
test_upstream_refuses_data_after_our_354 (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "DATA", "452 4.3.1 disk full there");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, "Subject: hi\n\nmore");
  harness_assert_heard (h, ""); /* kept until the client's dot */
  harness_say (h, " text\n.\n");
  harness_assert_heard (h, "452 4.3.1 disk full there\n");
  harness_script (h, "DATA", NULL);
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
}

static void
test_upstream_refuses_message (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "END", "554 5.6.0 rubbish");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_heard (h, "554 5.6.0 rubbish\n");
  g_assert_cmpuint (h->messages, ==, 0);
}

static void
test_hops (void)
{
  g_autoptr (Harness) h = harness_plain ();
  g_autoptr (GString) message = g_string_new (NULL);
  for (guint i = 0; i < 50; i++)
    g_string_append (message, "Received: x\n");
  g_string_append (message, "\nbody\n.\n");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  harness_say (h, message->str);
  g_assert_cmpuint (h->messages, ==, 1); /* exactly the limit */
  g_string_prepend (message, "Received: one more\n");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, message->str);
  harness_assert_code (h, "554 5.4.6");
  g_assert_cmpuint (h->messages, ==, 1);
}

static void
test_nul_in_header (void)
{
  g_autoptr (Harness) h = harness_plain ();
  gchar wire[] = "Subject: a\0b\r\n\r\nbody\r\n.\r\n";
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  gateway_session_input (h->session, (guint8 *) wire, sizeof wire - 1);
  gateway_session_settle (h->session);
  harness_move (h);
  harness_assert_code (h, "550 5.6.0");
  g_assert_cmpuint (h->messages, ==, 0);
}

static void
test_bare_newline_reaches_nobody (void)
{
  g_autoptr (Harness) h = harness_plain ();
  gchar wire[] = "Subject: a\r\n\r\nbody\n.\r\nMAIL FROM:<evil@x>\r\n.\r\n";
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  gateway_session_input (h->session, (guint8 *) wire, sizeof wire - 1);
  base_output_settle (smtp_client_output (gateway_session_upstream (h->session)->client));
  gateway_session_settle (h->session);
  harness_move (h);
  harness_assert_code (h, "550 5.6.11");
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_null (strstr (h->commands->str, "evil"));
  g_assert_true (gateway_session_is_over (h->session));
}

/* ---- Routes ---- */

#define TWO_ROUTES                                                                                 \
  "hostname = \"mx.test\"\n"                                                                       \
  "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"x\", \"y\"] relay-from = "            \
  "[\"10.0.0.0/8\"] }\n"                                                                           \
  "route \"x\" { for = [\"x.test\"] to = [\"smtp://127.0.0.1:25\"] }\n"                            \
  "route \"y\" { for = [\"y.test\"] to = [\"smtp://127.0.0.1:26\"] }\n"

static void
test_no_open_relay (void)
{
  g_autoptr (Harness) h = harness_new (TWO_ROUTES, NULL, 0, 0);
  harness_greet (h);
  harness_say (h, SAY_MAIL);
  g_free (harness_heard (h));
  harness_say (h, "RCPT TO:<someone@elsewhere.test>\n");
  harness_assert_code (h, "554 5.7.1");
  g_assert_cmpuint (h->connections, ==, 0);
}

/* "a%b@ours" and its like make some servers send the message on to b, and they trust us. */
static void
test_no_routing_by_strangers (gconstpointer address)
{
  g_autofree gchar *rcpt = g_strdup_printf ("RCPT TO:<%s>\n", (const gchar *) address);
  g_autoptr (Harness) h = harness_new (TWO_ROUTES, NULL, 0, 0);
  harness_greet (h);
  harness_say (h, SAY_MAIL);
  g_free (harness_heard (h));
  harness_say (h, rcpt);
  harness_assert_code (h, "554 5.7.1");
  g_assert_cmpuint (h->connections, ==, 0);
}

/* Who says that the server reads no routes; relaying stays for the listed. */
static void
test_routing_where_allowed (gconstpointer address)
{
  g_autofree gchar *rcpt = g_strdup_printf ("RCPT TO:<%s>\n", (const gchar *) address);
  g_autoptr (Harness) h
      = harness_new ("hostname = \"mx.test\"\n"
                     "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"x\", \"out\"]\n"
                     "relay-from = [\"10.0.0.0/8\"] allow-untrusted-routing = true }\n"
                     "route \"x\" { for = [\"x.test\"] to = [\"smtp://127.0.0.1:25\"] }\n"
                     "route \"out\" { to = [\"smtp://127.0.0.1:26\"] }\n",
                     NULL, 0, 0);
  harness_greet (h);
  harness_say (h, SAY_MAIL);
  g_free (harness_heard (h));
  harness_say (h, rcpt);
  harness_assert_code (h, "250");
  harness_say (h, "RCPT TO:<a%x.test@b.test>\n");
  harness_assert_code (h, "554 5.7.1");
}

static void
test_routing_by_the_listed (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_say (h, SAY_MAIL);
  g_free (harness_heard (h));
  harness_say (h, "RCPT TO:<a%b.test@up.test>\n");
  harness_assert_code (h, "250");
}

/* The route without `for` is for the listed. */
static void
test_postmaster_goes_where_strangers_may (void)
{
  g_autoptr (Harness) h
      = harness_new ("hostname = \"mx.test\"\n"
                     "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"out\", \"x\"] }\n"
                     "route \"out\" { to = [\"smtp://127.0.0.1:25\"] }\n"
                     "route \"x\" { for = [\"x.test\"] to = [\"smtp://127.0.0.1:26\"] }\n",
                     NULL, 0, 0);
  harness_greet (h);
  harness_say (h, SAY_MAIL "RCPT TO:<Postmaster>\n");
  g_assert_cmpstr (h->routes->pdata[0], ==, "x");
}

#define OPEN_END                                                                                   \
  "hostname = \"mx.test\"\n"                                                                       \
  "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"out\"] relay-from = [\"%s\"] }\n"     \
  "route \"out\" { to = [\"discard:\"] }\n"

static void
test_relay_is_for_the_listed (gconstpointer code)
{
  gboolean listed = g_str_equal (code, "250");
  g_autofree gchar *config = g_strdup_printf (OPEN_END, listed ? "127.0.0.0/8" : "10.0.0.0/8");
  g_autoptr (Harness) h = harness_new (config, NULL, 0, 0);
  harness_greet (h);
  harness_say (h, SAY_MAIL);
  g_free (harness_heard (h));
  harness_say (h, "RCPT TO:<someone@elsewhere.test>\n");
  harness_assert_code (h, code);
}

/* Naming one of several would show blind copies. */
static void
test_trace_names_a_single_recipient (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  g_assert_nonnull (strstr (h->message->str, "for <b@up.test>"));
  harness_say (h, SAY_MAIL SAY_RCPT "RCPT TO:<c@up.test>\nDATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 2);
  g_assert_null (strstr (h->message->str, "for <"));
}

static void
test_other_route_waits_and_comes_again (void)
{
  g_autoptr (Harness) h = harness_new (TWO_ROUTES, NULL, 0, 0);
  harness_greet (h);
  h->take_later = TRUE;
  harness_say (h, SAY_MAIL);
  g_free (harness_heard (h));
  harness_say (h, "RCPT TO:<a@x.test>\nRCPT TO:<b@y.test>\n");
  harness_assert_heard (h, ""); /* nobody knows yet whether the first is accepted */
  harness_upstream_comes (h);
  g_autofree gchar *heard = harness_heard (h);
  g_assert_nonnull (strstr (heard, "\n452 4.5.3"));
}

static void
test_refused_first_route_is_forgotten (void)
{
  g_autoptr (Harness) h = harness_new (TWO_ROUTES, NULL, 0, 0);
  harness_greet (h);
  harness_script (h, "RCPT a@x.test", "550 5.1.1 no");
  harness_say (h, SAY_MAIL "RCPT TO:<a@x.test>\n");
  g_free (harness_heard (h));
  harness_say (h, "RCPT TO:<b@y.test>\n");
  harness_assert_heard (h, "250 2.0.0 up ok\n");
  g_assert_cmpstr (h->routes->pdata[1], ==, "y");
}

/* ---- Rule 2: capabilities ---- */

static void
test_ehlo_waits_for_capabilities (void)
{
  g_autoptr (Harness) h = harness_new (HARNESS_CONFIG, NULL, 0, 0);
  g_free (harness_heard (h));
  h->capabilities_later = TRUE;
  harness_say (h, "EHLO c.test\n");
  harness_assert_heard (h, "");
  gateway_session_capabilities (h->session, (SmtpCapabilities){ .flags = SMTP_CAP_DSN });
  harness_move (h);
  g_autofree gchar *heard = harness_heard (h);
  g_assert_nonnull (strstr (heard, "DSN"));
  g_assert_null (strstr (heard, "8BITMIME"));
}

/* ---- Rule 6: deadline and the final answer ---- */

static void
test_final_answer_is_awaited_beyond_the_deadline (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "END", "stall");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_pass_time (h, 9 * 60 * 1000);
  harness_assert_heard (h, "");
  g_assert_true (gateway_session_is_final (h->session));
  harness_pass_time (h, 2 * 60 * 1000);
  harness_assert_code (h, "451 4.4.2");
}

static void
test_lost_final_answer_is_451_and_no_other_host (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "END", "close");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "451 4.4.2");
  g_assert_cmpuint (h->connections, ==, 1);
}

static void
test_lost_final_answer_is_logged (void)
{
  if (g_test_subprocess ())
    {
      base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_INFO);
      test_lost_final_answer_is_451_and_no_other_host ();
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*ambiguous=yes*");
}

static void
test_client_that_left_is_not_waited_for_before_the_dot (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\nSubject: hi\n\nhalf");
  gateway_session_client_gone (h->session);
  harness_move (h);
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_true (gateway_session_is_over (h->session));
  g_assert_cmpuint (h->dropped, ==, 1);
}

/* Rule 7: looked at again before the write that holds our dot. */
static void
test_client_is_looked_at_before_the_dot (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n");
  h->gone = TRUE;
  harness_say (h, SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 0);
  g_assert_true (gateway_session_is_over (h->session));
}

static void
test_client_that_leaves_after_the_dot_changes_nothing (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, "END", "stall");
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  gateway_session_client_gone (h->session);
  harness_move (h);
  g_assert_false (gateway_session_is_over (h->session));
  harness_pass_time (h, 10 * 60 * 1000);
  g_assert_true (gateway_session_is_over (h->session));
}

/* ---- Rule 8: a lost upstream is replaced before any byte of the message went to it ---- */

static void
test_lost_upstream_is_replaced (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_say (h, SAY_MAIL SAY_RCPT);
  harness_upstream_closes (h);
  harness_say (h, "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
  g_assert_cmpuint (h->connections, ==, 2);
  g_assert_cmpstr (h->routes->pdata[1], ==, "up fresh");
}

static void
test_replacement_that_refuses_a_recipient_is_451 (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_say (h, SAY_MAIL SAY_RCPT "RCPT TO:<c@up.test>\n");
  harness_script (h, "RCPT c@up.test", "550 5.1.1 unknown at the other host");
  harness_upstream_closes (h);
  g_free (harness_heard (h));
  harness_say (h, "DATA\n");
  g_free (harness_heard (h));
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "451 4.4.2");
  g_assert_cmpuint (h->messages, ==, 0);
}

static void
test_upstream_that_dies_in_the_body_is_451 (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\nSubject: hi\n\nhalf\n");
  g_free (harness_heard (h));
  harness_upstream_closes (h);
  harness_say (h, "rest\n.\n");
  harness_assert_code (h, "451 4.4.2");
  g_assert_cmpuint (h->connections, ==, 1);
}

static void
test_stalling_upstream (gconstpointer where)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_script (h, where, "stall");
  harness_say (h, SAY_MAIL SAY_RCPT);
  harness_say (h, "DATA\n" SAY_BODY);
  harness_pass_time (h, 61 * 1000);
  g_autofree gchar *heard = harness_heard (h);
  g_assert_nonnull (strstr (heard, "\n451 4.4."));
  g_assert_cmpuint (h->messages, ==, 0);
}

static void
test_unreachable_upstream (void)
{
  g_autoptr (Harness) h = harness_plain ();
  h->take_later = h->unreachable = TRUE;
  harness_say (h, SAY_MAIL);
  g_free (harness_heard (h));
  harness_say (h, SAY_RCPT);
  harness_upstream_comes (h);
  harness_assert_code (h, "451 4.4.1");
}

/* ---- Draining, idle ---- */

static void
test_drain (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_say (h, SAY_MAIL);
  gateway_session_drain (h->session, FALSE);
  g_free (harness_heard (h));
  harness_say (h, SAY_RCPT "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
  g_free (harness_heard (h));
  harness_say (h, SAY_MAIL);
  harness_assert_code (h, "421 4.3.2");
  g_assert_true (gateway_session_is_over (h->session));
}

/* One that pipelines commands and reads no answers fills neither our memory nor our time. */
static void
test_client_that_reads_nothing (void)
{
  g_autoptr (Harness) h = harness_plain ();
  g_autoptr (GString) flood = g_string_new (NULL);
  for (guint i = 0; i < 20000; i++)
    g_string_append (flood, "HELP\r\n");
  gateway_session_input (h->session, (guint8 *) flood->str, flood->len);
  gateway_session_settle (h->session);
  gateway_session_pump (h->session);
  gsize waiting = smtp_server_output (gateway_session_server (h->session))->length;
  g_assert_cmpuint (waiting, >, 0);
  g_assert_cmpuint (waiting, <, 70 * 1024);
  g_assert_false (gateway_session_wants_input (h->session));
  g_assert_cmpint (gateway_session_timeout (h->session), !=, 0);
  h->now = gateway_session_timeout (h->session);
  gateway_session_timer (h->session);
  g_assert_true (gateway_session_is_over (h->session));
}

/* A reload turns nobody away: who has just connected may send one message. */
static void
test_drain_before_the_first_message (void)
{
  g_autoptr (Harness) h = harness_new (HARNESS_CONFIG, NULL, 0, 0);
  gateway_session_drain (h->session, FALSE);
  harness_say (h, "EHLO client.test\n" SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
  g_free (harness_heard (h));
  harness_say (h, SAY_MAIL);
  harness_assert_code (h, "421 4.3.2");
}

/* A stop must not wait for clients who only hold their connection. */
static void
test_drain_with_a_silent_client (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_pass_time (h, 60 * 1000);
  gateway_session_drain (h->session, FALSE);
  harness_pass_time (h, 9 * 1000);
  harness_assert_heard (h, "");
  harness_pass_time (h, 2 * 1000);
  harness_assert_code (h, "421 4.3.2");
  g_assert_true (gateway_session_is_over (h->session));
}

static void
test_idle_client (void)
{
  g_autoptr (Harness) h = harness_plain ();
  harness_pass_time (h, 299 * 1000);
  harness_assert_heard (h, "");
  harness_pass_time (h, 2 * 1000);
  harness_assert_code (h, "421 4.4.2");
  g_assert_true (gateway_session_is_over (h->session));
}

static void
test_too_many_messages (void)
{
  g_autoptr (Harness) h = harness_plain ();
  h->slow = TRUE;
  harness_say (h, SAY_MAIL);
  harness_assert_code (h, "450 4.7.1");
  h->slow = FALSE;
  harness_say (h, SAY_MAIL);
  harness_assert_code (h, "250");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_ERROR);
  g_test_add_func ("/gateway/way-of-a-message", test_way_of_a_message);
  g_test_add_func ("/gateway/pipelined-and-bytewise", test_pipelined_and_bytewise);
  g_test_add_func ("/gateway/rcpt/refused-by-upstream", test_refused_recipient_is_upstreams_answer);
  g_test_add_func ("/gateway/mail/refused-by-upstream", test_refused_mail_answers_each_rcpt);
  g_test_add_func ("/gateway/data/refused-by-upstream", test_upstream_refuses_data_after_our_354);
  g_test_add_func ("/gateway/end/refused-by-upstream", test_upstream_refuses_message);
  g_test_add_func ("/gateway/hops", test_hops);
  g_test_add_func ("/gateway/nul-in-header", test_nul_in_header);
  g_test_add_func ("/gateway/bare-newline", test_bare_newline_reaches_nobody);
  g_test_add_func ("/gateway/routes/no-open-relay", test_no_open_relay);
  g_test_add_data_func ("/gateway/routes/percent", "a%b.test@x.test", test_no_routing_by_strangers);
  g_test_add_data_func ("/gateway/routes/bang", "b.test!a@x.test", test_no_routing_by_strangers);
  g_test_add_data_func ("/gateway/routes/quoted-at", "\"a@b.test\"@x.test",
                        test_no_routing_by_strangers);
  g_test_add_data_func ("/gateway/routes/allowed/percent", "a%b.test@x.test",
                        test_routing_where_allowed);
  g_test_add_data_func ("/gateway/routes/allowed/bang", "b.test!a@x.test",
                        test_routing_where_allowed);
  g_test_add_data_func ("/gateway/routes/allowed/quoted-at", "\"a@b.test\"@x.test",
                        test_routing_where_allowed);
  g_test_add_func ("/gateway/routes/percent-by-the-listed", test_routing_by_the_listed);
  g_test_add_func ("/gateway/routes/postmaster", test_postmaster_goes_where_strangers_may);
  g_test_add_data_func ("/gateway/routes/relay/listed", "250", test_relay_is_for_the_listed);
  g_test_add_data_func ("/gateway/routes/relay/unlisted", "554", test_relay_is_for_the_listed);
  g_test_add_func ("/gateway/trace", test_trace_names_a_single_recipient);
  g_test_add_func ("/gateway/routes/other-route", test_other_route_waits_and_comes_again);
  g_test_add_func ("/gateway/routes/refused-first", test_refused_first_route_is_forgotten);
  g_test_add_func ("/gateway/capabilities", test_ehlo_waits_for_capabilities);
  g_test_add_func ("/gateway/final/awaited", test_final_answer_is_awaited_beyond_the_deadline);
  g_test_add_func ("/gateway/final/lost", test_lost_final_answer_is_451_and_no_other_host);
  g_test_add_func ("/gateway/final/logged", test_lost_final_answer_is_logged);
  g_test_add_func ("/gateway/client/left-in-data",
                   test_client_that_left_is_not_waited_for_before_the_dot);
  g_test_add_func ("/gateway/client/looked-at", test_client_is_looked_at_before_the_dot);
  g_test_add_func ("/gateway/client/left-after-dot",
                   test_client_that_leaves_after_the_dot_changes_nothing);
  g_test_add_func ("/gateway/upstream/replaced", test_lost_upstream_is_replaced);
  g_test_add_func ("/gateway/upstream/replacement-refuses",
                   test_replacement_that_refuses_a_recipient_is_451);
  g_test_add_func ("/gateway/upstream/dies-in-body", test_upstream_that_dies_in_the_body_is_451);
  g_test_add_func ("/gateway/upstream/unreachable", test_unreachable_upstream);
  g_test_add_data_func ("/gateway/upstream/stalls-at-mail", "MAIL", test_stalling_upstream);
  g_test_add_data_func ("/gateway/upstream/stalls-at-rcpt", "RCPT b@up.test",
                        test_stalling_upstream);
  g_test_add_data_func ("/gateway/upstream/stalls-at-data", "DATA", test_stalling_upstream);
  g_test_add_func ("/gateway/flood", test_client_that_reads_nothing);
  g_test_add_func ("/gateway/drain", test_drain);
  g_test_add_func ("/gateway/drain/first", test_drain_before_the_first_message);
  g_test_add_func ("/gateway/drain/silent", test_drain_with_a_silent_client);
  g_test_add_func ("/gateway/idle", test_idle_client);
  g_test_add_func ("/gateway/slow-down", test_too_many_messages);
  return g_test_run ();
}
