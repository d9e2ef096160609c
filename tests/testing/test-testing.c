/* The harness for authors of modules: what a filter is told, what comes back, and that the options
 * that all filters have in common count. */
#include <mailweir/test.h>

#include <string.h>

#define MESSAGE "From: a@b\r\n\r\nbody\r\n"

static const char *probe;

static WeirTestResult *
run (WeirTest *test)
{
  return weir_test_run (test, MESSAGE, strlen (MESSAGE));
}

static WeirTest *
load (const char *options)
{
  return weir_test_load (probe, options, NULL);
}

/* ---- What a filter is told ---- */

static void
assert_told (WeirTest *test, const char *told)
{
  g_autoptr (WeirTestResult) result = run (test);

  if (strstr (result->notes, told) == NULL)
    g_error ("no \"%s\" in: %s", told, result->notes);
  g_assert_nonnull (strstr (result->log, "seen"));
}

static void
test_session (void)
{
  g_autoptr (WeirTest) test = load ("run = \"see\"");

  assert_told (test, "from=a@example.org\nto=b@example.net\n");
  assert_told (test, "client=192.0.2.1:0 client.example\n");
  assert_told (test, "who=client.example (null) (null) (null) (null)\nnoted=(null)\n");
  weir_test_set_client (test, "2001:db8::1", 77, "unknown");
  weir_test_set_helo (test, "other.example");
  weir_test_set_user (test, "ada", "PLAIN");
  weir_test_set_tls (test, "TLSv1.3", "X");
  weir_test_set_sender (test, "", NULL);
  weir_test_add_recipient (test, "c@example.net", NULL);
  assert_told (test, "from=\nto=b@example.net c@example.net\n");
  assert_told (test, "client=2001:db8::1:77 unknown\nwho=other.example ada PLAIN TLSv1.3 X\n");
  weir_test_set_note (test, "probe", "preset");
  assert_told (test, "noted=preset\n");
  assert_told (test, "noted=(null)\n");
}

/* ---- What comes back ---- */

static void
expect (const char *options, WeirTestVerdict verdict, guint code, const char *reply)
{
  g_autoptr (WeirTest) test = load (options);
  g_autoptr (WeirTestResult) result = run (test);

  g_assert_cmpint (result->verdict, ==, verdict);
  g_assert_cmpuint (result->code, ==, code);
  g_assert_cmpstr (result->reply, ==, reply);
  g_assert_cmpstr (result->hook, ==, "end_of_message");
  weir_test_assert_message (result, MESSAGE, strlen (MESSAGE));
}

static void
test_results (void)
{
  expect (NULL, WEIR_TEST_PASS, 0, NULL);
  expect ("run = \"reply\"", WEIR_TEST_REFUSED, 550, "550 5.7.1 one / two");
  expect ("run = \"close\"", WEIR_TEST_REFUSED, 421, "421 bye");
  expect ("run = \"accept\"", WEIR_TEST_PASS, 250, "250 2.0.0 fine");
  expect ("run = \"discard\"", WEIR_TEST_DISCARDED, 0, NULL);
  expect ("run = \"quarantine\"", WEIR_TEST_QUARANTINED, 0, "odd");
  expect ("run = \"fail\"", WEIR_TEST_FAILED, 451, "broken");
}

/* What a filter has no right to: the part of the reason that names it. */
static void
test_nonsense (void)
{
  g_autoptr (WeirTest) test = load ("run = \"nonsense\"");
  g_autoptr (WeirTestResult) result = run (test);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_FAILED);
  g_assert_nonnull (strstr (result->reply, "77"));
}

static void
test_load_errors (void)
{
  g_autofree char *errors = NULL;
  g_autofree char *several = NULL;
  g_autofree char *start = NULL;

  g_assert_null (weir_test_load (probe, "run = \"start-fails\"", &start));
  g_assert_nonnull (strstr (start, "does not start: no engine\n"));
  g_assert_null (weir_test_load ("./no-such.so", NULL, &errors));
  g_assert_nonnull (strstr (errors, "no-such.so"));
  g_assert_cmpstr (weir_test_load_errors ("\"t\"", "filter \"t\" { module = \"trace\" }"), ==,
                   NULL);
  several = weir_test_load_errors ("\"t\"", "filter \"t\" { module = \"trace\" x = 1 }");
  g_assert_nonnull (strstr (several, "unknown option \"x\""));
}

/* ---- The options that all filters have ---- */

