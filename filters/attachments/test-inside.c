/* Attachments inside of something else: signed S/MIME, digests, yEnc and BinHex in texts. All of
 * these must be refused. */
#include <string.h>

#include "ber.h"
#include "test-attachments.h"

#define INNER                                                                                      \
  "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nhi\r\n--c\r\n"                      \
  "Content-Disposition: attachment; filename=evil.exe\r\n\r\nMZ\r\n--c--\r\n"

/* An element with one octet of tag and two of length. */
static void
append_element (GByteArray *to, guint8 tag, const void *contents, gsize length)
{
  const guint8 header[] = { tag, 0x82, (guint8) (length >> 8), (guint8) length };

  g_byte_array_append (to, header, sizeof header);
  g_byte_array_append (to, contents, (guint) length);
}

/* SEQUENCE { OID, [0] { OCTET STRING } }; `piece` not 0: indefinite, in pieces of so many octets.
 */
static GByteArray *
make_signed (const char *inner, gsize piece)
{
  static const guint8 oid[] = { 0x06, 1, 42 }, open[] = { 0x30, 0x80, 0x06, 1, 42, 0xa0, 0x80 };
  g_autoptr (GByteArray) string = g_byte_array_new (), wrapped = g_byte_array_new ();
  GByteArray *out = g_byte_array_new ();
  gsize length = strlen (inner);

  if (piece > 0)
    {
      g_byte_array_append (out, open, sizeof open);
      g_byte_array_append (out, (const guint8 *) "\x24\x80", 2);
      for (gsize at = 0; at < length; at += piece)
        append_element (out, 4, inner + at, MIN (piece, length - at));
      g_byte_array_append (out, (const guint8 *) "\0\0\0\0\0\0", 6);
      return out;
    }
  append_element (string, 4, inner, length);
  g_byte_array_append (wrapped, oid, sizeof oid);
  append_element (wrapped, 0xa0, string->data, string->len);
  append_element (out, 0x30, wrapped->data, wrapped->len);
  return out;
}

void
test_signed (void)
{
  static const char *const fields[] = {
    "Content-Type: application/pkcs7-mime; smime-type=signed-data",
    "Content-Type: application/x-pkcs7-mime; name=smime.p7m",
    "Content-Type: application/octet-stream; name=smime.p7m",
    "Content-Type: x/y; name=a.txt\nContent-Disposition: attachment; filename=\"SMIME.P7M \"",
  };

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    for (gsize piece = 0; piece < 20; piece++)
      {
        g_autoptr (GByteArray) blob = make_signed (INNER, piece);
        g_autofree char *encoded = g_base64_encode (blob->data, blob->len);
        g_autofree char *message = g_strconcat (
            fields[i], "\nContent-Transfer-Encoding: base64\n\n", encoded, "\n", NULL);
        g_autoptr (WeirTestResult) result = run (DENY, message);

        assert_refused (result, message);
      }
}

