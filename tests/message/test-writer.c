/* Tests of the writer: seams, held-back line breaks, and that no byte from a fault on gets out, in
 * steps of every size. */
#include "message/writer.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct
{
  const gchar *prefix;
  const gchar *original;
  guint64 offset;
  guint64 removed;
  const gchar *inserted;
  const gchar *out;
  MessageWriterFault fault;
} Case;

static const Case cases[] = {
  { NULL, "", 0, 0, NULL, "", MESSAGE_WRITER_FINE },
  { NULL, "a\r\nb\r\n", 0, 0, NULL, "a\r\nb\r\n", MESSAGE_WRITER_FINE },
  { NULL, "a\r\nb", 0, 0, NULL, "a\r\nb\r\n", MESSAGE_WRITER_FINE },
  { "P: x\r\n", "", 0, 0, NULL, "P: x\r\n", MESSAGE_WRITER_FINE },
  { "P: x\r\n", "a", 0, 0, NULL, "P: x\r\na\r\n", MESSAGE_WRITER_FINE },
  { NULL, "a\nb\r\n", 0, 0, NULL, "a", MESSAGE_WRITER_BARE_LF },
  { NULL, "a\rb\r\n", 0, 0, NULL, "a", MESSAGE_WRITER_BARE_CR },
  { NULL, "a\r", 0, 0, NULL, "a", MESSAGE_WRITER_BARE_CR },
  { NULL, "a\r\r\n", 0, 0, NULL, "a", MESSAGE_WRITER_BARE_CR },
  { NULL, "a\r\n\nb", 0, 0, NULL, "a\r\n", MESSAGE_WRITER_BARE_LF },
  { NULL, "\nb", 0, 0, NULL, "", MESSAGE_WRITER_BARE_LF },
  { "P\r\n", "\nb", 0, 0, NULL, "P\r\n", MESSAGE_WRITER_BARE_LF },
  /* Seams: half of a line break removed, put back, or put between. */
  { NULL, "a\r\nb\r\n", 1, 1, NULL, "a", MESSAGE_WRITER_BARE_LF },
  { NULL, "a\r\nb\r\n", 2, 1, NULL, "a", MESSAGE_WRITER_BARE_CR },
  { NULL, "a\r\nb\r\n", 2, 0, "x", "a", MESSAGE_WRITER_BARE_CR },
  { NULL, "a\r\nb\r\n", 2, 0, "\n\r", "a\r\n\r\nb\r\n", MESSAGE_WRITER_FINE },
  { NULL, "a\r\nb\r\n", 1, 1, "\r", "a\r\nb\r\n", MESSAGE_WRITER_FINE },
  { NULL, "a\r\nb\r\n", 2, 1, "\n", "a\r\nb\r\n", MESSAGE_WRITER_FINE },
  { NULL, "a\r\nb\r\n", 6, 0, "c", "a\r\nb\r\nc\r\n", MESSAGE_WRITER_FINE },
  { NULL, "a\r\nb\r\n", 6, 0, "c\r", "a\r\nb\r\nc", MESSAGE_WRITER_BARE_CR },
  { NULL, "a\r\nb\r\n", 0, 0, "x\ny\r\n", "x", MESSAGE_WRITER_BARE_LF },
  { NULL, "a\r\nb\r\n", 0, 0, "x\ry\r\n", "x", MESSAGE_WRITER_BARE_CR },
  { NULL, "a\r\nb\r\n", 0, 6, NULL, "", MESSAGE_WRITER_FINE },
  { NULL, "a\r\nb\r\n", 5, 1, NULL, "a\r\nb", MESSAGE_WRITER_BARE_CR },
  { NULL, "a\r\nb\r\n", 3, 1, NULL, "a\r\n\r\n", MESSAGE_WRITER_FINE },
};

