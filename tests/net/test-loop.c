/* A loop's own parts: timers, watched descriptors, tasks. Time passes as the loop sees it; nothing
 * here asks how long anything took. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/loop.h"

/* ---- timers ---- */

#define MANY 500

typedef struct
{
  NetTimer timer;
  GArray *fired; /* of guint */
  guint number;
  NetTimer *victim; /* closed when this one fires */
  gint64 again;     /* set anew when it fires */
} Alarm;

static void
on_alarm (NetTimer *timer)
{
  Alarm *alarm = NET_OWNER (timer, Alarm, timer);

  g_array_append_val (alarm->fired, alarm->number);
  if (alarm->victim != NULL)
    net_timer_close (alarm->victim);
  net_timer_set (timer, alarm->again);
}

static void
test_timers_in_order (void)
{
  g_autofree Alarm *alarms = g_new0 (Alarm, MANY);
  g_autoptr (GArray) fired = g_array_new (FALSE, FALSE, sizeof (guint));
  gint64 moments[MANY];
  guint before = 0, expected = 0;
  NetTimers timers;

  net_timers_init (&timers);
  for (guint i = 0; i < MANY; i++)
    {
      alarms[i].fired = fired;
      alarms[i].number = i;
      net_timer_init (&alarms[i].timer, &timers, on_alarm);
      moments[i] = g_test_rand_int_range (1, 1000);
      net_timer_set (&alarms[i].timer, moments[i]);
    }
  /* Moved earlier, later, or taken back. */
  for (guint i = 0; i < MANY; i += 3)
    {
      moments[i] = i % 2 == 0 ? g_test_rand_int_range (0, 1000) : 2000;
      net_timer_set (&alarms[i].timer, moments[i]);
    }
  for (guint i = 1; i < MANY; i += 10)
    {
      net_timer_close (&alarms[i].timer);
      net_timer_set (&alarms[i].timer, 5);
      moments[i] = 0;
    }
  for (gint64 now = 1; now <= 1000; now++)
    {
      net_timers_run (&timers, now);
      for (guint i = before; i < fired->len; i++)
        g_assert_cmpint (moments[g_array_index (fired, guint, i)], ==, now);
      before = fired->len;
    }
  for (guint i = 0; i < MANY; i++)
    expected += moments[i] > 0 && moments[i] <= 1000 ? 1 : 0;
  g_assert_cmpuint (fired->len, ==, expected);
  for (guint i = 0; i < MANY; i++)
    net_timer_close (&alarms[i].timer);
  g_assert_cmpuint (timers.open, ==, 0);
  g_assert_cmpint (net_timers_next (&timers), ==, 0);
  net_timers_finish (&timers);
}

/* One that closes another which is due too, and one that wants to fire for ever. */
static void
test_timers_from_inside (void)
{
  g_autoptr (GArray) fired = g_array_new (FALSE, FALSE, sizeof (guint));
  Alarm first = { .fired = fired, .number = 1, .again = 1 }, second = { .fired = fired };
  NetTimers timers;

  net_timers_init (&timers);
  net_timer_init (&first.timer, &timers, on_alarm);
  net_timer_init (&second.timer, &timers, on_alarm);
  first.victim = &second.timer;
  net_timer_set (&first.timer, 5);
  net_timer_set (&second.timer, 6);
  net_timers_run (&timers, 10);
  /* The two that stood there were looked at, and no third. */
  g_assert_cmpuint (fired->len, >=, 1);
  g_assert_cmpuint (fired->len, <=, 2);
  for (guint i = 0; i < fired->len; i++)
    g_assert_cmpuint (g_array_index (fired, guint, i), ==, 1);
  net_timer_close (&first.timer);
  net_timers_finish (&timers);
}

/* ---- watches ---- */

typedef struct
{
  NetWatch watch;
  gint peer;
  guint calls;
  int events;
  NetWatch *victim;
} Ear;

