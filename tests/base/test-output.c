/* Tests of the output queue: order of copied and borrowed bytes, settling, and agreement with a
 * naive model. */
#include "base/output.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LONG 600 /* enough to be borrowed rather than copied */

/* What waits, through small iovecs and up to the first file, or what waits in that file, without
 * consuming it. */
static GByteArray *
collect (const BaseOutput *output)
{
  const BaseOutputSegment *file = base_output_front_file (output);
  GByteArray *all = g_byte_array_new ();
  struct iovec vector[4096];
  guint count = base_output_iovec (output, vector, G_N_ELEMENTS (vector));

  for (guint i = 0; i < count; i++)
    {
      g_assert_cmpuint (vector[i].iov_len, >, 0);
      g_byte_array_append (all, vector[i].iov_base, (guint) vector[i].iov_len);
    }
  if (file != NULL)
    {
      g_assert_cmpuint (count, ==, 0);
      g_byte_array_set_size (all, (guint) file->length);
      g_assert_cmpint (pread (file->fd, all->data, all->len, (off_t) file->offset), ==, all->len);
    }
  return all;
}

static guint
n_segments (const BaseOutput *output)
{
  return output->segments == NULL
             ? 0
             : (guint) (base_buffer_length (output->segments) / sizeof (BaseOutputSegment));
}

static const BaseOutputSegment *
nth_segment (const BaseOutput *output, guint index)
{
  return (const BaseOutputSegment *) (gconstpointer) base_buffer_bytes (output->segments) + index;
}

/* What an emptied output keeps is bounded, and given back when asked for. */
static void
assert_trims (BaseOutput *output)
{
  g_assert_cmpuint (output->length, ==, 0);
  g_assert_cmpuint (output->owned.size, <=, BASE_BUFFER_KEPT);
  g_assert_cmpuint (n_segments (output), ==, 0);
  g_assert_true (output->segments == NULL || output->segments->size <= BASE_BUFFER_KEPT);
  base_output_trim (output);
  g_assert_null (output->owned.data);
  g_assert_null (output->segments);
}

static void
assert_holds (const BaseOutput *output, gconstpointer bytes, gsize length)
{
  g_autoptr (GByteArray) all = collect (output);

  g_assert_cmpuint (output->length, ==, length);
  g_assert_cmpuint (all->len, <=, length);
  g_assert_true (all->len == length || n_segments (output) > 0);
  g_assert_cmpmem (all->data, all->len, bytes, all->len);
}

static void
test_empty (void)
{
  g_auto (BaseOutput) output = BASE_OUTPUT_INIT;
  struct iovec vector[2];

  base_output_append (&output, NULL, 0);
  base_output_append_string (&output, "");
  base_output_borrow (&output, "", 0);
  g_assert_cmpuint (base_output_iovec (&output, vector, 2), ==, 0);
  g_assert_null (output.owned.data);
  g_assert_null (output.segments);
  base_output_settle (&output);
  g_assert_null (output.owned.data);
}

static void
test_owned_only (void)
{
  g_auto (BaseOutput) output = BASE_OUTPUT_INIT;
  struct iovec vector[2];

  base_output_append_string (&output, "250 ");
  base_output_append_printf (&output, "%s\r\n", "Ok");
  g_assert_cmpuint (n_segments (&output), ==, 0);
  g_assert_cmpuint (base_output_iovec (&output, vector, 2), ==, 1);
  g_assert_cmpuint (base_output_iovec (&output, vector, 0), ==, 0);
  assert_holds (&output, "250 Ok\r\n", 8);
  base_output_consume (&output, 4);
  assert_holds (&output, "Ok\r\n", 4);
  base_output_consume (&output, 4);
  assert_trims (&output);
}

static void
test_order (void)
{
  g_auto (BaseOutput) output = BASE_OUTPUT_INIT;
  g_autofree gchar *one = g_strnfill (LONG, '1');
  g_autofree gchar *two = g_strnfill (LONG, '2');
  g_autofree gchar *expected = g_strconcat ("a", one, "b", "c", two, "d", NULL);

  base_output_append_string (&output, "a");
  base_output_borrow (&output, one, LONG);
  base_output_append_string (&output, "b");
  base_output_borrow (&output, "c", 1);
  base_output_borrow (&output, two, LONG);
  base_output_append_printf (&output, "d");
  g_assert_cmpuint (n_segments (&output), ==, 5);
  assert_holds (&output, expected, strlen (expected));
  for (gsize at = 0; at < strlen (expected);)
    {
      gsize step = MIN (97, strlen (expected) - at);
      base_output_consume (&output, step);
      at += step;
      assert_holds (&output, expected + at, strlen (expected) - at);
    }
  assert_trims (&output);
}

