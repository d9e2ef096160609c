/* No room on the disk and no descriptors left: the client is told to come again, nothing is lost,
 * and service goes on when there is room again. Small file systems need root. */
#include "kit-load.h"
#include "kit-tree.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <glib/gstdio.h>

#define CONFIG                                                                                     \
  "hostname = \"mx.test\"\nthreads = 2\nworkers-min = 1\nworkers-max = 2\n"                        \
  "spool-directory = \"%s\"\nspool-memory = 16K\nquarantine = \"%s\"\n"                            \
  "listener \"in\" {\n  bind = [\"127.0.0.1:%u\"]\n  filters = [%s]\n  routes = [\"up\"]\n"        \
  "  connections-per-client = 0\n}\n"                                                              \
  "route \"up\" { to = [\"maildir:%s\"] }\n"                                                       \
  "filter \"pass\" {\n  module = \"%s\"\n  how = \"null\"\n  when-sender = \"nobody\"\n}\n"        \
  "filter \"aside\" {\n  module = \"attachments\"\n  deny = [\"exe\"]\n"                           \
  "  action = \"quarantine\"\n}\n"

typedef struct
{
  guint port;
  gchar *small;                        /* a file system of its own, if mounted */
  gchar *spool, *maildir, *quarantine; /* borrowed or owned by the test */
  KitProcess *mailweir;
  GPid gateway;
} Resources;

static void
resources_start (Resources *test, const gchar *filters)
{
  g_autofree gchar *fault = g_strdup (kit_program ("tests/filters/fault.so"));

  test->port = kit_port ();
  g_autofree gchar *config = g_strdup_printf (CONFIG, test->spool, test->quarantine, test->port,
                                              filters, test->maildir, fault);
  test->mailweir = kit_mailweir (config);
  test->gateway = kit_tree_one (test->mailweir, KIT_GATEWAY);
}

static void
resources_stop (Resources *test)
{
  g_assert_cmpint (kit_tree_one (test->mailweir, KIT_GATEWAY), ==, test->gateway);
  g_assert_cmpint (kit_stop (test->mailweir, SIGTERM), ==, 0);
  if (test->small != NULL)
    g_assert_cmpint (umount (test->small), ==, 0);
  g_free (test->small);
  g_free (test->spool);
  g_free (test->maildir);
  g_free (test->quarantine);
}

