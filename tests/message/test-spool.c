/* Tests of the spool: all bytes readable after each move, at sizes around each bound, and failures
 * that lose nothing. */
#include "message/spool.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "message/source.h"

#define MEMORY (256 * 1024)

static gchar *directory;

static MessageSpool *
make_spool (gsize memory)
{
  MessageSpoolLimits limits = { memory, directory };

  return message_spool_new (&limits);
}

static guint8
byte_at (guint64 offset)
{
  return (guint8) (offset * 31 + offset / 251);
}

static gboolean
append (MessageSpool *spool, gsize length, GError **error)
{
  g_autofree guint8 *bytes = g_malloc (length + 1);

  for (gsize i = 0; i < length; i++)
    bytes[i] = byte_at (message_spool_size (spool) + i);
  return message_spool_append (spool, bytes, length, error);
}

static void
assert_bytes (const MessageSource *source, guint64 size)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *bytes = g_malloc (size + 10);

  g_assert_cmpuint (source->size, ==, size);
  gssize got = message_source_read (source, 0, bytes, size + 10, &error);
  g_assert_no_error (error);
  g_assert_cmpint (got, ==, (gssize) size);
  for (guint64 i = 0; i < size; i++)
    g_assert_cmpuint (bytes[i], ==, byte_at (i));
  g_assert_cmpint (message_source_read (source, size, bytes, 1, &error), ==, 0);
}

static void
assert_holds (MessageSpool *spool, guint64 size)
{
  MessageSource source = message_source_from_spool (spool);

  g_assert_cmpuint (message_spool_size (spool), ==, size);
  assert_bytes (&source, size);
}

static void
assert_reopens (MessageSpool *spool)
{
  g_autoptr (GError) error = NULL;
  gint fd = message_spool_reopen (spool, &error);

  g_assert_no_error (error);
  MessageSource source = message_source_from_fd (fd, message_spool_size (spool));
  assert_bytes (&source, message_spool_size (spool));
  g_assert_cmpint (fcntl (fd, F_GETFL) & O_ACCMODE, ==, O_RDONLY);
  g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
  g_assert_cmpint (write (fd, "x", 1), ==, -1);
  close (fd);
}

