/* Each edit and verdict once from C, from Lua and from a program, with the same outcome; and that a
 * filter behind sees it. One table: a row for each thing that a filter can do to a message. */
#include <mailweir/test.h>

#include <glib/gstdio.h>
#include <string.h>

#define FROM "From: a@b\r\n"
#define SUBJECT "Subject: old\r\n"
#define TYPE "Content-Type: multipart/mixed; boundary=b\r\n"
#define FIRST "--b\r\nContent-Type: text/plain\r\n\r\none\r\n"
#define SECOND "--b\r\nContent-Type: text/x-old\r\n\r\ntwo\r\n"
#define BODY FIRST SECOND "--b--\r\n"
#define MESSAGE FROM SUBJECT TYPE "\r\n" BODY
#define PLAIN_PART                                                                                 \
  "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"      \
  "gone\r\n\r\n"

static const char *probe;
static const char *const recipients[] = { "b@example.net", "c@example.net", NULL };

typedef struct
{
  const char *probe;   /* its option */
  const char *lua;     /* the body of end_of_message() */
  const char *program; /* of exec, by `sh`; NULL: programs can not */
  WeirTestVerdict verdict;
  const char *reply;   /* NULL: none */
  const char *message; /* NULL: as it was */
  const char *sender;  /* NULL: as it was */
  const char *to;      /* NULL: as it was */
} Row;

static const Row rows[] = {
  { "nothing", "", "cat", WEIR_TEST_PASS },
  { "sender", "weir.set_sender ('new@example.org')", NULL, WEIR_TEST_PASS,
    .sender = "new@example.org" },
  { "recipients", "weir.add_recipient ('more@example.net') weir.remove_recipient ('b@example.net')",
    NULL, WEIR_TEST_PASS, .to = "c@example.net more@example.net" },
  { "header-prepend", "weir.header_prepend ('X-New', '1')", "echo 'X-New: 1'; cat", WEIR_TEST_PASS,
    .message = "X-New: 1\r\n" MESSAGE },
  { "header-append", "weir.header_append ('X-New', '1')", "sed '1,/^$/s/^$/X-New: 1\\n/'",
    WEIR_TEST_PASS, .message = FROM SUBJECT TYPE "X-New: 1\r\n\r\n" BODY },
  { "header-insert", "weir.header_insert (2, 'X-New', '1')", "sed '1a X-New: 1'", WEIR_TEST_PASS,
    .message = FROM "X-New: 1\r\n" SUBJECT TYPE "\r\n" BODY },
  { "header-insert-raw", "weir.header_insert_raw (3, 'X-New', '1')", "sed '2a X-New:1'",
    WEIR_TEST_PASS, .message = FROM SUBJECT "X-New:1\r\n" TYPE "\r\n" BODY },
  { "header-change", "weir.header_change (2, 'new')", "sed '2s/old/new/'", WEIR_TEST_PASS,
    .message = FROM "Subject: new\r\n" TYPE "\r\n" BODY },
  { "header-change-raw", "weir.header_change_raw (2, 'new')", "sed '2s/ old/new/'", WEIR_TEST_PASS,
    .message = FROM "Subject:new\r\n" TYPE "\r\n" BODY },
  { "header-remove", "weir.header_remove (weir.header_find ('Subject'))", "sed 2d", WEIR_TEST_PASS,
    .message = FROM TYPE "\r\n" BODY },
  { "part-replace", "weir.parts ()[3]:replace (weir.part_text ('gone'))", NULL, WEIR_TEST_PASS,
    .message = FROM SUBJECT TYPE "\r\n" FIRST PLAIN_PART "--b--\r\n" },
  { "part-remove", "weir.parts ()[3]:remove ()", "sed '9,12d'", WEIR_TEST_PASS,
    .message = FROM SUBJECT TYPE "\r\n" FIRST "--b--\r\n" },
  { "part-insert", "weir.parts ()[1]:insert (1, 'Content-Type: text/x-new\\n\\nhi')", NULL,
    WEIR_TEST_PASS,
    .message = FROM SUBJECT TYPE "\r\n--b\r\nContent-Type: text/x-new\r\n\r\nhi\r\n" BODY },
  { "body", "weir.body_replace ('another\\n')", "sed '/^$/q'; echo another", WEIR_TEST_PASS,
    .message = FROM SUBJECT TYPE "\r\nanother\r\n" },
  { "message", "weir.message_replace ('From: x@y\\n\\nall new\\n')",
    "cat > /dev/null; printf 'From: x@y\\n\\nall new\\n'", WEIR_TEST_PASS,
    .message = "From: x@y\r\n\r\nall new\r\n" },
  { "reply", "return weir.reply (550, '5.7.1', 'one\\ntwo')", NULL, WEIR_TEST_REFUSED,
    "550 5.7.1 one / two" },
  { "close", "return weir.close (421, 'bye')", NULL, WEIR_TEST_REFUSED, "421 bye" },
  { "discard", "return weir.discard", "exit 99", WEIR_TEST_DISCARDED },
  { "quarantine", "return weir.quarantine ('odd')", "echo odd >&2; exit 98", WEIR_TEST_QUARANTINED,
    "odd" },
  { "accept", "return weir.reply (250, '2.0.0', 'fine')", NULL, WEIR_TEST_PASS, "250 2.0.0 fine" },
};

