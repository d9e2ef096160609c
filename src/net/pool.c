/* The pool of a loop. Failures of hosts leave as the 451 of the last one that was tried; a limit
 * that gave nothing in time as 451 4.3.2. */
#include "net/pool-private.h"

#include <string.h>

#include "base/log.h"

static const NetUpstreamEvents upstream_events;

static void advance (NetPool *pool, NetTake *take);

static NetPool *
pool_of (const NetUpstream *upstream)
{
  return upstream->loop->pool;
}

/* ---- deadlines ---- */

void
net_pool_note_deadline (NetPool *pool, gint64 deadline)
{
  if (pool->timer.deadline == 0 || deadline < pool->timer.deadline)
    net_timer_set (&pool->timer, deadline);
}

static void
on_timer (NetTimer *timer)
{
  NET_OWNER (timer, NetPool, timer)->dirty = TRUE;
}

/* ---- idle connections ---- */

NetUpstream *
net_pool_find_idle (NetPool *pool, const NetHost *host, guint32 needs)
{
  for (GList *link = net_pool_idle_queue (pool, host)->head; link != NULL; link = link->next)
    {
      NetUpstream *upstream = link->data;
      guint32 can = smtp_client_capabilities (upstream->base.client).flags;
      if (!upstream->promised && (can & needs) == needs)
        return upstream;
    }
  return NULL;
}

void
net_pool_unlink_idle (NetPool *pool, NetUpstream *upstream)
{
  g_queue_unlink (net_pool_idle_queue (pool, upstream->host), &upstream->link);
  g_atomic_int_add (&upstream->host->idle, -1);
}

gboolean
net_pool_retire_oldest (NetPool *pool, const NetHost *host)
{
  NetUpstream *upstream = g_queue_peek_tail (net_pool_idle_queue (pool, host));

  if (upstream == NULL)
    return FALSE;
  net_pool_unlink_idle (pool, upstream);
  net_upstream_retire (upstream);
  return TRUE;
}

void
net_pool_rest (NetPool *pool, NetUpstream *upstream)
{
  NetHost *host = upstream->host;

  g_queue_push_head_link (net_pool_idle_queue (pool, host), &upstream->link);
  g_atomic_int_add (&host->idle, 1);
  net_upstream_rest (upstream);
  upstream->promised = net_pool_is_due_elsewhere (pool, host);
  if (pool->takes.length > 0 || upstream->promised)
    pool->dirty = TRUE;
}

static void
rest_after_use (NetPool *pool, NetUpstream *upstream)
{
  if (upstream->base.personal)
    {
      net_upstream_retire (upstream);
      return;
    }
  upstream->until = net_loop_now (pool->loop) + upstream->host->route->keep * 1000;
  net_pool_rest (pool, upstream);
}

static void
on_spoiled (NetUpstream *upstream)
{
  net_pool_unlink_idle (pool_of (upstream), upstream);
}

guint
net_pool_idle (const NetPool *pool)
{
  guint count = net_mx_hosts_idle (pool->mx_hosts);

  for (guint i = 0; i < pool->hosts->all->len; i++)
    count += pool->idle[i].length;
  return count;
}

/* ---- between loops ---- */

static void
task_look (NetLoop *loop, gpointer data)
{
  if (loop->pool != NULL)
    loop->pool->dirty = TRUE;
}

static void
on_gone (NetUpstream *upstream)
{
  if (g_atomic_int_get (&upstream->host->waiting) > 0)
    net_loop_broadcast (upstream->loop, task_look, NULL);
  net_host_unref (upstream->host);
}

/* ---- takes ---- */

static void
count_waiting (NetPool *pool, NetTake *take, gint change)
{
  for (guint i = 0; i < net_take_size (take); i++)
    {
      NetHost *host = net_take_host (pool, take, i);
      if (host == NULL)
        continue;
      g_atomic_int_add (&host->waiting, change);
      if (change > 0)
        net_pool_wish (pool, take, host);
    }
}

