/* The handoff's arguments there and back, its limits, and its sealed bundles. */
#include "ipc/handoff.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static gint
open_null (void)
{
  const gint descriptor = open ("/dev/null", O_RDONLY);

  g_assert_cmpint (descriptor, >, 2);
  return descriptor;
}

static gboolean
is_cloexec (gint descriptor)
{
  return (fcntl (descriptor, F_GETFD) & FD_CLOEXEC) != 0;
}

static void
test_there_and_back (void)
{
  g_autoptr (IpcHandoff) handoff = ipc_handoff_new ();
  g_autoptr (IpcHandoff) parsed = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) arguments = NULL;
  const gint fds[] = { open_null (), open_null (), open_null () };

  handoff->control = fds[0];
  handoff->sources = fds[1];
  handoff->config = g_strdup ("/etc/a b.conf");
  handoff->log_format = 2;
  handoff->number = 7;
  ipc_handoff_add_listener (handoff, 3, 1, fds[2]);
  arguments = ipc_handoff_format (handoff, "mailweir", "generation");
  g_assert_cmpstr (arguments[0], ==, "mailweir");
  g_assert_cmpstr (arguments[1], ==, "generation");
  parsed = ipc_handoff_parse ((gint) g_strv_length (arguments) - 2, arguments + 2, &error);
  g_assert_no_error (error);
  g_assert_cmpint (parsed->control, ==, fds[0]);
  g_assert_cmpint (parsed->sources, ==, fds[1]);
  g_assert_cmpint (parsed->secrets, ==, -1);
  g_assert_cmpint (parsed->status, ==, -1);
  g_assert_cmpstr (parsed->config, ==, "/etc/a b.conf");
  g_assert_cmpuint (parsed->log_format, ==, 2);
  g_assert_cmpuint (parsed->number, ==, 7);
  g_assert_cmpuint (parsed->listeners->len, ==, 1);
  {
    const IpcHandoffListener *entry = &g_array_index (parsed->listeners, IpcHandoffListener, 0);

    g_assert_cmpuint (entry->listener, ==, 3);
    g_assert_cmpuint (entry->endpoint, ==, 1);
    g_assert_cmpint (entry->descriptor, ==, fds[2]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    {
      g_assert_true (is_cloexec (fds[i]));
      close (fds[i]);
    }
}

static void
test_bad_arguments (void)
{
  const gint null = open_null ();
  g_autofree gchar *good = g_strdup_printf ("%d", null);
  gchar *const lists[][6] = {
    { "--control", "2", "--sources", good, NULL },     /* a standard stream */
    { "--control", "99999", "--sources", good, NULL }, /* not open */
    { "--control", "99999999", "--sources", good, NULL },
    { "--control", "x", "--sources", good, NULL },
    { "--control", good, NULL },              /* no sources */
    { "--sources", good, NULL },              /* no control */
    { "--control", good, "--sources", NULL }, /* no value */
    { "--control", good, "--what", good, NULL },
    { "--listener", "0:0", NULL },
    { "--listener", "0:0:0:3", NULL },
    { "--listener", "-1:0:3", NULL },
    { "--number", "-1", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    {
      g_autoptr (GError) error = NULL;
      gint count = 0;

      while (lists[i][count] != NULL)
        count++;
      g_assert_null (ipc_handoff_parse (count, (gchar **) lists[i], &error));
      g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
    }
  close (null);
}

static void
test_listener_limit (void)
{
  g_autoptr (IpcHandoff) handoff = ipc_handoff_new ();
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) arguments = NULL;
  const gint null = open_null ();

  handoff->control = handoff->sources = null;
  for (guint i = 0; i <= IPC_HANDOFF_MAX_LISTENERS; i++)
    ipc_handoff_add_listener (handoff, 0, i, null);
  arguments = ipc_handoff_format (handoff, "p", NULL);
  g_assert_null (ipc_handoff_parse ((gint) g_strv_length (arguments) - 1, arguments + 1, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
  g_assert_nonnull (strstr (error->message, "too many"));
  close (null);
}

static void
test_let_through (void)
{
  const pid_t pid = fork ();
  gint status;

  if (pid == 0)
    {
      g_autoptr (IpcHandoff) handoff = ipc_handoff_new ();
      const gint kept = open_null (), dropped = open_null ();

      handoff->control = kept;
      ipc_handoff_let_through (handoff);
      _exit (!is_cloexec (kept) && is_cloexec (dropped) ? 0 : 1);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_cmpint (status, ==, 0);
}

static void
test_bundle (void)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("a\0b", 3);
  g_autoptr (GError) error = NULL;
  const gint descriptor = ipc_handoff_store ("test", bytes, &error);
  g_autoptr (GBytes) first = ipc_handoff_load (descriptor, &error);
  g_autoptr (GBytes) second = ipc_handoff_load (descriptor, &error);

  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (bytes, first));
  g_assert_true (g_bytes_equal (bytes, second));
  g_assert_true (is_cloexec (descriptor));
  g_assert_cmpint (write (descriptor, "x", 1), <, 0);
  g_assert_cmpint (ftruncate (descriptor, 0), <, 0);
  close (descriptor);
}

static void
test_unsealed_bundle (void)
{
  g_autoptr (GError) error = NULL;
  const gint descriptor = memfd_create ("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  g_assert_null (ipc_handoff_load (descriptor, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
  close (descriptor);
}

static void
test_bundle_limit (void)
{
  g_autoptr (GError) error = NULL;
  const gint descriptor = memfd_create ("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  g_assert_cmpint (ftruncate (descriptor, IPC_HANDOFF_MAX_BUNDLE + 1), ==, 0);
  g_assert_cmpint (fcntl (descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), ==,
                   0);
  g_assert_null (ipc_handoff_load (descriptor, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
  close (descriptor);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/handoff/there-and-back", test_there_and_back);
  g_test_add_func ("/handoff/bad-arguments", test_bad_arguments);
  g_test_add_func ("/handoff/listener-limit", test_listener_limit);
  g_test_add_func ("/handoff/let-through", test_let_through);
  g_test_add_func ("/handoff/bundle", test_bundle);
  g_test_add_func ("/handoff/unsealed-bundle", test_unsealed_bundle);
  g_test_add_func ("/handoff/bundle-limit", test_bundle_limit);
  return g_test_run ();
}
