/* mailweir try: runs a listener's chain on a message in a file, hook by hook as the gateway would,
 * and prints each filter's verdict, notes and time, and the edits as a diff.
 *
 * Exit status: 0 accepted (or discarded), 1 refused, 75 deferred, 64 usage, 78 configuration. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/network.h"
#include "commands/commands.h"
#include "commands/try-report.h"
#include "commands/try-worker.h"
#include "message/mend.h"
#include "supervisor/paths.h"

#define MAX_MESSAGE (200 * 1024 * 1024) /* octets; a request holds 256 MB */

typedef struct
{
  gchar *config, *listener, *from, *client, *helo;
  gchar **to;
  gboolean json;
} Options;

typedef struct
{
  const Options *options;
  const Config *config;
  Chain chain;
  ChainState *state;
  TryWorker *worker;
  IpcRequest request;
  GBytes *message;
  MessageEdits *mends; /* of its header; NULL: none, or not yet looked at */
  BaseEndpoint client;
  TryReport *report;
  gint status; /* once the session or the transaction is decided */
  gboolean decided;
} Try;

static void
report_record (const ChainFilter *filter, const IpcRecord *record, const gchar *why, gpointer data)
{
  const Try *try = data;

  try_report_record (try->report, try->request.hook, filter, record, why);
}

/* ---- The verdict ---- */

static void
decide (Try *try, gint status, const gchar *word, const gchar *text)
{
  try->decided = TRUE;
  try->status = status;
  try_report_outcome (try->report, word, text);
}

static void
decide_refusal (Try *try, const BaseReply *reply)
{
  g_autofree gchar *text = base_reply_to_string (reply);

  if (reply->code < 500)
    decide (try, EX_TEMPFAIL, "deferred", text);
  else
    decide (try, 1, "refused", text);
}

static void
decide_quarantine (Try *try, const gchar *reason)
{
  if (try->config->quarantine == NULL)
    decide (try, EX_TEMPFAIL, "deferred: no quarantine is configured", reason);
  else if (try->config->quarantine_reply == CONFIG_QUARANTINE_REJECT)
    decide (try, 1, "quarantined and refused", reason);
  else
    decide (try, EX_OK, "quarantined", reason);
}

/* TRUE: go on. */
static gboolean
take_outcome (Try *try, gboolean last)
{
  const ChainOutcome *outcome = chain_outcome (try->state);

  switch (outcome->kind)
    {
    case CHAIN_PASS:
      if (last)
        {
          g_autofree gchar *text
              = outcome->reply == NULL ? NULL : base_reply_to_string (outcome->reply);

          try_report_edits (try->report, outcome, try->message);
          decide (try, EX_OK, "accepted", text);
        }
      return TRUE;
    case CHAIN_REFUSE:
    case CHAIN_CLOSE:
      decide_refusal (try, outcome->reply);
      break;
    case CHAIN_DISCARD:
      decide (try, EX_OK, "discarded", outcome->filter);
      break;
    case CHAIN_QUARANTINE:
      decide_quarantine (try, outcome->reason);
      break;
    }
  return FALSE;
}

/* ---- The session ---- */

/* From DATA on the first recipient stands for all, as in the gateway. */
static void
set_facts (Try *try, IpcHook hook, const gchar *argument)
{
  const IpcRequest *request = &try->request;
  const ConfigListener *listener = g_ptr_array_index (try->config->listeners, request->listener);
  const BaseFacts facts = { .listener = listener->name,
                            .client = &try->client,
                            .sender = request->sender == NULL ? NULL : request->sender->address,
                            .recipient = hook == IPC_HOOK_RCPT ? argument : NULL };

  chain_state_set_facts (try->state, &facts);
  if (hook == IPC_HOOK_DATA)
    chain_state_set_recipient (try->state, ((BasePath *) request->recipients->pdata[0])->address);
}

