/* See scanners.h. A scanner that does not come up fails the test with its log. */
#include "scanners.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib/gstdio.h>

#define CLAMD                                                                                      \
  "LocalSocket %s\nTCPSocket %u\nTCPAddr 127.0.0.1\nDatabaseDirectory %s\n"                        \
  "TemporaryDirectory %s\nForeground yes\nConcurrentDatabaseReload no\nMaxThreads 4\n"             \
  "StreamMaxLength %d\nMaxFileSize %d\nAlertExceedsMax yes\n"

#define PLUGINS "loadplugin Mail::SpamAssassin::Plugin::Check\n"
#define RULES                                                                                      \
  "required_score 5\nreport_safe 0\nutil_rb_tld com org net example test\nclear_headers\n"         \
  "add_header all Status \"_YESNO_, score=_SCORE_ required=_REQD_ tests=_TESTS_\"\n"               \
  "add_header all Level _STARS(*)_\nadd_header spam Flag _YESNOCAPS_\n"                            \
  "body TEST_SPAM /" SCANNERS_SPAM "/\nscore TEST_SPAM 12.5\n"                                     \
  "body TEST_HINT /" SCANNERS_HINT "/\nscore TEST_HINT 3\n"                                        \
  "header TEST_SENDER EnvelopeFrom =~ /^a\\@example\\.org$/\nscore TEST_SENDER 0.5\n"              \
  "header TEST_RELAY X-Spam-Relays-Untrusted =~ "                                                  \
  "/ip=192\\.0\\.2\\.1 rdns=client\\.example helo=client\\.example by=mx\\.example\\.org/\n"       \
  "score TEST_RELAY 0.5\n"

const char *
scanners_missing (const char *program)
{
  if (kit_have (program))
    return NULL;
  return g_str_has_suffix (program, "clamd") ? "clamd is not installed" : "spamd is not installed";
}

static gboolean
is_listening (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean listens;

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  listens = connect (fd, (struct sockaddr *) &address, sizeof address) == 0;
  close (fd);
  return listens;
}

static void
wait_socket (KitProcess *process, const char *path)
{
  for (guint i = 0; i < KIT_PATIENCE * 50; i++)
    {
      if (is_listening (path))
        return;
      if (!kit_is_running (process))
        break;
      g_usleep (20000);
    }
  g_error ("nobody listens at %s:\n%s", path, kit_log (process));
}

static gchar *
make_folder (const char *name, const char *what)
{
  gchar *path = kit_path ("%s-%s", name, what);

  g_assert_cmpint (g_mkdir_with_parents (path, 0755), ==, 0);
  return path;
}

static void
write_signature (const char *folder)
{
  g_autofree gchar *path = g_build_filename (folder, "test.ndb", NULL);
  g_autoptr (GString) line = g_string_new ("Mailweir.Test.Signature:0:*:");

  for (const char *at = SCANNERS_VIRUS; *at != '\0'; at++)
    g_string_append_printf (line, "%02x", (guchar) *at);
  g_string_append_c (line, '\n');
  kit_write (path, line->str);
}

KitProcess *
scanners_clamd (const char *name, guint port)
{
  g_autofree gchar *database = make_folder (name, "database");
  g_autofree gchar *temporary = make_folder (name, "temporary");
  g_autofree gchar *local = kit_path ("%s.sock", name);
  g_autofree gchar *config = kit_path ("%s.conf", name);
  g_autofree gchar *text = g_strdup_printf (CLAMD, local, port, database, temporary,
                                            SCANNERS_STREAM_MAX, SCANNERS_FILE_MAX);
  const gchar *argv[] = { "/usr/sbin/clamd", "-c", config, NULL };
  KitProcess *process;

  write_signature (database);
  kit_write (config, text);
  g_unlink (local);
  process = kit_start (name, argv);
  wait_socket (process, local);
  kit_wait_port (port);
  return process;
}

KitProcess *
scanners_spamd (const char *name)
{
  g_autofree gchar *rules = make_folder (name, "rules");
  g_autofree gchar *site = make_folder (name, "site");
  g_autofree gchar *rule_file = g_build_filename (rules, "test.cf", NULL);
  g_autofree gchar *plugin_file = g_build_filename (site, "init.pre", NULL);
  g_autofree gchar *local = kit_path ("%s.sock", name);
  g_autofree gchar *socket_option = g_strconcat ("--socketpath=", local, NULL);
  g_autofree gchar *rules_option = g_strconcat ("--configpath=", rules, NULL);
  g_autofree gchar *site_option = g_strconcat ("--siteconfigpath=", site, NULL);
  const gchar *argv[] = { "/usr/sbin/spamd",
                          "--local",
                          "--nouser-config",
                          "--syslog=stderr",
                          "--max-children=4",
                          "--min-children=2",
                          "--username=nobody",
                          socket_option,
                          rules_option,
                          site_option,
                          NULL };
  KitProcess *process;

  kit_write (rule_file, RULES);
  kit_write (plugin_file, PLUGINS);
  g_unlink (local);
  process = kit_start (name, argv);
  wait_socket (process, local);
  kit_wait_log (process, "server started");
  return process;
}
