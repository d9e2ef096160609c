/* Calling a filter's hooks. One request may stand for several: each field of the header, its end,
 * the body in chunks, the end of the message. The first verdict that is not a pass or a positive
 * text ends them; a positive text is kept and the next hook is asked. */
#include "worker/hooks.h"

#include <string.h>

#include "worker/verdicts.h"

/* TRUE: this filter's next hook may be called. */
static gboolean
accept_verdict (WeirContext *context, WeirVerdict verdict)
{
  IpcRecord *record = context->record;

  if (context->failure == NULL)
    context->failure = worker_verdict_problem (context, verdict);
  if (context->failure != NULL)
    {
      worker_context_end_call (context);
      return FALSE;
    }
  /* A later hook's text does not take back that the session is to end. */
  if (verdict != WEIR_PASS && !(verdict == WEIR_SKIP && record->reply != NULL)
      && !(verdict == WEIR_REPLY && record->verdict == IPC_VERDICT_CLOSE
           && base_reply_is_positive (context->reply)))
    record->verdict = (IpcVerdict) verdict;
  if (verdict == WEIR_REPLY || verdict == WEIR_CLOSE)
    {
      base_reply_free (record->reply);
      record->reply = g_steal_pointer (&context->reply);
    }
  else if (verdict > WEIR_CLOSE)
    g_clear_pointer (&record->reply, base_reply_free);
  if (verdict == WEIR_QUARANTINE)
    record->reason = g_steal_pointer (&context->reason);
  worker_context_end_call (context);
  return verdict == WEIR_PASS
         || ((verdict == WEIR_REPLY || verdict == WEIR_CLOSE)
             && base_reply_is_positive (record->reply));
}

/* Fields as they were when the filter began: what it inserts is not shown to it, what it removed
 * neither. */
static gboolean
run_header (WeirContext *context)
{
  WorkerHeaders *headers = NULL;
  g_autoptr (GPtrArray) fields = NULL;
  gboolean more = TRUE;

  context->hook = IPC_HOOK_HEADER;
  headers = worker_context_headers (context);
  fields = g_ptr_array_new ();
  for (guint i = 0; i < worker_headers_count (headers); i++)
    g_ptr_array_add (fields, worker_headers_nth (headers, i));
  for (guint i = 0; more && i < fields->len; i++)
    {
      WorkerField *field = g_ptr_array_index (fields, i);

      if (worker_headers_is_gone (field))
        continue;
      context->field = field;
      more = accept_verdict (
          context, context->filter->filter->header (context, worker_headers_name (headers, field),
                                                    worker_headers_value (headers, field)));
    }
  return more;
}

static gboolean
run_end_of_headers (WeirContext *context)
{
  context->hook = IPC_HOOK_END_OF_HEADERS;
  return accept_verdict (context, context->filter->filter->end_of_headers (context));
}

/* Lines with their CRLF, or pieces; the hook before may have changed its mind. */
static gsize
piece_length (const WeirContext *context, const guint8 *data, gsize left)
{
  const guint8 *end = NULL;

  if (context->body_chunk != WEIR_BODY_LINES)
    return MIN (context->body_chunk, left);
  end = memchr (data, '\n', left);
  return MIN (end == NULL ? left : (gsize) (end - data) + 1, WEIR_MAX_BODY_LINE);
}

static gboolean
run_body (WeirContext *context)
{
  const WeirFilter *filter = context->filter->filter;
  GBytes *bytes = worker_message_bytes (context->message, NULL);
  gboolean more = bytes != NULL;
  gsize size = 0;
  const guint8 *data = bytes == NULL ? NULL : g_bytes_get_data (bytes, &size);

  context->hook = IPC_HOOK_BODY;
  if (bytes == NULL)
    context->failure = g_strdup ("the message's bytes can not be had");
  for (gsize at = more ? worker_headers_body (worker_context_headers (context)) : 0, length = 0;
       more && at < size; at += length)
    {
      length = piece_length (context, data + at, size - at);
      more = accept_verdict (context, filter->body (context, data + at, length));
    }
  return more;
}

