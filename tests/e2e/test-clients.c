/* Clients that people use: swaks, curl, smtp-source, Python's smtplib; in plaintext, over STARTTLS
 * and implicit TLS, pipelined, with a refused attachment. Fails when one of them is not served. */
#include "kit.h"

#include <signal.h>
#include <string.h>

typedef struct
{
  guint port;     /* STARTTLS */
  guint tls_port; /* implicit TLS */
  KitServer *server;
  KitProcess *mailweir;
} Clients;

static const gchar config[] = "hostname = \"mx.test\"\n"
                              "tls { certificate = \"%s/mx.pem\" key = \"%s/mx.key\" }\n"
                              "listener \"in\" { bind = [\"127.0.0.1:%u\"] tls = \"starttls\""
                              " filters = [\"exe\"] routes = [\"up\"] }\n"
                              "listener \"tls\" { bind = [\"127.0.0.1:%u\"] tls = \"implicit\""
                              " filters = [\"exe\"] routes = [\"up\"] }\n"
                              "route \"up\" { to = [\"smtp://127.0.0.1:%u\"] }\n"
                              "filter \"exe\" { module = \"attachments\" deny = [\"exe\"]"
                              " action = \"reject\" timeout = 60s }\n";

static void
clients_start (Clients *clients)
{
  const guint upstream = kit_port ();
  const gchar *folder = kit_folder ();
  clients->server = kit_server (upstream, "PIPELINING\n8BITMIME\nSIZE 50000000\nSMTPUTF8", NULL);
  clients->port = kit_port ();
  clients->tls_port = kit_port ();
  kit_certificate ("mx", "mx.test");
  g_autofree gchar *text
      = g_strdup_printf (config, folder, folder, clients->port, clients->tls_port, upstream);
  clients->mailweir = kit_mailweir (text);
}

static void
clients_stop (Clients *clients)
{
  kit_gateway_stop (clients->mailweir);
  g_assert_cmpuint (kit_server_bare_newlines (clients->server), ==, 0);
  kit_server_stop (clients->server);
}

static guint
arrived (const Clients *clients)
{
  g_autoptr (GPtrArray) messages = kit_server_messages (clients->server);
  return messages->len;
}

/* Runs a line of words that the shell splits, and expects this exit status and output. */
static void G_GNUC_PRINTF (3, 4)
    run (gint status, const gchar *output_has, const gchar *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree gchar *line = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_auto (GStrv) argv = NULL;
  g_autofree gchar *output = NULL;
  g_assert_true (g_shell_parse_argv (line, NULL, &argv, NULL));
  gint result = kit_run ((const gchar *const *) argv, &output);
  if (result != status || (output_has != NULL && strstr (output, output_has) == NULL))
    g_error ("%s\nended with %d, not %d, or did not say \"%s\":\n%s", line, result, status,
             output_has, output);
}

/* ---- swaks ---- */

#define SWAKS "swaks --timeout 20 --ehlo client.test --from a@client.test --server 127.0.0.1:%u "

static void
test_swaks (void)
{
  Clients clients;
  clients_start (&clients);
  run (0, "250 2.0.0 Recorded", SWAKS "--to b@up.test", clients.port);
  run (0, "250 2.0.0 Recorded", SWAKS "--to b@up.test,c@up.test,d@up.test", clients.port);
  run (0, "250 2.0.0 Recorded", SWAKS "--to b@up.test --pipeline", clients.port);
  g_assert_cmpuint (arrived (&clients), ==, 3);
  g_assert_cmpuint (kit_server_count (clients.server, "RCPT"), ==, 5);
  clients_stop (&clients);
}

static void
test_swaks_tls (void)
{
  Clients clients;
  clients_start (&clients);
  run (0, "TLS started", SWAKS "--to b@up.test --tls", clients.port);
  run (0, "TLS started", SWAKS "--to b@up.test --tlsc", clients.tls_port);
  run (0, "TLS started", SWAKS "--to b@up.test --tls --pipeline", clients.port);
  g_assert_cmpuint (arrived (&clients), ==, 3);
  g_autoptr (GPtrArray) messages = kit_server_messages (clients.server);
  for (guint i = 0; i < messages->len; i++)
    {
      gsize size;
      const gchar *data = g_bytes_get_data (messages->pdata[i], &size);
      g_assert_nonnull (g_strstr_len (data, size, "with ESMTPS"));
    }
  clients_stop (&clients);
}

static void
test_swaks_attachment (void)
{
  Clients clients;
  g_autofree gchar *program = kit_path ("setup.exe");
  g_autofree gchar *notes = kit_path ("notes.txt");
  kit_write (program, "MZ is what such a file begins with\n");
  kit_write (notes, "nothing to run\n");
  clients_start (&clients);
  run (26, "<** 550 5.7.1", SWAKS "--to b@up.test --attach @%s", clients.port, program);
  g_assert_cmpuint (kit_server_count (clients.server, "DATA"), ==, 0);
  run (0, "250 2.0.0 Recorded", SWAKS "--to b@up.test --attach @%s", clients.port, notes);
  g_assert_cmpuint (arrived (&clients), ==, 1);
  clients_stop (&clients);
}

