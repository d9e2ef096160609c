/* The benchmark's clients: each waits for every reply before it goes on, as smtp-source does. A
 * reply that is not the expected one, a lost connection or 60 s without progress end the program;
 * only a plan with `seconds` counts refusals and tries again. */
#include "load.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define STALL_MS 60000
#define REST (100 * G_TIME_SPAN_MILLISECOND) /* after a refusal */
#define OPENING 100                          /* connections that may wait for a greeting */

typedef enum
{
  STEP_GREETING,
  STEP_EHLO,
  STEP_STARTTLS,
  STEP_HANDSHAKE,
  STEP_MAIL,
  STEP_RCPT,
  STEP_DATA,
  STEP_HELD,
  STEP_BODY,
  STEP_QUIT,
  STEP_IDLE,
  STEP_CLOSED
} Step;

/* What each step sends; the reply to it begins with `expected`. */
static const struct
{
  const gchar *text;
  gchar expected;
} steps[] = {
  [STEP_GREETING] = { "", '2' },
  [STEP_EHLO] = { "EHLO load.test\r\n", '2' },
  [STEP_STARTTLS] = { "STARTTLS\r\n", '2' },
  [STEP_MAIL] = { "MAIL FROM:<a@load.test>\r\n", '2' },
  [STEP_RCPT] = { "RCPT TO:<b@load.test>\r\n", '2' },
  [STEP_DATA] = { "DATA\r\n", '3' },
  [STEP_BODY] = { NULL, '2' },
  [STEP_QUIT] = { "QUIT\r\n", '2' },
};

typedef struct
{
  LoadStream stream;
  Step step;
  gboolean secured;
  gboolean wants_out;
  const gchar *out;
  gsize out_length;
  gchar reply[4096];
  gsize reply_length;
  gint64 started; /* of the transaction */
  gint64 rest;    /* closed until then; 0 when it may start at once */
} Client;

static struct
{
  const LoadPlan *plan;
  SSL_CTX *context;
  SSL_SESSION *ticket;
  int poller;
  Client *clients;
  guint opening, active, idle, held;
  guint64 begun, accepted, connections, resumed;
  guint64 refused[600];
  gint64 end;
  GArray *times;
} run;

static void proceed (Client *client, Step step);

static void
watch (Client *client, gboolean wants_out)
{
  struct epoll_event event = { .events = EPOLLIN | (wants_out ? EPOLLOUT : 0), .data.ptr = client };

  if (client->wants_out != wants_out)
    epoll_ctl (run.poller, EPOLL_CTL_MOD, client->stream.fd, &event);
  client->wants_out = wants_out;
}

static void
leave (Client *client, gint64 rest)
{
  if (client->step == STEP_GREETING)
    run.opening--;
  load_stream_close (&client->stream);
  client->step = STEP_CLOSED;
  client->rest = rest > 0 ? g_get_monotonic_time () + rest : 0;
  run.active--;
}

static void
lose (Client *client)
{
  if (run.plan->seconds == 0)
    load_fail ("lost a connection in step %d", client->step);
  run.refused[0]++;
  leave (client, REST);
}

static void
flush (Client *client)
{
  while (client->out_length > 0)
    {
      gssize sent = load_stream_write (&client->stream, client->out, client->out_length);
      if (sent == -2 || sent == 0)
        {
          lose (client);
          return;
        }
      if (sent == -1)
        break;
      client->out += sent;
      client->out_length -= (gsize) sent;
    }
  watch (client, client->out_length > 0);
  if (client->step == STEP_HELD && client->out_length == 0 && ++run.held == run.plan->sessions)
    for (guint i = 0; i < run.plan->sessions; i++)
      proceed (&run.clients[i], STEP_BODY);
}

static void
send_text (Client *client, const gchar *text, gsize length)
{
  client->out = text;
  client->out_length = length;
  flush (client);
}

static void
send_body (Client *client)
{
  const LoadPlan *plan = run.plan;
  gsize dot = plan->body_length - 3;

  if (client->step == STEP_HELD)
    send_text (client, plan->body, dot);
  else if (plan->hold)
    send_text (client, plan->body + dot, 3);
  else
    send_text (client, plan->body, plan->body_length);
}

static void
handshake (Client *client)
{
  int status = load_stream_handshake (&client->stream);

  if (status == -2)
    lose (client);
  if (status != 1)
    return;
  client->secured = TRUE;
  run.resumed += SSL_session_reused (client->stream.ssl) != 0;
  proceed (client, STEP_EHLO);
}