static void
expect_options (const char *options, const char *filters, WeirTestVerdict verdict, guint code)
{
  g_autoptr (WeirTest) test = load (options);
  g_autoptr (WeirTestResult) result = run (test);

  g_assert_cmpint (result->verdict, ==, verdict);
  g_assert_cmpuint (result->code, ==, code);
  if (filters == NULL)
    g_assert_null (result->filters);
  else
    g_assert_true (g_str_has_prefix (result->filters, filters));
  weir_test_assert_message (result, MESSAGE, strlen (MESSAGE));
}

static void
test_shadow (void)
{
#define SHADOW(action) "enforce = false run = \"" action "\""
  expect_options (SHADOW ("reply"), "test=would-reject/", WEIR_TEST_PASS, 0);
  expect_options (SHADOW ("close"), "test=would-close/", WEIR_TEST_PASS, 0);
  expect_options (SHADOW ("discard"), "test=would-discard/", WEIR_TEST_PASS, 0);
  expect_options (SHADOW ("quarantine"), "test=would-quarantine/", WEIR_TEST_PASS, 0);
  expect_options (SHADOW ("message"), "test=pass/", WEIR_TEST_PASS, 0);
  expect_options (SHADOW ("sender"), "test=pass/", WEIR_TEST_PASS, 0);
}

static void
test_on_failure (void)
{
  expect_options ("run = \"fail\"", "test=failed/", WEIR_TEST_FAILED, 451);
  expect_options ("run = \"fail\" on-failure = \"reject\"", "test=failed/", WEIR_TEST_FAILED, 554);
  expect_options ("run = \"fail\" on-failure = \"pass\"", "test=failed/", WEIR_TEST_FAILED, 0);
}

static void
test_only_if (void)
{
  static const struct
  {
    const char *condition;
    gboolean holds;
  } rows[] = {
    { "listener l", TRUE },
    { "not listener l", FALSE },
    { "client 192.0.2.0/24", TRUE },
    { "client 2001:db8::/32", FALSE },
    { "user ada", TRUE },
    { "not user *", FALSE },
    { "sender *@example.org", TRUE },
    { "sender *@example.net", FALSE },
    { "recipient b@*", TRUE },
    { "not recipient b@*", FALSE },
    { "note probe=1", TRUE },
    { "note probe=2", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *options
          = g_strdup_printf ("run = \"reply\" only-if = \"%s\"", rows[i].condition);
      g_autoptr (WeirTest) test = load (options);
      g_autoptr (WeirTestResult) result = NULL;

      weir_test_set_user (test, "ada", "PLAIN");
      weir_test_set_note (test, "probe", "1");
      result = run (test);
      g_test_message ("%s", rows[i].condition);
      g_assert_cmpint (result->verdict, ==, rows[i].holds ? WEIR_TEST_REFUSED : WEIR_TEST_PASS);
    }
}

/* A client without an address of its own is in no network. */
static void
test_only_if_local (void)
{
  g_autoptr (WeirTest) test = load ("run = \"reply\" only-if = \"not client 0.0.0.0/0\"");
  g_autoptr (WeirTestResult) refused = NULL;
  g_autoptr (WeirTestResult) passed = run (test);

  weir_test_set_client (test, "local", 0, "unknown");
  refused = run (test);
  g_assert_cmpint (passed->verdict, ==, WEIR_TEST_PASS);
  g_assert_cmpint (refused->verdict, ==, WEIR_TEST_REFUSED);
}

/* A note that the filter in front sets decides about the one behind. */
static void
test_only_if_earlier (void)
{
  g_autofree char *filters
      = g_strdup_printf ("filter \"a\" { module = \"%s\" run = \"note\" }\n"
                         "filter \"b\" { module = \"%s\" run = \"see\" only-if = \"note probe\" }\n"
                         "filter \"c\" { module = \"%s\" run = \"reply\" only-if = \"note x\" }\n",
                         probe, probe, probe);
  g_autoptr (WeirTest) test = weir_test_new ("\"a\", \"b\", \"c\"", filters);
  g_autoptr (WeirTestResult) result = run (test);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_nonnull (strstr (result->notes, "noted=set\n"));
}

/* ---- Hooks and sessions ---- */

static void
test_split (void)
{
  static const char *const recipients[] = { "a@one.example", "b@two.example", NULL };
  g_autoptr (WeirTest) test = load ("rcpt = \"@one.example\" run = \"see\"");
  g_autoptr (WeirTestResult) second = NULL;
  g_autoptr (WeirTestResult) whole = NULL;

  weir_test_set_recipients (test, recipients);
  second = weir_test_run_hook (test, "rcpt", NULL, 0);
  g_assert_cmpint (second->verdict, ==, WEIR_TEST_REFUSED);
  g_assert_true (g_str_has_prefix (second->reply, "452 4.5.3 "));
  whole = weir_test_run_session (test, MESSAGE, strlen (MESSAGE));
  g_assert_cmpint (whole->verdict, ==, WEIR_TEST_PASS);
  g_assert_cmpstr (whole->recipients, ==, "a@one.example");
}

/* The hooks that a session calls, in their order; XTRACE counts what the session remembers. */
static void
test_whole_session (void)
{
  g_autoptr (WeirTest) test = weir_test_new ("\"t\"", "filter \"t\" { module = \"trace\" }");
  g_autoptr (WeirTestResult) result = weir_test_run_session (test, MESSAGE, strlen (MESSAGE));
  g_autoptr (WeirTestResult) first = weir_test_run_hook (test, "noop", "x", 0);
  g_autoptr (WeirTestResult) count = weir_test_run_hook (test, "command", "XTRACE", 0);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_cmpint (first->verdict, ==, WEIR_TEST_PASS);
  g_assert_nonnull (strstr (result->log, "end_of_message"));
  g_assert_cmpuint (count->code, ==, 250);
  g_assert_nonnull (strstr (count->reply, " 2 "));
  g_assert_cmpstr (count->hook, ==, "command");
}

static void
test_refused_session (void)
{
  static const char *const hooks[] = { "connect", "ehlo", "mail", "rcpt", "data", "header" };

  for (guint i = 0; i < G_N_ELEMENTS (hooks); i++)
    {
      g_autofree char *options = g_strdup_printf ("reply-at = \"%s\"", hooks[i]);
      g_autoptr (WeirTest) test = weir_test_load ("trace", options, NULL);
      g_autoptr (WeirTestResult) result = weir_test_run_session (test, MESSAGE, strlen (MESSAGE));

      g_assert_cmpint (result->verdict, ==, WEIR_TEST_REFUSED);
      g_assert_cmpstr (result->reply, ==, "550 5.7.1 traced");
      g_assert_cmpstr (result->hook, ==, i < 5 ? hooks[i] : "end_of_message");
    }
}

/* What a worker that was killed would have remembered is gone. */
static void
test_lost_state (void)
{
  g_autoptr (WeirTest) test = weir_test_load ("trace", NULL, NULL);

  weir_test_lose_state (test, TRUE);
  for (guint i = 0; i < 3; i++)
    weir_test_result_free (weir_test_run_hook (test, "noop", NULL, 0));
  weir_test_lose_state (test, FALSE);
  for (guint i = 1; i < 3; i++)
    {
      g_autoptr (WeirTestResult) result = weir_test_run_hook (test, "command", "XTRACE", 0);
      g_autofree char *count = g_strdup_printf (" %u ", i);

      g_assert_nonnull (strstr (result->reply, count));
    }
}

static void
test_unknown_hook (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (WeirTest) test = weir_test_load ("trace", NULL, NULL);

      weir_test_result_free (weir_test_run_hook (test, "body", NULL, 0));
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*no hook \"body\"*");
}

