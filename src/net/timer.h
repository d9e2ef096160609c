/* Deadlines that may be moved often and rarely come: moving one later only stores the new moment,
 * and its place in the loop's queue is looked at again when it comes up. Cannot fail. */
#pragma once

#include "net/watch.h"

typedef struct _NetTimer NetTimer;
typedef void (*NetTimerFunc) (NetTimer *timer);

/* Of one thread: a binary heap, the next one first. */
typedef struct
{
  GPtrArray *heap; /* of NetTimer, by `armed` */
  guint open;      /* timers that are not closed */
} NetTimers;

struct _NetTimer
{
  NetTimers *timers; /* NULL: closed */
  NetTimerFunc func;
  gint64 deadline; /* monotonic microseconds; 0: none */
  gint64 armed;    /* the moment by which it stands in the heap; 0: it does not */
  guint place;     /* there */
};

void net_timers_init (NetTimers *timers);
void net_timers_finish (NetTimers *timers);
/* When net_timers_run() is due; 0: never. */
gint64 net_timers_next (const NetTimers *timers);
/* Fires what is due at `now`. What is set meanwhile waits for the next call. */
void net_timers_run (NetTimers *timers, gint64 now);

void net_timer_init (NetTimer *timer, NetTimers *timers, NetTimerFunc func);
/* `deadline` 0: never. A moment that has passed fires from the loop, not from here. Does nothing
 * once closed. */
void net_timer_set (NetTimer *timer, gint64 deadline);
/* Fires no more; its memory may go at once, even from inside `func`. */
void net_timer_close (NetTimer *timer);
