/* See fake.h. Each connection is served to its end before the next; waiting is bounded, and what
 * does not come fails the test. */
#include "fake.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE 20 /* seconds */

struct _Fake
{
  const FakeStep *steps;
  guint count;
  int fd;
  GThread *thread;
  gint served;    /* atomic */
  gint cancelled; /* atomic */
};

static gboolean
has_come (const GString *heard, const FakeStep *step)
{
  return memmem (heard->str, heard->len, step->until, step->until_length) != NULL;
}

/* FALSE: the other side has closed. */
static gboolean
hear (int fd, GString *heard)
{
  char bytes[16384];
  gssize got = recv (fd, bytes, sizeof bytes, 0);

  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    g_error ("the fake scanner heard nothing for %d s", PATIENCE);
  if (got > 0)
    g_string_append_len (heard, bytes, got);
  return got > 0;
}

/* The end of what is heard may be a shutdown; this is the end of both directions. */
static void
wait_closed (int fd)
{
  struct pollfd entry = { .fd = fd };

  if (poll (&entry, 1, PATIENCE * 1000) != 1 || (entry.revents & POLLHUP) == 0)
    g_error ("the fake scanner's connection was not closed within %d s", PATIENCE);
}

static void
serve (Fake *fake, int fd, const FakeStep *step)
{
  const struct timeval patience = { .tv_sec = PATIENCE };
  g_autoptr (GString) heard = g_string_new (NULL);

  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  while (step->until != NULL && !has_come (heard, step) && hear (fd, heard))
    continue;
  if (step->answer != NULL)
    (void) !send (fd, step->answer, step->answer_length, MSG_NOSIGNAL);
  if (!step->stall)
    return;
  while (hear (fd, heard))
    continue;
  wait_closed (fd);
  g_atomic_int_inc (&fake->cancelled);
}

static gpointer
run (gpointer data)
{
  Fake *fake = data;
  int fd;

  while ((fd = accept (fake->fd, NULL, NULL)) >= 0)
    {
      guint number = (guint) g_atomic_int_add (&fake->served, 1);

      serve (fake, fd, &fake->steps[MIN (number, fake->count - 1)]);
      close (fd);
    }
  return NULL;
}

Fake *
fake_new (const char *path, const FakeStep *steps, guint count)
{
  Fake *fake = g_new0 (Fake, 1);
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_assert_cmpuint (strlen (path), <, sizeof address.sun_path);
  strcpy (address.sun_path, path);
  unlink (path);
  fake->steps = steps;
  fake->count = count;
  fake->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (fake->fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (fake->fd, 16), ==, 0);
  fake->thread = g_thread_new ("fake", run, fake);
  return fake;
}

guint
fake_served (Fake *fake)
{
  return (guint) g_atomic_int_get (&fake->served);
}

void
fake_wait_cancelled (Fake *fake, guint count)
{
  for (guint i = 0; i < PATIENCE * 100; i++)
    {
      if ((guint) g_atomic_int_get (&fake->cancelled) >= count)
        return;
      g_usleep (10000);
    }
  g_error ("%d connections were closed, not %u", g_atomic_int_get (&fake->cancelled), count);
}

void
fake_free (Fake *fake)
{
  shutdown (fake->fd, SHUT_RDWR);
  g_thread_join (fake->thread);
  close (fake->fd);
  g_free (fake);
}
