/* Fills structs from blocks by option tables. Every mistake of a block is reported with its place;
 * the member then has its default, so that later checks find sound values. */
#include "config/option.h"
#include "config/value.h"

#include <string.h>

const ConfigSetting *
config_block_setting (const ConfigBlock *block, const gchar *name)
{
  for (guint i = 0; i < block->settings->len; i++)
    {
      const ConfigSetting *setting = g_ptr_array_index (block->settings, i);

      if (strcmp (setting->name, name) == 0)
        return setting;
    }
  return NULL;
}

const ConfigPlace *
config_block_place_of (const ConfigBlock *block, const gchar *name)
{
  const ConfigSetting *setting = config_block_setting (block, name);

  return setting != NULL ? &setting->value->place : &block->place;
}

const ConfigPlace *
config_block_place_of_item (const ConfigBlock *block, const gchar *name, guint index)
{
  const ConfigSetting *setting = config_block_setting (block, name);
  const ConfigValue *item;

  if (setting == NULL || setting->value->kind != CONFIG_VALUE_LIST
      || index >= setting->value->items->len)
    return config_block_place_of (block, name);
  item = g_ptr_array_index (setting->value->items, index);
  return &item->place;
}

gchar *
config_block_describe (const ConfigBlock *block)
{
  g_autofree gchar *title = block->title != NULL ? config_quote (block->title) : NULL;

  if (*block->type == '\0')
    return g_strdup ("the configuration");
  return title != NULL ? g_strdup_printf ("%s %s", block->type, title) : g_strdup (block->type);
}

static guint
count_rows (const ConfigOption *const *tables)
{
  guint rows = 0;

  for (; *tables != NULL; tables++)
    for (const ConfigOption *row = *tables; row->name != NULL; row++)
      rows++;
  return rows;
}

static const ConfigOption *
find_row (const ConfigOption *const *tables, const gchar *name)
{
  for (; *tables != NULL; tables++)
    for (const ConfigOption *row = *tables; row->name != NULL; row++)
      if (strcmp (row->name, name) == 0)
        return row;
  return NULL;
}

static void
report_unknown (const ConfigBlock *block, const ConfigSetting *setting,
                const ConfigOption *const *tables, ConfigErrors *errors)
{
  g_autofree const gchar **names = g_new0 (const gchar *, count_rows (tables) + 1);
  g_autofree gchar *place = config_block_describe (block);
  const gchar *nearest;
  guint count = 0;

  for (; *tables != NULL; tables++)
    for (const ConfigOption *row = *tables; row->name != NULL; row++)
      names[count++] = row->name;
  nearest = config_suggest (setting->name, names);
  if (nearest != NULL)
    config_errors_add (errors, &setting->place, "unknown option \"%s\" in %s; did you mean \"%s\"?",
                       setting->name, place, nearest);
  else
    config_errors_add (errors, &setting->place, "unknown option \"%s\" in %s", setting->name,
                       place);
}

static void
report_doubled (const ConfigBlock *block, ConfigErrors *errors)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree gchar *described = config_block_describe (block);

  for (guint i = 0; i < block->settings->len; i++)
    {
      ConfigSetting *setting = g_ptr_array_index (block->settings, i);
      const ConfigSetting *first = g_hash_table_lookup (seen, setting->name);

      if (first == NULL)
        g_hash_table_insert (seen, setting->name, setting);
      else
        config_errors_add (errors, &setting->place,
                           "option \"%s\" is given twice in %s; first at %s:%u:%u", setting->name,
                           described, first->place.file, first->place.line, first->place.column);
    }
}

/* ---- Values ---- */

typedef struct
{
  const ConfigOption *row;
  gpointer member; /* in the target */
  ConfigErrors *errors;
} Slot;

static gchar *
join_choices (const gchar *const *choices)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; choices[i] != NULL; i++)
    {
      if (i > 0)
        g_string_append (text, choices[i + 1] != NULL ? ", " : " or ");
      g_string_append_printf (text, "\"%s\"", choices[i]);
    }
  return g_string_free (text, FALSE);
}

/* What the option takes, with an example. Caller frees. */
static gchar *
describe_type (const ConfigOption *row)
{
  switch (row->type)
    {
    case CONFIG_OPTION_STRING:
      return g_strdup ("a string in quotes");
    case CONFIG_OPTION_STRING_LIST:
      return g_strdup ("a string in quotes or a list like [\"a\", \"b\"]");
    case CONFIG_OPTION_INTEGER:
      return g_strdup ("an integer like 100");
    case CONFIG_OPTION_SIZE:
      return g_strdup ("a size like 25M");
    case CONFIG_OPTION_DURATION:
      return g_strdup ("a duration like 30s");
    case CONFIG_OPTION_BOOLEAN:
      return g_strdup ("true or false");
    case CONFIG_OPTION_CHOICE:
      return join_choices (row->choices);
    }
  g_assert_not_reached ();
}

