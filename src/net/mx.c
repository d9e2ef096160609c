/* The mail hosts of a domain: its MX records, then the addresses of each host, then what is left of
 * both. Every failure leaves as one reply: 5xx where the name servers are sure, 451 where they are
 * not. */
#include "net/mx.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <string.h>

#include "base/log.h"

#define HOST_ADDRESSES 16 /* of one host and family that are read */

struct _NetMx
{
  NetLoop *loop;
  const Config *config;
  NetResolver *resolver;
  GArray *own; /* of BaseEndpoint: where we listen */
};

/* One host's A or AAAA. */
typedef struct
{
  NetQuery query;
  NetMxLookup *lookup;
  guint host; /* in `list` */
  gboolean six;
} Question;

struct _NetMxLookup
{
  NetMx *mx;
  const ConfigRoute *route;
  gchar *domain;
  NetMxFunc func;
  gpointer owner;
  NetTimer timer;
  NetQuery query; /* MX */
  GArray *list;   /* of BaseMx */
  Question questions[2 * BASE_MX_MOST];
  guint open;    /* questions without an answer */
  guint failed;  /* of the answers: nobody knows now */
  gchar *why;    /* the last of those; NULL: none */
  GArray *found; /* of NetMxAddress */
  BaseReply *reply;
};

/* ---- Where we listen ---- */

static void
add_interfaces (GArray *own, const BaseEndpoint *any)
{
  uv_interface_address_t *interfaces = NULL;
  gboolean six = any->address.any.sa_family == AF_INET6;
  int count = 0;

  if (uv_interface_addresses (&interfaces, &count) != 0)
    return;
  for (int i = 0; i < count; i++)
    {
      const struct sockaddr_in6 *address6 = &interfaces[i].address.address6;
      BaseEndpoint endpoint = { 0 };

      if (address6->sin6_family == AF_INET6 && !six)
        continue;
      if (address6->sin6_family == AF_INET6)
        endpoint.address.in6 = *address6;
      else
        endpoint.address.in = interfaces[i].address.address4;
      endpoint.length = address6->sin6_family == AF_INET6 ? sizeof (struct sockaddr_in6)
                                                          : sizeof (struct sockaddr_in);
      endpoint.address.in.sin_port = any->address.in.sin_port;
      g_array_append_val (own, endpoint);
    }
  uv_free_interface_addresses (interfaces, count);
}

static gboolean
is_wildcard (const BaseEndpoint *endpoint)
{
  const struct sockaddr *any = &endpoint->address.any;

  if (any->sa_family == AF_INET)
    return endpoint->address.in.sin_addr.s_addr == htonl (INADDR_ANY);
  return any->sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED (&endpoint->address.in6.sin6_addr);
}

static GArray *
find_own (const Config *config)
{
  GArray *own = g_array_new (FALSE, FALSE, sizeof (BaseEndpoint));

  for (guint i = 0; i < config->listeners->len; i++)
    {
      const ConfigListener *listener = g_ptr_array_index (config->listeners, i);

      for (guint j = 0; j < listener->n_endpoints; j++)
        {
          g_array_append_val (own, listener->endpoints[j]);
          if (is_wildcard (&listener->endpoints[j]))
            add_interfaces (own, &listener->endpoints[j]);
        }
    }
  return own;
}

/* To connect to the wildcard is to connect to oneself; and it listens on every loopback address. */
static gboolean
is_own (const BaseEndpoint *endpoint, gpointer data)
{
  const GArray *own = data;

  for (guint i = 0; i < own->len; i++)
    {
      const BaseEndpoint *ours = &g_array_index (own, BaseEndpoint, i);

      if (ours->address.any.sa_family == AF_UNIX
          || base_endpoint_port (ours) != base_endpoint_port (endpoint))
        continue;
      if (base_endpoint_same_host (ours, endpoint)
          || (is_wildcard (ours)
              && (is_wildcard (endpoint) || base_endpoint_is_loopback (endpoint))))
        return TRUE;
    }
  return FALSE;
}

/* ---- Making ---- */

