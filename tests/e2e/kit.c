/* Folder, processes and ports of the end-to-end tests. See kit.h. */
#include "kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

struct _KitProcess
{
  gchar *name;
  gchar *log;
  GPid pid; /* 0: ended */
  gint status;
};

static gchar *folder;
static GPtrArray *processes;

/* ---- Folder ---- */

const gchar *
kit_folder (void)
{
  if (folder == NULL)
    {
      folder = g_dir_make_tmp ("mailweir-e2e-XXXXXX", NULL);
      g_assert_nonnull (folder);
      g_assert_cmpint (g_chmod (folder, 0755), ==, 0); /* Postfix's and our users look into it */
    }
  return folder;
}

gchar *
kit_path (const gchar *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree gchar *name = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  return g_build_filename (kit_folder (), name, NULL);
}

void
kit_write (const gchar *path, const gchar *text)
{
  g_autoptr (GError) error = NULL;
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

gchar *
kit_read (const gchar *path)
{
  gchar *text = NULL;
  return g_file_get_contents (path, &text, NULL, NULL) ? text : NULL;
}

static void
remove_tree (const gchar *path)
{
  const gchar *argv[] = { "rm", "-rf", "--", path, NULL };
  kit_run (argv, NULL);
}

void
kit_finish (void)
{
  for (guint i = 0; processes != NULL && i < processes->len; i++)
    kit_stop (processes->pdata[i], SIGKILL);
  if (folder != NULL && g_getenv ("MAILWEIR_KEEP") == NULL)
    remove_tree (folder);
  else if (folder != NULL)
    g_test_message ("kept %s", folder);
  g_clear_pointer (&folder, g_free);
}

/* ---- Processes ---- */

/* A test that aborts takes its processes with it: by the signal of a parent's death, and by hand
 * those that have changed their user since, for they do not get it. */
static void
take_along (int number)
{
  for (guint i = 0; processes != NULL && i < processes->len; i++)
    {
      const KitProcess *process = processes->pdata[i];
      if (process->pid > 0)
        kill (process->pid, SIGTERM);
    }
  raise (number); /* the handler is gone by now */
}

static void
prepare_for_the_worst (void)
{
  static const int deadly[] = { SIGABRT, SIGTRAP, SIGTERM, SIGINT };
  const struct sigaction action = { .sa_handler = take_along, .sa_flags = (int) SA_RESETHAND };
  for (guint i = 0; i < G_N_ELEMENTS (deadly); i++)
    sigaction (deadly[i], &action, NULL);
}

static void
in_child (gpointer log)
{
  prctl (PR_SET_PDEATHSIG, SIGTERM);
  gint fd = g_open (log, O_WRONLY | O_CREAT | O_APPEND, 0644);
  dup2 (fd, STDOUT_FILENO);
  dup2 (fd, STDERR_FILENO);
  close (fd);
}

KitProcess *
kit_start (const gchar *name, const gchar *const *argv)
{
  g_autoptr (GError) error = NULL;
  KitProcess *process = g_new0 (KitProcess, 1);
  process->name = g_strdup (name);
  process->log = kit_path ("%s.log", name);
  g_unlink (process->log);
  g_spawn_async (kit_folder (), (gchar **) argv, NULL,
                 G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, in_child, process->log,
                 &process->pid, &error);
  g_assert_no_error (error);
  if (processes == NULL)
    {
      processes = g_ptr_array_new ();
      prepare_for_the_worst ();
    }
  g_ptr_array_add (processes, process);
  return process;
}

GPid
kit_pid (const KitProcess *process)
{
  return process->pid;
}

gboolean
kit_is_running (KitProcess *process)
{
  if (process->pid != 0 && waitpid (process->pid, &process->status, WNOHANG) == process->pid)
    process->pid = 0;
  return process->pid != 0;
}

gint
kit_wait (KitProcess *process)
{
  for (guint i = 0; i < KIT_PATIENCE * 100 && kit_is_running (process); i++)
    g_usleep (10000);
  if (process->pid != 0)
    g_error ("%s does not end", process->name);
  return process->status;
}

gint
kit_stop (KitProcess *process, gint signal_number)
{
  if (!kit_is_running (process))
    return process->status;
  kill (process->pid, signal_number);
  return kit_wait (process);
}

gchar *
kit_log (const KitProcess *process)
{
  gchar *text = kit_read (process->log);
  return text != NULL ? text : g_strdup ("");
}

void
kit_wait_log (KitProcess *process, const gchar *text)
{
  for (guint i = 0; i < KIT_PATIENCE * 50; i++)
    {
      g_autofree gchar *log = kit_log (process);
      if (strstr (log, text) != NULL)
        return;
      if (!kit_is_running (process))
        g_error ("%s ended (%d) before it said \"%s\":\n%s", process->name, process->status, text,
                 log);
      g_usleep (20000);
    }
  g_autofree gchar *log = kit_log (process);
  g_error ("%s never said \"%s\":\n%s", process->name, text, log);
}

gint
kit_run (const gchar *const *argv, gchar **output)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *out = NULL;
  g_autofree gchar *err = NULL;
  gint status = 0;
  g_spawn_sync (kit_folder (), (gchar **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err,
                &status, &error);
  g_assert_no_error (error);
  if (output != NULL)
    *output = g_strconcat (out, err, NULL);
  return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

gboolean
kit_have (const gchar *program)
{
  g_autofree gchar *path = g_find_program_in_path (program);
  return path != NULL || g_file_test (program, G_FILE_TEST_IS_EXECUTABLE);
}

static GPid
parent_of (GPid pid)
{
  g_autofree gchar *path = g_strdup_printf ("/proc/%d/stat", pid);
  g_autofree gchar *stat = kit_read (path);
  const gchar *behind = stat != NULL ? strrchr (stat, ')') : NULL;
  gint parent = 0;
  gchar state;
  return behind != NULL && sscanf (behind + 1, " %c %d", &state, &parent) == 2 ? parent : 0;
}

static gboolean
is_below (GPid pid, GPid ancestor)
{
  for (guint i = 0; i < 16 && pid > 1; i++)
    {
      pid = parent_of (pid);
      if (pid == ancestor)
        return TRUE;
    }
  return FALSE;
}

GArray *
kit_descendants (GPid pid)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (GPid));
  g_autoptr (GDir) proc = g_dir_open ("/proc", 0, NULL);
  const gchar *name;
  while ((name = g_dir_read_name (proc)) != NULL)
    {
      GPid other = atoi (name);
      if (other > 0 && is_below (other, pid))
        g_array_append_val (found, other);
    }
  return found;
}

