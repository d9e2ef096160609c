/* The filter "attachments" on hostile messages, each a way past a filter that reads names or
 * structure in one way only; on harmless ones, which pass byte for byte; and on what strip leaves.
 */
#include <string.h>

#include "pages.h"
#include "decode.h"
#include "test-archives.h"
#include "test-attachments.h"

/* The start of a DOS program, which libmagic knows. */
#define PROGRAM "TVqQ" PROGRAM_REST
#define PROGRAM_REST "A" PROGRAM_REST_OF_5
#define PROGRAM_REST_OF_5                                                                          \
  "AMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"                      \
  "AAAAQAAAAFBFAABMAQAAAAAAAAAAAAAAAAAA4AAAAAsBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
#define PROGRAM_QP                                                                                 \
  "MZ=\n"                                                                                          \
  "=90=00=03=00=00=00=04=00=00=00=FF=FF=00=00=B8=00=00=00=00=00=00=00=40=00=\n"                    \
  "=00=00=00=00=00=00=00=00=00=00=00=00=00=00=00=00=00=00=00=00=00=00=00=00=\n"                    \
  "=00=00=00=00=00=00=00=00=00=00=40=00=00=00=50=45=00=00=4C=01=00=00=00=00=\n"                    \
  "=00=00=00=00=00=00=00=00=00=00=E0=00=00=00=0B=01=00=00=00=00=00=00=00=00=\n"                    \
  "=00=00=00=00=00=00=00=00=00=00=00=00=00=00=00=00\n"
#define PROGRAM_UU                                                                                 \
  "M35J0  ,    $    __\\  +@         0                           \n"                               \
  "M                    0    %!%  !, 0                  X     L!\n"                                \
  "8                                \n"

WeirTestResult *
run_bytes (const char *options, const char *message, gsize length)
{
  g_autofree char *filter
      = g_strdup_printf ("filter \"f\" { module = \"attachments\"\n%s\n}", options);
  g_autoptr (WeirTest) harness = weir_test_new ("\"f\"", filter);

  return weir_test_run (harness, message, length);
}

WeirTestResult *
run (const char *options, const char *message)
{
  g_autofree char *wire = weir_test_crlf (message);

  return run_bytes (options, wire, strlen (wire));
}

void
assert_refused (const WeirTestResult *result, const char *what)
{
  if (result->verdict == WEIR_TEST_REFUSED && g_str_has_prefix (result->reply, "550 5.7.1 "))
    return;
  g_test_message ("verdict %d, reply %s: %s", result->verdict, result->reply, what);
  g_test_fail ();
}

void
check_harmless (WeirTest *harness, const char *message)
{
  g_autofree char *wire = weir_test_crlf (message);
  g_autoptr (WeirTestResult) result = weir_test_run (harness, wire, strlen (wire));

  if (result->verdict != WEIR_TEST_PASS)
    g_error ("verdict %d, reply %s: %s", result->verdict, result->reply, message);
  g_assert_cmpuint (result->n_edits, ==, 0);
  weir_test_assert_message (result, wire, strlen (wire));
}

/* ---- Structure ---- */

#define EVIL "Content-Disposition: attachment; filename=evil.exe\n\nMZ\n"

