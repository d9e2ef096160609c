/* Mailweir's tests: a private Postfix. All of it, configuration, queue, log and mail, stands in the
 * test's folder; its master is a child of the test and ended by pid, and takes the others with it.
 * Fails the test when Postfix does not start. */
#include "kit.h"

#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

struct _KitPostfix
{
  gchar *folder;
  gchar *config;
  KitProcess *master;
};

static const gchar main_cf[]
    = "compatibility_level = 3.6\n"
      "queue_directory = %s/queue\n"
      "data_directory = %s/data\n"
      "maillog_file = %s/mail.log\n"
      "maillog_file_prefixes = %s\n"
      "inet_interfaces = 127.0.0.1\n"
      "inet_protocols = ipv4\n"
      "mynetworks = 127.0.0.0/8\n"
      "myhostname = postfix.test\n"
      "mydestination =\n"
      "local_recipient_maps =\n"
      "alias_maps =\n"
      "alias_database =\n"
      "virtual_mailbox_domains = up.test\n"
      "virtual_mailbox_maps = inline:{ { b@up.test = b/ }, { c@up.test = c/ },"
      " { b\xc3\xbc@up.test = u/ } }\n"
      "virtual_mailbox_base = %s/mail\n"
      "virtual_uid_maps = static:%u\n"
      "virtual_gid_maps = static:%u\n"
      "virtual_minimum_uid = 1\n"
      "virtual_mailbox_limit = 0\n"
      "mailbox_size_limit = 0\n"
      "smtputf8_enable = yes\n"
      "disable_vrfy_command = yes\n"
      "smtpd_peername_lookup = no\n"
      "smtpd_client_connection_rate_limit = 0\n"
      "%s\n";

static const gchar master_cf[] = "127.0.0.1:%u inet n - n - - smtpd %s\n"
                                 "cleanup unix n - n - 0 cleanup\n"
                                 "qmgr unix n - n 300 1 qmgr\n"
                                 "tlsmgr unix - - n 1000? 1 tlsmgr\n"
                                 "rewrite unix - - n - - trivial-rewrite\n"
                                 "bounce unix - - n - 0 bounce\n"
                                 "defer unix - - n - 0 bounce\n"
                                 "trace unix - - n - 0 bounce\n"
                                 "verify unix - - n - 1 verify\n"
                                 "flush unix n - n 1000? 0 flush\n"
                                 "proxymap unix - - n - - proxymap\n"
                                 "smtp unix - - n - - smtp\n"
                                 "relay unix - - n - - smtp\n"
                                 "lmtp unix - - n - - lmtp\n"
                                 "error unix - - n - - error\n"
                                 "retry unix - - n - - error\n"
                                 "discard unix - - n - - discard\n"
                                 "virtual unix - n n - - virtual\n"
                                 "anvil unix - - n - 1 anvil\n"
                                 "scache unix - - n - 1 scache\n"
                                 "postlog unix-dgram n - n - 1 postlogd\n";

/* Postfix does nothing without its own user, who owns two of the folders. */
static gboolean
make_folders (const KitPostfix *postfix, const struct passwd *user)
{
  static const struct
  {
    const gchar *name;
    gboolean owned;
  } folders[] = { { "config", FALSE }, { "queue", FALSE }, { "data", TRUE }, { "mail", TRUE } };

  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autofree gchar *path = g_build_filename (postfix->folder, folders[i].name, NULL);
      if (g_mkdir_with_parents (path, 0755) != 0
          || (folders[i].owned && chown (path, user->pw_uid, user->pw_gid) != 0))
        return FALSE;
    }
  return TRUE;
}

static void
write_configuration (const KitPostfix *postfix, const struct passwd *user, guint port,
                     const gchar *settings, const gchar *smtpd)
{
  const gchar *f = postfix->folder;
  g_autofree gchar *main_path = g_build_filename (postfix->config, "main.cf", NULL);
  g_autofree gchar *master_path = g_build_filename (postfix->config, "master.cf", NULL);
  g_autofree gchar *main_text = g_strdup_printf (main_cf, f, f, f, f, f, user->pw_uid, user->pw_gid,
                                                 settings != NULL ? settings : "");
  g_autofree gchar *master_text = g_strdup_printf (master_cf, port, smtpd != NULL ? smtpd : "");
  kit_write (main_path, main_text);
  kit_write (master_path, master_text);
}

/* Makes what the queue is made of, and says what is wrong with the configuration. */
static void
check (const KitPostfix *postfix)
{
  const gchar *argv[] = { "postfix", "-c", postfix->config, "check", NULL };
  g_autofree gchar *output = NULL;
  if (kit_run (argv, &output) != 0)
    g_error ("postfix check: %s", output);
}

static KitProcess *
start_master (const KitPostfix *postfix, const gchar *name)
{
  const gchar *ask[] = { "postconf", "-c", postfix->config, "-h", "daemon_directory", NULL };
  g_autofree gchar *folder = NULL;
  g_assert_cmpint (kit_run (ask, &folder), ==, 0);
  g_autofree gchar *program = g_build_filename (g_strchomp (folder), "master", NULL);
  const gchar *argv[] = { program, "-d", "-c", postfix->config, NULL };
  return kit_start (name, argv);
}

static const gchar *
why_not (const struct passwd *user)
{
  if (geteuid () != 0)
    return "a private Postfix needs root";
  if (!kit_have ("postfix"))
    return "Postfix is not installed";
  return user == NULL ? "there is no user \"postfix\"" : NULL;
}

KitPostfix *
kit_postfix (const gchar *name, guint port, const gchar *settings, const gchar *smtpd,
             const gchar **reason)
{
  const struct passwd *user = getpwnam ("postfix");
  *reason = why_not (user);
  if (*reason != NULL)
    return NULL;
  KitPostfix *postfix = g_new0 (KitPostfix, 1);
  postfix->folder = kit_path ("%s", name);
  postfix->config = g_build_filename (postfix->folder, "config", NULL);
  g_assert_true (make_folders (postfix, user));
  write_configuration (postfix, user, port, settings, smtpd);
  check (postfix);
  postfix->master = start_master (postfix, name);
  kit_wait_port (port);
  return postfix;
}

gchar *
kit_postfix_log (const KitPostfix *postfix)
{
  g_autofree gchar *path = g_build_filename (postfix->folder, "mail.log", NULL);
  gchar *text = kit_read (path);
  return text != NULL ? text : g_strdup ("");
}

void
kit_postfix_wait_log (const KitPostfix *postfix, const gchar *text)
{
  g_autofree gchar *log = NULL;
  for (guint i = 0; i < KIT_PATIENCE * 20; i++)
    {
      g_free (log);
      log = kit_postfix_log (postfix);
      if (strstr (log, text) != NULL)
        return;
      g_usleep (50000);
    }
  g_error ("Postfix never said \"%s\":\n%s", text, log);
}

gchar *
kit_postfix_folder (const KitPostfix *postfix, const gchar *user)
{
  return g_build_filename (postfix->folder, "mail", user, "new", NULL);
}

void
kit_postfix_stop (KitPostfix *postfix)
{
  kit_stop (postfix->master, SIGTERM);
  g_free (postfix->folder);
  g_free (postfix->config);
  g_free (postfix);
}
