/* The mail clients of test-foreign-clients: their command lines, and scripts for the libraries. See
 * the header. */
#include "foreign-clients.h"

#include <string.h>

#include "kit.h"

static void G_GNUC_PRINTF (2, 3) add (GPtrArray *argv, const gchar *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_ptr_array_add (argv, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

static GPtrArray *
words (const gchar *line)
{
  GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);
  gchar **split = NULL;
  g_assert_true (g_shell_parse_argv (line, NULL, &split, NULL));
  for (guint i = 0; split[i] != NULL; i++)
    g_ptr_array_add (argv, split[i]);
  g_free (split);
  return argv;
}

static gint
run (GPtrArray *argv, gchar **output)
{
  g_ptr_array_add (argv, NULL);
  return kit_run ((const gchar *const *) argv->pdata, output);
}

static gint
send_swaks (const Letter *letter, gchar **output)
{
  g_autoptr (GPtrArray) argv
      = words ("swaks --timeout 20 --ehlo client.test --from a@client.test --server localhost");
  add (argv, "--port");
  add (argv, "%u", letter->port);
  add (argv, "--to");
  add (argv, "%s", letter->recipients);
  add (argv, "--data");
  add (argv, "@%s", letter->path);
  if (letter->tls)
    {
      add (argv, "--tls-verify");
      add (argv, "--tls-ca-path");
      add (argv, "%s/ca.pem", kit_folder ());
      add (argv, "--tls");
    }
  if (letter->auth)
    {
      add (argv, "--auth=LOGIN");
      add (argv, "--auth-user=joe");
      add (argv, "--auth-password=secret");
    }
  return run (argv, output);
}

static gint
send_curl (const Letter *letter, gchar **output)
{
  g_autoptr (GPtrArray) argv = words ("curl -q -sSv --max-time 30 --mail-from a@client.test");
  g_auto (GStrv) recipients = g_strsplit (letter->recipients, ",", -1);
  for (guint i = 0; recipients[i] != NULL; i++)
    add (argv, "--mail-rcpt"), add (argv, "%s", recipients[i]);
  add (argv, "-T%s", letter->path);
  add (argv, "--cacert");
  add (argv, "%s/ca.pem", kit_folder ());
  if (letter->tls)
    add (argv, "--ssl-reqd");
  if (letter->auth)
    add (argv, "--user"), add (argv, "joe:secret");
  add (argv, "smtp://localhost:%u/client.test", letter->port);
  return run (argv, output);
}

static gint
send_msmtp (const Letter *letter, gchar **output)
{
  g_autofree gchar *ca = kit_path ("ca.pem");
  g_autoptr (GString) line = g_string_new (NULL);
  g_autofree gchar *recipients = g_strdelimit (g_strdup (letter->recipients), ",", ' ');
  /* It is made for pipes, and wants bare newlines. */
  g_string_append_printf (line,
                          "tr -d '\\r' < '%s' | msmtp --host=localhost --domain=client.test"
                          " --timeout=30 --from=a@client.test --port=%u",
                          letter->path, letter->port);
  if (letter->tls)
    g_string_append_printf (line, " --tls=on --tls-starttls=on --tls-trust-file=%s", ca);
  if (letter->auth)
    g_string_append (line, " --auth=plain --user=joe --passwordeval='echo secret'");
  if (letter->dsn)
    g_string_append (line, " --dsn-notify=success --dsn-return=headers");
  g_string_append_printf (line, " -- %s", recipients);
  const gchar *argv[] = { "sh", "-c", line->str, NULL };
  return kit_run (argv, output);
}

/* Says who was refused, with what words; 2: some, 1: all or the message. */
static const gchar python[]
    = "import smtplib, ssl, sys\n"
      "port, ca, path, to, options = sys.argv[1:]\n"
      "text = open(path, 'rb').read()\n"
      "mail, rcpt = ['BODY=8BITMIME'], []\n"
      "if 'd' in options:\n"
      "    mail, rcpt = mail + ['RET=HDRS'], ['NOTIFY=SUCCESS']\n"
      "with smtplib.SMTP('localhost', int(port), 'client.test', timeout=30) as s:\n"
      "    if 't' in options:\n"
      "        s.starttls(context=ssl.create_default_context(cafile=ca))\n"
      "    if 'a' in options:\n"
      "        s.login('joe', 'secret')\n"
      "    try:\n"
      "        refused = s.sendmail('a@client.test', to.split(','), text, mail, rcpt)\n"
      "    except smtplib.SMTPException as e:\n"
      "        sys.exit(repr(e))\n"
      "print(refused)\n"
      "sys.exit(2 if refused else 0)\n";

static const gchar node[]
    = "const [port, ca, path, to, options] = process.argv.slice(2)\n"
      "const fs = require('fs')\n"
      "const transport = require('nodemailer').createTransport({\n"
      "  host: '127.0.0.1', port: +port, name: 'client.test', socketTimeout: 30000,\n"
      "  ignoreTLS: !options.includes('t'), requireTLS: options.includes('t'),\n"
      "  tls: { ca: fs.readFileSync(ca), servername: 'localhost' },\n"
      "  auth: options.includes('a') ? { user: 'joe', pass: 'secret' } : undefined })\n"
      "transport.sendMail({ envelope: { from: 'a@client.test', to: to.split(','),\n"
      "                                 use8BitMime: true },\n"
      "                     dsn: options.includes('d') ? { id: 'QQ1', return: 'headers',\n"
      "                                                    notify: 'success' } : undefined,\n"
      "                     raw: fs.readFileSync(path) }, (error, info) => {\n"
      "  if (error) { console.log(error.message); process.exitCode = 1; return }\n"
      "  console.log(info.response, info.rejected, (info.rejectedErrors || []).map(String))\n"
      "  process.exitCode = info.rejected.length ? 2 : 0\n"
      "})\n";

static gint
run_script (const gchar *interpreter, const gchar *name, const gchar *script, const Letter *letter,
            gchar **output)
{
  g_autofree gchar *path = kit_path ("%s", name);
  g_autofree gchar *ca = kit_path ("ca.pem");
  g_autofree gchar *port = g_strdup_printf ("%u", letter->port);
  g_autofree gchar *options = g_strconcat ("-", letter->tls ? "t" : "", letter->auth ? "a" : "",
                                           letter->dsn ? "d" : "", NULL);
  const gchar *argv[] = { "env",        "NODE_PATH=/usr/share/nodejs",
                          interpreter,  path,
                          port,         ca,
                          letter->path, letter->recipients,
                          options,      NULL };
  kit_write (path, script);
  return kit_run (argv, output);
}

static gint
send_python (const Letter *letter, gchar **output)
{
  return run_script ("python3", "client.py", python, letter, output);
}

static gint
send_node (const Letter *letter, gchar **output)
{
  return run_script ("node", "client.js", node, letter, output);
}

/* The same message with bare newlines. Caller frees the path. */
static gchar *
for_pipes (const gchar *path)
{
  gchar *other = g_strconcat (path, ".lf", NULL);
  const gchar *argv[] = { "sh", "-c", "tr -d '\\r' < \"$0\" > \"$1\"", path, other, NULL };
  g_assert_cmpint (kit_run (argv, NULL), ==, 0);
  return other;
}

/* It writes From, To, Subject, Date and Message-Id anew, and reads nothing but bare newlines. */
static gint
send_git (const Letter *letter, gchar **output)
{
  g_autofree gchar *path = for_pipes (letter->path);
  g_autoptr (GPtrArray) argv
      = words ("env GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git -c user.name=a"
               " -c user.email=a@client.test -c sendemail.smtpdomain=client.test send-email "
               "--quiet --confirm=never"
               " --suppress-cc=all --from=a@client.test --smtp-server=localhost --smtp-debug=1"
               " --8bit-encoding=UTF-8 --transfer-encoding=8bit --no-validate");
  g_auto (GStrv) recipients = g_strsplit (letter->recipients, ",", -1);
  add (argv, "--smtp-server-port=%u", letter->port);
  for (guint i = 0; recipients[i] != NULL; i++)
    add (argv, "--to=%s", recipients[i]);
  if (letter->tls)
    {
      add (argv, "--smtp-encryption=tls");
      add (argv, "--smtp-ssl-cert-path=%s/ca.pem", kit_folder ());
    }
  if (letter->auth)
    {
      add (argv, "--smtp-user=joe");
      add (argv, "--smtp-pass=secret");
      add (argv, "--smtp-auth=PLAIN");
    }
  add (argv, "%s", path);
  return run (argv, output);
}

/* clang-format off */
const ForeignClient foreign_clients[FOREIGN_CLIENTS] = {
  { "swaks", "swaks --version", send_swaks, TRUE, "\r\n", FALSE, TRUE, 0, 0, 26 },
  { "curl", "curl --version", send_curl, TRUE, "", FALSE, FALSE, 55, 55, 8 },
  { "msmtp", "msmtp --version", send_msmtp, TRUE, "", TRUE, FALSE, 65, 69, 69 },
  { "smtplib", "python3 --version", send_python, TRUE, "", TRUE, TRUE, 2, 2, 1 },
  { "nodemailer", "NODE_PATH=/usr/share/nodejs node -p \"require('nodemailer/package').version\"",
    send_node, TRUE, "", TRUE, TRUE, 2, 2, 1 },
  { "git-send-email", "test -x \"$(git --exec-path)/git-send-email\" && git --version",
    send_git, FALSE, "", FALSE, FALSE, 255, 255, 255 },
};
/* clang-format on */
