/* The filter "spamassassin": what is read out of spamd's answers, then a real spamd with rules of
 * our own, then scanners that are down, late, or talk nonsense. */
#include <signal.h>
#include <string.h>

#include "answer.h"
#include "fake.h"
#include <mailweir/test.h>

#include "pages.h"
#include "scanners.h"

#define HAM "Subject: x\r\n\r\nhello\r\n"
#define SPAM "Subject: x\r\n\r\n" SCANNERS_SPAM "\r\n"
#define HINT "Subject: x\r\n\r\n" SCANNERS_HINT "\r\n"

static KitProcess *spamd;

/* ---- Scores ---- */

static void
test_scores (void)
{
  static const char *const good[][2] = { { "5", "5.0" },
                                         { "5.0", "5.0" },
                                         { "-1.5", "-1.5" },
                                         { "12.125", "12.125" },
                                         { "0.05", "0.05" },
                                         { "-0.1", "-0.1" },
                                         { "999999.999", "999999.999" },
                                         { "0", "0.0" } };
  static const char *const bad[] = { "",    "-",   ".",  ".5", "5.", "1.2345",  "1e3",
                                     "nan", "inf", "+1", " 1", "1 ", "1000000", "--1" };
  gint64 score;

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autofree char *text = NULL;

      g_assert_true (answer_parse_score (good[i][0], &score));
      text = answer_score_text (score);
      g_assert_cmpstr (text, ==, good[i][1]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (answer_parse_score (bad[i], &score));
}

/* ---- Answers ---- */

static void
expect_good (const char *said, gboolean spam, gint64 score, const char *body)
{
  g_autoptr (GError) error = NULL;
  Answer answer = { FALSE };

  answer_read (said, strlen (said), &answer, &error);
  g_assert_no_error (error);
  g_assert_cmpint (answer.spam, ==, spam);
  g_assert_cmpint (answer.score, ==, score);
  g_assert_cmpmem (answer.body, answer.length, body, strlen (body));
}

static void
expect_bad (const char *said, const char *reason)
{
  g_autoptr (GError) error = NULL;
  Answer answer = { FALSE };

  g_assert_false (answer_read (said, strlen (said), &answer, &error));
  if (strstr (error->message, reason) == NULL)
    g_error ("\"%s\" is not in \"%s\"", reason, error->message);
}

#define OK "SPAMD/1.1 0 EX_OK\r\n"

static void
test_answers (void)
{
  expect_good (OK "Content-length: 3\r\nSpam: True ; 15.0 / 5.0\r\n\r\nA,B", TRUE, 15000, "A,B");
  expect_good (OK "spam: False ; -1.2 / 5\r\ncontent-LENGTH: 0\r\nOther: x\r\n\r\n", FALSE, -1200,
               "");
  expect_bad ("", "without an answer");
  expect_bad ("HTTP/1.1 400 Bad\r\n\r\n", "none of spamd's");
  expect_bad ("SPAMD/1.1\r\n\r\n", "none of spamd's");
  expect_bad ("SPAMD/1.1 x y\r\n\r\n", "none of spamd's");
  expect_bad ("SPAMD/1.0 76 Bad header line: x\r\n", "it says 76 Bad header line: x");
  expect_bad ("SPAMD/1.0 79 Timeout: \x01\xff\r\n", "it says 79 Timeout: __");
  expect_bad (OK "Spam: True ; 15.0 / 5.0", "ends in the middle");
  expect_bad (OK "Content-length: 0\r\n\r\n", "no verdict");
  expect_bad (OK "Spam: True ; 15.0 / 5.0\r\n\r\n", "does not say how long");
  expect_bad (OK "Content-length: 4\r\nSpam: True ; 1 / 5\r\n\r\nA,B", "3 octets where it says 4");
  expect_bad (OK "Content-length: 2\r\nSpam: True ; 1 / 5\r\n\r\nA,B", "3 octets where it says 2");
  expect_bad (OK "Content-length: 262145\r\nSpam: True ; 1 / 5\r\n\r\n", "no usable length");
  expect_bad (OK "Content-length: -1\r\nSpam: True ; 1 / 5\r\n\r\n", "no usable length");
  expect_bad (OK "Spam: Maybe ; 1 / 5\r\n\r\n", "makes no sense");
  expect_bad (OK "Spam: True ; nan / 5\r\n\r\n", "makes no sense");
  expect_bad (OK "Spam: True\r\n\r\n", "makes no sense");
  expect_bad (OK "no field\r\n\r\n", "no field");
}

static void
check_fields (const char *block, const char *expected)
{
  Answer answer = { .body = block, .length = strlen (block) };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) fields = answer_fields (&answer, &error);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; fields != NULL && i < fields->len; i++)
    {
      const AnswerField *field = g_ptr_array_index (fields, i);

      g_string_append_printf (text, "%s=%s|", field->name, field->value);
    }
  g_assert_cmpstr (fields == NULL ? NULL : text->str, ==, expected);
  g_assert_true ((fields == NULL) == (error != NULL));
}

