/* `mailweir send` as a program: exit status and what it prints, against Postfix's smtp-sink on a
 * loopback port of its own. Without smtp-sink those tests are skipped. argv[1] is the program. */
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const gchar *program;

typedef struct
{
  GPid pid;
  guint port;
  gchar *folder;
  gchar *dump;
} Sink;

static guint
free_port (void)
{
  struct sockaddr_in address = { .sin_family = AF_INET };
  socklen_t length = sizeof address;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, length), ==, 0);
  getsockname (fd, (struct sockaddr *) &address, &length);
  close (fd);
  return ntohs (address.sin_port);
}

static gboolean
is_listening (guint port)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons ((guint16) port) };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean good;

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  good = connect (fd, (struct sockaddr *) &address, sizeof address) == 0;
  close (fd);
  return good;
}

static gchar *
find_sink (void)
{
  if (g_access ("/usr/sbin/smtp-sink", X_OK) == 0)
    return g_strdup ("/usr/sbin/smtp-sink");
  return g_find_program_in_path ("smtp-sink");
}

static void
add_words (GPtrArray *argv, const gchar *first, const gchar *second)
{
  g_ptr_array_add (argv, (gpointer) first);
  g_ptr_array_add (argv, (gpointer) second);
}

/* FALSE: skipped. `option`, `value`: what the sink should do wrong; NULL: nothing. */
static gboolean
start_sink (Sink *sink, const gchar *option, const gchar *value)
{
  g_autofree gchar *path = find_sink ();
  g_autofree gchar *address = NULL;
  g_autoptr (GError) error = NULL;

  if (path == NULL)
    {
      g_test_skip ("smtp-sink (Postfix) is not installed");
      return FALSE;
    }
  sink->port = free_port ();
  sink->folder = g_dir_make_tmp ("mailweir-test-XXXXXX", &error);
  g_assert_no_error (error);
  sink->dump = g_build_filename (sink->folder, "dump", NULL);
  address = g_strdup_printf ("127.0.0.1:%u", sink->port);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_ptr_array_add (argv, path);
  /* It refuses to run as root. */
  if (geteuid () == 0)
    add_words (argv, "-u", "nobody");
  add_words (argv, "-D", sink->dump);
  if (option != NULL)
    add_words (argv, option, value);
  add_words (argv, address, "10");
  g_ptr_array_add (argv, NULL);
  g_assert_cmpint (g_chmod (sink->folder, 0777), ==, 0);
  g_spawn_async (NULL, (gchar **) argv->pdata, NULL,
                 G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL
                     | G_SPAWN_STDERR_TO_DEV_NULL,
                 NULL, NULL, &sink->pid, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 200 && !is_listening (sink->port); i++)
    g_usleep (20000);
  return TRUE;
}

static void
stop_sink (Sink *sink)
{
  kill (sink->pid, SIGTERM);
  waitpid (sink->pid, NULL, 0);
  g_unlink (sink->dump);
  g_rmdir (sink->folder);
  g_free (sink->dump);
  g_free (sink->folder);
}

/* Runs the program with these words behind its name; returns its exit status. */
static int
run (const gchar *words, gchar **out, gchar **err)
{
  g_autofree gchar *line = g_strdup_printf ("'%s' %s", program, words);
  g_autoptr (GError) error = NULL;
  int status = 0;

  gchar *argv[] = { "/bin/sh", "-c", line, NULL };
  g_spawn_sync (NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, out, err, &status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

/* Sends a message with LF lines, from standard input, to two recipients. */
static int
send_to (guint port, const gchar *options, gchar **out, gchar **err)
{
  g_autofree gchar *words = g_strdup_printf (
      "--to smtp://127.0.0.1:%u --from a@example.org --rcpt b@example.net --rcpt c@example.net "
      "--timeout 10s %s - <<'END'\nSubject: x\n\n.dot\nEND",
      port, options);

  return run (words, out, err);
}

static void
test_accepted (void)
{
  Sink sink = { 0 };
  g_autofree gchar *out = NULL;
  g_autofree gchar *dump = NULL;

  if (!start_sink (&sink, NULL, NULL))
    return;
  g_assert_cmpint (send_to (sink.port, "", &out, NULL), ==, 0);
  g_assert_true (g_str_has_prefix (out, "b@example.net: 250 "));
  g_assert_nonnull (strstr (out, "\nc@example.net: 250 "));
  g_assert_true (g_file_get_contents (sink.dump, &dump, NULL, NULL));
  g_assert_nonnull (strstr (dump, "Subject: x\n\n.dot\n"));
  stop_sink (&sink);
}

static void
test_quiet_and_verbose (void)
{
  Sink sink = { 0 };
  g_autofree gchar *out = NULL;
  g_autofree gchar *err = NULL;

  if (!start_sink (&sink, NULL, NULL))
    return;
  g_assert_cmpint (send_to (sink.port, "--quiet --verbose --helo me.example", &out, &err), ==, 0);
  g_assert_cmpstr (out, ==, "");
  g_assert_nonnull (strstr (err, "C: EHLO me.example\n"));
  g_assert_nonnull (strstr (err, "\nC: DATA\nS: 354 "));
  g_assert_nonnull (strstr (err, "\nC: [20 octets]\nC: .\nS: 250 "));
  stop_sink (&sink);
}

static void
check_refusal (const gchar *option, const gchar *value, int expected, const gchar *words)
{
  Sink sink = { 0 };
  g_autofree gchar *out = NULL;
  g_autofree gchar *err = NULL;
  g_autofree gchar *all = NULL;

  if (!start_sink (&sink, option, value))
    return;
  g_assert_cmpint (send_to (sink.port, "--quiet", &out, &err), ==, expected);
  all = g_strconcat (out, err, NULL);
  g_assert_nonnull (strstr (all, words));
  stop_sink (&sink);
}

static void
test_refused (void)
{
  static const gchar *const commands[] = { "CONNECT", "MAIL", "RCPT", "DATA", "." };

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      check_refusal ("-f", commands[i], 1, "500 5.3.0 ");
      check_refusal ("-r", commands[i], 75, "450 4.3.0 ");
    }
}

static void
test_disconnected (void)
{
  static const gchar *const commands[] = { "EHLO", "MAIL", "RCPT", "DATA", "." };

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      check_refusal ("-q", commands[i], 75, "451 4.4.2 the server closed");
      check_refusal ("-Q", commands[i], 75, "421 ");
    }
}

