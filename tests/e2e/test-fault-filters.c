/* Filters that crash, hang, eat memory, answer nonsense or end, each while 50 other sessions
 * deliver: the fault costs the one request that met it, and nobody else notices. */
#include "kit-load.h"
#include "kit-tree.h"

#include <signal.h>
#include <string.h>

#define OTHERS 50
#define CONFIG                                                                                     \
  "hostname = \"mx.test\"\nworkers-min = 2\nworkers-max = 8\nworker-memory = %s\n"                 \
  "listener \"in\" {\n  bind = [\"127.0.0.1:%u\"]\n  filters = [\"fault\"]\n"                      \
  "  routes = [\"up\"]\n  connections-per-client = 200\n}\n"                                       \
  "route \"up\" { to = [\"maildir:%s\"] }\n"                                                       \
  "filter \"fault\" {\n  module = \"%s\"\n  at = \"%s\"\n  how = \"%s\"\n"                         \
  "  when-sender = \"bad@*\"\n  timeout = 2s\n  on-failure = \"%s\"\n}\n"

typedef struct
{
  const gchar *at;
  const gchar *how;
  const gchar *memory;
  const gchar *on_failure;
  const gchar *answer; /* what the session concerned hears */
  guint times;         /* that the fault is met */
  const gchar *death;  /* as the log tells the worker's; NULL: its own checks found the fault */
} Case;

typedef struct
{
  const Case *expected;
  guint port;
  gchar *maildir, *folder; /* where it is, and where its messages are */
  KitProcess *mailweir;
  GPid gateway, generation;
  guint descriptors; /* of the gateway, before anybody came */
} Fault;

#define OF_A_WORKER 3 /* descriptors in the gateway: both ends of its socket, and its pidfd */
#define MADE_LATE 8   /* descriptors for the threads that deliver, and the like */

/* Of the gateway, without those for its workers. */
static guint
count_descriptors (const Fault *fault)
{
  guint workers = kit_tree_count (fault->mailweir, KIT_WORKER);
  guint all = kit_tree_descriptors (fault->gateway);

  return all - MIN (all, OF_A_WORKER * workers);
}

static void
fault_start (Fault *fault, const Case *expected)
{
  static guint number;
  g_autofree gchar *module = g_strdup (kit_program ("tests/filters/fault.so"));

  fault->expected = expected;
  fault->port = kit_port ();
  fault->maildir = kit_path ("maildir-%u", ++number);
  fault->folder = g_build_filename (fault->maildir, "new", NULL);
  g_autofree gchar *config
      = g_strdup_printf (CONFIG, expected->memory, fault->port, fault->maildir, module,
                         expected->at, expected->how, expected->on_failure);
  fault->mailweir = kit_mailweir (config);
  fault->gateway = kit_tree_one (fault->mailweir, KIT_GATEWAY);
  fault->generation = kit_tree_one (fault->mailweir, KIT_GENERATION);
  kit_tree_wait_count (fault->mailweir, KIT_WORKER, 2);
  fault->descriptors = count_descriptors (fault);
}

static void
fault_stop (Fault *fault)
{
  g_assert_cmpint (kit_stop (fault->mailweir, SIGTERM), ==, 0);
  g_free (fault->folder);
  g_free (fault->maildir);
}

/* The session itself goes on: its next message is taken. */
static void
deliver (KitClient *client, const gchar *from, const gchar *subject, const gchar *answer)
{
  g_autofree gchar *text = g_strdup_printf ("Subject: %s\n\ntext\n.\n", subject);

  kit_open_message (client, from, "b@up.test");
  kit_say (client, text);
  kit_expect (client, answer);
}

static void
meet_the_fault (const Fault *fault)
{
  KitClient *client = kit_connect (fault->port);

  kit_expect (client, "220");
  kit_say (client, "EHLO client.test\n");
  kit_expect (client, "250");
  for (guint i = 0; i < fault->expected->times; i++)
    {
      if (g_str_equal (fault->expected->at, "mail"))
        {
          kit_say (client, "MAIL FROM:<bad@client.test>\n");
          kit_expect (client, fault->expected->answer);
        }
      else
        deliver (client, "bad@client.test", "of the fault", fault->expected->answer);
      deliver (client, "good@client.test", "after the fault", "250 2.0.0");
    }
  kit_say (client, "QUIT\n");
  kit_expect (client, "221");
  kit_close (client);
}

