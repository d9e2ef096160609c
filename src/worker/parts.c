/* Edits of parts, of the body and of the whole message. Text comes with LF or CRLF and is kept with
 * CRLF; a part is checked against GMime's tree of this request. FALSE and a GError change nothing.
 */
#include <string.h>

#include "mime/decode.h"
#include "worker/context.h"

static gboolean
fail (GError **error, const gchar *text)
{
  g_set_error_literal (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, text);
  return FALSE;
}

static MimeSplice *
splice_of (WeirContext *context, GError **error)
{
  MimeView *view = NULL;

  if (!worker_context_may_edit (context, WEIR_EDIT_PARTS, error))
    return NULL;
  if (context->body != NULL || context->replacement != NULL)
    {
      fail (error, "the body was replaced: its parts are gone");
      return NULL;
    }
  if (context->splice != NULL)
    return context->splice;
  view = worker_context_view (context);
  if (view == NULL || mime_view_message (view) == NULL)
    {
      fail (error, "the message was not parsed");
      return NULL;
    }
  context->splice = mime_splice_new (view);
  return context->splice;
}

gboolean
weir_part_replace (WeirContext *context, GMimeObject *part, const char *entity, gssize length,
                   GError **error)
{
  MimeSplice *splice = splice_of (context, error);
  g_autoptr (GBytes) bytes = splice == NULL ? NULL : worker_context_crlf (entity, length, error);
  gsize size = 0;
  const gchar *data = bytes == NULL ? NULL : g_bytes_get_data (bytes, &size);

  return bytes != NULL && mime_splice_replace (splice, part, data, size, error);
}

gboolean
weir_part_remove (WeirContext *context, GMimeObject *part, GError **error)
{
  MimeSplice *splice = splice_of (context, error);

  return splice != NULL && mime_splice_remove (splice, part, error);
}

gboolean
weir_part_insert (WeirContext *context, GMimeObject *multipart, guint position, const char *entity,
                  gssize length, GError **error)
{
  MimeSplice *splice = splice_of (context, error);
  g_autoptr (GBytes) bytes = splice == NULL ? NULL : worker_context_crlf (entity, length, error);
  gsize size = 0;
  const gchar *data = bytes == NULL ? NULL : g_bytes_get_data (bytes, &size);

  return bytes != NULL && mime_splice_insert (splice, multipart, position, data, size, error);
}

char *
weir_part_text (const char *text)
{
  return mime_text_entity (text);
}

gboolean
weir_body_replace (WeirContext *context, const char *body, gssize length, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;

  if (!worker_context_may_edit (context, WEIR_EDIT_BODY, error))
    return FALSE;
  if (context->replacement != NULL)
    return fail (error, "the message was replaced: its body is gone");
  bytes = worker_context_crlf (body, length, error);
  if (bytes == NULL)
    return FALSE;
  g_clear_pointer (&context->splice, mime_splice_free);
  g_clear_pointer (&context->body, g_bytes_unref);
  context->body = g_steal_pointer (&bytes);
  return TRUE;
}

gboolean
weir_message_replace (WeirContext *context, const char *message, gssize length, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;

  if (!worker_context_may_edit (context, WEIR_EDIT_MESSAGE, error))
    return FALSE;
  bytes = worker_context_crlf (message, length, error);
  if (bytes == NULL)
    return FALSE;
  if (g_bytes_get_size (bytes) == 0)
    return fail (error, "an empty message");
  g_clear_pointer (&context->splice, mime_splice_free);
  g_clear_pointer (&context->body, g_bytes_unref);
  g_clear_pointer (&context->headers, worker_headers_free);
  g_clear_pointer (&context->replacement, g_bytes_unref);
  context->replacement = g_steal_pointer (&bytes);
  return TRUE;
}
