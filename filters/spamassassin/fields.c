/* The header fields X-Spam-... of a message. Removing goes backwards, because indexes move; adding
 * on top goes backwards too, so that the first comes first. */
#include "fields.h"

#include <string.h>

#define PREFIX "X-Spam-"
#define FOLD 72 /* columns before a line of X-Spam-Status is folded */

gboolean
fields_strip (WeirContext *context, GError **error)
{
  for (guint i = weir_header_count (context); i > 0; i--)
    {
      const char *name = weir_header_name (context, i - 1);

      if (g_ascii_strncasecmp (name, PREFIX, strlen (PREFIX)) == 0
          && !weir_header_remove (context, i - 1, error))
        return FALSE;
    }
  return TRUE;
}

/* "A,B,C" with folds behind commas; a name of a rule is never cut. */
static void
append_tests (GString *value, const char *tests)
{
  g_auto (GStrv) names = g_strsplit (*tests == '\0' ? "none" : tests, ",", -1);
  gsize column = strlen ("tests=") + 1;

  g_string_append (value, "\r\n\ttests=");
  for (guint i = 0; names[i] != NULL; i++)
    {
      gsize length = strlen (names[i]) + 1;

      if (i > 0)
        g_string_append_c (value, ',');
      if (i > 0 && column + length > FOLD)
        {
          g_string_append (value, "\r\n\t");
          column = 1;
        }
      g_string_append (value, names[i]);
      column += length;
    }
}

gboolean
fields_add (WeirContext *context, const Answer *answer, const char *tests, GError **error)
{
  g_autofree char *score = answer_score_text (answer->score);
  g_autofree char *required = answer_score_text (answer->required);
  g_autoptr (GString) status = g_string_new (answer->spam ? "Yes" : "No");

  g_string_append_printf (status, ", score=%s required=%s", score, required);
  append_tests (status, tests);
  return weir_header_prepend (context, "X-Spam-Status", status->str, error)
         && weir_header_prepend (context, "X-Spam-Score", score, error)
         && weir_header_prepend (context, "X-Spam-Flag", answer->spam ? "YES" : "NO", error);
}

gboolean
fields_pass_on (WeirContext *context, const GPtrArray *fields, GError **error)
{
  for (guint i = fields->len; i > 0; i--)
    {
      const AnswerField *field = g_ptr_array_index (fields, i - 1);

      if (*field->value != '\0' && !weir_header_prepend (context, field->name, field->value, error))
        return FALSE;
    }
  return TRUE;
}
