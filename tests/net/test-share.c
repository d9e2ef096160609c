/* Idle upstream connections that go from loop to loop: step by step with loops that the test turns
 * itself and a server inside it, then many at once in threads. Slots are counted at every end: none
 * may be lost, none freed twice. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/pool.h"
#include "support.h"

/* ---- a scene ---- */

#define MOST 8

typedef struct
{
  ConfigSources *sources;
  Config *config;
  NetHosts *hosts;
  NetHost *host;
  NetLoop *loops[MOST];
  guint n_loops;
  gint listener;
  gint served[MOST]; /* sockets of the server; -1: closed */
  guint accepted;
} Scene;

typedef struct
{
  NetTake take;
  NetUpstream *upstream;
  guint failures;
} Want;

static void
make_loops (Scene *scene, guint port, guint n_loops, const gchar *options)
{
  g_autofree gchar *text
      = g_strdup_printf ("listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"out\"] }\n"
                         "route \"out\" { to = [\"smtp://127.0.0.1:%u\"] %s }\n",
                         port, options);
  g_autoptr (ConfigErrors) errors = config_errors_new ();

  scene->sources = config_sources_new_files ();
  config_sources_add (scene->sources, "t.conf", text);
  scene->config = config_load (scene->sources, "t.conf", errors);
  g_assert_nonnull (scene->config);
  scene->hosts = net_hosts_new (scene->config, scene->sources, NULL);
  scene->host = g_ptr_array_index (scene->hosts->all, 0);
  scene->n_loops = n_loops;
  for (guint i = 0; i < n_loops; i++)
    {
      scene->loops[i] = net_loop_new (i);
      scene->loops[i]->peers = scene->loops;
      scene->loops[i]->n_peers = n_loops;
      net_pool_new (scene->loops[i], scene->hosts, "gate.example.org", NULL);
    }
}

static void
free_loops (Scene *scene)
{
  gboolean late = TRUE;

  while (late)
    {
      late = FALSE;
      for (guint i = 0; i < scene->n_loops; i++)
        late = net_loop_run_late (scene->loops[i]) || late;
    }
  for (guint i = 0; i < scene->n_loops; i++)
    net_loop_free (scene->loops[i]);
  g_assert_cmpint (scene->host->connections, ==, 0);
  g_assert_cmpint (scene->host->idle, ==, 0);
  g_assert_cmpint (scene->host->waiting, ==, 0);
  net_hosts_free (scene->hosts);
  config_free (scene->config);
  config_sources_free (scene->sources);
}

static const ConfigRoute *
route_of (const Scene *scene)
{
  return scene->host->route;
}

/* ---- the server inside ---- */

static void
say (gint fd, const gchar *text)
{
  g_assert_cmpint (send (fd, text, strlen (text), MSG_NOSIGNAL), ==, (gssize) strlen (text));
}

static void
serve_one (gint *fd)
{
  gchar bytes[512] = "";
  gssize got = *fd < 0 ? -1 : recv (*fd, bytes, sizeof bytes - 1, MSG_DONTWAIT);

  if (got < 0)
    return;
  if (g_str_has_prefix (bytes, "EHLO"))
    say (*fd, "250 upstream\r\n");
  if (got > 0 && !g_str_has_prefix (bytes, "QUIT"))
    return;
  close (*fd);
  *fd = -1;
}

static void
serve (Scene *scene)
{
  gint fd = accept4 (scene->listener, NULL, NULL, SOCK_CLOEXEC);

  if (fd >= 0)
    {
      g_assert_cmpuint (scene->accepted, <, MOST);
      scene->served[scene->accepted++] = fd;
      say (fd, "220 upstream\r\n");
    }
  for (guint i = 0; i < scene->accepted; i++)
    serve_one (&scene->served[i]);
}

static void
turn (Scene *scene)
{
  for (guint i = 0; i < scene->n_loops; i++)
    net_loop_turn (scene->loops[i], FALSE);
  serve (scene);
}

static void
begin (Scene *scene, guint n_loops)
{
  guint port;

  memset (scene, 0, sizeof *scene);
  scene->listener = test_listen (&port);
  g_assert_cmpint (fcntl (scene->listener, F_SETFL, O_NONBLOCK), ==, 0);
  make_loops (scene, port, n_loops, "connections = 1 connect = 60s keep = 60s");
}

static void
end (Scene *scene)
{
  gboolean alive = TRUE;

  for (guint i = 0; i < scene->n_loops; i++)
    {
      if (scene->loops[i]->pool != NULL)
        net_pool_close (scene->loops[i]->pool);
      net_loop_stop (scene->loops[i]);
    }
  while (alive)
    {
      alive = FALSE;
      for (guint i = 0; i < scene->n_loops; i++)
        alive = net_loop_turn (scene->loops[i], FALSE) || alive;
      serve (scene);
    }
  free_loops (scene);
  for (guint i = 0; i < scene->accepted; i++)
    if (scene->served[i] >= 0)
      close (scene->served[i]);
  close (scene->listener);
}

