/* Every edit of filter.h: exact bytes after it, what refuses it, and how edits compose within one
 * filter and along a chain. */
#include "bench.h"

#include <string.h>

#define MESSAGE "A: 1\r\nB: 2\r\n 3\r\nC:4\r\n\r\nbody\r\n"
#define MULTIPART                                                                                  \
  "S: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n"  \
  "--b--\r\n"
#define TEXT(body)                                                                                 \
  "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" body "\r\n"

static IpcRecord *
run_script (Bench *bench, const gchar *message, const gchar *script)
{
  g_autofree gchar *block
      = g_strdup_printf ("filter \"f0\" { module = \"edits\" script = [%s] }", script);

  bench_open (bench, "", "\"f0\"", block);
  bench_request (bench, IPC_HOOK_END_OF_MESSAGE, message);
  return bench_run (bench);
}

static void
expect (const gchar *message, const gchar *script, const gchar *expected)
{
  Bench bench;
  IpcRecord *record = run_script (&bench, message, script);
  g_autofree gchar *text = NULL;

  g_assert_false (record->failed);
  g_assert_cmpstr (bench_note (record, "error"), ==, NULL);
  text = bench_apply (&bench, record);
  g_assert_cmpstr (text, ==, expected);
  bench_close (&bench);
}

static void
refuse (const gchar *message, const gchar *script, const gchar *error)
{
  Bench bench;
  IpcRecord *record = run_script (&bench, message, script);

  g_assert_false (record->failed);
  g_assert_nonnull (bench_note (record, "error"));
  g_assert_nonnull (strstr (bench_note (record, "error"), error));
  g_assert_null (record->edits);
  g_assert_null (record->sender);
  g_assert_null (record->recipients);
  bench_close (&bench);
}

static void
test_headers (void)
{
  expect (MESSAGE, "\"prepend|X|y\"", "X: y\r\n" MESSAGE);
  expect (MESSAGE, "\"append|X|y\"", "A: 1\r\nB: 2\r\n 3\r\nC:4\r\nX: y\r\n\r\nbody\r\n");
  expect (MESSAGE, "\"insert|1|X|y\"", "A: 1\r\nX: y\r\nB: 2\r\n 3\r\nC:4\r\n\r\nbody\r\n");
  expect (MESSAGE, "\"change|B|new\"", "A: 1\r\nB: new\r\nC:4\r\n\r\nbody\r\n");
  expect (MESSAGE, "\"insert-raw|1|X|y\"", "A: 1\r\nX:y\r\nB: 2\r\n 3\r\nC:4\r\n\r\nbody\r\n");
  expect (MESSAGE, "\"change-raw|B|\\tnew\"", "A: 1\r\nB:\tnew\r\nC:4\r\n\r\nbody\r\n");
  expect (MESSAGE, "\"change-raw|B|new\"", "A: 1\r\nB:new\r\nC:4\r\n\r\nbody\r\n");
  expect (MESSAGE, "\"remove|B\"", "A: 1\r\nC:4\r\n\r\nbody\r\n");
  expect (MESSAGE, "\"change|A|a\\n b\"", "A: a\r\n b\r\nB: 2\r\n 3\r\nC:4\r\n\r\nbody\r\n");
}

static void
test_headers_compose (void)
{
  expect (MESSAGE, "\"change|A|x\", \"change|A|y\"", "A: y\r\nB: 2\r\n 3\r\nC:4\r\n\r\nbody\r\n");
  expect (MESSAGE, "\"change|A|x\", \"remove|A\"", "B: 2\r\n 3\r\nC:4\r\n\r\nbody\r\n");
  expect (MESSAGE, "\"prepend|X|y\", \"remove|0\"", MESSAGE);
  expect (MESSAGE, "\"prepend|X|y\", \"change|X|z\", \"remove|1\"",
          "X: z\r\nB: 2\r\n 3\r\nC:4\r\n\r\nbody\r\n");
  expect (MESSAGE, "\"remove|0\", \"remove|0\", \"remove|0\", \"append|X|y\"",
          "X: y\r\n\r\nbody\r\n");
}

static void
test_headers_odd_messages (void)
{
  expect ("A: 1", "\"append|X|y\"", "A: 1\r\nX: y\r\n");
  expect ("A: 1", "\"change|A|2\", \"append|X|y\"", "A: 2\r\nX: y\r\n");
  expect ("A: 1", "\"remove|A\", \"append|X|y\"", "X: y\r\n");
  expect ("no header\r\n", "\"append|X|y\"", "X: y\r\n\r\nno header\r\n");
  expect ("\r\nbody\r\n", "\"append|X|y\"", "X: y\r\n\r\nbody\r\n");
}