static MessageEdits *
edits_of (const Case *one)
{
  MessageEdits *edits = message_edits_new ();
  g_autoptr (GBytes) inserted
      = one->inserted == NULL ? NULL : g_bytes_new (one->inserted, strlen (one->inserted));

  g_assert_true (message_edits_add (edits, one->offset, one->removed, inserted));
  return edits;
}

static void
assert_writes (const Case *one, MessageSource source, gsize most)
{
  g_autoptr (MessageEdits) edits = edits_of (one);
  g_autoptr (MessageWriter) writer = message_writer_new (one->prefix, edits, source);
  g_autoptr (GString) out = g_string_new (NULL);
  const guint8 *bytes;
  gsize length;

  while ((bytes = message_writer_next (writer, most, &length)) != NULL)
    {
      g_assert_cmpuint (length, >, 0);
      g_assert_cmpuint (length, <=, most);
      g_string_append_len (out, (const gchar *) bytes, (gssize) length);
    }
  g_assert_cmpuint (length, ==, 0);
  g_assert_cmpstr (out->str, ==, one->out);
  g_assert_cmpint (message_writer_fault (writer), ==, one->fault);
  g_assert_cmpint (message_writer_is_done (writer), ==, one->fault == MESSAGE_WRITER_FINE);
  g_assert_cmpuint (message_writer_written (writer), ==, out->len);
  g_assert_null (message_writer_next (writer, most, &length));
}

static void
test_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (gsize most = 1; most < 12; most++)
      {
        g_test_message ("case %u, at most %" G_GSIZE_FORMAT, i, most);
        const guint8 *bytes = (const guint8 *) cases[i].original;
        assert_writes (&cases[i], message_source_from_memory (bytes, strlen (cases[i].original)),
                       most);
      }
}

static gint
memfd_of (const gchar *bytes, gsize length)
{
  gint fd = memfd_create ("test", MFD_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, bytes, length), ==, (gssize) length);
  return fd;
}

static void
test_descriptor (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      gsize length = strlen (cases[i].original);
      gint fd = memfd_of (cases[i].original, length);
      assert_writes (&cases[i], message_source_from_fd (fd, length), 3);
      close (fd);
    }
}

/* The fast check sees what the whole writer sees. */
static void
test_check (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const Case *one = &cases[i];
      g_autoptr (MessageEdits) edits = edits_of (one);
      MessageSource source
          = message_source_from_memory ((const guint8 *) one->original, strlen (one->original));
      g_assert_cmpint (message_writer_check (edits, source, FALSE), ==, one->fault);
      if (message_writer_check (NULL, source, FALSE) == MESSAGE_WRITER_FINE)
        g_assert_cmpint (message_writer_check (edits, source, TRUE), ==, one->fault);
    }
}

static void
test_check_random (void)
{
  static const gchar *snippets[] = { "\r", "\n", "\r\n", "x", "\n\r", "y\r\n", "\r\ny", "\n\n" };
  const gchar *original = "ab\r\n\r\ncd\r\ne\r\n\r\n\r\nf\r\n";
  MessageSource source = message_source_from_memory ((const guint8 *) original, strlen (original));
  guint fine = 0;

  for (guint i = 0; i < 20000; i++)
    {
      g_autoptr (MessageEdits) edits = message_edits_new ();
      for (gint left = g_test_rand_int_range (1, 4); left > 0; left--)
        {
          const gchar *text = snippets[g_test_rand_int_range (0, G_N_ELEMENTS (snippets))];
          g_autoptr (GBytes) inserted = g_bytes_new_static (text, strlen (text));
          guint64 offset = (guint64) g_test_rand_int_range (0, (gint) source.size + 1);
          guint64 removed = MIN ((guint64) g_test_rand_int_range (0, 4), source.size - offset);
          message_edits_add (edits, offset, removed, g_test_rand_bit () ? inserted : NULL);
        }
      MessageWriterFault whole = message_writer_check (edits, source, FALSE);
      g_assert_cmpint (message_writer_check (edits, source, TRUE), ==, whole);
      fine += whole == MESSAGE_WRITER_FINE;
    }
  g_assert_cmpuint (fine, >, 100);
}

