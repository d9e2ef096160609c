/* XCLIENT and XFORWARD from a client: who is believed, what is forgotten, what hooks, rights, the
 * trace field, the log and the upstream see then. */
#include "harness.h"

#include <string.h>

#include "base/log.h"

#define CONFIG(listener, route)                                                                    \
  "hostname = \"mx.test\"\nlog-level = \"debug\"\n"                                                \
  "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"up\"] relay-from = "                  \
  "[\"10.0.0.0/8\"]\n"                                                                             \
  " xclient-from = [\"127.0.0.0/8\"] xforward-from = [\"127.0.0.0/8\"] " listener " }\n"           \
  "route \"up\" { to = [\"smtp://127.0.0.1:25\"] " route " }\n"
#define FILTERED                                                                                   \
  CONFIG ("filters = [\"one\"]", "for = \"up.test\"")                                              \
  "filter \"one\" { module = \"x\" timeout = 10s }\n"
#define XCLIENT "XCLIENT NAME=c.test ADDR=10.1.2.3 PORT=7\n"
#define EHLO "EHLO again.test\n"

static GString *logged;

static void
keep_line (const gchar *line, gsize length, gpointer data)
{
  g_string_append_len (logged, line, (gssize) length);
}

static Harness *
greeted (const gchar *config)
{
  Harness *h = harness_new (config, NULL, 0, 0);
  g_string_truncate (logged, 0);
  harness_greet (h);
  return h;
}

static void
assert_hears (Harness *h, const gchar *said, const gchar *expected)
{
  harness_say (h, said);
  g_autofree gchar *heard = harness_heard (h);
  if (!g_str_has_prefix (heard, expected))
    g_error ("%s heard %s and not %s", said, heard, expected);
}

static gchar *
offers_for (const gchar *client, GatewayClientKind kind)
{
  g_autoptr (Harness) h = harness_new_for (CONFIG ("", ""), NULL, 0, client, kind);
  g_free (harness_heard (h));
  harness_say (h, "EHLO client.test\n");
  return harness_heard (h);
}

static void
test_offered (void)
{
  g_autofree gchar *listed = offers_for ("127.0.0.9:1", GATEWAY_CLIENT_ITSELF);
  g_autofree gchar *local = offers_for ("127.0.0.9:1", GATEWAY_CLIENT_PROXY);
  g_autofree gchar *hidden = offers_for ("127.0.0.9:1", GATEWAY_CLIENT_HIDDEN);
  g_autofree gchar *stranger = offers_for ("10.0.0.9:1", GATEWAY_CLIENT_ITSELF);
  g_assert_nonnull (strstr (listed, "XCLIENT NAME ADDR"));
  g_assert_nonnull (strstr (listed, "XFORWARD NAME ADDR"));
  g_assert_nonnull (strstr (local, "XCLIENT NAME ADDR"));
  g_assert_null (strstr (hidden, "XCLIENT"));
  g_assert_null (strstr (stranger, "XCLIENT"));
  g_assert_null (strstr (stranger, "XFORWARD"));
}

static void
test_stranger (void)
{
  g_autoptr (Harness) h
      = harness_new_for (CONFIG ("", ""), NULL, 0, "192.0.2.1:1", GATEWAY_CLIENT_ITSELF);
  harness_greet (h);
  assert_hears (h, XCLIENT, "550 5.7.0");
  assert_hears (h, "XFORWARD NAME=x\n", "550 5.7.0");
  assert_hears (h, SAY_MAIL, "250");
  assert_hears (h, SAY_RCPT, "554 5.7.1");
}

/* A network that was in relay-from is not any more, and the other way round. */
static void
test_rights (void)
{
  g_autoptr (Harness) h = greeted (CONFIG ("", ""));
  assert_hears (h, SAY_MAIL, "250");
  assert_hears (h, SAY_RCPT, "554 5.7.1");
  assert_hears (h, "RSET\n", "250");
  assert_hears (h, XCLIENT, "220 mx.test ESMTP Mailweir\n");
  assert_hears (h, SAY_MAIL, "503");
  assert_hears (h, EHLO, "250-mx.test Hello c.test [10.1.2.3]\n");
  assert_hears (h, SAY_MAIL, "250");
  assert_hears (h, SAY_RCPT, "250");
  assert_hears (h, "RSET\n", "250");
  /* The right to say who the client is stays the peer's. */
  assert_hears (h, "XCLIENT ADDR=IPV6:2001:db8::1\n", "220");
  assert_hears (h, EHLO, "250-mx.test Hello unknown [2001:db8::1]\n");
  assert_hears (h, SAY_MAIL, "250");
  assert_hears (h, SAY_RCPT, "554 5.7.1");
}