static void
test_headers_refused (void)
{
  refuse (MESSAGE, "\"append|X|a\\nEvil: b\"", "line break");
  refuse (MESSAGE, "\"append|X|a\\n\"", "line break");
  refuse (MESSAGE, "\"insert-raw|0|X|a\\nEvil: b\"", "line break");
  refuse (MESSAGE, "\"append|X Y|a\"", "no header name");
  refuse (MESSAGE, "\"append|X:|a\"", "no header name");
  refuse (MESSAGE, "\"append||a\"", "no header name");
  refuse (MESSAGE, "\"remove|3\"", "no header field 3, there are 3");
}

static void
test_parts (void)
{
  expect (MULTIPART, "\"part-replace|0|new\"",
          "S: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" TEXT (
              "new") "\r\n--b\r\n\r\ntwo\r\n--b--\r\n");
  expect (MULTIPART, "\"part-remove|0\", \"append|X|y\"",
          "S: x\r\nContent-Type: multipart/mixed; boundary=b\r\nX: y\r\n\r\n--b\r\n\r\ntwo\r\n"
          "--b--\r\n");
  expect (MULTIPART, "\"part-insert|root|new\"",
          "S: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" TEXT (
              "new") "\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n");
  expect (MULTIPART, "\"part-replace|root|new\", \"change|S|z\"", "S: z\r\n" TEXT ("new"));
  refuse ("no header\r\n", "\"part-remove|root\"", "was not parsed");
}

/* The same whether the guard or GMime has found them, and after another filter's edits. */
static void
test_entities (void)
{
  static const gchar *const rows[][2] = {
    { MULTIPART, "GMimeMultipart, Content-Type: multipart/mixed; boundary=b; "
                 "GMimeTextPart of 0, Content-Type: text/plain; charset=utf-8, "
                 "Content-Transfer-Encoding: 7bit, \"new\r\n\"; GMimeTextPart of 0, \"two\"" },
    { "Content-Type: multipart/mixed; boundary=(odd) b\r\nS: x\r\n\r\n--b\r\n\r\none\r\n--b \r\n"
      "Content-Type: message/rfc822\r\n\r\nContent-Type: a/b\r\nS: y\r\n\r\ntwo\r\n--b--\r\n",
      "GMimeMultipart, Content-Type: multipart/mixed; boundary=(odd) b; "
      "GMimeTextPart of 0, Content-Type: text/plain; charset=utf-8, "
      "Content-Transfer-Encoding: 7bit, \"new\r\n\"; "
      "GMimeMessagePart of 0, Content-Type: message/rfc822; "
      "GMimePart of 2, Content-Type: a/b, \"two\"" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Bench bench;

      bench_open (&bench, "", "\"f0\", \"f1\"",
                  "filter \"f0\" { module = \"edits\" script = [\"part-replace|0|new\"] }\n"
                  "filter \"f1\" { module = \"edits\" script = [\"entities\"] }\n");
      bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, rows[i][0]);
      g_assert_cmpstr (bench_note (bench_run (&bench), "entities"), ==, rows[i][1]);
      bench_close (&bench);
    }
}

static void
test_body_and_message (void)
{
  expect (MESSAGE, "\"body|new\\nlines\\n\"", "A: 1\r\nB: 2\r\n 3\r\nC:4\r\n\r\nnew\r\nlines\r\n");
  expect ("A: 1\r\n", "\"body|new\\n\"", "A: 1\r\n\r\nnew\r\n");
  expect (MESSAGE, "\"remove|A\", \"message|Q: r\\n\\nnew\\n\", \"append|X|y\"",
          "Q: r\r\nX: y\r\n\r\nnew\r\n");
  expect (MULTIPART, "\"part-remove|0\", \"body|all\\n\"",
          "S: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\nall\r\n");
  refuse (MESSAGE, "\"message|\"", "empty message");
}

