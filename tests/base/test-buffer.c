/* Tests of the growable run of bytes: order, memory given back, and agreement with a naive model
 * over random calls. */
#include "base/buffer.h"

#include <string.h>

static void
test_empty (void)
{
  g_auto (BaseBuffer) buffer = BASE_BUFFER_INIT;

  g_assert_null (base_buffer_bytes (&buffer));
  base_buffer_append (&buffer, NULL, 0);
  base_buffer_append_string (&buffer, "");
  base_buffer_append_printf (&buffer, "%s", "");
  g_assert_null (buffer.data);
  base_buffer_consume (&buffer, 0);
  g_assert_cmpuint (base_buffer_length (&buffer), ==, 0);
}

static void
test_append_consume (void)
{
  g_auto (BaseBuffer) buffer = BASE_BUFFER_INIT;

  base_buffer_append_string (&buffer, "hello ");
  base_buffer_append_printf (&buffer, "%s %d", "world", 42);
  g_assert_cmpmem (base_buffer_bytes (&buffer), base_buffer_length (&buffer), "hello world 42", 14);
  base_buffer_consume (&buffer, 6);
  g_assert_cmpmem (base_buffer_bytes (&buffer), base_buffer_length (&buffer), "world 42", 8);
  base_buffer_consume (&buffer, 8);
  g_assert_null (buffer.data);
  g_assert_cmpuint (buffer.size, ==, 0);
}

static void
test_long_printf (void)
{
  g_auto (BaseBuffer) buffer = BASE_BUFFER_INIT;
  g_autofree gchar *text = g_strnfill (5000, 'x');

  for (guint length = 120; length < 140; length++)
    {
      base_buffer_reset (&buffer);
      base_buffer_append_printf (&buffer, "%.*s", (gint) length, text);
      g_assert_cmpmem (base_buffer_bytes (&buffer), base_buffer_length (&buffer), text, length);
    }
  base_buffer_append_printf (&buffer, "%s", text);
  g_assert_cmpuint (base_buffer_length (&buffer), ==, 139 + 5000);
}

static void
test_reset_keeps_memory (void)
{
  g_auto (BaseBuffer) buffer = BASE_BUFFER_INIT;

  base_buffer_append_string (&buffer, "abc");
  guint8 *data = buffer.data;
  base_buffer_reset (&buffer);
  g_assert_true (buffer.data == data);
  g_assert_cmpuint (base_buffer_length (&buffer), ==, 0);
  memcpy (base_buffer_reserve (&buffer, 3), "xyz", 3);
  base_buffer_commit (&buffer, 2);
  g_assert_cmpmem (base_buffer_bytes (&buffer), base_buffer_length (&buffer), "xy", 2);
}

static void
test_skip_keeps_little (void)
{
  g_auto (BaseBuffer) buffer = BASE_BUFFER_INIT;
  g_autofree gchar *text = g_strnfill (BASE_BUFFER_KEPT + 1, 'x');

  base_buffer_append (&buffer, text, BASE_BUFFER_KEPT);
  base_buffer_skip (&buffer, 1);
  g_assert_cmpuint (base_buffer_length (&buffer), ==, BASE_BUFFER_KEPT - 1);
  base_buffer_skip (&buffer, BASE_BUFFER_KEPT - 1);
  g_assert_cmpuint (base_buffer_length (&buffer), ==, 0);
  g_assert_cmpuint (buffer.size, ==, BASE_BUFFER_KEPT);
  base_buffer_append (&buffer, text, BASE_BUFFER_KEPT + 1);
  base_buffer_skip (&buffer, BASE_BUFFER_KEPT + 1);
  g_assert_null (buffer.data);
}

/* A consumer of single bytes behind a producer of single bytes must not pay a copy of everything
 * for each. */
static void
test_growth_is_bounded (void)
{
  g_auto (BaseBuffer) buffer = BASE_BUFFER_INIT;
  guint moves = 0;

  for (guint i = 0; i < 4000; i++)
    base_buffer_append (&buffer, "x", 1);
  for (guint i = 0; i < 100000; i++)
    {
      gsize start = buffer.start;
      base_buffer_append (&buffer, "y", 1);
      moves += buffer.start < start;
      base_buffer_consume (&buffer, 1);
    }
  g_assert_cmpuint (moves, <, 100);
  g_assert_cmpuint (buffer.size, <=, 4 * 8192);
}

static void
test_random (void)
{
  g_auto (BaseBuffer) buffer = BASE_BUFFER_INIT;
  g_autoptr (GByteArray) model = g_byte_array_new ();
  guint8 noise[600];

  for (guint i = 0; i < 20000; i++)
    {
      guint length = (guint) g_test_rand_int_range (0, sizeof noise);
      if (g_test_rand_bit ())
        {
          memset (noise, (gint) (i & 0xff), length);
          base_buffer_append (&buffer, noise, length);
          g_byte_array_append (model, noise, length);
        }
      else
        {
          length = MIN (length, model->len);
          base_buffer_consume (&buffer, length);
          if (length > 0)
            g_byte_array_remove_range (model, 0, length);
        }
      g_assert_cmpmem (base_buffer_bytes (&buffer), base_buffer_length (&buffer), model->data,
                       model->len);
      g_assert_true (model->len > 0 || buffer.data == NULL);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/buffer/empty", test_empty);
  g_test_add_func ("/base/buffer/append-consume", test_append_consume);
  g_test_add_func ("/base/buffer/long-printf", test_long_printf);
  g_test_add_func ("/base/buffer/reset", test_reset_keeps_memory);
  g_test_add_func ("/base/buffer/skip", test_skip_keeps_little);
  g_test_add_func ("/base/buffer/growth", test_growth_is_bounded);
  g_test_add_func ("/base/buffer/random", test_random);
  return g_test_run ();
}
