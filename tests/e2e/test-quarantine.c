/* `mailweir quarantine` on what a running gateway has set aside: found, shown, sent on to those who
 * have not got it, deleted. */
#include "kit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

#include <glib/gstdio.h>

#define AS_SENT                                                                                    \
  "Subject: Invoice \xc3\xa4 42\r\nContent-Type: application/octet-stream; name=evil.exe\r\n\r\n"  \
  "MZ\r\n.dot\r\nlast\r\n"

typedef struct
{
  KitProcess *mailweir;
  KitServer *server; /* NULL: a Maildir */
  guint port, up;
  const gchar *route; /* options of the route instead of no TLS; NULL */
  gchar *quarantine, *config;
} Fixture;

/* c@ must come again. */
static const KitStep later[]
    = { { "RCPT TO:<c@", KIT_ANSWER, "450 4.2.0 later\n" }, { NULL, KIT_ANSWER, NULL } };

static void
start (Fixture *fixture, const gchar *to)
{
  g_autofree gchar *modules = g_strdup (kit_program ("filters"));
  g_autofree gchar *text = NULL;

  fixture->quarantine = kit_path ("quarantine-%u", fixture->port);
  fixture->config = kit_path ("quarantine-%u.conf", fixture->port);
  text = g_strdup_printf (
      "hostname = \"gate.test\"\nmodule-directory = \"%s\"\nquarantine = \"%s\"\n"
      "listener \"in\" { bind = [\"127.0.0.1:%u\"] filters = [\"no-exe\"] routes = [\"up\"] }\n"
      "route \"up\" { to = [%s] %s connect = 2s }\n"
      "filter \"no-exe\" { module = \"attachments\" deny = [\"exe\"] action = \"quarantine\" }\n",
      modules, fixture->quarantine, fixture->port, to,
      fixture->route != NULL ? fixture->route : "tls = \"off\"");
  kit_write (fixture->config, text);
  fixture->mailweir = kit_mailweir_named ("mailweir", text);
}

/* The server is asked about recipients while the message comes in, too. */
static void
start_offering (Fixture *fixture, const gchar *offers, const KitStep *steps)
{
  g_autofree gchar *to = NULL;

  fixture->port = kit_port ();
  fixture->up = kit_port ();
  fixture->server = kit_server (fixture->up, offers, steps);
  to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", fixture->up);
  start (fixture, to);
}

static void
start_smtp (Fixture *fixture)
{
  start_offering (fixture, "PIPELINING\n8BITMIME\nDSN\n", NULL);
}

static void
swap_server (Fixture *fixture, const KitStep *steps)
{
  kit_server_stop (fixture->server);
  fixture->server = kit_server (fixture->up, "PIPELINING\n8BITMIME\nDSN\n", steps);
}

static void
stop (Fixture *fixture)
{
  kit_gateway_stop (fixture->mailweir);
  if (fixture->server != NULL)
    kit_server_stop (fixture->server);
  g_free (fixture->quarantine);
  g_free (fixture->config);
}

/* `mailweir quarantine` with these words; caller frees what it printed. */
static gchar *
quarantine (const Fixture *fixture, gint expected, const gchar *words)
{
  g_auto (GStrv) more = g_strsplit (words, " ", -1);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autofree gchar *program = g_strdup (kit_program ("src/mailweir"));
  gchar *output = NULL;
  gint status;

  g_ptr_array_add (argv, program);
  g_ptr_array_add (argv, (gpointer) "quarantine");
  for (gchar **word = more; *word != NULL; word++)
    g_ptr_array_add (argv, *word);
  g_ptr_array_add (argv, (gpointer) "-c");
  g_ptr_array_add (argv, fixture->config);
  g_ptr_array_add (argv, NULL);
  status = kit_run ((const gchar *const *) argv->pdata, &output);
  if (status != expected)
    g_test_message ("%s", output);
  g_assert_cmpint (status, ==, expected);
  return output;
}

static gchar *
quarantine_id (const Fixture *fixture, gint expected, const gchar *word, const gchar *id)
{
  g_autofree gchar *words = g_strconcat (word, " ", id, NULL);

  return quarantine (fixture, expected, words);
}

/* How many messages a search finds. */
static guint
count (const Fixture *fixture, const gchar *words)
{
  g_autofree gchar *output = quarantine_id (fixture, 0, "list --json", words);
  guint found = 0;

  for (const gchar *at = output; (at = strstr (at, "\"session\"")) != NULL; at++)
    found++;
  return found;
}

