/* Office files, TNEF, types that lie, ambiguous structure, allow lists, sizes, and the action of
 * each condition. */
#include <string.h>

#include "source.h"
#include "test-archives.h"
#include "test-attachments.h"

#define MACROS "macros = \"reject\"\n"

void
test_macros (void)
{
  static const File with_project[]
      = { { "[Content_Types].xml", "<Types/>", 8 }, { "word/vbaProject.bin", "x", 1 } };
  static const char types[] = "<Override ContentType=\"application/vnd.ms-word.document."
                              "macroEnabled.main+xml\"/>";
  static const File with_type[] = { { "[Content_Types].xml", types, sizeof types - 1 } };
  static const File sheets[] = { { "xl/macrosheets/sheet1.xml", "x", 1 } };
  static const File plain[]
      = { { "[Content_Types].xml", "<Types/>", 8 }, { "word/document.xml", "x", 1 } };
  static const struct
  {
    const File *files;
    gsize count;
  } rows[] = { { with_project, 2 }, { with_type, 1 }, { sheets, 1 } };
  g_autoptr (GByteArray) fine = make_archive (MAKE_ZIP, plain, 2);
  g_autoptr (WeirTestResult) passed = run_attachment (MACROS, "a.docx", fine);

  assert_passes (passed, "no macros");
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GByteArray) data = make_archive (MAKE_ZIP, rows[i].files, rows[i].count);
      g_autoptr (GByteArray) outer = make_one (MAKE_TAR_GZ, "a.docx", data->data, data->len);
      g_autoptr (WeirTestResult) refused = run_attachment (MACROS, "a.docx", data);
      g_autoptr (WeirTestResult) nested = run_attachment (MACROS, "a.tgz", outer);
      g_autoptr (WeirTestResult) ignored = run_attachment (DENY, "a.docx", data);

      assert_reason (refused, "macros", rows[i].files[0].name);
      assert_reason (nested, "macros", rows[i].files[0].name);
      assert_passes (ignored, rows[i].files[0].name);
    }
}

/* ---- OLE2 ---- */

static void
put_32 (guint8 *at, guint32 value)
{
  for (guint i = 0; i < 4; i++)
    at[i] = (guint8) (value >> 8 * i);
}

/* Header, allocation table in sector 0, `sectors` of directory from sector 1 on with one name in
 * the last. */
static GByteArray *
make_ole2 (const char *name, guint sectors)
{
  GByteArray *out = g_byte_array_new ();
  guint8 *header, *table, *entry;

  g_byte_array_set_size (out, 512 * (2 + sectors));
  memset (out->data, 0, out->len);
  header = out->data;
  table = header + 512;
  memcpy (header, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8);
  header[30] = 9;
  put_32 (header + 44, 1);
  put_32 (header + 48, 1);
  put_32 (header + 68, 0xfffffffe);
  memset (header + 76, 0xff, 436);
  put_32 (header + 76, 0);
  memset (table, 0xff, 512);
  for (guint i = 1; i <= sectors; i++)
    put_32 (table + 4 * i, i == sectors ? 0xfffffffe : i + 1);
  entry = out->data + out->len - 128;
  for (guint i = 0; name[i] != '\0'; i++)
    entry[2 * i] = (guint8) name[i];
  entry[66] = 1;
  return out;
}

void
test_ole2 (void)
{
  g_autoptr (GByteArray) macros = make_ole2 ("_VBA_PROJECT_CUR", 3);
  g_autoptr (GByteArray) plain = make_ole2 ("WordDocument", 3);
  g_autoptr (GByteArray) sealed = make_ole2 ("EncryptedPackage", 1);
  g_autoptr (GByteArray) loop = make_ole2 ("WordDocument", 3);
  g_autoptr (GByteArray) cut = make_ole2 ("WordDocument", 3);
  g_autoptr (WeirTestResult) refused = run_attachment (MACROS, "a.doc", macros);
  g_autoptr (WeirTestResult) renamed = run_attachment (MACROS, "a.txt", macros);
  g_autoptr (WeirTestResult) passed = run_attachment (MACROS, "a.doc", plain);
  g_autoptr (WeirTestResult) encrypted
      = run_attachment ("encrypted = \"reject\"", "a.docx", sealed);
  g_autoptr (WeirTestResult) endless = NULL, broken = NULL;

  put_32 (loop->data + 512 + 4 * 3, 1);
  endless = run_attachment (MACROS, "a.doc", loop);
  g_byte_array_set_size (cut, 512 * 3);
  broken = run_attachment (MACROS, "a.doc", cut);
  assert_reason (refused, "macros: _VBA_PROJECT_CUR", "doc");
  assert_reason (renamed, "macros: _VBA_PROJECT_CUR", "txt");
  assert_passes (passed, "no macros");
  assert_reason (encrypted, "encrypted: a document", "docx");
  assert_reason (endless, "broken-archive", "loop");
  assert_reason (broken, "broken-archive", "cut");
}

