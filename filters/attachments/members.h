/* Members of an archive, through libarchive: names against the rules, archives in archives, limits.
 * Reads the directory where the format has one, and unpacks no more than it must. */
#pragma once

#include "inspect.h"
#include "source.h"

/* Whether this program was built with libarchive. */
gboolean members_available (void);
/* `level` counts archives in archives, from 1. Without libarchive: nothing happens. */
void members_inspect (Inspection *inspection, const Entity *entity, Source *source, gint64 level);
