/* Hooks with what they are called with, questions, state, notes; verdicts good and bad; limits;
 * loading. */
#include "bench.h"

#include <string.h>

static const gchar *const directories[] = { MODULES, NULL };

static IpcRecord *
run_hook (Bench *bench, IpcHook hook, const gchar *argument)
{
  bench_request (bench, hook, NULL);
  bench->request->argument = (gchar *) argument;
  bench->request->verb = (gchar *) "xstatus";
  bench->request->code = 250;
  return bench_run (bench);
}

static void
expect_call (Bench *bench, IpcHook hook, const gchar *argument, const gchar *call)
{
  IpcRecord *record = run_hook (bench, hook, argument);

  g_assert_false (record->failed);
  g_assert_cmpint (record->verdict, ==, IPC_VERDICT_PASS);
  g_assert_cmpstr (bench_note (record, "calls"), ==, call);
}

static void
open_hooks (Bench *bench)
{
  bench_open (bench, "", "\"f0\"", "filter \"f0\" { module = \"hooks\" }");
}

static void
test_simple_hooks (void)
{
  Bench bench;

  open_hooks (&bench);
  expect_call (&bench, IPC_HOOK_CONNECT, NULL, "connect()");
  g_assert_cmpstr (bench_note (bench_record (&bench, 0), "questions"), ==,
                   "f0 in mx.example.org ID 192.0.2.1 1234 client.example.org - - TLSv1.3 CIPHER "
                   "s@example.org");
  expect_call (&bench, IPC_HOOK_HELO, "h", "helo(h)");
  expect_call (&bench, IPC_HOOK_EHLO, "e", "ehlo(e)");
  expect_call (&bench, IPC_HOOK_MAIL, NULL, "mail(SIZE=5)");
  g_assert_true (bench_record (&bench, 0)->descriptor_set);
  g_assert_cmpint (bench_record (&bench, 0)->descriptor, >=, 0);
  expect_call (&bench, IPC_HOOK_RCPT, NULL, "rcpt(r@example.org)");
  expect_call (&bench, IPC_HOOK_DATA, NULL, "data()");
  expect_call (&bench, IPC_HOOK_RSET, NULL, "rset()");
  expect_call (&bench, IPC_HOOK_NOOP, "n", "noop(n)");
  expect_call (&bench, IPC_HOOK_VRFY, "v", "vrfy(v)");
  expect_call (&bench, IPC_HOOK_EXPN, "x", "expn(x)");
  expect_call (&bench, IPC_HOOK_HELP, NULL, "help()");
  expect_call (&bench, IPC_HOOK_UNKNOWN, "FOO bar", "unknown(FOO bar)");
  expect_call (&bench, IPC_HOOK_MESSAGE_OVER, "2.0.0 Ok", "message_over(250 2.0.0 Ok)");
  expect_call (&bench, IPC_HOOK_SESSION_OVER, NULL, "session_over()");
  bench_close (&bench);
}

static void
test_command_and_quit (void)
{
  Bench bench;
  IpcRecord *record = NULL;

  open_hooks (&bench);
  record = run_hook (&bench, IPC_HOOK_COMMAND, "me");
  g_assert_cmpint (record->verdict, ==, IPC_VERDICT_REPLY);
  g_assert_cmpstr (record->reply->text, ==, "status of me\nsecond line");
  record = run_hook (&bench, IPC_HOOK_QUIT, NULL);
  g_assert_cmpint (record->verdict, ==, IPC_VERDICT_CLOSE);
  g_assert_cmpuint (record->reply->code, ==, 221);
  bench_close (&bench);
}

static void
test_message_hooks (void)
{
  Bench bench;
  const gchar *message = "A: 1\r\nB: 2\r\n 3\r\n\r\nbody12\r\n";

  open_hooks (&bench);
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, message);
  g_assert_cmpstr (bench_note (bench_run (&bench), "calls"), ==,
                   "header(0:A=1) header(1:B=2 3) eoh(A, 1) body(body) body(12\r\n) "
                   "eom(26,A: 1,AB,read,8)");
  bench_request (&bench, IPC_HOOK_END_OF_HEADERS, "A: 1\r\n\r\n");
  g_assert_cmpstr (bench_note (bench_run (&bench), "calls"), ==, "header(0:A=1) eoh(A, 1)");
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, message);
  bench.request->unread = TRUE;
  g_assert_nonnull (strstr (bench_note (bench_run (&bench), "calls"), "unread"));
  bench_close (&bench);
}

