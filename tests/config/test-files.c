/* The configurations and the manual that the tree ships: each configuration loads as it is, each
 * sample is one message, and the manual has every option with the words of the tables.
 *
 * With --tables it prints the manual's tables instead. */
#include "support.h"

#include <string.h>

static const gchar *const sections[] = { "", "listener", "route", "filter", "tls", "limits" };

static void
test_configuration (gconstpointer data)
{
  g_autofree gchar *path = g_build_filename (SOURCE_ROOT, "config", data, NULL);
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (Config) config = config_load (sources, path, errors);
  g_autofree gchar *text = config_errors_to_string (errors);

  g_assert_cmpstr (text, ==, "");
  g_assert_nonnull (config);
}

static void
add_configurations (void)
{
  g_autofree gchar *folder = g_build_filename (SOURCE_ROOT, "config", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar *name;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *path = g_strdup_printf ("/config/files/%s", name);

      if (g_str_has_suffix (name, ".conf"))
        g_test_add_data_func_full (path, g_strdup (name), test_configuration, g_free);
    }
}

static Config *
load_file (const gchar *name)
{
  g_autofree gchar *path = g_build_filename (SOURCE_ROOT, "config", name, NULL);
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();

  return config_load (sources, path, errors);
}

/* What README and tools/run promise of the demo. */
static void
test_demo (void)
{
  g_autoptr (Config) config = load_file ("demo.conf");
  const ConfigListener *listener;

  g_assert_nonnull (config);
  listener = g_ptr_array_index (config->listeners, 0);
  g_assert_cmpstr (listener->bind[0], ==, "127.0.0.1:2525");
  g_assert_cmpuint (listener->n_endpoints, ==, 1);
  g_assert_cmpuint (listener->n_filters, ==, 2);
  g_assert_cmpstr (listener->filters[0]->module, ==, "attachments");
  g_assert_cmpstr (listener->filters[1]->module, ==, "headers");
  g_assert_cmpstr (listener->routes[0]->destinations[0].text, ==, "maildir:./mail");
}

static void
test_samples (void)
{
  static const gchar *const names[] = { "passes.eml", "newsletter.eml", "refused.eml" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree gchar *path = g_build_filename (SOURCE_ROOT, "config", "samples", names[i], NULL);
      g_autofree gchar *text = NULL;
      g_autoptr (GError) error = NULL;

      g_file_get_contents (path, &text, NULL, &error);
      g_assert_no_error (error);
      g_assert_true (g_str_has_prefix (text, "From: "));
      g_assert_nonnull (strstr (text, "\n\n"));
    }
}

/* ---- The manual ---- */

static gchar *
type_of (const ConfigOption *row)
{
  static const gchar *const names[]
      = { "string", "list of strings", "integer", "size", "duration", "boolean" };
  g_autofree gchar *joined = NULL;

  if (row->type != CONFIG_OPTION_CHOICE)
    return g_strdup (names[row->type]);
  joined = g_strjoinv ("`, `", (gchar **) row->choices);
  return g_strdup_printf ("`%s`", joined);
}

static gchar *
default_of (const ConfigOption *row)
{
  if (row->required)
    return g_strdup ("required");
  if (row->fallback != NULL)
    return g_strdup_printf ("`%s`", row->fallback);
  if (row->type == CONFIG_OPTION_CHOICE)
    return g_strdup_printf ("`%s`", row->choices[0]);
  return g_strdup ("");
}

/* The option's row in docs/configuration.md. Caller frees. */
static gchar *
manual_row (const ConfigOption *row)
{
  g_autofree gchar *type = type_of (row);
  g_autofree gchar *fallback = default_of (row);

  return g_strdup_printf ("| `%s` | %s | %s | %s |\n", row->name, type, fallback, row->help);
}

static void
print_tables (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (sections); i++)
    {
      g_print ("\n## %s\n\n| option | type | default | |\n|---|---|---|---|\n", sections[i]);
      for (const ConfigOption *row = config_section_options (sections[i]); row->name != NULL; row++)
        {
          g_autofree gchar *line = manual_row (row);

          g_print ("%s", line);
        }
    }
}

/* The manual's text about one section: from its heading to the next one. Caller frees. */
static gchar *
manual_section (const gchar *manual, const gchar *section)
{
  g_autofree gchar *heading
      = *section == '\0' ? g_strdup ("\n## Global\n") : g_strdup_printf ("\n## `%s`", section);
  const gchar *start = strstr (manual, heading);
  const gchar *end;

  g_assert_nonnull (start);
  end = strstr (start + 1, "\n## ");
  return end != NULL ? g_strndup (start, (gsize) (end - start)) : g_strdup (start);
}

static void
test_manual (gconstpointer data)
{
  g_autofree gchar *path = g_build_filename (SOURCE_ROOT, "docs", "configuration.md", NULL);
  g_autofree gchar *manual = NULL, *section = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &manual, NULL, &error);
  g_assert_no_error (error);
  section = manual_section (manual, data);
  for (const ConfigOption *row = config_section_options (data); row->name != NULL; row++)
    {
      g_autofree gchar *line = manual_row (row);

      if (strstr (section, line) == NULL)
        g_test_message ("docs/configuration.md lacks: %s", line);
      g_assert_nonnull (strstr (section, line));
    }
}

static void
test_no_section (void)
{
  g_assert_null (config_section_options ("nothing"));
}

gint
main (gint argc, gchar **argv)
{
  if (argc == 2 && strcmp (argv[1], "--tables") == 0)
    {
      print_tables ();
      return 0;
    }
  g_test_init (&argc, &argv, NULL);
  add_configurations ();
  g_test_add_func ("/config/files/demo", test_demo);
  g_test_add_func ("/config/files/samples", test_samples);
  g_test_add_func ("/config/manual/no-section", test_no_section);
  for (guint i = 0; i < G_N_ELEMENTS (sections); i++)
    {
      g_autofree gchar *path
          = g_strdup_printf ("/config/manual/%s", *sections[i] == '\0' ? "global" : sections[i]);

      g_test_add_data_func (path, sections[i], test_manual);
    }
  return g_test_run ();
}
