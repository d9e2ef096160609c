/* One filter in one request: its working state, and what becomes of it in the record. Edits are
 * kept in the form in which the filter made them (a list of fields, operations on parts, a new
 * body) and made into one edit list when the filter is through. A list that can not be made fails
 * the filter. */
#include "worker/context.h"

#include <string.h>

/* The state that the request brings for this filter; NULL: none. */
static const IpcFilterState *
state_before (const WeirContext *context)
{
  const GArray *filters = context->request->filters;

  return filters != NULL && context->index < filters->len
             ? &g_array_index (filters, IpcFilterState, context->index)
             : NULL;
}

void
worker_context_init (WeirContext *context)
{
  const IpcFilterState *before = state_before (context);
  gsize room = context->filter->filter->state_size;

  context->record = ipc_record_new ();
  context->record->serial = context->request->serial;
  context->record->filter = context->index;
  context->state = g_malloc (MAX (room, 1));
  memset (context->state, 0, MAX (room, 1));
  if (before != NULL && before->state != NULL)
    {
      gsize length = 0;
      gconstpointer bytes = g_bytes_get_data (before->state, &length);

      memcpy (context->state, bytes, MIN (length, room));
    }
}

void
worker_context_end_call (WeirContext *context)
{
  g_clear_slist (&context->of_the_call, g_free);
  g_clear_pointer (&context->reply, base_reply_free);
  g_clear_pointer (&context->reason, g_free);
  context->field = NULL;
}

void
worker_context_clear (WeirContext *context)
{
  worker_context_end_call (context);
  g_clear_slist (&context->old_paths, (GDestroyNotify) base_path_free);
  g_clear_pointer (&context->record, ipc_record_free);
  g_free (context->state);
  g_free (context->failure);
  worker_headers_free (context->headers);
  mime_splice_free (context->splice);
  g_clear_pointer (&context->body, g_bytes_unref);
  g_clear_pointer (&context->replacement, g_bytes_unref);
}

gboolean
worker_context_sees_headers (const WeirContext *context)
{
  return context->message != NULL
         && (IPC_HOOK_BIT (context->hook) & (IPC_HOOKS_OF_HEADERS | IPC_HOOKS_OF_BODY)) != 0;
}

gboolean
worker_context_sees_body (const WeirContext *context)
{
  return context->message != NULL && (IPC_HOOK_BIT (context->hook) & IPC_HOOKS_OF_BODY) != 0;
}

MimeView *
worker_context_view (WeirContext *context)
{
  return context->unread || !worker_context_sees_body (context)
             ? NULL
             : worker_message_view (context->message, &context->limits);
}

const MimeOutline *
worker_context_outline (WeirContext *context)
{
  return context->unread || !worker_context_sees_body (context)
             ? NULL
             : worker_message_outline (context->message, &context->limits);
}

WorkerHeaders *
worker_context_headers (WeirContext *context)
{
  GBytes *block = NULL;
  gsize length = 0;
  const guint8 *bytes = NULL;

  if (!worker_context_sees_headers (context))
    return NULL;
  if (context->headers == NULL)
    {
      block = context->replacement != NULL ? context->replacement
                                           : worker_message_header_block (context->message);
      bytes = g_bytes_get_data (block, &length);
      context->headers = worker_headers_new (length == 0 ? (const guint8 *) "" : bytes, length);
    }
  return context->headers;
}

static const gchar *
kind_name (WeirEdits kind)
{
  switch (kind)
    {
    case WEIR_EDIT_SENDER:
      return "the sender";
    case WEIR_EDIT_RECIPIENTS:
      return "recipients";
    case WEIR_EDIT_HEADERS:
      return "headers";
    case WEIR_EDIT_PARTS:
      return "parts";
    case WEIR_EDIT_BODY:
      return "the body";
    case WEIR_EDIT_MESSAGE:
      return "the message";
    }
  return "nothing";
}

static gboolean
is_the_moment (const WeirContext *context, WeirEdits kind)
{
  if (kind == WEIR_EDIT_SENDER || kind == WEIR_EDIT_RECIPIENTS)
    return context->hook >= IPC_HOOK_DATA && context->hook <= IPC_HOOK_END_OF_MESSAGE;
  if (kind == WEIR_EDIT_HEADERS)
    return worker_context_sees_headers (context);
  return context->message != NULL && context->hook == IPC_HOOK_END_OF_MESSAGE;
}