/* ---- whoever wants a connection ---- */

static void
on_lease (NetUpstream *upstream, int events)
{
}

static void
on_ready (NetTake *take, NetUpstream *upstream)
{
  Want *want = NET_OWNER (take, Want, take);

  want->upstream = upstream;
  net_upstream_lease (upstream, on_lease, want);
}

static void
on_failed (NetTake *take, const BaseReply *reply)
{
  NET_OWNER (take, Want, take)->failures++;
}

static void
ask (Scene *scene, Want *want, guint loop, gboolean fresh)
{
  NetPool *pool = scene->loops[loop]->pool;
  NetUpstream *upstream = net_pool_take_idle (pool, route_of (scene), NULL, 0, fresh);

  *want = (Want){ .take = { .ready = on_ready, .failed = on_failed } };
  if (upstream != NULL)
    on_ready (&want->take, upstream);
  else
    net_pool_take (pool, &want->take, route_of (scene), NULL, 0, fresh);
}

static void
turn_until_given (Scene *scene, const Want *want)
{
  for (guint i = 0; i < 5000 && want->upstream == NULL; i++)
    {
      turn (scene);
      if (i > 20)
        g_usleep (1000);
    }
  g_assert_nonnull (want->upstream);
  g_assert_cmpuint (want->failures, ==, 0);
}

static void
give (Scene *scene, Want *want, guint loop)
{
  net_pool_give (scene->loops[loop]->pool, g_steal_pointer (&want->upstream), TRUE);
}

/* One connection, idle in loop 0. */
static NetUpstream *
rest_one (Scene *scene)
{
  NetUpstream *upstream;
  Want want;

  ask (scene, &want, 0, FALSE);
  turn_until_given (scene, &want);
  upstream = want.upstream;
  give (scene, &want, 0);
  g_assert_cmpuint (net_pool_idle (scene->loops[0]->pool), ==, 1);
  return upstream;
}

/* The second loop's wish is at the first; what that one answers is in the mailbox. */
static void
let_it_leave (Scene *scene)
{
  net_loop_turn (scene->loops[1], FALSE);
  net_loop_turn (scene->loops[0], FALSE);
  g_assert_cmpuint (net_pool_idle (scene->loops[0]->pool), ==, 0);
  g_assert_cmpuint (net_pool_idle (scene->loops[1]->pool), ==, 0);
  g_assert_cmpint (scene->host->connections, ==, 1);
}

/* ---- step by step ---- */

static void
test_idle (void)
{
  NetUpstream *upstream;
  Scene scene;
  Want want;

  begin (&scene, 2);
  upstream = rest_one (&scene);
  ask (&scene, &want, 1, FALSE);
  turn_until_given (&scene, &want);
  g_assert_true (want.upstream == upstream);
  g_assert_true (upstream->loop == scene.loops[1]);
  give (&scene, &want, 1);
  /* And back, still of use. */
  ask (&scene, &want, 0, FALSE);
  turn_until_given (&scene, &want);
  g_assert_true (want.upstream == upstream);
  give (&scene, &want, 0);
  g_assert_cmpuint (scene.accepted, ==, 1);
  g_assert_cmpuint (scene.loops[0]->counters.upstream_handed, ==, 1);
  g_assert_cmpuint (scene.loops[1]->counters.upstream_handed, ==, 1);
  end (&scene);
}

/* Given back while another loop waits: it goes round until somebody wants it; the oldest first. */
static void
test_given_back (void)
{
  Want first, second, third;
  NetUpstream *upstream;
  Scene scene;

  begin (&scene, 4);
  ask (&scene, &first, 0, FALSE);
  turn_until_given (&scene, &first);
  upstream = first.upstream;
  ask (&scene, &second, 3, FALSE);
  ask (&scene, &third, 3, FALSE);
  for (guint i = 0; i < 10; i++)
    turn (&scene);
  g_assert_cmpint (scene.host->waiting, ==, 2);
  give (&scene, &first, 0);
  turn_until_given (&scene, &second);
  g_assert_true (second.upstream == upstream);
  g_assert_null (third.upstream);
  give (&scene, &second, 3);
  turn_until_given (&scene, &third);
  give (&scene, &third, 3);
  g_assert_cmpuint (scene.accepted, ==, 1);
  end (&scene);
}