static guint
count_subject (const gchar *folder, const gchar *subject)
{
  g_autoptr (GPtrArray) messages = kit_messages (folder);
  g_autofree gchar *field = g_strdup_printf ("Subject: %s\n", subject);
  guint count = 0;

  for (guint i = 0; i < messages->len; i++)
    count += strstr (messages->pdata[i], field) != NULL;
  return count;
}

static void
check_delivered (const Fault *fault)
{
  const Case *expected = fault->expected;
  const gboolean passed = g_str_has_prefix (expected->answer, "250");

  g_assert_cmpuint (count_subject (fault->folder, "after the fault"), ==, expected->times);
  g_assert_cmpuint (count_subject (fault->folder, "of the fault"), ==,
                    passed ? expected->times : 0);
}

static void
check_processes (const Fault *fault)
{
  g_assert_true (kit_is_running (fault->mailweir));
  g_assert_cmpint (kit_tree_one (fault->mailweir, KIT_GATEWAY), ==, fault->gateway);
  g_assert_cmpint (kit_tree_one (fault->mailweir, KIT_GENERATION), ==, fault->generation);
  kit_tree_wait_count (fault->mailweir, KIT_WORKER, 2);
}

/* None is left behind by requests that were given from worker to worker. */
static void
check_descriptors (const Fault *fault)
{
  guint most = fault->descriptors + MADE_LATE;

  for (guint i = 0; i < KIT_PATIENCE * 10 && count_descriptors (fault) > most; i++)
    g_usleep (G_USEC_PER_SEC / 10);
  g_assert_cmpuint (count_descriptors (fault), <=, most);
}

static void
test_fault (gconstpointer data)
{
  Fault fault = { 0 };

  fault_start (&fault, data);
  const KitLoadPlan plan = { .port = fault.port, .sessions = OTHERS };
  KitLoad *load = kit_load_start (&plan);
  kit_load_wait (load, OTHERS);
  meet_the_fault (&fault);
  kit_load_wait (load, OTHERS);
  kit_load_stop (load);
  kit_load_assert_all_accepted (load);
  kit_load_check (load, fault.folder);
  kit_load_free (load);
  check_delivered (&fault);
  check_processes (&fault);
  check_descriptors (&fault);
  if (fault.expected->death != NULL)
    kit_wait_log_count (fault.mailweir, fault.expected->death, fault.expected->times);
  fault_stop (&fault);
}

static void
add (const gchar *name, const Case *expected)
{
  g_autofree gchar *path = g_strdup_printf ("/e2e/fault/%s", name);
  g_test_add_data_func (path, expected, test_fault);
}

int
main (int argc, char **argv)
{
  static const Case null = { "end_of_message", "null", "1G", "tempfail", "451", 3, "worker: pid=" };
  static const Case early = { "mail", "null", "1G", "tempfail", "451", 3, "worker: pid=" };
  static const Case loop = { "end_of_message", "loop", "1G", "tempfail", "451", 1, "signal 9 (" };
  static const Case allocate
      = { "end_of_message", "allocate", "256M", "tempfail", "451", 2, "signal 6 (" };
  static const Case nonsense = { "end_of_message", "nonsense", "1G", "tempfail", "451", 3, NULL };
  static const Case edit = { "end_of_message", "edit", "1G", "tempfail", "451", 2, NULL };
  static const Case ends
      = { "end_of_headers", "exit", "1G", "tempfail", "451", 2, "ended=\"exit 0\"" };
  static const Case pass
      = { "end_of_message", "null", "1G", "pass", "250 2.0.0", 2, "worker: pid=" };
  static const Case reject = { "end_of_message", "abort", "1G", "reject", "554", 2, "signal 6 (" };

  g_test_init (&argc, &argv, NULL);
  add ("null", &null);
  add ("null-at-mail", &early);
  add ("loop", &loop);
  add ("allocate", &allocate);
  add ("nonsense", &nonsense);
  add ("undeclared-edit", &edit);
  add ("exit", &ends);
  add ("on-failure-pass", &pass);
  add ("on-failure-reject", &reject);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