/* Lengths that point behind the end, tags that do not end: nothing is read outside. */
void
test_ber (void)
{
  static const struct
  {
    const char *bytes;
    gsize length;
    const char *expected;
  } rows[] = {
    { "", 0, "" },
    { "\x04", 1, "" },
    { "\x04\x05"
      "ab",
      4, "ab" },
    { "\x04\x84\xff\xff\xff\xff"
      "ab",
      8, "ab" },
    { "\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff"
      "ab",
      12, "ab" },
    { "\x04\xff\x01", 3, "" },
    { "\x1f\xff\xff", 3, "" },
    { "\x24\x80\x04\x01"
      "a\x04\x01"
      "b\x00\x00\x02\x01\x01\x04\x01"
      "c",
      16, "ab\r\nc" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree guint8 *exact = g_memdup2 (rows[i].bytes, rows[i].length);
      g_autoptr (GByteArray) out = ber_octet_strings (exact, rows[i].length);

      g_assert_cmpmem (out->data, out->len, rows[i].expected, strlen (rows[i].expected));
    }
}

void
test_digest (void)
{
  g_autofree char *encoded = g_base64_encode ((const guchar *) INNER, strlen (INNER));
  g_autofree char *message
      = g_strconcat ("MIME-Version: 1.0\nContent-Type: multipart/digest; boundary=b\n\n--b\n"
                     "Content-Transfer-Encoding: base64\n\n",
                     encoded, "\n--b--\n", NULL);
  g_autoptr (WeirTestResult) result = run (DENY, message);

  assert_refused (result, message);
}

void
test_inline (void)
{
  static const char *const texts[] = {
    "Subject: x\n\nhi\n=ybegin line=128 size=4 name=evil.exe\nwxyz\n=yend size=4\n",
    ("Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n"
     "=3Dybegin part=3D1 line=3D128 size=3D4 name=3Dmy evil.exe\nwxyz\n"),
    "Subject: x\n\n(This file must be converted with BinHex 4.0)\n\n:#'9fD@`ZCAKP!%&38%`!!!\n",
  };
  static const char *const fine[] = {
    "Subject: x\n\n=ybegin line=128 size=4 name=good.txt\nwxyz\n",
    "Subject: x\n\n:-) BinHex\n:\n:::\n:#'9fD@\n",
  };
  g_autoptr (WeirTest) harness
      = weir_test_new ("\"f\"", "filter \"f\" { module = \"attachments\"\n" DENY "}");

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (WeirTestResult) result = run (DENY, texts[i]);

      assert_refused (result, texts[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (fine); i++)
    check_harmless (harness, fine[i]);
}

#define EVIL "Content-Disposition: attachment; filename=evil.exe\n\nMZ\n"
#define SEVENTY "1234567890123456789012345678901234567890123456789012345678901234567890"

#define PROGRAM                                                                                    \
  "TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"             \
  "QAAAAFBFAABMAQAAAAAAAAAAAAAAAAAA4AAAAAsBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"

/* Multiparts whose type or boundary, and parts whose body, is another one to some programs. */
void
test_disputed (void)
{
  static const char *const texts[] = {
    ("Content-Type: multipart/mixed; boundary=\"<a>\"\n\n--<a>\n\ntext\n--a\n" EVIL
     "--a--\n--<a>--\n"),
    ("Content-Type: multipart/mixed; boundary='a'\n\n--'a'\n\ntext\n--a\n" EVIL "--a--\n--'a'--\n"),
    ("Content-Type: multipart/mixed; boundary=\"a \"\n\n--a \n\ntext\n--a\n" EVIL
     "--a--\n--a --\n"),
    ("Content-Type: multipart/mixed; boundary=" SEVENTY "a\n\n--" SEVENTY "a\n\ntext\n"
     "--" SEVENTY "\n" EVIL "--" SEVENTY "--\n--" SEVENTY "a--\n"),
    "Content-Type: multipart; boundary=a\n\n--a\n" EVIL "--a--\n",
    "Content-Type: message\n\nSubject: x\n" EVIL,
    ("Content-Type: \"multipart/mixed\"; boundary=a\nContent-Transfer-Encoding: base64\n\n"
     "--a\n" EVIL "--a--\n"),
    ("Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Disposition: attachment\n"
     "Content-Transfer-Encoding: base64\n" PROGRAM "--a--\n"),
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (WeirTestResult) result = run (DENY TYPES, texts[i]);

      assert_refused (result, texts[i]);
    }
}

#define PARTS 4000
#define FIELDS 20

/* All of these values are one to a hash that adds and multiplies by 33: with such a one the test
 * would not end in its time. */
void
test_collisions (void)
{
  GString *message = g_string_new ("Content-Type: multipart/mixed; boundary=q\n\n");
  g_autofree char *text = NULL;

  for (guint i = 0; i < PARTS * FIELDS; i++)
    {
      g_string_append (message, i % FIELDS == 0 ? "--q\n" : "");
      g_string_append (message, "Content-Disposition: ");
      for (guint bit = 0; bit < 17; bit++)
        g_string_append (message, (i >> bit & 1) != 0 ? "Ez" : "FY");
      g_string_append (message, i % FIELDS == FIELDS - 1 ? "\n\nx\n" : "\n");
    }
  g_string_append (message, "--q--\n");
  text = g_string_free (message, FALSE);
  g_autoptr (WeirTestResult) result = run (DENY, text);
  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
}
