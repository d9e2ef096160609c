/* A connection to a scanner: connect, write and read, each waiting with poll until one deadline.
 * Whatever fails is told once, with the scanner's name and address; the caller then closes, so that
 * nothing is left running on its behalf. */
#include "common/peer.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_RESERVE 500 /* ms that are kept for telling why */
#define RETRY 20000     /* µs between two attempts at a local socket that is busy */

struct _CommonPeer
{
  const char *what;
  const char *address;
  int fd;
  gint64 whole;    /* µs, monotonic: the end of everything */
  gint64 deadline; /* the same, of what is done now; not behind `whole` */
};

/* ---- Addresses ---- */

gboolean
common_peer_is_local (const char *address)
{
  return *address == '/';
}

/* The colon in front of the port; NULL: there is none, or it belongs to a bare IPv6 address. */
static const char *
find_port (const char *address)
{
  const char *colon = strrchr (address, ':');

  if (colon == NULL || colon == address)
    return NULL;
  if (*address == '[')
    return colon[-1] == ']' && colon - address > 2 ? colon : NULL;
  return memchr (address, ':', (gsize) (colon - address)) == NULL ? colon : NULL;
}

const char *
common_peer_check (const char *address)
{
  const char *colon = find_port (address);
  guint64 port = 0;

  if (common_peer_is_local (address))
    return strlen (address) < sizeof ((struct sockaddr_un *) NULL)->sun_path
               ? NULL
               : "is longer than the path of a socket may be (107 octets)";
  if (colon == NULL)
    return "is neither a path nor host:port";
  for (const char *at = address; *at != '\0'; at++)
    if (!g_ascii_isgraph (*at))
      return "has a character that stands in no address";
  if (!g_ascii_string_to_unsigned (colon + 1, 10, 1, 65535, &port, NULL))
    return "has no port between 1 and 65535";
  return NULL;
}

static struct addrinfo *
look_up (const CommonPeer *peer, GError **error)
{
  const char *colon = find_port (peer->address);
  const gsize bracket = *peer->address == '[' ? 1 : 0;
  g_autofree char *host
      = g_strndup (peer->address + bracket, (gsize) (colon - peer->address) - 2 * bracket);
  const struct addrinfo hints
      = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG };
  struct addrinfo *found = NULL;
  int result = getaddrinfo (host, colon + 1, &hints, &found);

  if (result == 0)
    return found;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s at %s: the name is not found: %s",
               peer->what, peer->address, gai_strerror (result));
  return NULL;
}

/* ---- Waiting ---- */

static void
set_errno (const CommonPeer *peer, GError **error, const char *doing, int number)
{
  gboolean gone = number == EPIPE || number == ECONNRESET;

  g_set_error (error, G_FILE_ERROR, gone ? G_FILE_ERROR_PIPE : g_file_error_from_errno (number),
               "%s at %s: %s: %s", peer->what, peer->address, doing,
               gone ? "the connection was closed" : g_strerror (number));
}

/* The events that are there, one of `events` or a fault; 0: the time is over, or poll failed. */
static short
wait_for (const CommonPeer *peer, short events, const char *doing, GError **error)
{
  struct pollfd entry = { .fd = peer->fd, .events = events };

  for (;;)
    {
      gint64 left = (peer->deadline - g_get_monotonic_time () + 999) / 1000;
      int ready = left <= 0 ? 0 : poll (&entry, 1, (int) MIN (left, G_MAXINT));

      if (ready > 0)
        return entry.revents;
      if (ready < 0 && errno != EINTR)
        {
          set_errno (peer, error, doing, errno);
          return 0;
        }
      if (ready == 0 && peer->deadline <= g_get_monotonic_time ())
        break;
    }
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_AGAIN, "%s at %s: %s: no answer in time",
               peer->what, peer->address, doing);
  return 0;
}

/* ---- Connecting ---- */

