/* The filter "exec": every exit status, every output, the environment, and programs that misbehave:
 * none of them is left behind, none blocks for good, none is believed. */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mailweir/test.h>

#define MESSAGE "From: a@b\r\nSubject: x\r\n\r\nbody\r\n"

/* A program that is this shell script. Caller frees, and removes the file. */
static char *
write_program (const char *script)
{
  g_autofree char *text = g_strconcat ("#!/bin/sh\n", script, "\n", NULL);
  char *path = NULL;
  gint fd = g_file_open_tmp ("mailweir-XXXXXX.sh", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, (gssize) strlen (text));
  g_assert_cmpint (fchmod (fd, 0700), ==, 0);
  g_close (fd, NULL);
  return path;
}

static WeirTestResult *
run_message (const char *script, const char *options, const char *message, gsize length)
{
  g_autofree char *path = write_program (script);
  g_autofree char *filter = g_strdup_printf (
      "filter \"f\" { module = \"exec\" command = [\"%s\", \"$HOME; 'x'\"] %s }", path, options);
  g_autoptr (WeirTest) harness = weir_test_new ("\"f\"", filter);
  WeirTestResult *result = weir_test_run (harness, message, length);

  g_assert_cmpint (g_remove (path), ==, 0);
  return result;
}

static WeirTestResult *
run (const char *script, const char *options)
{
  return run_message (script, options, MESSAGE, strlen (MESSAGE));
}

static void
expect (const char *script, const char *options, WeirTestVerdict verdict, const char *reply)
{
  g_autoptr (WeirTestResult) result = run (script, options);

  g_assert_cmpstr (result->reply, ==, reply);
  g_assert_cmpint (result->verdict, ==, verdict);
}

static void
expect_failure (const char *script, const char *options, const char *reason)
{
  g_autoptr (WeirTestResult) result = run (script, options);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_FAILED);
  if (strstr (result->reply, reason) == NULL)
    g_error ("no \"%s\" in: %s", reason, result->reply);
}

static void
expect_message (const char *script, const char *options, const char *message, guint edits)
{
  g_autoptr (WeirTestResult) result = run (script, options);

  g_assert_cmpstr (result->reply, ==, NULL);
  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  weir_test_assert_message (result, message, strlen (message));
  g_assert_cmpuint (result->n_edits, ==, edits);
}

/* ---- Exit status ---- */

static void
test_status (void)
{
  static const guint failures[] = { 1, 64, 66, 70, 71, 74, 76, 78, 97, 100, 126, 127, 255 };

  expect ("exit 0", "", WEIR_TEST_PASS, NULL);
  expect ("exit 65", "", WEIR_TEST_REFUSED, "550 5.6.0 Message content refused");
  expect ("exit 67", "", WEIR_TEST_REFUSED, "550 5.1.1 User unknown");
  expect ("exit 68", "", WEIR_TEST_REFUSED, "550 5.1.2 Host unknown");
  expect ("exit 69", "", WEIR_TEST_REFUSED, "550 5.7.1 Message refused");
  expect ("exit 75", "", WEIR_TEST_REFUSED, "451 4.7.1 Try again later");
  expect ("exit 77", "", WEIR_TEST_REFUSED, "550 5.7.0 Not permitted");
  expect ("echo odd; exit 98", "", WEIR_TEST_QUARANTINED, "odd");
  expect ("exit 99", "", WEIR_TEST_DISCARDED, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (failures); i++)
    {
      g_autofree char *script = g_strdup_printf ("echo why >&2; exit %u", failures[i]);
      g_autofree char *reason = g_strdup_printf ("ended with status %u: why", failures[i]);

      expect_failure (script, "", reason);
    }
}

static void
test_text (void)
{
  expect ("echo No way >&2; exit 69", "", WEIR_TEST_REFUSED, "550 5.7.1 No way");
  expect ("echo No way; exit 69", "", WEIR_TEST_REFUSED, "550 5.7.1 No way");
  expect ("echo; echo '5.9.99 No' way; echo more; exit 69", "", WEIR_TEST_REFUSED,
          "550 5.9.99 No way");
  expect ("echo 4.0.0 No way; exit 69", "", WEIR_TEST_REFUSED, "550 5.7.1 4.0.0 No way");
  expect ("echo 5.1000.0 No way; exit 69", "", WEIR_TEST_REFUSED, "550 5.7.1 5.1000.0 No way");
  expect ("printf 'a\\tb\\033\\377 \\r\\nc'; exit 75", "", WEIR_TEST_REFUSED, "451 4.7.1 a?b??");
  expect ("echo unseen; echo said >&2; exit 69", "output = \"headers\"", WEIR_TEST_REFUSED,
          "550 5.7.1 said");
}