static void
start_tls (Client *client)
{
  client->stream.ssl = SSL_new (run.context);
  SSL_set_fd (client->stream.ssl, client->stream.fd);
  SSL_set_connect_state (client->stream.ssl);
  if (run.plan->resume && run.ticket != NULL)
    SSL_set_session (client->stream.ssl, run.ticket);
  handshake (client);
}

static void
proceed (Client *client, Step step)
{
  client->step = step;
  switch (step)
    {
    case STEP_HANDSHAKE:
      start_tls (client);
      break;
    case STEP_HELD:
    case STEP_BODY:
      send_body (client);
      break;
    case STEP_IDLE:
      run.idle++;
      break;
    case STEP_MAIL:
      run.begun++;
      client->started = g_get_monotonic_time ();
      G_GNUC_FALLTHROUGH;
    default:
      send_text (client, steps[step].text, strlen (steps[step].text));
    }
}

static gboolean
may_begin (void)
{
  if (run.plan->seconds > 0)
    return g_get_monotonic_time () < run.end;
  return run.begun < run.plan->messages;
}

static void
message_done (Client *client)
{
  guint32 took = (guint32) (g_get_monotonic_time () - client->started);

  run.accepted++;
  g_array_append_val (run.times, took);
  proceed (client, run.plan->reuse && may_begin () ? STEP_MAIL : STEP_QUIT);
}

static Step
after_ehlo (const Client *client)
{
  if (run.plan->tls && !client->secured)
    return STEP_STARTTLS;
  if (run.plan->idle)
    return STEP_IDLE;
  return may_begin () ? STEP_MAIL : STEP_QUIT;
}

static void
go_on (Client *client)
{
  switch (client->step)
    {
    case STEP_GREETING:
      run.opening--;
      proceed (client, STEP_EHLO);
      break;
    case STEP_EHLO:
      proceed (client, after_ehlo (client));
      break;
    case STEP_STARTTLS:
    case STEP_MAIL:
    case STEP_RCPT:
      proceed (client, client->step + 1);
      break;
    case STEP_DATA:
      proceed (client, run.plan->hold ? STEP_HELD : STEP_BODY);
      break;
    case STEP_BODY:
      message_done (client);
      break;
    default:
      leave (client, 0);
    }
}

static void
refuse (Client *client, const gchar *line)
{
  guint code = (guint) g_ascii_strtoull (line, NULL, 10);

  if (run.plan->seconds == 0)
    load_fail ("step %d was answered: %.100s", client->step, line);
  run.refused[MIN (code, 599)]++;
  leave (client, REST);
}

/* The last line of a reply, once it is whole. */
static const gchar *
last_line (Client *client)
{
  gchar *start = client->reply, *end;

  client->reply[client->reply_length] = '\0';
  while ((end = strchr (start, '\n')) != NULL && end - start >= 4 && start[3] == '-')
    start = end + 1;
  return end != NULL ? start : NULL;
}

static void
take_reply (Client *client)
{
  const gchar *line = last_line (client);

  if (line == NULL)
    return;
  client->reply_length = 0;
  if (client->step == STEP_HELD || line[0] != steps[client->step].expected)
    refuse (client, line);
  else
    go_on (client);
}

static void
receive (Client *client)
{
  gsize room = sizeof client->reply - client->reply_length - 1;
  gssize got;

  if (client->step == STEP_HANDSHAKE)
    {
      handshake (client);
      return;
    }
  got = load_stream_read (&client->stream, client->reply + client->reply_length, room);
  if (got == -1)
    return;
  if (got <= 0)
    {
      lose (client);
      return;
    }
  client->reply_length += (gsize) got;
  take_reply (client);
}

static void
open_client (Client *client)
{
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_port = htons ((guint16) run.plan->port),
                                 .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };
  int one = 1, fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  if (fd < 0)
    load_fail ("no socket: %m");
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  memset (client, 0, sizeof *client);
  client->stream.fd = fd;
  /* The server speaks first: what comes of it shows as something to read. */
  (void) !connect (fd, (struct sockaddr *) &address, sizeof address);
  epoll_ctl (run.poller, EPOLL_CTL_ADD, fd, &event);
  run.connections++;
  run.opening++;
  run.active++;
}

static gboolean
wants_connection (gint64 now, const Client *client)
{
  if (client->step != STEP_CLOSED || run.opening >= OPENING || now < client->rest)
    return FALSE;
  if (run.plan->idle)
    return run.connections < run.plan->sessions;
  /* Those that are being opened will begin one each. */
  return run.plan->seconds > 0 ? now < run.end : run.begun + run.opening < run.plan->messages;
}

