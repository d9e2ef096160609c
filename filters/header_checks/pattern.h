/* Regular expressions as Postfix's tables have them: PCRE and POSIX, each with the flags of its
 * table type. Matching PCRE is bounded by a limit on backtracking; running into it is a failure,
 * never a "no". */
#pragma once

#include <glib.h>

typedef enum
{
  PATTERN_PCRE,
  PATTERN_REGEXP
} PatternKind;

typedef struct _Pattern Pattern;
typedef struct _PatternMatcher PatternMatcher; /* of the worker: what matching needs to write to */

#define PATTERN_MAX_LENGTH 16384 /* octets */
#define PATTERN_MAX_GROUPS 99    /* that a replacement may name */

/* Compiles `length` octets of `text`. `flags` is a string of the table type's letters. FALSE sets
 * `error` and `offset`, where in the text it is (0: unknown). */
Pattern *pattern_new (PatternKind kind, const char *text, gsize length, const char *flags,
                      gsize *offset, GError **error);
void pattern_free (Pattern *pattern); /* NULL is fine */
/* How many groups it captures. */
guint pattern_groups (const Pattern *pattern);
/* The letters that `flags` may have. */
const char *pattern_flags (PatternKind kind);

PatternMatcher *pattern_matcher_new (guint limit);
void pattern_matcher_free (PatternMatcher *matcher); /* NULL is fine */

typedef enum
{
  PATTERN_NO,
  PATTERN_YES,
  PATTERN_FAILED /* over the limit, or out of memory */
} PatternResult;

/* Group n of the last match spans [2n] to [2n + 1] of the subject; G_MAXSIZE twice: it took no
 * part. */
typedef struct
{
  gsize spans[2 * (PATTERN_MAX_GROUPS + 1)];
} PatternMatch;

/* Tells the spans of groups 1 to `groups` and, if that is not 0, of the whole: the C library works
 * much harder for them than for a plain answer. */
PatternResult pattern_match (const Pattern *pattern, PatternMatcher *matcher, const char *subject,
                             gsize length, guint groups, PatternMatch *match);
