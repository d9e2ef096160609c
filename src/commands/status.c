/* mailweir status: asks a running gateway through its UNIX socket and prints its answer, a JSON
 * object, as it is or as a table of dotted names. 69 when nobody answers. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/network.h"
#include "commands/commands.h"
#include "commands/status-table.h"
#include "config/config.h"
#include "supervisor/paths.h"

#define MAX_ANSWER (4 * 1024 * 1024) /* octets */
#define PATIENCE 5000                /* ms without a byte */

/* The path of the socket, from the configuration. NULL: errors were printed. Caller frees. */
static gchar *
configured_socket (const gchar *path)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (Config) config = config_load (sources, path, errors);
  g_autofree gchar *text = config_errors_to_string (errors);

  fputs (text, stderr);
  if (config == NULL)
    return NULL;
  if (config->status_socket == NULL)
    fprintf (stderr, "mailweir status: the configuration has no \"status-socket\"\n");
  return g_strdup (config->status_socket);
}

static gint
connect_to (const gchar *path, GError **error)
{
  g_autofree gchar *absolute = g_canonicalize_filename (path, NULL);
  BaseEndpoint endpoint = { 0 };
  gint descriptor;

  if (!base_endpoint_parse (absolute, &endpoint, error))
    return -1;
  descriptor = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor >= 0 && connect (descriptor, &endpoint.address.any, endpoint.length) == 0)
    return descriptor;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "no gateway answers at %s: %s",
               path, g_strerror (errno));
  if (descriptor >= 0)
    close (descriptor);
  return -1;
}

/* Until the gateway closes. FALSE: error is set. */
static gboolean
read_answer (gint descriptor, BaseBuffer *answer, GError **error)
{
  for (;;)
    {
      struct pollfd fd = { .fd = descriptor, .events = POLLIN };
      gssize n;

      if (base_buffer_length (answer) > MAX_ANSWER || poll (&fd, 1, PATIENCE) <= 0)
        break;
      n = read (descriptor, base_buffer_reserve (answer, 65536), 65536);
      if (n == 0)
        return TRUE;
      if (n < 0)
        break;
      base_buffer_commit (answer, (gsize) n);
    }
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
               "the gateway did not finish its answer (%" G_GSIZE_FORMAT " octets came)",
               base_buffer_length (answer));
  return FALSE;
}

static int
show (const gchar *path, gboolean json)
{
  g_auto (BaseBuffer) answer = BASE_BUFFER_INIT;
  g_autoptr (GError) error = NULL;
  const gint descriptor = connect_to (path, &error);
  const gboolean answered = descriptor >= 0 && read_answer (descriptor, &answer, &error);
  g_autofree gchar *text = NULL;
  g_autofree gchar *table = NULL;

  if (descriptor >= 0)
    close (descriptor);
  if (!answered)
    {
      fprintf (stderr, "mailweir status: %s\n", error->message);
      return EX_UNAVAILABLE;
    }
  text = g_strndup ((const gchar *) base_buffer_bytes (&answer), base_buffer_length (&answer));
  table = json ? NULL : command_status_table (text);
  fputs (table != NULL ? table : text, stdout);
  return EX_OK;
}

int
command_status (int argc, char **argv)
{
  g_autofree gchar *config = NULL;
  g_autofree gchar *path = NULL;
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &config, "Find the socket in this configuration",
      "FILE" },
    { "socket", 0, 0, G_OPTION_ARG_FILENAME, &path, "Ask at this socket", "PATH" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print the answer as it is", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- show what a gateway does");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      fprintf (stderr, "mailweir status: %s\n", error->message);
      return EX_USAGE;
    }
  if (argc > 1)
    return command_refuse_argument ("status", argv[1], TRUE);
  if (path == NULL)
    path = configured_socket (config != NULL ? config : supervisor_default_config ());
  return path == NULL ? EX_CONFIG : show (path, json);
}
