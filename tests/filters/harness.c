/* The whole way of a request but for the socket: configuration, modules, worker, records. */
#include "harness.h"

#include <string.h>
#include <unistd.h>

#include "message/edits.h"
#include "worker/run.h"

#define MAX_CORPUS_FILE (2 * 1024 * 1024)

struct _Harness
{
  ConfigSources *sources;
  Config *config;
  WorkerModules *modules;
  Worker *worker;
  GPtrArray *states;   /* of GBytes, one for each filter; NULL: zeros */
  GArray *descriptors; /* of gint, that travel with them; -1: none */
  gboolean loses;      /* what filters want to remember */
};

static const gchar *const directories[] = { HARNESS_MODULES, NULL };

static char *
config_text (const char *chain, const char *filters)
{
  return g_strdup_printf ("hostname = \"mx.example.org\"\n"
                          "route \"r\" { to = [\"discard:\"] }\n"
                          "listener \"l\" { bind = [\"127.0.0.1:2525\"]  filters = [%s]\n"
                          "  routes = [\"r\"] }\n%s\n",
                          chain, filters);
}

static Harness *
load (const char *chain, const char *filters, ConfigErrors *errors)
{
  Harness *harness = g_new0 (Harness, 1);
  g_autofree char *text = config_text (chain, filters);

  harness->sources = config_sources_new_files ();
  config_sources_add (harness->sources, "test.conf", text);
  harness->config = config_load (harness->sources, "test.conf", errors);
  if (harness->config != NULL)
    harness->modules = worker_modules_load (harness->config, directories, errors);
  return harness;
}

static void
state_free (gpointer data)
{
  if (data != NULL)
    g_bytes_unref (data);
}

Harness *
harness_new (const char *chain, const char *filters)
{
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  Harness *harness = load (chain, filters, errors);
  g_autofree char *text = config_errors_to_string (errors);
  g_autoptr (GError) error = NULL;
  const gint none = -1;

  g_assert_cmpstr (text, ==, "");
  g_assert_nonnull (harness->modules);
  harness->worker = worker_new (harness->config, harness->modules);
  worker_start (harness->worker, &error);
  g_assert_no_error (error);
  harness->states = g_ptr_array_new_with_free_func (state_free);
  g_ptr_array_set_size (harness->states, (gint) worker_modules_count (harness->modules));
  harness->descriptors = g_array_new (FALSE, FALSE, sizeof (gint));
  for (guint i = 0; i < harness->states->len; i++)
    g_array_append_val (harness->descriptors, none);
  return harness;
}

char *
harness_load_errors (const char *chain, const char *filters)
{
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (Harness) harness = load (chain, filters, errors);

  return harness->modules != NULL ? NULL : config_errors_to_string (errors);
}

void
harness_lose_records (Harness *harness, gboolean loses)
{
  harness->loses = loses;
}

void
harness_drop_descriptors (Harness *harness)
{
  for (guint i = 0; harness->descriptors != NULL && i < harness->descriptors->len; i++)
    {
      gint *descriptor = &g_array_index (harness->descriptors, gint, i);

      if (*descriptor >= 0)
        close (*descriptor);
      *descriptor = -1;
    }
}

void
harness_free (Harness *harness)
{
  g_clear_pointer (&harness->states, g_ptr_array_unref);
  harness_drop_descriptors (harness);
  g_clear_pointer (&harness->descriptors, g_array_unref);
  worker_free (harness->worker);
  worker_modules_free (harness->modules);
  config_free (harness->config);
  config_sources_free (harness->sources);
  g_free (harness);
}

void
harness_result_free (HarnessResult *result)
{
  g_free (result->reply);
  g_clear_pointer (&result->message, g_bytes_unref);
  g_free (result->sender);
  g_free (result->recipients);
  g_free (result->notes);
  g_free (result);
}

/* ---- Records ---- */

typedef struct
{
  HarnessResult *result;
  GString *notes;
  Harness *harness;
  gboolean last;
} Run;

static void
apply (HarnessResult *result, MessageEdits *edits)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (result->message, &size);
  MessageSource source = message_source_from_memory (bytes, size);
  g_autoptr (GError) error = NULL;
  GBytes *edited;

  g_assert_true (message_edits_fit (edits, size));
  edited = message_edits_apply (edits, &source, &error);
  g_assert_no_error (error);
  result->n_edits += message_edits_count (edits);
  g_bytes_unref (result->message);
  result->message = edited;
}

