/* Datagrams to the service manager, sd_notify(3): newline-separated assignments to the UNIX socket
 * that the environment names. Never blocks; what cannot be sent is logged and forgotten. */
#include "supervisor/notify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

gboolean
supervisor_notify_address (const gchar *text, struct sockaddr_un *address, socklen_t *length)
{
  const gsize size = strlen (text);

  if ((text[0] != '/' && text[0] != '@') || size < 2 || size >= sizeof address->sun_path)
    return FALSE;
  memset (address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy (address->sun_path, text, size);
  if (text[0] == '@')
    address->sun_path[0] = '\0';
  /* An abstract name is exactly as long as said; a path counts its NUL. */
  *length = (socklen_t) (offsetof (struct sockaddr_un, sun_path) + size + (text[0] == '/'));
  return TRUE;
}

gint64
supervisor_notify_watchdog (const gchar *usec, const gchar *pid, GPid self)
{
  guint64 interval, owner;

  if (usec == NULL || !g_ascii_string_to_unsigned (usec, 10, 1, G_MAXINT64, &interval, NULL))
    return 0;
  if (pid != NULL
      && (!g_ascii_string_to_unsigned (pid, 10, 1, G_MAXINT, &owner, NULL) || (GPid) owner != self))
    return 0;
  return (gint64) interval;
}

void
supervisor_notify_init (SupervisorNotify *notify)
{
  const gchar *socket_name = g_getenv ("NOTIFY_SOCKET");

  memset (notify, 0, sizeof *notify);
  notify->descriptor = -1;
  notify->watchdog = supervisor_notify_watchdog (g_getenv ("WATCHDOG_USEC"),
                                                 g_getenv ("WATCHDOG_PID"), getpid ());
  if (socket_name != NULL
      && supervisor_notify_address (socket_name, &notify->address, &notify->length))
    notify->descriptor = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  else if (socket_name != NULL)
    base_log (BASE_LOG_WARNING, "NOTIFY_SOCKET=%s is neither a path nor an abstract name",
              socket_name);
  g_unsetenv ("NOTIFY_SOCKET");
  g_unsetenv ("WATCHDOG_USEC");
  g_unsetenv ("WATCHDOG_PID");
}

void
supervisor_notify_finish (SupervisorNotify *notify)
{
  if (notify->descriptor >= 0)
    close (notify->descriptor);
  notify->descriptor = -1;
}

void
supervisor_notify_send (const SupervisorNotify *notify, const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list arguments;

  if (notify->descriptor < 0)
    return;
  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (sendto (notify->descriptor, text, strlen (text), MSG_NOSIGNAL,
              (const struct sockaddr *) &notify->address, notify->length)
      < 0)
    base_log (BASE_LOG_WARNING, "the service manager was not told: %s", g_strerror (errno));
}

void
supervisor_notify_reloading (const SupervisorNotify *notify)
{
  supervisor_notify_send (notify, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT,
                          g_get_monotonic_time ());
}
