/* Mailweir's processes by their names. See kit-tree.h. */
#include "kit-tree.h"

#include <stdlib.h>
#include <string.h>

#define STEP 20000 /* µs */
#define TURNS (KIT_PATIENCE * 50)

/* The state letter; '\0': there is no such process. `*comm`, if asked for, is the caller's. */
static gchar
state_of (GPid pid, gchar **comm)
{
  g_autofree gchar *path = g_strdup_printf ("/proc/%d/stat", pid);
  g_autofree gchar *stat = kit_read (path);
  const gchar *open = stat == NULL ? NULL : strchr (stat, '(');
  const gchar *close = stat == NULL ? NULL : strrchr (stat, ')');

  if (open == NULL || close == NULL || close[1] == '\0')
    return '\0';
  if (comm != NULL)
    *comm = g_strndup (open + 1, (gsize) (close - open - 1));
  return close[2];
}

gboolean
kit_tree_is_alive (GPid pid)
{
  const gchar state = state_of (pid, NULL);
  return state != '\0' && state != 'Z' && state != 'X';
}

GArray *
kit_tree_all (KitProcess *mailweir, const gchar *name)
{
  g_autoptr (GArray) below = kit_descendants (kit_pid (mailweir));
  GArray *found = g_array_new (FALSE, FALSE, sizeof (GPid));

  for (guint i = 0; i < below->len; i++)
    {
      const GPid pid = g_array_index (below, GPid, i);
      g_autofree gchar *comm = NULL;
      const gchar state = state_of (pid, &comm);

      if (state != '\0' && state != 'Z' && g_strcmp0 (comm, name) == 0)
        g_array_append_val (found, pid);
    }
  return found;
}

guint
kit_tree_count (KitProcess *mailweir, const gchar *name)
{
  g_autoptr (GArray) found = kit_tree_all (mailweir, name);
  return found->len;
}

GPid
kit_tree_other (KitProcess *mailweir, const gchar *name, GPid before)
{
  for (guint i = 0; i < TURNS; i++)
    {
      g_autoptr (GArray) found = kit_tree_all (mailweir, name);
      if (found->len == 1 && g_array_index (found, GPid, 0) != before)
        return g_array_index (found, GPid, 0);
      g_usleep (STEP);
    }
  g_autofree gchar *log = kit_log (mailweir);
  g_error ("there is never exactly one %s other than %d:\n%s", name, before, log);
}

GPid
kit_tree_one (KitProcess *mailweir, const gchar *name)
{
  return kit_tree_other (mailweir, name, 0);
}

void
kit_tree_wait_count (KitProcess *mailweir, const gchar *name, guint count)
{
  for (guint i = 0; i < TURNS && kit_tree_count (mailweir, name) < count; i++)
    g_usleep (STEP);
  g_assert_cmpuint (kit_tree_count (mailweir, name), >=, count);
}

void
kit_tree_wait_gone (GPid pid)
{
  for (guint i = 0; i < TURNS && kit_tree_is_alive (pid); i++)
    g_usleep (STEP);
  if (kit_tree_is_alive (pid))
    g_error ("process %d does not go away", pid);
}

guint64
kit_tree_cpu (GPid pid)
{
  g_autofree gchar *path = g_strdup_printf ("/proc/%d/stat", pid);
  g_autofree gchar *stat = kit_read (path);
  const gchar *behind = stat == NULL ? NULL : strrchr (stat, ')');
  g_auto (GStrv) fields = g_strsplit (behind == NULL ? "" : behind, " ", 16);

  /* Fields 14 and 15 of proc(5); the name is the second. */
  g_assert_cmpuint (g_strv_length (fields), ==, 16);
  return g_ascii_strtoull (fields[12], NULL, 10) + g_ascii_strtoull (fields[13], NULL, 10);
}

guint
kit_tree_descriptors (GPid pid)
{
  g_autofree gchar *path = g_strdup_printf ("/proc/%d/fd", pid);
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  guint count = 0;

  while (folder != NULL && g_dir_read_name (folder) != NULL)
    count++;
  return count;
}

gchar *
kit_tree_status (GPid pid, const gchar *field)
{
  g_autofree gchar *path = g_strdup_printf ("/proc/%d/status", pid);
  g_autofree gchar *status = kit_read (path);
  g_autofree gchar *start = g_strdup_printf ("\n%s:", field);
  const gchar *found = status == NULL ? NULL : strstr (status, start);

  if (found == NULL)
    g_error ("/proc/%d/status has no %s", pid, field);
  found += strlen (start);
  return g_strstrip (g_strndup (found, strcspn (found, "\n")));
}

guint
kit_log_count (KitProcess *process, const gchar *text)
{
  g_autofree gchar *log = kit_log (process);
  guint count = 0;

  for (const gchar *next = log; (next = strstr (next, text)) != NULL; next += strlen (text))
    count++;
  return count;
}

void
kit_wait_log_count (KitProcess *process, const gchar *text, guint count)
{
  for (guint i = 0; i < TURNS && kit_log_count (process, text) < count; i++)
    g_usleep (STEP);
  if (kit_log_count (process, text) < count)
    {
      g_autofree gchar *log = kit_log (process);
      g_error ("\"%s\" is not in the log %u times:\n%s", text, count, log);
    }
}
