/* AUTH at a real Postfix whose users a real Dovecot knows: our own login by each mechanism, one
 * that is refused, and a client's login that is handed on. Fails when the wrong user hands mail in,
 * or a password stands in a log. */
#include "kit.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "smtp/scram.h"

static KitProcess *dovecot;
static gchar *sasl; /* Dovecot's socket */

#define SECRET "pencil=,box"

static const gchar dovecot_conf[] = "base_dir = %s/run\n"
                                    "log_path = %s/dovecot.log\n"
                                    "protocols =\n"
                                    "ssl = no\n"
                                    "disable_plaintext_auth = no\n"
                                    "auth_mechanisms = plain login scram-sha-256\n"
                                    "service auth {\n"
                                    "  unix_listener %s {\n    mode = 0666\n  }\n"
                                    "}\n"
                                    "passdb {\n"
                                    "  driver = passwd-file\n"
                                    "  args = scheme=PLAIN username_format=%%u %s/users\n"
                                    "}\n"
                                    "userdb {\n"
                                    "  driver = static\n"
                                    "  args = uid=nobody gid=nogroup home=/nonexistent\n"
                                    "}\n";

static const gchar *
why_not (void)
{
  if (geteuid () != 0)
    return "Dovecot and a private Postfix need root";
  return kit_have ("dovecot") ? NULL : "Dovecot is not installed";
}

static void
start_dovecot (void)
{
  g_autofree gchar *folder = kit_path ("dovecot");
  g_autofree gchar *users = g_build_filename (folder, "users", NULL);
  g_autofree gchar *conf = g_build_filename (folder, "dovecot.conf", NULL);
  g_assert_cmpint (g_mkdir_with_parents (folder, 0755), ==, 0);
  g_assert_cmpint (g_chmod (kit_folder (), 0755), ==, 0);
  sasl = g_build_filename (folder, "sasl", NULL);
  g_autofree gchar *text = g_strdup_printf (dovecot_conf, folder, folder, sasl, folder);
  kit_write (conf, text);
  kit_write (users, "gate:{PLAIN}" SECRET "::::::\njoe:{PLAIN}" SECRET "::::::\n");
  const gchar *argv[] = { "dovecot", "-F", "-c", conf, NULL };
  dovecot = kit_start ("dovecot", argv);
  for (guint i = 0; i < KIT_PATIENCE * 20 && !g_file_test (sasl, G_FILE_TEST_EXISTS); i++)
    g_usleep (50000);
  g_assert_true (g_file_test (sasl, G_FILE_TEST_EXISTS));
}

/* Whoever has not logged in may send to nobody. */
static KitPostfix *
start_postfix (const gchar *name, guint port, const gchar *mechanisms)
{
  const gchar *reason = NULL;
  g_autofree gchar *settings = g_strdup_printf ("smtpd_sasl_auth_enable = yes\n"
                                                "smtpd_sasl_type = dovecot\n"
                                                "smtpd_sasl_path = %s\n"
                                                "smtpd_sasl_security_options = noanonymous\n"
                                                "smtpd_sasl_mechanism_filter = %s\n"
                                                "smtpd_relay_restrictions = "
                                                "permit_sasl_authenticated, reject\n",
                                                sasl, mechanisms);
  KitPostfix *postfix = kit_postfix (name, port, settings, NULL, &reason);
  if (postfix == NULL)
    g_test_skip (reason);
  return postfix;
}

/* FALSE: the test is skipped. */
static gboolean
begin (void)
{
  if (why_not () != NULL)
    g_test_skip (why_not ());
  else if (dovecot == NULL)
    start_dovecot ();
  return why_not () == NULL;
}

static gchar *
password_file (const gchar *password)
{
  gchar *path = kit_path ("password");
  kit_write (path, password);
  g_chmod (path, 0600);
  return path;
}

static void
assert_no_secret (KitProcess *mailweir)
{
  g_autofree gchar *log = kit_log (mailweir);
  g_autofree gchar *encoded = g_base64_encode ((const guchar *) SECRET, strlen (SECRET));
  g_assert_null (strstr (log, SECRET));
  g_assert_null (strstr (log, encoded));
}