/* Of no octets there is no address either. */
static void
test_empty_message (void)
{
  g_autoptr (WeirTest) test = load (NULL);
  g_autoptr (WeirTestResult) result = weir_test_run (test, "", 0);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  weir_test_assert_message (result, "", 0);
}

static void
test_wire (void)
{
  gsize length;
  g_autofree char *text = weir_test_wire ("a\n\0b\r\nc\rd", 9, &length);

  g_assert_cmpmem (text, length, "a\r\n\0b\r\nc\r\nd", 11);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  probe = argv[1];
  g_test_add_func ("/testing/session", test_session);
  g_test_add_func ("/testing/results", test_results);
  g_test_add_func ("/testing/nonsense", test_nonsense);
  g_test_add_func ("/testing/load-errors", test_load_errors);
  g_test_add_func ("/testing/shadow", test_shadow);
  g_test_add_func ("/testing/on-failure", test_on_failure);
  g_test_add_func ("/testing/only-if", test_only_if);
  g_test_add_func ("/testing/only-if-local", test_only_if_local);
  g_test_add_func ("/testing/only-if-earlier", test_only_if_earlier);
  g_test_add_func ("/testing/split", test_split);
  g_test_add_func ("/testing/whole-session", test_whole_session);
  g_test_add_func ("/testing/refused-session", test_refused_session);
  g_test_add_func ("/testing/lost-state", test_lost_state);
  g_test_add_func ("/testing/unknown-hook", test_unknown_hook);
  g_test_add_func ("/testing/empty-message", test_empty_message);
  g_test_add_func ("/testing/wire", test_wire);
  return g_test_run ();
}
