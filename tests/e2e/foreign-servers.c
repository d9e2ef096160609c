/* The mail servers of test-foreign-servers: how each is started, asked and ended. See the header.
 * Fails the test when one that is there does not start. */
#include "foreign-servers.h"

#include "kit-unpacked.h"

static gpointer
start_exim (const gchar *name, guint port, const gchar **reason)
{
  g_autofree gchar *settings = g_strdup_printf ("smtp_receive_timeout = 3s\n"
                                                "tls_advertise_hosts = *\n"
                                                "tls_certificate = %s/up.pem\n"
                                                "tls_privatekey = %s/up.open.key\n",
                                                kit_folder (), kit_folder ());
  g_autofree gchar *key = kit_path ("up.key");
  g_autofree gchar *open = kit_path ("up.open.key"); /* it reads its key as its own user */
  g_autofree gchar *text = kit_read (key);
  kit_write (open, text);
  return kit_exim (name, port, settings, NULL, NULL, reason);
}

static gchar *
exim_version (gconstpointer server)
{
  return kit_exim_version (server);
}

static gchar *
exim_folder (gconstpointer server, const gchar *user)
{
  return kit_exim_folder (server, user);
}

static void
exim_stop (gpointer server)
{
  kit_exim_stop (server);
}

static void
exim_idle_end (gconstpointer server)
{
  kit_exim_wait_log (server, "SMTP command timeout on connection");
}

static gpointer
start_opensmtpd (const gchar *name, guint port, const gchar **reason)
{
  return kit_opensmtpd (name, port, "up", reason);
}

static gchar *
opensmtpd_version (gconstpointer server)
{
  return kit_opensmtpd_version (server);
}

static gchar *
opensmtpd_folder (gconstpointer server, const gchar *user)
{
  return kit_opensmtpd_folder (server, user);
}

static void
opensmtpd_stop (gpointer server)
{
  kit_opensmtpd_stop (server);
}

static gpointer
start_postfix (const gchar *name, guint port, const gchar **reason)
{
  g_autofree gchar *settings = g_strdup_printf (
      "message_size_limit = 50000000\n"
      "header_checks = regexp:{{/^Subject:.*refuse/ REJECT Not such a message}}\n"
      "smtpd_tls_security_level = may\n"
      "smtpd_tls_cert_file = %s/up.pem\n"
      "smtpd_tls_key_file = %s/up.key\n",
      kit_folder (), kit_folder ());
  return kit_postfix (name, port, settings, "-o smtpd_timeout=3s", reason);
}

static gchar *
version_of (const gchar *name, const gchar *const *argv)
{
  g_autofree gchar *output = NULL;
  kit_run (argv, &output);
  return g_strdup_printf ("%s %s", name, g_strstrip (output));
}

static gchar *
postfix_version (gconstpointer server)
{
  const gchar *argv[] = { "postconf", "-d", "-h", "mail_version", NULL };
  return version_of ("Postfix", argv);
}

static gchar *
postfix_folder (gconstpointer server, const gchar *user)
{
  return kit_postfix_folder (server, user);
}

static void
postfix_stop (gpointer server)
{
  kit_postfix_stop (server);
}

static void
postfix_idle_end (gconstpointer server)
{
  kit_postfix_wait_log (server, ": timeout after ");
}

static gpointer
start_dovecot (const gchar *name, guint port, const gchar **reason)
{
  return kit_dovecot (name, port, reason);
}

static gchar *
dovecot_version (gconstpointer server)
{
  const gchar *argv[] = { "dovecot", "--version", NULL };
  return version_of ("Dovecot", argv);
}

static gchar *
dovecot_folder (gconstpointer server, const gchar *user)
{
  return kit_dovecot_folder (server, user);
}

static void
dovecot_stop (gpointer server)
{
  kit_dovecot_stop (server);
}

/* clang-format off */
const ForeignServer foreign_servers[FOREIGN_SERVERS] = {
  { "exim", start_exim, exim_version, exim_folder, exim_stop, exim_idle_end, "EHLO client.test",
    "550 not such a message", "b", TRUE, TRUE, TRUE },
  { "opensmtpd", start_opensmtpd, opensmtpd_version, opensmtpd_folder, opensmtpd_stop, NULL,
    "EHLO client.test", "550 5.7.1 Not such a message", "b", FALSE, TRUE, TRUE },
  { "postfix", start_postfix, postfix_version, postfix_folder, postfix_stop, postfix_idle_end,
    "EHLO client.test", "550 5.7.1 Not such a message", "b", TRUE, TRUE, TRUE },
  { "dovecot", start_dovecot, dovecot_version, dovecot_folder, dovecot_stop, NULL,
    "LHLO client.test", "552 5.2.2 <c@up.test> Quota exceeded", "c", TRUE, FALSE, FALSE },
};
/* clang-format on */