/* Two messages over one connection, by BDAT too: logged in once. */
static void
test_own_login (gconstpointer mechanism)
{
  if (!begin ())
    return;
  g_autofree gchar *name = g_strdup_printf ("postfix-%s", (const gchar *) mechanism);
  guint upstream = kit_port (), port = kit_port ();
  KitPostfix *postfix = start_postfix (name, upstream, mechanism);
  if (postfix == NULL)
    return;
  g_autofree gchar *file = password_file (SECRET "\n");
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  g_autofree gchar *route = g_strdup_printf ("user = \"gate\"\n  password-file = \"%s\"", file);
  KitProcess *mailweir = kit_gateway (port, to, NULL, route, NULL);
  g_autofree gchar *reply = kit_deliver (port, "b@up.test", "Subject: hi\n\nhello\n");
  g_assert_true (g_str_has_prefix (reply, "250 "));
  KitClient *client = kit_connect (port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<a@client.test>", "250 ");
  kit_command (client, "RCPT TO:<c@up.test>", "250 ");
  kit_say (client, "BDAT 15\nSubject: hi\n\nBDAT 8 LAST\nchunks\n");
  kit_expect (client, "250 ");
  g_autofree gchar *accepted = kit_reply (client);
  g_assert_nonnull (strstr (accepted, " bytes queued as ")); /* what Postfix says to BDAT */
  kit_command (client, "QUIT", "221 ");
  kit_close (client);
  g_autofree gchar *upper = g_ascii_strup (mechanism, -1);
  g_autofree gchar *line = g_strdup_printf ("sasl_method=%s, sasl_username=gate", upper);
  kit_postfix_wait_log (postfix, line);
  assert_no_secret (mailweir);
  kit_gateway_stop (mailweir);
  kit_postfix_stop (postfix);
}

static void
test_wrong_password (void)
{
  if (!begin ())
    return;
  guint upstream = kit_port (), port = kit_port ();
  KitPostfix *postfix = start_postfix ("postfix-wrong", upstream, "plain, login, scram-sha-256");
  if (postfix == NULL)
    return;
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  KitProcess *mailweir
      = kit_gateway (port, to, NULL, "user = \"gate\"\n  password = \"not-" SECRET "\"", NULL);
  g_autofree gchar *reply = kit_deliver (port, "b@up.test", "Subject: hi\n\nhello\n");
  g_assert_true (g_str_has_prefix (reply, "451 4.7.0 The next server does not accept our login"));
  kit_wait_log (mailweir, "no login as \"gate\" (route \"up\"): 535 ");
  assert_no_secret (mailweir);
  kit_gateway_stop (mailweir);
  kit_postfix_stop (postfix);
}

/* `check` names a file with a password that everybody may read, and no other. */
static void
test_check (void)
{
  for (guint open = 0; open < 2; open++)
    {
      g_autofree gchar *file = password_file (SECRET "\n");
      g_autofree gchar *config = kit_path ("check.conf");
      g_autofree gchar *text
          = g_strdup_printf ("listener \"in\" {\n  bind = \"127.0.0.1:1\"\n  routes = \"up\"\n}\n"
                             "route \"up\" {\n  to = \"smtp://127.0.0.1:2\"\n  user = \"u\"\n"
                             "  password-file = \"%s\"\n}\n",
                             file);
      const gchar *argv[] = { kit_program ("src/mailweir"), "check", "-c", config, NULL };
      g_autofree gchar *output = NULL;
      kit_write (config, text);
      g_chmod (file, open ? 0644 : 0600);
      g_assert_cmpint (kit_run (argv, &output), ==, 0);
      g_assert_true ((strstr (output, "everybody may read the password in") != NULL) == open);
      g_assert_null (strstr (output, SECRET));
    }
}

/* ---- A client's login ---- */

static void
say_encoded (KitClient *client, const gchar *prefix, const gchar *text, gsize length)
{
  g_autofree gchar *encoded = g_base64_encode ((const guchar *) text, length);
  g_autofree gchar *line = g_strconcat (prefix, encoded, "\n", NULL);
  kit_say (client, line);
}

/* The text of a 334. Caller frees. */
static gchar *
hear_challenge (KitClient *client)
{
  gsize length = 0;
  g_autofree gchar *reply = kit_reply (client);
  g_assert_true (g_str_has_prefix (reply, "334 "));
  g_strchomp (reply);
  g_autofree guchar *bytes = reply[4] == '\0' ? NULL : g_base64_decode (reply + 4, &length);
  return g_strndup ((const gchar *) bytes, length);
}

static void
log_in_plain (KitClient *client)
{
  say_encoded (client, "AUTH PLAIN ", "\0joe\0" SECRET, sizeof "\0joe\0" SECRET - 1);
}

static void
log_in_login (KitClient *client)
{
  kit_say (client, "AUTH LOGIN\n");
  g_free (hear_challenge (client));
  say_encoded (client, "", "joe", 3);
  g_free (hear_challenge (client));
  say_encoded (client, "", SECRET, strlen (SECRET));
}

static void
log_in_scram (KitClient *client)
{
  g_autoptr (SmtpScram) scram = smtp_scram_new ("joe", SECRET, "fyko+d2lbbFgONRv9qkxdawL");
  g_autofree gchar *first = smtp_scram_first (scram);
  say_encoded (client, "AUTH SCRAM-SHA-256 ", first, strlen (first));
  g_autofree gchar *question = hear_challenge (client);
  g_autofree gchar *final = smtp_scram_final (scram, question);
  g_assert_nonnull (final);
  say_encoded (client, "", final, strlen (final));
  g_autofree gchar *proof = hear_challenge (client);
  g_assert_true (smtp_scram_verify (scram, proof));
  kit_say (client, "\n");
}

/* The same by programs of others, each with a mechanism that it has. */
static const gchar *const programs[] = {
  "curl -q -sS --max-time 20 --mail-from joe@client.test --mail-rcpt c@up.test -u 'joe:" SECRET "'"
  " -T auth.eml smtp://127.0.0.1:%u",
  "swaks --timeout 20 --from joe@client.test --to c@up.test --server 127.0.0.1:%u --auth LOGIN"
  " --auth-user joe --auth-password '" SECRET "'",
  "msmtp --host=127.0.0.1 --port=%u --auth=scram-sha-256 --user=joe --from=joe@client.test"
  " --passwordeval=\"echo '" SECRET "'\" c@up.test < auth.eml",
};

static void
log_in_by_programs (guint port)
{
  g_autofree gchar *mail = kit_path ("auth.eml");
  kit_write (mail, "Subject: hi\r\n\r\nhello\r\n");
  for (guint i = 0; i < G_N_ELEMENTS (programs); i++)
    {
      g_auto (GStrv) name = g_strsplit (programs[i], " ", 2);
      g_autoptr (GString) line = g_string_new (programs[i]);
      g_autofree gchar *number = g_strdup_printf ("%u", port);
      g_autofree gchar *output = NULL;
      g_string_replace (line, "%u", number, 1);
      const gchar *argv[] = { "sh", "-c", line->str, NULL };
      if (!kit_have (name[0]))
        g_test_message ("%s is not installed", name[0]);
      else if (kit_run (argv, &output) != 0)
        g_error ("%s: %s", line->str, output);
    }
}

/* One route logs in for itself and is for those at up.test; the users are asked about at the other.
 * What joe hands in goes as joe, also to up.test. */
static void
test_relayed (void)
{
  static void (*const log_in[]) (KitClient *) = { log_in_plain, log_in_login, log_in_scram };
  if (!begin ())
    return;
  guint upstream = kit_port (), port = kit_port ();
  KitPostfix *postfix = start_postfix ("postfix-relayed", upstream, "plain, login, scram-sha-256");
  if (postfix == NULL)
    return;
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  g_autofree gchar *config = g_strdup_printf (
      "hostname = \"mx.test\"\n"
      "listener \"in\" {\n  bind = [\"127.0.0.1:%u\"]\n  routes = [\"own\", \"users\"]\n"
      "  auth = \"always\"\n}\n"
      "route \"own\" {\n  for = [\"up.test\"]\n  to = [%s]\n  user = \"gate\"\n"
      "  password = \"" SECRET "\"\n}\n"
      "route \"users\" {\n  to = [%s]\n}\n",
      port, to, to);
  KitProcess *mailweir = kit_mailweir (config);
  g_autofree gchar *without = kit_deliver (port, "b@up.test", "Subject: hi\n\nhello\n");
  g_assert_true (g_str_has_prefix (without, "250 "));
  kit_postfix_wait_log (postfix, "sasl_username=gate");
  for (guint i = 0; i < G_N_ELEMENTS (log_in); i++)
    {
      KitClient *client = kit_connect (port);
      g_autofree gchar *offered = kit_greet (client);
      g_assert_nonnull (strstr (offered, "AUTH SCRAM-SHA-256 PLAIN LOGIN"));
      kit_command (client, "AUTH PLAIN AGpvZQB4", "535 5.7.8 ");
      log_in[i](client);
      kit_expect (client, "235 2.7.0 ");
      g_autofree gchar *from = g_strdup_printf ("MAIL FROM:<joe%u@client.test>", i);
      kit_command (client, from, "250 ");
      kit_command (client, "RCPT TO:<c@up.test>", "250 ");
      kit_command (client, "DATA", "354 ");
      kit_command (client, "Subject: hi\n\nhello\n.", "250 2.0.0 Ok: queued");
      kit_command (client, "QUIT", "221 ");
      kit_close (client);
    }
  log_in_by_programs (port);
  kit_postfix_wait_log (postfix, "sasl_method=PLAIN, sasl_username=joe");
  kit_postfix_wait_log (postfix, "sasl_method=LOGIN, sasl_username=joe");
  kit_postfix_wait_log (postfix, "sasl_method=SCRAM-SHA-256, sasl_username=joe");
  assert_no_secret (mailweir);
  kit_gateway_stop (mailweir);
  kit_postfix_stop (postfix);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/e2e/auth/own/scram", "scram-sha-256", test_own_login);
  g_test_add_data_func ("/e2e/auth/own/plain", "plain", test_own_login);
  g_test_add_data_func ("/e2e/auth/own/login", "login", test_own_login);
  g_test_add_func ("/e2e/auth/own/wrong", test_wrong_password);
  g_test_add_func ("/e2e/auth/check", test_check);
  g_test_add_func ("/e2e/auth/relayed", test_relayed);
  int status = g_test_run ();
  if (dovecot != NULL)
    kit_stop (dovecot, SIGTERM);
  g_free (sasl);
  kit_finish ();
  return status;
}
