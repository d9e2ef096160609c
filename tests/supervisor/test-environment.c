/* What comes from the service manager's environment, and the arithmetic of waiting: notification,
 * socket activation, log format, back-off. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "supervisor/activation.h"
#include "supervisor/backoff.h"
#include "supervisor/notify.h"
#include "supervisor/plan.h"

static gint
receiver (const gchar *name)
{
  const gint descriptor = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct sockaddr_un address;
  socklen_t length;

  g_assert_true (supervisor_notify_address (name, &address, &length));
  g_assert_cmpint (bind (descriptor, (struct sockaddr *) &address, length), ==, 0);
  return descriptor;
}

static void
expect_datagram (gint descriptor, const gchar *text)
{
  gchar bytes[256] = "";
  const gssize n = recv (descriptor, bytes, sizeof bytes - 1, 0);

  g_assert_cmpint (n, ==, strlen (text));
  g_assert_cmpstr (bytes, ==, text);
}

static void
notify_through (const gchar *name)
{
  const gint descriptor = receiver (name);
  SupervisorNotify notify;
  gchar bytes[256] = "";

  g_setenv ("NOTIFY_SOCKET", name, TRUE);
  g_unsetenv ("WATCHDOG_USEC");
  supervisor_notify_init (&notify);
  g_assert_null (g_getenv ("NOTIFY_SOCKET"));
  supervisor_notify_send (&notify, "READY=1\nSTATUS=%s", "at work");
  expect_datagram (descriptor, "READY=1\nSTATUS=at work");
  supervisor_notify_reloading (&notify);
  g_assert_cmpint (recv (descriptor, bytes, sizeof bytes - 1, 0), >, 0);
  g_assert_true (g_str_has_prefix (bytes, "RELOADING=1\nMONOTONIC_USEC="));
  supervisor_notify_finish (&notify);
  close (descriptor);
}

static void
test_notify (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *folder = g_dir_make_tmp ("mailweir-XXXXXX", &error);
  g_autofree gchar *path = g_build_filename (folder, "notify", NULL);
  g_autofree gchar *abstract = g_strdup_printf ("@mailweir-test-%d", getpid ());

  notify_through (path);
  notify_through (abstract);
  g_unlink (path);
  g_rmdir (folder);
}

static void
test_notify_absent (void)
{
  SupervisorNotify notify;

  g_unsetenv ("NOTIFY_SOCKET");
  supervisor_notify_init (&notify);
  g_assert_cmpint (notify.descriptor, ==, -1);
  supervisor_notify_send (&notify, "READY=1");
  supervisor_notify_finish (&notify);
}

static void
test_notify_address (void)
{
  struct sockaddr_un address;
  socklen_t length;
  g_autofree gchar *longest = g_strnfill (sizeof address.sun_path, 'x');

  longest[0] = '/';
  g_assert_false (supervisor_notify_address (longest, &address, &length));
  longest[sizeof address.sun_path - 1] = '\0';
  g_assert_true (supervisor_notify_address (longest, &address, &length));
  g_assert_false (supervisor_notify_address ("relative", &address, &length));
  g_assert_false (supervisor_notify_address ("", &address, &length));
  g_assert_false (supervisor_notify_address ("@", &address, &length));
  g_assert_true (supervisor_notify_address ("@ab", &address, &length));
  g_assert_cmpint (length, ==, offsetof (struct sockaddr_un, sun_path) + 3);
  g_assert_cmpint (address.sun_path[0], ==, 0);
}

static void
test_watchdog (void)
{
  g_assert_cmpint (supervisor_notify_watchdog ("2000000", NULL, 5), ==, 2000000);
  g_assert_cmpint (supervisor_notify_watchdog ("2000000", "5", 5), ==, 2000000);
  g_assert_cmpint (supervisor_notify_watchdog ("2000000", "6", 5), ==, 0);
  g_assert_cmpint (supervisor_notify_watchdog ("2000000", "x", 5), ==, 0);
  g_assert_cmpint (supervisor_notify_watchdog ("0", NULL, 5), ==, 0);
  g_assert_cmpint (supervisor_notify_watchdog ("-3", NULL, 5), ==, 0);
  g_assert_cmpint (supervisor_notify_watchdog (NULL, NULL, 5), ==, 0);
}

static void
test_activation (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (supervisor_activation_parse ("2", "5", 5, &error), ==, 2);
  g_assert_cmpint (supervisor_activation_parse ("2", "6", 5, &error), ==, 0);
  g_assert_cmpint (supervisor_activation_parse (NULL, "5", 5, &error), ==, 0);
  g_assert_cmpint (supervisor_activation_parse ("2", NULL, 5, &error), ==, 0);
  g_assert_cmpint (supervisor_activation_parse ("256", "5", 5, &error), ==, 256);
  g_assert_no_error (error);
  g_assert_cmpint (supervisor_activation_parse ("257", "5", 5, &error), ==, -1);
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
  g_clear_error (&error);
  g_assert_cmpint (supervisor_activation_parse ("-1", "5", 5, &error), ==, -1);
  g_clear_error (&error);
  g_assert_cmpint (supervisor_activation_parse ("1", "me", 5, &error), ==, -1);
  g_assert_nonnull (strstr (error->message, "me"));
}

static void
test_log_format (void)
{
  g_autofree gchar *name = NULL;
  g_autofree gchar *own = NULL;
  struct stat status;
  const gint descriptor = g_file_open_tmp (NULL, &name, NULL);

  g_assert_cmpint (fstat (descriptor, &status), ==, 0);
  own = g_strdup_printf ("%ju:%ju", (uintmax_t) status.st_dev, (uintmax_t) status.st_ino);
  g_assert_cmpint (supervisor_plan_log_format (0, own, descriptor), ==, BASE_LOG_JOURNAL);
  g_assert_cmpint (supervisor_plan_log_format (1, own, descriptor), ==, BASE_LOG_TEXT);
  g_assert_cmpint (supervisor_plan_log_format (2, own, descriptor), ==, BASE_LOG_JSON);
  g_assert_cmpint (supervisor_plan_log_format (0, "1:2", descriptor), ==, BASE_LOG_TEXT);
  g_assert_cmpint (supervisor_plan_log_format (0, "nonsense", descriptor), ==, BASE_LOG_TEXT);
  g_assert_cmpint (supervisor_plan_log_format (0, NULL, descriptor), ==, BASE_LOG_TEXT);
  close (descriptor);
  g_unlink (name);
}

static void
test_backoff_workers (void)
{
  static const gint64 waits[]
      = { 0, 100000, 200000, 400000, 800000, 1600000, 3200000, 6400000, 10000000, 10000000 };
  SupervisorBackoff backoff = SUPERVISOR_BACKOFF_WORKERS;
  gint64 now = 1000;

  for (guint i = 0; i < G_N_ELEMENTS (waits); i++)
    {
      supervisor_backoff_died (&backoff, 999999, now);
      g_assert_cmpint (supervisor_backoff_wait (&backoff, now), ==, waits[i]);
      now += waits[i];
      g_assert_cmpint (supervisor_backoff_wait (&backoff, now), ==, 0);
    }
  supervisor_backoff_died (&backoff, 1000000, now);
  g_assert_cmpint (supervisor_backoff_wait (&backoff, now), ==, 0);
  supervisor_backoff_died (&backoff, 0, now);
  g_assert_cmpint (supervisor_backoff_wait (&backoff, now), ==, 100000);
}

static void
test_backoff_generations (void)
{
  SupervisorBackoff backoff = SUPERVISOR_BACKOFF_GENERATIONS;
  gint64 wait = G_USEC_PER_SEC;

  for (guint i = 0; i < 10; i++)
    {
      supervisor_backoff_died (&backoff, 0, 0);
      g_assert_cmpint (supervisor_backoff_wait (&backoff, 0), ==, wait);
      wait = MIN (2 * wait, 60 * G_USEC_PER_SEC);
    }
  supervisor_backoff_died (&backoff, G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC, 0);
  g_assert_cmpint (supervisor_backoff_wait (&backoff, 0), ==, G_USEC_PER_SEC);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/notify/send", test_notify);
  g_test_add_func ("/notify/absent", test_notify_absent);
  g_test_add_func ("/notify/address", test_notify_address);
  g_test_add_func ("/notify/watchdog", test_watchdog);
  g_test_add_func ("/activation/parse", test_activation);
  g_test_add_func ("/plan/log-format", test_log_format);
  g_test_add_func ("/backoff/workers", test_backoff_workers);
  g_test_add_func ("/backoff/generations", test_backoff_generations);
  return g_test_run ();
}
