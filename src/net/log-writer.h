/* Log lines on their way to a descriptor, written by a thread of their own: whoever logs never
 * waits for the disk or the terminal. */
#pragma once

#include "base/log.h"

#define NET_LOG_MAX_BYTES (4 * 1024 * 1024) /* that wait; a line beyond is dropped and counted */

typedef struct _NetLogWriter NetLogWriter;

/* Starts the thread. `fd` is borrowed. `most`: bytes that may wait; 0: NET_LOG_MAX_BYTES. */
NetLogWriter *net_log_writer_new (gint fd, gsize most);
/* Writes what waits (for at most a second when the descriptor is stuck), ends the thread. */
void net_log_writer_free (NetLogWriter *writer);
/* A BaseLogSink; `writer` is its data. Any thread may call. */
void net_log_writer_sink (const gchar *line, gsize length, gpointer writer);
/* Lines that were dropped since the start. They are reported in the log itself once there is room.
 */
guint64 net_log_writer_dropped (NetLogWriter *writer);
