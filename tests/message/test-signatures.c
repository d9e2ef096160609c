/* Which DKIM signatures an edit breaks, held against a canonicalization of whole messages that is
 * written here a second time, by lines. */
#include "message/mend.h"
#include "message/signatures.h"

#include <string.h>

#define SIGNED(tags)                                                                               \
  "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=key; " tags ";\r\n"                         \
  "\th=from : subject:Subject:to; bh=MTIz; b=NDU2\r\n"
#define HEADER                                                                                     \
  "From: Anna <anna@example.org>\r\nSubject: a  long\r\n subject\r\nTo: b@example.org\r\n"         \
  "X-Other: 1\r\n\r\n"
#define BODY "line one\r\nline  two \r\n\r\nlast line\r\n\r\n\r\n"

/* Removes `removed` octets behind the first occurrence of `before`, and inserts. */
static void
edit_behind (MessageEdits *edits, const gchar *message, const gchar *before, guint64 removed,
             const gchar *inserted)
{
  const gchar *at = strstr (message, before);
  g_autoptr (GBytes) bytes
      = inserted == NULL ? NULL : g_bytes_new_static (inserted, strlen (inserted));

  g_assert_nonnull (at);
  g_assert_true (
      message_edits_add (edits, (guint64) (at - message) + strlen (before), removed, bytes));
}

static gchar *
broken (const gchar *message, const MessageEdits *edits)
{
  MessageSource source = message_source_from_memory ((const guint8 *) message, strlen (message));
  g_autoptr (GPtrArray) signatures = message_signatures_check (&source, edits);

  return message_signatures_broken (signatures);
}

static void
expect (const gchar *message, const gchar *before, guint64 removed, const gchar *inserted,
        const gchar *expected)
{
  g_autoptr (MessageEdits) edits = message_edits_new ();
  g_autofree gchar *got = NULL;

  edit_behind (edits, message, before, removed, inserted);
  got = broken (message, edits);
  g_assert_cmpstr (got, ==, expected);
}

static void
test_read (void)
{
  const gchar *message = "DKIM-Signature: d=a.example; s = one ;c=relaxed; h=From:To:; l=12\r\n"
                         "DKIM-Signature: d=b.example; s=two; c=simple/relaxed;\r\n\th=From :\r\n"
                         "\tDate\r\n"
                         "DKIM-Signature: d=c.example; h=From\r\nDKIM-Signature: nonsense\r\n\r\n";
  MessageSource source = message_source_from_memory ((const guint8 *) message, strlen (message));
  g_autoptr (GPtrArray) signatures = message_signatures_check (&source, NULL);
  const MessageSignature *one, *two;

  g_assert_cmpuint (signatures->len, ==, 2);
  one = signatures->pdata[0];
  two = signatures->pdata[1];
  g_assert_cmpstr (one->domain, ==, "a.example");
  g_assert_cmpstr (one->selector, ==, "one");
  g_assert_true (one->relaxed_header);
  g_assert_false (one->relaxed_body);
  g_assert_cmpuint (one->octets, ==, 12);
  g_assert_cmpstr (two->fields[1], ==, "Date");
  g_assert_false (two->relaxed_header);
  g_assert_true (two->relaxed_body);
  g_assert_cmpuint (two->octets, ==, G_MAXUINT64);
  g_assert_cmpuint (two->broken->len, ==, 0);
  g_assert_null (message_signatures_broken (signatures));
}

static void
test_fields (void)
{
  const gchar *relaxed = SIGNED ("c=relaxed/relaxed") HEADER BODY;
  const gchar *simple = SIGNED ("c=simple") HEADER BODY;

  expect (relaxed, "Subject: ", 0, "changed ", "example.org/key: subject");
  expect (relaxed, "a  long", 0, "  ", NULL);
  expect (simple, "a  long", 0, "  ", "example.org/key: subject");
  expect (relaxed, "X-Other:", 2, " 2", NULL);
  expect (relaxed, "NDU2\r\n", 0, "X-New: field\r\n", NULL);
  /* h= names Subject twice: a second one may not come. */
  expect (relaxed, "NDU2\r\n", 0, "Subject: another\r\n", "example.org/key: Subject");
  /* To is named once, and read from the bottom. */
  expect (relaxed, "NDU2\r\n", 0, "To: another\r\n", NULL);
  expect (relaxed, "X-Other: 1\r\n", 0, "To: another\r\n", "example.org/key: to");
  expect (relaxed, "bh=", 1, "N", "example.org/key: DKIM-Signature");
  expect (simple, "\r\n subject\r\n", strlen ("To: b@example.org\r\n"), NULL,
          "example.org/key: to");
}

