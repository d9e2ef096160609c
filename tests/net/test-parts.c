/* Limits, the log writer, names and the memory of hosts: no gateway around them. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "net/admission.h"
#include "net/hosts.h"
#include "net/log-writer.h"
#include "net/loop.h"
#include "net/names.h"

static BaseEndpoint
endpoint (const gchar *text)
{
  g_autoptr (GError) error = NULL;
  BaseEndpoint result;

  base_endpoint_parse (text, &result, &error);
  g_assert_no_error (error);
  return result;
}

static void
test_connections (void)
{
  g_autoptr (NetAdmission) admission = net_admission_new ();
  ConfigListener listener = { .connections = 3, .connections_per_client = 2 };
  BaseEndpoint a = endpoint ("192.0.2.1:1"), b = endpoint ("192.0.2.2:1"),
               c = endpoint ("192.0.2.3:1");

  g_assert_cmpint (net_admission_enter (admission, &listener, &a), ==, NET_ADMISSION_FINE);
  g_assert_cmpint (net_admission_enter (admission, &listener, &a), ==, NET_ADMISSION_FINE);
  g_assert_cmpint (net_admission_enter (admission, &listener, &a), ==,
                   NET_ADMISSION_CONNECTIONS_PER_CLIENT);
  g_assert_cmpint (net_admission_enter (admission, &listener, &b), ==, NET_ADMISSION_FINE);
  g_assert_cmpint (net_admission_enter (admission, &listener, &c), ==, NET_ADMISSION_CONNECTIONS);
  net_admission_leave (admission, &listener, &a);
  g_assert_cmpint (net_admission_enter (admission, &listener, &c), ==, NET_ADMISSION_FINE);
  net_admission_leave (admission, &listener, &c);
  net_admission_leave (admission, &listener, &a);
  net_admission_leave (admission, &listener, &b);
  g_assert_cmpuint (net_admission_clients (admission), ==, 0);
}

/* A load balancer's connection becomes its client's, and that one another's by XCLIENT. */
static void
test_moved (void)
{
  g_autoptr (NetAdmission) admission = net_admission_new ();
  ConfigListener listener = { .connections = 2, .connections_per_client = 1 };
  BaseEndpoint a = endpoint ("192.0.2.1:1"), b = endpoint ("192.0.2.2:1");

  g_assert_cmpint (net_admission_enter (admission, &listener, NULL), ==, NET_ADMISSION_FINE);
  g_assert_cmpuint (net_admission_clients (admission), ==, 0);
  g_assert_cmpint (net_admission_enter (admission, &listener, NULL), ==, NET_ADMISSION_FINE);
  g_assert_cmpint (net_admission_enter (admission, &listener, NULL), ==, NET_ADMISSION_CONNECTIONS);
  g_assert_true (net_admission_move (admission, &listener, NULL, &a));
  g_assert_false (net_admission_move (admission, &listener, NULL, &a));
  g_assert_true (net_admission_move (admission, &listener, &a, &a));
  g_assert_true (net_admission_move (admission, &listener, NULL, &b));
  g_assert_false (net_admission_move (admission, &listener, &b, &a));
  net_admission_leave (admission, &listener, &a);
  g_assert_true (net_admission_move (admission, &listener, &b, &a));
  net_admission_leave (admission, &listener, &a);
  g_assert_cmpuint (net_admission_clients (admission), ==, 0);
}

/* One IPv6 customer has a /64; a mapped IPv4 address is that address. */
static void
test_who_is_a_client (void)
{
  g_autoptr (NetAdmission) admission = net_admission_new ();
  ConfigListener listener = { .connections_per_client = 1 };
  BaseEndpoint a = endpoint ("[2001:db8::1]:1"), b = endpoint ("[2001:db8::2]:1"),
               c = endpoint ("[2001:db8:0:1::1]:1");
  BaseEndpoint mapped = endpoint ("[::ffff:192.0.2.1]:1"), plain = endpoint ("192.0.2.1:1");

  g_assert_cmpint (net_admission_enter (admission, &listener, &a), ==, NET_ADMISSION_FINE);
  g_assert_cmpint (net_admission_enter (admission, &listener, &b), ==,
                   NET_ADMISSION_CONNECTIONS_PER_CLIENT);
  g_assert_cmpint (net_admission_enter (admission, &listener, &c), ==, NET_ADMISSION_FINE);
  g_assert_cmpint (net_admission_enter (admission, &listener, &mapped), ==, NET_ADMISSION_FINE);
  g_assert_cmpint (net_admission_enter (admission, &listener, &plain), ==,
                   NET_ADMISSION_CONNECTIONS_PER_CLIENT);
}

