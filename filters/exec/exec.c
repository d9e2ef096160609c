/* The filter "exec": a program that reads the message from standard input, finds the envelope in
 * its environment, and answers by exit status and output. Never a shell. A program that can not be
 * run, makes no sense, writes too much or takes too long fails the filter, and leaves nothing
 * running. */
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "common/message.h"
#include "environment.h"

/* Before the host ends the whole worker: then the program is ended by us, and the log says so. */
#define MOST_MARGIN 500 /* ms */

enum
{
  OUTPUT_IGNORE,
  OUTPUT_MESSAGE,
  OUTPUT_HEADERS
};

typedef struct
{
  const char *const *command;
  gint output;
  gboolean crlf;
  const char *directory;
  const char *const *environment;
  guint64 output_limit;
  gint64 processes;
} Config;

static const char *const outputs[] = { "ignore", "message", "headers", NULL };

static const WeirOption options[] = {
  { "command", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, command), NULL,
    "The program, by its whole path, and its arguments; no shell reads them.", .required = TRUE },
  { "output", WEIR_OPTION_CHOICE, G_STRUCT_OFFSET (Config, output), "ignore",
    "What standard output is: nothing, the new message, or header fields to add.",
    .choices = outputs },
  { "crlf", WEIR_OPTION_BOOLEAN, G_STRUCT_OFFSET (Config, crlf), "false",
    "Lines end with CRLF on standard input, as they came, instead of LF." },
  { "directory", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, directory), "/",
    "The working directory." },
  { "environment", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, environment), NULL,
    "More variables, NAME=value." },
  { "output-limit", WEIR_OPTION_SIZE, G_STRUCT_OFFSET (Config, output_limit), "64M",
    "The program is ended when it writes more.", .minimum = 1, .maximum = 1024 * 1024 * 1024 },
  { "processes", WEIR_OPTION_INTEGER, G_STRUCT_OFFSET (Config, processes), "0",
    "The program can not start one when its user has so many, threads counted; 0: no limit.",
    .minimum = 0, .maximum = 1000000 },
  { NULL },
};

/* ---- Loading ---- */

static gboolean
load (WeirLoad *loading, gpointer data, GError **error)
{
  const Config *config = data;
  const char *program = config->command[0];

  if (program == NULL || !g_path_is_absolute (program))
    weir_load_error (loading, error, "command", "the program needs its whole path: \"%s\"",
                     program == NULL ? "" : program);
  else if (!g_file_test (program, G_FILE_TEST_IS_REGULAR) || access (program, X_OK) != 0)
    weir_load_error (loading, error, "command", "%s is no program that can be run", program);
  else if (!g_path_is_absolute (config->directory)
           || !g_file_test (config->directory, G_FILE_TEST_IS_DIR))
    weir_load_error (loading, error, "directory", "%s is no directory, or not its whole path",
                     config->directory);
  else
    {
      for (const char *const *entry = config->environment; *entry != NULL; entry++)
        if (!environment_check (*entry))
          {
            weir_load_error (loading, error, "environment", "\"%s\" is no NAME=value", *entry);
            return FALSE;
          }
      return TRUE;
    }
  return FALSE;
}

/* ---- The message on its way in ---- */

typedef struct
{
  WeirContext *context;
  guint64 offset;
  gboolean crlf;
} Reading;

static gssize
next_octets (gpointer buffer, gsize length, gpointer data)
{
  Reading *reading = data;
  gssize got = weir_message_read (reading->context, reading->offset, buffer, length);
  gsize taken;

  if (got <= 0)
    return got;
  taken = (gsize) got;
  if (!reading->crlf)
    got = (gssize) common_message_strip (buffer, &taken);
  reading->offset += taken;
  return got;
}

/* ---- The hook ---- */

static WeirVerdict
on_end_of_message (WeirContext *context)
{
  static const AnswerEdit edits[] = { NULL, answer_replace, answer_add_fields };
  const Config *config = weir_config (context);
  gint64 left = weir_time_left (context);
  g_autoptr (GPtrArray) environment = environment_new (context, config->environment);
  Reading reading = { context, 0, config->crlf };
  const ChildPlan plan = {
    .command = config->command,
    .environment = (const char *const *) environment->pdata,
    .directory = config->directory,
    .processes = (guint64) config->processes,
    .keep_output = config->output != OUTPUT_IGNORE,
    .output_limit = (gsize) config->output_limit,
    .patience = left - MIN (left / 10, MOST_MARGIN),
  };
  g_auto (ChildResult) result = { 0 };
  g_autoptr (GError) error = NULL;

  if (!child_run (&plan, next_octets, &reading, &result, &error))
    return weir_fail (context, "%s", error->message);
  return answer_verdict (context, config->command[0], &result, edits[config->output]);
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "exec",
  .summary = "asks a program",
  .edits = WEIR_EDIT_HEADERS | WEIR_EDIT_MESSAGE,
  .config_size = sizeof (Config),
  .options = options,
  .load = load,
  .end_of_message = on_end_of_message,
};