/* The file, executable if it is a program. Caller frees, and removes it. */
static char *
write_file (const char *start, const char *text, const char *end)
{
  g_autofree char *all = g_strconcat (start, text, end, NULL);
  char *path = NULL;
  const gint fd = g_file_open_tmp ("mailweir-XXXXXX", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_assert_true (g_file_set_contents (path, all, -1, NULL));
  g_assert_cmpint (g_chmod (path, 0700), ==, 0);
  return path;
}

/* The message that a filter behind got, its envelope too. */
static void
assert_seen (const WeirTestResult *result)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (result->message, &size);
  g_autofree char *text = g_base64_encode (bytes, size);
  g_autofree char *seen
      = g_strdup_printf ("from=%s\nto=%s\nbytes=%s\n", result->sender, result->recipients, text);

  g_assert_cmpstr (strstr (result->notes, "from="), !=, NULL);
  g_assert_true (g_str_has_prefix (strstr (result->notes, "from="), seen));
}

static void
check (const Row *row, const char *language, const char *filter)
{
  g_autofree char *filters = g_strdup_printf (
      "filter \"one\" { %s }\nfilter \"see\" { module = \"%s\" run = \"see\" }", filter, probe);
  g_autoptr (WeirTest) test = weir_test_new ("\"one\", \"see\"", filters);
  g_autoptr (WeirTestResult) result
      = weir_test_run_envelope (test, MESSAGE, strlen (MESSAGE), "a@example.org", recipients);
  const char *message = row->message == NULL ? MESSAGE : row->message;

  g_test_message ("%s in %s", row->probe, language);
  g_assert_cmpstr (result->reply, ==, row->reply);
  g_assert_cmpint (result->verdict, ==, row->verdict);
  weir_test_assert_message (result, message, strlen (message));
  g_assert_cmpstr (result->sender, ==, row->sender == NULL ? "a@example.org" : row->sender);
  g_assert_cmpstr (result->recipients, ==,
                   row->to == NULL ? "b@example.net c@example.net" : row->to);
  if (row->verdict == WEIR_TEST_PASS)
    assert_seen (result);
}

static void
test_c (gconstpointer data)
{
  const Row *row = data;
  g_autofree char *filter = g_strdup_printf ("module = \"%s\" run = \"%s\"", probe, row->probe);

  check (row, "C", filter);
}

static void
test_lua (gconstpointer data)
{
  const Row *row = data;
  g_autofree char *path = write_file ("function end_of_message () ", row->lua, " end\n");
  g_autofree char *filter = g_strdup_printf ("module = \"lua\" script = \"%s\"", path);

  check (row, "Lua", filter);
  g_assert_cmpint (g_remove (path), ==, 0);
}

static void
test_exec (gconstpointer data)
{
  const Row *row = data;
  g_autofree char *path = write_file ("#!/bin/sh\n", row->program, "\n");
  g_autofree char *filter
      = g_strdup_printf ("module = \"exec\" command = [\"%s\"] output = \"message\"", path);

  check (row, "exec", filter);
  g_assert_cmpint (g_remove (path), ==, 0);
}

static void
add (const char *language, const Row *row, GTestDataFunc func)
{
  g_autofree char *path = g_strdup_printf ("/edits/%s/%s", language, row->probe);

  g_test_add_data_func (path, row, func);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  probe = argv[1];
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      add ("c", &rows[i], test_c);
      if (HAVE_LUA)
        add ("lua", &rows[i], test_lua);
      if (rows[i].program != NULL)
        add ("exec", &rows[i], test_exec);
    }
  return g_test_run ();
}
