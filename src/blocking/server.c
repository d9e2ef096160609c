/* Listening sockets and accept. What fails while a server is made is an error; what fails later and
 * passes (no descriptors, a client that has gone) is waited out. */
#include "blocking/session.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/network.h"

#define MAX_SOCKETS 16
#define PAUSE 100 /* milliseconds, where only time helps */

struct _WeirServer
{
  BlockingSettings *settings;
  int sockets[MAX_SOCKETS];
  guint count;
  int stop; /* eventfd; readable: stopped */
  guint port;
};

void
weir_server_free (WeirServer *server)
{
  if (server == NULL)
    return;
  for (guint i = 0; i < server->count; i++)
    close (server->sockets[i]);
  if (server->stop >= 0)
    close (server->stop);
  blocking_settings_unref (server->settings);
  g_free (server);
}

guint
weir_server_port (const WeirServer *server)
{
  return server->port;
}

/* -1: errno says why. */
static int
listen_at (const struct addrinfo *address)
{
  int one = 1;
  int fd = socket (address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                   address->ai_protocol);
  int saved;

  if (fd < 0)
    return -1;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  /* "::" must not take the port from "0.0.0.0". */
  if (address->ai_family == AF_INET6)
    setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  if (bind (fd, address->ai_addr, address->ai_addrlen) == 0 && listen (fd, SOMAXCONN) == 0)
    return fd;
  saved = errno;
  close (fd);
  errno = saved;
  return -1;
}

static void
learn_port (WeirServer *server)
{
  BaseEndpoint own = { .length = sizeof own.address };

  if (getsockname (server->sockets[0], &own.address.any, &own.length) == 0)
    server->port = base_endpoint_port (&own);
}

/* A host may have addresses of a family that this system does not speak: one that can be had is
 * enough, but a port that is taken or forbidden at any of them is an error. */
static gboolean
listen_at_all (WeirServer *server, const struct addrinfo *addresses, gboolean first_only,
               GError **error)
{
  int failure = EADDRNOTAVAIL;

  for (const struct addrinfo *at = addresses; at != NULL && server->count < MAX_SOCKETS;
       at = at->ai_next)
    {
      int fd = listen_at (at);

      if (fd >= 0)
        server->sockets[server->count++] = fd;
      else
        failure = errno;
      if (fd < 0 && failure != EAFNOSUPPORT && failure != EADDRNOTAVAIL)
        break;
      if (fd >= 0 && (first_only || at->ai_next == NULL))
        return TRUE;
    }
  if (server->count > 0 && (failure == EAFNOSUPPORT || failure == EADDRNOTAVAIL))
    return TRUE;
  g_set_error (error, WEIR_ERROR, WEIR_ERROR_BIND, "%s", g_strerror (failure));
  return FALSE;
}

static gboolean
bind_server (WeirServer *server, const gchar *host, const gchar *port, GError **error)
{
  struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
  struct addrinfo *addresses = NULL;
  int failure = getaddrinfo (host, port, &hints, &addresses);
  gboolean good;

  if (failure != 0)
    {
      g_set_error (error, WEIR_ERROR, WEIR_ERROR_BIND, "%s", gai_strerror (failure));
      return FALSE;
    }
  good = listen_at_all (server, addresses, g_str_equal (port, "0"), error);
  freeaddrinfo (addresses);
  if (good)
    learn_port (server);
  return good;
}

WeirServer *
weir_server_new (const char *host, const char *port, const WeirSettings *settings, GError **error)
{
  g_autoptr (WeirServer) server = g_new0 (WeirServer, 1);

  host = host != NULL ? host : g_get_host_name ();
  port = port != NULL ? port : "25";
  server->stop = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  server->settings = blocking_settings_new (settings, error);
  if (server->settings == NULL)
    return NULL;
  if (server->stop < 0)
    g_set_error (error, WEIR_ERROR, WEIR_ERROR_BIND, "eventfd: %s", g_strerror (errno));
  if (server->stop < 0 || !bind_server (server, host, port, error))
    {
      g_prefix_error (error, "%s:%s: ", host, port);
      return NULL;
    }
  return g_steal_pointer (&server);
}

void
weir_server_stop (WeirServer *server)
{
  guint64 one = 1;
  int saved = errno;

  /* It fails only when it has been told 2^64 - 2 times before. */
  if (write (server->stop, &one, sizeof one) < 0)
    errno = saved;
}

static gboolean
fail_accept (WeirError code, const gchar *what, GError **error)
{
  g_set_error (error, WEIR_ERROR, (gint) code, "accept: %s", what);
  return FALSE;
}

/* TRUE: a socket has a client, or `pause` is over; -1 waits for ever. */
static gboolean
wait_for_client (WeirServer *server, struct pollfd *watched, int pause, GError **error)
{
  for (guint i = 0; i < server->count; i++)
    watched[i + 1] = (struct pollfd){ .fd = pause < 0 ? server->sockets[i] : -1, .events = POLLIN };
  watched[0] = (struct pollfd){ .fd = server->stop, .events = POLLIN };
  if (poll (watched, server->count + 1, pause) < 0 && errno != EINTR)
    return fail_accept (WEIR_ERROR_CLOSED, g_strerror (errno), error);
  if (watched[0].revents != 0)
    return fail_accept (WEIR_ERROR_STOPPED, "the server was stopped", error);
  return TRUE;
}

/* What does not pass by waiting for another client. */
static gboolean
is_fatal (int code)
{
  return code == EBADF || code == EINVAL || code == ENOTSOCK || code == EFAULT;
}

static gboolean
is_scarce (int code)
{
  return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

WeirSession *
weir_server_accept (WeirServer *server, GError **error)
{
  struct pollfd watched[MAX_SOCKETS + 1];
  int pause = -1;

  while (wait_for_client (server, watched, pause, error))
    {
      pause = -1;
      for (guint i = 0; i < server->count; i++)
        {
          BaseEndpoint peer = { .length = sizeof peer.address };
          int fd = accept4 (server->sockets[i], &peer.address.any, &peer.length,
                            SOCK_NONBLOCK | SOCK_CLOEXEC);

          if (fd >= 0)
            return blocking_session_new (fd, &peer, server->settings);
          if (is_fatal (errno))
            {
              fail_accept (WEIR_ERROR_CLOSED, g_strerror (errno), error);
              return NULL;
            }
          if (is_scarce (errno))
            pause = PAUSE;
        }
    }
  return NULL;
}
