/* The filter "attachments": refuses, strips or sets aside parts by the extension of their name, by
 * their declared type, and by the type that libmagic sees in their bytes.
 *
 * What it cannot look at whole, or cannot cut out cleanly, it refuses: it fails closed. */
#include <mailweir/filter.h>

#include <errno.h>
#include <string.h>

#include "inspect.h"
#include "walk.h"

typedef enum
{
  ACTION_REJECT,
  ACTION_STRIP,
  ACTION_QUARANTINE
} Action;

typedef struct
{
  const char *const *deny;
  const char *const *deny_types;
  gboolean detect;
  gint action;
  const char *reply;
  const char *note;
  Rules *rules;  /* of the worker */
  magic_t magic; /* of the worker; NULL: no detection */
} Config;

static const char *const actions[] = { "reject", "strip", "quarantine", NULL };

static const WeirOption options[]
    = { { "deny", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, deny), NULL,
          "Extensions of file names, with or without the dot." },
        { "deny-types", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, deny_types), NULL,
          "MIME types, declared or detected; * stands for anything (\"application/x-*\")." },
        { "detect", WEIR_OPTION_BOOLEAN, G_STRUCT_OFFSET (Config, detect), "true",
          "Hold the type that libmagic detects in the decoded bytes against deny-types as well." },
        { "action", WEIR_OPTION_CHOICE, G_STRUCT_OFFSET (Config, action), "reject",
          "What to do with the message: refuse it, take the part out, or set the message aside.",
          .choices = actions },
        { "reply", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, reply), NULL,
          "The text of the refusal; %s stands for the attachment's name." },
        { "note", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, note),
          "The attachment \"%s\" was removed because it is not accepted here.",
          "What stands in place of a part that was taken out; %s stands for its name." },
        { NULL } };

/* ---- Loading ---- */

static gboolean
check_list (WeirLoad *load, const char *option, const char *const *list,
            const char *(*check) (const char *), GError **error)
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

static gboolean
load_attachments (WeirLoad *load, gpointer data, GError **error)
{
  const Config *config = data;

  if (*config->deny == NULL && *config->deny_types == NULL)
    {
      weir_load_error (load, error, NULL, "neither deny nor deny-types says what to look for");
      return FALSE;
    }
  return check_list (load, "deny", config->deny, rules_check_extension, error)
         && check_list (load, "deny-types", config->deny_types, rules_check_type, error);
}

static void
stop (gpointer data)
{
  Config *config = data;

  g_clear_pointer (&config->rules, rules_free);
  g_clear_pointer (&config->magic, magic_close);
}

static gboolean
start (gpointer data, GError **error)
{
  Config *config = data;

  config->rules = rules_new (config->deny, config->deny_types);
  if (!config->detect || *config->deny_types == NULL)
    return TRUE;
  config->magic = magic_open (MAGIC_MIME_TYPE);
  if (config->magic != NULL && magic_load (config->magic, NULL) == 0)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "libmagic: %s",
               config->magic == NULL ? g_strerror (errno) : magic_error (config->magic));
  stop (config);
  return FALSE;
}

/* ---- Acting on findings ---- */

/* `text` with its "%s" replaced; caller frees. */
static char *
fill_in (const char *text, const char *name)
{
  g_auto (GStrv) pieces = g_strsplit (text, "%s", -1);

  return g_strjoinv (name, pieces);
}

static WeirVerdict
refuse (WeirContext *context, const Finding *finding)
{
  const Config *config = weir_config (context);
  g_autofree char *text = NULL;

  if (g_str_has_prefix (finding->rule, "limit "))
    return weir_reply (context, 550, "5.7.1", "The message can not be examined: %s",
                       finding->rule + strlen ("limit "));
  if (config->reply == NULL)
    return weir_reply (context, 550, "5.7.1", "Attachment \"%s\" is not accepted here: %s",
                       finding->name, finding->rule);
  text = fill_in (config->reply, finding->name);
  return weir_reply (context, 550, "5.7.1", "%s", text);
}