static void
test_fields (void)
{
  g_autofree char *fits = g_strdup_printf ("X-Spam-A: %0988d\r\n\r\n", 1);
  g_autofree char *over = g_strdup_printf ("X-Spam-A: %0989d\r\n\r\n", 1);
  g_autofree char *expected = g_strdup_printf ("X-Spam-A=%0988d|", 1);
  g_autoptr (GString) many = g_string_new (NULL);

  check_fields (
      "X-Spam-A: 1\r\nSubject: x\r\n X-Spam-B: 2\r\nx-spam-c: 3\r\n\t4\r\n \r\n\r\nX-Spam-D: 5",
      "X-Spam-A=1|x-spam-c=3\r\n\t4|");
  check_fields ("", "");
  check_fields ("X-Spam-A:\r\nX-Spam-B: 1", "X-Spam-A=|X-Spam-B=1|");
  check_fields ("X-Spam-A: a\rX-Other: b\r\n", NULL);
  check_fields ("X-Spam-A: \x01\r\n", NULL);
  check_fields ("X-Spam-A: \xc3\xa4\r\n", NULL);
  check_fields ("X-Spam-A\r\n", NULL);
  check_fields ("X-Spam-A B: 1\r\n", NULL);
  check_fields ("X-Spam-: 1\r\n", "X-Spam-=1|");
  check_fields (fits, expected);
  check_fields (over, NULL);
  for (guint i = 0; i <= ANSWER_MAX_FIELDS; i++)
    g_string_append (many, "X-Spam-A: 1\r\n");
  check_fields (many->str, NULL);
}

static void
test_tests (void)
{
  static const char *const good[] = { "", "A", "A_1,B\r\n" };
  static const char *const bad[] = { "A B", "A\r\nB", "A\x01", "A;B", "A\r\nX: y\r\n" };

  for (guint i = 0; i < G_N_ELEMENTS (good) + G_N_ELEMENTS (bad); i++)
    {
      gboolean is_good = i < G_N_ELEMENTS (good);
      const char *body = is_good ? good[i] : bad[i - G_N_ELEMENTS (good)];
      Answer answer = { .body = body, .length = strlen (body) };
      g_autofree char *tests = answer_tests (&answer, NULL);

      g_assert_true ((tests != NULL) == is_good);
      g_assert_true (tests == NULL || strpbrk (tests, "\r\n") == NULL);
    }
}

/* ---- A real spamd ---- */

static gboolean
have_spamd (void)
{
  const char *missing = scanners_missing ("/usr/sbin/spamd");

  if (missing != NULL)
    {
      g_test_skip (missing);
      return FALSE;
    }
  if (spamd == NULL)
    spamd = scanners_spamd ("spamd");
  return TRUE;
}

static WeirTestResult *
run_at (const char *path, const char *options, const char *message)
{
  g_autofree char *filter = g_strdup_printf (
      "filter \"f\" { module = \"spamassassin\"\nsocket = \"%s\"\n%s\n}", path, options);
  g_autoptr (WeirTest) harness = weir_test_new ("\"f\"", filter);

  return weir_test_run (harness, message, strlen (message));
}

