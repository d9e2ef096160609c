/* The questions of filter.h: who is connected, the envelope, notes, the message. Answers of the
 * call are kept in context->of_the_call until the hook is over. A question that has no answer now
 * says NULL, 0 or -1. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "mime/decode.h"
#include "worker/context.h"

gconstpointer
weir_config (WeirContext *context)
{
  return context->filter->block;
}

gpointer
weir_state (WeirContext *context)
{
  return context->state;
}

int
weir_state_descriptor (WeirContext *context)
{
  if (context->record->descriptor_set)
    return context->record->descriptor;
  return g_array_index (context->request->filters, IpcFilterState, context->index).descriptor;
}

void
weir_set_state_descriptor (WeirContext *context, int descriptor)
{
  if (descriptor == weir_state_descriptor (context))
    return;
  if (context->record->descriptor >= 0)
    close (context->record->descriptor);
  context->record->descriptor_set = TRUE;
  context->record->descriptor = descriptor < 0 ? -1 : descriptor;
}

gint64
weir_time_left (WeirContext *context)
{
  return MAX (context->deadline - g_get_monotonic_time (), 0) / 1000;
}

const char *
weir_filter_name (WeirContext *context)
{
  return context->filter->config->name;
}

const char *
weir_listener (WeirContext *context)
{
  return context->listener->name;
}

const char *
weir_hostname (WeirContext *context)
{
  return context->config->hostname;
}

const char *
weir_session_id (WeirContext *context)
{
  return context->request->session.session_id;
}

const char *
weir_message_id (WeirContext *context)
{
  return context->request->session.message_id;
}

const char *
weir_client_address (WeirContext *context)
{
  return context->request->session.client_address;
}

guint
weir_client_port (WeirContext *context)
{
  return context->request->session.client_port;
}

const char *
weir_client_name (WeirContext *context)
{
  const gchar *name = context->request->session.client_name;

  return name == NULL ? "unknown" : name;
}

const char *
weir_helo (WeirContext *context)
{
  return context->request->session.helo;
}

const char *
weir_verb (WeirContext *context)
{
  return context->hook == IPC_HOOK_COMMAND ? context->request->verb : NULL;
}

const char *
weir_status (WeirContext *context)
{
  return context->hook == IPC_HOOK_MESSAGE_OVER ? context->request->status : NULL;
}

const char *
weir_user (WeirContext *context)
{
  return context->request->session.user;
}

const char *
weir_user_mechanism (WeirContext *context)
{
  return context->request->session.mechanism;
}

const char *
weir_tls_protocol (WeirContext *context)
{
  return context->request->session.tls_protocol;
}

const char *
weir_tls_cipher (WeirContext *context)
{
  return context->request->session.tls_cipher;
}

static const gchar *const no_parameters[] = { NULL };

static const char *const *
parameters_of (const BasePath *path)
{
  return path == NULL || path->parameters == NULL ? no_parameters
                                                  : (const gchar *const *) path->parameters;
}

static const BasePath *
sender_now (const WeirContext *context)
{
  return context->record->sender != NULL ? context->record->sender : context->sender;
}

const char *
weir_sender (WeirContext *context)
{
  const BasePath *sender = sender_now (context);

  return sender == NULL ? NULL : sender->address;
}

const char *const *
weir_sender_parameters (WeirContext *context)
{
  return parameters_of (sender_now (context));
}

static const BasePath *
recipient_now (const WeirContext *context, guint index)
{
  const GPtrArray *list
      = context->record->recipients != NULL ? context->record->recipients : context->recipients;

  return list != NULL && index < list->len ? g_ptr_array_index (list, index) : NULL;
}

guint
weir_recipient_count (WeirContext *context)
{
  const GPtrArray *list
      = context->record->recipients != NULL ? context->record->recipients : context->recipients;

  return list == NULL ? 0 : list->len;
}

const char *
weir_recipient (WeirContext *context, guint index)
{
  const BasePath *path = recipient_now (context, index);

  return path == NULL ? NULL : path->address;
}

const char *const *
weir_recipient_parameters (WeirContext *context, guint index)
{
  return parameters_of (recipient_now (context, index));
}

static IpcNote *
find_note (const GPtrArray *notes, const char *name)
{
  for (guint i = 0; notes != NULL && i < notes->len; i++)
    {
      IpcNote *note = g_ptr_array_index (notes, i);

      if (strcmp (note->name, name) == 0)
        return note;
    }
  return NULL;
}

const char *
weir_note (WeirContext *context, const char *name)
{
  const IpcNote *note = find_note (context->record->notes, name);

  if (note == NULL)
    note = find_note (context->notes, name);
  return note == NULL ? NULL : note->value;
}

/* At most `most` octets, cut between characters. */
static gchar *
cut_text (gchar *text, gsize most)
{
  if (strlen (text) > most)
    {
      const gchar *end = g_utf8_find_prev_char (text, text + most);

      text[end == NULL || !g_utf8_validate (text, -1, NULL) ? most : (gsize) (end - text)] = '\0';
    }
  return text;
}

