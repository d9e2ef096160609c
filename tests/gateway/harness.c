/* See harness.h. */
#include "harness.h"

#include <string.h>
#include <unistd.h>

#include "harness-upstream.h"

/* ---- The host's methods ---- */

static gint64
host_now (gpointer host)
{
  return ((Harness *) host)->now;
}

static gint64
host_wall_clock (gpointer host)
{
  return 1000000000;
}

static gboolean
host_client_is_gone (gpointer host)
{
  return ((Harness *) host)->gone;
}

static gboolean
host_count_message (gpointer host)
{
  return !((Harness *) host)->slow;
}

static gboolean
host_change_client (gpointer host, const BaseEndpoint *client, const BaseEndpoint *server)
{
  Harness *harness = host;
  if (harness->crowded)
    return FALSE;
  harness->client = *client;
  harness->server = *server;
  return TRUE;
}

static void
host_count_outcome (gpointer host, const gchar *status)
{
  ((Harness *) host)->outcome = status;
}

static gboolean
host_capabilities (gpointer host, SmtpCapabilities *capabilities)
{
  Harness *harness = host;
  g_autofree gchar *line = g_strdup_printf ("AUTH %s", harness->mechanisms);
  *capabilities = harness->capabilities;
  if (harness->mechanisms != NULL)
    smtp_capabilities_parse_line (capabilities, line, strlen (line));
  return !harness->capabilities_later;
}

static GatewayUpstream *
host_take_upstream (gpointer host, const ConfigRoute *route, const gchar *domain, guint32 needs,
                    gboolean fresh)
{
  Harness *harness = host;
  g_ptr_array_add (harness->routes, g_strdup_printf ("%s%s", route->name, fresh ? " fresh" : ""));
  g_assert_cmpuint (harness->takes, ==, 0);
  harness->lmtp = config_route_is_lmtp (route);
  if (harness->take_later || harness->unreachable)
    {
      harness->takes++;
      return NULL;
    }
  return &harness_connection_new (harness)->upstream;
}

static void
host_cancel_upstream (gpointer host)
{
  Harness *harness = host;
  g_assert_cmpuint (harness->takes, ==, 1);
  harness->takes--;
}

static void
host_read_upstream (gpointer host)
{
  Harness *harness = host;
  harness_move_down (harness_connection (harness));
}

static void
host_give_upstream (gpointer host, GatewayUpstream *upstream, gboolean reusable)
{
  Harness *harness = host;
  if (reusable)
    {
      HarnessConnection *connection = (HarnessConnection *) upstream;
      g_assert_true (smtp_client_is_idle (upstream->client));
      g_assert_cmpuint (smtp_client_output (upstream->client)->length, ==, 0);
      g_assert_true (connection->closed || connection->lied
                     || !smtp_server_in_transaction (connection->server));
      harness->given_back++;
    }
  else
    harness->dropped++;
  harness_connection_free ((HarnessConnection *) upstream);
}

static gboolean
host_ask_worker (gpointer host, const IpcRequest *request)
{
  Harness *harness = host;
  g_auto (BaseBuffer) bytes = BASE_BUFFER_INIT;
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (GArray) copies = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (GError) error = NULL;
  if (harness->queue_full)
    return FALSE;
  g_assert_null (harness->request);
  ipc_request_encode (request, &bytes, descriptors);
  for (guint i = 0; i < descriptors->len; i++)
    {
      gint copy = dup (g_array_index (descriptors, gint, i));
      g_array_append_val (copies, copy);
    }
  harness->request = ipc_request_decode (base_buffer_bytes (&bytes), base_buffer_length (&bytes),
                                         copies, &error);
  g_assert_no_error (error);
  harness->requests++;
  return TRUE;
}

static void
host_cancel_worker (gpointer host)
{
  Harness *harness = host;
  harness->cancelled++;
  g_clear_pointer (&harness->request, ipc_request_free);
}

static gboolean
host_recall_worker (gpointer host)
{
  Harness *harness = host;
  return harness->request == NULL || !harness->begun;
}

static void
host_deliver (gpointer host, GatewayDelivery *job)
{
  Harness *harness = host;
  g_assert_null (harness->job);
  harness->job = job;
}

