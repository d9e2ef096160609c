/* One descriptor watched by a loop. A watch remembers its mask, so that asking for what is asked
 * for already costs nothing; all that libuv's poll handle brings along stays behind it. */
#pragma once

#include <glib.h>
#include <uv.h>

/* The struct that contains `member`, from a pointer to the member. */
#define NET_OWNER(pointer, type, member)                                                           \
  ((type *) (void *) (((gchar *) (pointer)) - G_STRUCT_OFFSET (type, member)))

typedef struct _NetWatch NetWatch;

/* `events`: UV_READABLE, UV_WRITABLE, UV_DISCONNECT. A fault of the descriptor shows as all of
 * them: the next read or write will name it. */
typedef void (*NetWatchFunc) (NetWatch *watch, int events);

struct _NetWatch
{
  uv_poll_t poll;
  NetWatchFunc func;
  int mask; /* what is asked for now */
};

/* Begins with an empty mask. The descriptor stays the caller's and must be non-blocking. FALSE: not
 * a descriptor that can be polled. */
gboolean net_watch_init (NetWatch *watch, uv_loop_t *loop, gint fd, NetWatchFunc func);
void net_watch_set (NetWatch *watch, int mask);
/* Stops at once (the descriptor may be closed after it); `closed` is called from the loop, and the
 * memory must live until then. */
void net_watch_close (NetWatch *watch, uv_close_cb closed);
