/* Names by PTR, confirmed forward. The look-ups run in libuv's threads through the C library's
 * resolver, as GResolver's would, but without a GLib main context beside the loop. A resolver that
 * fails or is slow costs the name, never the client. */
#include "net/names.h"

#include <netdb.h>
#include <string.h>

struct _NetNameLookup
{
  NetNames *names;
  BaseEndpoint client;
  gchar *key;   /* the address as text */
  gchar *name;  /* the confirmed name; while asking: the candidate */
  gint64 until; /* cached so long; 0: being asked */
  GQueue waits; /* of NetNameWait */
  union
  {
    uv_getnameinfo_t reverse;
    uv_getaddrinfo_t forward;
  } request;
};

struct _NetNames
{
  NetLoop *loop;
  GHashTable *cache; /* of NetNameLookup, by key */
  guint running;
  guint64 made;
  NetTimer timer;
  gboolean closed;
};

static void
lookup_free (gpointer data)
{
  NetNameLookup *lookup = data;

  g_free (lookup->key);
  g_free (lookup->name);
  g_free (lookup);
}

static void
free_if_done (NetNames *names)
{
  if (!names->closed || names->running > 0)
    return;
  g_hash_table_unref (names->cache);
  g_free (names);
}

static NetNameWait *
pop_wait (NetNameLookup *lookup)
{
  GList *link = g_queue_pop_head_link (&lookup->waits);
  NetNameWait *wait;

  if (link == NULL)
    return NULL;
  wait = link->data;
  wait->lookup = NULL;
  return wait;
}

/* Those who have waited long enough go on without a name; the look-up goes on for the next ones. */
static void
on_timer (NetTimer *timer)
{
  NetNames *names = NET_OWNER (timer, NetNames, timer);
  gint64 now = g_get_monotonic_time (), next = 0;
  GHashTableIter iter;
  gpointer value;
  GSList *late = NULL;

  g_hash_table_iter_init (&iter, names->cache);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      NetNameLookup *lookup = value;
      NetNameWait *first;
      while ((first = g_queue_peek_head (&lookup->waits)) != NULL && first->deadline <= now)
        late = g_slist_prepend (late, pop_wait (lookup));
      if (first != NULL && (next == 0 || first->deadline < next))
        next = first->deadline;
    }
  net_timer_set (&names->timer, next);
  for (GSList *link = late; link != NULL; link = link->next)
    ((NetNameWait *) link->data)->func (link->data, NULL);
  g_slist_free (late);
}

NetNames *
net_names_new (NetLoop *loop)
{
  NetNames *names = g_new0 (NetNames, 1);

  names->loop = loop;
  names->cache = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, lookup_free);
  net_timer_init (&names->timer, &loop->timers, on_timer);
  return names;
}

void
net_names_close (NetNames *names)
{
  GHashTableIter iter;
  gpointer value;

  names->closed = TRUE;
  g_hash_table_iter_init (&iter, names->cache);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      NetNameLookup *lookup = value;
      while (pop_wait (lookup) != NULL)
        ;
      if (lookup->until == 0)
        uv_cancel ((uv_req_t *) &lookup->request); /* one that runs already cannot be cancelled */
    }
  net_timer_close (&names->timer);
  free_if_done (names);
}

static void
finish (NetNameLookup *lookup, const gchar *name)
{
  NetNames *names = lookup->names;
  g_autofree gchar *copy = g_strdup (name);
  NetNameWait *wait;

  names->running--;
  g_free (lookup->name);
  lookup->name = g_steal_pointer (&copy);
  lookup->until = g_get_monotonic_time () + NET_NAMES_TTL;
  if (names->closed)
    {
      free_if_done (names);
      return;
    }
  while ((wait = pop_wait (lookup)) != NULL)
    wait->func (wait, lookup->name);
}

static gboolean
leads_back (const NetNameLookup *lookup, const struct addrinfo *results)
{
  BaseEndpoint endpoint;

  for (; results != NULL; results = results->ai_next)
    {
      if (results->ai_addrlen > sizeof endpoint.address)
        continue;
      memcpy (&endpoint.address, results->ai_addr, results->ai_addrlen);
      endpoint.length = results->ai_addrlen;
      if (base_endpoint_same_host (&endpoint, &lookup->client))
        return TRUE;
    }
  return FALSE;
}