static const GatewayHost methods = { .now = host_now,
                                     .wall_clock = host_wall_clock,
                                     .client_is_gone = host_client_is_gone,
                                     .count_message = host_count_message,
                                     .change_client = host_change_client,
                                     .count_outcome = host_count_outcome,
                                     .capabilities = host_capabilities,
                                     .take_upstream = host_take_upstream,
                                     .cancel_upstream = host_cancel_upstream,
                                     .read_upstream = host_read_upstream,
                                     .give_upstream = host_give_upstream,
                                     .ask_worker = host_ask_worker,
                                     .cancel_worker = host_cancel_worker,
                                     .recall_worker = host_recall_worker,
                                     .deliver = host_deliver };

/* ---- Workers and disk ---- */

static gboolean
filter_wants (Harness *harness, const IpcRequest *request, guint filter)
{
  guint32 hooks = IPC_HOOK_BIT (request->hook);
  if (request->hook == IPC_HOOK_END_OF_MESSAGE)
    hooks = IPC_HOOKS_OF_HEADERS | IPC_HOOKS_OF_BODY;
  if (request->hook == IPC_HOOK_END_OF_HEADERS)
    hooks = IPC_HOOKS_OF_HEADERS;
  return (harness->listener->chain.filters[filter].hooks & hooks) != 0
         && !g_array_index (request->filters, IpcFilterState, filter).skip;
}

static guint
next_wanted (Harness *harness, const IpcRequest *request, guint from)
{
  while (from < harness->listener->chain.n_filters && !filter_wants (harness, request, from))
    from++;
  return from;
}

static gboolean
ends_chain (const IpcRecord *record)
{
  return record->verdict > IPC_VERDICT_REPLY || record->failed
         || (record->verdict == IPC_VERDICT_REPLY && record->reply->code >= 400);
}

void
harness_answer_request (Harness *harness, HarnessFilter filter)
{
  g_autoptr (IpcRequest) request = g_steal_pointer (&harness->request);
  guint cancelled = harness->cancelled;
  guint n = harness->listener->chain.n_filters;
  guint i = next_wanted (harness, request, request->first);
  gateway_session_worker_started (harness->session);
  while (i < n)
    {
      g_autoptr (IpcRecord) record = ipc_record_new ();
      guint next = next_wanted (harness, request, i + 1);
      record->serial = request->serial;
      record->filter = i;
      if (!filter (harness, request, i, record))
        {
          gateway_session_worker_failed (harness->session, "signal 11");
          return;
        }
      record->last = next >= n || ends_chain (record);
      gboolean last = record->last;
      gateway_session_worker_record (harness->session, record);
      if (last || harness->request != NULL || harness->cancelled > cancelled)
        return;
      i = next;
    }
}

