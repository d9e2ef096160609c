/* The command line as a user meets it: exit statuses and words. Runs the executable that MAILWEIR
 * names. */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <openssl/pem.h>

#include "../blocking/certificate.h"
#include "commands/status-table.h"

/* Runs `mailweir` with the words of `line`. Returns the exit status; the texts are the caller's. */
static gint
mailweir (const gchar *line, gchar **out, gchar **errors)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *whole = g_strdup_printf ("%s %s", g_getenv ("MAILWEIR"), line);
  gint status = 0;

  g_spawn_command_line_sync (whole, out, errors, &status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static void
expect (const gchar *line, gint code, const gchar *in_out, const gchar *in_errors)
{
  g_autofree gchar *out = NULL;
  g_autofree gchar *errors = NULL;
  const gint status = mailweir (line, &out, &errors);

  g_test_message ("%s: %s%s", line, out, errors);
  g_assert_cmpint (status, ==, code);
  g_assert_nonnull (strstr (out, in_out));
  g_assert_nonnull (strstr (errors, in_errors));
}

static void
test_usage (void)
{
  expect ("--version", 0, "mailweir ", "");
  expect ("--help", 0, "status", "");
  expect ("", 64, "", "Usage:");
  expect ("chekc", 64, "", "did you mean \"check\"?");
  expect ("qqqqqqqqqq", 64, "", "unknown command \"qqqqqqqqqq\"");
  expect ("run --frobnicate", 64, "", "--frobnicate");
  expect ("check extra", 64, "", "extra");
  expect ("status --socket", 64, "", "mailweir status");
  expect ("generation", 64, "", "--control");
  expect ("generation --control 1", 64, "", "--control 1");
}

static void
test_check (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *folder = g_dir_make_tmp ("mailweir-XXXXXX", &error);
  g_autofree gchar *path = g_build_filename (folder, "test.conf", NULL);
  g_autofree gchar *line = g_strdup_printf ("check -c %s", path);

  g_file_set_contents (path,
                       "listener \"l\" { bind = \"127.0.0.1:2525\" routes = [\"r\"] }\n"
                       "route \"r\" { to = \"discard:\" }\n",
                       -1, NULL);
  expect (line, 0, "test.conf: ok", "");
  g_file_set_contents (path,
                       "listener \"l\" { bind = \"127.0.0.1:2525\" routes = [\"r\"] "
                       "filters = [\"f\"] }\n"
                       "route \"r\" { to = \"discard:\" }\n"
                       "filter \"f\" { module = \"no-such-module\" }\n",
                       -1, NULL);
  expect (line, 78, "", "test.conf:3:");
  g_file_set_contents (path, "hostnam = \"x\"\nworkers-max = true\n", -1, NULL);
  expect (line, 78, "", "test.conf:1:1:");
  expect (line, 78, "", "test.conf:2:");
  /* Modules are asked although something else is wrong; what both readers find is told once. */
  g_file_set_contents (path,
                       "hostnam = \"x\"\n"
                       "listener \"l\" { bind = \"127.0.0.1:2525\" routes = [\"r\"] "
                       "filters = [\"f\"] }\n"
                       "route \"r\" { to = \"discard:\" }\n"
                       "filter \"f\" { module = \"headers\" timeout = 5x ad = \"X: y\" }\n",
                       -1, NULL);
  expect (line, 78, "", "test.conf:1:1: ");
  expect (line, 78, "", "unknown option \"ad\" in filter \"f\"; did you mean \"add\"?");
  g_autofree gchar *out = NULL;
  g_autofree gchar *errors = NULL;
  mailweir (line, &out, &errors);
  const gchar *first = strstr (errors, "test.conf:4:43: option \"timeout\"");
  g_assert_nonnull (first);
  g_assert_null (strstr (first + strlen ("test.conf:4:43: option"), "option \"timeout\""));
  g_unlink (path);
  expect (line, 78, "", "test.conf");
  g_rmdir (folder);
}

/* What "mailweir check" says about a configuration with `block` in it. */
static void
expect_check (const gchar *folder, const gchar *text, gint code, const gchar *in_errors)
{
  g_autofree gchar *path = g_build_filename (folder, "test.conf", NULL);
  g_autofree gchar *line = g_strdup_printf ("check -c %s", path);
  g_auto (GStrv) parts = g_strsplit (text, "@", -1);
  g_autofree gchar *block = g_strjoinv (folder, parts);
  g_autofree gchar *whole = g_strconcat (block,
                                         "\nlistener \"l\" { bind = \"127.0.0.1:2525\" "
                                         "routes = [\"r\"] }\n"
                                         "route \"r\" { to = \"discard:\" }\n",
                                         NULL);

  g_assert_true (g_file_set_contents (path, whole, -1, NULL));
  expect (line, code, "", in_errors);
  g_unlink (path);
}

static void
write_pem (const gchar *folder, const gchar *name, EVP_PKEY *key, X509 *certificate,
           const gchar *passphrase)
{
  g_autofree gchar *path = g_build_filename (folder, name, NULL);
  FILE *file = fopen (path, "w");

  g_assert_nonnull (file);
  if (certificate != NULL)
    g_assert_cmpint (PEM_write_X509 (file, certificate), ==, 1);
  if (key != NULL)
    g_assert_cmpint (PEM_write_PrivateKey (file, key,
                                           passphrase == NULL ? NULL : EVP_aes_128_cbc (), NULL, 0,
                                           NULL, (void *) passphrase),
                     ==, 1);
  fclose (file);
}

static const gchar *const pem_files[]
    = { "cert.pem", "key.pem", "other.pem", "locked.pem", "both.pem", "text.pem" };

static void
write_pem_files (const gchar *folder)
{
  g_autofree gchar *text = g_build_filename (folder, "text.pem", NULL);
  EVP_PKEY *key, *other;
  X509 *certificate = certificate_make (&key);
  X509 *other_certificate = certificate_make (&other);

  write_pem (folder, "cert.pem", NULL, certificate, NULL);
  write_pem (folder, "key.pem", key, NULL, NULL);
  write_pem (folder, "other.pem", other, NULL, NULL);
  write_pem (folder, "locked.pem", key, NULL, "secret");
  write_pem (folder, "both.pem", key, certificate, NULL);
  g_assert_true (g_file_set_contents (text, "no PEM\n", -1, NULL));
  X509_free (certificate);
  X509_free (other_certificate);
  EVP_PKEY_free (key);
  EVP_PKEY_free (other);
}

static void
test_check_tls (void)
{
  static const struct
  {
    const gchar *text;
    gint code;
    const gchar *errors;
  } cases[] = {
    { "tls { certificate = \"@/cert.pem\" key = \"@/key.pem\" }", 0, "" },
    { "tls { certificate = \"@/both.pem\" }", 0, "" },
    { "tls { certificate = \"@/cert.pem\"\n key = \"@/other.pem\" }", 78,
      "test.conf:2:8: \"key\" (" },
    { "tls { certificate = \"@/cert.pem\"\n key = \"@/other.pem\" }", 78,
      "not the key of the certificate" },
    { "tls { certificate = \"@/cert.pem\"\n key = \"@/locked.pem\" }", 78,
      "encrypted keys are not supported" },
    { "tls { certificate = \"@/cert.pem\"\n key = \"@/text.pem\" }", 78, "no private key in it" },
    { "tls { certificate = \"@/text.pem\"\n key = \"@/key.pem\" }", 78,
      "test.conf:1:21: \"certificate\" (" },
    { "tls { certificate = \"@/cert.pem\" }", 78, "test.conf:1:21: \"key\" is not set" },
    { "tls { certificate = \"@/cert.pem\"\n key = \"@/none.pem\" }", 78, "cannot read" },
    { "route \"s\" { to = \"smtp://a\" tls = \"verified\"\n tls-ca = \"@/cert.pem\" }", 0, "" },
    { "route \"s\" { to = \"smtp://a\" tls = \"verified\"\n tls-ca = \"@/key.pem\" }", 78,
      "test.conf:2:11: \"tls-ca\" (" },
    { "route \"s\" { to = \"smtp://a\" tls = \"required\"\n tls-certificate = \"@/cert.pem\" }", 78,
      "test.conf:2:20: \"tls-key\" is not set" },
    { "route \"s\" { to = \"smtp://a\" tls-certificate = \"@/cert.pem\"\n"
      " tls-key = \"@/other.pem\" }",
      78, "test.conf:2:12: \"tls-key\" (" },
  };
  g_autofree gchar *folder = g_dir_make_tmp ("mailweir-XXXXXX", NULL);

  write_pem_files (folder);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    expect_check (folder, cases[i].text, cases[i].code, cases[i].errors);
  for (guint i = 0; i < G_N_ELEMENTS (pem_files); i++)
    {
      g_autofree gchar *path = g_build_filename (folder, pem_files[i], NULL);

      g_unlink (path);
    }
  g_rmdir (folder);
}

/* `run` says the same as `check`, and starts nothing. */
static void
test_run_refuses (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("mailweir-XXXXXX", NULL);
  g_autofree gchar *path = g_build_filename (folder, "test.conf", NULL);
  g_autofree gchar *line = g_strdup_printf ("run -c %s", path);
  g_autofree gchar *text
      = g_strdup_printf ("tls { certificate = \"%s\" }\n"
                         "listener \"l\" { bind = \"127.0.0.1:2525\" routes = [\"r\"] }\n"
                         "route \"r\" { to = \"maildir:%s/none/mail\" }\n",
                         path, folder);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  expect (line, 78, "", "test.conf:1:21: \"certificate\" (");
  expect (line, 78, "", "test.conf:3:18: to: there is no folder \"");
  g_unlink (path);
  g_rmdir (folder);
}

/* A configuration without the option, and the built-in one. */
static void
test_without_quarantine (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *folder = g_dir_make_tmp ("mailweir-XXXXXX", &error);
  g_autofree gchar *path = g_build_filename (folder, "test.conf", NULL);
  g_autofree gchar *line = g_strdup_printf ("quarantine -c %s list", path);

  g_assert_no_error (error);
  g_file_set_contents (path,
                       "listener \"l\" { bind = \"127.0.0.1:2525\" routes = [\"r\"] }\n"
                       "route \"r\" { to = \"discard:\" }\n",
                       -1, NULL);
  expect (line, 78, "", "test.conf:1:1: the configuration has no \"quarantine\"\n");
  g_unlink (path);
  g_rmdir (folder);
  if (g_file_test ("/etc/mailweir/mailweir.conf", G_FILE_TEST_EXISTS))
    return;
  expect ("quarantine list", 78, "", "the configuration has no \"quarantine\"\n");
}

static void
test_check_folders (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("mailweir-XXXXXX", NULL);

  expect_check (folder, "spool-directory = \"@\"\nquarantine = \"@/aside\"", 0, "");
  expect_check (folder, "route \"s\" { to = \"maildir:@/mail\" }", 0, "");
  expect_check (folder, "spool-directory = \"@/none\"", 78,
                "test.conf:1:19: spool-directory: there is no folder \"");
  expect_check (folder, "spool-directory = \"@/test.conf\"", 78, "test.conf\" is no folder");
  expect_check (folder, "quarantine = \"@/none/aside\"", 78,
                "test.conf:1:14: quarantine: there is no folder \"");
  expect_check (folder, "quarantine = \"@/test.conf\"", 78, "test.conf\" is no folder");
  expect_check (folder, "route \"s\" { to = \"maildir:@/none/mail\" }", 78,
                "test.conf:1:18: to: there is no folder \"");
  g_rmdir (folder);
}

static void
test_arguments (void)
{
  expect ("check mx.conf", 64, "", "unexpected argument \"mx.conf\"; did you mean \"-c mx.conf\"?");
  expect ("run mx.conf", 64, "", "did you mean \"-c mx.conf\"?");
  expect ("status b", 64, "", "mailweir status: unexpected argument \"b\"\n");
  expect ("filters a b", 64, "", "mailweir filters: unexpected argument \"b\"\n");
  expect ("try a b", 64, "", "mailweir try: unexpected argument \"b\"\n");
  expect ("send --to smtp://127.0.0.1 --from a@b --rcpt a@b c d", 64, "",
          "unexpected argument \"d\"\n");
  expect ("run --help", 0, "  mailweir run [OPTION\xe2\x80\xa6]", "");
}

static void
test_module_names (void)
{
  g_autofree gchar *folder = g_dir_make_tmp ("mailweir-XXXXXX", NULL);
  g_autofree gchar *locked = g_build_filename (folder, "locked", NULL);

  expect_check (folder, "filter \"f\" { module = \"attachmnets\" }", 78,
                "attachmnets: no such module; did you mean \"attachments\"?");
  expect_check (folder, "filter \"f\" { module = \"@/none.so\" }", 78, "no such module\n");
  g_assert_cmpint (g_mkdir (locked, 0), ==, 0);
  if (geteuid () != 0)
    expect_check (folder, "filter \"f\" { module = \"@/locked/a.so\" }", 78,
                  "can not be looked for: Permission denied");
  g_rmdir (locked);
  g_rmdir (folder);
}

static void
test_status (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *folder = g_dir_make_tmp ("mailweir-XXXXXX", &error);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  const gint listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_autofree gchar *path = g_build_filename (folder, "status", NULL);
  g_autofree gchar *line = g_strdup_printf ("status --socket %s", path);
  g_autofree gchar *json = g_strdup_printf ("status --json --socket %s", path);

  expect (line, 69, "", path);
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (bind (listener, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (listener, 5), ==, 0);
  for (guint i = 0; i < 2; i++)
    {
      const pid_t pid = fork ();
      gint status;

      if (pid == 0)
        {
          const gint client = accept (listener, NULL, NULL);

          _exit (write (client, "{\"workers\":{\"now\":3}}\n", 22) == 22 ? 0 : 1);
        }
      if (i == 0)
        expect (line, 0, "workers.now  3\n", "");
      else
        expect (json, 0, "{\"workers\":{\"now\":3}}\n", "");
      g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
      g_assert_cmpint (status, ==, 0);
    }
  close (listener);
  expect (line, 69, "", "refused");
  g_unlink (path);
  g_rmdir (folder);
}

static void
test_table (void)
{
  g_autofree gchar *table = command_status_table (
      " {\"a\" : 1, \"long\":{\"x\":\"y z\",\"l\":[true, {\"q\":-1.5e3}, []]}, \"e\":{}} \n");

  g_assert_cmpstr (table, ==,
                   "a           1\n"
                   "long.x      y z\n"
                   "long.l.0    true\n"
                   "long.l.1.q  -1.5e3\n");
}

static void
test_table_rejects (void)
{
  static const gchar *const bad[] = {
    "",           "x",          "[1]",     "{",          "{\"a\"}",      "{\"a\":}", "{\"a\":1",
    "{\"a\":1}x", "{\"a\":1,}", "{\"a:1}", "{\"a\":\"b", "{\"a\":\"b\\", "{a:1}",    "{\"a\":[1 2]}"
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree gchar *table = command_status_table (bad[i]);

      g_assert_null (table);
    }
}

static void
test_table_depth (void)
{
  g_autofree gchar *deepest = command_status_table ("{\"a\":[[[[[[[1]]]]]]]}");
  g_autofree gchar *deeper = command_status_table ("{\"a\":[[[[[[[[1]]]]]]]]}");

  g_assert_nonnull (deepest);
  g_assert_null (deeper);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/commands/table", test_table);
  g_test_add_func ("/commands/table-rejects", test_table_rejects);
  g_test_add_func ("/commands/table-depth", test_table_depth);
  g_test_add_func ("/commands/usage", test_usage);
  g_test_add_func ("/commands/check", test_check);
  g_test_add_func ("/commands/check-tls", test_check_tls);
  g_test_add_func ("/commands/check-folders", test_check_folders);
  g_test_add_func ("/commands/without-quarantine", test_without_quarantine);
  g_test_add_func ("/commands/run-refuses", test_run_refuses);
  g_test_add_func ("/commands/arguments", test_arguments);
  g_test_add_func ("/commands/module-names", test_module_names);
  g_test_add_func ("/commands/status", test_status);
  return g_test_run ();
}
