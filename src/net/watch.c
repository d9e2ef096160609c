/* A watched descriptor. Steady state makes no system call here: the mask is compared before libuv
 * hears of it. Fails only when a descriptor is of a kind that epoll does not take. */
#include "net/watch.h"

static void
on_poll (uv_poll_t *poll, int status, int events)
{
  NetWatch *watch = NET_OWNER (poll, NetWatch, poll);

  if (status < 0)
    {
      /* libuv stopped the handle: it does that when the descriptor has an error to report. */
      watch->mask = 0;
      events = UV_READABLE | UV_WRITABLE | UV_DISCONNECT;
    }
  watch->func (watch, events);
}

gboolean
net_watch_init (NetWatch *watch, uv_loop_t *loop, gint fd, NetWatchFunc func)
{
  watch->func = func;
  watch->mask = 0;
  return uv_poll_init (loop, &watch->poll, fd) == 0;
}

void
net_watch_set (NetWatch *watch, int mask)
{
  if (mask == watch->mask || uv_is_closing ((uv_handle_t *) &watch->poll))
    return;
  watch->mask = mask;
  if (mask == 0)
    uv_poll_stop (&watch->poll);
  else
    uv_poll_start (&watch->poll, mask, on_poll);
}

void
net_watch_close (NetWatch *watch, uv_close_cb closed)
{
  watch->mask = 0;
  uv_poll_stop (&watch->poll);
  uv_close ((uv_handle_t *) &watch->poll, closed);
}
