/* See options.h. */
#include "common/options.h"

gboolean
common_options_check_list (WeirLoad *load, const char *option, const char *const *list,
                           const char *(*check) (const char *word), GError **error)
{
  for (; *list != NULL; list++)
    {
      const char *wrong = check (*list);
      g_autofree char *shown = NULL;

      if (wrong == NULL)
        continue;
      shown = g_strescape (*list, NULL);
      weir_load_error (load, error, option, "%s: \"%.100s\" %s", option, shown, wrong);
      return FALSE;
    }
  return TRUE;
}
