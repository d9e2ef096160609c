/* Every number and every octet of two outlines. A difference is an assertion that fails. */
#include "compare.h"

#include <string.h>

#include "mime/guard.h"
#include "mime/view.h"

static void
compare_fields (const MimeOutline *ours, const MimeOutline *theirs, guint index)
{
  guint count = mime_outline_nth (ours, index)->n_fields;

  g_assert_cmpuint (count, ==, mime_outline_nth (theirs, index)->n_fields);
  for (guint i = 0; i < count; i++)
    {
      const MimeEntityField *left = mime_outline_field (ours, index, i);
      const MimeEntityField *right = mime_outline_field (theirs, index, i);

      g_assert_cmpmem (left->name, left->name_length, right->name, right->name_length);
      g_assert_cmpmem (left->value, left->length, right->value, right->length);
    }
}

static void
compare (const MimeOutline *ours, const MimeOutline *theirs)
{
  g_assert_cmpuint (ours->entities->len, ==, theirs->entities->len);
  for (guint i = 0; i < ours->entities->len; i++)
    {
      const MimeEntity *left = mime_outline_nth (ours, i);
      const MimeEntity *right = mime_outline_nth (theirs, i);

      g_assert_cmpint (left->kind, ==, right->kind);
      g_assert_cmpuint (left->parent, ==, right->parent);
      g_assert_true (left->has_body == right->has_body);
      if (left->has_body)
        {
          g_assert_cmpuint (left->start, ==, right->start);
          g_assert_cmpuint (left->end, ==, right->end);
        }
      compare_fields (ours, theirs, i);
    }
}

gboolean
compare_outlines (const guint8 *bytes, gsize length)
{
  static const MimeLimits limits = MIME_LIMITS_DEFAULT;
  g_autoptr (MimeOutline) outline = NULL;
  g_autoptr (GBytes) block = NULL;
  g_autoptr (MimeView) view = NULL;
  MimeProblem problem;

  if (!mime_guard_check (bytes, length, FALSE, &limits, &outline, &problem) || outline == NULL)
    return FALSE;
  block = g_bytes_new_static (bytes, length);
  view = mime_view_new (block, FALSE);
  g_assert_nonnull (mime_view_message (view));
  compare (outline, mime_view_outline (view));
  return TRUE;
}