void
net_pool_enqueue (NetPool *pool, NetTake *take)
{
  net_pool_note_deadline (pool, take->deadline);
  if (take->queued)
    return;
  take->queued = TRUE;
  take->link = (GList){ .data = take };
  g_queue_push_tail_link (&pool->takes, &take->link);
}

static void
dequeue (NetPool *pool, NetTake *take)
{
  if (take->queued)
    g_queue_unlink (&pool->takes, &take->link);
  if (take->counted)
    count_waiting (pool, take, -1);
  take->queued = FALSE;
  take->counted = FALSE;
}

/* The take waits for nothing any more. */
static void
finish (NetPool *pool, NetTake *take)
{
  dequeue (pool, take);
  take->active = FALSE;
  net_take_clear (take);
}

static void
fail (NetPool *pool, NetTake *take, const BaseReply *otherwise)
{
  g_autoptr (BaseReply) reply = base_reply_copy (take->reply != NULL ? take->reply : otherwise);

  finish (pool, take);
  take->failed (take, reply);
}

NetUpstream *
net_pool_connect (NetPool *pool, NetHost *host, gint64 deadline)
{
  NetUpstream *upstream
      = net_upstream_new (pool->loop, host, pool->hello, deadline, &upstream_events);

  g_queue_push_tail_link (&pool->attempts, &upstream->link);
  net_host_ref (host);
  NET_COUNT (pool->loop, upstream_connects);
  return upstream;
}

/* A host that swallows packets must leave time for those after it. */
static gint64
attempt_deadline (const NetPool *pool, const NetTake *take, gint64 now)
{
  gint64 hosts = 0;

  for (guint i = 0; i < net_take_size (take); i++)
    if (!take->tried[i] && net_take_host (pool, take, i) != NULL)
      hosts++;
  return now + MAX (take->deadline - now, 0) / MAX (hosts, 1);
}

typedef enum
{
  CHOICE_NONE,   /* all have been tried */
  CHOICE_FULL,   /* what is left has no connection free */
  CHOICE_IDLE,   /* *idle is set */
  CHOICE_CONNECT /* *host is set, its slot taken */
} Choice;

static Choice
choose_among (NetPool *pool, const NetTake *take, gboolean avoided, gint64 now, NetHost **host,
              NetUpstream **idle)
{
  Choice choice = CHOICE_NONE;

  for (guint i = 0; i < net_take_size (take); i++)
    {
      NetHost *candidate = take->tried[i] ? NULL : net_take_host (pool, take, i);
      if (candidate == NULL || net_host_is_avoided (candidate, now) != avoided)
        continue;
      *idle = take->fresh ? NULL : net_pool_find_idle (pool, candidate, take->needs);
      if (*idle != NULL)
        return CHOICE_IDLE;
      *host = candidate;
      if (net_host_take_slot (candidate))
        return CHOICE_CONNECT;
      choice = CHOICE_FULL;
    }
  return choice;
}

static Choice
choose (NetPool *pool, const NetTake *take, NetHost **host, NetUpstream **idle)
{
  gint64 now = g_get_monotonic_time ();
  Choice choice = choose_among (pool, take, FALSE, now, host, idle);

  return choice != CHOICE_NONE ? choice : choose_among (pool, take, TRUE, now, host, idle);
}

/* A fresh connection is asked for, or others' needs differ, and all slots are taken by our own idle
 * ones: one of them makes room. */
static void
make_own_room (NetPool *pool, const NetTake *take)
{
  for (guint i = 0; i < net_take_size (take); i++)
    {
      NetHost *host = net_take_host (pool, take, i);
      if (host != NULL && net_pool_retire_oldest (pool, host))
        return;
    }
}

static void
begin_attempt (NetPool *pool, NetTake *take, NetHost *host)
{
  take->attempt
      = net_pool_connect (pool, host, attempt_deadline (pool, take, g_get_monotonic_time ()));
  take->attempt->owner = take;
  if (take->client != NULL)
    net_upstream_introduce (take->attempt, take->client, take->server);
  dequeue (pool, take);
}

