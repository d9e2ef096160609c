/* Packets over a SEQPACKET socket. A packet's first byte says where its bytes are: behind it, or in
 * the sealed memfd that came first among the descriptors (its size stands behind the byte).
 *
 * A receiver allocates for what came, never for what was claimed: a memfd is mapped, not read.
 * Errors are G_FILE_ERROR; descriptors of a bad packet are closed. */
#include "ipc/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "ipc/codec.h"

enum
{
  PLACE_INLINE = 1,
  PLACE_MEMFD = 2
};

#define ALL_SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define CONTROL_SIZE CMSG_SPACE (sizeof (gint) * (IPC_MAX_DESCRIPTORS + 1))
/* Linux never hands over more than SCM_MAX_FD descriptors at once: with room for all, none is lost
 * uncounted, and too many are an error with a name. */
#define MOST_RECEIVED 253
#define RECEIVE_SIZE CMSG_SPACE (sizeof (gint) * MOST_RECEIVED)

/* Those that came with one packet. */
typedef struct
{
  gint all[MOST_RECEIVED];
  guint count;
} Descriptors;

typedef struct
{
  guint8 place;
  guint8 size[8]; /* PLACE_MEMFD: little-endian */
} __attribute__ ((packed)) PacketHead;

static gboolean
fail_errno (GError **error, const gchar *what)
{
  gint code = errno;

  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code), "%s: %s", what,
               g_strerror (code));
  return FALSE;
}

static gboolean
fail (GError **error, const gchar *text)
{
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, text);
  return FALSE;
}

