/* Requests: gateway to worker. Encoding trusts its caller, decoding nobody: NULL and a GError with
 * the place of the first fault, and every descriptor that came along is closed then. */
#include "ipc/request.h"

#include <string.h>
#include <unistd.h>

#include "ipc/codec.h"

#define USUAL_SIZE 500 /* octets without the message */
#define MAX_TEXTS 15   /* times IPC_MAX_STRING: the strings of a session, argument, verb, status */

void
ipc_note_free (IpcNote *note)
{
  if (note == NULL)
    return;
  g_free (note->name);
  g_free (note->value);
  g_free (note);
}

IpcRequest *
ipc_request_new (IpcHook hook)
{
  IpcRequest *request = g_new (IpcRequest, 1);

  *request = (IpcRequest){ .hook = hook, .message_descriptor = -1 };
  return request;
}

static void
clear_filter_state (gpointer data)
{
  IpcFilterState *state = data;

  g_clear_pointer (&state->state, g_bytes_unref);
  if (state->descriptor >= 0)
    close (state->descriptor);
  state->descriptor = -1;
}

void
ipc_request_free (IpcRequest *request)
{
  if (request == NULL)
    return;
  g_free (request->texts);
  base_path_free (request->sender);
  g_clear_pointer (&request->recipients, g_ptr_array_unref);
  g_clear_pointer (&request->filters, g_array_unref);
  g_clear_pointer (&request->notes, g_ptr_array_unref);
  g_clear_pointer (&request->message, g_bytes_unref);
  if (request->message_descriptor >= 0)
    close (request->message_descriptor);
  g_clear_pointer (&request->edits, message_edits_unref);
  g_free (request);
}

static void
write_session (IpcWriter *writer, const IpcSession *session)
{
  ipc_write_string (writer, session->session_id);
  ipc_write_string (writer, session->message_id);
  ipc_write_string (writer, session->client_address);
  ipc_write_u32 (writer, session->client_port);
  ipc_write_string (writer, session->client_name);
  ipc_write_string (writer, session->helo);
  ipc_write_string (writer, session->user);
  ipc_write_string (writer, session->mechanism);
  ipc_write_string (writer, session->tls_protocol);
  ipc_write_string (writer, session->tls_cipher);
}

static void
write_filters (IpcWriter *writer, const GArray *filters)
{
  guint count = filters == NULL ? 0 : filters->len;

  ipc_write_u32 (writer, count);
  for (guint i = 0; i < count; i++)
    {
      const IpcFilterState *state = &g_array_index (filters, IpcFilterState, i);

      ipc_write_u8 (writer, state->skip != FALSE);
      ipc_write_bytes (writer, state->state);
      ipc_write_descriptor (writer, state->descriptor);
    }
}

void
ipc_request_encode (const IpcRequest *request, BaseBuffer *out, GArray *descriptors)
{
  IpcWriter writer = { out, descriptors };

  base_buffer_reserve (
      out, USUAL_SIZE + (request->message != NULL ? g_bytes_get_size (request->message) : 0));
  ipc_write_u32 (&writer, request->serial);
  ipc_write_u8 (&writer, (guint8) request->hook);
  ipc_write_u32 (&writer, request->listener);
  ipc_write_u32 (&writer, request->first);
  ipc_write_u32 (&writer, request->timeout);
  write_session (&writer, &request->session);
  ipc_write_path (&writer, request->sender);
  ipc_write_paths (&writer, request->recipients);
  ipc_write_string (&writer, request->argument);
  ipc_write_string (&writer, request->verb);
  ipc_write_u32 (&writer, request->code);
  ipc_write_string (&writer, request->status);
  write_filters (&writer, request->filters);
  ipc_write_notes (&writer, request->notes);
  ipc_write_edits (&writer, request->edits);
  ipc_write_u8 (&writer, request->unread != FALSE);
  ipc_write_u64 (&writer, request->message_size);
  ipc_write_bytes (&writer, request->message);
  ipc_write_descriptor (&writer, request->message_descriptor);
}

/* Strings are copied behind each other, each with its NUL: fewer octets than the packet has for
 * them, where each stands behind its length. */
typedef struct
{
  IpcReader *reader;
  gchar *next;
} Texts;

static gchar *
read_text (Texts *texts, gsize most)
{
  gsize length = 0;
  const gchar *text = ipc_read_text (texts->reader, most, &length);
  gchar *copy = texts->next;

  if (text == NULL)
    return NULL;
  memcpy (copy, text, length);
  copy[length] = '\0';
  texts->next += length + 1;
  return copy;
}

