/* One event record as text, JSON lines or journal lines. Each field goes straight into the line,
 * which is handed over once, whole; values are untrusted and leave escaped, cut at a stated length.
 * It can not fail: a line that nobody takes is lost, and that is all. */
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/date.h"
#include "base/id.h"
#include "base/json.h"

#define USUAL_LINE 1024    /* octets of a summary line */
#define FREE_FORM "notice" /* the event of base_log() */

/* How an octet may stand in a line; of a value, the worst of its octets. */
enum
{
  PLAIN = 0,
  SPACED = 1, /* between quotes */
  SPECIAL = 2 /* the value is escaped, or looked at as UTF-8 */
};

static const guint8 kinds[256] = { [0 ... 0x1f] = SPECIAL,
                                   [' '] = SPACED,
                                   ['"'] = SPECIAL,
                                   ['\\'] = SPECIAL,
                                   [0x7f ... 0xff] = SPECIAL };

static struct
{
  const gchar *program;
  BaseLogFormat format;
  BaseLogLevel most;
  BaseLogSink sink;
  gpointer data;
} settings = { "mailweir", BASE_LOG_TEXT, BASE_LOG_INFO, NULL, NULL };

void
base_log_setup (const gchar *program, BaseLogFormat format, BaseLogLevel most)
{
  settings.program = program;
  settings.format = format;
  settings.most = most;
}

void
base_log_set_sink (BaseLogSink sink, gpointer data)
{
  settings.sink = sink;
  settings.data = data;
}

gboolean
base_log_wants (BaseLogLevel level)
{
  return level <= settings.most;
}

static const gchar *
level_name (BaseLogLevel level)
{
  switch (level)
    {
    case BASE_LOG_ERROR:
      return "error";
    case BASE_LOG_WARNING:
      return "warning";
    case BASE_LOG_NOTICE:
      return "notice";
    case BASE_LOG_INFO:
      return "info";
    case BASE_LOG_DEBUG:
    default:
      return "debug";
    }
}

/* ---- the beginning ---- */

static void
begin_json (BaseBuffer *line, BaseLogLevel level, const gchar *stamp)
{
  base_buffer_append_string (line, "{\"time\":\"");
  base_buffer_append_string (line, stamp);
  base_buffer_append_string (line, "\",\"level\":\"");
  base_buffer_append_string (line, level_name (level));
  base_buffer_append_string (line, "\",\"program\":");
  base_json_append_string (line, settings.program, -1);
  base_buffer_append_string (line, ",\"pid\":");
  base_buffer_append_number (line, (guint64) base_process_id (), 1);
}

static void
begin_text (BaseBuffer *line, BaseLogLevel level, const gchar *stamp)
{
  base_buffer_append_string (line, stamp);
  base_buffer_append_string (line, " ");
  base_buffer_append_string (line, settings.program);
  base_buffer_append_string (line, "[");
  base_buffer_append_number (line, (guint64) base_process_id (), 1);
  base_buffer_append_string (line, "] ");
  base_buffer_append_string (line, level_name (level));
  base_buffer_append_string (line, " ");
}

static void
begin_line (BaseRecord *record, BaseLogLevel level)
{
  gchar stamp[BASE_DATE_LENGTH];

  *record = (BaseRecord){ .level = level, .format = settings.format };
  base_buffer_reserve (&record->line, USUAL_LINE);
  if (record->format == BASE_LOG_JOURNAL)
    {
      base_buffer_append_printf (&record->line, "<%d>", (gint) level);
      return;
    }
  base_date_stamp (g_get_real_time (), stamp);
  if (record->format == BASE_LOG_JSON)
    begin_json (&record->line, level, stamp);
  else
    begin_text (&record->line, level, stamp);
}

void
base_record_begin (BaseRecord *record, BaseLogLevel level, const gchar *event)
{
  begin_line (record, level);
  if (record->format == BASE_LOG_JSON)
    {
      base_record_string (record, "event", event);
      return;
    }
  base_buffer_append_string (&record->line, event);
  base_buffer_append_string (&record->line, ":");
}

/* ---- values ---- */

static const guint8 *
value_of (const BaseRecord *record)
{
  return base_buffer_bytes (&record->line) + record->value;
}

