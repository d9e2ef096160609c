/* The lines of a watched conversation: control characters become '?', what is too long is cut.
 * Nothing fails here. */
#include "blocking/trace.h"

void
blocking_tracer_clear (BlockingTracer *tracer)
{
  for (guint i = 0; i < G_N_ELEMENTS (tracer->line); i++)
    if (tracer->line[i] != NULL)
      g_string_free (g_steal_pointer (&tracer->line[i]), TRUE);
}

static void
add_octet (GString *line, gchar c)
{
  if (c == '\r' || line->len >= BLOCKING_TRACE_MAX_LINE)
    return;
  g_string_append_c (line, (guchar) c < 0x20 || c == 0x7f ? '?' : c);
}

/* Behind AUTH every line of that side is a secret, until the other side says something else than
 * that it wants more. */
static void
tell (BlockingTracer *tracer, guint side, const gchar *line)
{
  gboolean begins = g_ascii_strncasecmp (line, "AUTH ", 5) == 0;
  gsize mechanism = begins ? 5 + strcspn (line + 5, " ") : 0;
  g_autofree gchar *hidden = begins && line[mechanism] != '\0'
                                 ? g_strdup_printf ("%.*s *", (gint) mechanism, line)
                                 : NULL;

  tracer->secret[1 - side] &= g_str_has_prefix (line, "334");
  if (tracer->secret[side] && !begins)
    hidden = g_strdup ("*");
  tracer->secret[side] |= begins;
  tracer->trace (side == 1, hidden != NULL ? hidden : line, tracer->data);
}

void
blocking_tracer_octets (BlockingTracer *tracer, gboolean sent, const guint8 *bytes, gsize length)
{
  GString **line = &tracer->line[sent ? 1 : 0];

  if (tracer->trace == NULL)
    return;
  if (*line == NULL)
    *line = g_string_new (NULL);
  for (gsize i = 0; i < length; i++)
    {
      if (bytes[i] != '\n')
        {
          add_octet (*line, (gchar) bytes[i]);
          continue;
        }
      tell (tracer, sent ? 1 : 0, (*line)->str);
      g_string_truncate (*line, 0);
    }
}

void
blocking_tracer_say (BlockingTracer *tracer, const gchar *format, ...)
{
  va_list arguments;
  g_autofree gchar *text = NULL;

  if (tracer->trace == NULL)
    return;
  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  tracer->trace (TRUE, text, tracer->data);
}
