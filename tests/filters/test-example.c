/* The example of docs/writing-filters.md is the one that is compiled, tested and installed: module,
 * test and meson.build stand on the page word by word. What it does, its own test says. */
#include <glib.h>
#include <string.h>

static void
test_file (gconstpointer data)
{
  static const char *const fences[] = { "c", "meson" };
  const char *name = data;
  const char *fence = fences[g_str_has_suffix (name, ".build")];
  g_autofree char *path = g_build_filename (EXAMPLE_FOLDER, name, NULL);
  g_autofree char *page = NULL;
  g_autofree char *source = NULL;
  g_autofree char *block = NULL;

  g_assert_true (g_file_get_contents (EXAMPLE_DOCS, &page, NULL, NULL));
  g_assert_true (g_file_get_contents (path, &source, NULL, NULL));
  block = g_strdup_printf ("```%s\n%s```\n", fence, source);
  g_assert_nonnull (strstr (page, block));
}

/* The page says ten lines. */
static void
test_lines (void)
{
  g_autofree char *build = NULL;
  g_auto (GStrv) lines = NULL;

  g_assert_true (g_file_get_contents (EXAMPLE_FOLDER "/meson.build", &build, NULL, NULL));
  lines = g_strsplit (build, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines) - 1, <=, 10);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/example/module", "no-noise.c", test_file);
  g_test_add_data_func ("/example/test", "test-no-noise.c", test_file);
  g_test_add_data_func ("/example/build", "meson.build", test_file);
  g_test_add_func ("/example/lines", test_lines);
  return g_test_run ();
}
