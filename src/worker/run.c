/* One request through the chain: which filters run, which of their hooks, what a verdict or a
 * failure does to the rest. A filter's fault becomes its record's `failed`; only a request that
 * makes no sense, or whose message can not be mapped, fails as a whole: the first filter's record
 * then says so. */
#include "worker/run.h"

#include <string.h>

#include "base/log.h"
#include "mime/guard.h"
#include "worker/context.h"
#include "worker/hooks.h"

struct _Worker
{
  const Config *config;
  const WorkerModules *modules;
  guint started; /* filters whose `start` was called */
};

/* One call of worker_run_request(). */
typedef struct
{
  Worker *worker;
  const IpcRequest *request;
  const ConfigListener *listener;
  WorkerRecordFunc func;
  gpointer data;
  guint32 hooks;          /* one of them makes a filter run */
  WorkerMessage *message; /* NULL: none */
  gint64 begun;           /* µs, monotonic */
  gint64 deadline;        /* of the whole request */
  gboolean unread;
  const BasePath *sender; /* as the filters so far have it */
  BasePath *new_sender;   /* one of them has set it; NULL: none */
  GPtrArray *recipients;  /* referenced; NULL: none */
  GPtrArray *notes;       /* NULL: none */
} Run;

Worker *
worker_new (const Config *config, const WorkerModules *modules)
{
  Worker *worker = g_new0 (Worker, 1);

  worker->config = config;
  worker->modules = modules;
  mime_init ();
  return worker;
}

gboolean
worker_start (Worker *worker, GError **error)
{
  for (; worker->started < worker_modules_count (worker->modules); worker->started++)
    {
      const WorkerFilter *filter = worker_modules_nth (worker->modules, worker->started);

      if (filter->filter->start == NULL || filter->filter->start (filter->block, error))
        continue;
      if (error != NULL && *error == NULL)
        g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "did not say why");
      g_prefix_error (error, "filter \"%s\" does not start: ", filter->config->name);
      return FALSE;
    }
  return TRUE;
}

void
worker_free (Worker *worker)
{
  if (worker == NULL)
    return;
  while (worker->started > 0)
    {
      const WorkerFilter *filter = worker_modules_nth (worker->modules, --worker->started);

      if (filter->filter->stop != NULL)
        filter->filter->stop (filter->block);
    }
  g_free (worker);
}

static const WorkerFilter *
filter_at (const Run *run, guint index)
{
  return worker_modules_nth (run->worker->modules, run->listener->filters[index]->index);
}

/* The next filter from `index` on that subscribes and is not spared; the chain's length when there
 * is none. */
static guint
next_filter (const Run *run, guint index)
{
  for (; index < run->listener->n_filters; index++)
    {
      const IpcFilterState *state = &g_array_index (run->request->filters, IpcFilterState, index);

      if (!state->skip && (filter_at (run, index)->facts.hooks & run->hooks) != 0)
        break;
    }
  return index;
}

static IpcRecord *
new_record (const Run *run, guint index)
{
  IpcRecord *record = ipc_record_new ();

  record->serial = run->request->serial;
  record->filter = index;
  return record;
}

static void
hand_on (const Run *run, IpcRecord *record)
{
  run->func (record, run->data);
  ipc_record_free (record);
}

static guint32
microseconds_since (gint64 moment)
{
  return (guint32) CLAMP (g_get_monotonic_time () - moment, 0, G_MAXUINT32);
}

static void
hand_on_last (const Run *run, guint index, const gchar *failure, const gchar *limit)
{
  IpcRecord *record = new_record (run, index);

  record->last = TRUE;
  record->served = microseconds_since (run->begun);
  record->failed = failure != NULL;
  record->reason = g_strdup (failure);
  record->limit = limit != NULL;
  if (limit != NULL)
    {
      record->verdict = IPC_VERDICT_REPLY;
      record->reply = base_reply_new (554, 5, 6, 0, limit);
    }
  hand_on (run, record);
}

/* What a filter's record brings to those behind it. */
static void
take_over (Run *run, const IpcRecord *record)
{
  if (record->edits != NULL && !worker_message_apply (run->message, record->edits))
    g_assert_not_reached ();
  if (record->sender != NULL)
    {
      base_path_free (run->new_sender);
      run->sender = run->new_sender = base_path_copy (record->sender);
    }
  if (record->recipients != NULL)
    {
      g_clear_pointer (&run->recipients, g_ptr_array_unref);
      run->recipients = g_ptr_array_ref (record->recipients);
    }
}

