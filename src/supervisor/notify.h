/* Telling the service manager how we are: the datagrams of sd_notify(3), written by hand.
 *
 * Without $NOTIFY_SOCKET nothing is sent. A manager that does not listen is a warning, never a
 * failure of ours. */
#pragma once

#include <glib.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef struct
{
  gint descriptor; /* -1: nobody to tell */
  struct sockaddr_un address;
  socklen_t length;
  gint64 watchdog; /* microseconds between two signs of life that the manager waits; 0: no watch */
} SupervisorNotify;

/* "/path" or "@abstract" (the forms of $NOTIFY_SOCKET). FALSE: neither, or too long. */
gboolean supervisor_notify_address (const gchar *text, struct sockaddr_un *address,
                                    socklen_t *length);
/* The microseconds of $WATCHDOG_USEC when $WATCHDOG_PID is absent or names `self`, else 0. Both may
 * be NULL. */
gint64 supervisor_notify_watchdog (const gchar *usec, const gchar *pid, GPid self);

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and removes them from the environment, so
 * that no child speaks in our name. */
void supervisor_notify_init (SupervisorNotify *notify);
void supervisor_notify_finish (SupervisorNotify *notify);
/* Sends lines such as "READY=1\nSTATUS=…". */
void supervisor_notify_send (const SupervisorNotify *notify, const gchar *format, ...)
    G_GNUC_PRINTF (2, 3);
/* "RELOADING=1" with the monotonic time that it needs. */
void supervisor_notify_reloading (const SupervisorNotify *notify);