static gsize
length_of (const BaseRecord *record)
{
  return base_buffer_length (&record->line) - record->value;
}

/* Only what stands behind `length` octets of the value goes. */
static void
truncate_value (BaseRecord *record, gsize length)
{
  record->line.end = record->line.start + record->value + length;
}

/* Cuts the value at the limit so that no UTF-8 character is cut in two. */
static void
cut (BaseRecord *record)
{
  gsize length = BASE_LOG_MAX_VALUE;

  if (length_of (record) <= length)
    return;
  for (guint i = 0; i < 3 && (value_of (record)[length] & 0xc0) == 0x80; i++)
    length--;
  truncate_value (record, length);
  base_buffer_append_string (&record->line, "...");
}

static guint
kind_of (const BaseRecord *record)
{
  const guint8 *bytes = value_of (record);
  gsize length = length_of (record);
  guint kind = length == 0 ? SPACED : PLAIN;
  gsize i = 0;

  for (; i + 4 <= length; i += 4)
    kind |= kinds[bytes[i]] | kinds[bytes[i + 1]] | kinds[bytes[i + 2]] | kinds[bytes[i + 3]];
  for (; i < length; i++)
    kind |= kinds[bytes[i]];
  return kind;
}

/* One character that does not stand for itself; returns its length. What could end the line, move
 * the cursor or turn the reading direction is escaped. */
static gsize
append_special (BaseBuffer *out, const gchar *text, gsize length)
{
  gunichar c = g_utf8_get_char_validated (text, (gssize) length);

  if (c == (gunichar) -1 || c == (gunichar) -2)
    {
      base_buffer_append_printf (out, "\\x%02x", (guchar) *text);
      return 1;
    }
  gsize octets = (gsize) (g_utf8_next_char (text) - text);
  if (c == '"' || c == '\\')
    base_buffer_append_printf (out, "\\%c", (gchar) c);
  else if (c == '\n')
    base_buffer_append_string (out, "\\n");
  else if (c == '\r')
    base_buffer_append_string (out, "\\r");
  else if (c == '\t')
    base_buffer_append_string (out, "\\t");
  else if (c < 128 ? g_ascii_iscntrl ((gchar) c) : !g_unichar_isprint (c))
    base_buffer_append_printf (out, c > 0xffff ? "\\U%08x" : "\\u%04x", c);
  else
    base_buffer_append (out, text, octets);
  return octets;
}

/* `bare`: not between quotes, where a quote stands for itself. */
static void
append_escaped (BaseBuffer *out, const gchar *text, gsize length, gboolean bare)
{
  for (gsize at = 0; at < length;)
    {
      gsize run = at;
      while (run < length && (kinds[(guchar) text[run]] != SPECIAL || (bare && text[run] == '"')))
        run++;
      base_buffer_append (out, text + at, run - at);
      at = run;
      if (at < length)
        at += append_special (out, text + at, length - at);
    }
}

/* Writes the value anew from a copy. */
static void
escape_value (BaseRecord *record)
{
  gsize length = length_of (record);
  g_autofree gchar *raw = g_memdup2 (value_of (record), length);

  truncate_value (record, 0);
  if (record->format == BASE_LOG_JSON)
    {
      base_json_append_string (&record->line, raw, (gssize) length);
      return;
    }
  base_buffer_append_string (&record->line, "\"");
  append_escaped (&record->line, raw, length, FALSE);
  base_buffer_append_string (&record->line, "\"");
}

static void
quote_value (BaseRecord *record)
{
  gsize length = length_of (record);

  base_buffer_reserve (&record->line, 2);
  guint8 *value = (guint8 *) value_of (record);
  memmove (value + 1, value, length);
  value[0] = value[length + 1] = '"';
  base_buffer_commit (&record->line, 2);
}

/* ---- fields ---- */

BaseBuffer *
base_record_open (BaseRecord *record, const gchar *name)
{
  const gsize length = strlen (name);
  guint8 *at = base_buffer_reserve (&record->line, length + 4);

  if (record->format == BASE_LOG_JSON)
    {
      at = mempcpy (at, ",\"", 2);
      at = mempcpy (at, name, length);
      at = mempcpy (at, "\":", 2);
    }
  else
    {
      *at++ = ' ';
      at = mempcpy (at, name, length);
      *at++ = '=';
    }
  record->line.end = (gsize) (at - record->line.data);
  record->value = base_buffer_length (&record->line);
  return &record->line;
}

