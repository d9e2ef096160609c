/* Every step's reply can be a filter's, with any number of lines; and a session that a filter ends
 * with the current operation, whatever the answer to it is. */
#include "harness.h"

#include <string.h>

#include "base/log.h"

#define BIT(name) IPC_HOOK_BIT (IPC_HOOK_##name)
#define ALL ((1u << IPC_N_HOOKS) - 1)

/* The reply that belongs to the step, in two lines that name it. */
static gboolean
two_lines (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  guint code = 250;
  if (ipc_hook_is_over (request->hook))
    return TRUE;
  if (request->hook == IPC_HOOK_CONNECT)
    code = 220;
  else if (request->hook == IPC_HOOK_DATA)
    code = 354;
  else if (request->hook == IPC_HOOK_QUIT)
    code = 221;
  g_autofree gchar *text = g_strdup_printf ("%s\nof a filter", ipc_hook_name (request->hook));
  record->verdict = IPC_VERDICT_REPLY;
  record->reply = base_reply_new (code, 0, 0, 0, text);
  return TRUE;
}

static void
expect (Harness *h, const gchar *say, const gchar *heard)
{
  harness_say (h, say);
  harness_assert_heard (h, heard);
}

/* A listener with one filter that has all hooks. */
static Harness *
with_filter (HarnessFilter filter)
{
  guint32 all = ALL & ~(guint32) BIT (COMMAND);
  Harness *h = harness_new (
      "hostname = \"mx.test\"\n"
      "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"up\"] filters = [\"one\"] }\n"
      "route \"up\" { to = [\"smtp://127.0.0.1:25\"] }\n"
      "filter \"one\" { module = \"m\" }\n",
      &all, 1, 0);
  h->filter = filter;
  harness_move (h);
  return h;
}

static void
test_replies_of_two_lines (void)
{
  g_autoptr (Harness) h = with_filter (two_lines);
  harness_assert_heard (h, "220-connect\n220 of a filter\n");
  expect (h, "HELO c\n", "250-helo\n250 of a filter\n");
  harness_say (h, "EHLO c\n");
  g_autofree gchar *ehlo = harness_heard (h);
  g_assert_true (g_str_has_prefix (ehlo, "250-mx.test ehlo\n250-"));
  g_assert_nonnull (strstr (ehlo, "PIPELINING\n"));
  g_assert_true (g_str_has_suffix (ehlo, "250 of a filter\n"));
  expect (h, SAY_MAIL, "250-mail\n250 of a filter\n");
  expect (h, SAY_RCPT, "250-rcpt\n250 of a filter\n");
  expect (h, "DATA\n", "354-data\n354 of a filter\n");
  expect (h, SAY_BODY, "250-end_of_message\n250 of a filter\n");
  expect (h, "NOOP\n", "250-noop\n250 of a filter\n");
  expect (h, "VRFY a\n", "250-vrfy\n250 of a filter\n");
  expect (h, "EXPN a\n", "250-expn\n250 of a filter\n");
  expect (h, "HELP\n", "250-help\n250 of a filter\n");
  expect (h, "RSET\n", "250-rset\n250 of a filter\n");
  expect (h, "XYZ\n", "250-unknown\n250 of a filter\n");
  expect (h, "QUIT\n", "221-quit\n221 of a filter\n");
  g_assert_cmpuint (h->messages, ==, 1);
}

/* The hook at which the filter says: end the session, politely. */
static gboolean
close_after (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  if (request->hook + 1 != GPOINTER_TO_UINT (harness->data))
    return TRUE;
  record->verdict = IPC_VERDICT_CLOSE;
  record->reply = base_reply_new (request->hook == IPC_HOOK_CONNECT ? 220 : 250, 0, 0, 0, "bye");
  return TRUE;
}

static Harness *
closing_at (IpcHook hook)
{
  Harness *h = with_filter (close_after);
  g_free (harness_heard (h));
  h->data = GUINT_TO_POINTER (hook + 1);
  return h;
}

static void
expect_close (IpcHook hook, const gchar *before, const gchar *say, const gchar *heard)
{
  g_autoptr (Harness) h = closing_at (hook);
  harness_say (h, before);
  g_free (harness_heard (h));
  expect (h, say, heard);
  g_assert_true (gateway_session_is_over (h->session));
}