/* ---- Input and environment ---- */

static void
test_input (void)
{
  expect ("test \"$(od -An -c | tr -d ' \\n')\" = 'From:a@b\\nSubject:x\\n\\nbody\\n' || exit 1",
          "", WEIR_TEST_PASS, NULL);
  expect ("test \"$(wc -c | tr -d ' ')\" = 31 || exit 1", "crlf = true", WEIR_TEST_PASS, NULL);
  expect ("exec <&-; exit 0", "", WEIR_TEST_PASS, NULL);
  expect ("test \"$#\" = 1 && test \"$1\" = \"\\$HOME; 'x'\" || exit 1", "", WEIR_TEST_PASS, NULL);
  expect ("test \"$(pwd)\" = /tmp || exit 1", "directory = \"/tmp\"", WEIR_TEST_PASS, NULL);
  expect ("test \"$(ls -m /proc/self/fd)\" = '0, 1, 2, 3' || exit 1", "", WEIR_TEST_PASS, NULL);
}

static void
test_environment (void)
{
  g_setenv ("MAILWEIR_SECRET", "x", TRUE);
  expect (
      "env | grep -v '^\\(PATH\\|PWD\\|OLDPWD\\|SHLVL\\|_\\)=' | sort | tr '\\n' ' ' >&2; exit 69",
      "environment = [\"HOME=/nowhere\"]", WEIR_TEST_REFUSED,
      "550 5.7.1 HOME=/nowhere LANG=C MAILWEIR_CLIENT_ADDRESS=192.0.2.1 "
      "MAILWEIR_CLIENT_NAME=client.example MAILWEIR_CLIENT_PORT=0 MAILWEIR_FILTER=f "
      "MAILWEIR_HELO=client.example MAILWEIR_HOSTNAME=mx.example.org MAILWEIR_LISTENER=l "
      "MAILWEIR_MESSAGE=MESSAGE MAILWEIR_RECIPIENTS=1 MAILWEIR_RECIPIENT_1=b@example.net "
      "MAILWEIR_SENDER=a@example.org "
      "MAILWEIR_SESSION=TEST MAILWEIR_SIZE=31");
  expect ("test \"$PATH\" = /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin || exit 1",
          "", WEIR_TEST_PASS, NULL);
}

/* Who is known better: authenticated, by TLS, with ESMTP parameters. */
static void
test_whole_envelope (void)
{
  static const char *const size[] = { "SIZE=31", "BODY=8BITMIME", NULL };
  static const char *const notify[] = { "NOTIFY=NEVER", NULL };
  g_autofree char *path = write_program (
      "env | grep -E '_(USER|TLS|SENDER_P|RECIPIENT_)' | sort | tr '\\n' ' ' >&2; exit 69");
  g_autofree char *options = g_strdup_printf ("command = [\"%s\"]", path);
  g_autoptr (WeirTest) test = weir_test_load ("exec", options, NULL);
  g_autoptr (WeirTestResult) result = NULL;

  weir_test_set_user (test, "ada", "PLAIN");
  weir_test_set_tls (test, "TLSv1.3", "X");
  weir_test_set_sender (test, "a@b", size);
  weir_test_add_recipient (test, "c@d", notify);
  result = weir_test_run (test, MESSAGE, strlen (MESSAGE));
  g_assert_cmpint (g_remove (path), ==, 0);
  g_assert_cmpstr (result->reply, ==,
                   "550 5.7.1 MAILWEIR_RECIPIENT_1=b@example.net MAILWEIR_RECIPIENT_2=c@d "
                   "MAILWEIR_RECIPIENT_2_PARAMETERS=NOTIFY=NEVER "
                   "MAILWEIR_SENDER_PARAMETERS=SIZE=31 BODY=8BITMIME MAILWEIR_TLS_CIPHER=X "
                   "MAILWEIR_TLS_PROTOCOL=TLSv1.3 MAILWEIR_USER=ada MAILWEIR_USER_MECHANISM=PLAIN");
}

/* Nothing of a message is an argument or in the environment, nor is it ever given to a shell: what
 * it orders does not happen, whatever the program's output is used for. */