static void
run_hook (Try *try, IpcHook hook, gchar *argument)
{
  gsize size = try->request.message == NULL ? 0 : g_bytes_get_size (try->request.message);

  try->request.hook = hook;
  try->request.argument = argument;
  set_facts (try, hook, argument);
  gboolean asked = chain_begin (try->state, hook, size);
  if (size > 0 && try->mends != NULL)
    chain_set_edits (try->state, try->mends);
  if (asked)
    try_worker_run (try->worker, try->state, &try->request, report_record, try);
}

static gboolean
greet (Try *try)
{
  run_hook (try, IPC_HOOK_CONNECT, NULL);
  if (!take_outcome (try, FALSE))
    return FALSE;
  try->request.session.helo = try->options->helo;
  run_hook (try, IPC_HOOK_EHLO, try->options->helo);
  return take_outcome (try, FALSE);
}

/* Whether filters' conditions tell the last recipient from the first: then it would be sent in a
 * transaction of its own, and is left out here. */
static gboolean
is_split_off (Try *try, const gchar *to)
{
  const GPtrArray *recipients = try->request.recipients;

  if (recipients->len < 2
      || chain_same_class (try->state, ((BasePath *) recipients->pdata[0])->address, to, FALSE))
    return FALSE;
  try_report_remark (
      try->report,
      "recipient <%s> is filtered differently: it would hear 452 4.5.3 and come separately", to);
  return TRUE;
}

/* Each recipient by itself: a refusal is that recipient's. */
static gboolean
ask_recipients (Try *try)
{
  g_autoptr (BaseReply) refusal = NULL;

  for (gchar **to = try->options->to; *to != NULL; to++)
    {
      const ChainOutcome *outcome;

      g_ptr_array_add (try->request.recipients, base_path_new (*to, NULL));
      if (is_split_off (try, *to))
        {
          g_ptr_array_set_size (try->request.recipients, (gint) try->request.recipients->len - 1);
          continue;
        }
      run_hook (try, IPC_HOOK_RCPT, *to);
      outcome = chain_outcome (try->state);
      if (outcome->kind != CHAIN_REFUSE && !take_outcome (try, FALSE))
        return FALSE;
      if (outcome->kind != CHAIN_REFUSE)
        continue;
      g_ptr_array_set_size (try->request.recipients, (gint) try->request.recipients->len - 1);
      g_clear_pointer (&refusal, base_reply_free);
      refusal = base_reply_copy (outcome->reply);
      try_report_remark (try->report, "recipient <%s> is refused", *to);
    }
  if (try->request.recipients->len > 0)
    return TRUE;
  decide_refusal (try, refusal);
  return FALSE;
}

static gboolean
ask_envelope (Try *try)
{
  chain_state_begin_message (try->state);
  try->request.sender = base_path_new (try->options->from, NULL);
  try->request.recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  run_hook (try, IPC_HOOK_MAIL, try->options->from);
  if (!take_outcome (try, FALSE) || !ask_recipients (try))
    return FALSE;
  run_hook (try, IPC_HOOK_DATA, NULL);
  return take_outcome (try, FALSE);
}

/* The header block with its blank line, or the whole message; with what the gateway would mend.
 * FALSE: it would refuse it. */
static gboolean
show_message (Try *try, gboolean whole)
{
  gsize size = 0;
  const guint8 *bytes = g_bytes_get_data (try->message, &size);
  g_autoptr (MessageHeaders) headers = message_headers_scan (bytes, size, TRUE);

  try->mends = message_mend (headers);
  if (try->mends != NULL
      && (try->config->malformed_header == CONFIG_MALFORMED_HEADER_REJECT
          || message_edits_count (try->mends) > MESSAGE_MAX_MENDS))
    {
      decide_refusal (try, BASE_REPLY (550, 5, 6, 0, "Malformed message header"));
      return FALSE;
    }
  if (!whole)
    size = message_headers_body (headers);
  try->request.message = g_bytes_new_from_bytes (try->message, 0, size);
  try->request.message_size = size;
  return TRUE;
}

