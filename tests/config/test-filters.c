/* Filters' conditions, and filters as one listener has them. */
#include "support.h"

#include <string.h>

#define ROUTE "route \"r\" { to = [\"discard:\"] }\n"
#define LISTENER(name, port, more)                                                                 \
  "listener \"" name "\" { bind = [\"127.0.0.1:" port                                              \
  "\"] routes = [\"r\"] filters = [\"f\"] " more "}\n"

static void
test_conditions (void)
{
  g_autoptr (Config) config = load_text (
      "filter \"f\" { module = \"m\" only-if = [\"client 10.0.0.0/8\", \"not user *\"] }\n"
      "filter \"g\" { module = \"m\" }\n" LISTENER ("l", "1", "") ROUTE,
      NULL);
  const ConfigFilter *filter;

  g_assert_nonnull (config);
  filter = g_ptr_array_index (config->filters, 0);
  g_assert_cmpuint (filter->conditions->len, ==, 2);
  g_assert_cmpuint (base_conditions_kinds (filter->conditions), ==,
                    BASE_CONDITION_BIT (BASE_CONDITION_CLIENT)
                        | BASE_CONDITION_BIT (BASE_CONDITION_USER));
  filter = g_ptr_array_index (config->filters, 1);
  g_assert_cmpuint (filter->conditions->len, ==, 0);
}

static void
expect_errors (const gchar *text, const gchar *expected)
{
  g_autofree gchar *errors = errors_of (text);

  g_assert_cmpstr (errors, ==, expected);
}

static void
test_condition_errors (void)
{
  expect_errors (
      "filter \"f\" { module = \"m\" only-if = [\"user *\", \"sendr *\"] }\n" LISTENER ("l", "1",
                                                                                        "") ROUTE,
      "c:1:48: option \"only-if\": \"sendr\" is nothing that can be asked; there are listener, "
      "client, user, sender, recipient and note\n");
  expect_errors (
      "filter \"f\" { module = \"m\" only-if = \"client 10.0.0.1/8\" }\n" LISTENER ("l", "1", "")
          ROUTE,
      "c:1:37: option \"only-if\": bits behind the network prefix are set: \"10.0.0.1/8\"\n");
  expect_errors (
      "filter \"f\" { module = \"m\" only-if = \"listener k l\" }\n" LISTENER ("l", "1", "") ROUTE,
      "c:1:37: option \"only-if\": there is no listener \"k\"\n");
}

static void
test_too_many_conditions (void)
{
  g_autoptr (GString) most = g_string_new ("\"user *\"");
  g_autofree gchar *fine = NULL, *over = NULL;

  for (guint i = 1; i < CONFIG_MAX_CONDITIONS; i++)
    g_string_append (most, ", \"user *\"");
  fine = g_strdup_printf (
      "filter \"f\" { module = \"m\" only-if = [%s] }\n" LISTENER ("l", "1", "") ROUTE, most->str);
  over = g_strdup_printf (
      "filter \"f\" { module = \"m\" only-if = [%s, \"user *\"] }\n" LISTENER ("l", "1", "") ROUTE,
      most->str);
  expect_errors (fine, "");
  expect_errors (over, "c:1:37: filter \"f\" has more than 32 conditions\n");
}

static const ConfigFilter *
filter_of (const Config *config, guint listener)
{
  return ((ConfigListener *) g_ptr_array_index (config->listeners, listener))->filters[0];
}

static void
test_filter_of_a_listener (void)
{
  g_autoptr (Config) config = load_text (
      "filter \"f\" { module = \"m\" deny = [\"exe\"] timeout = 5s }\n" LISTENER ("l", "1", "")
          LISTENER ("k", "2", "filter \"f\" { deny = [] enforce = false only-if = \"user *\" } ")
              ROUTE,
      NULL);
  const ConfigFilter *plain, *changed;

  g_assert_nonnull (config);
  plain = filter_of (config, 0);
  changed = filter_of (config, 1);
  g_assert_true (plain != changed);
  g_assert_cmpstr (changed->name, ==, "f");
  g_assert_cmpstr (changed->module, ==, "m");
  g_assert_cmpuint (changed->index, ==, 1);
  g_assert_true (g_ptr_array_index (config->filters, 1) == changed);
  g_assert_true (plain->enforce);
  g_assert_false (changed->enforce);
  g_assert_cmpint (changed->timeout, ==, 5000);
  g_assert_cmpuint (plain->conditions->len, ==, 0);
  g_assert_cmpuint (changed->conditions->len, ==, 1);
  /* the module's own options are bound from there */
  g_assert_cmpuint (config_block_setting (plain->block, "deny")->value->items->len, ==, 1);
  g_assert_cmpuint (config_block_setting (changed->block, "deny")->value->items->len, ==, 0);
}