/* ---- TNEF ---- */

static void
add_attribute (GByteArray *to, guint32 number, const void *data, guint length)
{
  guint8 head[9] = { 2 }, sum[2] = { 0 };

  put_32 (head + 1, number);
  put_32 (head + 5, length);
  g_byte_array_append (to, head, sizeof head);
  g_byte_array_append (to, data, length);
  g_byte_array_append (to, sum, sizeof sum);
}

void
test_tnef (void)
{
  static const guint8 start[] = { 0x78, 0x9f, 0x3e, 0x22, 1, 0 };
  static const char wide[] = "\x1f\0\x07\x37\1\0\0\0\x12\0\0\0e\0v\0i\0l\0.\0e\0x\0e\0\0";
  g_autoptr (GByteArray) title = g_byte_array_new (), properties = g_byte_array_new (),
                         plain = g_byte_array_new (), cut = g_byte_array_new ();
  g_autoptr (WeirTestResult) by_title = NULL, by_property = NULL, passed = NULL, all = NULL,
                             broken = NULL;

  g_byte_array_append (title, start, sizeof start);
  add_attribute (title, 0x00018010, "evil.exe", 9);
  g_byte_array_append (properties, start, sizeof start);
  add_attribute (properties, 0x00018010, "EVIL~1.TXT", 11);
  add_attribute (properties, 0x00069005, wide, sizeof wide);
  g_byte_array_append (plain, start, sizeof start);
  add_attribute (plain, 0x00018010, "good.txt", 9);
  g_byte_array_append (cut, plain->data, 10);
  by_title = run_attachment (DENY, "winmail.dat", title);
  by_property = run_attachment (DENY, "winmail.dat", properties);
  passed = run_attachment (DENY, "winmail.dat", plain);
  all = run_attachment ("tnef = \"reject\"", "winmail.dat", plain);
  broken = run_attachment (DENY, "winmail.dat", cut);
  assert_reason (by_title, "extension exe of a file in it", "title");
  assert_reason (by_property, "extension exe of a file in it", "properties");
  assert_passes (passed, "good.txt");
  assert_reason (all, "tnef", "any");
  assert_reason (broken, "broken-archive", "cut");
}

/* ---- Types, structure, lists, sizes ---- */

#define PNG                                                                                        \
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+"                                  \
  "M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

static void
check_mismatch (const char *fields, gboolean lies)
{
  g_autofree char *message
      = g_strconcat (fields, "\nContent-Transfer-Encoding: base64\n\n" PNG "\n", NULL);
  g_autoptr (WeirTestResult) result = run ("mismatch = \"reject\"", message);

  if (lies)
    assert_reason (result, "mismatch: ", fields);
  else
    assert_passes (result, fields);
}

void
test_mismatch (void)
{
  check_mismatch ("Content-Type: image/png; name=a.png", FALSE);
  check_mismatch ("Content-Type: image/jpeg; name=a.jpg", FALSE);
  check_mismatch ("Content-Type: application/octet-stream; name=a.png", FALSE);
  check_mismatch ("Content-Type: application/octet-stream; name=a.unknown", FALSE);
  check_mismatch ("Content-Type: application/octet-stream", FALSE);
  check_mismatch ("Content-Type: application/pdf; name=a.png", TRUE);
  check_mismatch ("Content-Type: image/png; name=a.pdf", TRUE);
  check_mismatch ("Content-Type: image/png; name=a.exe", TRUE);
  check_mismatch ("Content-Type: application/octet-stream; name=a.docx", TRUE);
}

#define CLEAR "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n"

