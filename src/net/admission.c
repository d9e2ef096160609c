/* Counters behind one mutex that is held for a table lookup. Never fails: a table that is full
 * forgets clients that are not connected. */
#include "net/admission.h"

#include <string.h>

#define MINUTE (60 * G_TIME_SPAN_SECOND)

typedef struct
{
  guint32 listener;
  guint8 network[8]; /* the first half of an IPv6 address; an IPv4 address in the last four */
  gboolean v6;
} Key;

typedef struct
{
  Key key;
  guint connections;
  gint64 due; /* when the next message would come at an even rate; see net_admission_message() */
} Client;

struct _NetAdmission
{
  GMutex mutex;
  GHashTable *clients; /* of Client, by its key */
  GArray *listeners;   /* of gint, by the listener's index: its connections */
};

static guint
key_hash (gconstpointer pointer)
{
  const Key *key = pointer;
  guint hash = key->listener * 31 + (guint) key->v6;

  for (guint i = 0; i < sizeof key->network; i++)
    hash = hash * 33 + key->network[i];
  return hash;
}

static gboolean
key_equal (gconstpointer a, gconstpointer b)
{
  const Key *left = a, *right = b;

  return left->listener == right->listener && left->v6 == right->v6
         && memcmp (left->network, right->network, sizeof left->network) == 0;
}

static Key
key_of (const ConfigListener *listener, const BaseEndpoint *client)
{
  Key key = { .listener = listener->index };
  const struct in6_addr *address = &client->address.in6.sin6_addr;

  if (client->length == 0)
    return key;
  if (client->address.any.sa_family == AF_INET)
    memcpy (key.network + 4, &client->address.in.sin_addr, 4);
  else if (client->address.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED (address))
    memcpy (key.network + 4, address->s6_addr + 12, 4);
  else if (client->address.any.sa_family == AF_INET6)
    {
      key.v6 = TRUE;
      memcpy (key.network, address->s6_addr, 8);
    }
  return key;
}

NetAdmission *
net_admission_new (void)
{
  NetAdmission *admission = g_new0 (NetAdmission, 1);

  g_mutex_init (&admission->mutex);
  admission->clients = g_hash_table_new_full (key_hash, key_equal, NULL, g_free);
  admission->listeners = g_array_new (FALSE, TRUE, sizeof (gint));
  return admission;
}

void
net_admission_free (NetAdmission *admission)
{
  if (admission == NULL)
    return;
  g_hash_table_unref (admission->clients);
  g_array_unref (admission->listeners);
  g_mutex_clear (&admission->mutex);
  g_free (admission);
}

static gboolean
is_disconnected (gpointer key, gpointer value, gpointer data)
{
  return ((const Client *) value)->connections == 0;
}

static Client *
find_client (NetAdmission *admission, Key key)
{
  Client *client = g_hash_table_lookup (admission->clients, &key);

  if (client != NULL)
    return client;
  if (g_hash_table_size (admission->clients) >= NET_ADMISSION_MAX_CLIENTS)
    g_hash_table_foreach_remove (admission->clients, is_disconnected, NULL);
  client = g_new0 (Client, 1);
  client->key = key;
  g_hash_table_insert (admission->clients, &client->key, client);
  return client;
}

/* Valid until the next call. */
static gint *
connections_of (NetAdmission *admission, const ConfigListener *listener)
{
  if (listener->index >= admission->listeners->len)
    g_array_set_size (admission->listeners, listener->index + 1);
  return &g_array_index (admission->listeners, gint, listener->index);
}

static gboolean
is_full (const ConfigListener *listener, const Client *entry)
{
  return listener->connections_per_client > 0
         && entry->connections >= listener->connections_per_client;
}

static void
uncount (NetAdmission *admission, const ConfigListener *listener, const BaseEndpoint *client)
{
  Key key = key_of (listener, client);
  Client *entry = g_hash_table_lookup (admission->clients, &key);

  g_assert (entry != NULL && entry->connections > 0);
  entry->connections--;
  if (entry->connections == 0 && entry->due <= g_get_monotonic_time ())
    g_hash_table_remove (admission->clients, &key);
}

NetAdmissionVerdict
net_admission_enter (NetAdmission *admission, const ConfigListener *listener,
                     const BaseEndpoint *client)
{
  NetAdmissionVerdict verdict = NET_ADMISSION_FINE;
  gint *connections;
  Client *entry;

  g_mutex_lock (&admission->mutex);
  connections = connections_of (admission, listener);
  entry = client == NULL ? NULL : find_client (admission, key_of (listener, client));
  if (listener->connections > 0 && *connections >= listener->connections)
    verdict = NET_ADMISSION_CONNECTIONS;
  else if (entry != NULL && is_full (listener, entry))
    verdict = NET_ADMISSION_CONNECTIONS_PER_CLIENT;
  else
    {
      if (entry != NULL)
        entry->connections++;
      *connections += 1;
    }
  g_mutex_unlock (&admission->mutex);
  return verdict;
}

void
net_admission_leave (NetAdmission *admission, const ConfigListener *listener,
                     const BaseEndpoint *client)
{
  g_mutex_lock (&admission->mutex);
  if (client != NULL)
    uncount (admission, listener, client);
  *connections_of (admission, listener) -= 1;
  g_mutex_unlock (&admission->mutex);
}

gboolean
net_admission_move (NetAdmission *admission, const ConfigListener *listener,
                    const BaseEndpoint *from, const BaseEndpoint *to)
{
  const Key key = key_of (listener, to);
  const Key former = from == NULL ? key : key_of (listener, from);
  gboolean same = from != NULL && key_equal (&key, &former);
  Client *entry;
  gboolean fine;

  g_mutex_lock (&admission->mutex);
  entry = find_client (admission, key);
  fine = same || !is_full (listener, entry);
  if (fine)
    entry->connections++;
  if (fine && from != NULL)
    uncount (admission, listener, from);
  g_mutex_unlock (&admission->mutex);
  return fine;
}

gboolean
net_admission_message (NetAdmission *admission, const ConfigListener *listener,
                       const BaseEndpoint *client, gint64 now)
{
  gint64 step, due;
  gboolean fine;
  Client *entry;

  if (listener->messages_per_minute <= 0)
    return TRUE;
  /* A bucket of a minute's messages that refills evenly: no window at whose edge twice as many
   * would pass. */
  step = MINUTE / listener->messages_per_minute;
  g_mutex_lock (&admission->mutex);
  entry = find_client (admission, key_of (listener, client));
  due = MAX (entry->due, now) + step;
  fine = due - now <= MINUTE;
  if (fine)
    entry->due = due;
  g_mutex_unlock (&admission->mutex);
  return fine;
}

guint
net_admission_clients (NetAdmission *admission)
{
  guint count;

  g_mutex_lock (&admission->mutex);
  count = g_hash_table_size (admission->clients);
  g_mutex_unlock (&admission->mutex);
  return count;
}
