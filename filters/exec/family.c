/* Ending all that a program has started. It shares our process group, so that whoever kills the
 * group gets all; when we go on living, its descendants are found as our children, since we adopt
 * orphans. What forks faster than we can kill ends with the group, which the kernel does at one
 * stroke: then it is the worker that dies. */
#include "family.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_ROUNDS 1000

void
family_adopt (void)
{
  prctl (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

GArray *
family_list (void)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/task/%d/children", (int) getpid ());
  g_autofree char *text = NULL;
  GArray *list = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  list = g_array_new (FALSE, FALSE, sizeof (pid_t));
  for (char *at = text, *end = NULL; *at != '\0'; at = end)
    {
      pid_t pid = (pid_t) g_ascii_strtoll (at, &end, 10);

      if (end == at)
        break;
      g_array_append_val (list, pid);
      while (*end == ' ')
        end++;
    }
  return list;
}

static gboolean
is_in (const GArray *list, pid_t pid)
{
  for (guint i = 0; list != NULL && i < list->len; i++)
    if (g_array_index (list, pid_t, i) == pid)
      return TRUE;
  return FALSE;
}

/* How many there were. All are killed before any is waited for: then those that are left adopt
 * nobody. */
static guint
end_children (const GArray *children, const GArray *spared)
{
  guint count = 0;

  for (guint i = 0; i < children->len; i++)
    if (!is_in (spared, g_array_index (children, pid_t, i)))
      {
        kill (g_array_index (children, pid_t, i), SIGKILL);
        count++;
      }
  for (guint i = 0; i < children->len; i++)
    if (!is_in (spared, g_array_index (children, pid_t, i)))
      while (waitpid (g_array_index (children, pid_t, i), NULL, 0) < 0 && errno == EINTR)
        continue;
  return count;
}

void
family_end (const GArray *spared)
{
  for (guint round = 0; round < MOST_ROUNDS; round++)
    {
      g_autoptr (GArray) children = family_list ();

      if (children == NULL)
        break;
      if (end_children (children, spared) == 0)
        return;
    }
  if (waitpid (-1, NULL, WNOHANG) < 0 && errno == ECHILD)
    return;
  kill (0, SIGKILL);
}