void
harness_disk_is_done (Harness *harness)
{
  g_autoptr (GatewayDelivery) job = g_steal_pointer (&harness->job);
  g_autoptr (GError) error = NULL;
  MessageSource source = message_source_from_spool (job->spool);
  g_autoptr (GBytes) bytes = message_edits_apply (job->edits, &source, &error);
  g_assert_no_error (error);
  if (harness->disk_error == NULL)
    {
      GString *file = g_string_new (job->prefix);
      g_string_append_len (file, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
      g_ptr_array_add (harness->stored, g_string_free (file, FALSE));
      guint times
          = GPOINTER_TO_UINT (g_hash_table_lookup (harness->stored_from, job->sender->address));
      g_hash_table_insert (harness->stored_from, g_strdup (job->sender->address),
                           GUINT_TO_POINTER (times + 1));
    }
  gateway_session_delivered (harness->session, job, "NAME", harness->disk_error);
}

/* ---- Moving ---- */

static void
collect_heard (Harness *harness)
{
  BaseOutput *output = smtp_server_output (gateway_session_server (harness->session));
  while (output->length > 0)
    {
      struct iovec vector[16];
      guint n = base_output_iovec (output, vector, 16);
      gsize length = 0;
      for (guint i = 0; i < n; i++)
        {
          g_string_append_len (harness->heard, vector[i].iov_base, vector[i].iov_len);
          length += vector[i].iov_len;
        }
      base_output_consume (output, length);
    }
}

void
harness_move (Harness *harness)
{
  gboolean moved = TRUE;
  for (guint i = 0; i < 10000 && moved; i++)
    {
      moved = harness_move_upstream (harness);
      if (harness->request != NULL && harness->filter != NULL)
        {
          harness_answer_request (harness, harness->filter);
          moved = TRUE;
        }
      if (harness->job != NULL && !harness->store_later)
        {
          harness_disk_is_done (harness);
          moved = TRUE;
        }
    }
  g_assert_false (moved);
  collect_heard (harness);
}

/* A copy, so that whoever borrows for too long is found out. */
void
harness_say_bytes (Harness *harness, const gchar *said, gsize length)
{
  g_autofree guint8 *bytes = g_memdup2 (said, length);
  gateway_session_input (harness->session, bytes, length);
  HarnessConnection *connection = harness_connection (harness);
  if (connection != NULL)
    base_output_settle (smtp_client_output (connection->upstream.client));
  gateway_session_settle (harness->session);
  harness_move (harness);
}

static GString *
crlf (const gchar *text)
{
  GString *wire = g_string_sized_new (strlen (text) * 2);
  for (const gchar *c = text; *c != '\0'; c++)
    {
      if (*c == '\n')
        g_string_append_c (wire, '\r');
      g_string_append_c (wire, *c);
    }
  return wire;
}

void
harness_say (Harness *harness, const gchar *text)
{
  GString *wire = crlf (text);
  harness_say_bytes (harness, wire->str, wire->len);
  g_string_free (wire, TRUE);
}

void
harness_say_bytewise (Harness *harness, const gchar *text)
{
  GString *wire = crlf (text);
  for (gsize i = 0; i < wire->len; i++)
    harness_say_bytes (harness, wire->str + i, 1);
  g_string_free (wire, TRUE);
}

gchar *
harness_heard (Harness *harness)
{
  g_autoptr (GString) text = g_string_new (harness->heard->str);
  g_string_truncate (harness->heard, 0);
  g_string_replace (text, "\r\n", "\n", 0);
  return g_strdup (text->str);
}

void
harness_greet (Harness *harness)
{
  harness_say (harness,
               harness->listener->limits.lmtp ? "LHLO client.test\n" : "EHLO client.test\n");
  g_autofree gchar *heard = harness_heard (harness);
  g_assert_true (g_str_has_prefix (heard, "220 mx.test"));
}

void
harness_pass_time (Harness *harness, gint64 milliseconds)
{
  gint64 until = harness->now + milliseconds * 1000;
  for (guint i = 0; i < 1000; i++)
    {
      gint64 next = gateway_session_timeout (harness->session);
      if (next == 0 || next > until)
        break;
      harness->now = MAX (harness->now, next);
      gateway_session_timer (harness->session);
      harness_move (harness);
    }
  harness->now = until;
}

void
harness_script (Harness *harness, const gchar *key, const gchar *answer)
{
  if (answer == NULL)
    g_hash_table_remove (harness->script, key);
  else
    g_hash_table_insert (harness->script, g_strdup (key), g_strdup (answer));
}

void
harness_upstream_answers (Harness *harness, const gchar *answer)
{
  g_autoptr (BaseReply) reply = harness_reply (answer);
  smtp_server_answer (harness_connection (harness)->server, reply);
  harness_serve (harness, harness_connection (harness));
  harness_move (harness);
}

void
harness_upstream_says (Harness *harness, const gchar *bytes)
{
  base_output_append_string (smtp_server_output (harness_connection (harness)->server), bytes);
  harness_move (harness);
}

void
harness_upstream_closes (Harness *harness)
{
  harness_connection (harness)->closed = TRUE;
  harness_move (harness);
}

void
harness_upstream_comes (Harness *harness)
{
  harness->takes = 0;
  if (harness->unreachable)
    gateway_session_upstream_failed (harness->session,
                                     BASE_REPLY (451, 4, 4, 1, "nobody is there"));
  else
    gateway_session_upstream_ready (harness->session, &harness_connection_new (harness)->upstream);
  harness_move (harness);
}

/* ---- Making one ---- */

static GPtrArray *
commands_of (const gchar *added)
{
  GPtrArray *commands = g_ptr_array_new_with_free_func ((GDestroyNotify) ipc_command_free);
  g_auto (GStrv) words = g_strsplit (added, " ", 2);
  g_ptr_array_add (commands,
                   ipc_command_new (words[0], (guint32) (words[1][0] - '0'), words[1][1] == '!'));
  return commands;
}

Harness *
harness_new (const gchar *text, const guint32 *hooks, guint n_hooks, guint32 edits)
{
  return harness_new_adding (text, hooks, n_hooks, edits, NULL);
}

static Harness *
make (const gchar *text, const guint32 *hooks, guint n_hooks, guint32 edits,
      const gchar *const *adds)
{
  Harness *harness = g_new0 (Harness, 1);
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  harness->sources = config_sources_new_files ();
  config_sources_add (harness->sources, "test.conf", text);
  harness->config = config_load (harness->sources, "test.conf", errors);
  g_autofree gchar *why = config_errors_to_string (errors);
  if (harness->config == NULL)
    g_error ("%s", why);
  harness->facts = ipc_filter_facts_array_new ();
  for (guint i = 0; i < n_hooks; i++)
    {
      IpcFilterFacts facts = { .hooks = hooks[i], .edits = edits, .state_size = 4 };
      if (adds != NULL && adds[i] != NULL)
        facts.commands = commands_of (adds[i]);
      g_array_append_val (harness->facts, facts);
    }
  harness->now = G_USEC_PER_SEC;
  harness->heard = g_string_new (NULL);
  harness->script = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  harness->stored_from = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  harness->accepted = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  harness->commands = g_string_new (NULL);
  harness->message = g_string_new (NULL);
  harness->routes = g_ptr_array_new_with_free_func (g_free);
  harness->stored = g_ptr_array_new_with_free_func (g_free);
  harness->capabilities
      = (SmtpCapabilities){ .flags = SMTP_CAP_PIPELINING | SMTP_CAP_8BITMIME | SMTP_CAP_SIZE
                                     | SMTP_CAP_DSN | SMTP_CAP_SMTPUTF8
                                     | SMTP_CAP_ENHANCEDSTATUSCODES };
  harness->listener = gateway_listener_new (harness->config, harness->config->listeners->pdata[0],
                                            harness->facts);
  return harness;
}

static Harness *
begin (Harness *harness, const gchar *address, GatewayClientKind kind)
{
  GatewayClient client = { .client_name = "client.test", .kind = kind };
  base_endpoint_parse (address, &client.client, NULL);
  base_endpoint_parse ("127.0.0.1:2525", &client.server, NULL);
  harness->client = client.client;
  harness->server = client.server;
  harness->session = gateway_session_new (harness->listener, &client, &methods, harness);
  gateway_session_pump (harness->session);
  harness_move (harness);
  return harness;
}

Harness *
harness_new_adding (const gchar *text, const guint32 *hooks, guint n_hooks, guint32 edits,
                    const gchar *const *adds)
{
  return begin (make (text, hooks, n_hooks, edits, adds), "127.0.0.1:40000", GATEWAY_CLIENT_ITSELF);
}

Harness *
harness_new_for (const gchar *text, const guint32 *hooks, guint n_hooks, const gchar *client,
                 GatewayClientKind kind)
{
  return begin (make (text, hooks, n_hooks, IPC_EDIT_HEADERS, NULL), client, kind);
}

void
harness_free (Harness *harness)
{
  gateway_session_free (harness->session);
  gateway_listener_free (harness->listener);
  config_free (harness->config);
  config_sources_free (harness->sources);
  g_array_unref (harness->facts);
  g_string_free (harness->heard, TRUE);
  g_hash_table_unref (harness->script);
  g_hash_table_unref (harness->accepted);
  g_hash_table_unref (harness->stored_from);
  g_string_free (harness->commands, TRUE);
  g_string_free (harness->message, TRUE);
  g_ptr_array_unref (harness->routes);
  g_ptr_array_unref (harness->stored);
  ipc_request_free (harness->request);
  gateway_delivery_free (harness->job);
  g_clear_error (&harness->disk_error);
  g_free (harness);
}
