/* The filter "clamav": what is read out of clamd's answers, then a real clamd with one signature,
 * then scanners that are down, late, or talk nonsense. */
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "answer.h"
#include "fake.h"
#include <mailweir/test.h>

#include "pages.h"
#include "scanners.h"

#define CLEAN "Subject: x\r\n\r\nhello\r\n"
#define INFECTED "Subject: x\r\n\r\n" SCANNERS_VIRUS "\r\n"

static KitProcess *clamd;
static guint port;

/* ---- Answers ---- */

static void
expect_answer (const char *said, Answer expected, const char *expected_text)
{
  g_autofree char *text = NULL;

  g_assert_cmpint (answer_read (said, strlen (said), &text), ==, expected);
  g_assert_cmpstr (text, ==, expected_text);
}

static void
test_answers (void)
{
  g_autofree char *long_name = g_strnfill (1000, 'x');
  g_autofree char *long_answer = g_strdup_printf ("stream: %s FOUND", long_name);
  g_autofree char *text = NULL;

  expect_answer ("stream: OK", ANSWER_CLEAN, NULL);
  expect_answer ("fd[12]: OK", ANSWER_CLEAN, NULL);
  expect_answer ("fd[12]: Eicar-Test FOUND", ANSWER_FOUND, "Eicar-Test");
  expect_answer ("stream: {HEX}a.b.1 FOUND FOUND", ANSWER_FOUND, "{HEX}a.b.1_FOUND");
  expect_answer ("stream: a\r\n\"<b>\x01\xff FOUND", ANSWER_FOUND, "a____b___");
  expect_answer ("stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND", ANSWER_ERROR,
                 "Heuristics.Limits.Exceeded.MaxFileSize FOUND");
  expect_answer ("INSTREAM size limit exceeded. ERROR", ANSWER_ERROR,
                 "INSTREAM size limit exceeded. ERROR");
  expect_answer ("stream: lstat() failed. ERROR", ANSWER_ERROR, "lstat() failed. ERROR");
  expect_answer ("stream:  FOUND", ANSWER_ERROR, " FOUND");
  expect_answer ("stream: OK ", ANSWER_ERROR, "OK ");
  expect_answer ("OK", ANSWER_ERROR, "OK");
  expect_answer ("fd[]: OK", ANSWER_ERROR, "fd[]: OK");
  expect_answer ("fd[1: OK", ANSWER_ERROR, "fd[1: OK");
  expect_answer ("", ANSWER_ERROR, "an empty answer");
  g_assert_cmpint (answer_read ("stream: OK\0x", 12, &text), ==, ANSWER_ERROR);
  g_clear_pointer (&text, g_free);
  g_assert_cmpint (answer_read (long_answer, strlen (long_answer), &text), ==, ANSWER_FOUND);
  g_assert_cmpuint (strlen (text), ==, 200);
}

/* ---- A real clamd ---- */

static gboolean
have_clamd (void)
{
  const char *missing = scanners_missing ("/usr/sbin/clamd");

  if (missing != NULL)
    {
      g_test_skip (missing);
      return FALSE;
    }
  if (clamd == NULL)
    {
      port = kit_port ();
      clamd = scanners_clamd ("clamd", port);
    }
  return TRUE;
}

static char *
local_socket (void)
{
  g_autofree gchar *path = kit_path ("clamd.sock");

  return g_strdup_printf ("socket = \"%s\"\n", path);
}

static char *
tcp_socket (void)
{
  return g_strdup_printf ("socket = \"127.0.0.1:%u\"\n", port);
}

static WeirTestResult *
run (const char *socket, const char *options, const char *message)
{
  g_autofree char *filter
      = g_strdup_printf ("filter \"f\" { module = \"clamav\"\n%s%s\n}", socket, options);
  g_autoptr (WeirTest) harness = weir_test_new ("\"f\"", filter);

  return weir_test_run (harness, message, strlen (message));
}

static void
expect (const char *socket, const char *options, const char *message, WeirTestVerdict verdict,
        const char *reply, const char *notes)
{
  g_autoptr (WeirTestResult) result = run (socket, options, message);

  if (result->verdict != verdict || (reply != NULL && strstr (result->reply, reply) == NULL))
    g_error ("verdict %d instead of %d, \"%s\" instead of \"%s\"", result->verdict, verdict,
             result->reply, reply);
  g_assert_cmpuint (result->n_edits, ==, 0);
  if (verdict != WEIR_TEST_FAILED)
    g_assert_cmpstr (result->notes, ==, notes);
}