static void
test_close_after_the_operation (void)
{
  expect_close (IPC_HOOK_HELO, "", "HELO c\nNOOP\n", "250 bye\n");
  expect_close (IPC_HOOK_MAIL, "EHLO c\n", SAY_MAIL "NOOP\n", "250 bye\n");
  expect_close (IPC_HOOK_RCPT, "EHLO c\n" SAY_MAIL, SAY_RCPT "NOOP\n", "250 bye\n");
  expect_close (IPC_HOOK_NOOP, "EHLO c\n", "NOOP\nNOOP\n", "250 bye\n");
  expect_close (IPC_HOOK_RSET, "EHLO c\n", "RSET\nNOOP\n", "250 bye\n");
  expect_close (IPC_HOOK_UNKNOWN, "EHLO c\n", "XYZ\nNOOP\n", "250 bye\n");
  expect_close (IPC_HOOK_DATA, "EHLO c\n" SAY_MAIL SAY_RCPT "DATA\n", SAY_BODY "NOOP\n",
                "250 bye\n");
  expect_close (IPC_HOOK_END_OF_MESSAGE, "EHLO c\n" SAY_MAIL SAY_RCPT "DATA\n", SAY_BODY "NOOP\n",
                "250 bye\n");
}

static void
test_close_after_ehlo (void)
{
  g_autoptr (Harness) h = closing_at (IPC_HOOK_EHLO);
  harness_say (h, "EHLO c\nNOOP\n");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_prefix (heard, "250-mx.test bye\n"));
  g_assert_null (strstr (heard, "\n250 2.0.0 Ok\n"));
  g_assert_true (gateway_session_is_over (h->session));
}

/* The destination's refusal is the answer, and the session ends with it all the same. */
static void
test_close_after_a_refusal (void)
{
  g_autoptr (Harness) h = closing_at (IPC_HOOK_RCPT);
  harness_script (h, "RCPT b@up.test", "550 5.1.1 nobody");
  harness_say (h, "EHLO c\n" SAY_MAIL);
  g_free (harness_heard (h));
  expect (h, SAY_RCPT "NOOP\n", "550 5.1.1 nobody\n");
  g_assert_true (gateway_session_is_over (h->session));
}

static void
test_close_after_a_refused_message (void)
{
  g_autoptr (Harness) h = closing_at (IPC_HOOK_END_OF_MESSAGE);
  harness_script (h, "END", "554 5.6.0 not this");
  harness_say (h, "EHLO c\n" SAY_MAIL SAY_RCPT "DATA\n");
  g_free (harness_heard (h));
  expect (h, SAY_BODY "NOOP\n", "554 5.6.0 not this\n");
  g_assert_true (gateway_session_is_over (h->session));
}

/* What is heard where no filter says anything. */
static void
test_defaults (void)
{
  g_autoptr (Harness) h = with_filter (close_after);
  harness_assert_heard (h, "220 mx.test ESMTP Mailweir\n");
  expect (h, "HELO c\n", "250 mx.test\n");
  harness_say (h, "EHLO c\n");
  g_autofree gchar *ehlo = harness_heard (h);
  g_assert_true (g_str_has_prefix (ehlo, "250-mx.test Hello "));
  g_assert_true (g_str_has_suffix (ehlo, "\n250 HELP\n"));
  expect (h, "MAIL FROM:<a@client.test>\n", "250 2.1.0 Sender <a@client.test> ok\n");
  harness_say (h, SAY_RCPT);
  harness_assert_code (h, "250 2.");
  harness_say (h, "DATA\n");
  harness_assert_code (h, "354 ");
  harness_say (h, SAY_BODY);
  harness_assert_code (h, "250 2.");
  harness_say (h, "EXPN l\n");
  harness_assert_code (h, "502 5.");
  harness_say (h, "VRFY v\n");
  harness_assert_code (h, "252 2.");
  harness_say (h, "NOOP n\n");
  harness_assert_code (h, "250 2.");
  harness_say (h, "RSET\n");
  harness_assert_code (h, "250 2.");
  harness_say (h, "HELP MAIL\n");
  harness_assert_code (h, "214 2.");
  expect (h, "XYZ 1 2\n", "500 5.5.1 Unrecognized command: \"XYZ 1 2\"\n");
  harness_say (h, "QUIT\n");
  harness_assert_code (h, "221 2.");
  g_assert_true (gateway_session_is_over (h->session));
}

static void
test_logged (void)
{
  if (g_test_subprocess ())
    {
      base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_INFO);
      g_autoptr (Harness) h = harness_plain ();
      harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*message: id=* client=client.test[127.0.0.1] *status=sent*");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_ERROR);
  g_test_add_func ("/gateway/replies/defaults", test_defaults);
  g_test_add_func ("/gateway/replies/logged", test_logged);
  g_test_add_func ("/gateway/replies/two-lines", test_replies_of_two_lines);
  g_test_add_func ("/gateway/replies/close-after-the-operation", test_close_after_the_operation);
  g_test_add_func ("/gateway/replies/close-after-ehlo", test_close_after_ehlo);
  g_test_add_func ("/gateway/replies/close-after-a-refusal", test_close_after_a_refusal);
  g_test_add_func ("/gateway/replies/close-after-a-refused-message",
                   test_close_after_a_refused_message);
  return g_test_run ();
}