static void
test_envelope (void)
{
  Bench bench;
  IpcRecord *record = run_script (&bench, MESSAGE,
                                  "\"sender|\", \"add|new@example.org\", \"drop|R@example.org\"");
  BasePath *path = NULL;

  g_assert_cmpstr (bench_note (record, "error"), ==, NULL);
  g_assert_cmpstr (record->sender->address, ==, "");
  g_assert_cmpuint (record->recipients->len, ==, 1);
  path = g_ptr_array_index (record->recipients, 0);
  g_assert_cmpstr (path->address, ==, "new@example.org");
  g_assert_cmpstr (path->parameters[0], ==, "NOTIFY=NEVER");
  bench_close (&bench);
  refuse (MESSAGE, "\"sender|a b@c\"", "a b@c");
  refuse (MESSAGE, "\"sender|a@b> SIZE=1\"", "");
  refuse (MESSAGE, "\"add|\"", "");
  refuse (MESSAGE, "\"drop|x@y\"", "no such recipient");
  refuse (MESSAGE, "\"drop|r@example.org\"", "the last recipient");
}

/* The second filter sees what the first one made; its edits refer to that. */
static void
test_chain (void)
{
  Bench bench;
  g_autoptr (MessageEdits) both = NULL;
  MessageSource source = message_source_from_memory ((const guint8 *) MESSAGE, strlen (MESSAGE));
  g_autoptr (GBytes) bytes = NULL;
  const gchar *expected = "X: 2\r\nA: 1\r\nC:4\r\n\r\nnew\r\n";

  bench_open (&bench, "", "\"f0\", \"f1\"",
              "filter \"f0\" { module = \"edits\" script = [\"prepend|X|1\", \"remove|B\"] }\n"
              "filter \"f1\" { module = \"edits\" script = [\"change|X|2\", \"body|new\\n\"] }\n");
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, MESSAGE);
  bench_run (&bench);
  g_assert_cmpuint (bench.records->len, ==, 2);
  both = message_edits_compose (bench_record (&bench, 0)->edits, bench_record (&bench, 1)->edits,
                                strlen (MESSAGE));
  bytes = message_edits_apply (both, &source, NULL);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), expected,
                   strlen (expected));
  /* The rest of the chain alone, as after a crash of the first: its edits come with the request. */
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, MESSAGE);
  bench.request->edits = message_edits_new ();
  g_assert_true (message_edits_add (bench.request->edits, 0, 6, NULL));
  bench.request->first = 1;
  g_assert_cmpuint (bench_run (&bench)->filter, ==, 1);
  g_assert_nonnull (strstr (bench_note (bench_record (&bench, 0), "error"), "no header field"));
  bench_close (&bench);
}

/* A filter in shadow reports its edits, but nobody behind it sees them. */
static void
test_shadow (void)
{
  Bench bench;

  bench_open (&bench, "", "\"f0\", \"f1\"",
              "filter \"f0\" { module = \"edits\" enforce = false script = [\"prepend|X|1\"] }\n"
              "filter \"f1\" { module = \"edits\" script = [\"change|0|z\"] }\n");
  bench_request (&bench, IPC_HOOK_END_OF_MESSAGE, MESSAGE);
  bench_run (&bench);
  g_assert_nonnull (bench_record (&bench, 0)->edits);
  g_assert_cmpuint (message_edits_nth (bench_record (&bench, 1)->edits, 0)->offset, ==, 2);
  bench_close (&bench);
}

/* Without a body: headers may be edited in end_of_headers, parts may not. */
static void
test_early (void)
{
  Bench bench;
  IpcRecord *record = NULL;
  g_autofree gchar *text = NULL;

  bench_open (&bench, "", "\"f0\"",
              "filter \"f0\" { module = \"edits\" early = true "
              "script = [\"append|X|y\", \"body|no\"] }");
  bench_request (&bench, IPC_HOOK_END_OF_HEADERS, "A: 1\r\n\r\n");
  record = bench_run (&bench);
  g_assert_nonnull (strstr (bench_note (record, "error"), "can not be edited in end_of_headers"));
  text = bench_apply (&bench, record);
  g_assert_cmpstr (text, ==, "A: 1\r\nX: y\r\n\r\n");
  bench_close (&bench);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/worker/edits/headers", test_headers);
  g_test_add_func ("/worker/edits/headers-compose", test_headers_compose);
  g_test_add_func ("/worker/edits/headers-odd-messages", test_headers_odd_messages);
  g_test_add_func ("/worker/edits/headers-refused", test_headers_refused);
  g_test_add_func ("/worker/edits/parts", test_parts);
  g_test_add_func ("/worker/edits/entities", test_entities);
  g_test_add_func ("/worker/edits/body-and-message", test_body_and_message);
  g_test_add_func ("/worker/edits/envelope", test_envelope);
  g_test_add_func ("/worker/edits/chain", test_chain);
  g_test_add_func ("/worker/edits/shadow", test_shadow);
  g_test_add_func ("/worker/edits/early", test_early);
  return g_test_run ();
}
