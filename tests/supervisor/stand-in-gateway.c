/* A gateway for tests of the processes alone: it speaks the control protocol as the real one does,
 * and no SMTP. Whoever connects reads "generation NUMBER pid PID worker PID\n" and counts as an
 * open transaction until he hangs up; one who sent "stubborn" outlasts a hurry. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/control.h"
#include "ipc/handoff.h"

#define MAX_CLIENTS 16

typedef struct
{
  IpcHandoff *handoff;
  gint clients[MAX_CLIENTS]; /* -1: free */
  gboolean draining, hurried, stubborn;
  guint worker; /* pid of the one we got */
} StandIn;

static void
say (StandIn *self, IpcControlKind kind)
{
  g_autoptr (IpcControl) control = ipc_control_new (kind);

  if (!ipc_control_send (self->handoff->control, control, NULL))
    _exit (3);
}

static void
obey (StandIn *self, IpcControl *control)
{
  switch (control->kind)
    {
    case IPC_CONTROL_FILTERS:
      say (self, IPC_CONTROL_WANT);
      break;
    case IPC_CONTROL_WORKER:
      self->worker = control->pid;
      /* Kept open for as long as we live: that is what a worker lives by. */
      control->descriptors[0] = control->descriptors[2] = -1;
      say (self, IPC_CONTROL_READY);
      break;
    case IPC_CONTROL_DRAIN:
      self->draining = TRUE;
      break;
    case IPC_CONTROL_HURRY:
      self->draining = self->hurried = TRUE;
      break;
    default:
      break;
    }
}

static void
listen_to_parent (StandIn *self)
{
  gboolean closed = FALSE;

  while (!closed)
    {
      g_autoptr (IpcControl) control = ipc_control_receive (self->handoff->control, &closed, NULL);

      if (control != NULL)
        obey (self, control);
      else
        break;
    }
  if (closed)
    self->draining = self->hurried = TRUE;
}

static void
greet (StandIn *self, gint listener)
{
  const gint client = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);

  for (guint i = 0; client >= 0 && i < MAX_CLIENTS; i++)
    if (self->clients[i] < 0)
      {
        self->clients[i] = client;
        dprintf (client, "generation %u pid %d worker %u\n", self->handoff->number, getpid (),
                 self->worker);
        return;
      }
}

static void
hear (StandIn *self, guint index)
{
  gchar bytes[64] = "";
  const gssize n = recv (self->clients[index], bytes, sizeof bytes - 1, 0);

  if (n > 0)
    {
      self->stubborn = self->stubborn || strstr (bytes, "stubborn") != NULL;
      dprintf (self->clients[index], "ok\n");
      return;
    }
  close (self->clients[index]);
  self->clients[index] = -1;
}

static gboolean
may_end (const StandIn *self)
{
  if (self->hurried && !self->stubborn)
    return TRUE;
  for (guint i = 0; i < MAX_CLIENTS; i++)
    if (self->clients[i] >= 0)
      return FALSE;
  return self->draining;
}

static void
step (StandIn *self)
{
  const GArray *listeners = self->handoff->listeners;
  struct pollfd fds[MAX_CLIENTS + 2];

  for (guint i = 0; i < MAX_CLIENTS; i++)
    fds[i] = (struct pollfd){ .fd = self->clients[i], .events = POLLIN };
  fds[MAX_CLIENTS]
      = (struct pollfd){ .fd = self->hurried ? -1 : self->handoff->control, .events = POLLIN };
  fds[MAX_CLIENTS + 1] = (struct pollfd){
    .fd = self->draining ? -1 : g_array_index (listeners, IpcHandoffListener, 0).descriptor,
    .events = POLLIN
  };
  if (poll (fds, G_N_ELEMENTS (fds), -1) < 0)
    return;
  for (guint i = 0; i < MAX_CLIENTS; i++)
    if (fds[i].revents != 0)
      hear (self, i);
  if (fds[MAX_CLIENTS].revents != 0)
    listen_to_parent (self);
  if (fds[MAX_CLIENTS + 1].revents != 0 && self->worker != 0)
    greet (self, fds[MAX_CLIENTS + 1].fd);
}

int
main (int argc, char **argv)
{
  StandIn self = { 0 };

  signal (SIGPIPE, SIG_IGN);
  self.handoff = ipc_handoff_parse (argc - 1, argv + 1, NULL);
  if (self.handoff == NULL || self.handoff->listeners->len == 0)
    return 2;
  for (guint i = 0; i < MAX_CLIENTS; i++)
    self.clients[i] = -1;
  while (!may_end (&self))
    {
      step (&self);
      if (self.draining)
        for (guint i = 0; i < self.handoff->listeners->len; i++)
          {
            IpcHandoffListener *entry
                = &g_array_index (self.handoff->listeners, IpcHandoffListener, i);

            if (entry->descriptor >= 0)
              close (entry->descriptor);
            entry->descriptor = -1;
          }
    }
  ipc_handoff_free (self.handoff);
  return 0;
}
