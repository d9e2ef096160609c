/* Under a service manager: sockets that it passed, notes that it gets, and the user that everything
 * but the supervisor runs as. The manager is this program, once more as the one that passes a
 * socket.
 */
#include "kit-tree.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#define USER "nobody"
#define CONFIG                                                                                     \
  "hostname = \"mx.test\"\n%s"                                                                     \
  "listener \"in\" {\n  bind = [\"127.0.0.1:%u\"]\n  filters = [\"fault\"]\n  routes = [\"up\"]\n" \
  "  tls = \"%s\"\n}\n"                                                                            \
  "route \"up\" { to = [\"maildir:%s/mail\"] }\n"                                                  \
  "filter \"fault\" {\n  module = \"%s\"\n  how = \"null\"\n  when-sender = \"bad@*\"\n}\n"

static gchar *self; /* path of this program */

static gchar *
configuration (const gchar *folder, guint port, const gchar *globals, const gchar *tls)
{
  g_autofree gchar *module = g_strdup (kit_program ("tests/filters/fault.so"));
  return g_strdup_printf (CONFIG, globals, port, tls, folder, module);
}

/* One that everybody may write to. Caller frees. */
static gchar *
open_folder (const gchar *name)
{
  gchar *folder = kit_path ("%s", name);

  g_assert_cmpint (g_mkdir (folder, 0777), ==, 0);
  g_assert_cmpint (g_chmod (folder, 0777), ==, 0);
  return folder;
}

static void
deliver (guint port, const gchar *from, const gchar *answer)
{
  KitClient *client = kit_connect (port);

  kit_expect (client, "220");
  kit_say (client, "EHLO client.test\n");
  kit_expect (client, "250");
  kit_open_message (client, from, "b@up.test");
  kit_say (client, "Subject: test\n\ntext\n.\n");
  kit_expect (client, answer);
  kit_close (client);
}

/* ---- Sockets from the manager ---- */

/* What systemd-socket-activate does, in the process that becomes Mailweir. */
static int
activate (const gchar *port, gchar **argv)
{
  const struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons ((guint16) atoi (port)),
                                       .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  const gint fd = socket (AF_INET, SOCK_STREAM, 0);
  g_autofree gchar *pid = g_strdup_printf ("%d", getpid ());

  if (bind (fd, (const struct sockaddr *) &address, sizeof address) != 0 || listen (fd, 16) != 0
      || (fd != 3 && (dup2 (fd, 3) != 3 || close (fd) != 0)))
    return 1;
  g_setenv ("LISTEN_FDS", "1", TRUE);
  g_setenv ("LISTEN_PID", pid, TRUE);
  execv (argv[0], argv);
  return 1;
}

static KitProcess *
start_activated (guint port, const gchar *config)
{
  g_autofree gchar *number = g_strdup_printf ("%u", port);
  g_autofree gchar *path = kit_path ("mailweir.conf");
  g_autofree gchar *program = g_strdup (kit_program ("src/mailweir"));
  const gchar *argv[] = { self, "--activate", number, program, "run", "-c", path, NULL };

  kit_write (path, config);
  KitProcess *process = kit_start ("mailweir", argv);
  kit_wait_log (process, "ready");
  return process;
}

static void
test_activation (void)
{
  g_autofree gchar *folder = open_folder ("activation");
  const guint port = kit_port ();
  g_autofree gchar *config = configuration (folder, port, "", "off");
  KitProcess *mailweir = start_activated (port, config);

  deliver (port, "a@client.test", "250");
  deliver (port, "bad@client.test", "451");
  kill (kit_pid (mailweir), SIGHUP);
  kit_wait_log_count (mailweir, "ready: listening", 2);
  deliver (port, "a@client.test", "250");
  const GPid gateway = kit_tree_one (mailweir, KIT_GATEWAY);
  kill (gateway, SIGKILL);
  kit_tree_other (mailweir, KIT_GATEWAY, gateway);
  deliver (port, "a@client.test", "250");
  g_assert_cmpint (kit_stop (mailweir, SIGTERM), ==, 0);
}

