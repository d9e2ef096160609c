/* Idle connections that go to other loops: at a route's limit it is cheaper to hand one over than
 * to close it and to connect anew. One that nobody turns out to want rests where it is, or makes
 * room.
 *
 * Whoever begins to wait counts itself first and looks for idle connections then; whoever lets one
 * rest counts that first and looks for those who wait then: one of the two sees the other. Handed
 * over is only in a loop's own turn, never inside a session's call, which may still look at it. */
#include "net/pool-private.h"

#define OWN_TURNS 8 /* one of so many goes to another loop although our own sessions wait too */

/* One loop's search for a connection, on its way round the others. */
typedef struct
{
  NetHost *host;
  NetLoop *asker;
  guint32 needs;
  gboolean fresh; /* only the place of one helps */
} Wish;

static NetLoop *
next_loop (const NetLoop *loop)
{
  return loop->peers[(loop->index + 1) % loop->n_peers];
}

static gboolean
is_shared (const NetPool *pool, const NetHost *host)
{
  return pool->loop->n_peers > 1 && host->own_idle == NULL;
}

/* A take of this loop waits for the host. */
static gboolean
is_wanted (const NetPool *pool, const NetHost *host)
{
  for (const GList *link = pool->takes.head; link != NULL; link = link->next)
    {
      const NetTake *take = link->data;
      if (take->hosts == NULL && take->route == host->route && !take->tried[host->index])
        return TRUE;
    }
  return FALSE;
}

/* ---- arriving ---- */

static void
task_arrive (NetLoop *loop, gpointer data)
{
  NetUpstream *upstream = data;
  NetPool *pool = loop->pool;
  gboolean wanted = pool != NULL && is_wanted (pool, upstream->host);

  if (!wanted && upstream->hops > 1)
    {
      upstream->hops--;
      net_loop_post (next_loop (loop), task_arrive, upstream);
      return;
    }
  if (!net_upstream_attach (upstream, loop))
    return;
  upstream->weary = !wanted;
  if (pool == NULL)
    net_upstream_close (upstream);
  else if (loop->draining && !wanted)
    net_upstream_retire (upstream);
  else
    net_pool_rest (pool, upstream);
}

static void
send_off (NetPool *pool, NetUpstream *upstream, NetLoop *to, guint hops)
{
  net_pool_unlink_idle (pool, upstream);
  net_upstream_detach (upstream);
  upstream->hops = hops;
  NET_COUNT (pool->loop, upstream_handed);
  net_loop_post (to, task_arrive, upstream);
}

/* ---- asking ---- */

static gboolean
grant (NetPool *pool, const Wish *wish)
{
  NetUpstream *upstream;

  if (is_wanted (pool, wish->host))
    return FALSE;
  upstream = wish->fresh ? NULL : net_pool_find_idle (pool, wish->host, wish->needs);
  if (upstream != NULL)
    {
      send_off (pool, upstream, wish->asker, 1);
      return TRUE;
    }
  return net_pool_retire_oldest (pool, wish->host);
}

static void
task_wish (NetLoop *loop, gpointer data)
{
  Wish *wish = data;

  if (loop == wish->asker || (loop->pool != NULL && grant (loop->pool, wish)))
    g_free (wish);
  else
    net_loop_post (next_loop (loop), task_wish, wish);
}

void
net_pool_wish (NetPool *pool, const NetTake *take, NetHost *host)
{
  Wish *wish;

  if (!is_shared (pool, host) || g_atomic_int_get (&host->idle) == 0)
    return;
  wish = g_new0 (Wish, 1);
  *wish = (Wish){ host, pool->loop, take->needs, take->fresh };
  net_loop_post (next_loop (pool->loop), task_wish, wish);
}

/* ---- offering ---- */

static gint
count_own (const NetPool *pool, const NetHost *host)
{
  gint count = 0;

  for (const GList *link = pool->takes.head; link != NULL; link = link->next)
    {
      const NetTake *take = link->data;
      if (take->counted && take->hosts == NULL && take->route == host->route)
        count++;
    }
  return count;
}

gboolean
net_pool_is_due_elsewhere (NetPool *pool, const NetHost *host)
{
  if (!is_shared (pool, host) || g_atomic_int_get (&host->waiting) == 0)
    return FALSE;
  if (is_wanted (pool, host) && ++pool->own_turns % OWN_TURNS != 0)
    return FALSE;
  return g_atomic_int_get (&host->waiting) > count_own (pool, host);
}

/* One that has been round once already and was wanted by nobody makes room. */
static void
offer (NetPool *pool, NetUpstream *upstream)
{
  upstream->promised = FALSE;
  if (upstream->weary)
    {
      net_pool_unlink_idle (pool, upstream);
      net_upstream_retire (upstream);
    }
  else
    send_off (pool, upstream, next_loop (pool->loop), pool->loop->n_peers - 1);
}

void
net_pool_offer_idle (NetPool *pool)
{
  GList *next;

  for (guint i = 0; i < pool->hosts->all->len; i++)
    for (GList *link = pool->idle[i].head; link != NULL; link = next)
      {
        next = link->next;
        if (((NetUpstream *) link->data)->promised)
          offer (pool, link->data);
      }
}
