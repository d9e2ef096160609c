/* The filter milter with the milters that people have: OpenDKIM signs, and a second one finds the
 * signature good over what the upstream got, which proves that no byte was touched; rspamd and
 * clamav-milter give all their verdicts. Each runs in the test's folder, without a network. */
#include "../filters/scanners/scanners.h"
#include "kit.h"

#include <signal.h>
#include <string.h>

#include <glib/gstdio.h>

static gchar *
folder (const gchar *name)
{
  gchar *path = kit_path ("%s", name);

  g_assert_cmpint (g_mkdir_with_parents (path, 0777), ==, 0);
  g_chmod (path, 0777);
  return path;
}

/* FALSE: the test is skipped. */
static gboolean
have (const gchar *program)
{
  g_autofree gchar *reason = g_strdup_printf ("%s is not installed", program);

  if (kit_have (program))
    return TRUE;
  g_test_skip (reason);
  return FALSE;
}

/* A filter block of this name for a milter at a port. */
static gchar *
block (const gchar *name, guint port)
{
  return g_strdup_printf ("filter \"%s\" {\n  module = \"milter\"\n"
                          "  socket = \"inet:%u@127.0.0.1\"\n  timeout = 20s\n}\n",
                          name, port);
}

typedef struct
{
  guint port;
  KitServer *upstream;
  KitProcess *mailweir;
} Gateway;

static void
gateway_start (Gateway *gateway, const gchar *filters, const gchar *chain)
{
  guint port = kit_port ();
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", port);
  g_autofree gchar *listener = g_strdup_printf ("filters = [%s]", chain);
  g_autofree gchar *aside = kit_path ("aside");
  g_autofree gchar *rest = g_strdup_printf ("quarantine = \"%s\"\n%s", aside, filters);

  gateway->upstream = kit_server (port, "8BITMIME\nSIZE 1000000", NULL);
  gateway->port = kit_port ();
  gateway->mailweir = kit_gateway (gateway->port, to, listener, NULL, rest);
}

static void
gateway_stop (Gateway *gateway)
{
  kit_gateway_stop (gateway->mailweir);
  kit_server_stop (gateway->upstream);
}

static void
expect_reply (const Gateway *gateway, const gchar *text, const gchar *prefix)
{
  g_autofree gchar *reply = kit_deliver (gateway->port, "b@up.test", text);

  if (!g_str_has_prefix (reply, prefix))
    {
      g_autofree gchar *log = kit_log (gateway->mailweir);
      g_error ("\"%s\" instead of \"%s\":\n%s", reply, prefix, log);
    }
}

/* The last message, as the upstream got it, in CRLF. */
static gchar *
last_message (const Gateway *gateway)
{
  g_autoptr (GPtrArray) messages = kit_server_messages (gateway->upstream);
  GBytes *last = NULL;

  g_assert_cmpuint (messages->len, >, 0);
  last = messages->pdata[messages->len - 1];
  return g_strndup (g_bytes_get_data (last, NULL), g_bytes_get_size (last));
}

static void
expect_message (const Gateway *gateway, const gchar *text)
{
  g_autofree gchar *message = last_message (gateway);

  if (strstr (message, text) == NULL)
    g_error ("no \"%s\" in:\n%s", text, message);
}

/* ---- OpenDKIM ---- */

#define SIGNER                                                                                     \
  "Mode s\nDomain client.test\nSelector test\nKeyFile %s/test.private\nRequireSafeKeys no\n"       \
  "SignHeaders *,+X-Wide,+X-Tight,+X-Folded\nOversignHeaders From\n"
#define VERIFIER                                                                                   \
  "Mode v\nTestPublicKeys %s/keys\nAuthservID verifier.test\nAlwaysAddARHeader yes\n"              \
  "InternalHosts %s/nobody\n"

/* The public part, as it stands in the name server's zone, on one line. */
static void
write_keys (const gchar *where)
{
  g_autofree gchar *zone_path = g_build_filename (where, "test.txt", NULL);
  g_autofree gchar *keys_path = g_build_filename (where, "keys", NULL);
  g_autofree gchar *nobody_path = g_build_filename (where, "nobody", NULL);
  g_autofree gchar *zone = kit_read (zone_path);
  g_auto (GStrv) pieces = g_strsplit (zone, "\"", -1);
  g_autoptr (GString) line = g_string_new ("test._domainkey.client.test ");

  for (guint i = 1; pieces[i] != NULL && pieces[i + 1] != NULL; i += 2)
    g_string_append (line, pieces[i]);
  g_string_append_c (line, '\n');
  kit_write (keys_path, line->str);
  kit_write (nobody_path, "192.0.2.1\n");
}

