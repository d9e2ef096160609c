/* The milter filter, hook by hook, against a milter that answers by a table: what it hears in which
 * order, what it is told anew after it died, what becomes of each answer, and of nonsense, silence
 * and more than is allowed. */
#include "fake.h"
#include <mailweir/test.h>

#include "pages.h"
#include "kit.h"

#include <string.h>

#define MESSAGE "Subject: a\r\n b\r\nX-Two:two\r\n\r\nbody\r\n"
#define PACKET(text) text, sizeof text - 1

typedef struct
{
  Fake *fake;
  WeirTest *harness;
} Bench;

static void
bench_open (Bench *bench, const FakeRow *rows, const char *options)
{
  g_autofree gchar *path = kit_path ("milter.sock");
  g_autofree char *filter = g_strdup_printf (
      "filter \"f\" { module = \"milter\" socket = \"unix:%s\"\n%s }", path, options);

  bench->fake = fake_new (path, rows);
  bench->harness = weir_test_new ("\"f\"", filter);
}

static void
bench_close (Bench *bench)
{
  weir_test_free (bench->harness);
  fake_free (bench->fake);
}

/* "connect", "rcpt", …; "message" is the whole of one. What is to be remembered comes from
 * `verdict`, `reply` is part of the reply or the reason, or NULL. */
static void
expect (Bench *bench, const char *hook, WeirTestVerdict verdict, const char *reply)
{
  g_autoptr (WeirTestResult) result
      = g_str_equal (hook, "message") ? weir_test_run (bench->harness, MESSAGE, strlen (MESSAGE))
                                      : weir_test_run_hook (bench->harness, hook, NULL, 0);

  if (result->verdict != verdict
      || (reply != NULL && (result->reply == NULL || strstr (result->reply, reply) == NULL)))
    g_error ("%s: verdict %d instead of %d, \"%s\" instead of \"%s\"", hook, result->verdict,
             verdict, result->reply, reply);
}

/* Hooks of one session, separated by spaces, none of which objects. */
static void
pass (Bench *bench, const char *hooks)
{
  g_auto (GStrv) names = g_strsplit (hooks, " ", -1);

  for (guint i = 0; names[i] != NULL; i++)
    expect (bench, names[i], WEIR_TEST_PASS, NULL);
}

static void
expect_last (Bench *bench, char command, const char *data, gsize length)
{
  g_autoptr (GBytes) last = fake_last (bench->fake, command);
  gsize size = 0;
  const char *bytes = last == NULL ? NULL : g_bytes_get_data (last, &size);

  g_assert_cmpmem (bytes, size, data, length);
}

/* ---- Sequences ---- */

typedef struct
{
  const char *name;
  const FakeRow *rows;
  const char *hooks;
  const char *heard;
} Sequence;

#define SETTLED(version, steps)                                                                    \
  {                                                                                                \
    'O', 0, PACKET ("\0\0\0\15O\0\0\0" version "\0\0\0\77" steps), FALSE                           \
  }
#define MUTE(command)                                                                              \
  {                                                                                                \
    command, 0, NULL, 0, FALSE                                                                     \
  }

static const FakeRow wants_nothing[] = { SETTLED ("\6", "\0\0\3\177"), { 0 } };
static const FakeRow answers_nothing[] = { SETTLED ("\6", "\0\17\360\200"),
                                           MUTE ('C'),
                                           MUTE ('H'),
                                           MUTE ('M'),
                                           MUTE ('R'),
                                           MUTE ('T'),
                                           MUTE ('U'),
                                           MUTE ('L'),
                                           MUTE ('N'),
                                           MUTE ('B'),
                                           { 0 } };
static const FakeRow is_old[] = { SETTLED ("\2", "\0\0\0\0"), { 0 } };
static const FakeRow makes_progress[]
    = { { 'M', 0, PACKET ("\0\0\0\1p\0\0\0\1p\0\0\0\1c"), FALSE }, { 0 } };
static const FakeRow skips[] = { { 'R', 0, PACKET ("\0\0\0\1s"), FALSE },
                                 { 'L', 0, PACKET ("\0\0\0\1s"), FALSE },
                                 { 'B', 0, PACKET ("\0\0\0\1s"), FALSE },
                                 { 0 } };