void
test_ambiguous (void)
{
  static const char *const messages[] = {
    "Content-Type: text/plain\nContent-Type: text/html\n\nx\n",
    "Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n\nx\n",
    "Content-Disposition: inline\nContent-Disposition: attachment\n\nx\n",
    "Content-Transfer-Encoding: base-64\n\nx\n",
    "Content-Type: multipart/mixed; boundary=a; boundary=b\n\n--a\n\nx\n--a--\n",
    "Content-Type: multipart/mixed; boundary=a; boundary*0=b\n\n--a\n\nx\n--a--\n",
    "Content-Type: multipart/mixed\n\n--a\n\nx\n--a--\n",
    "Content-Type: multipart/mixed; boundary=\"\"\n\n--a\n\nx\n--a--\n",
    "Content-Type: multipart/mixed; boundary=a\nContent-Transfer-Encoding: base64\n\n--a\n\nx\n",
    "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoKeAo=\n",
    "Content-Type: text/plain (never closed; name=a\n\nx\n",
    "Content-Type: text/plain; name=\"never closed\n\nx\n",
    "Content-Type: text/plain; name=a; name=b\n\nx\n",
    "Content-Disposition: attachment; filename*0=a; filename*2=b\n\nx\n",
    CLEAR "--bb\n\nmore\n--b--\n",
  };
  g_autoptr (WeirTestResult) clear = run ("ambiguous = \"reject\"", CLEAR "--b--\n");

  assert_passes (clear, CLEAR);
  for (guint i = 0; i < G_N_ELEMENTS (messages); i++)
    {
      g_autoptr (WeirTestResult) refused = run ("ambiguous = \"reject\"", messages[i]);
      g_autoptr (WeirTestResult) passed = run (DENY, messages[i]);

      assert_refused (refused, messages[i]);
      assert_passes (passed, messages[i]);
    }
}

