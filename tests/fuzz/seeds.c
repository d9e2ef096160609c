/* Runs a fuzz target over each file of its seed folder, so that every build keeps what the fuzzers
 * found. */
#include <stdint.h>

#include <glib.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
run_seed (gconstpointer path)
{
  g_autofree gchar *bytes = NULL;
  gsize length;
  g_assert_true (g_file_get_contents (path, &bytes, &length, NULL));
  LLVMFuzzerTestOneInput ((const uint8_t *) bytes, length);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  g_autoptr (GDir) dir = g_dir_open (argv[1], 0, NULL);
  const gchar *name;
  guint count = 0;
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *test = g_strdup_printf ("/fuzz/seed/%s", name);
      g_test_add_data_func_full (test, g_build_filename (argv[1], name, NULL), run_seed, g_free);
      count++;
    }
  g_assert_cmpuint (count, >, 0);
  return g_test_run ();
}
