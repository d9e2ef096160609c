/* mailweir filters: lists the modules that can be configured; with a name, one module's options and
 * the options that every filter has. 69 when there is no such module. */
#include <stdio.h>
#include <sysexits.h>

#include <mailweir/filter.h>

#include "commands/commands.h"
#include "supervisor/paths.h"
#include "worker/modules.h"

static gchar *
describe_edits (guint edits)
{
  static const gchar *const words[]
      = { "sender", "recipients", "headers", "parts", "body", "message" };
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if ((edits & (1u << i)) != 0)
      g_string_append_printf (text, "%s%s", text->len == 0 ? "edits " : ", ", words[i]);
  return g_strdup (text->len == 0 ? "edits nothing" : text->str);
}

static gint
list_modules (const gchar *const *directories)
{
  g_auto (GStrv) names = worker_module_list (directories);
  gint status = EX_OK;

  for (gchar **name = names; *name != NULL; name++)
    {
      g_autoptr (GError) error = NULL;
      const WeirFilter *filter = worker_module_open (*name, directories, &error);
      g_autofree gchar *edits = filter == NULL ? NULL : describe_edits (filter->edits);

      if (filter != NULL)
        printf ("%-16s %s (%s)\n", *name, filter->summary, edits);
      else
        {
          fprintf (stderr, "%-16s %s\n", *name, error->message);
          status = EX_SOFTWARE;
        }
    }
  return status;
}

static void
print_table (const gchar *title, const ConfigOption *table)
{
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;

  config_options_print (table, &out);
  printf ("\n%s\n", title);
  fwrite (base_buffer_bytes (&out), 1, base_buffer_length (&out), stdout);
}

static gint
print_module (const gchar *name, const gchar *const *directories)
{
  g_autoptr (GError) error = NULL;
  const WeirFilter *filter = worker_module_open (name, directories, &error);
  g_autofree ConfigOption *options = NULL;
  g_autofree gchar *edits = NULL;

  if (filter == NULL)
    {
      fprintf (stderr, "mailweir filters: %s\n", error->message);
      return EX_UNAVAILABLE;
    }
  edits = describe_edits (filter->edits);
  options = worker_module_options (filter);
  printf ("%s: %s (%s)\n", filter->name, filter->summary, edits);
  print_table ("Options of this module:", options);
  print_table ("Options of every filter:", config_section_options ("filter"));
  return EX_OK;
}

int
command_filters (int argc, char **argv)
{
  g_autofree gchar *path = NULL;
  const GOptionEntry entries[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &path, "Look in its module-directory as well",
      "FILE" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("[NAME] - what filters there are");
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (Config) config = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) directories = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      fprintf (stderr, "mailweir filters: %s\n", error->message);
      return EX_USAGE;
    }
  if (argc > 2)
    return command_refuse_argument ("filters", argv[2], FALSE);
  if (path != NULL)
    config = config_load (sources, path, errors);
  if (config_errors_count (errors) > 0)
    {
      g_autofree gchar *text = config_errors_to_string (errors);

      fputs (text, stderr);
      return EX_CONFIG;
    }
  directories = supervisor_module_directories (config);
  return argc == 2 ? print_module (argv[1], (const gchar *const *) directories)
                   : list_modules ((const gchar *const *) directories);
}
