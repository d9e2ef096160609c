/* Requests, records and control messages: what is decoded equals what was encoded, and every limit
 * refuses what is one past it. Broken bytes are made by cutting and flipping good ones. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ipc/codec.h"
#include "ipc/control.h"
#include "ipc/record.h"

static GPtrArray *
make_notes (guint count)
{
  GPtrArray *notes = g_ptr_array_new_with_free_func ((GDestroyNotify) ipc_note_free);

  for (guint i = 0; i < count; i++)
    {
      IpcNote *note = g_new0 (IpcNote, 1);

      note->name = g_strdup_printf ("note%u", i);
      note->value = g_strdup ("value");
      g_ptr_array_add (notes, note);
    }
  return notes;
}

static GPtrArray *
make_paths (void)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  const gchar *parameters[] = { "NOTIFY=NEVER", "ORCPT=rfc822;b@example.org", NULL };

  g_ptr_array_add (paths, base_path_new ("a@example.org", NULL));
  g_ptr_array_add (paths, base_path_new ("b@example.org", parameters));
  return paths;
}

static MessageEdits *
make_edits (void)
{
  MessageEdits *edits = message_edits_new ();
  g_autoptr (GBytes) text = g_bytes_new_static ("X: y\r\n", 6);

  g_assert_true (message_edits_add (edits, 0, 0, text));
  g_assert_true (message_edits_add (edits, 3, 2, NULL));
  g_assert_true (message_edits_add (edits, 5, 1, text));
  return edits;
}

static void
assert_edits_equal (const MessageEdits *a, const MessageEdits *b)
{
  g_assert_cmpuint (message_edits_count (a), ==, message_edits_count (b));
  for (guint i = 0; i < message_edits_count (a); i++)
    {
      const MessageEdit *x = message_edits_nth (a, i);
      const MessageEdit *y = message_edits_nth (b, i);

      g_assert_cmpuint (x->offset, ==, y->offset);
      g_assert_cmpuint (x->removed, ==, y->removed);
      g_assert_true ((x->inserted == NULL) == (y->inserted == NULL));
      if (x->inserted != NULL)
        g_assert_true (g_bytes_equal (x->inserted, y->inserted));
    }
}

static void
add_filter (GArray *filters, gboolean skip, const gchar *state, gint descriptor)
{
  IpcFilterState filter = { .skip = skip, .descriptor = descriptor };

  filter.state = state == NULL ? NULL : g_bytes_new (state, strlen (state));
  g_array_append_val (filters, filter);
}

static void
free_state (gpointer data)
{
  g_clear_pointer (&((IpcFilterState *) data)->state, g_bytes_unref);
}

static GArray *
make_filters (gint descriptor)
{
  GArray *filters = g_array_new (FALSE, FALSE, sizeof (IpcFilterState));

  g_array_set_clear_func (filters, free_state);
  add_filter (filters, FALSE, NULL, -1);
  add_filter (filters, TRUE, "state", descriptor);
  return filters;
}

static IpcRequest *
make_request (gint descriptor)
{
  IpcRequest *request = ipc_request_new (IPC_HOOK_END_OF_MESSAGE);

  request->serial = 0xdeadbeef;
  request->listener = 1;
  request->first = 1;
  request->timeout = 120000;
  request->session.session_id = (gchar *) "0123456789ABCDE";
  request->session.message_id = (gchar *) "ABCDE0123456789";
  request->session.client_address = (gchar *) "192.0.2.1";
  request->session.client_port = 65535;
  request->session.client_name = (gchar *) "unknown";
  request->session.user = (gchar *) "";
  request->session.mechanism = (gchar *) "PLAIN";
  request->sender = base_path_new ("", NULL);
  request->recipients = make_paths ();
  request->argument = (gchar *) "argument";
  request->status = (gchar *) "sent";
  request->filters = make_filters (descriptor);
  request->notes = make_notes (IPC_MAX_NOTES);
  request->message = g_bytes_new_static ("A: b\r\n\r\nbody\r\n", 14);
  request->message_size = 14;
  request->edits = make_edits ();
  request->unread = TRUE;
  return request;
}

static IpcRequest *
encode_and_decode (const IpcRequest *request, GError **error)
{
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));

  ipc_request_encode (request, &out, descriptors);
  for (guint i = 0; i < descriptors->len; i++)
    {
      gint *descriptor = &g_array_index (descriptors, gint, i);

      *descriptor = fcntl (*descriptor, F_DUPFD_CLOEXEC, 3);
    }
  return ipc_request_decode (base_buffer_bytes (&out), base_buffer_length (&out), descriptors,
                             error);
}

static void
test_request_roundtrip (void)
{
  gint zero = open ("/dev/zero", O_RDONLY | O_CLOEXEC);
  g_autoptr (IpcRequest) request = make_request (zero);
  g_autoptr (GError) error = NULL;
  g_autoptr (IpcRequest) copy = encode_and_decode (request, &error);
  IpcFilterState *state = NULL;

  g_assert_no_error (error);
  g_assert_cmpuint (copy->serial, ==, 0xdeadbeef);
  g_assert_cmpint (copy->hook, ==, IPC_HOOK_END_OF_MESSAGE);
  g_assert_cmpuint (copy->listener, ==, 1);
  g_assert_cmpstr (copy->status, ==, "sent");
  g_assert_cmpuint (copy->first, ==, 1);
  g_assert_cmpuint (copy->timeout, ==, 120000);
  g_assert_cmpstr (copy->session.client_address, ==, "192.0.2.1");
  g_assert_cmpuint (copy->session.client_port, ==, 65535);
  g_assert_null (copy->session.helo);
  g_assert_cmpstr (copy->session.mechanism, ==, "PLAIN");
  g_assert_cmpstr (copy->session.message_id, ==, "ABCDE0123456789");
  g_assert_cmpstr (copy->session.user, ==, "");
  g_assert_true (base_path_equal (copy->sender, request->sender));
  g_assert_cmpuint (copy->recipients->len, ==, 2);
  g_assert_true (base_path_equal (copy->recipients->pdata[1], request->recipients->pdata[1]));
  g_assert_cmpuint (copy->filters->len, ==, 2);
  state = &g_array_index (copy->filters, IpcFilterState, 1);
  g_assert_true (state->skip);
  g_assert_cmpmem (g_bytes_get_data (state->state, NULL), 5, "state", 5);
  g_assert_cmpint (fcntl (state->descriptor, F_GETFD), ==, FD_CLOEXEC);
  g_assert_cmpuint (copy->notes->len, ==, IPC_MAX_NOTES);
  g_assert_true (g_bytes_equal (copy->message, request->message));
  g_assert_cmpint (copy->message_descriptor, ==, -1);
  assert_edits_equal (copy->edits, request->edits);
  g_assert_true (copy->unread);
  close (zero);
}

static void
refuse_request (IpcRequest *request, const gchar *fault)
{
  g_autoptr (IpcRequest) owned = request;
  g_autoptr (GError) error = NULL;
  g_autoptr (IpcRequest) copy = encode_and_decode (owned, &error);

  g_assert_null (copy);
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
  g_assert_nonnull (strstr (error->message, fault));
}

static void
test_request_limits (void)
{
  IpcRequest *request = make_request (-1);
  g_autofree gchar *big = g_strnfill (IPC_MAX_STATE + 1, 's');
  g_autofree gchar *text = g_strnfill (IPC_MAX_STRING + 1, 't');
  GBytes *nothing = NULL;

  g_ptr_array_unref (request->notes);
  request->notes = make_notes (IPC_MAX_NOTES + 1);
  refuse_request (request, "a count over its limit");

  request = make_request (-1);
  add_filter (request->filters, FALSE, big, -1);
  refuse_request (request, "a text or block over its limit");

  request = make_request (-1);
  for (guint i = request->filters->len; i <= IPC_MAX_FILTERS; i++)
    add_filter (request->filters, FALSE, NULL, -1);
  refuse_request (request, "a count over its limit");

  request = make_request (-1);
  request->session.helo = text;
  refuse_request (request, "a text or block over its limit");

  request = make_request (-1);
  request->first = 3;
  refuse_request (request, "a first filter behind the chain");

  request = make_request (-1);
  request->message_size = 5;
  refuse_request (request, "of another size");

  request = make_request (-1);
  g_bytes_unref (request->message);
  request->message = nothing;
  refuse_request (request, "a hook of the message without one");

  request = make_request (-1);
  g_assert_true (message_edits_add (request->edits, 14, 1, NULL));
  refuse_request (request, "edits outside of the message");

  request = make_request (-1);
  request->hook = IPC_N_HOOKS;
  refuse_request (request, "an unknown hook");

  request = make_request (-1);
  request->code = 600;
  refuse_request (request, "a code over 599");

  request = make_request (-1);
  request->hook = IPC_HOOK_COMMAND;
  refuse_request (request, "a command without a verb");
}

static IpcRecord *
make_record (void)
{
  IpcRecord *record = ipc_record_new ();

  record->serial = 7;
  record->filter = 2;
  record->verdict = IPC_VERDICT_REPLY;
  record->reply = base_reply_new (550, 5, 7, 1, "no\nnever");
  record->reason = g_strdup ("because");
  record->failed = TRUE;
  record->limit = TRUE;
  record->last = TRUE;
  record->edits = make_edits ();
  record->sender = base_path_new ("x@example.org", NULL);
  record->recipients = make_paths ();
  record->state = g_bytes_new_static ("1234", 4);
  record->descriptor_set = TRUE;
  record->notes = make_notes (2);
  record->microseconds = 42;
  return record;
}

static IpcRecord *
record_again (const IpcRecord *record, GError **error)
{
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));

  ipc_record_encode (record, &out, descriptors);
  g_assert_cmpuint (descriptors->len, ==, 0);
  return ipc_record_decode (base_buffer_bytes (&out), base_buffer_length (&out), descriptors,
                            error);
}

static void
test_record_roundtrip (void)
{
  g_autoptr (IpcRecord) record = make_record ();
  g_autoptr (GError) error = NULL;
  g_autoptr (IpcRecord) copy = record_again (record, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (copy->serial, ==, 7);
  g_assert_cmpuint (copy->filter, ==, 2);
  g_assert_cmpint (copy->verdict, ==, IPC_VERDICT_REPLY);
  g_assert_cmpuint (copy->reply->code, ==, 550);
  g_assert_cmpuint (copy->reply->enhanced[1], ==, 7);
  g_assert_cmpstr (copy->reply->text, ==, "no\nnever");
  g_assert_cmpstr (copy->reason, ==, "because");
  g_assert_true (copy->failed && copy->limit && copy->last && copy->descriptor_set);
  assert_edits_equal (copy->edits, record->edits);
  g_assert_cmpstr (copy->sender->address, ==, "x@example.org");
  g_assert_cmpuint (copy->recipients->len, ==, 2);
  g_assert_true (g_bytes_equal (copy->state, record->state));
  g_assert_cmpint (copy->descriptor, ==, -1);
  g_assert_cmpuint (copy->notes->len, ==, 2);
  g_assert_cmpuint (copy->microseconds, ==, 42);
}

static void
refuse_record (IpcRecord *record, const gchar *fault)
{
  g_autoptr (IpcRecord) owned = record;
  g_autoptr (GError) error = NULL;
  g_autoptr (IpcRecord) copy = record_again (owned, &error);

  g_assert_null (copy);
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, fault));
}

static void
test_record_limits (void)
{
  IpcRecord *record = make_record ();
  g_autofree gchar *big = g_strnfill (IPC_MAX_STATE + 1, 's');

  record->reply->code = 250;
  refuse_record (record, "a reply that can not be sent");

  record = make_record ();
  record->reply->text[1] = '\a';
  refuse_record (record, "a reply that can not be sent");

  record = make_record ();
  record->verdict = IPC_VERDICT_PASS;
  refuse_record (record, "do not go together");

  record = make_record ();
  record->verdict = IPC_VERDICT_QUARANTINE + 1;
  refuse_record (record, "an unknown verdict");

  record = make_record ();
  record->filter = IPC_MAX_FILTERS + 1;
  refuse_record (record, "a filter's number");

  record = make_record ();
  g_bytes_unref (record->state);
  record->state = g_bytes_new (big, IPC_MAX_STATE + 1);
  refuse_record (record, "a text or block over its limit");

  record = make_record ();
  g_clear_pointer (&record->reason, g_free);
  refuse_record (record, "a failure without a reason");
}

static void
write_edit (IpcWriter *writer, guint64 offset, guint64 removed)
{
  ipc_write_u64 (writer, offset);
  ipc_write_u64 (writer, removed);
  ipc_write_u32 (writer, G_MAXUINT32);
}

static void
refuse_edits (guint64 a, guint64 a_removed, guint64 b, guint64 b_removed)
{
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
  IpcWriter writer = { &out, NULL };
  IpcReader reader;
  g_autoptr (GError) error = NULL;

  ipc_write_u32 (&writer, 2);
  write_edit (&writer, a, a_removed);
  write_edit (&writer, b, b_removed);
  ipc_reader_init (&reader, base_buffer_bytes (&out), base_buffer_length (&out), NULL);
  g_assert_null (ipc_read_edits (&reader));
  g_assert_false (ipc_reader_finish (&reader, "edits", &error));
  g_assert_nonnull (error);
}

static void
test_edits_hostile (void)
{
  refuse_edits (10, 5, 12, 1);
  refuse_edits (10, 5, 3, 1);
  refuse_edits (10, G_MAXUINT64, 12, 1);
  refuse_edits (G_MAXUINT64, 5, 12, 1);
}

static void
test_texts_hostile (void)
{
  static const guint8 nul[] = { 3, 0, 0, 0, 'a', 0, 'b' };
  static const guint8 too_long[] = { 4, 0, 0, 0, 'a', 'b' };
  static const guint8 count[] = { 255, 255, 0, 0, 1 };
  IpcReader reader;

  ipc_reader_init (&reader, nul, sizeof nul, NULL);
  g_assert_null (ipc_read_string (&reader, 10));
  g_assert_cmpstr (reader.fault, ==, "a NUL in a text");
  ipc_reader_init (&reader, too_long, sizeof too_long, NULL);
  g_assert_null (ipc_read_string (&reader, 10));
  g_assert_nonnull (reader.fault);
  ipc_reader_init (&reader, count, sizeof count, NULL);
  g_assert_cmpuint (ipc_read_count (&reader, 100000, 4), ==, 0);
  g_assert_nonnull (reader.fault);
  g_assert_cmpuint (ipc_read_u32 (&reader), ==, 0);
}

/* Whatever is cut off or put behind, nothing decodes, and what came along is closed. */
static void
test_request_cut (void)
{
  gint zero = open ("/dev/zero", O_RDONLY | O_CLOEXEC);
  g_autoptr (IpcRequest) request = make_request (zero);
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
  g_autoptr (GArray) borrowed = g_array_new (FALSE, FALSE, sizeof (gint));
  gsize length = 0;

  ipc_request_encode (request, &out, borrowed);
  length = base_buffer_length (&out);
  base_buffer_append (&out, "", 1);
  for (gsize cut = 0; cut <= length + 1; cut++)
    {
      g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
      gint copy = fcntl (zero, F_DUPFD_CLOEXEC, 3);

      if (cut == length)
        {
          close (copy);
          continue;
        }
      g_array_append_val (descriptors, copy);
      g_assert_null (ipc_request_decode (base_buffer_bytes (&out), cut, descriptors, NULL));
      g_assert_cmpuint (descriptors->len, ==, 0);
      g_assert_cmpint (fcntl (copy, F_GETFD), ==, -1);
    }
  close (zero);
}