static void
test_own_field (void)
{
  const gchar *message = SIGNED ("c=relaxed/relaxed") HEADER BODY;
  g_autoptr (MessageEdits) removed = message_edits_new ();
  g_autoptr (MessageEdits) added = message_edits_new ();
  g_autoptr (GBytes) other = g_bytes_new_static ("DKIM-Signature: d=x; s=y; h=a\r\n", 31);
  g_autofree gchar *text = NULL;

  message_edits_add (removed, 0, strlen (SIGNED ("c=relaxed/relaxed")), NULL);
  text = broken (message, removed);
  g_assert_cmpstr (text, ==, "example.org/key: DKIM-Signature");
  message_edits_add (added, 0, 0, other);
  g_assert_null (broken (message, added));
}

static void
test_body (void)
{
  const gchar *relaxed = SIGNED ("c=relaxed/relaxed") HEADER BODY;
  const gchar *simple = SIGNED ("c=relaxed/simple") HEADER BODY;
  const gchar *counted = SIGNED ("c=relaxed/relaxed; l=10") HEADER BODY;
  const gchar *empty = SIGNED ("c=relaxed/simple; l=2") HEADER;

  expect (relaxed, "line one", 0, "!", "example.org/key: body");
  expect (relaxed, "line one", 0, " \t", NULL);
  expect (simple, "line one", 0, " ", "example.org/key: body");
  expect (simple, "last line\r\n", 4, NULL, NULL);
  expect (simple, "last line\r\n", 0, "\r\n\r\n", NULL);
  expect (simple, "last line\r\n", 4, "footer\r\n", "example.org/key: body");
  expect (relaxed, "line  two \r\n", 2, NULL, "example.org/key: body");
  expect (counted, "line  two \r\n", 2, NULL, NULL);
  expect (counted, "last line\r\n", 0, "footer\r\n", NULL);
  expect (counted, "line one", 0, "!", "example.org/key: body");
  expect (empty, "\r\n\r\n", 0, "\r\nfooter\r\n", NULL);
  expect (empty, "\r\n\r\n", 0, "footer\r\n", "example.org/key: body");
}

/* What is mended of a malformed header: the line that ends it stays the body's first. Of a streamed
 * message only the header is there. */
static void
test_mended (void)
{
  static const gchar *const messages[][2] = {
    { SIGNED ("c=relaxed/simple") "From : a\r\nSubject: x\r\nTo: b\r\nno field\r\nX: y\r\n", NULL },
    { SIGNED ("c=simple/simple") "From : a\r\nSubject: x\r\nTo: b\r\nno field\r\nX: y\r\n",
      "example.org/key: from" },
  };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (messages); i++)
    {
      const gchar *message = messages[i / 2][0];
      const guint8 *bytes = (const guint8 *) message;
      g_autoptr (MessageHeaders) headers = message_headers_scan (bytes, strlen (message), TRUE);
      gsize length = i % 2 == 0 ? strlen (message) : message_headers_body (headers);
      g_autoptr (MessageEdits) mends = message_mend (headers);
      MessageSource source = message_source_from_memory (bytes, length);
      g_autoptr (GPtrArray) signatures = message_signatures_check (&source, mends);
      g_autofree gchar *text = message_signatures_broken (signatures);

      g_assert_cmpuint (message_edits_count (mends), ==, 2);
      g_assert_cmpuint (signatures->len, ==, 1);
      g_assert_cmpstr (text, ==, messages[i / 2][1]);
    }
}

static void
test_several (void)
{
  const gchar *message
      = "DKIM-Signature: d=one.example; s=a; c=relaxed/relaxed; h=from\r\n"
        "DKIM-Signature: d=two.example; s=b; c=relaxed/relaxed; h=from:subject; l=0\r\n" HEADER
            BODY;
  g_autoptr (MessageEdits) edits = message_edits_new ();
  g_autofree gchar *text = NULL;

  edit_behind (edits, message, "Subject: ", 0, "[list] ");
  edit_behind (edits, message, "last line", 0, "!");
  text = broken (message, edits);
  g_assert_cmpstr (text, ==, "one.example/a: body; two.example/b: subject");
}

/* One past each bound: what is behind it is not looked at. */
static void
test_bounds (void)
{
  g_autoptr (GString) message = g_string_new (NULL);
  g_autoptr (GPtrArray) signatures = NULL;
  MessageSource source;

  for (guint i = 0; i <= MESSAGE_MAX_SIGNATURES; i++)
    g_string_append_printf (message, "DKIM-Signature: d=%u.example; s=a; h=from\r\n", i);
  g_string_append (message, "\r\n");
  source = message_source_from_memory ((const guint8 *) message->str, message->len);
  signatures = message_signatures_check (&source, NULL);
  g_assert_cmpuint (signatures->len, ==, MESSAGE_MAX_SIGNATURES);
}

