/* Runs the edits that its option `script` lists, one a step, in end_of_message (or in
 * end_of_headers with early = true); a step that fails puts its error into the note "error". The
 * tests speak filter.h through it. */
#include <string.h>

#include <gmime/gmime.h>
#include <mailweir/filter.h>

typedef struct
{
  const char *const *script;
  gboolean early;
} Settings;

static const WeirOption options[] = {
  { "script", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Settings, script), NULL, "steps" },
  { "early", WEIR_OPTION_BOOLEAN, G_STRUCT_OFFSET (Settings, early), NULL, "before the body" },
  { NULL },
};

static GMimeObject *
part_at (WeirContext *context, const char *index)
{
  GMimeMessage *message = weir_message_mime (context);
  GMimeObject *root = message == NULL ? NULL : g_mime_message_get_mime_part (message);

  if (root == NULL || strcmp (index, "root") == 0)
    return root;
  return g_mime_multipart_get_part (GMIME_MULTIPART (root), atoi (index));
}

static gboolean
header_step (WeirContext *context, char **w, GError **error)
{
  guint index
      = g_ascii_isdigit (w[1][0]) ? (guint) atoi (w[1]) : weir_header_find (context, w[1], 0);

  if (strcmp (w[0], "prepend") == 0)
    return weir_header_prepend (context, w[1], w[2], error);
  if (strcmp (w[0], "append") == 0)
    return weir_header_append (context, w[1], w[2], error);
  if (strcmp (w[0], "insert") == 0)
    return weir_header_insert (context, index, w[2], w[3], error);
  if (strcmp (w[0], "change") == 0)
    return weir_header_change (context, index, w[2], error);
  if (strcmp (w[0], "insert-raw") == 0)
    return weir_header_insert_raw (context, index, w[2], w[3], error);
  if (strcmp (w[0], "change-raw") == 0)
    return weir_header_change_raw (context, index, w[2], error);
  return weir_header_remove (context, index, error);
}

static gboolean
part_step (WeirContext *context, char **w, GError **error)
{
  GMimeObject *part = part_at (context, w[1]);
  g_autofree char *entity = w[2] == NULL ? NULL : weir_part_text (w[2]);

  if (strcmp (w[0], "part-replace") == 0)
    return weir_part_replace (context, part, entity, -1, error);
  if (strcmp (w[0], "part-insert") == 0)
    return weir_part_insert (context, part, 0, entity, -1, error);
  return weir_part_remove (context, part, error);
}

/* "GMimeTextPart of 0, Content-Type: text/plain, \"body\"" for each entity. */
static void
append_entity (WeirContext *context, guint index, GString *text)
{
  WeirEntity entity = weir_entity (context, index);
  gsize length = 0;
  const char *bytes = (const char *) weir_message_bytes (context, &length);

  g_string_append_printf (text, "%s%s", index == 0 ? "" : "; ",
                          G_OBJECT_TYPE_NAME (weir_entity_object (context, index)));
  if (entity.parent != WEIR_NO_ENTITY)
    g_string_append_printf (text, " of %u", entity.parent);
  for (guint i = 0; i < entity.n_fields; i++)
    {
      WeirEntityField field = weir_entity_field (context, index, i);

      g_string_append_printf (text, ", %.*s:%.*s", (int) field.name_length, field.name,
                              (int) field.length - 2, field.value);
    }
  if (entity.has_body)
    g_string_append_printf (text, ", \"%.*s\"", (int) (entity.end - entity.start),
                            bytes + entity.start);
  g_assert (entity.has_body == (entity.kind == WEIR_ENTITY_LEAF));
}

static gboolean
entities_step (WeirContext *context)
{
  g_autoptr (GString) text = g_string_new (NULL);
  guint count = weir_entity_count (context);

  for (guint i = 0; i < count; i++)
    append_entity (context, i, text);
  g_assert (weir_entity_object (context, count) == NULL);
  weir_set_note (context, "entities", "%s", text->str);
  return TRUE;
}

static gboolean
envelope_step (WeirContext *context, char **w, GError **error)
{
  const char *parameters[] = { "NOTIFY=NEVER", NULL };

  if (strcmp (w[0], "sender") == 0)
    return weir_set_sender (context, w[1], NULL, error);
  if (strcmp (w[0], "add") == 0)
    return weir_add_recipient (context, w[1], parameters, error);
  return weir_remove_recipient (context, w[1], error);
}

static gboolean
step (WeirContext *context, const char *text, GError **error)
{
  g_auto (GStrv) w = g_strsplit (text, "|", 4);

  if (strcmp (w[0], "entities") == 0)
    return entities_step (context);
  if (g_str_has_prefix (w[0], "part-"))
    return part_step (context, w, error);
  if (strcmp (w[0], "body") == 0)
    return weir_body_replace (context, w[1], -1, error);
  if (strcmp (w[0], "message") == 0)
    return weir_message_replace (context, w[1], -1, error);
  if (strcmp (w[0], "sender") == 0 || strcmp (w[0], "add") == 0 || strcmp (w[0], "drop") == 0)
    return envelope_step (context, w, error);
  return header_step (context, w, error);
}

static WeirVerdict
run (WeirContext *context)
{
  const Settings *settings = weir_config (context);

  for (guint i = 0; settings->script[i] != NULL; i++)
    {
      g_autoptr (GError) error = NULL;

      if (!step (context, settings->script[i], &error))
        weir_set_note (context, "error", "%s", error->message);
    }
  return WEIR_PASS;
}

static WeirVerdict
early (WeirContext *context)
{
  const Settings *settings = weir_config (context);

  return settings->early ? run (context) : WEIR_PASS;
}

static WeirVerdict
late (WeirContext *context)
{
  const Settings *settings = weir_config (context);

  return settings->early ? WEIR_PASS : run (context);
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "edits",
  .summary = "edits by a script",
  .edits = WEIR_EDIT_SENDER | WEIR_EDIT_RECIPIENTS | WEIR_EDIT_HEADERS | WEIR_EDIT_PARTS
           | WEIR_EDIT_BODY | WEIR_EDIT_MESSAGE,
  .config_size = sizeof (Settings),
  .options = options,
  .end_of_headers = early,
  .end_of_message = late,
};
