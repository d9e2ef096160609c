/* Decoding where GMime hides something: base64 behind padding, encoded-words behind a padded one;
 * and the text parts that we make ourselves, read back by GMime. */
#include <string.h>

#include <gmime/gmime.h>

#include "mime/decode.h"
#include "mime/guard.h"
#include "mime/view.h"

static void
base64 (const gchar *encoded, const gchar *expected)
{
  g_autoptr (GBytes) bytes = mime_decode_base64 ((const guint8 *) encoded, strlen (encoded));
  gsize length = 0;
  const gchar *data = g_bytes_get_data (bytes, &length);

  g_assert_cmpmem (data, length, expected, strlen (expected));
}

static void
test_base64 (void)
{
  base64 ("", "");
  base64 ("SGVsbG8=", "Hello");
  base64 ("SGVsbG8=\r\nIHdvcmxk", "Hello world");
  base64 ("SGVsbG8", "Hello");
  base64 ("SGVs!bG8=IHdv\r\ncmxk====", "Hello world");
  base64 ("QQ=QUJD", "AABC");
  base64 ("=QUJD", "ABC");
  base64 ("A", "");
}

static void
words (const gchar *value, const gchar *expected)
{
  g_autofree gchar *decoded = mime_decode_words (value);

  g_assert_cmpstr (decoded, ==, expected);
}

static void
test_words (void)
{
  words ("plain", "plain");
  words ("=?utf-8?B?SGVsbG8=?= =?utf-8?B?IHdvcmxk?=", "Hello world");
  words ("=?utf-8?Q?a_=C3=A4?=\r\n =?iso-8859-1?q?=e4?= b", "a ää b");
  words ("=?utf-8*de?B?w6Q=?=", "ä");
  words ("x=?utf-8?Q?invoice=2Eexe?=", "xinvoice.exe");
  words ("=?utf-8?Q?a b.exe?=", "a b.exe");
  words ("=?utf-8?X?abc?= =?broken", "=?utf-8?X?abc?= =?broken");
  words ("=?nonsense?B?QUJD?=", "ABC");
  words ("=?utf-8?B?\?=", "");
  words ("\xff", "\xef\xbf\xbd");
}

static void
read_back (const gchar *text, const gchar *expected)
{
  g_autofree gchar *entity = mime_text_entity (text);
  g_autoptr (GBytes) bytes = g_bytes_new (entity, strlen (entity));
  g_autoptr (MimeView) view = mime_view_new (bytes, FALSE);
  GMimeObject *part = g_mime_message_get_mime_part (mime_view_message (view));
  g_autoptr (GBytes) content = mime_decode_part (GMIME_PART (part));
  gsize length = 0;
  const gchar *data = g_bytes_get_data (content, &length);

  g_assert_cmpmem (data, length, expected, strlen (expected));
  for (const gchar *line = entity; line != NULL; line = strchr (line, '\n'))
    {
      line += *line == '\n';
      g_assert_cmpuint (strcspn (line, "\r\n"), <=, 76);
    }
}

static void
test_text_entity (void)
{
  g_autofree gchar *long_line = g_strnfill (500, 'x');
  g_autofree gchar *long_expected = g_strconcat (long_line, "\r\n", NULL);

  read_back ("one\ntwo\r\nthree", "one\r\ntwo\r\nthree\r\n");
  read_back ("grün = grün \n", "grün = grün \r\n");
  read_back (long_line, long_expected);
  read_back ("", "");
}

static void
test_part (void)
{
  static const gchar message[] = "Content-Type: application/x-test\r\n"
                                 "Content-Transfer-Encoding: base64\r\n\r\n"
                                 "SGVsbG8=\r\nIHdvcmxk\r\n";
  g_autoptr (GBytes) bytes = g_bytes_new_static (message, strlen (message));
  g_autoptr (MimeView) view = mime_view_new (bytes, FALSE);
  GMimeObject *part = g_mime_message_get_mime_part (mime_view_message (view));
  g_autoptr (GBytes) content = mime_decode_part (GMIME_PART (part));

  g_assert_cmpmem (g_bytes_get_data (content, NULL), g_bytes_get_size (content), "Hello world", 11);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  mime_init ();
  g_test_add_func ("/mime/decode/base64", test_base64);
  g_test_add_func ("/mime/decode/words", test_words);
  g_test_add_func ("/mime/decode/text-entity", test_text_entity);
  g_test_add_func ("/mime/decode/part", test_part);
  return g_test_run ();
}