static gchar *
make_keys (void)
{
  gchar *where = folder ("dkim");
  g_autofree gchar *output = NULL;
  const gchar *argv[]
      = { "opendkim-genkey", "-D", where, "-d", "client.test", "-s", "test", "-b", "1024", NULL };

  if (kit_run (argv, &output) != 0)
    g_error ("opendkim-genkey: %s", output);
  write_keys (where);
  return where;
}

static KitProcess *
start_opendkim (const gchar *name, guint port, const gchar *text)
{
  g_autofree gchar *path = kit_path ("%s.conf", name);
  g_autofree gchar *all = g_strdup_printf ("%sSocket inet:%u@127.0.0.1\nSyslog no\n", text, port);
  const gchar *argv[] = { "opendkim", "-f", "-x", path, NULL };
  KitProcess *process = NULL;

  kit_write (path, all);
  process = kit_start (name, argv);
  kit_wait_port (port);
  return process;
}

#define ODD                                                                                        \
  "From: a@client.test\nTo:b@up.test\nSubject:  odd   spaces\t\nX-Wide:     x  \nX-Tight:x\n"      \
  "X-Folded: a\n\tb\n  c\nDate: Sat, 21 Nov 2026 04:23:45 +0000\n\n"                               \
  "  leading, trailing  \n.\n..\n\ttab\t\nFrom here\n\xc3\xa4\xff\n\n\n"

static gchar *
large_message (void)
{
  GString *text = g_string_new ("From: a@client.test\nSubject: large\n\n");

  for (guint i = 0; text->len < 300 * 1000; i++)
    g_string_append_printf (text, "%.*s%u\n", (int) (i % 70),
                            "                                   "
                            "                                        ",
                            i);
  return g_string_free (text, FALSE);
}

/* Lines as the clients here say them, and without our trace field. */
static gchar *
as_text (const gchar *message)
{
  g_auto (GStrv) lines = g_strsplit (message, "\r\n", -1);

  return g_strjoinv ("\n", lines);
}

static void
sign_and_verify (const gchar *canonicalization, const gchar *where)
{
  g_autofree gchar *keys
      = g_strdup_printf (SIGNER "Canonicalization %s\n", where, canonicalization);
  g_autofree gchar *verifier_text = g_strdup_printf (VERIFIER, where, where);
  guint signer_port = kit_port (), verifier_port = kit_port ();
  KitProcess *signer = start_opendkim ("signer", signer_port, keys);
  KitProcess *verifier = start_opendkim ("verifier", verifier_port, verifier_text);
  g_autofree gchar *signs = block ("sign", signer_port);
  g_autofree gchar *verifies = block ("verify", verifier_port);
  g_autofree gchar *both = g_strconcat (signs, verifies, NULL);
  g_autofree gchar *large = large_message ();
  const gchar *const messages[] = { ODD, "From: a@client.test\n\n", large };
  Gateway out, in, at_once;

  gateway_start (&out, signs, "\"sign\"");
  gateway_start (&in, verifies, "\"verify\"");
  gateway_start (&at_once, both, "\"sign\", \"verify\"");
  for (guint i = 0; i < G_N_ELEMENTS (messages); i++)
    {
      g_autofree gchar *sent = NULL, *signed_text = NULL;
      g_autoptr (GString) broken = NULL;

      expect_reply (&out, messages[i], "250 ");
      expect_message (&out, "\r\nDKIM-Signature: v=1; a=rsa-sha256; c=");
      sent = last_message (&out);
      signed_text = as_text (sent);
      expect_reply (&in, signed_text, "250 ");
      expect_message (&in, "Authentication-Results: verifier.test;\r\n\tdkim=pass ");
      broken = g_string_new (signed_text);
      g_string_append (broken, "x\n");
      expect_reply (&in, broken->str, "250 ");
      expect_message (&in, "Authentication-Results: verifier.test;\r\n\tdkim=fail ");
      expect_reply (&at_once, messages[i], "250 ");
      expect_message (&at_once, "Authentication-Results: verifier.test;\r\n\tdkim=pass ");
    }
  gateway_stop (&out);
  gateway_stop (&in);
  gateway_stop (&at_once);
  kit_stop (signer, SIGTERM);
  kit_stop (verifier, SIGTERM);
}