void
test_allow (void)
{
  static const char *const allowed[] = {
    "Content-Disposition: attachment; filename=a.pdf\n\nx\n",
    "Content-Disposition: attachment; filename=\"my a.PDF\"\n\nx\n",
    "Content-Disposition: attachment; filename*=utf-8''%C3%A4.pdf\n\nx\n",
    "Content-Disposition: attachment; filename=\"=?utf-8?q?=C3=A4=2Epdf?=\"\n\nx\n",
    "Content-Disposition: attachment; filename*0=a.p; filename*1=df\n\nx\n",
    "Content-Type: text/plain\n\nx\n",
    "Subject: x\n\nx\n",
  };
  static const char *const others[] = {
    "Content-Disposition: attachment; filename=a.doc\n\nx\n",
    "Content-Disposition: attachment; filename=a\n\nx\n",
    "Content-Disposition: attachment\n\nx\n",
    "Content-Type: image/png\n\nx\n",
    "Content-Disposition: attachment; filename=a.exe; filename=a.pdf\n\nx\n",
    "Content-Disposition: attachment; filename=\"a.exe:b.pdf\"\n\nx\n",
    "Content-Type: x/y; name=a.exe\nContent-Disposition: attachment; filename=a.pdf\n\nx\n",
    "Subject: x\n\nbegin 644 a.exe\n#35K0\n`\nend\n",
  };

  for (guint i = 0; i < G_N_ELEMENTS (allowed); i++)
    {
      g_autoptr (WeirTestResult) result = run ("allow = [\"pdf\"]", allowed[i]);

      assert_passes (result, allowed[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_autoptr (WeirTestResult) result = run ("allow = [\"pdf\"]", others[i]);

      assert_refused (result, others[i]);
    }
  {
    g_autoptr (WeirTestResult) fits
        = run ("allow-types = [\"image/*\"]",
               "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n" PNG "\n");
    g_autoptr (WeirTestResult) declared
        = run ("allow-types = [\"image/*\"]",
               "Content-Type: a/b\nContent-Transfer-Encoding: base64\n\n" PNG "\n");
    g_autoptr (WeirTestResult) detected
        = run ("allow-types = [\"application/pdf\"]",
               "Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n" PNG "\n");

    assert_passes (fits, "image");
    assert_reason (declared, "type a/b, which is not on the list", "a/b");
    assert_reason (detected, "detected type image/png, which is not on the list", "image");
  }
}

void
test_sizes (void)
{
  static const char message[]
      = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext that is no attachment\n--b\n"
        "Content-Type: a/b\nContent-Transfer-Encoding: base64\n\nMTIz\nNDU2Nzg5MA==\n--b\n"
        "Content-Disposition: attachment\n\n1\n--b--\n";
  g_autoptr (WeirTestResult) ten = run ("max-size = 10", message);
  g_autoptr (WeirTestResult) nine = run ("max-size = 9", message);
  g_autoptr (WeirTestResult) two = run ("max-count = 2", message);
  g_autoptr (WeirTestResult) one = run ("max-count = 1", message);

  assert_passes (ten, "10 octets");
  assert_reason (nine, "too-large: more than 9 octets", "9 octets");
  assert_passes (two, "2 attachments");
  assert_reason (one, "too-many: more than 1 attachments", "1 attachment");
}

/* ---- Actions ---- */

static char *
text_of (const WeirTestResult *result)
{
  gsize length;
  const char *bytes = g_bytes_get_data (result->message, &length);

  g_autofree char *text = g_strndup (bytes, length);
  g_auto (GStrv) lines = g_strsplit (text, "=\r\n", -1); /* of quoted-printable */

  return g_strjoinv ("", lines);
}

void
test_actions (void)
{
  static const char options[]
      = DENY "encrypted = \"strip\" macros = \"quarantine\" encrypted-names = \"pass\"\n";
  g_autoptr (GByteArray) sealed = make_one (MAKE_ZIP_ENCRYPTED, "a.txt", "x", 1);
  g_autoptr (GByteArray) macros = make_ole2 ("VBA", 1);
  g_autoptr (GByteArray) evil = make_one (MAKE_ZIP_ENCRYPTED, "evil.exe", "x", 1);
  g_autoptr (WeirTestResult) stripped = run_attachment (options, "a.zip", sealed);
  g_autoptr (WeirTestResult) kept = run_attachment (options, "a.doc", macros);
  g_autoptr (WeirTestResult) refused = run_attachment (options, "a.zip", evil);
  g_autofree char *text = text_of (stripped);

  g_assert_cmpint (stripped->verdict, ==, WEIR_TEST_PASS);
  g_assert_nonnull (
      strstr (text, "The attachment \"a.zip\" was removed because it is not accepted"));
  g_assert_nonnull (strstr (text, "encrypted: a.txt in it"));
  g_assert_nonnull (strstr (stripped->notes, "a.zip (encrypted: a.txt in it)"));
  g_assert_cmpint (kept->verdict, ==, WEIR_TEST_QUARANTINED);
  g_assert_cmpstr (kept->reply, ==, "attachment \"a.doc\": macros: VBA in it");
  assert_reason (refused, "extension exe of a file in it", "the heaviest action wins");
}

/* As many findings as are kept, and one more: what is not kept can not be stripped. */
void
test_many_findings (void)
{
  for (guint count = 100; count <= 101; count++)
    {
      g_autoptr (GString) message = g_string_new ("Content-Type: multipart/mixed; boundary=b\n\n");
      g_autoptr (WeirTestResult) result = NULL;

      for (guint i = 0; i < count; i++)
        g_string_append_printf (message, "--b\nContent-Type: a/b; name=%u.exe\n\nMZ\n", i);
      g_string_append (message, "--b--\n");
      result = run (DENY "action = \"strip\"", message->str);
      if (count == 100)
        g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
      else
        assert_reason (result, "too much to look at", "101 findings");
    }
}

/* Every window of a decoded body can be read at any time, in any order. */
void
test_source (void)
{
  gsize length = 300 * 1000;
  g_autofree guint8 *data = g_malloc (length), *read = g_malloc (length + 10);
  g_autofree char *encoded = NULL;
  g_autoptr (Source) source = NULL, plain = NULL;

  for (gsize i = 0; i < length; i++)
    data[i] = (guint8) (i * 7 + (i >> 8));
  encoded = g_base64_encode (data, length);
  source = source_new (DECODE_BASE64, (const guint8 *) encoded, strlen (encoded));
  plain = source_new (DECODE_IDENTITY, data, length);
  g_assert_cmpuint (source_read (source, length - 10, read, 20), ==, 10);
  g_assert_cmpmem (read, 10, data + length - 10, 10);
  g_assert_cmpuint (source_size (source), ==, length);
  g_assert_cmpuint (source_size (plain), ==, length);
  for (gsize at = 0; at < length; at += 9973)
    {
      gsize place = at * 7919 % length;
      gsize rest = MIN (70000, length - place);

      g_assert_cmpuint (source_read (source, place, read, 70000), ==, rest);
      g_assert_cmpmem (read, rest, data + place, rest);
    }
  g_assert_cmpuint (source_read (source, length, read, 1), ==, 0);
  g_assert_cmpuint (source_read (plain, G_MAXUINT64, read, 1), ==, 0);
}
