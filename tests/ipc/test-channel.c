/* Packets over real socket pairs: inline and memfd, with descriptors; and hostile ones written by
 * hand: unsealed memfds, plain files, wrong sizes, too many descriptors, cut packets. */
#include <sys/resource.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "ipc/codec.h"
#include "ipc/control.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static void
make_pair (gint pair[2])
{
  g_autoptr (GError) error = NULL;

  g_assert_true (ipc_channel_pair (pair, &error));
  g_assert_no_error (error);
  g_assert_cmpint (fcntl (pair[0], F_GETFD), ==, FD_CLOEXEC);
  g_assert_cmpint (fcntl (pair[1], F_GETFL) & O_NONBLOCK, ==, O_NONBLOCK);
}

static void
close_pair (gint pair[2])
{
  close (pair[0]);
  close (pair[1]);
}

static void
through (gsize length)
{
  gint pair[2];
  g_autofree guint8 *bytes = g_malloc (length);
  g_autoptr (GArray) sent = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (GArray) came = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) got = NULL;
  gboolean closed = FALSE;
  gint zero = open ("/dev/zero", O_RDONLY | O_CLOEXEC);

  for (gsize i = 0; i < length; i++)
    bytes[i] = (guint8) (i * 7 + i / 256);
  make_pair (pair);
  g_array_append_val (sent, zero);
  g_assert_true (ipc_channel_send (pair[0], bytes, length, sent, &error));
  got = ipc_channel_receive (pair[1], came, &closed, &error);
  g_assert_no_error (error);
  g_assert_false (closed);
  g_assert_cmpmem (g_bytes_get_data (got, NULL), g_bytes_get_size (got), bytes, length);
  g_assert_cmpuint (came->len, ==, 1);
  g_assert_cmpint (fcntl (g_array_index (came, gint, 0), F_GETFD), ==, FD_CLOEXEC);
  ipc_descriptors_close (came);
  close (zero);
  close_pair (pair);
}

static void
test_through (void)
{
  through (1);
  through (4096);
  through (IPC_INLINE);
  through (IPC_INLINE + 1);
  through (3 * 1024 * 1024);
}

static void
test_empty_full_closed (void)
{
  gint pair[2];
  guint8 byte[4096] = { 0 };
  g_autoptr (GError) error = NULL;
  gboolean closed = TRUE;
  guint sent = 0;

  make_pair (pair);
  g_assert_null (ipc_channel_receive (pair[1], NULL, &closed, &error));
  g_assert_no_error (error);
  g_assert_false (closed);
  while (sent < 100000 && ipc_channel_send (pair[0], byte, sizeof byte, NULL, &error))
    sent++;
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_AGAIN);
  g_clear_error (&error);
  close (pair[0]);
  for (guint i = 0; i < sent; i++)
    g_bytes_unref (ipc_channel_receive (pair[1], NULL, &closed, NULL));
  g_assert_null (ipc_channel_receive (pair[1], NULL, &closed, &error));
  g_assert_no_error (error);
  g_assert_true (closed);
  g_assert_false (ipc_channel_send (pair[1], byte, 1, NULL, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_PIPE);
  close (pair[1]);
}

static void
send_by_hand (gint socket, const guint8 *bytes, gsize length, const gint *descriptors, guint count)
{
  union
  {
    gchar bytes[CMSG_SPACE (sizeof (gint) * 253)];
    struct cmsghdr align;
  } control = { { 0 } };
  struct iovec vector = { (gpointer) bytes, length };
  struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };

  if (count > 0)
    {
      struct cmsghdr *head = &control.align;

      message.msg_control = control.bytes;
      message.msg_controllen = CMSG_SPACE (sizeof (gint) * count);
      head->cmsg_level = SOL_SOCKET;
      head->cmsg_type = SCM_RIGHTS;
      head->cmsg_len = CMSG_LEN (sizeof (gint) * count);
      memcpy (CMSG_DATA (head), descriptors, sizeof (gint) * count);
    }
  g_assert_cmpint (sendmsg (socket, &message, 0), ==, (gssize) length);
}

/* The lowest free descriptor: when it does not change, nothing was left open. */
static gint
next_descriptor (void)
{
  gint descriptor = open ("/dev/null", O_RDONLY | O_CLOEXEC);

  close (descriptor);
  return descriptor;
}

