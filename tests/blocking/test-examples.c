/* The programs of examples/, run: argv[1] is relay, argv[2] save-to-maildir, argv[3] access-list.
 */
#include <mailweir/smtp.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "upstream.h"

static gchar **programs;

typedef struct
{
  GPid pid;
  int out;
  GString *printed;
  gchar *url;
} Example;

/* Up to the end of the line that comes next. */
static gchar *
next_line (Example *example)
{
  gchar octet;

  g_string_truncate (example->printed, 0);
  while (read (example->out, &octet, 1) == 1 && octet != '\n')
    g_string_append_c (example->printed, octet);
  return example->printed->str;
}

/* A test that fails leaves nothing behind. */
static void
die_with_test (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static Example *
start (const gchar *program, const gchar *first, const gchar *second)
{
  const gchar *argv[] = { program, "127.0.0.1", "0", first, second, NULL };
  Example *example = g_new0 (Example, 1);
  g_autoptr (GError) error = NULL;

  g_spawn_async_with_pipes (NULL, (gchar **) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, die_with_test,
                            NULL, &example->pid, NULL, &example->out, NULL, &error);
  g_assert_no_error (error);
  example->printed = g_string_new (NULL);
  g_assert_true (g_str_has_prefix (next_line (example), "port "));
  example->url = g_strdup_printf ("smtp://127.0.0.1:%s", example->printed->str + 5);
  return example;
}

static void
stop (Example *example)
{
  kill (example->pid, SIGTERM);
  waitpid (example->pid, NULL, 0);
  close (example->out);
  g_string_free (example->printed, TRUE);
  g_free (example->url);
  g_free (example);
}

static WeirRelayResult *
send_to (const gchar *url, const gchar *recipient, const gchar *content)
{
  WeirRelaySettings settings = { .size = sizeof settings, .timeout = 20000 };
  g_autoptr (WeirRelay) relay = weir_relay_new (&settings);
  g_autoptr (WeirMail) mail = weir_mail_new ("a@b.test", NULL, NULL);
  g_autoptr (GError) error = NULL;
  WeirRelayResult *result;

  weir_mail_add_recipient (mail, recipient, NULL, &error);
  weir_mail_append (mail, content, strlen (content), &error);
  result = weir_relay_to_url (relay, mail, url, &error);
  g_assert_no_error (error);
  return result;
}

static void
check_send (const gchar *url, const gchar *recipient, const gchar *content, guint code,
            const gchar *words)
{
  g_autoptr (WeirRelayResult) result = send_to (url, recipient, content);
  const WeirFate *fate = weir_relay_result_fate (result, 0);

  g_assert_cmpuint (fate->code, ==, code);
  g_assert_nonnull (strstr (fate->text, words));
}

/* The client hears what the next server said, and has it before that. */
static void
test_relay (void)
{
  g_autoptr (Upstream) upstream = upstream_start (NULL);
  g_autofree gchar *url = g_strdup_printf ("smtp://127.0.0.1:%s", upstream->port->str);
  Example *example = start (programs[1], url, NULL);
  WeirMail *taken;
  gsize length = 0;

  check_send (example->url, "c@d.test", "S: x\r\n\r\n.\r\n", 250, "Ok");
  g_assert_true (g_str_has_prefix (next_line (example), "c@d.test: 250 Ok (127.0.0.1:"));
  check_send (example->url, "bad@d.test", "x\r\n", 550, "No such\nuser");
  check_send (example->url, "later@d.test", "x\r\n", 450, "Mailbox busy");
  upstream_stop (upstream);
  g_assert_cmpuint (upstream->mails->len, ==, 1);
  taken = upstream->mails->pdata[0];
  g_assert_cmpstr (weir_mail_recipient (taken, 0), ==, "c@d.test");
  g_assert_cmpmem (weir_mail_bytes (taken, &length, NULL), length, "S: x\r\n\r\n.\r\n", 11);
  weir_server_free (g_steal_pointer (&upstream->server));
  upstream->server = weir_server_new ("127.0.0.1", "0", NULL, NULL);
  check_send (example->url, "c@d.test", "x\r\n", 451, "");
  stop (example);
}

static gchar *
only_file (const gchar *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar *name = g_dir_read_name (dir);

  g_assert_nonnull (name);
  return g_build_filename (folder, name, NULL);
}

static void
test_save (void)
{
  g_autofree gchar *maildir = g_dir_make_tmp ("mailweir-test-XXXXXX", NULL);
  g_autofree gchar *temporary = g_build_filename (maildir, "tmp", NULL);
  g_autofree gchar *final = g_build_filename (maildir, "new", NULL);
  g_autofree gchar *path = NULL;
  g_autofree gchar *content = NULL;
  Example *example = start (programs[2], maildir, NULL);

  check_send (example->url, "c@d.test", "x\r\n", 451, "Cannot save the message");
  g_mkdir (temporary, 0700);
  g_mkdir (final, 0700);
  check_send (example->url, "c@d.test", "S: x\r\n\r\n.dot\r\n", 250, "Ok");
  path = only_file (final);
  g_assert_true (g_file_get_contents (path, &content, NULL, NULL));
  g_assert_cmpstr (content, ==, "Return-Path: <a@b.test>\r\nS: x\r\n\r\n.dot\r\n");
  stop (example);
  g_unlink (path);
  g_rmdir (temporary);
  g_rmdir (final);
  g_assert_cmpint (g_rmdir (maildir), ==, 0);
}

static void
test_access (void)
{
  Example *closed = start (programs[3], "192.0.2.1", NULL);
  Example *open = start (programs[3], "192.0.2.1", "127.0.0.1");

  check_send (closed->url, "c@d.test", "x\r\n", 554, "No service for 127.0.0.1");
  check_send (open->url, "c@d.test", "X-Spam-Flag: yes\r\n\r\nx\r\n", 550, "No spam, please");
  check_send (open->url, "c@d.test", "X-Spam-Flag: no\r\n\r\nx\r\n", 250, "Ok");
  g_assert_cmpstr (next_line (open), ==, "from a@b.test at 127.0.0.1: 22 octets");
  stop (closed);
  stop (open);
}

static void
test_usage (void)
{
  for (guint i = 1; i <= 3; i++)
    {
      gchar *argv[] = { programs[i], NULL };
      g_autofree gchar *err = NULL;
      int status = 0;

      g_assert_true (
          g_spawn_sync (NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &err, &status, NULL));
      g_assert_cmpint (WEXITSTATUS (status), ==, 1);
      g_assert_nonnull (strstr (err, "usage"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 4);
  programs = argv;
  g_test_add_func ("/examples/relay", test_relay);
  g_test_add_func ("/examples/save-to-maildir", test_save);
  g_test_add_func ("/examples/access-list", test_access);
  g_test_add_func ("/examples/usage", test_usage);
  return g_test_run ();
}