static WeirTestResult *
run (const char *options, const char *message)
{
  g_autofree gchar *path = kit_path ("spamd.sock");

  return run_at (path, options, message);
}

static void
expect_message (const char *options, const char *message, const char *expected)
{
  g_autoptr (WeirTestResult) result = run (options, message);

  if (result->verdict != WEIR_TEST_PASS)
    g_error ("verdict %d: %s", result->verdict, result->reply);
  weir_test_assert_message (result, expected, strlen (expected));
}

static void
expect (const char *options, const char *message, WeirTestVerdict verdict, const char *reply,
        const char *notes)
{
  g_autoptr (WeirTestResult) result = run (options, message);

  if (result->verdict != verdict || (reply != NULL && strstr (result->reply, reply) == NULL))
    g_error ("verdict %d instead of %d, \"%s\" instead of \"%s\"", result->verdict, verdict,
             result->reply, reply);
  if (verdict != WEIR_TEST_FAILED)
    g_assert_cmpstr (result->notes, ==, notes);
}

/* The sender and the client are among the rules, so they have reached spamd. */
static void
test_own_fields (void)
{
  if (!have_spamd ())
    return;
  expect_message ("", HAM,
                  "X-Spam-Flag: NO\r\nX-Spam-Score: 1.0\r\n"
                  "X-Spam-Status: No, score=1.0 required=5.0\r\n"
                  "\ttests=TEST_RELAY,TEST_SENDER\r\n" HAM);
  expect_message ("", SPAM,
                  "X-Spam-Flag: YES\r\nX-Spam-Score: 13.5\r\n"
                  "X-Spam-Status: Yes, score=13.5 required=5.0\r\n"
                  "\ttests=TEST_RELAY,TEST_SENDER,TEST_SPAM\r\n" SPAM);
}

#define SPOOFED                                                                                    \
  "X-Spam-Flag: NO\r\nFrom: a@b.example\r\nx-SPAM-anything: 1\r\n 2\r\nX-Spam: stays\r\n"
#define CLEANED "From: a@b.example\r\nX-Spam: stays\r\n"

static void
test_spoofed_fields (void)
{
  g_autofree char *large = g_strdup_printf (SPOOFED "%s%01000d\r\n", SPAM, 0);
  g_autofree char *passed = g_strdup_printf (CLEANED "%s%01000d\r\n", SPAM, 0);

  if (!have_spamd ())
    return;
  expect_message ("", SPOOFED SPAM,
                  "X-Spam-Flag: YES\r\nX-Spam-Score: 13.5\r\n"
                  "X-Spam-Status: Yes, score=13.5 required=5.0\r\n"
                  "\ttests=TEST_RELAY,TEST_SENDER,TEST_SPAM\r\n" CLEANED SPAM);
  expect_message ("headers = \"none\"", SPOOFED SPAM, CLEANED SPAM);
  expect_message ("max-size = 1000", large, passed);
}

static void
test_fields_of_spamd (void)
{
  g_autoptr (WeirTestResult) result = NULL;
  g_autofree char *text = NULL;

  if (!have_spamd ())
    return;
  result = run ("headers = \"spamd\" user = \"nobody\"", SPOOFED SPAM);
  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  text = g_strndup (g_bytes_get_data (result->message, NULL), g_bytes_get_size (result->message));
  g_assert_true (g_str_has_prefix (text, "X-Spam-"));
  g_assert_nonnull (strstr (text, "\r\nX-Spam-Status: Yes, score=13.5 required=5.0 tests="));
  g_assert_nonnull (strstr (text, "\r\nX-Spam-Level: *************\r\n"));
  g_assert_nonnull (strstr (text, "\r\nX-Spam-Flag: YES\r\n"));
  g_assert_true (g_str_has_suffix (text, "\r\n" CLEANED SPAM));
  g_assert_null (strstr (text, "Return-Path"));
  g_assert_null (strstr (text, "Received"));
  g_assert_null (strstr (text, "X-Spam-Flag: NO"));
}