static void
refuse (const guint8 *bytes, gsize length, const gint *descriptors, guint count)
{
  gint pair[2];
  g_autoptr (GArray) came = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (GError) error = NULL;
  gboolean closed = FALSE;
  gint next = 0;

  make_pair (pair);
  send_by_hand (pair[0], bytes, length, descriptors, count);
  next = next_descriptor ();
  g_assert_null (ipc_channel_receive (pair[1], came, &closed, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
  g_assert_cmpuint (came->len, ==, 0);
  g_assert_cmpint (next_descriptor (), ==, next);
  close_pair (pair);
}

static void
test_packets_hostile (void)
{
  static const guint8 unknown[] = { 9, 1, 2, 3 };
  static const guint8 empty[] = { 1 };
  static const guint8 no_memfd[] = { 2, 4, 0, 0, 0, 0, 0, 0, 0 };
  g_autofree guint8 *big = g_malloc0 (IPC_INLINE + 2);

  refuse (unknown, sizeof unknown, NULL, 0);
  refuse (empty, sizeof empty, NULL, 0);
  refuse (no_memfd, sizeof no_memfd, NULL, 0);
  big[0] = 1;
  refuse (big, IPC_INLINE + 2, NULL, 0);
}

static void
test_too_many_descriptors (void)
{
  static const guint8 packet[] = { 1, 42 };
  gint descriptors[IPC_MAX_DESCRIPTORS + 1];
  g_autoptr (GArray) array = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (descriptors); i++)
    descriptors[i] = 0;
  refuse (packet, sizeof packet, descriptors, G_N_ELEMENTS (descriptors));
  g_array_append_vals (array, descriptors, G_N_ELEMENTS (descriptors));
  g_assert_false (ipc_channel_send (0, packet, 2, array, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
}

static void
refuse_memfd (gint seals, guint8 claimed, gboolean file)
{
  guint8 packet[9] = { 2, claimed };
  g_autofree gchar *path = NULL;
  gint fd = file ? g_file_open_tmp ("mailweir-XXXXXX", &path, NULL)
                 : memfd_create ("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  g_assert_cmpint (write (fd, "four", 4), ==, 4);
  if (file)
    unlink (path);
  else
    g_assert_cmpint (fcntl (fd, F_ADD_SEALS, seals), ==, 0);
  refuse (packet, sizeof packet, &fd, 1);
  close (fd);
}

static void
test_memfd_hostile (void)
{
  refuse_memfd (SEALS & ~F_SEAL_WRITE, 4, FALSE);
  refuse_memfd (SEALS & ~F_SEAL_SHRINK, 4, FALSE);
  refuse_memfd (SEALS & ~F_SEAL_GROW, 4, FALSE);
  refuse_memfd (SEALS & ~F_SEAL_SEAL, 4, FALSE);
  refuse_memfd (SEALS, 5, FALSE);
  refuse_memfd (SEALS, 3, FALSE);
  refuse_memfd (SEALS, 0, FALSE);
  refuse_memfd (0, 4, TRUE);
}

/* A sparse memfd of one byte over the limit costs nothing, and is not mapped. */
static void
test_memfd_too_big (void)
{
  guint8 packet[9] = { 2, 1, 0, 0, 0x10 };
  gint fd = memfd_create ("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  g_assert_cmpint (ftruncate (fd, IPC_MAX_PACKET + 1), ==, 0);
  g_assert_cmpint (fcntl (fd, F_ADD_SEALS, SEALS), ==, 0);
  refuse (packet, sizeof packet, &fd, 1);
  close (fd);
}

static void
test_control (void)
{
  gint pair[2];
  g_autoptr (IpcControl) control = ipc_control_new (IPC_CONTROL_WORKER);
  g_autoptr (IpcControl) copy = NULL;
  g_autoptr (GError) error = NULL;
  gboolean closed = FALSE;

  make_pair (pair);
  control->descriptors[0] = open ("/dev/zero", O_RDONLY | O_CLOEXEC);
  control->pid = 12;
  g_assert_true (ipc_control_send (pair[0], control, &error));
  copy = ipc_control_receive (pair[1], &closed, &error);
  g_assert_no_error (error);
  g_assert_cmpint (copy->kind, ==, IPC_CONTROL_WORKER);
  g_assert_cmpuint (copy->pid, ==, 12);
  g_assert_cmpint (copy->descriptors[0], >=, 0);
  g_assert_cmpint (copy->descriptors[1], ==, -1);
  g_assert_null (ipc_control_receive (pair[1], &closed, &error));
  g_assert_no_error (error);
  close_pair (pair);
}

/* Ours is full: no fault of the sender's. */
static void
test_no_room (void)
{
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (GBytes) packet = NULL;
  g_autoptr (GError) error = NULL;
  struct rlimit before, limit;
  gboolean closed = FALSE;
  gint pair[2], thing = 0;

  g_assert_true (ipc_channel_pair (pair, &error));
  g_array_append_val (descriptors, thing);
  g_assert_true (ipc_channel_send (pair[0], (const guint8 *) "x", 1, descriptors, &error));
  getrlimit (RLIMIT_NOFILE, &before);
  limit = (struct rlimit){ 0, before.rlim_max };
  setrlimit (RLIMIT_NOFILE, &limit);
  packet = ipc_channel_receive (pair[1], NULL, &closed, &error);
  setrlimit (RLIMIT_NOFILE, &before);
  g_assert_null (packet);
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_MFILE);
  g_assert_false (closed);
  close (pair[0]);
  close (pair[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ipc/channel/through", test_through);
  g_test_add_func ("/ipc/channel/empty-full-closed", test_empty_full_closed);
  g_test_add_func ("/ipc/channel/packets-hostile", test_packets_hostile);
  g_test_add_func ("/ipc/channel/too-many-descriptors", test_too_many_descriptors);
  g_test_add_func ("/ipc/channel/memfd-hostile", test_memfd_hostile);
  g_test_add_func ("/ipc/channel/memfd-too-big", test_memfd_too_big);
  g_test_add_func ("/ipc/channel/control", test_control);
  g_test_add_func ("/ipc/channel/no-room", test_no_room);
  return g_test_run ();
}