/* ---- Ports ---- */

#define LOWEST_PORT 15000
#define HIGHEST_PORT 30000

static gint
loopback_socket (guint port, gboolean listening)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port) };
  gint fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  gint result = listening ? bind (fd, (struct sockaddr *) &address, sizeof address)
                          : connect (fd, (struct sockaddr *) &address, sizeof address);
  if (result == 0)
    return fd;
  close (fd);
  return -1;
}

/* Below the ports that the system gives to clients: else a connection that somebody makes between
 * now and the server's bind may have got the port. */
guint
kit_port (void)
{
  static guint last;
  gint fd = -1;

  if (last == 0)
    last = LOWEST_PORT + (guint) getpid () * 67 % (HIGHEST_PORT - LOWEST_PORT);
  for (guint i = LOWEST_PORT; fd < 0 && i < HIGHEST_PORT; i++)
    {
      last = last + 1 < HIGHEST_PORT ? last + 1 : LOWEST_PORT;
      fd = loopback_socket (last, TRUE);
    }
  g_assert_cmpint (fd, >=, 0);
  close (fd);
  return last;
}

void
kit_wait_port (guint port)
{
  for (guint i = 0; i < KIT_PATIENCE * 50; i++)
    {
      gint fd = loopback_socket (port, FALSE);
      if (fd >= 0)
        {
          close (fd);
          return;
        }
      g_usleep (20000);
    }
  g_error ("nobody listens on port %u", port);
}

/* ---- A raw SMTP client ---- */

struct _KitClient
{
  gint fd;
  GString *input;
};

