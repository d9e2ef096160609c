/* A table of rules, as header_checks(5), pcre_table(5) and regexp_table(5) describe its file. */
#pragma once

#include "action.h"

typedef struct _Table Table;

#define TABLE_MAX_SIZE (8 * 1024 * 1024) /* octets of a file */
#define TABLE_MAX_DEPTH 50               /* of IF in IF */

/* Reads the text of a file. `name` is what messages call it, `body`: it is for body lines. NULL
 * sets `error`: "NAME:LINE:COLUMN: what is wrong". */
Table *table_new (const char *name, const char *text, gsize length, PatternKind kind, gboolean body,
                  GError **error);
void table_free (Table *table); /* NULL is fine */
guint table_count (const Table *table);
const char *table_name (const Table *table);

typedef struct
{
  PatternResult result; /* PATTERN_FAILED: at `line`, and `action` is NULL */
  const Action *action; /* the table's */
  char *text;           /* the action's, the match put in; caller frees */
  guint line;
} TableHit;

/* The first rule that fits. An empty subject fits none. */
TableHit table_find (const Table *table, PatternMatcher *matcher, const char *subject,
                     gsize length);
