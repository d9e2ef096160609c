/* Encoded requests. Only keeping the descriptors can fail. */
#include "net/request.h"

#include <fcntl.h>
#include <unistd.h>

NetRequest *
net_request_new (NetLoop *home, const IpcRequest *source, const NetRequestEvents *events,
                 gpointer owner)
{
  NetRequest *request = g_new0 (NetRequest, 1);

  request->references = 1;
  request->home = home;
  request->events = events;
  request->owner = owner;
  request->serial = source->serial;
  request->deadline = g_get_monotonic_time () + (gint64) source->timeout * 1000;
  request->descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  request->link.data = request;
  ipc_request_encode (source, &request->bytes, request->descriptors);
  return request;
}

NetRequest *
net_request_ref (NetRequest *request)
{
  g_atomic_int_inc (&request->references);
  return request;
}

void
net_request_drop_payload (NetRequest *request)
{
  base_buffer_clear (&request->bytes);
  if (request->descriptors == NULL)
    return;
  for (guint i = 0; request->kept && i < request->descriptors->len; i++)
    close (g_array_index (request->descriptors, gint, i));
  g_clear_pointer (&request->descriptors, g_array_unref);
}

void
net_request_unref (NetRequest *request)
{
  if (!g_atomic_int_dec_and_test (&request->references))
    return;
  net_request_drop_payload (request);
  g_free (request);
}

gboolean
net_request_keep (NetRequest *request)
{
  GArray *borrowed = request->descriptors;

  request->descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  request->kept = TRUE;
  for (guint i = 0; i < borrowed->len; i++)
    {
      gint copy = fcntl (g_array_index (borrowed, gint, i), F_DUPFD_CLOEXEC, 3);
      if (copy < 0)
        break;
      g_array_append_val (request->descriptors, copy);
    }
  if (request->descriptors->len == borrowed->len)
    {
      g_array_unref (borrowed);
      return TRUE;
    }
  g_array_unref (borrowed);
  return FALSE;
}

gsize
net_request_size (const NetRequest *request)
{
  return base_buffer_length (&request->bytes);
}