static void
report_type (const Slot *slot, const ConfigValue *value)
{
  g_autofree gchar *type = describe_type (slot->row);
  g_autofree gchar *quoted
      = value->kind == CONFIG_VALUE_LIST ? g_strdup ("a list") : config_quote (value->text);
  const gchar *nearest = slot->row->type == CONFIG_OPTION_CHOICE && value->text != NULL
                             ? config_suggest (value->text, slot->row->choices)
                             : NULL;

  if (nearest != NULL)
    config_errors_add (slot->errors, &value->place,
                       "option \"%s\": expected %s, found %s; did you mean \"%s\"?",
                       slot->row->name, type, quoted, nearest);
  else
    config_errors_add (slot->errors, &value->place, "option \"%s\": expected %s, found %s",
                       slot->row->name, type, quoted);
}

static gboolean
in_range (const Slot *slot, const ConfigValue *value, gint64 number)
{
  const ConfigOption *row = slot->row;
  g_autofree gchar *least = value_format_number (row->type, row->minimum);
  g_autofree gchar *most = value_format_number (row->type, row->maximum);

  if ((row->minimum == 0 && row->maximum == 0)
      || (number >= row->minimum && number <= row->maximum))
    return TRUE;
  config_errors_add (slot->errors, &value->place,
                     "option \"%s\": %s is out of range, which is from %s to %s", row->name,
                     value->text, least, most);
  return FALSE;
}

/* An integer, a size or a duration. FALSE: reported. */
static gboolean
bind_number (const Slot *slot, const ConfigValue *value)
{
  gint64 number;

  if (value->kind != CONFIG_VALUE_NUMBER
      || !value_parse_number (slot->row->type, value->text, &number))
    {
      report_type (slot, value);
      return FALSE;
    }
  if (!in_range (slot, value, number))
    return FALSE;
  /* A size is a guint64; both have the same octets. */
  *(gint64 *) slot->member = number;
  return TRUE;
}

static gboolean
bind_string (const Slot *slot, const ConfigValue *value)
{
  if (value->kind != CONFIG_VALUE_STRING)
    {
      report_type (slot, value);
      return FALSE;
    }
  *(gchar **) slot->member = g_strdup (value->text);
  return TRUE;
}

static gboolean
bind_list (const Slot *slot, const ConfigValue *value)
{
  g_autoptr (GPtrArray) strings = g_ptr_array_new_with_free_func (g_free);
  guint count = value->kind == CONFIG_VALUE_LIST ? value->items->len : 1;

  for (guint i = 0; i < count; i++)
    {
      const ConfigValue *item
          = value->kind == CONFIG_VALUE_LIST ? g_ptr_array_index (value->items, i) : value;

      if (item->kind != CONFIG_VALUE_STRING)
        {
          report_type (slot, item);
          return FALSE;
        }
      g_ptr_array_add (strings, g_strdup (item->text));
    }
  g_ptr_array_add (strings, NULL);
  *(gchar ***) slot->member = (gchar **) g_ptr_array_steal (strings, NULL);
  return TRUE;
}

static gboolean
bind_choice (const Slot *slot, const ConfigValue *value)
{
  if (value->kind != CONFIG_VALUE_LIST)
    for (gint i = 0; slot->row->choices[i] != NULL; i++)
      if (strcmp (slot->row->choices[i], value->text) == 0)
        {
          *(gint *) slot->member = i;
          return TRUE;
        }
  report_type (slot, value);
  return FALSE;
}

static gboolean
bind_boolean (const Slot *slot, const ConfigValue *value)
{
  if (value->kind == CONFIG_VALUE_WORD && value_parse_boolean (value->text, slot->member))
    return TRUE;
  report_type (slot, value);
  return FALSE;
}

static gboolean
bind_value (const Slot *slot, const ConfigValue *value)
{
  switch (slot->row->type)
    {
    case CONFIG_OPTION_STRING:
      return bind_string (slot, value);
    case CONFIG_OPTION_STRING_LIST:
      return bind_list (slot, value);
    case CONFIG_OPTION_INTEGER:
    case CONFIG_OPTION_SIZE:
    case CONFIG_OPTION_DURATION:
      return bind_number (slot, value);
    case CONFIG_OPTION_BOOLEAN:
      return bind_boolean (slot, value);
    case CONFIG_OPTION_CHOICE:
      return bind_choice (slot, value);
    }
  g_assert_not_reached ();
}