/* Sets a message for b@ and c@ aside; its id, which the caller frees. */
static gchar *
set_aside (const Fixture *fixture, const gchar *from)
{
  g_autofree gchar *mail = g_strdup_printf ("MAIL FROM:<%s> RET=HDRS", from);
  g_autofree gchar *listed = NULL;
  KitClient *client = kit_connect (fixture->port);

  g_free (kit_greet (client));
  kit_command (client, fixture->server == NULL ? "MAIL FROM:<a@client.test>" : mail, "250");
  kit_command (client, "RCPT TO:<b@up.test>", "250");
  kit_command (client, "RCPT TO:<c@up.test>", "250");
  kit_command (client, "DATA", "354");
  kit_say (client, "Subject: Invoice \xc3\xa4 42\nContent-Type: application/octet-stream; "
                   "name=evil.exe\n\nMZ\n..dot\nlast\n.\n");
  kit_expect (client, "250");
  kit_close (client);
  listed = quarantine_id (fixture, 0, "list", from);
  return g_strndup (listed, strcspn (listed, " "));
}

static void
assert_has (const gchar *text, const gchar *part)
{
  if (strstr (text, part) == NULL)
    g_error ("no \"%s\" in: %s", part, text);
}

/* The message that the server has heard, whose Received is not ours. */
static void
assert_heard (const Fixture *fixture, const gchar *expected)
{
  g_autoptr (GPtrArray) messages = kit_server_messages (fixture->server);
  gsize length = 0;
  const gchar *bytes;

  g_assert_cmpuint (messages->len, ==, 1);
  bytes = g_bytes_get_data (messages->pdata[0], &length);
  g_assert_cmpmem (bytes, length, expected, strlen (expected));
}

static void
test_list (void)
{
  Fixture fixture = { 0 };
  g_autofree gchar *first = NULL, *second = NULL, *output = NULL;

  start_smtp (&fixture);
  g_assert_cmpuint (count (&fixture, "--json"), ==, 0);
  first = set_aside (&fixture, "one@client.test");
  second = set_aside (&fixture, "two@client.test");
  output = quarantine (&fixture, 0, "list");
  assert_has (output, "  no-exe  <one@client.test> <b@up.test> and 1 more\n    ");
  assert_has (output, "evil.exe");
  assert_has (output, "    Subject: Invoice \xc3\xa4 42\n");
  g_assert_true (strstr (output, first) < strstr (output, second));
  g_assert_cmpuint (count (&fixture, "--json"), ==, 2);
  g_assert_cmpuint (count (&fixture, "ONE@client"), ==, 1);
  g_assert_cmpuint (count (&fixture, "invoice c@up.test"), ==, 2);
  g_assert_cmpuint (count (&fixture, "invoice nobody"), ==, 0);
  g_assert_cmpuint (count (&fixture, "--filter no-exe"), ==, 2);
  g_assert_cmpuint (count (&fixture, "--filter other"), ==, 0);
  g_assert_cmpuint (count (&fixture, "--older 1h"), ==, 0);
  stop (&fixture);
}

static void
test_show (void)
{
  Fixture fixture = { 0 };
  g_autofree gchar *id = NULL, *shown = NULL, *raw = NULL, *none = NULL;

  start_smtp (&fixture);
  id = set_aside (&fixture, "one@client.test");
  shown = quarantine_id (&fixture, 0, "show", id);
  assert_has (shown, "\"address\" : \"c@up.test\"");
  assert_has (shown, "\"RET=HDRS\"");
  assert_has (shown, "\nContent-Type: application/octet-stream; name=evil.exe\n");
  g_assert_null (strstr (shown, "MZ"));
  raw = quarantine_id (&fixture, 0, "show --raw", id);
  assert_has (raw, "\n\nMZ\n.dot\nlast\n");
  none = quarantine (&fixture, 1, "show NOSUCH");
  assert_has (none, "no message \"NOSUCH\"");
  stop (&fixture);
}

static void
test_release (void)
{
  Fixture fixture = { 0 };
  g_autofree gchar *id = NULL, *said = NULL, *again = NULL;

  start_smtp (&fixture);
  id = set_aside (&fixture, "one@client.test");
  kit_server_forget (fixture.server);
  said = quarantine_id (&fixture, 0, "release", id);
  assert_has (said, "<b@up.test> delivered: 127.0.0.1:");
  assert_has (said, "<c@up.test> delivered: 127.0.0.1:");
  assert_heard (&fixture, AS_SENT);
  g_assert_cmpuint (kit_server_count (fixture.server, "MAIL FROM:<one@client.test>"), ==, 1);
  g_assert_cmpuint (count (&fixture, "--json"), ==, 0);
  again = quarantine_id (&fixture, 1, "release", id);
  g_assert_cmpuint (kit_server_count (fixture.server, "MAIL"), ==, 1);
  stop (&fixture);
}