static void
open_clients (void)
{
  gint64 now = run.plan->seconds > 0 ? g_get_monotonic_time () : 0;

  for (guint i = 0; i < run.plan->sessions; i++)
    if (wants_connection (now, &run.clients[i]))
      open_client (&run.clients[i]);
}

static gboolean
is_over (void)
{
  if (run.plan->idle)
    return run.idle == run.plan->sessions;
  return run.active == 0 && !may_begin ();
}

static void
drive (void)
{
  struct epoll_event events[64];
  gint64 progress = g_get_monotonic_time ();

  while (!is_over ())
    {
      if (run.active < run.plan->sessions)
        open_clients ();
      int count = epoll_wait (run.poller, events, G_N_ELEMENTS (events), 50);
      if (count > 0)
        progress = g_get_monotonic_time ();
      else if (g_get_monotonic_time () - progress > STALL_MS * 1000)
        load_fail ("nothing has happened for a minute");
      for (int i = 0; i < count; i++)
        {
          Client *client = events[i].data.ptr;
          if (client->step != STEP_CLOSED && (events[i].events & EPOLLOUT))
            flush (client);
          if (client->step != STEP_CLOSED && (events[i].events & ~(guint32) EPOLLOUT))
            receive (client);
        }
    }
}

static int
compare (gconstpointer a, gconstpointer b)
{
  guint32 x = *(const guint32 *) a, y = *(const guint32 *) b;

  return (x > y) - (x < y);
}

static void
print_times (void)
{
  static const struct
  {
    const gchar *name;
    guint mille;
  } marks[] = { { "p50", 500 }, { "p90", 900 }, { "p99", 990 }, { "max", 1000 } };
  guint count = run.times->len;

  g_array_sort (run.times, compare);
  for (guint i = 0; i < G_N_ELEMENTS (marks) && count > 0; i++)
    g_print ("%s %u\n", marks[i].name,
             g_array_index (run.times, guint32, (guint64) (count - 1) * marks[i].mille / 1000));
}

static void
print_results (gint64 took)
{
  g_print ("seconds %.3f\naccepted %" G_GUINT64_FORMAT "\nconnections %" G_GUINT64_FORMAT
           "\nresumed %" G_GUINT64_FORMAT "\n",
           (gdouble) took / G_USEC_PER_SEC, run.accepted, run.connections, run.resumed);
  for (guint i = 0; i < G_N_ELEMENTS (run.refused); i++)
    if (run.refused[i] > 0)
      g_print ("refused-%u %" G_GUINT64_FORMAT "\n", i, run.refused[i]);
  print_times ();
}

/* Says when all are there, and at the end how many still are. */
static void
stay_idle (void)
{
  guint alive = 0;
  gchar octet;

  printf ("ready %u\n", run.idle);
  fflush (stdout);
  while (read (0, &octet, 1) > 0)
    continue;
  for (guint i = 0; i < run.plan->sessions; i++)
    alive += load_stream_read (&run.clients[i].stream, &octet, 1) == -1;
  g_print ("alive %u\n", alive);
}

static int
keep_ticket (SSL *ssl, SSL_SESSION *ticket)
{
  SSL_SESSION_free (run.ticket);
  run.ticket = ticket;
  return 1;
}

static SSL_CTX *
make_context (void)
{
  SSL_CTX *context = SSL_CTX_new (TLS_client_method ());

  SSL_CTX_set_mode (context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode (context,
                                  SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb (context, keep_ticket);
  return context;
}

int
load_clients (const LoadPlan *plan)
{
  gint64 start = g_get_monotonic_time ();

  run.plan = plan;
  run.context = plan->tls ? make_context () : NULL;
  run.poller = epoll_create1 (EPOLL_CLOEXEC);
  run.clients = g_new0 (Client, plan->sessions);
  run.times = g_array_new (FALSE, FALSE, sizeof (guint32));
  run.end = start + plan->seconds * G_TIME_SPAN_SECOND;
  for (guint i = 0; i < plan->sessions; i++)
    {
      run.clients[i].stream.fd = -1;
      run.clients[i].step = STEP_CLOSED;
    }
  drive ();
  if (plan->idle)
    stay_idle ();
  else
    print_results (g_get_monotonic_time () - start);
  g_array_unref (run.times);
  for (guint i = 0; i < plan->sessions; i++)
    load_stream_close (&run.clients[i].stream);
  g_free (run.clients);
  SSL_SESSION_free (run.ticket);
  SSL_CTX_free (run.context);
  return 0;
}
