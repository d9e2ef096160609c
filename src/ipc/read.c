/* Reading ipc's encoding from a peer that is not trusted: every length, count and enum is checked,
 * the first fault is kept, and from then on every read yields zero or NULL, so callers check once,
 * at the end.
 *
 * An edit list is built through message_edits_add(), which refuses overlaps; it must come sorted.
 */
#include "ipc/codec.h"

#include <string.h>
#include <unistd.h>

#include "ipc/request.h"

void
ipc_descriptors_close (GArray *descriptors)
{
  if (descriptors == NULL)
    return;
  for (guint i = 0; i < descriptors->len; i++)
    if (g_array_index (descriptors, gint, i) >= 0)
      close (g_array_index (descriptors, gint, i));
  g_array_set_size (descriptors, 0);
}

void
ipc_reader_init (IpcReader *reader, const guint8 *bytes, gsize length, GArray *descriptors)
{
  *reader = (IpcReader){ .bytes = bytes, .length = length, .descriptors = descriptors };
}

void
ipc_reader_fail (IpcReader *reader, const gchar *fault)
{
  if (reader->fault == NULL)
    reader->fault = fault;
}

gboolean
ipc_reader_finish (IpcReader *reader, const gchar *what, GError **error)
{
  guint given = reader->descriptors == NULL ? 0 : reader->descriptors->len;

  if (reader->fault == NULL && reader->at != reader->length)
    reader->fault = "bytes behind the end";
  if (reader->fault == NULL && reader->next_descriptor != given)
    reader->fault = "descriptors that nothing refers to";
  ipc_descriptors_close (reader->descriptors);
  if (reader->fault == NULL)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "bad %s: %s at byte %" G_GSIZE_FORMAT, what,
               reader->fault, reader->at);
  return FALSE;
}

static const guint8 *
take (IpcReader *reader, gsize length)
{
  const guint8 *bytes = reader->bytes + reader->at;

  if (reader->fault == NULL && length > reader->length - reader->at)
    reader->fault = "the packet is too short";
  if (reader->fault != NULL)
    return NULL;
  reader->at += length;
  return bytes;
}

guint8
ipc_read_u8 (IpcReader *reader)
{
  const guint8 *bytes = take (reader, 1);

  return bytes == NULL ? 0 : bytes[0];
}

guint32
ipc_read_u32 (IpcReader *reader)
{
  const guint8 *bytes = take (reader, 4);
  guint32 little = 0;

  if (bytes != NULL)
    memcpy (&little, bytes, sizeof little);
  return GUINT32_FROM_LE (little);
}

guint64
ipc_read_u64 (IpcReader *reader)
{
  const guint8 *bytes = take (reader, 8);
  guint64 little = 0;

  if (bytes != NULL)
    memcpy (&little, bytes, sizeof little);
  return GUINT64_FROM_LE (little);
}

gboolean
ipc_read_boolean (IpcReader *reader)
{
  guint8 value = ipc_read_u8 (reader);

  if (value > 1)
    ipc_reader_fail (reader, "a truth value that is neither 0 nor 1");
  return value == 1;
}

guint32
ipc_read_limited (IpcReader *reader, guint32 most, const gchar *fault)
{
  guint32 value = ipc_read_u32 (reader);

  if (value <= most)
    return value;
  ipc_reader_fail (reader, fault);
  return 0;
}

guint32
ipc_read_count (IpcReader *reader, guint32 most, gsize each)
{
  guint32 count = ipc_read_u32 (reader);

  if (count > most)
    ipc_reader_fail (reader, "a count over its limit");
  else if (count > (reader->length - reader->at) / each)
    ipc_reader_fail (reader, "a count that the packet is too short for");
  return reader->fault == NULL ? count : 0;
}

/* FALSE: NULL was written, or a fault. */
static gboolean
read_block (IpcReader *reader, gsize most, const guint8 **bytes, gsize *length)
{
  guint32 claimed = ipc_read_u32 (reader);

  if (reader->fault != NULL || claimed == G_MAXUINT32)
    return FALSE;
  if (claimed > most)
    ipc_reader_fail (reader, "a text or block over its limit");
  *bytes = take (reader, claimed);
  *length = claimed;
  return *bytes != NULL;
}

const gchar *
ipc_read_text (IpcReader *reader, gsize most, gsize *length)
{
  const guint8 *bytes = NULL;

  if (!read_block (reader, most, &bytes, length))
    return NULL;
  if (*length > 0 && memchr (bytes, 0, *length) != NULL)
    {
      ipc_reader_fail (reader, "a NUL in a text");
      return NULL;
    }
  return (const gchar *) bytes;
}

gchar *
ipc_read_string (IpcReader *reader, gsize most)
{
  gsize length = 0;
  const gchar *text = ipc_read_text (reader, most, &length);

  return text == NULL ? NULL : g_strndup (text, length);
}

GBytes *
ipc_read_bytes (IpcReader *reader, gsize most)
{
  const guint8 *bytes = NULL;
  gsize length = 0;

  return read_block (reader, most, &bytes, &length) ? g_bytes_new (bytes, length) : NULL;
}