/* A socket that no listener asks for is named, and closed: nobody would ever answer on it. */
static void
test_activation_unclaimed (void)
{
  g_autofree gchar *folder = open_folder ("unclaimed");
  const guint passed = kit_port ();
  const guint port = kit_port ();
  g_autofree gchar *config = configuration (folder, port, "", "off");
  KitProcess *mailweir = start_activated (passed, config);
  g_autofree gchar *name = g_strdup_printf ("127.0.0.1:%u", passed);

  kit_wait_log (mailweir, name);
  deliver (port, "a@client.test", "250");
  /* Free for others to bind. */
  const struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons ((guint16) passed),
                                       .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  const gint fd = socket (AF_INET, SOCK_STREAM, 0);
  g_assert_cmpint (bind (fd, (const struct sockaddr *) &address, sizeof address), ==, 0);
  close (fd);
  g_assert_cmpint (kit_stop (mailweir, SIGTERM), ==, 0);
}

/* ---- Notes to the manager ---- */

static gint
open_notify (const gchar *path)
{
  const struct timeval patience = { .tv_sec = KIT_PATIENCE };
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  const gint fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  g_assert_cmpuint (strlen (path), <, sizeof address.sun_path);
  strcpy (address.sun_path, path);
  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

/* The next note that is more than a sign of life must have this line first. */
static void
expect_note (gint fd, const gchar *line)
{
  gchar note[4096];
  gssize length;

  do
    {
      length = recv (fd, note, sizeof note - 1, 0);
      g_assert_cmpint (length, >, 0);
      note[length] = '\0';
    }
  while (strcmp (note, "WATCHDOG=1") == 0 || g_str_has_prefix (note, "STATUS="));
  note[strcspn (note, "\n")] = '\0';
  g_assert_cmpstr (note, ==, line);
}

static void
test_notify (void)
{
  g_autofree gchar *folder = open_folder ("notify");
  g_autofree gchar *path = kit_path ("notify.socket");
  g_autofree gchar *config_path = kit_path ("mailweir.conf");
  const guint port = kit_port ();
  g_autofree gchar *config = configuration (folder, port, "", "off");
  const gint fd = open_notify (path);

  g_setenv ("NOTIFY_SOCKET", path, TRUE);
  KitProcess *mailweir = kit_mailweir (config);
  g_unsetenv ("NOTIFY_SOCKET");
  expect_note (fd, "READY=1");
  kill (kit_pid (mailweir), SIGHUP);
  expect_note (fd, "RELOADING=1");
  expect_note (fd, "READY=1");
  kit_write (config_path, "nonsense\n");
  kill (kit_pid (mailweir), SIGHUP);
  expect_note (fd, "RELOADING=1");
  expect_note (fd, "READY=1");
  deliver (port, "a@client.test", "250");
  g_assert_cmpint (kit_stop (mailweir, SIGTERM), ==, 0);
  expect_note (fd, "STOPPING=1");
  close (fd);
}

/* ---- The user ---- */

/* NULL: the test can be done. */
static const gchar *
why_not_as_user (void)
{
  const struct passwd *entry = getpwnam (USER);
  const gchar *module = kit_program ("tests/filters/fault.so");
  const gchar *folder = kit_folder ();
  gint status = 0;

  if (geteuid () != 0)
    return "only root can become another user";
  if (entry == NULL)
    return "there is no user " USER;
  const GPid pid = fork ();
  if (pid == 0)
    _exit (setgid (entry->pw_gid) != 0 || setuid (entry->pw_uid) != 0 || access (module, R_OK) != 0
           || access (folder, X_OK) != 0);
  waitpid (pid, &status, 0);
  return status == 0 ? NULL : "the user " USER " can not reach the build folder";
}

static void
assert_confined (GPid pid)
{
  const struct passwd *entry = getpwnam (USER);
  g_autofree gchar *uids = g_strdup_printf ("%u\t%u\t%u\t%u", entry->pw_uid, entry->pw_uid,
                                            entry->pw_uid, entry->pw_uid);
  g_autofree gchar *gids = g_strdup_printf ("%u\t%u\t%u\t%u", entry->pw_gid, entry->pw_gid,
                                            entry->pw_gid, entry->pw_gid);
  g_autofree gchar *uid = kit_tree_status (pid, "Uid");
  g_autofree gchar *gid = kit_tree_status (pid, "Gid");
  g_autofree gchar *privileges = kit_tree_status (pid, "NoNewPrivs");
  g_autofree gchar *capabilities = kit_tree_status (pid, "CapPrm");

  g_assert_cmpstr (uid, ==, uids);
  g_assert_cmpstr (gid, ==, gids);
  g_assert_cmpstr (privileges, ==, "1");
  g_assert_cmpstr (capabilities, ==, "0000000000000000");
}

static void
assert_tree_confined (KitProcess *mailweir)
{
  g_autofree gchar *uid = kit_tree_status (kit_pid (mailweir), "Uid");
  kit_tree_wait_count (mailweir, KIT_WORKER, 2);
  g_autoptr (GArray) workers = kit_tree_all (mailweir, KIT_WORKER);

  g_assert_cmpstr (uid, ==, "0\t0\t0\t0");
  assert_confined (kit_tree_one (mailweir, KIT_GENERATION));
  assert_confined (kit_tree_one (mailweir, KIT_GATEWAY));
  for (guint i = 0; i < workers->len; i++)
    assert_confined (g_array_index (workers, GPid, i));
}

static void
assert_tls (guint port)
{
  g_autofree gchar *address = g_strdup_printf ("127.0.0.1:%u", port);
  g_autofree gchar *ca = kit_path ("ca.pem");
  g_autofree gchar *output = NULL;
  const gchar *argv[] = { "openssl",
                          "s_client",
                          "-starttls",
                          "smtp",
                          "-connect",
                          address,
                          "-CAfile",
                          ca,
                          "-verify_return_error",
                          "-verify_hostname",
                          "mx.test",
                          NULL };

  if (kit_run (argv, &output) != 0 || strstr (output, "Verify return code: 0") == NULL)
    g_error ("no TLS on port %u: %s", port, output);
}

/* Only root can read the key: it is handed on, at the start, at a restart and at a reload. */
static void
test_user (void)
{
  const gchar *why = why_not_as_user ();

  if (why != NULL)
    {
      g_test_skip (why);
      return;
    }
  g_autofree gchar *folder = open_folder ("user");
  const guint port = kit_port ();
  kit_certificate ("mx", "mx.test");
  g_autofree gchar *key = kit_path ("mx.key");
  g_assert_cmpint (g_chmod (key, 0600), ==, 0);
  g_autofree gchar *config = configuration (
      folder, port, "user = \"" USER "\"\ntls { certificate = \"mx.pem\" key = \"mx.key\" }\n",
      "starttls");
  KitProcess *mailweir = kit_mailweir (config);
  for (guint i = 0; i < 3; i++)
    {
      const GPid gateway = kit_tree_one (mailweir, KIT_GATEWAY);
      assert_tree_confined (mailweir);
      assert_tls (port);
      deliver (port, "a@client.test", "250");
      if (i == 2)
        break;
      kill (i == 0 ? gateway : kit_pid (mailweir), i == 0 ? SIGKILL : SIGHUP);
      kit_tree_other (mailweir, KIT_GATEWAY, gateway);
    }
  g_assert_cmpint (kit_stop (mailweir, SIGTERM), ==, 0);
}

int
main (int argc, char **argv)
{
  if (argc > 3 && g_str_equal (argv[1], "--activate"))
    return activate (argv[2], argv + 3);
  g_test_init (&argc, &argv, NULL);
  self = g_file_read_link ("/proc/self/exe", NULL);
  g_test_add_func ("/e2e/manager/activation", test_activation);
  g_test_add_func ("/e2e/manager/activation-unclaimed", test_activation_unclaimed);
  g_test_add_func ("/e2e/manager/notify", test_notify);
  g_test_add_func ("/e2e/manager/user", test_user);
  gint result = g_test_run ();
  kit_finish ();
  g_free (self);
  return result;
}