/* Replaces the part of the finding at `index`, which is the first of that part. */
static gboolean
strip_part (WeirContext *context, const Inspection *inspection, guint index, GError **error)
{
  const Config *config = weir_config (context);
  const Finding *finding = g_ptr_array_index (inspection->findings, index);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GHashTable) named = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree char *entity = NULL;

  for (guint i = index; i < inspection->findings->len; i++)
    {
      const Finding *other = g_ptr_array_index (inspection->findings, i);
      g_autofree char *line = NULL;

      if (other->part != finding->part || !g_hash_table_add (named, other->name))
        continue;
      line = fill_in (config->note, other->name);
      g_string_append_printf (text, "%s\n", line);
    }
  entity = weir_part_text (text->str);
  return weir_part_replace (context, finding->part, entity, -1, error);
}

static WeirVerdict
strip (WeirContext *context, const Inspection *inspection)
{
  g_autoptr (GHashTable) stripped = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < inspection->findings->len; i++)
    {
      const Finding *finding = g_ptr_array_index (inspection->findings, i);

      if (finding->part == NULL) /* it hides outside of every part */
        return refuse (context, finding);
    }
  for (guint i = 0; i < inspection->findings->len; i++)
    {
      const Finding *finding = g_ptr_array_index (inspection->findings, i);
      g_autoptr (GError) error = NULL;

      if (!g_hash_table_add (stripped, finding->part)
          || strip_part (context, inspection, i, &error))
        continue;
      weir_log (context, "cannot strip \"%s\": %s", finding->name, error->message);
      return refuse (context, finding);
    }
  return WEIR_PASS;
}

/* The same name often stands in several fields of a part: it is told once. */
static void
append_finding (GString *text, const Finding *finding)
{
  g_autofree char *one = g_strdup_printf ("%s (%s)", finding->name, finding->rule);

  if (strstr (text->str, one) == NULL)
    g_string_append_printf (text, "%s%s", text->len == 0 ? "" : ", ", one);
}

static void
note_findings (WeirContext *context, const Inspection *inspection)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < inspection->names->len && text->len < 500; i++)
    g_string_append_printf (text, "%s%s", i == 0 ? "" : ", ",
                            (char *) g_ptr_array_index (inspection->names, i));
  if (text->len > 0)
    weir_set_note (context, "attachments", "%s", text->str);
  g_string_truncate (text, 0);
  for (guint i = 0; i < inspection->findings->len && text->len < 500; i++)
    append_finding (text, g_ptr_array_index (inspection->findings, i));
  if (text->len > 0)
    weir_set_note (context, "attachments-denied", "%s", text->str);
}

static WeirVerdict
judge (WeirContext *context, const Inspection *inspection)
{
  const Config *config = weir_config (context);
  const Finding *first;

  note_findings (context, inspection);
  if (inspection->findings->len == 0)
    return WEIR_PASS;
  first = g_ptr_array_index (inspection->findings, 0);
  switch ((Action) config->action)
    {
    case ACTION_STRIP:
      return strip (context, inspection);
    case ACTION_QUARANTINE:
      return weir_quarantine (context, "attachment \"%s\": %s", first->name, first->rule);
    case ACTION_REJECT:
      break;
    }
  return refuse (context, first);
}

/* ---- The hook ---- */

static guint8 *
read_message (WeirContext *context, gsize size)
{
  guint8 *bytes = g_try_malloc (size + 1);

  for (gsize at = 0; bytes != NULL && at < size;)
    {
      gssize got = weir_message_read (context, at, bytes + at, size - at);

      if (got <= 0)
        g_clear_pointer (&bytes, g_free);
      else
        at += (gsize) got;
    }
  return bytes;
}

static WeirVerdict
end_of_message (WeirContext *context)
{
  const Config *config = weir_config (context);
  gsize size = (gsize) weir_message_size (context);
  struct _GMimeMessage *message = weir_message_mime (context);
  const guint8 *bytes = walk_bytes (message, size);
  g_autofree guint8 *copy = bytes == NULL ? read_message (context, size) : NULL;
  Inspection inspection;
  WeirVerdict verdict;

  if (bytes == NULL)
    bytes = copy;
  if (bytes == NULL)
    return weir_reply (context, 451, "4.3.0", "The message could not be read, try again later");
  inspect_init (&inspection, config->rules, config->magic, size);
  walk_message (&inspection, message, bytes, size);
  verdict = judge (context, &inspection);
  inspect_clear (&inspection);
  return verdict;
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "attachments",
  .summary = "refuses, strips or sets aside attachments by name and type",
  .edits = WEIR_EDIT_PARTS,
  .config_size = sizeof (Config),
  .options = options,
  .load = load_attachments,
  .start = start,
  .stop = stop,
  .end_of_message = end_of_message,
};
