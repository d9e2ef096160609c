/* The brace grammar, read by recursive descent: items of a file or a block, values, inclusions.
 *
 * An error skips the rest of its line, so that one mistake is one report, and marks the blocks
 * around it as damaged, so that nobody complains about settings that may have stood there. */
#include "config/scan.h"

#include <string.h>

typedef struct
{
  ConfigSources *sources;
  ConfigErrors *errors;
  ConfigBlock *root;
  GPtrArray *open; /* names of the files that are being read, outermost first */
  guint files;     /* read so far */
  gsize octets;
  guint nesting;
} Parser;

static void parse_items (Parser *parser, Scan *scan, ConfigBlock *block);

static void
value_free (gpointer data)
{
  ConfigValue *value = data;

  if (value == NULL)
    return;
  g_free (value->text);
  g_clear_pointer (&value->items, g_ptr_array_unref);
  g_free (value);
}

static void
setting_free (gpointer data)
{
  ConfigSetting *setting = data;

  g_free (setting->name);
  value_free (setting->value);
  g_free (setting);
}

void
config_block_free (ConfigBlock *block)
{
  if (block == NULL)
    return;
  g_free (block->type);
  g_free (block->title);
  g_ptr_array_unref (block->settings);
  g_ptr_array_unref (block->blocks);
  g_clear_pointer (&block->files, g_ptr_array_unref);
  g_free (block);
}

static void
block_free (gpointer data)
{
  config_block_free (data);
}

static ConfigBlock *
block_new (const gchar *type, const ConfigPlace *place)
{
  ConfigBlock *block = g_new0 (ConfigBlock, 1);

  block->type = g_strdup (type);
  block->place = *place;
  block->settings = g_ptr_array_new_with_free_func (setting_free);
  block->blocks = g_ptr_array_new_with_free_func (block_free);
  return block;
}

/* The word as an error names it. */
static gchar *
found (const Scan *scan)
{
  return scan->kind == SCAN_END ? g_strdup ("the end of the file") : config_quote (scan->text);
}

static void
expected (Parser *parser, const Scan *scan, const gchar *what)
{
  g_autofree gchar *word = found (scan);

  config_errors_add (parser->errors, &scan->start, "expected %s, found %s", what, word);
}

/* To the first word that is not on `line`, or the brace that ends the block. A block that opens on
 * the way is left out as a whole. */
static void
skip_line (Scan *scan, guint line)
{
  guint depth = 0;

  while (scan->kind != SCAN_END)
    {
      if (depth == 0 && (scan->start.line != line || scan_is_mark (scan, '}')))
        return;
      if (scan_is_mark (scan, '{'))
        depth++;
      else if (scan_is_mark (scan, '}') && --depth == 0)
        line = scan->start.line;
      scan_next (scan);
    }
}