static void
test_no_copy (void)
{
  GString *text = g_string_new (NULL);
  gsize length;

  for (guint i = 0; i < 20000; i++)
    g_string_append (text, "0123456789\r\n");
  MessageSource source = message_source_from_memory ((const guint8 *) text->str, text->len);
  g_autoptr (MessageWriter) writer = message_writer_new (NULL, NULL, source);
  const guint8 *bytes = message_writer_next (writer, G_MAXSIZE, &length);
  g_assert_true (bytes == source.memory);
  g_assert_cmpuint (length, ==, text->len);
  g_assert_null (message_writer_next (writer, 10, &length));
  g_string_free (text, TRUE);
}

static void
test_big_spool (void)
{
  MessageSpoolLimits limits = { 1000, g_get_tmp_dir () };
  MessageSpool *spool = message_spool_new (&limits);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) out = g_string_new (NULL);
  const guint8 *bytes;
  gsize length;

  for (guint i = 0; i < 30000; i++)
    g_string_append_printf (text, "%*u\r\n", (gint) (i % 7), i);
  g_assert_true (message_spool_append (spool, text->str, text->len, NULL));
  g_autoptr (MessageWriter) writer
      = message_writer_new (NULL, NULL, message_source_from_spool (spool));
  message_spool_unref (spool);
  while ((bytes = message_writer_next (writer, 100000, &length)) != NULL)
    g_string_append_len (out, (const gchar *) bytes, (gssize) length);
  g_assert_true (message_writer_is_done (writer));
  g_assert_cmpmem (out->str, out->len, text->str, text->len);
}

/* Lines, of which some are long, with a dot here and there inside. */
static GString *
make_lines (gsize least)
{
  GString *text = g_string_new (NULL);

  while (text->len < least)
    {
      gint length = g_test_rand_int_range (0, 100) == 0 ? g_test_rand_int_range (0, 9000)
                                                        : g_test_rand_int_range (0, 90);
      for (gint i = 0; i < length; i++)
        g_string_append_c (text, (gchar) (i % 7 == 3 ? '.' : 'a' + i % 26));
      g_string_append (text, "\r\n");
    }
  return text;
}

static MessageEdits *
make_edits (gsize size)
{
  static const gchar *snippets[] = { "x\r\n", ".", "\r\n.\r\n", "\r", "\n", "yz" };
  MessageEdits *edits = message_edits_new ();

  for (gint left = g_test_rand_int_range (0, 6); left > 0; left--)
    {
      const gchar *text = snippets[g_test_rand_int_range (0, G_N_ELEMENTS (snippets))];
      g_autoptr (GBytes) inserted = g_bytes_new_static (text, strlen (text));
      guint64 offset = (guint64) g_test_rand_int_range (0, (gint) size + 1);
      guint64 removed = MIN ((guint64) g_test_rand_int_range (0, 90000), size - offset);
      message_edits_add (edits, offset, removed, g_test_rand_bit () ? inserted : NULL);
    }
  return edits;
}

/* Places instead of lines: the same octets, whole lines of the source's each time, with the first
 * and the last octet of each range of the original seen by the check. Returns how much it was. */
static gsize
write_by_lines (MessageWriter *writer, const GString *text, GString *out)
{
  const guint8 *bytes;
  guint64 offset;
  gsize length, by_lines = 0;

  while (TRUE)
    {
      gsize most = (gsize) g_test_rand_int_range (1, 300000);
      if (g_test_rand_int_range (0, 4) > 0
          && message_writer_next_lines (writer, most, &offset, &length))
        {
          g_assert_cmpuint (length, <=, most);
          g_assert_cmpmem (text->str + offset - 2, 2, "\r\n", 2);
          g_assert_cmpmem (text->str + offset + length - 2, 2, "\r\n", 2);
          g_assert_cmpmem (out->str + out->len - 2, 2, "\r\n", 2);
          g_string_append_len (out, text->str + offset, (gssize) length);
          by_lines += length;
          continue;
        }
      bytes = message_writer_next (writer, most, &length);
      if (bytes == NULL)
        return by_lines;
      g_string_append_len (out, (const gchar *) bytes, (gssize) length);
    }
}