static void
test_descriptors_left_over (void)
{
  g_autoptr (IpcRequest) request = make_request (-1);
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (GError) error = NULL;
  gint zero = open ("/dev/zero", O_RDONLY | O_CLOEXEC);

  ipc_request_encode (request, &out, descriptors);
  g_array_append_val (descriptors, zero);
  g_assert_null (ipc_request_decode (base_buffer_bytes (&out), base_buffer_length (&out),
                                     descriptors, &error));
  g_assert_nonnull (strstr (error->message, "descriptors that nothing refers to"));
  g_assert_cmpint (fcntl (zero, F_GETFD), ==, -1);
}

static IpcControl *
make_control (void)
{
  IpcControl *control = ipc_control_new (IPC_CONTROL_FILTERS);
  IpcFilterFacts facts = { .hooks = IPC_HOOKS_OF_BODY, .edits = 3, .state_size = IPC_MAX_STATE };

  control->number = 1;
  control->pid = 2;
  control->delay = 3;
  control->text = g_strdup ("text");
  control->filters = ipc_filter_facts_array_new ();
  facts.commands = g_ptr_array_new_with_free_func ((GDestroyNotify) ipc_command_free);
  g_ptr_array_add (facts.commands, ipc_command_new ("XSTATUS", 2, TRUE));
  g_array_append_val (control->filters, facts);
  return control;
}

