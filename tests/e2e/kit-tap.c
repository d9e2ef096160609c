/* Mailweir's tests: the wire that listens, one thread a connection. See kit-tap.h. Fails the test
 * when it can not listen. */
#include "kit-tap.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELD_BACK 300 /* milliseconds */

struct _KitTap
{
  guint target;
  gint listener;
  GThread *acceptor;
  GPtrArray *threads; /* of the acceptor, then of kit_tap_stop() */
  GMutex mutex;
  GPtrArray *heard; /* under it */
};

typedef struct
{
  KitTap *tap;
  gint client;
  gint server;
  gboolean is_half_closed; /* by the client */
} Wire;

static gint
loopback (guint port, gint (*what) (gint, const struct sockaddr *, socklen_t))
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port) };
  gint fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const gint on = 1;
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  g_assert_cmpint (what (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  return fd;
}

static void
note (KitTap *tap, const gchar *text, gsize length)
{
  g_mutex_lock (&tap->mutex);
  g_ptr_array_add (tap->heard, g_strndup (text, length));
  g_mutex_unlock (&tap->mutex);
}

/* FALSE: there is no more. A client may end its half behind QUIT and go on listening: Exim does. */
static gboolean
pass (Wire *wire, gint from, gint to)
{
  gchar bytes[65536];
  gssize got = recv (from, bytes, sizeof bytes, 0);
  struct pollfd leaving = { .fd = wire->client, .events = POLLIN };
  if (got == 0 && from == wire->client && !wire->is_half_closed)
    {
      wire->is_half_closed = TRUE;
      return shutdown (to, SHUT_WR) == 0;
    }
  if (got <= 0)
    return FALSE;
  note (wire->tap, bytes, from == wire->client ? got : 0);
  gboolean written = send (to, bytes, got, MSG_NOSIGNAL) == got;
  if (from == wire->client && got >= 6 && g_ascii_strncasecmp (bytes + got - 6, "QUIT\r\n", 6) == 0
      && poll (&leaving, 1, HELD_BACK) > 0)
    note (wire->tap, "CLOSE", 5);
  return written;
}

static gpointer
carry (gpointer data)
{
  g_autofree Wire *wire = data;
  struct pollfd both[]
      = { { .fd = wire->client, .events = POLLIN }, { .fd = wire->server, .events = POLLIN } };
  gboolean going = TRUE;
  note (wire->tap, "CONNECT", 7);
  while (going && poll (both, 2, KIT_PATIENCE * 1000) > 0)
    {
      if (both[0].revents != 0)
        going = pass (wire, wire->client, wire->server);
      both[0].events = wire->is_half_closed ? 0 : POLLIN;
      if (going && both[1].revents != 0)
        going = pass (wire, wire->server, wire->client);
    }
  close (wire->client);
  close (wire->server);
  return NULL;
}

static gpointer
accept_all (gpointer data)
{
  KitTap *tap = data;
  gint fd;
  while ((fd = accept4 (tap->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
    {
      Wire *wire = g_new0 (Wire, 1);
      wire->tap = tap;
      wire->client = fd;
      wire->server = loopback (tap->target, connect);
      g_ptr_array_add (tap->threads, g_thread_new ("wire", carry, wire));
    }
  return NULL;
}

KitTap *
kit_tap (guint port, guint target)
{
  KitTap *tap = g_new0 (KitTap, 1);
  tap->target = target;
  tap->threads = g_ptr_array_new ();
  tap->heard = g_ptr_array_new_with_free_func (g_free);
  g_mutex_init (&tap->mutex);
  tap->listener = loopback (port, bind);
  g_assert_cmpint (listen (tap->listener, 100), ==, 0);
  tap->acceptor = g_thread_new ("tap", accept_all, tap);
  return tap;
}

static gpointer
copy_string (gconstpointer text, gpointer data)
{
  return g_strdup (text);
}

GPtrArray *
kit_tap_heard (KitTap *tap)
{
  g_mutex_lock (&tap->mutex);
  GPtrArray *heard = g_ptr_array_copy (tap->heard, copy_string, NULL);
  g_mutex_unlock (&tap->mutex);
  g_ptr_array_set_free_func (heard, g_free);
  return heard;
}

void
kit_tap_stop (KitTap *tap)
{
  shutdown (tap->listener, SHUT_RDWR);
  g_thread_join (tap->acceptor);
  for (guint i = 0; i < tap->threads->len; i++)
    g_thread_join (tap->threads->pdata[i]);
  close (tap->listener);
  g_ptr_array_unref (tap->threads);
  g_ptr_array_unref (tap->heard);
  g_mutex_clear (&tap->mutex);
  g_free (tap);
}
