/* Names inside of archives of every format that there is a writer for, and archives that lie. */
#include <string.h>

#include "test-archives.h"
#include "test-attachments.h"

static const char *const made_names[N_MAKES]
    = { "a.zip", "a.zip",  "a.zip", "a.7z",   "a.tar", "a.tar.gzip", "a.tar.bz2",
        "a.txz", "a.tzst", "a.iso", "a.cpio", "a.ar",  "a.xar",      "evil.exe.gz" };

void
test_archive_formats (void)
{
  for (Make make = 0; make < N_MAKES; make++)
    {
      g_autoptr (GByteArray) evil = make_one (make, "evil.exe", "MZ", 2);
      g_autoptr (GByteArray) good = make_one (make, "good.txt", "ok", 2);
      g_autoptr (WeirTestResult) refused = run_attachment (DENY, made_names[make], evil);
      g_autoptr (WeirTestResult) off
          = run_attachment (DENY "archives = false", made_names[make], evil);
      g_autoptr (WeirTestResult) passed
          = run_attachment (DENY, make == MAKE_GZ ? "good.txt.gz" : made_names[make], good);

      assert_reason (refused, "extension exe of a file in it", made_names[make]);
      assert_passes (off, made_names[make]);
      assert_passes (passed, made_names[make]);
    }
}

static const char *const tricks[] = {
  "a/b/evil.exe",      "../../evil.exe",
  "/evil.exe",         "C:\\temp\\evil.exe",
  "EVIL.EXE",          "evil.exe.",
  "evil.exe ",         "evil.exe. . ",
  "evil.exe::$DATA",   "evil.exe:a.txt",
  "invoice.pdf.exe",   "invoice.pdf                                            .exe",
  "evil\u202etxt.exe", "evil.e\u200bxe",
  "evil\uff0eexe",     "evil.\uff45\uff58\uff45",
  "evil.exe\u3000",    "evil.tar.gz.scr",
};

void
test_archive_names (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (tricks); i++)
    {
      g_autoptr (GByteArray) zip = make_one (MAKE_ZIP, tricks[i], "MZ", 2);
      g_autoptr (GByteArray) tar = make_one (MAKE_TAR_GZ, tricks[i], "MZ", 2);
      g_autoptr (WeirTestResult) first = run_attachment (DENY, "a.zip", zip);
      g_autoptr (WeirTestResult) second = run_attachment (DENY, "a.tgz", tar);

      assert_reason (first, "of a file in it", tricks[i]);
      assert_reason (second, "of a file in it", tricks[i]);
    }
}

/* An archive in an archive, whatever the inner one is called. */
void
test_archive_nested (void)
{
  static const char *const inner_names[] = { "inner.zip", "inner.dat", "document.docx", "a" };

  for (Make make = 0; make < MAKE_GZ; make++)
    for (guint i = 0; i < G_N_ELEMENTS (inner_names); i++)
      {
        g_autoptr (GByteArray) inner = make_one (MAKE_ZIP, "evil.exe", "MZ", 2);
        g_autoptr (GByteArray) middle
            = make_one (MAKE_TAR_GZ, inner_names[i], inner->data, inner->len);
        g_autoptr (GByteArray) outer = make_one (make, "middle.tgz", middle->data, middle->len);
        g_autoptr (WeirTestResult) result
            = run_attachment (DENY "encrypted = \"reject\"", made_names[make], outer);

        assert_reason (result,
                       make == MAKE_ZIP_ENCRYPTED ? "encrypted" : "extension exe of a file in it",
                       made_names[make]);
      }
}

static GByteArray *
from_hex (const char *hex)
{
  GByteArray *out = g_byte_array_new ();

  for (; hex[0] != '\0'; hex += 2)
    {
      guint8 octet = (guint8) (g_ascii_xdigit_value (hex[0]) * 16 + g_ascii_xdigit_value (hex[1]));

      g_byte_array_append (out, &octet, 1);
    }
  return out;
}

