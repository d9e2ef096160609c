/* One encoded request on its way to a worker, possibly of another loop. Counted references: its
 * home (the loop that asked) holds one while somebody waits for it, the loop whose worker runs or
 * queues it holds another. Bytes and descriptors are kept to the end, so that a request which was
 * not begun can be given to another worker. */
#pragma once

#include "net/workers.h"

struct _NetRequest
{
  gint references; /* atomic */
  NetLoop *home;
  /* Touched by the home's thread alone. */
  const NetRequestEvents *events; /* NULL: nobody waits any more */
  gpointer owner;
  NetLoop *place; /* the loop that it was handed to; NULL: at home */
  /* Touched by the thread of the loop that has it. */
  guint32 serial;
  guint kind; /* those of one kind take about the same time */
  gint64 made;
  gint64 deadline; /* in the queue */
  BaseBuffer bytes;
  GArray *descriptors; /* what travels along; NULL: nothing */
  gboolean queued;
  gboolean started;          /* as far as is known: a worker has it, and is at no other one */
  struct _NetWorker *worker; /* whose it is; NULL: none's */
  guint expected;            /* µs that it adds there */
  gboolean dropped;          /* nobody waits for its answer, which the worker may still give */
  GList link;
};

#define NET_REQUEST_NO_KIND G_MAXUINT /* it takes as long as its message is big */

/* `serial`: no other request that is under way has it. */
NetRequest *net_request_new (NetLoop *home, guint32 serial, const IpcRequest *request,
                             const NetRequestEvents *events, gpointer owner);
NetRequest *net_request_ref (NetRequest *request);
void net_request_unref (NetRequest *request);
/* Duplicates the descriptors, which are only borrowed from the session until net_workers_ask()
 * returns. FALSE: too many are open. */
gboolean net_request_keep (NetRequest *request);
gsize net_request_size (const NetRequest *request);

/* What happened to a request, on its way to whoever asked. */
typedef struct
{
  NetRequest *request; /* referenced */
  IpcRecord *record;   /* owned */
  const gchar *why;
} NetRequestNews;

/* In the home's thread; they take over reference and record. */
typedef void (*NetRequestTell) (const NetRequestNews *news);
void net_request_tell_record (const NetRequestNews *news);
void net_request_tell_failed (const NetRequestNews *news);
void net_request_tell_refused (const NetRequestNews *news);
/* Calls one of them: at once when `loop` is the home, else from its mailbox. Takes over the record.
 */
void net_request_tell (NetRequest *request, NetLoop *loop, NetRequestTell tell, IpcRecord *record,
                       const gchar *why);
/* The same for the request's start, as a task for the home's loop; takes over a reference. */
void net_request_tell_started (NetLoop *loop, gpointer request);
void net_request_tell_put_back (NetLoop *loop, gpointer request);
