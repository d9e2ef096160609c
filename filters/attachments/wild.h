/* The last resort for a field that is not read alike by everybody: could any program, however it
 * skips, unescapes and joins, end a name with a denied extension? Says yes too often rather than
 * once too little; an ordinary field never comes here. */
#pragma once

#include "rules.h"
#include "text.h"

/* `text` is the field's value; `pieces` (of char *) are values of its parameters, which may be
 * joined in any order, with any of them left out or used twice. The extension that a name might
 * have; NULL: none. It belongs to the rules. */
const char *wild_match (TextWork *work, const Rules *rules, const char *text, GPtrArray *pieces);