static void
test_messages (void)
{
  g_autoptr (NetAdmission) admission = net_admission_new ();
  ConfigListener listener = { .messages_per_minute = 3 };
  BaseEndpoint a = endpoint ("192.0.2.1:1"), b = endpoint ("192.0.2.2:1");
  const gint64 start = 1000 * G_TIME_SPAN_SECOND;

  for (guint i = 0; i < 3; i++)
    g_assert_true (net_admission_message (admission, &listener, &a, start));
  g_assert_false (net_admission_message (admission, &listener, &a, start));
  g_assert_true (net_admission_message (admission, &listener, &b, start));
  g_assert_false (
      net_admission_message (admission, &listener, &a, start + 19 * G_TIME_SPAN_SECOND));
  g_assert_true (net_admission_message (admission, &listener, &a, start + 20 * G_TIME_SPAN_SECOND));
  g_assert_false (
      net_admission_message (admission, &listener, &a, start + 20 * G_TIME_SPAN_SECOND));
}

static void
test_table_is_bounded (void)
{
  g_autoptr (NetAdmission) admission = net_admission_new ();
  ConfigListener listener = { .messages_per_minute = 1 };

  for (guint i = 0; i < NET_ADMISSION_MAX_CLIENTS + 1; i++)
    {
      BaseEndpoint client = { .length = sizeof (struct sockaddr_in) };
      client.address.in.sin_family = AF_INET;
      client.address.in.sin_addr.s_addr = g_htonl (0x0a000000 + i);
      g_assert_true (net_admission_message (admission, &listener, &client, 1));
      g_assert_cmpuint (net_admission_clients (admission), <=, NET_ADMISSION_MAX_CLIENTS);
    }
}

static void
test_log (void)
{
  gint pipe_fds[2];
  g_autofree gchar *bytes = g_malloc0 (1 << 20);
  NetLogWriter *writer;
  gsize got = 0;
  gssize part;

  g_assert_cmpint (pipe2 (pipe_fds, O_CLOEXEC), ==, 0);
  writer = net_log_writer_new (pipe_fds[1], 100);
  /* One line is too much for the writer, whatever the thread does meanwhile; the others fit. */
  memset (bytes, 'x', 101);
  bytes[100] = '\n';
  net_log_writer_sink (bytes, 101, writer);
  g_assert_cmpuint (net_log_writer_dropped (writer), ==, 1);
  net_log_writer_sink ("one\n", 4, writer);
  net_log_writer_sink ("two\n", 4, writer);
  net_log_writer_free (writer);
  close (pipe_fds[1]);
  memset (bytes, 0, 200);
  while ((part = read (pipe_fds[0], bytes + got, 1000)) > 0)
    got += (gsize) part;
  close (pipe_fds[0]);
  g_assert_cmpstr (bytes, ==, "one\ntwo\n");
}

/* Nobody reads: whoever logs goes on, and what does not fit is counted. */
static void
test_log_is_stuck (void)
{
  gint pipe_fds[2];
  g_autofree gchar *line = g_strnfill (4096, 'x');
  g_autofree gchar *drain = g_malloc (65536);
  NetLogWriter *writer;
  const guint lines = 200;

  g_assert_cmpint (pipe2 (pipe_fds, O_CLOEXEC), ==, 0);
  writer = net_log_writer_new (pipe_fds[1], 64 * 1024);
  for (guint i = 0; i < lines; i++)
    net_log_writer_sink (line, 4096, writer);
  g_assert_cmpuint (net_log_writer_dropped (writer), >, 0);
  g_assert_cmpuint (net_log_writer_dropped (writer), <, lines);
  fcntl (pipe_fds[0], F_SETFL, O_NONBLOCK);
  for (guint i = 0; i < 100; i++)
    {
      while (read (pipe_fds[0], drain, 65536) > 0)
        ;
      g_usleep (1000);
    }
  net_log_writer_free (writer);
  close (pipe_fds[0]);
  close (pipe_fds[1]);
}

static guint named;

static void
on_name (NetNameWait *wait, const gchar *name)
{
  named++;
}

