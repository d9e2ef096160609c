/* What most tests of sessions say and hear. See harness.h. */
#include "harness.h"

#include <string.h>

#define FILTERED                                                                                   \
  "hostname = \"mx.test\"\ndeadline = 60s\nquarantine = \"/nowhere\"\n"                            \
  "listener \"in\" { bind = [\"127.0.0.1:2525\"] routes = [\"up\"] filters = [\"one\", \"two\"] "  \
  "}\n"                                                                                            \
  "route \"up\" { to = [\"smtp://127.0.0.1:25\"] reply = 30s final-reply = 10m }\n"                \
  "filter \"one\" { module = \"x\" timeout = 10s }\n"                                              \
  "filter \"two\" { module = \"x\" timeout = 10s on-failure = \"pass\" }\n"

Harness *
harness_plain (void)
{
  Harness *harness = harness_new (HARNESS_CONFIG, NULL, 0, 0);
  harness_greet (harness);
  return harness;
}

Harness *
harness_filtered (guint32 one, guint32 two, HarnessFilter filter)
{
  const guint32 hooks[] = { one, two };
  Harness *harness
      = harness_new (FILTERED, hooks, 2, IPC_EDIT_HEADERS | IPC_EDIT_SENDER | IPC_EDIT_RECIPIENTS);
  harness->filter = filter;
  harness_greet (harness);
  return harness;
}

void
harness_assert_heard (Harness *harness, const gchar *expected)
{
  g_autofree gchar *heard = harness_heard (harness);
  g_assert_cmpstr (heard, ==, expected);
}

void
harness_assert_code (Harness *harness, const gchar *code)
{
  g_autofree gchar *heard = harness_heard (harness);
  if (!g_str_has_prefix (heard, code) || strchr (heard, '\n') != heard + strlen (heard) - 1)
    g_error ("expected one reply %s, heard: %s", code, heard);
}

const gchar *
harness_behind_received (const Harness *harness)
{
  const gchar *date = strstr (harness->message->str, "+0000\r\n");
  g_assert_true (
      g_str_has_prefix (harness->message->str, "Received: from client.test (client.test"));
  g_assert_nonnull (date);
  return date + strlen ("+0000\r\n");
}