/* At the limit: wait, and let others know that somebody waits. */
static void
park (NetPool *pool, NetTake *take)
{
  net_pool_enqueue (pool, take);
  make_own_room (pool, take);
  if (take->counted)
    return;
  take->counted = TRUE;
  count_waiting (pool, take, 1);
}

/* From the loop: the next thing to try, until the take is answered or waits. */
static void
advance (NetPool *pool, NetTake *take)
{
  NetUpstream *idle = NULL;
  NetHost *host = NULL;

  if (g_get_monotonic_time () >= take->deadline)
    {
      fail (pool, take,
            BASE_REPLY (451, 4, 3, 2, "No connection to the destination became free in time"));
      return;
    }
  switch (choose (pool, take, &host, &idle))
    {
    case CHOICE_IDLE:
      net_pool_unlink_idle (pool, idle);
      finish (pool, take);
      NET_COUNT (pool->loop, upstream_reused);
      take->ready (take, idle);
      break;
    case CHOICE_CONNECT:
      begin_attempt (pool, take, host);
      break;
    case CHOICE_FULL:
      park (pool, take);
      break;
    case CHOICE_NONE:
      fail (pool, take, BASE_REPLY (451, 4, 4, 1, "No destination can be reached"));
      break;
    }
}

static void
on_ready (NetUpstream *upstream)
{
  NetPool *pool = pool_of (upstream);
  NetTake *take = upstream->owner;
  SmtpCapabilities can = smtp_client_capabilities (upstream->base.client);

  g_queue_unlink (&pool->attempts, &upstream->link);
  g_atomic_int_set (&upstream->host->probing, 0);
  if (net_host_answered (upstream->host, can, g_get_monotonic_time ()))
    net_loop_broadcast (pool->loop, task_look, NULL);
  if (take != NULL)
    take->attempt = NULL;
  if (take != NULL && (can.flags & take->needs) == take->needs)
    {
      finish (pool, take);
      take->ready (take, upstream);
      return;
    }
  rest_after_use (pool, upstream);
  if (take == NULL)
    return;
  net_take_mark_tried (take, upstream->host);
  net_take_remember_lacking (take, can);
  advance (pool, take);
}

static void
on_failed (NetUpstream *upstream, const BaseReply *reply)
{
  NetPool *pool = pool_of (upstream);
  NetTake *take = upstream->owner;
  g_autofree gchar *text = base_reply_to_string (reply);

  base_log (BASE_LOG_WARNING, "upstream: %s", text);
  NET_COUNT (pool->loop, upstream_failures);
  g_queue_unlink (&pool->attempts, &upstream->link);
  g_atomic_int_set (&upstream->host->probing, 0);
  if (net_host_failed (upstream->host, g_get_monotonic_time ()))
    net_loop_broadcast (pool->loop, task_look, NULL);
  upstream->owner = NULL;
  if (take == NULL)
    return;
  take->attempt = NULL;
  net_take_mark_tried (take, upstream->host);
  net_take_remember (take, reply);
  advance (pool, take);
}

static const NetUpstreamEvents upstream_events = { on_ready, on_failed, on_spoiled, on_gone };

NetUpstream *
net_pool_take_idle (NetPool *pool, const ConfigRoute *route, const gchar *domain, guint32 needs,
                    gboolean fresh)
{
  gint64 now = net_loop_now (pool->loop);

  /* Whoever waits was here first. */
  if (fresh || pool->takes.length > 0 || domain != NULL)
    return NULL;
  for (guint i = 0; i < route->n_destinations; i++)
    {
      NetHost *host = net_hosts_find (pool->hosts, route, i);
      NetUpstream *upstream = host == NULL || net_host_is_avoided (host, now)
                                  ? NULL
                                  : net_pool_find_idle (pool, host, needs);
      if (upstream == NULL)
        continue;
      net_pool_unlink_idle (pool, upstream);
      NET_COUNT (pool->loop, upstream_reused);
      return upstream;
    }
  return NULL;
}

