/* Identifiers: ten digits of base 36 for the wall clock in microseconds, five for the process.
 * Within a process the clock never gives the same microsecond twice: that is the counter. It can
 * not fail. */
#include "base/id.h"

#include <pthread.h>
#include <unistd.h>

#define TIME_DIGITS 10   /* enough until the year 2085 */
#define PROCESS_DIGITS 5 /* the kernel's largest process number is 2^22 */

G_STATIC_ASSERT (TIME_DIGITS + PROCESS_DIGITS + 1 == BASE_ID_LENGTH);

static gint process; /* atomic; 0: not asked yet */

static void
forget_process (void)
{
  g_atomic_int_set (&process, 0);
}

gint
base_process_id (void)
{
  static gsize watched;
  gint known = g_atomic_int_get (&process);

  if (known != 0)
    return known;
  if (g_once_init_enter (&watched))
    {
      pthread_atfork (NULL, NULL, forget_process);
      g_once_init_leave (&watched, 1);
    }
  known = (gint) getpid ();
  g_atomic_int_set (&process, known);
  return known;
}

static void
write_digits (gchar *at, guint digits, guint64 number)
{
  for (; digits > 0; number /= 36)
    at[--digits] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number % 36];
}

/* The time now, or one more than what any thread got last, if the clock stands still or was set
 * back. */
static guint64
next_time (void)
{
  static guint64 last;
  guint64 before = __atomic_load_n (&last, __ATOMIC_RELAXED);
  guint64 next;

  do
    next = MAX ((guint64) g_get_real_time (), before + 1);
  while (!__atomic_compare_exchange_n (&last, &before, next, FALSE, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED));
  return next;
}

void
base_id_make (gchar id[BASE_ID_LENGTH])
{
  write_digits (id, TIME_DIGITS, next_time ());
  write_digits (id + TIME_DIGITS, PROCESS_DIGITS, (guint64) base_process_id ());
  id[BASE_ID_LENGTH - 1] = '\0';
}