/* Who has it does not get it a second time. */
static void
test_release_in_part (void)
{
  Fixture fixture = { 0 };
  g_autofree gchar *id = NULL, *said = NULL, *shown = NULL, *rest = NULL;

  start_smtp (&fixture);
  id = set_aside (&fixture, "one@client.test");
  swap_server (&fixture, later);
  said = quarantine_id (&fixture, EX_TEMPFAIL, "release", id);
  assert_has (said, "<b@up.test> delivered");
  assert_has (said, "<c@up.test> deferred: ");
  shown = quarantine_id (&fixture, 0, "show", id);
  g_assert_null (strstr (shown, "b@up.test"));
  swap_server (&fixture, NULL);
  rest = quarantine_id (&fixture, 0, "release", id);
  g_assert_cmpuint (kit_server_count (fixture.server, "RCPT TO:<b@"), ==, 0);
  assert_heard (&fixture, AS_SENT);
  g_assert_cmpuint (count (&fixture, "--json"), ==, 0);
  stop (&fixture);
}

/* The message's file, which stays the same one while facts are replaced. */
static gchar *
message_path (const Fixture *fixture)
{
  g_autofree gchar *folder = g_build_filename (fixture->quarantine, "new", NULL);
  g_autoptr (GDir) directory = g_dir_open (folder, 0, NULL);

  g_assert_nonnull (directory);
  return g_build_filename (folder, g_dir_read_name (directory), NULL);
}

/* Of two at one time, one stops. */
static void
test_release_at_once (void)
{
  Fixture fixture = { 0 };
  g_autofree gchar *id = NULL, *path = NULL, *released = NULL, *deleted = NULL, *after = NULL;
  gint fd;

  start_smtp (&fixture);
  id = set_aside (&fixture, "one@client.test");
  path = message_path (&fixture);
  fd = g_open (path, O_RDONLY | O_CLOEXEC, 0);
  g_assert_cmpint (flock (fd, LOCK_EX), ==, 0);
  released = quarantine_id (&fixture, EX_IOERR, "release", id);
  assert_has (released, "somebody else is at it");
  deleted = quarantine_id (&fixture, EX_IOERR, "delete", id);
  assert_has (deleted, "somebody else is at it");
  g_assert_cmpuint (count (&fixture, "--json"), ==, 1);
  close (fd);
  after = quarantine_id (&fixture, 0, "delete", id);
  stop (&fixture);
}

/* What a stranger has said moves no terminal's cursor. */
static void
test_escapes (void)
{
  static const gchar said[] = "\302\233\342\200\256\363\240\200\201";
  Fixture fixture = { 0 };
  g_autofree gchar *id = NULL, *path = NULL, *name = NULL, *text = NULL, *shown = NULL;
  g_autoptr (GString) facts = NULL;

  start_smtp (&fixture);
  id = set_aside (&fixture, "one@client.test");
  path = message_path (&fixture);
  name = g_path_get_basename (path);
  g_free (path);
  path = g_strdup_printf ("%s/meta/%s.json", fixture.quarantine, name);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  facts = g_string_new (text);
  g_string_insert (facts, strstr (text, "\"reason\": \"") + strlen ("\"reason\": \"") - text, said);
  kit_write (path, facts->str);
  shown = quarantine_id (&fixture, 0, "show", id);
  assert_has (shown, "\\u009b\\u202e\\udb40\\udc01");
  stop (&fixture);
}

static void
test_release_without_server (void)
{
  Fixture fixture = { 0 };
  g_autofree gchar *id = NULL, *said = NULL;

  start_smtp (&fixture);
  id = set_aside (&fixture, "one@client.test");
  kit_server_stop (g_steal_pointer (&fixture.server));
  said = quarantine_id (&fixture, EX_TEMPFAIL, "release", id);
  assert_has (said, "<b@up.test> deferred: ");
  g_assert_cmpuint (count (&fixture, "--json"), ==, 1);
  stop (&fixture);
}

