/* A deadline that may be moved often and rarely comes: moving it later only stores the new moment,
 * the handle is re-armed when it fires early. */
#pragma once

#include "net/watch.h"

typedef struct _NetTimer NetTimer;
typedef void (*NetTimerFunc) (NetTimer *timer);

struct _NetTimer
{
  uv_timer_t handle;
  NetTimerFunc func;
  gint64 deadline; /* monotonic microseconds; 0: none */
  gint64 armed;    /* when the handle will fire; 0: not running */
};

void net_timer_init (NetTimer *timer, uv_loop_t *loop, NetTimerFunc func);
/* `deadline` 0: never. A moment that has passed fires from the loop, not from here. */
void net_timer_set (NetTimer *timer, gint64 deadline);
/* `closed` is called from the loop, and the memory must live until then. */
void net_timer_close (NetTimer *timer, uv_close_cb closed);
