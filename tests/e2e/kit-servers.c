/* Mailweir, sinks and certificates of the end-to-end tests. See kit.h. */
#include "kit.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

const gchar *
kit_program (const gchar *name)
{
  static gchar *path;
  g_free (path);
  path = g_build_filename (g_getenv ("MAILWEIR_BUILD"), name, NULL);
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  return path;
}

KitProcess *
kit_mailweir_named (const gchar *name, const gchar *config)
{
  g_autofree gchar *path = kit_path ("%s.conf", name);
  /* More than one loop on any machine, so that they get in each other's way. */
  g_autofree gchar *text = strstr (config, "threads") == NULL
                               ? g_strconcat ("threads = 2\n", config, NULL)
                               : g_strdup (config);
  kit_write (path, text);
  const gchar *argv[] = { kit_program ("src/mailweir"), "run", "-c", path, NULL };
  KitProcess *process = kit_start (name, argv);
  kit_wait_log (process, "ready");
  return process;
}

KitProcess *
kit_mailweir (const gchar *config)
{
  return kit_mailweir_named ("mailweir", config);
}

KitProcess *
kit_gateway (guint port, const gchar *to, const gchar *listener, const gchar *route,
             const gchar *rest)
{
  g_autofree gchar *name = g_strdup_printf ("mailweir-%u", port);
  g_autofree gchar *config = g_strdup_printf (
      "hostname = \"mx.test\"\n"
      "%s\n"
      "listener \"in\" {\n  bind = [\"127.0.0.1:%u\"]\n  routes = [\"up\"]\n  %s\n}\n"
      "route \"up\" {\n  to = [%s]\n  %s\n}\n",
      rest != NULL ? rest : "", port, listener != NULL ? listener : "", to,
      route != NULL ? route : "");
  return kit_mailweir_named (name, config);
}

void
kit_gateway_stop (KitProcess *mailweir)
{
  gint status = kit_stop (mailweir, SIGTERM);
  g_autofree gchar *log = kit_log (mailweir);
  if (status != 0 || strstr (log, "Sanitizer") != NULL || strstr (log, "runtime error") != NULL
      || strstr (log, "did not end well") != NULL)
    g_error ("it did not end well (%d):\n%s", status, log);
}

void
kit_check_shipped (const gchar *name)
{
  g_autofree gchar *shipped = g_build_filename (g_getenv ("MAILWEIR_SOURCE"), "config", name, NULL);
  g_autofree gchar *text = kit_read (shipped);
  g_autofree gchar *path = kit_path ("%s", name);
  g_autofree gchar *output = NULL;
  const gchar *argv[] = { kit_program ("src/mailweir"), "check", "-c", path, NULL };
  g_autoptr (GString) here = g_string_new (text);

  g_assert_cmpuint (g_string_replace (here, "\"mailweir\"", "\"nobody\"", 0), ==, 1);
  kit_write (path, here->str);
  if (kit_run (argv, &output) != 0)
    g_error ("%s", output);
}

KitProcess *
kit_sink (guint port, const gchar *folder, const gchar *const *options)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autofree gchar *template = g_build_filename (folder, "%H%M%S.", NULL);
  g_autofree gchar *address = g_strdup_printf ("127.0.0.1:%u", port);
  g_autofree gchar *name = g_strdup_printf ("sink-%u", port);
  g_assert_cmpint (g_mkdir_with_parents (folder, 0777), ==, 0);
  g_chmod (folder, 0777);
  g_ptr_array_add (argv, (gpointer) "smtp-sink");
  if (geteuid () == 0)
    {
      g_ptr_array_add (argv, (gpointer) "-u");
      g_ptr_array_add (argv, (gpointer) "nobody");
    }
  g_ptr_array_add (argv, (gpointer) "-d");
  g_ptr_array_add (argv, template);
  for (guint i = 0; options != NULL && options[i] != NULL; i++)
    g_ptr_array_add (argv, (gpointer) options[i]);
  g_ptr_array_add (argv, address);
  g_ptr_array_add (argv, (gpointer) "1000");
  g_ptr_array_add (argv, NULL);
  KitProcess *process = kit_start (name, (const gchar *const *) argv->pdata);
  kit_wait_port (port);
  return process;
}

GPtrArray *
kit_messages (const gchar *folder)
{
  GPtrArray *messages = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar *name;
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *path = g_build_filename (folder, name, NULL);
      gchar *text = g_file_test (path, G_FILE_TEST_IS_REGULAR) ? kit_read (path) : NULL;
      if (text != NULL)
        g_ptr_array_add (messages, text);
    }
  return messages;
}

void
kit_wait_messages (const gchar *folder, guint count)
{
  guint have = 0;
  for (guint i = 0; i < KIT_PATIENCE * 20; i++)
    {
      g_autoptr (GPtrArray) messages = kit_messages (folder);
      have = messages->len;
      if (have >= count)
        break;
      g_usleep (50000);
    }
  g_assert_cmpuint (have, ==, count);
}

static void
openssl (const gchar *first, ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autofree gchar *output = NULL;
  va_list arguments;
  g_ptr_array_add (argv, (gpointer) "openssl");
  va_start (arguments, first);
  for (const gchar *argument = first; argument != NULL;
       argument = va_arg (arguments, const gchar *))
    g_ptr_array_add (argv, (gpointer) argument);
  va_end (arguments);
  g_ptr_array_add (argv, NULL);
  if (kit_run ((const gchar *const *) argv->pdata, &output) != 0)
    g_error ("openssl %s: %s", first, output);
}

static void
make_authority (const gchar *certificate, const gchar *key)
{
  openssl ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test CA",
           "-keyout", key, "-out", certificate, NULL);
}

void
kit_certificate (const gchar *name, const gchar *host)
{
  g_autofree gchar *ca = kit_path ("ca.pem");
  g_autofree gchar *ca_key = kit_path ("ca.key");
  g_autofree gchar *key = kit_path ("%s.key", name);
  g_autofree gchar *request = kit_path ("%s.csr", name);
  g_autofree gchar *extensions = kit_path ("%s.ext", name);
  g_autofree gchar *certificate = kit_path ("%s.pem", name);
  g_autofree gchar *subject = g_strdup_printf ("/CN=%s", host);
  g_autofree gchar *names = g_strdup_printf ("subjectAltName=DNS:%s\n", host);
  if (!g_file_test (ca, G_FILE_TEST_EXISTS))
    make_authority (ca, ca_key);
  kit_write (extensions, names);
  openssl ("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", key, "-out",
           request, NULL);
  openssl ("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days",
           "2", "-extfile", extensions, "-out", certificate, NULL);
}
