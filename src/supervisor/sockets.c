/* Binding, keeping and closing listening sockets, by the address as the configuration writes it.
 * Fails with the address and the system's reason. */
#include "supervisor/sockets.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 4096       /* the kernel cuts it to net.core.somaxconn */
#define LISTENER_MODE 0666 /* like a port of loopback: any local program may connect */
#define STATUS_MODE 0660

typedef struct
{
  gchar *name; /* see key_of() */
  gint descriptor;
  gboolean ours; /* bound by us: a UNIX socket's file is removed with it */
} Socket;

struct _SupervisorSockets
{
  GPtrArray *list; /* of Socket */
};

static void
socket_free (gpointer data)
{
  Socket *entry = data;

  close (entry->descriptor);
  if (entry->ours && entry->name[0] == '/')
    (void) unlink (entry->name);
  g_free (entry->name);
  g_free (entry);
}

SupervisorSockets *
supervisor_sockets_new (void)
{
  SupervisorSockets *sockets = g_new0 (SupervisorSockets, 1);

  sockets->list = g_ptr_array_new_with_free_func (socket_free);
  return sockets;
}

void
supervisor_sockets_free (SupervisorSockets *sockets)
{
  if (sockets == NULL)
    return;
  g_ptr_array_unref (sockets->list);
  g_free (sockets);
}

static void
add (SupervisorSockets *sockets, const gchar *name, gint descriptor, gboolean ours)
{
  Socket *entry = g_new0 (Socket, 1);

  entry->name = g_strdup (name);
  entry->descriptor = descriptor;
  entry->ours = ours;
  g_ptr_array_add (sockets->list, entry);
}

/* -1: none of that name. */
static gint
find (const SupervisorSockets *sockets, const gchar *name)
{
  for (guint i = 0; i < sockets->list->len; i++)
    {
      const Socket *entry = g_ptr_array_index (sockets->list, i);

      if (g_str_equal (entry->name, name))
        return entry->descriptor;
    }
  return -1;
}

static gboolean
get_name (gint descriptor, BaseEndpoint *endpoint)
{
  memset (endpoint, 0, sizeof *endpoint);
  endpoint->length = sizeof endpoint->address;
  return getsockname (descriptor, &endpoint->address.any, &endpoint->length) == 0;
}

gboolean
supervisor_sockets_adopt (SupervisorSockets *sockets, gint descriptor, GError **error)
{
  BaseEndpoint endpoint;
  g_autofree gchar *name = NULL;
  gint type = 0, listening = 0;
  socklen_t size = sizeof type;

  if (getsockopt (descriptor, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM
      || getsockopt (descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening
      || !get_name (descriptor, &endpoint))
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                   "descriptor %d is not a listening stream socket", descriptor);
      close (descriptor);
      return FALSE;
    }
  name = base_endpoint_to_string (&endpoint);
  add (sockets, name, descriptor, FALSE);
  return TRUE;
}

/* A socket file that nobody listens on is left over from a process that was killed. */
static void
remove_stale (const BaseEndpoint *endpoint)
{
  const gint probe = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct stat status;

  if (probe < 0)
    return;
  if (connect (probe, &endpoint->address.any, endpoint->length) < 0 && errno == ECONNREFUSED
      && lstat (endpoint->address.un.sun_path, &status) == 0 && S_ISSOCK (status.st_mode))
    (void) unlink (endpoint->address.un.sun_path);
  close (probe);
}

static gboolean
bind_unix (gint descriptor, const BaseEndpoint *endpoint, mode_t mode,
           const SupervisorIdentity *identity)
{
  const gchar *path = endpoint->address.un.sun_path;
  const mode_t mask = umask (0177);
  const gboolean bound = bind (descriptor, &endpoint->address.any, endpoint->length) == 0;

  umask (mask);
  if (!bound)
    return FALSE;
  /* In this order: the mode of somebody else's file takes one more capability. */
  if (chmod (path, mode) < 0)
    return FALSE;
  return !identity->change || chown (path, identity->uid, identity->gid) == 0;
}

