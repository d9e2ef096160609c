/* What filters speak to crashes, hangs or talks nonsense, each inside of a session of the whole
 * program: the one message is answered as `on-failure` says, the log says why, no worker dies of
 * it, and other sessions' messages go on meanwhile. Tables of rules that cost too much count as
 * hangs. */
#include "../filters/scanners/fake.h"
#include "kit-tree.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#define CONFIG                                                                                     \
  "hostname = \"mx.test\"\nworkers-min = 2\nworkers-max = 8\n"                                     \
  "listener \"in\" {\n  bind = [\"127.0.0.1:%u\"]\n  filters = [\"f\"]\n  routes = [\"up\"]\n}\n"  \
  "route \"up\" { to = [\"maildir:%s\"] }\n"                                                       \
  "filter \"f\" {\n  timeout = 2s\n  on-failure = \"%s\"\n  only-if = \"recipient b@*\"\n  "       \
  "%s\n}\n"
#define TEXT "Subject: x\n\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\n"
#define NONSENSE "HTTP/1.1 400 Bad Request\r\n\r\n"

/* `until` ends what the filter says first. */
#define CRASHES(until)                                                                             \
  {                                                                                                \
    until, sizeof until - 1, NULL, 0, FALSE                                                        \
  }
#define HANGS(until)                                                                               \
  {                                                                                                \
    until, sizeof until - 1, NULL, 0, TRUE                                                         \
  }
#define TALKS(until)                                                                               \
  {                                                                                                \
    until, sizeof until - 1, NONSENSE "\0", sizeof NONSENSE, FALSE                                 \
  }
#define OF_CLAMD "\r\n\0\0\0\0" /* the message and the last chunk */
#define OF_SPAMD "!\r\n"        /* the message */
#define OF_MILTER "\0\0\0\rO"   /* the offer */

typedef struct
{
  const gchar *name;
  const gchar *filter; /* the rest of its block; "%s" is a path */
  gboolean is_file;    /* the path is of a file with `text`, not of a socket */
  const gchar *text;
  FakeStep step;
  const gchar *reason; /* in the log */
} Case;

#define CLAMAV "module = \"clamav\" transfer = \"stream\" socket = \"%s\""
#define SPAMASSASSIN "module = \"spamassassin\" socket = \"%s\""
#define MILTER "module = \"milter\" command-timeout = 1s socket = \"unix:%s\""

static const Case cases[] = {
  { "clamav-crashes", CLAMAV, FALSE, NULL, CRASHES (OF_CLAMD), "closed the connection without" },
  { "clamav-hangs", CLAMAV, FALSE, NULL, HANGS (OF_CLAMD), "no answer in time" },
  { "clamav-talks-nonsense", CLAMAV, FALSE, NULL, TALKS (OF_CLAMD), "can not tell: HTTP/1.1 400" },
  { "spamassassin-crashes", SPAMASSASSIN, FALSE, NULL, CRASHES (OF_SPAMD), "without an answer" },
  { "spamassassin-hangs", SPAMASSASSIN, FALSE, NULL, HANGS (OF_SPAMD), "no answer in time" },
  { "spamassassin-talks-nonsense", SPAMASSASSIN, FALSE, NULL, TALKS (OF_SPAMD), "none of spamd's" },
  { "milter-crashes", MILTER, FALSE, NULL, CRASHES (OF_MILTER), "closed the connection without" },
  { "milter-hangs", MILTER, FALSE, NULL, HANGS (OF_MILTER), "no answer in time" },
  { "milter-talks-nonsense", MILTER, FALSE, NULL, TALKS (OF_MILTER), "octets, where 1 to" },
#ifdef HAVE_LUA
  { "lua-talks-nonsense",
    "module = \"lua\" script = \"%s\"",
    TRUE,
    "function end_of_message () return 42 end\n",
    { NULL },
    "end_of_message" },
#endif
#ifdef HAVE_PCRE2
  { "header_checks-costs-too-much",
    "module = \"header_checks\" match-limit = 1000 body-checks = [\"pcre:%s\"]",
    TRUE,
    "/^X: (a+)+$/ REJECT\n",
    { NULL },
    "limit" },
#endif
};