static void
test_unavailable (void)
{
  g_autoptr (Harness) h = greeted (CONFIG ("", ""));
  assert_hears (h, XCLIENT, "220");
  assert_hears (h, EHLO, "250");
  assert_hears (h, "XCLIENT NAME=[TEMPUNAVAIL] ADDR=[UNAVAILABLE] LOGIN=[UNAVAILABLE]\n", "220");
  g_assert_cmpuint (h->client.length, ==, 0);
  assert_hears (h, EHLO, "250-mx.test Hello unknown [unknown]\n");
  assert_hears (h, SAY_MAIL, "250");
  assert_hears (h, SAY_RCPT, "554 5.7.1");
}

static void
test_endpoints (void)
{
  static const struct
  {
    const gchar *said, *client, *server;
  } cases[] = {
    { "ADDR=10.1.2.3", "10.1.2.3:0", "127.0.0.1:2525" },
    { "ADDR=10.1.2.3 PORT=7 DESTADDR=192.0.2.9 DESTPORT=25", "10.1.2.3:7", "192.0.2.9:25" },
    { "PORT=9", "127.0.0.1:9", "127.0.0.1:2525" },
    { "PORT=[UNAVAILABLE]", "127.0.0.1:0", "127.0.0.1:2525" },
    { "NAME=x", "127.0.0.1:40000", "127.0.0.1:2525" },
    { "ADDR=2001:db8::1 DESTADDR=ipv6:::1", "[2001:db8::1]:0", "[::1]:0" },
    { "DESTADDR=[UNAVAILABLE]", "127.0.0.1:40000", "unknown" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (Harness) h = greeted (CONFIG ("", ""));
      g_autofree gchar *line = g_strdup_printf ("XCLIENT %s\n", cases[i].said);
      assert_hears (h, line, "220");
      g_autofree gchar *client = base_endpoint_to_string (&h->client);
      g_autofree gchar *server = base_endpoint_to_string (&h->server);
      g_assert_cmpstr (client, ==, cases[i].client);
      g_assert_cmpstr (server, ==, cases[i].server);
    }
}

static void
test_seen (void)
{
  g_autoptr (Harness) h = greeted (CONFIG ("", ""));
  assert_hears (h, "XCLIENT NAME=c.test ADDR=10.1.2.3 PORT=7 HELO=told.test PROTO=ESMTP LOGIN=me\n",
                "220");
  assert_hears (h, EHLO, "250");
  assert_hears (h, SAY_MAIL, "250");
  assert_hears (h, SAY_RCPT "DATA\n" SAY_BODY, "250");
  g_assert_true (g_str_has_prefix (h->message->str, "Received: from again.test (c.test "
                                                    "[10.1.2.3])\r\n\tby mx.test (Mailweir) with "
                                                    "ESMTPA id "));
  g_assert_nonnull (strstr (logged->str, "client=c.test[10.1.2.3] helo=again.test"));
  g_assert_nonnull (strstr (logged->str, "user=me"));
}

/* Who is known by LOGIN may send to anyone, by the usual routes. */
static void
test_login (void)
{
  g_autoptr (Harness) h = greeted (CONFIG ("auth = \"always\"", ""));
  h->mechanisms = "PLAIN";
  assert_hears (h, "XCLIENT ADDR=192.0.2.1 LOGIN=me\n", "220");
  harness_say (h, EHLO);
  g_autofree gchar *offers = harness_heard (h);
  g_assert_null (strstr (offers, "AUTH"));
  assert_hears (h, SAY_MAIL, "250");
  assert_hears (h, SAY_RCPT "DATA\n" SAY_BODY, "250");
  g_assert_cmpuint (h->given_back, ==, 1);
  assert_hears (h, "XCLIENT ADDR=192.0.2.1\n", "220");
  harness_say (h, EHLO);
  g_autofree gchar *again = harness_heard (h);
  g_assert_nonnull (strstr (again, "AUTH PLAIN"));
  assert_hears (h, SAY_MAIL, "250");
  assert_hears (h, SAY_RCPT, "554 5.7.1");
}

static void
test_crowded (void)
{
  g_autoptr (Harness) h = greeted (CONFIG ("", ""));
  h->crowded = TRUE;
  assert_hears (h, XCLIENT, "421 4.7.0");
  g_assert_nonnull (strstr (logged->str, "command=XCLIENT dsn=4.7.0"));
  g_assert_true (gateway_session_is_over (h->session));
}

/* ---- Hooks ---- */

static guint connects;
static gchar refused[64]; /* "name:port" of the last one */

/* Keeps a number in its state; refuses whoever is 10.1.2.3. */
static gboolean
look (Harness *h, const IpcRequest *request, guint filter, IpcRecord *record)
{
  connects++;
  g_assert_cmpint (request->hook, ==, IPC_HOOK_CONNECT);
  const IpcFilterState *state = &g_array_index (request->filters, IpcFilterState, filter);
  g_assert_true (state->state == NULL || g_bytes_get_size (state->state) == 0
                 || *(const guint8 *) g_bytes_get_data (state->state, NULL) == 0);
  record->state = g_bytes_new ("\1\1\1\1", 4);
  if (!g_str_equal (request->session.client_address, "10.1.2.3"))
    return TRUE;
  g_snprintf (refused, sizeof refused, "%s:%u", request->session.client_name,
              request->session.client_port);
  record->verdict = IPC_VERDICT_REPLY;
  record->reply = base_reply_new (554, 5, 7, 1, "not you");
  return TRUE;
}

static void
test_hooks (void)
{
  const guint32 hooks[] = { IPC_HOOK_BIT (IPC_HOOK_CONNECT) };
  g_autoptr (Harness) h
      = harness_new_for (FILTERED, hooks, 1, "127.0.0.1:1", GATEWAY_CLIENT_ITSELF);
  connects = 0;
  h->filter = look;
  harness_move (h);
  harness_greet (h);
  g_assert_cmpuint (connects, ==, 1);
  assert_hears (h, "XCLIENT ADDR=10.1.2.4\n", "220");
  g_assert_cmpuint (connects, ==, 2);
  assert_hears (h, EHLO, "250");
  assert_hears (h, XCLIENT "MAIL FROM:<a@b>\n", "554 5.7.1 not you\n");
  g_assert_cmpuint (connects, ==, 3);
  g_assert_cmpstr (refused, ==, "c.test:7");
  g_assert_true (gateway_session_is_over (h->session));
  g_assert_nonnull (strstr (logged->str, "command=XCLIENT"));
}

/* A health check that a hook refuses is nothing to log; any other client is. */
static void
test_check_is_quiet (gconstpointer data)
{
  GatewayClientKind kind = GPOINTER_TO_INT (data);
  const guint32 hooks[] = { IPC_HOOK_BIT (IPC_HOOK_CONNECT) };
  g_string_truncate (logged, 0);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_INFO);
  g_autoptr (Harness) h = harness_new_for (FILTERED, hooks, 1, "10.1.2.3:7", kind);
  h->filter = look;
  harness_move (h);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_DEBUG);
  g_assert_cmpint (strstr (logged->str, "reject") == NULL, ==, kind == GATEWAY_CLIENT_PROXY);
}

