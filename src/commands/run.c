/* mailweir run: the gateway in the foreground. Fails with 78 and all errors when the configuration
 * does not load, else runs until it is told to end. */
#include <stdio.h>
#include <sysexits.h>

#include "commands/commands.h"
#include "supervisor/paths.h"
#include "supervisor/supervisor.h"

int
command_run (int argc, char **argv)
{
  g_autofree gchar *config = NULL;
  const GOptionEntry entries[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &config, "Use this configuration", "FILE" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- run the gateway in the foreground");
  g_autoptr (GError) error = NULL;
  SupervisorSettings settings = { 0 };

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_description (
      context, "Without -c, /etc/mailweir/mailweir.conf is used if it exists, else a gateway on\n"
               "127.0.0.1:2525 that delivers to the Maildir ./mail. SIGHUP reloads, SIGTERM\n"
               "finishes open transactions and ends, a second one hurries.");
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      fprintf (stderr, "mailweir run: %s\n", error->message);
      return EX_USAGE;
    }
  if (argc > 1)
    return command_refuse_argument ("run", argv[1], TRUE);
  settings.check = command_check_tls;
  settings.config = config != NULL ? config : supervisor_default_config ();
  return supervisor_run (&settings);
}
