/* What a file name, a declared type and a detected type each say about the same bytes, and whether
 * that can be one thing. Ordinary mail is careless: only what hides something counts. */
#pragma once

#include <glib.h>

/* `names` are all readings (of char *) or NULL; `declared` may be NULL. What does not fit to the
 * detected type, for a report ("named a.pdf", "declared image/png"); NULL: all is well. Caller
 * frees. */
char *types_mismatch (GPtrArray *names, const char *declared, const char *detected);
/* Whether a declared type is an archive's. */
gboolean types_is_archive (const char *type);