static void
on_forward (uv_getaddrinfo_t *request, int status, struct addrinfo *results)
{
  NetNameLookup *lookup = NET_OWNER (request, NetNameLookup, request.forward);
  gboolean confirmed = status == 0 && leads_back (lookup, results);
  g_autofree gchar *name = g_strdup (lookup->name);

  uv_freeaddrinfo (results);
  finish (lookup, confirmed ? name : NULL);
}

static void
on_reverse (uv_getnameinfo_t *request, int status, const char *host, const char *service)
{
  NetNameLookup *lookup = NET_OWNER (request, NetNameLookup, request.reverse);
  struct addrinfo hints = { .ai_socktype = SOCK_STREAM };

  /* What the owner of the address put there goes into a trace field: only what looks like a host
   * name. */
  if (status != 0 || lookup->names->closed || !base_domain_is_valid (host, strlen (host))
      || host[0] == '[')
    {
      finish (lookup, NULL);
      return;
    }
  lookup->name = g_strdup (host);
  if (uv_getaddrinfo (&lookup->names->loop->uv, &lookup->request.forward, on_forward, lookup->name,
                      NULL, &hints)
      != 0)
    finish (lookup, NULL);
}

static gboolean
is_stale (gpointer key, gpointer value, gpointer now)
{
  const NetNameLookup *lookup = value;

  return lookup->until != 0 && lookup->until <= *(gint64 *) now;
}

/* A new look-up; NULL: too many already, or the resolver cannot be asked. */
static NetNameLookup *
ask (NetNames *names, const BaseEndpoint *client, const gchar *key)
{
  NetNameLookup *lookup;

  if (names->running >= NET_NAMES_MAX_LOOKUPS)
    return NULL;
  lookup = g_new0 (NetNameLookup, 1);
  lookup->names = names;
  lookup->client = *client;
  lookup->key = g_strdup (key);
  if (uv_getnameinfo (&names->loop->uv, &lookup->request.reverse, on_reverse, &client->address.any,
                      NI_NAMEREQD)
      != 0)
    {
      lookup_free (lookup);
      return NULL;
    }
  names->running++;
  names->made++;
  g_hash_table_insert (names->cache, lookup->key, lookup);
  return lookup;
}

static NetNameLookup *
find_or_ask (NetNames *names, const BaseEndpoint *client)
{
  gchar key[BASE_ENDPOINT_LENGTH];
  gint64 now = net_loop_now (names->loop);
  NetNameLookup *lookup;

  base_endpoint_text (client, key);
  lookup = g_hash_table_lookup (names->cache, key);
  if (lookup != NULL && is_stale (NULL, lookup, &now))
    {
      g_hash_table_remove (names->cache, key);
      lookup = NULL;
    }
  if (lookup != NULL)
    return lookup;
  if (g_hash_table_size (names->cache) >= NET_NAMES_MAX_CACHED)
    g_hash_table_foreach_remove (names->cache, is_stale, &now);
  if (g_hash_table_size (names->cache) >= NET_NAMES_MAX_CACHED)
    return NULL;
  return ask (names, client, key);
}

gboolean
net_names_find (NetNames *names, const BaseEndpoint *client, const gchar **name,
                NetNameLookup **lookup)
{
  *name = NULL;
  if (client->length == 0 || client->address.any.sa_family == AF_UNIX)
    return TRUE;
  *lookup = find_or_ask (names, client);
  if (*lookup == NULL)
    return TRUE;
  if ((*lookup)->until == 0)
    return FALSE;
  *name = (*lookup)->name;
  return TRUE;
}

void
net_names_wait (NetNameLookup *lookup, NetNameWait *wait, NetNameFunc func)
{
  NetNames *names = lookup->names;

  wait->func = func;
  wait->lookup = lookup;
  wait->deadline = g_get_monotonic_time () + NET_NAMES_TIMEOUT;
  wait->link = (GList){ .data = wait };
  g_queue_push_tail_link (&lookup->waits, &wait->link);
  if (names->timer.deadline == 0 || wait->deadline < names->timer.deadline)
    net_timer_set (&names->timer, wait->deadline);
}

void
net_names_cancel (NetNameWait *wait)
{
  NetNameLookup *lookup = wait->lookup;

  if (lookup == NULL)
    return;
  g_queue_unlink (&lookup->waits, &wait->link);
  wait->lookup = NULL;
}

guint64
net_names_lookups (const NetNames *names)
{
  return names->made;
}