static void
test_neighbours_join (void)
{
  g_auto (BaseOutput) output = BASE_OUTPUT_INIT;
  g_autofree gchar *bytes = g_strnfill (2 * LONG, 'n');

  base_output_borrow (&output, bytes, LONG);
  base_output_borrow (&output, bytes + LONG, LONG);
  g_assert_cmpuint (n_segments (&output), ==, 1);
  assert_holds (&output, bytes, 2 * LONG);
}

static void
test_settle (void)
{
  g_auto (BaseOutput) output = BASE_OUTPUT_INIT;
  g_autofree gchar *bytes = g_strnfill (LONG, 'z');
  g_autofree gchar *expected = g_strconcat ("bc", bytes, "de", NULL);

  base_output_append_string (&output, "abc");
  base_output_borrow (&output, bytes, LONG);
  base_output_append_string (&output, "de");
  base_output_consume (&output, 1);
  base_output_settle (&output);
  memset (bytes, '!', LONG);
  g_assert_cmpuint (n_segments (&output), ==, 0);
  assert_holds (&output, expected, strlen (expected));
}

static gint
file_of (const guint8 *bytes, gsize length)
{
  gint fd = memfd_create ("test", MFD_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, bytes, length), ==, (gssize) length);
  return fd;
}

static void
test_file (void)
{
  BaseOutput output = BASE_OUTPUT_INIT;
  gint fd = file_of ((const guint8 *) "0123456789", 10);
  struct iovec vector[4];

  base_output_append_string (&output, "ab");
  g_assert_true (base_output_file (&output, fd, 2, 5));
  base_output_append_string (&output, "cd");
  close (fd);
  g_assert_cmpuint (output.length, ==, 9);
  g_assert_null (base_output_front_file (&output));
  g_assert_cmpuint (base_output_iovec (&output, vector, 4), ==, 1);
  base_output_settle (&output);
  base_output_consume (&output, 3);
  const BaseOutputSegment *file = base_output_front_file (&output);
  g_assert_nonnull (file);
  gint own = file->fd;
  g_assert_cmpint (fcntl (own, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
  g_assert_cmpuint (file->offset, ==, 3);
  g_assert_cmpuint (file->length, ==, 4);
  base_output_consume (&output, 4);
  g_assert_cmpint (fcntl (own, F_GETFD), ==, -1);
  assert_holds (&output, "cd", 2);
  base_output_clear (&output);
}

static void
test_file_is_closed (void)
{
  BaseOutput output = BASE_OUTPUT_INIT;
  gint fd = file_of ((const guint8 *) "0123456789", 10);

  g_assert_true (base_output_file (&output, fd, 0, 10));
  gint own = base_output_front_file (&output)->fd;
  base_output_clear (&output);
  g_assert_cmpint (fcntl (own, F_GETFD), ==, -1);
  close (fd);
  g_assert_false (base_output_file (&output, fd, 0, 10));
  g_assert_cmpuint (output.length, ==, 0);
}

static void
test_random (void)
{
  g_auto (BaseOutput) output = BASE_OUTPUT_INIT;
  g_autoptr (GByteArray) model = g_byte_array_new ();
  guint8 noise[4096];

  for (guint i = 0; i < sizeof noise; i++)
    noise[i] = (guint8) g_test_rand_int ();
  gint fd = file_of (noise, sizeof noise);
  for (guint i = 0; i < 3000; i++)
    {
      guint from = (guint) g_test_rand_int_range (0, 2048);
      guint length = (guint) g_test_rand_int_range (0, 2048);
      switch (g_test_rand_int_range (0, 9))
        {
        case 0:
        case 1:
          base_output_append (&output, noise + from, length);
          g_byte_array_append (model, noise + from, length);
          break;
        case 2:
        case 3:
          base_output_borrow (&output, noise + from, length);
          g_byte_array_append (model, noise + from, length);
          break;
        case 4:
          base_output_settle (&output);
          for (guint j = 0; j < n_segments (&output); j++)
            g_assert_null (nth_segment (&output, j)->borrowed);
          break;
        case 5:
          g_assert_true (base_output_file (&output, fd, from, length + 1));
          g_byte_array_append (model, noise + from, length + 1);
          break;
        default:
          length = MIN (length, model->len);
          base_output_consume (&output, length);
          if (length > 0)
            g_byte_array_remove_range (model, 0, length);
          break;
        }
      assert_holds (&output, model->data, model->len);
      if (model->len == 0 && g_test_rand_bit ())
        assert_trims (&output);
    }
  close (fd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/output/empty", test_empty);
  g_test_add_func ("/base/output/owned-only", test_owned_only);
  g_test_add_func ("/base/output/order", test_order);
  g_test_add_func ("/base/output/neighbours", test_neighbours_join);
  g_test_add_func ("/base/output/settle", test_settle);
  g_test_add_func ("/base/output/file", test_file);
  g_test_add_func ("/base/output/file-is-closed", test_file_is_closed);
  g_test_add_func ("/base/output/random", test_random);
  return g_test_run ();
}
