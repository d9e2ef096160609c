/* Control messages between supervisor, generation and gateway. The peers are our own, but they are
 * decoded as strictly as a worker's: an error names the first fault and closes what came along. */
#include "ipc/control.h"

#include <unistd.h>

#include "ipc/codec.h"
#include "ipc/request.h"

#define MAX_CONFIGURED 4096 /* filters in a configuration */
#define MAX_COMMANDS 256    /* of one filter */

IpcControl *
ipc_control_new (IpcControlKind kind)
{
  IpcControl *control = g_new0 (IpcControl, 1);

  control->kind = kind;
  for (guint i = 0; i < G_N_ELEMENTS (control->descriptors); i++)
    control->descriptors[i] = -1;
  return control;
}

void
ipc_control_free (IpcControl *control)
{
  if (control == NULL)
    return;
  g_free (control->text);
  g_clear_pointer (&control->filters, g_array_unref);
  for (guint i = 0; i < G_N_ELEMENTS (control->descriptors); i++)
    if (control->descriptors[i] >= 0)
      close (control->descriptors[i]);
  g_free (control);
}

static void
write_facts (IpcWriter *writer, const IpcFilterFacts *facts)
{
  guint count = facts->commands == NULL ? 0 : facts->commands->len;

  ipc_write_u32 (writer, facts->hooks);
  ipc_write_u32 (writer, facts->edits);
  ipc_write_u32 (writer, facts->state_size);
  ipc_write_u32 (writer, count);
  for (guint i = 0; i < count; i++)
    {
      const IpcCommand *command = g_ptr_array_index (facts->commands, i);

      ipc_write_string (writer, command->verb);
      ipc_write_u32 (writer, command->states);
      ipc_write_u8 (writer, command->announce != FALSE);
    }
}

void
ipc_control_encode (const IpcControl *control, BaseBuffer *out, GArray *descriptors)
{
  IpcWriter writer = { out, descriptors };
  guint count = control->filters == NULL ? 0 : control->filters->len;

  ipc_write_u8 (&writer, (guint8) control->kind);
  ipc_write_u32 (&writer, control->number);
  ipc_write_u32 (&writer, control->pid);
  ipc_write_u32 (&writer, control->delay);
  ipc_write_string (&writer, control->text);
  ipc_write_u32 (&writer, count);
  for (guint i = 0; i < count; i++)
    write_facts (&writer, &g_array_index (control->filters, IpcFilterFacts, i));
  for (guint i = 0; i < G_N_ELEMENTS (control->descriptors); i++)
    ipc_write_descriptor (&writer, control->descriptors[i]);
}

static void
read_commands (IpcReader *reader, IpcFilterFacts *facts)
{
  guint32 count = ipc_read_count (reader, MAX_COMMANDS, 9);

  if (count > 0)
    facts->commands = g_ptr_array_new_with_free_func ((GDestroyNotify) ipc_command_free);
  for (guint32 i = 0; i < count && reader->fault == NULL; i++)
    {
      g_autofree gchar *verb = ipc_read_string (reader, IPC_MAX_STRING);
      guint32 states = ipc_read_u32 (reader);
      gboolean announce = ipc_read_boolean (reader);

      if (verb == NULL || *verb == '\0')
        ipc_reader_fail (reader, "a command without a verb");
      g_ptr_array_add (facts->commands, ipc_command_new (verb, states, announce));
    }
}

static GArray *
read_filters (IpcReader *reader)
{
  guint32 count = ipc_read_count (reader, MAX_CONFIGURED, 16);
  GArray *filters = ipc_filter_facts_array_new ();

  for (guint32 i = 0; i < count && reader->fault == NULL; i++)
    {
      IpcFilterFacts facts = { 0 };

      facts.hooks = ipc_read_u32 (reader);
      if (facts.hooks >= IPC_HOOK_BIT (IPC_N_HOOKS))
        ipc_reader_fail (reader, "an unknown hook");
      facts.edits = ipc_read_u32 (reader);
      facts.state_size = ipc_read_limited (reader, IPC_MAX_STATE, "a state over its limit");
      read_commands (reader, &facts);
      g_array_append_val (filters, facts);
    }
  return filters;
}

IpcControl *
ipc_control_decode (const guint8 *bytes, gsize length, GArray *descriptors, GError **error)
{
  g_autoptr (IpcControl) control = ipc_control_new (IPC_CONTROL_READY);
  IpcReader reader;

  ipc_reader_init (&reader, bytes, length, descriptors);
  control->kind = ipc_read_u8 (&reader);
  if (control->kind > IPC_CONTROL_GONE)
    ipc_reader_fail (&reader, "an unknown kind");
  control->number = ipc_read_u32 (&reader);
  control->pid = ipc_read_u32 (&reader);
  control->delay = ipc_read_u32 (&reader);
  control->text = ipc_read_string (&reader, IPC_MAX_STRING);
  control->filters = read_filters (&reader);
  for (guint i = 0; i < G_N_ELEMENTS (control->descriptors); i++)
    control->descriptors[i] = ipc_read_descriptor (&reader);
  return ipc_reader_finish (&reader, "control message", error) ? g_steal_pointer (&control) : NULL;
}

gboolean
ipc_control_send (gint socket, const IpcControl *control, GError **error)
{
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));

  ipc_control_encode (control, &out, descriptors);
  return ipc_channel_send (socket, base_buffer_bytes (&out), base_buffer_length (&out), descriptors,
                           error);
}

IpcControl *
ipc_control_receive (gint socket, gboolean *closed, GError **error)
{
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (GBytes) bytes = ipc_channel_receive (socket, descriptors, closed, error);
  gsize length = 0;
  const guint8 *data = NULL;

  if (bytes == NULL)
    return NULL;
  data = g_bytes_get_data (bytes, &length);
  return ipc_control_decode (data, length, descriptors, error);
}
