/* From the text of a configuration to a chain that can be run: what the generation and a worker do
 * at their start. Whatever does not load is told in the configuration's own errors. */
#include <dlfcn.h>
#include <string.h>

#include "testing/private.h"

/* Beside the library when it is installed, or in the folder that it was built in. */
static gchar *
module_directory (void)
{
  Dl_info info;
  g_autofree gchar *own = NULL;
  g_autofree gchar *built = NULL;

  if (dladdr ((gpointer) weir_test_new, &info) == 0 || info.dli_fname == NULL)
    return g_strdup (".");
  own = g_path_get_dirname (info.dli_fname);
  built = g_build_filename (own, "..", "..", "filters", NULL);
  if (g_file_test (built, G_FILE_TEST_IS_DIR))
    return g_canonicalize_filename (built, NULL);
  return g_build_filename (own, "mailweir", "filters", NULL);
}

static void
load_modules (WeirTest *test, ConfigErrors *errors)
{
  g_autofree gchar *own = module_directory ();
  const gchar *directories[] = { test->config->module_directory, own, NULL };

  test->modules
      = worker_modules_load (test->config, directories + (directories[0] == NULL ? 1 : 0), errors);
}

static gchar *
config_text (const gchar *chain, const gchar *filters)
{
  return g_strdup_printf ("hostname = \"mx.example.org\"\n"
                          "route \"r\" { to = [\"discard:\"] }\n"
                          "listener \"l\" { bind = [\"127.0.0.1:2525\"]  filters = [%s]\n"
                          "  routes = [\"r\"] }\n%s\n",
                          chain, filters);
}

static const IpcFilterFacts *
facts_of (gconstpointer modules, guint index)
{
  return &worker_modules_nth (modules, index)->facts;
}

static gboolean
load (WeirTest *test, const gchar *chain, const gchar *filters, ConfigErrors *errors)
{
  g_autofree gchar *text = config_text (chain, filters);
  g_autoptr (GError) error = NULL;

  test->sources = config_sources_new_files ();
  config_sources_add (test->sources, "test.conf", text);
  test->config = config_load (test->sources, "test.conf", errors);
  if (test->config != NULL)
    load_modules (test, errors);
  if (test->modules == NULL)
    return FALSE;
  test->worker = worker_new (test->config, test->modules);
  if (worker_start (test->worker, &error))
    return TRUE;
  config_errors_add (errors, &test->config->tree->place, "%s", error->message);
  return FALSE;
}

static WeirTest *
load_chain (const gchar *chain, const gchar *filters, gchar **errors)
{
  g_autoptr (ConfigErrors) list = config_errors_new ();
  g_autoptr (WeirTest) test = g_new0 (WeirTest, 1);

  *errors = NULL;
  if (!load (test, chain, filters, list))
    {
      *errors = config_errors_to_string (list);
      return NULL;
    }
  chain_init (&test->chain, g_ptr_array_index (test->config->listeners, 0), facts_of,
              test->modules);
  test->state = chain_state_new (&test->chain);
  test->request.timeout = 60000;
  test->request.message_descriptor = -1;
  test->request.session.session_id = g_strdup ("TEST");
  test->request.session.message_id = g_strdup ("MESSAGE");
  weir_test_set_client (test, "192.0.2.1", 0, "client.example");
  weir_test_set_helo (test, "client.example");
  weir_test_set_sender (test, "a@example.org", NULL);
  weir_test_set_recipients (test, (const gchar *const[]){ "b@example.net", NULL });
  return g_steal_pointer (&test);
}

static void
end_with (const gchar *errors)
{
  if (errors != NULL)
    g_test_message ("%s", errors);
  g_assert_cmpstr (errors, ==, NULL);
}

WeirTest *
weir_test_new (const char *chain, const char *filters)
{
  g_autofree gchar *errors = NULL;
  WeirTest *test = load_chain (chain, filters, &errors);

  end_with (errors);
  return test;
}

WeirTest *
weir_test_load (const char *module, const char *options, char **errors)
{
  const gboolean beside = strchr (module, '/') == NULL && g_str_has_suffix (module, ".so");
  g_autofree gchar *filter
      = g_strdup_printf ("filter \"test\" {\nmodule = \"%s%s\"\n%s\n}", beside ? "./" : "", module,
                         options == NULL ? "" : options);
  g_autofree gchar *own = NULL;
  WeirTest *test = load_chain ("\"test\"", filter, &own);

  if (errors == NULL)
    end_with (own);
  else
    *errors = g_steal_pointer (&own);
  return test;
}

char *
weir_test_load_errors (const char *chain, const char *filters)
{
  gchar *errors = NULL;
  WeirTest *test = load_chain (chain, filters, &errors);

  g_clear_pointer (&test, weir_test_free);
  return errors;
}

void
weir_test_free (WeirTest *test)
{
  IpcSession *session = &test->request.session;
  gchar *texts[]
      = { session->session_id, session->message_id, session->client_address, session->client_name,
          session->helo,       session->user,       session->mechanism,      session->tls_protocol,
          session->tls_cipher, test->request.status };

  chain_state_free (test->state);
  chain_clear (&test->chain);
  worker_free (test->worker);
  worker_modules_free (test->modules);
  if (test->config != NULL)
    config_free (test->config);
  config_sources_free (test->sources);
  base_path_free (test->request.sender);
  g_clear_pointer (&test->request.recipients, g_ptr_array_unref);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_free (texts[i]);
  g_free (test);
}