static void
test_taker_gone (void)
{
  NetUpstream *upstream;
  gint64 until;
  Scene scene;
  Want want;

  begin (&scene, 2);
  upstream = rest_one (&scene);
  until = upstream->until;
  ask (&scene, &want, 1, FALSE);
  let_it_leave (&scene);
  net_pool_cancel (scene.loops[1]->pool, &want.take);
  turn (&scene);
  turn (&scene);
  /* It rests where it came to, no longer than it would have. */
  g_assert_cmpuint (net_pool_idle (scene.loops[1]->pool), ==, 1);
  g_assert_cmpint (upstream->until, ==, until);
  g_assert_cmpint (upstream->timer.deadline, ==, until);
  end (&scene);
}

static void
test_taker_drains (void)
{
  Scene scene;
  Want want;

  begin (&scene, 2);
  rest_one (&scene);
  ask (&scene, &want, 1, FALSE);
  let_it_leave (&scene);
  net_pool_cancel (scene.loops[1]->pool, &want.take);
  scene.loops[1]->draining = TRUE;
  for (guint i = 0; i < 5000 && scene.host->connections > 0; i++)
    {
      turn (&scene);
      g_usleep (i > 20 ? 1000 : 0);
    }
  g_assert_cmpint (scene.host->connections, ==, 0);
  end (&scene);
}

static void
test_pool_closed (void)
{
  Scene scene;
  Want want;

  begin (&scene, 2);
  rest_one (&scene);
  ask (&scene, &want, 1, FALSE);
  let_it_leave (&scene);
  net_pool_cancel (scene.loops[1]->pool, &want.take);
  net_pool_close (scene.loops[1]->pool);
  turn (&scene);
  g_assert_cmpint (scene.host->connections, ==, 0);
  end (&scene);
}

/* On its way to a loop that ends before it arrives. */
static void
test_loop_ended (void)
{
  Scene scene;
  Want want;

  begin (&scene, 2);
  rest_one (&scene);
  ask (&scene, &want, 1, FALSE);
  net_loop_turn (scene.loops[1], FALSE);
  net_pool_cancel (scene.loops[1]->pool, &want.take);
  net_pool_close (scene.loops[1]->pool);
  net_loop_stop (scene.loops[1]);
  net_loop_run (scene.loops[1]);
  net_loop_turn (scene.loops[0], FALSE);
  g_assert_cmpint (scene.host->connections, ==, 1);
  end (&scene);
}

/* Whatever the server says to an idle connection, also while it is nobody's, ends it. */
static void
test_spoken_to (gconstpointer words)
{
  struct pollfd heard = { .events = POLLIN };
  Scene scene;
  Want want;

  begin (&scene, 2);
  heard.fd = rest_one (&scene)->stream.fd;
  ask (&scene, &want, 1, FALSE);
  let_it_leave (&scene);
  if (words != NULL)
    say (scene.served[0], words);
  else
    {
      close (scene.served[0]);
      scene.served[0] = -1;
    }
  g_assert_cmpint (poll (&heard, 1, 60000), ==, 1);
  turn_until_given (&scene, &want);
  g_assert_cmpuint (scene.accepted, ==, 2);
  g_assert_cmpint (scene.host->connections, ==, 1);
  give (&scene, &want, 1);
  end (&scene);
}

/* A new connection is wanted: an old one only takes its place. */
static void
test_fresh (void)
{
  Scene scene;
  Want want;

  begin (&scene, 3);
  rest_one (&scene);
  ask (&scene, &want, 1, TRUE);
  turn_until_given (&scene, &want);
  g_assert_cmpuint (scene.accepted, ==, 2);
  give (&scene, &want, 1);
  end (&scene);
}

/* ---- many at once ---- */

#define ACTORS 2  /* a loop */
#define TURNS 150 /* each */

typedef struct
{
  NetTake take;
  NetTimer timer;
  NetLoop *loop;
  const Scene *scene;
  NetUpstream *upstream;
  guint turns;
  GRand *random;
} Actor;

static gint busy; /* atomic: actors that are not through */

static void
actor_begins (Actor *actor)
{
  gboolean fresh = g_rand_int_range (actor->random, 0, 20) == 0;
  const ConfigRoute *route = route_of (actor->scene);
  NetPool *pool = actor->loop->pool;

  actor->upstream = net_pool_take_idle (pool, route, NULL, 0, fresh);
  if (actor->upstream != NULL)
    actor->take.ready (&actor->take, actor->upstream);
  else
    net_pool_take (pool, &actor->take, route, NULL, 0, fresh);
}

static void
actor_ready (NetTake *take, NetUpstream *upstream)
{
  Actor *actor = NET_OWNER (take, Actor, take);

  g_assert_true (upstream->loop == actor->loop);
  actor->upstream = upstream;
  net_upstream_lease (upstream, on_lease, actor);
  net_timer_set (&actor->timer,
                 g_get_monotonic_time () + g_rand_int_range (actor->random, 0, 1500));
}

