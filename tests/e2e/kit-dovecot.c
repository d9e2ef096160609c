/* Mailweir's tests: a private Dovecot that speaks LMTP over TCP and a UNIX socket. All of it stands
 * in the test's folder; its master is a child of the test and ended by pid. Fails the test when
 * Dovecot does not start. */
#include "kit.h"

#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

struct _KitDovecot
{
  gchar *folder;
  KitProcess *master;
};

/* "%s": the folder, but for the mail's user. */
static const gchar settings[] = "base_dir = %s/run\n"
                                "state_dir = %s/state\n"
                                "log_path = %s/log\n"
                                "protocols = lmtp\n"
                                "ssl = no\n"
                                "default_login_user = nobody\n"
                                "default_internal_user = dovecot\n"
                                "first_valid_uid = 1\n"
                                "mail_plugins = quota\n"
                                "mail_location = maildir:%s/mail/%%n\n"
                                "passdb {\n"
                                "  driver = passwd-file\n"
                                "  args = username_format=%%n %s/users\n"
                                "}\n"
                                "userdb {\n"
                                "  driver = passwd-file\n"
                                "  args = username_format=%%n %s/users\n"
                                "  default_fields = uid=%u gid=%u home=%s/mail/%%n\n"
                                "}\n"
                                "plugin {\n"
                                "  quota = maildir:User quota\n"
                                "  quota_rule = *:storage=100M\n"
                                "}\n"
                                "service lmtp {\n"
                                "  inet_listener lmtp {\n"
                                "    address = 127.0.0.1\n"
                                "    port = %u\n"
                                "  }\n"
                                "  unix_listener %s/lmtp {\n"
                                "    mode = 0666\n"
                                "  }\n"
                                "}\n";

static const gchar users[] = "b:{PLAIN}x::::::\n"
                             "c:{PLAIN}x::::::userdb_quota_rule=*:storage=1B\n"
                             "d:{PLAIN}x::::::\n";

static const gchar *
why_not (void)
{
  if (geteuid () != 0)
    return "a private Dovecot needs root";
  if (!kit_have ("dovecot") || !g_file_test ("/usr/lib/dovecot/lmtp", G_FILE_TEST_EXISTS))
    return "Dovecot's LMTP server is not installed";
  return getpwnam ("dovecot") == NULL ? "there is no user \"dovecot\"" : NULL;
}

static void
make_folder (const gchar *folder, const gchar *name, const struct passwd *owner)
{
  g_autofree gchar *path = g_build_filename (folder, name, NULL);
  g_assert_cmpint (g_mkdir_with_parents (path, 0755), ==, 0);
  g_assert_true (owner == NULL || chown (path, owner->pw_uid, owner->pw_gid) == 0);
}

KitDovecot *
kit_dovecot (const gchar *name, guint port, const gchar **reason)
{
  const struct passwd *nobody = getpwnam ("nobody");
  *reason = why_not ();
  if (*reason != NULL)
    return NULL;
  KitDovecot *dovecot = g_new0 (KitDovecot, 1);
  const gchar *f = dovecot->folder = kit_path ("%s", name);
  make_folder (f, "state", NULL);
  make_folder (f, "mail", nobody);
  g_autofree gchar *config = g_build_filename (f, "dovecot.conf", NULL);
  g_autofree gchar *passwd = g_build_filename (f, "users", NULL);
  g_autofree gchar *text
      = g_strdup_printf (settings, f, f, f, f, f, f, nobody->pw_uid, nobody->pw_gid, f, port, f);
  kit_write (config, text);
  kit_write (passwd, users);
  const gchar *argv[] = { "dovecot", "-F", "-c", config, NULL };
  dovecot->master = kit_start (name, argv);
  kit_wait_port (port);
  return dovecot;
}

gchar *
kit_dovecot_socket (const KitDovecot *dovecot)
{
  return g_build_filename (dovecot->folder, "lmtp", NULL);
}

gchar *
kit_dovecot_folder (const KitDovecot *dovecot, const gchar *user)
{
  return g_build_filename (dovecot->folder, "mail", user, "new", NULL);
}

void
kit_dovecot_stop (KitDovecot *dovecot)
{
  kit_stop (dovecot->master, SIGTERM);
  g_free (dovecot->folder);
  g_free (dovecot);
}
