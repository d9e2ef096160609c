/* Mailweir's tests: the scripted upstream, one thread a connection. It reads like the strictest
 * server there is and keeps what it heard, so that a test can say what was sent. Fails the test
 * when it can not listen. */
#include "kit.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct _KitServer
{
  const gchar *offers;
  const KitStep *steps;
  gint listener;
  GThread *acceptor;
  GMutex mutex; /* all below; threads and sockets are touched by the acceptor and the test */
  GPtrArray *threads;
  GArray *sockets;
  GPtrArray *commands;
  GPtrArray *messages;
  guint bare;
  gboolean stopping;
};

typedef struct
{
  KitServer *server;
  gint fd;
  GByteArray *input; /* read, and not looked at */
  guint8 last;       /* octet before the input */
} Line;

/* ---- What was heard ---- */

static void
count_bare (Line *line, const guint8 *bytes, gsize length)
{
  guint bare = 0;
  for (gsize i = 0; i < length; i++)
    {
      bare += (bytes[i] == '\n') != (line->last == '\r');
      line->last = bytes[i];
    }
  if (bare == 0)
    return;
  g_mutex_lock (&line->server->mutex);
  line->server->bare += bare;
  g_mutex_unlock (&line->server->mutex);
}

static gboolean
hear (Line *line)
{
  guint8 bytes[65536];
  gssize got = recv (line->fd, bytes, sizeof bytes, 0);
  if (got <= 0)
    return FALSE;
  count_bare (line, bytes, got);
  g_byte_array_append (line->input, bytes, got);
  return TRUE;
}

/* Waits for `end` and takes all up to and with it. NULL: the other side has gone. */
static GByteArray *
take (Line *line, const gchar *end)
{
  gsize from = 0;
  for (;;)
    {
      const guint8 *data = line->input->data;
      const guint8 *found = line->input->len > from
                                ? memmem (data + from, line->input->len - from, end, strlen (end))
                                : NULL;
      if (found != NULL)
        {
          gsize length = found + strlen (end) - data;
          GByteArray *taken = g_byte_array_sized_new (length);
          g_byte_array_append (taken, data, length);
          g_byte_array_remove_range (line->input, 0, length);
          return taken;
        }
      from = line->input->len > 4 ? line->input->len - 4 : 0;
      if (!hear (line))
        return NULL;
    }
}

static GBytes *
unstuffed (const GByteArray *raw)
{
  GByteArray *message = g_byte_array_sized_new (raw->len);
  for (gsize i = 0; i < raw->len - 3; i++)
    if (raw->data[i] != '.' || (i > 0 && raw->data[i - 1] != '\n'))
      g_byte_array_append (message, raw->data + i, 1);
  return g_byte_array_free_to_bytes (message);
}

static void
keep_message (KitServer *server, const GByteArray *raw)
{
  g_mutex_lock (&server->mutex);
  g_ptr_array_add (server->messages, unstuffed (raw));
  g_mutex_unlock (&server->mutex);
}

static void
keep_command (KitServer *server, const gchar *command)
{
  g_mutex_lock (&server->mutex);
  g_ptr_array_add (server->commands, g_strdup (command));
  g_mutex_unlock (&server->mutex);
}

/* ---- What is said ---- */

static void
say (Line *line, const gchar *text)
{
  g_autoptr (GString) wire = g_string_new (text);
  g_string_replace (wire, "\n", "\r\n", 0);
  if (wire->len > 0 && send (line->fd, wire->str, wire->len, MSG_NOSIGNAL) < 0)
    return; /* the next read tells */
}

static const KitStep *
step_of (const KitServer *server, const gchar *command)
{
  for (const KitStep *step = server->steps; step != NULL && step->command != NULL; step++)
    if (g_ascii_strncasecmp (command, step->command, strlen (step->command)) == 0)
      return step;
  return NULL;
}

static gchar *
ehlo_reply (const KitServer *server)
{
  g_autoptr (GString) reply = g_string_new ("250-recorder.test\n");
  g_auto (GStrv) offers = g_strsplit (server->offers != NULL ? server->offers : "", "\n", -1);
  for (guint i = 0; offers[i] != NULL; i++)
    if (*offers[i] != '\0')
      g_string_append_printf (reply, "250-%s\n", offers[i]);
  g_string_append (reply, "250 NOOP\n");
  return g_strdup (reply->str);
}