static const FakeRow accepts_client[] = { { 'C', 0, PACKET ("\0\0\0\1a"), FALSE }, { 0 } };
static const FakeRow accepts_sender[] = { { 'M', 0, PACKET ("\0\0\0\1a"), FALSE }, { 0 } };

static const Sequence sequences[] = {
  { "one", NULL, "connect ehlo mail rcpt rcpt data message message_over session_over",
    "|OCHMRRTLLNBEQ." },
  { "two", NULL, "connect helo mail rcpt data message message_over mail rcpt data message",
    "|OCHMRTLLNBEMRTLLNBE" },
  { "rset", NULL, "connect ehlo mail rcpt message_over mail message_over session_over",
    "|OCHMRAMAQ." },
  { "no-over", NULL, "connect ehlo mail mail", "|OCHMAM" },
  { "greets-again", NULL, "connect ehlo ehlo mail ehlo mail", "|OCHHMAHM" },
  { "unknown", NULL, "connect unknown ehlo mail unknown rcpt", "|OCUHMUR" },
  { "next-client", NULL, "connect ehlo mail connect ehlo mail", "|OCHMAKCHM" },
  { "next-client-old", is_old, "connect ehlo mail connect", "|OCHMQ.|OC" },
  { "old", is_old, "connect ehlo unknown mail rcpt data message", "|OCHMRLLNBE" },
  { "wants-nothing", wants_nothing, "connect ehlo unknown mail rcpt data message mail rcpt message",
    "|OEE" },
  { "answers-nothing", answers_nothing, "connect ehlo unknown mail rcpt data message session_over",
    "|OCHUMRTLLNBEQ." },
  { "progress", makes_progress, "connect ehlo mail rcpt", "|OCHMR" },
  { "skips", skips, "connect ehlo mail rcpt rcpt data message mail rcpt", "|OCHMRTLNBEMR" },
  { "accepts-client", accepts_client, "connect ehlo mail rcpt data message session_over", "|OCQ." },
  { "accepts-sender", accepts_sender, "connect ehlo mail message_over mail", "|OCHMAMA" },
  { "only-quits", NULL, "connect session_over", "|OCQ." },
  { "nothing-to-quit", NULL, "session_over", "" },
  { "from-the-middle", NULL, "message", "|OCHMRTLLNBE" },
};

static void
test_sequence (gconstpointer data)
{
  const Sequence *sequence = data;
  Bench bench;

  bench_open (&bench, sequence->rows, "");
  pass (&bench, sequence->hooks);
  fake_expect (bench.fake, sequence->heard);
  bench_close (&bench);
}

/* ---- What is said ---- */

static void
test_content (void)
{
  Bench bench;

  bench_open (&bench, NULL, "macros = [\"{daemon_name}=X\"]");
  pass (&bench, "connect");
  expect_last (&bench, 'C',
               PACKET ("client.example\0"
                       "4\0\0"
                       "192.0.2.1\0"));
  expect_last (&bench, 'D',
               PACKET ("Cj\0mx.example.org\0_\0client.example [192.0.2.1]\0v\0Mailweir\0"
                       "{daemon_name}\0X\0{client_addr}\0"
                       "192.0.2.1\0"
                       "{client_name}\0client.example\0{client_port}\0"
                       "0\0"
                       "{client_ptr}\0client.example\0{client_resolve}\0OK\0"));
  pass (&bench, "mail rcpt");
  expect_last (&bench, 'M', PACKET ("<a@example.org>\0"));
  expect_last (&bench, 'R', PACKET ("<b@example.net>\0"));
  expect_last (&bench, 'D',
               PACKET ("Ri\0MESSAGE\0{rcpt_addr}\0b@example.net\0{rcpt_host}\0example.net\0"
                       "{rcpt_mailer}\0smtp\0"));
  pass (&bench, "message");
  expect_last (&bench, 'L', PACKET ("X-Two\0two\0"));
  expect_last (&bench, 'B', PACKET ("body\r\n"));
  expect_last (&bench, 'E', "", 0);
  bench_close (&bench);
}

