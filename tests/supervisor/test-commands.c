/* The command line as a user meets it: exit statuses and words. Runs the executable that MAILWEIR
 * names. */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "commands/status-table.h"

/* Runs `mailweir` with the words of `line`. Returns the exit status; the texts are the caller's. */
static gint
mailweir (const gchar *line, gchar **out, gchar **errors)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *whole = g_strdup_printf ("%s %s", g_getenv ("MAILWEIR"), line);
  gint status = 0;

  g_spawn_command_line_sync (whole, out, errors, &status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static void
expect (const gchar *line, gint code, const gchar *in_out, const gchar *in_errors)
{
  g_autofree gchar *out = NULL;
  g_autofree gchar *errors = NULL;
  const gint status = mailweir (line, &out, &errors);

  g_test_message ("%s: %s%s", line, out, errors);
  g_assert_cmpint (status, ==, code);
  g_assert_nonnull (strstr (out, in_out));
  g_assert_nonnull (strstr (errors, in_errors));
}

static void
test_usage (void)
{
  expect ("--version", 0, "mailweir ", "");
  expect ("--help", 0, "status", "");
  expect ("", 64, "", "Usage:");
  expect ("chekc", 64, "", "did you mean \"check\"?");
  expect ("qqqqqqqqqq", 64, "", "unknown command \"qqqqqqqqqq\"");
  expect ("run --frobnicate", 64, "", "--frobnicate");
  expect ("check extra", 64, "", "extra");
  expect ("status --socket", 64, "", "mailweir status");
  expect ("generation", 64, "", "--control");
  expect ("generation --control 1", 64, "", "--control 1");
}

static void
test_check (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *folder = g_dir_make_tmp ("mailweir-XXXXXX", &error);
  g_autofree gchar *path = g_build_filename (folder, "test.conf", NULL);
  g_autofree gchar *line = g_strdup_printf ("check -c %s", path);

  g_file_set_contents (path,
                       "listener \"l\" { bind = \"127.0.0.1:2525\" routes = [\"r\"] }\n"
                       "route \"r\" { to = \"discard:\" }\n",
                       -1, NULL);
  expect (line, 0, "test.conf: ok", "");
  g_file_set_contents (path,
                       "listener \"l\" { bind = \"127.0.0.1:2525\" routes = [\"r\"] "
                       "filters = [\"f\"] }\n"
                       "route \"r\" { to = \"discard:\" }\n"
                       "filter \"f\" { module = \"no-such-module\" }\n",
                       -1, NULL);
  expect (line, 78, "", "test.conf:3:");
  g_file_set_contents (path, "hostnam = \"x\"\nworkers-max = true\n", -1, NULL);
  expect (line, 78, "", "test.conf:1:1:");
  expect (line, 78, "", "test.conf:2:");
  /* Modules are asked although something else is wrong; what both readers find is told once. */
  g_file_set_contents (path,
                       "hostnam = \"x\"\n"
                       "listener \"l\" { bind = \"127.0.0.1:2525\" routes = [\"r\"] "
                       "filters = [\"f\"] }\n"
                       "route \"r\" { to = \"discard:\" }\n"
                       "filter \"f\" { module = \"headers\" timeout = 5x ad = \"X: y\" }\n",
                       -1, NULL);
  expect (line, 78, "", "test.conf:1:1: ");
  expect (line, 78, "", "unknown option \"ad\" in filter \"f\"; did you mean \"add\"?");
  g_autofree gchar *out = NULL;
  g_autofree gchar *errors = NULL;
  mailweir (line, &out, &errors);
  const gchar *first = strstr (errors, "test.conf:4:43: option \"timeout\"");
  g_assert_nonnull (first);
  g_assert_null (strstr (first + strlen ("test.conf:4:43: option"), "option \"timeout\""));
  g_unlink (path);
  expect (line, 78, "", "test.conf");
  g_rmdir (folder);
}

static void
test_status (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *folder = g_dir_make_tmp ("mailweir-XXXXXX", &error);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  const gint listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_autofree gchar *path = g_build_filename (folder, "status", NULL);
  g_autofree gchar *line = g_strdup_printf ("status --socket %s", path);
  g_autofree gchar *json = g_strdup_printf ("status --json --socket %s", path);

  expect (line, 69, "", path);
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (bind (listener, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (listener, 5), ==, 0);
  for (guint i = 0; i < 2; i++)
    {
      const pid_t pid = fork ();
      gint status;

      if (pid == 0)
        {
          const gint client = accept (listener, NULL, NULL);

          _exit (write (client, "{\"workers\":{\"now\":3}}\n", 22) == 22 ? 0 : 1);
        }
      if (i == 0)
        expect (line, 0, "workers.now  3\n", "");
      else
        expect (json, 0, "{\"workers\":{\"now\":3}}\n", "");
      g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
      g_assert_cmpint (status, ==, 0);
    }
  close (listener);
  expect (line, 69, "", "refused");
  g_unlink (path);
  g_rmdir (folder);
}

static void
test_table (void)
{
  g_autofree gchar *table = command_status_table (
      " {\"a\" : 1, \"long\":{\"x\":\"y z\",\"l\":[true, {\"q\":-1.5e3}, []]}, \"e\":{}} \n");

  g_assert_cmpstr (table, ==,
                   "a           1\n"
                   "long.x      y z\n"
                   "long.l.0    true\n"
                   "long.l.1.q  -1.5e3\n");
}

static void
test_table_rejects (void)
{
  static const gchar *const bad[] = {
    "",           "x",          "[1]",     "{",          "{\"a\"}",      "{\"a\":}", "{\"a\":1",
    "{\"a\":1}x", "{\"a\":1,}", "{\"a:1}", "{\"a\":\"b", "{\"a\":\"b\\", "{a:1}",    "{\"a\":[1 2]}"
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree gchar *table = command_status_table (bad[i]);

      g_assert_null (table);
    }
}

static void
test_table_depth (void)
{
  g_autofree gchar *deepest = command_status_table ("{\"a\":[[[[[[[1]]]]]]]}");
  g_autofree gchar *deeper = command_status_table ("{\"a\":[[[[[[[[1]]]]]]]]}");

  g_assert_nonnull (deepest);
  g_assert_null (deeper);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/commands/table", test_table);
  g_test_add_func ("/commands/table-rejects", test_table_rejects);
  g_test_add_func ("/commands/table-depth", test_table_depth);
  g_test_add_func ("/commands/usage", test_usage);
  g_test_add_func ("/commands/check", test_check);
  g_test_add_func ("/commands/status", test_status);
  return g_test_run ();
}
