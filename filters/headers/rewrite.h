/* Address rules "pattern => replacement" and their use on one address or on the addresses inside a
 * raw header field. Pure text: no host functions. A rule that is wrong is a message for the
 * operator; an address that cannot be understood is left as it is. */
#pragma once

#include <glib.h>

/* NULL when the rule is well formed, else what is wrong with it (a literal). */
const char *rewrite_check (const char *rule);

/* The address after the first of the rules that matches; NULL when none does, when the address
 * would stay as it is, or when the result would be no address. Caller frees. */
char *rewrite_address (const char *const *rules, const char *address, gsize length);

/* A field's raw value with its addresses rewritten: display names, comments, groups and folds stay
 * byte for byte. NULL when nothing changes. Caller frees. */
char *rewrite_field (const char *const *rules, const char *raw);
