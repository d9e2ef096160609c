/* Whether the client is still there to hear an answer (rule 7 of the design): asked before each
 * step that can not be taken back. What can not be known counts as yes. */
#include "net/client.h"

#include <string.h>

#define PEEK 4096

static gboolean
contains_quit (const guint8 *bytes, gsize length)
{
  static const gchar quit[] = "QUIT\r\n";
  gboolean line_begins = TRUE;

  for (gsize i = 0; i + sizeof quit - 1 <= length; i++)
    {
      if (line_begins
          && g_ascii_strncasecmp ((const gchar *) bytes + i, quit, sizeof quit - 1) == 0)
        return TRUE;
      line_begins = bytes[i] == '\n';
    }
  return FALSE;
}

/* As the loop knows it: asking the socket once more for each message would cost a system call, and
 * tell of the moments since this turn began alone. Under TLS an end can stand in its layer. */
static gboolean
is_surely_there (const NetClient *client)
{
  return !client->ended && client->stream.ssl == NULL
         && net_watch_was_quiet (&client->watch, NET_DISCONNECT);
}

gboolean
net_client_is_gone (NetClient *client)
{
  guint8 bytes[PEEK];
  gsize length = sizeof bytes;

  if (client->eof || client->state == NET_CLIENT_HANDSHAKE)
    return client->gone;
  if (is_surely_there (client))
    return FALSE;
  switch (net_stream_peek (&client->stream, bytes, &length))
    {
    case NET_STREAM_OPEN:
      return FALSE;
    case NET_STREAM_RESET:
      return TRUE;
    case NET_STREAM_ENDED:
      break;
    }
  /* Behind what was looked at may stand a QUIT, as when a client has written a large chunk, QUIT,
   * and ended its half. We come to it, or to the end, by reading. */
  if (net_stream_has_more (&client->stream, length))
    return FALSE;
  return !contains_quit (bytes, length)
         && !smtp_server_backlog_has_quit (gateway_session_server (client->session));
}
