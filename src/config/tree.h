/* The brace grammar: text to blocks and settings, each with its place. Knows no option names.
 *
 *   name = value        strings "…", integers, sizes 25M, durations 30s, booleans, lists [a, b]
 *   block "title" { … } nested blocks
 *   # comment           include "file" (relative to the including file)
 *
 * Sources come through a ConfigSources, so that a generation can parse what the supervisor has read
 * with root's rights. */
#pragma once

#include <glib.h>

#include "base/buffer.h"

#define CONFIG_MAX_FILE (1024 * 1024)       /* octets of one file of settings */
#define CONFIG_MAX_TEXT (4 * 1024 * 1024)   /* octets of all of them together */
#define CONFIG_MAX_FILES 100                /* of settings, each inclusion counted */
#define CONFIG_MAX_INCLUDE 10               /* files deep */
#define CONFIG_MAX_NESTING 8                /* blocks deep */
#define CONFIG_MAX_VALUES 10000             /* of one list */
#define CONFIG_MAX_TITLE 255                /* octets */
#define CONFIG_MAX_ERRORS 200               /* kept; later ones are only counted */
#define CONFIG_MAX_SECRET (4 * 1024 * 1024) /* octets of a key, a chain, a list of authorities */
#define CONFIG_MAX_BUNDLE (64 * 1024 * 1024)

typedef struct
{
  const gchar *file;  /* belongs to the tree */
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
  gboolean damaged;    /* part of it could not be read: what is missing may have been there */
  GPtrArray *files;    /* the root's: names that places point to; else NULL */
} ConfigBlock;

/* Every error that was found: "file:line:column: text". Of more than CONFIG_MAX_ERRORS the rest is
 * counted and not kept. */
typedef struct _ConfigErrors ConfigErrors;
ConfigErrors *config_errors_new (void);
void config_errors_free (ConfigErrors *errors);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ConfigErrors, config_errors_free)
void config_errors_add (ConfigErrors *errors, const ConfigPlace *place, const gchar *format, ...)
    G_GNUC_PRINTF (3, 4);
guint config_errors_count (const ConfigErrors *errors);
/* NULL behind the last one that was kept. Belongs to `errors`. */
const gchar *config_errors_nth (const ConfigErrors *errors, guint index);
/* One a line, with a last line that counts those that were not kept; caller frees. */
gchar *config_errors_to_string (const ConfigErrors *errors);
/* By file (in the order of their first error), line and column. */
void config_errors_sort (ConfigErrors *errors);
/* `text` in quotes as an error shows it: control characters escaped, the end of a long one cut off.
 * Caller frees. */
gchar *config_quote (const gchar *text);

/* The files that make up a configuration: path → text. A bundle can be written to a descriptor and
 * read back elsewhere. */
typedef struct _ConfigSources ConfigSources;
/* Reads from the file system and remembers. */
ConfigSources *config_sources_new_files (void);
/* Knows what is in the bundle and never touches the file system. */
ConfigSources *config_sources_new_bundle (GBytes *bundle, GError **error);
/* All that was read so far; caller frees. */
GBytes *config_sources_to_bundle (const ConfigSources *sources);
/* A file's text; for tests and for the built-in default as well. */
void config_sources_add (ConfigSources *sources, const gchar *path, const gchar *text);
/* Reads `path` (a key, a certificate) into the bundle; the text belongs to the sources. NULL:
 * error, also for what is no regular file or has more than CONFIG_MAX_SECRET octets. */
GBytes *config_sources_read (ConfigSources *sources, const gchar *path, GError **error);
void config_sources_free (ConfigSources *sources);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ConfigSources, config_sources_free)

/* Never NULL: what could be parsed. Errors go to `errors`. The limits are above. */
ConfigBlock *config_tree_parse (ConfigSources *sources, const gchar *path, ConfigErrors *errors);
void config_block_free (ConfigBlock *block);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ConfigBlock, config_block_free)
