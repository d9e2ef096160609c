/* What a program is told about the session and the envelope. */
#pragma once

#include <mailweir/filter.h>

/* "NAME=value" strings, NULL-terminated; `more` is added at the end. Free the array. */
GPtrArray *environment_new (WeirContext *context, const char *const *more);
/* Whether it can stand in the option: NAME=value without control characters, not one of ours. */
gboolean environment_check (const char *entry);
