/* The brace grammar: text to blocks and settings, each with its place. Knows no option names.
 *
 *   name = value        strings "…", integers, sizes 25M, durations 30s, booleans, lists [a, b]
 *   block "title" { … } nested blocks
 *   # comment           include "file" (relative to the including file)
 *
 * Sources come through a ConfigReader, so that a generation can parse what the supervisor has read with root's rights. */
#pragma once

#include <glib.h>

#include "base/buffer.h"

typedef struct
{
  const gchar *file; /* belongs to the tree */
  guint line, column; /* from 1; column in characters */
} ConfigPlace;

typedef enum
{
  CONFIG_VALUE_STRING,
  CONFIG_VALUE_NUMBER, /* integer, size or duration: the word as written is in `text` */
  CONFIG_VALUE_WORD,   /* true, false, yes, no, on, off or anything bare */
  CONFIG_VALUE_LIST
} ConfigValueKind;

typedef struct
{
  ConfigValueKind kind;
  ConfigPlace place;
  gchar *text;      /* owned; NULL for a list */
  GPtrArray *items; /* of ConfigValue, for a list */
} ConfigValue;

typedef struct
{
  gchar *name;
  ConfigPlace place;
  ConfigValue *value;
} ConfigSetting;

typedef struct
{
  gchar *type;  /* "listener"; "" for the root */
  gchar *title; /* NULL when none is given */
  ConfigPlace place;
  GPtrArray *settings; /* of ConfigSetting */
  GPtrArray *blocks;   /* of ConfigBlock */
} ConfigBlock;

/* Every error that was found, in order: "file:line:column: text". */
typedef struct _ConfigErrors ConfigErrors;
ConfigErrors *config_errors_new (void);
void config_errors_free (ConfigErrors *errors);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ConfigErrors, config_errors_free)
void config_errors_add (ConfigErrors *errors, const ConfigPlace *place, const gchar *format, ...) G_GNUC_PRINTF (3, 4);
guint config_errors_count (const ConfigErrors *errors);
const gchar *config_errors_nth (const ConfigErrors *errors, guint index);
gchar *config_errors_to_string (const ConfigErrors *errors); /* one a line; caller frees */

/* The files that make up a configuration: path → text. A bundle can be written to a descriptor and read back elsewhere. */
typedef struct _ConfigSources ConfigSources;
ConfigSources *config_sources_new_files (void);       /* reads from the file system and remembers */
ConfigSources *config_sources_new_bundle (GBytes *bundle, GError **error);
GBytes *config_sources_to_bundle (const ConfigSources *sources); /* all that was read so far */
/* A file's text; for tests and for the built-in default as well. */
void config_sources_add (ConfigSources *sources, const gchar *path, const gchar *text);
/* Reads `path` (a key, a certificate) into the bundle; the text belongs to the sources. NULL: error. */
GBytes *config_sources_read (ConfigSources *sources, const gchar *path, GError **error);
void config_sources_free (ConfigSources *sources);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ConfigSources, config_sources_free)

/* Never NULL: what could be parsed. Errors go to `errors`. Limits: include depth 10, 1 MB a file, nesting 8, 10,000 values a list. */
ConfigBlock *config_tree_parse (ConfigSources *sources, const gchar *path, ConfigErrors *errors);
void config_block_free (ConfigBlock *block);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ConfigBlock, config_block_free)
