/* Requests that go from a loop without a free worker to one that has some. Nothing here can fail: a
 * loop that has none after all keeps them in its own queue. */
#include "net/workers-private.h"

static void
task_guest (NetLoop *loop, gpointer data)
{
  NetRequest *request = data;

  if (loop->workers != NULL)
    {
      net_workers_enqueue (loop->workers, request, FALSE);
      net_request_unref (request);
      return;
    }
  net_request_tell (request, loop, net_request_tell_refused, NULL, "no worker");
  net_request_unref (request);
}

/* The loop that can serve a request soonest; NULL: none better than ourselves. Other loops'
 * counters may be a moment old. */
static NetLoop *
find_host (const NetWorkers *workers)
{
  NetLoop *best = NULL;
  gint64 least = G_MAXINT64, load;

  for (guint i = 0; i < workers->loop->n_peers; i++)
    {
      NetLoop *peer = workers->loop->peers[i];
      if (peer == workers->loop || net_counter_get (&peer->counters.workers_now) == 0)
        continue;
      load = (gint64) net_counter_get (&peer->counters.worker_queue)
             - (gint64) net_counter_get (&peer->counters.workers_idle);
      /* With workers of our own, waiting for them is as good as waiting elsewhere. */
      if (load >= least || (net_workers_count (workers) > 0 && load >= 0))
        continue;
      best = peer;
      least = load;
    }
  return best;
}

void
net_workers_pass_on (NetWorkers *workers)
{
  GList *next;

  for (GList *link = workers->queue.head; link != NULL; link = next)
    {
      NetRequest *request = link->data;
      NetLoop *host = request->home == workers->loop ? find_host (workers) : NULL;
      next = link->next;
      if (host == NULL)
        continue;
      request->place = host;
      NET_COUNT (workers->loop, worker_passed);
      net_loop_post (host, task_guest, net_workers_dequeue (workers, request));
      if (net_workers_count (workers) > 0)
        return; /* the host's counters do not know of this one yet */
    }
}