/* Messages in which the part is where not every parser looks. */
static const char *const structures[] = {
  /* prologue and epilogue */
  "Content-Type: multipart/mixed; boundary=x\n\n--y\n" EVIL "--x\n\ntext\n--x--\n",
  "Content-Type: multipart/mixed; boundary=x\n\n" EVIL "--x\n\ntext\n--x--\n",
  "Content-Type: multipart/mixed; boundary=x\n\n--x\n\ntext\n--x--\n\n--x\n" EVIL,
  /* no boundary, two boundaries, an odd one */
  "Content-Type: multipart/mixed\n\n--x\n" EVIL "--x--\n",
  "Content-Type: multipart/mixed; boundary=\"\"\n\n--x\n" EVIL "--x--\n",
  "Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--a\n\ntext\n--b\n" EVIL
  "--b--\n--a--\n",
  "Content-Type: multipart/mixed; boundary=b; boundary=a\n\n--a\n\ntext\n--b\n" EVIL
  "--b--\n--a--\n",
  "Content-Type: multipart/mixed; boundary=a; boundary*0=b\n\n--a\n\ntext\n--b\n" EVIL
  "--b--\n--a--\n",
  "Content-Type: multipart/mixed; boundary=a\n\n--a\n\ntext\n--aa\n" EVIL "--aa\n--a--\n",
  "Content-Type: multipart/mixed; boundary=Abc\n\n--Abc\n\ntext\n--abc\n" EVIL "--abc\n--Abc--\n",
  "Content-Type: multipart/mixed; boundary=a\n\n--a \n" EVIL "--a--\n",
  "Content-Type: multipart/mixed; boundary=a\n\n--a\n\ntext\n--a--\n--a\n" EVIL "--a--\n",
  "Content-Type: multipart/mixed; boundary=a\n\n--a\n" EVIL,
  /* two Content-Type fields, two encodings */
  "Content-Type: multipart/mixed; boundary=a\nContent-Type: text/plain\n\n--a\n" EVIL "--a--\n",
  "Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=a\n\n--a\n" EVIL "--a--\n",
  "Content-Type: multipart/mixed; boundary=a\nContent-Type: multipart/mixed; boundary=b\n\n"
  "--b\n\ntext\n--a\n" EVIL "--a--\n--b--\n",
  /* nested */
  "Content-Type: message/rfc822\n\nSubject: x\n" EVIL,
  "Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=a\n\n--a\n" EVIL
  "--a--\n",
  "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; "
  "boundary=b\n\n--b\n" EVIL "--b--\n--a--\n",
  "Content-Type: message/partial; number=1; id=x\n\nSubject: x\n" EVIL,
  "Content-Type: message/external-body; access-type=x; name=evil.exe\n\n\n\n",
  /* quoted-printable: "evil=2Eexe" in an encoded message, and in an encoded multipart */
  "Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\nContent-Disposition"
  ": attachment; filename=3Devil=\n=2Eexe\n\nMZ\n",
  "Content-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: quoted-printable\n\n--a\n"
  "Content-Disposition: attachment; filename=3Devil=2Eexe\n\nMZ\n--a--\n",
  /* uuencode */
  "Subject: x\n\nhello\nbegin 644 evil.exe\n#35K0\n`\nend\n",
  "Subject: x\n\nhello\nbegin  0644  my evil.exe \n#35K0\n`\nend\n",
  "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\nbegin 644 evil=2Eexe\n",
  "Subject: x\n\nbegin-base64 644 evil.exe\nTVqQ\n====\n",
};

static void
test_structures (void)
{
  g_autoptr (WeirTest) harness
      = weir_test_new ("\"f\"", "filter \"f\" { module = \"attachments\"\n" DENY "}");

  for (guint i = 0; i < G_N_ELEMENTS (structures); i++)
    {
      g_autofree char *wire = weir_test_crlf (structures[i]);
      g_autoptr (WeirTestResult) result = weir_test_run (harness, wire, strlen (wire));

      assert_refused (result, structures[i]);
    }
}

static char *
wrap_base64 (const char *fields, const char *inner)
{
  g_autofree char *wire = weir_test_crlf (inner);
  g_autofree char *encoded = g_base64_encode ((const guchar *) wire, strlen (wire));

  return g_strconcat (fields, "\nContent-Transfer-Encoding: base64\n\n", encoded, "\n", NULL);
}

static void
test_encoded_messages (void)
{
  static const char *const fields[]
      = { "Content-Type: message/rfc822", "Content-Type: multipart/mixed; boundary=a",
          "Content-Type: message/global", "Content-Type: application/octet-stream; name=mail.eml",
          "Content-Type: message/rfc822\nContent-Transfer-Encoding: 7bit" };

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      g_autofree char *once = wrap_base64 (fields[i], "Subject: x\n\n--a\n" EVIL "--a--\n");
      g_autofree char *twice = wrap_base64 ("Content-Type: message/rfc822", once);
      g_autoptr (WeirTestResult) first = run (DENY, once);
      g_autoptr (WeirTestResult) second = run (DENY, twice);

      assert_refused (first, once);
      assert_refused (second, twice);
    }
}