static void
test_verdicts (void)
{
  g_autofree char *local = NULL;
  g_autofree char *tcp = NULL;
  const char *const transfers[] = { "transfer = \"descriptor\"", "transfer = \"stream\"", "" };

  if (!have_clamd ())
    return;
  local = local_socket ();
  tcp = tcp_socket ();
  for (guint i = 0; i < G_N_ELEMENTS (transfers); i++)
    {
      expect (local, transfers[i], CLEAN, WEIR_TEST_PASS, NULL, "clamav=clean\n");
      expect (local, transfers[i], INFECTED, WEIR_TEST_REFUSED,
              "550 5.7.1 The message is infected: " SCANNERS_SIGNATURE,
              "clamav=" SCANNERS_SIGNATURE "\n");
    }
  expect (tcp, "", CLEAN, WEIR_TEST_PASS, NULL, "clamav=clean\n");
  expect (tcp, "", INFECTED, WEIR_TEST_REFUSED, SCANNERS_SIGNATURE,
          "clamav=" SCANNERS_SIGNATURE "\n");
}

static void
test_actions (void)
{
  g_autofree char *local = NULL;

  if (!have_clamd ())
    return;
  local = local_socket ();
  expect (local, "action = \"quarantine\"", INFECTED, WEIR_TEST_QUARANTINED,
          "clamav: " SCANNERS_SIGNATURE, "clamav=" SCANNERS_SIGNATURE "\n");
  expect (local, "action = \"discard\"", INFECTED, WEIR_TEST_DISCARDED, NULL,
          "clamav=" SCANNERS_SIGNATURE "\n");
  expect (local, "reply = \"no %s, nor %s\"", INFECTED, WEIR_TEST_REFUSED,
          "550 5.7.1 no " SCANNERS_SIGNATURE ", nor " SCANNERS_SIGNATURE,
          "clamav=" SCANNERS_SIGNATURE "\n");
  expect (local, "reply = \"100% no\"", INFECTED, WEIR_TEST_REFUSED, "100% no",
          "clamav=" SCANNERS_SIGNATURE "\n");
}

/* What an earlier filter made of the message is what clamd sees. */
static void
test_edited (void)
{
  const char *const transfers[] = { "descriptor", "stream" };
  g_autofree char *local = NULL;

  if (!have_clamd ())
    return;
  local = local_socket ();
  for (guint i = 0; i < G_N_ELEMENTS (transfers); i++)
    {
      g_autofree char *filters = g_strdup_printf (
          "filter \"h\" { module = \"headers\" add = [\"X-A: " SCANNERS_VIRUS "\"] }\n"
          "filter \"f\" { module = \"clamav\"\n%stransfer = \"%s\" }",
          local, transfers[i]);
      g_autoptr (WeirTest) harness = weir_test_new ("\"h\", \"f\"", filters);
      g_autoptr (WeirTestResult) result = weir_test_run (harness, CLEAN, strlen (CLEAN));

      g_assert_cmpint (result->verdict, ==, WEIR_TEST_REFUSED);
    }
}

static char *
message_of (gsize size)
{
  GString *text = g_string_new ("Subject: x\r\n\r\n");

  while (text->len + 80 < size)
    g_string_append_printf (text, "%076zu\r\n", text->len);
  while (text->len < size - 2)
    g_string_append_c (text, 'x');
  g_string_append (text, "\r\n");
  g_assert_cmpuint (text->len, ==, size);
  return g_string_free (text, FALSE);
}

static void
test_max_size (void)
{
  g_autofree char *fits = message_of (1000);
  g_autofree char *over = message_of (1001);
  g_autofree char *local = NULL;

  if (!have_clamd ())
    return;
  local = local_socket ();
  expect (local, "max-size = 1000", fits, WEIR_TEST_PASS, NULL, "clamav=clean\n");
  expect (local, "max-size = 1000", over, WEIR_TEST_REFUSED, "552 5.3.4",
          "clamav=not scanned, too large\n");
  expect (local, "max-size = 1000 larger = \"pass\"", over, WEIR_TEST_PASS, NULL,
          "clamav=not scanned, too large\n");
}