static void
run_session (Try *try)
{
  gboolean whole;
  BasePath *sender;
  GPtrArray *recipients;

  if (!greet (try))
    return;
  if (ask_envelope (try))
    {
      whole = chain_needs_body (try->state);
      if (show_message (try, whole))
        {
          run_hook (try, whole ? IPC_HOOK_END_OF_MESSAGE : IPC_HOOK_END_OF_HEADERS, NULL);
          take_outcome (try, TRUE);
        }
      g_clear_pointer (&try->request.message, g_bytes_unref);
    }
  sender = g_steal_pointer (&try->request.sender);
  recipients = g_steal_pointer (&try->request.recipients);
  base_path_free (sender);
  g_ptr_array_unref (recipients);
}

/* ---- What to run on what ---- */

static const IpcFilterFacts *
facts_of (gconstpointer modules, guint nth)
{
  return &worker_modules_nth (modules, nth)->facts;
}

static const ConfigListener *
find_listener (const Config *config, const gchar *name)
{
  for (guint i = 0; i < config->listeners->len; i++)
    {
      const ConfigListener *listener = g_ptr_array_index (config->listeners, i);

      if (name == NULL || g_str_equal (listener->name, name))
        return listener;
    }
  return NULL;
}

/* Wire form: no mbox separator, every line break CRLF, one at the end. */
static GBytes *
to_wire (const gchar *text, gsize length)
{
  GByteArray *out = g_byte_array_sized_new ((guint) (length + length / 16 + 2));
  const gchar *end = text + length;

  if (length > 5 && memcmp (text, "From ", 5) == 0)
    {
      const gchar *next = memchr (text, '\n', length);

      text = next == NULL ? end : next + 1;
    }
  while (text < end)
    {
      const gchar *next = memchr (text, '\n', (gsize) (end - text));
      const gchar *stop = next == NULL ? end : next;

      if (stop > text && stop[-1] == '\r')
        stop--;
      g_byte_array_append (out, (const guint8 *) text, (guint) (stop - text));
      g_byte_array_append (out, (const guint8 *) "\r\n", 2);
      text = next == NULL ? end : next + 1;
    }
  return g_byte_array_free_to_bytes (out);
}

static GBytes *
read_message (const gchar *path, GError **error)
{
  g_autofree gchar *text = NULL;
  gsize length = 0;

  if (!g_file_get_contents (g_str_equal (path, "-") ? "/dev/stdin" : path, &text, &length, error))
    return NULL;
  if (length <= MAX_MESSAGE)
    return to_wire (text, length);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: larger than 200 MB", path);
  return NULL;
}

/* For conditions; what is no address is in no network. */
static BaseEndpoint
endpoint_of (const gchar *address)
{
  BaseEndpoint endpoint = { 0 };
  gboolean six = strchr (address, ':') != NULL;
  g_autofree gchar *text = g_strconcat (six ? "[" : "", address, six ? "]:25252" : ":25252", NULL);

  if (!base_endpoint_parse (text, &endpoint, NULL))
    memset (&endpoint, 0, sizeof endpoint);
  return endpoint;
}

static gint
run_chain (const Options *options, const Config *config, const WorkerModules *modules,
           const ConfigListener *listener, GBytes *message)
{
  Try try = { .options = options,
              .config = config,
              .message = message,
              .report = try_report_new (options->json) };

  if (listener->n_filters == 0)
    try_report_remark (try.report, "listener \"%s\" has no filters: nothing looks at the message",
                       listener->name);
  chain_init (&try.chain, listener, facts_of, modules);
  try.state = chain_state_new (&try.chain);
  try.worker = try_worker_new (config, modules);
  try.request = (IpcRequest){ .listener = listener->index,
                              .timeout = (guint32) MIN (config->deadline, G_MAXINT),
                              .message_descriptor = -1 };
  try.request.session = (IpcSession){ .session_id = (gchar *) "TRY",
                                      .message_id = (gchar *) "TRY",
                                      .client_address = options->client,
                                      .client_port = 25252,
                                      .client_name = (gchar *) "unknown" };
  try.client = endpoint_of (options->client);
  run_session (&try);
  try_worker_free (try.worker);
  chain_state_free (try.state);
  message_edits_unref (try.mends);
  chain_clear (&try.chain);
  try_report_finish (try.report, try.status);
  return try.status;
}

