/* What is denied: extensions and types, in the form in which they are compared. Made once a worker;
 * asking cannot fail. */
#pragma once

#include <glib.h>

#define RULES_MAX_EXTENSION 60 /* octets, without the dot */

typedef struct
{
  GPtrArray *extensions; /* ".exe", folded; owned */
  GPtrArray *types;      /* globs in lower case; owned */
} Rules;

/* What is wrong with a configured extension or type (a literal); NULL: nothing. */
const char *rules_check_extension (const char *extension);
const char *rules_check_type (const char *type);

Rules *rules_new (const char *const *extensions, const char *const *types);
void rules_free (Rules *rules); /* NULL is fine */

/* The extension that denies this name ("exe"), or NULL; it belongs to the rules. */
const char *rules_match_name (const Rules *rules, const char *name);
/* The glob that denies this type ("application/x-dosexec"), or NULL; it belongs to the rules. */
const char *rules_match_type (const Rules *rules, const char *type);
/* The type of a raw Content-Type field's value, in lower case, without comments, white space and
 * parameters. Caller frees. */
char *rules_type_of (const char *value, gsize length);