static gboolean
is_needed (const Config *config)
{
  for (guint i = 0; i < config->routes->len; i++)
    if (config_route_is_mx (g_ptr_array_index (config->routes, i)))
      return TRUE;
  return FALSE;
}

NetMx *
net_mx_new (NetLoop *loop, const Config *config)
{
  g_autoptr (GError) error = NULL;
  NetMx *mx;

  if (!is_needed (config))
    return NULL;
  mx = g_new0 (NetMx, 1);
  mx->loop = loop;
  mx->config = config;
  mx->resolver = net_resolver_new (loop, config, &error);
  if (mx->resolver == NULL)
    base_log (BASE_LOG_ERROR, "%s", error->message);
  mx->own = find_own (config);
  return mx;
}

void
net_mx_close (NetMx *mx)
{
  if (mx == NULL)
    return;
  if (mx->resolver != NULL)
    net_resolver_close (mx->resolver);
  g_array_unref (mx->own);
  g_free (mx);
}

/* ---- The end of a lookup ---- */

static void
free_lookup (NetLoop *loop, gpointer data)
{
  NetMxLookup *lookup = data;

  g_array_unref (lookup->list);
  g_array_unref (lookup->found);
  base_reply_free (lookup->reply);
  g_free (lookup->why);
  g_free (lookup->domain);
  g_free (lookup);
}

void
net_mx_cancel (NetMxLookup *lookup)
{
  if (lookup == NULL)
    return;
  net_resolver_cancel (&lookup->query);
  for (guint i = 0; i < G_N_ELEMENTS (lookup->questions); i++)
    net_resolver_cancel (&lookup->questions[i].query);
  net_timer_close (&lookup->timer);
  net_loop_defer (lookup->mx->loop, free_lookup, lookup);
}

static void
finish (NetMxLookup *lookup)
{
  lookup->func (lookup->owner, lookup->found, lookup->reply);
  net_mx_cancel (lookup);
}

/* From the loop's next turn: whoever asked is still in the call. `reply` is why there are no
 * addresses, should there be none. */
static void
answer_soon (NetMxLookup *lookup, BaseReply *reply)
{
  lookup->reply = reply;
  net_timer_set (&lookup->timer, 1);
}

static void
refuse (NetMxLookup *lookup, BaseReply *reply)
{
  lookup->reply = reply;
  finish (lookup);
}

static BaseReply *
unknown_now (const NetMxLookup *lookup, const gchar *why)
{
  return base_reply_printf (451, 4, 4, 3, "The mail hosts of %s are not known now: %s",
                            lookup->domain, why);
}

/* ---- What is left of the addresses ---- */

/* A foreign zone must not send us to what is only ours: mail servers trust loopback. */
static gboolean
is_usable (const NetMxLookup *lookup, const BaseEndpoint *endpoint)
{
  const struct in6_addr *six = &endpoint->address.in6.sin6_addr;

  if (is_wildcard (endpoint))
    return FALSE;
  if (base_endpoint_is_loopback (endpoint))
    return lookup->route->mx_loopback;
  if (endpoint->address.any.sa_family == AF_INET6)
    return !IN6_IS_ADDR_MULTICAST (six) && !IN6_IS_ADDR_V4MAPPED (six);
  return ntohl (endpoint->address.in.sin_addr.s_addr) < 0xe0000000;
}

static void
take_addresses (NetMxLookup *lookup, const BaseMx *mx)
{
  for (guint i = 0; i < mx->addresses->len && lookup->found->len < BASE_MX_ADDRESSES; i++)
    {
      NetMxAddress address = { mx->host, g_array_index (mx->addresses, BaseEndpoint, i) };

      if (is_usable (lookup, &address.endpoint))
        g_array_append_val (lookup->found, address);
    }
}

static BaseReply *
say_loop (const NetMxLookup *lookup)
{
  return base_reply_printf (554, 5, 4, 6, "Mail for %s loops back to myself", lookup->domain);
}