static void
test_nesting_limit (void)
{
  g_autofree char *message = g_strdup ("Subject: x\n\nharmless\n");

  for (guint i = 0; i < 20; i++)
    {
      g_autofree char *outer = wrap_base64 ("Content-Type: message/rfc822", message);

      g_free (message);
      message = g_steal_pointer (&outer);
      if (i == 9)
        {
          g_autoptr (WeirTestResult) ten = run (DENY, message);

          g_assert_cmpint (ten->verdict, ==, WEIR_TEST_PASS);
        }
    }
  {
    g_autoptr (WeirTestResult) twenty = run (DENY, message);

    assert_refused (twenty, "too deep");
    g_assert_nonnull (strstr (twenty->reply, "too much to look at"));
  }
}

static void
test_nul (void)
{
  static const char name[]
      = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
        "Content-Disposition: attachment; x=\0; filename=evil.exe\r\n\r\nMZ\r\n--a--\r\n";
  static const char inside[]
      = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
        "Content-Disposition: attachment; filename=\"evil.exe\0.txt\"\r\n\r\nMZ\r\n"
        "--a--\r\n";
  g_autoptr (WeirTestResult) first = run_bytes (DENY, name, sizeof (name) - 1);
  g_autoptr (WeirTestResult) second = run_bytes (DENY, inside, sizeof (inside) - 1);

  /* The host may refuse a NUL in a field by itself; it must not pass. */
  g_assert_cmpint (first->verdict, ==, WEIR_TEST_REFUSED);
  g_assert_cmpint (second->verdict, ==, WEIR_TEST_REFUSED);
}

static const char *const fine[] = {
  "Subject: x\n\nFrom: quoted\nno attachment\n",
  "Subject: x\n\n> Content-Disposition: attachment; filename=evil.exe\n",
  "Subject: x\n\nContent-Disposition: attachment; filename=evil.exe\nis how a part begins\n",
  "Subject: x\n\nbegin 9 to 5, evil.exe\nbegin again\nbegin 644\n",
  "Content-Type: multipart/mixed; boundary=\"a b\"\n\nprologue\n--a b\n\ntext\n--a "
  "b\nContent-Type: "
  "application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\nJVBERi0=\n--a b--\nepilogue\n",
  "Content-Type: multipart/alternative; boundary=a\n\n--a\n\nx\n-- \nsignature\n--a\n"
  "Content-Type: text/html\n\n<p>x\n--a--\n",
  "Content-Type: message/rfc822\n\nSubject: y\n\ntext\n",
  "Content-Type: multipart/report; boundary=a\n\n--a\n\nfailed\n--a\nContent-Type: "
  "message/delivery-status\n\nReporting-MTA: dns; x\n\nStatus: 5.0.0\n\n--a\nContent-Type: "
  "text/rfc822-headers\n\nSubject: z\n\n--a--\n",
  "\nno header\n",
};

static void
test_fine (void)
{
  g_autoptr (WeirTest) harness = weir_test_new (
      "\"f\"", "filter \"f\" { module = \"attachments\"\n" DENY TYPES "action = \"strip\" }");

  for (guint i = 0; i < G_N_ELEMENTS (fine); i++)
    check_harmless (harness, fine[i]);
}

/* ---- Types ---- */

static void
test_types (void)
{
  static const char *const declared[]
      = { "Content-Type: application/x-dosexec", "content-type: Application / X-DOSEXEC ; x=y",
          "Content-Type: (c) application/x-dosexec (d)",
          "Content-Type: text/plain\nContent-Type: application/x-dosexec",
          "Content-Type: application/vnd.microsoft.portable-executable" };

  for (guint i = 0; i < G_N_ELEMENTS (declared); i++)
    {
      g_autofree char *message = g_strconcat (declared[i], "\n\nx\n", NULL);
      g_autoptr (WeirTestResult) result = run (TYPES, message);

      assert_refused (result, message);
    }
}