typedef struct
{
  const Case *expected;
  guint port;
  gchar *path, *folder;
  Fake *fake;
  KitProcess *mailweir;
  GPid gateway;
} Test;

static void
start (Test *test, const Case *expected, const gchar *on_failure)
{
  static guint number;
  g_autofree gchar *maildir = kit_path ("maildir-%u", ++number);
  g_auto (GStrv) pieces = g_strsplit (expected->filter, "%s", 2);

  *test = (Test){ .expected = expected, .port = kit_port () };
  test->path = kit_path ("other-%u", number);
  test->folder = g_build_filename (maildir, "new", NULL);
  if (expected->is_file)
    kit_write (test->path, expected->text);
  else
    test->fake = fake_new (test->path, &expected->step, 1);
  g_autofree gchar *filter = g_strjoin (test->path, pieces[0], pieces[1], NULL);
  g_autofree gchar *config = g_strdup_printf (CONFIG, test->port, maildir, on_failure, filter);
  test->mailweir = kit_mailweir (config);
  test->gateway = kit_tree_one (test->mailweir, KIT_GATEWAY);
}

static void
deliver (const Test *test, const gchar *to, const gchar *answer)
{
  g_autofree gchar *reply = kit_deliver (test->port, to, TEXT);

  if (!g_str_has_prefix (reply, answer))
    g_error ("%s: \"%s\" instead of \"%s\"", test->expected->name, reply, answer);
}

static void
stop (Test *test, guint arrived)
{
  g_autoptr (GPtrArray) messages = kit_messages (test->folder);

  g_assert_cmpuint (messages->len, ==, arrived);
  g_assert_cmpint (kit_tree_one (test->mailweir, KIT_GATEWAY), ==, test->gateway);
  g_assert_cmpuint (kit_log_count (test->mailweir, "worker: pid="), ==, 0);
  kit_gateway_stop (test->mailweir);
  g_clear_pointer (&test->fake, fake_free);
  g_free (test->path);
  g_free (test->folder);
}

/* Another message meanwhile: the first one has met the fault, or still waits for its end. */
static void
test_fault (gconstpointer data)
{
  Test test;
  KitClient *client = NULL;

  start (&test, data, "tempfail");
  client = kit_connect (test.port);
  g_free (kit_greet (client));
  kit_say (client, "MAIL FROM:<a@client.test>\nRCPT TO:<b@up.test>\nDATA\n");
  deliver (&test, "c@up.test", "250 ");
  deliver (&test, "b@up.test", "451 ");
  kit_wait_log (test.mailweir, test.expected->reason);
  deliver (&test, "c@up.test", "250 ");
  /* Not before all is answered: one that leaves while a filter is asked costs a worker. */
  for (guint i = 0; i < 3; i++)
    kit_expect (client, "");
  kit_close (client);
  stop (&test, 2);
}

static void
expect_on_failure (const Case *expected, const gchar *on_failure, const gchar *answer,
                   guint arrived)
{
  Test test;

  start (&test, expected, on_failure);
  deliver (&test, "b@up.test", answer);
  kit_wait_log (test.mailweir, test.expected->reason);
  stop (&test, arrived);
}

static void
test_on_failure (gconstpointer data)
{
  expect_on_failure (data, "pass", "250 ", 1);
  expect_on_failure (data, "reject", "554 ", 0);
}

static void
add (const Case *expected, const gchar *suffix, GTestDataFunc func)
{
  g_autofree gchar *path = g_strdup_printf ("/e2e/fault-connections/%s%s", expected->name, suffix);

  g_test_add_data_func (path, expected, func);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      add (&cases[i], "", test_fault);
      if (g_str_has_suffix (cases[i].name, "nonsense"))
        add (&cases[i], "-on-failure", test_on_failure);
    }
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