static void
test_bounds (void)
{
  static const struct
  {
    gsize first;
    gsize second;
    gboolean inlined;
  } cases[] = {
    { 0, 0, TRUE },
    { 1, 0, TRUE },
    { 4096, 100, TRUE },
    { MESSAGE_INLINE - 1, 1, TRUE },
    { MESSAGE_INLINE, 1, FALSE },
    { MESSAGE_INLINE + 1, 0, FALSE },
    { MEMORY, 0, FALSE },
    { MEMORY, 1, FALSE },
    { MESSAGE_INLINE, MEMORY, FALSE },
    { 100, 3 * MEMORY, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (MessageSpool) spool = make_spool (MEMORY);
      g_assert_true (append (spool, cases[i].first, NULL));
      g_assert_true (append (spool, cases[i].second, NULL));
      assert_holds (spool, cases[i].first + cases[i].second);
      g_assert_cmpint (message_spool_inline (spool) != NULL, ==, cases[i].inlined);
      if (!cases[i].inlined)
        assert_reopens (spool);
    }
}

static void
test_growing (void)
{
  g_autoptr (MessageSpool) spool = make_spool (MEMORY);
  guint64 size = 0;

  while (size < 2 * MEMORY)
    {
      gsize length = (gsize) g_test_rand_int_range (1, 9000);
      g_assert_true (append (spool, length, NULL));
      size += length;
    }
  assert_holds (spool, size);
  assert_reopens (spool);
}

/* A small bound on memory holds for small messages too. */
static void
test_no_memory (void)
{
  g_autoptr (MessageSpool) spool = make_spool (100);

  g_assert_true (append (spool, 100, NULL));
  g_assert_nonnull (message_spool_inline (spool));
  g_assert_true (append (spool, 1, NULL));
  g_assert_null (message_spool_inline (spool));
  assert_holds (spool, 101);
}

static void
test_nothing_left (void)
{
  g_autoptr (GDir) listing = g_dir_open (directory, 0, NULL);

  g_assert_null (g_dir_read_name (listing));
}

static void
test_no_directory (void)
{
  MessageSpoolLimits limits = { 100, "/nonexistent/spool" };
  g_autoptr (MessageSpool) spool = message_spool_new (&limits);
  g_autoptr (GError) error = NULL;

  g_assert_true (append (spool, 100, NULL));
  g_assert_false (append (spool, 1, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_assert_nonnull (g_strstr_len (error->message, -1, "/nonexistent/spool"));
  assert_holds (spool, 100);
}

static void
test_no_descriptors (void)
{
  g_autoptr (MessageSpool) spool = make_spool (MEMORY);
  g_autoptr (GError) error = NULL;
  struct rlimit before;
  struct rlimit none;

  g_assert_true (append (spool, MESSAGE_INLINE, NULL));
  getrlimit (RLIMIT_NOFILE, &before);
  none = before;
  none.rlim_cur = 0;
  setrlimit (RLIMIT_NOFILE, &none);
  gboolean good = append (spool, 1, &error);
  setrlimit (RLIMIT_NOFILE, &before);
  g_assert_false (good);
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_MFILE);
  assert_holds (spool, MESSAGE_INLINE);
  g_assert_true (append (spool, 1, NULL));
  assert_holds (spool, MESSAGE_INLINE + 1);
}

/* The kernel's limit on the size of a file stands for a full disk: the write comes back short, then
 * fails. */
static void
test_no_space (void)
{
  g_autoptr (MessageSpool) spool = make_spool (1000);
  g_autoptr (GError) error = NULL;
  struct rlimit before;
  struct rlimit small;

  signal (SIGXFSZ, SIG_IGN);
  g_assert_true (append (spool, 1001, NULL));
  getrlimit (RLIMIT_FSIZE, &before);
  small = before;
  small.rlim_cur = 5000;
  setrlimit (RLIMIT_FSIZE, &small);
  gboolean good = append (spool, 6000, &error);
  setrlimit (RLIMIT_FSIZE, &before);
  g_assert_false (good);
  g_assert_nonnull (error);
  g_assert_true (error->domain == G_FILE_ERROR);
  assert_holds (spool, 1001);
  g_assert_true (append (spool, 6000, NULL));
  assert_holds (spool, 7001);
}

static gint
open_again (gint fd, gint flags)
{
  gchar path[40];

  g_snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  return open (path, flags | O_NONBLOCK | O_CLOEXEC);
}

/* Whoever has a descriptor of it, read-only as it is, may read on; when it is opened for writing,
 * that shows before an octet can be changed. */
static void
test_lease (gconstpointer memory)
{
  g_autoptr (MessageSpool) spool = make_spool (GPOINTER_TO_SIZE (memory));

  g_assert_true (append (spool, 2 * MESSAGE_INLINE, NULL));
  g_assert_cmpint (message_spool_leased (spool), ==, -1);
  message_spool_finish (spool);
  gint own = message_spool_leased (spool);
  g_assert_cmpint (own, >=, 0);
  g_assert_cmpint (fcntl (own, F_GETFL) & O_ACCMODE, ==, O_RDONLY);
  assert_holds (spool, 2 * MESSAGE_INLINE);
  assert_reopens (spool);

  gint given = message_spool_reopen (spool, NULL);
  gint other = open_again (given, O_RDONLY);
  g_assert_cmpint (other, >=, 0);
  g_assert_cmpint (message_spool_leased (spool), ==, own);
  g_assert_cmpint (open_again (given, O_RDWR), ==, -1);
  g_assert_cmpint (message_spool_leased (spool), ==, -1);
  g_assert_cmpint (open_again (given, O_WRONLY | O_TRUNC), ==, -1);
  assert_holds (spool, 2 * MESSAGE_INLINE);
  close (given);
  close (other);
}

static void
test_inline_is_not_leased (void)
{
  g_autoptr (MessageSpool) spool = make_spool (MEMORY);

  g_assert_true (append (spool, 100, NULL));
  message_spool_finish (spool);
  g_assert_cmpint (message_spool_leased (spool), ==, -1);
  assert_holds (spool, 100);
}

static void
test_step (void)
{
  g_autoptr (MessageSpool) spool = make_spool (MEMORY);

  g_assert_cmpuint (message_spool_step (spool), ==, MESSAGE_SPOOL_STEP);
  g_assert_true (append (spool, 1000, NULL));
  g_assert_cmpuint (message_spool_step (spool), ==, MESSAGE_SPOOL_STEP - 1000);
  g_assert_true (append (spool, MESSAGE_SPOOL_STEP - 1000, NULL));
  g_assert_cmpuint (message_spool_step (spool), ==, MESSAGE_SPOOL_STEP);
}

static void
test_short_file (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *name = g_build_filename (directory, "short", NULL);
  guint8 bytes[16];

  g_assert_true (g_file_set_contents (name, "abc", 3, NULL));
  gint fd = g_open (name, O_RDONLY | O_CLOEXEC, 0);
  g_unlink (name);
  MessageSource source = message_source_from_fd (fd, 10);
  g_assert_cmpint (message_source_read (&source, 0, bytes, 10, &error), ==, 3);
  g_assert_no_error (error);
  close (fd);
  g_assert_cmpint (message_source_read (&source, 0, bytes, 10, &error), ==, -1);
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_BADF);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  directory = g_dir_make_tmp ("spool-XXXXXX", NULL);
  g_test_add_func ("/message/spool/bounds", test_bounds);
  g_test_add_func ("/message/spool/growing", test_growing);
  g_test_add_func ("/message/spool/no-memory", test_no_memory);
  g_test_add_func ("/message/spool/nothing-left", test_nothing_left);
  g_test_add_func ("/message/spool/no-directory", test_no_directory);
  g_test_add_func ("/message/spool/no-descriptors", test_no_descriptors);
  g_test_add_func ("/message/spool/no-space", test_no_space);
  g_test_add_func ("/message/spool/short-file", test_short_file);
  g_test_add_data_func ("/message/spool/lease/memory", GSIZE_TO_POINTER (MEMORY), test_lease);
  g_test_add_data_func ("/message/spool/lease/file", GSIZE_TO_POINTER (1000), test_lease);
  g_test_add_func ("/message/spool/inline-is-not-leased", test_inline_is_not_leased);
  g_test_add_func ("/message/spool/step", test_step);
  gint result = g_test_run ();
  g_rmdir (directory);
  g_free (directory);
  return result;
}