static gint
try_message (const Options *options, const gchar *path)
{
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  const gchar *file = options->config != NULL ? options->config : supervisor_default_config ();
  g_autoptr (Config) config = config_load (sources, file, errors);
  g_autoptr (WorkerModules) modules = NULL;
  g_autoptr (GBytes) message = NULL;
  g_autoptr (GError) error = NULL;
  const ConfigListener *listener;

  if (config != NULL)
    {
      g_auto (GStrv) directories = supervisor_module_directories (config);

      modules = worker_modules_load (config, (const gchar *const *) directories, errors);
    }
  if (modules == NULL)
    {
      g_autofree gchar *text = config_errors_to_string (errors);

      fputs (text, stderr);
      return EX_CONFIG;
    }
  listener = find_listener (config, options->listener);
  message = listener == NULL ? NULL : read_message (path, &error);
  if (message != NULL)
    return run_chain (options, config, modules, listener, message);
  if (error != NULL)
    fprintf (stderr, "mailweir try: %s\n", error->message);
  else
    fprintf (stderr, "mailweir try: no listener \"%s\"\n",
             options->listener != NULL ? options->listener : "");
  return error != NULL ? EX_NOINPUT : EX_USAGE;
}

/* ---- The command line ---- */

static void
set_defaults (Options *options)
{
  static const gchar *const to[] = { "postmaster@localhost", NULL };

  if (options->from == NULL)
    options->from = g_strdup ("");
  if (options->client == NULL)
    options->client = g_strdup ("192.0.2.1");
  if (options->helo == NULL)
    options->helo = g_strdup ("client.example");
  if (options->to == NULL)
    options->to = g_strdupv ((gchar **) to);
}

static void
clear_options (Options *options)
{
  g_free (options->config);
  g_free (options->listener);
  g_free (options->from);
  g_free (options->client);
  g_free (options->helo);
  g_strfreev (options->to);
}

int
command_try (int argc, char **argv)
{
  Options options = { NULL };
  const GOptionEntry entries[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &options.config, "Use this configuration", "FILE" },
    { "listener", 0, 0, G_OPTION_ARG_STRING, &options.listener, "Run its chain; else the first's",
      "NAME" },
    { "from", 0, 0, G_OPTION_ARG_STRING, &options.from, "The sender; else the null sender", "A" },
    { "to", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options.to, "A recipient, may be repeated", "B" },
    { "client", 0, 0, G_OPTION_ARG_STRING, &options.client, "The client's address", "ADDRESS" },
    { "helo", 0, 0, G_OPTION_ARG_STRING, &options.helo, "The name in EHLO", "NAME" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print one JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (
      "MESSAGE - run the filters on a message in a file (\"-\": standard input)");
  g_autoptr (GError) error = NULL;
  gint status = EX_USAGE;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    fprintf (stderr, "mailweir try: %s\n", error->message);
  else if (argc > 2)
    command_refuse_argument ("try", argv[2], FALSE);
  else if (argc != 2)
    fprintf (stderr, "mailweir try: name one message\n");
  else if (options.client != NULL && !g_hostname_is_ip_address (options.client))
    fprintf (stderr, "mailweir try: no address: \"%s\"\n", options.client);
  else
    {
      set_defaults (&options);
      status = try_message (&options, argv[1]);
    }
  clear_options (&options);
  return status;
}