/* Mounts that only this process and its children see, so that none stays behind. */
static gboolean
leave_mounts (void)
{
  static gboolean left;

  left = left
         || (unshare (CLONE_NEWNS) == 0
             && mount ("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
  return left;
}

/* FALSE: the test is skipped. */
static gboolean
mount_small (Resources *test)
{
  static guint number;
  g_autofree gchar *path = kit_path ("small-%u", ++number);

  g_assert_cmpint (g_mkdir (path, 0755), ==, 0);
  if (!leave_mounts () || mount ("mailweir-test", path, "tmpfs", 0, "size=256k") != 0)
    {
      g_autofree gchar *why
          = g_strdup_printf ("no file system can be mounted: %s", g_strerror (errno));
      g_test_skip (why);
      return FALSE;
    }
  test->small = g_steal_pointer (&path);
  return TRUE;
}

static void
enlarge (const Resources *test)
{
  g_assert_cmpint (mount ("mailweir-test", test->small, "tmpfs", MS_REMOUNT, "size=32m"), ==, 0);
}

static gchar *
send_message (const Resources *test, gsize size)
{
  KitClient *client = kit_connect (test->port);
  g_autoptr (GString) text = g_string_new ("MIME-Version: 1.0\r\nSubject: test\r\n"
                                           "Content-Type: text/plain; name=\"a.exe\"\r\n\r\n");
  gchar *reply;

  while (text->len < size)
    g_string_append (text, "a line of a message that needs some room on the disk\r\n");
  g_string_append (text, ".\r\n");
  kit_expect (client, "220");
  kit_say (client, "EHLO client.test\n");
  kit_expect (client, "250");
  kit_open_message (client, "a@client.test", "b@up.test");
  kit_say_bytes (client, text->str, text->len);
  reply = kit_reply (client);
  kit_close (client);
  return reply;
}

static void
expect_message (const Resources *test, gsize size, const gchar *answer)
{
  g_autofree gchar *reply = send_message (test, size);

  if (!g_str_has_prefix (reply, answer))
    g_error ("a message of %" G_GSIZE_FORMAT " octets was to hear %s, heard %s", size, answer,
             reply);
}

/* Files, in the Maildir's folder of that name. */
static guint
count_files (const gchar *maildir, const gchar *name)
{
  g_autofree gchar *folder = g_build_filename (maildir, name, NULL);
  g_autoptr (GPtrArray) messages = kit_messages (folder);

  return messages->len;
}

static void
test_spool_full (void)
{
  Resources test = { 0 };

  if (!mount_small (&test))
    return;
  test.spool = g_strdup (test.small);
  test.maildir = kit_path ("maildir-spool");
  test.quarantine = kit_path ("aside-spool");
  resources_start (&test, "\"pass\"");
  expect_message (&test, 1000, "250");
  expect_message (&test, 1024 * 1024, "452");
  expect_message (&test, 100 * 1024, "250"); /* what the other had taken is free again */
  enlarge (&test);
  expect_message (&test, 1024 * 1024, "250");
  g_assert_cmpuint (count_files (test.maildir, "new"), ==, 3);
  resources_stop (&test);
}

static void
test_maildir_full (void)
{
  Resources test = { 0 };

  if (!mount_small (&test))
    return;
  test.spool = g_strdup (kit_folder ());
  test.maildir = g_build_filename (test.small, "mail", NULL);
  test.quarantine = kit_path ("aside-maildir");
  resources_start (&test, "\"pass\"");
  expect_message (&test, 1024 * 1024, "452");
  g_assert_cmpuint (count_files (test.maildir, "tmp"), ==, 0);
  expect_message (&test, 1000, "250");
  enlarge (&test);
  expect_message (&test, 1024 * 1024, "250");
  g_assert_cmpuint (count_files (test.maildir, "new"), ==, 2);
  resources_stop (&test);
}

static void
test_quarantine_full (void)
{
  Resources test = { 0 };

  if (!mount_small (&test))
    return;
  test.spool = g_strdup (kit_folder ());
  test.maildir = kit_path ("maildir-quarantine");
  test.quarantine = g_build_filename (test.small, "aside", NULL);
  resources_start (&test, "\"aside\"");
  expect_message (&test, 1024 * 1024, "45");
  g_assert_cmpuint (count_files (test.quarantine, "new"), ==, 0);
  g_assert_cmpuint (count_files (test.quarantine, "tmp"), ==, 0);
  enlarge (&test);
  expect_message (&test, 1024 * 1024, "250");
  g_assert_cmpuint (count_files (test.quarantine, "new"), >=, 1);
  g_assert_cmpuint (count_files (test.maildir, "new"), ==, 0);
  resources_stop (&test);
}

/* ---- Descriptors ---- */

#define CLIENTS 40

/* FALSE: the test is skipped. */
static gboolean
limit_descriptors (GPid pid, guint count, struct rlimit *before)
{
  struct rlimit limit;

  if (prlimit (pid, RLIMIT_NOFILE, NULL, before) == 0)
    {
      limit = (struct rlimit){ .rlim_cur = count, .rlim_max = before->rlim_max };
      if (prlimit (pid, RLIMIT_NOFILE, &limit, NULL) == 0)
        return TRUE;
    }
  g_autofree gchar *why = g_strdup_printf ("prlimit: %s", g_strerror (errno));
  g_test_skip (why);
  return FALSE;
}

/* Some are greeted, some hear 421 or nothing yet; nobody hears anything else. */
static guint
count_greeted (KitClient **clients)
{
  guint greeted = 0;

  for (guint i = 0; i < CLIENTS; i++)
    {
      GPollFD fd = { .fd = kit_client_fd (clients[i]), .events = G_IO_IN };
      g_autofree gchar *reply = g_poll (&fd, 1, 0) == 1 ? kit_reply (clients[i]) : NULL;

      if (reply == NULL)
        continue;
      greeted += g_str_has_prefix (reply, "220");
      if (!g_str_has_prefix (reply, "220") && !g_str_has_prefix (reply, "421"))
        g_error ("without descriptors a client hears: %s", reply);
    }
  return greeted;
}

/* A loop that spins takes a processor whole; one that rests, next to nothing. */
static void
assert_at_rest (GPid pid)
{
  const guint64 before = kit_tree_cpu (pid);

  g_usleep (2 * G_USEC_PER_SEC);
  g_assert_cmpuint (kit_tree_cpu (pid) - before, <, (guint64) sysconf (_SC_CLK_TCK));
}

static void
run_out (Resources *test, struct rlimit *before)
{
  KitClient *clients[CLIENTS];

  for (guint i = 0; i < CLIENTS; i++)
    clients[i] = kit_connect (test->port);
  kit_wait_log (test->mailweir, "cannot accept");
  assert_at_rest (test->gateway);
  const guint greeted = count_greeted (clients);
  g_assert_cmpuint (greeted, <, CLIENTS);
  for (guint i = 0; i < CLIENTS; i++)
    kit_close (clients[i]);
  prlimit (test->gateway, RLIMIT_NOFILE, before, NULL);
}

static void
test_descriptors (void)
{
  Resources test = { .spool = g_strdup (kit_folder ()),
                     .maildir = kit_path ("maildir-descriptors"),
                     .quarantine = kit_path ("aside-descriptors") };
  struct rlimit before;

  resources_start (&test, "\"pass\"");
  kit_tree_wait_count (test.mailweir, KIT_WORKER, 1);
  expect_message (&test, 1000, "250");
  if (limit_descriptors (test.gateway, kit_tree_descriptors (test.gateway) + 6, &before))
    {
      run_out (&test, &before);
      expect_message (&test, 1000, "250");
      expect_message (&test, 100 * 1024, "250"); /* with a file to spool to */
      assert_at_rest (test.gateway);
    }
  resources_stop (&test);
}

/* Descriptors run out in the middle of messages: each is answered, each that was accepted is there.
 */
static void
test_descriptors_under_load (void)
{
  Resources test = { .spool = g_strdup (kit_folder ()),
                     .maildir = kit_path ("maildir-starved"),
                     .quarantine = kit_path ("aside-starved") };
  struct rlimit before;

  resources_start (&test, "\"pass\"");
  const KitLoadPlan plan = { .port = test.port, .sessions = 20, .body = 40000 };
  KitLoad *load = kit_load_start (&plan);
  kit_load_wait (load, 20);
  if (limit_descriptors (test.gateway, 30, &before))
    {
      g_usleep (G_USEC_PER_SEC);
      prlimit (test.gateway, RLIMIT_NOFILE, &before, NULL);
      kit_load_wait (load, 40);
    }
  kit_load_stop (load);
  kit_load_tell (load, "load");
  g_assert_cmpuint (kit_load_counts (load).rejected, ==, 0);
  g_assert_cmpuint (kit_load_counts (load).lost, ==, 0);
  g_autofree gchar *folder = g_build_filename (test.maildir, "new", NULL);
  kit_load_check (load, folder);
  kit_load_free (load);
  resources_stop (&test);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/disk/spool-full", test_spool_full);
  g_test_add_func ("/e2e/disk/maildir-full", test_maildir_full);
  g_test_add_func ("/e2e/disk/quarantine-full", test_quarantine_full);
  g_test_add_func ("/e2e/descriptors/accepting", test_descriptors);
  g_test_add_func ("/e2e/descriptors/under-load", test_descriptors_under_load);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