/* It closes while the connect hooks run: the worker that has begun may finish, a request that waits
 * for one is taken back. */
static void
test_check_costs_no_worker (gconstpointer begun)
{
  const guint32 hooks[] = { IPC_HOOK_BIT (IPC_HOOK_CONNECT) };
  g_autoptr (Harness) h
      = harness_new_for (FILTERED, hooks, 1, "127.0.0.1:1", GATEWAY_CLIENT_ITSELF);
  g_assert_nonnull (h->request);
  h->begun = begun != NULL; /* as far as is known: nobody was told yet */
  gateway_session_client_gone (h->session);
  g_assert_cmpuint (h->cancelled, ==, begun != NULL ? 0 : 1);
  g_assert_cmpint (gateway_session_is_over (h->session), ==, begun == NULL);
  if (begun == NULL)
    return;
  connects = 0;
  h->filter = look;
  harness_move (h);
  g_assert_cmpuint (connects, ==, 1);
  g_assert_true (gateway_session_is_over (h->session));
}

/* The worker ends before it begins: the filter's time does not run while the request waits. */
static void
test_worker_lost (void)
{
  const guint32 hooks[] = { IPC_HOOK_BIT (IPC_HOOK_CONNECT) };
  g_autoptr (Harness) h
      = harness_new_for (FILTERED, hooks, 1, "127.0.0.1:1", GATEWAY_CLIENT_ITSELF);
  gateway_session_worker_started (h->session);
  gint64 until = gateway_session_timeout (h->session);
  g_assert_cmpint (until, >, 0);
  gateway_session_worker_lost (h->session);
  h->now = until + 1;
  gateway_session_timer (h->session);
  g_assert_cmpuint (h->cancelled, ==, 0);
  g_assert_nonnull (h->request);
}

