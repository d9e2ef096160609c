/* Who the processes below the supervisor become, and the life of listening sockets. */
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "supervisor/sockets.h"

#define ROUTE "route \"none\" { to = \"discard:\" }\n"
#define LOOPBACK "listener \"one\" { bind = \"127.0.0.1:0\" routes = [\"none\"] }\n" ROUTE
#define OUTSIDE                                                                                    \
  "listener \"one\" { bind = [\"127.0.0.1:0\", \"0.0.0.0:0\"] routes = [\"none\"] relay = "        \
  "\"any\" "                                                                                       \
  "}\n" ROUTE

typedef struct
{
  gchar *folder, *config, *status;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("mailweir-XXXXXX", NULL);
  fixture->config = g_build_filename (fixture->folder, "test.conf", NULL);
  fixture->status = g_build_filename (fixture->folder, "status", NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_unlink (fixture->config);
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  g_free (fixture->folder);
  g_free (fixture->config);
  g_free (fixture->status);
}

static SupervisorPlan *
plan (Fixture *fixture, const gchar *text)
{
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  SupervisorPlan *made;

  g_file_set_contents (fixture->config, text, -1, NULL);
  made = supervisor_plan_load (fixture->config, SUPERVISOR_IDENTITY_CHECK, NULL, errors);
  g_assert_cmpstr (config_errors_nth (errors, 0), ==, NULL);
  g_assert_nonnull (made);
  return made;
}

/* `error`: part of the only error, or NULL. */
static void
resolve (const gchar *text, uid_t euid, SupervisorIdentityUse use, const gchar *error,
         SupervisorIdentity *identity)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (Config) config = NULL;

  config_sources_add (sources, "/test.conf", text);
  config = config_load (sources, "/test.conf", errors);
  g_assert_cmpstr (config_errors_nth (errors, 0), ==, NULL);
  g_assert_true (supervisor_identity_resolve (identity, config, euid, use, errors)
                 == (error == NULL));
  if (error != NULL)
    g_assert_nonnull (strstr (config_errors_nth (errors, 0), error));
}

static void
test_identity (void)
{
  SupervisorIdentity identity;

  resolve (LOOPBACK, 1000, SUPERVISOR_IDENTITY_RUN, NULL, &identity);
  g_assert_false (identity.change);
  resolve (OUTSIDE, 1000, SUPERVISOR_IDENTITY_RUN, NULL, &identity);
  resolve (LOOPBACK, 0, SUPERVISOR_IDENTITY_RUN, NULL, &identity);
  g_assert_false (identity.change);
  resolve (OUTSIDE, 0, SUPERVISOR_IDENTITY_RUN, "\"user\" must name", &identity);
  resolve ("user = \"nobody\"\n" OUTSIDE, 0, SUPERVISOR_IDENTITY_RUN, NULL, &identity);
  g_assert_true (identity.change);
  g_assert_cmpstr (identity.name, ==, "nobody");
  g_assert_cmpuint (identity.uid, !=, 0);
  supervisor_identity_clear (&identity);
  resolve ("user = \"nobody\"\n" OUTSIDE, 1000, SUPERVISOR_IDENTITY_RUN, "only root", &identity);
  resolve ("user = \"nobody\"\n" OUTSIDE, 1000, SUPERVISOR_IDENTITY_CHECK, NULL, &identity);
  resolve ("user = \"no-such-user-here\"\n" LOOPBACK, 1000, SUPERVISOR_IDENTITY_CHECK,
           "/test.conf:1:8: there is no user", &identity);
}

static void
test_retain (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *text = g_strdup_printf ("status-socket = \"%s\"\n" LOOPBACK, fixture->status);
  g_autoptr (SupervisorPlan) with = plan (fixture, text);
  g_autoptr (SupervisorPlan) without = plan (fixture, LOOPBACK);
  g_autoptr (SupervisorSockets) sockets = supervisor_sockets_new ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (IpcHandoff) first = ipc_handoff_new ();
  g_autoptr (IpcHandoff) second = ipc_handoff_new ();
  struct stat status;

  g_assert_true (supervisor_sockets_bind (sockets, with, errors));
  supervisor_sockets_hand (sockets, with, first);
  g_assert_cmpint (stat (fixture->status, &status), ==, 0);
  g_assert_cmpuint (status.st_mode & 07777, ==, 0660);
  g_assert_cmpint (first->status, >, 2);
  g_assert_cmpuint (first->listeners->len, ==, 1);
  g_assert_true (supervisor_sockets_bind (sockets, without, errors));
  supervisor_sockets_retain (sockets, without, NULL, NULL);
  supervisor_sockets_hand (sockets, without, second);
  g_assert_cmpint (second->status, ==, -1);
  g_assert_cmpint (g_array_index (first->listeners, IpcHandoffListener, 0).descriptor, ==,
                   g_array_index (second->listeners, IpcHandoffListener, 0).descriptor);
  g_assert_cmpint (stat (fixture->status, &status), ==, -1);
}

static gint
leave_socket (const gchar *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  const gint descriptor = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (bind (descriptor, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (descriptor, 1), ==, 0);
  return descriptor;
}

/* What a killed process left is replaced; what is alive, or no socket at all, is not. */
static void
test_stale_socket (Fixture *fixture, gconstpointer data)
{
  g_autofree gchar *text = g_strdup_printf ("status-socket = \"%s\"\n" LOOPBACK, fixture->status);
  g_autoptr (SupervisorPlan) with = plan (fixture, text);
  g_autoptr (SupervisorSockets) sockets = supervisor_sockets_new ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  const gint alive = leave_socket (fixture->status);

  g_assert_false (supervisor_sockets_bind (sockets, with, errors));
  g_assert_nonnull (strstr (config_errors_nth (errors, 0), "test.conf:1:17: cannot listen on"));
  close (alive);
  g_assert_true (supervisor_sockets_bind (sockets, with, errors));
  supervisor_sockets_retain (sockets, NULL, NULL, NULL);
  g_file_set_contents (fixture->status, "precious", -1, NULL);
  g_assert_false (supervisor_sockets_bind (sockets, with, errors));
  g_assert_true (g_file_test (fixture->status, G_FILE_TEST_IS_REGULAR));
  g_unlink (fixture->status);
}

static void
test_adopt (Fixture *fixture, gconstpointer data)
{
  g_autoptr (SupervisorSockets) sockets = supervisor_sockets_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (
      supervisor_sockets_adopt (sockets, socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
  g_clear_error (&error);
  g_assert_false (
      supervisor_sockets_adopt (sockets, socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), &error));
  g_clear_error (&error);
  g_assert_false (supervisor_sockets_adopt (sockets, dup (0), &error));
}

/* An adopted UNIX socket belongs to whoever made it: its file stays. */
static void
test_adopted_file (Fixture *fixture, gconstpointer data)
{
  g_autoptr (SupervisorSockets) sockets = supervisor_sockets_new ();

  g_assert_true (supervisor_sockets_adopt (sockets, leave_socket (fixture->status), NULL));
  supervisor_sockets_retain (sockets, NULL, NULL, NULL);
  g_assert_cmpint (g_unlink (fixture->status), ==, 0);
}

#define ADD(name, function) g_test_add (name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/identity/resolve", test_identity);
  ADD ("/sockets/retain", test_retain);
  ADD ("/sockets/stale", test_stale_socket);
  ADD ("/sockets/adopt", test_adopt);
  ADD ("/sockets/adopted-file", test_adopted_file);
  return g_test_run ();
}