/* Archives of one "a.txt", as 7-Zip writes them: contents encrypted, names too, AES in ZIP. */
#define SEALED_CONTENTS                                                                            \
  "377abcaf271c000435dcc0d7100000000000000062000000000000005f107d0647dd6f3b4d10ccfea7545aa4e957"   \
  "87100104060001091000070b0100022406f1070112530f453091b4de05776bd65923133f31b942010001000c0606"   \
  "00080a0120303a36000005011903000000110d0061002e007400780074000000140a0100e6ee76457179dd011506"   \
  "01002080a4810000"
#define SEALED_NAMES                                                                               \
  "377abcaf271c0002bc6271bb80000000000000002e0000000000000039b1eb6b2e4ba654006991b268f2d2c307cb"   \
  "2ec2910c5c25642d52c2a0869f877538ed2138682cdc555582461612b1ecce97894ca780b5e5fdde97605027a663"   \
  "54fc3ab3d7ebc6a4c218b390b5bf79481806ca5de4fe4e79525e2066e3548e2829a3e463ce661d21424d468bcfd1"   \
  "908137574655ef131300f4f9a00e008a8fcdd35bf24417061001097000070b0100012406f1070112530f20174ab2"   \
  "eb4af074306af2e5d0703df90c620a019d67abf70000"

void
test_archive_encrypted (void)
{
  g_autoptr (GByteArray) zip = make_one (MAKE_ZIP_ENCRYPTED, "a.txt", "secret", 6);
  g_autoptr (GByteArray) contents = from_hex (SEALED_CONTENTS);
  g_autoptr (GByteArray) names = from_hex (SEALED_NAMES);
  g_autoptr (WeirTestResult) zip_refused
      = run_attachment (DENY "encrypted = \"reject\"", "a.zip", zip);
  g_autoptr (WeirTestResult) zip_passed = run_attachment (DENY, "a.zip", zip);
  g_autoptr (WeirTestResult) contents_refused
      = run_attachment (DENY "encrypted = \"reject\"", "a.7z", contents);
  g_autoptr (WeirTestResult) contents_passed = run_attachment (DENY, "a.7z", contents);
  g_autoptr (WeirTestResult) names_refused = run_attachment (DENY, "a.7z", names);
  g_autoptr (WeirTestResult) names_kept
      = run_attachment (DENY "encrypted-names = \"quarantine\"", "a.7z", names);
  g_autoptr (WeirTestResult) names_passed
      = run_attachment (DENY "encrypted-names = \"pass\"", "a.7z", names);

  assert_reason (zip_refused, "encrypted: a.txt in it", "zip");
  assert_passes (zip_passed, "zip");
  assert_reason (contents_refused, "encrypted: a.txt in it", "7z");
  assert_passes (contents_passed, "7z");
  assert_reason (names_refused, "encrypted-names", "7z names");
  g_assert_cmpint (names_kept->verdict, ==, WEIR_TEST_QUARANTINED);
  assert_passes (names_passed, "7z names");
}

void
test_archive_broken (void)
{
  static const Make makes[] = { MAKE_7ZIP, MAKE_TAR_GZ, MAKE_TAR_XZ, MAKE_CPIO };
  g_autofree char *noise = g_malloc (5000);
  static const guint8 arj[] = { 0x60, 0xea, 0x29, 0, 0x1e, 0, 0, 0 };
  g_autoptr (GByteArray) unknown = g_byte_array_new ();
  g_autoptr (WeirTestResult) result = NULL;

  for (guint i = 0; i < 5000; i++)
    noise[i] = (char) (i * i * 31 >> 3);
  for (guint i = 0; i < G_N_ELEMENTS (makes); i++)
    {
      g_autoptr (GByteArray) data = make_one (makes[i], "good.txt", noise, 5000);
      g_autoptr (WeirTestResult) cut = NULL, ignored = NULL;

      g_byte_array_set_size (data, data->len / 2);
      cut = run_attachment (DENY, made_names[makes[i]], data);
      ignored = run_attachment (DENY "broken-archive = \"pass\"", made_names[makes[i]], data);
      assert_reason (cut, "broken-archive", made_names[makes[i]]);
      assert_passes (ignored, made_names[makes[i]]);
    }
  g_byte_array_append (unknown, arj, sizeof arj);
  result = run_attachment (DENY, "a.arj", unknown);
  assert_reason (result, "broken-archive: its format is not known", "arj");
}

