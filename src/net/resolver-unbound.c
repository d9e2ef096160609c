/* The resolver on libunbound. What fails when it is made is the configuration of name servers;
 * later on, each question by itself. */
#include <unbound.h>

#include <arpa/nameser.h>

#include "net/resolver.h"

struct _NetResolver
{
  struct ub_ctx *context;
  NetWatch watch;
  GQueue queries; /* of NetQuery that wait */
};

/* ---- Answers ---- */

static NetAnswer
read_result (int status, const struct ub_result *result)
{
  NetAnswer answer = { .kind = NET_ANSWER_FAILED };

  if (status != 0)
    answer.why = ub_strerror (status);
  else if (result->nxdomain)
    answer.kind = NET_ANSWER_NO_NAME;
  else if (result->rcode != 0)
    answer.why = "the name servers have no answer";
  else
    answer.kind = result->havedata ? NET_ANSWER_DATA : NET_ANSWER_NO_DATA;
  if (answer.kind == NET_ANSWER_DATA)
    {
      answer.data = result->data;
      answer.lengths = result->len;
    }
  return answer;
}

static void
on_answer (void *data, int status, struct ub_result *result)
{
  NetQuery *query = data;
  NetAnswer answer = read_result (status, result);

  g_queue_unlink (&query->resolver->queries, &query->link);
  query->active = FALSE;
  query->answered (query, &answer);
  ub_resolve_free (result);
}

static void
on_readable (NetWatch *watch, int events)
{
  ub_process (NET_OWNER (watch, NetResolver, watch)->context);
}

gboolean
net_resolver_ask (NetResolver *resolver, NetQuery *query, const gchar *name, int type)
{
  if (resolver->queries.length >= NET_RESOLVER_QUERIES)
    return FALSE;
  query->resolver = resolver;
  if (ub_resolve_async (resolver->context, name, type, ns_c_in, query, on_answer, &query->id) != 0)
    return FALSE;
  query->active = TRUE;
  query->link = (GList){ .data = query };
  g_queue_push_tail_link (&resolver->queries, &query->link);
  return TRUE;
}

void
net_resolver_cancel (NetQuery *query)
{
  if (!query->active)
    return;
  ub_cancel (query->resolver->context, query->id);
  g_queue_unlink (&query->resolver->queries, &query->link);
  query->active = FALSE;
}

/* ---- Making ---- */

static gboolean
is_fine (int status, const gchar *what, GError **error)
{
  if (status == 0)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "looking names up: %s: %s", what,
               ub_strerror (status));
  return FALSE;
}

static gboolean
set_servers (struct ub_ctx *context, const Config *config, GError **error)
{
  for (guint i = 0; config->resolver[i] != NULL; i++)
    if (!is_fine (ub_ctx_set_fwd (context, config->resolver[i]), config->resolver[i], error))
      return FALSE;
  if (config->resolver[0] != NULL)
    return TRUE;
  /* A machine without either file asks the root servers. */
  ub_ctx_resolvconf (context, NULL);
  ub_ctx_hosts (context, NULL);
  return TRUE;
}

/* libunbound itself says that there is nothing below these names, but a house's own name servers
 * may well know more (RFC 8375 section 4 for home.arpa): to say "no such domain" would bounce its
 * mail. To be called last: it ends the setting up. */
static gboolean
ask_servers_for_all (struct ub_ctx *context, GError **error)
{
  static const gchar *const zones[] = { "home.arpa.", "test." };

  for (guint i = 0; i < G_N_ELEMENTS (zones); i++)
    if (!is_fine (ub_ctx_zone_remove (context, zones[i]), zones[i], error))
      return FALSE;
  return TRUE;
}

/* A thread, not a process: the gateway never forks. Resolvers on our own host are the usual case,
 * which libunbound would not ask by itself. */
static gboolean
set_up (struct ub_ctx *context, const Config *config, GError **error)
{
  return is_fine (ub_ctx_async (context, 1), "async", error)
         && is_fine (ub_ctx_set_option (context, "do-not-query-localhost:", "no"), "localhost",
                     error)
         && set_servers (context, config, error) && ask_servers_for_all (context, error);
}

NetResolver *
net_resolver_new (NetLoop *loop, const Config *config, GError **error)
{
  g_autofree NetResolver *resolver = g_new0 (NetResolver, 1);

  resolver->context = ub_ctx_create ();
  if (resolver->context == NULL)
    {
      g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_NOMEM,
                           "looking names up: no memory or random numbers");
      return NULL;
    }
  if (!set_up (resolver->context, config, error))
    {
      ub_ctx_delete (resolver->context);
      return NULL;
    }
  net_watch_init (&resolver->watch, &loop->poller, ub_fd (resolver->context), on_readable);
  net_watch_set (&resolver->watch, NET_READABLE);
  return g_steal_pointer (&resolver);
}

void
net_resolver_close (NetResolver *resolver)
{
  g_assert (resolver->queries.length == 0);
  net_watch_close (&resolver->watch);
  ub_ctx_delete (resolver->context);
  g_free (resolver);
}
