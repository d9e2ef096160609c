/* What the commands have in common where they read their command line: the words about an argument
 * that no command knows what to do with. */
#include <stdio.h>
#include <sysexits.h>

#include "commands/commands.h"

/* It looks like a configuration that was meant to stand behind -c. */
static gboolean
is_configuration (const gchar *argument)
{
  return g_str_has_suffix (argument, ".conf") || g_file_test (argument, G_FILE_TEST_IS_REGULAR);
}

int
command_refuse_argument (const gchar *command, const gchar *argument, gboolean suggest)
{
  fprintf (stderr, "mailweir %s: unexpected argument \"%s\"", command, argument);
  if (suggest && is_configuration (argument))
    fprintf (stderr, "; did you mean \"-c %s\"?", argument);
  fprintf (stderr, "\n");
  return EX_USAGE;
}