static void
test_hostile_message (void)
{
  static const char *const outputs[] = { "ignore", "message", "headers" };
  g_autofree char *made = g_strdup_printf ("%s/mailweir-made-%d", g_get_tmp_dir (), getpid ());
  g_autofree char *order
      = g_strdup_printf ("`touch %s`$(touch %s);touch %s|touch %s\n", made, made, made, made);
  g_autofree char *text = g_strconcat ("Subject: ", order, "X-", order, "\n", order, NULL);
  g_autofree char *message = weir_test_crlf (text);

  for (guint i = 0; i < G_N_ELEMENTS (outputs); i++)
    {
      g_autofree char *options = g_strdup_printf ("output = \"%s\"", outputs[i]);
      g_autoptr (WeirTestResult) result
          = run_message ("test \"$(cat /proc/$$/cmdline /proc/$$/environ | grep -ac touch)\" = 0 ||"
                         " exit 70\n"
                         "sed '/^$/,$d'",
                         options, message, strlen (message));

      g_assert_null (result->reply != NULL ? strstr (result->reply, "status 70") : NULL);
      g_assert_false (g_file_test (made, G_FILE_TEST_EXISTS));
    }
}

/* What a stranger says stays text. */
static void
test_hostile_envelope (void)
{
  g_autofree char *path = write_program ("printf '%s' \"$MAILWEIR_SENDER|$MAILWEIR_RECIPIENT_2\"\n"
                                         "exit 69");
  g_autofree char *filter
      = g_strdup_printf ("filter \"f\" { module = \"exec\" command = [\"%s\"] }", path);
  const char *const recipients[] = { "b@c", "`id`$(id)\x1b;x=1@c", NULL };
  g_autoptr (WeirTest) harness = weir_test_new ("\"f\"", filter);
  g_autoptr (WeirTestResult) result = weir_test_run_envelope (
      harness, MESSAGE, strlen (MESSAGE), "() { :;}; echo vulnerable\n@d", recipients);

  g_assert_cmpint (g_remove (path), ==, 0);
  g_assert_cmpstr (result->reply, ==, "550 5.7.1 _) { :;}; echo vulnerable_@d|`id`$(id)_;x=1@c");
}

/* ---- Output ---- */

static void
test_new_message (void)
{
  expect_message ("cat", "output = \"message\"", MESSAGE, 0);
  expect_message ("cat", "output = \"message\" crlf = true", MESSAGE, 0);
  expect_message ("sed s/body/new/", "output = \"message\"",
                  "From: a@b\r\nSubject: x\r\n\r\nnew\r\n", 1);
  expect_message ("printf 'A: 1\\n\\nnew\\r\\n'", "output = \"message\"", "A: 1\r\n\r\nnew\r\n", 1);
  expect ("cat; exit 65", "output = \"message\"", WEIR_TEST_REFUSED,
          "550 5.6.0 Message content refused");
}

static void
test_bad_message (void)
{
  expect_failure ("exit 0", "output = \"message\"", "what it writes is no message");
  expect_failure ("echo Traceback follows", "output = \"message\"", "what it writes is no message");
  expect_failure ("printf 'A: 1\\n\\nnew\\rline\\n'", "output = \"message\"", "a CR without LF");
  expect_failure ("printf 'A: 1\\n\\nnew\\0line\\n'", "output = \"message\"", "with a NUL");
  expect_failure ("cat; kill -SEGV $$", "output = \"message\"", "was ended by signal 11");
}

static void
test_new_headers (void)
{
  expect_message ("printf 'X-A: 1\\nX-B: 2\\r\\n\\t3\\n\\n'", "output = \"headers\"",
                  "From: a@b\r\nSubject: x\r\nX-A: 1\r\nX-B: 2\r\n\t3\r\n\r\nbody\r\n", 1);
  expect_message ("exit 0", "output = \"headers\"", MESSAGE, 0);
  expect_failure ("echo nonsense", "output = \"headers\"", "a line that is no header field");
  expect_failure ("printf 'A: 1\\n\\nB\\n'", "output = \"headers\"", "no header field");
  expect_failure ("printf 'A: 1\\rB: 2\\n'", "output = \"headers\"", "a line break");
  expect_failure ("printf 'A: 1\\0\\n'", "output = \"headers\"", "with a NUL");
  expect_failure ("printf 'A B: 1\\n'", "output = \"headers\"", "no header name");
  expect_failure ("for i in $(seq 101); do echo X: $i; done", "output = \"headers\"",
                  "more than 100 header fields");
}