static void
test_no_server (void)
{
  g_autofree gchar *out = NULL;
  g_autofree gchar *err = NULL;

  g_assert_cmpint (send_to (1, "", &out, &err), ==, 75);
  g_assert_nonnull (strstr (err, "127.0.0.1:1: "));
  g_assert_nonnull (strstr (out, "c@example.net: 451 4.4.1 "));
}

static void
test_usage (void)
{
  static const gchar *const rows[] = {
    "",
    "--nonsense",
    "--from a@b.c --rcpt d@e.f x.eml",
    "--to smtp://127.0.0.1:1 --rcpt d@e.f x.eml",
    "--to smtp://127.0.0.1:1 --from a@b.c x.eml",
    "--to smtp://127.0.0.1:1 --from a@b.c --rcpt d@e.f",
    "--to smtp://127.0.0.1:1 --from a@b.c --rcpt d@e.f x.eml y.eml",
    "--to http://127.0.0.1:1 --from a@b.c --rcpt d@e.f x.eml",
    "--to smtp://127.0.0.1:1 --from 'a b@c' --rcpt d@e.f x.eml",
    "--to smtp://127.0.0.1:1 --from a@b.c --rcpt '' x.eml",
    "--to smtp://127.0.0.1:1 --from a@b.c --rcpt d@e.f --tls perhaps x.eml",
    "--to smtps://127.0.0.1:1 --from a@b.c --rcpt d@e.f --tls off x.eml",
    "--to smtp://127.0.0.1:1 --from a@b.c --rcpt d@e.f --timeout 0 x.eml",
    "--to smtp://127.0.0.1:1 --from a@b.c --rcpt d@e.f --timeout 86401 x.eml",
    "--to smtp://127.0.0.1:1 --from a@b.c --rcpt d@e.f --timeout 5y x.eml",
    "--to smtp://127.0.0.1:1 --from a@b.c --rcpt d@e.f --helo 'a b' x.eml",
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *err = NULL;

      g_test_message ("%s", rows[i]);
      g_assert_cmpint (run (rows[i], NULL, &err), ==, 64);
      g_assert_true (g_str_has_prefix (err, "mailweir send: "));
    }
}

static void
test_no_input (void)
{
  g_autofree gchar *err = NULL;

  g_assert_cmpint (
      run ("--to smtp://127.0.0.1:1 --from '<>' --rcpt d@e.f /nonexistent/x.eml", NULL, &err), ==,
      66);
  g_assert_nonnull (strstr (err, "/nonexistent/x.eml"));
}

/* Octets without end are not read without end. */
static void
test_too_large (void)
{
  g_autofree gchar *err = NULL;

  g_assert_cmpint (
      run ("--to smtp://127.0.0.1:1 --from '<>' --rcpt d@e.f - < /dev/zero", NULL, &err), ==, 65);
  g_assert_nonnull (strstr (err, "larger than 134217728 octets"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  program = argv[1];
  g_test_add_func ("/send/accepted", test_accepted);
  g_test_add_func ("/send/quiet-and-verbose", test_quiet_and_verbose);
  g_test_add_func ("/send/refused", test_refused);
  g_test_add_func ("/send/disconnected", test_disconnected);
  g_test_add_func ("/send/no-server", test_no_server);
  g_test_add_func ("/send/usage", test_usage);
  g_test_add_func ("/send/no-input", test_no_input);
  g_test_add_func ("/send/too-large", test_too_large);
  return g_test_run ();
}