static void
replace (GByteArray *data, const char *from, const char *to, gboolean last)
{
  gsize length = strlen (from);

  g_assert_cmpuint (length, ==, strlen (to));
  for (gsize i = 0; i + length <= data->len; i++)
    {
      gsize at = last ? data->len - length - i : i;

      if (memcmp (data->data + at, from, length) != 0)
        continue;
      memcpy (data->data + at, to, length);
      return;
    }
  g_assert_not_reached ();
}

/* One name in front of the member, another one in the directory; a name in an extra field; a name
 * with a NUL; a second archive behind the first; no directory at all. */
void
test_archive_zip_headers (void)
{
  static const guint8 extra[] = "PK\3\4\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\x11\0"
                                "a.txtup\x0d\0\1\0\0\0\0evil.exe";
  g_autoptr (GByteArray) local = make_one (MAKE_ZIP, "evil.txt", "MZ", 2);
  g_autoptr (GByteArray) central = make_one (MAKE_ZIP, "evil.txt", "MZ", 2);
  g_autoptr (GByteArray) with_nul = make_one (MAKE_ZIP, "evil.exe#.txt", "MZ", 2);
  g_autoptr (GByteArray) two = make_one (MAKE_ZIP, "evil.exe", "MZ", 2);
  g_autoptr (GByteArray) second = make_one (MAKE_ZIP, "good.txt", "MZ", 2);
  g_autoptr (GByteArray) cut = make_one (MAKE_ZIP, "evil.exe", "MZ", 2);
  g_autoptr (GByteArray) unicode = g_byte_array_new ();
  const GByteArray *all[] = { local, central, with_nul, two, cut, unicode };

  replace (local, "evil.txt", "evil.exe", FALSE);
  replace (central, "evil.txt", "evil.exe", TRUE);
  replace (with_nul, "#", "!", FALSE);
  replace (with_nul, "#", "!", TRUE);
  for (guint i = 0; i < with_nul->len; i++)
    with_nul->data[i] = with_nul->data[i] == '!' ? 0 : with_nul->data[i];
  g_byte_array_append (two, second->data, second->len);
  g_byte_array_set_size (cut, cut->len - 60);
  g_byte_array_append (unicode, extra, sizeof extra - 1);
  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    {
      g_autofree char *what = g_strdup_printf ("header %u", i);
      g_autoptr (WeirTestResult) result
          = run_attachment (DENY "broken-archive = \"pass\"", "a.zip", all[i]);

      assert_reason (result, "extension exe of a file in it", what);
    }
}

/* A field of a known part stands behind the message twice more: neither is that part's. */
void
test_archive_hidden_twice (void)
{
  static const char field[] = "Content-Type: image/x; name=\"n.dat\"\r\n\r\n";
  g_autoptr (GByteArray) zip = make_one (MAKE_ZIP_STORED, "evil.exe", "MZ", 2);
  g_autoptr (GString) message
      = g_string_new ("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n");
  g_autoptr (WeirTestResult) result = NULL;

  g_string_append_printf (message, "%sx\r\n--b--\r\n%sx\r\n%s", field, field, field);
  g_string_append_len (message, (const char *) zip->data, zip->len);
  result = run_bytes (DENY, message->str, message->len);
  assert_reason (result, "extension exe of a file in it", "hidden twice");
}