static void
take_note (GPtrArray *notes, const IpcNote *from)
{
  IpcNote *note = g_new0 (IpcNote, 1);

  note->name = g_strdup (from->name);
  note->value = g_strdup (from->value);
  for (guint i = 0; i < notes->len; i++)
    if (strcmp (((IpcNote *) g_ptr_array_index (notes, i))->name, note->name) == 0)
      {
        g_ptr_array_remove_index (notes, i);
        break;
      }
  g_ptr_array_add (notes, note);
}

static void
take_notes (Run *run, const GPtrArray *more)
{
  if (more == NULL || more->len == 0)
    return;
  if (run->notes == NULL)
    run->notes = g_ptr_array_new_with_free_func ((GDestroyNotify) ipc_note_free);
  for (guint i = 0; i < more->len; i++)
    take_note (run->notes, g_ptr_array_index (more, i));
}

static void
drop_edits (IpcRecord *record)
{
  g_clear_pointer (&record->edits, message_edits_unref);
  g_clear_pointer (&record->sender, base_path_free);
  g_clear_pointer (&record->recipients, g_ptr_array_unref);
}

static gboolean
ends_chain (const IpcRecord *record, const ConfigFilter *config)
{
  if (!config->enforce)
    return FALSE;
  if (record->failed)
    return config->on_failure != CONFIG_ON_FAILURE_PASS;
  switch (record->verdict)
    {
    case IPC_VERDICT_PASS:
    case IPC_VERDICT_SKIP:
      return FALSE;
    case IPC_VERDICT_REPLY:
    case IPC_VERDICT_CLOSE:
      return record->reply->code >= 400;
    case IPC_VERDICT_DISCARD:
    case IPC_VERDICT_QUARANTINE:
      return TRUE;
    }
  return TRUE;
}

static gboolean
refuses (const IpcRecord *record)
{
  return record->verdict > IPC_VERDICT_CLOSE
         || (record->verdict >= IPC_VERDICT_REPLY && record->reply->code >= 400);
}

static void
fail_record (IpcRecord *record, const gchar *reason)
{
  record->failed = TRUE;
  record->verdict = IPC_VERDICT_PASS;
  g_clear_pointer (&record->reply, base_reply_free);
  g_free (record->reason);
  record->reason = g_strdup (reason);
  g_clear_pointer (&record->notes, g_ptr_array_unref);
  drop_edits (record);
}

static MimeLimits
limits_of (const Config *config)
{
  return (MimeLimits){ .header_bytes = config->limit_header_block,
                       .field_bytes = config->limit_header_field,
                       .fields = (guint) config->limit_header_fields,
                       .address_field_bytes = config->limit_address_field,
                       .address_colons = (guint) config->limit_address_colons,
                       .depth = (guint) config->limit_depth,
                       .parts = (guint) config->limit_parts };
}

static void
init_context (const Run *run, guint index, gint64 start, WeirContext *context)
{
  gint64 timeout = filter_at (run, index)->config->timeout * 1000;

  *context
      = (WeirContext){ .config = run->worker->config,
                       .listener = run->listener,
                       .filter = filter_at (run, index),
                       .request = run->request,
                       .index = index,
                       .hook = run->request->hook,
                       .unread = run->unread,
                       .deadline = MIN (start + timeout, run->deadline),
                       .limits = limits_of (run->worker->config),
                       .body_chunk = worker_body_chunk (filter_at (run, index)->filter->body_chunk),
                       .message = run->message,
                       .sender = run->sender,
                       .recipients = run->recipients,
                       .notes = run->notes };
  worker_context_init (context);
}

/* TRUE: the chain goes on. */
static gboolean
run_filter (Run *run, guint index)
{
  WeirContext context;
  gint64 start = g_get_monotonic_time ();
  const ConfigFilter *config = filter_at (run, index)->config;
  IpcRecord *record = NULL;
  gboolean more = FALSE;

  init_context (run, index, start, &context);
  worker_hooks_run (&context);
  if (!worker_context_finish (&context))
    fail_record (context.record, context.failure);
  record = g_steal_pointer (&context.record);
  worker_context_clear (&context);
  record->served = microseconds_since (run->begun);
  record->microseconds = record->served - (guint32) (start - run->begun);
  if (refuses (record))
    drop_edits (record);
  record->last
      = ends_chain (record, config) || next_filter (run, index + 1) == run->listener->n_filters;
  more = !record->last;
  if (more && config->enforce)
    take_over (run, record);
  if (more)
    take_notes (run, record->notes);
  hand_on (run, record);
  return more;
}