/* Version 6 with a list of macros for connect, and the leading space. */
static void
test_terms (void)
{
  static const FakeRow rows[]
      = { { 'O', 0, PACKET ("\0\0\0\32O\0\0\0\6\0\0\1\xff\0\x10\0\0\0\0\0\0j {none}\0"), FALSE },
          { 0 } };
  Bench bench;

  bench_open (&bench, rows, "");
  pass (&bench, "connect");
  expect_last (&bench, 'D', PACKET ("Cj\0mx.example.org\0"));
  pass (&bench, "message");
  expect_last (&bench, 'L', PACKET ("X-Two\0two\0"));
  expect_last (&bench, 'O', PACKET ("\0\0\0\6\0\0\1\xff\x30\x1f\xff\xff"));
  bench_close (&bench);
}

static void
expect_body (guint size, const char *heard)
{
  g_autofree char *body = g_strnfill (size, 'x');
  g_autofree char *message = g_strconcat ("X: y\r\n\r\n", body, NULL);
  g_autoptr (WeirTestResult) result = NULL;
  Bench bench;

  bench_open (&bench, NULL, "");
  result = weir_test_run (bench.harness, message, strlen (message));
  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  fake_expect (bench.fake, heard);
  bench_close (&bench);
}

static void
test_body_pieces (void)
{
  expect_body (0, "|OCHMRTLNE");
  expect_body (1, "|OCHMRTLNBE");
  expect_body (65535, "|OCHMRTLNBE");
  expect_body (65536, "|OCHMRTLNBBE");
  expect_body (20 * 1024 * 1024, "|OCHMRTLN"
                                 "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
                                 "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
                                 "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
                                 "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
                                 "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
                                 "BBBBBBBBBBBBBBBBBBBBBE");
}

static void
expect_field (guint size, WeirTestVerdict verdict)
{
  g_autofree char *value = g_strnfill (size - 3, 'x');
  g_autofree char *message = g_strconcat ("X: ", value, "\r\n\r\nbody\r\n", NULL);
  g_autofree gchar *path = kit_path ("milter.sock");
  g_autofree char *filter
      = g_strdup_printf ("limits { header-field = 1M }\n"
                         "filter \"f\" { module = \"milter\" socket = \"unix:%s\" }",
                         path);
  Bench bench = { fake_new (path, NULL), weir_test_new ("\"f\"", filter) };
  g_autoptr (WeirTestResult) result = weir_test_run (bench.harness, message, strlen (message));

  g_assert_cmpint (result->verdict, ==, verdict);
  if (verdict == WEIR_TEST_REFUSED)
    g_assert_true (g_str_has_prefix (result->reply, "552 5.3.4 A header field is too long"));
  fake_expect (bench.fake, verdict == WEIR_TEST_PASS ? "|OCHMRTLNBE" : "|OCHMRTA");
  bench_close (&bench);
}

/* "X", the value and two NULs; the space is left out. */
static void
test_longest_field (void)
{
  expect_field (65535, WEIR_TEST_PASS);
  expect_field (65536, WEIR_TEST_REFUSED);
}

/* ---- Deaths ---- */

/* The connection ends between two hooks: nobody notices. */
static void
test_died_between (void)
{
  Bench bench;

  bench_open (&bench, NULL, "");
  pass (&bench, "connect ehlo mail");
  fake_drop (bench.fake);
  fake_expect (bench.fake, "|OCHM.");
  pass (&bench, "rcpt data");
  fake_expect (bench.fake, "|OCHM.|OCHMRT");
  fake_drop (bench.fake);
  fake_expect (bench.fake, "|OCHM.|OCHMRT.");
  pass (&bench, "message mail");
  fake_expect (bench.fake, "|OCHM.|OCHMRT.|OCHMRTLLNBEM");
  bench_close (&bench);
}

static void
test_died_inside (void)
{
  static const FakeRow rows[] = { { 'R', 1, NULL, 0, TRUE }, { 'E', 1, NULL, 0, TRUE }, { 0 } };
  Bench bench;

  bench_open (&bench, rows, "");
  pass (&bench, "connect ehlo mail");
  expect (&bench, "rcpt", WEIR_TEST_FAILED, "it closed the connection without an answer");
  pass (&bench, "rcpt data");
  expect (&bench, "message", WEIR_TEST_FAILED, "it closed the connection without an answer");
  pass (&bench, "message_over mail");
  fake_expect (bench.fake, "|OCHMR.|OCHMRTLLNBE.|OCHM");
  bench_close (&bench);
}