static void
test_limit (void)
{
  expect_message ("printf 'A: 1\\n\\n12'", "output = \"message\" output-limit = 8",
                  "A: 1\r\n\r\n12", 1);
  expect_failure ("printf 'A: 1\\n\\n123'", "output = \"message\" output-limit = 8",
                  "more than its output-limit");
  expect_failure ("exec yes", "output = \"message\" output-limit = 1M", "its output-limit");
  expect_failure ("exec yes >&2", "output = \"message\" output-limit = 1M", "its output-limit");
  expect_failure ("exec cat /dev/zero", "output-limit = 1M", "its output-limit");
}

/* More than all pipes hold, in both directions, whoever begins. */
static void
test_large (void)
{
  g_autoptr (GString) text = g_string_new ("From: a@b\r\n\r\n");
  const char *const scripts[] = {
    "cat",
    "head -c 300000 /dev/zero >&2; cat",
    "cat >/dev/null; echo 'A: 1'",
    "echo 'A: 1'; head -c 3000000 /dev/zero | tr '\\0' x; cat >/dev/null",
    "exec <&-; echo 'A: 1'",
  };

  while (text->len < 3 * 1024 * 1024)
    g_string_append (text, "0123456789abcdef0123456789abcdef0123456789abcdef\r\n");
  for (guint i = 0; i < G_N_ELEMENTS (scripts); i++)
    {
      g_autoptr (WeirTestResult) result
          = run_message (scripts[i], "output = \"message\"", text->str, text->len);

      g_assert_cmpstr (result->reply, ==, NULL);
      g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
      if (i < 2)
        weir_test_assert_message (result, text->str, text->len);
    }
}

/* ---- Programs that stay ---- */

static void
expect_gone (const char *file)
{
  g_autofree char *text = NULL;
  pid_t pid = 0;

  g_assert_true (g_file_get_contents (file, &text, NULL, NULL));
  pid = (pid_t) g_ascii_strtoll (text, NULL, 10);
  g_assert_cmpint (pid, >, 1);
  g_assert_cmpint (kill (pid, 0), ==, -1);
}

/* What `sleep` is started as, and how the filter ends. */
static void
check_left_behind (const char *how, const char *end, const char *options, const char *reason)
{
  g_autofree char *file = g_strdup_printf ("%s/mailweir-pid-%d", g_get_tmp_dir (), getpid ());
  g_autofree char *script = g_strdup_printf ("%s sh -c 'echo $$ >%s; exec sleep 300' &\n"
                                             "while ! test -s %s; do sleep 0.02; done\n%s",
                                             how, file, file, end);
  g_autoptr (WeirTestResult) result = run (script, options);

  g_assert_cmpstr (reason == NULL ? result->reply : NULL, ==, NULL);
  if (reason != NULL && (result->reply == NULL || strstr (result->reply, reason) == NULL))
    g_error ("no \"%s\" in: %s", reason, result->reply);
  expect_gone (file);
  g_assert_cmpint (g_remove (file), ==, 0);
}

static void
test_left_behind (void)
{
  check_left_behind ("", "exit 0", "", NULL);
  check_left_behind ("setsid", "exit 0", "", NULL);
  check_left_behind ("", "sleep 300", "timeout = 1s", "takes too long");
  check_left_behind ("setsid", "sleep 300", "timeout = 1s", "takes too long");
  check_left_behind ("", "exec yes", "output-limit = 1M", "its output-limit");
  check_left_behind ("", "kill -9 $$", "", "was ended by signal 9");
}

/* It writes into its pipes while nobody listens any more, and holds them open. */
static void
test_background_noise (void)
{
  expect ("(exec yes) & exit 0", "", WEIR_TEST_PASS, NULL);
  expect ("(exec sleep 300) & exit 69", "", WEIR_TEST_REFUSED, "550 5.7.1 Message refused");
  expect ("exec >&- 2>&-; sleep 0.2; exit 99", "", WEIR_TEST_DISCARDED, NULL);
}

/* Forks without end, to a depth that is harmless when the test fails. */
static void
test_many_children (void)
{
  expect ("fork () { test $1 = 0 || { fork $(($1 - 1)) & fork $(($1 - 1)) & }; sleep 300; }\n"
          "fork 5 & sleep 0.3; exit 0",
          "", WEIR_TEST_PASS, NULL);
  if (getuid () != 0) /* whom the limit does not hold */
    expect_failure ("sleep 1 & sleep 1 & exit 0", "processes = 1", "ended with status");
}

/* ---- Loading ---- */