/* All questions are answered. */
static void
conclude (NetMxLookup *lookup)
{
  GArray *list = lookup->list;

  if (base_mx_list_leave_own (list, is_own, lookup->mx->own))
    {
      refuse (lookup, say_loop (lookup));
      return;
    }
  for (guint i = 0; i < list->len; i++)
    {
      BaseMx *mx = &g_array_index (list, BaseMx, i);

      base_mx_mix_families (mx->addresses, g_random_boolean ());
      take_addresses (lookup, mx);
    }
  if (lookup->found->len > 0)
    finish (lookup);
  else if (lookup->failed > 0)
    refuse (lookup, unknown_now (lookup, lookup->why));
  else
    refuse (lookup, base_reply_printf (550, 5, 4, 4, "%s has no mail host that can be used",
                                       lookup->domain));
}

/* ---- Addresses ---- */

static void
add_address (NetMxLookup *lookup, guint host, gboolean six, const gchar *octets, int length)
{
  GArray *addresses = g_array_index (lookup->list, BaseMx, host).addresses;
  guint16 port = htons ((guint16) lookup->route->destinations[0].port);
  BaseEndpoint endpoint = { 0 };

  if (length != (six ? 16 : 4) || addresses->len >= 2 * HOST_ADDRESSES)
    return;
  endpoint.length = six ? sizeof (struct sockaddr_in6) : sizeof (struct sockaddr_in);
  endpoint.address.any.sa_family = six ? AF_INET6 : AF_INET;
  endpoint.address.in.sin_port = port;
  if (six)
    memcpy (&endpoint.address.in6.sin6_addr, octets, 16);
  else
    memcpy (&endpoint.address.in.sin_addr, octets, 4);
  g_array_append_val (addresses, endpoint);
}

static void
note_failure (NetMxLookup *lookup, const gchar *why)
{
  lookup->failed++;
  g_free (lookup->why);
  lookup->why = g_strdup (why);
}

static void
on_addresses (NetQuery *query, const NetAnswer *answer)
{
  Question *question = NET_OWNER (query, Question, query);
  NetMxLookup *lookup = question->lookup;

  if (answer->kind == NET_ANSWER_FAILED)
    note_failure (lookup, answer->why);
  for (guint i = 0; answer->kind == NET_ANSWER_DATA && answer->data[i] != NULL; i++)
    if (i < HOST_ADDRESSES)
      add_address (lookup, question->host, question->six, answer->data[i], answer->lengths[i]);
  if (--lookup->open == 0)
    conclude (lookup);
}

static gboolean
ask (NetMxLookup *lookup, NetQuery *query, const gchar *name, int type)
{
  NetResolver *resolver = lookup->mx->resolver;

  return resolver != NULL && net_resolver_ask (resolver, query, name, type);
}

static void
ask_addresses (NetMxLookup *lookup)
{
  for (guint i = 0; i < 2 * lookup->list->len; i++)
    {
      Question *question = &lookup->questions[i];

      question->lookup = lookup;
      question->host = i / 2;
      question->six = i % 2 == 1;
      question->query.answered = on_addresses;
      if (ask (lookup, &question->query, g_array_index (lookup->list, BaseMx, i / 2).host,
               question->six ? ns_t_aaaa : ns_t_a))
        lookup->open++;
      else
        note_failure (lookup, "too many questions are open");
    }
  if (lookup->open == 0)
    conclude (lookup);
}

/* Hosts of which nothing was heard in time are left out, as those are of which nothing is known. */
static void
on_timer (NetTimer *timer)
{
  NetMxLookup *lookup = NET_OWNER (timer, NetMxLookup, timer);

  if (lookup->reply == NULL && lookup->open > 0)
    {
      note_failure (lookup, "no answer in time");
      conclude (lookup);
      return;
    }
  if (lookup->reply == NULL)
    lookup->reply = unknown_now (lookup, "no answer in time");
  finish (lookup);
}

/* ---- MX ---- */

static void
add_records (NetMxLookup *lookup, const NetAnswer *answer)
{
  for (guint i = 0; answer->data[i] != NULL; i++)
    {
      const guint8 *octets = (const guint8 *) answer->data[i];
      g_autofree gchar *name = answer->lengths[i] < 3
                                   ? NULL
                                   : base_mx_name (octets + 2, (gsize) answer->lengths[i] - 2);

      /* What is no name takes part all the same: a domain of which nothing can be read is not one
       * without records. */
      base_mx_list_add (lookup->list, name == NULL ? G_MAXUINT16 : octets[0] * 256U + octets[1],
                        g_random_int (), name == NULL ? "" : name);
    }
}