/* "a, b" as a list. */
static gchar **
split_fallback (const gchar *text)
{
  gchar **strings = g_strsplit (text != NULL ? text : "", ",", -1);

  for (gchar **string = strings; *string != NULL; string++)
    g_strstrip (*string);
  return strings;
}

/* FALSE: the table's default is none. Tables come with modules, so this is input, not our own bug.
 */
static gboolean
bind_fallback (const Slot *slot)
{
  const ConfigOption *row = slot->row;
  ConfigValue value = { .kind = CONFIG_VALUE_WORD, .text = (gchar *) row->fallback };
  gint64 number = 0;

  if (row->type == CONFIG_OPTION_STRING_LIST)
    {
      *(gchar ***) slot->member = split_fallback (row->fallback);
      return TRUE;
    }
  if (row->fallback == NULL)
    return TRUE;
  if (row->type == CONFIG_OPTION_STRING)
    {
      *(gchar **) slot->member = g_strdup (row->fallback);
      return TRUE;
    }
  if (row->type == CONFIG_OPTION_BOOLEAN)
    return value_parse_boolean (row->fallback, slot->member);
  if (row->type == CONFIG_OPTION_CHOICE)
    return g_strv_contains (row->choices, row->fallback) && bind_choice (slot, &value);
  if (!value_parse_number (row->type, row->fallback, &number))
    return FALSE;
  *(gint64 *) slot->member = number;
  return TRUE;
}

static void
bind_row (const ConfigBlock *block, const ConfigOption *row, gpointer target, ConfigErrors *errors)
{
  const ConfigSetting *setting = config_block_setting (block, row->name);
  const Slot slot = { row, (gchar *) target + row->offset, errors };
  g_autofree gchar *described = NULL;

  if (setting != NULL && bind_value (&slot, setting->value))
    return;
  described = config_block_describe (block);
  if (!bind_fallback (&slot))
    config_errors_add (errors, &block->place, "option \"%s\" of %s has a damaged default \"%s\"",
                       row->name, described, row->fallback);
  if (setting == NULL && row->required && !block->damaged)
    config_errors_add (errors, &block->place, "option \"%s\" is missing in %s", row->name,
                       described);
}

static void
bind_table (const ConfigBlock *block, const ConfigOption *table, gpointer target,
            ConfigErrors *errors)
{
  for (const ConfigOption *row = table; row->name != NULL; row++)
    bind_row (block, row, target, errors);
}

gboolean
config_options_bind (const ConfigBlock *block, const ConfigOption *const *tables,
                     gpointer const *targets, ConfigErrors *errors)
{
  guint before = config_errors_count (errors);

  for (guint i = 0; i < block->settings->len; i++)
    {
      const ConfigSetting *setting = g_ptr_array_index (block->settings, i);

      if (find_row (tables, setting->name) == NULL)
        report_unknown (block, setting, tables, errors);
    }
  report_doubled (block, errors);
  for (guint i = 0; tables[i] != NULL; i++)
    bind_table (block, tables[i], targets[i], errors);
  return config_errors_count (errors) == before;
}

gboolean
config_options_bind_known (const ConfigBlock *block, const ConfigOption *table, gpointer target,
                           ConfigErrors *errors)
{
  guint before = config_errors_count (errors);

  report_doubled (block, errors);
  bind_table (block, table, target, errors);
  return config_errors_count (errors) == before;
}

void
config_options_clear (const ConfigOption *table, gpointer target)
{
  for (const ConfigOption *row = table; row->name != NULL; row++)
    {
      gpointer member = (gchar *) target + row->offset;

      if (row->type == CONFIG_OPTION_STRING)
        g_clear_pointer ((gchar **) member, g_free);
      else if (row->type == CONFIG_OPTION_STRING_LIST)
        g_clear_pointer ((gchar ***) member, g_strfreev);
    }
}

/* ---- The manual ---- */

static gchar *
name_type (const ConfigOption *row)
{
  static const gchar *const names[]
      = { "string", "list of strings", "integer", "size", "duration", "boolean" };

  return row->type == CONFIG_OPTION_CHOICE ? join_choices (row->choices)
                                           : g_strdup (names[row->type]);
}

void
config_options_print (const ConfigOption *table, BaseBuffer *out)
{
  for (const ConfigOption *row = table; row->name != NULL; row++)
    {
      g_autofree gchar *type = name_type (row);

      base_buffer_append_printf (out, "  %-22s %s", row->name, type);
      if (row->required)
        base_buffer_append_string (out, ", required");
      else if (row->fallback != NULL)
        base_buffer_append_printf (out, ", default %s", row->fallback);
      else if (row->type == CONFIG_OPTION_CHOICE)
        base_buffer_append_printf (out, ", default %s", row->choices[0]);
      base_buffer_append_printf (out, "\n  %-22s %s\n", "", row->help);
    }
}