/* The server lets the gateway in by its user, and by what its file says. */
static void
test_release_with_login (void)
{
  static const KitStep steps[] = { { "AUTH PLAIN AGdhdGUAc2VjcmV0", KIT_ANSWER, "235 2.7.0 in\n" },
                                   { "AUTH", KIT_ANSWER, "535 5.7.8 no\n" },
                                   { NULL, KIT_ANSWER, NULL } };
  Fixture fixture = { 0 };
  g_autofree gchar *file = kit_path ("release-password");
  g_autofree gchar *route
      = g_strdup_printf ("tls = \"off\" user = \"gate\" password-file = \"%s\"", file);
  g_autofree gchar *id = NULL, *said = NULL, *gone = NULL;

  kit_write (file, "secret\n");
  fixture.route = route;
  start_offering (&fixture, "PIPELINING\n8BITMIME\nDSN\nAUTH PLAIN\n", steps);
  id = set_aside (&fixture, "one@client.test");
  kit_server_forget (fixture.server);
  kit_write (file, "wrong\n");
  said = quarantine_id (&fixture, EX_TEMPFAIL, "release", id);
  assert_has (said, "<b@up.test> deferred: ");
  g_assert_cmpuint (kit_server_count (fixture.server, "MAIL"), ==, 0);
  g_assert_cmpint (g_remove (file), ==, 0);
  gone = quarantine_id (&fixture, EX_TEMPFAIL, "release", id);
  assert_has (gone, "release-password");
  kit_write (file, "secret\n");
  g_free (quarantine_id (&fixture, 0, "release", id));
  assert_heard (&fixture, AS_SENT);
  stop (&fixture);
}

/* A Postfix that wants a PROXY header and a client certificate, and has another name. */
static void
test_release_with_certificate (void)
{
  Fixture fixture = { .port = kit_port (), .up = kit_port () };
  const gchar *reason;
  g_autofree gchar *settings
      = g_strdup_printf ("smtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes\n"
                         "smtpd_tls_cert_file = %1$s/up.pem\nsmtpd_tls_key_file = %1$s/up.key\n"
                         "smtpd_tls_CAfile = %1$s/ca.pem\n",
                         kit_folder ());
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", fixture.up);
  g_autofree gchar *route = g_strdup_printf (
      "tls = \"verified\" tls-name = \"up.test\" tls-ca = \"%1$s/ca.pem\"\n"
      "proxy = \"v2\" tls-certificate = \"%1$s/gate.pem\" tls-key = \"%1$s/gate.key\"",
      kit_folder ());
  g_autofree gchar *id = NULL, *said = NULL, *folder = NULL;

  kit_certificate ("up", "up.test");
  kit_certificate ("gate", "gate.test");
  KitPostfix *postfix = kit_postfix ("release", fixture.up, settings,
                                     "-o smtpd_upstream_proxy_protocol=haproxy", &reason);
  if (postfix == NULL)
    {
      g_test_skip (reason);
      return;
    }
  fixture.route = route;
  start (&fixture, to);
  folder = kit_postfix_folder (postfix, "b");
  id = set_aside (&fixture, "client.test");
  said = quarantine_id (&fixture, 0, "release", id);
  assert_has (said, "<b@up.test> delivered: 127.0.0.1:");
  kit_wait_messages (folder, 1);
  stop (&fixture);
  kit_postfix_stop (postfix);
}

/* What the gateway would have mended on its way. */
static void
test_release_mends (void)
{
  Fixture fixture = { 0 };
  KitClient *client;
  g_autofree gchar *listed = NULL, *id = NULL;

  start_smtp (&fixture);
  client = kit_connect (fixture.port);
  g_free (kit_greet (client));
  kit_command (client, "MAIL FROM:<one@client.test>", "250");
  kit_command (client, "RCPT TO:<b@up.test>", "250");
  kit_command (client, "DATA", "354");
  kit_say (client, "Content-Type : application/octet-stream; name=evil.exe\nno field\nA: b\n.\n");
  kit_expect (client, "250");
  kit_close (client);
  listed = quarantine (&fixture, 0, "list");
  id = g_strndup (listed, strcspn (listed, " "));
  kit_server_forget (fixture.server);
  g_free (quarantine_id (&fixture, 0, "release", id));
  assert_heard (&fixture, "Content-Type: application/octet-stream; name=evil.exe\r\n\r\n"
                          "no field\r\nA: b\r\n");
  stop (&fixture);
}

