/* The body in the pieces that a filter asks for; headers that end where a line is none; recipients
 * split off; a close that waits for the end of the operation. */
#include "bench.h"

#include <string.h>

static void
expect_pieces (const gchar *options, const gchar *message, const gchar *pieces)
{
  Bench bench;
  g_autofree gchar *filter = g_strdup_printf ("filter \"f0\" { module = \"pieces\"\n%s }", options);

  bench_open (&bench, "", "\"f0\"", filter);
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, message);
  g_assert_cmpstr (bench_note (bench_run (&bench), "pieces"), ==, pieces);
  bench_close (&bench);
}

static void
test_lines (void)
{
  expect_pieces ("", "A: b\r\n\r\none\r\n\r\ntwo\r\n", "[one\r\n][\r\n][two\r\n]");
  expect_pieces ("", "A: b\r\n\r\none\r\nend", "[one\r\n][end]");
  expect_pieces ("", "A: b\r\n\r\n", NULL);
}

static void
test_chunks (void)
{
  g_autofree gchar *body = g_strnfill (1025, 'x');
  g_autofree gchar *message = g_strconcat ("A: b\r\n\r\n1\r\n", body, NULL);

  expect_pieces ("size = 4", "A: b\r\n\r\n1\r\n2345", "[1\r\n2][345]");
  expect_pieces ("size = 3\nthen = 1", "A: b\r\n\r\n1\r\n23\r\n4\r\n", "[1\r\n][23\r\n][4\r\n]");
  /* back to the default of 1,024 */
  expect_pieces ("size = 3\nthen = 2", message, "[1\r\n][1024][x]");
}

/* One octet more than a line may have comes as a piece of its own. */
static void
test_line_too_long (void)
{
  g_autofree gchar *most = g_strnfill (65536 - 2, 'x');
  g_autofree gchar *fits = g_strconcat ("A: b\r\n\r\n", most, "\r\n", NULL);
  g_autofree gchar *over = g_strconcat ("A: b\r\n\r\nx", most, "\r\n", NULL);

  expect_pieces ("", fits, "[65536]");
  expect_pieces ("", over, "[65536][\n]");
}

static const gchar *
note_of (const gchar *message, const gchar *note, gchar **value)
{
  Bench bench;

  bench_open (&bench, "", "\"f0\"", "filter \"f0\" { module = \"pieces\" }");
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, message);
  *value = g_strdup (bench_note (bench_run (&bench), note));
  bench_close (&bench);
  return *value;
}

static void
test_headers_end_at_what_is_none (void)
{
  g_autofree gchar *fields = NULL, *pieces = NULL;

  g_assert_cmpstr (note_of ("A: b\r\nno field\r\nC: d\r\n", "fields", &fields), ==, "1");
  g_assert_cmpstr (note_of ("A: b\r\nno field\r\nC: d\r\n", "pieces", &pieces), ==,
                   "[no field\r\n][C: d\r\n]");
}

/* A later hook's text is heard, and the session ends all the same. */
static void
test_close_at_the_end (void)
{
  Bench bench;
  IpcRecord *record = NULL;

  bench_open (&bench, "", "\"f0\"", "filter \"f0\" { module = \"pieces\" }");
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, "A: b\r\n\r\nbye\r\nmore\r\n");
  record = bench_run (&bench);
  g_assert_false (record->failed);
  g_assert_cmpstr (bench_note (record, "pieces"), ==, "[bye\r\n][more\r\n]");
  g_assert_cmpint (record->verdict, ==, IPC_VERDICT_CLOSE);
  g_assert_cmpstr (record->reply->text, ==, "text");
  bench_close (&bench);
}

static void
test_split (void)
{
  Bench bench;
  IpcRecord *record = NULL;

  bench_open (&bench, "", "\"f0\"", "filter \"f0\" { module = \"verdicts\" answer = \"split\" }");
  bench_request (&bench, IPC_HOOK_RCPT, NULL);
  record = bench_run (&bench);
  g_assert_true (record->failed); /* nobody is before it */
  g_ptr_array_add (bench.request->recipients, base_path_new ("other@example.org", NULL));
  record = bench_run (&bench);
  g_assert_false (record->failed);
  g_assert_cmpuint (record->reply->code, ==, 452);
  g_assert_cmpuint (record->reply->enhanced[1], ==, 5);
  bench_request (&bench, IPC_HOOK_DATA, NULL);
  g_assert_true (bench_run (&bench)->failed);
  bench_close (&bench);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/worker/pieces/lines", test_lines);
  g_test_add_func ("/worker/pieces/chunks", test_chunks);
  g_test_add_func ("/worker/pieces/line-too-long", test_line_too_long);
  g_test_add_func ("/worker/pieces/headers-end-at-what-is-none", test_headers_end_at_what_is_none);
  g_test_add_func ("/worker/pieces/close-at-the-end", test_close_at_the_end);
  g_test_add_func ("/worker/pieces/split", test_split);
  return g_test_run ();
}
