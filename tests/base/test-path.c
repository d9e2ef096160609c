/* Tests of paths as values. */
#include "base/path.h"

static void
test_path (void)
{
  const gchar *parameters[] = { "SIZE=100", "SMTPUTF8", "SIZEX=1", "RET=", NULL };
  g_autoptr (BasePath) path = base_path_new ("a@b", parameters);
  g_autoptr (BasePath) copy = base_path_copy (path);
  g_autoptr (BasePath) plain = base_path_new ("a@b", NULL);

  g_assert_cmpstr (base_path_parameter (path, "SIZE"), ==, "100");
  g_assert_cmpstr (base_path_parameter (path, "SMTPUTF8"), ==, "");
  g_assert_cmpstr (base_path_parameter (path, "RET"), ==, "");
  g_assert_null (base_path_parameter (path, "SIZ"));
  g_assert_null (base_path_parameter (plain, "SIZE"));
  g_assert_true (base_path_equal (path, copy));
  g_assert_true (copy->parameters != path->parameters);
  g_assert_false (base_path_equal (path, plain));
  g_assert_false (base_path_equal (plain, path));
  g_assert_null (plain->parameters);
}

static void
test_no_parameters (void)
{
  const gchar *none[] = { NULL };
  g_autoptr (BasePath) empty = base_path_new ("a@b", none);
  g_autoptr (BasePath) plain = base_path_new ("a@b", NULL);
  g_autoptr (BasePath) other = base_path_new ("A@b", NULL);

  g_assert_null (empty->parameters);
  g_assert_true (base_path_equal (empty, plain));
  g_assert_false (base_path_equal (empty, other));
  base_path_free (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/path/parameters", test_path);
  g_test_add_func ("/base/path/no-parameters", test_no_parameters);
  return g_test_run ();
}
