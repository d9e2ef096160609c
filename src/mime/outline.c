/* Two arrays. Nothing here can fail; a wrong index is our own bug. */
#include "mime/outline.h"

MimeOutline *
mime_outline_new (void)
{
  MimeOutline *outline = g_new (MimeOutline, 1);

  outline->entities = g_array_sized_new (FALSE, FALSE, sizeof (MimeEntity), 8);
  outline->fields = g_array_sized_new (FALSE, FALSE, sizeof (MimeEntityField), 16);
  return outline;
}

void
mime_outline_free (MimeOutline *outline)
{
  if (outline == NULL)
    return;
  g_array_unref (outline->entities);
  g_array_unref (outline->fields);
  g_free (outline);
}

guint
mime_outline_add (MimeOutline *outline, guint parent)
{
  MimeEntity entity = { .parent = parent, .first = outline->fields->len };

  g_array_append_val (outline->entities, entity);
  return outline->entities->len - 1;
}

void
mime_outline_add_field (MimeOutline *outline, const gchar *name, gsize name_length,
                        const gchar *value, gsize length)
{
  MimeEntityField field = { name, name_length, value, length };

  g_array_append_val (outline->fields, field);
  mime_outline_nth (outline, outline->entities->len - 1)->n_fields++;
}

MimeEntity *
mime_outline_nth (const MimeOutline *outline, guint index)
{
  g_assert (index < outline->entities->len);
  return &g_array_index (outline->entities, MimeEntity, index);
}

const MimeEntityField *
mime_outline_field (const MimeOutline *outline, guint index, guint nth)
{
  const MimeEntity *entity = mime_outline_nth (outline, index);

  g_assert (nth < entity->n_fields);
  return &g_array_index (outline->fields, MimeEntityField, entity->first + nth);
}