/* A call whose outcome nobody heard of: its connection is not used again. */
static void
test_cut_off (void)
{
  Bench bench;

  bench_open (&bench, NULL, "");
  pass (&bench, "connect ehlo mail");
  weir_test_lose_state (bench.harness, TRUE);
  pass (&bench, "rcpt");
  weir_test_lose_state (bench.harness, FALSE);
  pass (&bench, "rcpt message");
  fake_expect (bench.fake, "|OCHMR.|OCHMRTLLNBE");
  bench_close (&bench);
}

static void
test_silent (void)
{
  static const FakeRow rows[] = { { 'M', 1, NULL, 0, FALSE }, { 'E', 1, NULL, 0, FALSE }, { 0 } };
  static const char *const limits[]
      = { "timeout = 300ms", "command-timeout = 300ms content-timeout = 300ms" };

  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      Bench bench;

      bench_open (&bench, rows, limits[i]);
      pass (&bench, "connect ehlo");
      expect (&bench, "mail", WEIR_TEST_FAILED, "no answer in time");
      fake_expect (bench.fake, "|OCHM.");
      pass (&bench, "mail rcpt data");
      expect (&bench, "message", WEIR_TEST_FAILED, "no answer in time");
      fake_expect (bench.fake, "|OCHM.|OCHMRTLLNBE.");
      pass (&bench, "message_over mail");
      bench_close (&bench);
    }
}

/* Refused when it is told again, a recipient who has heard 250 is in doubt. */
static void
test_changed_its_mind (void)
{
  static const FakeRow rows[] = { { 'R', 2, PACKET ("\0\0\0\1r"), FALSE }, { 0 } };
  Bench bench;

  bench_open (&bench, rows, "");
  pass (&bench, "connect ehlo mail rcpt");
  fake_drop (bench.fake);
  fake_expect (bench.fake, "|OCHMR.");
  expect (&bench, "message", WEIR_TEST_FAILED, "does not take a recipient any more");
  pass (&bench, "message");
  bench_close (&bench);
}

static void
test_nobody_there (void)
{
  WeirTest *harness = weir_test_new (
      "\"f\"", "filter \"f\" { module = \"milter\" socket = \"unix:/nonexistent/milter\" }");
  g_autoptr (WeirTestResult) result = weir_test_run_hook (harness, "connect", NULL, 0);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_FAILED);
  g_assert_nonnull (strstr (result->reply, "milter at /nonexistent/milter: can not connect"));
  weir_test_free (harness);
}

/* ---- Answers ---- */