static void
test_state_and_notes (void)
{
  Bench bench;
  IpcFilterState *state = NULL;
  IpcNote *note = g_new0 (IpcNote, 1);
  guint calls = 41;
  IpcRecord *record = NULL;

  open_hooks (&bench);
  bench_request (&bench, IPC_HOOK_HELO, NULL);
  state = &g_array_index (bench.request->filters, IpcFilterState, 0);
  state->state = g_bytes_new (&calls, sizeof calls);
  bench.request->notes = g_ptr_array_new_with_free_func ((GDestroyNotify) ipc_note_free);
  note->name = g_strdup ("calls");
  note->value = g_strdup ("before");
  g_ptr_array_add (bench.request->notes, note);
  record = bench_run (&bench);
  g_assert_cmpstr (bench_note (record, "calls"), ==, "before helo()");
  memcpy (&calls, g_bytes_get_data (record->state, NULL), sizeof calls);
  g_assert_cmpuint (calls, ==, 42);
  g_bytes_unref (state->state);
  bench_close (&bench);
}

static void
open_verdict (Bench *bench, const gchar *answer, const gchar *more)
{
  g_autofree gchar *block
      = g_strdup_printf ("filter \"f0\" { module = \"verdicts\" answer = \"%s\" %s }\n"
                         "filter \"f1\" { module = \"hooks\" }",
                         answer, more);

  bench_open (bench, "", "\"f0\", \"f1\"", block);
}

static void
verdict (IpcHook hook, const gchar *answer, IpcVerdict expected, guint records)
{
  Bench bench;
  IpcRecord *record = NULL;

  open_verdict (&bench, answer, "");
  bench_request (&bench, hook, "A: b\r\n\r\n");
  bench_run (&bench);
  record = bench_record (&bench, 0);
  g_assert_false (record->failed);
  g_assert_cmpint (record->verdict, ==, expected);
  g_assert_cmpuint (bench.records->len, ==, records);
  if (strcmp (answer, "refuse") == 0)
    g_assert_cmpstr (record->reply->text, ==, "no way\ntwo lines");
  if (strcmp (answer, "quarantine") == 0)
    g_assert_cmpstr (record->reason, ==, "bad thing");
  bench_close (&bench);
}

static void
test_verdicts (void)
{
  verdict (IPC_HOOK_MAIL, "pass", IPC_VERDICT_PASS, 2);
  verdict (IPC_HOOK_MAIL, "skip", IPC_VERDICT_SKIP, 2);
  verdict (IPC_HOOK_MAIL, "text", IPC_VERDICT_REPLY, 2);
  verdict (IPC_HOOK_MAIL, "refuse", IPC_VERDICT_REPLY, 1);
  verdict (IPC_HOOK_MAIL, "close", IPC_VERDICT_CLOSE, 1);
  verdict (IPC_HOOK_MAIL, "close-250", IPC_VERDICT_CLOSE, 2);
  verdict (IPC_HOOK_DATA, "354", IPC_VERDICT_REPLY, 2);
  verdict (IPC_HOOK_MAIL, "discard", IPC_VERDICT_DISCARD, 1);
  verdict (IPC_HOOK_END_OF_MESSAGE, "quarantine", IPC_VERDICT_QUARANTINE, 1);
  verdict (IPC_HOOK_CONNECT, "close", IPC_VERDICT_CLOSE, 1);
}

static void
bad (IpcHook hook, const gchar *answer, const gchar *reason)
{
  Bench bench;
  IpcRecord *record = NULL;

  open_verdict (&bench, answer, "");
  bench_request (&bench, hook, "A: b\r\n\r\n");
  record = bench_run (&bench);
  g_assert_cmpuint (bench.records->len, ==, 1);
  g_assert_true (record->failed);
  g_assert_nonnull (strstr (record->reason, reason));
  bench_close (&bench);
}

static void
test_bad_verdicts (void)
{
  bad (IPC_HOOK_MAIL, "nonsense", "the verdict 17");
  bad (IPC_HOOK_MAIL, "no-reply", "without having set one");
  bad (IPC_HOOK_MAIL, "class", "can not be sent");
  bad (IPC_HOOK_MAIL, "354", "can not be sent");
  bad (IPC_HOOK_CONNECT, "discard", "discard at connect");
  bad (IPC_HOOK_RSET, "quarantine", "quarantine at rset");
  bad (IPC_HOOK_RSET, "refuse", "refuses rset");
  bad (IPC_HOOK_END_OF_MESSAGE, "undeclared", "without having declared");
}