static void
take_envelope (HarnessResult *result, const IpcRecord *record)
{
  g_autoptr (GString) list = g_string_new (NULL);

  if (record->sender != NULL)
    {
      g_free (result->sender);
      result->sender = g_strdup (record->sender->address);
    }
  if (record->recipients == NULL)
    return;
  for (guint i = 0; i < record->recipients->len; i++)
    g_string_append_printf (list, "%s%s", i == 0 ? "" : " ",
                            ((BasePath *) g_ptr_array_index (record->recipients, i))->address);
  g_free (result->recipients);
  result->recipients = g_strdup (list->str);
}

static void
take_verdict (HarnessResult *result, const IpcRecord *record)
{
  static const HarnessVerdict verdicts[]
      = { HARNESS_PASS,    HARNESS_PASS,      HARNESS_REFUSED,
          HARNESS_REFUSED, HARNESS_DISCARDED, HARNESS_QUARANTINED };

  result->verdict = record->failed ? HARNESS_FAILED : verdicts[record->verdict];
  g_free (result->reply);
  result->reply
      = record->reply != NULL ? base_reply_to_string (record->reply) : g_strdup (record->reason);
}

static void
take_state (Harness *harness, IpcRecord *record)
{
  gint *descriptor = &g_array_index (harness->descriptors, gint, record->filter);

  if (record->state != NULL)
    {
      state_free (harness->states->pdata[record->filter]);
      harness->states->pdata[record->filter] = g_bytes_ref (record->state);
    }
  if (!record->descriptor_set)
    return;
  if (*descriptor >= 0)
    close (*descriptor);
  *descriptor = record->descriptor;
  record->descriptor = -1;
}

static void
take_record (IpcRecord *record, gpointer data)
{
  Run *run = data;

  g_assert_false (run->last);
  run->last = record->last;
  take_verdict (run->result, record);
  if (record->edits != NULL && run->result->verdict == HARNESS_PASS)
    apply (run->result, record->edits);
  take_envelope (run->result, record);
  if (!record->failed && !run->harness->loses)
    take_state (run->harness, record);
  for (guint i = 0; record->notes != NULL && i < record->notes->len; i++)
    {
      const IpcNote *note = g_ptr_array_index (record->notes, i);

      g_string_append_printf (run->notes, "%s=%s\n", note->name, note->value);
    }
}

/* ---- Requests ---- */

static IpcHook
which_hook (const Harness *harness)
{
  guint32 hooks = 0;

  for (guint i = 0; i < worker_modules_count (harness->modules); i++)
    hooks |= worker_modules_nth (harness->modules, i)->facts.hooks;
  return (hooks & IPC_HOOKS_OF_BODY) != 0 ? IPC_HOOK_END_OF_MESSAGE : IPC_HOOK_END_OF_HEADERS;
}

gboolean
harness_needs_body (const Harness *harness)
{
  return which_hook (harness) == IPC_HOOK_END_OF_MESSAGE;
}

static IpcRequest *
make_request (Harness *harness, IpcHook hook, GBytes *message, const char *sender,
              const char *const *recipients)
{
  IpcRequest *request = ipc_request_new (hook);
  guint count = worker_modules_count (harness->modules);

  request->timeout = 60000;
  request->session.session_id = g_strdup ("TEST");
  request->session.message_id = g_strdup ("MESSAGE");
  request->session.client_address = g_strdup ("192.0.2.1");
  request->session.client_name = g_strdup ("client.example");
  request->session.helo = g_strdup ("client.example");
  request->sender = base_path_new (sender, NULL);
  request->recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  for (; *recipients != NULL; recipients++)
    g_ptr_array_add (request->recipients, base_path_new (*recipients, NULL));
  request->filters = g_array_new (FALSE, TRUE, sizeof (IpcFilterState));
  for (guint i = 0; i < count; i++)
    {
      IpcFilterState state
          = { FALSE, harness->states->pdata[i], g_array_index (harness->descriptors, gint, i) };

      g_array_append_val (request->filters, state);
    }
  if (message == NULL)
    return request;
  request->message = g_bytes_ref (message);
  request->message_size = g_bytes_get_size (message);
  return request;
}