static gboolean
bind_address (gint descriptor, const BaseEndpoint *endpoint)
{
  const gint on = 1;

  (void) setsockopt (descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (endpoint->address.any.sa_family == AF_INET6)
    (void) setsockopt (descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  return bind (descriptor, &endpoint->address.any, endpoint->length) == 0;
}

static gint
open_socket (const BaseEndpoint *endpoint, mode_t mode, const SupervisorIdentity *identity)
{
  const gboolean local = endpoint->address.any.sa_family == AF_UNIX;
  const gint descriptor
      = socket (endpoint->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  if (descriptor < 0)
    return -1;
  if (local)
    remove_stale (endpoint);
  if ((local ? bind_unix (descriptor, endpoint, mode, identity)
             : bind_address (descriptor, endpoint))
      && listen (descriptor, BACKLOG) == 0)
    return descriptor;
  {
    const gint saved = errno;

    close (descriptor);
    errno = saved;
  }
  return -1;
}

/* One socket that a plan names. */
typedef struct
{
  gchar *name; /* what it is known by: its address; port 0 is another one each time */
  BaseEndpoint endpoint;
  const ConfigPlace *place;
  const ConfigListener *listener; /* NULL: the status socket */
  guint index;                    /* of the listener's endpoints */
} Want;

static void
want_clear (gpointer data)
{
  g_free (((Want *) data)->name);
}

static void
append_want (GArray *wants, const ConfigListener *listener, guint index)
{
  Want want = { .endpoint = listener->endpoints[index],
                .place = config_block_place_of_item (listener->block, "bind", index),
                .listener = listener,
                .index = index };
  g_autofree gchar *address = base_endpoint_to_string (&want.endpoint);

  if (want.endpoint.address.any.sa_family != AF_UNIX && base_endpoint_port (&want.endpoint) == 0)
    want.name = g_strdup_printf ("%s (%s, %u)", address, listener->name, index);
  else
    want.name = g_steal_pointer (&address);
  g_array_append_val (wants, want);
}

static void
append_status (GArray *wants, const Config *config)
{
  Want want = { .place = config_block_place_of (config->tree, "status-socket") };

  /* The configuration has made sure that it is an absolute path and fits. */
  if (config->status_socket == NULL
      || !base_endpoint_parse (config->status_socket, &want.endpoint, NULL))
    return;
  want.name = g_strdup (config->status_socket);
  g_array_append_val (wants, want);
}

static GArray *
wants_of (const SupervisorPlan *plan)
{
  GArray *wants = g_array_new (FALSE, FALSE, sizeof (Want));

  g_array_set_clear_func (wants, want_clear);
  if (plan == NULL)
    return wants;
  for (guint i = 0; i < plan->config->listeners->len; i++)
    {
      const ConfigListener *listener = g_ptr_array_index (plan->config->listeners, i);

      for (guint j = 0; j < listener->n_endpoints; j++)
        append_want (wants, listener, j);
    }
  append_status (wants, plan->config);
  return wants;
}

static void
satisfy (SupervisorSockets *sockets, const Want *want, const SupervisorIdentity *identity,
         ConfigErrors *errors)
{
  const mode_t mode = want->listener == NULL ? STATUS_MODE : LISTENER_MODE;
  gint descriptor;

  if (find (sockets, want->name) >= 0)
    return;
  descriptor = open_socket (&want->endpoint, mode, identity);
  if (descriptor >= 0)
    add (sockets, want->name, descriptor, TRUE);
  else
    config_errors_add (errors, want->place, "cannot listen on %s: %s", want->name,
                       g_strerror (errno));
}

gboolean
supervisor_sockets_bind (SupervisorSockets *sockets, const SupervisorPlan *plan,
                         ConfigErrors *errors)
{
  g_autoptr (GArray) wants = wants_of (plan);
  const guint before = config_errors_count (errors);

  for (guint i = 0; i < wants->len; i++)
    satisfy (sockets, &g_array_index (wants, Want, i), &plan->identity, errors);
  return config_errors_count (errors) == before;
}

static gboolean
is_wanted (const GArray *wants, const gchar *name)
{
  for (guint i = 0; i < wants->len; i++)
    if (g_str_equal (g_array_index (wants, Want, i).name, name))
      return TRUE;
  return FALSE;
}

void
supervisor_sockets_retain (SupervisorSockets *sockets, const SupervisorPlan *a,
                           const SupervisorPlan *b, void (*dropped) (const gchar *name))
{
  g_autoptr (GArray) wants_a = wants_of (a);
  g_autoptr (GArray) wants_b = wants_of (b);

  for (guint i = sockets->list->len; i > 0; i--)
    {
      const Socket *entry = g_ptr_array_index (sockets->list, i - 1);

      if (is_wanted (wants_a, entry->name) || is_wanted (wants_b, entry->name))
        continue;
      if (dropped != NULL)
        dropped (entry->name);
      g_ptr_array_remove_index (sockets->list, i - 1);
    }
}

void
supervisor_sockets_hand (const SupervisorSockets *sockets, const SupervisorPlan *plan,
                         IpcHandoff *handoff)
{
  g_autoptr (GArray) wants = wants_of (plan);

  for (guint i = 0; i < wants->len; i++)
    {
      const Want *want = &g_array_index (wants, Want, i);
      const gint descriptor = find (sockets, want->name);

      if (want->listener == NULL)
        handoff->status = descriptor;
      else
        ipc_handoff_add_listener (handoff, want->listener->index, want->index, descriptor);
    }
}

gchar *
supervisor_sockets_describe (const SupervisorSockets *sockets, const SupervisorPlan *plan)
{
  g_autoptr (GArray) wants = wants_of (plan);
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < wants->len; i++)
    {
      const Want *want = &g_array_index (wants, Want, i);
      BaseEndpoint endpoint = want->endpoint;
      g_autofree gchar *address = NULL;

      if (want->listener == NULL)
        continue;
      (void) get_name (find (sockets, want->name), &endpoint);
      address = base_endpoint_to_string (&endpoint);
      g_string_append_printf (text, "%s%s (%s)", text->len == 0 ? "" : ", ", address,
                              want->listener->name);
    }
  return g_string_free (text, FALSE);
}
