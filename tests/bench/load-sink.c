/* What TLS costs without a proxy: a server that offers STARTTLS and accepts every message, in one
 * thread. It knows as much SMTP as the benchmark's clients speak; anything else ends the session.
 */
#include "load.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define GREETING "220 sink.test ESMTP\r\n"
#define CAPABILITIES "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 STARTTLS\r\n"
#define ROOM 65536

typedef struct
{
  LoadStream stream;
  gboolean handshake;
  gboolean in_data;
  guint matched; /* octets of the final dot seen so far */
  GString *line;
} Peer;

static SSL_CTX *context;
static int poller;
static guint64 messages;
static guint8 room[ROOM];

static void
peer_free (Peer *peer)
{
  load_stream_close (&peer->stream);
  g_string_free (peer->line, TRUE);
  g_free (peer);
}

static gboolean
say (Peer *peer, const gchar *text)
{
  return load_stream_write (&peer->stream, text, strlen (text)) == (gssize) strlen (text);
}

static gboolean
start_tls (Peer *peer)
{
  if (!say (peer, "220 2.0.0 Ready\r\n"))
    return FALSE;
  peer->stream.ssl = SSL_new (context);
  SSL_set_fd (peer->stream.ssl, peer->stream.fd);
  SSL_set_accept_state (peer->stream.ssl);
  peer->handshake = TRUE;
  return TRUE;
}

static gboolean
obey (Peer *peer)
{
  const gchar *line = peer->line->str;

  if (g_ascii_strncasecmp (line, "EHLO", 4) == 0)
    return say (peer, CAPABILITIES);
  if (g_ascii_strncasecmp (line, "HELO", 4) == 0)
    return say (peer, "250 sink.test\r\n");
  if (g_ascii_strncasecmp (line, "STARTTLS", 8) == 0)
    return start_tls (peer);
  if (g_ascii_strncasecmp (line, "MAIL", 4) == 0 || g_ascii_strncasecmp (line, "RCPT", 4) == 0)
    return say (peer, "250 2.1.0 Ok\r\n");
  if (g_ascii_strncasecmp (line, "DATA", 4) == 0)
    {
      peer->in_data = TRUE;
      peer->matched = 2;
      return say (peer, "354 Go ahead\r\n");
    }
  if (g_ascii_strncasecmp (line, "QUIT", 4) == 0)
    say (peer, "221 2.0.0 Bye\r\n");
  return FALSE;
}

/* How many octets belong to the message. */
static gsize
skip_data (Peer *peer, const guint8 *bytes, gsize length)
{
  static const gchar end[] = "\r\n.\r\n";

  for (gsize i = 0; i < length; i++)
    {
      if (bytes[i] == (guint8) end[peer->matched])
        peer->matched++;
      else
        peer->matched = bytes[i] == '\r';
      if (peer->matched == 5)
        {
          peer->in_data = FALSE;
          return i + 1;
        }
    }
  return length;
}

static gboolean
take_command (Peer *peer, const guint8 *bytes, gsize length, gsize *used)
{
  const guint8 *end = memchr (bytes, '\n', length);

  *used = end != NULL ? (gsize) (end - bytes) + 1 : length;
  g_string_append_len (peer->line, (const gchar *) bytes, (gssize) *used);
  if (end == NULL)
    return peer->line->len < 1024;
  gboolean fine = obey (peer);
  g_string_truncate (peer->line, 0);
  return fine;
}

static gboolean
take (Peer *peer, const guint8 *bytes, gsize length)
{
  gsize used;

  for (gsize at = 0; at < length; at += used)
    if (peer->in_data)
      {
        used = skip_data (peer, bytes + at, length - at);
        if (!peer->in_data)
          {
            messages++;
            if (!say (peer, "250 2.0.0 Ok\r\n"))
              return FALSE;
          }
      }
    else if (!take_command (peer, bytes + at, length - at, &used))
      return FALSE;
  return TRUE;
}

static gboolean
serve (Peer *peer)
{
  gssize got;

  if (peer->handshake)
    {
      int status = load_stream_handshake (&peer->stream);
      if (status != 1)
        return status == -1;
      peer->handshake = FALSE;
    }
  do
    {
      got = load_stream_read (&peer->stream, room, sizeof room);
      if (got == 0 || got == -2 || (got > 0 && !take (peer, room, (gsize) got)))
        return FALSE;
    }
  while (got > 0 && peer->stream.ssl != NULL && !peer->handshake
         && SSL_pending (peer->stream.ssl) > 0);
  return TRUE;
}

static void
welcome (int listener)
{
  int one = 1, fd = accept4 (listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  struct epoll_event event = { .events = EPOLLIN };

  if (fd < 0)
    return;
  Peer *peer = g_new0 (Peer, 1);
  peer->stream.fd = fd;
  peer->line = g_string_new (NULL);
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  event.data.ptr = peer;
  epoll_ctl (poller, EPOLL_CTL_ADD, fd, &event);
  if (!say (peer, GREETING))
    peer_free (peer);
}

static int
listen_on (guint port)
{
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_port = htons ((guint16) port),
                                 .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  int one = 1, fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind (fd, (struct sockaddr *) &address, sizeof address) != 0 || listen (fd, 4096) != 0)
    load_fail ("can not listen on port %u: %m", port);
  return fd;
}

static SSL_CTX *
make_context (const gchar *certificate, const gchar *key)
{
  SSL_CTX *made = SSL_CTX_new (TLS_server_method ());

  if (SSL_CTX_use_certificate_chain_file (made, certificate) != 1
      || SSL_CTX_use_PrivateKey_file (made, key, SSL_FILETYPE_PEM) != 1)
    load_fail ("can not use certificate %s and key %s", certificate, key);
  SSL_CTX_set_mode (made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return made;
}

/* Until standard input ends. */
static void
serve_all (int listener)
{
  static int stdin_mark, listener_mark;
  struct epoll_event events[64];
  struct epoll_event input = { .events = EPOLLIN, .data.ptr = &stdin_mark };
  struct epoll_event clients = { .events = EPOLLIN, .data.ptr = &listener_mark };

  epoll_ctl (poller, EPOLL_CTL_ADD, 0, &input);
  epoll_ctl (poller, EPOLL_CTL_ADD, listener, &clients);
  while (TRUE)
    {
      int count = epoll_wait (poller, events, G_N_ELEMENTS (events), -1);
      for (int i = 0; i < count; i++)
        {
          if (events[i].data.ptr == &stdin_mark)
            return;
          if (events[i].data.ptr == &listener_mark)
            welcome (listener);
          else if (!serve (events[i].data.ptr))
            peer_free (events[i].data.ptr);
        }
    }
}

int
load_sink (guint port, const gchar *certificate, const gchar *key)
{
  int listener;

  context = make_context (certificate, key);
  poller = epoll_create1 (EPOLL_CLOEXEC);
  listener = listen_on (port);
  serve_all (listener);
  g_print ("messages %" G_GUINT64_FORMAT "\n", messages);
  SSL_CTX_free (context);
  return 0;
}
