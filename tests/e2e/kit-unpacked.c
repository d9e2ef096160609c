/* Mailweir's tests: a server of an unpacked package in a mount namespace of its own, where its
 * users exist. See kit-unpacked.h. Fails the test when it does not start. */
#include "kit-unpacked.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define FIRST_UID 901

static gchar *
package_path (const gchar *package, const gchar *path)
{
  return g_build_filename (g_getenv ("MAILWEIR_BUILD"), "packages", package, path, NULL);
}

const gchar *
kit_unpacked_why_not (const gchar *package)
{
  static gchar *reason;
  const gchar *argv[] = { "unshare", "-m", "true", NULL };
  g_autofree gchar *path = package_path (package, NULL);
  if (geteuid () != 0)
    return "a mount namespace needs root";
  if (!kit_have ("unshare") || kit_run (argv, NULL) != 0)
    return "unshare(1) can not make a mount namespace here";
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return NULL;
  g_free (reason);
  reason = g_strdup_printf ("%s is not unpacked: tools/packages unpack does it", package);
  return reason;
}

/* passwd(5) and group(5) with these users alone. */
static void
write_users (const gchar *folder, const gchar *const *users)
{
  g_autofree gchar *passwd_path = g_build_filename (folder, "passwd", NULL);
  g_autofree gchar *group_path = g_build_filename (folder, "group", NULL);
  const struct passwd *nobody = getpwnam ("nobody");
  g_autoptr (GString) passwd = g_string_new ("root:x:0:0:root:/root:/bin/sh\n");
  g_autoptr (GString) group = g_string_new ("root:x:0:\n");
  g_string_append_printf (passwd, "nobody:x:%u:%u::/nonexistent:/bin/false\n", nobody->pw_uid,
                          nobody->pw_gid);
  g_string_append_printf (group, "nogroup:x:%u:\n", nobody->pw_gid);
  for (guint i = 0; users[i] != NULL; i++)
    {
      gboolean is_nobody = users[i][0] == '|';
      const gchar *name = users[i] + is_nobody;
      guint uid = is_nobody ? nobody->pw_uid : FIRST_UID + i;
      guint gid = is_nobody ? nobody->pw_gid : FIRST_UID + i;
      g_string_append_printf (passwd, "%s:x:%u:%u::/nonexistent:/bin/false\n", name, uid, gid);
      g_string_append_printf (group, "%s:x:%u:\n", name, gid);
    }
  kit_write (passwd_path, passwd->str);
  kit_write (group_path, group->str);
}

static void
append_mount (GString *script, const gchar *package, const gchar *folder, const gchar *mount)
{
  g_auto (GStrv) ends = g_strsplit (mount, ":", 2);
  const gchar *from = ends[0];
  g_autofree gchar *path = *from == '/'   ? g_strdup (from)
                           : *from == '=' ? package_path (package, from + 1)
                                          : g_build_filename (folder, from, NULL);
  g_string_append_printf (script, "mount --bind '%s' '%s'\n", path, ends[1]);
}

KitProcess *
kit_unpacked_start (const gchar *name, const gchar *package, const gchar *folder,
                    const gchar *const *users, const gchar *const *mounts, const gchar *command)
{
  g_autoptr (GString) script = g_string_new ("set -e\n");
  g_autofree gchar *path = g_build_filename (folder, "start.sh", NULL);
  write_users (folder, users);
  append_mount (script, package, folder, "passwd:/etc/passwd");
  append_mount (script, package, folder, "group:/etc/group");
  for (guint i = 0; mounts[i] != NULL; i++)
    append_mount (script, package, folder, mounts[i]);
  g_string_append_printf (script, "exec %s\n", command);
  kit_write (path, script->str);
  const gchar *argv[] = { "unshare", "-m", "sh", path, NULL };
  return kit_start (name, argv);
}
