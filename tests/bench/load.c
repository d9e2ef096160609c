/* The command line of the benchmark's load: `load clients --port N …` and `load sink --port N
 * --certificate FILE --key FILE`. Wrong usage ends with 64, everything else that fails with 1. */
#include "load.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

void
load_fail (const gchar *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_autofree gchar *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_printerr ("load: %s\n", text);
  exit (1);
}

void
load_raise_descriptors (void)
{
  struct rlimit limit;

  getrlimit (RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit (RLIMIT_NOFILE, &limit);
}

/* CRLF line ends, dots doubled, the final dot behind. */
static GString *
as_data (const gchar *text, gsize length)
{
  GString *data = g_string_sized_new (length + length / 32 + 8);
  const gchar *end = text + length, *line_end;

  for (; text < end; text = line_end + 1)
    {
      line_end = memchr (text, '\n', (gsize) (end - text));
      line_end = line_end != NULL ? line_end : end;
      gsize line = (gsize) (line_end - text);
      line -= line > 0 && text[line - 1] == '\r';
      if (line > 0 && text[0] == '.')
        g_string_append_c (data, '.');
      g_string_append_len (data, text, (gssize) line);
      g_string_append_len (data, "\r\n", 2);
    }
  return g_string_append (data, ".\r\n");
}

static GString *
read_message (const gchar *path)
{
  g_autofree gchar *text = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;

  if (path == NULL)
    return as_data ("Subject: load\n\nload\n", 20);
  if (!g_file_get_contents (path, &text, &length, &error))
    load_fail ("%s", error->message);
  return as_data (text, length);
}

static int
run_clients (LoadPlan *plan, const gchar *message)
{
  GString *data = read_message (message);
  int status;

  plan->body = data->str;
  plan->body_length = data->len;
  if (plan->hold)
    plan->messages = plan->sessions;
  status = load_clients (plan);
  g_string_free (data, TRUE);
  return status;
}

int
main (int argc, char **argv)
{
  LoadPlan plan = { .sessions = 1, .messages = 1 };
  gint64 messages = 1;
  gint port = 0, sessions = 1, seconds = 0;
  g_autofree gchar *message = NULL, *certificate = NULL, *key = NULL;
  const GOptionEntry entries[] = {
    { "port", 0, 0, G_OPTION_ARG_INT, &port, "on 127.0.0.1", "N" },
    { "sessions", 0, 0, G_OPTION_ARG_INT, &sessions, "at once", "N" },
    { "messages", 0, 0, G_OPTION_ARG_INT64, &messages, "all together", "N" },
    { "seconds", 0, 0, G_OPTION_ARG_INT, &seconds, "push this long instead", "N" },
    { "message", 0, 0, G_OPTION_ARG_FILENAME, &message, "what to send", "FILE" },
    { "reuse", 0, 0, G_OPTION_ARG_NONE, &plan.reuse, "many messages a connection", NULL },
    { "tls", 0, 0, G_OPTION_ARG_NONE, &plan.tls, "STARTTLS", NULL },
    { "resume", 0, 0, G_OPTION_ARG_NONE, &plan.resume, "with session tickets", NULL },
    { "hold", 0, 0, G_OPTION_ARG_NONE, &plan.hold, "all final dots together", NULL },
    { "idle", 0, 0, G_OPTION_ARG_NONE, &plan.idle, "stop after EHLO", NULL },
    { "certificate", 0, 0, G_OPTION_ARG_FILENAME, &certificate, "of the sink", "FILE" },
    { "key", 0, 0, G_OPTION_ARG_FILENAME, &key, "of the sink", "FILE" },
    { 0 },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("clients|sink");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 2 || port <= 0
      || sessions <= 0 || messages <= 0 || seconds < 0)
    {
      g_printerr ("load: %s\n", error != NULL ? error->message : "see load --help");
      return 64;
    }
  load_raise_descriptors ();
  plan.port = (guint) port;
  plan.sessions = (guint) sessions;
  plan.messages = (guint64) messages;
  plan.seconds = (guint) seconds;
  if (strcmp (argv[1], "clients") == 0)
    return run_clients (&plan, message);
  if (strcmp (argv[1], "sink") == 0 && certificate != NULL && key != NULL)
    return load_sink (plan.port, certificate, key);
  return 64;
}
