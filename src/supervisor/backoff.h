/* How long to wait before something that keeps dying is started again. Times are handed in:
 * microseconds of any steady clock. */
#pragma once

#include <glib.h>

typedef struct
{
  gint64 short_life; /* a death sooner than this after the start counts as a failure */
  gint64 first;   /* the wait after the first failure that makes one wait; doubles from there … */
  gint64 longest; /* … up to this */
  guint free;     /* failures in a row that need no wait */
  guint failures; /* in a row */
  gint64 not_before; /* when the next start is allowed */
} SupervisorBackoff;

/* Workers: the first early death is free, then 100 ms doubling to 10 s. */
#define SUPERVISOR_BACKOFF_WORKERS                                                                 \
  ((SupervisorBackoff){ .short_life = G_USEC_PER_SEC,                                              \
                        .first = G_USEC_PER_SEC / 10,                                              \
                        .longest = 10 * G_USEC_PER_SEC,                                            \
                        .free = 1 })
/* Generations: every unexpected death waits, 1 s doubling to 60 s; ten minutes of life forget it.
 */
#define SUPERVISOR_BACKOFF_GENERATIONS                                                             \
  ((SupervisorBackoff){ .short_life = 10 * 60 * G_USEC_PER_SEC,                                    \
                        .first = G_USEC_PER_SEC,                                                   \
                        .longest = 60 * G_USEC_PER_SEC })

/* Something died at `now` after it had lived for `lived`. */
void supervisor_backoff_died (SupervisorBackoff *backoff, gint64 lived, gint64 now);
/* Microseconds until a start is allowed; 0: now. */
gint64 supervisor_backoff_wait (const SupervisorBackoff *backoff, gint64 now);
