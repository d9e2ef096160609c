/* An upstream that refuses, closes and stalls at each step, that is not there, or that can do less
 * than we: the client hears a true answer, in time. Fails when it hears another one, or when a
 * message goes where it should not. */
#include "kit.h"

#include <signal.h>
#include <string.h>

#define ALL "PIPELINING\n8BITMIME\nSIZE 5000000\nDSN\nSMTPUTF8\nENHANCEDSTATUSCODES"
#define HURRY "connect = 1s reply = 1s final-reply = 1s"

typedef struct
{
  guint port;
  KitServer *server;
  KitProcess *mailweir;
} Flow;

static void
flow_start (Flow *flow, const gchar *offers, const KitStep *steps, const gchar *route)
{
  guint upstream = kit_port ();
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  flow->server = kit_server (upstream, offers, steps);
  flow->port = kit_port ();
  flow->mailweir = kit_gateway (flow->port, to, NULL, route, NULL);
}

static void
flow_stop (Flow *flow)
{
  kit_gateway_stop (flow->mailweir);
  kit_server_stop (flow->server);
}

/* ---- Each step ---- */

typedef struct
{
  const gchar *name;
  KitStep step;
  const gchar *heard; /* how the last answer to the client begins */
  gboolean whole;     /* ... and that is all of it */
} Case;

static const Case cases[] = {
  { "connect-refused", { "CONNECT", KIT_ANSWER, "554 5.7.1 not you\n" }, "451 4.", FALSE },
  { "connect-closed", { "CONNECT", KIT_CLOSE, "" }, "451 4.", FALSE },
  { "connect-busy", { "CONNECT", KIT_CLOSE, "421 4.3.2 busy\n" }, "451 4.", FALSE },
  { "connect-stalled", { "CONNECT", KIT_STALL, "" }, "451 4.", FALSE },
  { "ehlo-closed", { "EHLO", KIT_CLOSE, "" }, "451 4.", FALSE },
  { "ehlo-stalled", { "EHLO", KIT_STALL, "250-half of it\n" }, "451 4.", FALSE },
  { "mail-refused", { "MAIL", KIT_ANSWER, "550 5.1.8 no such\n" }, "550 5.1.8 no such\n", TRUE },
  { "mail-deferred", { "MAIL", KIT_ANSWER, "452 4.3.1 full\n" }, "452 4.3.1 full\n", TRUE },
  { "mail-closed", { "MAIL", KIT_CLOSE, "" }, "451 4.", FALSE },
  { "mail-stalled", { "MAIL", KIT_STALL, "" }, "451 4.", FALSE },
  { "rcpt-refused",
    { "RCPT", KIT_ANSWER, "550-5.1.1 nobody\n550-5.1.1  lives\n550 5.1.1 here\n" },
    "550-5.1.1 nobody\n550-5.1.1  lives\n550 5.1.1 here\n",
    TRUE },
  { "rcpt-no-enhanced-code", { "RCPT", KIT_ANSWER, "450 greylisted\n" }, "450 ", FALSE },
  { "rcpt-closed", { "RCPT", KIT_CLOSE, "" }, "451 4.", FALSE },
  { "rcpt-421", { "RCPT", KIT_CLOSE, "421 4.3.2 going down\n" }, "451 4.", FALSE },
  { "rcpt-stalled", { "RCPT", KIT_STALL, "" }, "451 4.", FALSE },
  { "rcpt-nonsense", { "RCPT", KIT_ANSWER, "hello there\n" }, "451 4.", FALSE },
  { "data-refused", { "DATA", KIT_ANSWER, "554 5.5.1 no data\n" }, "554 5.5.1 no data\n", TRUE },
  { "data-closed", { "DATA", KIT_CLOSE, "" }, "451 4.", FALSE },
  { "data-2xx", { "DATA", KIT_ANSWER, "250 2.0.0 have it\n" }, "451 4.", FALSE },
  { "data-stalled", { "DATA", KIT_STALL, "" }, "451 4.", FALSE },
  { "in-data-closed", { "DATA", KIT_CLOSE, "354 go\n" }, "451 4.", FALSE },
  { "dot-refused",
    { ".", KIT_ANSWER, "550-5.7.1 spam\n550 5.7.1 and more\n" },
    "550-5.7.1 spam\n550 5.7.1 and more\n",
    TRUE },
  { "dot-deferred", { ".", KIT_ANSWER, "451 4.7.1 later\n" }, "451 4.7.1 later\n", TRUE },
  { "dot-421", { ".", KIT_CLOSE, "421 4.3.2 going down\n" }, "451 4.3.2 going down\n", TRUE },
  { "dot-closed", { ".", KIT_CLOSE, "" }, "451 4.", FALSE },
  { "dot-reset", { ".", KIT_RESET, "" }, "451 4.", FALSE },
  { "dot-stalled", { ".", KIT_STALL, "" }, "451 4.", FALSE },
  { "dot-accepted", { ".", KIT_ANSWER, "250 2.6.0 kept as 17\n" }, "250 2.6.0 kept as 17\n", TRUE },
};