static gboolean
connect_to (CommonPeer *peer, const struct sockaddr *address, socklen_t length, GError **error)
{
  const char *doing = "can not connect";
  int number = 0;
  socklen_t size = sizeof number;

  if (peer->fd >= 0)
    close (peer->fd);
  peer->fd = socket (address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (peer->fd >= 0 && connect (peer->fd, address, length) == 0)
    return TRUE;
  number = errno;
  if (peer->fd >= 0 && number == EINPROGRESS)
    {
      if (wait_for (peer, POLLOUT, doing, error) == 0)
        return FALSE;
      if (getsockopt (peer->fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
        number = errno;
    }
  if (number == 0)
    return TRUE;
  set_errno (peer, error, doing, number);
  return FALSE;
}

/* A local socket whose backlog is full says EAGAIN at once, and poll does not wait for room. */
static gboolean
connect_local (CommonPeer *peer, GError **error)
{
  struct sockaddr_un local = { .sun_family = AF_UNIX };
  GError *problem = NULL;

  g_strlcpy (local.sun_path, peer->address, sizeof local.sun_path);
  while (!connect_to (peer, (struct sockaddr *) &local, sizeof local, &problem))
    {
      if (!g_error_matches (problem, G_FILE_ERROR, G_FILE_ERROR_AGAIN)
          || g_get_monotonic_time () >= peer->deadline)
        {
          g_propagate_error (error, problem);
          return FALSE;
        }
      g_clear_error (&problem);
      g_usleep (RETRY);
    }
  return TRUE;
}

static gboolean
connect_internet (CommonPeer *peer, GError **error)
{
  struct addrinfo *found = look_up (peer, error);
  gboolean connected = FALSE;

  for (const struct addrinfo *one = found; one != NULL && !connected; one = one->ai_next)
    {
      g_clear_error (error);
      connected = connect_to (peer, one->ai_addr, one->ai_addrlen, error);
    }
  if (found != NULL)
    freeaddrinfo (found);
  return connected;
}

CommonPeer *
common_peer_adopt (const char *what, const char *address, int descriptor, gint64 left)
{
  CommonPeer *peer = g_new0 (CommonPeer, 1);

  peer->what = what;
  peer->address = address;
  peer->fd = descriptor;
  peer->whole = g_get_monotonic_time () + (left - MIN (left / 5, MAX_RESERVE)) * 1000;
  peer->deadline = peer->whole;
  return peer;
}

int
common_peer_descriptor (const CommonPeer *peer)
{
  return peer->fd;
}

int
common_peer_release (CommonPeer *peer)
{
  int descriptor = peer->fd;

  g_free (peer);
  return descriptor;
}

void
common_peer_wait_at_most (CommonPeer *peer, gint64 milliseconds)
{
  peer->deadline = MIN (peer->whole, g_get_monotonic_time () + milliseconds * 1000);
}

CommonPeer *
common_peer_connect (const char *what, const char *address, gint64 left, GError **error)
{
  g_autoptr (CommonPeer) peer = common_peer_adopt (what, address, -1, left);

  if (common_peer_is_local (address) ? connect_local (peer, error) : connect_internet (peer, error))
    return g_steal_pointer (&peer);
  return NULL;
}

void
common_peer_free (CommonPeer *peer)
{
  if (peer == NULL)
    return;
  if (peer->fd >= 0)
    close (peer->fd);
  g_free (peer);
}

/* ---- Writing ---- */

/* After a send that would block. Who says something before it has everything takes no more. */
static gboolean
wait_to_write (const CommonPeer *peer, GError **error)
{
  short events = wait_for (peer, POLLOUT | POLLIN, "while the message was sent", error);

  if (events == 0)
    return FALSE;
  if ((events & POLLOUT) != 0)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_PIPE,
               "%s at %s: it did not take the whole message", peer->what, peer->address);
  return FALSE;
}

static gboolean
may_try_again (const CommonPeer *peer, GError **error)
{
  if (errno == EINTR)
    return TRUE;
  if (errno == EAGAIN || errno == EWOULDBLOCK)
    return wait_to_write (peer, error);
  set_errno (peer, error, "while the message was sent", errno);
  return FALSE;
}

gboolean
common_peer_write (CommonPeer *peer, gconstpointer bytes, gsize length, GError **error)
{
  const guint8 *at = bytes;

  while (length > 0)
    {
      gssize sent = send (peer->fd, at, length, MSG_NOSIGNAL);

      if (sent < 0 && !may_try_again (peer, error))
        return FALSE;
      at += MAX (sent, 0);
      length -= (gsize) MAX (sent, 0);
    }
  return TRUE;
}

gboolean
common_peer_send_descriptor (CommonPeer *peer, int descriptor, GError **error)
{
  union
  {
    char bytes[CMSG_SPACE (sizeof (int))];
    struct cmsghdr align;
  } room = { { 0 } };
  char zero = '\0';
  struct iovec piece = { .iov_base = &zero, .iov_len = 1 };
  struct msghdr message = { .msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = room.bytes,
                            .msg_controllen = sizeof room.bytes };
  struct cmsghdr *control = CMSG_FIRSTHDR (&message);

  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN (sizeof (int));
  memcpy (CMSG_DATA (control), &descriptor, sizeof descriptor);
  while (sendmsg (peer->fd, &message, MSG_NOSIGNAL) < 0)
    if (!may_try_again (peer, error))
      return FALSE;
  return TRUE;
}

void
common_peer_end_writing (CommonPeer *peer)
{
  shutdown (peer->fd, SHUT_WR);
}

/* ---- Reading ---- */

gssize
common_peer_read_some (CommonPeer *peer, gpointer buffer, gsize size, GError **error)
{
  const char *doing = "while its answer was awaited";

  for (;;)
    {
      gssize got = recv (peer->fd, buffer, size, 0);

      if (got >= 0)
        return got;
      if (errno == EAGAIN || errno == EWOULDBLOCK)
        {
          if (wait_for (peer, POLLIN, doing, error) == 0)
            return -1;
        }
      else if (errno != EINTR)
        {
          set_errno (peer, error, doing, errno);
          return -1;
        }
    }
}

static gboolean
take (CommonPeer *peer, GString *answer, int end, gsize most, gboolean *whole, GError **error)
{
  char buffer[4096];
  gssize got = common_peer_read_some (peer, buffer, sizeof buffer, error);
  const char *found = got > 0 && end >= 0 ? memchr (buffer, end, (gsize) got) : NULL;

  if (got < 0)
    return FALSE;
  if (got == 0 && end >= 0)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_PIPE, "%s at %s: it closed the connection %s",
                   peer->what, peer->address,
                   answer->len == 0 ? "without an answer" : "in the middle of its answer");
      return FALSE;
    }
  g_string_append_len (answer, buffer, found == NULL ? got : found - buffer);
  *whole = got == 0 || found != NULL;
  if (answer->len <= most)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED,
               "%s at %s: its answer has more than %" G_GSIZE_FORMAT " octets", peer->what,
               peer->address, most);
  return FALSE;
}

GString *
common_peer_read (CommonPeer *peer, int end, gsize most, GError **error)
{
  GString *answer = g_string_new (NULL);
  gboolean whole = FALSE;

  while (!whole)
    if (!take (peer, answer, end, most, &whole, error))
      {
        g_string_free (answer, TRUE);
        return NULL;
      }
  return answer;
}
