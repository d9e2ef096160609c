/* Option tables: what a block may say, as rows, and the one function that fills a struct from them.
 */
#pragma once

#include "config/tree.h"

typedef enum
{
  CONFIG_OPTION_STRING,      /* gchar * */
  CONFIG_OPTION_STRING_LIST, /* gchar **, never NULL; a single string is a list of one */
  CONFIG_OPTION_INTEGER,     /* gint64 */
  CONFIG_OPTION_SIZE,        /* guint64 octets; K, M, G are powers of 1,024 */
  CONFIG_OPTION_DURATION,    /* gint64 milliseconds; ms, s, m, h, d */
  CONFIG_OPTION_BOOLEAN,     /* gboolean */
  CONFIG_OPTION_CHOICE       /* gint, index into choices */
} ConfigOptionType;

/* The same shape as WeirOption in include/mailweir/filter.h, which the worker maps onto it. */
typedef struct
{
  const gchar *name; /* NULL ends the table */
  ConfigOptionType type;
  gsize offset;
  const gchar *fallback; /* as written, without quotes; NULL: 0, FALSE, NULL, first choice */
  const gchar *help;
  gboolean required;
  const gchar *const *choices;
  gint64 minimum, maximum; /* both 0: any */
} ConfigOption;

/* Fills the targets from the block's settings: table i of the NULL-terminated list writes into
 * targets[i]; targets may be equal. They are zeroed memory before; every member that a table names
 * is set, from its default where the setting is missing or wrong. Reports unknown (with the nearest
 * name), doubled, mistyped, out-of-range and missing ones; FALSE when it did. Strings and lists in
 * the targets are owned by them, also after FALSE; see config_options_clear(). */
gboolean config_options_bind (const ConfigBlock *block, const ConfigOption *const *tables,
                              gpointer const *targets, ConfigErrors *errors);
/* The same for one table of a block that may also hold settings of others: unknown ones pass. */
gboolean config_options_bind_known (const ConfigBlock *block, const ConfigOption *table,
                                    gpointer target, ConfigErrors *errors);
/* Frees strings and lists and leaves NULL behind. */
void config_options_clear (const ConfigOption *table, gpointer target);
/* The setting of that name in the block, or NULL; of doubled ones the first. */
const ConfigSetting *config_block_setting (const ConfigBlock *block, const gchar *name);
/* The place to name in an error about an option's value: the value's, else the block's. */
const ConfigPlace *config_block_place_of (const ConfigBlock *block, const gchar *name);
/* The place of the list's item of that index; of a single string it is its own. */
const ConfigPlace *config_block_place_of_item (const ConfigBlock *block, const gchar *name,
                                               guint index);
/* The block as errors name it: "listener \"mx\"", "the configuration". Caller frees. */
gchar *config_block_describe (const ConfigBlock *block);
/* "did you mean …": the nearest of `names` (NULL-terminated) by edit distance, or NULL. Belongs to
 * `names`. */
const gchar *config_suggest (const gchar *word, const gchar *const *names);
/* The table as text for a manual: name, type, default, help. */
void config_options_print (const ConfigOption *table, BaseBuffer *out);