static void
test_release_to_maildir (void)
{
  Fixture fixture = { 0 };
  g_autofree gchar *id = NULL, *said = NULL, *folder = NULL, *to = NULL;
  g_autofree gchar *fresh = NULL;
  g_autoptr (GPtrArray) messages = NULL;

  fixture.port = kit_port ();
  folder = kit_path ("mail-%u", fixture.port);
  fresh = g_build_filename (folder, "new", NULL);
  to = g_strdup_printf ("\"maildir:%s\"", folder);
  start (&fixture, to);
  id = set_aside (&fixture, "client.test");
  said = quarantine_id (&fixture, 0, "release", id);
  assert_has (said, "<b@up.test> delivered: maildir:");
  messages = kit_messages (fresh);
  g_assert_cmpuint (messages->len, ==, 1);
  assert_has (messages->pdata[0], "\n\nMZ\n.dot\nlast\n");
  g_assert_cmpuint (count (&fixture, "--json"), ==, 0);
  stop (&fixture);
}

static void
test_delete (void)
{
  Fixture fixture = { 0 };
  g_autofree gchar *first = NULL, *second = NULL, *said = NULL, *young = NULL, *old = NULL;
  g_autofree gchar *fresh = NULL;
  g_autoptr (GPtrArray) messages = NULL;

  start_smtp (&fixture);
  first = set_aside (&fixture, "one@client.test");
  second = set_aside (&fixture, "two@client.test");
  said = quarantine_id (&fixture, 0, "delete", first);
  g_assert_cmpuint (count (&fixture, "--json"), ==, 1);
  young = quarantine (&fixture, 0, "delete --older 1h");
  g_assert_cmpuint (count (&fixture, "--json"), ==, 1);
  /* A second is what moments are told by. */
  g_usleep (1100 * 1000);
  old = quarantine (&fixture, 0, "delete --older 0s");
  g_assert_cmpuint (count (&fixture, "--json"), ==, 0);
  fresh = g_build_filename (fixture.quarantine, "new", NULL);
  messages = kit_messages (fresh);
  g_assert_cmpuint (messages->len, ==, 0);
  stop (&fixture);
}

/* Files that somebody has spoilt are named, and keep nobody from the others. */
static void
test_bad_files (void)
{
  static const gchar *const texts[]
      = { "", "[]", "{\"sender\": 5}", "{\"sender\": {\"address\": \"a\"}, \"recipients\": [7]}" };
  Fixture fixture = { 0 };
  g_autofree gchar *id = NULL;

  start_smtp (&fixture);
  id = set_aside (&fixture, "one@client.test");
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autofree gchar *path = g_build_filename (fixture.quarantine, "meta", "bad.json", NULL);
      g_autofree gchar *listed = NULL;

      kit_write (path, texts[i]);
      listed = quarantine (&fixture, 0, "list");
      assert_has (listed, "bad.json");
      assert_has (listed, id);
    }
  stop (&fixture);
}

static void
test_usage (void)
{
  Fixture fixture = { 0 };

  start_smtp (&fixture);
  g_free (quarantine (&fixture, EX_USAGE, "release"));
  g_free (quarantine (&fixture, EX_USAGE, "delete"));
  g_free (quarantine (&fixture, EX_USAGE, "empty"));
  g_free (quarantine (&fixture, EX_USAGE, "list --older soon"));
  stop (&fixture);
}

int
main (int argc, char **argv)
{
  gint result;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/quarantine/list", test_list);
  g_test_add_func ("/e2e/quarantine/show", test_show);
  g_test_add_func ("/e2e/quarantine/release", test_release);
  g_test_add_func ("/e2e/quarantine/release-in-part", test_release_in_part);
  g_test_add_func ("/e2e/quarantine/release-at-once", test_release_at_once);
  g_test_add_func ("/e2e/quarantine/escapes", test_escapes);
  g_test_add_func ("/e2e/quarantine/release-with-login", test_release_with_login);
  g_test_add_func ("/e2e/quarantine/release-with-certificate", test_release_with_certificate);
  g_test_add_func ("/e2e/quarantine/release-mends", test_release_mends);
  g_test_add_func ("/e2e/quarantine/release-without-server", test_release_without_server);
  g_test_add_func ("/e2e/quarantine/release-to-maildir", test_release_to_maildir);
  g_test_add_func ("/e2e/quarantine/delete", test_delete);
  g_test_add_func ("/e2e/quarantine/bad-files", test_bad_files);
  g_test_add_func ("/e2e/quarantine/usage", test_usage);
  result = g_test_run ();
  kit_finish ();
  return result;
}
