/* One event record, written as text, JSON lines or journal fields. Field names follow Postfix's.
 *
 * This file formats; the sink that main installs writes. Without a sink, lines go to standard
 * error. */
#pragma once

#include <glib.h>

#include "base/buffer.h"

#define BASE_LOG_MAX_VALUE 4096 /* octets of one value; the rest is cut and "..." says so */

typedef enum
{
  BASE_LOG_ERROR = 3, /* syslog(3) numbers */
  BASE_LOG_WARNING = 4,
  BASE_LOG_NOTICE = 5,
  BASE_LOG_INFO = 6,
  BASE_LOG_DEBUG = 7
} BaseLogLevel;

typedef enum
{
  BASE_LOG_TEXT,
  BASE_LOG_JSON,
  BASE_LOG_JOURNAL /* text with a "<6>" priority in front, which the journal reads from standard
                      error */
} BaseLogFormat;

/* Called with one whole line, newline included. Must not block for long. Any thread may call. */
typedef void (*BaseLogSink) (const gchar *line, gsize length, gpointer data);

/* Once, before threads start. `program` is kept by pointer ("gateway", "worker"). */
void base_log_setup (const gchar *program, BaseLogFormat format, BaseLogLevel most);
void base_log_set_sink (BaseLogSink sink, gpointer data);
gboolean base_log_wants (BaseLogLevel level);

/* A line that is being written; on the stack of whoever writes it. Each field is formatted as it
 * comes. */
typedef struct
{
  BaseLogLevel level;
  BaseLogFormat format;
  BaseBuffer line;
  gsize value; /* where the open field's begins */
} BaseRecord;

/* `event` is a literal such as "message", "connect", "worker". base_record_emit() ends it. */
void base_record_begin (BaseRecord *record, BaseLogLevel level, const gchar *event);
/* `name` is a literal. Values are untrusted: control characters, quotes and invalid UTF-8 are
 * escaped. NULL adds nothing. */
void base_record_string (BaseRecord *record, const gchar *name, const gchar *value);
/* The pieces, up to a NULL, as one value. */
void base_record_strings (BaseRecord *record, const gchar *name, const gchar *first,
                          ...) G_GNUC_NULL_TERMINATED;
void base_record_printf (BaseRecord *record, const gchar *name, const gchar *format, ...)
    G_GNUC_PRINTF (3, 4);
void base_record_int (BaseRecord *record, const gchar *name, gint64 value);
/* Seconds with three decimals, from microseconds. */
void base_record_delay (BaseRecord *record, const gchar *name, gint64 microseconds);
/* The value is what the caller appends to the returned buffer until base_record_close(), as
 * untrusted as any. */
BaseBuffer *base_record_open (BaseRecord *record, const gchar *name);
void base_record_close (BaseRecord *record);
/* Hands the line over, and frees what the record holds. */
void base_record_emit (BaseRecord *record);

/* A free-form line: in text the words alone, in JSON the event "notice" with a "text". */
void base_log (BaseLogLevel level, const gchar *format, ...) G_GNUC_PRINTF (2, 3);
