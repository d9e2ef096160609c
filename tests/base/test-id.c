/* Tests of identifiers: their form, their order, and that threads and processes never share one. */
#include "base/id.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 2000

static void
test_form (void)
{
  gchar id[BASE_ID_LENGTH];

  memset (id, '!', sizeof id);
  base_id_make (id);
  g_assert_cmpuint (strlen (id), ==, BASE_ID_LENGTH - 1);
  g_assert_cmpuint (strspn (id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"), ==, BASE_ID_LENGTH - 1);
}

static void
test_order (void)
{
  gchar before[BASE_ID_LENGTH] = "";

  for (guint i = 0; i < MANY; i++)
    {
      gchar id[BASE_ID_LENGTH];
      base_id_make (id);
      g_assert_cmpint (strcmp (before, id), <, 0);
      memcpy (before, id, sizeof id);
    }
}

static gpointer
make_many (gpointer data)
{
  gchar (*ids)[BASE_ID_LENGTH] = data;

  for (guint i = 0; i < MANY; i++)
    base_id_make (ids[i]);
  return NULL;
}

static void
add_all (GHashTable *seen, gchar (*ids)[BASE_ID_LENGTH], guint count)
{
  for (guint i = 0; i < count; i++)
    g_assert_true (g_hash_table_add (seen, ids[i]));
}

static void
test_threads (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree gchar (*ids)[BASE_ID_LENGTH] = g_malloc (4 * MANY * BASE_ID_LENGTH);
  GThread *threads[4];

  for (guint i = 0; i < 4; i++)
    threads[i] = g_thread_new ("ids", make_many, ids + i * MANY);
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
  add_all (seen, ids, 4 * MANY);
}

static void
test_processes (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree gchar (*ids)[BASE_ID_LENGTH] = g_malloc (2 * MANY * BASE_ID_LENGTH);
  gint pair[2];

  g_assert_cmpint (pipe (pair), ==, 0);
  pid_t child = fork ();
  g_assert_cmpint (child, >=, 0);
  make_many (ids);
  if (child == 0)
    {
      for (guint i = 0; i < MANY; i++)
        if (write (pair[1], ids[i], BASE_ID_LENGTH) != BASE_ID_LENGTH)
          _exit (1);
      _exit (0);
    }
  close (pair[1]);
  for (guint i = 0; i < MANY; i++)
    g_assert_cmpint (read (pair[0], ids[MANY + i], BASE_ID_LENGTH), ==, BASE_ID_LENGTH);
  close (pair[0]);
  g_assert_cmpint (waitpid (child, NULL, 0), ==, child);
  add_all (seen, ids, 2 * MANY);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/id/form", test_form);
  g_test_add_func ("/base/id/order", test_order);
  g_test_add_func ("/base/id/processes", test_processes);
  g_test_add_func ("/base/id/threads", test_threads);
  return g_test_run ();
}
