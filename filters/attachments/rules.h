/* What is denied and what is allowed: extensions and types, in the form in which they are compared.
 * Made once a worker; asking cannot fail. */
#pragma once

#include <glib.h>

#define RULES_MAX_EXTENSION 60 /* octets, without the dot */

typedef struct
{
  GPtrArray *extensions;         /* ".exe", folded; owned */
  GPtrArray *types;              /* globs in lower case; owned */
  GPtrArray *allowed_extensions; /* empty: all */
  GPtrArray *allowed_types;      /* empty: all */
} Rules;

/* What is wrong with a configured extension or type (a literal); NULL: nothing. */
const char *rules_check_extension (const char *extension);
const char *rules_check_type (const char *type);

/* What is denied, and what is allowed; an empty list of the latter allows everything. */
Rules *rules_new (const char *const *extensions, const char *const *types,
                  const char *const *allowed_extensions, const char *const *allowed_types);
void rules_free (Rules *rules); /* NULL is fine */

/* The extension that denies this name ("exe"), or NULL; it belongs to the rules. */
const char *rules_match_name (const Rules *rules, const char *name);
/* Whether the name has one of these extensions (".zip", in lower case; NULL-terminated), read in
 * the same way. */
gboolean rules_is_one_of (const char *const *extensions, const char *name);
/* The glob that denies this type ("application/x-dosexec"), or NULL; it belongs to the rules. */
const char *rules_match_type (const Rules *rules, const char *type);
/* Whether the list of what is allowed has this name, or type; TRUE where there is no such list. */
gboolean rules_allow_name (const Rules *rules, const char *name);
gboolean rules_allow_type (const Rules *rules, const char *type);
gboolean rules_has_allowed_names (const Rules *rules);
gboolean rules_has_allowed_types (const Rules *rules);
/* The type of a raw Content-Type field's value, in lower case, without comments, white space and
 * parameters. Caller frees. */
char *rules_type_of (const char *value, gsize length);