static void
read_session (Texts *texts, IpcSession *session)
{
  session->session_id = read_text (texts, IPC_MAX_STRING);
  session->message_id = read_text (texts, IPC_MAX_STRING);
  session->client_address = read_text (texts, IPC_MAX_STRING);
  session->client_port = ipc_read_limited (texts->reader, G_MAXUINT16, "a port over 65535");
  session->client_name = read_text (texts, IPC_MAX_STRING);
  session->helo = read_text (texts, IPC_MAX_STRING);
  session->user = read_text (texts, IPC_MAX_STRING);
  session->mechanism = read_text (texts, IPC_MAX_STRING);
  session->tls_protocol = read_text (texts, IPC_MAX_STRING);
  session->tls_cipher = read_text (texts, IPC_MAX_STRING);
}

static GArray *
read_filters (IpcReader *reader)
{
  guint32 count = ipc_read_count (reader, IPC_MAX_FILTERS, 6);
  GArray *filters = g_array_new (FALSE, TRUE, sizeof (IpcFilterState));

  g_array_set_clear_func (filters, clear_filter_state);
  for (guint32 i = 0; i < count && reader->fault == NULL; i++)
    {
      IpcFilterState state = { .descriptor = -1 };

      state.skip = ipc_read_boolean (reader);
      state.state = ipc_read_bytes (reader, IPC_MAX_STATE);
      state.descriptor = ipc_read_descriptor (reader);
      g_array_append_val (filters, state);
    }
  return filters;
}

static gboolean
hook_has_message (IpcHook hook)
{
  return (IPC_HOOK_BIT (hook) & (IPC_HOOKS_OF_HEADERS | IPC_HOOKS_OF_BODY)) != 0;
}

/* What the fields must say about each other. */
static void
check_message (IpcReader *reader, const IpcRequest *request)
{
  gboolean inlined = request->message != NULL;
  gboolean passed = request->message_descriptor >= 0;

  if (reader->fault != NULL)
    return;
  if (inlined && passed)
    ipc_reader_fail (reader, "a message both inline and as a descriptor");
  else if (inlined && g_bytes_get_size (request->message) != request->message_size)
    ipc_reader_fail (reader, "a message of another size than said");
  else if (request->message_size > G_MAXINT64)
    ipc_reader_fail (reader, "a message's size over 2^63");
  else if (hook_has_message (request->hook) && !inlined && !passed)
    ipc_reader_fail (reader, "a hook of the message without one");
  else if (request->edits != NULL && !message_edits_fit (request->edits, request->message_size))
    ipc_reader_fail (reader, "edits outside of the message");
  else if (request->first > request->filters->len)
    ipc_reader_fail (reader, "a first filter behind the chain");
  else if (request->hook == IPC_HOOK_COMMAND && request->verb == NULL)
    ipc_reader_fail (reader, "a command without a verb");
}

static void
read_request (IpcReader *reader, IpcRequest *request)
{
  Texts texts = { reader, NULL };

  request->texts = texts.next
      = g_malloc (MIN (reader->length, (MAX_TEXTS + 1) * (gsize) IPC_MAX_STRING));
  request->serial = ipc_read_u32 (reader);
  request->hook = ipc_read_u8 (reader);
  if ((guint) request->hook >= IPC_N_HOOKS)
    ipc_reader_fail (reader, "an unknown hook");
  request->listener = ipc_read_u32 (reader);
  request->first = ipc_read_u32 (reader);
  request->timeout = ipc_read_u32 (reader);
  read_session (&texts, &request->session);
  request->sender = ipc_read_path (reader);
  request->recipients = ipc_read_paths (reader);
  request->argument = read_text (&texts, 4 * IPC_MAX_STRING);
  request->verb = read_text (&texts, IPC_MAX_STRING);
  request->code = ipc_read_limited (reader, 599, "a code over 599");
  request->status = read_text (&texts, IPC_MAX_STRING);
  request->filters = read_filters (reader);
  request->notes = ipc_read_notes (reader);
  request->edits = ipc_read_edits (reader);
  request->unread = ipc_read_boolean (reader);
  request->message_size = ipc_read_u64 (reader);
  request->message = ipc_read_bytes (reader, G_MAXUINT32);
  request->message_descriptor = ipc_read_descriptor (reader);
  check_message (reader, request);
}

IpcRequest *
ipc_request_decode (const guint8 *bytes, gsize length, GArray *descriptors, GError **error)
{
  g_autoptr (IpcRequest) request = ipc_request_new (IPC_HOOK_CONNECT);
  IpcReader reader;

  ipc_reader_init (&reader, bytes, length, descriptors);
  read_request (&reader, request);
  return ipc_reader_finish (&reader, "request", error) ? g_steal_pointer (&request) : NULL;
}