static HarnessResult *
run_request (Harness *harness, const IpcRequest *request, GBytes *message)
{
  Run run = { g_new0 (HarnessResult, 1), g_string_new (NULL), harness, FALSE };

  run.result->message = g_bytes_ref (message);
  worker_run_request (harness->worker, request, take_record, &run);
  g_assert_true (run.last);
  run.result->notes = g_string_free (run.notes, FALSE);
  return run.result;
}

static void
default_to (char **text, char *value)
{
  if (*text == NULL)
    *text = value;
  else
    g_free (value);
}

HarnessResult *
harness_run_envelope (Harness *harness, const char *message, gsize length, const char *sender,
                      const char *const *recipients)
{
  g_autoptr (GBytes) bytes = g_bytes_new (message, length);
  g_autoptr (IpcRequest) request
      = make_request (harness, which_hook (harness), bytes, sender, recipients);
  HarnessResult *result = run_request (harness, request, bytes);

  default_to (&result->sender, g_strdup (sender));
  default_to (&result->recipients, g_strjoinv (" ", (char **) recipients));
  return result;
}

HarnessResult *
harness_run_hook (Harness *harness, const char *hook, const char *argument, guint code)
{
  static const char *const recipients[] = { "b@example.net", NULL };
  g_autoptr (GBytes) nothing = g_bytes_new_static ("", 0);
  g_autoptr (IpcRequest) request = NULL;
  guint number = 0;

  while (number < IPC_N_HOOKS && !g_str_equal (ipc_hook_name (number), hook))
    number++;
  g_assert_cmpuint (number, <, IPC_N_HOOKS);
  request = make_request (harness, number, NULL, "a@example.org", recipients);
  if (number == IPC_HOOK_COMMAND)
    {
      gsize verb = strcspn (argument, " ");

      request->verb = g_strndup (argument, verb);
      argument += verb + (argument[verb] == ' ');
    }
  request->argument = g_strdup (argument);
  request->code = code;
  return run_request (harness, request, nothing);
}

HarnessResult *
harness_run (Harness *harness, const char *message, gsize length)
{
  static const char *const recipients[] = { "b@example.net", NULL };

  return harness_run_envelope (harness, message, length, "a@example.org", recipients);
}

/* ---- Messages ---- */

static char *
to_wire (const char *text, gsize length, gsize *wire_length)
{
  GString *out = g_string_sized_new (length + length / 16 + 2);

  for (gsize i = 0; i < length; i++)
    {
      if (text[i] == '\n' || (text[i] == '\r' && (i + 1 == length || text[i + 1] != '\n')))
        g_string_append (out, "\r\n");
      else if (text[i] != '\r')
        g_string_append_c (out, text[i]);
    }
  *wire_length = out->len;
  return g_string_free (out, FALSE);
}

char *
harness_page_config (const char *path)
{
  g_autofree char *page = NULL;
  g_auto (GStrv) pieces = NULL;

  g_assert_true (g_file_get_contents (path, &page, NULL, NULL));
  pieces = g_strsplit (page, "\n```\n", 3);
  g_assert_cmpuint (g_strv_length (pieces), ==, 3);
  return g_strdup (pieces[1]);
}

char *
harness_crlf (const char *text)
{
  gsize length;

  return to_wire (text, strlen (text), &length);
}

void
harness_assert_message (const HarnessResult *result, const char *expected, gsize length)
{
  gsize size;
  const char *bytes = g_bytes_get_data (result->message, &size);

  g_assert_cmpmem (bytes, size, expected, length);
}

typedef void (*CorpusFunc) (const char *path, const char *message, gsize length, gpointer data);

static void
corpus_folder (const char *path, CorpusFunc func, gpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);
      g_autofree char *text = NULL;
      g_autofree char *wire = NULL;
      gsize length;

      if (g_file_test (file, G_FILE_TEST_IS_DIR))
        corpus_folder (file, func, data);
      else if (g_file_get_contents (file, &text, &length, NULL) && length < MAX_CORPUS_FILE)
        {
          wire = to_wire (text, length, &length);
          func (file, wire, length, data);
        }
    }
}

gboolean
harness_corpus (CorpusFunc func, gpointer data)
{
  const char *path = g_getenv ("MAILWEIR_CORPUS");

  if (path == NULL || !g_file_test (path, G_FILE_TEST_IS_DIR))
    return FALSE;
  corpus_folder (path, func, data);
  return TRUE;
}