/* Over clamd's limits nothing is clean. */
static void
test_limits_of_clamd (void)
{
  g_autofree char *fits = message_of (SCANNERS_STREAM_MAX);
  g_autofree char *over = message_of (SCANNERS_STREAM_MAX + 1);
  g_autofree char *far = message_of (8 * 1024 * 1024);
  g_autofree char *local = NULL;
  g_autofree char *tcp = NULL;

  if (!have_clamd ())
    return;
  local = local_socket ();
  tcp = tcp_socket ();
  expect (local, "transfer = \"stream\"", fits, WEIR_TEST_PASS, NULL, "clamav=clean\n");
  expect (local, "transfer = \"stream\"", over, WEIR_TEST_FAILED, "size limit exceeded", NULL);
  expect (local, "transfer = \"stream\"", far, WEIR_TEST_FAILED, "size limit exceeded", NULL);
  expect (local, "transfer = \"descriptor\"", far, WEIR_TEST_FAILED, "Heuristics.Limits.Exceeded",
          NULL);
  expect (tcp, "", far, WEIR_TEST_FAILED, "clamd at 127.0.0.1:", NULL);
}

static void
test_stopped (void)
{
  g_autofree char *local = NULL;
  g_autofree char *tcp = NULL;
  g_autofree char *large = message_of (4 * 1024 * 1024);

  if (!have_clamd ())
    return;
  local = local_socket ();
  tcp = tcp_socket ();
  kill (kit_pid (clamd), SIGSTOP);
  expect (local, "timeout = 300ms", CLEAN, WEIR_TEST_FAILED, "no answer in time", NULL);
  expect (tcp, "timeout = 300ms", CLEAN, WEIR_TEST_FAILED, "no answer in time", NULL);
  expect (local, "timeout = 300ms transfer = \"stream\"", large, WEIR_TEST_FAILED,
          "while the message was sent: no answer in time", NULL);
  kill (kit_pid (clamd), SIGCONT);
  expect (local, "", CLEAN, WEIR_TEST_PASS, NULL, "clamav=clean\n");
  expect (tcp, "", INFECTED, WEIR_TEST_REFUSED, NULL, "clamav=" SCANNERS_SIGNATURE "\n");
}

static void
test_down (void)
{
  g_autofree char *refused = g_strdup_printf ("socket = \"127.0.0.1:%u\"\n", kit_port ());

  expect ("socket = \"/nonexistent/clamd.sock\"\n", "", CLEAN, WEIR_TEST_FAILED,
          "clamd at /nonexistent/clamd.sock: can not connect: No such file", NULL);
  expect (refused, "", CLEAN, WEIR_TEST_FAILED, "can not connect: Connection refused", NULL);
  expect ("socket = \"no-such-host.invalid:1\"\n", "", CLEAN, WEIR_TEST_FAILED,
          "the name is not found", NULL);
}

/* One that is so busy that nobody can connect: the attempts end with the time. */
static void
test_busy (void)
{
  g_autofree gchar *path = kit_path ("busy.sock");
  g_autofree char *socket_option = g_strdup_printf ("socket = \"%s\"\n", path);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int waiting = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (bind (listener, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (listener, 0), ==, 0);
  g_assert_cmpint (connect (waiting, (struct sockaddr *) &address, sizeof address), ==, 0);
  expect (socket_option, "timeout = 300ms", CLEAN, WEIR_TEST_FAILED,
          "busy.sock: can not connect: Resource temporarily unavailable", NULL);
  close (waiting);
  close (listener);
}

/* ---- A broken one ---- */

#define STREAM_END "\r\n\0\0\0\0" /* of the message and the last chunk */
#define SAYS(text) STREAM_END, 6, text, sizeof text - 1, FALSE

static void
expect_broken (const FakeStep *step, const char *message, const char *reason)
{
  g_autofree gchar *path = kit_path ("fake.sock");
  g_autofree char *socket = g_strdup_printf ("socket = \"%s\" transfer = \"stream\"\n", path);
  Fake *fake = fake_new (path, step, 1);

  expect (socket, "timeout = 500ms", message, WEIR_TEST_FAILED, reason, NULL);
  if (step->stall)
    fake_wait_cancelled (fake, 1);
  fake_free (fake);
}

static void
test_broken (void)
{
  static char endless[ANSWER_MAX + 100];
  const FakeStep too_long = { STREAM_END, 6, endless, sizeof endless, FALSE };
  const FakeStep stalls = { STREAM_END, 6, NULL, 0, TRUE };
  const FakeStep stalls_inside = { STREAM_END, 6, "stream: OK", 10, TRUE };
  const FakeStep closes = { STREAM_END, 6, NULL, 0, FALSE };
  const FakeStep closes_inside = { SAYS ("stream: OK") };
  const FakeStep nonsense = { SAYS ("HTTP/1.1 400 Bad Request\r\n\r\n\0") };
  const FakeStep empty = { SAYS ("\0") };
  const FakeStep early = { NULL, 0, "stream: OK\0", 11, FALSE };
  g_autofree char *large = message_of (4 * 1024 * 1024);

  memset (endless, 'x', sizeof endless);
  expect_broken (&too_long, CLEAN, "its answer has more than 4096 octets");
  expect_broken (&stalls, CLEAN, "no answer in time");
  expect_broken (&stalls_inside, CLEAN, "no answer in time");
  expect_broken (&closes, CLEAN, "it closed the connection without an answer");
  expect_broken (&closes_inside, CLEAN, "in the middle of its answer");
  expect_broken (&nonsense, CLEAN, "can not tell: HTTP/1.1 400 Bad Request");
  expect_broken (&empty, CLEAN, "an empty answer");
  expect_broken (&early, large, "while the message was sent");
}

/* Where clamd may not receive descriptors, the bytes are sent, and no second attempt is made. */
static void
test_descriptor_refused (void)
{
  static const FakeStep steps[]
      = { { "zFILDES\0\0", 9, "No file descriptor received. ERROR\0", 35, FALSE },
          { SAYS ("stream: OK\0") } };
  g_autofree gchar *path = kit_path ("refusing.sock");
  g_autofree char *filter
      = g_strdup_printf ("filter \"f\" { module = \"clamav\"\nsocket = \"%s\"\n}", path);
  Fake *fake = fake_new (path, steps, G_N_ELEMENTS (steps));
  g_autoptr (WeirTest) harness = weir_test_new ("\"f\"", filter);

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (WeirTestResult) result = weir_test_run (harness, CLEAN, strlen (CLEAN));

      g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
      g_assert_cmpstr (result->notes, ==, "clamav=clean\n");
    }
  g_assert_cmpuint (fake_served (fake), ==, 3);
  fake_free (fake);
}