static const struct
{
  char command;
  const char *answer;
  gsize length;
  const char *hooks; /* that pass before … */
  const char *hook;  /* … this one */
  WeirTestVerdict verdict;
  const char *reply;
} answers[] = {
  { 'C', PACKET ("\0\0\0\1r"), "", "connect", WEIR_TEST_REFUSED, "550 5.7.1 Command rejected" },
  { 'C', PACKET ("\0\0\0\13y554 5.7.0\0"), "", "connect", WEIR_TEST_REFUSED, "554 5.7.0" },
  { 'H', PACKET ("\0\0\0\1t"), "connect", "ehlo", WEIR_TEST_REFUSED, "451 4.7.1 Service" },
  { 'M', PACKET ("\0\0\0\14y450-a\n450 b\0"), "", "mail", WEIR_TEST_FAILED,
    "11 octets make no sense" },
  { 'M', PACKET ("\0\0\0\15y450-a\n450 b\0"), "", "mail", WEIR_TEST_REFUSED, "450" },
  { 'M', PACKET ("\0\0\0\1d"), "", "mail", WEIR_TEST_DISCARDED, NULL },
  { 'R', PACKET ("\0\0\0\1r"), "mail", "rcpt", WEIR_TEST_REFUSED, "550 5.7.1" },
  { 'R', PACKET ("\0\0\0\0014"), "mail", "rcpt", WEIR_TEST_REFUSED, "421 4.7.0" },
  { 'T', PACKET ("\0\0\0\1t"), "mail rcpt", "data", WEIR_TEST_REFUSED, "451 4.7.1" },
  { 'L', PACKET ("\0\0\0\1r"), "mail", "message", WEIR_TEST_REFUSED, "550 5.7.1" },
  { 'N', PACKET ("\0\0\0\1d"), "mail", "message", WEIR_TEST_DISCARDED, NULL },
  { 'B', PACKET ("\0\0\0\1t"), "mail", "message", WEIR_TEST_REFUSED, "451 4.7.1" },
  { 'E', PACKET ("\0\0\0\1d"), "mail", "message", WEIR_TEST_DISCARDED, NULL },
  { 'E', PACKET ("\0\0\0\5qwhy\0\0\0\0\1c"), "mail", "message", WEIR_TEST_QUARANTINED, "why" },
  { 'E', PACKET ("\0\0\0\5qwhy\0\0\0\0\1r"), "mail", "message", WEIR_TEST_REFUSED, "550" },
  { 'E', PACKET ("\0\0\0\17-b@example.net\0\0\0\0\1a"), "", "message", WEIR_TEST_DISCARDED, NULL },
  { 'U', PACKET ("\0\0\0\7y500 no\0"), "", "unknown", WEIR_TEST_FAILED, "make no sense" },
  { 'U', PACKET ("\0\0\0\10y500 no\0"), "", "unknown", WEIR_TEST_REFUSED, "500 no" },

  { 'O', PACKET ("\0\0\0\15O\0\0\0\7\0\0\0\0\0\0\0\0"), "", "connect", WEIR_TEST_FAILED,
    "speaks version 7" },
  { 'O', PACKET ("\0\0\0\1c"), "", "connect", WEIR_TEST_FAILED, "answer to our offer" },
  { 'O', PACKET ("220 mx ESMTP\r\n"), "", "connect", WEIR_TEST_FAILED, "octets, where 1 to" },
  { 'C', PACKET ("\0\0\0\0"), "", "connect", WEIR_TEST_FAILED, "an answer of 0 octets" },
  { 'C', PACKET ("\0\x10\0\1c"), "", "connect", WEIR_TEST_FAILED, "an answer of 1048577 octets" },
  { 'C', PACKET ("\0\0\0\1z"), "", "connect", WEIR_TEST_FAILED, "an unknown answer (0x7a)" },
  { 'C', PACKET ("\0\0\0\1d"), "", "connect", WEIR_TEST_FAILED, "can not be given there" },
  { 'C', PACKET ("\0\0\0\1f"), "", "connect", WEIR_TEST_FAILED, "can not go on" },
  { 'M', PACKET ("\0\0\0\5hX\0y\0"), "", "mail", WEIR_TEST_FAILED, "changes the message before" },
  { 'M', PACKET ("\0\0\0\1c\0\0\0\1c"), "", "mail", WEIR_TEST_FAILED, "more than it was asked" },
  { 'M', PACKET ("\0\0\0\10y250 ok\0"), "", "mail", WEIR_TEST_FAILED,
    "can not be given: \"250 ok" },
  { 'E', PACKET ("\0\0\0\7hX Y\0z\0\0\0\0\1c"), "", "message", WEIR_TEST_FAILED,
    "asks for what can not be done: no header name" },
  { 'E', PACKET ("\0\0\0\7+a b@c\0\0\0\0\1c"), "", "message", WEIR_TEST_FAILED,
    "asks for what can not be done" },
  { 'E', PACKET ("\0\0\0\7ea b@c\0\0\0\0\1c"), "", "message", WEIR_TEST_FAILED,
    "asks for what can not be done" },
  { 'E', PACKET ("\0\0\0\4ba\rb\0\0\0\1c"), "", "message", WEIR_TEST_FAILED, "a CR without LF" },
};

static void
test_answers (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      const FakeRow rows[]
          = { { answers[i].command, 0, answers[i].answer, answers[i].length, FALSE }, { 0 } };
      Bench bench;

      bench_open (&bench, rows, "timeout = 5s");
      if (*answers[i].hooks != '\0')
        pass (&bench, answers[i].hooks);
      expect (&bench, answers[i].hook, answers[i].verdict, answers[i].reply);
      bench_close (&bench);
    }
}

static void
append (GByteArray *out, const char *packet, gsize length, guint times)
{
  for (guint i = 0; i < times; i++)
    g_byte_array_append (out, (const guint8 *) packet, (guint) length);
}

