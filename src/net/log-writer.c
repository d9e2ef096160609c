/* A bounded buffer of lines and the thread that writes them. A line that does not fit is dropped
 * and counted; the count is logged as soon as lines fit again. A descriptor that fails loses lines,
 * never the process. */
#include "net/log-writer.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* From one write to the next: at thousands of lines a second a wakeup and a write for each cost as
 * much as reading and answering a command. A line that comes after silence is written at once. */
#define GATHER (20 * G_TIME_SPAN_MILLISECOND)

struct _NetLogWriter
{
  GMutex mutex;
  GCond wake;
  GCond idle;
  GThread *thread;
  gint fd;
  gsize most;
  BaseBuffer waiting;
  gboolean writing;
  gboolean gathering;
  gboolean stop;
  guint64 dropped, reported;
};

/* Another process's reader may have made the descriptor non-blocking: then wait for room here. */
static gboolean
write_all (gint fd, const guint8 *bytes, gsize length)
{
  struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
  gssize written;

  while (length > 0)
    {
      written = write (fd, bytes, length);
      if (written < 0 && errno == EAGAIN)
        poll (&poll_fd, 1, 1000);
      else if (written < 0 && errno != EINTR)
        return FALSE;
      else if (written > 0)
        {
          bytes += written;
          length -= (gsize) written;
        }
    }
  return TRUE;
}

/* Takes what waits; NULL data: told to stop and nothing is left. */
static BaseBuffer
take (NetLogWriter *writer, guint64 *lost)
{
  BaseBuffer taken = BASE_BUFFER_INIT;

  g_mutex_lock (&writer->mutex);
  writer->writing = FALSE;
  if (writer->stop)
    g_cond_signal (&writer->idle); /* a system call, whether anybody waits or not */
  while (base_buffer_length (&writer->waiting) == 0 && !writer->stop)
    g_cond_wait (&writer->wake, &writer->mutex);
  taken = writer->waiting;
  writer->waiting = (BaseBuffer) BASE_BUFFER_INIT;
  writer->writing = base_buffer_length (&taken) > 0;
  *lost = writer->dropped - writer->reported;
  writer->reported = writer->dropped;
  g_mutex_unlock (&writer->mutex);
  return taken;
}

static gboolean
is_half_full (const NetLogWriter *writer)
{
  return base_buffer_length (&writer->waiting) >= writer->most / 2;
}

static void
gather (NetLogWriter *writer)
{
  gint64 until = g_get_monotonic_time () + GATHER;

  g_mutex_lock (&writer->mutex);
  writer->gathering = TRUE;
  while (!writer->stop && !is_half_full (writer)
         && g_cond_wait_until (&writer->wake, &writer->mutex, until))
    continue;
  writer->gathering = FALSE;
  g_mutex_unlock (&writer->mutex);
}

static gpointer
run (gpointer data)
{
  NetLogWriter *writer = data;
  guint64 lost;

  for (;;)
    {
      g_auto (BaseBuffer) taken = take (writer, &lost);
      if (base_buffer_length (&taken) == 0)
        return NULL;
      write_all (writer->fd, base_buffer_bytes (&taken), base_buffer_length (&taken));
      if (lost > 0)
        base_log (BASE_LOG_WARNING,
                  "%" G_GUINT64_FORMAT " log lines were dropped: the log is written too slowly",
                  lost);
      gather (writer);
    }
}

NetLogWriter *
net_log_writer_new (gint fd, gsize most)
{
  NetLogWriter *writer = g_new0 (NetLogWriter, 1);

  g_mutex_init (&writer->mutex);
  g_cond_init (&writer->wake);
  g_cond_init (&writer->idle);
  writer->fd = fd;
  writer->most = most == 0 ? NET_LOG_MAX_BYTES : most;
  writer->thread = g_thread_new ("log", run, writer);
  return writer;
}

void
net_log_writer_free (NetLogWriter *writer)
{
  gint64 until = g_get_monotonic_time () + G_TIME_SPAN_SECOND;
  gboolean stuck = FALSE;

  g_mutex_lock (&writer->mutex);
  writer->stop = TRUE;
  g_cond_signal (&writer->wake);
  while ((writer->writing || base_buffer_length (&writer->waiting) > 0) && !stuck)
    stuck = !g_cond_wait_until (&writer->idle, &writer->mutex, until);
  g_mutex_unlock (&writer->mutex);
  if (stuck)
    {
      /* The thread hangs in write(2) and still needs the struct: the process is about to end
       * anyway. */
      g_thread_unref (writer->thread);
      return;
    }
  g_thread_join (writer->thread);
  base_buffer_clear (&writer->waiting);
  g_cond_clear (&writer->wake);
  g_cond_clear (&writer->idle);
  g_mutex_clear (&writer->mutex);
  g_free (writer);
}

void
net_log_writer_sink (const gchar *line, gsize length, gpointer data)
{
  NetLogWriter *writer = data;
  gboolean was_empty;

  g_mutex_lock (&writer->mutex);
  was_empty = base_buffer_length (&writer->waiting) == 0;
  if (base_buffer_length (&writer->waiting) + length > writer->most)
    writer->dropped++;
  else
    base_buffer_append (&writer->waiting, line, length);
  /* A signal is a system call, and is needed by a thread that sleeps alone. */
  if (writer->gathering ? is_half_full (writer) : was_empty)
    g_cond_signal (&writer->wake);
  g_mutex_unlock (&writer->mutex);
}

guint64
net_log_writer_dropped (NetLogWriter *writer)
{
  guint64 dropped;

  g_mutex_lock (&writer->mutex);
  dropped = writer->dropped;
  g_mutex_unlock (&writer->mutex);
  return dropped;
}
