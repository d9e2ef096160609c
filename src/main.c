/* The command line: one row a command. Also the way back in for the supervisor, which executes this
 * program again as a generation. A command that does not exist is a usage error (64) that names the
 * nearest one. */
#include <stdio.h>
#include <sysexits.h>

#include "commands/commands.h"
#include "config/option.h"
#include "supervisor/generation.h"
#include "supervisor/paths.h"

typedef struct
{
  const gchar *name;
  int (*run) (int argc, char **argv);
  const gchar *summary;
} Command;

static const Command commands[] = {
  { "run", command_run, "run the gateway in the foreground" },
  { "check", command_check, "check a configuration and load its filters" },
  { "try", command_try, "run the filters on a message file and show what they do" },
  { "send", command_send, "send a message file" },
  { "filters", command_filters, "list filter modules, or explain one" },
  { "status", command_status, "show what a running gateway does" },
  { "quarantine", command_quarantine, "list, show, release or delete what was set aside" },
};

static void
print_help (FILE *out)
{
  fprintf (out, "Usage: mailweir COMMAND [OPTION…]\n\n");
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    fprintf (out, "  %-10s %s\n", commands[i].name, commands[i].summary);
  fprintf (out,
           "\n\"mailweir COMMAND --help\" explains a command; \"mailweir --version\" prints the "
           "version.\n");
}

static int
unknown (const gchar *word)
{
  const gchar *names[G_N_ELEMENTS (commands) + 1] = { NULL };
  const gchar *nearest;

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    names[i] = commands[i].name;
  nearest = config_suggest (word, names);
  fprintf (stderr, "mailweir: unknown command \"%s\"", word);
  if (nearest != NULL)
    fprintf (stderr, "; did you mean \"%s\"?", nearest);
  fprintf (stderr, "\n");
  return EX_USAGE;
}

/* Help is UTF-8 in every locale: GLib would put question marks into that of the C locale. */
static void
print_as_is (const gchar *text)
{
  fputs (text, stdout);
}

static int
run_command (const Command *command, int argc, char **argv)
{
  g_autofree gchar *name = g_strconcat ("mailweir ", command->name, NULL);

  g_set_prgname (name); /* as the command's help shows it */
  g_set_print_handler (print_as_is);
  return command->run (argc, argv);
}

int
main (int argc, char **argv)
{
  const gchar *word = argc > 1 ? argv[1] : "--help";

  if (g_str_equal (word, "--version"))
    {
      printf ("mailweir %s\n", supervisor_version ());
      return EX_OK;
    }
  if (g_str_equal (word, "--help") || g_str_equal (word, "-h") || g_str_equal (word, "help"))
    {
      print_help (argc > 1 ? stdout : stderr);
      return argc > 1 ? EX_OK : EX_USAGE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (word, commands[i].name))
      return run_command (&commands[i], argc - 1, argv + 1);
  /* Hidden: only the supervisor knows what belongs behind it. */
  if (g_str_equal (word, "generation"))
    return supervisor_generation_main (argc - 2, argv + 2);
  return unknown (word);
}
