/* Records: what one filter did, worker to gateway. A worker runs other people's code, so decoding
 * believes nothing: NULL and a GError with the place of the first fault; the descriptors are
 * closed. */
#include "ipc/record.h"

#include <unistd.h>

#include "ipc/codec.h"

IpcRecord *
ipc_record_new (void)
{
  IpcRecord *record = g_new (IpcRecord, 1);

  *record = (IpcRecord){ .descriptor = -1 };
  return record;
}

void
ipc_record_free (IpcRecord *record)
{
  if (record == NULL)
    return;
  base_reply_free (record->reply);
  g_free (record->reason);
  g_clear_pointer (&record->edits, message_edits_unref);
  base_path_free (record->sender);
  g_clear_pointer (&record->recipients, g_ptr_array_unref);
  g_clear_pointer (&record->state, g_bytes_unref);
  if (record->descriptor >= 0)
    close (record->descriptor);
  g_clear_pointer (&record->notes, g_ptr_array_unref);
  g_free (record);
}

void
ipc_record_encode (const IpcRecord *record, BaseBuffer *out, GArray *descriptors)
{
  IpcWriter writer = { out, descriptors };

  ipc_write_u32 (&writer, record->serial);
  ipc_write_u32 (&writer, record->filter);
  ipc_write_u8 (&writer, (guint8) record->verdict);
  ipc_write_reply (&writer, record->reply);
  ipc_write_string (&writer, record->reason);
  ipc_write_u8 (&writer, record->failed != FALSE);
  ipc_write_u8 (&writer, record->limit != FALSE);
  ipc_write_u8 (&writer, record->last != FALSE);
  ipc_write_edits (&writer, record->edits);
  ipc_write_path (&writer, record->sender);
  ipc_write_paths (&writer, record->recipients);
  ipc_write_bytes (&writer, record->state);
  ipc_write_u8 (&writer, record->descriptor_set != FALSE);
  ipc_write_descriptor (&writer, record->descriptor);
  ipc_write_notes (&writer, record->notes);
  ipc_write_u32 (&writer, record->microseconds);
  ipc_write_u32 (&writer, record->served);
}

static void
check_record (IpcReader *reader, const IpcRecord *record)
{
  gboolean speaks = record->verdict == IPC_VERDICT_REPLY || record->verdict == IPC_VERDICT_CLOSE;

  if (reader->fault != NULL)
    return;
  if (speaks != (record->reply != NULL))
    ipc_reader_fail (reader, "a verdict and a reply that do not go together");
  else if (record->reply != NULL && record->reply->code / 100 == 3 && record->reply->code != 354)
    ipc_reader_fail (reader, "a reply 3xx");
  else if (record->descriptor >= 0 && !record->descriptor_set)
    ipc_reader_fail (reader, "a descriptor that is not set");
  else if (record->failed && record->reason == NULL)
    ipc_reader_fail (reader, "a failure without a reason");
  else if (record->limit && record->verdict != IPC_VERDICT_REPLY)
    ipc_reader_fail (reader, "a limit without a reply");
}

static void
read_record (IpcReader *reader, IpcRecord *record)
{
  record->serial = ipc_read_u32 (reader);
  record->filter = ipc_read_limited (reader, IPC_MAX_FILTERS, "a filter's number over its limit");
  record->verdict = ipc_read_u8 (reader);
  if (record->verdict > IPC_VERDICT_QUARANTINE)
    ipc_reader_fail (reader, "an unknown verdict");
  record->reply = ipc_read_reply (reader);
  record->reason = ipc_read_string (reader, IPC_MAX_STRING);
  record->failed = ipc_read_boolean (reader);
  record->limit = ipc_read_boolean (reader);
  record->last = ipc_read_boolean (reader);
  record->edits = ipc_read_edits (reader);
  record->sender = ipc_read_path (reader);
  record->recipients = ipc_read_paths (reader);
  record->state = ipc_read_bytes (reader, IPC_MAX_STATE);
  record->descriptor_set = ipc_read_boolean (reader);
  record->descriptor = ipc_read_descriptor (reader);
  record->notes = ipc_read_notes (reader);
  record->microseconds = ipc_read_u32 (reader);
  record->served = ipc_read_u32 (reader);
  check_record (reader, record);
}

IpcRecord *
ipc_record_decode (const guint8 *bytes, gsize length, GArray *descriptors, GError **error)
{
  g_autoptr (IpcRecord) record = ipc_record_new ();
  IpcReader reader;

  ipc_reader_init (&reader, bytes, length, descriptors);
  read_record (&reader, record);
  return ipc_reader_finish (&reader, "record", error) ? g_steal_pointer (&record) : NULL;
}
