/* Encoded requests. Only keeping the descriptors can fail. */
#include "net/request.h"

#include <fcntl.h>

#include "ipc/channel.h"
#include "ipc/codec.h"

/* Where encoding puts the descriptors; NULL: there are none. */
static GArray *
descriptors_for (const IpcRequest *source)
{
  gboolean any = source->message_descriptor >= 0;

  for (guint i = 0; source->filters != NULL && i < source->filters->len && !any; i++)
    any = g_array_index (source->filters, IpcFilterState, i).descriptor >= 0;
  return any ? g_array_new (FALSE, FALSE, sizeof (gint)) : NULL;
}

NetRequest *
net_request_new (NetLoop *home, guint32 serial, const IpcRequest *source,
                 const NetRequestEvents *events, gpointer owner)
{
  IpcRequest numbered = *source;
  NetRequest *request = g_new (NetRequest, 1);

  *request = (NetRequest){ .references = 1,
                           .home = home,
                           .events = events,
                           .owner = owner,
                           .serial = serial,
                           .made = g_get_monotonic_time () };
  numbered.serial = serial;
  request->deadline = request->made + (gint64) source->timeout * 1000;
  request->descriptors = descriptors_for (source);
  request->link.data = request;
  ipc_request_encode (&numbered, &request->bytes, request->descriptors);
  request->kind = source->message_descriptor >= 0 || net_request_size (request) > IPC_INLINE
                      ? NET_REQUEST_NO_KIND
                      : source->listener * IPC_N_HOOKS + (guint) source->hook;
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
  g_clear_pointer (&request->descriptors, g_array_unref);
  g_free (request);
}

gboolean
net_request_keep (NetRequest *request)
{
  GArray *descriptors = request->descriptors;
  guint kept = 0;

  if (descriptors == NULL)
    return TRUE;
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
net_request_tell_put_back (NetLoop *loop, gpointer data)
{
  NetRequest *request = data;

  if (request->events != NULL)
    request->events->put_back (request->owner);
  net_request_unref (request);
}

void
net_request_tell_record (const NetRequestNews *news)
{
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
}

static void
tell_end (const NetRequestNews *news, gboolean refused)
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
}

void
net_request_tell_failed (const NetRequestNews *news)
{
  tell_end (news, FALSE);
}

void
net_request_tell_refused (const NetRequestNews *news)
{
  tell_end (news, TRUE);
}

/* A task of a mailbox. */
typedef struct
{
  NetRequestNews news;
  NetRequestTell tell;
  gchar *why;
} Letter;

static void
open_letter (NetLoop *loop, gpointer data)
{
  Letter *letter = data;

  letter->tell (&letter->news);
  g_free (letter->why);
  g_free (letter);
}

void
net_request_tell (NetRequest *request, NetLoop *loop, NetRequestTell tell, IpcRecord *record,
                  const gchar *why)
{
  NetRequestNews news = { net_request_ref (request), record, why };
  Letter *letter;

  if (request->home == loop)
    {
      tell (&news);
      return;
    }
  letter = g_new0 (Letter, 1);
  letter->news = news;
  letter->tell = tell;
  letter->news.why = letter->why = g_strdup (why);
  net_loop_post (request->home, open_letter, letter);
}