static KitClient *
client_new (gint fd)
{
  KitClient *client = g_new0 (KitClient, 1);
  struct timeval patience = { .tv_sec = KIT_PATIENCE };
  const gint on = 1;
  client->fd = fd;
  setsockopt (client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt (client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  (void) setsockopt (client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  client->input = g_string_new (NULL);
  return client;
}

KitClient *
kit_connect (guint port)
{
  gint fd = loopback_socket (port, FALSE);
  if (fd < 0)
    g_error ("connect to port %u: %s", port, g_strerror (errno));
  return client_new (fd);
}

KitClient *
kit_connect_socket (const gchar *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  gint fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpuint (g_strlcpy (address.sun_path, path, sizeof address.sun_path), <,
                    sizeof address.sun_path);
  if (fd < 0 || connect (fd, (struct sockaddr *) &address, sizeof address) != 0)
    g_error ("connect to %s: %s", path, g_strerror (errno));
  return client_new (fd);
}

void
kit_say_bytes (KitClient *client, gconstpointer bytes, gsize length)
{
  const gchar *next = bytes;
  while (length > 0)
    {
      gssize written = send (client->fd, next, length, MSG_NOSIGNAL);
      if (written <= 0)
        return; /* the reader of the reply says what was wrong */
      next += written;
      length -= written;
    }
}

void
kit_say (KitClient *client, const gchar *text)
{
  g_autoptr (GString) wire = g_string_new (text);
  g_string_replace (wire, "\n", "\r\n", 0);
  kit_say_bytes (client, wire->str, wire->len);
}

/* The length of a whole reply at the start of the input; 0: not there yet. */
static gsize
reply_length (const GString *input)
{
  const gchar *line = input->str;
  const gchar *end;
  while ((end = strstr (line, "\r\n")) != NULL)
    {
      if (end - line < 4 || line[3] != '-')
        return end + 2 - input->str;
      line = end + 2;
    }
  return 0;
}

gchar *
kit_reply (KitClient *client)
{
  gsize length;
  while ((length = reply_length (client->input)) == 0)
    {
      gchar bytes[4096];
      gssize got = recv (client->fd, bytes, sizeof bytes, 0);
      if (got < 0 && errno != ECONNRESET)
        g_error ("no reply within %d s; so far: %s", KIT_PATIENCE, client->input->str);
      if (got <= 0)
        return g_strdup ("");
      g_string_append_len (client->input, bytes, got);
    }
  g_autoptr (GString) reply = g_string_new_len (client->input->str, length);
  g_string_erase (client->input, 0, length);
  g_string_replace (reply, "\r\n", "\n", 0);
  return g_strdup (reply->str);
}

void
kit_expect (KitClient *client, const gchar *prefix)
{
  g_autofree gchar *reply = kit_reply (client);
  if (!g_str_has_prefix (reply, prefix))
    g_error ("expected %s, heard: %s", prefix, reply);
}

void
kit_command (KitClient *client, const gchar *line, const gchar *prefix)
{
  g_autofree gchar *text = g_strconcat (line, "\n", NULL);
  g_autofree gchar *reply = NULL;
  kit_say (client, text);
  reply = kit_reply (client);
  if (!g_str_has_prefix (reply, prefix))
    g_error ("%s: expected %s, heard: %s", line, prefix, reply);
}

gchar *
kit_greet (KitClient *client)
{
  kit_expect (client, "220");
  kit_say (client, "EHLO client.test\n");
  gchar *reply = kit_reply (client);
  if (!g_str_has_prefix (reply, "250"))
    g_error ("EHLO heard: %s", reply);
  return reply;
}

void
kit_open_message (KitClient *client, const gchar *from, const gchar *to)
{
  g_autofree gchar *mail = g_strdup_printf ("MAIL FROM:<%s>", from);
  g_autofree gchar *rcpt = g_strdup_printf ("RCPT TO:<%s>", to);
  kit_command (client, mail, "250");
  kit_command (client, rcpt, "250");
  kit_command (client, "DATA", "354");
}

static gchar *
deliver (KitClient *client, const gchar *to, const gchar *text)
{
  g_autoptr (GString) wire = g_string_new (text);
  g_autofree gchar *rcpt = g_strdup_printf ("RCPT TO:<%s>\n", to);
  const gchar *lines[] = { "MAIL FROM:<a@client.test>\n", rcpt, "DATA\n" };
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      kit_say (client, lines[i]);
      g_autofree gchar *reply = kit_reply (client);
      if (reply[0] != '2' && reply[0] != '3')
        return g_steal_pointer (&reply);
    }
  g_string_replace (wire, "\n.", "\n..", 0);
  kit_say (client, wire->str);
  kit_say (client, ".\n");
  return kit_reply (client);
}

gchar *
kit_deliver (guint port, const gchar *to, const gchar *text)
{
  KitClient *client = kit_connect (port);
  gchar *reply = kit_reply (client);
  if (g_str_has_prefix (reply, "220"))
    {
      g_free (reply);
      kit_command (client, "EHLO client.test", "250");
      reply = deliver (client, to, text);
    }
  kit_close (client);
  return reply;
}

gint
kit_client_fd (KitClient *client)
{
  return client->fd;
}

void
kit_close (KitClient *client)
{
  close (client->fd);
  g_string_free (client->input, TRUE);
  g_free (client);
}