static void
test_detected (void)
{
  static const char *const messages[] = {
    "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n" PROGRAM,
    "Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: BASE64 (c)\n\n" PROGRAM,
    "Content-Transfer-Encoding: base64\n\n=\n" PROGRAM,
    "Content-Transfer-Encoding: base64\n\n!!??\n" PROGRAM,
    "Content-Type: a/b\nContent-Transfer-Encoding: base64\n\nT=VqQ" PROGRAM_REST,
    "Content-Type: a/b\nContent-Transfer-Encoding: base64\n\nTVqQA=" PROGRAM_REST_OF_5,
    "Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n\n" PROGRAM,
    "Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: 7bit\n\n" PROGRAM,
    "Content-Transfer-Encoding: base-64\n\n" PROGRAM,
    "Content-Transfer-Encoding: quoted-printable\n\n" PROGRAM_QP,
    "Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a.txt\n" PROGRAM_UU "`\nend\n",
    "Subject: x\n\nbegin 644 a.txt\n" PROGRAM_UU "`\nend\n",
    "Content-Type: message/rfc822\n\nContent-Transfer-Encoding: base64\n\n" PROGRAM,
    "Content-Type: multipart/mixed\n\n--x\nContent-Transfer-Encoding: base64\n\n" PROGRAM "--x--\n",
  };

  for (guint i = 0; i < G_N_ELEMENTS (messages); i++)
    {
      g_autoptr (WeirTestResult) result = run (TYPES, messages[i]);
      g_autoptr (WeirTestResult) off = run (TYPES "detect = false", messages[i]);

      assert_refused (result, messages[i]);
      g_assert_cmpint (off->verdict, ==, WEIR_TEST_PASS);
    }
}

/* ---- Actions ---- */

#define BEFORE                                                                                     \
  "Subject: x\nContent-Type: multipart/mixed; boundary=x\n\nprologue\n--x\n\ntext \n--x\n"
#define AFTER "\n--x\nContent-Type: text/plain; name=ok.txt\n\nodd\tbytes \xff\n--x--\nepilogue"

static void
test_strip (void)
{
  g_autofree char *before = weir_test_crlf (BEFORE);
  g_autofree char *after = weir_test_crlf (AFTER);
  g_autoptr (WeirTestResult) result
      = run (DENY "action = \"strip\" note = \"gone: %s!\"",
             BEFORE "Content-Type: x/y; name=\"evil\u202e.exe\"\n\nMZ" AFTER);
  gsize size;
  const char *bytes = g_bytes_get_data (result->message, &size);
  g_autofree char *text = g_strndup (bytes, size);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_true (g_str_has_prefix (text, before));
  g_assert_true (g_str_has_suffix (text, after));
  g_assert_nonnull (strstr (text, "gone: evil?.exe!"));
  g_assert_null (strstr (text, "MZ"));
  g_assert_nonnull (strstr (result->notes, "attachments-denied=evil?.exe (extension exe)"));
}

/* Content-Type and Content-Disposition both name it. */
static void
test_finding_is_told_once (void)
{
  g_autoptr (WeirTestResult) result
      = run (DENY, BEFORE "Content-Type: x/y; name=\"a.exe\"\n"
                          "Content-Disposition: attachment; filename=\"a.exe\"\n\nMZ" AFTER);

  g_assert_nonnull (strstr (result->notes, "attachments-denied=a.exe (extension exe)"));
  g_assert_null (strstr (result->notes, "a.exe (extension exe), a.exe"));
}

static void
test_strip_several (void)
{
  g_autoptr (WeirTestResult) result
      = run (DENY "action = \"strip\"",
             "Content-Type: multipart/mixed; boundary=x\n\n--x\n" EVIL "--x\n\nkeep\n--x\n"
             "Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=y\n\n--y\n"
             "Content-Type: a/b; name=b.scr\n\nMZ\n--y\n\nkeep too\n--y--\n\n--x--\n");
  g_autofree char *text
      = g_strndup (g_bytes_get_data (result->message, NULL), g_bytes_get_size (result->message));

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_null (strstr (text, "MZ"));
  g_assert_nonnull (strstr (text, "evil.exe"));
  g_assert_nonnull (strstr (text, "b.scr"));
  g_assert_nonnull (strstr (text, "keep\r\n"));
  g_assert_nonnull (strstr (text, "keep too\r\n"));
  {
    g_autoptr (WeirTestResult) again = run_bytes (DENY "action = \"strip\"", text, strlen (text));

    g_assert_cmpint (again->verdict, ==, WEIR_TEST_PASS);
    g_assert_cmpuint (again->n_edits, ==, 0);
  }
}

