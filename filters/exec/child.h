/* One run of a program: fed, listened to, ended with all that it has started. */
#pragma once

#include <glib.h>

typedef struct
{
  const char *const *command; /* program and arguments */
  const char *const *environment;
  const char *directory;
  guint64 processes;    /* RLIMIT_NPROC; 0: as it is */
  gboolean keep_output; /* else standard output is read like standard error */
  gsize output_limit;   /* octets of each stream; one more ends the run */
  gint64 patience;      /* ms; then the run is ended */
} ChildPlan;

/* The next octets for standard input into `buffer`; 0 at the end, -1: they can not be had. */
typedef gssize (*ChildSource) (gpointer buffer, gsize length, gpointer data);

typedef struct
{
  int status;         /* as waitpid() has it */
  GByteArray *output; /* standard output, if it was to be kept */
  GString *text;      /* the beginning of standard error */
} ChildResult;

/* Runs it to its end. FALSE: error says why there is no result: it can not be started, wrote too
 * much, or took too long. In any case nothing that it started is left. `result` is to be cleared
 * either way. Blocks; SIGPIPE is nobody's concern. */
gboolean child_run (const ChildPlan *plan, ChildSource source, gpointer data, ChildResult *result,
                    GError **error);
void child_result_clear (ChildResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ChildResult, child_result_clear)