static void
test_case (gconstpointer data)
{
  const Case *one = data;
  const KitStep steps[] = { one->step, { NULL } };
  Flow flow;
  flow_start (&flow, ALL, steps, HURRY);
  g_autofree gchar *reply = kit_deliver (flow.port, "b@up.test", "Subject: x\n\ntext\n");
  if (one->whole)
    g_assert_cmpstr (reply, ==, one->heard);
  else if (!g_str_has_prefix (reply, one->heard))
    g_error ("expected %s, heard: %s", one->heard, reply);
  flow_stop (&flow);
  g_autofree gchar *log = kit_log (flow.mailweir);
  gboolean ambiguous
      = one->step.command[0] == '.' && (one->step.action != KIT_ANSWER && *one->step.reply == '\0');
  /* Behind a 354 our dot may have gone before we saw the end. */
  if (!g_str_has_prefix (one->step.reply, "354"))
    g_assert_cmpint (strstr (log, "ambiguous=yes") != NULL, ==, ambiguous);
}

static void
add_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree gchar *path = g_strconcat ("/e2e/upstream/", cases[i].name, NULL);
      g_test_add_data_func (path, &cases[i], test_case);
    }
}

static void
test_one_of_two_recipients (void)
{
  static const KitStep steps[]
      = { { "RCPT TO:<bad@", KIT_ANSWER, "550 5.1.1 unknown here\n" }, { NULL } };
  Flow flow;
  flow_start (&flow, ALL, steps, NULL);
  KitClient *client = kit_connect (flow.port);
  g_free (kit_greet (client));
  kit_say (client, "MAIL FROM:<a@client.test>\nRCPT TO:<b@up.test>\nRCPT TO:<bad@up.test>\nDATA\n");
  kit_expect (client, "250");
  kit_expect (client, "250 2.1.5 Recipient ok\n");
  kit_expect (client, "550 5.1.1 unknown here\n");
  kit_expect (client, "354");
  kit_command (client, "Subject: x\n\ntext\n.", "250 2.0.0 Recorded\n");
  kit_close (client);
  g_autoptr (GPtrArray) messages = kit_server_messages (flow.server);
  g_assert_cmpuint (messages->len, ==, 1);
  flow_stop (&flow);
}

/* ---- Several hosts ---- */

static void
test_fail_over (void)
{
  guint first = kit_port (), second = kit_port (), dead = kit_port (), port = kit_port ();
  KitServer *servers[] = { kit_server (first, ALL, NULL), kit_server (second, ALL, NULL) };
  g_autofree gchar *to = g_strdup_printf (
      "\"smtp://127.0.0.1:%u\", \"smtp://127.0.0.1:%u\", \"smtp://127.0.0.1:%u\"", dead, first,
      second);
  KitProcess *mailweir = kit_gateway (port, to, NULL, HURRY, NULL);
  g_autofree gchar *before = kit_deliver (port, "b@up.test", "Subject: 1\n\ntext\n");
  g_assert_true (g_str_has_prefix (before, "250"));
  guint at_first = kit_server_count (servers[0], "DATA");
  g_assert_cmpuint (at_first + kit_server_count (servers[1], "DATA"), ==, 1);
  /* The one that serves dies with a connection in the pool. */
  kit_server_stop (servers[at_first == 1 ? 0 : 1]);
  for (guint i = 0; i < 3; i++)
    {
      g_autofree gchar *after = kit_deliver (port, "b@up.test", "Subject: 2\n\ntext\n");
      g_assert_true (g_str_has_prefix (after, "250"));
    }
  KitServer *left = servers[at_first == 1 ? 1 : 0];
  g_assert_cmpuint (kit_server_count (left, "DATA"), ==, 3);
  kit_gateway_stop (mailweir);
  kit_server_stop (left);
}