static void
test_failure_and_shadow (void)
{
  Bench bench;

  open_verdict (&bench, "nonsense", "on-failure = \"pass\"");
  bench_request (&bench, IPC_HOOK_MAIL, NULL);
  bench_run (&bench);
  g_assert_cmpuint (bench.records->len, ==, 2);
  g_assert_true (bench_record (&bench, 0)->failed);
  bench_close (&bench);
  open_verdict (&bench, "refuse", "enforce = false");
  bench_request (&bench, IPC_HOOK_MAIL, NULL);
  bench_run (&bench);
  g_assert_cmpuint (bench.records->len, ==, 2);
  g_assert_cmpuint (bench_record (&bench, 0)->reply->code, ==, 550);
  bench_close (&bench);
}

static void
test_nobody (void)
{
  Bench bench;
  IpcRecord *record = NULL;

  open_verdict (&bench, "pass", "");
  bench_request (&bench, IPC_HOOK_NOOP, NULL);
  g_array_index (bench.request->filters, IpcFilterState, 1).skip = TRUE;
  record = bench_run (&bench);
  g_assert_cmpuint (record->filter, ==, 0);
  g_assert_cmpint (record->verdict, ==, IPC_VERDICT_PASS);
  bench_request (&bench, IPC_HOOK_MESSAGE_OVER, NULL);
  g_array_index (bench.request->filters, IpcFilterState, 1).skip = TRUE;
  g_assert_cmpuint (bench_run (&bench)->filter, ==, 0);
  bench.request->listener = 7;
  g_assert_true (bench_run (&bench)->failed);
  bench_close (&bench);
}

static void
limits (const gchar *more, const gchar *message, const gchar *text)
{
  Bench bench;
  IpcRecord *record = NULL;

  bench_open (&bench, more, "\"f0\"", "filter \"f0\" { module = \"hooks\" enforce = false }");
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, message);
  record = bench_run (&bench);
  if (text != NULL)
    {
      g_assert_true (record->limit);
      g_assert_cmpuint (record->reply->code, ==, 554);
      g_assert_cmpstr (record->reply->text, ==, text);
    }
  else
    g_assert_nonnull (strstr (bench_note (record, "calls"), "unread"));
  bench_close (&bench);
}

static void
test_limits (void)
{
  const gchar *message = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\na\r\n"
                         "--b\r\n\r\nb\r\n--b--\r\n";

  limits ("limits { parts = 1 }", message, "message has more than 1 parts (limit parts)");
  limits ("limits { header-fields = 1 }", "A: b\r\nC: d\r\n\r\n",
          "message has more than 1 header fields (limit header-fields)");
  limits ("limits { parts = 1 over-limit = \"pass\" }", message, NULL);
}

/* What a filter makes of a message is held against the limits before the next one parses it. */
static void
test_limits_after_edits (void)
{
  Bench bench;

  bench_open (&bench, "limits { header-fields = 2 }", "\"f0\", \"f1\"",
              "filter \"f0\" { module = \"edits\" script = [\"append|X|y\"] }\n"
              "filter \"f1\" { module = \"hooks\" }");
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, "A: b\r\nC: d\r\n\r\n");
  g_assert_nonnull (strstr (bench_note (bench_run (&bench), "calls"), "unread"));
  bench_close (&bench);
}

static void
load (const gchar *block, const gchar *expected)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autofree gchar *text = g_strdup_printf (
      "listener \"in\" { bind = [\"127.0.0.1:2525\"] filters = [\"f\"] routes = [\"r\"] }\n"
      "route \"r\" { to = [\"discard:\"] }\nfilter \"f\" {\n  %s\n}\n",
      block);
  g_autoptr (Config) config = NULL;
  g_autoptr (WorkerModules) modules = NULL;
  g_autofree gchar *said = NULL;

  config_sources_add (sources, "test.conf", text);
  config = config_load (sources, "test.conf", errors);
  g_assert_nonnull (config);
  modules = worker_modules_load (config, directories, errors);
  said = config_errors_to_string (errors);
  g_assert_null (modules);
  if (strstr (said, expected) == NULL)
    g_error ("\"%s\" is not in \"%s\"", expected, said);
  g_assert_true (g_str_has_prefix (said, "test.conf:"));
}