static void
on_ear (NetWatch *watch, int events)
{
  Ear *ear = NET_OWNER (watch, Ear, watch);

  ear->calls++;
  ear->events = events;
  if (ear->victim != NULL)
    net_watch_close (ear->victim);
}

static void
open_ear (Ear *ear, NetLoop *loop)
{
  gint pair[2];

  *ear = (Ear){ 0 };
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==,
                   0);
  ear->peer = pair[1];
  net_watch_init (&ear->watch, &loop->poller, pair[0], on_ear);
}

static void
close_ear (Ear *ear)
{
  gint fd = ear->watch.fd;

  net_watch_close (&ear->watch);
  close (fd);
  if (ear->peer >= 0)
    close (ear->peer);
}

static void
end_loop (NetLoop *loop)
{
  net_loop_stop (loop);
  net_loop_run (loop);
  net_loop_free (loop);
}

static void
test_watch_masks (void)
{
  NetLoop *loop = net_loop_new (0);
  Ear ear;

  open_ear (&ear, loop);
  g_assert_cmpint (write (ear.peer, "x", 1), ==, 1);
  net_loop_turn (loop, FALSE);
  g_assert_cmpuint (ear.calls, ==, 0);
  net_watch_set (&ear.watch, NET_READABLE);
  net_loop_turn (loop, FALSE);
  g_assert_cmpint (ear.events, ==, NET_READABLE);
  net_watch_set (&ear.watch, NET_WRITABLE);
  net_loop_turn (loop, FALSE);
  g_assert_cmpint (ear.events, ==, NET_WRITABLE);
  net_watch_set (&ear.watch, 0);
  net_loop_turn (loop, FALSE);
  g_assert_cmpuint (ear.calls, ==, 2);
  /* Nothing is said about one whose mask is empty, not even that the peer is gone. */
  close (ear.peer);
  ear.peer = -1;
  net_loop_turn (loop, FALSE);
  g_assert_cmpuint (ear.calls, ==, 2);
  net_watch_set (&ear.watch, NET_DISCONNECT);
  net_loop_turn (loop, FALSE);
  g_assert_cmpuint (ear.calls, ==, 3);
  g_assert_cmpint (ear.events & NET_DISCONNECT, !=, 0);
  close_ear (&ear);
  end_loop (loop);
}

typedef struct
{
  Ear ear;
  Ear *other;
  gboolean quiet;       /* of the other, when we were told */
  gboolean quiet_to_us; /* of ourselves */
} Asker;

static void
on_asker (NetWatch *watch, int events)
{
  Asker *asker = NET_OWNER (watch, Asker, ear.watch);

  asker->ear.calls++;
  asker->quiet = net_watch_was_quiet (&asker->other->watch, NET_READABLE);
  asker->quiet_to_us = net_watch_was_quiet (watch, NET_READABLE);
}

/* Silence is known only of what was asked for before the kernel was asked, and once all that it
 * told has been passed on. */
static void
test_watch_quiet (void)
{
  NetLoop *loop = net_loop_new (0);
  Asker one = { 0 }, two = { 0 };

  open_ear (&one.ear, loop);
  open_ear (&two.ear, loop);
  one.ear.watch.func = two.ear.watch.func = on_asker;
  one.other = &two.ear;
  two.other = &one.ear;
  g_assert_false (net_watch_was_quiet (&one.ear.watch, NET_READABLE));
  net_watch_set (&one.ear.watch, NET_READABLE);
  g_assert_false (net_watch_was_quiet (&one.ear.watch, NET_READABLE));
  net_loop_turn (loop, FALSE);
  g_assert_true (net_watch_was_quiet (&one.ear.watch, NET_READABLE));
  g_assert_false (net_watch_was_quiet (&one.ear.watch, NET_READABLE | NET_DISCONNECT));
  net_watch_set (&two.ear.watch, NET_READABLE);
  g_assert_cmpint (write (one.ear.peer, "x", 1), ==, 1);
  net_loop_turn (loop, FALSE);
  g_assert_cmpuint (one.ear.calls, ==, 1);
  g_assert_true (one.quiet && one.quiet_to_us);
  /* Both speak: whichever is told first, the other one has not been silent. */
  g_assert_cmpint (write (two.ear.peer, "x", 1), ==, 1);
  net_loop_turn (loop, FALSE);
  g_assert_cmpuint (one.ear.calls + two.ear.calls, ==, 3);
  g_assert_true (one.quiet != two.quiet);
  close_ear (&one.ear);
  g_assert_false (net_watch_was_quiet (&one.ear.watch, NET_READABLE));
  close_ear (&two.ear);
  end_loop (loop);
}

