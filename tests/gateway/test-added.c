/* Commands that filters add: where they are legal, what they are told, who answers. */
#include "harness.h"

#include <string.h>

#define FILTERS                                                                                    \
  "hostname = \"mx.test\"\n"                                                                       \
  "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"up\"] filters = [\"a\", \"b\"] }\n"   \
  "route \"up\" { to = [\"smtp://127.0.0.1:25\"] }\n"                                              \
  "filter \"a\" { module = \"a\" }\nfilter \"b\" { module = \"b\" }\n"

static const guint32 hooks[] = { IPC_HOOK_BIT (IPC_HOOK_COMMAND), IPC_HOOK_BIT (IPC_HOOK_COMMAND) };

/* Answers its own verb with what it was told, as the worker does; XQUIET has no answer. */
static gboolean
answer (Harness *harness, const IpcRequest *request, guint filter, IpcRecord *record)
{
  g_assert_cmpuint (request->hook, ==, IPC_HOOK_COMMAND);
  if (!g_str_equal (request->verb, filter == 0 ? "XSTATUS" : "XB"))
    return TRUE;
  record->verdict
      = g_str_equal (request->argument, "close") ? IPC_VERDICT_CLOSE : IPC_VERDICT_REPLY;
  if (g_str_equal (request->argument, "die"))
    return FALSE;
  if (g_str_equal (request->argument, "nothing"))
    record->verdict = IPC_VERDICT_PASS;
  else if (g_str_equal (request->argument, "close"))
    record->reply = base_reply_new (421, 4, 7, 0, "go");
  else
    record->reply = base_reply_printf (g_str_equal (request->argument, "no") ? 550 : 250, 0, 0, 0,
                                       "%s: %s", request->verb, request->argument);
  return TRUE;
}

static Harness *
adding (const gchar *a, const gchar *b)
{
  const gchar *const adds[] = { a, b };
  Harness *h = harness_new_adding (FILTERS, hooks, 2, 0, adds);
  h->filter = answer;
  return h;
}

static void
test_announced (void)
{
  g_autoptr (Harness) h = adding ("XStatus 7!", "XB 7");
  harness_say (h, "EHLO c\n");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_nonnull (strstr (heard, "XSTATUS\n"));
  g_assert_null (strstr (heard, "XB"));
}

static void
test_answers (void)
{
  g_autoptr (Harness) h = adding ("XSTATUS 7", "XB 7");
  harness_greet (h);
  harness_say (h, "xstatus  one two \nXB\nXSTATUS nothing\nXSTATUS no\nXC\n");
  g_autofree gchar *heard = harness_heard (h);
  g_auto (GStrv) lines = g_strsplit (heard, "\n", -1);
  g_assert_cmpstr (lines[0], ==, "250 XSTATUS: one two");
  g_assert_cmpstr (lines[1], ==, "250 XB: ");
  g_assert_true (g_str_has_prefix (lines[2], "500 5.5.1"));
  g_assert_cmpstr (lines[3], ==, "550 XSTATUS: no");
  g_assert_true (g_str_has_prefix (lines[4], "500 5.5.1"));
  g_assert_cmpuint (h->requests, ==, 4);
}

static void
test_places (void)
{
  g_autoptr (Harness) h = adding ("XSTATUS 4", "XB 1");
  g_free (harness_heard (h));
  harness_say (h, "XB early\nXSTATUS early\nEHLO c\n");
  g_autofree gchar *before = harness_heard (h);
  g_assert_true (g_str_has_prefix (before, "250 XB: early\n503 "));
  harness_say (h, "XB late\nXSTATUS late\n" SAY_MAIL "XSTATUS now\n" SAY_RCPT "XSTATUS still\n");
  g_autofree gchar *after = harness_heard (h);
  g_assert_true (g_str_has_prefix (after, "503 "));
  g_assert_nonnull (strstr (after, "\n503 "));
  g_assert_nonnull (strstr (after, "250 XSTATUS: now\n"));
  g_assert_nonnull (strstr (after, "250 XSTATUS: still\n"));
  harness_say (h, "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, 1);
}

static void
test_faults (void)
{
  g_autoptr (Harness) h = adding ("XSTATUS 7", NULL);
  harness_greet (h);
  harness_say (h, "XSTATUS die\n");
  harness_assert_code (h, "451 ");
  harness_say (h, "XSTATUS close\n");
  harness_assert_code (h, "421 ");
  g_assert_true (gateway_session_is_over (h->session));
}

static void
test_bytewise (void)
{
  g_autoptr (Harness) h = adding ("XSTATUS 7", NULL);
  harness_greet (h);
  harness_say_bytewise (h, "XSTATUS a\nNOOP\n");
  g_autofree gchar *heard = harness_heard (h);
  g_assert_true (g_str_has_prefix (heard, "250 XSTATUS: a\n250 "));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gateway/added/announced", test_announced);
  g_test_add_func ("/gateway/added/answers", test_answers);
  g_test_add_func ("/gateway/added/places", test_places);
  g_test_add_func ("/gateway/added/faults", test_faults);
  g_test_add_func ("/gateway/added/bytewise", test_bytewise);
  return g_test_run ();
}