static void
test_load_errors (void)
{
  load ("module = \"nowhere\"", "test.conf:4:");
  load ("module = \"nowhere\"", "no such module");
  load ("module = \"broken\"", "option \"far\" lies outside of config_size");
  load ("module = \"leaky\" what = \"descriptor\"", "left a descriptor open");
  load ("module = \"leaky\" what = \"error\"", "f does not like it");
  load ("module = \"verdicts\" answr = \"x\" answer = \"y\"", "answr");
  load ("module = \"verdicts\"\n  answer = 5", "test.conf:5:");
  load ("module = \"leaky\" what = \"thread\"", "started a thread");
}

/* Two filters of one listener with one verb; of two listeners they may. */
static void
test_verb_of_two (void)
{
  load (
      "module = \"verdicts\" answer = \"y\" }\n"
      "listener \"two\" { bind = [\"127.0.0.1:2526\"] filters = [\"g\", \"h\"] routes = [\"r\"] }\n"
      "listener \"three\" { bind = [\"127.0.0.1:2527\"] filters = [\"g\"] routes = [\"r\"] }\n"
      "filter \"g\" { module = \"hooks\" }\nfilter \"h\" { module = \"rival\"",
      "test.conf:5:54: listener \"two\": filters \"g\" and \"h\" both add the command xstatus\n");
}

static void
test_list_and_options (void)
{
  g_auto (GStrv) names = worker_module_list (directories);
  const WeirFilter *filter = worker_module_open ("verdicts", directories, NULL);
  g_autofree ConfigOption *options = worker_module_options (filter);
  g_autofree gchar *path = g_build_filename (MODULES, "edits.so", NULL);

  g_assert_true (g_strv_contains ((const gchar *const *) names, "verdicts"));
  g_assert_cmpstr (options[0].name, ==, "answer");
  g_assert_null (options[1].name);
  g_assert_nonnull (worker_module_open (path, directories, NULL));
}

/* Whoever asks, whenever: client, name, sender, recipients and user are there. */
static void
test_who_in_every_hook (void)
{
  Bench bench;
  IpcHook hook;

  open_hooks (&bench);
  for (hook = IPC_HOOK_CONNECT; hook <= IPC_HOOK_COMMAND; hook++)
    {
      IpcRecord *record = NULL;

      if (hook == IPC_HOOK_HEADER || hook == IPC_HOOK_BODY)
        continue; /* run inside of end_of_message */
      bench_request (&bench, hook, "A: b\r\n\r\nbody\r\n");
      bench.request->verb = (gchar *) "xstatus";
      bench.request->session.helo = (gchar *) "h";
      bench.request->session.user = (gchar *) "jim";
      record = bench_run (&bench);
      g_assert_false (record->failed);
      if (hook == IPC_HOOK_QUIT || hook == IPC_HOOK_COMMAND)
        continue; /* answer without a note */
      g_assert_cmpstr (bench_note (record, "who"), ==,
                       "192.0.2.1 h s@example.org 1 r@example.org jim");
    }
  bench_close (&bench);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/worker/run/simple-hooks", test_simple_hooks);
  g_test_add_func ("/worker/run/command-and-quit", test_command_and_quit);
  g_test_add_func ("/worker/run/message-hooks", test_message_hooks);
  g_test_add_func ("/worker/run/who-in-every-hook", test_who_in_every_hook);
  g_test_add_func ("/worker/run/state-and-notes", test_state_and_notes);
  g_test_add_func ("/worker/run/verdicts", test_verdicts);
  g_test_add_func ("/worker/run/bad-verdicts", test_bad_verdicts);
  g_test_add_func ("/worker/run/failure-and-shadow", test_failure_and_shadow);
  g_test_add_func ("/worker/run/nobody", test_nobody);
  g_test_add_func ("/worker/run/limits", test_limits);
  g_test_add_func ("/worker/run/limits-after-edits", test_limits_after_edits);
  g_test_add_func ("/worker/modules/errors", test_load_errors);
  g_test_add_func ("/worker/run/verb-of-two", test_verb_of_two);
  g_test_add_func ("/worker/modules/list-and-options", test_list_and_options);
  return g_test_run ();
}
