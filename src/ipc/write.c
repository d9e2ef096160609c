/* Writing ipc's encoding: little-endian integers, counted bytes. What is written comes from us, so
 * it cannot fail; whoever reads checks every limit.
 *
 * NULL strings and blocks have the length G_MAXUINT32. */
#include "ipc/codec.h"

#include <string.h>

#include "ipc/request.h"

void
ipc_write_u8 (IpcWriter *writer, guint8 value)
{
  base_buffer_append (writer->out, &value, 1);
}

void
ipc_write_u32 (IpcWriter *writer, guint32 value)
{
  guint32 little = GUINT32_TO_LE (value);

  base_buffer_append (writer->out, &little, sizeof little);
}

void
ipc_write_u64 (IpcWriter *writer, guint64 value)
{
  guint64 little = GUINT64_TO_LE (value);

  base_buffer_append (writer->out, &little, sizeof little);
}

static void
write_block (IpcWriter *writer, gconstpointer bytes, gsize length)
{
  guint32 little = GUINT32_TO_LE ((guint32) length);
  guint8 *to = NULL;

  g_assert (length < G_MAXUINT32);
  to = base_buffer_reserve (writer->out, sizeof little + length);
  memcpy (to, &little, sizeof little);
  if (length > 0)
    memcpy (to + sizeof little, bytes, length);
  base_buffer_commit (writer->out, sizeof little + length);
}

void
ipc_write_string (IpcWriter *writer, const gchar *string)
{
  if (string == NULL)
    ipc_write_u32 (writer, G_MAXUINT32);
  else
    write_block (writer, string, strlen (string));
}

void
ipc_write_bytes (IpcWriter *writer, GBytes *bytes)
{
  gsize length = 0;
  gconstpointer data = NULL;

  if (bytes == NULL)
    {
      ipc_write_u32 (writer, G_MAXUINT32);
      return;
    }
  data = g_bytes_get_data (bytes, &length);
  write_block (writer, data, length);
}

void
ipc_write_path (IpcWriter *writer, const BasePath *path)
{
  guint count = 0;

  ipc_write_string (writer, path == NULL ? NULL : path->address);
  if (path == NULL)
    return;
  if (path->parameters != NULL)
    count = g_strv_length (path->parameters);
  ipc_write_u32 (writer, count);
  for (guint i = 0; i < count; i++)
    ipc_write_string (writer, path->parameters[i]);
}

void
ipc_write_paths (IpcWriter *writer, const GPtrArray *paths)
{
  ipc_write_u32 (writer, paths == NULL ? G_MAXUINT32 : paths->len);
  for (guint i = 0; paths != NULL && i < paths->len; i++)
    ipc_write_path (writer, g_ptr_array_index (paths, i));
}

void
ipc_write_reply (IpcWriter *writer, const BaseReply *reply)
{
  ipc_write_u32 (writer, reply == NULL ? 0 : reply->code);
  if (reply == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (reply->enhanced); i++)
    ipc_write_u32 (writer, reply->enhanced[i]);
  ipc_write_string (writer, reply->text);
}

void
ipc_write_edits (IpcWriter *writer, const MessageEdits *edits)
{
  guint count = edits == NULL ? 0 : message_edits_count (edits);

  ipc_write_u32 (writer, count);
  for (guint i = 0; i < count; i++)
    {
      const MessageEdit *edit = message_edits_nth (edits, i);

      ipc_write_u64 (writer, edit->offset);
      ipc_write_u64 (writer, edit->removed);
      ipc_write_bytes (writer, edit->inserted);
    }
}

void
ipc_write_notes (IpcWriter *writer, const GPtrArray *notes)
{
  ipc_write_u32 (writer, notes == NULL ? 0 : notes->len);
  for (guint i = 0; notes != NULL && i < notes->len; i++)
    {
      const IpcNote *note = g_ptr_array_index (notes, i);

      ipc_write_string (writer, note->name);
      ipc_write_string (writer, note->value);
    }
}

void
ipc_write_descriptor (IpcWriter *writer, gint descriptor)
{
  ipc_write_u8 (writer, descriptor >= 0);
  if (descriptor >= 0)
    g_array_append_val (writer->descriptors, descriptor);
}
