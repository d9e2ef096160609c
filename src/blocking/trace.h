/* Makes lines of the octets of a conversation, for whoever wants to watch it. */
#pragma once

#include <mailweir/smtp.h>

#define BLOCKING_TRACE_MAX_LINE 1000 /* octets; the rest of a longer line is not told */

typedef struct
{
  WeirTrace trace; /* NULL: nothing is told */
  gpointer data;
  GString *line[2];   /* not yet complete; [1] is ours. NULL: nothing yet */
  gboolean secret[2]; /* the next line is a response to AUTH */
} BlockingTracer;

void blocking_tracer_clear (BlockingTracer *tracer);
void blocking_tracer_octets (BlockingTracer *tracer, gboolean sent, const guint8 *bytes,
                             gsize length);
/* One line of our own words. */
void blocking_tracer_say (BlockingTracer *tracer, const gchar *format, ...) G_GNUC_PRINTF (2, 3);