static void
expect_load_error (const char *options, const char *part)
{
  g_autofree char *filter = g_strdup_printf ("filter \"f\" { module = \"exec\"\n%s }", options);
  g_autofree char *errors = weir_test_load_errors ("\"f\"", filter);

  if (errors == NULL || strstr (errors, part) == NULL)
    g_error ("no \"%s\" in: %s", part, errors);
}

static void
test_load_errors (void)
{
  expect_load_error ("", "command");
  expect_load_error ("command = []", "the program needs its whole path");
  expect_load_error ("command = [\"grep\"]", "test.conf:6:11: filter \"f\": the program needs its");
  expect_load_error ("command = [\"/nowhere/grep\"]", "/nowhere/grep is no program");
  expect_load_error ("command = [\"/tmp\"]", "/tmp is no program");
  expect_load_error ("command = [\"/etc/passwd\"]", "/etc/passwd is no program");
  expect_load_error ("command = [\"/bin/sh\"] directory = \"/nowhere\"", "is no directory");
  expect_load_error ("command = [\"/bin/sh\"] environment = [\"A\"]", "is no NAME=value");
  expect_load_error ("command = [\"/bin/sh\"] environment = [\"MAILWEIR_A=1\"]",
                     "is no NAME=value");
  expect_load_error ("command = [\"/bin/sh\"] environment = [\"A B=1\"]", "is no NAME=value");
  expect_load_error ("command = [\"/bin/sh\"] output = \"all\"", "output");
}

static void
test_not_to_be_run (void)
{
  g_autofree char *path = write_program ("exit 0");
  g_autofree char *filter
      = g_strdup_printf ("filter \"f\" { module = \"exec\" command = [\"%s\"] }", path);
  g_autoptr (WeirTest) harness = weir_test_new ("\"f\"", filter);
  g_autoptr (WeirTestResult) result = NULL;

  g_assert_cmpint (g_remove (path), ==, 0);
  result = weir_test_run (harness, MESSAGE, strlen (MESSAGE));
  g_assert_cmpint (result->verdict, ==, WEIR_TEST_FAILED);
  g_assert_nonnull (strstr (result->reply, ": No such file or directory"));
}

/* The block of the README, and the script. */
static void
test_readme (void)
{
  g_autofree char *page = NULL;
  g_autofree char *filter = NULL;
  g_autofree char *script = NULL;
  const char *at = NULL;
  const char *lottery = "From: a@b\r\nSubject: The Lottery\r\n\r\n";
  g_autoptr (WeirTestResult) refused = NULL;
  g_autoptr (WeirTestResult) passed = NULL;

  g_assert_true (g_file_get_contents (FILTER_SOURCE "/README.md", &page, NULL, NULL));
  at = strstr (page, "```\n") + 4;
  filter = g_strndup (at, strstr (at, "```") - at);
  g_autoptr (WeirTest) harness = weir_test_new ("\"ask\"", filter);
  passed = weir_test_run (harness, lottery, strlen (lottery));
  g_assert_cmpint (passed->verdict, ==, WEIR_TEST_PASS);
  at = strstr (page, "#!/bin/sh\n") + strlen ("#!/bin/sh\n");
  script = g_strndup (at, strstr (at, "```") - at);
  expect (script, "", WEIR_TEST_PASS, NULL);
  refused = run_message (script, "", lottery, strlen (lottery));
  g_assert_cmpstr (refused->reply, ==, "550 5.7.1 No lotteries, please");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/exec/status", test_status);
  g_test_add_func ("/exec/text", test_text);
  g_test_add_func ("/exec/input", test_input);
  g_test_add_func ("/exec/environment", test_environment);
  g_test_add_func ("/exec/whole-envelope", test_whole_envelope);
  g_test_add_func ("/exec/hostile-envelope", test_hostile_envelope);
  g_test_add_func ("/exec/hostile-message", test_hostile_message);
  g_test_add_func ("/exec/new-message", test_new_message);
  g_test_add_func ("/exec/bad-message", test_bad_message);
  g_test_add_func ("/exec/new-headers", test_new_headers);
  g_test_add_func ("/exec/limit", test_limit);
  g_test_add_func ("/exec/large", test_large);
  g_test_add_func ("/exec/left-behind", test_left_behind);
  g_test_add_func ("/exec/background-noise", test_background_noise);
  g_test_add_func ("/exec/many-children", test_many_children);
  g_test_add_func ("/exec/load-errors", test_load_errors);
  g_test_add_func ("/exec/not-to-be-run", test_not_to_be_run);
  g_test_add_func ("/exec/readme", test_readme);
  return g_test_run ();
}