/* A macro of the configuration decides whose mail is signed. */
static void
test_opendkim_macros (void)
{
  g_autofree gchar *where = NULL, *text = NULL, *plain = NULL, *with = NULL, *message = NULL;
  guint port = kit_port ();
  KitProcess *signer = NULL;
  Gateway gateway;

  if (!have ("opendkim") || !have ("opendkim-genkey"))
    return;
  where = make_keys ();
  text = g_strdup_printf (SIGNER "MTA ORIGINATING\nInternalHosts %s/nobody\n", where, where);
  signer = start_opendkim ("signer", port, text);
  plain = block ("sign", port);
  with = g_strdup_printf ("filter \"sign\" {\n  module = \"milter\"\n"
                          "  socket = \"inet:%u@127.0.0.1\"\n"
                          "  macros = [\"{daemon_name}=ORIGINATING\"]\n}\n",
                          port);
  gateway_start (&gateway, plain, "\"sign\"");
  expect_reply (&gateway, "From: a@client.test\n\nhello\n", "250 ");
  message = last_message (&gateway);
  g_assert_null (strstr (message, "DKIM-Signature"));
  gateway_stop (&gateway);
  gateway_start (&gateway, with, "\"sign\"");
  expect_reply (&gateway, "From: a@client.test\n\nhello\n", "250 ");
  expect_message (&gateway, "\r\nDKIM-Signature: v=1;");
  gateway_stop (&gateway);
  kit_stop (signer, SIGTERM);
}

static void
test_configuration (void)
{
  kit_check_shipped ("milters.conf");
}

static void
test_opendkim (void)
{
  g_autofree gchar *where = NULL;

  if (!have ("opendkim") || !have ("opendkim-genkey"))
    return;
  where = make_keys ();
  sign_and_verify ("simple/simple", where);
  sign_and_verify ("relaxed/relaxed", where);
}

/* ---- rspamd ---- */

#define RSPAMD                                                                                     \
  "options {\n  pidfile = \"%s/pid\";\n  enable_test_patterns = true;\n  cache_file = "            \
  "\"%s/cache\";\n"                                                                                \
  "  url_tld = \"%s/domains\";\n  hs_cache_dir = \"%s\";\n"                                        \
  "  tempdir = \"%s\";\n"                                                                          \
  "  dns { nameserver = [\"127.0.0.1:9\"]; timeout = 100ms; retransmits = 1; }\n"                  \
  "  control_socket = \"%s/control mode=0600\";\n}\n"                                              \
  "logging { type = \"console\"; level = \"info\"; }\nlua = \"%s/test.lua\";\n"                    \
  "modules { path = \"/usr/share/rspamd/plugins/milter_headers.lua\"; }\n"                         \
  "milter_headers { use = [\"x-spamd-result\", \"x-spam-status\"]; skip_local = false; }\n"        \
  "metric { name = \"default\"; subject = \"[SPAM] %%s\"; }\n"                                     \
  "actions { reject = 15; add_header = 6; rewrite_subject = 8; }\n"                                \
  "worker \"rspamd_proxy\" {\n  bind_socket = \"127.0.0.1:%u\";\n  milter = yes;\n  count = 1;\n"  \
  "  timeout = 20s;\n  upstream \"local\" { default = yes; self_scan = yes; }\n}\n"

/* A rule that shows whether client and envelope have reached it, and one that defers. */
static const gchar rules[]
    = "rspamd_config:register_symbol ({ name = 'TEST_WORD', type = 'normal', score = 3.5,\n"
      "  callback = function (task)\n"
      "    for _, part in ipairs (task:get_text_parts ()) do\n"
      "      if tostring (part:get_content ()):find ('MAILWEIR%-TEST') then\n"
      "        return true, 1.0, task:get_from_ip ():to_string () .. ' ' .. task:get_helo () .. ' "
      "'\n"
      "          .. task:get_from ('smtp')[1].addr .. ' ' .. task:get_recipients ('smtp')[1].addr\n"
      "      end\n    end\n    return false\n  end })\n"
      "rspamd_config:register_symbol ({ name = 'TEST_LATER', type = 'prefilter',\n"
      "  callback = function (task)\n"
      "    if task:get_subject () == 'later' then\n"
      "      task:set_pre_result ('soft reject', 'come again')\n    end\n  end })\n";

static KitProcess *
start_rspamd (guint port)
{
  g_autofree gchar *f = folder ("rspamd");
  g_autofree gchar *rules_path = g_build_filename (f, "test.lua", NULL);
  g_autofree gchar *domains_path = g_build_filename (f, "domains", NULL);
  g_autofree gchar *path = g_build_filename (f, "rspamd.conf", NULL);
  g_autofree gchar *text = g_strdup_printf (RSPAMD, f, f, f, f, f, f, f, port);
  const gchar *argv[] = { "rspamd", "-f", "-i", "-c", path, NULL };
  KitProcess *process = NULL;

  kit_write (rules_path, rules);
  kit_write (domains_path, "com\norg\ntest\n");
  kit_write (path, text);
  process = kit_start ("rspamd", argv);
  kit_wait_port (port);
  return process;
}

