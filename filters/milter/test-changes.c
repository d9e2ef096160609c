/* What a milter's answers mean, without a connection: verdicts, changes and what they come to,
 * where a milter listens. Each limit, and one past it. */
#include "address.h"
#include "changes.h"
#include "verdict.h"

#include <string.h>

/* ---- Verdicts ---- */

static void
test_verdicts (void)
{
  static const struct
  {
    AnswerKind kind;
    Event event;
    Verdict verdict;
    gboolean ends;
  } rows[] = {
    { ANSWER_CONTINUE, EVENT_MAIL, VERDICT_GO_ON, FALSE },
    { ANSWER_SKIP, EVENT_BODY, VERDICT_GO_ON, FALSE },
    { ANSWER_ACCEPT, EVENT_CONNECT, VERDICT_SPARE_SESSION, FALSE },
    { ANSWER_ACCEPT, EVENT_HELO, VERDICT_SPARE_SESSION, FALSE },
    { ANSWER_ACCEPT, EVENT_RCPT, VERDICT_SPARE_MESSAGE, TRUE },
    { ANSWER_ACCEPT, EVENT_END, VERDICT_GO_ON, FALSE },
    { ANSWER_ACCEPT, EVENT_UNKNOWN, VERDICT_GO_ON, FALSE },
    { ANSWER_REJECT, EVENT_CONNECT, VERDICT_REFUSE, FALSE },
    { ANSWER_REJECT, EVENT_HELO, VERDICT_CLOSE, FALSE },
    { ANSWER_REPLY, EVENT_MAIL, VERDICT_REFUSE, TRUE },
    { ANSWER_TEMPFAIL, EVENT_RCPT, VERDICT_REFUSE, FALSE },
    { ANSWER_REPLY, EVENT_UNKNOWN, VERDICT_REFUSE, FALSE },
    { ANSWER_REJECT, EVENT_HEADER, VERDICT_REFUSE, TRUE },
    { ANSWER_DISCARD, EVENT_RCPT, VERDICT_DISCARD, TRUE },
    { ANSWER_DISCARD, EVENT_HELO, VERDICT_NONSENSE, FALSE },
    { ANSWER_DISCARD, EVENT_UNKNOWN, VERDICT_NONSENSE, FALSE },
    { ANSWER_SHUTDOWN, EVENT_RCPT, VERDICT_CLOSE, TRUE },
    { ANSWER_FAILURE, EVENT_DATA, VERDICT_FAILED, TRUE },
    { ANSWER_ADD_HEADER, EVENT_DATA, VERDICT_NONSENSE, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_assert_cmpint (verdict_of (rows[i].kind, rows[i].event), ==, rows[i].verdict);
      g_assert_cmpint (verdict_ends_message (rows[i].verdict, rows[i].event), ==, rows[i].ends);
    }
}

/* ---- Changes ---- */

static void
take (Changes *changes, AnswerKind kind, const char *name, const char *text)
{
  const Answer answer = { .kind = kind, .name = name, .text = text };
  g_autoptr (GError) error = NULL;

  g_assert_true (changes_take (changes, &answer, &error));
  g_assert_no_error (error);
}

static void
test_change_limits (void)
{
  g_autofree char *half = g_strnfill (CHANGES_MAX_TEXT / 2, 'x');
  const Answer body = { .kind = ANSWER_REPLACE_BODY, .bytes = (const guint8 *) "abc", .length = 3 };
  const Answer field = { .kind = ANSWER_ADD_HEADER, .name = "X", .text = "y" };
  Changes changes;
  g_autoptr (GError) error = NULL;

  changes_init (&changes, 6);
  g_assert_true (changes_take (&changes, &body, &error));
  g_assert_true (changes_take (&changes, &body, &error));
  g_assert_false (changes_take (&changes, &body, &error));
  g_assert_nonnull (strstr (error->message, "more than 6 octets of a new body"));
  g_clear_error (&error);
  for (guint i = 0; i < CHANGES_MAX; i++)
    take (&changes, ANSWER_ADD_HEADER, "X", "y");
  g_assert_false (changes_take (&changes, &field, &error));
  g_assert_nonnull (strstr (error->message, "more than 1000 changes"));
  g_clear_error (&error);
  changes_clear (&changes);
  changes_init (&changes, 6);
  take (&changes, ANSWER_ADD_HEADER, "", half);
  take (&changes, ANSWER_ADD_HEADER, "", half);
  g_assert_false (changes_take (&changes, &field, &error));
  g_assert_nonnull (strstr (error->message, "octets of changes"));
  changes_clear (&changes);
}

/* "+a" adds, "-a" deletes. */
static void
expect_recipients (const char *recipients, const char *operations, const char *expected)
{
  g_auto (GStrv) list = g_strsplit (recipients, " ", -1);
  g_auto (GStrv) words = g_strsplit (operations, " ", -1);
  g_autoptr (GString) all = g_string_new (NULL);
  Changes changes;
  ChangesRecipients result;

  changes_init (&changes, 1);
  for (guint i = 0; words[i] != NULL; i++)
    take (&changes, *words[i] == '+' ? ANSWER_ADD_RECIPIENT : ANSWER_DELETE_RECIPIENT, words[i] + 1,
          NULL);
  changes_recipients (&changes, (const char *const *) list, &result);
  for (guint i = 0; i < result.add->len; i++)
    g_string_append_printf (all, "+%s ", ((const Change *) result.add->pdata[i])->name);
  for (guint i = 0; i < result.remove->len; i++)
    g_string_append_printf (all, "-%s ", (const char *) result.remove->pdata[i]);
  g_string_append (all, result.none_left ? "none" : "");
  g_assert_cmpstr (all->str, ==, expected);
  changes_recipients_clear (&result);
  changes_clear (&changes);
}

static void
test_recipients (void)
{
  expect_recipients ("a@x b@x", "+c@x", "+c@x ");
  expect_recipients ("a@x b@x", "+<a@x> +A@X", "");
  expect_recipients ("a@x b@x", "-<A@x>", "-a@x ");
  expect_recipients ("a@x b@x", "-z@x", "");
  expect_recipients ("a@x b@x", "-a@x -b@x", "-a@x -b@x none");
  expect_recipients ("a@x", "-a@x +b@x", "+b@x -a@x ");
  expect_recipients ("a@x", "-a@x +a@x", "");
  expect_recipients ("a@x", "+b@x -b@x", "");
  expect_recipients ("a@x", "+b@x -b@x -a@x", "-a@x none");
  expect_recipients ("a@x a@x", "-a@x +b@x", "+b@x -a@x -a@x ");
}

static void
expect_merged (const char *old, const char *given, const char *expected)
{
  g_auto (GStrv) list = g_strsplit (old, " ", -1);
  g_auto (GStrv) merged = changes_merge ((const char *const *) list, given);
  g_autofree char *text = g_strjoinv (" ", merged);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_parameters (void)
{
  expect_merged ("SIZE=1 BODY=8BITMIME", NULL, "SIZE=1 BODY=8BITMIME");
  expect_merged ("SIZE=1 ret=HDRS", "RET=FULL  ENVID=x", "SIZE=1 RET=FULL ENVID=x");
  expect_merged ("SMTPUTF8", "smtputf8", "smtputf8");
}

/* Our Received is a field among those that are counted, above which something may be put. */
static void
test_places (void)
{
  static const struct
  {
    guint32 index;
    guint count, received, place, received_then;
  } rows[] = {
    { 0, 3, 0, 0, 1 }, { 1, 3, 0, 0, 0 }, { 2, 3, 0, 1, 0 },          { 4, 3, 0, 3, 0 },
    { 9, 3, 0, 3, 0 }, { 1, 4, 1, 1, 2 }, { 2, 4, 1, 1, 1 },          { 0, 0, 0, 0, 1 },
    { 1, 0, 0, 0, 0 }, { 3, 2, 5, 2, 6 }, { 0xffffffff, 3, 0, 3, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      guint received = rows[i].received;

      g_assert_cmpuint (changes_place (rows[i].index, rows[i].count, &received), ==, rows[i].place);
      g_assert_cmpuint (received, ==, rows[i].received_then);
    }
}

static void
test_values (void)
{
  static const char *const rows[][3] = {
    { "x", " x", "x" },
    { "", " ", "" },
    { " x", "  x", " x" },
    { "a\n\tb\r\n c", " a\r\n\tb\r\n c", "a\r\n\tb\r\n c" },
    { "a\nEvil: b", " a\r\n\tEvil: b", "a\r\n\tEvil: b" },
    { "a\n\nbody", " a\r\n\tbody", "a\r\n\tbody" },
    { "a\n \t\r\n b\n \n", " a\r\n b", "a\r\n b" },
    { "a\n", " a", "a" },
    { "a\r\n", " a", "a" },
    { "a\rb", " a b", "a b" },
    { "a\r\r\nb", " a \r\n\tb", "a \r\n\tb" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *spaced = changes_value (rows[i][0], FALSE);
      g_autofree char *exact = changes_value (rows[i][0], TRUE);

      g_assert_cmpstr (spaced, ==, rows[i][1]);
      g_assert_cmpstr (exact, ==, rows[i][2]);
    }
}

/* ---- Addresses ---- */

static void
test_addresses (void)
{
  static const char *const rows[][2] = {
    { "unix:/run/a.sock", "/run/a.sock" },
    { "local:/run/a.sock", "/run/a.sock" },
    { "inet:8891@localhost", "localhost:8891" },
    { "inet:8891@127.0.0.1", "127.0.0.1:8891" },
    { "inet:8891@[::1]", "[::1]:8891" },
    { "inet6:8891@::1", "[::1]:8891" },
    { "inet:mail.test:8891", "mail.test:8891" },
    { "inet:[::1]:8891", "[::1]:8891" },
    { "inet:8891", "localhost:8891" },
    { "unix:run/a.sock", NULL },
    { "unix:", NULL },
    { "unix:localhost:1", NULL },
    { "inet:/run/a.sock", NULL },
    { "inet:", NULL },
    { "inet:0@localhost", NULL },
    { "inet:65536@localhost", NULL },
    { "inet:8891@", NULL },
    { "/run/a.sock", NULL },
    { "localhost:8891", NULL },
    { "", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const char *wrong = NULL;
      g_autofree char *address = address_parse (rows[i][0], &wrong);

      g_assert_cmpstr (address, ==, rows[i][1]);
      g_assert_true ((wrong == NULL) == (address != NULL));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/milter/verdicts", test_verdicts);
  g_test_add_func ("/milter/change-limits", test_change_limits);
  g_test_add_func ("/milter/recipients", test_recipients);
  g_test_add_func ("/milter/parameters", test_parameters);
  g_test_add_func ("/milter/places", test_places);
  g_test_add_func ("/milter/values", test_values);
  g_test_add_func ("/milter/addresses", test_addresses);
  return g_test_run ();
}
