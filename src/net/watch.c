/* Watched descriptors. Steady state makes no system call here but the wait: the mask is compared
 * before the kernel hears of it. */
#include "net/watch.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"

gboolean
net_poller_init (NetPoller *poller)
{
  *poller = (NetPoller){ .now = g_get_monotonic_time () };
  poller->fd = epoll_create1 (EPOLL_CLOEXEC);
  return poller->fd >= 0;
}

void
net_poller_finish (NetPoller *poller)
{
  close (poller->fd);
  poller->fd = -1;
}

static void
tell (NetWatch *watch, guint32 events)
{
  guint32 wanted = events & watch->mask;

  watch->pending = FALSE;
  if ((events & EPOLLERR) != 0)
    {
      /* It would be reported until somebody has read it. */
      net_watch_set (watch, 0);
      wanted = NET_READABLE | NET_WRITABLE | NET_DISCONNECT;
    }
  else if (wanted == 0)
    wanted = watch->mask; /* hung up: whatever is asked for can be had */
  if (wanted != 0)
    watch->func (watch, (int) wanted);
}

void
net_poller_run (NetPoller *poller, gint timeout)
{
  poller->ready = epoll_wait (poller->fd, poller->events, NET_POLLER_BATCH, timeout);
  poller->now = g_get_monotonic_time ();
  poller->turn++;
  poller->full = poller->ready < 0 || poller->ready == NET_POLLER_BATCH;
  for (gint i = 0; i < poller->ready; i++)
    ((NetWatch *) poller->events[i].data.ptr)->pending = TRUE;
  for (gint i = 0; i < poller->ready; i++)
    if (poller->events[i].data.ptr != NULL)
      tell (poller->events[i].data.ptr, poller->events[i].events);
  poller->ready = 0;
}

void
net_watch_init (NetWatch *watch, NetPoller *poller, gint fd, NetWatchFunc func)
{
  *watch = (NetWatch){ .poller = poller, .func = func, .fd = fd };
  poller->open++;
}

void
net_watch_set (NetWatch *watch, int mask)
{
  struct epoll_event event;
  int operation;

  if (mask == watch->mask || watch->poller == NULL)
    return;
  operation = mask == 0 ? EPOLL_CTL_DEL : watch->mask == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  event = (struct epoll_event){ .events = (guint32) mask, .data.ptr = watch };
  if ((mask & ~watch->mask) != 0)
    watch->since = watch->poller->turn;
  watch->mask = (guint16) mask;
  if (epoll_ctl (watch->poller->fd, operation, watch->fd, &event) == 0)
    return;
  if (errno != ENOMEM && errno != ENOSPC)
    g_error ("descriptor %d cannot be watched: %s", watch->fd, g_strerror (errno));
  base_log (BASE_LOG_ERROR, "a connection cannot be watched: %s", g_strerror (errno));
  watch->mask = 0;
}

gboolean
net_watch_was_quiet (const NetWatch *watch, int events)
{
  const NetPoller *poller = watch->poller;

  return poller != NULL && (watch->mask & events) == events && watch->since != poller->turn
         && !watch->pending && !poller->full;
}

void
net_watch_drop (NetWatch *watch)
{
  NetPoller *poller = watch->poller;

  if (poller == NULL)
    return;
  watch->mask = 0;
  for (gint i = 0; i < poller->ready; i++)
    if (poller->events[i].data.ptr == watch)
      poller->events[i].data.ptr = NULL;
  poller->open--;
  watch->poller = NULL;
}

void
net_watch_close (NetWatch *watch)
{
  net_watch_set (watch, 0);
  net_watch_drop (watch);
}