/* An archive that does not say so, in its name or in its encoding. */
void
test_archive_disguised (void)
{
  g_autoptr (GByteArray) zip = make_one (MAKE_ZIP, "evil.exe", "MZ", 2);
  static const char *const names[]
      = { "setup.zip", "setup.zip.", "setup.zip::$DATA", "setup.zip/" };
  g_autoptr (GByteArray) image = make_one (MAKE_ISO, "evil.exe", "MZ", 2);
  g_autoptr (GByteArray) outer = make_one (MAKE_ZIP, "disc.img", image->data, image->len);
  g_autoptr (GByteArray) prefixed = g_byte_array_new ();
  g_autoptr (WeirTestResult) as_img = run_attachment (DENY, "disc.img", image);
  g_autoptr (WeirTestResult) as_data = run_attachment (DENY, "disc.dat", image);
  g_autoptr (WeirTestResult) inside = run_attachment (DENY, "a.zip", outer);
  g_autoptr (WeirTestResult) renamed = run_attachment (DENY, "photo.jpg", zip);
  g_autoptr (WeirTestResult) quoted = NULL;
  g_autoptr (GString) message
      = g_string_new ("Content-Type: a/b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");

  g_byte_array_append (prefixed, (const guint8 *) "MZ\x90 a program in front", 23);
  g_byte_array_append (prefixed, zip->data, zip->len);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (WeirTestResult) behind = run_attachment (DENY, names[i], prefixed);

      assert_reason (behind, "extension exe of a file in it", names[i]);
    }
  for (guint i = 0; i < zip->len; i++)
    g_string_append_printf (message, "=%02X%s", zip->data[i], i % 20 == 19 ? "=\r\n" : "");
  quoted = run_bytes (DENY, message->str, message->len);
  assert_reason (renamed, "extension exe of a file in it", "renamed");
  assert_reason (as_img, "extension exe of a file in it", "disc.img");
  assert_reason (as_data, "extension exe of a file in it", "disc.dat");
  assert_reason (inside, "extension exe of a file in it", "disc.img in a.zip");
  assert_reason (quoted, "extension exe of a file in it", "quoted-printable");
}

/* Names in any script are names like others. */
void
test_archive_foreign_names (void)
{
  static const Make makes[] = { MAKE_ZIP, MAKE_7ZIP, MAKE_TAR_GZ };

  for (guint i = 0; i < G_N_ELEMENTS (makes); i++)
    {
      g_autoptr (GByteArray) data
          = make_one (makes[i], "R\303\251sum\303\251 \320\266.txt", "ok", 2);
      g_autoptr (WeirTestResult) result = run_attachment (DENY, made_names[makes[i]], data);

      assert_passes (result, made_names[makes[i]]);
    }
}

/* What a stranger has called a file does not become a text of ours. */
void
test_archive_name_in_note (void)
{
  g_autoptr (GByteArray) zip = make_one (MAKE_ZIP_STORED, "a\n\nCall 0123.txt", "ok", 2);
  g_autoptr (WeirTestResult) result = NULL;
  const char *text;
  gsize length;

  zip->data[6] |= 1; /* encrypted */
  result = run_attachment (DENY "encrypted = \"strip\"\n", "a.zip", zip);
  text = g_bytes_get_data (result->message, &length);
  g_assert_nonnull (g_strstr_len (text, (gssize) length, "a??Call 0123.txt"));
}

void
test_archive_allow (void)
{
  static const char options[] = "allow = [\"zip\", \"docx\", \"pdf\"]\n";
  g_autoptr (GByteArray) good = make_one (MAKE_ZIP, "a/b.pdf", "%PDF", 4);
  g_autoptr (GByteArray) bad = make_one (MAKE_ZIP, "a/b.xyz", "%PDF", 4);
  g_autoptr (WeirTestResult) passed = run_attachment (options, "a.zip", good);
  g_autoptr (WeirTestResult) refused = run_attachment (options, "a.zip", bad);
  g_autoptr (WeirTestResult) document = run_attachment (options, "a.docx", bad);

  assert_passes (passed, "on the list");
  assert_reason (refused, "a file in it that is not on the list", "not on the list");
  assert_passes (document, "a document's own files");
}

/* The configuration of the README works as it stands. */
void
test_readme (void)
{
  g_autofree char *text = NULL, *errors = NULL;
  char *start, *end;

  g_assert_true (g_file_get_contents (FILTER_SOURCE "/README.md", &text, NULL, NULL));
  start = strstr (text, "```\n") + strlen ("```\n");
  end = strstr (start, "```");
  *end = '\0';
  errors = weir_test_load_errors ("\"no-executables\"", start);
  g_assert_cmpstr (errors, ==, NULL);
}
