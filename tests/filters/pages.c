/* Texts for tests of filters that stand elsewhere: in their READMEs, and in a folder of messages.
 */
#include "pages.h"

#include <mailweir/test.h>
#include <string.h>

#define MAX_CORPUS_FILE (2 * 1024 * 1024)

char *
pages_config (const char *path)
{
  g_autofree char *page = NULL;
  g_auto (GStrv) pieces = NULL;

  g_assert_true (g_file_get_contents (path, &page, NULL, NULL));
  pieces = g_strsplit (page, "\n```\n", 3);
  g_assert_cmpuint (g_strv_length (pieces), ==, 3);
  return g_strdup (pieces[1]);
}

void
pages_expect_load_errors (const char *module, const char *const (*bad)[2], guint count)
{
  for (guint i = 0; i < count; i++)
    {
      g_autofree char *filter
          = g_strdup_printf ("filter \"f\" { module = \"%s\"\n%s\n}", module, bad[i][0]);
      g_autofree char *errors = weir_test_load_errors ("\"f\"", filter);

      g_assert_nonnull (errors);
      if (strstr (errors, bad[i][1]) == NULL)
        g_error ("%s: %s", bad[i][0], errors);
    }
}

typedef void (*CorpusFunc) (const char *path, const char *message, gsize length, gpointer data);

static void
corpus_folder (const char *path, CorpusFunc func, gpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);
      g_autofree char *text = NULL;
      g_autofree char *wire = NULL;
      gsize length;

      if (g_file_test (file, G_FILE_TEST_IS_DIR))
        corpus_folder (file, func, data);
      else if (g_file_get_contents (file, &text, &length, NULL) && length < MAX_CORPUS_FILE)
        {
          wire = weir_test_wire (text, length, &length);
          func (file, wire, length, data);
        }
    }
}

gboolean
pages_corpus (CorpusFunc func, gpointer data)
{
  const char *path = g_getenv ("MAILWEIR_CORPUS");

  if (path == NULL || !g_file_test (path, G_FILE_TEST_IS_DIR))
    return FALSE;
  corpus_folder (path, func, data);
  return TRUE;
}