#define GTUBE "JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n"

static void
test_rspamd (void)
{
  guint port = kit_port ();
  g_autofree gchar *filter = block ("spam", port);
  KitProcess *rspamd = NULL;
  Gateway gateway;

  if (!have ("rspamd"))
    return;
  rspamd = start_rspamd (port);
  gateway_start (&gateway, filter, "\"spam\"");
  expect_reply (&gateway, "From: a@client.test\nSubject: x\n\nhello\n", "250 ");
  expect_message (&gateway, "X-Spamd-Result: default: False [0.00 / 15.00]");
  expect_message (&gateway, "\r\nX-Spam-Status: No, score=0.00\r\n");
  expect_reply (&gateway, "From: a@client.test\nSubject: x\n\nMAILWEIR-TEST\n", "250 ");
  expect_message (&gateway, "TEST_WORD(3.50)[127.0.0.1 client.test a@client.test b@up.test]");
  expect_reply (&gateway, "From: a@client.test\nSubject: x\n\nX" GTUBE, "554 5.7.1 Gtube pattern");
  expect_reply (&gateway, "From: a@client.test\nSubject: y\n\nY" GTUBE, "250 ");
  expect_message (&gateway, "\r\nX-Spam: Yes\r\n");
  expect_reply (&gateway, "From: a@client.test\nSubject: z\n\nZ" GTUBE, "250 ");
  expect_message (&gateway, "\r\nSubject: [SPAM] z\r\n");
  expect_reply (&gateway, "From: a@client.test\nSubject: later\n\nhello\n", "451 4.7.1 come again");
  gateway_stop (&gateway);
  kit_stop (rspamd, SIGTERM);
}

/* ---- clamav-milter ---- */

static KitProcess *
start_clamav_milter (guint port, const gchar *more)
{
  static guint number;
  g_autofree gchar *name = g_strdup_printf ("clamav-milter-%u", ++number);
  g_autofree gchar *path = kit_path ("%s.conf", name);
  g_autofree gchar *clamd = kit_path ("clamd.sock");
  g_autofree gchar *where = folder ("clamav-temporary");
  g_autofree gchar *text = g_strdup_printf (
      "MilterSocket inet:%u@127.0.0.1\nClamdSocket unix:%s\nForeground yes\nUser root\n"
      "TemporaryDirectory %s\nOnFail Defer\nAddHeader Replace\n%s",
      port, clamd, where, more);
  const gchar *argv[] = { "clamav-milter", "-c", path, NULL };
  KitProcess *process = NULL;

  kit_write (path, text);
  process = kit_start (name, argv);
  kit_wait_port (port);
  return process;
}

/* One of its configurations, with what an infected message hears. */
static void
expect_clamav (const gchar *configuration, const gchar *reply)
{
  guint port = kit_port ();
  KitProcess *milter = start_clamav_milter (port, configuration);
  g_autofree gchar *filter = block ("viruses", port);
  Gateway gateway;

  gateway_start (&gateway, filter, "\"viruses\"");
  expect_reply (&gateway, "Subject: x\n\nhello\n", "250 ");
  expect_message (&gateway, "\r\nX-Virus-Status: Clean\r\n");
  expect_reply (&gateway, "Subject: x\n\n" SCANNERS_VIRUS "\n", reply);
  g_assert_cmpuint (kit_server_count (gateway.upstream, "DATA"), ==, 1);
  gateway_stop (&gateway);
  kit_stop (milter, SIGTERM);
}

static void
test_clamav (void)
{
  KitProcess *clamd = NULL;

  if (!have ("clamav-milter") || !have ("clamd"))
    return;
  clamd = scanners_clamd ("clamd", kit_port ());
  expect_clamav ("OnInfected Reject\nRejectMsg we know %v\n",
                 "550 5.7.1 we know " SCANNERS_SIGNATURE);
  expect_clamav ("OnInfected Quarantine\n", "250 ");
  expect_clamav ("OnInfected Blackhole\n", "250 ");
  expect_clamav ("OnInfected Defer\n", "451 4.7.1");
  kit_stop (clamd, SIGTERM);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/milters/configuration", test_configuration);
  g_test_add_func ("/e2e/milters/opendkim", test_opendkim);
  g_test_add_func ("/e2e/milters/opendkim-macros", test_opendkim_macros);
  g_test_add_func ("/e2e/milters/rspamd", test_rspamd);
  g_test_add_func ("/e2e/milters/clamav", test_clamav);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