static void
test_thresholds (void)
{
  const char *both = "quarantine-above = \"4\" reject-above = \"13.5\"";

  if (!have_spamd ())
    return;
  expect (both, SPAM, WEIR_TEST_REFUSED, "550 5.7.1 The message looks like spam",
          "spam-score=13.5\nspam=yes\n");
  expect ("reject-above = \"13.501\"", SPAM, WEIR_TEST_PASS, NULL, "spam-score=13.5\nspam=yes\n");
  expect (both, HINT, WEIR_TEST_QUARANTINED, "spamassassin: score 4.0",
          "spam-score=4.0\nspam=no\n");
  expect (both, HAM, WEIR_TEST_PASS, NULL, "spam-score=1.0\nspam=no\n");
  expect ("reject-above = \"5\" reply = \"%s points\"", SPAM, WEIR_TEST_REFUSED, "13.5 points",
          "spam-score=13.5\nspam=yes\n");
}

static void
test_max_size (void)
{
  g_autofree char *fits = g_strdup_printf ("%s%0*d\r\n", SPAM, (int) (998 - strlen (SPAM)), 0);
  g_autofree char *over = g_strdup_printf ("%s%0*d\r\n", SPAM, (int) (999 - strlen (SPAM)), 0);

  if (!have_spamd ())
    return;
  expect ("max-size = 1000 reject-above = \"5\"", fits, WEIR_TEST_REFUSED, NULL,
          "spam-score=13.5\nspam=yes\n");
  expect ("max-size = 1000 reject-above = \"5\"", over, WEIR_TEST_PASS, NULL,
          "spam=not scanned, too large\n");
}

/* The processes that answer are its children. */
static void
signal_all (int number)
{
  g_autoptr (GArray) children = kit_descendants (kit_pid (spamd));

  kill (kit_pid (spamd), number);
  for (guint i = 0; i < children->len; i++)
    kill (g_array_index (children, GPid, i), number);
}

static void
test_stopped (void)
{
  if (!have_spamd ())
    return;
  signal_all (SIGSTOP);
  expect ("timeout = 300ms", HAM, WEIR_TEST_FAILED, "no answer in time", NULL);
  signal_all (SIGCONT);
  expect ("", HAM, WEIR_TEST_PASS, NULL, "spam-score=1.0\nspam=no\n");
}

static void
test_down (void)
{
  g_autoptr (WeirTestResult) nobody = run_at ("/nonexistent/spamd.sock", "", HAM);
  g_autofree char *closed = g_strdup_printf ("127.0.0.1:%u", kit_port ());
  g_autoptr (WeirTestResult) refused = run_at (closed, "", HAM);

  g_assert_cmpint (nobody->verdict, ==, WEIR_TEST_FAILED);
  g_assert_nonnull (strstr (nobody->reply, "spamd at /nonexistent/spamd.sock: can not connect"));
  g_assert_cmpint (refused->verdict, ==, WEIR_TEST_FAILED);
  g_assert_nonnull (strstr (refused->reply, "Connection refused"));
}

/* ---- A broken one ---- */

#define END "hello\r\n"
#define SAYS(text)                                                                                 \
  {                                                                                                \
    END, sizeof END - 1, text, sizeof text - 1, FALSE                                              \
  }

static void
expect_broken (const FakeStep *step, const char *options, const char *message, const char *reason)
{
  g_autofree gchar *path = kit_path ("fake.sock");
  g_autofree char *all = g_strdup_printf ("timeout = 500ms %s", options);
  Fake *fake = fake_new (path, step, 1);
  g_autoptr (WeirTestResult) result = run_at (path, all, message);

  if (result->verdict != WEIR_TEST_FAILED || strstr (result->reply, reason) == NULL)
    g_error ("verdict %d, \"%s\" instead of \"%s\"", result->verdict, result->reply, reason);
  g_assert_cmpuint (result->n_edits, ==, 0);
  if (step->stall)
    fake_wait_cancelled (fake, 1);
  fake_free (fake);
}