/* ---- curl ---- */

static void
test_curl (void)
{
  Clients clients;
  g_autofree gchar *mail = kit_path ("mail.eml");
  g_autofree gchar *ca = kit_path ("ca.pem");
  kit_write (mail, "From: a@client.test\r\nSubject: curl\r\n\r\n.dot\r\ntext\r\n");
  clients_start (&clients);
#define CURL "curl -sS --max-time 20 --mail-from a@client.test --mail-rcpt b@up.test "
  run (0, NULL, CURL "-T %s smtp://127.0.0.1:%u/client.test", mail, clients.port);
  run (0, NULL,
       CURL "-T %s --ssl-reqd --cacert %s --resolve mx.test:%u:127.0.0.1 "
            "smtp://mx.test:%u/client.test",
       mail, ca, clients.port, clients.port);
  run (0, NULL,
       CURL "-T %s --cacert %s --resolve mx.test:%u:127.0.0.1 smtps://mx.test:%u/client.test", mail,
       ca, clients.tls_port, clients.tls_port);
  /* The certificate is for one name. */
  run (60, NULL,
       CURL "-T %s --cacert %s --resolve other.test:%u:127.0.0.1 smtps://other.test:%u/client.test",
       mail, ca, clients.tls_port, clients.tls_port);
  g_autoptr (GPtrArray) messages = kit_server_messages (clients.server);
  g_assert_cmpuint (messages->len, ==, 3);
  for (guint i = 0; i < messages->len; i++)
    {
      gsize size;
      const gchar *data = g_bytes_get_data (messages->pdata[i], &size);
      g_autofree gchar *text = g_strndup (data, size);
      g_assert_true (g_str_has_suffix (
          text, "\r\nFrom: a@client.test\r\nSubject: curl\r\n\r\n.dot\r\ntext\r\n"));
    }
  clients_stop (&clients);
}

/* ---- smtp-source, Python ---- */

static void
test_smtp_source (void)
{
  Clients clients;
  clients_start (&clients);
#define SOURCE "smtp-source -f a@client.test -t b@up.test -s 5 -m 100 "
  run (0, NULL, SOURCE "127.0.0.1:%u", clients.port);
  run (0, NULL, SOURCE "-d 127.0.0.1:%u", clients.port);
  run (0, NULL, SOURCE "-r 7 -l 20000 127.0.0.1:%u", clients.port);
  g_assert_cmpuint (arrived (&clients), ==, 300);
  clients_stop (&clients);
}

static const gchar script[]
    = "import smtplib, ssl, sys\n"
      "port, tls_port, ca = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]\n"
      "context = ssl.create_default_context(cafile=ca)\n"
      "context.check_hostname = False\n"
      "text = b'From: a@client.test\\r\\nSubject: python\\r\\n\\r\\n.dot\\r\\n\\xe4\\r\\n'\n"
      "def send(s):\n"
      "    s.ehlo('client.test')\n"
      "    refused = s.sendmail('a@client.test', ['b@up.test', 'c@up.test'], text,\n"
      "                         mail_options=['BODY=8BITMIME'])\n"
      "    assert refused == {}, refused\n"
      "with smtplib.SMTP('127.0.0.1', port, timeout=20) as s:\n"
      "    send(s)\n"
      "    send(s)\n"
      "    s.rset(); s.noop(); assert s.vrfy('b')[0] == 252\n"
      "    assert s.help()\n"
      "with smtplib.SMTP('127.0.0.1', port, timeout=20) as s:\n"
      "    s.starttls(context=context)\n"
      "    send(s)\n"
      "with smtplib.SMTP_SSL('127.0.0.1', tls_port, timeout=20, context=context) as s:\n"
      "    send(s)\n"
      "    assert not s.has_extn('starttls')\n";

static void
test_python (void)
{
  Clients clients;
  g_autofree gchar *path = kit_path ("client.py");
  g_autofree gchar *ca = kit_path ("ca.pem");
  kit_write (path, script);
  clients_start (&clients);
  run (0, NULL, "python3 %s %u %u %s", path, clients.port, clients.tls_port, ca);
  g_assert_cmpuint (arrived (&clients), ==, 4);
  clients_stop (&clients);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/clients/swaks", test_swaks);
  g_test_add_func ("/e2e/clients/swaks-tls", test_swaks_tls);
  g_test_add_func ("/e2e/clients/swaks-attachment", test_swaks_attachment);
  g_test_add_func ("/e2e/clients/curl", test_curl);
  g_test_add_func ("/e2e/clients/smtp-source", test_smtp_source);
  g_test_add_func ("/e2e/clients/python", test_python);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