void
base_record_close (BaseRecord *record)
{
  cut (record);
  guint kind = kind_of (record);
  if (kind >= SPECIAL)
    escape_value (record);
  else if (kind == SPACED || record->format == BASE_LOG_JSON)
    quote_value (record);
}

void
base_record_string (BaseRecord *record, const gchar *name, const gchar *value)
{
  if (value == NULL)
    return;
  base_buffer_append (base_record_open (record, name), value,
                      strnlen (value, BASE_LOG_MAX_VALUE + 1));
  base_record_close (record);
}

void
base_record_strings (BaseRecord *record, const gchar *name, const gchar *first, ...)
{
  BaseBuffer *line = base_record_open (record, name);
  va_list pieces;

  va_start (pieces, first);
  for (const gchar *piece = first; piece != NULL; piece = va_arg (pieces, const gchar *))
    base_buffer_append (line, piece, strnlen (piece, BASE_LOG_MAX_VALUE + 1));
  va_end (pieces);
  base_record_close (record);
}

void
base_record_printf (BaseRecord *record, const gchar *name, const gchar *format, ...)
{
  BaseBuffer *line = base_record_open (record, name);
  va_list arguments;

  va_start (arguments, format);
  base_buffer_append_vprintf (line, format, arguments);
  va_end (arguments);
  base_record_close (record);
}

void
base_record_int (BaseRecord *record, const gchar *name, gint64 value)
{
  BaseBuffer *line = base_record_open (record, name);

  if (value < 0)
    base_buffer_append_string (line, "-");
  base_buffer_append_number (line, value < 0 ? -(guint64) value : (guint64) value, 1);
}

void
base_record_delay (BaseRecord *record, const gchar *name, gint64 microseconds)
{
  guint64 milliseconds = (guint64) MAX (microseconds, 0) / 1000;
  BaseBuffer *line = base_record_open (record, name);

  base_buffer_append_number (line, milliseconds / 1000, 1);
  base_buffer_append_string (line, ".");
  base_buffer_append_number (line, milliseconds % 1000, 3);
}

/* ---- the end ---- */

static void
write_line (const BaseBuffer *line)
{
  /* One write, so that lines of several processes do not mix; what does not fit is lost rather than
   * waited for. */
  while (write (STDERR_FILENO, base_buffer_bytes (line), base_buffer_length (line)) < 0
         && errno == EINTR)
    continue;
}

void
base_record_emit (BaseRecord *record)
{
  BaseBuffer *line = &record->line;

  base_buffer_append_string (line, record->format == BASE_LOG_JSON ? "}\n" : "\n");
  if (base_log_wants (record->level) && settings.sink != NULL)
    settings.sink ((const gchar *) base_buffer_bytes (line), base_buffer_length (line),
                   settings.data);
  else if (base_log_wants (record->level))
    write_line (line);
  base_buffer_clear (line);
}

/* In text the words stand alone; what could forge a line is escaped all the same. */
static void
close_free_form (BaseRecord *record)
{
  cut (record);
  gsize length = length_of (record);
  g_autofree gchar *raw = g_memdup2 (value_of (record), length);

  truncate_value (record, 0);
  append_escaped (&record->line, raw, length, TRUE);
}

void
base_log (BaseLogLevel level, const gchar *format, ...)
{
  BaseRecord record;
  va_list arguments;

  if (!base_log_wants (level))
    return;
  begin_line (&record, level);
  if (record.format == BASE_LOG_JSON)
    {
      base_record_string (&record, "event", FREE_FORM);
      base_record_open (&record, "text");
    }
  record.value = base_buffer_length (&record.line);
  va_start (arguments, format);
  base_buffer_append_vprintf (&record.line, format, arguments);
  va_end (arguments);
  if (record.format == BASE_LOG_JSON)
    base_record_close (&record);
  else
    close_free_form (&record);
  base_record_emit (&record);
}