/* A hidden client has no rights from the proxy's address. */
static void
test_hidden (gconstpointer data)
{
  GatewayClientKind kind = GPOINTER_TO_INT (data);
  g_autoptr (Harness) h = harness_new_for (CONFIG ("", ""), NULL, 0, "10.1.2.3:7", kind);
  harness_greet (h);
  assert_hears (h, SAY_MAIL, "250");
  assert_hears (h, SAY_RCPT, kind == GATEWAY_CLIENT_HIDDEN ? "554 5.7.1" : "250");
}

/* ---- STARTTLS ---- */

#define TLS "tls { certificate = \"/nowhere.pem\" }\n" CONFIG ("tls = \"starttls\"", "")

static void
test_starttls_comes_first (void)
{
  g_autoptr (Harness) h = greeted (TLS);
  assert_hears (h, XCLIENT, "220");
  harness_say (h, EHLO);
  g_autofree gchar *offers = harness_heard (h);
  g_assert_null (strstr (offers, "STARTTLS"));
  assert_hears (h, "STARTTLS\n", "50");
  assert_hears (h, SAY_MAIL, "250");
}

/* ---- XFORWARD ---- */

#define FORWARDING CONFIG ("relay = \"any\"", "xforward = true")
#define SAY_MESSAGE SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY

static Harness *
forwarding (void)
{
  Harness *h = greeted (FORWARDING);
  h->capabilities.flags |= SMTP_CAP_XFORWARD;
  return h;
}

static void
test_forwarded (void)
{
  g_autoptr (Harness) h = forwarding ();
  assert_hears (h, "XFORWARD NAME=o.test ADDR=198.51.100.7 PORT=99\n", "250");
  assert_hears (h, "XFORWARD PROTO=SMTP HELO=o+2B IDENT=ABC SOURCE=LOCAL\n", "250");
  assert_hears (h, SAY_MESSAGE, "250");
  g_assert_true (g_str_has_prefix (
      h->commands->str, "XFORWARD NAME=o.test ADDR=198.51.100.7 PORT=99 PROTO=SMTP HELO=o+ "
                        "IDENT=ABC SOURCE=LOCAL\nMAIL "));
  g_assert_nonnull (strstr (logged->str, "orig_client=o.test[198.51.100.7] orig_helo=o+ "
                                         "orig_proto=SMTP orig_queue_id=ABC"));
  g_assert_nonnull (strstr (logged->str, "client=client.test[127.0.0.1]"));
  g_assert_nonnull (strstr (h->message->str, "(client.test [127.0.0.1])"));
}

/* What was said belongs to one transaction. */
static void
test_forgotten (gconstpointer between)
{
  g_autoptr (Harness) h = forwarding ();
  assert_hears (h, "XFORWARD NAME=o.test\n", "250");
  harness_say (h, between);
  g_free (harness_heard (h));
  g_string_truncate (h->commands, 0);
  g_string_truncate (logged, 0);
  assert_hears (h, SAY_MESSAGE, "250");
  g_assert_true (g_str_has_prefix (h->commands->str, "XFORWARD NAME=client.test ADDR=127.0.0.1 "));
  g_assert_null (strstr (logged->str, "orig_client"));
}

/* What a peer leaves out is not known, and none of our own idea of it. */
static void
test_partly_forwarded (void)
{
  g_autoptr (Harness) h = forwarding ();
  assert_hears (h, "XFORWARD NAME=[UNAVAILABLE] HELO=o.test\n", "250");
  assert_hears (h, SAY_MESSAGE, "250");
  g_assert_true (g_str_has_prefix (h->commands->str,
                                   "XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] "
                                   "PORT=[UNAVAILABLE] PROTO=[UNAVAILABLE] HELO=o.test"));
}

/* It decides nothing. */
static void
test_forward_gives_no_right (void)
{
  g_autoptr (Harness) h = greeted (CONFIG ("", ""));
  assert_hears (h, "XFORWARD ADDR=10.1.2.3 NAME=in.test\n", "250");
  assert_hears (h, SAY_MAIL, "250");
  assert_hears (h, SAY_RCPT, "554 5.7.1");
}