static void
test_names (void)
{
  NetLoop *loop = net_loop_new (0);
  NetNames *names = net_names_new (loop);
  BaseEndpoint local = endpoint ("127.0.0.1:25"), unix_socket = endpoint ("/run/socket");
  NetNameWait waits[3] = { 0 };
  NetNameLookup *lookup;
  const gchar *name;

  named = 0;
  g_assert_true (net_names_find (names, &unix_socket, &name, &lookup));
  g_assert_null (name);
  for (guint i = 0; i < 3; i++)
    {
      g_assert_false (net_names_find (names, &local, &name, &lookup));
      net_names_wait (lookup, &waits[i], on_name);
    }
  net_names_cancel (&waits[1]);
  for (guint i = 0; i < 2000 && named < 2; i++)
    {
      net_loop_turn (loop, FALSE);
      g_usleep (5000);
    }
  g_assert_cmpuint (named, ==, 2);
  g_assert_true (net_names_find (names, &local, &name, &lookup));
  g_assert_cmpuint (net_names_lookups (names), ==, 1);
  net_names_close (names);
  net_loop_stop (loop);
  net_loop_run (loop);
  net_loop_free (loop);
}

static void
test_hosts (void)
{
  static const gchar text[]
      = "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"out\"] }\n"
        "route \"out\" { to = [\"smtp://127.0.0.1:1\", \"smtp://127.0.0.1:2\"] connections = 1 }\n";
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (Config) config = NULL;
  g_autoptr (NetHosts) hosts = NULL;
  SmtpCapabilities both, one = { SMTP_CAP_SIZE | SMTP_CAP_DSN, 100 }, other = { SMTP_CAP_SIZE, 50 };
  ConfigListener *listener;
  NetHost *first, *second;

  config_sources_add (sources, "t.conf", text);
  config = config_load (sources, "t.conf", errors);
  g_assert_nonnull (config);
  hosts = net_hosts_new (config, sources, NULL);
  listener = g_ptr_array_index (config->listeners, 0);
  first = net_hosts_find (hosts, listener->routes[0], 0);
  second = net_hosts_find (hosts, listener->routes[0], 1);
  g_assert_false (net_hosts_capabilities (hosts, listener, &both));
  g_assert_true (net_host_failed (first, 10));
  g_assert_true (net_host_is_avoided (first, 10 + NET_HOST_AVOIDED - 1));
  g_assert_false (net_host_is_avoided (first, 10 + NET_HOST_AVOIDED));
  g_assert_true (net_host_failed (second, 10));
  /* None could be asked: what senders give up without is offered, since recipients hear 451. */
  g_assert_true (net_hosts_capabilities (hosts, listener, &both));
  g_assert_cmpuint (both.flags, ==, SMTP_CAP_8BITMIME | SMTP_CAP_SMTPUTF8);
  /* One could: the other is left out. */
  net_host_answered (first, one, 20);
  g_assert_true (net_hosts_capabilities (hosts, listener, &both));
  g_assert_cmpuint (both.flags, ==, SMTP_CAP_SIZE | SMTP_CAP_DSN);
  net_host_answered (second, other, 20);
  g_assert_true (net_hosts_capabilities (hosts, listener, &both));
  g_assert_cmpuint (both.flags, ==, SMTP_CAP_SIZE);
  g_assert_cmpuint (both.size, ==, 50);
  /* What was learnt is remembered through a failure. */
  net_host_failed (second, 30);
  g_assert_true (net_hosts_capabilities (hosts, listener, &both));
  g_assert_cmpuint (both.flags, ==, SMTP_CAP_SIZE);
  g_assert_true (net_host_take_slot (first));
  g_assert_false (net_host_take_slot (first));
  net_host_free_slot (first);
  g_assert_true (net_host_take_slot (first));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/net/admission/connections", test_connections);
  g_test_add_func ("/net/admission/moved", test_moved);
  g_test_add_func ("/net/admission/who-is-a-client", test_who_is_a_client);
  g_test_add_func ("/net/admission/messages", test_messages);
  g_test_add_func ("/net/admission/bounded", test_table_is_bounded);
  g_test_add_func ("/net/log/dropped", test_log);
  g_test_add_func ("/net/log/stuck", test_log_is_stuck);
  g_test_add_func ("/net/names/cache", test_names);
  g_test_add_func ("/net/hosts/memory", test_hosts);
  return g_test_run ();
}