static gboolean
needs_body (const Run *run, guint index)
{
  for (; index < run->listener->n_filters; index = next_filter (run, index + 1))
    if ((filter_at (run, index)->facts.hooks & IPC_HOOKS_OF_BODY) != 0)
      return run->request->hook == IPC_HOOK_END_OF_MESSAGE;
  return FALSE;
}

/* Of as much of the message as the chain sees. */
static gboolean
is_within_limits (Run *run, gboolean whole, MimeProblem *problem)
{
  MimeLimits limits = limits_of (run->worker->config);
  gsize length = 0;
  const guint8 *data = NULL;

  if (whole)
    return worker_message_check (run->message, &limits, problem);
  data = g_bytes_get_data (worker_message_header_block (run->message), &length);
  return length == 0 || mime_guard_check_headers (data, length, &limits, problem);
}

/* FALSE: the message is over a limit, or can not be read, and a record has said so. */
static gboolean
check_limits (Run *run, guint first)
{
  MimeProblem problem;
  g_autofree gchar *text = NULL;
  g_autoptr (GError) error = NULL;
  gboolean whole = needs_body (run, first);

  if (whole && worker_message_bytes (run->message, &error) == NULL)
    {
      hand_on_last (run, first, error->message, NULL);
      return FALSE;
    }
  if (run->unread || is_within_limits (run, whole, &problem))
    return TRUE;
  text = mime_problem_text (&problem);
  if (run->worker->config->over_limit == CONFIG_OVER_LIMIT_PASS)
    {
      base_log (BASE_LOG_NOTICE, "%s: %s: passed unread", run->request->session.session_id, text);
      run->unread = TRUE;
      return TRUE;
    }
  hand_on_last (run, first, NULL, text);
  return FALSE;
}

/* FALSE: there is no message to be had, or it is refused; a record has said so. */
static gboolean
open_message (Run *run, guint first)
{
  g_autoptr (GError) error = NULL;

  if ((IPC_HOOK_BIT (run->request->hook) & (IPC_HOOKS_OF_HEADERS | IPC_HOOKS_OF_BODY)) == 0)
    return TRUE;
  run->message = worker_message_new (run->request, &error);
  if (run->message != NULL)
    return check_limits (run, first);
  hand_on_last (run, first, error->message, NULL);
  return FALSE;
}

static guint32
hooks_of_request (IpcHook hook)
{
  if (hook == IPC_HOOK_END_OF_MESSAGE)
    return IPC_HOOKS_OF_HEADERS | IPC_HOOKS_OF_BODY;
  if (hook == IPC_HOOK_END_OF_HEADERS)
    return IPC_HOOKS_OF_HEADERS;
  return IPC_HOOK_BIT (hook);
}

static gboolean
is_sensible (const Worker *worker, const IpcRequest *request)
{
  const ConfigListener *listener = NULL;

  if (request->listener >= worker->config->listeners->len || request->filters == NULL)
    return FALSE;
  listener = g_ptr_array_index (worker->config->listeners, request->listener);
  return request->filters->len == listener->n_filters && request->first <= listener->n_filters;
}

static void
run_chain (Run *run)
{
  guint index = next_filter (run, run->request->first);

  if (index == run->listener->n_filters)
    {
      hand_on_last (run, run->request->first, NULL, NULL);
      return;
    }
  if (!open_message (run, index))
    return;
  while (run_filter (run, index))
    index = next_filter (run, index + 1);
}

void
worker_run_request (Worker *worker, const IpcRequest *request, WorkerRecordFunc func, gpointer data)
{
  Run run = { .worker = worker,
              .request = request,
              .func = func,
              .data = data,
              .begun = g_get_monotonic_time () };

  if (!is_sensible (worker, request))
    {
      hand_on_last (&run, request->first, "the request does not fit the configuration", NULL);
      return;
    }
  run.listener = g_ptr_array_index (worker->config->listeners, request->listener);
  run.hooks = hooks_of_request (request->hook);
  run.deadline = run.begun + (gint64) request->timeout * 1000;
  run.unread = request->unread;
  run.sender = request->sender;
  if (request->recipients != NULL)
    run.recipients = g_ptr_array_ref (request->recipients);
  take_notes (&run, request->notes);
  run_chain (&run);
  worker_message_free (run.message);
  base_path_free (run.new_sender);
  g_clear_pointer (&run.recipients, g_ptr_array_unref);
  g_clear_pointer (&run.notes, g_ptr_array_unref);
}