/* ---- Bad input ---- */

static void
test_bad (void)
{
  static const gchar *const lines[] = {
    "XCLIENT",     "XCLIENT ",       "XCLIENT NAME",       "XCLIENT NAME=a NAME=b",
    "XCLIENT X=1", "XCLIENT ADDR=x", "XCLIENT PORT=65536", "XFORWARD",
    "XFORWARD =",  "XFORWARD a",     "XFORWARD PORT=-1",   "XFORWARD IDENT=1 IDENT=2",
  };
  g_autoptr (Harness) h = greeted (FORWARDING);
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autofree gchar *line = g_strconcat (lines[i], "\n", NULL);
      assert_hears (h, line, "501 5.5.4");
    }
  g_autofree gchar *value = g_strnfill (256, 'a');
  g_autofree gchar *line = g_strdup_printf ("XCLIENT HELO=%s\n", value);
  assert_hears (h, line, "501 5.5.4");
  assert_hears (h, SAY_MESSAGE, "250");
  g_assert_true (strstr (h->message->str, "(client.test [127.0.0.1])") != NULL);
  assert_hears (h, SAY_MAIL, "250");
  assert_hears (h, XCLIENT, "503 5.5.1");
  assert_hears (h, "XFORWARD NAME=x\n", "503 5.5.1");
  assert_hears (h, SAY_RCPT, "250");
  assert_hears (h, XCLIENT, "503 5.5.1");
  assert_hears (h, "DATA\n", "354");
  assert_hears (h, SAY_BODY, "250");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  logged = g_string_new (NULL);
  base_log_setup ("test", BASE_LOG_TEXT, BASE_LOG_DEBUG);
  base_log_set_sink (keep_line, NULL);
  g_test_add_func ("/gateway/xclient/offered", test_offered);
  g_test_add_func ("/gateway/xclient/stranger", test_stranger);
  g_test_add_func ("/gateway/xclient/rights", test_rights);
  g_test_add_func ("/gateway/xclient/unavailable", test_unavailable);
  g_test_add_func ("/gateway/xclient/endpoints", test_endpoints);
  g_test_add_func ("/gateway/xclient/seen", test_seen);
  g_test_add_func ("/gateway/xclient/login", test_login);
  g_test_add_func ("/gateway/xclient/crowded", test_crowded);
  g_test_add_func ("/gateway/xclient/hooks", test_hooks);
  g_test_add_func ("/gateway/xclient/starttls", test_starttls_comes_first);
  g_test_add_data_func ("/gateway/check/quiet", GINT_TO_POINTER (GATEWAY_CLIENT_PROXY),
                        test_check_is_quiet);
  g_test_add_data_func ("/gateway/check/client", GINT_TO_POINTER (GATEWAY_CLIENT_ITSELF),
                        test_check_is_quiet);
  g_test_add_data_func ("/gateway/check/begun", "", test_check_costs_no_worker);
  g_test_add_data_func ("/gateway/check/waiting", NULL, test_check_costs_no_worker);
  g_test_add_func ("/gateway/check/worker-lost", test_worker_lost);
  g_test_add_data_func ("/gateway/hidden/relay", GINT_TO_POINTER (GATEWAY_CLIENT_HIDDEN),
                        test_hidden);
  g_test_add_data_func ("/gateway/hidden/not", GINT_TO_POINTER (GATEWAY_CLIENT_PROXY), test_hidden);
  g_test_add_func ("/gateway/forwarded/passed-on", test_forwarded);
  g_test_add_func ("/gateway/forwarded/partly", test_partly_forwarded);
  g_test_add_func ("/gateway/forwarded/no-right", test_forward_gives_no_right);
  g_test_add_data_func ("/gateway/forwarded/for-one", SAY_MESSAGE, test_forgotten);
  g_test_add_data_func ("/gateway/forwarded/rset", "RSET\n", test_forgotten);
  g_test_add_data_func ("/gateway/forwarded/ehlo", "EHLO client.test\n", test_forgotten);
  g_test_add_data_func ("/gateway/forwarded/aborted", SAY_MAIL SAY_RCPT "RSET\n", test_forgotten);
  g_test_add_func ("/gateway/identity/bad", test_bad);
  gint result = g_test_run ();
  base_log_set_sink (NULL, NULL);
  g_string_free (logged, TRUE);
  return result;
}
