/* Readings of a Content-* field in the filter "attachments": bounded work, and no
 * octet read that is not there. */
#include <stdint.h>
#include <string.h>

#include "names.h"
#include "strict.h"
#include "wild.h"

gint LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

gint
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const char *const denied[] = { "exe", NULL }, *const none[] = { NULL };
  g_autofree char *text = text_copy ((const char *) data, size);
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) whole = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) names = NULL;
  Rules *rules = rules_new (denied, none, denied, none);
  gboolean too_many = FALSE;
  TextWork work;

  text_work_init (&work, 1 << 20);
  names = names_read (&work, text, "filename", pieces, whole, &too_many);
  for (guint i = 0; i < names->len; i++)
    {
      rules_match_name (rules, g_ptr_array_index (names, i));
      rules_allow_name (rules, g_ptr_array_index (names, i));
    }
  if (strict_check (text) != STRICT_PLAIN)
    wild_match (&work, rules, text, pieces);
  text_work_clear (&work);
  rules_free (rules);
  return 0;
}