static void
test_lines (void)
{
  gsize by_lines = 0;

  for (guint i = 0; i < 60; i++)
    {
      g_autoptr (MessageEdits) edits = NULL;
      g_autoptr (GString) out = g_string_new (NULL);
      g_autoptr (GString) expected = g_string_new (NULL);
      GString *text = make_lines (i * 10000);
      gint fd = memfd_of (text->str, text->len);
      MessageSource source = message_source_from_fd (fd, text->len);
      const guint8 *bytes;
      gsize length;

      edits = make_edits (text->len);
      g_autoptr (MessageWriter) plain = message_writer_new ("P\r\n", edits, source);
      while ((bytes = message_writer_next (plain, G_MAXSIZE, &length)) != NULL)
        g_string_append_len (expected, (const gchar *) bytes, (gssize) length);
      source.clean = TRUE;
      g_autoptr (MessageWriter) writer = message_writer_new ("P\r\n", edits, source);
      by_lines += write_by_lines (writer, text, out);
      g_assert_cmpint (message_writer_fault (writer), ==, message_writer_fault (plain));
      g_assert_cmpuint (message_writer_written (writer), ==, out->len);
      g_assert_cmpmem (out->str, out->len, expected->str, expected->len);
      g_string_free (text, TRUE);
      close (fd);
    }
  g_assert_cmpuint (by_lines, >, 1000000);
}

/* Nobody has vouched for it, or nothing is gained by it. */
static void
test_no_lines (void)
{
  GString *text = make_lines (200000);
  gint fd = memfd_of (text->str, text->len);
  MessageSource sources[]
      = { message_source_from_fd (fd, text->len), message_source_from_fd (fd, 60000),
          message_source_from_memory ((guint8 *) text->str, text->len) };

  sources[1].clean = sources[2].clean = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    {
      g_autoptr (MessageWriter) writer = message_writer_new (NULL, NULL, sources[i]);
      guint64 offset;
      gsize length;

      do
        g_assert_false (message_writer_next_lines (writer, G_MAXSIZE, &offset, &length));
      while (message_writer_next (writer, 10000, &length) != NULL);
    }
  g_string_free (text, TRUE);
  close (fd);
}

static void
test_read_error (void)
{
  gint fd = memfd_of ("ab\r\n", 4);
  MessageSource source = message_source_from_fd (fd, 10);
  g_autoptr (MessageWriter) writer = message_writer_new ("P\r\n", NULL, source);
  gsize length;

  g_assert_cmpmem (message_writer_next (writer, 99, &length), 3, "P\r\n", 3);
  g_assert_null (message_writer_next (writer, 99, &length));
  g_assert_cmpint (message_writer_fault (writer), ==, MESSAGE_WRITER_READ_ERROR);
  g_assert_false (message_writer_is_done (writer));
  g_assert_cmpint (message_writer_check (NULL, source, TRUE), ==, MESSAGE_WRITER_READ_ERROR);
  g_assert_cmpint (message_writer_check (NULL, source, FALSE), ==, MESSAGE_WRITER_READ_ERROR);
  close (fd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/message/writer/cases", test_cases);
  g_test_add_func ("/message/writer/descriptor", test_descriptor);
  g_test_add_func ("/message/writer/check", test_check);
  g_test_add_func ("/message/writer/check-random", test_check_random);
  g_test_add_func ("/message/writer/no-copy", test_no_copy);
  g_test_add_func ("/message/writer/big-spool", test_big_spool);
  g_test_add_func ("/message/writer/lines", test_lines);
  g_test_add_func ("/message/writer/no-lines", test_no_lines);
  g_test_add_func ("/message/writer/read-error", test_read_error);
  return g_test_run ();
}