gboolean
worker_context_may_edit (WeirContext *context, WeirEdits kind, GError **error)
{
  if ((context->filter->filter->edits & kind) == 0)
    {
      if (context->failure == NULL)
        context->failure
            = g_strdup_printf ("edits %s without having declared it", kind_name (kind));
      g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_PERM, context->failure);
      return FALSE;
    }
  if (is_the_moment (context, kind))
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s can not be edited in %s",
               kind_name (kind), ipc_hook_name (context->hook));
  return FALSE;
}

GBytes *
worker_context_crlf (const char *text, gssize length, GError **error)
{
  gsize size = length < 0 ? strlen (text) : (gsize) length;
  GByteArray *out = g_byte_array_sized_new ((guint) MIN (size + size / 32, G_MAXINT32));
  const gchar *end = text + size;

  while (text < end)
    {
      gsize plain = 0;

      while (text + plain < end && text[plain] != '\r' && text[plain] != '\n')
        plain++;
      g_byte_array_append (out, (const guint8 *) text, (guint) plain);
      text += plain;
      if (text < end && *text == '\r' && (text + 1 == end || text[1] != '\n'))
        {
          g_byte_array_unref (out);
          g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                               "a CR without LF in the text");
          return NULL;
        }
      if (text < end)
        g_byte_array_append (out, (const guint8 *) "\r\n", 2);
      text += text == end ? 0 : *text == '\r' ? 2 : 1;
    }
  return g_byte_array_free_to_bytes (out);
}

static void
finish_state (WeirContext *context)
{
  const IpcFilterState *before = state_before (context);
  gsize size = context->filter->filter->state_size;
  g_autofree guint8 *old = NULL;
  gsize length = 0;
  gconstpointer bytes
      = before == NULL || before->state == NULL ? NULL : g_bytes_get_data (before->state, &length);

  if (size == 0)
    return;
  old = g_malloc0 (size);
  if (bytes != NULL)
    memcpy (old, bytes, MIN (length, size));
  if (memcmp (old, context->state, size) != 0)
    context->record->state = g_bytes_new (context->state, size);
}

/* The replacement of the message's own root part, through the list of fields. */
static void
apply_root (WeirContext *context)
{
  GBytes *root = context->splice == NULL ? NULL : mime_splice_root (context->splice);
  gsize length = 0, body = 0;
  const guint8 *entity = NULL;

  if (root == NULL)
    return;
  entity = g_bytes_get_data (root, &length);
  body = mime_entity_body ((const gchar *) entity, length);
  worker_headers_replace_content (worker_context_headers (context), entity, body);
  g_clear_pointer (&context->body, g_bytes_unref);
  context->body = g_bytes_new (entity + body, length - body);
}

/* A body needs a blank line ahead of it, which an odd message does not have. */
static gboolean
add_body (WeirContext *context, MessageEdits *edits)
{
  WorkerHeaders *headers = worker_context_headers (context);
  gsize start = worker_headers_body (headers);
  guint64 size = worker_message_size (context->message);
  g_autoptr (GBytes) blank = g_bytes_new_static ("\r\n", 2);

  if (worker_headers_end (headers) == start && !message_edits_add (edits, start, 0, blank))
    return FALSE;
  return message_edits_add (edits, start, size - start, context->body);
}

static MessageEdits *
make_edits (WeirContext *context, GError **error)
{
  g_autoptr (MessageEdits) edits = message_edits_new ();
  g_autoptr (MessageEdits) whole = NULL;
  guint64 size = context->message == NULL ? 0 : worker_message_size (context->message);

  apply_root (context);
  if (context->headers != NULL)
    worker_headers_finish (context->headers, edits);
  if (context->replacement != NULL)
    {
      whole = message_edits_new ();
      if (message_edits_add (whole, 0, size, context->replacement))
        return message_edits_compose (whole, edits, size);
    }
  else if ((context->body == NULL || add_body (context, edits))
           && (context->splice == NULL
               || mime_splice_finish (context->splice, edits, FALSE, error)))
    return g_steal_pointer (&edits);
  if (error != NULL && *error == NULL)
    g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "its edits overlap");
  return NULL;
}

gboolean
worker_context_finish (WeirContext *context)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MessageEdits) edits = NULL;

  finish_state (context);
  if (context->failure != NULL)
    return FALSE;
  edits = make_edits (context, &error);
  if (edits == NULL)
    context->failure = g_strdup (error->message);
  else if (message_edits_count (edits) > MESSAGE_MAX_EDITS)
    context->failure = g_strdup_printf ("makes more than %d edits", MESSAGE_MAX_EDITS);
  else if (message_edits_count (edits) > 0)
    context->record->edits = g_steal_pointer (&edits);
  return context->failure == NULL;
}