/* How many signatures a field with that many names in h= makes. */
static guint
signatures_with (guint names)
{
  g_autoptr (GString) message = g_string_new ("DKIM-Signature: d=example.org; s=a; h=from");
  g_autoptr (GPtrArray) signatures = NULL;
  MessageSource source;

  for (guint i = 1; i < names; i++)
    g_string_append (message, ":to");
  g_string_append (message, "\r\n\r\n");
  source = message_source_from_memory ((const guint8 *) message->str, message->len);
  signatures = message_signatures_check (&source, NULL);
  return signatures->len;
}

static void
test_many_names (void)
{
  g_assert_cmpuint (signatures_with (100), ==, 1);
  g_assert_cmpuint (signatures_with (101), ==, 0);
}

/* ---- At random ---- */

/* By lines: white space reduced, empty lines at the end dropped. */
static gchar *
canonical_body (const gchar *body, gsize length, gboolean relaxed)
{
  g_autofree gchar *text = g_strndup (body, length);
  g_auto (GStrv) lines = g_strsplit (text, "\r\n", -1);
  GString *out = g_string_new (NULL);
  guint count = g_strv_length (lines);

  for (guint i = 0; relaxed && i < count; i++)
    {
      g_autoptr (GRegex) spaces = g_regex_new ("[ \t]+", 0, 0, NULL);
      gchar *reduced = g_regex_replace_literal (spaces, lines[i], -1, 0, " ", 0, NULL);

      g_free (lines[i]);
      lines[i] = g_strchomp (reduced);
    }
  while (count > 0 && *lines[count - 1] == '\0')
    count--;
  for (guint i = 0; i < count; i++)
    g_string_append_printf (out, "%s\r\n", lines[i]);
  return g_string_free (out, FALSE);
}

static void
append_random (GString *text, guint most)
{
  static const gchar *const pieces[] = { " ", "\t", "\r\n", "\r\n", "a", "b" };

  for (guint i = (guint) g_test_rand_int_range (0, (gint32) most + 1); i > 0; i--)
    g_string_append (text, pieces[g_test_rand_int_range (0, G_N_ELEMENTS (pieces))]);
}

static guint64
random_place (const gchar *message, guint64 least, guint64 size)
{
  guint64 at = (guint64) g_test_rand_int_range ((gint32) least, (gint32) size + 1);

  return at > 0 && at < size && message[at - 1] == '\r' ? at - 1 : at;
}

static void
check_random (gboolean relaxed, const gchar *tags)
{
  g_autoptr (GString) message = g_string_new (tags);
  g_autoptr (MessageEdits) edits = message_edits_new ();
  g_autoptr (GBytes) after = NULL;
  g_autofree gchar *got = NULL, *old = NULL, *new = NULL;
  gsize body, size = 0;
  MessageSource source;

  g_string_append (message, HEADER);
  body = message->len;
  append_random (message, 30);
  g_string_append (message, "\r\n");
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GString) inserted = g_string_new (NULL);
      guint64 from = random_place (message->str, body, message->len);
      guint64 to = random_place (message->str, from, message->len);
      g_autoptr (GBytes) bytes = NULL;

      append_random (inserted, 3);
      bytes = g_bytes_new (inserted->str, inserted->len);
      message_edits_add (edits, from, MAX (to, from) - from, bytes);
    }
  source = message_source_from_memory ((const guint8 *) message->str, message->len);
  after = message_edits_apply (edits, &source, NULL);
  old = canonical_body (message->str + body, message->len - body, relaxed);
  new = g_bytes_get_data (after, &size) == NULL
            ? g_strdup ("")
            : canonical_body ((const gchar *) g_bytes_get_data (after, NULL) + body, size - body,
                              relaxed);
  got = broken (message->str, edits);
  g_assert_cmpstr (got, ==, strcmp (old, new) == 0 ? NULL : "example.org/key: body");
}

static void
test_random (void)
{
  for (guint i = 0; i < 3000; i++)
    {
      check_random (TRUE, SIGNED ("c=relaxed/relaxed"));
      check_random (FALSE, SIGNED ("c=relaxed/simple"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/message/signatures/read", test_read);
  g_test_add_func ("/message/signatures/fields", test_fields);
  g_test_add_func ("/message/signatures/own-field", test_own_field);
  g_test_add_func ("/message/signatures/body", test_body);
  g_test_add_func ("/message/signatures/mended", test_mended);
  g_test_add_func ("/message/signatures/several", test_several);
  g_test_add_func ("/message/signatures/bounds", test_bounds);
  g_test_add_func ("/message/signatures/many-names", test_many_names);
  g_test_add_func ("/message/signatures/random", test_random);
  return g_test_run ();
}
