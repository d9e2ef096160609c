/* Descriptors from the service manager, by the environment of sd_listen_fds(3). Fails when the
 * variables are ours but malformed, or name a descriptor that is not open. */
#include "supervisor/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

gint
supervisor_activation_parse (const gchar *fds, const gchar *pid, GPid self, GError **error)
{
  guint64 count, owner;

  if (fds == NULL || pid == NULL)
    return 0;
  if (!g_ascii_string_to_unsigned (pid, 10, 1, G_MAXINT, &owner, NULL))
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "LISTEN_PID=%s is not a process", pid);
      return -1;
    }
  if ((GPid) owner != self)
    return 0;
  if (!g_ascii_string_to_unsigned (fds, 10, 0, SUPERVISOR_ACTIVATION_MAXIMUM, &count, NULL))
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                   "LISTEN_FDS=%s is not a number up to %d", fds, SUPERVISOR_ACTIVATION_MAXIMUM);
      return -1;
    }
  return (gint) count;
}

static gboolean
prepare (gint descriptor, GError **error)
{
  if (fcntl (descriptor, F_SETFD, FD_CLOEXEC) == 0
      && fcntl (descriptor, F_SETFL, fcntl (descriptor, F_GETFL) | O_NONBLOCK) == 0)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
               "LISTEN_FDS: descriptor %d: %s", descriptor, g_strerror (errno));
  return FALSE;
}

GArray *
supervisor_activation_take (GError **error)
{
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  const gint count = supervisor_activation_parse (g_getenv ("LISTEN_FDS"), g_getenv ("LISTEN_PID"),
                                                  getpid (), error);

  g_unsetenv ("LISTEN_FDS");
  g_unsetenv ("LISTEN_PID");
  g_unsetenv ("LISTEN_FDNAMES");
  if (count < 0)
    return NULL;
  for (gint i = 0; i < count; i++)
    {
      const gint descriptor = SUPERVISOR_ACTIVATION_FIRST + i;

      if (!prepare (descriptor, error))
        return NULL;
      g_array_append_val (descriptors, descriptor);
    }
  return g_steal_pointer (&descriptors);
}
