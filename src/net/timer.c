/* Lazy timers over uv_timer_t. Cannot fail. */
#include "net/timer.h"

static void on_timer (uv_timer_t *handle);

static void
arm (NetTimer *timer, gint64 now)
{
  gint64 wait = MAX (timer->deadline - now, 0);

  timer->armed = timer->deadline;
  uv_timer_start (&timer->handle, on_timer, (guint64) ((wait + 999) / 1000), 0);
}

static void
on_timer (uv_timer_t *handle)
{
  NetTimer *timer = NET_OWNER (handle, NetTimer, handle);
  gint64 now = g_get_monotonic_time ();

  timer->armed = 0;
  if (timer->deadline == 0)
    return;
  if (timer->deadline > now)
    {
      uv_update_time (handle->loop);
      arm (timer, now);
      return;
    }
  timer->deadline = 0;
  timer->func (timer);
}

void
net_timer_init (NetTimer *timer, uv_loop_t *loop, NetTimerFunc func)
{
  timer->func = func;
  timer->deadline = 0;
  timer->armed = 0;
  uv_timer_init (loop, &timer->handle);
}

void
net_timer_set (NetTimer *timer, gint64 deadline)
{
  if (uv_is_closing ((uv_handle_t *) &timer->handle))
    return;
  timer->deadline = deadline;
  if (deadline != 0 && (timer->armed == 0 || deadline < timer->armed))
    arm (timer, g_get_monotonic_time ());
}

void
net_timer_close (NetTimer *timer, uv_close_cb closed)
{
  timer->deadline = 0;
  uv_close ((uv_handle_t *) &timer->handle, closed);
}
