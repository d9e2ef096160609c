/* Mailweir's tests: a private OpenSMTPD. Its spool and /var/run stand in the test's folder; its
 * first process is a child of the test and ended by pid, and takes the others with it. Fails the
 * test when it does not start. See kit-unpacked.h. */
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "kit-unpacked.h"

#define PACKAGE "opensmtpd"

struct _KitOpensmtpd
{
  gchar *folder;
  KitProcess *parent;
};

/* Its local users are b and c. */
static const gchar config[] = "%s"
                              "smtp max-message-size 50M\n"
                              "filter \"refuse\" phase commit match mail-from "
                              "{ \"refuse@client.test\" } reject \"550 5.7.1 Not such a message\"\n"
                              "listen on 127.0.0.1 port %u %s hostname opensmtpd.test "
                              "filter \"refuse\"\n"
                              "action \"store\" maildir \"%s/mail/%%{user.username}\"\n"
                              "match from any for domain \"up.test\" action \"store\"\n";

static void
make_folders (const gchar *folder)
{
  static const gchar *const names[] = { "lib/opensmtpd/empty", "spool/smtpd", "run", "mail" };
  const struct passwd *nobody = getpwnam ("nobody");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree gchar *path = g_build_filename (folder, names[i], NULL);
      g_assert_cmpint (g_mkdir_with_parents (path, 0755), ==, 0);
    }
  g_autofree gchar *spool = g_build_filename (folder, "spool/smtpd", NULL);
  g_autofree gchar *mail = g_build_filename (folder, "mail", NULL);
  g_assert_cmpint (g_chmod (spool, 0711), ==, 0); /* it insists */
  g_assert_cmpint (chown (mail, nobody->pw_uid, nobody->pw_gid), ==, 0);
}

KitOpensmtpd *
kit_opensmtpd (const gchar *name, guint port, const gchar *certificate, const gchar **reason)
{
  static const gchar *const users[] = { "opensmtpd", "opensmtpq", "|b", "|c", NULL };
  static const gchar *const mounts[] = { "lib:/var/lib",
                                         "spool:/var/spool",
                                         "run:/run",
                                         "=usr/libexec:/usr/libexec",
                                         "=usr/sbin:/usr/sbin",
                                         NULL };
  *reason = kit_unpacked_why_not (PACKAGE);
  if (*reason != NULL)
    return NULL;
  KitOpensmtpd *opensmtpd = g_new0 (KitOpensmtpd, 1);
  const gchar *f = opensmtpd->folder = kit_path ("%s", name);
  make_folders (f);
  g_autofree gchar *path = g_build_filename (f, "smtpd.conf", NULL);
  g_autofree gchar *pki
      = certificate == NULL
            ? g_strdup ("")
            : g_strdup_printf ("pki own cert \"%s/%s.pem\"\npki own key \"%s/%s.key\"\n",
                               kit_folder (), certificate, kit_folder (), certificate);
  g_autofree gchar *text
      = g_strdup_printf (config, pki, port, certificate != NULL ? "tls pki own" : "", f);
  kit_write (path, text);
  g_autofree gchar *command = g_strdup_printf ("/usr/sbin/smtpd -d -f '%s'", path);
  opensmtpd->parent = kit_unpacked_start (name, PACKAGE, f, users, mounts, command);
  kit_wait_port (port);
  return opensmtpd;
}

gchar *
kit_opensmtpd_folder (const KitOpensmtpd *opensmtpd, const gchar *user)
{
  return g_build_filename (opensmtpd->folder, "mail", user, "new", NULL);
}

gchar *
kit_opensmtpd_version (const KitOpensmtpd *opensmtpd)
{
  kit_wait_log (opensmtpd->parent, " starting");
  g_autofree gchar *log = kit_log (opensmtpd->parent);
  const gchar *start = strstr (log, "OpenSMTPD");
  return g_strndup (start, strstr (start, " starting") - start);
}

void
kit_opensmtpd_stop (KitOpensmtpd *opensmtpd)
{
  kit_stop (opensmtpd->parent, SIGTERM);
  g_free (opensmtpd->folder);
  g_free (opensmtpd);
}
