/* Option tables: what a block may say, as rows, and the one function that fills a struct from them. */
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
  const gchar *fallback; /* as it would be written, without quotes; NULL: 0, FALSE, NULL, first choice */
  const gchar *help;
  gboolean required;
  const gchar *const *choices;
  gint64 minimum, maximum; /* both 0: any */
} ConfigOption;

/* Fills `target` from the block's settings by the tables (a NULL-terminated list of tables that all write into the same struct when
 * `targets` are equal; table i writes into targets[i]). Reports unknown (with the nearest name), doubled, mistyped, out-of-range and
 * missing ones. Strings and lists in the targets are owned by them; see config_options_clear(). */
gboolean config_options_bind (const ConfigBlock *block, const ConfigOption *const *tables, gpointer const *targets, ConfigErrors *errors);
void config_options_clear (const ConfigOption *table, gpointer target);
/* The setting of that name in the block, or NULL. */
const ConfigSetting *config_block_setting (const ConfigBlock *block, const gchar *name);
/* The place to name in an error about an option's value: the value's, else the block's. */
const ConfigPlace *config_block_place_of (const ConfigBlock *block, const gchar *name);
/* "did you mean …": the nearest of `names` (NULL-terminated) by edit distance, or NULL. */
const gchar *config_suggest (const gchar *word, const gchar *const *names);
/* The table as text for a manual: name, type, default, help. */
void config_options_print (const ConfigOption *table, BaseBuffer *out);