static void
test_strip_whole_message (void)
{
  g_autoptr (WeirTestResult) result = run (
      DENY "action = \"strip\"", "From: a@b\nContent-Type: a/b; name=evil.exe\nSubject: s\n\nMZ\n");
  g_autofree char *text
      = g_strndup (g_bytes_get_data (result->message, NULL), g_bytes_get_size (result->message));

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_null (strstr (text, "MZ"));
  g_assert_true (g_str_has_prefix (text, "From: a@b\r\n"));
  g_assert_nonnull (strstr (text, "Subject: s\r\n"));
}

/* What stands outside of every part can not be cut out: the same part twice, once hidden. */
static void
test_strip_hidden (void)
{
  g_autoptr (WeirTestResult) result
      = run (DENY "action = \"strip\"",
             "Content-Type: multipart/mixed; boundary=x\n\n--x\n" EVIL "--x--\n\n--x\n" EVIL);

  assert_refused (result, "hidden");
}

static void
test_quarantine (void)
{
  g_autoptr (WeirTestResult) result = run (DENY "action = \"quarantine\"", EVIL);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_QUARANTINED);
  g_assert_cmpstr (result->reply, ==, "attachment \"evil.exe\": extension exe");
}

static void
test_reply (void)
{
  g_autoptr (WeirTestResult) ours = run (DENY, EVIL);
  g_autoptr (WeirTestResult) theirs = run (DENY "reply = \"no %s, %d %n\"", EVIL);
  g_autoptr (WeirTestResult) clean
      = run (DENY, "Content-Type: a/b; name=\"x\r\n 250 ok\u202e\t%s.exe\"\n\n");

  g_assert_cmpstr (ours->reply, ==,
                   "550 5.7.1 Attachment \"evil.exe\" is not accepted here: extension exe");
  g_assert_cmpstr (theirs->reply, ==, "550 5.7.1 no evil.exe, %d %n");
  g_assert_cmpstr (clean->reply, ==,
                   "550 5.7.1 Attachment \"x 250 ok??%s.exe\" is not accepted here: extension exe");
}

static void
test_load_errors (void)
{
  static const char *const bad[][2] = {
    { "", "neither deny nor deny-types" },
    { "deny = [\"exe\", \"\"]", "deny: \"\"" },
    { "deny = [\"a/b\"]", "is no extension" },
    { "deny = [\"*.*\"]", "is no extension" },
    { "deny-types = [\"exe\"]", "is no type" },
    { "deny-types = [\"a /b\"]", "stands in no type" },
    { "archive-depth = 0 " DENY, "archive-depth" },
    { "allow = [\"a b\"]", "is no extension" },
    { "allow-types = [\"exe\"]", "is no type" },
    { DENY "archives = false encrypted = \"strip\"", "encrypted: only where" },
    { DENY "action = \"explode\"", "action" },
    { DENY "denny = [\"x\"]", "deny" },
  };

  pages_expect_load_errors ("attachments", bad, G_N_ELEMENTS (bad));
}

/* ---- Limits and bulk ---- */

static void
test_too_many_parameters (void)
{
  g_autoptr (GString) message = g_string_new ("Content-Type: a/b");

  for (guint i = 0; i < 200; i++)
    g_string_append_printf (message, ";\n name*%u=x", i);
  {
    g_autofree char *at = g_strconcat (message->str, "\n\n", NULL);
    g_autofree char *over = g_strconcat (message->str, ";\n name*200=x\n\n", NULL);
    g_autoptr (WeirTestResult) fits = run (DENY, at);
    g_autoptr (WeirTestResult) refused = run (DENY, over);

    g_assert_cmpint (fits->verdict, ==, WEIR_TEST_PASS);
    assert_refused (refused, "201 parameters");
  }
}