#define VERDICT "Spam: False ; 0.0 / 5.0\r\n"

static void
test_broken (void)
{
  static char endless[ANSWER_MAX + 100];
  const FakeStep too_long = { END, sizeof END - 1, endless, sizeof endless, FALSE };
  const FakeStep stalls = { END, sizeof END - 1, OK, sizeof OK - 1, TRUE };
  const FakeStep closes = SAYS ("");
  const FakeStep closes_inside = SAYS (OK "Content-length: 10\r\n" VERDICT "\r\nA");
  const FakeStep closes_early = SAYS (OK VERDICT);
  const FakeStep nonsense = SAYS ("stream: OK\0");
  const FakeStep bad_rules = SAYS (OK "Content-length: 9\r\n" VERDICT "\r\nA\r\nX-Y: z");
  const FakeStep bad_field = SAYS (OK "Content-length: 13\r\n" VERDICT "\r\nX-Spam-A: \x01\r\n");
  const FakeStep early = { NULL, 0, "SPAMD/1.0 74 Out of order\r\n",
                           sizeof "SPAMD/1.0 74 Out of order\r\n" - 1, TRUE };
  g_autofree char *large = g_strdup_printf (HAM "%04000000d\r\n", 0);

  memset (endless, 'x', sizeof endless);
  expect_broken (&too_long, "", HAM, "its answer has more than 262144 octets");
  expect_broken (&stalls, "", HAM, "no answer in time");
  expect_broken (&closes, "", HAM, "without an answer");
  expect_broken (&closes_inside, "", HAM, "1 octets where it says 10");
  expect_broken (&closes_early, "", HAM, "ends in the middle");
  expect_broken (&nonsense, "", HAM, "none of spamd's");
  expect_broken (&bad_rules, "", HAM, "its list of rules makes no sense");
  expect_broken (&bad_field, "headers = \"spamd\"", HAM, "its fields can not be added");
  expect_broken (&early, "max-size = 10M", large, "it says 74 Out of order");
}

/* ---- Loading ---- */

static void
test_load_errors (void)
{
  static const char *const bad[][2] = {
    { "socket = \"spamd\"", "test.conf:6:" },
    { "reject-above = \"many\"", "no score such as" },
    { "quarantine-above = \"1.2345\"", "quarantine-above" },
    { "user = \"a\\nContent-length: 0\"", "no name of a user" },
    { "user = \"a b\"", "no name of a user" },
    { "headers = \"all\"", "headers" },
    { "max-size = 0", "max-size" },
  };

  pages_expect_load_errors ("spamassassin", bad, G_N_ELEMENTS (bad));
}

/* The page's configuration works as it stands. */
static void
test_readme (void)
{
  g_autofree char *config = pages_config (README);
  g_autofree char *errors = weir_test_load_errors ("\"spam\"", config);

  g_assert_cmpstr (errors, ==, NULL);
}

int
main (int argc, char **argv)
{
  gint result;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/spamassassin/scores", test_scores);
  g_test_add_func ("/spamassassin/answers", test_answers);
  g_test_add_func ("/spamassassin/fields", test_fields);
  g_test_add_func ("/spamassassin/tests", test_tests);
  g_test_add_func ("/spamassassin/own-fields", test_own_fields);
  g_test_add_func ("/spamassassin/spoofed-fields", test_spoofed_fields);
  g_test_add_func ("/spamassassin/fields-of-spamd", test_fields_of_spamd);
  g_test_add_func ("/spamassassin/thresholds", test_thresholds);
  g_test_add_func ("/spamassassin/max-size", test_max_size);
  g_test_add_func ("/spamassassin/stopped", test_stopped);
  g_test_add_func ("/spamassassin/down", test_down);
  g_test_add_func ("/spamassassin/broken", test_broken);
  g_test_add_func ("/spamassassin/load-errors", test_load_errors);
  g_test_add_func ("/spamassassin/readme", test_readme);
  result = g_test_run ();
  if (spamd != NULL)
    kit_stop (spamd, SIGTERM);
  kit_finish ();
  return result;
}