/* ---- Loading ---- */

static void
test_load_errors (void)
{
  g_autofree char *path = g_strnfill (108, '/');
  g_autofree char *too_long = g_strdup_printf ("socket = \"%s\"", path);
  const char *const bad[][2] = {
    { "socket = \"clamd.ctl\"", "test.conf:6:" },
    { "socket = \"localhost:0\"", "no port" },
    { "socket = \"localhost:65536\"", "no port" },
    { "socket = \"::1:3310\"", "neither a path" },
    { "socket = \"[::1]\"", "neither a path" },
    { "socket = \"[]:1\"", "neither a path" },
    { "socket = \"\"", "neither a path" },
    { "socket = \"a b:1\"", "no address" },
    { too_long, "107" },
    { "socket = \"[::1]:3310\" transfer = \"descriptor\"", "local socket" },
    { "action = \"strip\"", "action" },
    { "max-size = 0", "max-size" },
  };

  pages_expect_load_errors ("clamav", bad, G_N_ELEMENTS (bad));
}

static void
test_longest_path (void)
{
  g_autofree char *path = g_strnfill (107, '/');
  g_autofree char *filter
      = g_strdup_printf ("filter \"f\" { module = \"clamav\" socket = \"%s\" }", path);
  g_autofree char *errors = weir_test_load_errors ("\"f\"", filter);

  g_assert_cmpstr (errors, ==, NULL);
}

/* The page's configuration works as it stands. */
static void
test_readme (void)
{
  g_autofree char *config = pages_config (README);
  g_autofree char *errors = weir_test_load_errors ("\"viruses\"", config);

  g_assert_cmpstr (errors, ==, NULL);
}

int
main (int argc, char **argv)
{
  gint result;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/clamav/answers", test_answers);
  g_test_add_func ("/clamav/verdicts", test_verdicts);
  g_test_add_func ("/clamav/actions", test_actions);
  g_test_add_func ("/clamav/edited", test_edited);
  g_test_add_func ("/clamav/max-size", test_max_size);
  g_test_add_func ("/clamav/limits-of-clamd", test_limits_of_clamd);
  g_test_add_func ("/clamav/stopped", test_stopped);
  g_test_add_func ("/clamav/down", test_down);
  g_test_add_func ("/clamav/busy", test_busy);
  g_test_add_func ("/clamav/broken", test_broken);
  g_test_add_func ("/clamav/descriptor-refused", test_descriptor_refused);
  g_test_add_func ("/clamav/load-errors", test_load_errors);
  g_test_add_func ("/clamav/readme", test_readme);
  g_test_add_func ("/clamav/longest-path", test_longest_path);
  result = g_test_run ();
  kit_finish ();
  return result;
}