/* Whichever of the two is told first closes the other one: of events that were fetched together,
 * the second may not reach memory that is gone. */
static void
test_watch_closed_by_another (void)
{
  NetLoop *loop = net_loop_new (0);
  Ear ears[2];

  for (guint i = 0; i < 2; i++)
    {
      open_ear (&ears[i], loop);
      g_assert_cmpint (write (ears[i].peer, "x", 1), ==, 1);
      net_watch_set (&ears[i].watch, NET_READABLE);
      ears[i].victim = &ears[1 - i].watch;
    }
  net_loop_turn (loop, FALSE);
  g_assert_cmpuint (ears[0].calls + ears[1].calls, ==, 1);
  close_ear (&ears[0]);
  close_ear (&ears[1]);
  end_loop (loop);
}

/* A socket with an error: told once, as everything, then silent until it is asked for again. */
static void
test_watch_fault (void)
{
  NetLoop *loop = net_loop_new (0);
  gint ends[2];
  Ear ear = { .peer = -1 };

  g_assert_cmpint (pipe2 (ends, O_CLOEXEC | O_NONBLOCK), ==, 0);
  close (ends[0]); /* a pipe without a reader shows EPOLLERR to its writer */
  net_watch_init (&ear.watch, &loop->poller, ends[1], on_ear);
  net_watch_set (&ear.watch, NET_WRITABLE);
  for (guint i = 0; i < 3; i++)
    net_loop_turn (loop, FALSE);
  g_assert_cmpuint (ear.calls, ==, 1);
  g_assert_cmpint (ear.events, ==, NET_READABLE | NET_WRITABLE | NET_DISCONNECT);
  close_ear (&ear);
  end_loop (loop);
}

/* ---- tasks ---- */

static void
count (NetLoop *loop, gpointer data)
{
  ++*(guint *) data;
}

static void
post_on (NetLoop *loop, gpointer data)
{
  net_loop_post (loop, count, data);
}

static void
test_tasks (void)
{
  NetLoop *loop = net_loop_new (0);
  guint posted = 0, deferred = 0;

  net_loop_post (loop, count, &posted);
  net_loop_post (loop, post_on, &posted);
  net_loop_defer (loop, count, &deferred);
  net_loop_turn (loop, TRUE);
  g_assert_cmpuint (posted, ==, 1);
  g_assert_cmpuint (deferred, ==, 1);
  net_loop_turn (loop, TRUE);
  g_assert_cmpuint (posted, ==, 2);
  net_loop_stop (loop);
  net_loop_run (loop);
  /* Too late for it to hear the bell. */
  net_loop_post (loop, post_on, &posted);
  g_assert_true (net_loop_run_late (loop));
  g_assert_true (net_loop_run_late (loop));
  g_assert_false (net_loop_run_late (loop));
  g_assert_cmpuint (posted, ==, 3);
  net_loop_free (loop);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/net/timers/in-order", test_timers_in_order);
  g_test_add_func ("/net/timers/from-inside", test_timers_from_inside);
  g_test_add_func ("/net/watch/masks", test_watch_masks);
  g_test_add_func ("/net/watch/quiet", test_watch_quiet);
  g_test_add_func ("/net/watch/closed-by-another", test_watch_closed_by_another);
  g_test_add_func ("/net/watch/fault", test_watch_fault);
  g_test_add_func ("/net/loop/tasks", test_tasks);
  return g_test_run ();
}
