/* What an upstream is told about our client by XFORWARD, and that nothing hangs on its answer. */
#include "harness.h"

#include <string.h>

#define CONFIG(route)                                                                              \
  "hostname = \"mx.test\"\n"                                                                       \
  "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"up\"] }\n"                            \
  "route \"up\" { to = [\"smtp://127.0.0.1:25\"] " route " }\n"

static Harness *
forwarding (const gchar *config, guint32 offers)
{
  Harness *h = harness_new (config, NULL, 0, 0);
  h->capabilities.flags |= offers;
  harness_greet (h);
  return h;
}

static void
deliver (Harness *h, guint count)
{
  harness_say (h, SAY_MAIL SAY_RCPT "DATA\n" SAY_BODY);
  g_assert_cmpuint (h->messages, ==, count);
}

static void
test_said (void)
{
  g_autoptr (Harness) h = forwarding (CONFIG ("xforward = true"), SMTP_CAP_XFORWARD);
  deliver (h, 1);
  g_assert_true (g_str_has_prefix (h->commands->str, "XFORWARD NAME=client.test ADDR=127.0.0.1"));
  g_assert_nonnull (strstr (h->commands->str, "HELO=client.test"));
  g_assert_nonnull (strstr (h->commands->str, "\nMAIL a@client.test\n"));
  g_string_truncate (h->commands, 0);
  deliver (h, 2);
  g_assert_true (g_str_has_prefix (h->commands->str, "XFORWARD NAME="));
}

static const gchar *
refuse (Harness *harness, const gchar *event)
{
  return g_str_has_prefix (event, "XFORWARD") ? "550 5.7.0 not you" : NULL;
}

static void
test_refused (gconstpointer pipelined)
{
  g_autoptr (Harness) h = forwarding (CONFIG ("xforward = true"), SMTP_CAP_XFORWARD);
  h->decide = refuse;
  if (pipelined == NULL)
    h->capabilities.flags &= ~(guint32) SMTP_CAP_PIPELINING;
  deliver (h, 1);
  g_assert_nonnull (strstr (h->commands->str, "XFORWARD"));
  g_assert_cmpuint (h->given_back, ==, 1);
}

static void
test_not_said (gconstpointer config)
{
  gboolean wanted = strstr (config, "true") != NULL;
  g_autoptr (Harness) h = forwarding (config, wanted ? 0 : SMTP_CAP_XFORWARD);
  deliver (h, 1);
  g_assert_null (strstr (h->commands->str, "XFORWARD"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gateway/xforward/said", test_said);
  g_test_add_data_func ("/gateway/xforward/refused", NULL, test_refused);
  g_test_add_data_func ("/gateway/xforward/refused-pipelined", "", test_refused);
  g_test_add_data_func ("/gateway/xforward/not-offered", CONFIG ("xforward = true"), test_not_said);
  g_test_add_data_func ("/gateway/xforward/not-wanted", CONFIG (""), test_not_said);
  return g_test_run ();
}
