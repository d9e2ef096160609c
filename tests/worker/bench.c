/* Shared by the tests of the worker; everything here asserts. */
#include "bench.h"

#include <string.h>

static const gchar *const directories[] = { MODULES, NULL };

void
bench_open (Bench *bench, const gchar *more, const gchar *names, const gchar *filters)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autofree gchar *text = g_strdup_printf (
      "hostname = \"mx.example.org\"\n%s\n"
      "listener \"in\" { bind = [\"127.0.0.1:2525\"] filters = [%s] routes = [\"r\"] }\n"
      "route \"r\" { to = [\"discard:\"] }\n%s\n",
      more, names, filters);
  g_autofree gchar *said = NULL;

  memset (bench, 0, sizeof *bench);
  config_sources_add (sources, "test.conf", text);
  bench->config = config_load (sources, "test.conf", errors);
  said = config_errors_to_string (errors);
  g_assert_cmpstr (said, ==, "");
  bench->modules = worker_modules_load (bench->config, directories, errors);
  g_free (said);
  said = config_errors_to_string (errors);
  g_assert_cmpstr (said, ==, "");
  bench->worker = worker_new (bench->config, bench->modules);
  g_assert_true (worker_start (bench->worker, NULL));
  bench->records = g_ptr_array_new_with_free_func ((GDestroyNotify) ipc_record_free);
}

void
bench_close (Bench *bench)
{
  g_ptr_array_unref (bench->records);
  ipc_request_free (bench->request);
  worker_free (bench->worker);
  worker_modules_free (bench->modules);
  config_free (bench->config);
}

static void
add_filters (IpcRequest *request, guint count)
{
  request->filters = g_array_new (FALSE, TRUE, sizeof (IpcFilterState));
  for (guint i = 0; i < count; i++)
    {
      IpcFilterState state = { .descriptor = -1 };

      g_array_append_val (request->filters, state);
    }
}

IpcRequest *
bench_request (Bench *bench, IpcHook hook, const gchar *message)
{
  IpcRequest *request = ipc_request_new (hook);
  ConfigListener *listener = g_ptr_array_index (bench->config->listeners, 0);
  const gchar *parameters[] = { "SIZE=5", NULL };

  ipc_request_free (bench->request);
  bench->request = request;
  request->serial = 5;
  request->session.session_id = (gchar *) "ID";
  request->session.client_address = (gchar *) "192.0.2.1";
  request->session.client_port = 1234;
  request->session.client_name = (gchar *) "client.example.org";
  request->session.tls_protocol = (gchar *) "TLSv1.3";
  request->session.tls_cipher = (gchar *) "CIPHER";
  request->sender = base_path_new ("s@example.org", parameters);
  request->recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  g_ptr_array_add (request->recipients, base_path_new ("r@example.org", NULL));
  add_filters (request, listener->n_filters);
  if (message != NULL)
    {
      request->message = g_bytes_new (message, strlen (message));
      request->message_size = strlen (message);
    }
  return request;
}

/* Each record goes through its encoding, as it does for the gateway. */
static void
keep (IpcRecord *record, gpointer data)
{
  Bench *bench = data;
  g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
  g_autoptr (GArray) descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  g_autoptr (GError) error = NULL;
  IpcRecord *copy = NULL;

  ipc_record_encode (record, &out, descriptors);
  record->descriptor = -1;
  copy = ipc_record_decode (base_buffer_bytes (&out), base_buffer_length (&out), descriptors,
                            &error);
  g_assert_no_error (error);
  g_assert_cmpuint (copy->serial, ==, 5);
  g_ptr_array_add (bench->records, copy);
}

IpcRecord *
bench_run (Bench *bench)
{
  g_ptr_array_set_size (bench->records, 0);
  worker_run_request (bench->worker, bench->request, keep, bench);
  g_assert_cmpuint (bench->records->len, >, 0);
  for (guint i = 0; i < bench->records->len; i++)
    g_assert_cmpint (bench_record (bench, i)->last, ==, i + 1 == bench->records->len);
  return bench_record (bench, bench->records->len - 1);
}

IpcRecord *
bench_record (Bench *bench, guint index)
{
  g_assert_cmpuint (index, <, bench->records->len);
  return g_ptr_array_index (bench->records, index);
}

gchar *
bench_apply (Bench *bench, const IpcRecord *record)
{
  MessageSource source = message_source_from_memory (
      g_bytes_get_data (bench->request->message, NULL), bench->request->message_size);
  g_autoptr (GBytes) bytes = message_edits_apply (record->edits, &source, NULL);

  return g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

const gchar *
bench_note (const IpcRecord *record, const gchar *name)
{
  for (guint i = 0; record->notes != NULL && i < record->notes->len; i++)
    {
      const IpcNote *note = g_ptr_array_index (record->notes, i);

      if (strcmp (note->name, name) == 0)
        return note->value;
    }
  return NULL;
}