/* ---- What it can ---- */

static void
test_offers (void)
{
  static const gchar *const keywords[] = { "SIZE", "8BITMIME", "DSN", "SMTPUTF8" };
  for (guint mask = 0; mask < 16; mask++)
    {
      g_autoptr (GString) offers = g_string_new ("PIPELINING");
      Flow flow;
      for (guint i = 0; i < 4; i++)
        if (mask >> i & 1)
          g_string_append_printf (offers, "\n%s", keywords[i]);
      flow_start (&flow, offers->str, NULL, NULL);
      KitClient *client = kit_connect (flow.port);
      g_autofree gchar *reply = kit_greet (client);
      for (guint i = 0; i < 4; i++)
        if ((strstr (reply, keywords[i]) != NULL) != (mask >> i & 1) && i > 0)
          g_error ("upstream offers %s; the client hears %s", offers->str, reply);
      g_assert_nonnull (strstr (reply, "PIPELINING"));
      if ((mask & 4) == 0)
        kit_command (client, "MAIL FROM:<a@client.test> RET=HDRS", "555 5.5.4");
      kit_close (client);
      flow_stop (&flow);
    }
}

static void
test_parameters (void)
{
  Flow flow;
  flow_start (&flow, ALL, NULL, NULL);
  KitClient *client = kit_connect (flow.port);
  g_free (kit_greet (client));
  kit_command (client,
               "MAIL FROM:<\xc3\xa4@client.test> SMTPUTF8 BODY=8BITMIME RET=HDRS ENVID=QQ314159",
               "250");
  kit_command (client, "RCPT TO:<b@up.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+40example.com",
               "250");
  kit_close (client);
  g_autoptr (GPtrArray) commands = kit_server_commands (flow.server);
  const gchar *mail = NULL, *rcpt = NULL;
  for (guint i = 0; i < commands->len; i++)
    if (g_str_has_prefix (commands->pdata[i], "MAIL"))
      mail = commands->pdata[i];
    else if (g_str_has_prefix (commands->pdata[i], "RCPT"))
      rcpt = commands->pdata[i];
  g_assert_nonnull (mail);
  g_assert_true (g_str_has_prefix (mail, "MAIL FROM:<\xc3\xa4@client.test> "));
  g_assert_nonnull (strstr (mail, " SMTPUTF8"));
  g_assert_nonnull (strstr (mail, " BODY=8BITMIME"));
  g_assert_nonnull (strstr (mail, " RET=HDRS"));
  g_assert_nonnull (strstr (mail, " ENVID=QQ314159"));
  g_assert_cmpstr (rcpt, ==,
                   "RCPT TO:<b@up.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+40example.com");
  flow_stop (&flow);
}

/* ---- smtp-sink's own faults ---- */

static void
check_sink (const gchar *option, const gchar *value, const gchar *heard)
{
  guint upstream = kit_port (), port = kit_port ();
  const gchar *options[] = { option, value, NULL };
  g_autofree gchar *folder = kit_path ("sink-%u.d", upstream);
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", upstream);
  KitProcess *sink = kit_sink (upstream, folder, options);
  KitProcess *mailweir = kit_gateway (port, to, NULL, HURRY, NULL);
  g_autofree gchar *reply = kit_deliver (port, "b@up.test", "Subject: x\n\ntext\n");
  if (!g_str_has_prefix (reply, heard))
    g_error ("%s %s: expected %s, heard: %s", option, value, heard, reply);
  kit_gateway_stop (mailweir);
  kit_stop (sink, SIGTERM);
}

static void
test_sink (void)
{
  check_sink ("-f", "mail", "5");
  check_sink ("-r", "rcpt", "4");
  check_sink ("-f", "data", "5");
  check_sink ("-r", ".", "4");
  check_sink ("-q", "rcpt", "451 4.");
  check_sink ("-q", "data", "451 4.");
  check_sink ("-q", ".", "451 4.");
  check_sink ("-Q", "mail", "451 4.");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_cases ();
  g_test_add_func ("/e2e/upstream/one-of-two-recipients", test_one_of_two_recipients);
  g_test_add_func ("/e2e/upstream/fail-over", test_fail_over);
  g_test_add_func ("/e2e/upstream/offers", test_offers);
  g_test_add_func ("/e2e/upstream/parameters", test_parameters);
  g_test_add_func ("/e2e/upstream/sink", test_sink);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