/* Entities inside entities, as many as fit: ends by the budget, and is refused. */
static void
test_budget (void)
{
  g_autoptr (GString) message = g_string_new ("Content-Type: multipart/mixed\n\n");
  g_autoptr (WeirTestResult) result = NULL;

  for (guint i = 0; i < 40000; i++)
    g_string_append (message, "Content-Type: a/b\nContent-Transfer-Encoding: x\n\n");
  result = run (DENY, message->str);
  g_assert_cmpint (result->verdict, ==, WEIR_TEST_REFUSED);
}

/* Each charset wants a converter, and there are so many for a message. */
static void
test_charset_budget (void)
{
  for (guint count = 32; count <= 33; count++)
    {
      g_autoptr (GString) message = g_string_new ("Content-Type: x/y; name=\"");
      g_autoptr (WeirTestResult) result = NULL;

      for (guint i = 0; i < count; i++)
        g_string_append_printf (message, "=?x-%u?B?YQ==?= ", i);
      g_string_append (message, "\"\n\n\n");
      result = run (DENY, message->str);
      if (count == 32)
        g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
      else
        g_assert_nonnull (strstr (result->reply, "too much to look at"));
    }
}

static void
check_corpus_file (const char *path, const char *message, gsize length, gpointer data)
{
  g_autoptr (WeirTestResult) result = NULL;

  g_test_message ("%s", path);
  result = weir_test_run (data, message, length);
  g_assert_cmpint (result->verdict, !=, WEIR_TEST_FAILED);
}

static void
test_corpus (void)
{
  g_autoptr (WeirTest) harness = weir_test_new (
      "\"f\", \"g\"",
      "filter \"f\" { module = \"attachments\" deny = [\"exe\", \"zip\", \"doc\", \"txt\"]\n"
      "deny-types = [\"image/*\"] action = \"strip\" timeout = 60s }\n"
      "filter \"g\" { module = \"headers\" remove = [\"X-*\"] replace = [\"Subject: s\"]\n"
      "rewrite-headers = [\"*@* => *@*.test\"] }");

  if (!pages_corpus (check_corpus_file, harness))
    g_test_skip ("MAILWEIR_CORPUS is no folder");
}

static void
test_decode (void)
{
  static const struct
  {
    DecodeEncodings encoding;
    const char *text, *expected;
  } rows[] = {
    { DECODE_BASE64, "SGVsbG8=\r\nIHdvcmxk", "Hello world" },
    { DECODE_BASE64, "SG!Vs bG8", "Hello" },
    { DECODE_BASE64, "====SGVsbG8", "Hello" },
    { DECODE_BASE64_JOINED, "S=GV=sbG8=", "Hello" },
    { DECODE_QUOTED_PRINTABLE, "a=3Db=\r\nc= \r\nd=zz=", "a=bcd=zz=" },
    { DECODE_UUENCODE, "x\nbegin 644 a\n#35K0\n`\nend\n#35K0\n", "MZ\xd0" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GByteArray) out = decode_bytes (rows[i].encoding, (const guint8 *) rows[i].text,
                                                 strlen (rows[i].text), 99);
      g_autoptr (GByteArray) bounded = decode_bytes (
          rows[i].encoding, (const guint8 *) rows[i].text, strlen (rows[i].text), 1);

      g_assert_cmpmem (out->data, out->len, rows[i].expected, strlen (rows[i].expected));
      g_assert_cmpuint (bounded->len, <=, 63);
    }
}

