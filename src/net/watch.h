/* Descriptors watched by a loop's thread, over an epoll of their own: libuv's poll handles take two
 * system calls for each change, seven times this memory, and a turn of the loop to go. Fails at
 * start for want of a descriptor; later, what the kernel has no memory to watch is not reported
 * about, and its owner's deadline ends it. */
#pragma once

#include <glib.h>
#include <sys/epoll.h>

/* The struct that contains `member`, from a pointer to the member. */
#define NET_OWNER(pointer, type, member)                                                           \
  ((type *) (void *) (((gchar *) (pointer)) - G_STRUCT_OFFSET (type, member)))

#define NET_READABLE EPOLLIN
#define NET_WRITABLE EPOLLOUT
#define NET_DISCONNECT EPOLLRDHUP

#define NET_POLLER_BATCH 256 /* events taken from the kernel at a time */

typedef struct _NetWatch NetWatch;

/* Of one thread. */
typedef struct
{
  gint fd;
  guint open; /* watches that are not closed */
  gint ready; /* events of this turn; those of watches that were closed since point nowhere */
  gint64 now; /* monotonic microseconds, when they were taken */
  guint16 turn : 15; /* how often the kernel was asked */
  gboolean full;     /* when the kernel was asked last, it may have had more to tell */
  struct epoll_event events[NET_POLLER_BATCH];
} NetPoller;

/* `events`: of NET_READABLE, NET_WRITABLE, NET_DISCONNECT. A fault of the descriptor shows as all
 * of them: the next read or write will name it. */
typedef void (*NetWatchFunc) (NetWatch *watch, int events);

struct _NetWatch
{
  NetPoller *poller;
  NetWatchFunc func;
  gint fd;
  guint16 mask;        /* what is asked for now */
  guint16 pending : 1; /* something is still to be told in this turn */
  guint16 since : 15;  /* the turn in which something was asked for anew */
};

/* FALSE: no descriptor. */
gboolean net_poller_init (NetPoller *poller);
void net_poller_finish (NetPoller *poller);
/* Calls whoever's descriptor is ready, sleeping until one is: at most `timeout` ms, -1 for ever. */
void net_poller_run (NetPoller *poller, gint timeout);

/* Begins with an empty mask. The descriptor stays the caller's and must be non-blocking and of a
 * kind that epoll takes. */
void net_watch_init (NetWatch *watch, NetPoller *poller, gint fd, NetWatchFunc func);
/* Asking for what is asked for already costs nothing. Does nothing once closed. */
void net_watch_set (NetWatch *watch, int mask);
/* Whether the descriptor had none of `events` when the loop asked the kernel last, at the start of
 * this turn, without another question to it. FALSE where that is not known: they are not asked for,
 * are still to be told, or did not fit into what the kernel could tell at once. */
gboolean net_watch_was_quiet (const NetWatch *watch, int events);
/* Nothing is reported any more; watch and descriptor may go at once, even from inside `func`, and
 * the watch may begin anew, with any poller. */
void net_watch_close (NetWatch *watch);
/* The same where the descriptor is closed next and nobody else has it open: the kernel forgets it
 * by itself then. */
void net_watch_drop (NetWatch *watch);