static void
test_errors_of_a_listener (void)
{
  static const struct
  {
    const gchar *inside, *errors;
  } rows[] = {
    { "filter \"g\" { } ", "c:2:71: filter \"g\" is not among the filters of listener \"l\"\n" },
    { "filter { } ", "c:2:71: block \"filter\" needs a title, as in filter \"name\" { … }\n" },
    { "filter \"f\" { } filter \"f\" { } ",
      "c:2:86: filter \"f\" is given twice; first at c:2:71\n" },
    { "filter \"f\" { module = \"n\" } ",
      "c:2:84: listener \"l\" can not give filter \"f\" another module\n" },
    { "filter \"f\" { enforce = 3 } ",
      "c:2:94: option \"enforce\": expected true or false, found \"3\"\n" },
    { "filter \"f\" { timeout = 1h } ",
      "c:2:94: timeout 1h of filter \"f\" is longer than the deadline 2m\n" },
    { "filter \"f\" { only-if = \"x\" } ",
      "c:2:94: option \"only-if\": \"x\" is nothing that can be asked; there are listener, client, "
      "user, sender, recipient and note\n" },
    { "filter \"f\" { inner { } } ", "c:2:84: filter \"f\" has no blocks, found \"inner\"\n" },
    { "route \"f\" { } ",
      "c:2:71: listener \"l\" has no blocks but \"filter\", found \"route\"\n" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *text = g_strdup_printf ("filter \"f\" { module = \"m\" }\n"
                                                "listener \"l\" { bind = [\"127.0.0.1:1\"] routes "
                                                "= [\"r\"] filters = [\"f\"]  %s}\n" ROUTE,
                                                rows[i].inside);

      expect_errors (text, rows[i].errors);
    }
}

/* One fault of the filter's own block is one error, however many listeners change it. */
static void
test_faults_are_told_once (void)
{
  expect_errors (
      "filter \"f\" { module = \"m\" enforce = 1 }\n" LISTENER ("l", "1", "filter \"f\" { x = 1 } ")
          LISTENER ("k", "2", "filter \"f\" { x = 2 } ") ROUTE,
      "c:1:37: option \"enforce\": expected true or false, found \"1\"\n");
}

static void
test_too_many_filters (void)
{
  g_autoptr (GString) text = g_string_new ("hostname = \"h\"\n");
  g_autoptr (GString) names = g_string_new (NULL);
  g_autoptr (GString) changes = g_string_new (NULL);
  g_autofree gchar *errors = NULL;

  for (guint i = 0; i < 600; i++)
    {
      g_string_append_printf (text, "filter \"f%u\" { module = \"m\" }\n", i);
      g_string_append_printf (names, "%s\"f%u\"", i > 0 ? ", " : "", i);
      g_string_append_printf (changes, "filter \"f%u\" { x = 1 }\n", i);
    }
  for (guint i = 0; i < 6; i++)
    g_string_append_printf (text,
                            "listener \"l%u\" { bind = [\"127.0.0.1:%u\"] routes = [\"r\"]\n"
                            "filters = [%s]\n%s}\n",
                            i, i + 1, names->str, changes->str);
  g_string_append (text, ROUTE);
  errors = errors_of (text->str);
  g_assert_nonnull (strstr (errors, "more than 4096 filters"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/filters/conditions", test_conditions);
  g_test_add_func ("/config/filters/condition-errors", test_condition_errors);
  g_test_add_func ("/config/filters/too-many-conditions", test_too_many_conditions);
  g_test_add_func ("/config/filters/of-a-listener", test_filter_of_a_listener);
  g_test_add_func ("/config/filters/errors-of-a-listener", test_errors_of_a_listener);
  g_test_add_func ("/config/filters/told-once", test_faults_are_told_once);
  g_test_add_func ("/config/filters/too-many", test_too_many_filters);
  return g_test_run ();
}