static void
expect_many (const char *packet, gsize length, guint times, WeirTestVerdict verdict,
             const char *reply)
{
  g_autoptr (GByteArray) all = g_byte_array_new ();
  FakeRow rows[2] = { { 'E', 0, NULL, 0, FALSE }, { 0 } };
  Bench bench;

  append (all, packet, length, times);
  append (all, PACKET ("\0\0\0\1c"), 1);
  rows[0].answer = (const char *) all->data;
  rows[0].length = all->len;
  bench_open (&bench, rows, "max-body = 9");
  expect (&bench, "message", verdict, reply);
  bench_close (&bench);
}

static void
test_many_changes (void)
{
  expect_many (PACKET ("\0\0\0\5hX\0y\0"), 1000, WEIR_TEST_PASS, NULL);
  expect_many (PACKET ("\0\0\0\5hX\0y\0"), 1001, WEIR_TEST_FAILED, "makes more than 1000 changes");
  expect_many (PACKET ("\0\0\0\4bnew"), 3, WEIR_TEST_PASS, NULL);
  expect_many (PACKET ("\0\0\0\4bnew"), 4, WEIR_TEST_FAILED, "more than 9 octets of a new body");
}

/* ---- Loading ---- */

static void
test_load_errors (void)
{
  static const char *const bad[][2] = {
    { "", "socket" },
    { "socket = \"/run/milter\"", "neither unix:/path nor inet:port@host" },
    { "socket = \"inet:0@localhost\"", "no port" },
    { "socket = \"unix:/a\" macros = [\"x y=z\"]", "is no \"{name}=value\"" },
    { "socket = \"unix:/a\" max-body = 0", "max-body" },
  };

  pages_expect_load_errors ("milter", bad, G_N_ELEMENTS (bad));
}

static void
test_macros_limit (void)
{
  g_autoptr (GString) list = g_string_new ("\"{a}=b\"");
  g_autofree char *fits = NULL, *over = NULL, *fine = NULL, *errors = NULL;

  for (guint i = 1; i < 32; i++)
    g_string_append_printf (list, ", \"{a%u}=b\"", i);
  fits = g_strdup_printf ("filter \"f\" { module = \"milter\" socket = \"unix:/a\" macros = [%s] }",
                          list->str);
  over = g_strdup_printf (
      "filter \"f\" { module = \"milter\" socket = \"unix:/a\" macros = [%s, \"{b}=c\"] }",
      list->str);
  fine = weir_test_load_errors ("\"f\"", fits);
  errors = weir_test_load_errors ("\"f\"", over);
  g_assert_cmpstr (fine, ==, NULL);
  g_assert_nonnull (strstr (errors, "\"{b}=c\" is one too many"));
}

/* The page's configuration works as it stands. */
static void
test_readme (void)
{
  g_autofree char *config = pages_config (README);
  g_autofree char *errors = weir_test_load_errors ("\"dkim\"", config);

  g_assert_cmpstr (errors, ==, NULL);
}

int
main (int argc, char **argv)
{
  gint result;

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (sequences); i++)
    {
      g_autofree char *path = g_strdup_printf ("/milter/sequence/%s", sequences[i].name);
      g_test_add_data_func (path, &sequences[i], test_sequence);
    }
  g_test_add_func ("/milter/content", test_content);
  g_test_add_func ("/milter/terms", test_terms);
  g_test_add_func ("/milter/body-pieces", test_body_pieces);
  g_test_add_func ("/milter/longest-field", test_longest_field);
  g_test_add_func ("/milter/died-between", test_died_between);
  g_test_add_func ("/milter/died-inside", test_died_inside);
  g_test_add_func ("/milter/cut-off", test_cut_off);
  g_test_add_func ("/milter/silent", test_silent);
  g_test_add_func ("/milter/changed-its-mind", test_changed_its_mind);
  g_test_add_func ("/milter/nobody-there", test_nobody_there);
  g_test_add_func ("/milter/answers", test_answers);
  g_test_add_func ("/milter/many-changes", test_many_changes);
  g_test_add_func ("/milter/load-errors", test_load_errors);
  g_test_add_func ("/milter/macros-limit", test_macros_limit);
  g_test_add_func ("/milter/readme", test_readme);
  result = g_test_run ();
  kit_finish ();
  return result;
}