static IpcControl *
control_again (const IpcControl *control, GError **error)
{
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));

  ipc_control_encode (control, &out, descriptors);
  return ipc_control_decode (base_buffer_bytes (&out), base_buffer_length (&out), descriptors,
                             error);
}

static void
test_control_roundtrip (void)
{
  g_autoptr (IpcControl) control = make_control ();
  g_autoptr (GError) error = NULL;
  g_autoptr (IpcControl) copy = control_again (control, &error);
  IpcFilterFacts *facts = NULL;
  IpcCommand *command = NULL;

  g_assert_no_error (error);
  g_assert_cmpint (copy->kind, ==, IPC_CONTROL_FILTERS);
  g_assert_cmpuint (copy->number, ==, 1);
  g_assert_cmpuint (copy->pid, ==, 2);
  g_assert_cmpuint (copy->delay, ==, 3);
  g_assert_cmpstr (copy->text, ==, "text");
  facts = &g_array_index (copy->filters, IpcFilterFacts, 0);
  g_assert_cmpuint (facts->hooks, ==, IPC_HOOKS_OF_BODY);
  command = g_ptr_array_index (facts->commands, 0);
  g_assert_cmpstr (command->verb, ==, "XSTATUS");
  g_assert_true (command->announce);

  facts = &g_array_index (control->filters, IpcFilterFacts, 0);
  facts->state_size++;
  g_assert_null (control_again (control, NULL));
  facts->state_size--;
  facts->hooks = IPC_HOOK_BIT (IPC_N_HOOKS);
  g_assert_null (control_again (control, NULL));
}

static void
test_hook_names (void)
{
  for (gint hook = 0; hook < IPC_N_HOOKS; hook++)
    g_assert_nonnull (ipc_hook_name (hook));
  g_assert_cmpstr (ipc_hook_name (IPC_HOOK_END_OF_MESSAGE), ==, "end_of_message");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ipc/request/roundtrip", test_request_roundtrip);
  g_test_add_func ("/ipc/request/limits", test_request_limits);
  g_test_add_func ("/ipc/request/cut", test_request_cut);
  g_test_add_func ("/ipc/request/descriptors-left-over", test_descriptors_left_over);
  g_test_add_func ("/ipc/record/roundtrip", test_record_roundtrip);
  g_test_add_func ("/ipc/record/limits", test_record_limits);
  g_test_add_func ("/ipc/codec/edits-hostile", test_edits_hostile);
  g_test_add_func ("/ipc/codec/texts-hostile", test_texts_hostile);
  g_test_add_func ("/ipc/control/roundtrip", test_control_roundtrip);
  g_test_add_func ("/ipc/hook/names", test_hook_names);
  return g_test_run ();
}
