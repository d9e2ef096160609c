/* Real mail through header index, spool and writer: what nobody edits comes out byte for byte.
 * Skipped where there is no corpus (the folder named by MAILWEIR_CORPUS). */
#include "message/headers.h"
#include "message/writer.h"

#include <string.h>

#define MOST_FILES 5000
#define MOST_BYTES (4 * 1024 * 1024)

/* The file as it would travel: each line break a CRLF. */
static GString *
wire_form (const gchar *text, gsize length)
{
  GString *wire = g_string_sized_new (length + length / 16 + 2);

  for (gsize i = 0; i < length; i++)
    {
      if (text[i] == '\n' || (text[i] == '\r' && (i + 1 == length || text[i + 1] != '\n')))
        g_string_append (wire, "\r\n");
      else if (text[i] != '\r')
        g_string_append_c (wire, text[i]);
    }
  if (wire->len > 0 && wire->str[wire->len - 1] != '\n')
    g_string_append (wire, "\r\n");
  return wire;
}

static void
check_headers (const GString *wire)
{
  const guint8 *bytes = (const guint8 *) wire->str;
  g_autoptr (MessageHeaders) headers = message_headers_scan (bytes, wire->len, TRUE);
  gsize scanned = 0;
  gsize end = G_MAXSIZE;
  gsize at = 0;

  for (gsize have = 0; have <= wire->len && end == G_MAXSIZE; have += 100)
    end = message_headers_find_end (bytes, have, &scanned);
  if (end == G_MAXSIZE)
    end = message_headers_find_end (bytes, wire->len, &scanned);
  g_assert_cmpuint (MIN (end, wire->len), ==, message_headers_body (headers));
  for (guint i = 0; i < message_headers_count (headers); i++)
    {
      g_assert_cmpuint (message_headers_nth (headers, i)->start, ==, at);
      at = message_headers_nth (headers, i)->end;
    }
  g_assert_cmpuint (message_headers_end (headers), ==, at);
}

static void
check_writer (const GString *wire)
{
  MessageSpoolLimits limits = { 128 * 1024, g_get_tmp_dir () };
  g_autoptr (MessageSpool) spool = message_spool_new (&limits);
  g_autoptr (GString) out = g_string_sized_new (wire->len);
  const guint8 *bytes;
  gsize length;

  for (gsize at = 0; at < wire->len; at += 30000)
    g_assert_true (message_spool_append (spool, wire->str + at, MIN (30000, wire->len - at), NULL));
  g_autoptr (MessageWriter) writer
      = message_writer_new (NULL, NULL, message_source_from_spool (spool));
  while ((bytes = message_writer_next (writer, 10000, &length)) != NULL)
    g_string_append_len (out, (const gchar *) bytes, (gssize) length);
  g_assert_true (message_writer_is_done (writer));
  g_assert_true (g_string_equal (out, wire));
}

static guint
check_folder (const gchar *path, guint left)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  const gchar *name;

  while (folder != NULL && left > 0 && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree gchar *inside = g_build_filename (path, name, NULL);
      g_autofree gchar *text = NULL;
      gsize length;
      if (g_file_test (inside, G_FILE_TEST_IS_DIR))
        left = check_folder (inside, left);
      else if (g_file_get_contents (inside, &text, &length, NULL) && length <= MOST_BYTES)
        {
          g_autoptr (GString) wire = wire_form (text, length);
          check_headers (wire);
          check_writer (wire);
          left--;
        }
    }
  return left;
}

static void
test_corpus (void)
{
  const gchar *path = g_getenv ("MAILWEIR_CORPUS");

  if (path == NULL || !g_file_test (path, G_FILE_TEST_IS_DIR))
    {
      g_test_skip ("MAILWEIR_CORPUS names no folder with mail");
      return;
    }
  guint left = check_folder (path, MOST_FILES);
  g_test_message ("%u files", MOST_FILES - left);
  g_assert_cmpuint (left, <, MOST_FILES);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/message/corpus", test_corpus);
  return g_test_run ();
}
