/* Encoded requests. Only keeping the descriptors can fail. */
#include "net/request.h"

#include <fcntl.h>

#include "ipc/codec.h"

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
  request->kind = source->message_descriptor >= 0
                      ? NET_REQUEST_NO_KIND
                      : source->listener * IPC_N_HOOKS + (guint) source->hook;
  request->made = g_get_monotonic_time ();
  request->deadline = request->made + (gint64) source->timeout * 1000;
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
net_request_unref (NetRequest *request)
{
  if (!g_atomic_int_dec_and_test (&request->references))
    return;
  base_buffer_clear (&request->bytes);
  ipc_descriptors_close (request->descriptors);
  g_array_unref (request->descriptors);
  g_free (request);
}

gboolean
net_request_keep (NetRequest *request)
{
  GArray *descriptors = request->descriptors;
  guint kept = 0;

  for (; kept < descriptors->len; kept++)
    {
      gint *descriptor = &g_array_index (descriptors, gint, kept);
      gint copy = fcntl (*descriptor, F_DUPFD_CLOEXEC, 3);
      if (copy < 0)
        break;
      *descriptor = copy;
    }
  if (kept == descriptors->len)
    return TRUE;
  g_array_set_size (descriptors, kept); /* the others are the session's */
  return FALSE;
}

gsize
net_request_size (const NetRequest *request)
{
  return base_buffer_length (&request->bytes);
}

/* ---- events towards whoever asked ---- */

/* The request's owner is told nothing any more; its reference goes. */
static gpointer
release_owner (NetRequest *request)
{
  request->events = NULL;
  net_request_unref (request);
  return request->owner;
}

void
net_request_tell_started (NetLoop *loop, gpointer data)
{
  NetRequest *request = data;

  if (request->events != NULL)
    request->events->started (request->owner);
  net_request_unref (request);
}

void
net_request_tell_record (NetLoop *loop, gpointer data)
{
  NetRequestNews *news = data;
  const NetRequestEvents *events = news->request->events;
  gpointer owner = news->request->owner;

  if (events != NULL)
    {
      if (news->record->last)
        release_owner (news->request);
      events->record (owner, news->record);
    }
  ipc_record_free (news->record);
  net_request_unref (news->request);
  g_free (news);
}

static void
tell_end (NetRequestNews *news, gboolean refused)
{
  const NetRequestEvents *events = news->request->events;

  if (events != NULL)
    {
      gpointer owner = release_owner (news->request);
      if (refused)
        events->refused (owner, news->why);
      else
        events->failed (owner, news->why);
    }
  net_request_unref (news->request);
  g_free (news->why);
  g_free (news);
}

void
net_request_tell_failed (NetLoop *loop, gpointer data)
{
  tell_end (data, FALSE);
}

void
net_request_tell_refused (NetLoop *loop, gpointer data)
{
  tell_end (data, TRUE);
}

/* At once when the request is at home, else in the mailbox of the loop that asked. */
void
net_request_tell (NetRequest *request, NetLoop *loop, NetTask task, IpcRecord *record,
                  const gchar *why)
{
  NetRequestNews *news = g_new0 (NetRequestNews, 1);

  news->request = net_request_ref (request);
  news->record = record;
  news->why = g_strdup (why);
  if (request->home == loop)
    task (loop, news);
  else
    net_loop_post (request->home, task, news);
}
