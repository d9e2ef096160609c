/* Exponential waits, as arithmetic alone. Cannot fail. */
#include "supervisor/backoff.h"

void
supervisor_backoff_died (SupervisorBackoff *backoff, gint64 lived, gint64 now)
{
  gint64 wait = backoff->first;

  if (lived >= backoff->short_life)
    backoff->failures = 0;
  backoff->failures++;
  if (backoff->failures <= backoff->free)
    return;
  for (guint i = backoff->free + 1; i < backoff->failures && wait < backoff->longest; i++)
    wait *= 2;
  backoff->not_before = now + MIN (wait, backoff->longest);
}

gint64
supervisor_backoff_wait (const SupervisorBackoff *backoff, gint64 now)
{
  return MAX (backoff->not_before - now, 0);
}
