/* Makes archives in memory. Everything here asserts. */
#include <string.h>

#include "test-archives.h"
#include "test-attachments.h"

#ifdef HAVE_LIBARCHIVE
#include <archive.h>
#include <archive_entry.h>

static la_ssize_t
collect (struct archive *archive, void *data, const void *bytes, size_t length)
{
  g_byte_array_append (data, bytes, (guint) length);
  return (la_ssize_t) length;
}

static void
set_format (struct archive *archive, Make make)
{
  static const int formats[N_MAKES]
      = { ARCHIVE_FORMAT_ZIP, ARCHIVE_FORMAT_ZIP,     ARCHIVE_FORMAT_ZIP,  ARCHIVE_FORMAT_7ZIP,
          ARCHIVE_FORMAT_TAR, ARCHIVE_FORMAT_TAR,     ARCHIVE_FORMAT_TAR,  ARCHIVE_FORMAT_TAR,
          ARCHIVE_FORMAT_TAR, ARCHIVE_FORMAT_ISO9660, ARCHIVE_FORMAT_CPIO, 0,
          ARCHIVE_FORMAT_XAR };
  static const int filters[N_MAKES] = { [MAKE_TAR_GZ] = ARCHIVE_FILTER_GZIP,
                                        [MAKE_TAR_BZ2] = ARCHIVE_FILTER_BZIP2,
                                        [MAKE_TAR_XZ] = ARCHIVE_FILTER_XZ,
                                        [MAKE_TAR_ZSTD] = ARCHIVE_FILTER_ZSTD,
                                        [MAKE_GZ] = ARCHIVE_FILTER_GZIP };
  const char *options = make == MAKE_ZIP_STORED      ? "zip:compression=store"
                        : make == MAKE_ZIP_ENCRYPTED ? "zip:encryption=zipcrypt"
                                                     : NULL;

  if (make == MAKE_GZ)
    archive_write_set_format_raw (archive);
  else if (make == MAKE_AR)
    archive_write_set_format_ar_svr4 (archive);
  else
    g_assert_cmpint (archive_write_set_format (archive, formats[make]), ==, ARCHIVE_OK);
  if (filters[make] != 0)
    g_assert_cmpint (archive_write_add_filter (archive, filters[make]), ==, ARCHIVE_OK);
  if (options != NULL)
    g_assert_cmpint (archive_write_set_options (archive, options), ==, ARCHIVE_OK);
  if (make == MAKE_ZIP_ENCRYPTED)
    g_assert_cmpint (archive_write_set_passphrase (archive, "secret"), ==, ARCHIVE_OK);
}

GByteArray *
make_archive (Make make, const File *files, gsize count)
{
  GByteArray *out = g_byte_array_new ();
  struct archive *archive = archive_write_new ();

  set_format (archive, make);
  archive_write_set_bytes_in_last_block (archive, 1);
  g_assert_cmpint (archive_write_open (archive, out, NULL, collect, NULL), ==, ARCHIVE_OK);
  for (gsize i = 0; i < count; i++)
    {
      struct archive_entry *entry = archive_entry_new ();

      archive_entry_set_pathname (entry, files[i].name);
      archive_entry_set_size (entry, (la_int64_t) files[i].length);
      archive_entry_set_filetype (entry, AE_IFREG);
      archive_entry_set_perm (entry, 0644);
      /* A warning: names that are no ASCII are kept as they are. */
      g_assert_cmpint (archive_write_header (archive, entry), >=, ARCHIVE_WARN);
      g_assert_cmpint (archive_write_data (archive, files[i].data, files[i].length), ==,
                       files[i].length);
      archive_entry_free (entry);
    }
  g_assert_cmpint (archive_write_close (archive), ==, ARCHIVE_OK);
  archive_write_free (archive);
  return out;
}
#else
GByteArray *
make_archive (Make make, const File *files, gsize count)
{
  return g_byte_array_new ();
}
#endif

GByteArray *
make_one (Make make, const char *name, const void *data, gsize length)
{
  File file = { name, data, length };

  return make_archive (make, &file, 1);
}

char *
make_message (const char *name, const GByteArray *data)
{
  g_autofree char *encoded = g_base64_encode (data->data, data->len);
  gsize length = strlen (encoded);
  GString *out = g_string_sized_new (length + length / 38 + 1000);

  g_string_append_printf (out,
                          "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
                          "--x\r\n\r\ntext\r\n--x\r\nContent-Type: application/octet-stream\r\n"
                          "Content-Disposition: attachment; filename=\"%s\"\r\n"
                          "Content-Transfer-Encoding: base64\r\n\r\n",
                          name);
  for (gsize at = 0; at < length; at += 76)
    {
      g_string_append_len (out, encoded + at, (gssize) MIN (76, length - at));
      g_string_append (out, "\r\n");
    }
  g_string_append (out, "--x--\r\n");
  return g_string_free (out, FALSE);
}

WeirTestResult *
run_attachment (const char *options, const char *name, const GByteArray *data)
{
  g_autofree char *message = make_message (name, data);

  return run_bytes (options, message, strlen (message));
}

void
assert_reason (const WeirTestResult *result, const char *reason, const char *what)
{
  if (result->verdict == WEIR_TEST_REFUSED && strstr (result->reply, reason) != NULL)
    return;
  g_test_message ("verdict %d, reply %s, notes %s, not %s: %s", result->verdict, result->reply,
                  result->notes, reason, what);
  g_test_fail ();
}

void
assert_passes (const WeirTestResult *result, const char *what)
{
  if (result->verdict == WEIR_TEST_PASS && result->n_edits == 0)
    return;
  g_test_message ("verdict %d, reply %s: %s", result->verdict, result->reply, what);
  g_test_fail ();
}