static GPtrArray *
read_parameters (IpcReader *reader)
{
  guint32 count = ipc_read_count (reader, IPC_MAX_PARAMETERS, 4);
  g_autoptr (GPtrArray) parameters = NULL;

  if (count == 0)
    return NULL;
  parameters = g_ptr_array_new_with_free_func (g_free);
  for (guint32 i = 0; i < count && reader->fault == NULL; i++)
    {
      gchar *parameter = ipc_read_string (reader, IPC_MAX_STRING);

      if (parameter == NULL)
        ipc_reader_fail (reader, "a parameter that is NULL");
      else
        g_ptr_array_add (parameters, parameter);
    }
  g_ptr_array_add (parameters, NULL);
  return g_steal_pointer (&parameters);
}

BasePath *
ipc_read_path (IpcReader *reader)
{
  gsize length = 0;
  const gchar *address = ipc_read_text (reader, IPC_MAX_STRING, &length);
  g_autoptr (GPtrArray) parameters = NULL;

  if (address == NULL)
    return NULL;
  parameters = read_parameters (reader);
  if (reader->fault != NULL)
    return NULL;
  return base_path_new_length (
      address, length, parameters == NULL ? NULL : (const gchar *const *) parameters->pdata);
}

GPtrArray *
ipc_read_paths (IpcReader *reader)
{
  g_autoptr (GPtrArray) paths = NULL;
  guint32 count = 0;

  if (reader->length - reader->at >= 4
      && memcmp (reader->bytes + reader->at, "\xff\xff\xff\xff", 4) == 0)
    {
      ipc_read_u32 (reader);
      return NULL;
    }
  count = ipc_read_count (reader, IPC_MAX_RECIPIENTS, 8);
  paths = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  for (guint32 i = 0; i < count && reader->fault == NULL; i++)
    {
      BasePath *path = ipc_read_path (reader);

      if (path == NULL)
        ipc_reader_fail (reader, "a path that is NULL");
      else
        g_ptr_array_add (paths, path);
    }
  return reader->fault == NULL ? g_steal_pointer (&paths) : NULL;
}

BaseReply *
ipc_read_reply (IpcReader *reader)
{
  guint32 code = ipc_read_limited (reader, 599, "a reply's code over 599");
  g_autofree gchar *text = NULL;
  g_autoptr (BaseReply) reply = NULL;
  guint32 enhanced[3];

  if (code == 0 || reader->fault != NULL)
    return NULL;
  for (guint i = 0; i < G_N_ELEMENTS (enhanced); i++)
    enhanced[i] = ipc_read_limited (reader, 999, "an enhanced code over 999");
  text = ipc_read_string (reader, BASE_REPLY_MAX_LINES * (BASE_REPLY_MAX_LINE + 1));
  if (reader->fault != NULL)
    return NULL;
  reply = base_reply_new (code, enhanced[0], enhanced[1], enhanced[2], text);
  if (base_reply_is_valid (reply))
    return g_steal_pointer (&reply);
  ipc_reader_fail (reader, "a reply that can not be sent");
  return NULL;
}

static void
read_edit (IpcReader *reader, MessageEdits *edits, guint64 *least)
{
  guint64 offset = ipc_read_u64 (reader);
  guint64 removed = ipc_read_u64 (reader);
  g_autoptr (GBytes) inserted = ipc_read_bytes (reader, G_MAXUINT32);

  if (reader->fault != NULL)
    return;
  if (offset < *least || removed > G_MAXINT64 || offset > G_MAXINT64 - removed)
    ipc_reader_fail (reader, "edits that are not in order");
  else if (!message_edits_add (edits, offset, removed, inserted))
    ipc_reader_fail (reader, "edits that overlap");
  *least = offset + removed;
}

MessageEdits *
ipc_read_edits (IpcReader *reader)
{
  guint32 count = ipc_read_count (reader, MESSAGE_MAX_EDITS, 20);
  g_autoptr (MessageEdits) edits = NULL;
  guint64 least = 0;

  if (count == 0)
    return NULL;
  edits = message_edits_new ();
  for (guint32 i = 0; i < count && reader->fault == NULL; i++)
    read_edit (reader, edits, &least);
  return reader->fault == NULL ? g_steal_pointer (&edits) : NULL;
}

static IpcNote *
read_note (IpcReader *reader)
{
  IpcNote *note = g_new0 (IpcNote, 1);

  note->name = ipc_read_string (reader, IPC_MAX_NOTE);
  note->value = ipc_read_string (reader, IPC_MAX_NOTE);
  if (note->name == NULL || note->value == NULL || *note->name == '\0')
    ipc_reader_fail (reader, "a note without name or value");
  return note;
}

GPtrArray *
ipc_read_notes (IpcReader *reader)
{
  guint32 count = ipc_read_count (reader, IPC_MAX_NOTES, 8);
  g_autoptr (GPtrArray) notes = NULL;

  if (count == 0)
    return NULL;
  notes = g_ptr_array_new_with_free_func ((GDestroyNotify) ipc_note_free);
  for (guint32 i = 0; i < count && reader->fault == NULL; i++)
    g_ptr_array_add (notes, read_note (reader));
  return reader->fault == NULL ? g_steal_pointer (&notes) : NULL;
}

gint
ipc_read_descriptor (IpcReader *reader)
{
  gint descriptor = -1;

  if (!ipc_read_boolean (reader) || reader->fault != NULL)
    return -1;
  if (reader->descriptors == NULL || reader->next_descriptor >= reader->descriptors->len)
    {
      ipc_reader_fail (reader, "a descriptor that was not sent");
      return -1;
    }
  descriptor = g_array_index (reader->descriptors, gint, reader->next_descriptor);
  g_array_index (reader->descriptors, gint, reader->next_descriptor++) = -1;
  return descriptor;
}