gboolean
ipc_channel_pair (gint pair[2], GError **error)
{
  gint size = 2 * IPC_INLINE;

  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
    return fail_errno (error, "socketpair");
  for (guint i = 0; i < 2; i++)
    setsockopt (pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return TRUE;
}

static gboolean
write_whole (gint fd, const guint8 *bytes, gsize length)
{
  while (length > 0)
    {
      gssize written = write (fd, bytes, length);

      if (written < 0 && errno == EINTR)
        continue;
      if (written < 0)
        return FALSE;
      bytes += written;
      length -= (gsize) written;
    }
  return TRUE;
}

static gint
make_memfd (const guint8 *bytes, gsize length, GError **error)
{
  gint fd = memfd_create ("mailweir", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (fd >= 0 && write_whole (fd, bytes, length) && fcntl (fd, F_ADD_SEALS, ALL_SEALS) == 0)
    return fd;
  fail_errno (error, "memfd");
  if (fd >= 0)
    close (fd);
  return -1;
}

/* `first` goes ahead of `descriptors` unless it is -1. */
static void
put_descriptors (struct msghdr *message, gint first, const GArray *descriptors)
{
  guint count = descriptors == NULL ? 0 : descriptors->len;
  guint ahead = first >= 0 ? 1 : 0;
  struct cmsghdr *head = NULL;

  if (count + ahead == 0)
    {
      message->msg_control = NULL;
      message->msg_controllen = 0;
      return;
    }
  message->msg_controllen = CMSG_SPACE (sizeof (gint) * (count + ahead));
  memset (message->msg_control, 0, message->msg_controllen);
  head = CMSG_FIRSTHDR (message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN (sizeof (gint) * (count + ahead));
  if (ahead > 0)
    memcpy (CMSG_DATA (head), &first, sizeof (gint));
  if (count > 0)
    memcpy (CMSG_DATA (head) + ahead * sizeof (gint), descriptors->data, count * sizeof (gint));
}

static gboolean
send_packet (gint socket, struct iovec *vector, gsize parts, gint memfd, const GArray *descriptors,
             GError **error)
{
  union
  {
    gchar bytes[CONTROL_SIZE];
    struct cmsghdr align;
  } control;
  struct msghdr message = { .msg_iov = vector,
                            .msg_iovlen = parts,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes };
  gssize sent = 0;

  put_descriptors (&message, memfd, descriptors);
  do
    sent = sendmsg (socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno == ECONNRESET)
    errno = EPIPE;
  return sent >= 0 ? TRUE : fail_errno (error, "send");
}

gboolean
ipc_channel_send (gint socket, const guint8 *bytes, gsize length, const GArray *descriptors,
                  GError **error)
{
  PacketHead head = { .place = PLACE_INLINE };
  struct iovec vector[2] = { { &head, 1 }, { (gpointer) bytes, length } };
  guint64 little = GUINT64_TO_LE (length);
  gboolean sent = FALSE;
  gint memfd = -1;

  if (descriptors != NULL && descriptors->len > IPC_MAX_DESCRIPTORS)
    return fail (error, "more descriptors than a packet may carry");
  if (length == 0 || length > IPC_MAX_PACKET)
    return fail (error, "an empty packet, or one over 256 MB");
  if (length <= IPC_INLINE)
    return send_packet (socket, vector, 2, -1, descriptors, error);
  head.place = PLACE_MEMFD;
  memcpy (head.size, &little, sizeof little);
  vector[0].iov_len = sizeof head;
  memfd = make_memfd (bytes, length, error);
  if (memfd < 0)
    return FALSE;
  sent = send_packet (socket, vector, 1, memfd, descriptors, error);
  close (memfd);
  return sent;
}

static void
collect_descriptors (struct msghdr *message, Descriptors *descriptors)
{
  for (struct cmsghdr *head = CMSG_FIRSTHDR (message); head != NULL;
       head = CMSG_NXTHDR (message, head))
    {
      guint count = (guint) ((head->cmsg_len - CMSG_LEN (0)) / sizeof (gint));

      if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
        continue;
      g_assert (count <= MOST_RECEIVED - descriptors->count);
      memcpy (descriptors->all + descriptors->count, CMSG_DATA (head), count * sizeof (gint));
      descriptors->count += count;
    }
}

static void
close_descriptors (Descriptors *descriptors)
{
  while (descriptors->count > 0)
    close (descriptors->all[--descriptors->count]);
}

typedef struct
{
  gpointer address;
  gsize length;
} Mapping;

static void
unmap (gpointer data)
{
  Mapping *mapping = data;

  munmap (mapping->address, mapping->length);
  g_free (mapping);
}

static GBytes *
map_memfd (gint fd, guint64 claimed, GError **error)
{
  gint seals = fcntl (fd, F_GET_SEALS);
  struct stat status;
  Mapping *mapping = NULL;
  gpointer address = NULL;

  if (seals < 0 || (seals & ALL_SEALS) != ALL_SEALS)
    fail (error, "the descriptor with the bytes is no sealed memfd");
  else if (fstat (fd, &status) != 0 || status.st_size <= 0 || (guint64) status.st_size != claimed
           || claimed > IPC_MAX_PACKET)
    fail (error, "the memfd has another size than said, or is over 256 MB");
  else
    address = mmap (NULL, claimed, PROT_READ, MAP_PRIVATE, fd, 0);
  if (address == MAP_FAILED)
    fail_errno (error, "mmap");
  if (address == NULL || address == MAP_FAILED)
    return NULL;
  mapping = g_new0 (Mapping, 1);
  mapping->address = address;
  mapping->length = claimed;
  return g_bytes_new_with_free_func (address, claimed, unmap, mapping);
}

/* The first of `descriptors` has the bytes; it is taken out of them and closed. */
static GBytes *
open_memfd (const guint8 *packet, gsize length, Descriptors *descriptors, GError **error)
{
  PacketHead head;
  guint64 little = 0;
  GBytes *bytes = NULL;
  gint fd = -1;

  if (length != sizeof head || descriptors->count == 0)
    {
      fail (error, "a packet that names a memfd without one");
      return NULL;
    }
  memcpy (&head, packet, sizeof head);
  memcpy (&little, head.size, sizeof little);
  fd = descriptors->all[0];
  descriptors->count--;
  memmove (descriptors->all, descriptors->all + 1, descriptors->count * sizeof (gint));
  bytes = map_memfd (fd, GUINT64_FROM_LE (little), error);
  close (fd);
  return bytes;
}

static GBytes *
open_packet (const guint8 *packet, gsize length, gint flags, Descriptors *descriptors,
             GError **error)
{
  GBytes *bytes = NULL;
  guint most = IPC_MAX_DESCRIPTORS + (packet[0] == PLACE_MEMFD ? 1 : 0);

  if ((flags & MSG_CTRUNC) != 0)
    g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_MFILE,
                         "no descriptors are free for those of a packet");
  else if ((flags & MSG_TRUNC) != 0 || descriptors->count > most)
    fail (error, "a packet over its limits of bytes or descriptors");
  else if (packet[0] == PLACE_MEMFD)
    bytes = open_memfd (packet, length, descriptors, error);
  else if (packet[0] == PLACE_INLINE && length > 1)
    bytes = g_bytes_new (packet + 1, length - 1);
  else
    fail (error, "an empty packet, or one of unknown form");
  if (bytes == NULL)
    close_descriptors (descriptors);
  return bytes;
}

GBytes *
ipc_channel_receive (gint socket, GArray *descriptors, gboolean *closed, GError **error)
{
  guint8 packet[1 + IPC_INLINE];
  union
  {
    gchar bytes[RECEIVE_SIZE];
    struct cmsghdr align;
  } control;
  struct iovec vector = { packet, sizeof packet };
  struct msghdr message = { .msg_iov = &vector,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes };
  Descriptors own;
  GBytes *bytes = NULL;
  gssize length = 0;

  *closed = FALSE;
  do
    length = recvmsg (socket, &message, MSG_CMSG_CLOEXEC);
  while (length < 0 && errno == EINTR);
  if (length < 0 && errno != EAGAIN && errno != ECONNRESET)
    fail_errno (error, "receive");
  *closed = length == 0 || (length < 0 && errno == ECONNRESET);
  if (length < 0)
    return NULL;
  own.count = 0;
  collect_descriptors (&message, &own);
  if (length > 0)
    bytes = open_packet (packet, (gsize) length, message.msg_flags, &own, error);
  if (bytes == NULL || descriptors == NULL)
    close_descriptors (&own);
  else if (own.count > 0)
    g_array_append_vals (descriptors, own.all, own.count);
  return bytes;
}

gssize
ipc_channel_discard (gint socket, guint8 *start, gsize room)
{
  guint8 place = 0;
  struct iovec vector[2] = { { &place, 1 }, { start, room } };
  struct msghdr message = { .msg_iov = vector, .msg_iovlen = 2 };
  gssize length = 0;

  do
    length = recvmsg (socket, &message, MSG_DONTWAIT);
  while (length < 0 && errno == EINTR);
  if (length <= 0)
    return -1;
  return place == PLACE_INLINE ? length - 1 : 0;
}
