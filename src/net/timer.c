/* The timers of a loop: a heap in which each knows its place. */
#include "net/timer.h"

static NetTimer *
at (const NetTimers *timers, guint place)
{
  return g_ptr_array_index (timers->heap, place);
}

static void
put (NetTimers *timers, guint place, NetTimer *timer)
{
  timers->heap->pdata[place] = timer;
  timer->place = place;
}

static void
sift_up (NetTimers *timers, NetTimer *timer)
{
  guint place = timer->place;

  for (; place > 0 && at (timers, (place - 1) / 2)->armed > timer->armed; place = (place - 1) / 2)
    put (timers, place, at (timers, (place - 1) / 2));
  put (timers, place, timer);
}

static void
sift_down (NetTimers *timers, NetTimer *timer)
{
  guint place = timer->place, child, length = timers->heap->len;

  for (; (child = 2 * place + 1) < length; place = child)
    {
      if (child + 1 < length && at (timers, child + 1)->armed < at (timers, child)->armed)
        child++;
      if (at (timers, child)->armed >= timer->armed)
        break;
      put (timers, place, at (timers, child));
    }
  put (timers, place, timer);
}

static void
unqueue (NetTimer *timer)
{
  NetTimers *timers = timer->timers;
  NetTimer *last;

  if (timer->armed == 0)
    return;
  timer->armed = 0;
  last = at (timers, timers->heap->len - 1);
  g_ptr_array_set_size (timers->heap, (gint) timers->heap->len - 1);
  if (last == timer)
    return;
  put (timers, timer->place, last);
  sift_down (timers, last);
  sift_up (timers, last);
}

static void
queue (NetTimer *timer)
{
  unqueue (timer);
  timer->armed = timer->deadline;
  g_ptr_array_add (timer->timers->heap, timer);
  timer->place = timer->timers->heap->len - 1;
  sift_up (timer->timers, timer);
}

void
net_timers_init (NetTimers *timers)
{
  timers->heap = g_ptr_array_new ();
  timers->open = 0;
}

void
net_timers_finish (NetTimers *timers)
{
  g_clear_pointer (&timers->heap, g_ptr_array_unref);
}

gint64
net_timers_next (const NetTimers *timers)
{
  return timers->heap->len == 0 ? 0 : at (timers, 0)->armed;
}

void
net_timers_run (NetTimers *timers, gint64 now)
{
  for (guint most = timers->heap->len; most > 0 && timers->heap->len > 0; most--)
    {
      NetTimer *timer = at (timers, 0);
      if (timer->armed > now)
        return;
      unqueue (timer);
      if (timer->deadline > now)
        queue (timer);
      else if (timer->deadline != 0)
        {
          timer->deadline = 0;
          timer->func (timer);
        }
    }
}

void
net_timer_init (NetTimer *timer, NetTimers *timers, NetTimerFunc func)
{
  *timer = (NetTimer){ .timers = timers, .func = func };
  timers->open++;
}

void
net_timer_set (NetTimer *timer, gint64 deadline)
{
  if (timer->timers == NULL)
    return;
  timer->deadline = deadline;
  if (deadline != 0 && (timer->armed == 0 || deadline < timer->armed))
    queue (timer);
}

void
net_timer_close (NetTimer *timer)
{
  if (timer->timers == NULL)
    return;
  timer->deadline = 0;
  unqueue (timer);
  timer->timers->open--;
  timer->timers = NULL;
}