void
weir_set_note (WeirContext *context, const char *name, const char *format, ...)
{
  IpcNote *note = find_note (context->record->notes, name);
  gchar *value = NULL;
  va_list arguments;

  va_start (arguments, format);
  value = cut_text (g_strdup_vprintf (format, arguments), IPC_MAX_NOTE);
  va_end (arguments);
  if (note != NULL)
    {
      context->of_the_call = g_slist_prepend (context->of_the_call, g_steal_pointer (&note->value));
      note->value = value;
      return;
    }
  if (context->record->notes == NULL)
    context->record->notes = g_ptr_array_new_with_free_func ((GDestroyNotify) ipc_note_free);
  if (*name == '\0' || strlen (name) > IPC_MAX_NOTE || context->record->notes->len >= IPC_MAX_NOTES)
    {
      g_free (value);
      if (context->failure == NULL)
        context->failure = g_strdup ("sets too many notes, or one with an unusable name");
      return;
    }
  note = g_new0 (IpcNote, 1);
  note->name = g_strdup (name);
  note->value = value;
  g_ptr_array_add (context->record->notes, note);
}

guint
weir_header_count (WeirContext *context)
{
  WorkerHeaders *headers = worker_context_headers (context);

  return headers == NULL ? 0 : worker_headers_count (headers);
}

guint
weir_header_index (WeirContext *context)
{
  return context->field == NULL || context->headers == NULL
             ? WEIR_NO_HEADER
             : worker_headers_index (context->headers, context->field);
}

typedef const gchar *(*FieldQuestion) (WorkerHeaders *headers, WorkerField *field);

static const gchar *
ask_field (WeirContext *context, guint index, FieldQuestion question)
{
  WorkerHeaders *headers = worker_context_headers (context);

  return headers == NULL || index >= worker_headers_count (headers)
             ? NULL
             : question (headers, worker_headers_nth (headers, index));
}

const char *
weir_header_name (WeirContext *context, guint index)
{
  return ask_field (context, index, worker_headers_name);
}

const char *
weir_header_value (WeirContext *context, guint index)
{
  return ask_field (context, index, worker_headers_value);
}

const char *
weir_header_raw (WeirContext *context, guint index)
{
  return ask_field (context, index, worker_headers_raw);
}

guint
weir_header_find (WeirContext *context, const char *name, guint nth)
{
  WorkerHeaders *headers = worker_context_headers (context);

  return headers == NULL ? WEIR_NO_HEADER : worker_headers_find (headers, name, nth);
}

guint64
weir_message_size (WeirContext *context)
{
  return worker_context_sees_body (context) ? worker_message_size (context->message) : 0;
}

gssize
weir_message_read (WeirContext *context, guint64 offset, gpointer buffer, gsize length)
{
  GBytes *bytes
      = worker_context_sees_body (context) ? worker_message_bytes (context->message, NULL) : NULL;
  gsize size = 0;
  const guint8 *data = bytes == NULL ? NULL : g_bytes_get_data (bytes, &size);
  gsize got = offset >= size ? 0 : MIN (length, size - offset);

  if (bytes == NULL)
    return -1;
  if (got > 0)
    memcpy (buffer, data + offset, got);
  return (gssize) got;
}

const guint8 *
weir_message_bytes (WeirContext *context, gsize *length)
{
  GBytes *bytes
      = worker_context_sees_body (context) ? worker_message_bytes (context->message, NULL) : NULL;

  *length = 0;
  return bytes == NULL ? NULL : g_bytes_get_data (bytes, length);
}

void
weir_message_passed (WeirContext *context, gsize offset)
{
  if (worker_context_sees_body (context))
    worker_message_passed (context->message, offset);
}

int
weir_message_descriptor (WeirContext *context)
{
  if (worker_context_sees_body (context))
    return worker_message_descriptor (context->message, context->request->message_descriptor);
  errno = EINVAL;
  return -1;
}

GMimeMessage *
weir_message_mime (WeirContext *context)
{
  MimeView *view = worker_context_view (context);

  return view == NULL ? NULL : mime_view_message (view);
}

guint
weir_entity_count (WeirContext *context)
{
  const MimeOutline *outline = worker_context_outline (context);

  return outline == NULL ? 0 : outline->entities->len;
}

WeirEntity
weir_entity (WeirContext *context, guint index)
{
  static const WeirEntityKind kinds[] = { [MIME_ENTITY_LEAF] = WEIR_ENTITY_LEAF,
                                          [MIME_ENTITY_MULTIPART] = WEIR_ENTITY_MULTIPART,
                                          [MIME_ENTITY_MESSAGE] = WEIR_ENTITY_MESSAGE };
  const MimeEntity *entity = mime_outline_nth (worker_context_outline (context), index);

  return (WeirEntity){ .kind = kinds[entity->kind],
                       .parent = entity->parent == MIME_NO_ENTITY ? WEIR_NO_ENTITY : entity->parent,
                       .n_fields = entity->n_fields,
                       .has_body = entity->has_body,
                       .start = entity->start,
                       .end = entity->end };
}

WeirEntityField
weir_entity_field (WeirContext *context, guint index, guint nth)
{
  const MimeEntityField *field = mime_outline_field (worker_context_outline (context), index, nth);

  return (WeirEntityField){ field->name, field->name_length, field->value, field->length };
}

GMimeObject *
weir_entity_object (WeirContext *context, guint index)
{
  MimeView *view = worker_context_view (context);

  return view == NULL ? NULL : mime_view_nth (view, index);
}

GBytes *
weir_part_content (WeirContext *context, GMimeObject *part)
{
  return GMIME_IS_PART (part) ? mime_decode_part (GMIME_PART (part)) : NULL;
}

char *
weir_decode_words (const char *value)
{
  return mime_decode_words (value);
}
