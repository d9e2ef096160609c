/* A table of rules, as header_checks(5), pcre_table(5) and regexp_table(5) describe its file. */
#pragma once

#include "action.h"

typedef struct _Table Table;

#define TABLE_MAX_SIZE (8 * 1024 * 1024) /* octets of a file */
#define TABLE_MAX_DEPTH 50               /* of IF in IF */

#define TABLE_MAX_PROBLEMS 20 /* that are told of one file */

/* Reads the text of a file. `name` is what messages call it, `body`: it is for body lines. NULL
 * adds all that is wrong to `problems` as strings for g_free(): "NAME:LINE:COLUMN: what is wrong",
 * and behind the first TABLE_MAX_PROBLEMS how many more there are. */
Table *table_new (const char *name, const char *text, gsize length, PatternKind kind, gboolean body,
                  GPtrArray *problems);
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
