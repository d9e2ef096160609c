/* One event record as text, JSON lines or journal lines. A line is built whole and handed over
 * once; values are untrusted and leave escaped, cut at a stated length. It can not fail: a line
 * that nobody takes is lost, and that is all. */
#include "base/log.h"

#include <errno.h>
#include <string.h>

#include "base/date.h"
#include "base/id.h"
#include "base/json.h"

#define MOST_FIELDS 40     /* more than any event has */
#define USUAL_LINE 1024    /* octets of a summary line */
#define FREE_FORM "notice" /* the event of base_log() */

typedef struct
{
  const gchar *name;
  gsize value;     /* where it starts among the record's values */
  gboolean number; /* JSON writes it without quotes */
} Field;

/* A line is written for every message: one block for the values, none for each of them. */
struct _BaseRecord
{
  BaseLogLevel level;
  const gchar *event;
  gint64 time;       /* microseconds */
  BaseBuffer values; /* each with a NUL behind it */
  guint n_fields;
  Field fields[MOST_FIELDS];
};

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

BaseRecord *
base_record_new (BaseLogLevel level, const gchar *event)
{
  BaseRecord *record = g_new (BaseRecord, 1);

  record->level = level;
  record->event = event;
  record->time = g_get_real_time ();
  record->values = (BaseBuffer) BASE_BUFFER_INIT;
  record->n_fields = 0;
  base_buffer_reserve (&record->values, USUAL_LINE);
  return record;
}

void
base_record_free (BaseRecord *record)
{
  if (record == NULL)
    return;
  base_buffer_clear (&record->values);
  g_free (record);
}

static const gchar *
value_of (const BaseRecord *record, const Field *field)
{
  return (const gchar *) base_buffer_bytes (&record->values) + field->value;
}

/* The value is what is appended to the record's values from now on, up to end_field(). */
static Field *
begin_field (BaseRecord *record, const gchar *name, gboolean number)
{
  Field *field = &record->fields[record->n_fields++];

  g_assert (record->n_fields <= MOST_FIELDS);
  *field = (Field){ name, base_buffer_length (&record->values), number };
  return field;
}

/* Cuts the value at the limit so that no UTF-8 character is cut in two. */
static void
end_field (BaseRecord *record, const Field *field)
{
  gsize length = base_buffer_length (&record->values) - field->value;
  const gchar *value = value_of (record, field);

  if (length > BASE_LOG_MAX_VALUE)
    {
      length = BASE_LOG_MAX_VALUE;
      for (guint i = 0; i < 3 && ((guchar) value[length] & 0xc0) == 0x80; i++)
        length--;
      record->values.end = record->values.start + field->value + length;
      base_buffer_append (&record->values, "...", 3);
    }
  base_buffer_append (&record->values, "", 1);
}

void
base_record_string (BaseRecord *record, const gchar *name, const gchar *value)
{
  if (value != NULL)
    base_record_strings (record, name, value, NULL);
}

void
base_record_strings (BaseRecord *record, const gchar *name, const gchar *first, ...)
{
  Field *field = begin_field (record, name, FALSE);
  va_list pieces;

  va_start (pieces, first);
  for (const gchar *piece = first; piece != NULL; piece = va_arg (pieces, const gchar *))
    base_buffer_append (&record->values, piece, strnlen (piece, BASE_LOG_MAX_VALUE + 1));
  va_end (pieces);
  end_field (record, field);
}

void
base_record_printf (BaseRecord *record, const gchar *name, const gchar *format, ...)
{
  Field *field = begin_field (record, name, FALSE);
  va_list arguments;

  va_start (arguments, format);
  base_buffer_append_vprintf (&record->values, format, arguments);
  va_end (arguments);
  end_field (record, field);
}

void
base_record_int (BaseRecord *record, const gchar *name, gint64 value)
{
  Field *field = begin_field (record, name, TRUE);

  if (value < 0)
    base_buffer_append (&record->values, "-", 1);
  base_buffer_append_number (&record->values, value < 0 ? -(guint64) value : (guint64) value, 1);
  end_field (record, field);
}

void
base_record_delay (BaseRecord *record, const gchar *name, gint64 microseconds)
{
  guint64 milliseconds = (guint64) MAX (microseconds, 0) / 1000;
  Field *field = begin_field (record, name, TRUE);

  base_buffer_append_number (&record->values, milliseconds / 1000, 1);
  base_buffer_append (&record->values, ".", 1);
  base_buffer_append_number (&record->values, milliseconds % 1000, 3);
  end_field (record, field);
}

/* Whether a value can stand in a text line as it is. */
static gboolean
is_plain (const gchar *value)
{
  for (const gchar *p = value; *p != '\0'; p++)
    if (!g_ascii_isgraph (*p) || *p == '"' || *p == '\\')
      return FALSE;
  return value[0] != '\0';
}

/* Octets at the start of the text that stand for themselves. */
static gsize
plain_run (const gchar *text)
{
  gsize n = 0;

  while (text[n] >= ' ' && text[n] < 127 && text[n] != '"' && text[n] != '\\')
    n++;
  return n;
}

/* A run of plain characters of a quoted value, or one other: what could end the line, move the
 * cursor or turn the reading direction is escaped. */