static gchar *
usual_reply (const KitServer *server, const gchar *command)
{
  static const struct
  {
    const gchar *verb;
    const gchar *reply;
  } usual[] = { { "CONNECT", "220 recorder.test ESMTP\n" },
                { "HELO", "250 recorder.test\n" },
                { "MAIL FROM:", "250 2.1.0 Sender ok\n" },
                { "RCPT TO:", "250 2.1.5 Recipient ok\n" },
                { "DATA", "354 Go ahead\n" },
                { ".", "250 2.0.0 Recorded\n" },
                { "RSET", "250 2.0.0 Forgotten\n" },
                { "NOOP", "250 2.0.0 Ok\n" },
                { "QUIT", "221 2.0.0 Bye\n" } };
  if (g_ascii_strncasecmp (command, "EHLO", 4) == 0)
    return ehlo_reply (server);
  for (guint i = 0; i < G_N_ELEMENTS (usual); i++)
    if (g_ascii_strncasecmp (command, usual[i].verb, strlen (usual[i].verb)) == 0)
      return g_strdup (usual[i].reply);
  return g_strdup ("500 5.5.1 What\n");
}

static void
wait_for_the_end (Line *line)
{
  while (hear (line))
    ;
}

/* Answers. FALSE: the connection is over. `*code` is the reply's first digit, 0 for none. */
static gboolean
answer (Line *line, const gchar *command, gchar *code)
{
  const KitStep *step = step_of (line->server, command);
  g_autofree gchar *reply
      = step != NULL ? g_strdup (step->reply) : usual_reply (line->server, command);
  const struct linger hard = { .l_onoff = 1 };
  say (line, reply);
  *code = reply[0];
  if (step != NULL && step->action == KIT_RESET)
    setsockopt (line->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  if (step != NULL && step->action == KIT_STALL)
    wait_for_the_end (line);
  return (step == NULL || step->action == KIT_ANSWER)
         && g_ascii_strncasecmp (command, "QUIT", 4) != 0;
}

static gboolean
serve_data (Line *line)
{
  gchar code;
  /* A lone dot is an end too: the line before it ended with the command's CRLF. */
  while (line->input->len < 3 && memcmp (line->input->data, ".\r\n", line->input->len) == 0)
    if (!hear (line))
      return FALSE;
  gboolean lone = memcmp (line->input->data, ".\r\n", 3) == 0;
  g_autoptr (GByteArray) raw = take (line, lone ? ".\r\n" : "\r\n.\r\n");
  if (raw == NULL)
    return FALSE;
  keep_message (line->server, raw);
  return answer (line, ".", &code);
}

static gboolean
serve_command (Line *line)
{
  gchar code;
  g_autoptr (GByteArray) raw = take (line, "\r\n");
  if (raw == NULL)
    return FALSE;
  g_autofree gchar *command = g_strndup ((gchar *) raw->data, raw->len - 2);
  keep_command (line->server, command);
  if (!answer (line, command, &code))
    return FALSE;
  return g_ascii_strcasecmp (command, "DATA") != 0 || code != '3' || serve_data (line);
}

/* ---- Connections ---- */

static void
forget_socket (KitServer *server, gint fd)
{
  g_mutex_lock (&server->mutex);
  for (guint i = 0; i < server->sockets->len; i++)
    if (g_array_index (server->sockets, gint, i) == fd)
      g_array_remove_index_fast (server->sockets, i--);
  close (fd);
  g_mutex_unlock (&server->mutex);
}

static gpointer
serve (gpointer data)
{
  g_autofree Line *line = data;
  gchar code;
  gboolean going = answer (line, "CONNECT", &code);
  while (going)
    going = serve_command (line);
  forget_socket (line->server, line->fd);
  g_byte_array_unref (line->input);
  return NULL;
}

static void
take_connection (KitServer *server, gint fd)
{
  Line *line = g_new0 (Line, 1);
  const gint on = 1;
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* replies come one by one */
  line->server = server;
  line->fd = fd;
  line->input = g_byte_array_new ();
  g_mutex_lock (&server->mutex);
  g_array_append_val (server->sockets, fd);
  if (server->stopping)
    shutdown (fd, SHUT_RDWR);
  g_ptr_array_add (server->threads, g_thread_new ("connection", serve, line));
  g_mutex_unlock (&server->mutex);
}

static gpointer
accept_all (gpointer data)
{
  KitServer *server = data;
  gint fd;
  while ((fd = accept4 (server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
    take_connection (server, fd);
  return NULL;
}

static gint
listen_at (const gchar *text, guint port)
{
  struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons (port) };
  struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons (port) };
  gboolean is_six = inet_pton (AF_INET6, text, &six.sin6_addr) == 1;
  gint fd = socket (is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const gint on = 1;
  g_assert_true (is_six || inet_pton (AF_INET, text, &four.sin_addr) == 1);
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  g_assert_cmpint (bind (fd, is_six ? (struct sockaddr *) &six : (struct sockaddr *) &four,
                         is_six ? sizeof six : sizeof four),
                   ==, 0);
  g_assert_cmpint (listen (fd, 100), ==, 0);
  return fd;
}

KitServer *
kit_server (guint port, const gchar *offers, const KitStep *steps)
{
  return kit_server_at ("127.0.0.1", port, offers, steps);
}

KitServer *
kit_server_at (const gchar *address, guint port, const gchar *offers, const KitStep *steps)
{
  KitServer *server = g_new0 (KitServer, 1);
  server->offers = offers;
  server->steps = steps;
  server->threads = g_ptr_array_new ();
  server->sockets = g_array_new (FALSE, FALSE, sizeof (gint));
  server->commands = g_ptr_array_new_with_free_func (g_free);
  server->messages = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_mutex_init (&server->mutex);
  server->listener = listen_at (address, port);
  server->acceptor = g_thread_new ("acceptor", accept_all, server);
  return server;
}

void
kit_server_stop (KitServer *server)
{
  g_mutex_lock (&server->mutex);
  server->stopping = TRUE;
  for (guint i = 0; i < server->sockets->len; i++)
    shutdown (g_array_index (server->sockets, gint, i), SHUT_RDWR);
  g_mutex_unlock (&server->mutex);
  shutdown (server->listener, SHUT_RDWR);
  g_thread_join (server->acceptor);
  for (guint i = 0; i < server->threads->len; i++)
    g_thread_join (server->threads->pdata[i]);
  close (server->listener);
  g_ptr_array_unref (server->threads);
  g_array_unref (server->sockets);
  g_ptr_array_unref (server->commands);
  g_ptr_array_unref (server->messages);
  g_mutex_clear (&server->mutex);
  g_free (server);
}

/* ---- Questions of the test ---- */

static gpointer
copy_string (gconstpointer text, gpointer data)
{
  return g_strdup (text);
}

static gpointer
copy_bytes (gconstpointer bytes, gpointer data)
{
  return g_bytes_ref ((GBytes *) bytes);
}

static GPtrArray *
copy (KitServer *server, GPtrArray *array, GCopyFunc item, GDestroyNotify end)
{
  g_mutex_lock (&server->mutex);
  GPtrArray *copied = g_ptr_array_copy (array, item, NULL);
  g_mutex_unlock (&server->mutex);
  g_ptr_array_set_free_func (copied, end);
  return copied;
}

GPtrArray *
kit_server_commands (KitServer *server)
{
  return copy (server, server->commands, copy_string, g_free);
}

GPtrArray *
kit_server_messages (KitServer *server)
{
  return copy (server, server->messages, copy_bytes, (GDestroyNotify) g_bytes_unref);
}

guint
kit_server_count (KitServer *server, const gchar *command)
{
  g_autoptr (GPtrArray) commands = kit_server_commands (server);
  guint count = 0;
  for (guint i = 0; i < commands->len; i++)
    count += g_ascii_strncasecmp (commands->pdata[i], command, strlen (command)) == 0;
  return count;
}

void
kit_server_forget (KitServer *server)
{
  g_mutex_lock (&server->mutex);
  g_ptr_array_set_size (server->commands, 0);
  g_ptr_array_set_size (server->messages, 0);
  g_mutex_unlock (&server->mutex);
}

guint
kit_server_bare_newlines (KitServer *server)
{
  g_mutex_lock (&server->mutex);
  guint bare = server->bare;
  g_mutex_unlock (&server->mutex);
  return bare;
}