void
net_pool_take (NetPool *pool, NetTake *take, const ConfigRoute *route, const gchar *domain,
               guint32 needs, gboolean fresh)
{
  g_assert (!take->active);
  take->route = route;
  take->needs = needs;
  take->fresh = fresh;
  take->deadline = g_get_monotonic_time () + route->connect * 1000;
  take->attempt = NULL;
  take->active = TRUE;
  if (domain != NULL)
    {
      net_pool_look_up (pool, take, domain);
      return;
    }
  take->tried = g_malloc0 (MAX (route->n_destinations, 1));
  net_pool_enqueue (pool, take);
  pool->dirty = TRUE;
}

void
net_pool_cancel (NetPool *pool, NetTake *take)
{
  NetUpstream *attempt = g_steal_pointer (&take->attempt);

  if (!take->active)
    return;
  /* The connection is made all the same: the next session will want one. */
  if (attempt != NULL)
    attempt->owner = NULL;
  finish (pool, take);
}

static gboolean
may_rest (const NetPool *pool, const NetUpstream *upstream)
{
  SmtpClient *client = upstream->base.client;

  return !pool->closed && !pool->loop->draining && !upstream->base.personal
         && smtp_client_is_ready (client) && smtp_client_is_idle (client);
}

void
net_pool_give (NetPool *pool, NetUpstream *upstream, gboolean reusable)
{
  SmtpClient *client = upstream->base.client;

  upstream->base.reused = TRUE;
  if (reusable && may_rest (pool, upstream))
    {
      smtp_client_settle (client);
      rest_after_use (pool, upstream);
      return;
    }
  if (upstream->base.unfit)
    net_host_failed (upstream->host, g_get_monotonic_time ());
  if (reusable)
    net_upstream_retire (upstream);
  else
    net_upstream_close (upstream);
}

/* ---- the loop's turn ---- */

/* Oldest first. Each is looked at once: one that stays parked goes to the tail and, all having been
 * there, the order is as before. */
static void
run_takes (NetPool *pool)
{
  guint rounds = pool->takes.length;

  while (rounds-- > 0 && pool->takes.length > 0)
    {
      NetTake *take = pool->takes.head->data;
      g_queue_unlink (&pool->takes, &take->link);
      g_queue_push_tail_link (&pool->takes, &take->link);
      advance (pool, take);
    }
}

gboolean
net_pool_run (NetPool *pool)
{
  if (!pool->dirty)
    return FALSE;
  pool->dirty = FALSE;
  net_pool_run_waits (pool, g_get_monotonic_time ());
  net_pool_offer_idle (pool);
  run_takes (pool);
  return pool->dirty;
}

NetPool *
net_pool_new (NetLoop *loop, NetHosts *hosts, const gchar *hello, NetMx *mx)
{
  NetPool *pool = g_new0 (NetPool, 1);

  pool->loop = loop;
  pool->hosts = hosts;
  pool->hello = hello;
  pool->mx = mx;
  pool->mx_hosts = net_mx_hosts_new (hosts, loop->n_peers);
  pool->idle = g_new0 (GQueue, MAX (hosts->all->len, 1));
  net_timer_init (&pool->timer, &loop->timers, on_timer);
  loop->pool = pool;
  return pool;
}

void
net_pool_close (NetPool *pool)
{
  NetUpstream *upstream;

  pool->closed = TRUE;
  g_assert (pool->takes.length == 0 && pool->waits.length == 0);
  while ((upstream = g_queue_peek_head (&pool->attempts)) != NULL)
    {
      g_queue_unlink (&pool->attempts, &upstream->link);
      net_upstream_close (upstream);
    }
  for (guint i = 0; i < pool->hosts->all->len; i++)
    while ((upstream = g_queue_peek_head (&pool->idle[i])) != NULL)
      {
        net_pool_unlink_idle (pool, upstream);
        net_upstream_retire (upstream);
      }
  while ((upstream = net_mx_hosts_any_idle (pool->mx_hosts)) != NULL)
    {
      net_pool_unlink_idle (pool, upstream);
      net_upstream_retire (upstream);
    }
  net_mx_close (pool->mx);
  pool->loop->pool = NULL;
  net_timer_close (&pool->timer);
  g_free (pool->idle);
  net_mx_hosts_free (pool->mx_hosts);
  g_free (pool);
}