static gsize
append_quoted (BaseBuffer *out, const gchar *text)
{
  gsize plain = plain_run (text);
  if (plain > 0)
    {
      base_buffer_append (out, text, plain);
      return plain;
    }
  gunichar c = g_utf8_get_char_validated (text, -1);
  if (c == (gunichar) -1 || c == (gunichar) -2)
    {
      base_buffer_append_printf (out, "\\x%02x", (guchar) *text);
      return 1;
    }
  gsize length = (gsize) (g_utf8_next_char (text) - text);
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
    base_buffer_append (out, text, length);
  return length;
}

/* A free-form line is its text alone; what could forge a line is escaped all the same. */
static void
append_free_form (const BaseRecord *record, BaseBuffer *out)
{
  for (const gchar *p = value_of (record, &record->fields[0]); *p != '\0';)
    if (*p == '"')
      base_buffer_append (out, p++, 1);
    else
      p += append_quoted (out, p);
}

static gboolean
is_free_form (const BaseRecord *record)
{
  return g_str_equal (record->event, FREE_FORM) && record->n_fields == 1;
}

static void
append_text_fields (const BaseRecord *record, BaseBuffer *out)
{
  if (is_free_form (record))
    {
      append_free_form (record, out);
      return;
    }
  base_buffer_append_string (out, record->event);
  base_buffer_append (out, ":", 1);
  for (guint i = 0; i < record->n_fields; i++)
    {
      const Field *field = &record->fields[i];
      base_buffer_append (out, " ", 1);
      base_buffer_append_string (out, field->name);
      base_buffer_append (out, "=", 1);
      const gchar *value = value_of (record, field);
      if (is_plain (value))
        {
          base_buffer_append_string (out, value);
          continue;
        }
      base_buffer_append (out, "\"", 1);
      for (const gchar *p = value; *p != '\0';)
        p += append_quoted (out, p);
      base_buffer_append (out, "\"", 1);
    }
}

static void
append_json_member (BaseBuffer *out, const gchar *name, const gchar *value, gboolean number)
{
  base_json_append_string (out, name, -1);
  base_buffer_append (out, ":", 1);
  if (number)
    base_buffer_append_string (out, value);
  else
    base_json_append_string (out, value, -1);
}

static void
append_json (const BaseRecord *record, const gchar *stamp, BaseBuffer *out)
{
  base_buffer_append (out, "{", 1);
  if (stamp != NULL)
    {
      append_json_member (out, "time", stamp, FALSE);
      base_buffer_append (out, ",", 1);
    }
  append_json_member (out, "level", level_name (record->level), FALSE);
  if (stamp != NULL)
    {
      base_buffer_append (out, ",", 1);
      append_json_member (out, "program", settings.program, FALSE);
      base_buffer_append_printf (out, ",\"pid\":%d", base_process_id ());
    }
  base_buffer_append (out, ",", 1);
  append_json_member (out, "event", record->event, FALSE);
  for (guint i = 0; i < record->n_fields; i++)
    {
      const Field *field = &record->fields[i];
      base_buffer_append (out, ",", 1);
      append_json_member (out, field->name, value_of (record, field), field->number);
    }
  base_buffer_append (out, "}", 1);
}

static void
append_origin (const gchar *stamp, BaseBuffer *out)
{
  base_buffer_append_string (out, stamp);
  base_buffer_append (out, " ", 1);
  base_buffer_append_string (out, settings.program);
  base_buffer_append (out, "[", 1);
  base_buffer_append_number (out, (guint64) base_process_id (), 1);
  base_buffer_append (out, "] ", 2);
}

/* `stamp` NULL: without time, program and process. */
static void
append_line (const BaseRecord *record, BaseLogFormat format, const gchar *stamp, BaseBuffer *out)
{
  switch (format)
    {
    case BASE_LOG_JSON:
      append_json (record, stamp, out);
      break;
    case BASE_LOG_JOURNAL:
      base_buffer_append_printf (out, "<%d>", (gint) record->level);
      append_text_fields (record, out);
      break;
    case BASE_LOG_TEXT:
    default:
      if (stamp != NULL)
        append_origin (stamp, out);
      base_buffer_append_string (out, level_name (record->level));
      base_buffer_append (out, " ", 1);
      append_text_fields (record, out);
      break;
    }
  base_buffer_append (out, "\n", 1);
}

void
base_record_format (const BaseRecord *record, BaseLogFormat format, BaseBuffer *out)
{
  append_line (record, format, NULL, out);
}

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
  g_auto (BaseBuffer) line = BASE_BUFFER_INIT;
  gchar stamp[BASE_DATE_LENGTH];

  if (base_log_wants (record->level))
    {
      base_date_stamp (record->time, stamp);
      base_buffer_reserve (&line, USUAL_LINE);
      append_line (record, settings.format, stamp, &line);
      if (settings.sink != NULL)
        settings.sink ((const gchar *) base_buffer_bytes (&line), base_buffer_length (&line),
                       settings.data);
      else
        write_line (&line);
    }
  base_record_free (record);
}

void
base_log (BaseLogLevel level, const gchar *format, ...)
{
  va_list arguments;

  if (!base_log_wants (level))
    return;
  va_start (arguments, format);
  g_autofree gchar *text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  BaseRecord *record = base_record_new (level, FREE_FORM);
  base_record_string (record, "text", text);
  base_record_emit (record);
}