static void
actor_failed (NetTake *take, const BaseReply *reply)
{
  g_autofree gchar *text = base_reply_to_string (reply);

  g_error ("a take failed: %s", text);
}

/* It has used its connection, or sets out; some give up before they have one. */
static void
actor_woken (NetTimer *timer)
{
  Actor *actor = NET_OWNER (timer, Actor, timer);
  NetPool *pool = actor->loop->pool;

  if (actor->upstream != NULL)
    net_pool_give (pool, g_steal_pointer (&actor->upstream),
                   g_rand_int_range (actor->random, 0, 10) > 0);
  else
    net_pool_cancel (pool, &actor->take);
  if (++actor->turns > TURNS)
    {
      net_timer_close (timer);
      g_atomic_int_add (&busy, -1);
      return;
    }
  actor_begins (actor);
  if (actor->upstream == NULL && g_rand_int_range (actor->random, 0, 8) == 0)
    net_timer_set (timer, g_get_monotonic_time () + g_rand_int_range (actor->random, 0, 3000));
}

static void
task_begin (NetLoop *loop, gpointer data)
{
  Actor *actor = data;

  net_timer_init (&actor->timer, &loop->timers, actor_woken);
  net_timer_set (&actor->timer, 1);
}

static void
task_end (NetLoop *loop, gpointer data)
{
  net_pool_close (loop->pool);
  net_loop_stop (loop);
}

static void
run_actors (Scene *scene)
{
  g_autofree Actor *actors = g_new0 (Actor, scene->n_loops * ACTORS);

  busy = (gint) scene->n_loops * ACTORS;
  for (guint i = 0; i < scene->n_loops; i++)
    g_assert_true (net_loop_start (scene->loops[i], NULL));
  for (guint i = 0; i < scene->n_loops * ACTORS; i++)
    {
      actors[i] = (Actor){ .take = { .ready = actor_ready, .failed = actor_failed },
                           .loop = scene->loops[i % scene->n_loops],
                           .scene = scene,
                           .random = g_rand_new_with_seed ((guint32) g_test_rand_int ()) };
      net_loop_post (actors[i].loop, task_begin, &actors[i]);
    }
  for (guint i = 0; i < 60000 && g_atomic_int_get (&busy) > 0; i++)
    g_usleep (1000);
  g_assert_cmpint (g_atomic_int_get (&busy), ==, 0);
  for (guint i = 0; i < scene->n_loops; i++)
    net_loop_post (scene->loops[i], task_end, NULL);
  for (guint i = 0; i < scene->n_loops; i++)
    net_loop_join (scene->loops[i]);
  for (guint i = 0; i < scene->n_loops * ACTORS; i++)
    g_rand_free (actors[i].random);
}

static void
test_many (gconstpointer options)
{
  /* The upstream's threads use the pair until they are joined: it goes last. */
  g_autoptr (TestPair) pair = test_pair_new ("upstream.example.org", NULL, 10);
  g_autoptr (TestUpstream) upstream = test_upstream_new ();
  guint64 handed = 0, reused = 0, connects = 0;
  Scene scene = { 0 };

  upstream->pair = pair;
  test_upstream_start (upstream);
  make_loops (&scene, upstream->port, 4, options);
  run_actors (&scene);
  for (guint i = 0; i < scene.n_loops; i++)
    {
      handed += scene.loops[i]->counters.upstream_handed;
      reused += scene.loops[i]->counters.upstream_reused;
      connects += scene.loops[i]->counters.upstream_connects;
    }
  g_test_message ("%" G_GUINT64_FORMAT " handed over, %" G_GUINT64_FORMAT
                  " used again, %" G_GUINT64_FORMAT " made",
                  handed, reused, connects);
  g_assert_cmpuint (handed, >, 0);
  free_loops (&scene);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/net/share/idle", test_idle);
  g_test_add_func ("/net/share/given-back", test_given_back);
  g_test_add_func ("/net/share/taker-gone", test_taker_gone);
  g_test_add_func ("/net/share/taker-drains", test_taker_drains);
  g_test_add_func ("/net/share/pool-closed", test_pool_closed);
  g_test_add_func ("/net/share/loop-ended", test_loop_ended);
  g_test_add_data_func ("/net/share/spoken-to", "421 4.3.2 Going down\r\n", test_spoken_to);
  g_test_add_data_func ("/net/share/hung-up-on", NULL, test_spoken_to);
  g_test_add_func ("/net/share/fresh", test_fresh);
  g_test_add_data_func ("/net/share/many", "connections = 2 connect = 60s keep = 60s tls = \"off\"",
                        test_many);
  g_test_add_data_func ("/net/share/many-under-tls",
                        "connections = 2 connect = 60s keep = 60s tls = \"required\"", test_many);
  return g_test_run ();
}
