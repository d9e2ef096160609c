/* Conversations over a socketpair; see the header. */
#include "talk.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER (4 * 1024 * 1024)

Talk *
talk_open (const WeirSettings *settings)
{
  Talk *talk = g_new0 (Talk, 1);
  g_autoptr (GError) error = NULL;
  int size = BUFFER;
  int ends[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
  setsockopt (ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  setsockopt (ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  talk->client = ends[0];
  talk->heard = g_string_new (NULL);
  talk->session = weir_session_new (ends[1], settings, &error);
  g_assert_no_error (error);
  return talk;
}

static void
say_bytes (Talk *talk, const gchar *bytes, gsize length)
{
  g_assert_cmpint (send (talk->client, bytes, length, MSG_NOSIGNAL), ==, (gssize) length);
}

void
talk_say (Talk *talk, const gchar *text)
{
  say_bytes (talk, text, strlen (text));
}

Talk *
talk_new (const WeirSettings *settings, const gchar *script, gssize length)
{
  Talk *talk = talk_open (settings);

  say_bytes (talk, script, length < 0 ? strlen (script) : (gsize) length);
  shutdown (talk->client, SHUT_WR);
  return talk;
}

guint
talk_run (Talk *talk)
{
  g_autoptr (GError) error = NULL;
  guint count = 0;

  while (weir_session_process (talk->session, &error))
    count++;
  g_assert_no_error (error);
  return count;
}

const gchar *
talk_heard (Talk *talk)
{
  gchar piece[4096];
  gssize done;

  g_clear_pointer (&talk->session, weir_session_free);
  while ((done = recv (talk->client, piece, sizeof piece, 0)) > 0)
    g_string_append_len (talk->heard, piece, done);
  return talk->heard->str;
}

void
talk_free (Talk *talk)
{
  weir_session_free (talk->session);
  close (talk->client);
  g_string_free (talk->heard, TRUE);
  g_free (talk);
}

gchar *
talk_lines (const gchar *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "|", -1);

  return g_strjoinv ("\r\n", lines);
}

void
talk_check (const WeirSettings *settings, const WeirHooks *hooks, gpointer data,
            const gchar *script, const gchar *expected)
{
  g_autofree gchar *said = talk_lines (script);
  g_autofree gchar *heard = talk_lines (expected);
  g_autoptr (Talk) talk = talk_new (settings, said, -1);

  weir_session_set_hooks (talk->session, hooks, data);
  talk_run (talk);
  g_assert_cmpstr (talk_heard (talk), ==, heard);
}