static void
add_archive_tests (void)
{
#ifdef HAVE_LIBARCHIVE
  g_test_add_func ("/attachments/archive/formats", test_archive_formats);
  g_test_add_func ("/attachments/archive/names", test_archive_names);
  g_test_add_func ("/attachments/archive/nested", test_archive_nested);
  g_test_add_func ("/attachments/archive/encrypted", test_archive_encrypted);
  g_test_add_func ("/attachments/archive/broken", test_archive_broken);
  g_test_add_func ("/attachments/archive/zip-headers", test_archive_zip_headers);
  g_test_add_func ("/attachments/archive/hidden-twice", test_archive_hidden_twice);
  g_test_add_func ("/attachments/archive/disguised", test_archive_disguised);
  g_test_add_func ("/attachments/archive/foreign-names", test_archive_foreign_names);
  g_test_add_func ("/attachments/archive/name-in-note", test_archive_name_in_note);
  g_test_add_func ("/attachments/archive/allow", test_archive_allow);
  g_test_add_func ("/attachments/archive/limit-depth", test_limit_depth);
  g_test_add_func ("/attachments/archive/limit-members", test_limit_members);
  g_test_add_func ("/attachments/archive/limit-size", test_limit_size);
  g_test_add_func ("/attachments/archive/limit-ratio", test_limit_ratio);
  g_test_add_func ("/attachments/archive/limit-nested", test_limit_nested);
  g_test_add_func ("/attachments/archive/limit-time", test_limit_time);
  g_test_add_func ("/attachments/archive/limit-streamed", test_limit_streamed);
  g_test_add_func ("/attachments/archive/bomb", test_bomb_nested);
  g_test_add_func ("/attachments/archive/many-members", test_many_members);
  g_test_add_func ("/attachments/macros", test_macros);
  g_test_add_func ("/attachments/ole2", test_ole2);
  g_test_add_func ("/attachments/tnef", test_tnef);
  g_test_add_func ("/attachments/actions", test_actions);
#endif
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_archive_tests ();
#ifdef HAVE_LIBARCHIVE
  g_test_add_func ("/attachments/readme", test_readme);
#endif
  g_test_add_func ("/attachments/mismatch", test_mismatch);
  g_test_add_func ("/attachments/ambiguous", test_ambiguous);
  g_test_add_func ("/attachments/allow", test_allow);
  g_test_add_func ("/attachments/sizes", test_sizes);
  g_test_add_func ("/attachments/many-findings", test_many_findings);
  g_test_add_func ("/attachments/source", test_source);
  g_test_add_func ("/attachments/told-once", test_finding_is_told_once);
  g_test_add_func ("/attachments/decode", test_decode);
  g_test_add_func ("/attachments/names", test_names);
  g_test_add_func ("/attachments/fine-names", test_fine_names);
  g_test_add_func ("/attachments/structures", test_structures);
  g_test_add_func ("/attachments/encoded-messages", test_encoded_messages);
  g_test_add_func ("/attachments/nesting-limit", test_nesting_limit);
  g_test_add_func ("/attachments/signed", test_signed);
  g_test_add_func ("/attachments/ber", test_ber);
  g_test_add_func ("/attachments/digest", test_digest);
  g_test_add_func ("/attachments/inline", test_inline);
  g_test_add_func ("/attachments/disputed", test_disputed);
  g_test_add_func ("/attachments/collisions", test_collisions);
  g_test_add_func ("/attachments/nul", test_nul);
  g_test_add_func ("/attachments/fine", test_fine);
  g_test_add_func ("/attachments/types", test_types);
  g_test_add_func ("/attachments/detected", test_detected);
  g_test_add_func ("/attachments/strip", test_strip);
  g_test_add_func ("/attachments/strip-several", test_strip_several);
  g_test_add_func ("/attachments/strip-whole-message", test_strip_whole_message);
  g_test_add_func ("/attachments/strip-hidden", test_strip_hidden);
  g_test_add_func ("/attachments/quarantine", test_quarantine);
  g_test_add_func ("/attachments/reply", test_reply);
  g_test_add_func ("/attachments/load-errors", test_load_errors);
  g_test_add_func ("/attachments/too-many-parameters", test_too_many_parameters);
  g_test_add_func ("/attachments/budget", test_budget);
  g_test_add_func ("/attachments/charset-budget", test_charset_budget);
  g_test_add_func ("/attachments/corpus", test_corpus);
  return g_test_run ();
}
