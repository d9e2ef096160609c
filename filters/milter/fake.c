/* See fake.h. Connections are served one after the other; waiting is bounded, and what does not
 * come fails the test. */
#include "fake.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "packet.h"

#define PATIENCE 20 /* seconds */

struct _Fake
{
  const FakeRow *rows;
  int listener;
  int connection; /* -1: none */
  guint counts[256];
  GString *heard;
  GBytes *last[256];
  GMutex lock;
  GThread *thread;
};

#define CONTINUE "\0\0\0\1c"
#define TERMS "\0\0\0\15O\0\0\0\6\0\0\1\xff\0\0\0\0"

static void
note (Fake *fake, char letter)
{
  g_mutex_lock (&fake->lock);
  g_string_append_c (fake->heard, letter);
  g_mutex_unlock (&fake->lock);
}

static const FakeRow *
row_for (Fake *fake, char command)
{
  guint nth = ++fake->counts[(guint8) command];

  for (const FakeRow *row = fake->rows; row != NULL && row->command != '\0'; row++)
    if (row->command == command && (row->nth == 0 || row->nth == nth))
      return row;
  return NULL;
}

/* FALSE: the connection is to be closed. */
static gboolean
answer (Fake *fake, int fd, char command)
{
  const FakeRow *row = row_for (fake, command);
  const FakeRow terms = { command, 0, TERMS, sizeof TERMS - 1, FALSE };
  const FakeRow usual = { command, 0, CONTINUE, sizeof CONTINUE - 1, FALSE };

  if (row == NULL && strchr ("DAQK", command) != NULL)
    return TRUE;
  if (row == NULL)
    row = command == PACKET_NEGOTIATE ? &terms : &usual;
  if (row->answer != NULL)
    (void) !send (fd, row->answer, row->length, MSG_NOSIGNAL);
  return !row->closes;
}

static gboolean
take (Fake *fake, int fd, const Packet *packet)
{
  g_mutex_lock (&fake->lock);
  g_clear_pointer (&fake->last[(guint8) packet->command], g_bytes_unref);
  fake->last[(guint8) packet->command] = g_bytes_new (packet->data, packet->length);
  if (packet->command != PACKET_MACRO)
    g_string_append_c (fake->heard, packet->command);
  g_mutex_unlock (&fake->lock);
  return answer (fake, fd, packet->command);
}

static void
serve (Fake *fake, int fd)
{
  g_autoptr (GByteArray) in = g_byte_array_new ();
  guint8 buffer[65536];
  gboolean open = TRUE;
  gssize got = 0;
  Packet packet;

  while (open && (got = recv (fd, buffer, sizeof buffer, 0)) > 0)
    {
      gssize used = 0;

      g_byte_array_append (in, buffer, (guint) got);
      while (open && (used = packet_take (in->data, in->len, &packet, NULL)) > 0)
        {
          open = take (fake, fd, &packet);
          g_byte_array_remove_range (in, 0, (guint) used);
        }
    }
}

static gpointer
run (gpointer data)
{
  Fake *fake = data;
  int fd = -1;

  while ((fd = accept (fake->listener, NULL, NULL)) >= 0)
    {
      note (fake, '|');
      g_mutex_lock (&fake->lock);
      fake->connection = fd;
      g_mutex_unlock (&fake->lock);
      serve (fake, fd);
      g_mutex_lock (&fake->lock);
      fake->connection = -1;
      close (fd);
      g_mutex_unlock (&fake->lock);
      note (fake, '.');
    }
  return NULL;
}

Fake *
fake_new (const char *path, const FakeRow *rows)
{
  Fake *fake = g_new0 (Fake, 1);
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_assert_cmpuint (strlen (path), <, sizeof address.sun_path);
  strcpy (address.sun_path, path);
  unlink (path);
  g_mutex_init (&fake->lock);
  fake->rows = rows;
  fake->connection = -1;
  fake->heard = g_string_new (NULL);
  fake->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (fake->listener, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (fake->listener, 16), ==, 0);
  fake->thread = g_thread_new ("fake", run, fake);
  return fake;
}

void
fake_expect (Fake *fake, const char *commands)
{
  g_autofree char *heard = NULL;

  for (guint i = 0; i < PATIENCE * 100; i++)
    {
      g_free (heard);
      g_mutex_lock (&fake->lock);
      heard = g_strdup (fake->heard->str);
      g_mutex_unlock (&fake->lock);
      if (strcmp (heard, commands) == 0)
        return;
      g_usleep (10000);
    }
  g_error ("the milter heard \"%s\" instead of \"%s\"", heard, commands);
}

GBytes *
fake_last (Fake *fake, char command)
{
  GBytes *last = NULL;

  g_mutex_lock (&fake->lock);
  last = fake->last[(guint8) command];
  if (last != NULL)
    g_bytes_ref (last);
  g_mutex_unlock (&fake->lock);
  return last;
}

void
fake_drop (Fake *fake)
{
  g_mutex_lock (&fake->lock);
  if (fake->connection >= 0)
    shutdown (fake->connection, SHUT_RDWR);
  g_mutex_unlock (&fake->lock);
}

void
fake_free (Fake *fake)
{
  fake_drop (fake);
  shutdown (fake->listener, SHUT_RDWR);
  g_thread_join (fake->thread);
  close (fake->listener);
  for (guint i = 0; i < G_N_ELEMENTS (fake->last); i++)
    g_clear_pointer (&fake->last[i], g_bytes_unref);
  g_string_free (fake->heard, TRUE);
  g_mutex_clear (&fake->lock);
  g_free (fake);
}
