/* The processes below this one. */
#pragma once

#include <glib.h>

/* From here on orphans among our descendants become our children. */
void family_adopt (void);
/* Our children, as process numbers. NULL: the kernel does not tell. */
GArray *family_list (void);
/* Kills and reaps all children, and theirs, but those in `spared` (NULL: none). When that can not
 * be done our whole process group is killed, ourselves with it. */
void family_end (const GArray *spared);