/* The domain's own name may be ours, too. */
static BaseMxVerdict
arrange (NetMxLookup *lookup)
{
  const gchar *own = lookup->mx->config->hostname;
  BaseMxVerdict verdict = base_mx_list_arrange (lookup->list, own);

  if (verdict != BASE_MX_NONE)
    return verdict;
  base_mx_list_add (lookup->list, 0, 0, lookup->domain);
  return base_mx_list_arrange (lookup->list, own);
}

static void
follow_records (NetMxLookup *lookup)
{
  switch (arrange (lookup))
    {
    case BASE_MX_NULL:
      refuse (lookup, base_reply_printf (556, 5, 1, 10, "%s takes no mail", lookup->domain));
      break;
    case BASE_MX_NONE:
    case BASE_MX_BAD:
      refuse (lookup, base_reply_printf (550, 5, 4, 4, "The mail hosts of %s have no names",
                                         lookup->domain));
      break;
    case BASE_MX_LOOP:
      refuse (lookup, say_loop (lookup));
      break;
    case BASE_MX_FINE:
      ask_addresses (lookup);
      break;
    }
}

static void
on_records (NetQuery *query, const NetAnswer *answer)
{
  NetMxLookup *lookup = NET_OWNER (query, NetMxLookup, query);

  switch (answer->kind)
    {
    case NET_ANSWER_DATA:
      add_records (lookup, answer);
      follow_records (lookup);
      break;
    case NET_ANSWER_NO_DATA:
      follow_records (lookup);
      break;
    case NET_ANSWER_NO_NAME:
      refuse (lookup, base_reply_printf (550, 5, 1, 2, "There is no domain %s", lookup->domain));
      break;
    case NET_ANSWER_FAILED:
      refuse (lookup, unknown_now (lookup, answer->why));
      break;
    }
}

/* ---- The beginning ---- */

/* A literal is its own answer. */
static void
take_literal (NetMxLookup *lookup, const gchar *address)
{
  gboolean six = strchr (address, ':') != NULL;
  guint8 octets[16];

  base_mx_list_add (lookup->list, 0, 0, address);
  inet_pton (six ? AF_INET6 : AF_INET, address, octets);
  add_address (lookup, 0, six, (const gchar *) octets, six ? 16 : 4);
  if (base_mx_list_leave_own (lookup->list, is_own, lookup->mx->own))
    {
      answer_soon (lookup, say_loop (lookup));
      return;
    }
  take_addresses (lookup, &g_array_index (lookup->list, BaseMx, 0));
  answer_soon (lookup, base_reply_printf (550, 5, 4, 4, "No mail goes to %s", lookup->domain));
}

NetMxLookup *
net_mx_look_up (NetMx *mx, const ConfigRoute *route, const gchar *domain, gint64 deadline,
                NetMxFunc func, gpointer owner)
{
  NetMxLookup *lookup = g_new0 (NetMxLookup, 1);
  g_autofree gchar *address = NULL;

  lookup->mx = mx;
  lookup->route = route;
  lookup->domain = g_strdup (domain);
  lookup->func = func;
  lookup->owner = owner;
  lookup->list = base_mx_list_new ();
  lookup->found = g_array_new (FALSE, FALSE, sizeof (NetMxAddress));
  net_timer_init (&lookup->timer, &mx->loop->timers, on_timer);
  net_timer_set (&lookup->timer, deadline);
  lookup->query.answered = on_records;
  if (base_mx_literal (domain, &address) && address == NULL)
    answer_soon (lookup, base_reply_printf (550, 5, 1, 3, "%s is no address", domain));
  else if (address != NULL)
    take_literal (lookup, address);
  else if (!ask (lookup, &lookup->query, domain, ns_t_mx))
    answer_soon (lookup, unknown_now (lookup, "too many questions are open"));
  return lookup;
}