static gboolean
run_end_of_message (WeirContext *context)
{
  context->hook = IPC_HOOK_END_OF_MESSAGE;
  return accept_verdict (context, context->filter->filter->end_of_message (context));
}

static gboolean
wants (const WeirContext *context, IpcHook hook)
{
  return (context->filter->facts.hooks & IPC_HOOK_BIT (hook)) != 0;
}

static void
run_message (WeirContext *context)
{
  gboolean whole = context->request->hook == IPC_HOOK_END_OF_MESSAGE;

  if ((!wants (context, IPC_HOOK_HEADER) || run_header (context))
      && (!wants (context, IPC_HOOK_END_OF_HEADERS) || run_end_of_headers (context)) && whole
      && (!wants (context, IPC_HOOK_BODY) || run_body (context))
      && wants (context, IPC_HOOK_END_OF_MESSAGE))
    run_end_of_message (context);
}

static WeirVerdict
run_command (WeirContext *context, const gchar *argument)
{
  const WorkerFilter *filter = context->filter;

  for (guint i = 0; i < filter->facts.commands->len; i++)
    {
      const IpcCommand *command = g_ptr_array_index (filter->facts.commands, i);

      if (g_ascii_strcasecmp (command->verb, context->request->verb) == 0)
        return g_array_index (filter->runs, WorkerCommandRun, i) (context, argument);
    }
  return WEIR_PASS;
}

static const gchar *
argument_of (WeirContext *context)
{
  const gchar *argument = context->request->argument;
  guint recipients = weir_recipient_count (context);

  if (argument == NULL && context->hook == IPC_HOOK_MAIL)
    argument = weir_sender (context);
  if (argument == NULL && context->hook == IPC_HOOK_RCPT && recipients > 0)
    argument = weir_recipient (context, recipients - 1);
  return argument == NULL ? "" : argument;
}

/* Hooks without a verdict. */
static WeirVerdict
run_over (WeirContext *context, const gchar *text)
{
  if (context->hook == IPC_HOOK_MESSAGE_OVER)
    context->filter->filter->message_over (context, context->request->code, text);
  else
    context->filter->filter->session_over (context);
  return WEIR_PASS;
}

static WeirVerdict
run_simple (WeirContext *context)
{
  const WeirFilter *filter = context->filter->filter;
  const gchar *argument = argument_of (context);

  switch (context->hook)
    {
    case IPC_HOOK_CONNECT:
      return filter->connect (context);
    case IPC_HOOK_HELO:
      return filter->helo (context, argument);
    case IPC_HOOK_EHLO:
      return filter->ehlo (context, argument);
    case IPC_HOOK_MAIL:
      return filter->mail (context, argument);
    case IPC_HOOK_RCPT:
      return filter->rcpt (context, argument);
    case IPC_HOOK_DATA:
      return filter->data (context);
    case IPC_HOOK_RSET:
      return filter->rset (context);
    case IPC_HOOK_NOOP:
      return filter->noop (context, argument);
    case IPC_HOOK_VRFY:
      return filter->vrfy (context, argument);
    case IPC_HOOK_EXPN:
      return filter->expn (context, argument);
    case IPC_HOOK_HELP:
      return filter->help (context, argument);
    case IPC_HOOK_QUIT:
      return filter->quit (context);
    case IPC_HOOK_UNKNOWN:
      return filter->unknown (context, argument);
    case IPC_HOOK_COMMAND:
      return run_command (context, argument);
    default:
      return run_over (context, argument);
    }
}

void
worker_hooks_run (WeirContext *context)
{
  if (context->request->hook == IPC_HOOK_END_OF_MESSAGE
      || context->request->hook == IPC_HOOK_END_OF_HEADERS)
    run_message (context);
  else
    accept_verdict (context, run_simple (context));
}
