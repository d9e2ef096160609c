/* The supervisor as a real process with real generations and workers: signals, reloads, deaths. The
 * gateway is the stand-in of this folder; this program itself is the generation's executable. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "supervisor/generation.h"
#include "supervisor/supervisor.h"

#define PATIENCE 30000 /* ms; only a failing test waits so long */

static gchar *gateway; /* path of the stand-in */

#define GOOD                                                                                       \
  "listener \"one\" { bind = \"127.0.0.1:%u\" routes = [\"none\"] }\n"                             \
  "route \"none\" { to = \"discard:\" }\n"

typedef struct
{
  gchar *folder, *config;
  pid_t pid;     /* of the supervisor; 0: not running */
  gint log;      /* its standard error */
  GString *seen; /* of it, not yet matched */
  guint port;
  gint passed; /* a socket for its descriptor 3; -1: none */
  gchar *notify;
} Fixture;

typedef struct
{
  gint descriptor;
  guint generation;
  pid_t gateway, worker;
} Client;

static void
configure (Fixture *fixture, const gchar *text)
{
  g_assert_true (g_file_set_contents (fixture->config, text, -1, NULL));
}

static void
configure_good (Fixture *fixture)
{
  g_autofree gchar *text = g_strdup_printf (GOOD, fixture->port);

  configure (fixture, text);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("mailweir-XXXXXX", NULL);
  fixture->config = g_build_filename (fixture->folder, "mailweir.conf", NULL);
  fixture->seen = g_string_new (NULL);
  fixture->log = fixture->passed = -1;
  configure_good (fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpint (fixture->pid, ==, 0);
  g_unlink (fixture->config);
  if (fixture->notify != NULL)
    g_unlink (fixture->notify);
  g_rmdir (fixture->folder);
  g_free (fixture->notify);
  g_free (fixture->config);
  g_free (fixture->folder);
  g_string_free (fixture->seen, TRUE);
  close (fixture->log);
}

static void G_GNUC_NORETURN
be_supervisor (Fixture *fixture, gint log)
{
  const SupervisorSettings settings = { .config = fixture->config, .gateway = gateway };
  g_autofree gchar *self = g_strdup_printf ("%d", getpid ());

  (void) dup2 (log, STDERR_FILENO);
  (void) prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (fixture->passed >= 0)
    {
      g_assert_cmpint (dup2 (fixture->passed, 3), ==, 3);
      g_setenv ("LISTEN_FDS", "1", TRUE);
      g_setenv ("LISTEN_PID", self, TRUE);
    }
  if (fixture->notify != NULL)
    g_setenv ("NOTIFY_SOCKET", fixture->notify, TRUE);
  /* exit, not _exit: so that leaks are looked for. */
  exit (supervisor_run (&settings));
}

static void
start (Fixture *fixture)
{
  gint pair[2];

  g_assert_cmpint (pipe2 (pair, O_CLOEXEC), ==, 0);
  fflush (NULL);
  fixture->pid = fork ();
  if (fixture->pid == 0)
    be_supervisor (fixture, pair[1]);
  close (pair[1]);
  fixture->log = pair[0];
}

/* Reads the log up to `text` and forgets all before it. */
static void
expect (Fixture *fixture, const gchar *text)
{
  const gchar *found;
  gchar bytes[4096];

  while ((found = strstr (fixture->seen->str, text)) == NULL)
    {
      struct pollfd fd = { .fd = fixture->log, .events = POLLIN };
      gssize n = poll (&fd, 1, PATIENCE) == 1 ? read (fixture->log, bytes, sizeof bytes) : -1;

      if (n <= 0)
        g_error ("the log has no \"%s\" after: %s", text, fixture->seen->str);
      g_string_append_len (fixture->seen, bytes, n);
    }
  g_string_erase (fixture->seen, 0, found - fixture->seen->str + (gssize) strlen (text));
}

static void
expect_ready (Fixture *fixture)
{
  expect (fixture, "ready: listening on 127.0.0.1:");
  while (strstr (fixture->seen->str, " (one)") == NULL)
    {
      gchar byte;

      g_assert_cmpint (read (fixture->log, &byte, 1), ==, 1);
      g_string_append_c (fixture->seen, byte);
    }
  fixture->port = (guint) strtoul (fixture->seen->str, NULL, 10);
  g_assert_cmpuint (fixture->port, >, 0);
}

/* The log to its end: no process of the tree has complained of itself. */
static void
expect_clean (Fixture *fixture)
{
  gchar bytes[4096];
  gssize n;

  while ((n = read (fixture->log, bytes, sizeof bytes)) > 0)
    g_string_append_len (fixture->seen, bytes, n);
  if (strstr (fixture->seen->str, "Sanitizer") != NULL
      || strstr (fixture->seen->str, "runtime error") != NULL)
    g_error ("%s", fixture->seen->str);
}

static void
expect_exit (Fixture *fixture, gint code)
{
  gint status = 0;

  g_assert_cmpint (waitpid (fixture->pid, &status, 0), ==, fixture->pid);
  fixture->pid = 0;
  if (!WIFEXITED (status) || WEXITSTATUS (status) != code)
    expect (fixture, "a log that explains the wrong end");
  expect_clean (fixture);
}

static void
read_line (gint descriptor, gchar *line, gsize size)
{
  gsize length = 0;

  while (length + 1 < size && recv (descriptor, line + length, 1, 0) == 1)
    if (line[length++] == '\n')
      break;
  line[length] = '\0';
}

static Client
client_open (const Fixture *fixture)
{
  const struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons ((guint16) fixture->port),
                                       .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  const struct timeval patience = { .tv_sec = PATIENCE / 1000 };
  Client client = { .descriptor = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
  gchar line[100];

  setsockopt (client.descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  g_assert_cmpint (connect (client.descriptor, (const struct sockaddr *) &address, sizeof address),
                   ==, 0);
  read_line (client.descriptor, line, sizeof line);
  g_assert_cmpint (sscanf (line, "generation %u pid %d worker %d", &client.generation,
                           &client.gateway, &client.worker),
                   ==, 3);
  return client;
}

static void
client_close (Client *client)
{
  close (client->descriptor);
}

/* Waits until a process of the supervisor's is gone; an orphan is ours to reap. */
static void
expect_gone (pid_t pid)
{
  for (guint i = 0; i < PATIENCE / 10 && kill (pid, 0) == 0; i++)
    {
      (void) waitpid (pid, NULL, WNOHANG);
      g_usleep (10000);
    }
  g_assert_cmpint (kill (pid, 0), ==, -1);
}

static void
test_start_and_stop (Fixture *fixture, gconstpointer data)
{
  Client client;

  start (fixture);
  expect_ready (fixture);
  client = client_open (fixture);
  g_assert_cmpuint (client.generation, ==, 1);
  g_assert_cmpint (kill (client.worker, 0), ==, 0);
  client_close (&client);
  kill (fixture->pid, SIGTERM);
  expect_exit (fixture, 0);
  expect_gone (client.worker);
  expect_gone (client.gateway);
}

static void
test_bad_configuration (Fixture *fixture, gconstpointer data)
{
  configure (fixture, "hostnam = \"x\"\nworkers-max = true\n");
  start (fixture);
  expect (fixture, "mailweir.conf:1:1:");
  expect (fixture, "mailweir.conf:2:");
  expect_exit (fixture, 78);
}

static void
test_bad_module (Fixture *fixture, gconstpointer data)
{
  configure (fixture, "listener \"one\" { bind = \"127.0.0.1:0\" routes = [\"none\"] "
                      "filters = [\"f\"] }\n"
                      "route \"none\" { to = \"discard:\" }\n"
                      "filter \"f\" {\n  module = \"no-such-module\"\n}\n");
  start (fixture);
  expect (fixture, "mailweir.conf:4:");
  expect (fixture, "no-such-module");
  expect_exit (fixture, 78);
}

static void
test_address_in_use (Fixture *fixture, gconstpointer data)
{
  Fixture other = { 0 };

  start (fixture);
  expect_ready (fixture);
  set_up (&other, NULL);
  other.port = fixture->port;
  configure_good (&other);
  start (&other);
  expect (&other, "mailweir.conf:1:");
  expect (&other, "cannot listen on");
  expect_exit (&other, 78);
  tear_down (&other, NULL);
  kill (fixture->pid, SIGTERM);
  expect_exit (fixture, 0);
}

/* A reload with an error anywhere changes nothing. */
static void
test_failed_reloads (Fixture *fixture, gconstpointer data)
{
  Client before, after;

  start (fixture);
  expect_ready (fixture);
  before = client_open (fixture);
  configure (fixture, "nonsense\n");
  kill (fixture->pid, SIGHUP);
  expect (fixture, "mailweir.conf:2:");
  expect (fixture, "the old one stays");
  configure (fixture, "listener \"one\" { bind = \"127.0.0.1:0\" routes = [\"none\"] "
                      "filters = [\"f\"] }\n"
                      "route \"none\" { to = \"discard:\" }\n"
                      "filter \"f\" { module = \"no-such-module\" }\n");
  kill (fixture->pid, SIGHUP);
  expect (fixture, "no-such-module");
  expect (fixture, "the old one stays");
  after = client_open (fixture);
  g_assert_cmpint (before.gateway, ==, after.gateway);
  client_close (&before);
  client_close (&after);
  kill (fixture->pid, SIGTERM);
  expect_exit (fixture, 0);
}

/* A connection to this generation: right behind "ready" the one before may still accept one. */
static Client
client_open_to (Fixture *fixture, guint generation)
{
  for (guint i = 0; i < 100; i++)
    {
      Client client = client_open (fixture);
      if (client.generation == generation)
        return client;
      client_close (&client);
      g_usleep (20000);
    }
  g_error ("generation %u never accepts", generation);
}

/* The old generation finishes what it has; the port is the same socket throughout. */
static void
test_reload (Fixture *fixture, gconstpointer data)
{
  Client before, after;

  start (fixture);
  expect_ready (fixture);
  before = client_open (fixture);
  kill (fixture->pid, SIGHUP);
  {
    const guint port = fixture->port;

    expect_ready (fixture);
    g_assert_cmpuint (fixture->port, ==, port);
  }
  after = client_open_to (fixture, 2);
  g_assert_cmpint (send (before.descriptor, "hello", 5, MSG_NOSIGNAL), ==, 5);
  {
    gchar line[10];

    read_line (before.descriptor, line, sizeof line);
    g_assert_cmpstr (line, ==, "ok\n");
  }
  client_close (&before);
  expect (fixture, "generation 1 has ended");
  g_assert_cmpint (kill (after.gateway, 0), ==, 0);
  client_close (&after);
  kill (fixture->pid, SIGTERM);
  expect_exit (fixture, 0);
  expect_gone (before.worker);
}

/* Several at once are done one after the other, and the last one counts. */
static void
test_many_reloads (Fixture *fixture, gconstpointer data)
{
  Client client;

  start (fixture);
  expect_ready (fixture);
  for (guint i = 0; i < 5; i++)
    {
      kill (fixture->pid, SIGHUP);
      g_usleep (5000);
    }
  expect_ready (fixture);
  kill (fixture->pid, SIGHUP);
  expect_ready (fixture);
  client = client_open (fixture);
  g_assert_cmpuint (client.generation, >=, 2);
  client_close (&client);
  kill (fixture->pid, SIGTERM);
  expect_exit (fixture, 0);
}

static void
test_gateway_dies (Fixture *fixture, gconstpointer data)
{
  Client before, after;

  start (fixture);
  expect_ready (fixture);
  before = client_open (fixture);
  kill (before.gateway, SIGKILL);
  expect (fixture, "the gateway ended: signal 9");
  expect (fixture, "generation 1 ended");
  expect_gone (before.worker);
  /* Waits in the backlog of the supervisor's socket until somebody serves again. */
  after = client_open (fixture);
  g_assert_cmpuint (after.generation, ==, 2);
  client_close (&before);
  client_close (&after);
  expect_ready (fixture);
  kill (fixture->pid, SIGTERM);
  expect_exit (fixture, 0);
}

static pid_t
parent_of (pid_t pid)
{
  g_autofree gchar *path = g_strdup_printf ("/proc/%d/stat", pid);
  g_autofree gchar *text = NULL;
  pid_t parent = 0;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpint (sscanf (strrchr (text, ')'), ") %*c %d", &parent), ==, 1);
  return parent;
}

/* Its gateway is hurried by the end of its channel; nobody is left over. */
static void
test_generation_dies (Fixture *fixture, gconstpointer data)
{
  Client before, after;

  start (fixture);
  expect_ready (fixture);
  before = client_open (fixture);
  kill (parent_of (before.gateway), SIGKILL);
  expect (fixture, "generation 1 ended: signal 9");
  expect_gone (before.gateway);
  expect_gone (before.worker);
  after = client_open (fixture);
  g_assert_cmpuint (after.generation, ==, 2);
  client_close (&before);
  client_close (&after);
  expect_ready (fixture);
  kill (fixture->pid, SIGTERM);
  expect_exit (fixture, 0);
}

static void
test_supervisor_dies (Fixture *fixture, gconstpointer data)
{
  Client client;
  pid_t generation;

  start (fixture);
  expect_ready (fixture);
  client = client_open (fixture);
  generation = parent_of (client.gateway);
  kill (fixture->pid, SIGKILL);
  g_assert_cmpint (waitpid (fixture->pid, NULL, 0), ==, fixture->pid);
  fixture->pid = 0;
  expect_gone (client.gateway);
  expect_gone (client.worker);
  expect_gone (generation);
  client_close (&client);
}

/* SIGTERM waits for an open transaction, a second one for final answers only, a third for nobody.
 */
static void
test_stop_harder (Fixture *fixture, gconstpointer data)
{
  Client client;
  gchar line[10];

  start (fixture);
  expect_ready (fixture);
  client = client_open (fixture);
  g_assert_cmpint (send (client.descriptor, "stubborn", 8, MSG_NOSIGNAL), ==, 8);
  read_line (client.descriptor, line, sizeof line);
  kill (fixture->pid, SIGTERM);
  expect (fixture, "stopping");
  g_assert_cmpint (waitpid (fixture->pid, NULL, WNOHANG), ==, 0);
  kill (fixture->pid, SIGTERM);
  expect (fixture, "hurrying");
  g_assert_cmpint (send (client.descriptor, "hello", 5, MSG_NOSIGNAL), ==, 5);
  read_line (client.descriptor, line, sizeof line);
  g_assert_cmpstr (line, ==, "ok\n");
  kill (fixture->pid, SIGINT);
  expect_exit (fixture, 0);
  expect_gone (client.gateway);
  expect_gone (client.worker);
  client_close (&client);
}

static void
test_stop_hurried (Fixture *fixture, gconstpointer data)
{
  Client client;

  start (fixture);
  expect_ready (fixture);
  client = client_open (fixture);
  kill (fixture->pid, SIGTERM);
  expect (fixture, "stopping");
  kill (fixture->pid, SIGTERM);
  expect_exit (fixture, 0);
  client_close (&client);
}

static void
expect_notified (gint descriptor, const gchar *text)
{
  gchar bytes[512] = "";
  struct pollfd fd = { .fd = descriptor, .events = POLLIN };

  while (strstr (bytes, text) == NULL)
    {
      memset (bytes, 0, sizeof bytes);
      g_assert_cmpint (poll (&fd, 1, PATIENCE), ==, 1);
      g_assert_cmpint (recv (descriptor, bytes, sizeof bytes - 1, 0), >, 0);
    }
}

static void
test_service_manager (Fixture *fixture, gconstpointer data)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct sockaddr_in listening
      = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t length = sizeof listening;
  const gint manager = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  Client client;

  fixture->notify = g_build_filename (fixture->folder, "notify", NULL);
  g_strlcpy (address.sun_path, fixture->notify, sizeof address.sun_path);
  g_assert_cmpint (bind (manager, (struct sockaddr *) &address, sizeof address), ==, 0);
  fixture->passed = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (fixture->passed, (struct sockaddr *) &listening, length), ==, 0);
  g_assert_cmpint (listen (fixture->passed, 5), ==, 0);
  g_assert_cmpint (getsockname (fixture->passed, (struct sockaddr *) &listening, &length), ==, 0);
  fixture->port = ntohs (listening.sin_port);
  configure_good (fixture);
  start (fixture);
  expect_notified (manager, "READY=1");
  client = client_open (fixture);
  client_close (&client);
  kill (fixture->pid, SIGHUP);
  expect_notified (manager, "RELOADING=1\nMONOTONIC_USEC=");
  expect_notified (manager, "READY=1");
  configure (fixture, "nonsense\n");
  kill (fixture->pid, SIGHUP);
  expect_notified (manager, "RELOADING=1");
  expect_notified (manager, "READY=1\nSTATUS=The last reload failed");
  kill (fixture->pid, SIGTERM);
  expect_notified (manager, "STOPPING=1");
  expect_exit (fixture, 0);
  close (fixture->passed);
  close (manager);
}

#define ADD(name, function) g_test_add (name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  if (argc > 1 && g_str_equal (argv[1], "generation"))
    return supervisor_generation_main (argc - 2, argv + 2);
  gateway = g_strdup (g_getenv ("STAND_IN_GATEWAY"));
  g_test_init (&argc, &argv, NULL);
  g_assert_nonnull (gateway);
  g_assert_cmpint (prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), ==, 0);
  ADD ("/run/start-and-stop", test_start_and_stop);
  ADD ("/run/bad-configuration", test_bad_configuration);
  ADD ("/run/bad-module", test_bad_module);
  ADD ("/run/address-in-use", test_address_in_use);
  ADD ("/run/failed-reloads", test_failed_reloads);
  ADD ("/run/reload", test_reload);
  ADD ("/run/many-reloads", test_many_reloads);
  ADD ("/run/gateway-dies", test_gateway_dies);
  ADD ("/run/generation-dies", test_generation_dies);
  ADD ("/run/supervisor-dies", test_supervisor_dies);
  ADD ("/run/stop-harder", test_stop_harder);
  ADD ("/run/stop-hurried", test_stop_hurried);
  ADD ("/run/service-manager", test_service_manager);
  {
    const int status = g_test_run ();

    g_free (gateway);
    return status;
  }
}
