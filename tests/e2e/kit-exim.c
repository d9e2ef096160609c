/* Mailweir's tests: a private Exim. Configuration, spool, log and mail stand in the test's folder;
 * its daemon is a child of the test and ended by pid. Fails the test when it does not start.
 * See kit-unpacked.h. */
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "kit-unpacked.h"

#define PACKAGE "exim4-daemon-light"

struct _KitExim
{
  gchar *folder;
  KitProcess *daemon;
};

/* "%s": the folder, the further settings, the folder. It has no setuid bit here, so it delivers
 * as its own user. */
static const gchar main_section[]
    = "spool_directory = %s/spool\n"
      "log_file_path = %s/log/%%slog\n"
      "pid_file_path = %s/exim.pid\n"
      "primary_hostname = exim.test\n"
      "local_interfaces = 127.0.0.1\n"
      "daemon_smtp_ports = %u\n"
      "disable_ipv6 = true\n"
      "host_lookup =\n"
      "rfc1413_query_timeout = 0s\n"
      "deliver_drop_privilege = true\n"
      "keep_environment =\n"
      "never_users =\n"
      "message_size_limit = 50M\n"
      "smtp_accept_max = 100\n"
      "smtp_accept_queue_per_connection = 0\n"
      "log_selector = +pipelining +smtp_confirmation +tls_certificate_verified\n"
      "dsn_advertise_hosts = *\n"
      "smtputf8_advertise_hosts = *\n"
      "acl_smtp_rcpt = check_rcpt\n"
      "acl_smtp_data = check_data\n"
      "%s\n"
      "begin acl\n"
      "check_rcpt:\n"
      "  deny domains = up.test\n"
      "    !local_parts = b : c\n"
      "    message = nobody of that name\n"
      "  accept\n"
      "check_data:\n"
      "  deny condition = ${if match{$h_subject:}{refuse}}\n"
      "    message = not such a message\n"
      "  accept\n"
      "begin routers\n"
      "local:\n"
      "  driver = accept\n"
      "  domains = up.test\n"
      "  local_parts = b : c\n"
      "  transport = maildir\n";

static const gchar onward_router[] = "onward:\n"
                                     "  driver = manualroute\n"
                                     "  domains = ! up.test\n"
                                     "  route_list = %s\n"
                                     "  self = send\n"
                                     "  transport = onward\n";

static const gchar transports[] = "begin transports\n"
                                  "maildir:\n"
                                  "  driver = appendfile\n"
                                  "  directory = %s/mail/$local_part_data\n"
                                  "  maildir_format\n"
                                  "onward:\n"
                                  "  driver = smtp\n"
                                  "  allow_localhost\n"
                                  "%s\n"
                                  "begin retry\n"
                                  "* * F,2h,1m\n";

static void
make_folders (const gchar *folder)
{
  static const gchar *const names[] = { "spool", "log", "mail" };
  const struct passwd *nobody = getpwnam ("nobody");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree gchar *path = g_build_filename (folder, names[i], NULL);
      g_assert_cmpint (g_mkdir_with_parents (path, 0755), ==, 0);
      g_assert_cmpint (chown (path, nobody->pw_uid, nobody->pw_gid), ==, 0);
    }
}

KitExim *
kit_exim (const gchar *name, guint port, const gchar *settings, const gchar *onward,
          const gchar *transport, const gchar **reason)
{
  static const gchar *const users[] = { "|Debian-exim", NULL };
  static const gchar *const mounts[] = { "=usr/sbin:/usr/sbin", NULL };
  *reason = kit_unpacked_why_not (PACKAGE);
  if (*reason != NULL)
    return NULL;
  KitExim *exim = g_new0 (KitExim, 1);
  const gchar *f = exim->folder = kit_path ("%s", name);
  make_folders (f);
  g_autofree gchar *config = g_build_filename (f, "exim.conf", NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  g_string_append_printf (text, main_section, f, f, f, port, settings != NULL ? settings : "");
  if (onward != NULL)
    g_string_append_printf (text, onward_router, onward);
  g_string_append_printf (text, transports, f, transport != NULL ? transport : "");
  kit_write (config, text->str);
  g_autofree gchar *command = g_strdup_printf ("/usr/sbin/exim4 -C '%s' -bdf", config);
  exim->daemon = kit_unpacked_start (name, PACKAGE, f, users, mounts, command);
  kit_wait_port (port);
  return exim;
}

gchar *
kit_exim_log (const KitExim *exim)
{
  g_autofree gchar *path = g_build_filename (exim->folder, "log", "mainlog", NULL);
  gchar *text = kit_read (path);
  return text != NULL ? text : g_strdup ("");
}

void
kit_exim_wait_log (const KitExim *exim, const gchar *text)
{
  g_autofree gchar *log = NULL;
  for (guint i = 0; i < KIT_PATIENCE * 20; i++)
    {
      g_free (log);
      log = kit_exim_log (exim);
      if (strstr (log, text) != NULL)
        return;
      g_usleep (50000);
    }
  g_error ("Exim never said \"%s\":\n%s", text, log);
}

gchar *
kit_exim_folder (const KitExim *exim, const gchar *user)
{
  return g_build_filename (exim->folder, "mail", user, "new", NULL);
}

gchar *
kit_exim_version (const KitExim *exim)
{
  kit_exim_wait_log (exim, " daemon started");
  g_autofree gchar *log = kit_exim_log (exim);
  g_auto (GStrv) words = g_strsplit (strstr (log, " exim ") + strlen (" exim "), " ", 2);
  return g_strdup_printf ("Exim %s", words[0]);
}

void
kit_exim_stop (KitExim *exim)
{
  kit_stop (exim->daemon, SIGTERM);
  g_free (exim->folder);
  g_free (exim);
}
