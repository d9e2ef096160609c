/* Options that several filters check alike. */
#pragma once

#include <mailweir/filter.h>

/* Whether nothing is wrong with any word of a list; `check` says what is, or NULL. FALSE: the error
 * names option and word. */
gboolean common_options_check_list (WeirLoad *load, const char *option, const char *const *list,
                                    const char *(*check) (const char *word), GError **error);