static gboolean
is_name (const gchar *text)
{
  return g_ascii_isalpha (text[0])
         && strspn (text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
                == strlen (text);
}

static ConfigValueKind
bare_kind (const gchar *text)
{
  const gchar *digits = text[0] == '-' || text[0] == '+' ? text + 1 : text;

  return g_ascii_isdigit (digits[0]) ? CONFIG_VALUE_NUMBER : CONFIG_VALUE_WORD;
}

/* What other files quote so is no string here. */
static gboolean
is_single_quoted (const Scan *scan)
{
  return scan->kind == SCAN_BARE && scan->text[0] == '\'';
}

/* A string, a number or a word; NULL when none stands here. */
static ConfigValue *
parse_scalar (Parser *parser, Scan *scan, const gchar *what)
{
  ConfigValue *value;

  if ((scan->kind != SCAN_STRING && scan->kind != SCAN_BARE) || is_single_quoted (scan))
    {
      expected (parser, scan, is_single_quoted (scan) ? "a string in double quotes" : what);
      return NULL;
    }
  value = g_new0 (ConfigValue, 1);
  value->kind = scan->kind == SCAN_STRING ? CONFIG_VALUE_STRING : bare_kind (scan->text);
  value->place = scan->start;
  value->text = g_steal_pointer (&scan->text);
  scan_next (scan);
  return value;
}

/* One item and the comma behind it. FALSE: the list ends here, well or badly. */
static gboolean
parse_list_item (Parser *parser, Scan *scan, ConfigValue *list)
{
  ConfigPlace place = scan->start;
  ConfigValue *item;

  if (scan_is_mark (scan, ']'))
    return FALSE;
  item = parse_scalar (parser, scan, "a value or \"]\" in the list");
  if (item == NULL)
    return FALSE;
  g_ptr_array_add (list->items, item);
  if (list->items->len == CONFIG_MAX_VALUES + 1)
    config_errors_add (parser->errors, &place, "more than %d values in one list",
                       CONFIG_MAX_VALUES);
  if (scan_is_mark (scan, ','))
    {
      scan_next (scan);
      return TRUE;
    }
  if (!scan_is_mark (scan, ']'))
    expected (parser, scan, "\",\" or \"]\" in the list");
  return FALSE;
}

/* Where the last thing that is known to belong to the list stands. */
static guint
last_line (const ConfigValue *list)
{
  const ConfigValue *last;

  if (list->items->len == 0)
    return list->place.line;
  last = g_ptr_array_index (list->items, list->items->len - 1);
  return last->place.line;
}

static ConfigValue *
parse_list (Parser *parser, Scan *scan)
{
  ConfigValue *list = g_new0 (ConfigValue, 1);

  list->kind = CONFIG_VALUE_LIST;
  list->place = scan->start;
  list->items = g_ptr_array_new_with_free_func (value_free);
  scan_next (scan);
  while (parse_list_item (parser, scan, list))
    continue;
  if (scan_is_mark (scan, ']'))
    scan_next (scan);
  else
    skip_line (scan, last_line (list));
  if (list->items->len > CONFIG_MAX_VALUES)
    g_ptr_array_set_size (list->items, CONFIG_MAX_VALUES);
  return list;
}

static void
parse_setting (Parser *parser, Scan *scan, ConfigBlock *block, const gchar *name,
               const ConfigPlace *place)
{
  ConfigValue *value = NULL;
  ConfigSetting *setting;
  guint line = scan->start.line;

  scan_next (scan);
  /* A bare word on the next line is the next option's name, not the value that was forgotten. */
  if (scan->kind == SCAN_BARE && scan->start.line != line)
    expected (parser, scan, "a value");
  else if (scan_is_mark (scan, '['))
    value = parse_list (parser, scan);
  else
    value = parse_scalar (parser, scan, "a value");
  if (value == NULL)
    {
      skip_line (scan, line);
      return;
    }
  setting = g_new0 (ConfigSetting, 1);
  setting->name = g_strdup (name);
  setting->place = *place;
  setting->value = value;
  g_ptr_array_add (block->settings, setting);
}

/* Reads the title of a block. FALSE: reported, and no block follows. */
static gboolean
parse_title (Parser *parser, Scan *scan, ConfigBlock *block)
{
  ConfigPlace place = scan->start;
  gboolean bare = scan->kind == SCAN_BARE;
  g_autofree gchar *quoted = config_quote (scan->text);

  block->title = g_steal_pointer (&scan->text);
  scan_next (scan);
  if (bare && !scan_is_mark (scan, '{'))
    {
      config_errors_add (parser->errors, &place, "expected \"=\" behind \"%s\", found %s",
                         block->type, quoted);
      return FALSE;
    }
  if (bare)
    config_errors_add (parser->errors, &place, "expected a title in quotes, found %s", quoted);
  else if (*block->title == '\0')
    config_errors_add (parser->errors, &place, "empty title");
  else if (strlen (block->title) > CONFIG_MAX_TITLE)
    config_errors_add (parser->errors, &place, "title of more than %d octets", CONFIG_MAX_TITLE);
  else if (strpbrk (block->title, "\n\t\r") != NULL)
    config_errors_add (parser->errors, &place, "control character in title %s", quoted);
  if (!scan_is_mark (scan, '{'))
    expected (parser, scan, "\"{\" behind the title");
  return scan_is_mark (scan, '{');
}

static void
parse_block_items (Parser *parser, Scan *scan, ConfigBlock *block)
{
  ConfigPlace brace = scan->start;

  scan_next (scan);
  parser->nesting++;
  parse_items (parser, scan, block);
  parser->nesting--;
  if (scan_is_mark (scan, '}'))
    {
      scan_next (scan);
      return;
    }
  config_errors_add (parser->errors, &brace, "this \"{\" is never closed");
  block->damaged = TRUE;
}

/* From the title or the brace on; the type was read before. */
static void
parse_block (Parser *parser, Scan *scan, ConfigBlock *parent, const gchar *type,
             const ConfigPlace *place)
{
  g_autoptr (ConfigBlock) block = block_new (type, place);

  if (!scan_is_mark (scan, '{') && !parse_title (parser, scan, block))
    {
      skip_line (scan, place->line);
      return;
    }
  if (parser->nesting >= CONFIG_MAX_NESTING)
    {
      config_errors_add (parser->errors, place, "blocks are nested more than %d deep",
                         CONFIG_MAX_NESTING);
      skip_line (scan, scan->start.line);
      return;
    }
  parse_block_items (parser, scan, block);
  g_ptr_array_add (parent->blocks, g_steal_pointer (&block));
}

/* The file's name for places; kept by the root. */
static const gchar *
keep_name (Parser *parser, const gchar *path)
{
  gchar *name = g_strdup (path);

  g_ptr_array_add (parser->root->files, name);
  return name;
}

/* Why a file can not be read now, or NULL. Caller frees. */
static gchar *
refuse_file (Parser *parser, const gchar *path)
{
  if (g_ptr_array_find_with_equal_func (parser->open, path, g_str_equal, NULL))
    return g_strdup ("it includes itself");
  /* The outermost file is none that was included. */
  if (parser->open->len > CONFIG_MAX_INCLUDE)
    return g_strdup_printf ("files include each other more than %d deep", CONFIG_MAX_INCLUDE);
  if (parser->files >= CONFIG_MAX_FILES)
    return g_strdup_printf ("more than %d files", CONFIG_MAX_FILES);
  return NULL;
}

/* The text, or NULL and the reason. */
static GBytes *
read_text (Parser *parser, const gchar *path, gchar **reason)
{
  g_autoptr (GError) error = NULL;
  GBytes *text;

  *reason = refuse_file (parser, path);
  if (*reason != NULL)
    return NULL;
  text = config_sources_read (parser->sources, path, &error);
  if (text == NULL)
    *reason = g_strdup (error->message);
  else if (g_bytes_get_size (text) > CONFIG_MAX_FILE)
    *reason = g_strdup_printf ("longer than %d octets", CONFIG_MAX_FILE);
  else if (g_bytes_get_size (text) > CONFIG_MAX_TEXT - parser->octets)
    *reason = g_strdup_printf ("all files together are longer than %d octets", CONFIG_MAX_TEXT);
  return *reason == NULL ? text : NULL;
}

/* Reads the items of a file into `block`. `from`: where it was asked for; NULL for the first one.
 */
static void
parse_file (Parser *parser, const gchar *path, const ConfigPlace *from, ConfigBlock *block)
{
  const gchar *name = keep_name (parser, path);
  const ConfigPlace first = { name, 1, 1 };
  g_autofree gchar *reason = NULL;
  GBytes *text = read_text (parser, path, &reason);
  Scan scan;

  if (text == NULL)
    {
      g_autofree gchar *quoted = config_quote (path);

      config_errors_add (parser->errors, from != NULL ? from : &first, "cannot read %s: %s", quoted,
                         reason);
      return;
    }
  parser->files++;
  parser->octets += g_bytes_get_size (text);
  g_ptr_array_add (parser->open, (gpointer) name);
  scan_init (&scan, name, text, parser->errors);
  scan_next (&scan);
  parse_items (parser, &scan, block);
  while (scan_is_mark (&scan, '}'))
    {
      config_errors_add (parser->errors, &scan.start, "this \"}\" closes nothing");
      scan_next (&scan);
      parse_items (parser, &scan, block);
    }
  scan_finish (&scan);
  g_ptr_array_set_size (parser->open, (gint) parser->open->len - 1);
}

static void
parse_include (Parser *parser, Scan *scan, ConfigBlock *block, const ConfigPlace *from)
{
  ConfigPlace place = scan->start;
  g_autofree gchar *path = NULL;

  if (scan->kind != SCAN_STRING)
    {
      expected (parser, scan, "a file's name in double quotes behind \"include\"");
      skip_line (scan, from->line);
      return;
    }
  if (g_path_is_absolute (scan->text))
    path = g_strdup (scan->text);
  else
    {
      g_autofree gchar *folder = g_path_get_dirname (place.file);

      path = strcmp (folder, ".") == 0 ? g_strdup (scan->text)
                                       : g_build_filename (folder, scan->text, NULL);
    }
  scan_next (scan);
  parse_file (parser, path, &place, block);
}

static void
parse_item (Parser *parser, Scan *scan, ConfigBlock *block)
{
  ConfigPlace place = scan->start;
  g_autofree gchar *name = NULL;

  if (scan->kind != SCAN_BARE || !is_name (scan->text))
    {
      expected (parser, scan, "the name of an option or a block");
      skip_line (scan, place.line);
      return;
    }
  name = g_steal_pointer (&scan->text);
  scan_next (scan);
  if (scan_is_mark (scan, '='))
    parse_setting (parser, scan, block, name, &place);
  else if (strcmp (name, "include") == 0)
    parse_include (parser, scan, block, &place);
  else if (scan->kind == SCAN_STRING || scan->kind == SCAN_BARE || scan_is_mark (scan, '{'))
    parse_block (parser, scan, block, name, &place);
  else
    {
      expected (parser, scan, "\"=\" or a block's title or \"{\"");
      skip_line (scan, scan->start.line);
    }
}

/* Up to the "}" that ends the block, or the end of the file. */
static void
parse_items (Parser *parser, Scan *scan, ConfigBlock *block)
{
  guint before = config_errors_count (parser->errors);

  while (scan->kind != SCAN_END && !scan_is_mark (scan, '}'))
    parse_item (parser, scan, block);
  if (config_errors_count (parser->errors) != before)
    block->damaged = TRUE;
}

ConfigBlock *
config_tree_parse (ConfigSources *sources, const gchar *path, ConfigErrors *errors)
{
  g_autoptr (GPtrArray) open = g_ptr_array_new ();
  const ConfigPlace start = { "", 1, 1 };
  ConfigBlock *root = block_new ("", &start);
  guint before = config_errors_count (errors);
  Parser parser = { .sources = sources, .errors = errors, .root = root, .open = open };

  root->files = g_ptr_array_new_with_free_func (g_free);
  root->place.file = keep_name (&parser, path);
  parse_file (&parser, path, NULL, root);
  if (config_errors_count (errors) != before)
    root->damaged = TRUE;
  return root;
}
